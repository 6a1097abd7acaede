//! The bytes of the journal: every record reads back, any bytes are records or an error with a
//! place, and the page of the format shows the bytes that are written.

mod bounds;
mod damage;
mod fold;
mod page;
mod segments;

use super::{
    ChunkFold, Ended, Fact, FailureTexts, PlanChunk, PlanChunkWriter, PlannedTask, Record,
    RunRecord, RunSegmentWriter, SegmentWriter, Text, records, run_records,
};
use crate::task::{
    Command, Counts, Failure, FailureKind, Outcome, Repetition, ServiceLimit, TaskState,
};
use proptest::prelude::*;

impl SegmentWriter {
    fn body(&self, distance: u64) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(distance, &mut body);
        body
    }
}

impl RunSegmentWriter {
    fn body(&self, distance: u64) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(distance, &mut body);
        body
    }
}

/// A record that owns its texts.
#[derive(Debug, Clone)]
enum OwnedFact {
    Started(u64, u32, i64),
    Withdrawn,
    Ended(Box<OwnedEnd>),
    Settled(Outcome, i64),
    Before(TaskState),
    After(TaskState, Option<i64>, Option<Outcome>),
    Lost,
}

#[derive(Debug, Clone)]
struct OwnedEnd {
    sent_us: i64,
    duration_us: u64,
    in_doubt: bool,
    http_status: Option<u16>,
    request_id: Option<String>,
    counts: Option<Counts>,
    failure: Option<Failure>,
}

