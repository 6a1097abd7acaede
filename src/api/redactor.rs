//! Takes the secrets of this process out of texts that came from outside.
//!
//! A server may echo what it was sent, whole or cut, and in any spelling: as it is, in base64, in a
//! URL, in JSON or in HTML. All ways out of the process are served by one redactor, which learns a
//! secret before that can be sent. It shows nothing of what it knows and keeps no text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::ExposeSecret;
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

/// The shortest secret that is looked for: a shorter one would be found in common words.
const SHORTEST: usize = 6;
/// So much of the beginning or the end of a secret is found without the rest: a text may be cut.
const WINDOW: usize = 16;
/// The shortest base64 that is told from a word.
const SHORTEST_BASE64: usize = 8;
/// What stands before the user and the password of an address.
const BEFORE_PASSWORD: &[u8] = b"://";
/// What stands before a signature in the header of a signed call.
const BEFORE_SIGNATURE: &[u8] = b"Signature=";
/// The shortest text after it that can be one.
const SHORTEST_SIGNATURE: usize = 32;

/// Knows the secrets of a process and replaces them by their names, such as `[token]`.
///
/// Clones share what they know. A text without a secret comes back as it is, at the cost of one
/// look at each of its bytes and a closer one at few.
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
    known: Arc<RwLock<Known>>,
}

#[derive(Default)]
struct Known {
    secrets: Vec<Pattern>,
    beginnings: Beginnings,
}

/// The bytes with which a part of a text may begin that has to go: few, so that most of a text is
/// passed over without a closer look.
struct Beginnings([bool; 256]);

/// One way in which a secret may be spelt.
struct Pattern {
    /// What the secret is called in its place.
    name: &'static str,
    text: SecretString,
    /// Where the part begins that is searched for: at 0, or near the end for a text whose
    /// beginning was cut off.
    from: usize,
    /// The byte at that place, and the next.
    begins: [u8; 2],
    alphabet: Alphabet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Plain,
    /// The standard one, or the one for URLs.
    Base64,
}

/// A part of a text that has to go.
struct Hit {
    start: usize,
    end: usize,
    name: &'static str,
}

impl Redactor {
    /// Looks for a secret from now on; `name` is shown in its place.
    ///
    /// One of less than six bytes is not looked for: it would be found in common words.
    pub fn learn(&self, name: &'static str, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = known.secrets.iter().any(|pattern| pattern.text.expose_secret() == secret);
        if !is_known {
            let patterns = patterns(name, secret);
            patterns.iter().for_each(|pattern| known.beginnings.add(pattern));
            known.secrets.extend(patterns);
        }
    }

    /// Replaces every secret in a text, and every signature of a call and password of an address,
    /// known or not.
    pub fn redact(&self, text: String) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (mut redacted, mut kept, mut at) = (String::new(), 0, 0);
        while let Some(next) = known.beginnings.next_in(text.as_bytes(), at) {
            let Some(hit) = known.find_at(&text, next, kept) else {
                at = next + 1;
                continue;
            };
            redacted.push_str(&text[kept..hit.start]);
            redacted.extend(["[", hit.name, "]"]);
            (kept, at) = (hit.end, hit.end);
        }
        if kept == 0 {
            return text;
        }
        redacted.push_str(&text[kept..]);
        redacted
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor([hidden])")
    }
}

impl Beginnings {
    /// Takes note of all spellings of the first byte that is searched for.
    fn add(&mut self, pattern: &Pattern) {
        let first = pattern.text.expose_secret().as_bytes()[pattern.from];
        self.0[usize::from(first)] = true;
        // Forms write a blank as `+`; the base64 of URLs has `-` and `_` for `+` and `/`.
        let others: &[u8] = match first {
            b' ' => b"+",
            b'+' => b"-",
            b'/' => b"_",
            _ => b"",
        };
        others.iter().for_each(|&byte| self.0[usize::from(byte)] = true);
    }

    /// Returns the next place in a text, from `at`, that has to be looked at.
    fn next_in(&self, text: &[u8], at: usize) -> Option<usize> {
        let found = text[at..].iter().position(|&byte| self.0[usize::from(byte)])?;
        Some(at + found)
    }
}

impl Default for Beginnings {
    /// Knows how escapes begin, and what is secret by where it stands.
    fn default() -> Self {
        let mut bytes = [false; 256];
        for byte in [b'%', b'\\', b'&', BEFORE_PASSWORD[0], BEFORE_SIGNATURE[0]] {
            bytes[usize::from(byte)] = true;
        }
        Self(bytes)
    }
}

