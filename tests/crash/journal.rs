//! A second reader of the journal, written from `docs/design/journal-format.md` alone.
//!
//! It shares no code with the program, so that both would have to be wrong in the same way.

use rusqlite::Connection;

/// A fact about a task, as far as these tests look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Started { seq: u64, leaves_us: i64 },
    Withdrawn,
    Ended { sent_us: i64, in_doubt: bool },
    Settled(u8),
}

/// A fact about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunFact {
    SessionStarted,
    SessionEnded,
    Other,
}

/// Returns the checksum of a body: over the number of the chunk, the epoch, the sequence number and
/// the bytes.
pub(crate) fn checksum(chunk: i64, epoch: u32, seq: u64, body: &[u8]) -> u32 {
    let mut all = chunk.to_le_bytes().to_vec();
    all.extend(epoch.to_le_bytes());
    all.extend(seq.to_le_bytes());
    all.extend(body);
    crc32c::crc32c(&all)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return number;
            }
        }
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        let half = i64::try_from(number / 2).unwrap();
        if number.is_multiple_of(2) { half } else { -half - 1 }
    }

    fn take(&mut self, length: u64) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(usize::try_from(length).unwrap());
        self.0 = rest;
        taken
    }

    /// Reads a text of either kind; one that is repeated is empty here.
    fn text(&mut self) -> String {
        let head = self.number();
        match head % 4 {
            0 => String::from_utf8(self.take(head / 4).to_vec()).unwrap(),
            1 => self.take(head / 4).iter().map(|byte| format!("{byte:02x}")).collect(),
            2 => String::new(),
            _ => panic!("no text begins with {head}"),
        }
    }
}

/// Reads the chunks of the plan: the ordinal and the id of each task.
pub(crate) fn tasks(connection: &Connection) -> Vec<(u32, String)> {
    let mut query = connection.prepare("SELECT no, body, crc FROM chunk ORDER BY no").unwrap();
    let mut rows = query.query([]).unwrap();
    let mut tasks = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let (no, body): (i64, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap());
        assert_eq!(row.get::<_, u32>(2).unwrap(), checksum(no, 0, 0, &body), "chunk {no}");
        let mut bytes = Bytes(&body);
        let mut ordinal = u32::try_from(bytes.number()).unwrap();
        for _ in 0..bytes.number() {
            let bits = bytes.byte();
            if bits & 16 != 0 {
                ordinal += u32::try_from(bytes.number()).unwrap();
            }
            if bits & 2 != 0 {
                bytes.number();
            }
            bytes.signed();
            if bits & 4 != 0 {
                bytes.number();
            }
            tasks.push((ordinal, bytes.text()));
            if bits & 128 != 0 {
                bytes.text();
            }
            if bits & 8 != 0 {
                bytes.text();
            }
            ordinal += 1;
        }
        assert!(bytes.0.is_empty());
    }
    tasks
}

/// Reads all segments in their order, and calls `task` with the ordinal of each fact.
pub(crate) fn facts(
    connection: &Connection,
    mut task: impl FnMut(u32, Fact),
    mut run: impl FnMut(RunFact),
) {
    let sql = "SELECT segment.seq, segment.chunk, segment.epoch, segment.body, segment.crc,
                   chunk.body
               FROM segment LEFT JOIN chunk ON chunk.no = segment.chunk ORDER BY segment.seq";
    let mut query = connection.prepare(sql).unwrap();
    let mut rows = query.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (seq, chunk): (u64, i64) = (row.get(0).unwrap(), row.get(1).unwrap());
        let (epoch, body): (u32, Vec<u8>) = (row.get(2).unwrap(), row.get(3).unwrap());
        let kept: u32 = row.get(4).unwrap();
        assert_eq!(kept, checksum(chunk, epoch, seq, &body), "segment {seq}");
        let mut bytes = Bytes(&body);
        bytes.number();
        if chunk < 0 {
            run_facts(&mut bytes, &mut run);
        } else {
            let plan: Vec<u8> = row.get(5).unwrap();
            let first = u32::try_from(Bytes(&plan).number()).unwrap();
            task_facts(&mut bytes, first, &mut task);
        }
    }
}