impl OwnedFact {
    fn fact(&self) -> Fact<'_> {
        match self {
            &Self::Started(seq, number, leaves_us) => Fact::Started { seq, number, leaves_us },
            Self::Withdrawn => Fact::Withdrawn,
            Self::Ended(end) => Fact::Ended(Ended {
                sent_us: end.sent_us,
                duration_us: end.duration_us,
                in_doubt: end.in_doubt,
                http_status: end.http_status,
                request_id: end.request_id.as_deref().map(Text::Plain),
                counts: end.counts,
                failure: end.failure.as_ref().map(|failure| Box::new(FailureTexts::new(failure))),
            }),
            &Self::Settled(outcome, at_us) => Fact::Settled { outcome, at_us },
            &Self::Before(state) => Fact::Before(state),
            Self::Lost => Fact::Lost,
            &Self::After(state, verified_us, verdict) => {
                Fact::After { state, verified_us, verdict }
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[0-9a-f]{2,40}",
        "[ -~äß“]{1,30}",
        Just("no answer within 60s".into())
    ]
}

/// Returns a command of VIAS, or an action of another service.
fn command_of(number: u8) -> Command {
    let action = |name, repetition| Command::of_action(name, repetition).unwrap();
    match number {
        0 => Command::START,
        1 => Command::STOP,
        2 => Command::DELETE,
        3 => action("start", Repetition::Harmless),
        4 => action("start", Repetition::Harmful),
        _ => action("os-stop", Repetition::Harmful),
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(Outcome::ALL.to_vec())
}

fn state() -> impl Strategy<Value = TaskState> {
    prop::sample::select(TaskState::ALL.to_vec())
}

fn failure() -> impl Strategy<Value = Failure> {
    let list = || prop::collection::vec(text(), 0..4);
    let kind = prop::sample::select(FailureKind::ALL.to_vec());
    let texts = (text(), text(), text(), text(), text());
    (kind, texts, list(), list()).prop_map(|(kind, texts, params, error_list)| {
        let (code, message, detail, reason, advice) = texts;
        Failure { kind, code, message, detail, params, reason, advice, error_list }
    })
}

fn end() -> impl Strategy<Value = OwnedEnd> {
    let counts = any::<(u64, u64, u64)>().prop_map(|(total, failed, succeeded)| Counts {
        total,
        failed,
        succeeded,
    });
    let times = (any::<i64>(), any::<u64>(), any::<bool>());
    let answer = (any::<Option<u16>>(), prop::option::of(text()), prop::option::of(counts));
    (times, answer, prop::option::of(failure())).prop_map(|(times, answer, failure)| {
        let ((sent_us, duration_us, in_doubt), (http_status, request_id, counts)) = (times, answer);
        OwnedEnd { sent_us, duration_us, in_doubt, http_status, request_id, counts, failure }
    })
}

fn fact() -> impl Strategy<Value = OwnedFact> {
    prop_oneof![
        any::<(u64, u32, i64)>().prop_map(|(seq, n, us)| OwnedFact::Started(seq, n, us)),
        Just(OwnedFact::Withdrawn),
        Just(OwnedFact::Lost),
        end().prop_map(|end| OwnedFact::Ended(Box::new(end))),
        (outcome(), any::<i64>()).prop_map(|(outcome, us)| OwnedFact::Settled(outcome, us)),
        state().prop_map(OwnedFact::Before),
        (state(), any::<Option<i64>>(), prop::option::of(outcome()))
            .prop_map(|(state, us, verdict)| OwnedFact::After(state, us, verdict)),
    ]
}

/// Makes records comparable: a text may be read in another form than it was written in.
fn plain(record: &Record<'_>) -> String {
    let mut record = record.clone();
    let mut request_id = None;
    if let Fact::Ended(ended) = &mut record.fact {
        request_id = ended.request_id.take().map(|text| text.text().into_owned());
    }
    format!("{record:?} {request_id:?}")
}

proptest! {
    #[test]
    fn every_segment_reads_back(
        written in prop::collection::vec((any::<u32>(), fact()), 0..40),
        distance in any::<u64>(),
    ) {
        let mut writer = SegmentWriter::default();
        let all: Vec<Record<'_>> =
            written.iter().map(|(offset, fact)| Record { offset: *offset, fact: fact.fact() }).collect();
        all.iter().for_each(|record| writer.push(record));
        let body = writer.body(distance);
        let mut read = Vec::new();
        let found = records(&body, |record| {
            read.push(plain(&record));
            Ok(())
        });
        prop_assert_eq!(found, Ok(distance));
        prop_assert_eq!(read, all.iter().map(plain).collect::<Vec<_>>());
        writer.clear();
        all.iter().for_each(|record| writer.push(record));
        prop_assert_eq!(writer.body(distance), body, "a cleared writer remembers nothing");
    }

    #[test]
    fn every_chunk_reads_back(
        tasks in prop::collection::vec(
            (1..9_u32, "[0-9a-z_-]{4,36}", 0..6_u8, 0..3_u32, any::<u64>(),
             any::<Option<u64>>(), prop::option::of(text())), 0..60),
        start in 0..u32::MAX / 2,
    ) {
        let mut ordinal = start;
        let all: Vec<PlannedTask<'_>> = tasks
            .iter()
            .map(|(step, id, command, source, line, column, others)| {
                ordinal += step;
                let command = command_of(*command);
                let (source, line, column) = (*source, *line, *column);
                let (id, others) = (Text::Plain(id), others.as_deref());
                PlannedTask { ordinal, id, command, source, line, column, others, doubted: line % 3 == 0 }
            })
            .collect();
        let mut writer = PlanChunkWriter::default();
        for _ in 0..2 {
            all.iter().for_each(|task| writer.push(task));
            let (first, count, body) = writer.finish();
            let mut chunk = PlanChunk::new(&body).unwrap();
            prop_assert_eq!((chunk.tasks, count as usize), (count, all.len()));
            prop_assert_eq!(chunk.first, first);
            for task in &all {
                let read = chunk.next().unwrap().unwrap();
                prop_assert_eq!(read.id.text(), task.id.text());
                prop_assert_eq!(PlannedTask { id: task.id, ..read }, *task);
            }
            prop_assert_eq!(chunk.next(), Ok(None));
        }
    }

    #[test]
    fn any_bytes_are_records_or_an_error_with_a_place(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        for error in [
            records(&bytes, |_| Ok(())).err(),
            run_records(&bytes, |_| Ok(())).err(),
            ChunkFold::new(&bytes).err(),
        ].into_iter().flatten() {
            prop_assert!(error.at <= bytes.len(), "{error}");
        }
    }

    #[test]
    fn a_changed_byte_of_a_segment_is_records_or_an_error(
        written in prop::collection::vec((0..9_u32, fact()), 1..20),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut writer = SegmentWriter::default();
        for (offset, fact) in &written {
            writer.push(&Record { offset: *offset, fact: fact.fact() });
        }
        let mut body = writer.body(1);
        let at = at.index(body.len());
        body[at] = byte;
        let _ = records(&body, |record| {
            if let Fact::Ended(Ended { failure: Some(failure), .. }) = record.fact {
                drop(failure.to_failure());
            }
            Ok(())
        });
    }
}

#[test]
fn every_record_of_the_run_reads_back() {
    let all = [
        RunRecord::SessionStarted { at_us: 5, process: 4711, version: "0.1.0" },
        RunRecord::Held { at_us: 9, until_us: 4, reason: "throttled" },
        RunRecord::RateLearnt(ServiceLimit { per_second: Some(12.5), at_a_time: None }),
        RunRecord::RateLearnt(ServiceLimit { per_second: None, at_a_time: Some(20) }),
        RunRecord::RateLearnt(ServiceLimit { per_second: Some(0.5), at_a_time: Some(300) }),
        RunRecord::RateLearnt(ServiceLimit::default()),
        RunRecord::Polled { leaves_us: -7 },
        RunRecord::Changed { at_us: 9, what: "rate", value: Some("5/s"), by: "a key" },
        RunRecord::Changed { at_us: 9, what: "paused", value: None, by: "a key" },
        RunRecord::Excluded { tasks: "{}" },
        RunRecord::SessionEnded { at_us: i64::MAX, held_us: u64::MAX, stopped: Some("drained") },
        RunRecord::SessionEnded { at_us: i64::MIN, held_us: 0, stopped: None },
        RunRecord::SendingsLost { until_us: 7, most: u64::MAX },
        RunRecord::TasksLost { chunk: 3, tasks: 1_000, rows: None },
        RunRecord::Drilled { task: "{}" },
        RunRecord::DrillEnded { left: 0, why: None },
        RunRecord::DrillEnded { left: u64::MAX, why: Some("drained") },
        RunRecord::TasksLost { chunk: 4, tasks: 1, rows: Some((1, 2, u64::MAX)) },
    ];
    let mut writer = RunSegmentWriter::default();
    all.iter().for_each(|record| writer.push(record));
    let body = writer.body(300);
    let mut read = Vec::new();
    let distance = run_records(&body, |record| {
        read.push(record);
        Ok(())
    });
    assert_eq!((distance, read), (Ok(300), all.to_vec()));
}

/// Folds facts about one task, and lets attempts up to this one have left.
fn folded(facts: Vec<Fact<'_>>, last: u64) -> super::TaskRecord<'_> {
    let mut task = super::TaskRecord::default();
    for fact in facts {
        task.apply(fact).unwrap();
    }
    task.finish(last);
    task
}

fn started(seq: u64) -> Fact<'static> {
    Fact::Started { seq, number: 1, leaves_us: 100 }
}

/// The end of an attempt that was answered, or that was not.
fn ended(in_doubt: bool, http_status: Option<u16>) -> Fact<'static> {
    let ended = Ended {
        sent_us: 150,
        duration_us: 20,
        in_doubt,
        http_status,
        request_id: None,
        counts: None,
        failure: None,
    };
    Fact::Ended(ended)
}

#[test]
fn an_attempt_counts_once_it_may_have_left() {
    let check = |facts, last, attempts, outcome| {
        let task = folded(facts, last);
        assert_eq!((task.attempts, task.outcome()), (attempts, outcome));
    };
    check(vec![], 9, 0, Outcome::NotAttempted);
    check(vec![started(5)], 4, 0, Outcome::NotAttempted);
    check(vec![started(5)], 5, 1, Outcome::Ambiguous);
    check(vec![started(5), Fact::Withdrawn], 9, 0, Outcome::NotAttempted);
    check(vec![started(5), ended(false, Some(503))], 0, 1, Outcome::Failed);
    check(vec![started(5), ended(false, None)], 0, 1, Outcome::NotAttempted);
    check(vec![started(5), ended(true, None)], 0, 1, Outcome::Ambiguous);
    // Begun by a process that was killed, and again by another one.
    check(vec![started(5), started(6), ended(false, Some(503))], 0, 2, Outcome::Ambiguous);
    let settled = Fact::Settled { outcome: Outcome::Succeeded, at_us: 7 };
    check(
        vec![started(5), ended(true, None), started(6), ended(false, Some(503)), settled],
        0,
        2,
        Outcome::Succeeded,
    );
}

#[test]
fn a_verdict_replaces_the_outcome_of_the_call() {
    let settled = Fact::Settled { outcome: Outcome::Succeeded, at_us: 7 };
    let after = |verdict| Fact::After { state: TaskState::Bad, verified_us: None, verdict };
    let task =
        folded(vec![started(1), ended(false, Some(503)), settled, after(Some(Outcome::Failed))], 0);
    assert_eq!((task.outcome(), task.settled), (Outcome::Failed, Some((Outcome::Succeeded, 7))));
}

#[test]
fn facts_that_contradict_each_other_are_damage() {
    let settled = || Fact::Settled { outcome: Outcome::Succeeded, at_us: 7 };
    for facts in [vec![ended(false, Some(503))], vec![Fact::Withdrawn], vec![settled(), settled()]]
    {
        let mut task = super::TaskRecord::default();
        assert!(facts.into_iter().try_for_each(|fact| task.apply(fact)).is_err());
    }
}

#[test]
fn a_fold_finds_tasks_by_their_place_also_behind_gaps() {
    let mut writer = PlanChunkWriter::default();
    for ordinal in [7, 8, 20] {
        let (id, command) = (Text::Plain("gate1"), Command::STOP);
        let (line, column) = (u64::from(ordinal), None);
        writer.push(&PlannedTask {
            ordinal,
            id,
            command,
            source: 0,
            line,
            column,
            others: None,
            doubted: false,
        });
    }
    let (_, _, chunk) = writer.finish();
    let mut fold = ChunkFold::new(&chunk).unwrap();
    let segment = |offset| {
        let mut writer = SegmentWriter::default();
        writer.push(&Record { offset, fact: started(1) });
        writer.body(0)
    };
    let bodies = [0, 1, 13].map(segment);
    for body in &bodies {
        assert_eq!(fold.apply(body), Ok(0));
    }
    for offset in [2, 12, 14, u32::MAX] {
        let error = fold.apply(segment(offset).leak()).unwrap_err();
        assert_eq!(error.what, "there is no such task in the chunk");
    }
    fold.finish(1);
    assert!(fold.tasks.iter().all(|(_, task)| task.attempts == 1));
    let settled = Fact::Settled { outcome: Outcome::Partial, at_us: 7 };
    fold.tasks[1].1.apply(settled).unwrap();
    let counts = fold.settled();
    assert_eq!((counts[Outcome::Partial], counts.selected()), (1, 1));
}
