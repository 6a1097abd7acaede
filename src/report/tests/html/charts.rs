//! The charts of a page: their sentences, legends and numbers.

use super::*;

/// Returns the part of a page with one chart.
fn chart<'a>(page: &'a str, id: &str) -> &'a str {
    let begin = format!("<figure class=\"chart\" id=\"{id}\" aria-labelledby=\"{id}-title\">");
    cut_out(page, &begin, "</figure>").0
}

/// Returns the texts between all pairs of these marks.
fn texts<'a>(part: &'a str, from: &str, until: &str) -> Vec<&'a str> {
    let after = part.split(from).skip(1);
    after.map(|rest| rest.split_once(until).unwrap().0.trim()).collect()
}

/// Returns the rows of a chart's table, each with its cells.
fn numbers<'a>(page: &'a str, id: &str) -> Vec<Vec<&'a str>> {
    let body = cut_out(chart(page, id), "<tbody>", "</tbody>").0;
    texts(body, "<tr>", "</tr>").into_iter().map(|row| texts(row, "<td>", "</td>")).collect()
}

/// Returns the rows in which a number is not zero.
fn occupied<'a>(page: &'a str, id: &str) -> Vec<Vec<&'a str>> {
    let is_occupied = |row: &Vec<&str>| row[1..].iter().any(|cell| !matches!(*cell, "0" | "0s"));
    numbers(page, id).into_iter().filter(is_occupied).collect()
}

#[track_caller]
fn check(page: &str, id: &str, title: &str, sentence: &str, legend: &[&str]) {
    let chart = chart(page, id);
    assert_eq!(texts(chart, &format!("<h3 id=\"{id}-title\">"), "</h3>"), [title]);
    assert_eq!(texts(chart, "<p>", "</p>"), [sentence]);
    assert_eq!(texts(chart, "aria-label=\"", "\"")[0], format!("{title}: {sentence}"));
    let entries = texts(chart, "<li class=\"", "</li>");
    let entries: Vec<&str> = entries.iter().map(|it| it.split_once("\">").unwrap().1).collect();
    assert_eq!(entries, legend);
}

#[test]
fn every_chart_has_a_sentence_and_a_legend() {
    let page = page(&every_outcome());
    check(
        &page,
        "chart-outcomes",
        "Tasks settled over time",
        "5 tasks settled, at most 1 in 10 ms.",
        &["✓ succeeded 1", "◐ partial 1", "✕ failed 1", "? ambiguous 1", "= unchanged 1"],
    );
    check(
        &page,
        "chart-pace",
        "Sendings and the rate limit",
        "6 sendings, 6 in the busiest second; the limit was 10/s: no second may hold more.",
        &["▪ sendings a second", "┄ limit 10/s"],
    );
    check(
        &page,
        "chart-throttling",
        "Throttling and pauses",
        "1 answer was throttled; the run was held back for 1.5s.",
        &["▪ throttled answers", "▨ share of the time it was held back, of the full height"],
    );
    check(
        &page,
        "chart-latency",
        "Latency",
        "p50 17 ms, p90 17 ms, p99 17 ms; the shortest 17 ms, the longest 17 ms.",
        &["▪ attempts that took so long", "│ p50 17 ms", "│ p90 17 ms", "│ p99 17 ms"],
    );
}

#[test]
fn every_chart_has_its_numbers_as_a_table() {
    let page = page(&every_outcome());
    assert_eq!(numbers(&page, "chart-outcomes").len(), 60);
    assert_eq!(
        occupied(&page, "chart-outcomes"),
        [
            ["12:00:00.100", "1", "0", "0", "0", "0"],
            ["12:00:00.200", "0", "1", "0", "0", "0"],
            ["12:00:00.300", "0", "0", "1", "0", "0"],
            ["12:00:00.500", "0", "0", "0", "1", "0"],
            ["12:00:00.590", "0", "0", "0", "0", "1"],
        ]
    );
    assert_eq!(numbers(&page, "chart-pace"), [["12:00:00", "6"]]);
    assert_eq!(numbers(&page, "chart-throttling"), [["12:00:00", "1", "0s"]]);
    assert_eq!(occupied(&page, "chart-latency"), [["13 ms", "6"]]);
}

#[test]
fn a_run_that_was_resumed_leaves_out_the_time_between_and_marks_it() {
    let page = page(&TestRun::resumed());
    assert!(page.contains("by 2 processes, from first to last 1h 00m"), "{page}");
    assert!(chart(&page, "chart-pace").contains("┆ resumed"));
    assert_eq!(numbers(&page, "chart-pace"), [["12:00:00", "10"], ["13:00:01", "10"]]);
}
