//! Reads the head of an answer, bounds it, and writes it in the form of today.
//!
//! Old servers fold header lines and put blanks before the colon (RFC 9112, sections 5.1 and 5.2).
//! Both are read, except in the two headers that say where the body ends: two readers that disagree
//! about these let one answer smuggle another, so they stay refused.

use crate::policy::may_tell_rate;
use memchr::memchr;
use std::iter;

/// The longest head that is read.
const MAX_HEAD: usize = 64 * 1024;
/// The most interim answers before the final one.
const MAX_INTERIM: u32 = 16;
/// The most headers of any name; behind them only those that are used are kept.
const MAX_HEADERS: usize = 64;
/// The most headers in all; the HTTP library takes 100.
const MAX_USED_HEADERS: usize = 96;
/// The longest beginning of an answer that is not HTTP, in bytes.
const MAX_BEGINNING: usize = 1_024;
/// The first two bytes of a TLS record: an alert or a handshake message.
const TLS_RECORDS: [[u8; 2]; 2] = [[0x15, 0x03], [0x16, 0x03]];
/// The bytes before the content of a frame of HTTP/2.
const FRAME_HEAD: usize = 9;
/// The headers that say where the body ends.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];
/// The other headers that are used.
const USED: [&str; 8] = [
    "connection",
    "content-encoding",
    "date",
    "location",
    "retry-after",
    "x-request-id",
    "x-subject-token",
    "proxy-authenticate",
];

/// The reason why a head cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the head of the answer is longer than 64 KiB")]
    TooLong,
    #[error("more than {MAX_INTERIM} interim answers came and no final one")]
    TooManyInterim,
    #[error("this port speaks TLS and the address says http: use https")]
    Tls,
    #[error("this port speaks HTTP/2 alone, and batchctl needs HTTP/1.1")]
    Http2,
    /// Its beginning may hold a secret, so whoever shows it takes that out first.
    #[error("the answer is not HTTP")]
    NotHttp(String),
    #[error("the header `{name}` is ambiguous: {reason}")]
    Framing { name: String, reason: &'static str },
}

/// Receives the head of one answer, after any interim answers.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    received: Vec<u8>,
    /// Up to where no end of the head was found.
    searched: usize,
    interim: u32,
}

impl HeadReader {
    /// Forgets everything, because another answer begins.
    pub(super) fn restart(&mut self) {
        self.received.clear();
        // One long head must not keep its memory for the rest of the run.
        self.received.shrink_to(4_096);
        (self.searched, self.interim) = (0, 0);
    }

    /// Takes bytes. Once the head is complete, writes it and what follows it to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, HeadError> {
        self.received.extend_from_slice(bytes);
        loop {
            self.skip_blank_lines();
            if !is_http(&self.received, self.interim)? {
                return Ok(false);
            }
            let Some(end) = self.find_end() else {
                // A head that never ends must fail before it fills the memory.
                let is_short = self.received.len() <= MAX_HEAD;
                return if is_short { Ok(false) } else { Err(HeadError::TooLong) };
            };
            if end > MAX_HEAD {
                return Err(HeadError::TooLong);
            }
            let (head, rest) = self.received.split_at(end);
            if !is_interim(head) {
                rewrite(head, out)?;
                out.extend_from_slice(rest);
                return Ok(true);
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(HeadError::TooManyInterim);
            }
            // The bytes behind an interim answer may be the whole next head, so the loop looks
            // again.
            self.received.drain(..end);
            self.searched = 0;
        }
    }

    /// Skips blank lines before the first line, which some servers leave behind a body.
    fn skip_blank_lines(&mut self) {
        let blank = self.received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.received.drain(..blank);
        self.searched = self.searched.saturating_sub(blank);
    }

    /// Returns where the blank line after the head ends. Searches no byte twice, however slowly
    /// they come.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(line) = memchr(b'\n', &self.received[self.searched..]) {
            let next = self.searched + line + 1;
            match &self.received[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                // Whether the next line is blank is not known yet.
                [] | [b'\r'] => return None,
                [..] => self.searched = next,
            }
        }
        self.searched = self.received.len();
        None
    }
}

