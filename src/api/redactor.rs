//! Takes the secrets of this process out of texts from outside (`docs/GLOSSARY.md`: redactor).
//!
//! A server may echo a secret whole or in pieces, and in any spelling: escaped, encoded, wrapped or
//! in another case. No piece of 16 characters survives. One redactor serves all ways out of the
//! process; it learns a secret before that can be sent, shows nothing of it and keeps no text. The
//! spellings are listed in `docs/design/credentials.md`.

mod positional;
mod view;

use positional::unlearnt;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};
use view::{Unit, base64_digit, is_hex_separator, is_invisible, readings};

/// The shortest secret that is looked for: a shorter one would be found in common words.
const MIN_SECRET: usize = 6;
/// A piece of a secret of this length is found without the rest.
const PIECE: usize = 16;
/// The length of the part that is looked up. A shorter secret is looked up by its first characters.
const KEY: usize = 8;
const SHORT_KEY: usize = MIN_SECRET;
/// The distance between the keys of a secret: each piece contains a whole key.
const STRIDE: usize = PIECE - KEY + 1;
/// The most places that are kept for one key: a secret may repeat itself.
const MAX_PLACES: usize = 8;
/// The number of bits in the filter before the table of keys.
const FILTER_BITS: usize = 1 << 18;

/// Knows the secrets of a process and replaces them by their names, such as `[token]`.
///
/// Clones share what they know. A text without a secret comes back as it is, at the cost of one
/// hash for each of its bytes.
///
/// ```
/// use batchctl::api::Redactor;
///
/// let redactor = Redactor::default();
/// redactor.learn("token", "MIIF+secret/token==");
/// let echoed = "`MIIF%2Bsecret%2Ftoken%3D%3D` is no token".to_owned();
/// assert_eq!(redactor.redact(echoed), "`[token]` is no token");
/// ```
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<KnownSecrets>>,
}

#[derive(Default)]
struct KnownSecrets {
    patterns: Vec<Pattern>,
    /// The places of each key: the pattern, and the index within it.
    keys: HashMap<u64, Vec<(usize, usize)>>,
    /// A bit for the hash of each key; allocated with the first of them.
    filter: Vec<u64>,
    has_short_keys: bool,
    /// Whether a secret holds white space, which its pattern leaves out.
    has_blanks: bool,
}

/// A secret as it is compared: without white space, in lower case, forwards or backwards.
struct Pattern {
    /// The name that is shown in its place.
    name: &'static str,
    folded: SecretString,
    length: usize,
}

/// A part of a text that is taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hit {
    range: Range<usize>,
    name: &'static str,
}

impl Redactor {
    /// Looks for a secret from now on; `name` is shown in its place.
    ///
    /// One with fewer than six visible bytes is not looked for: it would be found in common words.
    pub fn learn(&self, name: &'static str, secret: &str) {
        let folded = fold(secret);
        if folded.len() < MIN_SECRET {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // A source may give the same secret again, and each pattern costs time on every text.
        let is_known = known.patterns.iter().any(|known| known.folded.expose_secret() == folded);
        if !is_known {
            // A reversed pattern finds reversed secrets without a reversed reading of every text.
            let backwards: String = folded.chars().rev().collect();
            known.has_blanks |= folded.len() < secret.len();
            known.add(name, folded);
            known.add(name, backwards);
        }
    }

    /// Replaces every secret in a text, and every signature of a call and password of an address,
    /// known or not.
    pub fn redact(&self, text: String) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut hits = unlearnt(&text);
        // Readings are costly, so they are made only of texts that may hold a secret.
        if !known.patterns.is_empty() && known.may_be_in(&text) {
            hits.extend(readings(&text).iter().flat_map(|view| known.find_in(view)));
        }
        if hits.is_empty() { text } else { without(&text, hits) }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor([hidden])")
    }
}

impl KnownSecrets {
    fn add(&mut self, name: &'static str, folded: String) {
        let (index, length) = (self.patterns.len(), folded.len());
        self.filter.resize(FILTER_BITS / 64, 0);
        let bytes = folded.as_bytes();
        // A secret that is shorter than a piece counts as a whole only, so one key finds it.
        let last = if length < PIECE { 0 } else { length - KEY };
        for place in (0..=last).step_by(STRIDE) {
            let key = key(&bytes[place..(place + KEY).min(length)]);
            self.filter[filter_word(key)] |= filter_bit(key);
            let places = self.keys.entry(key).or_default();
            if places.len() < MAX_PLACES {
                places.push((index, place));
            }
        }
        // The state always holds eight bytes, so a shorter secret is found by its first six.
        if length < KEY {
            let key = key(&bytes[..SHORT_KEY]);
            self.filter[filter_word(key)] |= filter_bit(key);
            self.keys.entry(key).or_default().push((index, 0));
            self.has_short_keys = true;
        }
        self.patterns.push(Pattern { name, folded: folded.into(), length });
    }

