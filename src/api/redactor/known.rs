//! The secrets that are looked for, and the table in which parts of them are found.
//!
//! A secret is compared without white space and in lower case, forwards and backwards. One that
//! nobody has used for an hour is forgotten: a long run would otherwise keep each of its tokens.

use super::Hit;
use super::view::{Unit, base64_digit, is_hex_separator, is_invisible};
use crate::clock::{Clock, Instant};
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

/// The shortest secret that is looked for: a shorter one would be found in common words.
const MIN_SECRET: usize = 6;
/// A piece of a secret of this length is found without the rest.
pub(super) const PIECE: usize = 16;
/// The length of the part that is looked up: the shortest secret is one.
const KEY: usize = MIN_SECRET;
/// The distance between the keys of a secret: each piece contains a whole key.
const STRIDE: usize = PIECE - KEY + 1;
/// The bits of a key in a word.
const KEY_BITS: u64 = (1 << (8 * KEY)) - 1;
/// The number of bits in the filter before the table of keys.
const FILTER_BITS: usize = 1 << 18;
/// The time for which a secret without a use is still looked for: no answer takes longer.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// The secrets of a process.
#[derive(Default)]
pub(super) struct KnownSecrets {
    secrets: Vec<Secret>,
    /// The places of each key.
    keys: HashMap<u64, Vec<Place>>,
    /// A bit for the hash of each key; allocated with the first of them.
    filter: Vec<u64>,
    /// Whether a secret holds white space, which its pattern leaves out.
    has_blanks: bool,
    /// Since when the secret has had no use that will be forgotten next.
    unused_since: Option<Instant>,
    /// Known once a secret was retired.
    clock: Option<Clock>,
}

/// A secret as it is compared.
struct Secret {
    /// The name that is shown in its place.
    name: &'static str,
    /// Forwards and backwards: a reversed pattern finds reversed secrets without a reversed reading
    /// of every text.
    patterns: [SecretString; 2],
    has_blanks: bool,
    /// How often it was learnt and not retired.
    uses: usize,
    unused_since: Option<Instant>,
}

/// The place of a key.
#[derive(Clone, Copy)]
struct Place {
    secret: usize,
    pattern: usize,
    at: usize,
}

impl KnownSecrets {
    /// Adds a secret, or another use of it.
    pub(super) fn learn(&mut self, name: &'static str, secret: &str) {
        let folded = fold(secret);
        if folded.len() < MIN_SECRET {
            return;
        }
        // A source may give the same secret again, and each pattern costs time on every text.
        if let Some(known) = self.find_mut(&folded) {
            known.uses += 1;
            known.unused_since = None;
            return;
        }
        let backwards: String = folded.chars().rev().collect();
        let has_blanks = folded.len() < secret.len();
        let patterns = [folded.into(), backwards.into()];
        self.secrets.push(Secret { name, patterns, has_blanks, uses: 1, unused_since: None });
        self.index(self.secrets.len() - 1);
    }

    /// Ends a use of a secret.
    pub(super) fn retire(&mut self, secret: &str, clock: Clock) {
        self.clock = Some(clock);
        if let Some(known) = self.find_mut(&fold(secret)) {
            known.uses = known.uses.saturating_sub(1);
            known.unused_since = (known.uses == 0).then(|| clock.instant());
        }
        self.find_oldest();
    }

    fn find_oldest(&mut self) {
        self.unused_since = self.secrets.iter().filter_map(|secret| secret.unused_since).min();
    }

    /// Returns whether there is a secret that nobody has used for long.
    pub(super) fn has_outlived(&self) -> bool {
        let oldest = self.unused_since.zip(self.clock);
        oldest
            .is_some_and(|(since, clock)| clock.instant().duration_since(since) >= FORGOTTEN_AFTER)
    }

    /// Forgets the secrets that nobody has used for long.
    pub(super) fn forget(&mut self) {
        let Some(now) = self.clock.map(|clock| clock.instant()) else { return };
        let before = self.secrets.len();
        let is_recent = |since: Instant| now.duration_since(since) < FORGOTTEN_AFTER;
        self.secrets.retain(|secret| secret.unused_since.is_none_or(is_recent));
        if self.secrets.len() < before {
            // The table holds places by number, and these have changed.
            self.keys = HashMap::new();
            self.filter.fill(0);
            self.has_blanks = false;
            (0..self.secrets.len()).for_each(|secret| self.index(secret));
        }
        self.find_oldest();
    }

    fn find_mut(&mut self, folded: &str) -> Option<&mut Secret> {
        self.secrets.iter_mut().find(|known| known.patterns[0].expose_secret() == folded)
    }

    /// Enters the keys of a secret into the table.
    fn index(&mut self, secret: usize) {
        if self.filter.is_empty() {
            self.filter = vec![0; FILTER_BITS / 64];
        }
        self.has_blanks |= self.secrets[secret].has_blanks;
        for pattern in 0..self.secrets[secret].patterns.len() {
            let bytes = self.secrets[secret].bytes(pattern);
            // A secret that is shorter than a piece counts as a whole only, so one key finds it.
            let last = if bytes.len() < PIECE { 0 } else { bytes.len() - KEY };
            for at in (0..=last).step_by(STRIDE) {
                let key = key(&bytes[at..at + KEY]);
                self.filter[filter_word(key)] |= filter_bit(key);
                let places = self.keys.entry(key).or_default();
                // A secret that repeats itself has one key in many places. Two of them find the same
                // pieces if they agree as far as a piece around them can reach, and one is enough.
                let has_same_pieces = |known: &Place| {
                    known.secret == secret
                        && around(self.secrets[secret].bytes(known.pattern), known.at)
                            == around(bytes, at)
                };
                if !places.iter().any(has_same_pieces) {
                    places.push(Place { secret, pattern, at });
                }
            }
        }
    }