fn task_facts(bytes: &mut Bytes<'_>, first: u32, take: &mut impl FnMut(u32, Fact)) {
    let (mut offset, mut seq, mut time_us) = (0, 0, 0);
    while !bytes.0.is_empty() {
        let tag = bytes.byte();
        offset += bytes.signed();
        let fact = match tag & 15 {
            1 => {
                seq += bytes.signed();
                if tag & 16 != 0 {
                    bytes.number();
                }
                time_us += bytes.signed();
                Some(Fact::Started { seq: u64::try_from(seq).unwrap(), leaves_us: time_us })
            }
            2 => Some(Fact::Withdrawn),
            3 => {
                time_us += bytes.signed();
                skip_end(bytes, tag);
                Some(Fact::Ended { sent_us: time_us, in_doubt: tag & 16 != 0 })
            }
            4 => {
                bytes.signed();
                Some(Fact::Settled(tag >> 4))
            }
            5 => None,
            6 => {
                if bytes.byte() & 8 != 0 {
                    time_us += bytes.signed();
                }
                None
            }
            kind => panic!("there is no record of kind {kind}"),
        };
        let ordinal = first + u32::try_from(offset).unwrap();
        fact.into_iter().for_each(|fact| take(ordinal, fact));
    }
}

/// Reads what follows the time of sending.
fn skip_end(bytes: &mut Bytes<'_>, tag: u8) {
    bytes.number();
    bytes.number();
    if tag & 128 != 0 {
        bytes.text();
    }
    if tag & 32 != 0 {
        for _ in 0..3 {
            bytes.number();
        }
    }
    if tag & 64 == 0 {
        return;
    }
    bytes.byte();
    let present = bytes.byte();
    (0..5).filter(|bit| present & (1 << bit) != 0).for_each(|_| drop(bytes.text()));
    for _ in [32, 64].into_iter().filter(|bit| present & bit != 0) {
        (0..bytes.number()).for_each(|_| drop(bytes.text()));
    }
}

fn run_facts(bytes: &mut Bytes<'_>, take: &mut impl FnMut(RunFact)) {
    while !bytes.0.is_empty() {
        let tag = bytes.byte();
        let is_present = tag & 16 != 0;
        if tag & 15 != 3 {
            bytes.signed();
        }
        match tag & 15 {
            1 => {
                bytes.number();
                bytes.text();
                take(RunFact::SessionStarted);
            }
            2 => {
                bytes.number();
                if is_present {
                    bytes.text();
                }
                take(RunFact::SessionEnded);
            }
            3 => {
                bytes.take(if is_present { 8 } else { 0 });
                take(RunFact::Other);
            }
            4 => {
                bytes.signed();
                bytes.text();
                take(RunFact::Other);
            }
            5 => take(RunFact::Other),
            6 => {
                (0..2 + u8::from(is_present)).for_each(|_| drop(bytes.text()));
                take(RunFact::Other);
            }
            kind => panic!("there is no record of kind {kind}"),
        }
    }
}

/// Returns the totals of the run.
pub(crate) fn totals(connection: &Connection) -> serde_json::Value {
    let (text, kept): (String, u32) = connection
        .query_row("SELECT totals, totals_crc FROM run", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(kept, checksum(-3, 0, 0, text.as_bytes()));
    serde_json::from_str(&text).unwrap()
}

/// Takes the run back to its plan.
pub(crate) fn forget_all(connection: &Connection) {
    let text = r#"{"commits":0,"segments":0,"settled":{}}"#;
    let checksum = checksum(-3, 0, 0, text.as_bytes());
    connection.execute("UPDATE run SET totals = ?, totals_crc = ?", (text, checksum)).unwrap();
    connection.execute("DELETE FROM segment", []).unwrap();
}
