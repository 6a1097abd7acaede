//! A chart: its drawing, and the same as text and as numbers.
//!
//! Knows no run. Everything has a position in a fixed frame. Colours and patterns belong to the
//! style sheet, which knows the classes that are used here.

/// The width of the frame, in units of the drawing.
pub(crate) const WIDTH: f64 = 480.0;
/// The height of the frame.
pub(crate) const HEIGHT: f64 = 210.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 26.0;
/// The share of a column that is left free between two bars.
const GAP: f64 = 0.18;

/// One chart.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    /// Its id within the page.
    pub(crate) id: &'static str,
    /// Its title.
    pub(crate) title: &'static str,
    /// Its content in a sentence, for readers who cannot see it.
    pub(crate) text: String,
    /// The areas.
    pub(crate) bars: Vec<ChartBar>,
    /// The lines below all else.
    pub(crate) grid: Vec<Line>,
    /// The lines above the areas.
    pub(crate) lines: Vec<Line>,
    /// The texts in the drawing.
    pub(crate) labels: Vec<Label>,
    /// The meanings of areas and lines.
    pub(crate) legend: Vec<LegendEntry>,
    /// The titles of the columns of its table.
    pub(crate) head: Vec<&'static str>,
    /// The rows of its table: the same numbers as text.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A rectangle. Positions are texts, because the template writes them as they are.
#[derive(Debug)]
pub(crate) struct ChartBar {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) width: String,
    pub(crate) height: String,
}

/// A straight line.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) class: &'static str,
    pub(crate) x1: String,
    pub(crate) y1: String,
    pub(crate) x2: String,
    pub(crate) y2: String,
}

/// A text at a position.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) text: String,
}

/// The meaning of a class of areas or lines.
#[derive(Debug)]
pub(crate) struct LegendEntry {
    pub(crate) class: &'static str,
    pub(crate) text: String,
}

/// A part of a column: its class and its size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChartPart {
    pub(crate) class: &'static str,
    pub(crate) value: f64,
}

impl Chart {
    /// Draws the lines and numbers of a scale from 0 to `max`.
    pub(crate) fn draw_scale(&mut self, max: f64) {
        for share in [0.0, 0.5, 1.0] {
            self.grid.push(level("grid", share));
            self.write("y", (LEFT - 6.0, y(share) + 4.0), short(max * share));
        }
    }

    /// Draws a horizontal line, at a share of the scale.
    pub(crate) fn draw_level(&mut self, class: &'static str, share: f64) {
        self.lines.push(level(class, share));
    }

    /// Draws a column of parts, each on top of the one before, on a scale from 0 to `max`.
    pub(crate) fn draw_column(
        &mut self,
        (column, columns): (usize, usize),
        parts: impl IntoIterator<Item = ChartPart>,
        max: f64,
    ) {
        let wide = plot_width() / columns as f64;
        // A single column as wide as the chart would not look like a column.
        let gap = if columns > 1 { wide * GAP } else { wide * 0.5 };
        let left = LEFT + wide * column as f64 + gap / 2.0;
        let mut below = 0.0;
        for ChartPart { class, value } in parts {
            if value <= 0.0 {
                continue;
            }
            let (top, bottom) = (y((below + value) / max), y(below / max));
            // At least one unit, so that one failure among a million tasks can be seen.
            let height = (bottom - top).max(1.0);
            self.bars.push(ChartBar {
                class,
                x: number(left),
                y: number(bottom - height),
                width: number(wide - gap),
                height: number(height),
            });
            below += value;
        }
    }

    /// Draws a vertical line, at a share of the width.
    pub(crate) fn draw_mark(&mut self, class: &'static str, share: f64) {
        let at = number(x(share));
        let (y1, y2) = (number(y(1.0)), number(y(0.0)));
        self.lines.push(Line { class, x1: at.clone(), y1, x2: at, y2 });
    }

    /// Writes a text above the plot, at a share of the width.
    pub(crate) fn write_above(&mut self, class: &'static str, share: f64, text: String) {
        self.write(class, (x(share), TOP - 6.0), text);
    }

    /// Writes a text at a level, at the right end of the plot.
    pub(crate) fn write_at_level(&mut self, class: &'static str, share: f64, text: String) {
        self.write(class, (WIDTH - RIGHT, y(share) - 5.0), text);
    }

    /// Writes a text below the plot, at a share of the width.
    pub(crate) fn write_below(&mut self, share: f64, text: String) {
        // Texts at either end are aligned inwards, so that they stay inside the frame.
        let class = match share {
            0.9.. => "x last",
            ..=0.05 => "x first",
            _ => "x",
        };
        self.write(class, (x(share), HEIGHT - 8.0), text);
    }

    fn write(&mut self, class: &'static str, (x, y): (f64, f64), text: String) {
        self.labels.push(Label { class, x: number(x), y: number(y), text });
    }
}

fn level(class: &'static str, share: f64) -> Line {
    let (x1, x2, at) = (number(LEFT), number(WIDTH - RIGHT), number(y(share)));
    Line { class, x1, y1: at.clone(), x2, y2: at }
}

fn plot_width() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn x(share: f64) -> f64 {
    LEFT + plot_width() * share.clamp(0.0, 1.0)
}

fn y(share: f64) -> f64 {
    // SVG counts from the top.
    HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share.clamp(0.0, 1.0)
}

fn number(position: f64) -> String {
    // A tenth of a unit is finer than a pixel, and keeps the page small.
    format!("{position:.1}")
}

/// Returns a number for a scale, in the few characters that fit left of it.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        1_000_000.0.. => (value / 1_000_000.0, "M"),
        10_000.0.. => (value / 1_000.0, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Returns the end of a scale: a round number that is not smaller and has a round half.
pub(crate) fn round_up(value: f64) -> f64 {
    // The least scale is 0, 1, 2: counts have no halves.
    let value = value.max(2.0);
    let decade = 10_f64.powf(value.log10().floor());
    let fits = |top: &f64| *top >= value && top % 2.0 == 0.0;
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.map(|step| step * decade).into_iter().find(fits).unwrap_or(10.0 * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_with_a_round_half() {
        for (value, expected) in [
            (0.0, 2.0),
            (1.0, 2.0),
            (7.0, 8.0),
            (10.0, 10.0),
            (4_200.0, 5_000.0),
            (11.0, 12.0),
            (5.0, 6.0),
        ] {
            assert_eq!(round_up(value), expected, "{value}");
        }
    }

    #[test]
    fn a_scale_is_written_in_few_characters() {
        for (value, expected) in
            [(0.0, "0"), (2.5, "2.5"), (5_000.0, "5000"), (40_000.0, "40k"), (1_500_000.0, "1.5M")]
        {
            assert_eq!(short(value), expected, "{value}");
        }
    }

    #[test]
    fn parts_are_stacked_and_the_smallest_stays_visible() {
        let mut chart = Chart::default();
        let part = |class, value| ChartPart { class, value };
        chart.draw_column((0, 2), [part("a", 50.0), part("b", 0.0), part("c", 0.001)], 100.0);
        let drawn: Vec<_> =
            chart.bars.iter().map(|bar| (bar.class, bar.y.as_str(), bar.height.as_str())).collect();
        assert_eq!(drawn, [("a", "101.0", "83.0"), ("c", "100.0", "1.0")]);
    }
}