    /// Looks at each byte of a text once. Most texts hold neither a key nor anything that could
    /// hide one, and need no second look.
    pub(super) fn may_be_in(&self, text: &str) -> bool {
        if self.secrets.is_empty() {
            return false;
        }
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
        self.filter[filter_word(key)] & filter_bit(key) != 0 && self.keys.contains_key(&key)
    }

    /// Finds the pieces of secrets in a reading of a text.
    pub(super) fn find_in(&self, view: &[Unit]) -> Vec<Hit> {
        let (mut hits, mut state, mut covered) = (Vec::new(), 0, 0);
        for (at, unit) in view.iter().enumerate() {
            state = shifted(state, unit.byte);
            // A key within a piece that was found already gives the same piece again.
            if at < covered || !self.holds(state) {
                continue;
            }
            let Some(start) = (at + 1).checked_sub(KEY) else { continue };
            for place in self.keys.get(&state).into_iter().flatten() {
                let secret = &self.secrets[place.secret];
                let Some(found) = secret.extent(view, start, *place) else { continue };
                covered = covered.max(found.end);
                let range = view[found.start].start..view[found.end - 1].end;
                hits.push(Hit { range, name: secret.name });
            }
        }
        hits
    }
}

impl Secret {
    fn bytes(&self, pattern: usize) -> &[u8] {
        self.patterns[pattern].expose_secret().as_bytes()
    }

    /// Returns how far the secret reaches in a reading around a place where a key of it begins, if
    /// that is the whole of it or at least a piece.
    fn extent(&self, view: &[Unit], start: usize, place: Place) -> Option<Range<usize>> {
        let secret = self.bytes(place.pattern);
        let matches = |(unit, byte): &(&Unit, &u8)| unit.byte.to_ascii_lowercase() == **byte;
        let after = view[start..].iter().zip(&secret[place.at..]).take_while(matches).count();
        let before = view[..start].iter().rev().zip(secret[..place.at].iter().rev());
        let before = before.take_while(matches).count();
        (before + after >= secret.len().min(PIECE)).then(|| start - before..start + after)
    }
}

/// Returns what the pieces around a key hold before it, and from it on.
fn around(secret: &[u8], at: usize) -> (&[u8], &[u8]) {
    let first = (at + KEY).saturating_sub(PIECE);
    (&secret[first..at], &secret[at..secret.len().min(at + PIECE)])
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
        // Nine digits hold 54 bits: six whole bytes, which is a key, at any alignment.
        if self.base64_digits <= 8 {
            return false;
        }
        // Bytes end 0, 2, 4 or 6 bits before the last digit, depending on where the first began.
        [0, 2, 4, 6].into_iter().any(|bits| {
            let bytes = (self.base64 >> bits) & u128::from(u64::MAX);
            is_suspect(u64::try_from(bytes).unwrap_or_default(), known)
        })
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
        self.hex_digits >= 2 * KEY && is_suspect(self.hex, known)
    }
}

/// Returns whether decoded bytes are a key, or look as if they could be decoded once more.
fn is_suspect(bytes: u64, known: &KnownSecrets) -> bool {
    // What blanks in a secret do to its keys only the second look undoes.
    known.has_blanks || may_be_encoded(bytes) || known.holds(lower_case(bytes) & KEY_BITS)
}

/// The highest bit of each byte.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// Returns whether eight bytes are text, or hold a full-width character.
fn may_be_encoded(bytes: u64) -> bool {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let decoded = bytes.to_be_bytes();
    // Asked first, because it rules out one of the two for all eight bytes at once.
    if bytes & HIGHEST == 0 {
        return decoded.iter().all(is_text);
    }
    decoded.windows(2).any(|two| matches!(two, [0xef, 0xbc | 0xbd]))
}

/// Returns eight bytes with the capitals of ASCII in lower case: all at once, because each byte of an
/// answer is looked at in five alignments.
fn lower_case(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low_bits = bytes & !HIGHEST;
    // Each sum stays in its byte, whose highest bit then says whether the limit is reached.
    let from_a = low_bits + ONES * u64::from(0x80 - b'A');
    let beyond_z = low_bits + ONES * u64::from(0x7f - b'Z');
    let is_capital = !bytes & from_a & !beyond_z & HIGHEST;
    // The highest bit moved by two is the one that makes a letter small.
    bytes | is_capital >> 2
}

fn shifted(key: u64, byte: u8) -> u64 {
    (key << 8 | u64::from(byte.to_ascii_lowercase())) & KEY_BITS
}

fn key(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |key, &byte| shifted(key, byte))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_bytes_at_once_give_the_key_that_they_give_one_by_one(
            bytes: u64, text in "[@A-Z\\[`a-z{\u{7f}]{8}",
        ) {
            for bytes in [bytes, u64::from_be_bytes(text.as_bytes().try_into().unwrap())] {
                prop_assert_eq!(lower_case(bytes) & KEY_BITS, key(&bytes.to_be_bytes()));
            }
        }

        #[test]
        fn bytes_may_be_encoded_if_all_are_text_or_two_are_full_width(
            bytes: u64, text in "[ -~\t\n]{8}", place in 0_usize..7,
        ) {
            prop_assert!(may_be_encoded(u64::from_be_bytes(text.as_bytes().try_into().unwrap())));
            let mut wide = bytes.to_be_bytes();
            wide[place..place + 2].copy_from_slice(&[0xef, 0xbd]);
            prop_assert!(may_be_encoded(u64::from_be_bytes(wide)));
            wide[place] = 0xee;
            wide[(place + 3) % 8] = 0;
            prop_assert!(!may_be_encoded(u64::from_be_bytes(wide)) || wide.contains(&0xef));
        }
    }
}
