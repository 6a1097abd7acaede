//! Invariants under random answers, commit times and stops.
//!
//! `Seen::check` checks most of them in every scene.

use super::scene::Scene;
use super::seen::Seen;
use super::service::{
    Reply, after_millis, done, in_doubt, never_left, panicking, partial, refused, throttled,
    transient,
};
use crate::engine::Control;
use crate::event::{EventKind, StopReason};
use crate::task::Outcome;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// The answers to the first attempts of a task; later attempts succeed.
type Answers = Vec<(u8, u64)>;

fn answers(longest: usize) -> impl Strategy<Value = Vec<Answers>> {
    let one = prop::collection::vec((0_u8..8, 0_u64..3_000), 0..6);
    prop::collection::vec(one, 0..longest)
}

fn reply(answers: &[Answers], ordinal: u32, number: u32) -> Reply {
    match answers[ordinal as usize].get(number as usize - 1) {
        Some(&(kind, millis)) => scripted(kind, millis),
        None => after_millis(20, done()),
    }
}

fn scripted(kind: u8, millis: u64) -> Reply {
    match kind {
        0 => after_millis(millis, done()),
        1 => after_millis(millis, partial()),
        2 => after_millis(millis, refused()),
        3 => after_millis(millis, transient()),
        4 => after_millis(millis, in_doubt()),
        5 => after_millis(millis, never_left()),
        6 => after_millis(millis, throttled(millis % 4)),
        _ => panicking(),
    }
}

fn scene(answers: Vec<Answers>) -> Scene {
    let tasks = u32::try_from(answers.len()).unwrap();
    Scene::with_tasks(tasks).answering(move |ordinal, number| reply(&answers, ordinal, number))
}

fn paced(scene: Scene, rate: Option<u32>) -> Scene {
    match rate {
        Some(rate) => scene.rate(&format!("{rate}/s")),
        None => scene,
    }
}

/// Carries out a scene on a runtime of its own, with its clock paused.
fn run(scene: Scene) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(scene.run())
}

fn settled_ordinals(seen: &Seen) -> BTreeSet<u32> {
    seen.settled().iter().map(|settled| settled.ordinal).collect()
}

fn failures_before_the_stop(seen: &Seen) -> u64 {
    let kinds = seen.events().map(|event| &event.kind);
    let before = kinds.take_while(|kind| !matches!(kind, EventKind::RunStopping { .. }));
    let failed =
        |kind: &&EventKind| matches!(kind, EventKind::TaskSettled { outcome: Outcome::Failed, .. });
    before.filter(failed).count() as u64
}

/// Returns how many tasks had an answer whose meaning later calls were to show when the run stopped.
fn set_aside_at_the_stop(seen: &Seen) -> u64 {
    let mut set_aside = BTreeSet::new();
    for event in seen.events() {
        match &event.kind {
            EventKind::RunStopping { .. } => break,
            EventKind::AttemptEnded { task, .. } => drop(set_aside.insert(task.ordinal)),
            EventKind::TaskSettled { task, .. } | EventKind::RetryScheduled { task, .. } => {
                set_aside.remove(&task.ordinal);
            }
            _ => {}
        }
    }
    set_aside.len() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_task_ends_with_exactly_one_outcome(
        answers in answers(30),
        concurrency in 1_usize..9,
        rate in prop::option::of(1_u32..60),
        commits in prop::collection::vec(0_u64..300, 1..5),
        claimed in 1_usize..12,
    ) {
        let tasks = u32::try_from(answers.len()).unwrap();
        let scene = paced(scene(answers), rate).concurrency(concurrency);
        let seen = run(scene.committing_in(&commits).claiming(claimed));
        prop_assert_eq!(seen.stopped(), None);
        prop_assert_eq!(settled_ordinals(&seen), (0..tasks).collect());
        let counted: usize = Outcome::ALL.iter().map(|&outcome| seen.count(outcome)).sum();
        prop_assert_eq!(counted, tasks as usize);
        prop_assert_eq!(seen.results().len(), seen.sendings().len());
    }

    #[test]
    fn no_window_holds_more_than_the_rate_however_the_ledger_stalls(
        rate in 1_u32..40,
        concurrency in 1_usize..50,
        commits in prop::collection::vec(0_u64..3_000, 1..12),
        tasks in 1_u32..120,
    ) {
        let scene = Scene::with_tasks(tasks).rate(&format!("{rate}/s")).concurrency(concurrency);
        let seen = run(scene.committing_in(&commits));
        prop_assert_eq!(seen.count(Outcome::Succeeded), tasks as usize);
    }

    #[test]
    fn at_most_the_tolerated_and_those_on_the_wire_fail(
        answers in answers(60),
        tolerated in 0_u64..8,
        concurrency in 1_usize..12,
        commits in prop::collection::vec(0_u64..100, 1..4),
    ) {
        let scene = scene(answers).concurrency(concurrency).tolerating(tolerated);
        let seen = run(scene.committing_in(&commits));
        let failed = seen.count(Outcome::Failed) as u64;
        prop_assert_eq!(seen.stopping().is_some(), failed > tolerated);
        if let Some((_, on_wire)) = seen.stopping() {
            let before = failures_before_the_stop(&seen);
            prop_assert_eq!(before, tolerated + 1, "the one after the tolerated ones stops");
            let had_left = on_wire as u64 + set_aside_at_the_stop(&seen);
            prop_assert!(failed - before <= had_left, "only calls that had left follow");
            prop_assert!(on_wire < concurrency);
        }
        prop_assert_eq!(seen.results().len(), seen.sendings().len());
    }

    #[test]
    fn a_stop_at_any_moment_loses_nothing(
        answers in answers(30),
        concurrency in 1_usize..9,
        rate in prop::option::of(1_u32..60),
        commits in prop::collection::vec(0_u64..300, 1..5),
        stop in 0_u64..6_000,
    ) {
        let tasks = answers.len();
        let scene = paced(scene(answers), rate).concurrency(concurrency);
        let scene = scene.interrupted_after(Duration::from_millis(stop));
        let seen = run(scene.committing_in(&commits).claiming(5));
        prop_assert_eq!(seen.results().len(), seen.sendings().len());
        prop_assert_eq!(seen.stopped().is_some(), settled_ordinals(&seen).len() < tasks);
    }

    #[test]
    fn after_abandoning_only_calls_on_the_wire_are_in_doubt(
        answers in answers(30),
        commits in prop::collection::vec(0_u64..300, 1..5),
        stop in 0_u64..4_000,
        patience in 0_u64..1_000,
    ) {
        let reason = StopReason::Interrupted;
        let scene = scene(answers).committing_in(&commits)
            .asking(Duration::from_millis(stop), Control::Stop(reason))
            .asking(Duration::from_millis(stop + patience), Control::Abandon);
        let seen = run(scene.perhaps_leaving_doubt());
        let in_doubt = seen.sendings().len() - seen.results().len();
        prop_assert!(in_doubt <= seen.stopping().map_or(0, |(_, on_wire)| on_wire));
    }
}
