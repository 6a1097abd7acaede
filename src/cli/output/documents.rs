//! The documents of `-o`: the ending or a prefix decides the kind; written whole or not at all.

use crate::cli::flags::output::DocumentArgs;
use crate::cli::flags::precedence::{GivenFlags, Rank};
use crate::cli::output::atomic_file::OutputTarget;
use crate::cli::output::error::CommandError;
use crate::cli::output::in_place;
use crate::cli::output::replacement::Replacement;
use crate::cli::output::taken_files::TakenFiles;
use crate::cli::output::terminal_guard::Content;
use batchctl::reading::RunReader;
use batchctl::report::{
    Report, ResultsError, ResultsOptions, RowFilter, last_success, markdown, prometheus, write_json,
};
use batchctl::store::RunDirectory;
use batchctl::task::Outcome;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What a document contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Results,
    Report,
    Markdown,
    JUnit,
    Prometheus,
    Page,
    Events,
}

/// What a document with a row for each task contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    Results,
    JUnit,
    Page,
}

/// One document to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    kind: Kind,
    target: OutputTarget,
    /// The outcomes of a filter of its own; `--only` has none of them.
    only: Option<Vec<RowFilter>>,
}

/// What documents are made from.
#[derive(Debug)]
pub(crate) struct Material<'a> {
    pub(crate) runs: &'a RunDirectory,
    pub(crate) reader: &'a RunReader,
    pub(crate) report: &'a Report,
}

