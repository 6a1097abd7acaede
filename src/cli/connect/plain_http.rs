//! Whether a secret may go unencrypted to an address.

use crate::cli::Context;
use crate::cli::output::error::CommandError;
use batchctl::api::Endpoint;

/// Lets a secret go unencrypted to an address, if `--insecure-http` says so.
pub(crate) fn allow(
    endpoint: &Endpoint,
    secret: &str,
    context: &Context,
) -> Result<(), CommandError> {
    if !context.given.is_on("insecure-http") {
        let error = format!("`{endpoint}` would be sent {secret} unencrypted");
        let hint = if endpoint.is_insecure() {
            "use https, or let it pass with `--insecure-http`"
        } else {
            "the proxy would read it: call without `--proxy`, use https, or let it pass with \
             `--insecure-http`"
        };
        let of_target = "use https, or put `insecure_http = true` into {table}";
        return Err(CommandError::usage(error).with_hint(hint).with_target_hint(of_target));
    }
    let stderr = context.stderr;
    stderr.say("warning", &format!("`{endpoint}` is sent {secret} unencrypted"));
    Ok(())
}
