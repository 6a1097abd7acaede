//! The charts of a page.

use super::*;

#[test]
fn every_chart_says_what_it_shows_and_has_its_numbers() {
    let page = page(&every_outcome());
    let charts =
        cut_out(&page, "<section aria-labelledby=\"charts-title\">", "<section id=\"tasks\"").0;
    insta::assert_snapshot!(outline(charts), @r#"
    <h2 id="charts-title"> How it went
    <div class="charts">
    <figure class="chart" id="chart-outcomes">
    <figcaption>
    <h3> Tasks settled over time
    <p> 5 tasks settled, 1 at the most in 10 ms.
    <svg viewBox="0 0 480 210" role="img" aria-label="Tasks settled over time: 5 tasks settled, 1 at the most in 10 ms.">
    <ul class="key">
    <li class="succeeded"> ✓ succeeded 1
    <li class="partial"> ◐ partial 1
    <li class="failed"> ✕ failed 1
    <li class="ambiguous"> ? ambiguous 1
    <li class="unchanged"> = unchanged 1
    <details>
    <figure class="chart" id="chart-pace">
    <figcaption>
    <h3> Sendings and the rate limit
    <p> 6 sendings, 6 in the busiest second; the limit was 10/s: no second may hold more.
    <svg viewBox="0 0 480 210" role="img" aria-label="Sendings and the rate limit: 6 sendings, 6 in the busiest second; the limit was 10/s: no second may hold more.">
    <ul class="key">
    <li class="sent"> ▪ sendings a second
    <li class="limit"> ┄ limit 10/s
    <details>
    <figure class="chart" id="chart-throttling">
    <figcaption>
    <h3> Throttling and pauses
    <p> 1 answer was throttled; the run was held back for 1.5s.
    <svg viewBox="0 0 480 210" role="img" aria-label="Throttling and pauses: 1 answer was throttled; the run was held back for 1.5s.">
    <ul class="key">
    <li class="throttled"> ▪ throttled answers
    <li class="held"> ▨ share of the time it was held back, of the full height
    <details>
    <figure class="chart" id="chart-latency">
    <figcaption>
    <h3> Latency
    <p> p50 17 ms, p90 17 ms, p99 17 ms; the shortest 17 ms, the longest 17 ms.
    <svg viewBox="0 0 480 210" role="img" aria-label="Latency: p50 17 ms, p90 17 ms, p99 17 ms; the shortest 17 ms, the longest 17 ms.">
    <ul class="key">
    <li class="latency"> ▪ attempts that took so long
    <li class="mark"> │ p50 17 ms
    <li class="mark"> │ p90 17 ms
    <li class="mark"> │ p99 17 ms
    <details>
    "#);
    let numbers = cut_out(charts, "<tbody>", "</tbody>").0;
    insta::assert_snapshot!(outline(numbers), @"
    <tr>
    <td> 12:00:00.000
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.010
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.020
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.030
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.040
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.050
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.060
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.070
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.080
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.090
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.100
    <td> 1
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.110
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.120
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.130
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.140
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.150
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.160
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.170
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.180
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.190
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.200
    <td> 0
    <td> 1
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.210
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.220
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.230
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.240
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.250
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.260
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.270
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.280
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.290
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.300
    <td> 0
    <td> 0
    <td> 1
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.310
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.320
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.330
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.340
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.350
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.360
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.370
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.380
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.390
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.400
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.410
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.420
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.430
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.440
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.450
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.460
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.470
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.480
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.490
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.500
    <td> 0
    <td> 0
    <td> 0
    <td> 1
    <td> 0
    <tr>
    <td> 12:00:00.510
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.520
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.530
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.540
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.550
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.560
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.570
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.580
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <tr>
    <td> 12:00:00.590
    <td> 0
    <td> 0
    <td> 0
    <td> 0
    <td> 1
    ");
}
