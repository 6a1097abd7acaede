//! Receives the body of an answer in bounded memory, however long it is.
//!
//! A short body is kept as it came. From a longer one a condensed copy is kept: the same JSON
//! without the later entries of its lists and without the later part of its texts. So an answer
//! that lists each of 10,000 failed sub-tasks costs no more than one that lists a hundred, and the
//! counts behind the list are still read. Never judges what a body says.

use std::borrow::Cow;

/// The longest body that is kept as it came.
const MAX_VERBATIM: usize = 64 * 1024;
/// The most bytes that are kept of a longer one.
const MAX_CONDENSED: usize = 256 * 1024;
/// The longest body that is read to its end: 10,000 sub-tasks with 6 KiB for each.
const MAX_READ: usize = 64 * 1024 * 1024;
/// The most entries of a list that are kept, and of an object within another.
pub(crate) const MAX_ENTRIES: usize = 100;
/// The longest text that is kept, in bytes: more than 600 characters, escaped or not. The redactor
/// needs those behind the 500 that are shown.
const MAX_STRING: usize = 3_600;
/// The most lists and objects within each other.
const MAX_DEPTH: usize = 128;

/// A body that is longer than any that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The part of a body that was received so far.
#[derive(Debug)]
pub(crate) struct BodyBuffer {
    max_verbatim: usize,
    verbatim: Vec<u8>,
    /// The copy of a long body; `verbatim` is empty then.
    condensed: Option<Condenser>,
    received: usize,
}

impl Default for BodyBuffer {
    fn default() -> Self {
        Self::keeping(MAX_VERBATIM)
    }
}

impl BodyBuffer {
    /// Returns an empty buffer that keeps a body of this length as it comes.
    pub(crate) fn keeping(max_verbatim: usize) -> Self {
        Self { max_verbatim, verbatim: Vec::new(), condensed: None, received: 0 }
    }

    /// Takes the next part of a body.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), TooLong> {
        self.received += chunk.len();
        if self.received > MAX_READ {
            return Err(TooLong);
        }
        if let Some(condensed) = &mut self.condensed {
            condensed.push(chunk);
            return Ok(());
        }
        if self.received <= self.max_verbatim {
            self.verbatim.extend_from_slice(chunk);
            return Ok(());
        }
        // The copy begins with what was kept so far, so it misses no byte.
        let mut condensed = Condenser::default();
        condensed.push(&std::mem::take(&mut self.verbatim));
        condensed.push(chunk);
        self.condensed = Some(condensed);
        Ok(())
    }

    /// Returns how many bytes were received.
    pub(crate) fn received(&self) -> u64 {
        u64::try_from(self.received).unwrap_or(u64::MAX)
    }

    /// Returns what is kept.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.condensed {
            None => (&self.verbatim).into(),
            Some(condensed) => (&condensed.kept).into(),
        }
    }
}

/// Copies JSON without what is too much of it, byte by byte.
///
/// The copy of valid JSON is valid JSON. Of anything else it is the beginning.
#[derive(Debug, Default)]
struct Condenser {
    kept: Vec<u8>,
    levels: Vec<Level>,
    string: Option<StringState>,
    /// The depth of the list whose later entries are dropped.
    muted_at: Option<usize>,
    is_full: bool,
}

#[derive(Debug)]
struct Level {
    is_list: bool,
    commas: usize,
}

#[derive(Debug, Default)]
struct StringState {
    length: usize,
    is_escaped: bool,
}

impl Condenser {
    fn push(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            if self.is_full {
                return;
            }
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.string.is_some() {
            return self.step_in_string(byte);
        }
        match byte {
            // White space between values has no meaning and would use up the bound.
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => {
                self.string = Some(StringState::default());
                self.keep(byte);
            }
            b'[' | b'{' => {
                self.keep(byte);
                self.levels.push(Level { is_list: byte == b'[', commas: 0 });
                // The JSON reader refuses deeper nesting, so keeping more would help nobody.
                self.is_full |= self.levels.len() > MAX_DEPTH;
            }
            b']' | b'}' => {
                // The list is unmuted before its bracket is kept, so that the copy closes it.
                self.levels.pop();
                if self.muted_at == Some(self.levels.len()) {
                    self.muted_at = None;
                }
                self.keep(byte);
            }
            b',' => {
                self.count_entry();
                self.keep(byte);
            }
            _ => self.keep(byte),
        }
    }

    /// Counts the entries of the innermost list, and mutes it once it has enough of them.
    ///
    /// The outermost object keeps all of its fields, because the counts may be the last of them.
    fn count_entry(&mut self) {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else { return };
        level.commas += 1;
        let is_bounded = level.is_list || depth > 1;
        if is_bounded && level.commas >= MAX_ENTRIES && self.muted_at.is_none() {
            // The depth outside the list, which its closing bracket restores.
            self.muted_at = Some(depth - 1);
        }
    }

