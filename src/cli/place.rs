//! Where calls go: an endpoint, a region or the sandbox, and the project.

use super::Context;
use super::args::PlaceArgs;
use super::failure::Failure;
use batchctl::api::Endpoint;
use batchctl::api::ProjectId;
use batchctl::report::ExitStatus;
use batchctl::sandbox::SandboxSettings;
use batchctl::sandbox::SandboxThread;
use clap::parser::ValueSource;

/// The project of the embedded sandbox, which accepts any.
const SANDBOX_PROJECT: &str = "sandbox";

/// Where calls go.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) project: ProjectId,
    /// The embedded sandbox, which ends when this is dropped.
    pub(super) sandbox: Option<SandboxThread>,
}

/// Decides where calls go; starts the embedded sandbox if it is asked for.
pub(super) fn resolve(args: &PlaceArgs, context: &Context) -> Result<Place, Failure> {
    if args.sandbox {
        return embedded(args);
    }
    let endpoint = endpoint(args, context)?;
    let project = args.project_id.clone().ok_or_else(|| {
        Failure::usage("the project is missing")
            .with_hint("name it with `--project-id ID`, or try it with `--sandbox`".to_owned())
    })?;
    Ok(Place { endpoint, project, sandbox: None })
}

fn embedded(args: &PlaceArgs) -> Result<Place, Failure> {
    let sandbox = SandboxThread::start(SandboxSettings::default())
        .map_err(|error| Failure::new(ExitStatus::InputOutput, error))?;
    let endpoint = sandbox.url().parse().expect("the sandbox listens on a loopback address");
    let fallback = || SANDBOX_PROJECT.parse().expect("the name is a project id");
    let project = args.project_id.clone().unwrap_or_else(fallback);
    Ok(Place { endpoint, project, sandbox: Some(sandbox) })
}

/// Takes the endpoint or the region, whichever was said with more authority.
fn endpoint(args: &PlaceArgs, context: &Context) -> Result<Endpoint, Failure> {
    let regional = |region: &str| Endpoint::of_region(region).map_err(Failure::usage);
    match (&args.endpoint, &args.region) {
        (Some(endpoint), None) => Ok(endpoint.clone()),
        (None, Some(region)) => regional(region),
        (None, None) => Err(Failure::usage("the endpoint is missing").with_hint(
            "name it with `--region NAME` or `--endpoint URL`, or try it with `--sandbox`"
                .to_owned(),
        )),
        (Some(endpoint), Some(region)) => {
            let (of_endpoint, of_region) =
                (authority("endpoint", context), authority("region", context));
            if of_endpoint == of_region {
                let error = "`--endpoint` and `--region` say two things about one";
                return Err(Failure::usage(error).with_hint("give one of them".to_owned()));
            }
            if of_endpoint > of_region { Ok(endpoint.clone()) } else { regional(region) }
        }
    }
}

/// Ranks where a flag's value came from.
fn authority(flag: &str, context: &Context) -> u8 {
    let matches = context.matches.subcommand().map(|(_, matches)| matches);
    match matches.and_then(|matches| matches.value_source(flag)) {
        Some(ValueSource::CommandLine) => 3,
        Some(ValueSource::EnvVariable) => 2,
        Some(_) => 1,
        None => 0,
    }
}
