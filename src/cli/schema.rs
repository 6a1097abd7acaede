//! `schema`: prints what programs may rely on in a document.

use super::args::SchemaArgs;
use super::failure::Failure;
use super::stream;
use batchctl::report::ExitStatus;
use batchctl::report::Schema;

pub(super) fn print(args: &SchemaArgs) -> Result<ExitStatus, Failure> {
    stream::print(Schema::from(args.document).text())
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}