    fn step_in_string(&mut self, byte: u8) {
        let Some(string) = &mut self.string else { return };
        let ends = byte == b'"' && !string.is_escaped;
        // A cut between a backslash and the character behind it would escape the closing quote.
        let fits = string.length < MAX_STRING || (string.is_escaped && string.length == MAX_STRING);
        string.is_escaped = byte == b'\\' && !string.is_escaped;
        string.length += 1;
        if ends {
            let was_cut = string.length > MAX_STRING + 1;
            self.string = None;
            // The end of a text that was cut may be part of a secret, so it has to be known.
            let mark: &[u8] = if was_cut { b"\\u2026" } else { b"" };
            mark.iter().for_each(|&byte| self.keep(byte));
        }
        if ends || fits {
            self.keep(byte);
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.muted_at.is_none() {
            self.kept.push(byte);
            self.is_full |= self.kept.len() >= MAX_CONDENSED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Feeds a body in chunks of this length, and returns what is kept of it.
    fn received(body: &[u8], chunk: usize) -> Vec<u8> {
        let mut buffer = BodyBuffer::default();
        body.chunks(chunk).for_each(|chunk| buffer.push(chunk).unwrap());
        buffer.bytes().into_owned()
    }

    fn condensed(body: &str) -> String {
        let mut condenser = Condenser::default();
        condenser.push(body.as_bytes());
        String::from_utf8(condenser.kept).unwrap()
    }

    #[test]
    fn a_short_body_is_kept_as_it_came() {
        let body = b" {\"a\" : [1,\n2] } trailing \xff".as_slice();
        assert_eq!(received(body, 3), body);
    }

    #[test]
    fn ten_thousand_texts_cost_what_a_hundred_cost_and_the_counts_behind_them_are_kept() {
        let texts: Vec<String> =
            (0..10_000).map(|n| format!("sub-task {n}: {:<100}", "x")).collect();
        let body = json!({ "a_total": 10_000, "error_list": texts, "failed_count": 10_000 });
        for chunk in [1_000, 16_384, usize::MAX] {
            let kept = received(body.to_string().as_bytes(), chunk.min(2 << 20));
            let value: Value = serde_json::from_slice(&kept).unwrap();
            assert_eq!(
                (&value["a_total"], &value["failed_count"]),
                (&10_000.into(), &10_000.into())
            );
            assert_eq!(value["error_list"], json!(texts[..MAX_ENTRIES]));
        }
    }

    #[test]
    fn a_long_text_is_cut_and_never_in_an_escape() {
        for before in 0..3 {
            let text = format!("{}{}", "x".repeat(before), "\\\"".repeat(MAX_STRING));
            let kept = condensed(&format!("{{\"m\":\"{text}\",\"n\":1}}"));
            let value: Value = serde_json::from_str(&kept).unwrap();
            assert_eq!(value["n"], 1);
            assert!(kept.len() < MAX_STRING + 30, "{}", kept.len());
            assert!(value["m"].as_str().unwrap().ends_with('…'));
        }
    }

    #[test]
    fn objects_within_are_bounded_and_the_outermost_keeps_all_its_fields() {
        let fields: Vec<String> = (0..500).map(|n| format!("\"f{n}\":{{\"a\":[]}}")).collect();
        let outer = format!("{{{}}}", fields.join(","));
        assert_eq!(condensed(&outer), outer);
        let value: Value = serde_json::from_str(&condensed(&format!("{{\"o\":{outer}}}"))).unwrap();
        assert_eq!(value["o"].as_object().unwrap().len(), MAX_ENTRIES);
    }

    #[test]
    fn memory_is_bounded_whatever_comes_and_an_endless_body_is_given_up() {
        for pattern in ["[", "\"a\",", "{\"a\":", "x", "{}", "\\"] {
            let mut buffer = BodyBuffer::default();
            let chunk = pattern.repeat(64 * 1024 / pattern.len());
            let taken = (0..1_100).take_while(|_| buffer.push(chunk.as_bytes()).is_ok()).count();
            assert!((1_000..1_100).contains(&taken), "{pattern}: {taken}");
            assert!(buffer.bytes().len() <= MAX_CONDENSED, "{pattern}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..8)
                    .prop_map(|map| map.into_iter().collect())
            ]
        })
    }

    proptest! {
        #[test]
        fn json_within_the_bounds_says_the_same_when_condensed(value in any_json()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let kept: Value = serde_json::from_str(&condensed(&text)).unwrap();
            prop_assert_eq!(kept, value);
        }
    }
}
