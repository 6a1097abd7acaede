//! Pages that follow a run: however they were looked at, they show what a new page shows.

use super::*;
use crate::repair::repair;
use crate::report::{Following, LiveMessage, LivePage, LiveRun, ResultsError, write_followed_page};
use crate::store::StoreError;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// Two chunks, and the second is not full.
const TASKS: usize = 1_030;

/// What a browser makes of the messages.
#[derive(Debug, Default)]
struct Browser {
    texts: Vec<Value>,
    rows: BTreeMap<u64, Value>,
    head: Value,
}

impl Browser {
    fn take(&mut self, messages: Vec<LiveMessage>) {
        for LiveMessage { name, json } in messages {
            let message: Value = serde_json::from_str(&json).unwrap();
            match name {
                "begin" => *self = Self::default(),
                "rows" => self.take_rows(&message),
                "head" => self.head = message,
                other => panic!("{other}"),
            }
        }
    }

    fn take_rows(&mut self, message: &Value) {
        self.texts.extend(message["texts"].as_array().unwrap().iter().cloned());
        for row in message["rows"].as_array().unwrap() {
            self.rows.insert(row[0].as_u64().unwrap(), with_texts(&row[1], &self.texts));
        }
    }

    fn html(&self) -> &str {
        self.head["html"].as_str().unwrap()
    }
}

/// Returns a row whose failure has its texts in place of their numbers.
fn with_texts(row: &Value, texts: &[Value]) -> Value {
    let mut cells = row.as_array().unwrap().clone();
    if let Some(failure) = cells.get_mut(10).and_then(Value::as_array_mut) {
        for cell in [1, 2, 3, 4, 5, 9, 10] {
            if let Some(number) = failure[cell].as_u64() {
                failure[cell] = texts[usize::try_from(number).unwrap()].clone();
            }
        }
    }
    Value::from(cells)
}

