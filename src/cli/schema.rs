//! `schema`: prints what programs may rely on in a document.

use crate::cli::args::SchemaArgs;
use crate::cli::failure::Failure;
use crate::cli::stream;
use batchctl::report::ExitStatus;
use batchctl::report::Schema;

pub(crate) fn print(args: &SchemaArgs) -> Result<ExitStatus, Failure> {
    stream::print(Schema::from(args.document).text())
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    Ok(ExitStatus::Ok)
}
