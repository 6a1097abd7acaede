//! `auth check`: makes one cheap call, and prints what it and the credentials show.

use crate::cli::Context;
use crate::cli::commands::auth::CheckArgs;
use crate::cli::connect::client::{ReadingClient, client_for_reading};
use crate::cli::connect::destination;
use crate::cli::connect::destination::Lookup;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use batchctl::api::{Checked, ClockSkew, Listed};
use batchctl::clock::{Clock, Timestamp};
use batchctl::policy::classify_read;
use batchctl::report::ExitStatus;
use batchctl::task::{Failure as Refusal, FailureKind};
use batchctl::text::{grouped, printable, span};
use serde_json::{Value, json};
use std::time::Duration;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most columns of what the service said.
const MOST_COLUMNS: usize = 200;
/// What a refusal of rights may come from, although the rights are there.
const CLOSED_REGION: &str = "a sub-account is refused in a region until its main account has \
                             opened the console of the service there once";

/// Everything that is known of the credentials after one call.
struct Findings {
    source: String,
    endpoint: String,
    project: String,
    expires_at: Option<Timestamp>,
    now: Timestamp,
    skew: Option<ClockSkew>,
    /// The number of batch tasks, if the service sends it; or the failure.
    list: Result<Option<u64>, ListFailure>,
}

/// Why there is no list.
struct ListFailure {
    http_status: Option<u16>,
    refusal: Box<Refusal>,
}

pub(crate) fn check(args: &CheckArgs, context: &Context) -> Result<ExitStatus, CommandError> {
    let place = destination::resolve(&args.place, &args.credentials, Lookup::Allowed, context)?;
    let ReadingClient { runtime, client, source, .. } =
        client_for_reading(&args.credentials, &place, CONNECT_TIMEOUT, context)?;
    let Checked { listed, skew } = runtime.block_on(client.check());
    let findings = Findings {
        source: source.origin(),
        endpoint: place.endpoint.to_string(),
        project: place.project.to_string(),
        expires_at: client.credentials().expires_at(),
        now: Clock::start().now(),
        skew,
        list: list_of(listed),
    };
    if args.json {
        stream::print_json(&findings.json())?;
    } else {
        stream::print(&findings.text())?;
    }
    Ok(findings.exit())
}

fn list_of(listed: Listed) -> Result<Option<u64>, ListFailure> {
    let answer = match listed {
        Listed::Page(page) => return Ok(page.total),
        Listed::Answer(answer) => answer,
    };
    let nothing = || Refusal::seen(FailureKind::Body, "nothing that is understood");
    let refusal = classify_read(&answer).failure.unwrap_or_else(nothing);
    Err(ListFailure { http_status: answer.status(), refusal: Box::new(refusal) })
}

impl Findings {
    fn exit(&self) -> ExitStatus {
        match &self.list {
            Ok(_) => ExitStatus::Ok,
            Err(failure) if failure.refusal.kind == FailureKind::Auth => ExitStatus::NotAuthorised,
            Err(_) => ExitStatus::IncompleteSuccess,
        }
    }

    fn text(&self) -> String {
        let lines = [
            ("source", self.source.clone()),
            ("endpoint", self.endpoint.clone()),
            ("project", self.project.clone()),
            ("expires", self.expiry_text()),
            ("clock", self.clock_text()),
            ("list", self.list_text()),
        ];
        let hint = self.hint().map(|hint| ("hint", hint.to_owned()));
        let line = |(name, text): (&str, String)| {
            format!("{name:<10}{}\n", printable(&text, MOST_COLUMNS))
        };
        lines.into_iter().chain(hint).map(line).collect()
    }

    /// Returns what may help, where the service itself refused and not the gateway before it.
    fn hint(&self) -> Option<&'static str> {
        let ListFailure { http_status, refusal } = self.list.as_ref().err()?;
        let is_of_the_service = refusal.code.starts_with("VIAS.") || *http_status == Some(403);
        (refusal.kind == FailureKind::Auth && is_of_the_service).then_some(CLOSED_REGION)
    }

    fn expiry_text(&self) -> String {
        match self.expires_at {
            None => "not known".into(),
            Some(at) if at <= self.now => format!("{at}, which is over"),
            Some(at) => format!("{at}, in {}", span(at.since(self.now))),
        }
    }

    fn clock_text(&self) -> String {
        match self.skew {
            None => "not known: the answer had no time".into(),
            Some(skew) if skew.as_secs().abs() <= 1 => "right".into(),
            Some(skew) if skew.spoils_signatures() => {
                format!("{skew}: signatures are refused for it; set the clock")
            }
            Some(skew) => skew.to_string(),
        }
    }

    fn list_text(&self) -> String {
        match &self.list {
            Ok(Some(1)) => "works: 1 batch task".into(),
            Ok(Some(total)) => format!("works: {} batch tasks", grouped(*total)),
            Ok(None) => "works".into(),
            Err(ListFailure { http_status, refusal }) => {
                let status = http_status.map_or_else(String::new, |status| format!("{status} "));
                let code = match refusal.code.as_str() {
                    "" => String::new(),
                    code => format!("{code}: "),
                };
                let advice = match refusal.advice.as_str() {
                    "" => String::new(),
                    advice => format!(" ({advice})"),
                };
                format!("fails: {status}{code}{}{advice}", refusal.message)
            }
        }
    }

    fn json(&self) -> String {
        let left = |at: Timestamp| at.since(self.now).as_secs();
        let list = match &self.list {
            Ok(total) => json!({ "works": true, "batch_tasks": total }),
            Err(ListFailure { http_status, refusal }) => json!({
                "works": false,
                "kind": refusal.kind.as_str(),
                "http_status": http_status,
                "error_code": refusal.code,
                "error_msg": refusal.message,
                "advice": refusal.advice,
            }),
        };
        let exit = self.exit();
        let json: Value = json!({
            "source": self.source,
            "endpoint": self.endpoint,
            "project_id": self.project,
            "expires_at": self.expires_at.map(|at| at.to_string()),
            "expires_in_s": self.expires_at.map(left),
            "clock_skew_s": self.skew.map(ClockSkew::as_secs),
            "list": list,
            "hint": self.hint(),
            "exit": { "code": exit.code(), "name": exit.name() },
        });
        format!("{json:#}\n")
    }
}
