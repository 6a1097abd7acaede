//! The documents that `-o` asks for: told apart by ending or prefix, written whole or not at all.

use super::failure::Failure;
use super::stream::forgive_closed;
use batchctl::report::ExitStatus;
use batchctl::report::Report;
use batchctl::report::ResultsError;
use batchctl::report::write_json;
use batchctl::report::write_results;
use batchctl::store::RunReader;
use std::fs;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// What a document contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Results,
    Report,
}

/// Where a document goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    StandardOutput,
    File(PathBuf),
}

/// One document to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    kind: Kind,
    target: Target,
}

#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("cannot tell from `{text}` what document it is to be")]
    Kind { text: String },
    #[error("only one document can go to standard output")]
    TwoOnOutput,
    #[error("`{}` is an input; a document would overwrite it", path.display())]
    IsInput { path: PathBuf },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output { source: io::Error },
}

/// Reads all `-o` values, and makes sure that nothing else is written where one will be.
pub(super) fn parse(outputs: &[String], inputs: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let documents = outputs.iter().map(|text| one(text)).collect::<Result<Vec<_>, _>>()?;
    let on_output = |document: &&Document| document.target == Target::StandardOutput;
    if documents.iter().filter(on_output).count() > 1 {
        return Err(Failure::usage(DocumentError::TwoOnOutput));
    }
    for path in documents.iter().filter_map(Document::path) {
        if inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(Failure::usage(DocumentError::IsInput { path: path.into() }));
        }
    }
    Ok(documents)
}

fn one(text: &str) -> Result<Document, Failure> {
    let prefixed = text.split_once(':').and_then(|(kind, rest)| Some((kind_of(kind)?, rest)));
    let ending = || Path::new(text).extension().and_then(|ending| kind_of(ending.to_str()?));
    let (kind, place) = match prefixed {
        Some((kind, place)) => (kind, place),
        None => match ending() {
            Some(kind) => (kind, text),
            None => {
                let hint = "name it FILE.csv or FILE.json, or put `csv:` or `json:` before it";
                let error = DocumentError::Kind { text: text.into() };
                return Err(Failure::usage(error).with_hint(hint.to_owned()));
            }
        },
    };
    let target = match place {
        "-" => Target::StandardOutput,
        path => Target::File(path.into()),
    };
    Ok(Document { kind, target })
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "csv" => Some(Kind::Results),
        "json" => Some(Kind::Report),
        _ => None,
    }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

impl Document {
    /// Tells whether this one is what standard output carries.
    pub(super) fn is_on_output(&self) -> bool {
        self.target == Target::StandardOutput
    }

    /// Returns the file it goes to.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::StandardOutput => None,
            Target::File(path) => Some(path),
        }
    }

    /// Makes sure that the document can be written, before anything is sent.
    pub(super) fn try_out(&self) -> Result<(), Failure> {
        match self.path() {
            Some(path) => beside(path).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Writes the document: to standard output, or beside its target and renamed over it.
    pub(super) fn write(&self, reader: &RunReader, report: &Report) -> Result<(), Failure> {
        let Some(path) = self.path() else {
            return self.fill(io::stdout().lock(), reader, report, not_printed);
        };
        let mut file = beside(path)?;
        let told = |source| not_written(path, source);
        self.fill(file.as_file_mut(), reader, report, told)?;
        file.as_file().sync_all().map_err(told)?;
        file.persist(path).map_err(|error| told(error.error))?;
        Ok(())
    }

    fn fill(
        &self,
        out: impl Write,
        reader: &RunReader,
        report: &Report,
        told: impl Fn(io::Error) -> Failure,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        let filled = match self.kind {
            Kind::Report => write_json(report, &mut out),
            Kind::Results => match write_results(reader, &mut out) {
                Ok(_) => Ok(()),
                Err(ResultsError::Write(source)) => Err(source),
                Err(ResultsError::Store(error)) => return Err(error.into()),
                Err(error) => Err(io::Error::other(error)),
            },
        };
        forgive_closed(filled.and_then(|()| out.flush())).map_err(told)
    }
}

/// Opens a file beside its target, with the rights that a new file has.
fn beside(path: &Path) -> Result<NamedTempFile, Failure> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let told = |source| not_written(path, source);
    if path.is_dir() {
        return Err(told(io::ErrorKind::IsADirectory.into()));
    }
    tempfile::Builder::new()
        .prefix(".batchctl-")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(told)
}

fn not_written(path: &Path, source: io::Error) -> Failure {
    let error = DocumentError::Write { path: path.into(), source };
    let hint = "the run is kept: `batchctl report -o FILE.csv` writes it again, any time";
    Failure::new(ExitStatus::InputOutput, error).with_hint(hint.to_owned())
}

fn not_printed(source: io::Error) -> Failure {
    Failure::new(ExitStatus::InputOutput, DocumentError::Output { source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: Kind, target: Target) {
        assert_eq!(one(text).unwrap(), Document { kind, target }, "{text}");
    }

    #[test]
    fn a_document_is_told_by_its_prefix_or_its_ending() {
        let file = |path: &str| Target::File(path.into());
        check("results.csv", Kind::Results, file("results.csv"));
        check("a/b.json", Kind::Report, file("a/b.json"));
        check("csv:-", Kind::Results, Target::StandardOutput);
        check("json:out.txt", Kind::Report, file("out.txt"));
        check("c:x.csv", Kind::Results, file("c:x.csv"));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for text in ["-", "results", "results.xlsx", "pdf:-", ""] {
            assert_eq!(one(text).unwrap_err().status, ExitStatus::Usage, "{text}");
        }
    }

    #[test]
    fn only_one_document_goes_to_standard_output() {
        let outputs = ["csv:-".to_owned(), "json:-".to_owned()];
        assert!(parse(&outputs, &[]).is_err());
        assert_eq!(parse(&outputs[..1], &[]).unwrap().len(), 1);
    }

    #[test]
    fn an_input_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("tasks.csv");
        fs::write(&input, "id\n").unwrap();
        let same = directory.path().join(".").join("tasks.csv");
        assert!(parse(&[same.to_str().unwrap().to_owned()], &[input]).is_err());
    }
}