#[derive(Debug, thiserror::Error)]
enum DocumentError {
    #[error("`{text}` does not say which kind of document it is")]
    Kind { text: String },
    #[error("`{text}` names no file")]
    Nameless { text: String },
    #[error("only one document can go to standard output")]
    TwoOnOutput,
    #[error("`{}` is {what}; a document would overwrite it", path.display())]
    IsTaken { path: PathBuf, what: &'static str },
    #[error("two documents cannot both be `{}`", path.display())]
    SameFile { path: PathBuf },
    #[error("`--only` narrows results and JUnit documents, and none is to be written")]
    NothingToNarrow,
    #[error("`:only=` narrows results and JUnit documents, and `{text}` is neither")]
    NotNarrow { text: String },
    #[error("`{word}` is not an outcome")]
    NotAnOutcome { word: String },
    #[error("`--csv-dialect` is how results are written, and none are")]
    NoDialect,
    #[error("events are written while a run goes on, and this one is over")]
    EventsAreOver,
}

/// What a document is named with to have a filter of its own.
const ONLY: &str = ":only=";

/// Reads all `-o` values, and makes sure that nothing else is written where one will be.
pub(crate) fn parse(
    args: &DocumentArgs,
    taken: &TakenFiles,
    given: &GivenFlags,
) -> Result<Vec<Document>, CommandError> {
    let documents = args.output.iter().map(|text| one(text)).collect::<Result<Vec<_>, _>>()?;
    check_effects(&documents, given)?;
    // `--json` prints the report to standard output, so it counts as a document there.
    let on_output = documents.iter().filter(|document| document.is_on_output()).count();
    if on_output + usize::from(args.json) > 1 {
        return Err(CommandError::usage(DocumentError::TwoOnOutput));
    }
    check_free(&documents, taken)?;
    let mut earlier = TakenFiles::default();
    for path in documents.iter().filter_map(Document::path) {
        if earlier.what(path).is_some() {
            return Err(CommandError::usage(DocumentError::SameFile { path: path.into() }));
        }
        earlier.add(path, "a document");
    }
    Ok(documents)
}

/// Refuses documents that would be written over one of these files.
pub(crate) fn check_free(documents: &[Document], taken: &TakenFiles) -> Result<(), CommandError> {
    for path in documents.iter().filter_map(Document::path) {
        if let Some(what) = taken.what(path) {
            return Err(CommandError::usage(DocumentError::IsTaken { path: path.into(), what }));
        }
    }
    Ok(())
}

/// Refuses flags for documents that none of these documents obeys. A variable or the config file
/// holds their values for other commands.
fn check_effects(documents: &[Document], given: &GivenFlags) -> Result<(), CommandError> {
    let is_typed = |flag: &str| given.rank(flag) == Rank::CommandLine;
    let is_narrowed = |document: &Document| document.has_rows() && document.only.is_none();
    if is_typed("only") && !documents.iter().any(is_narrowed) {
        let hint = "name one: `-o tasks.csv --only failed`";
        return Err(CommandError::usage(DocumentError::NothingToNarrow).with_hint(hint));
    }
    if is_typed("csv-dialect") && !documents.iter().any(Document::is_csv) {
        let hint = "add `-o results.csv`";
        return Err(CommandError::usage(DocumentError::NoDialect).with_hint(hint));
    }
    Ok(())
}

/// Refuses what can be written only while a run goes on.
pub(crate) fn of_the_past(documents: Vec<Document>) -> Result<Vec<Document>, CommandError> {
    if documents.iter().any(Document::is_live) {
        let hint = "`-o events.ndjson` belongs to start, stop, run, resume, retry and wait; \
                    every task's outcome is in `-o results.csv`";
        return Err(CommandError::usage(DocumentError::EventsAreOver).with_hint(hint));
    }
    Ok(documents)
}

/// Keeps the documents in which a dry run writes its plan. Those that were not typed are for runs.
pub(crate) fn of_plan(
    documents: Vec<Document>,
    given: &GivenFlags,
) -> Result<Vec<Document>, CommandError> {
    let is_typed = |flag: &str| given.rank(flag) == Rank::CommandLine;
    if !is_typed("output") {
        return Ok(Vec::new());
    }
    let fits = |document: &Document| {
        matches!(document.kind, Kind::Results | Kind::Report) && document.only.is_none()
    };
    if !documents.iter().all(fits) || is_typed("only") || is_typed("csv-dialect") {
        return Err(CommandError::usage("a dry run writes its whole plan, as CSV or as JSON")
            .with_hint("name it FILE.csv or FILE.json, or leave `--dry-run` out"));
    }
    Ok(documents)
}

/// Reads the `-o` values of a comparison, which is written as CSV or as JSON.
pub(crate) fn of_changes(
    output: &[String],
    json: bool,
    taken: &TakenFiles,
    given: &GivenFlags,
) -> Result<Vec<Document>, CommandError> {
    let args = DocumentArgs { output: output.to_vec(), json, ..DocumentArgs::default() };
    let documents = parse(&args, taken, given)?;
    let fits = |document: &Document| {
        matches!(document.kind, Kind::Results | Kind::Report) && document.only.is_none()
    };
    if !documents.iter().all(fits) {
        return Err(CommandError::usage("a comparison is written as CSV or as JSON")
            .with_hint("name it FILE.csv or FILE.json"));
    }
    Ok(documents)
}

/// Reads how rows are written.
pub(crate) fn options(args: &DocumentArgs) -> ResultsOptions {
    ResultsOptions { dialect: args.csv_dialect, only: args.only.clone() }
}

fn one(text: &str) -> Result<Document, CommandError> {
    let (name, only) = match text.rsplit_once(ONLY) {
        Some((name, words)) => (name, Some(filters(words)?)),
        None => (text, None),
    };
    let prefixed = name.split_once(':').and_then(|(kind, rest)| Some((kind_of(kind)?, rest)));
    let ending = || Path::new(name).extension().and_then(|ending| kind_of(ending.to_str()?));
    let (kind, place) = match prefixed {
        Some((kind, place)) => (kind, place),
        None => match ending() {
            Some(kind) => (kind, name),
            None => {
                let hint = "name it FILE.csv, .html, .json, .md, .xml, .prom or .ndjson, or put `csv:` before";
                let error = DocumentError::Kind { text: text.into() };
                return Err(CommandError::usage(error).with_hint(hint));
            }
        },
    };
    // Such a path cannot be renamed over, which would show only after the run.
    if place.is_empty() || place.ends_with('/') {
        let hint = "name a file: `-o csv:FILE`, or `-o csv:-` for standard output";
        return Err(
            CommandError::usage(DocumentError::Nameless { text: text.into() }).with_hint(hint)
        );
    }
    let document = Document { kind, target: OutputTarget::parse(place), only };
    if document.only.is_some() && !document.has_rows() {
        let error = DocumentError::NotNarrow { text: name.into() };
        return Err(CommandError::usage(error)
            .with_hint("name FILE.csv or FILE.xml: `-o failed.csv:only=failed`"));
    }
    Ok(document)
}

fn filters(words: &str) -> Result<Vec<RowFilter>, CommandError> {
    let filter = |word: &str| {
        let error = DocumentError::NotAnOutcome { word: word.into() };
        word.parse().map_err(|_| {
            let known = Outcome::ALL.map(Outcome::as_str).into_iter().chain(RowFilter::PARTS);
            let known: Vec<&str> = known.collect();
            CommandError::usage(error).with_hint(format!("use {}", known.join(", ")))
        })
    };
    words.split(',').map(str::trim).map(filter).collect()
}

fn kind_of(name: &str) -> Option<Kind> {
    match name {
        "csv" => Some(Kind::Results),
        "json" => Some(Kind::Report),
        "md" => Some(Kind::Markdown),
        "xml" => Some(Kind::JUnit),
        "prom" => Some(Kind::Prometheus),
        "html" | "htm" => Some(Kind::Page),
        "ndjson" => Some(Kind::Events),
        _ => None,
    }
}

impl Document {
    /// Returns whether it is written while the run goes on, and not from what the store has of it.
    pub(crate) fn is_live(&self) -> bool {
        self.kind == Kind::Events
    }

