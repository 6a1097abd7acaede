//! A failure: its kind, and those of its texts that are not empty.

use crate::journal::bytes::{ByteReader, Malformed, put};
use crate::journal::codes;
use crate::journal::text::{ReadTexts, Repeats};
use crate::task::{Failure, FailureKind};

/// The bits of the texts that follow, in this order.
const TEXTS: u8 = 5;
const PARAMS: u8 = 1 << TEXTS;
const ERROR_LIST: u8 = 1 << (TEXTS + 1);
/// The largest sum of the lengths of a list. A list of references could otherwise grow to a
/// multiple of its body.
const MAX_LIST_BYTES: usize = 16 << 20;

/// A failure whose texts are in the body that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailureTexts<'a> {
    /// The kind.
    pub(crate) kind: FailureKind,
    /// Code, message, detail, reason and advice.
    texts: [&'a str; TEXTS as usize],
    params: Vec<&'a str>,
    error_list: Vec<&'a str>,
}

impl<'a> FailureTexts<'a> {
    /// Returns the texts of a failure.
    pub(crate) fn new(failure: &'a Failure) -> Self {
        let Failure { kind, code, message, detail, params, reason, advice, error_list } = failure;
        Self {
            kind: *kind,
            texts: [code, message, detail, reason, advice],
            params: params.iter().map(String::as_str).collect(),
            error_list: error_list.iter().map(String::as_str).collect(),
        }
    }

    /// Returns the failure.
    pub(crate) fn to_failure(&self) -> Failure {
        let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let [code, message, detail, reason, advice] = self.texts.map(str::to_owned);
        let (params, error_list) = (list(&self.params), list(&self.error_list));
        Failure { kind: self.kind, code, message, detail, params, reason, advice, error_list }
    }

    /// Returns the failure as a body of its own.
    pub(crate) fn to_body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        self.write(&mut body, &mut Repeats::default());
        body
    }

    /// Reads a failure from a body of its own.
    pub(crate) fn from_body(body: &[u8]) -> Result<Failure, Malformed> {
        let mut reader = ByteReader::new(body);
        let failure = FailureTexts::read(&mut reader, &mut ReadTexts::default())?;
        Ok(failure.to_failure())
    }

    pub(crate) fn write(&self, body: &mut Vec<u8>, repeats: &mut Repeats) {
        body.push(codes::failure_code(self.kind));
        let mut present = 0;
        for (bit, text) in self.texts.iter().enumerate() {
            present |= u8::from(!text.is_empty()) << bit;
        }
        present |= if self.params.is_empty() { 0 } else { PARAMS };
        present |= if self.error_list.is_empty() { 0 } else { ERROR_LIST };
        body.push(present);
        for text in self.texts.iter().filter(|text| !text.is_empty()) {
            repeats.write(body, text);
        }
        for list in [&self.params, &self.error_list].into_iter().filter(|list| !list.is_empty()) {
            put(body, u64::try_from(list.len()).expect("a usize fits a u64"));
            list.iter().for_each(|text| repeats.write(body, text));
        }
    }

    pub(crate) fn read(
        reader: &mut ByteReader<'a>,
        texts: &mut ReadTexts<'a>,
    ) -> Result<Self, Malformed> {
        let unknown = reader.malformed("there is no such kind of failure");
        let kind = codes::failure_kind(reader.byte()?).ok_or(unknown)?;
        let present = reader.byte()?;
        let mut found = [""; TEXTS as usize];
        for (bit, text) in found.iter_mut().enumerate() {
            if present & (1 << bit) != 0 {
                *text = texts.read(reader)?;
            }
        }
        let mut list = |bit| match present & bit {
            0 => Ok(Vec::new()),
            _ => read_list(reader, texts),
        };
        let (params, error_list) = (list(PARAMS)?, list(ERROR_LIST)?);
        Ok(Self { kind, texts: found, params, error_list })
    }
}

fn read_list<'a>(
    reader: &mut ByteReader<'a>,
    texts: &mut ReadTexts<'a>,
) -> Result<Vec<&'a str>, Malformed> {
    let count: usize = reader.small()?;
    // Each text takes a byte at least, so a count beyond that is damage and no reason to allocate.
    if count > reader.left() {
        return Err(reader.malformed("a list is longer than what follows"));
    }
    let mut list = Vec::with_capacity(count);
    let mut bytes = 0;
    for _ in 0..count {
        let text = texts.read(reader)?;
        bytes += text.len();
        if bytes > MAX_LIST_BYTES {
            return Err(reader.malformed("a list is too long"));
        }
        list.push(text);
    }
    Ok(list)
}
