//! The flags that say where the service is and who asks it.

use super::values;
use batchctl::api::Endpoint;
use batchctl::api::ProjectId;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct PlaceArgs {
    /// The service's address
    #[arg(long, value_name = "URL", value_parser = values::endpoint)]
    pub(crate) endpoint: Option<Endpoint>,
    /// The region, instead of an endpoint: vias.NAME.myhuaweicloud.com
    #[arg(long, value_name = "NAME", value_parser = values::region)]
    pub(crate) region: Option<String>,
    /// The project
    #[arg(long, value_name = "ID", value_parser = values::project_id)]
    pub(crate) project_id: Option<ProjectId>,
    /// Call a simulated service in this process: no account, no network
    #[arg(long)]
    pub(crate) sandbox: bool,
}

#[derive(Debug, Args)]
#[command(
    next_help_heading = "Credentials (the token itself is never a flag; BATCHCTL_TOKEN holds it)"
)]
pub(crate) struct CredentialArgs {
    /// Read the token from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Take the token that a command prints
    #[arg(long, value_name = "CMD")]
    pub(crate) token_command: Option<String>,
}