    /// Returns whether it has rows that a filter can narrow.
    fn has_rows(&self) -> bool {
        matches!(self.kind, Kind::Results | Kind::JUnit)
    }

    /// Returns how its rows are written.
    pub(crate) fn options(&self, common: &ResultsOptions) -> ResultsOptions {
        let only = self.only.clone().unwrap_or_else(|| common.only.clone());
        ResultsOptions { only, ..common.clone() }
    }

    /// Returns whether it is a table.
    pub(crate) fn is_csv(&self) -> bool {
        self.kind == Kind::Results
    }

    /// Returns what it contains, if it has a row for each task.
    pub(crate) fn row_kind(&self) -> Option<RowKind> {
        match self.kind {
            Kind::Results => Some(RowKind::Results),
            Kind::JUnit => Some(RowKind::JUnit),
            Kind::Page => Some(RowKind::Page),
            Kind::Report | Kind::Markdown | Kind::Prometheus | Kind::Events => None,
        }
    }

    /// Returns what a terminal is to take it for.
    pub(crate) fn content(&self) -> Content {
        if self.kind == Kind::Report { Content::Json } else { Content::Text }
    }

    /// Returns where it goes.
    pub(crate) fn target(&self) -> &OutputTarget {
        &self.target
    }

    /// Returns whether this one is what standard output carries.
    pub(crate) fn is_on_output(&self) -> bool {
        self.target == OutputTarget::StandardOutput
    }

    /// Returns the file it goes to.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.target.path()
    }

    /// Makes sure that the document can be written, before anything is sent.
    pub(crate) fn try_out(&self) -> Result<(), CommandError> {
        let Some(path) = self.path() else { return Ok(()) };
        if self.is_live() {
            in_place::check(path)?;
            if in_place::is_stream(path) {
                return Ok(());
            }
        }
        Replacement::begin(path).map(drop)
    }

    /// Writes a document without rows: to standard output, or beside its target and renamed over it.
    pub(crate) fn write(&self, material: &Material<'_>) -> Result<(), CommandError> {
        if self.is_live() {
            return Ok(());
        }
        self.target.write(self.content(), |out| self.fill(out, material))
    }

    fn fill(
        &self,
        out: &mut dyn Write,
        material: &Material<'_>,
    ) -> Result<io::Result<()>, CommandError> {
        let Material { runs, report, .. } = *material;
        Ok(match self.kind {
            Kind::Report => write_json(report, out),
            Kind::Results | Kind::JUnit | Kind::Page | Kind::Events => Ok(()),
            Kind::Markdown => out.write_all(markdown(report).as_bytes()),
            Kind::Prometheus => {
                let text = prometheus(report, last_success(runs, report)?);
                out.write_all(text.as_bytes())
            }
        })
    }
}

