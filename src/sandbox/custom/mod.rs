//! A service that a file describes, simulated: it recognises requests, holds a word for each id, and
//! answers as the rules of the file say.
//!
//! It takes the values of `service` and no code of `api`: requests are recognised by a reading of the
//! templates of its own, which takes nothing that the file does not describe. The rules of the file
//! say what its answers are; where a rule has no example, one is made up.

mod answers;
mod body_pattern;
mod credentials;
mod custom_service;
mod ending;
mod json_place;
mod made_answer;
mod pages;
mod reading;
mod recognise;
#[cfg(test)]
mod tests;
mod text_for;
mod thing;
mod things;

pub(crate) use custom_service::{CustomReply, CustomRequest, CustomService};
pub(crate) use recognise::Operation;
