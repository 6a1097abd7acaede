//! What a file is that holds neither a table nor a list, as errors name it.

use std::fmt;

/// The kind of a file that is not the text of a table or a list, guessed from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A workbook of a spreadsheet: `.xlsx`, `.ods`, `.xls`.
    Workbook,
    /// A ZIP archive.
    Zip,
    /// Compressed by gzip.
    Gzip,
    /// A PDF document.
    Pdf,
    /// UTF-16 without a byte order mark.
    UnmarkedUtf16,
    /// Binary data of an unknown kind.
    Unknown,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workbook => "a spreadsheet's workbook, not text",
            Self::Zip => "a ZIP archive, not text",
            Self::Gzip => "compressed by gzip",
            Self::Pdf => "a PDF document, not text",
            Self::UnmarkedUtf16 => "UTF-16 text without a byte order mark",
            Self::Unknown => "a binary file, not text",
        })
    }
}
