//! The HTTP side of the sandbox: connections, gateway, routes, queries, signatures, responses.

mod connection;
mod gateway;
mod query;
mod response;
mod route;
mod signature;

pub(crate) use connection::serve;
pub(crate) use gateway::Gateway;
pub(crate) use gateway::Refusal;
pub(crate) use query::Column;
pub(crate) use query::ListQuery;
pub(crate) use query::Sort;
pub(crate) use query::SortOrder;
pub(crate) use response::HttpResponse;
pub(crate) use response::SandboxReply;
pub(crate) use route::ActionPath;
pub(crate) use route::SandboxRoute;
pub(crate) use route::is_project_id;
