//! A report short enough for the mail that cron sends: its beginning and its end.

use batchctl::store::RunId;

/// The most lines of a digest.
const LINES: usize = 60;
/// How many of them are the end of the report, which says what to type next.
const LAST: usize = 19;

/// Returns the report in at most 60 lines.
pub(crate) fn digest(report: &str, run: &RunId) -> String {
    let lines: Vec<&str> = report.trim_end().lines().collect();
    if lines.len() <= LINES {
        return lines.join("\n");
    }
    let (first, rest) = lines.split_at(LINES - LAST - 1);
    let (left_out, last) = rest.split_at(rest.len() - LAST);
    let between = format!("… {} more lines: batchctl report {run}", left_out.len());
    let whole: Vec<&str> =
        first.iter().copied().chain([&*between]).chain(last.iter().copied()).collect();
    whole.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: usize, expected: usize) -> String {
        let report: String = (1..=lines).map(|line| format!("line {line}\n")).collect();
        let digest = digest(&report, &"20240705-120000-aaaa".parse().unwrap());
        assert_eq!(digest.lines().count(), expected, "{lines}");
        digest
    }

    #[test]
    fn a_short_report_is_its_own_digest() {
        check(0, 0);
        check(1, 1);
        check(60, 60);
    }

    #[test]
    fn a_long_one_keeps_its_beginning_and_its_end() {
        let digest = check(61, 60);
        assert!(
            digest
                .contains("line 40\n… 2 more lines: batchctl report 20240705-120000-aaaa\nline 43")
        );
        assert!(digest.ends_with("line 61"));
        check(1_000, 60);
    }
}
