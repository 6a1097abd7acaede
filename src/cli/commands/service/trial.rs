//! `service try`: one call of a service, with what was sent, what came back, and which rule matched.

use crate::cli::Context;
use crate::cli::connect::credentials::{PartialDestination, load_from};
use crate::cli::connect::destination::route;
use crate::cli::connect::service_file::ServiceText;
use crate::cli::connect::service_place;
use crate::cli::flags::connection::{CredentialArgs, DestinationArgs};
use crate::cli::flags::precedence::Rank;
use crate::cli::output::error::CommandError;
use crate::cli::output::stream;
use crate::cli::process::runtime::runtime;
use batchctl::api::{Endpoint, ServiceClient, ServiceClientSettings};
use batchctl::clock::system_time;
use batchctl::policy::{AnswerMeaning, Delivery, Judgement, NoResponse};
use batchctl::report::ExitStatus;
use batchctl::service::{
    Action, Auth, CallValues, SeenAnswer, SeenBody, Service, ServiceCall, call, judge,
};
use batchctl::text::printable;
use clap::Args;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// The longest time that the call may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest time that connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most columns of a line of an answer that is shown.
const SHOWN_COLUMNS: usize = 4_000;
const TRY_HELP: &str = "\
Shows the request, the answer and the rule that matched, without secrets. The call is real.
Exit status: 0 it succeeded or changed nothing, 1 it did not, 2 usage, 77 not authorised.

Examples:
  batchctl service try shop.toml 42 --action on --dry-run
  batchctl service try shop.toml 42 --action on --set note=hi --token-file token";

#[derive(Debug, Args)]
#[command(after_help = TRY_HELP)]
pub(crate) struct ServiceTryArgs {
    /// The name of a service, or a file
    #[arg(value_name = "NAME|FILE")]
    pub(crate) service: String,
    /// The id to call
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// The action to carry out [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) action: Option<String>,
    /// The value of a column that the file names
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = column_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Show the request, and send nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: DestinationArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
}

fn column_value(text: &str) -> Result<(String, String), &'static str> {
    let (column, value) = text.split_once('=').ok_or("it is no COLUMN=VALUE")?;
    Ok((column.to_owned(), value.to_owned()))
}

/// The values of the one call.
struct Given<'a> {
    args: &'a ServiceTryArgs,
    project: Option<String>,
    /// The columns that the call has asked for.
    asked: RefCell<BTreeSet<String>>,
}

impl CallValues for Given<'_> {
    fn id(&self) -> &str {
        &self.args.id
    }

    fn region(&self) -> Option<&str> {
        self.args.place.region.as_deref()
    }

    fn project_id(&self) -> Option<&str> {
        self.project.as_deref()
    }

    fn cell(&self, column: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(column.to_owned());
        let mut set = self.args.set.iter();
        set.find(|(name, _)| name == column).map(|(_, value)| value.as_str())
    }
}

/// Carries out `service try`.
pub(super) fn try_call(
    args: &ServiceTryArgs,
    context: &Context,
) -> Result<ExitStatus, CommandError> {
    check_flags(args, context)?;
    let found = ServiceText::find(&args.service, &context.environment)?;
    let name = found.shown();
    let service = found.usable(context)?;
    let action = chosen(&service, args)?;
    service.id.id(&args.id).map_err(|error| {
        CommandError::new(ExitStatus::BadInput, error).with_hint("see `[id]` of the file")
    })?;
    let project = args.place.project_id.as_ref().map(ToString::to_string);
    let values = Given { args, project, asked: RefCell::default() };
    let call = call(&service, action, &values).map_err(|problem| {
        CommandError::new(ExitStatus::BadInput, problem).with_hint(
            "`--set COLUMN=VALUE` gives a column, `--region` and `--project-id` the rest",
        )
    })?;
    check_columns(&args.set, &values.asked.take())?;
    let endpoint = service_place::endpoint(&service, &args.place, context)?;
    if args.dry_run {
        stream::print(&request_in_words(&service, &endpoint, &call))?;
        return Ok(ExitStatus::Ok);
    }
    let answer = send(&service, &endpoint, &call, args, context)?;
    stream::print(&request_in_words(&service, &endpoint, &call))?;
    match answer {
        Ok(answer) => {
            let now = UNIX_EPOCH + Duration::from_micros(system_time().as_micros().unsigned_abs());
            let judged = judge(&service, action, &answer, now);
            let distrusted = judged.distrusted(&args.id);
            stream::print(&answer_in_words(&answer, &judged, distrusted.as_deref(), &name))?;
            Ok(status_of(&judged, distrusted.is_some()))
        }
        Err(gone) => {
            stream::print(&silence_in_words(&gone))?;
            Ok(ExitStatus::IncompleteSuccess)
        }
    }
}

fn check_flags(args: &ServiceTryArgs, context: &Context) -> Result<(), CommandError> {
    if args.place.sandbox && context.given.rank("sandbox") == Rank::CommandLine {
        let error = "`--sandbox` has no effect on a single call";
        let hint =
            "start `batchctl sandbox --service FILE`, and name its address with `--endpoint`";
        return Err(CommandError::usage(error).with_hint(hint));
    }
    Ok(())
}

/// Refuses a value that the call has no place for, and a column with two values.
fn check_columns(set: &[(String, String)], asked: &BTreeSet<String>) -> Result<(), CommandError> {
    for (index, (column, _)) in set.iter().enumerate() {
        let shown = printable(column, 60);
        if set[..index].iter().any(|(other, _)| other == column) {
            let error = format!("`--set` gives the column `{shown}` twice");
            return Err(CommandError::usage(error).with_hint("leave one out"));
        }
        if !asked.contains(column) {
            let known: Vec<&str> = asked.iter().map(String::as_str).collect();
            let hint = match known.is_empty() {
                true => "it has none: leave out `--set`".to_owned(),
                false => format!("it has {}", known.join(", ")),
            };
            let error = format!("the call has no column `{shown}`, so `--set` has no effect");
            return Err(CommandError::usage(error).with_hint(hint));
        }
    }
    Ok(())
}

