//! The credentials file of the official tools: `~/.huaweicloud/credentials`.
//!
//! An INI file; the section `basic` is for services with projects, and other sections are not
//! looked at. Keys that are not known are for other tools.

use super::access_key::AccessKey;
use super::error::CredentialError;
use crate::api::endpoint::ProjectId;
use crate::api::file_reader::read_text;
use configparser::ini::{Ini, IniDefault};
use std::path::Path;

/// The section for services with projects.
const SECTION: &str = "basic";

/// The content of the file of the official tools.
#[derive(Debug)]
pub struct OfficialFile {
    /// The key.
    pub key: AccessKey,
    /// The project, if it names one.
    pub project: Option<ProjectId>,
    /// The address of IAM, if it names one.
    pub iam_endpoint: Option<String>,
}

/// Reads the credentials file of the official tools.
///
/// # Errors
///
/// It cannot be read or understood, or holds no key.
pub fn official_file(path: &Path) -> Result<OfficialFile, CredentialError> {
    let origin = || format!("`{}`", path.display());
    let text =
        read_text(path).map_err(|source| CredentialError::KeyFile { origin: origin(), source })?;
    parse(&text, &origin())
}

fn parse(text: &str, origin: &str) -> Result<OfficialFile, CredentialError> {
    let strange = |why: &str| CredentialError::KeyFile {
        origin: origin.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, why),
    };
    // The message of the parser quotes the line, and that may be the secret.
    let mut file = reader();
    file.read(text.to_owned()).map_err(|_| strange("it is no INI file with `name = value`"))?;
    let value = |name: &str| file.get(SECTION, name).filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (value("ak"), value("sk")) else {
        return Err(strange("its section `[basic]` has no `ak` and `sk`"));
    };
    let token = value("security_token").map(Into::into);
    let project = value("project_id").map(|id| id.parse());
    Ok(OfficialFile {
        key: AccessKey::new(&id, secret.into(), token, origin)?,
        project: project.transpose().map_err(|_| strange("its `project_id` is none"))?,
        iam_endpoint: value("iam_endpoint"),
    })
}

/// Returns a reader that takes nothing of a value for a comment: a secret may contain anything.
fn reader() -> Ini {
    let mut defaults = IniDefault::default();
    defaults.inline_comment_symbols = Some(Vec::new());
    defaults.delimiters = vec!['='];
    Ini::new_from_defaults(defaults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(text: &str, expected: &str) {
        let error = parse(text, "`file`").unwrap_err();
        let CredentialError::KeyFile { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.to_string(), expected, "{text}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn the_basic_section_holds_key_and_project() {
        let text = "# made by hand\n[global]\nak = no\nsk = no\n\n[basic]\nak = AK1\nsk=s;e#c=r\n\
                    security_token = sts\nproject_id = p-1\n\
                    iam_endpoint = https://iam.example.com\nother = 1\n";
        let file = parse(text, "`file`").unwrap();
        assert_eq!(file.project, Some("p-1".parse().unwrap()));
        assert_eq!(file.iam_endpoint.as_deref(), Some("https://iam.example.com"));
        let redactor = crate::api::Redactor::default();
        parse("[basic]\nak=AK1\nsk=se;cr#et=x\n", "`file`")
            .unwrap()
            .key
            .register_secrets(&redactor);
        assert_eq!(redactor.redact("se;cr#et=x".into()), "[secret key]");
    }

    #[test]
    fn what_is_missing_is_told_without_what_is_there() {
        check_refused("", "its section `[basic]` has no `ak` and `sk`");
        check_refused("[basic]\nsk = hunter2", "its section `[basic]` has no `ak` and `sk`");
        check_refused(
            "[basic]\nak = a\nsk = hunter2\nproject_id = a/b",
            "its `project_id` is none",
        );
        check_refused("[basic\nhunter2", "it is no INI file with `name = value`");
    }
}