/// Checks the first bytes, so that another protocol is named before its time-out. Returns whether they may
/// be read as HTTP yet: those of another one may look like the end of a head.
fn is_http(received: &[u8], interim: u32) -> Result<bool, HeadError> {
    let resembles = |record: &[u8]| received.iter().zip(record).all(|(found, byte)| found == byte);
    // Behind an interim answer the host is known to speak HTTP.
    if interim == 0 && TLS_RECORDS.iter().any(|record| resembles(record)) {
        // A single byte decides nothing yet.
        return if received.len() < 2 { Ok(false) } else { Err(HeadError::Tls) };
    }
    if resembles(b"HTTP/") {
        return Ok(true);
    }
    if interim == 0 && received.iter().take(FRAME_HEAD).enumerate().all(fits_settings) {
        return if received.len() < FRAME_HEAD { Ok(false) } else { Err(HeadError::Http2) };
    }
    let beginning = &received[..received.len().min(MAX_BEGINNING)];
    Err(HeadError::NotHttp(String::from_utf8_lossy(beginning).trim().to_owned()))
}

/// Returns whether a byte can stand there in the head of a frame of settings, which is the first of a
/// host that speaks HTTP/2 (RFC 9113, sections 3.4 and 6.5).
fn fits_settings((place, &byte): (usize, &u8)) -> bool {
    match place {
        // The beginning of the length, and the number of the stream.
        0 | 5.. => byte == 0,
        // The type.
        3 => byte == 4,
        _ => true,
    }
}

/// Returns what stands between line feeds, and behind the last one.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr(b'\n', text) else { return rest.take() };
        rest = Some(&text[end + 1..]);
        Some(&text[..end])
    })
}

/// Returns the status in a status line, or nothing if there is none.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    let line = lines(head).next()?;
    let code = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).nth(1);
    std::str::from_utf8(code?).ok()?.parse().ok()
}

/// Returns whether an answer is an interim one; 101 is final, because another protocol follows it.
fn is_interim(head: &[u8]) -> bool {
    // Nearly every answer begins like this, and no status with one of these digits is an interim one.
    if let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2'..=b'9', ..] = head {
        return false;
    }
    matches!(status(head), Some(100 | 102..=199))
}

/// Writes a head without folded lines, blanks before colons, and lines that are no headers.
fn rewrite(head: &[u8], out: &mut Vec<u8>) -> Result<(), HeadError> {
    // Nearly every head is one of today, and looking at its lines is quicker than writing them.
    if is_of_today(head) {
        out.extend_from_slice(head);
        return Ok(());
    }
    rewrite_lines(head, out)
}

/// Returns whether a head is in the form that [`rewrite_lines`] would write.
fn is_of_today(head: &[u8]) -> bool {
    let Some(text) = head.strip_suffix(b"\n\r\n") else { return false };
    let mut count = 0;
    let are_whole = lines(text).all(|line| {
        count += 1;
        let line = line.strip_suffix(b"\r");
        line.is_some_and(|line| match count {
            1 => !line.ends_with(b" "),
            _ => is_header_of_today(line),
        })
    });
    // Each line ends with `\r`, and a line feed stands between two: there is no other control
    // character.
    are_whole && count <= 1 + MAX_HEADERS && controls(text) == 2 * count - 1
}

/// Counts the control characters of a text.
fn controls(text: &[u8]) -> usize {
    // As many as a byte can count: so they are counted as many at a time as they are compared.
    let parts = text.chunks(usize::from(u8::MAX));
    let count =
        |part: &[u8]| part.iter().fold(0, |sum, byte| sum + u8::from(byte.is_ascii_control()));
    parts.map(|part| usize::from(count(part))).sum()
}

/// Returns whether a line is a header that would be written as it is, if it has no control character.
fn is_header_of_today(line: &[u8]) -> bool {
    let name = line.iter().take_while(|byte| TOKEN[usize::from(**byte)]).count();
    let value = line[name..].strip_prefix(b": ");
    name > 0 && value.is_some_and(|value| !matches!(value, [] | [b' ', ..] | [.., b' ']))
}

