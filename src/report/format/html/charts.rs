//! Draws the four charts of a run: outcomes, pace, throttling and latency.
//!
//! Each also has a sentence about its content, and its numbers as a table. A chart without data has
//! the sentence alone.

use crate::clock::Timestamp;
use crate::report::format::html::axis::Axis;
use crate::report::format::html::chart::{Chart, ChartPart, LegendEntry, round_up};
use crate::report::format::html::series::TimeSeries;
use crate::report::format::words::{day_and_time, latency_words, outcome_mark, outcome_words};
use crate::report::model::{LatencyClasses, Report};
use crate::task::{Outcome, OutcomeCounts, Rate};
use crate::text::{grouped, plural, span};
use std::time::Duration;

/// The most times below a chart.
const MAX_TIMES_BELOW: usize = 5;

/// Returns the charts of a run; none if it sent nothing.
pub(crate) fn charts(report: &Report, series: &TimeSeries) -> Vec<Chart> {
    // Without a process there are no spans to draw in, even if a damaged file has attempts.
    if report.calls.attempts == 0 || series.pace_axis.spans() == 0 {
        return Vec::new();
    }
    vec![
        outcomes(series),
        pace(report, series),
        throttling(report, series),
        latency(report, series),
    ]
}

fn outcomes(series: &TimeSeries) -> Chart {
    let axis = &series.outcomes.axis;
    let mut all = [0; 6];
    for counts in &series.outcomes.counts {
        Outcome::ALL.into_iter().for_each(|outcome| all[outcome as usize] += counts[outcome]);
    }
    // Only outcomes that occurred, because a legend of zeros hides the others.
    let seen: Vec<Outcome> = Outcome::ALL.into_iter().filter(|&o| all[o as usize] > 0).collect();
    let most = series.outcomes.counts.iter().map(OutcomeCounts::selected).max().unwrap_or(0);
    let mut chart = Chart {
        id: "chart-outcomes",
        title: "Tasks settled over time",
        text: format!(
            "{} settled, at most {} in {}.",
            plural(all.iter().sum(), "task", "tasks"),
            grouped(most),
            length_words(axis)
        ),
        legend: seen
            .iter()
            .map(|&outcome| outcome_legend(outcome, all[outcome as usize]))
            .collect(),
        head: std::iter::once("From (UTC)").chain(seen.iter().map(|&o| outcome_words(o))).collect(),
        ..Chart::default()
    };
    let top = round_up(most as f64);
    chart.draw_scale(top);
    for (index, counts) in series.outcomes.counts.iter().enumerate() {
        let part = |&outcome: &Outcome| ChartPart {
            class: outcome.as_str(),
            value: counts[outcome] as f64,
        };
        chart.draw_column((index, axis.spans()), seen.iter().map(part), top);
        let cells = seen.iter().map(|&outcome| grouped(counts[outcome]));
        push_row(&mut chart, axis, index, cells.collect());
    }
    write_times(&mut chart, axis);
    chart
}

fn outcome_legend(outcome: Outcome, count: u64) -> LegendEntry {
    let text = format!("{} {} {}", outcome_mark(outcome), outcome_words(outcome), grouped(count));
    LegendEntry { class: outcome.as_str(), text }
}

fn pace(report: &Report, series: &TimeSeries) -> Chart {
    let axis = &series.pace_axis;
    let limit = report.pace.rate_limit;
    let (window, unit) = window_of(limit);
    // A span may be longer than the window: then the column shows the mean over its windows.
    let per_window = |sent: u64| sent as f64 * window.as_secs_f64() / axis.length().as_secs_f64();
    let most = series.sent.iter().map(|&sent| per_window(sent)).fold(0.0, f64::max);
    let allowed = limit.map_or(0.0, |limit| f64::from(limit.limit.get()));
    let mut chart = Chart {
        id: "chart-pace",
        title: "Sendings and the rate limit",
        text: pace_text(report, unit),
        legend: vec![LegendEntry { class: "sent", text: format!("▪ sendings a {unit}") }],
        head: vec!["From (UTC)", "sendings"],
        ..Chart::default()
    };
    // Above the limit too, so that its line and label are inside the drawing.
    let top = round_up(most.max(allowed * 1.1));
    chart.draw_scale(top);
    for (index, &sent) in series.sent.iter().enumerate() {
        let part = ChartPart { class: "sent", value: per_window(sent) };
        chart.draw_column((index, axis.spans()), [part], top);
        push_row(&mut chart, axis, index, vec![grouped(sent)]);
    }
    if let Some(limit) = limit {
        chart.draw_level("limit", allowed / top);
        chart.write_at_level("note end", allowed / top, format!("limit {limit}"));
        chart.legend.push(LegendEntry { class: "limit", text: format!("┄ limit {limit}") });
    }
    write_times(&mut chart, axis);
    chart
}