    /// Looks at each byte of a text once. Most texts hold neither a key nor anything that could
    /// hide one, and need no second look.
    fn may_be_in(&self, text: &str) -> bool {
        let mut probe = Probe::default();
        for byte in text.bytes() {
            // Patterns have no white space, so wrapped secrets match as well.
            if byte.is_ascii_whitespace() {
                continue;
            }
            // Escapes, and the first bytes of full-width and invisible characters.
            let hides = matches!(byte, b'%' | b'\\' | b'&' | b'=' | 0xc2 | 0xe2 | 0xe3 | 0xef);
            if hides || byte.is_ascii_control() || probe.takes(byte, self) {
                return true;
            }
        }
        false
    }

    /// Returns whether bytes that were just read end with a key.
    fn holds(&self, key: u64) -> bool {
        // The filter rejects most keys with one look at memory, before the table is asked.
        let is_in = |key: u64| {
            self.filter[filter_word(key)] & filter_bit(key) != 0 && self.keys.contains_key(&key)
        };
        is_in(key) || (self.has_short_keys && is_in(short(key)))
    }

    /// Finds the pieces of secrets in a reading of a text.
    fn find_in(&self, view: &[Unit]) -> Vec<Hit> {
        let (mut hits, mut state, mut covered) = (Vec::new(), 0, 0);
        for (at, unit) in view.iter().enumerate() {
            state = shifted(state, unit.byte);
            // A key within a piece that was found already gives the same piece again.
            if at < covered || !self.holds(state) {
                continue;
            }
            let candidates = [(state, KEY), (short(state), SHORT_KEY)];
            for (key, length) in candidates {
                let Some(start) = (at + 1).checked_sub(length) else { continue };
                for &(index, place) in self.keys.get(&key).into_iter().flatten() {
                    let pattern = &self.patterns[index];
                    let Some(found) = pattern.extent(view, start, place) else { continue };
                    covered = covered.max(found.end);
                    let range = view[found.start].start..view[found.end - 1].end;
                    hits.push(Hit { range, name: pattern.name });
                }
            }
        }
        hits
    }
}

impl Pattern {
    /// Returns how far the secret reaches in a reading around a place where a key of it begins, if
    /// that is the whole of it or at least a piece.
    fn extent(&self, view: &[Unit], start: usize, place: usize) -> Option<Range<usize>> {
        let secret = self.folded.expose_secret().as_bytes();
        let matches = |(unit, byte): &(&Unit, &u8)| unit.byte.to_ascii_lowercase() == **byte;
        let after = view[start..].iter().zip(&secret[place..]).take_while(matches).count();
        let before = view[..start].iter().rev().zip(secret[..place].iter().rev());
        let before = before.take_while(matches).count();
        (before + after >= self.length.min(PIECE)).then(|| start - before..start + after)
    }
}

/// Returns a secret without white space and in lower case.
fn fold(secret: &str) -> String {
    secret.chars().filter(|&c| !is_invisible(c)).map(|c| c.to_ascii_lowercase()).collect()
}

/// The last bytes of a text, as they are and as base64 and hexadecimal digits.
#[derive(Default)]
struct Probe {
    key: u64,
    base64: u128,
    base64_digits: usize,
    hex: u64,
    hex_digits: usize,
}

impl Probe {
    /// Takes the next byte, and returns whether the bytes so far may hold a secret.
    fn takes(&mut self, byte: u8, known: &KnownSecrets) -> bool {
        self.key = shifted(self.key, byte);
        if known.holds(self.key) {
            return true;
        }
        self.takes_base64(byte, known) || self.takes_hex(byte, known)
    }

    fn takes_base64(&mut self, byte: u8, known: &KnownSecrets) -> bool {
        let Some(digit) = base64_digit(byte) else {
            self.base64_digits = 0;
            return false;
        };
        self.base64 = self.base64 << 6 | u128::from(digit);
        self.base64_digits += 1;
        // Bytes end 0, 2, 4 or 6 bits before the last digit, depending on where the first began.
        let ends = [0, 2, 4, 6].map(|bits| (self.base64 >> bits) & u128::from(u64::MAX));
        let keys = ends.map(|bits| u64::try_from(bits).unwrap_or_default());
        // Nine digits hold 54 bits: six whole bytes, which is a short key, at any alignment.
        self.base64_digits > 8 && keys.into_iter().any(|bytes| is_suspect(bytes, known))
    }