fn rewrite_lines(head: &[u8], out: &mut Vec<u8>) -> Result<(), HeadError> {
    let mut lines = lines(head);
    out.extend_from_slice(lines.next().unwrap_or_default().trim_ascii_end());
    let mut writer = HeadWriter { out, written: 0, open: None, is_kept: false };
    // Headers may follow a line of blanks: only an empty one ends the head, and that is its last.
    for line in lines.filter(|line| !matches!(line, [] | [b'\r'])) {
        match line.first() {
            Some(b' ' | b'\t') => writer.fold(line.trim_ascii())?,
            Some(_) | None => writer.begin(line.trim_ascii_end())?,
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
    Ok(())
}

/// Writes headers one after the other, each with its folded lines.
struct HeadWriter<'a, 'o> {
    out: &'o mut Vec<u8>,
    written: usize,
    /// The header that folded lines belong to.
    open: Option<&'a [u8]>,
    is_kept: bool,
}

impl<'a> HeadWriter<'a, '_> {
    /// Writes the first line of a header. Drops a line that is none.
    fn begin(&mut self, line: &'a [u8]) -> Result<(), HeadError> {
        let end = line.iter().position(|byte| !TOKEN[usize::from(*byte)]).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let after = rest.trim_ascii_start();
        if name.is_empty() || after.first() != Some(&b':') {
            // Lines folded under such a line belong to no header and are dropped with it.
            self.open = None;
            let colon = memchr(b':', line).unwrap_or(line.len());
            return refuse_resemblance(&line[..colon]);
        }
        // Differing readings of such a blank have led to vulnerabilities (RFC 9112, section 5.1).
        if is_framing(name) && after.len() != rest.len() {
            return Err(ambiguous(name, "a blank stands before its colon"));
        }
        if is_framing(name) && after.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(ambiguous(name, "a control character stands in it"));
        }
        // The last places are reserved for used headers, so that a flood of others cannot hide one.
        let is_kept =
            self.written < MAX_HEADERS || (self.written < MAX_USED_HEADERS && is_used(name));
        (self.open, self.is_kept) = (Some(name), is_kept);
        if self.is_kept {
            self.written += 1;
            self.write(line, name, rest, after);
        } else if is_framing(name) {
            return Err(ambiguous(name, "too many headers stand before it"));
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8], name: &[u8], rest: &[u8], after: &[u8]) {
        self.out.extend_from_slice(b"\r\n");
        match rest {
            // Nearly every line has the form that it is written in.
            [b':', b' ', value @ ..] if shown(value).len() == value.len() => {
                push_clean(self.out, line);
            }
            _ => {
                self.out.extend_from_slice(name);
                self.out.extend_from_slice(b": ");
                push_clean(self.out, shown(&after[1..]));
            }
        }
    }

    /// Adds a folded line, which is read as a blank and its text.
    fn fold(&mut self, line: &[u8]) -> Result<(), HeadError> {
        let Some(name) = self.open else { return refuse_resemblance(line) };
        if is_framing(name) {
            return Err(ambiguous(name, "its line is folded"));
        }
        let value = shown(line);
        if self.is_kept && !value.is_empty() {
            if !self.out.ends_with(b" ") {
                self.out.push(b' ');
            }
            push_clean(self.out, value);
        }
        Ok(())
    }
}

/// Refuses a line that is no header and that another reader may take for one that matters.
fn refuse_resemblance(line: &[u8]) -> Result<(), HeadError> {
    let text = String::from_utf8_lossy(line).to_ascii_lowercase();
    match FRAMING.into_iter().find(|framing| text.contains(framing)) {
        Some(name) => Err(ambiguous(name.as_bytes(), "its line is no header")),
        None => Ok(()),
    }
}

fn ambiguous(name: &[u8], reason: &'static str) -> HeadError {
    HeadError::Framing { name: String::from_utf8_lossy(name).into_owned(), reason }
}

fn is_framing(name: &[u8]) -> bool {
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing.as_bytes()))
}