/// Returns the window in which attempts are counted, which is that of the limit, and its name.
fn window_of(limit: Option<Rate>) -> (Duration, &'static str) {
    match limit.map_or(1, |limit| limit.window.as_secs()) {
        60 => (Duration::from_secs(60), "minute"),
        3_600 => (Duration::from_secs(3_600), "hour"),
        _ => (Duration::from_secs(1), "second"),
    }
}

fn pace_text(report: &Report, unit: &str) -> String {
    let calls = &report.calls;
    let limit = report.pace.rate_limit.map_or_else(
        || "there was no limit".to_owned(),
        |limit| format!("the limit was {limit}: no {unit} may hold more"),
    );
    format!(
        "{}, {} in the busiest second; {limit}.",
        plural(calls.attempts, "sending", "sendings"),
        grouped(report.pace.rate_peak_1s)
    )
}

fn throttling(report: &Report, series: &TimeSeries) -> Chart {
    let axis = &series.pace_axis;
    let most = series.throttled.iter().copied().max().unwrap_or(0);
    let held = report.pace.paused;
    let mut chart = Chart {
        id: "chart-throttling",
        title: "Throttling and pauses",
        text: throttling_text(report, held),
        ..Chart::default()
    };
    // No rows: the template then leaves out drawing, legend and table.
    if most == 0 && series.held.iter().all(Duration::is_zero) {
        return chart;
    }
    chart.head = vec!["From (UTC)", "throttled answers", "held back"];
    chart.legend = vec![
        LegendEntry { class: "throttled", text: "▪ throttled answers".into() },
        LegendEntry {
            class: "held",
            text: "▨ share of the time it was held back, of the full height".into(),
        },
    ];
    let top = round_up(most as f64);
    chart.draw_scale(top);
    // Held time and answers have no common unit. The time is drawn first, behind the answers, as a
    // share of the full height.
    for (index, (&throttled, &held)) in series.throttled.iter().zip(&series.held).enumerate() {
        let column = (index, axis.spans());
        let share = held.as_secs_f64() / axis.length().as_secs_f64();
        chart.draw_column(column, [ChartPart { class: "held", value: share.min(1.0) }], 1.0);
        chart.draw_column(column, [ChartPart { class: "throttled", value: throttled as f64 }], top);
        push_row(&mut chart, axis, index, vec![grouped(throttled), span(held)]);
    }
    write_times(&mut chart, axis);
    chart
}

fn throttling_text(report: &Report, held: Duration) -> String {
    match (report.calls.throttled, held.is_zero()) {
        (0, true) => "The service never asked for fewer calls, and the run never waited.".into(),
        (0, false) => format!("No answer was throttled; the run was held back for {}.", span(held)),
        (throttled, _) => format!(
            "{} throttled; the run was held back for {}.",
            plural(throttled, "answer was", "answers were"),
            span(held)
        ),
    }
}

