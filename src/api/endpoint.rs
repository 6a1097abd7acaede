//! The addresses of calls: an endpoint, a project, and paths that no id can change.

use super::route::Route;
use crate::task::{Command, Level, Task};
use crate::text::{AddressError, address};
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use url::{Host, Url};

/// The ends of host names in the public cloud.
const CLOUDS: [&str; 2] = [".myhuaweicloud.com", ".myhuaweicloud.cn"];

/// The base of all calls, such as `https://vias.cn-north-4.myhuaweicloud.com`.
///
/// ```
/// use batchctl::api::Endpoint;
///
/// assert!("https://vias.cn-north-4.myhuaweicloud.com".parse::<Endpoint>().is_ok());
/// assert!("http://127.0.0.1:8080/prefix/".parse::<Endpoint>().is_ok());
/// assert!("http://vias.example.com".parse::<Endpoint>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without a slash at its end.
    base: Url,
    scheme: Scheme,
    /// The host, with the port where it is not the usual one.
    authority: Authority,
}

/// The reason why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It is not an absolute URL.
    ///
    /// The text itself is not shown: a token may stand in it, in any place.
    #[error("it is no URL such as `https://vias.cn-north-4.myhuaweicloud.com` ({0})")]
    NotAUrl(AddressError),
    /// No request can name its host.
    #[error("its host is one that no request can name")]
    Host,
    /// It is neither HTTPS, nor HTTP on this machine.
    #[error(
        "plain http to host `{host}` would send the token unencrypted; plain http is for \
         loopback addresses only"
    )]
    Unencrypted {
        /// Its host; the rest may be secret.
        host: String,
    },
    /// It is neither HTTP nor HTTPS.
    #[error("its scheme is neither https nor http")]
    Scheme,
    /// Its port is 0, where nobody can listen.
    #[error("its port is 0, which no service has")]
    Port,
    /// It contains a user name, a password, a query or a fragment.
    #[error("the endpoint of host `{host}` contains {part}, which does not belong there")]
    ForeignPart {
        /// Its host; the rest may be secret.
        host: String,
        /// The part that does not belong there.
        part: &'static str,
    },
}

impl Endpoint {
    /// Returns the endpoint of a region of the public cloud.
    pub fn of_region(region: &str) -> Result<Self, EndpointError> {
        format!("https://vias.{region}.myhuaweicloud.com").parse()
    }

    /// Returns the address of IAM beside the service's, in the public cloud.
    ///
    /// It has the same domain: a password is never sent to another on a guess.
    pub fn iam(&self) -> Option<Self> {
        let host = self.base.host_str()?.strip_prefix("vias.")?;
        // Outside the public cloud the neighbour is unknown, and a guess would get the password.
        self.region()?;
        format!("https://iam.{host}").parse().ok()
    }

    /// Returns the region of the public cloud that it is the service's address in.
    pub fn region(&self) -> Option<&str> {
        let rest = self.base.host_str()?.strip_prefix("vias.")?;
        let region = CLOUDS.iter().find_map(|cloud| rest.strip_suffix(cloud));
        // The address of a region has one more name, and its usual port.
        region.filter(|region| !region.contains('.') && self.base.port().is_none())
    }

    /// Reads an endpoint that may be any host's over plain HTTP: the token goes to it unencrypted.
    pub fn insecure(text: &str) -> Result<Self, EndpointError> {
        let base = base(text)?;
        let scheme = match base.scheme() {
            "https" => Scheme::HTTPS,
            "http" => Scheme::HTTP,
            _ => return Err(EndpointError::Scheme),
        };
        // The crates `url` and `http` read hosts by different rules, so both must accept this one.
        match base.authority().parse() {
            Ok(authority) => Ok(Self { base, scheme, authority }),
            Err(_) => Err(EndpointError::Host),
        }
    }

    /// Returns whether the token could be read on the way: over plain HTTP to another machine.
    pub fn is_insecure(&self) -> bool {
        self.is_plain() && !is_loopback(&self.base)
    }

    /// Returns whether the token could be read on this way to it.
    ///
    /// A proxy reads what is not encrypted, wherever it forwards that to. So a loopback address
    /// behind a proxy is not this machine.
    pub fn is_insecure_over(&self, route: &Route) -> bool {
        self.is_insecure() || (self.is_plain() && route.proxy.is_some())
    }

    /// Returns whether it ends in the version of the API, with which the paths of VIAS begin.
    pub fn ends_in_version(&self) -> bool {
        self.base.path().trim_end_matches('/').ends_with("/v2")
    }

    /// Returns whether calls go over plain HTTP, which only loopback addresses may.
    pub fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// Returns its address, as connections are made to it.
    pub(super) fn uri(&self) -> Uri {
        self.at(PathAndQuery::from_static("/"))
    }

    /// Returns the value of the header that names it.
    pub(super) fn host(&self) -> HeaderValue {
        HeaderValue::from_str(self.authority.as_str()).expect("no host has what no header can hold")
    }

