//! The bar on a terminal that is only a grid of characters.

use super::*;
use crate::event::EventKind;
use crate::progress::test_events::{NOON, TestRun};
use crate::task::Outcome;
use insta::assert_snapshot;

/// A terminal of 60 columns that understands what `TermLike` can say.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<Grid>>);

#[derive(Debug, Default)]
struct Grid {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

const COLUMNS: usize = 60;

impl Grid {
    fn put(&mut self, character: char) {
        if character == '\r' {
            self.column = 0;
            return;
        }
        if character == '\n' || self.column == COLUMNS {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let height = self.rows.len().max(self.row + 1);
        self.rows.resize(height, vec![' '; COLUMNS]);
        if character != '\n' {
            self.rows[self.row][self.column] = character;
            self.column += 1;
        }
    }
}

impl Screen {
    fn with(&self, act: impl FnOnce(&mut Grid)) -> io::Result<()> {
        act(&mut self.0.lock().unwrap());
        Ok(())
    }

    fn shown(&self) -> String {
        let grid = self.0.lock().unwrap();
        let rows = grid.rows.iter().map(|row| row.iter().collect::<String>());
        let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        COLUMNS as u16
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.row = grid.row.saturating_sub(n))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.row += n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.column += n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.with(|grid| grid.column = grid.column.saturating_sub(n))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.with(|grid| text.chars().for_each(|character| grid.put(character)))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.with(|grid| {
            let row = grid.row;
            if let Some(row) = grid.rows.get_mut(row) {
                row.fill(' ');
            }
            grid.column = 0;
        })
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a bar that is drawn when asked to, on a clock that stands still at noon.
fn bar() -> (Screen, Bar) {
    let screen = Screen::default();
    let bar = Bar::still(screen.clone(), Style::Plain, Clock::starting_at(NOON));
    (screen, bar)
}

fn under_way() -> TestRun {
    let mut run = TestRun::new(100, 0);
    (0..25).for_each(|ordinal| run.call(ordinal, Outcome::Succeeded));
    run
}

#[tokio::test(start_paused = true)]
async fn the_bar_shows_what_it_was_told() {
    let (screen, mut bar) = bar();
    bar.picture.tick();
    assert_eq!(screen.shown(), "");
    bar.on_events(&under_way().events);
    bar.picture.tick();
    assert_snapshot!(screen.shown(), @"
    ⠋ [███▊           ]  25/100  25%   0.0/s of 10/s
      25 ok
    ");
}

#[tokio::test(start_paused = true)]
async fn lines_appear_above_the_bar_and_stay() {
    let (screen, mut bar) = bar();
    bar.on_events(&under_way().events);
    bar.picture.tick();
    let mut above = bar.above();
    write!(above, "one\ntwo").unwrap();
    writeln!(above, ", three").unwrap();
    assert_snapshot!(screen.shown(), @"
    one
    two, three
    ⠋ [███▊           ]  25/100  25%   0.0/s of 10/s
      25 ok
    ");
    bar.finish();
    assert_eq!(screen.shown(), "one\ntwo, three");
    write!(above, "after the bar").unwrap();
    drop(above);
    assert_eq!(screen.shown(), "one\ntwo, three\nafter the bar");
}

#[tokio::test(start_paused = true)]
async fn a_bar_that_is_held_counts_down_though_nothing_happens() {
    let (screen, mut bar) = bar();
    let mut run = under_way();
    run.hold(20_000);
    bar.on_events(&run.events);
    bar.picture.tick();
    assert!(screen.shown().contains("going on in 20s"), "{}", screen.shown());
    tokio::time::advance(Duration::from_secs(5)).await;
    bar.picture.tick();
    assert!(screen.shown().contains("going on in 15s"), "{}", screen.shown());
}

#[tokio::test(start_paused = true)]
async fn lines_that_go_are_cleared() {
    let (screen, mut bar) = bar();
    let mut run = under_way();
    run.hold(20_000);
    run.emit(EventKind::RunContinued);
    let (held, continued) = run.events.split_at(run.events.len() - 1);
    bar.on_events(held);
    bar.picture.tick();
    bar.on_events(continued);
    bar.picture.tick();
    assert!(!screen.shown().contains("going on"), "{}", screen.shown());
    assert_eq!(screen.shown().lines().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bar_that_is_dropped_leaves_the_terminal_clean() {
    let (screen, mut bar) = bar();
    bar.on_events(&under_way().events);
    bar.picture.tick();
    let above = bar.above();
    drop(bar);
    assert_eq!(screen.shown(), "");
    drop(above);
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_stands_still_does_not_stop_the_run() {
    let (screen, mut bar) = bar();
    bar.on_events(&TestRun::new(100, 0).events);
    let standing_still = screen.0.lock().unwrap();
    let picture = bar.picture.clone();
    let drawing = std::thread::spawn(move || picture.tick());
    bar.on_events(&under_way().events);
    assert_eq!(lock(&bar.tallies).whole().done(), 25);
    drop(standing_still);
    drawing.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_remark_stands_behind_the_counts_where_there_is_room() {
    let (screen, mut bar) = bar();
    bar.remark("? for keys");
    bar.on_events(&under_way().events);
    bar.picture.tick();
    assert_snapshot!(screen.shown(), @"
    ⠋ [███▊           ]  25/100  25%   0.0/s of 10/s
      25 ok · ? for keys
    ");
    let check = |lines: &[&str], width, expected: &[&str]| {
        let mut lines: Vec<String> = lines.iter().map(|&line| line.into()).collect();
        add_remark(&mut lines, "? for keys", width);
        assert_eq!(lines, expected);
    };
    check(&[], 60, &[]);
    check(&["bar"], 60, &["bar", "  ? for keys"]);
    check(&["bar", "  25 ok"], 20, &["bar", "  25 ok · ? for keys"]);
    check(&["bar", "  25 ok"], 19, &["bar", "  25 ok"]);
}

#[tokio::test(start_paused = true)]
async fn each_target_has_a_line_and_a_remark_stands_below_all_of_them() {
    let (screen, mut bar) = bar();
    bar.remark("? for keys");
    for name in ["south", "north"] {
        bar.on_target_events(&name.into(), &under_way().events);
    }
    bar.picture.tick();
    let shown = screen.shown();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[0].starts_with("north: 25 of 100 tasks settled"), "{shown}");
    assert!(lines[1].starts_with("south: 25 of 100 tasks settled"), "{shown}");
    assert_eq!(lines[2], "  ? for keys");
}