impl Known {
    /// Finds what has to go at `at`; nothing before `kept` is touched again.
    fn find_at(&self, text: &str, at: usize, kept: usize) -> Option<Hit> {
        let bytes = text.as_bytes();
        let first = bytes[at];
        let second = bytes.get(at + 1).copied();
        // Most bytes begin nothing: a call that went well must not pay for those that echo.
        let begins = |pattern: &&Pattern| begins_any(first) || pattern.may_begin(first, second);
        let mut possible = self.secrets.iter().filter(begins).peekable();
        let is_unlearnt = matches!(first, b'S' | b':');
        if (possible.peek().is_none() && !is_unlearnt) || !text.is_char_boundary(at) {
            return None;
        }
        let longest = possible.filter_map(|pattern| pattern.find_at(bytes, at));
        let hit = longest.max_by_key(|hit| hit.end).or_else(|| unlearnt_at(bytes, at))?;
        let start = hit.start.max(kept);
        let end = (hit.end..).find(|&end| text.is_char_boundary(end)).unwrap_or(text.len());
        Some(Hit { start, end, ..hit })
    }
}

/// Tells whether a byte may begin any secret: an escape, or a sign that stands for another.
fn begins_any(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&' | b'-' | b'_' | b'+')
}

impl Pattern {
    /// Tells whether two bytes of a text, if there is a second one, can be its beginning: the first
    /// as it is, the next as it is or written in another way.
    fn may_begin(&self, first: u8, second: Option<u8>) -> bool {
        let follows = |byte: u8| byte == self.begins[1] || begins_any(byte);
        first == self.begins[0] && second.is_some_and(follows)
    }

    fn find_at(&self, text: &[u8], at: usize) -> Option<Hit> {
        let secret = self.text.expose_secret().as_bytes();
        let wanted = &secret[self.from..];
        let end = self.alphabet.end_of(text, at, wanted)?;
        let before = text[..at].iter().rev().zip(secret[..self.from].iter().rev());
        let start = at - before.take_while(|(found, byte)| found == byte).count();
        Some(Hit { start, end, name: self.name })
    }
}

/// How far one character of a text leads.
struct Step {
    /// How many bytes of the text it takes.
    read: usize,
    /// How many bytes of the secret it stands for.
    matched: usize,
}

impl Alphabet {
    /// Returns where a secret ends that begins at `at`, or as much of it as is there.
    fn end_of(self, text: &[u8], at: usize, wanted: &[u8]) -> Option<usize> {
        // As it is first: a secret may contain what looks like an escape.
        if text[at..].starts_with(wanted) {
            return Some(at + wanted.len());
        }
        let (mut end, mut matched) = (at, 0);
        while let Some(step) = self.step(&text[end..], &wanted[matched..]) {
            end += step.read;
            matched += step.matched;
        }
        (matched >= wanted.len().min(WINDOW)).then_some(end)
    }

