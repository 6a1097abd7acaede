//! A plan chunk: up to 1,000 tasks in the order of the input, each with its position and its other
//! cells.

use crate::journal::bytes::{ByteReader, Malformed, put, put_signed};
use crate::journal::segment::LARGE_BODY;
use crate::journal::text::{ReadTexts, Repeats, Text};
use crate::task::{Command, Repetition};

/// The most tasks of a chunk.
pub(crate) const MAX_CHUNK_TASKS: u32 = 1_000;

/// The bits in front of a task.
const STOP: u8 = 1;
const SOURCE: u8 = 2;
const COLUMN: u8 = 4;
const OTHERS: u8 = 8;
const GAP: u8 = 16;
const DELETE: u8 = 32;
const DOUBTED: u8 = 64;
const ACTION: u8 = 128;
/// With an action, the bit of `stop` says that it must not be repeated.
const HARMFUL: u8 = STOP;
/// With an action, the bit of `delete` says that it leads to an id that is not there any more.
const REMOVAL: u8 = DELETE;

/// A task of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedTask<'a> {
    /// Its place among all rows.
    pub(crate) ordinal: u32,
    /// The batch task.
    pub(crate) id: Text<'a>,
    /// The command for it.
    pub(crate) command: Command,
    /// Its input, as an index.
    pub(crate) source: u32,
    /// Its line.
    pub(crate) line: u64,
    /// The character in that line, if it is known.
    pub(crate) column: Option<u64>,
    /// The other cells of its row, as a JSON array.
    pub(crate) others: Option<&'a str>,
    /// Whether a run before may have carried it out.
    pub(crate) doubted: bool,
}

/// Writes chunks, one after the other.
#[derive(Debug, Default)]
pub(crate) struct PlanChunkWriter {
    first: u32,
    tasks: u32,
    rows: Vec<u8>,
    repeats: Repeats,
    next: u32,
    source: u32,
    line: u64,
}

impl PlanChunkWriter {
    /// Adds a task; ordinals ascend.
    pub(crate) fn push(&mut self, task: &PlannedTask<'_>) {
        if self.tasks == 0 {
            (self.first, self.next) = (task.ordinal, task.ordinal);
        }
        let mut bits = match (task.command, task.command.repetition()) {
            (Command::START, _) => 0,
            (Command::STOP, _) => STOP,
            (Command::DELETE, _) => DELETE,
            (_, Repetition::Harmless) => ACTION,
            (_, Repetition::Harmful) => ACTION | HARMFUL,
        };
        bits |= if task.command.is_action() && task.command.leads_out() { REMOVAL } else { 0 };
        bits |= if task.doubted { DOUBTED } else { 0 };
        bits |= if task.source == self.source { 0 } else { SOURCE };
        bits |= task.column.map_or(0, |_| COLUMN);
        bits |= task.others.map_or(0, |_| OTHERS);
        bits |= if task.ordinal == self.next { 0 } else { GAP };
        let body = &mut self.rows;
        body.push(bits);
        if bits & GAP != 0 {
            put(body, u64::from(task.ordinal - self.next));
        }
        if bits & SOURCE != 0 {
            put(body, u64::from(task.source));
        }
        put_signed(body, task.line.wrapping_sub(self.line).cast_signed());
        if let Some(column) = task.column {
            put(body, column);
        }
        task.id.write(body);
        if bits & ACTION != 0 {
            self.repeats.write(body, task.command.as_str());
        }
        if let Some(others) = task.others {
            self.repeats.write(body, others);
        }
        (self.source, self.line) = (task.source, task.line);
        self.next = task.ordinal.wrapping_add(1);
        self.tasks += 1;
    }

    /// Returns the number of tasks so far.
    pub(crate) fn tasks(&self) -> u32 {
        self.tasks
    }

    /// Returns whether the chunk should end, because rows of an input may be long.
    pub(crate) fn is_large(&self) -> bool {
        self.rows.len() >= LARGE_BODY
    }

