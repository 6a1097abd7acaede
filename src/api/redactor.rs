//! Takes the secrets of this process out of texts from outside (`docs/GLOSSARY.md`: redactor).
//!
//! A server may echo a secret whole or in pieces, and in any spelling: escaped, encoded, wrapped or
//! in another case. No piece of 16 characters survives. One redactor serves all ways out of the
//! process; it learns a secret before that can be sent, shows nothing of it and keeps no text. The
//! spellings are listed in `docs/design/credentials.md`.

mod known;
mod positional;
mod view;

use crate::clock::Clock;
use known::KnownSecrets;
use positional::unlearnt;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use view::{is_invisible, readings};

/// The end of a text whose rest was left out.
pub(crate) const CUT: char = '…';
/// The bytes that are searched beyond those that are kept: a secret in front shortens a text.
const SEARCHED_MORE: usize = 8_192;
/// The visible bytes at the end of a text that was cut in which part of a secret may be left: the
/// 15 bytes of a short one, each in an escape, and some of these escaped once more.
const UNSURE: usize = 400;

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
        self.known().learn(name, secret);
    }

    /// Ends one use of a secret that was learnt. Without another use, it is forgotten an hour later.
    pub(super) fn retire(&self, secret: &str, clock: Clock) {
        self.known().retire(secret, clock);
    }

    /// Replaces every secret in a text, and every signature of a call and password of an address,
    /// known or not.
    pub fn redact(&self, text: String) -> String {
        let known = self.read();
        let known = if known.has_outlived() {
            drop(known);
            self.known().forget();
            self.read()
        } else {
            known
        };
        let mut hits = unlearnt(&text);
        // Readings are costly, so they are made only of texts that may hold a secret.
        if known.may_be_in(&text) {
            hits.extend(readings(&text).iter().flat_map(|view| known.find_in(view)));
        }
        if hits.is_empty() { text } else { without(&text, hits) }
    }

    /// Returns the first `most` characters of a text without secrets, and a sign of a cut.
    ///
    /// A foreign text is cut here and nowhere else, because part of a short secret is not found.
    pub(crate) fn beginning<'a>(&self, text: impl Into<Cow<'a, str>>, most: usize) -> String {
        let text = text.into();
        let searched = boundary(&text, 4 * most + SEARCHED_MORE);
        let mut is_cut = searched < text.len();
        let searched = match text {
            Cow::Borrowed(text) => text[..searched].to_owned(),
            Cow::Owned(mut text) => {
                text.truncate(searched);
                text
            }
        };
        let marked = searched.ends_with(CUT).then(|| searched.clone());
        let mut clean = self.redact(searched);
        // A text that a condensed body has cut is so long that its end matters only once something
        // was taken out in front of it.
        is_cut |= marked.is_some_and(|marked| marked != clean);
        if is_cut {
            clean.truncate(sure(&clean));
        }
        if let Some((end, _)) = clean.char_indices().nth(most) {
            clean.truncate(end);
            clean.push(CUT);
        } else if is_cut {
            clean.push(CUT);
        }
        clean
    }

    fn read(&self) -> RwLockReadGuard<'_, KnownSecrets> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> RwLockWriteGuard<'_, KnownSecrets> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor([hidden])")
    }
}

/// Returns the last place in a text, up to `most`, at which a character begins.
fn boundary(text: &str, most: usize) -> usize {
    let most = most.min(text.len());
    (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Returns up to where a text that was cut holds no part of a secret.
fn sure(text: &str) -> usize {
    let mut visible = text.char_indices().rev().filter(|&(_, c)| !is_invisible(c));
    let mut dropped = 0;
    // Blanks do not count: the parts of a secret are found over them.
    let last = visible.find(|&(_, c)| {
        dropped += c.len_utf8();
        dropped >= UNSURE
    });
    last.map_or(0, |(at, _)| at)
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
    use super::known::PIECE;
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use proptest::prelude::*;
    use std::time::Duration;

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
    fn a_text_is_cut_after_its_secrets_were_taken_out() {
        let redactor = redactor();
        redactor.learn("password", "hunter2-pass");
        let most = 20;
        let searched = 4 * most + SEARCHED_MORE;
        let check = |text: &str| {
            let shown = redactor.beginning(text, most);
            assert!(!shown.contains("hunt") && shown.ends_with(CUT), "{shown}");
            assert!(shown.chars().count() <= most + 1, "{shown}");
        };
        // The password is cut in two by the end of what is shown, and of what is searched.
        check(&format!("{}hunter2-pass and more", "x".repeat(most - 6)));
        let escaped = "&#0104;&#0117;&#0110;&#0116;&#0101;&#0114;2-pass";
        for spelt in ["hunter2-pass", escaped, "h\n\n\n\nunter2-p\n\nass", "pass-2retnuh"] {
            for cut in 1..spelt.len() {
                // So much is taken out in front of it that its place would be shown.
                let before = SECRET.replace(' ', "").repeat(searched);
                let text = format!("{}{spelt}", &before[..searched - cut]);
                check(&format!("{text}{}", "y".repeat(9_000)));
            }
        }
    }

    #[test]
    fn a_text_that_a_body_has_cut_is_known_by_its_mark() {
        let redactor = redactor();
        redactor.learn("password", "hunter2-pass");
        let text = format!("{}hunter2-pa…", SECRET.repeat(20));
        assert!(!redactor.beginning(text, 500).contains("hunt"));
        // A text in which nothing was found may end as it likes.
        assert_eq!(redactor.beginning("wait a moment…", 500), "wait a moment…");
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_without_a_use_is_forgotten_after_an_hour() {
        let clock = Clock::start();
        let redactor = redactor();
        let first = "the-first-token-0123456789";
        let finds = |secret: &str| redactor.redact(secret.into()) == "[token]";
        redactor.learn("token", first);
        redactor.learn("token", first);
        redactor.retire(first, clock);
        tokio::time::advance(Duration::from_secs(7_200)).await;
        assert!(finds(first), "it was learnt twice and retired once");
        redactor.retire(first, clock);
        tokio::time::advance(Duration::from_secs(1_800)).await;
        redactor.learn("token", "the-second-token-0123456789");
        redactor.retire("the-second-token-0123456789", clock);
        tokio::time::advance(Duration::from_secs(1_799)).await;
        assert!(finds(first));
        // By the clock alone: nothing is learnt or retired meanwhile.
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!finds(first) && finds(SECRET) && finds("the-second-token-0123456789"));
        tokio::time::advance(Duration::from_secs(1_800)).await;
        assert!(!finds("the-second-token-0123456789") && finds(SECRET));
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
        fn no_piece_of_a_secret_that_repeats_itself_is_left(
            ends in ("[ab]{0,9}", "[ab]{0,9}"), unit in "[ab]{1,4}", times in 30_usize..60,
            at in 0_usize..200, is_reversed: bool,
        ) {
            let secret = format!("{}{}{}", ends.0, unit.repeat(times), ends.1);
            let redactor = Redactor::default();
            redactor.learn("it", &secret);
            let spelt: String =
                if is_reversed { secret.chars().rev().collect() } else { secret.clone() };
            let at = at % (spelt.len() - PIECE + 1);
            let redacted = redactor.redact(format!("<{}>", &spelt[at..at + PIECE]));
            prop_assert_eq!(redacted, "<[it]>", "{}", secret);
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
