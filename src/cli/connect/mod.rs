//! Where calls go and with which credentials: destination, project, client.

pub(crate) mod client;
pub(crate) mod config_keys;
pub(crate) mod credentials;
pub(crate) mod destination;
pub(crate) mod plain_http;
pub(crate) mod project;
pub(crate) mod protected_files;
pub(crate) mod run_service;
pub(crate) mod service_file;
pub(crate) mod service_place;
pub(crate) mod store;
pub(crate) mod trust;