    fn takes_hex(&mut self, byte: u8, known: &KnownSecrets) -> bool {
        let Some(digit) = char::from(byte).to_digit(16) else {
            // A separator of a dump does not end its run of digits.
            if !is_hex_separator(byte) {
                self.hex_digits = 0;
            }
            return false;
        };
        self.hex = self.hex << 4 | u64::from(digit);
        self.hex_digits += 1;
        self.hex_digits >= 2 * SHORT_KEY && is_suspect(self.hex, known)
    }
}

/// Returns whether decoded bytes are a key, or look as if they could be decoded once more.
fn is_suspect(bytes: u64, known: &KnownSecrets) -> bool {
    let decoded = bytes.to_be_bytes();
    let is_full_width = decoded.windows(2).any(|two| matches!(two, [0xef, 0xbc | 0xbd]));
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let is_encoded = is_full_width || decoded.iter().all(is_text);
    // What blanks in a secret do to its keys only the second look undoes.
    is_encoded || known.has_blanks || known.holds(key(&decoded))
}

fn shifted(key: u64, byte: u8) -> u64 {
    key << 8 | u64::from(byte.to_ascii_lowercase())
}

fn key(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |key, &byte| shifted(key, byte))
}

/// Returns the part of a key by which a secret shorter than a key is looked up.
fn short(key: u64) -> u64 {
    key & ((1 << (8 * SHORT_KEY)) - 1)
}

/// Spreads a key over the filter (Fibonacci hashing: Knuth, volume 3, section 6.4).
fn spread(key: u64) -> usize {
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS.ilog2());
    usize::try_from(hash).unwrap_or_default()
}

fn filter_word(key: u64) -> usize {
    spread(key) / 64
}

fn filter_bit(key: u64) -> u64 {
    1 << (spread(key) % 64)
}

