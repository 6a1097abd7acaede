//! Where a page is read: as a file, or from a server that goes on telling what changes.
//!
//! Both are one page: the same template, style and script, to which a followed one adds its own.

use crate::report::format::html::policy::{PageRequests, content_policy};

const STYLE: &str = include_str!("page.css");
const FOLLOWED_STYLE: &str = concat!(include_str!("page.css"), include_str!("live.css"));
const SCRIPT: &str = include_str!("page.js");
const FOLLOWED_SCRIPT: &str = concat!(include_str!("page.js"), include_str!("live.js"));

/// What of a run its page follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Following {
    /// All of it; the rows come once the page is open.
    Rows,
    /// All but the rows, of which there are too many.
    Head,
    /// Only whether anything happens again: no process works on the run.
    End,
}

impl Following {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rows, Self::Head, Self::End];

    /// Returns its word in the page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Head => "head",
            Self::End => "end",
        }
    }
}

/// Where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PagePlace {
    /// In a file.
    File,
    /// From a server.
    Server(Following),
}

impl PagePlace {
    pub(crate) const fn style(self) -> &'static str {
        match self {
            Self::File => STYLE,
            Self::Server(_) => FOLLOWED_STYLE,
        }
    }

    pub(crate) const fn script(self) -> &'static str {
        match self {
            Self::File => SCRIPT,
            Self::Server(_) => FOLLOWED_SCRIPT,
        }
    }

    pub(crate) fn policy(self) -> String {
        let requests = match self {
            Self::File => PageRequests::None,
            Self::Server(_) => PageRequests::OwnServer,
        };
        content_policy(self.style(), self.script(), requests)
    }

    pub(crate) fn following(self) -> Option<&'static str> {
        match self {
            Self::File => None,
            Self::Server(following) => Some(following.as_str()),
        }
    }

    pub(crate) const fn footer(self) -> &'static str {
        match self {
            Self::File => "This page loads nothing and sends nothing.",
            Self::Server(_) => "This page asks nobody but the batchctl that serves it.",
        }
    }
}

/// Returns the content policy of a page that a server serves.
pub fn followed_page_policy() -> String {
    PagePlace::Server(Following::Rows).policy()
}

/// Returns the style of pages that a server serves.
pub const fn followed_page_style() -> &'static str {
    FOLLOWED_STYLE
}
