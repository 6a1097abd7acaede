//! The gateway of the simulated service: connections, routes, queries, signatures, answers.

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
pub(crate) use query::Order;
pub(crate) use query::Sort;
pub(crate) use response::Answer;
pub(crate) use response::Ending;
pub(crate) use route::ActionPath;
pub(crate) use route::Route;
pub(crate) use route::is_project_id;