/// Replaces what was found by its name. Of parts that overlap, the longest one names them all.
fn without(text: &str, mut hits: Vec<Hit>) -> String {
    // Hits of different readings may overlap. Merged, none of them cuts another in two.
    hits.sort_by_key(|hit| hit.range.start);
    let mut merged: Vec<(Hit, usize)> = Vec::new();
    for hit in hits {
        let length = hit.range.len();
        match merged.last_mut() {
            Some((last, longest)) if hit.range.start < last.range.end => {
                last.range.end = last.range.end.max(hit.range.end);
                if length > *longest {
                    (last.name, *longest) = (hit.name, length);
                }
            }
            _ => merged.push((hit, length)),
        }
    }
    let (mut redacted, mut kept) = (String::with_capacity(text.len()), 0);
    for (hit, _) in merged {
        redacted.push_str(&text[kept..hit.range.start]);
        redacted.extend(["[", hit.name, "]"]);
        kept = hit.range.end;
    }
    redacted.push_str(&text[kept..]);
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;

    const SECRET: &str = "MIIF+secret/token==with\"more\" of it";

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        redactor.learn("token", SECRET);
        redactor
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redactor().redact(text.into()), expected);
    }

    /// Checks a spelling of the secret between other words.
    #[track_caller]
    fn check_spelling(spelling: &str) {
        check(&format!("é <{spelling}> é, {spelling}"), "é <[token]> é, [token]");
    }

    fn each(write: impl FnMut(u8) -> String) -> String {
        SECRET.bytes().map(write).collect()
    }

    #[test]
    fn a_secret_is_found_however_it_is_spelt() {
        check_spelling(SECRET);
        check_spelling(&each(|byte| format!("%{byte:02X}")));
        check_spelling(&each(|byte| format!("%{byte:02x}")));
        check_spelling(
            &url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect::<String>(),
        );
        check_spelling(&each(|byte| format!("\\u{byte:04x}")));
        check_spelling(&SECRET.replace('/', "\\/").replace('"', "\\\""));
        check_spelling(&SECRET.replace('"', "&quot;"));
        check_spelling(&each(|byte| format!("&#{byte};")));
        check_spelling(&each(|byte| format!("&#x{byte:X};")));
    }

    #[test]
    fn a_secret_is_found_whichever_of_its_bytes_are_escaped() {
        for plain in [0, 1, 2] {
            let mut place = 0..;
            check_spelling(&each(|byte| match place.next() {
                Some(at) if at % 3 == plain => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            }));
        }
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_stands_in_what_is_encoded() {
        for before in ["", "a", "ab", "user:"] {
            for after in ["", "!", "!!"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}{SECRET}{after}"));
                check_base64(&encoded);
                check_base64(&encoded.replace('+', "-").replace('/', "_"));
                check_base64(&encoded.replace('+', "%2B").replace('/', "%2F"));
            }
        }
    }

    #[track_caller]
    fn check_base64(encoded: &str) {
        let redacted = redactor().redact(encoded.into());
        // What mixes the bits of a neighbour with those of the secret stays: six bits at most.
        assert!(redacted.contains("[token]") && redacted.len() < 7 + 12, "{encoded}: {redacted}");
    }

    #[test]
    fn a_secret_that_was_cut_is_found_by_what_is_left() {
        check(&SECRET[..20], "[token]");
        check(&SECRET[..15], &SECRET[..15]);
        check(&SECRET[5..], "[token]");
        check(&format!("x{}…", &SECRET[..16]), "x[token]…");
    }

    #[test]
    fn what_only_looks_like_a_secret_stays() {
        for text in ["", "MIIF", "MIIF+secret", "%", "%4", "\\u12", "&#", "&#99999999;", "é%ff"] {
            check(text, text);
        }
    }

    #[test]
    fn of_two_secrets_the_longer_one_is_found() {
        let redactor = redactor();
        redactor.learn("password", "MIIF+secret");
        redactor.learn("short", "a");
        let text = format!("a {SECRET} MIIF+secret");
        assert_eq!(redactor.redact(text), "a [token] [password]");
    }

    #[test]
    fn a_signature_is_taken_out_of_the_header_it_stands_in() {
        let signature = "7be6668032f6418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe";
        let header = format!("SDK-HMAC-SHA256 Access=AK, Signature={signature}; was refused");
        check(&header, "SDK-HMAC-SHA256 Access=AK, Signature=[signature]; was refused");
        check("Signature=missing", "Signature=missing");
    }

    #[test]
    fn a_password_is_taken_out_of_an_address() {
        check("of 'http://me:pass@proxy:80/x'", "of 'http://me:[password]@proxy:80/x'");
        check("http://me:p@ss:w@proxy", "http://me:[password]@proxy");
        for text in ["http://host:80/a@b", "https://me@host", "://", "http://:@host", "a:b@c"] {
            check(text, text);
        }
    }

    #[test]
    fn clones_know_the_same_and_show_nothing() {
        let redactor = Redactor::default();
        let clone = redactor.clone();
        redactor.learn("token", "canary-canary");
        assert_eq!(clone.redact("canary-canary".into()), "[token]");
        assert_eq!(format!("{clone:?}"), "Redactor([hidden])");
    }

    proptest! {
        #[test]
        fn no_text_keeps_the_secret(before in ".{0,20}", after in ".{0,20}") {
            let redacted = redactor().redact(format!("{before}{SECRET}{after}"));
            prop_assert!(!redacted.contains(&SECRET[..PIECE]));
            prop_assert!(!redacted.contains(&SECRET[SECRET.len() - PIECE..]));
        }

        #[test]
        fn a_text_without_the_secret_stays(text in "[a-z%\\\\&#;é]{0,60}") {
            prop_assert_eq!(redactor().redact(text.clone()), text);
        }

        #[test]
        fn any_secret_is_found(secret in "[!-~é]{6}[ -~é]{0,34}[!-~é]") {
            let redactor = Redactor::default();
            redactor.learn("it", &secret);
            prop_assume!(!"<[it]>".contains(&secret));
            prop_assert_eq!(redactor.redact(format!("<{secret}>")), "<[it]>");
        }

        #[test]
        fn no_piece_of_a_secret_is_left_however_it_is_spelt(
            secret in "[A-Za-z0-9+/._~!*-]{24,80}",
            start in 0_usize..8,
            // Other letters or another order come first: they would spoil an encoding.
            first in 9_usize..12,
            then in prop::collection::vec(0_usize..9, 0..3),
        ) {
            let redactor = Redactor::default();
            redactor.learn("it", &secret);
            let piece = &secret[start..start + PIECE];
            let spelt = then.iter().fold(spelling(first, piece), |text, &kind| spelling(kind, &text));
            let redacted = redactor.redact(format!("<{spelt}>"));
            prop_assert!(redacted.contains("[it]"), "{spelt}: {redacted}");
        }
    }

    /// Spells a text in one of twelve ways.
    fn spelling(kind: usize, text: &str) -> String {
        let each = |write: fn(u8) -> String| text.bytes().map(write).collect::<String>();
        match kind {
            0 => each(|byte| format!("%{byte:02x}")),
            1 => text.chars().map(|c| format!("&#{};", u32::from(c))).collect(),
            2 => text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect(),
            3 => each(|byte| format!("{byte:02X}")),
            4 => STANDARD_NO_PAD.encode(text),
            5 => text.replace('+', "&plus;").replace('/', "&sol;").replace('=', "&equals;"),
            6 => text.chars().map(|c| format!("{c}\n")).collect(),
            7 => text.replace('&', "&amp;"),
            8 => text
                .chars()
                .map(|c| match c {
                    '!'..='~' => char::from_u32(u32::from(c) + 0xfee0).unwrap(),
                    other => other,
                })
                .collect(),
            9 => text.chars().rev().collect(),
            10 => text.to_ascii_uppercase(),
            _ => text.to_owned(),
        }
    }
}
