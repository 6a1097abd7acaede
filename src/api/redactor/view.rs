//! Other readings of a text: without its escapes, without its white space, and decoded.
//!
//! Each byte of a reading knows which part of the text it stands for, so that what is found in the
//! reading can be taken out of the text. A reading keeps the case of letters, because base64 needs
//! it; white space and invisible characters are left out of every one.

/// The shortest run of base64 digits that is decoded: 16 bytes take 22.
const MIN_BASE64: usize = 22;
/// The shortest run of hexadecimal digits that is decoded.
const MIN_HEX: usize = 32;
/// The number of decodings of base64 within base64 and the like.
const MAX_DECODINGS: u32 = 2;
/// The number of layers of escapes that are removed.
const MAX_UNESCAPINGS: u32 = 3;

/// One byte of a reading, and the part of the text that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) byte: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A reading of a text.
pub(super) type SecretReading = Vec<Unit>;

/// Returns every reading of a text in which a secret may be found.
pub(super) fn readings(text: &str) -> Vec<SecretReading> {
    let plain = plain(text);
    let mut all = Vec::new();
    // Forms write a blank as `+`.
    if text.contains('+') {
        // Nothing is decoded in this reading, because `+` is also a digit of base64.
        add_readings(plain.iter().filter(|unit| unit.byte != b'+').copied().collect(), 0, &mut all);
    }
    add_readings(plain, MAX_DECODINGS, &mut all);
    all
}

/// Adds a view with and without its escapes, and what each says if it is base64 or hexadecimal.
fn add_readings(view: SecretReading, decodings: u32, all: &mut Vec<SecretReading>) {
    let mut layer = Some(view);
    // Each layer is decoded before the next escapes are removed, because either may hide the other.
    for _ in 0..=MAX_UNESCAPINGS {
        let Some(view) = layer.map(folded) else { return };
        if decodings > 0 {
            for decoded in base64_runs(&view).into_iter().chain(hex_runs(&view)) {
                add_readings(decoded, decodings - 1, all);
            }
        }
        layer = unescape(&view);
        all.push(view);
    }
}

/// Reads a text as it is, without white space.
fn plain(text: &str) -> SecretReading {
    let mut view = SecretReading::with_capacity(text.len());
    for (start, character) in text.char_indices() {
        push(&mut view, character, start, start + character.len_utf8());
    }
    view
}

/// Folds the characters that escapes or an encoding stood for.
fn folded(view: SecretReading) -> SecretReading {
    if view.iter().all(|unit| unit.byte.is_ascii()) {
        return view;
    }
    let (mut folded, mut rest) = (SecretReading::with_capacity(view.len()), view.as_slice());
    while let Some(first) = rest.first() {
        let length = match first.byte {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 1,
        };
        let bytes: Vec<u8> = rest.iter().take(length).map(|unit| unit.byte).collect();
        let character = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next());
        match character.filter(|_| length > 1) {
            Some(character) => push(&mut folded, character, first.start, rest[length - 1].end),
            None => folded.push(*first),
        }
        rest = &rest[character.map_or(1, char::len_utf8)..];
    }
    folded
}

/// Adds a character that stands for a part of the text, unless nobody would see it.
fn push(view: &mut SecretReading, character: char, start: usize, end: usize) {
    let folded = match character {
        // The full-width forms of ASCII (Unicode block Halfwidth and Fullwidth Forms).
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - 0xff01 + 0x21).unwrap_or(character)
        }
        other => other,
    };
    if is_invisible(folded) {
        return;
    }
    for &byte in folded.encode_utf8(&mut [0; 4]).as_bytes() {
        view.push(Unit { byte, start, end });
    }
}

/// Returns whether a character may stand between the parts of a secret without being seen.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Removes one layer of escapes; nothing if there is none.
fn unescape(view: &[Unit]) -> Option<SecretReading> {
    let mut unescaped = SecretReading::with_capacity(view.len());
    let (mut at, mut has_changed) = (0, false);
    while at < view.len() {
        let rest = &view[at..];
        let Some((escaped, read)) = escape(rest) else {
            unescaped.push(rest[0]);
            at += 1;
            continue;
        };
        let (start, end) = (rest[0].start, rest[read - 1].end);
        match escaped {
            // Every reading leaves out white space, whether or not it was escaped.
            Escaped::Byte(byte) if byte.is_ascii_whitespace() || byte.is_ascii_control() => {}
            Escaped::Byte(byte) => unescaped.push(Unit { byte, start, end }),
            Escaped::Char(character) => push(&mut unescaped, character, start, end),
        }
        at += read;
        has_changed = true;
    }
    has_changed.then_some(unescaped)
}

enum Escaped {
    Byte(u8),
    Char(char),
}