    /// Reads one character of a text, escaped or not, if it is the next one of a secret.
    fn step(self, text: &[u8], wanted: &[u8]) -> Option<Step> {
        let (&found, &expected) = (text.first()?, wanted.first()?);
        if let Some((character, read)) = escaped(text) {
            let mut buffer = [0; 4];
            let decoded: &[u8] = match character {
                Escaped::Byte(byte) => &[byte],
                Escaped::Char(character) => character.encode_utf8(&mut buffer).as_bytes(),
            };
            if wanted.starts_with(decoded) {
                return Some(Step { read, matched: decoded.len() });
            }
        }
        let fits = found == expected
            || (self == Self::Plain && (found, expected) == (b'+', b' '))
            || (self == Self::Base64 && matches!((found, expected), (b'-', b'+') | (b'_', b'/')));
        fits.then_some(Step { read: 1, matched: 1 })
    }
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// Reads one escaped character, and tells how long it is: of a URL, of JSON or of HTML.
fn escaped(text: &[u8]) -> Option<(Escaped, usize)> {
    match text {
        [b'%', high, low, ..] => {
            let byte = u8::try_from(number(&[*high, *low], 16)?).ok()?;
            Some((Escaped::Byte(byte), 3))
        }
        [b'\\', b'u', digits @ ..] => {
            let character = char::from_u32(number(digits.get(..4)?, 16)?)?;
            Some((Escaped::Char(character), 6))
        }
        [b'\\', byte, ..] if !byte.is_ascii_alphanumeric() => Some((Escaped::Byte(*byte), 2)),
        [b'&', b'#', entity @ ..] => {
            let end = entity.iter().take(8).position(|&byte| byte == b';')?;
            let code = match &entity[..end] {
                [b'x' | b'X', digits @ ..] => number(digits, 16),
                digits => number(digits, 10),
            };
            Some((Escaped::Char(char::from_u32(code?)?), end + 3))
        }
        [b'&', ..] => {
            let is_named = |(name, _): &&(&[u8], u8)| text.starts_with(name);
            let (name, byte) = NAMED.iter().find(is_named)?;
            Some((Escaped::Byte(*byte), name.len()))
        }
        _ => None,
    }
}

const NAMED: [(&[u8], u8); 5] =
    [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = digits.iter().map(|&digit| char::from(digit).to_digit(radix));
    let add = |sum: u32, digit: Option<u32>| sum.checked_mul(radix)?.checked_add(digit?);
    digits.into_iter().try_fold(0, add)
}

/// Returns the spellings that are searched for; the escapes are seen through in the text.
fn patterns(name: &'static str, secret: &str) -> Vec<Pattern> {
    let plain = [(secret.to_owned(), Alphabet::Plain)].into_iter();
    let base64 = (0..3).map(|offset| (base64_at(secret, offset), Alphabet::Base64));
    let spellings = plain.chain(base64.filter(|(text, _)| text.len() >= SHORTEST_BASE64));
    spellings.flat_map(|(text, alphabet)| whole_and_end(name, &text, alphabet)).collect()
}

fn whole_and_end(name: &'static str, text: &str, alphabet: Alphabet) -> Vec<Pattern> {
    let end = text.len().saturating_sub(WINDOW);
    let end = (0..=end).rev().find(|&index| text.is_char_boundary(index)).unwrap_or(0);
    let mut froms = vec![0, end];
    froms.dedup();
    let begins = |from: usize| [text.as_bytes()[from], text.as_bytes()[from + 1]];
    let pattern = |from| Pattern { name, text: text.into(), from, begins: begins(from), alphabet };
    froms.into_iter().map(pattern).collect()
}

/// Returns what is always the same of a secret's base64, if it stands at an offset (modulo 3) of
/// what is encoded: `user:password` is encoded as one.
fn base64_at(secret: &str, offset: usize) -> String {
    let bytes = [&[0; 2][..offset], secret.as_bytes()].concat();
    let text = STANDARD_NO_PAD.encode(&bytes);
    text[(offset * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
}

/// Finds what is secret by where it stands.
fn unlearnt_at(text: &[u8], at: usize) -> Option<Hit> {
    signature_at(text, at).or_else(|| password_at(text, at))
}

/// Finds the password in an address such as `http://user:password@proxy`.
fn password_at(text: &[u8], at: usize) -> Option<Hit> {
    let authority = text[at..].strip_prefix(BEFORE_PASSWORD)?;
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#'\"`<>".contains(byte);
    let length = authority.iter().position(ends).unwrap_or(authority.len());
    let end = authority[..length].iter().rposition(|&byte| byte == b'@')?;
    let start = authority[..end].iter().position(|&byte| byte == b':')? + 1;
    let hit = |start, end| Hit { start, end, name: "password" };
    let before = at + BEFORE_PASSWORD.len();
    (start < end).then(|| hit(before + start, before + end))
}

/// Finds the signature of a signed call: each has another, which is therefore never learnt.
fn signature_at(text: &[u8], at: usize) -> Option<Hit> {
    let start = at + BEFORE_SIGNATURE.len();
    let value = text[at..].strip_prefix(BEFORE_SIGNATURE)?;
    let length = value.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let hit = Hit { start, end: start + length, name: "signature" };
    (length >= SHORTEST_SIGNATURE).then_some(hit)
}

#[cfg(test)]
mod tests {
    use super::*;
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
            prop_assert!(!redacted.contains(&SECRET[..WINDOW]));
            prop_assert!(!redacted.contains(&SECRET[SECRET.len() - WINDOW..]));
        }

        #[test]
        fn a_text_without_the_secret_stays(text in "[a-z%\\\\&#;é]{0,60}") {
            prop_assert_eq!(redactor().redact(text.clone()), text);
        }

        #[test]
        fn any_secret_is_found(secret in ".{6,40}") {
            let redactor = Redactor::default();
            redactor.learn("it", &secret);
            prop_assume!(secret.len() >= SHORTEST && !"<[it]>".contains(&secret));
            prop_assert_eq!(redactor.redact(format!("<{secret}>")), "<[it]>");
        }
    }
}