    /// Returns the path of an action, or nothing if it is not exactly the intended one.
    ///
    /// Ids and project ids are checked types whose characters need no escaping. The comparison
    /// guards against a parser that sees it differently.
    pub(super) fn action(
        &self,
        project: &ProjectId,
        level: Level,
        task: &Task,
    ) -> Option<PathAndQuery> {
        let (infix, command) = match (level, task.command) {
            // The path is the task itself; sub-tasks cannot be deleted.
            (Level::Batch, Command::DELETE) => ("", ""),
            (Level::Task, Command::DELETE) => return None,
            _ => ("/action/", task.command.as_str()),
        };
        let parts = [
            self.base.path().trim_end_matches('/'),
            "/v2/",
            &project.0,
            collection(level),
            task.id.as_str(),
            infix,
            command,
        ];
        let path = PathAndQuery::try_from(parts.concat()).ok()?;
        // Every part must stand where it was put, with nothing between and nothing behind.
        let rest = parts.iter().try_fold(path.path(), |path, part| path.strip_prefix(part))?;
        (rest.is_empty() && path.query().is_none()).then_some(path)
    }

    /// Returns a path below this address with its query, or nothing if it would not be exactly that.
    pub(super) fn exactly(&self, target: &str) -> Option<PathAndQuery> {
        let base = self.base.path().trim_end_matches('/');
        let path = PathAndQuery::try_from([base, target].concat()).ok()?;
        (path.as_str().strip_prefix(base) == Some(target)).then_some(path)
    }

    /// Returns whether its host is one of the public cloud, or this machine over plain HTTP.
    pub fn is_of_cloud(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let is_cloud = CLOUDS.iter().any(|cloud| host.ends_with(cloud));
        is_cloud || (self.is_plain() && !self.is_insecure())
    }

    /// Returns the whole address of a path: only a path follows the host, so none can change it.
    pub(super) fn at(&self, path: PathAndQuery) -> Uri {
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).expect("a scheme, a host and a path are an address")
    }

    /// Returns the URL of a path that contains nothing from outside.
    pub(super) fn below(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        // A relative join would drop the last segment of a base with a prefix.
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Returns the pattern of action URLs, for plans.
    pub fn action_pattern(&self, project: &ProjectId, level: Level) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}/v2/{project}{}{{id}}/action/{{command}}", collection(level))
    }
}

impl Endpoint {
    /// Returns the pattern of the URLs of deletions, for plans.
    pub fn deletion_pattern(&self, project: &ProjectId) -> String {
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}/v2/{project}{}{{id}}", collection(Level::Batch))
    }
}

/// Returns the part of a path that the ids of a level follow.
const fn collection(level: Level) -> &'static str {
    match level {
        Level::Batch => "/batch-tasks/",
        Level::Task => "/tasks/",
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.base.as_str().trim_end_matches('/'))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let endpoint = Self::insecure(text)?;
        if endpoint.is_insecure() {
            let host = endpoint.base.host_str().unwrap_or_default().to_owned();
            return Err(EndpointError::Unencrypted { host });
        }
        Ok(endpoint)
    }
}

fn base(text: &str) -> Result<Url, EndpointError> {
    let base = address(text).map_err(EndpointError::NotAUrl)?;
    if base.port() == Some(0) {
        return Err(EndpointError::Port);
    }
    // Only the host is quoted, because the other parts may hold a secret.
    if let Some(part) = foreign_part(&base) {
        let host = base.host_str().unwrap_or_default().to_owned();
        return Err(EndpointError::ForeignPart { host, part });
    }
    Ok(base)
}

fn foreign_part(url: &Url) -> Option<&'static str> {
    let has_user = !url.username().is_empty() || url.password().is_some();
    match (has_user, url.query(), url.fragment()) {
        (true, _, _) => Some("a user name or password"),
        (_, Some(_), _) => Some("a query"),
        (_, _, Some(_)) => Some("a fragment"),
        (false, None, None) => None,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        // The dialer connects this name to loopback addresses alone, so it needs no look-up here.
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The id of a project, which matches the service's pattern `^[a-zA-Z0-9-]{1,64}$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectId(String);

/// The text is not a project id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a project id has 1 to 64 letters, digits and `-`, such as \
         `0123456789abcdef0123456789abcdef`"
)]
pub struct ProjectIdError;

impl FromStr for ProjectId {
    type Err = ProjectIdError;