fn chosen<'s>(service: &'s Service, args: &ServiceTryArgs) -> Result<&'s Action, CommandError> {
    let names: Vec<&str> = service.actions.iter().map(|action| action.name.as_str()).collect();
    let names = names.join(", ");
    match (&args.action, &service.actions[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(CommandError::usage("the service has more than one action")
            .with_hint(format!("name one of them with `--action NAME`: {names}"))),
        (Some(name), _) => service.action(name).ok_or_else(|| {
            CommandError::usage(format!("the service has no action `{name}`"))
                .with_hint(format!("it has {names}"))
        }),
    }
}

fn send(
    service: &Service,
    endpoint: &Endpoint,
    call: &ServiceCall,
    args: &ServiceTryArgs,
    context: &Context,
) -> Result<Result<SeenAnswer, NoResponse>, CommandError> {
    let route = route(&args.place, endpoint, context)?;
    let target = PartialDestination {
        endpoint,
        route: &route,
        project: args.place.project_id.as_ref(),
        region: args.place.region.as_deref(),
        recorded: None,
    };
    let source = service_place::source(service, &args.credentials, &target, context)?;
    let runtime = runtime()?;
    let load = |source| runtime.block_on(load_from(source, context)).map(Arc::new);
    let credentials = source.map(load).transpose()?;
    let settings = ServiceClientSettings {
        endpoint: endpoint.clone(),
        route: route.clone(),
        connect_timeout: CONNECT_TIMEOUT,
        concurrency: NonZeroUsize::MIN,
        auth: service.auth.clone(),
        project: args.place.project_id.clone(),
    };
    let redactor = context.stderr.redactor.clone();
    let client = ServiceClient::new(settings, credentials, redactor)?;
    Ok(runtime.block_on(client.send(call, TIMEOUT)))
}

fn request_in_words(service: &Service, endpoint: &Endpoint, call: &ServiceCall) -> String {
    let mut text = format!("{} {endpoint}{}\n", call.method.as_str(), call.target);
    let auth = match &service.auth {
        Auth::Huawei => Some("X-Auth-Token: [token], or a signature".to_owned()),
        Auth::Bearer => Some("Authorization: Bearer [token]".to_owned()),
        Auth::Basic => Some("Authorization: Basic [password]".to_owned()),
        Auth::Header(name) => Some(format!("{name}: [token]")),
        Auth::None => None,
    };
    for (name, value) in &call.headers {
        let _ = writeln!(text, "  {name}: {}", printable(value, SHOWN_COLUMNS));
    }
    if let Some(auth) = auth {
        let _ = writeln!(text, "  {auth}");
    }
    if let Some(body) = &call.body {
        let _ = writeln!(text, "  {}", printable(body, SHOWN_COLUMNS));
    }
    text
}

fn answer_in_words(
    answer: &SeenAnswer,
    judged: &Judgement,
    distrusted: Option<&str>,
    file: &str,
) -> String {
    let mut text = format!("\nHTTP {}\n", answer.status);
    for (name, value) in &answer.headers {
        let _ = writeln!(text, "  {name}: {}", printable(value, SHOWN_COLUMNS));
    }
    let body = match &answer.body {
        SeenBody::Empty => "(no body)".to_owned(),
        SeenBody::Json(json) => json.value.to_string(),
        SeenBody::Text(body) => body.clone(),
        SeenBody::Unusable(why) => format!("({why})"),
    };
    let _ = writeln!(text, "  {}\n", printable(&body, SHOWN_COLUMNS));
    let means = match (judged.meaning, judged.rule) {
        (Some(meaning), Some(line)) => {
            format!("{}: the rule in line {line} of {file}", meaning.as_str())
        }
        (_, _) => format!("in_doubt: no rule of {file} is for this answer"),
    };
    let _ = writeln!(text, "{means}");
    let texts = [
        ("distrusted", distrusted.unwrap_or_default()),
        ("code", &judged.error.code),
        ("message", &judged.error.message),
        ("detail", &judged.error.detail),
        ("reason", &judged.error.reason),
        ("advice", &judged.error.advice),
        ("request", judged.request_id.as_deref().unwrap_or_default()),
    ];
    for (name, value) in texts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {name}: {}", printable(value, SHOWN_COLUMNS));
    }
    if let Some(wait) = judged.wait {
        let _ = writeln!(text, "  wait: {wait:?}");
    }
    text
}

fn silence_in_words(gone: &NoResponse) -> String {
    let what = match gone.delivery {
        Delivery::NeverLeft | Delivery::NeverMade | Delivery::ProxyRefused => "nothing was sent",
        Delivery::Possible => "in_doubt: the call may have been carried out",
    };
    format!("\nno answer: {}\n\n{what}\n", printable(&gone.message, SHOWN_COLUMNS))
}

/// Returns how the command ends after an answer.
fn status_of(judged: &Judgement, is_distrusted: bool) -> ExitStatus {
    let is_there = judged.meaning == Some(AnswerMeaning::Gone) && judged.leads_to_gone;
    match judged.meaning {
        Some(AnswerMeaning::Unauthorised) => ExitStatus::NotAuthorised,
        Some(meaning) if !is_distrusted && (meaning.is_good() || is_there) => ExitStatus::Ok,
        Some(_) | None => ExitStatus::IncompleteSuccess,
    }
}
