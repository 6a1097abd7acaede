//! Recognises the header of a table that batchctl wrote, and which of its columns are ours.
//!
//! Our columns of an earlier run are dropped when results are read as an input, because the next
//! results have them anew. A column that only looks like ours must never be dropped. So a header
//! is recognised by several exact names, of which some occur in no other file. Plans of dry runs
//! and comparisons have fewer such names, so they are recognised only as a whole.

use crate::task::{DIFF_COLUMNS, PLAN_COLUMNS, RESULTS_COLUMNS};
use std::collections::HashSet;

/// How many of our names a header must have; a user may have deleted the others.
const MIN_NAMES: usize = 4;
/// How many of [`TELLING_NAMES`] must be among them.
const MIN_TELLING_NAMES: usize = 2;
/// Names that exports of other programs do not have beside each other. The names of counts,
/// codes and times are no such names: the service and its gateway use them, too.
const TELLING_NAMES: [&str; 6] =
    ["outcome", "error_kind", "state_before", "state_after", "verified_at", "failure_group"];

/// Returns for each column whether it is one that batchctl wrote.
///
/// The order of the columns does not matter, because users move them. Of two columns of one name
/// only the first is ours: the other was added by the user.
pub(crate) fn written_by_us(header: &[String]) -> Vec<bool> {
    let (ours, found) = named(header, RESULTS_COLUMNS);
    let telling = TELLING_NAMES.iter().filter(|name| found.contains(**name)).count();
    if found.len() >= MIN_NAMES && telling >= MIN_TELLING_NAMES {
        return ours;
    }
    let whole = [PLAN_COLUMNS, DIFF_COLUMNS].into_iter().find_map(|columns| {
        let (ours, found) = named(header, columns);
        (found.len() == columns.len()).then_some(ours)
    });
    whole.unwrap_or_else(|| vec![false; header.len()])
}

/// Returns which cells of a header are the first with one of these names, and the names found.
fn named<'a>(header: &'a [String], columns: &[&str]) -> (Vec<bool>, HashSet<&'a str>) {
    let mut found: HashSet<&str> = HashSet::new();
    let first = |name: &'a String| columns.contains(&name.as_str()) && found.insert(name);
    (header.iter().map(first).collect(), found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &str) {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        let ours = written_by_us(&header);
        let kept = header.iter().zip(ours).filter(|(_, is_ours)| !is_ours);
        let kept: Vec<&str> = kept.map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept.join(","), expected, "{header:?}");
    }

    #[test]
    fn our_columns_are_recognised_in_any_order_and_number() {
        check(&format!("{},site", RESULTS_COLUMNS.join(",")), "site");
        check("site,error_kind,id,in_source,outcome,command", "site,in_source");
        // The columns of earlier versions.
        for missing in [1, 4, 5] {
            check(&RESULTS_COLUMNS[..RESULTS_COLUMNS.len() - missing].join(","), "");
        }
    }

    #[test]
    fn a_plan_and_a_comparison_are_recognised_as_a_whole() {
        check("id,command,state_before,why,site", "site");
        check("site,id,command,change,before,after,error_kind,error_code,error_msg", "site");
        check("id,command,why", "id,command,why");
        check("id,command,change,before,after", "id,command,change,before,after");
    }

    #[test]
    fn a_name_that_is_not_exactly_ours_is_the_users() {
        check("id,command,outcome,error_kind,Source,in_source, source", "Source,in_source, source");
        check("id,command,outcome,error_kind,source,source", "source");
    }

    #[test]
    fn a_header_of_another_program_is_not_recognised() {
        for header in [
            "id,command",
            "id,outcome,source",
            "id,source,command,attempts,outcome",
            "id,http_status,error_code,error_msg,request_id,started_at,finished_at,duration_ms",
            "id,total_count,failed_count,succeed_count,error_list,source",
        ] {
            check(header, header);
        }
    }
}
