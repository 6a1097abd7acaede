//! The dump: what was sent for tasks that did not succeed, and what came back, for the vendor.
//!
//! An exchange is kept until its task has its outcome, in bounded memory. The file is made before
//! anything is sent, for its owner alone, and a resumed run appends to it. A write error is reported
//! at the end, because a document must not stop a run.

use crate::cli::flags::output::DumpArgs;
use crate::cli::output::error::CommandError;
use crate::cli::output::event_documents::Beginning;
use crate::cli::output::in_place;
use crate::cli::output::in_place::OpenInPlace;
use crate::cli::output::replacement::not_written;
use crate::cli::output::stream::Stderr;
use crate::cli::output::taken_files::TakenFiles;
use batchctl::api::{Exchange, Record};
use batchctl::event::{Event, EventKind, Watch};
use batchctl::store::RunId;
use batchctl::task::{Ordinal, Outcome};
use batchctl::text::{plural, whole_millis};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs::File, io};

/// The version of the fields; it changes only if the meaning of one changes.
const SCHEMA_VERSION: u32 = 1;
/// The bytes of exchanges that wait for the outcomes of their tasks.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// What an exchange takes besides its body.
const HEAD_BYTES: usize = 2 << 10;

/// Refuses a dump that would be written over another file, or that may not be written in place.
pub(crate) fn check(args: &DumpArgs, taken: &TakenFiles) -> Result<(), CommandError> {
    let Some(path) = &args.dump else { return Ok(()) };
    in_place::check(path)?;
    if let Some(what) = taken.what(path) {
        let error = format!("`{}` is {what}; the dump would overwrite it", path.display());
        return Err(CommandError::usage(error).with_hint("name another `--dump`"));
    }
    Ok(())
}

/// An open dump; clones share the file.
#[derive(Clone)]
pub(crate) struct Dump {
    path: PathBuf,
    state: Arc<Mutex<DumpState>>,
}

struct DumpState {
    run: String,
    out: File,
    limit: u64,
    written: u64,
    left_out: u64,
    /// The exchanges of tasks without an outcome.
    waiting: BTreeMap<Ordinal, Vec<Exchange>>,
    waiting_bytes: usize,
    error: Option<io::Error>,
}

impl Dump {
    /// Opens the dump that the flags ask for.
    pub(crate) fn open(
        args: &DumpArgs,
        beginning: Beginning,
        run: &RunId,
    ) -> Result<Option<Self>, CommandError> {
        let Some(path) = args.dump.clone() else { return Ok(None) };
        let opened = open(&path, beginning).map_err(|source| not_written(&path, source))?;
        let (out, written) = opened;
        let state = DumpState {
            run: run.to_string(),
            out,
            limit: args.dump_limit,
            written,
            left_out: 0,
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            error: None,
        };
        Ok(Some(Self { path, state: Arc::new(Mutex::new(state)) }))
    }

    /// Says what the dump lacks, and returns what went wrong with it, if anything did.
    pub(crate) fn close(&self, stderr: &Stderr) -> Option<CommandError> {
        let mut state = self.state();
        if state.left_out > 0 {
            let exchanges = plural(state.left_out, "exchange is", "exchanges are");
            stderr.say("warning", &format!("the dump is full: {exchanges} left out"));
            stderr.say("hint", "`--dump-limit 256MiB` makes room for more");
        }
        state.error.take().map(|error| not_written(&self.path, error))
    }

    /// Takes the state even after a panic elsewhere: it is whole at every step.
    fn state(&self) -> MutexGuard<'_, DumpState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dump").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Record for Dump {
    fn record(&self, exchange: Exchange) {
        self.state().keep(exchange);
    }
}

impl Watch for Dump {
    fn on_events(&mut self, events: &[Event]) {
        let mut state = self.state();
        for event in events {
            if let EventKind::TaskSettled { task, outcome, .. } = &event.kind {
                state.settle(task.ordinal, *outcome);
            }
        }
    }

    fn finish(&mut self) {
        let mut state = self.state();
        while let Some((_, exchanges)) = state.waiting.pop_first() {
            exchanges.iter().for_each(|exchange| state.write(exchange, None));
        }
    }
}

impl DumpState {
    fn keep(&mut self, exchange: Exchange) {
        self.waiting_bytes += size(&exchange);
        self.waiting.entry(exchange.task.ordinal).or_default().push(exchange);
        while self.waiting_bytes > MAX_WAITING_BYTES {
            let Some((_, dropped)) = self.waiting.pop_first() else { return };
            self.waiting_bytes -= dropped.iter().map(size).sum::<usize>();
            self.left_out += dropped.len() as u64;
        }
    }

    fn settle(&mut self, task: Ordinal, outcome: Outcome) {
        let Some(exchanges) = self.waiting.remove(&task) else { return };
        self.waiting_bytes -= exchanges.iter().map(size).sum::<usize>();
        if !outcome.is_good() {
            exchanges.iter().for_each(|exchange| self.write(exchange, Some(outcome)));
        }
    }

    fn write(&mut self, exchange: &Exchange, outcome: Option<Outcome>) {
        let line = format!("{}\n", line(exchange, outcome, &self.run));
        let written = self.written.saturating_add(line.len() as u64);
        if written > self.limit {
            self.left_out += 1;
            return;
        }
        if self.error.is_none() {
            self.written = written;
            self.error = self.out.write_all(line.as_bytes()).err();
        }
    }
}

fn size(exchange: &Exchange) -> usize {
    HEAD_BYTES + exchange.body.as_ref().map_or(0, String::len)
}

/// Opens the file for its owner alone, and returns its length.
fn open(path: &Path, beginning: Beginning) -> io::Result<(File, u64)> {
    let OpenInPlace { file, is_regular } = in_place::open_private(path)?;
    if is_regular && beginning == Beginning::Anew {
        file.set_len(0)?;
    }
    let length = if is_regular { file.metadata()?.len() } else { 0 };
    Ok((file, length))
}

fn line(exchange: &Exchange, outcome: Option<Outcome>, run: &str) -> Value {
    let response = exchange.status.map(|status| {
        json!({
            "status": status,
            "headers": headers(&exchange.response_headers),
            "body": exchange.body,
            "body_bytes": exchange.body_bytes,
        })
    });
    json!({
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "id": exchange.task.id.as_str(),
        "command": exchange.task.command.as_str(),
        "outcome": outcome.map(Outcome::as_str),
        "at": exchange.at.to_string(),
        "duration_ms": whole_millis(exchange.duration),
        "request": {
            "method": exchange.method,
            "target": exchange.target,
            "headers": headers(&exchange.request_headers),
        },
        "response": response,
        "trouble": exchange.trouble,
    })
}

fn headers(headers: &[(String, String)]) -> Vec<Value> {
    headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect()
}
