//! The HTTP side of the sandbox: connections, gateway, routes, queries, signatures, responses.

mod connection;
mod gateway;
mod query;
mod response;
mod route;
mod signature;

pub(crate) use connection::serve;
pub(crate) use gateway::{Gateway, Refusal};
pub(crate) use query::{Column, ListQuery, Sort, SortOrder, SubTaskQuery};
pub(crate) use response::{HttpResponse, SandboxReply};
pub(crate) use route::{ActionPath, ItemPath, SandboxRoute, is_project_id};
pub(crate) use signature::SandboxKey;