fn is_used(name: &[u8]) -> bool {
    is_framing(name)
        || USED.iter().any(|used| name.eq_ignore_ascii_case(used.as_bytes()))
        || may_tell_rate(&String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Which bytes belong into a name (RFC 9110, section 5.6.2). A table, because every byte of every
/// name is looked up.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

/// Returns a value without the blanks and control characters around it.
fn shown(value: &[u8]) -> &[u8] {
    let is_shown = |byte: &u8| *byte != b' ' && !byte.is_ascii_control();
    let start = value.iter().position(is_shown).unwrap_or(value.len());
    let end = value.iter().rposition(is_shown).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Adds a value, with a blank in place of each control character.
fn push_clean(out: &mut Vec<u8>, value: &[u8]) {
    let begin = out.len();
    out.extend_from_slice(value);
    // Looked at without a way out in the middle, the bytes are compared many at a time.
    if !value.iter().fold(false, |found, byte| found | byte.is_ascii_control()) {
        return;
    }
    out[begin..].iter_mut().filter(|byte| byte.is_ascii_control()).for_each(|byte| *byte = b' ');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds an answer in parts of this length, and returns what is handed on.
    fn read(answer: &[u8], part: usize) -> Result<String, HeadError> {
        let (mut reader, mut out) = (HeadReader::default(), Vec::new());
        let mut is_complete = false;
        for bytes in answer.chunks(part) {
            if is_complete {
                out.extend_from_slice(bytes);
            } else {
                is_complete = reader.push(bytes, &mut out)?;
            }
        }
        assert!(is_complete, "{:?}", String::from_utf8_lossy(answer));
        Ok(String::from_utf8(out).unwrap())
    }

    #[track_caller]
    fn check(answer: &str, expected: &str) {
        for part in [1, 2, 7, answer.len()] {
            assert_eq!(read(answer.as_bytes(), part).as_deref(), Ok(expected), "{part}");
        }
    }

    #[track_caller]
    fn check_refused(answer: &str, expected: &str) {
        for part in [1, answer.len()] {
            let error = read(answer.as_bytes(), part).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_head_of_today_stays_as_it_is_and_its_body_follows() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b: c\r\n\r\nhel\n\nlo";
        check(answer, answer);
    }

    #[test]
    fn folded_lines_blanks_before_colons_and_bare_line_feeds_are_read() {
        check("HTTP/1.1 200\nX-A: a\n  b\n\tc\n\n", "HTTP/1.1 200\r\nX-A: a b c\r\n\r\n");
        check(
            "\r\nHTTP/1.1 429 No\r\nRetry-After:\r\n 5\r\nDate \t: x\r\n\r\n",
            "HTTP/1.1 429 No\r\nRetry-After: 5\r\nDate: x\r\n\r\n",
        );
        check("HTTP/1.1 200 OK\r\nno header\n\n", "HTTP/1.1 200 OK\r\n\r\n");
        check("HTTP/1.1 200 OK\nX: a\x01b\r\n\r\n", "HTTP/1.1 200 OK\r\nX: a b\r\n\r\n");
        check(
            "HTTP/1.1 200 OK\r\nX: a\x01b\r\nno header\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a b\r\n\r\n",
        );
    }

    #[test]
    fn a_head_that_was_handed_on_is_read_again_unchanged() {
        for header in
            ["X: \u{1} 1", "X: 1\u{1}", "X:\u{1}", "X: a\r\n \u{1}\r\n b\u{1}", "X:\r\n a"]
        {
            let once = read(format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").as_bytes(), 7).unwrap();
            assert_eq!(read(once.as_bytes(), 7).as_deref(), Ok(&*once), "{header:?}");
        }
    }

    #[test]
    fn a_line_of_blanks_ends_no_head() {
        for blank in [" ", "\t", " \t ", "\u{c}", "\r"] {
            check(
                &format!("HTTP/1.1 429 No\r\nX: a\r\n{blank}\r\nRetry-After: 5\r\n\r\nbody"),
                "HTTP/1.1 429 No\r\nX: a\r\nRetry-After: 5\r\n\r\nbody",
            );
        }
    }

    #[test]
    fn headers_that_could_smuggle_an_answer_are_refused() {
        for header in [
            "Content-Length : 5",
            "transfer-encoding\t: chunked",
            "Content-Length: 5\r\n 6",
            "Transfer-Encoding:\r\n chunked",
            "\u{b}Content-Length: 5",
            "Transfer-Encoding",
            "Content-Length: 5\r\n \t",
            "Transfer-Encoding: chunked\r\n ",
            "Content-Length: \u{1}5",
            "Transfer-Encoding: chunked\0",
            "X: 1\r\n \r\n \r\nContent-Length : 5",
        ] {
            check_refused(&format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n"), "is ambiguous");
        }
    }

    #[test]
    fn interim_answers_are_skipped_and_bounded() {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        let last = "HTTP/1.1 200 OK\r\n\r\n";
        check(&format!("{}{last}", interim.repeat(8)), last);
        check_refused(&format!("{}{last}", interim.repeat(9)), "more than 16 interim answers");
        check("HTTP/1.1 101 Switch\r\n\r\n", "HTTP/1.1 101 Switch\r\n\r\n");
    }

    #[test]
    fn heads_are_bounded_by_bytes_and_many_headers_are_not_too_many() {
        let many = "X-Filler: 1\r\n".repeat(1_000);
        let head = read(
            format!("HTTP/1.1 429 No\r\n{many}Retry-After: 5\r\nDate: x\r\n\r\n").as_bytes(),
            999,
        );
        let head = head.unwrap();
        assert!(head.ends_with("Retry-After: 5\r\nDate: x\r\n\r\n"), "{head}");
        assert_eq!(head.lines().count(), 1 + MAX_HEADERS + 2 + 1);
        let long = "x".repeat(MAX_HEAD);
        check_refused(&format!("HTTP/1.1 200 OK\r\nX: {long}\r\n\r\n"), "longer than 64 KiB");
        check_refused(
            &format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(12_000)),
            "longer than 64 KiB",
        );
    }

    #[test]
    fn other_protocols_are_named() {
        check_refused("\u{15}\u{3}\u{1}\0\u{2}\u{2}\n", "use https");
        check_refused("\0\0\u{12}\u{4}\0\0\0\0\0\0\u{3}\0\0\0d", "HTTP/2 alone");
        check_refused("\0\0\u{12}\u{4}\0\0\0\0\u{1}", "the answer is not HTTP");
        // The end of a line within its first bytes is none of a head.
        check_refused("\0\n\n\n\n\n\n", "the answer is not HTTP");
        check_refused("\0\n\n\u{4}\0\0\0\0\0", "HTTP/2 alone");
        check_refused("\0\0\u{12}\u{1}", "the answer is not HTTP");
        check_refused("SSH-2.0-server\r\n\r\n", "the answer is not HTTP");
    }

    #[test]
    fn a_head_of_today_is_recognised() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: a; b\r\nX-A: \u{e9}\r\n\r\n";
        assert!(is_of_today(head.as_bytes()));
        assert!(is_of_today(b"HTTP/1.1 204\r\n\r\n"));
    }

    proptest! {
        #[test]
        fn a_head_that_is_handed_on_as_it_is_would_be_written_so(
            status in "HTTP/1.1 200( OK| | \u{1})?",
            lines in prop::collection::vec(
                "[A-Za-z-]{0,3}[ \t]?:?[ \t]?[ a\u{1}\t:]{0,2}b?[ \t]?|Content-Length: 5|X: 1", 0..4),
            ends in prop::collection::vec(prop::bool::weighted(0.8), 6),
        ) {
            let ends: Vec<_> = ends.iter().map(|is_whole| if *is_whole { "\r\n" } else { "\n" }).collect();
            let mut head = format!("{status}{}", ends[0]);
            for (line, end) in lines.iter().zip(&ends[2..]).filter(|(line, _)| !line.is_empty()) {
                head += &format!("{line}{end}");
            }
            head += ends[1];
            if is_of_today(head.as_bytes()) {
                let mut written = Vec::new();
                prop_assert_eq!(rewrite_lines(head.as_bytes(), &mut written), Ok(()));
                prop_assert_eq!(String::from_utf8(written).unwrap(), head);
            }
        }

        #[test]
        fn no_head_is_too_strange_to_read(answer in "HTTP/1.1 [ -~\r\n\t]{0,80}", part in 1_usize..9) {
            let (mut reader, mut out) = (HeadReader::default(), Vec::new());
            for bytes in answer.as_bytes().chunks(part) {
                if reader.push(bytes, &mut out) != Ok(false) {
                    break;
                }
            }
        }
    }
}