/// Reads one escaped character of a URL, of JSON, of HTML or of quoted-printable text, and returns
/// it with the length of its escape.
fn escape(view: &[Unit]) -> Option<(Escaped, usize)> {
    // Most bytes begin no escape, so the ones behind them are not looked at.
    if !matches!(view.first()?.byte, b'%' | b'=' | b'\\' | b'&') {
        return None;
    }
    // Twelve bytes hold every escape that is read here.
    let mut bytes = [0; 12];
    let length = view.len().min(bytes.len());
    view.iter().zip(&mut bytes).for_each(|(unit, byte)| *byte = unit.byte);
    match &bytes[..length] {
        [b'%' | b'=', high, low, ..] => {
            let byte = u8::try_from(number(&[*high, *low], 16)?).ok()?;
            Some((Escaped::Byte(byte), 3))
        }
        [b'\\', b'u', digits @ ..] => {
            let character = char::from_u32(number(digits.get(..4)?, 16)?)?;
            Some((Escaped::Char(character), 6))
        }
        [b'\\', b'x', digits @ ..] => {
            let byte = u8::try_from(number(digits.get(..2)?, 16)?).ok()?;
            Some((Escaped::Byte(byte), 4))
        }
        [b'\\', b'n' | b'r' | b't', ..] => Some((Escaped::Char(' '), 2)),
        [b'\\', byte, ..] if !byte.is_ascii_alphanumeric() => Some((Escaped::Byte(*byte), 2)),
        [b'&', b'#', entity @ ..] => {
            let end = entity.iter().position(|&byte| byte == b';')?;
            let code = match &entity[..end] {
                [b'x' | b'X', digits @ ..] => number(digits, 16),
                digits => number(digits, 10),
            };
            Some((Escaped::Char(char::from_u32(code?)?), end + 3))
        }
        [b'&', entity @ ..] => {
            let end = entity.iter().position(|&byte| byte == b';')?;
            let name = std::str::from_utf8(&entity[..end]).ok()?;
            let (_, character) =
                NAMED.iter().find(|(names, _)| names.split(' ').any(|known| known == name))?;
            Some((Escaped::Char(*character), end + 2))
        }
        _ => None,
    }
}

/// The entities of HTML that stand for ASCII characters and blanks.
const NAMED: [(&str, char); 34] = [
    ("amp AMP", '&'),
    ("lt LT", '<'),
    ("gt GT", '>'),
    ("quot QUOT", '"'),
    ("apos", '\''),
    ("plus", '+'),
    ("sol", '/'),
    ("equals", '='),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast midast", '*'),
    ("comma", ','),
    ("period", '.'),
    ("colon", ':'),
    ("semi", ';'),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb lbrack", '['),
    ("bsol", '\\'),
    ("rsqb rbrack", ']'),
    ("Hat", '^'),
    ("lowbar UnderBar", '_'),
    ("grave", '`'),
    ("lcub lbrace", '{'),
    ("verbar vert", '|'),
    ("rcub rbrace", '}'),
    ("hyphen dash", '-'),
    ("nbsp ensp emsp", ' '),
    ("Tab", '\t'),
    ("NewLine", '\n'),
];

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let digits = digits.iter().map(|&digit| char::from(digit).to_digit(radix));
    let add = |sum: u32, digit: Option<u32>| sum.checked_mul(radix)?.checked_add(digit?);
    digits.into_iter().try_fold(0, add)
}

/// Decodes each run of base64 digits at each of its four alignments.
fn base64_runs(view: &[Unit]) -> Vec<SecretReading> {
    let runs = view.split(|unit| base64_digit(unit.byte).is_none());
    let runs = runs.filter(|run| run.len() >= MIN_BASE64);
    runs.flat_map(|run| (0..4).map(|skipped| base64(&run[skipped..]))).collect()
}

fn base64(run: &[Unit]) -> SecretReading {
    let mut decoded = SecretReading::with_capacity(run.len() / 4 * 3 + 3);
    for group in run.chunks(4) {
        let digit = |at: usize| group.get(at).and_then(|unit| base64_digit(unit.byte));
        for at in 0..3 {
            let (Some(high), Some(low)) = (digit(at), digit(at + 1)) else { break };
            let bits = (u32::from(high) << 6 | u32::from(low)) >> (4 - 2 * at);
            let byte = (bits & 0xff) as u8;
            if !byte.is_ascii_whitespace() {
                decoded.push(Unit { byte, start: group[at].start, end: group[at + 1].end });
            }
        }
    }
    decoded
}

/// Returns the value of a digit, of the standard alphabet or of the one for URLs.
pub(super) fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Decodes each run of hexadecimal digits at both of its alignments. What separates the bytes of
/// a dump (`:`, `-`, `,` and `0x`) is skipped.
fn hex_runs(view: &[Unit]) -> Vec<SecretReading> {
    let is_separator = |at: usize| {
        let (byte, next) = (view[at].byte, view.get(at + 1).map(|unit| unit.byte));
        let is_prefix = byte == b'0' && matches!(next, Some(b'x' | b'X'));
        is_prefix || is_hex_separator(byte)
    };
    let digits: SecretReading =
        (0..view.len()).filter(|&at| !is_separator(at)).map(|at| view[at]).collect();
    let runs = digits.split(|unit| !unit.byte.is_ascii_hexdigit());
    let runs = runs.filter(|run| run.len() >= MIN_HEX);
    let is_visible = |unit: &Unit| !unit.byte.is_ascii_whitespace();
    let decode = |run: &[Unit]| -> SecretReading {
        let byte = |pair: &[Unit]| {
            let value = number(&[pair[0].byte, pair[1].byte], 16).unwrap_or_default();
            Unit { byte: (value & 0xff) as u8, start: pair[0].start, end: pair[1].end }
        };
        run.chunks_exact(2).map(byte).filter(is_visible).collect()
    };
    runs.flat_map(|run| [decode(run), decode(&run[1..])]).collect()
}

/// Returns whether a byte stands between the bytes of a hexadecimal dump.
pub(super) fn is_hex_separator(byte: u8) -> bool {
    matches!(byte, b':' | b'-' | b',' | b'x' | b'X' | b'\\' | b'.')
}
