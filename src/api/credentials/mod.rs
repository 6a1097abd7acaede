//! The credentials of calls: their sources, the ones in force, and their renewal.
//!
//! A secret is held in types that show nothing; it reaches the header of a call and nothing else.
//! One renewal serves everybody who waits for one. See `docs/GLOSSARY.md`: authority, generation,
//! renewal, redactor.

mod access_key;
mod authorisation;
mod command;
mod error;
mod iam;
mod in_force;
mod login;
mod official;
mod placement;
mod project;
mod signature;
mod source;
mod token;

pub use access_key::AccessKey;
pub(super) use authorisation::{Authorisation, MAX_TEXT};
pub use command::names_a_command;
pub use error::CredentialError;
pub use iam::Iam;
pub use in_force::Credentials;
pub use login::{Login, Scope, SecondFactor};
pub use official::{OfficialFile, official_file};
pub(super) use placement::Placement;
pub use project::Project;
pub use source::{CredentialSource, TokenSource};
