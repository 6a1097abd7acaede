//! The flags for the service's address and the credentials.

use crate::cli::flags::values;
use batchctl::api::{Endpoint, ProjectId, ProxyAddress};
use clap::Args;
use std::path::PathBuf;

/// Where the service is, and who calls it.
#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// The service to call instead of VIAS: its name, or the file that describes it
    #[arg(long, value_name = "NAME|FILE", help_heading = "Where")]
    pub(crate) service: Option<String>,
    #[command(flatten)]
    pub(crate) place: DestinationArgs,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct DestinationArgs {
    /// The service's address
    #[arg(long, value_name = "URL", value_parser = values::insecure_endpoint)]
    pub(crate) endpoint: Option<Endpoint>,
    /// The region, instead of an endpoint: vias.NAME.myhuaweicloud.com
    #[arg(long, value_name = "NAME", value_parser = values::region)]
    pub(crate) region: Option<String>,
    /// The project
    #[arg(long, value_name = "ID", value_parser = values::project_id)]
    pub(crate) project_id: Option<ProjectId>,
    /// Trust the authorities of a PEM file as well
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Call through a proxy; none is used unless it is named here (a password: BATCHCTL_PROXY)
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<ProxyAddress>,
    /// Send the token unencrypted to an endpoint that is plain http
    #[arg(long)]
    pub(crate) insecure_http: bool,
    /// Call a simulated service in this process: no account, no network
    #[arg(long)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Clone, Args)]
#[command(
    next_help_heading = "Credentials (no secret is a flag: BATCHCTL_TOKEN, BATCHCTL_IAM_PASSWORD)"
)]
pub(crate) struct CredentialArgs {
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Take the token that a command prints
    #[arg(long, value_name = "CMD")]
    pub(crate) token_command: Option<String>,
    /// Log in as this IAM user; the password comes from BATCHCTL_IAM_PASSWORD, a file or a prompt
    #[arg(long, value_name = "NAME")]
    pub(crate) iam_user: Option<String>,
    /// The account that the IAM user belongs to
    #[arg(long, value_name = "NAME")]
    pub(crate) iam_domain: Option<String>,
    /// Read the IAM user's password from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) iam_password_file: Option<PathBuf>,
    /// The id of an IAM user with an MFA device, whose passcode BATCHCTL_IAM_PASSCODE holds
    #[arg(long, value_name = "ID")]
    pub(crate) iam_user_id: Option<String>,
    /// The address of IAM [default: https://iam.REGION.myhuaweicloud.com]
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) iam_endpoint: Option<Endpoint>,
    /// The project's name, to find its id by [default: the region]
    #[arg(long, value_name = "NAME")]
    pub(crate) iam_project: Option<String>,
}