    /// Ends the chunk: its first ordinal, its number of tasks and its body.
    pub(crate) fn finish(&mut self) -> (u32, u32, Vec<u8>) {
        let mut body = Vec::with_capacity(self.rows.len() + 10);
        put(&mut body, u64::from(self.first));
        put(&mut body, u64::from(self.tasks));
        body.extend_from_slice(&self.rows);
        let ended = (self.first, self.tasks, body);
        self.rows.clear();
        self.repeats.clear();
        (self.tasks, self.source, self.line) = (0, 0, 0);
        ended
    }
}

/// Returns the body of a chunk without tasks, which stands in the place of one that is lost.
pub(crate) fn empty_chunk(first: u32) -> Vec<u8> {
    let mut writer = PlanChunkWriter { first, ..PlanChunkWriter::default() };
    writer.finish().2
}

/// Reads the tasks of a chunk, one after the other.
#[derive(Debug)]
pub(crate) struct PlanChunk<'a> {
    reader: ByteReader<'a>,
    texts: ReadTexts<'a>,
    /// The ordinal of the first task.
    pub(crate) first: u32,
    /// The number of tasks.
    pub(crate) tasks: u32,
    left: u32,
    next: u64,
    source: u32,
    line: u64,
    /// The last action: most tasks have the same.
    action: Option<(&'a str, u8, Command)>,
}

impl<'a> PlanChunk<'a> {
    /// Begins to read a body.
    pub(crate) fn new(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(body);
        let (first, tasks) = (reader.small()?, reader.small()?);
        if tasks > MAX_CHUNK_TASKS {
            return Err(reader.malformed("a chunk has more than 1,000 tasks"));
        }
        let (texts, next) = (ReadTexts::default(), u64::from(first));
        let (source, line, action) = (0, 0, None);
        Ok(Self { reader, texts, first, tasks, left: tasks, next, source, line, action })
    }

    /// Reads the next task, or finds that the chunk ends here.
    pub(crate) fn next(&mut self) -> Result<Option<PlannedTask<'a>>, Malformed> {
        let reader = &mut self.reader;
        if self.left == 0 {
            let ends = reader.is_at_end();
            return if ends { Ok(None) } else { Err(reader.malformed("the chunk goes on")) };
        }
        let bits = reader.byte()?;
        let gap = if bits & GAP == 0 { 0 } else { reader.number()? };
        let ordinal = self.next.checked_add(gap).and_then(|ordinal| u32::try_from(ordinal).ok());
        let ordinal = ordinal.ok_or_else(|| reader.malformed("an ordinal is too large"))?;
        if bits & SOURCE != 0 {
            self.source = reader.small()?;
        }
        self.line = self.line.wrapping_add(reader.signed()?.cast_unsigned());
        let column = if bits & COLUMN == 0 { None } else { Some(reader.number()?) };
        let id = Text::read(reader)?;
        let action = if bits & ACTION == 0 { None } else { Some(self.texts.read(reader)?) };
        let others = if bits & OTHERS == 0 { None } else { Some(self.texts.read(reader)?) };
        self.left -= 1;
        self.next = u64::from(ordinal) + 1;
        let command = match (action, bits & (STOP | DELETE)) {
            (None, 0) => Command::START,
            (None, STOP) => Command::STOP,
            (None, DELETE) => Command::DELETE,
            (Some(name), bits) => self.action(name, bits)?,
            (_, _) => return Err(self.reader.malformed("a task has two commands")),
        };
        let doubted = bits & DOUBTED != 0;
        let (source, line) = (self.source, self.line);
        Ok(Some(PlannedTask { ordinal, id, command, source, line, column, others, doubted }))
    }

    fn action(&mut self, name: &'a str, bits: u8) -> Result<Command, Malformed> {
        let is_last = |(last, of, _): &(&str, u8, Command)| (*last, *of) == (name, bits);
        if let Some((_, _, command)) = self.action.filter(is_last) {
            return Ok(command);
        }
        let repetition = match bits & HARMFUL {
            0 => Repetition::Harmless,
            _ => Repetition::Harmful,
        };
        let command = match bits & REMOVAL {
            0 => Command::of_action(name, repetition),
            _ => Command::of_removal(name, repetition),
        };
        let command = command.map_err(|_| self.reader.malformed("no action has such a name"))?;
        self.action = Some((name, bits, command));
        Ok(command)
    }
}
