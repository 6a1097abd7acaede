//! Asks IAM: for a token, and for the projects of an account.
//!
//! IAM is another host than the service, with its own certificates and errors. A request that
//! carries a password is sent once: its answer decides.

use super::error::CredentialError;
use crate::api::endpoint::Endpoint;
use crate::api::endpoint::ProjectId;
use crate::api::http::http_client;
use crate::api::redactor::Redactor;
use crate::api::route::Route;
use crate::clock::Timestamp;
use reqwest::Body;
use reqwest::Method;
use reqwest::Request;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const LARGEST_BODY: usize = 1024 * 1024;
/// The longest text of IAM that is told, in characters.
const LONGEST_TEXT: usize = 300;

/// Where IAM is, and how it is reached.
#[derive(Debug, Clone)]
pub struct Iam {
    /// Its address.
    pub endpoint: Endpoint,
    /// Which way calls take. By default the direct one.
    pub route: Route,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

/// A project of an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name, which is the region's for the first of a region.
    pub name: String,
}

/// A token that IAM gave out.
pub(super) struct Granted {
    pub(super) token: Vec<u8>,
    pub(super) expires_at: Option<Timestamp>,
    /// How long it is good for, by IAM's own clock.
    pub(super) life: Option<Duration>,
    pub(super) project: Option<ProjectId>,
}

#[derive(Deserialize)]
struct LoginWire {
    token: TokenWire,
}

#[derive(Deserialize)]
struct TokenWire {
    expires_at: Option<String>,
    issued_at: Option<String>,
    project: Option<Project>,
}

#[derive(Deserialize)]
struct ProjectsWire {
    projects: Vec<Project>,
}

/// An answer of IAM, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Iam {
    /// Asks for a token with the body of a login.
    pub(super) async fn login(
        &self,
        body: &Value,
        redactor: &Redactor,
    ) -> Result<Granted, CredentialError> {
        let url = self.address("/v3/auth/tokens", &[("nocatalog", "true")]);
        let mut request = Request::new(Method::POST, url);
        let json = HeaderValue::from_static("application/json;charset=utf8");
        request.headers_mut().insert(CONTENT_TYPE, json);
        *request.body_mut() = Some(body.to_string().into());
        let answer = self.send(request, redactor).await?;
        let token = answer.headers.get("x-subject-token").map(|token| token.as_bytes().to_vec());
        let wire = serde_json::from_slice::<LoginWire>(&answer.body);
        let (Some(token), Ok(LoginWire { token: wire })) = (token, wire) else {
            return Err(self.strange("its answer to the login holds no token"));
        };
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let (issued_at, expires_at) = (time(wire.issued_at), time(wire.expires_at));
        Ok(Granted {
            token,
            expires_at,
            life: issued_at.zip(expires_at).map(|(issued, expires)| expires.since(issued)),
            project: wire.project.and_then(|project| project.id.parse().ok()),
        })
    }

    /// Asks for the projects of a name, or for all; `authorise` puts the credentials in.
    pub(super) async fn projects(
        &self,
        name: Option<&str>,
        authorise: impl FnOnce(&mut hyper::Request<()>),
        redactor: &Redactor,
    ) -> Result<Vec<Project>, CredentialError> {
        let query: Vec<_> = name.map(|name| ("name", name)).into_iter().collect();
        let url = self.address("/v3/projects", &query);
        let request = hyper::Request::get(url.as_str()).body(());
        let mut request = request.expect("a URL is an address");
        authorise(&mut request);
        let request = Request::try_from(request.map(|()| Body::default()));
        let request = request.expect("what was one is still an address");
        let answer = self.send(request, redactor).await?;
        let projects = serde_json::from_slice::<ProjectsWire>(&answer.body);
        projects.map(|wire| wire.projects).map_err(|_| self.strange("it lists no projects"))
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.endpoint.below(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request; only an answer that grants it comes back.
    async fn send(
        &self,
        mut request: Request,
        redactor: &Redactor,
    ) -> Result<Answer, CredentialError> {
        *request.timeout_mut() = Some(TIMEOUT);
        // A client of its own: IAM is asked once in a day.
        let http = http_client(&self.endpoint, &self.route, self.connect_timeout);
        let http = http.map_err(|error| self.away(&error))?;
        let mut response = http.execute(request).await.map_err(|error| self.away(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.away(&error))? {
            if body.len() + chunk.len() > LARGEST_BODY {
                return Err(self.strange("its answer is longer than 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer { status, headers, body };
        if status.is_success() { Ok(answer) } else { Err(self.refused(&answer, redactor)) }
    }

    fn refused(&self, answer: &Answer, redactor: &Redactor) -> CredentialError {
        let (endpoint, status) = (self.endpoint.to_string(), answer.status.as_u16());
        let said = redactor.redact(said(&answer.body)).chars().take(LONGEST_TEXT).collect();
        if status == 429 || answer.status.is_server_error() {
            return CredentialError::IamAway {
                endpoint,
                reason: format!("status {status}: {said}"),
            };
        }
        CredentialError::IamRefused { endpoint, status, said }
    }

    fn away(&self, error: &reqwest::Error) -> CredentialError {
        let reason = crate::api::error_chain::innermost(error);
        CredentialError::IamAway { endpoint: self.endpoint.to_string(), reason }
    }

    fn strange(&self, what: &str) -> CredentialError {
        CredentialError::IamStrange { endpoint: self.endpoint.to_string(), what: what.into() }
    }
}

/// Returns what an error of IAM or its gateway says.
fn said(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = json["error"]["message"].as_str().or(json["error_msg"].as_str());
    message.unwrap_or("no reason was told").to_owned()
}
