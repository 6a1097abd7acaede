//! The rate grows from almost nothing to the whole limit.

use super::scene::{Scene, secs};
use super::seen::Seen;
use super::service::{after_millis, done};
use crate::task::Outcome;
use std::ops::Range;
use std::time::Duration;

async fn ramped(tasks: u32, rate: &str, over: u64) -> Seen {
    let mut scene = Scene::with_tasks(tasks).rate(rate).concurrency(64);
    scene.settings.ramp = Some(secs(over));
    scene.answering(|_, _| after_millis(5, done())).run().await
}

fn sendings_in(seen: &Seen, span: Range<Duration>) -> usize {
    seen.sendings().iter().filter(|(_, at)| span.contains(at)).count()
}

#[tokio::test(start_paused = true)]
async fn the_rate_grows_in_a_straight_line_and_then_holds() {
    let seen = ramped(400, "10/s", 30).await;
    for second in 1..=30 {
        let straight = (second * second) as f64 / 6.0;
        let sent = sendings_in(&seen, secs(0)..secs(second)) as f64;
        // Two go at once where none went before, and one that waits gains by each step.
        assert!(sent <= straight + 4.0, "{sent} in {second} s, at most {straight}");
        assert!(sent >= straight * 0.9 - 2.0, "{sent} in {second} s of {straight}");
    }
    assert_eq!(sendings_in(&seen, secs(31)..secs(41)), 99, "each second has room for 9.95");
    assert_eq!(seen.count(Outcome::Succeeded), 400);
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_grows_just_so() {
    let seen = ramped(4_000, "1000/s", 4).await;
    assert!((450..=501).contains(&sendings_in(&seen, secs(0)..secs(2))));
    assert!((1_900..=2_001).contains(&sendings_in(&seen, secs(0)..secs(4))));
    let whole = sendings_in(&seen, secs(4)..secs(5));
    assert!((980..=1_000).contains(&whole), "{whole}");
}

#[tokio::test(start_paused = true)]
async fn a_ramp_without_a_rate_changes_nothing() {
    let mut scene = Scene::with_tasks(100).concurrency(10);
    scene.settings.ramp = Some(secs(30));
    assert_eq!(scene.run().await.lasted(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_ramp_wakes_the_loop_only_at_its_steps() {
    let seen = ramped(5, "1/s", 1_000).await;
    assert_eq!(seen.sendings().len(), 5);
    assert!(seen.polls < 200, "{}", seen.polls);
}
