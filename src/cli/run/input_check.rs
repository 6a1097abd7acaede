//! Reads inputs once before a login, so that an invalid row is told of before a password is sent.
//!
//! What can be read only once is kept in a temporary file without a name, for the plan.

use crate::cli::output::error::CommandError;
use batchctl::clock::Clock;
use batchctl::input::Source;
use batchctl::loading::{NewPlan, PlanTotals};
use batchctl::run;
use batchctl::run::RunRequest;
use batchctl::settings::RunSettings;
use batchctl::system::files::FileExt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io, mem};

/// A stream that was kept, read from its beginning by each reader.
struct KeptStream {
    file: Arc<File>,
    offset: u64,
}

impl Read for KeptStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// Reads all inputs of a plan; afterwards they can be read once more.
///
/// # Errors
///
/// Those of the inputs, as planning finds them.
pub(crate) fn check(
    plan: &mut NewPlan,
    state: &Path,
    clock: Clock,
) -> Result<PlanTotals, CommandError> {
    let once = in_two(plan).map_err(CommandError::io)?;
    // Nothing of it is kept, so it needs no target and no settings.
    let request = RunRequest {
        state: state.to_owned(),
        command: String::new(),
        plan: once,
        endpoint: String::new(),
        project_id: String::new(),
        job: None,
        reason: None,
        settings: RunSettings::default(),
    };
    Ok(run::dry_run(request, clock)?.totals())
}

/// Returns a second plan of the same bytes.
pub(crate) fn in_two(plan: &mut NewPlan) -> io::Result<NewPlan> {
    let sources = mem::take(&mut plan.sources).into_iter().map(twice);
    let (first, second) = sources.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    plan.sources = second;
    Ok(NewPlan {
        sources: first,
        options: plan.options.clone(),
        on_duplicate: plan.on_duplicate,
        exclusions: Arc::clone(&plan.exclusions),
        after: plan.after.clone(),
        sample: plan.sample,
        offset: plan.offset,
        limit: plan.limit,
        service: plan.service.clone(),
    })
}

/// Returns two sources of the same bytes.
fn twice(source: Source) -> io::Result<(Source, Source)> {
    match source {
        Source::Ids(ids) => Ok((Source::Ids(ids.clone()), Source::Ids(ids))),
        Source::File(path) => {
            // A pipe such as `<(command)` gives its bytes once; all else is told of by the reader.
            let is_stream =
                fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir());
            if !is_stream {
                return Ok((Source::File(path.clone()), Source::File(path)));
            }
            let name = path.to_string_lossy().into_owned();
            kept(name, Box::new(File::open(path)?))
        }
        Source::Stream { name, reader } => kept(name, reader),
    }
}

fn kept(name: String, mut reader: Box<dyn Read + Send>) -> io::Result<(Source, Source)> {
    let mut file = tempfile::tempfile()?;
    io::copy(&mut reader, &mut file)?;
    let file = Arc::new(file);
    let stream = |name: String| {
        let reader = KeptStream { file: Arc::clone(&file), offset: 0 };
        Source::Stream { name, reader: Box::new(reader) }
    };
    Ok((stream(name.clone()), stream(name)))
}