fn latency(report: &Report, series: &TimeSeries) -> Chart {
    let mut chart = Chart { id: "chart-latency", title: "Latency", ..Chart::default() };
    let classes = series.latency.occupied();
    let (Some(latency), Some(&(first, _))) = (report.latency, classes.first()) else {
        chart.text = "No call came to its end.".into();
        return chart;
    };
    let percentiles = [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99)];
    let texts: Vec<String> =
        percentiles.iter().map(|(name, at)| format!("{name} {}", latency_words(*at))).collect();
    chart.text = format!(
        "{}; the shortest {}, the longest {}.",
        texts.join(", "),
        latency_words(latency.min),
        latency_words(latency.max)
    );
    chart.head = vec!["From", "attempts"];
    chart.legend =
        vec![LegendEntry { class: "latency", text: "▪ attempts that took so long".into() }];
    chart.legend.extend(
        texts.into_iter().map(|text| LegendEntry { class: "mark", text: format!("│ {text}") }),
    );
    let top = round_up(classes.iter().map(|(_, count)| *count).max().unwrap_or(0) as f64);
    chart.draw_scale(top);
    for (index, &(from, count)) in classes.iter().enumerate() {
        let part = ChartPart { class: "latency", value: count as f64 };
        chart.draw_column((index, classes.len()), [part], top);
        chart.rows.push(vec![latency_words(from), grouped(count)]);
    }
    let mut last_written = f64::MIN;
    for (name, at) in percentiles {
        let share = LatencyClasses::position(at, first) / classes.len() as f64;
        chart.draw_mark("mark", share);
        // A name that would overlap the one before is only in the legend.
        if share - last_written > 0.08 {
            let class = if share > 0.95 { "note end" } else { "note" };
            chart.write_above(class, share, name.into());
            last_written = share;
        }
    }
    write_latencies(&mut chart, first, classes.len());
    chart
}

/// Writes the powers of ten below the chart, or both ends of the scale if it has less than two.
fn write_latencies(chart: &mut Chart, first: Duration, classes: usize) {
    let decades: Vec<(f64, Duration)> = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
        .into_iter()
        .map(Duration::from_millis)
        .filter(|at| *at >= first)
        .map(|at| (LatencyClasses::position(at, first) / classes as f64, at))
        .filter(|(share, _)| *share <= 1.0)
        .collect();
    if decades.len() >= 2 {
        decades.into_iter().for_each(|(share, at)| chart.write_below(share, round_millis(at)));
        return;
    }
    chart.write_below(0.0, latency_words(first));
    // The end of the last class, from the width of a factor of ten on this axis.
    let factor = 10_f64.powf(classes as f64 / LatencyClasses::position(first * 10, first));
    chart.write_below(1.0, latency_words(first.mul_f64(factor)));
}

fn round_millis(at: Duration) -> String {
    if at < Duration::from_secs(1) { format!("{} ms", at.as_millis()) } else { span(at) }
}

fn push_row(chart: &mut Chart, axis: &Axis, index: usize, cells: Vec<String>) {
    let begin = axis.begin(index).map_or_else(String::new, |at| time_in_table(axis, at));
    chart.rows.push(std::iter::once(begin).chain(cells).collect());
}

/// Returns a time of day, with milliseconds if spans are shorter than a second.
fn time_in_table(axis: &Axis, at: Timestamp) -> String {
    if axis.length() >= Duration::from_secs(1) {
        return day_and_time(at).1;
    }
    let text = at.to_string();
    text.split_once('T').map_or("", |(_, time)| time.trim_end_matches('Z')).to_owned()
}

/// Writes some times below a chart, and marks the spans in which the run was resumed.
fn write_times(chart: &mut Chart, axis: &Axis) {
    let spans = axis.spans();
    // One less than the maximum, because the first span has a time too.
    let step = spans.div_ceil(MAX_TIMES_BELOW - 1).max(1);
    let mut last = String::new();
    for index in (0..spans).step_by(step) {
        // A text that begins further to the right would end outside the frame.
        let share = index as f64 / spans as f64;
        let Some(at) = axis.begin(index).filter(|_| share < 0.88) else { continue };
        let time = day_and_time(at).1;
        // Spans shorter than a second may begin in the same one.
        if time != last {
            chart.write_below(share, time.clone());
        }
        last = time;
    }
    let resumed: Vec<usize> = axis.resumed().collect();
    for &index in &resumed {
        chart.draw_mark("resumed", index as f64 / spans as f64);
    }
    if !resumed.is_empty() {
        chart.legend.push(LegendEntry { class: "resumed", text: "┆ resumed".into() });
    }
}

/// Returns the length of a span in words.
fn length_words(axis: &Axis) -> String {
    match axis.length() {
        length if length == Duration::from_secs(1) => "a second".into(),
        length if length < Duration::from_secs(1) => format!("{} ms", length.as_millis()),
        length => span(length),
    }
}
