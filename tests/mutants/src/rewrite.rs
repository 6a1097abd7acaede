//! Writes a source file in which every change is there at once, and a number chooses one of them.

use crate::changes::{Change, Kind, Site};
use std::collections::BTreeSet;
use std::ops::Range;

/// What the changed sources ask, as a module of their crate.
pub(crate) const CHOICE: &str = r#"
/// Returns whether this change was chosen.
pub(crate) fn on(number: usize) -> bool {
    static CHOSEN: std::sync::LazyLock<usize> = std::sync::LazyLock::new(|| {
        let chosen = std::env::var("MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        if chosen != 0 {
            // The first test that fails is enough.
            std::panic::set_hook(Box::new(|_| std::process::exit(101)));
        }
        chosen
    });
    *CHOSEN == number
}
"#;

/// A file with all its changes.
pub(crate) struct Rewritten {
    pub(crate) text: String,
    /// Where the code of each change is.
    pub(crate) places: Vec<(usize, Range<usize>)>,
}

/// Writes a file anew, without the changes that were dropped.
pub(crate) fn rewrite(text: &str, sites: &[Site], dropped: &BTreeSet<usize>) -> Rewritten {
    let rewritten = Rewritten { text: String::new(), places: Vec::new() };
    let mut writer = Writer { text, sites, dropped, rewritten, next: 0, read: 0 };
    writer.write_until(text.len());
    writer.rewritten
}

struct Writer<'a> {
    text: &'a str,
    sites: &'a [Site],
    dropped: &'a BTreeSet<usize>,
    rewritten: Rewritten,
    /// The next site.
    next: usize,
    /// How much of the text is written.
    read: usize,
}

impl Writer<'_> {
    fn copy(&mut self, until: usize) {
        self.rewritten.text += &self.text[self.read..until];
        self.read = until;
    }

    fn put(&mut self, change: &Change, code: &str) {
        let start = self.rewritten.text.len();
        self.rewritten.text += code;
        self.rewritten.places.push((change.number, start..self.rewritten.text.len()));
    }

    fn write_until(&mut self, end: usize) {
        let sites = self.sites;
        while let Some(site) = sites.get(self.next).filter(|site| site.range.start < end) {
            self.next += 1;
            self.copy(site.range.start);
            let changes =
                site.changes.iter().filter(|change| !self.dropped.contains(&change.number));
            let changes: Vec<&Change> = changes.collect();
            self.write(site, &changes);
        }
        self.copy(end);
    }

    fn write(&mut self, site: &Site, changes: &[&Change]) {
        let on = |change: &Change| format!("crate::mutant::on({})", change.number);
        match site.kind {
            Kind::Nothing => self.read = site.range.end,
            _ if changes.is_empty() => self.write_until(site.range.end),
            Kind::Instead => {
                self.rewritten.text.push('(');
                for change in changes {
                    let code = format!("if {} {{ {} }} else ", on(change), change.code);
                    self.put(change, &code);
                }
                self.rewritten.text += "{ ";
                self.write_until(site.range.end);
                self.rewritten.text += " })";
            }
            Kind::Without => {
                let code = format!("if {} {{}} else {{ ", on(changes[0]));
                self.put(changes[0], &code);
                self.write_until(site.range.end);
                self.rewritten.text += " }";
            }
            Kind::First => {
                for change in changes {
                    self.put(change, &format!(" if {} {{ {} }}", on(change), change.code));
                }
            }
            Kind::Arm => self.put(changes[0], &format!(" if !{}", on(changes[0]))),
            Kind::GuardedArm => {
                self.put(changes[0], &format!("!{} && (", on(changes[0])));
                self.write_until(site.range.end);
                self.rewritten.text.push(')');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::sites;
    use crate::values::Known;

    #[test]
    fn each_change_stands_beside_what_it_changes() {
        let text = "const fn least(a: u32, b: u32) -> bool {\n    a + 1 < b\n}\n";
        let mut found = sites(text, &Known::of([text]));
        let mut number = 0;
        for change in found.iter_mut().flat_map(|site| &mut site.changes) {
            number += 1;
            change.number = number;
        }
        let dropped = (1..=number).filter(|one| ![2, 4, 6].contains(one)).collect();
        let rewritten = rewrite(text, &found, &dropped).text.replace("crate::mutant::", "");
        let expected = " fn least(a: u32, b: u32) -> bool { if on(2) { return false; }\n    (if on(4) { (a + 1) > (b) } \
                        else { (if on(6) { (a) - (1) } else { a + 1 }) < b })\n}\n";
        assert_eq!(rewritten, expected);
    }

    #[test]
    fn a_statement_is_left_out_with_all_that_is_in_it() {
        let text = "fn count(&mut self) {\n    self.add(1 + 1)?;\n}\n";
        let mut found = sites(text, &Known::of([text]));
        let changes = found.iter_mut().flat_map(|site| &mut site.changes);
        for (index, change) in changes.enumerate() {
            change.number = index + 1;
        }
        let dropped = BTreeSet::from([1, 4]);
        let rewritten = rewrite(text, &found, &dropped).text.replace("crate::mutant::", "");
        let expected = "fn count(&mut self) {\n    if on(2) {} else { self.add(\
                        (if on(3) { (1) - (1) } else { 1 + 1 }))?; }\n}\n";
        assert_eq!(rewritten, expected);
    }
}