fn written(run: &RunReader, following: Following) -> String {
    let mut page = Vec::new();
    write_followed_page(run, StillRunning::Yes, following, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

fn page_with_rows_to_come(live: &mut LiveRun, run: &RunReader) -> String {
    let mut page = Vec::new();
    live.write_page(run, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// A page with its browser.
struct Watched {
    page: LivePage,
    browser: Browser,
}

impl Watched {
    fn new(following: Following) -> Self {
        Self { page: LivePage::new(following), browser: Browser::default() }
    }

    fn look(&mut self, live: &mut LiveRun, run: &RunReader) -> Result<(), ResultsError> {
        let messages = live.look(&mut self.page, run, StillRunning::Yes)?;
        self.browser.take(messages);
        Ok(())
    }
}

/// The pages of one run.
struct Pages {
    live: LiveRun,
    /// Each is looked at by itself.
    rows: [Watched; 3],
    head: Watched,
    file: u64,
}

impl Pages {
    fn new() -> Self {
        let rows = [(); 3].map(|()| Watched::new(Following::Rows));
        Self { live: LiveRun::new(true), rows, head: Watched::new(Following::Head), file: 0 }
    }

    fn read_anew(&mut self) {
        self.file += 1;
        self.live.note_file(self.file);
    }

    /// Checks that pages that were looked at before show what new ones show, and what is written.
    #[track_caller]
    fn check(&mut self, run: &RunReader, pages: Range<usize>) {
        let mut anew = Watched::new(Following::Rows);
        anew.look(&mut LiveRun::new(true), run).unwrap();
        for rows in &mut self.rows[pages] {
            rows.look(&mut self.live, run).unwrap();
            assert_eq!(rows.browser.rows, anew.browser.rows);
            assert_eq!(rows.browser.head, anew.browser.head);
        }
        let page = written(run, Following::End);
        let data = data(&page);
        let texts = data["texts"].as_array().unwrap();
        let of_page = (0..).zip(data["rows"].as_array().unwrap());
        let of_page: BTreeMap<u64, Value> =
            of_page.map(|(at, row)| (at, with_texts(row, texts))).collect();
        assert_eq!(anew.browser.rows, of_page);
        assert_eq!(anew.browser.head["head"], data["head"]);
        // A page without rows is written from one walk over the whole run.
        self.head.look(&mut self.live, run).unwrap();
        assert!(written(run, Following::Head).starts_with(self.head.browser.html()));
    }

    /// Opens a page, and checks that it is that of a run of which nothing was known.
    #[track_caller]
    fn open(&mut self, run: &RunReader, page: usize) {
        let opened = page_with_rows_to_come(&mut self.live, run);
        assert_eq!(opened, page_with_rows_to_come(&mut LiveRun::new(true), run));
        self.rows[page] = Watched::new(Following::Rows);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Settle(usize, usize),
    /// A call whose task is sent again.
    Call(usize, usize),
    /// A call that is on the wire.
    Send(usize),
    /// It ends.
    Answer(usize),
    /// A start that is recorded and has not left.
    Start(usize),
    /// What is recorded has left.
    Leave,
    Withdraw,
    Hold,
    Pass(i64),
    Look(usize),
    /// A page comes in the place of one that goes.
    Open(usize),
    /// The file of the run is made anew, as that of a run in a database.
    ReadAnew,
    /// A page looks while a part of the file cannot be read.
    LookInVain(usize),
    Kill(i64),
    Damage(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let task = 0..TASKS;
    let near = 0..40_usize;
    prop_oneof![
        8 => (task.clone(), 0..8_usize).prop_map(|(task, reply)| Step::Settle(task, reply)),
        4 => (near.clone(), 0..8_usize).prop_map(|(task, reply)| Step::Settle(task, reply)),
        2 => (task.clone(), 3..8_usize).prop_map(|(task, reply)| Step::Call(task, reply)),
        2 => task.clone().prop_map(Step::Send),
        2 => near.prop_map(Step::Answer),
        2 => task.clone().prop_map(Step::Start),
        1 => Just(Step::Leave),
        1 => Just(Step::Withdraw),
        1 => Just(Step::Hold),
        2 => prop_oneof![Just(7), Just(900), Just(40_000), Just(3_000_000)].prop_map(Step::Pass),
        6 => (0..3_usize).prop_map(Step::Look),
        2 => (0..3_usize).prop_map(Step::Open),
        1 => Just(Step::ReadAnew),
        1 => (0..2_usize).prop_map(Step::LookInVain),
        1 => prop_oneof![Just(-2_000), Just(0), Just(600_000)].prop_map(Step::Kill),
        1 => task.prop_map(Step::Damage),
    ]
}

fn reply(kind: usize) -> (Reply, Outcome) {
    match kind {
        0..=2 => (counted(0, 1), Outcome::Succeeded),
        3 => (refused("no"), Outcome::Failed),
        4 => (refused("The task is being deleted."), Outcome::Failed),
        5 => (counted(1, 1), Outcome::Partial),
        6 => (lost(FailureKind::Timeout), Outcome::Ambiguous),
        _ => (throttled(), Outcome::NotAttempted),
    }
}

/// A run under way.
struct Script {
    run: TestRun,
    /// Which tasks are settled.
    done: Vec<bool>,
    /// The attempts on the wire, and those that are recorded.
    sent: Vec<(usize, AttemptSeq)>,
    started: Vec<(usize, AttemptSeq)>,
}

impl Script {
    fn is_free(&self, task: usize) -> bool {
        let is_under_way = self.sent.iter().chain(&self.started).any(|(other, _)| *other == task);
        !self.done[task] && !is_under_way
    }

    fn make(&mut self, step: Step) {
        match step {
            Step::Settle(task, kind) if self.is_free(task) => {
                let (reply, outcome) = reply(kind);
                self.run.settle(task, reply, outcome);
                self.done[task] = true;
            }
            Step::Call(task, kind) if self.is_free(task) => self.run.call(task, reply(kind).0),
            Step::Send(task) if self.is_free(task) => {
                self.run.send(task);
                self.sent.push((task, AttemptSeq(self.run.last_seq)));
            }
            Step::Start(task) if self.is_free(task) => {
                let seq = self.run.start(task);
                self.started.push((task, seq));
            }
            Step::Answer(of) if !self.sent.is_empty() => {
                let (task, seq) = self.sent.remove(of % self.sent.len());
                self.run.answer(task, seq, reply(of % 8).0);
            }
            Step::Leave => {
                let writer = self.run.writer.as_ref().unwrap();
                assert!(writer.may_leave(AttemptSeq(self.run.last_seq)));
                self.sent.append(&mut self.started);
            }
            Step::Withdraw => {
                for (task, seq) in self.started.drain(..) {
                    let task = Arc::clone(&self.run.tasks[task]);
                    self.run.record(EventKind::AttemptWithdrawn { seq, task });
                }
            }
            Step::Hold => self.run.hold(200),
            Step::Pass(millis) => self.run.pass(millis),
            Step::Kill(pause) => self.go_on_after(pause),
            Step::Damage(segment) => self.damage(segment),
            // What cannot be made now.
            Step::Look(_)
            | Step::Open(_)
            | Step::ReadAnew
            | Step::LookInVain(_)
            | Step::Settle(..)
            | Step::Call(..)
            | Step::Send(_)
            | Step::Start(_)
            | Step::Answer(_) => {}
        }
    }

    /// Looks while a chunk cannot be read, at least not if it has changed.
    fn look_in_vain(&self, chunk: usize, pages: &mut Pages) {
        let connection = rusqlite::Connection::open(self.run.runs.file(&self.run.run.id)).unwrap();
        let set = |change: &str| {
            let set = format!("UPDATE chunk SET crc = crc {change} WHERE no = {chunk}");
            connection.execute_batch(&set).unwrap();
        };
        set("- 1");
        let _ = pages.rows[0].look(&mut pages.live, &self.run.reader());
        set("+ 1");
    }

    fn go_on_after(&mut self, pause: i64) {
        self.run.kill();
        self.run.pass(pause);
        self.run.begin();
        self.sent.clear();
        self.started.clear();
    }

    /// Damages a segment about tasks, and has the run repaired and resumed.
    fn damage(&mut self, segment: usize) {
        self.run.kill();
        let file = self.run.runs.file(&self.run.run.id);
        let connection = rusqlite::Connection::open(file).unwrap();
        let count = "SELECT count(*) FROM segment WHERE chunk >= 0";
        let count: usize = connection.query_row(count, [], |row| row.get(0)).unwrap();
        let damage = "UPDATE segment SET crc = crc - 1 WHERE seq =
            (SELECT seq FROM segment WHERE chunk >= 0 LIMIT 1 OFFSET ?)";
        connection.execute(damage, [segment % count.max(1)]).unwrap();
        drop(connection);
        repair(&self.run.runs, &self.run.lock, self.run.now).unwrap();
        self.go_on_after(1_000);
    }
}

/// Follows a run from its plan to its end, and checks its pages.
fn follow(steps: &[Step]) {
    let mut run = TestRun::with_tasks(TASKS);
    let mut pages = Pages::new();
    pages.check(&run.reader(), 0..1);
    run.begin();
    let (sent, started) = (Vec::new(), Vec::new());
    let mut script = Script { run, done: vec![false; TASKS], sent, started };
    for &step in steps {
        script.make(step);
        match step {
            Step::Look(page) => pages.check(&script.run.reader(), page..page + 1),
            Step::Open(page) => pages.open(&script.run.reader(), page),
            Step::ReadAnew => pages.read_anew(),
            Step::LookInVain(chunk) => script.look_in_vain(chunk, &mut pages),
            _ => {}
        }
    }
    pages.check(&script.run.reader(), 0..3);
    script.run.end(Some(StopReason::Interrupted));
    pages.check(&script.run.reader(), 0..3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn pages_that_come_and_go_show_what_a_new_one_shows(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        follow(&steps);
    }
}

#[test]
fn charts_keep_their_spans_when_a_clock_that_was_set_back_makes_them_shorter() {
    use Step::{Call, Kill, Pass, Settle};

    let begin = [Settle(18, 5), Call(788, 5), Settle(779, 1), Settle(929, 5), Settle(518, 2)];
    let later = [Settle(993, 2), Settle(177, 2), Settle(12, 0), Settle(439, 1)];
    let last = [Settle(445, 4), Settle(5, 6), Kill(-2_000), Pass(900)];
    follow(&[&begin[..], &[Pass(900)], &later, &[Pass(7)], &last].concat());
}

#[test]
fn a_chunk_that_is_read_is_not_read_again_before_it_changes() {
    let mut run = TestRun::with_tasks(TASKS);
    run.begin();
    run.settle(0, counted(0, 1), Outcome::Succeeded);
    let (mut live, mut page) = (LiveRun::new(true), Watched::new(Following::Rows));
    page.look(&mut live, &run.reader()).unwrap();
    // Whoever reads the second chunk finds the damage.
    let connection = rusqlite::Connection::open(run.runs.file(&run.run.id)).unwrap();
    connection.execute_batch("UPDATE chunk SET crc = crc - 1 WHERE no = 1").unwrap();
    run.settle(1, counted(0, 1), Outcome::Succeeded);
    let messages = live.look(&mut page.page, &run.reader(), StillRunning::Yes).unwrap();
    let rows = messages.iter().find(|message| message.name == "rows").unwrap();
    let rows: Value = serde_json::from_str(&rows.json).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "{rows}");
    // Nor is it for a page that comes later.
    let mut later = Watched::new(Following::Rows);
    page_with_rows_to_come(&mut live, &run.reader());
    later.look(&mut live, &run.reader()).unwrap();
    assert_eq!(later.browser.rows.len(), TASKS);
    run.settle(1_000, counted(0, 1), Outcome::Succeeded);
    let damaged = page.look(&mut live, &run.reader());
    assert!(matches!(damaged, Err(ResultsError::Store(StoreError::Damaged { .. }))), "{damaged:?}");
}
