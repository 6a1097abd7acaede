//! Recognises lines that are beside the rows of a table: comments, totals, words of a program.
//!
//! Serves hints only. The line stays an error, because a guess must not drop a row.

/// The longest text that is looked at, in bytes; longer lines are none of these.
const MAX_BYTES: usize = 200;

/// A line beside the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrayLine {
    /// A comment.
    Comment,
    /// The number of rows, as clients of databases print it.
    RowCount,
    /// Totals of the columns.
    Total,
    /// A drawn line.
    Rule,
    /// A line with Ctrl-Z, the end mark of DOS, that other lines follow.
    EndMark,
}

/// Returns what a line is, judged by its first text.
pub(crate) fn recognise(text: &str) -> Option<StrayLine> {
    let text = text.trim();
    if text.starts_with('\u{1a}') {
        return Some(StrayLine::EndMark);
    }
    let is_comment = (text.starts_with('#') && !is_error_value(text))
        || ["//", "-- ", "/*", "<!--"].iter().any(|start| text.starts_with(start));
    if is_comment {
        return Some(StrayLine::Comment);
    }
    if text.len() > MAX_BYTES {
        return None;
    }
    if is_rule(text) {
        return Some(StrayLine::Rule);
    }
    if counts_rows(text) {
        return Some(StrayLine::RowCount);
    }
    is_total(text).then_some(StrayLine::Total)
}

/// Returns whether a text is what a spreadsheet shows for a failed formula, such as `#N/A`.
pub(crate) fn is_error_value(text: &str) -> bool {
    let belongs = |c: char| c.is_ascii_uppercase() || "/0?!".contains(c);
    text.strip_prefix('#').is_some_and(|name| name.len() > 2 && name.chars().all(belongs))
}

/// Returns whether a text only draws a line, such as `-----+-----`.
fn is_rule(text: &str) -> bool {
    text.chars().count() > 2 && text.chars().all(|c| "-+=|*_~ ─┼│═".contains(c))
}

/// Returns whether a text is how clients of databases count rows, such as `(2 rows)`.
fn counts_rows(text: &str) -> bool {
    // Clients speak the language of the user, so parentheses around a number are enough.
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    if inner.is_some_and(|inner| inner.starts_with(|c: char| c.is_ascii_digit())) {
        return true;
    }
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || "(),:.".contains(c))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_row = |word: &str| matches!(word, "row" | "rows" | "record" | "records");
    words.windows(2).any(|pair| {
        (is_number(&pair[0]) && is_row(&pair[1])) || (is_row(&pair[0]) && is_number(&pair[1]))
    })
}

/// Returns whether a text is the label of a line of totals.
fn is_total(text: &str) -> bool {
    const LABELS: [&str; 19] = [
        "total",
        "totals",
        "subtotal",
        "sub-total",
        "grand",
        "sum",
        "overall",
        "count",
        "average",
        "gesamt",
        "gesamtsumme",
        "summe",
        "zwischensumme",
        "totaal",
        "totale",
        "итого",
        "合计",
        "总计",
        "小计",
    ];
    let is_gap = |c: char| c.is_whitespace() || ":=：(".contains(c);
    let word = text.split(is_gap).next().unwrap_or_default().to_lowercase();
    LABELS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], expected: Option<StrayLine>) {
        for text in texts {
            assert_eq!(recognise(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lines_beside_the_rows_are_recognised() {
        check(&["# by night", "#gate-1", "// x", "-- x", "<!-- x"], Some(StrayLine::Comment));
        check(
            &[
                "(1 row)",
                "(12 rows)",
                "(2 Zeilen)",
                "(0 rows affected)",
                "2 rows in set (0.00 sec)",
                "2 rows selected.",
                "2 row(s) fetched",
                "Rows: 2",
                "Fetched 7 records",
            ],
            Some(StrayLine::RowCount),
        );
        check(
            &["Total", "total: 5", "Sum", "Summe", "Grand total", "合计"],
            Some(StrayLine::Total),
        );
        check(&["-----+-----", "=====", "| |"], Some(StrayLine::Rule));
        check(&["\u{1a}", "\u{1a}id"], Some(StrayLine::EndMark));
    }

    #[test]
    fn texts_of_rows_are_not() {
        check(&["", "gate-1", "#N/A", "north gate", "Summer", "(x)", "ab"], None);
    }
}
