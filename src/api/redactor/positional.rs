//! Finds secrets that nobody has learnt by where they stand: passwords in addresses and the
//! signatures of calls.

use super::Hit;

/// The text before the user and the password of an address.
const BEFORE_PASSWORD: &str = "://";
/// The text before a signature in the header of a signed call.
const BEFORE_SIGNATURE: &str = "Signature=";
/// The shortest text after it that can be a signature.
const MIN_SIGNATURE: usize = 32;

/// Returns what is secret by where it stands.
pub(super) fn unlearnt(text: &str) -> Vec<Hit> {
    let passwords = text.match_indices(BEFORE_PASSWORD).filter_map(|(at, _)| password(text, at));
    let signatures = text.match_indices(BEFORE_SIGNATURE).filter_map(|(at, _)| signature(text, at));
    passwords.chain(signatures).collect()
}

/// Finds the password in an address such as `http://user:password@proxy`.
fn password(text: &str, at: usize) -> Option<Hit> {
    let before = at + BEFORE_PASSWORD.len();
    let ends = |c: char| c.is_ascii_whitespace() || "/?#'\"`<>".contains(c);
    let authority = text[before..].split(ends).next()?;
    // The last `@` ends the password, which may contain others, while a host contains none.
    let (user_info, _host) = authority.rsplit_once('@')?;
    let (user, password) = user_info.split_once(':')?;
    let start = before + user.len() + 1;
    let hit = Hit { range: start..start + password.len(), name: "password" };
    (!password.is_empty()).then_some(hit)
}

/// Finds the signature of a signed call: each call has another one, so none is ever learnt.
fn signature(text: &str, at: usize) -> Option<Hit> {
    let start = at + BEFORE_SIGNATURE.len();
    let length = text[start..].bytes().take_while(u8::is_ascii_alphanumeric).count();
    let hit = Hit { range: start..start + length, name: "signature" };
    (length >= MIN_SIGNATURE).then_some(hit)
}