    fn from_str(text: &str) -> Result<Self, ProjectIdError> {
        let text = text.trim();
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(belongs);
        if fits { Ok(Self(text.into())) } else { Err(ProjectIdError) }
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Ordinal;

    fn check_refused(text: &str, expected: &str) {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }

    #[test]
    fn an_endpoint_is_https_or_on_this_machine() {
        for text in [
            "https://vias.cn-north-4.myhuaweicloud.com",
            "https://vias.example.com:8443/prefix/",
            "http://127.0.0.1:9",
            "http://127.8.9.1",
            "http://[::1]:80",
            "http://localhost:8080/",
        ] {
            assert!(text.parse::<Endpoint>().is_ok(), "{text}");
        }
        check_refused("http://vias.example.com", "unencrypted");
        check_refused("http://127.0.0.1.example.com", "unencrypted");
        check_refused("http://0.0.0.0", "unencrypted");
        check_refused("ftp://example.com", "neither https nor http");
        check_refused("vias.example.com", "is no URL");
        check_refused("https://vias.example.com:0", "its port is 0");
    }

    #[test]
    fn a_port_that_is_not_the_usual_one_belongs_to_the_host() {
        let check = |text: &str, host: &str, uri: &str| {
            let endpoint = text.parse::<Endpoint>().unwrap();
            assert_eq!(endpoint.host(), host, "{text}");
            assert_eq!(endpoint.uri().to_string(), uri, "{text}");
        };
        check("https://h.example.com:443/a", "h.example.com", "https://h.example.com/");
        check("https://H.example.com:8443", "h.example.com:8443", "https://h.example.com:8443/");
        check("http://[::1]:80/", "[::1]", "http://[::1]/");
        check("http://127.0.0.1:8080/", "127.0.0.1:8080", "http://127.0.0.1:8080/");
        check(
            "https://kamera.bücher.example",
            "kamera.xn--bcher-kva.example",
            "https://kamera.xn--bcher-kva.example/",
        );
    }

    #[test]
    fn what_does_not_belong_into_an_endpoint_is_refused_without_showing_it() {
        check_refused("https://user:hunter2@example.com", "a user name or password");
        check_refused("https://example.com?token=hunter2", "a query");
        check_refused("https://example.com#hunter2", "a fragment");
        let error = "https://user:hunter2@example.com".parse::<Endpoint>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn iam_has_the_domain_of_the_service() {
        let check = |text: &str, expected: Option<&str>| {
            let iam = text.parse::<Endpoint>().unwrap().iam();
            assert_eq!(iam.map(|iam| iam.to_string()).as_deref(), expected, "{text}");
        };
        check("https://vias.x.myhuaweicloud.com", Some("https://iam.x.myhuaweicloud.com"));
        check("https://vias.x.myhuaweicloud.com/base", Some("https://iam.x.myhuaweicloud.com"));
        check("https://vias.x.myhuaweicloud.cn", Some("https://iam.x.myhuaweicloud.cn"));
        check("https://vias.x.myhuaweicloud.com.example.com", None);
        check("https://vias.x.myhuaweicloud.eu", None);
        check("https://vias.a.b.myhuaweicloud.com", None);
        check("https://vias.x.myhuaweicloud.com:8443", None);
        check("https://gateway.example.com", None);
    }

    #[test]
    fn no_plain_address_is_this_machine_behind_a_proxy() {
        let route = |proxy: Option<&str>| {
            let proxy = proxy.map(|proxy| proxy.parse().unwrap());
            Route { proxy, ..Route::default() }
        };
        let behind = route(Some("http://127.0.0.1:3128"));
        for text in ["http://127.0.0.1:8080", "http://[::1]", "http://localhost"] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert!(!endpoint.is_insecure_over(&route(None)), "{text}");
            assert!(endpoint.is_insecure_over(&behind), "{text}");
        }
        let encrypted: Endpoint = "https://vias.example.com".parse().unwrap();
        assert!(!encrypted.is_insecure_over(&behind));
    }

    #[test]
    fn no_refusal_shows_what_may_be_secret() {
        for text in [
            "https://hunter2@h",
            "https://h:hunter2@h:99999/",
            "https://h/?token=hunter2",
            "https://h/#hunter2",
            "h?token=hunter2",
            "hunter2",
            "ftp://h/hunter2",
            "http://vias.example.com/hunter2",
            "https://h o s t/hunter2",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{text}: {error:?}");
        }
    }

    #[test]
    fn an_action_has_exactly_the_intended_path() {
        let task = Task {
            ordinal: Ordinal(0),
            id: "0d47bbf52962414bb7ae27fb6ea24230".parse().unwrap(),
            command: Command::STOP,
            cells: None,
        };
        let project = "p-1".parse().unwrap();
        let at = |endpoint: &str, level| {
            let endpoint = endpoint.parse::<Endpoint>().unwrap();
            endpoint.at(endpoint.action(&project, level, &task).unwrap()).to_string()
        };
        let url = |endpoint: &str| at(endpoint, Level::Batch);
        let path = "/v2/p-1/tasks/0d47bbf52962414bb7ae27fb6ea24230/action/stop";
        let one = at("https://example.com", Level::Task);
        assert_eq!(one, format!("https://example.com{path}"));
        let path = "/v2/p-1/batch-tasks/0d47bbf52962414bb7ae27fb6ea24230/action/stop";
        assert_eq!(url("https://example.com"), format!("https://example.com{path}"));
        assert_eq!(url("https://example.com/a/b/"), format!("https://example.com/a/b{path}"));
    }

    #[test]
    fn a_project_id_follows_the_services_pattern() {
        assert!("0123456789abcdef0123456789abcdef".parse::<ProjectId>().is_ok());
        for text in ["", "a/b", "..", "a b", &"a".repeat(65)] {
            assert!(text.parse::<ProjectId>().is_err(), "{text}");
        }
    }
}