/// Separates errors of reading the store from errors of writing.
pub(crate) fn of_rows(written: Result<(), ResultsError>) -> Result<io::Result<()>, CommandError> {
    match written {
        Ok(()) => Ok(Ok(())),
        Err(ResultsError::Write(source)) => Ok(Err(source)),
        Err(ResultsError::Store(error)) => Err(error.into()),
        Err(error) => Ok(Err(io::Error::other(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use batchctl::report::ExitStatus;
    use std::fs;

    fn check(text: &str, kind: Kind, target: OutputTarget) {
        assert_eq!(one(text).unwrap(), Document { kind, target, only: None }, "{text}");
    }

    #[test]
    fn a_document_is_told_by_its_prefix_or_its_ending() {
        let file = |path: &str| OutputTarget::File(path.into());
        check("results.csv", Kind::Results, file("results.csv"));
        check("a/b.json", Kind::Report, file("a/b.json"));
        check("notes.md", Kind::Markdown, file("notes.md"));
        check("junit.xml", Kind::JUnit, file("junit.xml"));
        check("batchctl.prom", Kind::Prometheus, file("batchctl.prom"));
        check("events.ndjson", Kind::Events, file("events.ndjson"));
        check("csv:-", Kind::Results, OutputTarget::StandardOutput);
        check("json:out.txt", Kind::Report, file("out.txt"));
        check("c:x.csv", Kind::Results, file("c:x.csv"));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for text in
            ["-", "results", "results.xlsx", "pdf:-", "", "csv:", "csv:out/", "csv::only=failed"]
        {
            assert_eq!(one(text).unwrap_err().status, ExitStatus::Usage, "{text}");
        }
    }

    #[test]
    fn a_filter_of_its_own_follows_the_name() {
        let only = |text: &str| one(text).unwrap().only.unwrap();
        assert_eq!(only("failed.csv:only=failed"), [RowFilter::Outcome(Outcome::Failed)]);
        assert_eq!(
            only("csv:-:only=failed,partial"),
            [Outcome::Failed, Outcome::Partial].map(RowFilter::Outcome)
        );
        assert_eq!(one("a.xml:only=failed").unwrap().path(), Some(Path::new("a.xml")));
        for text in ["a.csv:only=", "a.csv:only=bad", "a.html:only=failed", "a:only=failed"] {
            assert_eq!(one(text).unwrap_err().status, ExitStatus::Usage, "{text}");
        }
    }

    /// Reads `-o` values, with `--json` if they begin with it.
    fn parsed(values: &[&str], inputs: &[PathBuf]) -> Result<Vec<Document>, CommandError> {
        let mut taken = TakenFiles::default();
        inputs.iter().for_each(|input| taken.add(input, "an input"));
        let given = GivenFlags::new(clap::Command::new("test").get_matches_from(["test"]));
        let (json, output) = match values {
            ["--json", output @ ..] => (true, output),
            output => (false, output),
        };
        let output = output.iter().map(|&text| text.to_owned()).collect();
        parse(&DocumentArgs { output, json, ..DocumentArgs::default() }, &taken, &given)
    }

    #[test]
    fn only_one_document_goes_to_standard_output() {
        assert!(parsed(&["csv:-", "json:-"], &[]).is_err());
        assert!(parsed(&["--json", "csv:-"], &[]).is_err());
        assert_eq!(parsed(&["csv:-", "report.json"], &[]).unwrap().len(), 2);
        assert_eq!(parsed(&["--json", "results.csv"], &[]).unwrap().len(), 1);
    }

    #[test]
    fn no_document_overwrites_another() {
        assert!(parsed(&["csv:a.txt", "json:a.txt"], &[]).is_err());
        assert!(parsed(&["csv:a.txt", "json:./a.txt"], &[]).is_err());
        assert!(parsed(&["a.csv", "a.json"], &[]).is_ok());
    }

    #[test]
    fn an_input_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("tasks.csv");
        fs::write(&input, "id\n").unwrap();
        let same = directory.path().join(".").join("tasks.csv");
        assert!(parsed(&[same.to_str().unwrap()], &[input]).is_err());
    }
}
