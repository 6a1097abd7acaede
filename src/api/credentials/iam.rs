//! Asks IAM: for a token, and for the projects of an account.
//!
//! IAM is another host than the service, with its own certificates and errors. Each request is sent
//! once. An error says whether it never left, was answered, or may have been judged unseen: a login
//! may count as a wrong one then.

use super::error::CredentialError;
use super::project::Project;
use crate::api::body::BodyBuffer;
use crate::api::endpoint::{Endpoint, ProjectId};
use crate::api::hints::asked_wait;
use crate::api::json_text::{decode, read_leniently};
use crate::api::redactor::Redactor;
use crate::api::route::Route;
use crate::api::transport::{Transport, plain_http_to_tls};
use crate::api::wire::{error_in, wants_tls};
use crate::clock::Timestamp;
use crate::policy::Delivery;
use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::num::NonZeroUsize;
use std::time::Duration;
use url::Url;

/// The longest time that one answer may take.
const IAM_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer of which everything is kept: it may list the projects of a large account.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// The longest text of IAM that is shown, in characters.
const MAX_TEXT: usize = 300;

/// The address of IAM, and the route to it.
#[derive(Debug, Clone)]
pub struct Iam {
    /// Its address.
    pub endpoint: Endpoint,
    /// The route of requests. By default the direct one.
    pub route: Route,
    /// The longest time that connecting may take.
    pub connect_timeout: Duration,
}

/// A token that IAM gave out.
pub(super) struct Granted {
    pub(super) token: Vec<u8>,
    pub(super) expires_at: Option<Timestamp>,
    /// The time for which it is valid, by IAM's own clock.
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

/// An answer of IAM, read as far as possible.
struct IamResponse {
    status: StatusCode,
    headers: HeaderMap,
    /// Nothing if it is not JSON.
    body: Value,
    /// The reason why the rest of the body is missing.
    missing: Option<String>,
}

impl Iam {
    /// Asks for a token with the body of a login.
    pub(super) async fn login(
        &self,
        body: &Value,
        redactor: &Redactor,
    ) -> Result<Granted, CredentialError> {
        // `nocatalog` keeps the catalogue of services out of the answer, because nothing here reads
        // it.
        let url = self.address("/v3/auth/tokens", &[("nocatalog", "true")]);
        let json = HeaderValue::from_static("application/json;charset=utf8");
        let body = Bytes::from(body.to_string());
        let request = Request::post(url.as_str()).header(CONTENT_TYPE, json);
        let request = request.header(CONTENT_LENGTH, body.len()).body(body);
        let answer = self.send(request.expect("a URL is an address"), redactor).await?;
        // Identity API v3 puts the token into this header; the body only describes it.
        let token = answer.headers.get("x-subject-token").map(|token| token.as_bytes().to_vec());
        let (Some(token), Some(LoginWire { token: wire })) = (token, answer.read()) else {
            return Err(self.strange("its answer to the login holds no token"));
        };
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let (issued_at, expires_at) = (time(wire.issued_at), time(wire.expires_at));
        Ok(Granted {
            token,
            expires_at,
            // The difference of two times of IAM holds even if this machine's clock is wrong.
            life: issued_at.zip(expires_at).map(|(issued, expires)| expires.since(issued)),
            project: wire.project.and_then(|project| project.id.parse().ok()),
        })
    }

    /// Asks for the projects of a name, or for all; `authorise` puts the credentials in.
    pub(super) async fn projects(
        &self,
        name: Option<&str>,
        authorise: impl FnOnce(&mut Request<()>),
        redactor: &Redactor,
    ) -> Result<Vec<Project>, CredentialError> {
        let query: Vec<_> = name.map(|name| ("name", name)).into_iter().collect();
        let url = self.address("/v3/projects", &query);
        let mut request = Request::get(url.as_str()).body(()).expect("a URL is an address");
        authorise(&mut request);
        let answer = self.send(request.map(|()| Bytes::new()), redactor).await?;
        let projects = answer.read::<ProjectsWire>();
        let projects = projects.ok_or_else(|| self.strange("it lists no projects"))?.projects;
        let shown = |text: String| redactor.beginning(text, MAX_TEXT);
        let shown = |project: Project| Project { id: shown(project.id), name: shown(project.name) };
        Ok(projects.into_iter().map(shown).collect())
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
        request: Request<Bytes>,
        redactor: &Redactor,
    ) -> Result<IamResponse, CredentialError> {
        let mut status = None;
        // One limit covers connecting, sending and reading, so a slow body cannot extend it.
        let exchange = self.exchange(request, &mut status, redactor);
        let answered = tokio::time::timeout(IAM_TIMEOUT, exchange).await;
        let late = || format!("no answer within {IAM_TIMEOUT:?}");
        let answer = match (answered, status) {
            (Ok(answered), _) => answered?,
            // The status alone decides: a refusal is one however its body ends.
            (Err(_), Some(status)) => IamResponse::without_body(status, late()),
            (Err(_), None) => return Err(self.unanswered(late())),
        };
        if !answer.status.is_success() {
            return Err(self.refused(&answer, redactor));
        }
        match &answer.missing {
            Some(missing) => Err(self.away(missing.clone())),
            None => Ok(answer),
        }
    }

    /// Makes one exchange, and sets the status as soon as it is known.
    async fn exchange(
        &self,
        request: Request<Bytes>,
        status: &mut Option<StatusCode>,
        redactor: &Redactor,
    ) -> Result<IamResponse, CredentialError> {
        // A transport of its own, because IAM is asked once in a day.
        let (route, one) = (&self.route, NonZeroUsize::MIN);
        let transport = Transport::new(&self.endpoint, route, self.connect_timeout, one);
        let transport = transport.map_err(|error| self.away(error.to_string()))?;
        let request = transport.outgoing(request);
        let sent = transport.send(request).await.map_err(|error| error.described(redactor));
        let mut reply = sent.map_err(|gone| {
            let message = redactor.beginning(gone.message, MAX_TEXT);
            match gone.delivery {
                Delivery::NeverLeft | Delivery::NeverMade | Delivery::ProxyRefused => {
                    self.away(message)
                }
                Delivery::Possible => self.unanswered(message),
            }
        })?;
        *status = Some(reply.status);
        let mut body = BodyBuffer::keeping(MAX_BODY);
        let missing = reply.receive(|chunk| body.push(chunk)).await.err();
        let missing = missing.map(|missing| missing.described("the answer does not end"));
        let bytes = body.bytes();
        if reply.is_plain() && wants_tls(reply.status.as_u16(), &bytes) {
            return Err(self.strange(&plain_http_to_tls().message));
        }
        // A body that is not JSON reads as null below, so the status alone decides.
        let json = read_leniently(&bytes, &decode(&bytes), |text| serde_json::from_str(text));
        let (headers, body) = (reply.headers.clone(), json.unwrap_or_default());
        Ok(IamResponse { status: reply.status, headers, body, missing })
    }

    fn refused(&self, answer: &IamResponse, redactor: &Redactor) -> CredentialError {
        let (endpoint, status) = (self.endpoint.to_string(), answer.status.as_u16());
        let said = redactor.beginning(answer.reason(), MAX_TEXT);
        // 408, 425 and 429 ask to be sent again; so does a failure of IAM itself.
        if matches!(status, 408 | 425 | 429) || answer.status.is_server_error() {
            let asked_wait = asked_wait(&answer.headers);
            let asks = asked_wait.map(|wait| format!("; it asks for a wait of {wait:?}"));
            let reason = format!("status {status}: {said}{}", asks.unwrap_or_default());
            return CredentialError::IamAway { endpoint, reason, asked_wait };
        }
        CredentialError::IamRefused { endpoint, status, said }
    }

    fn away(&self, reason: String) -> CredentialError {
        let endpoint = self.endpoint.to_string();
        CredentialError::IamAway { endpoint, reason, asked_wait: None }
    }

    fn unanswered(&self, reason: String) -> CredentialError {
        CredentialError::IamUnanswered { endpoint: self.endpoint.to_string(), reason }
    }

    fn strange(&self, what: &str) -> CredentialError {
        CredentialError::IamStrange { endpoint: self.endpoint.to_string(), what: what.into() }
    }
}

impl IamResponse {
    fn without_body(status: StatusCode, missing: String) -> Self {
        let (headers, body) = (HeaderMap::new(), Value::Null);
        Self { status, headers, body, missing: Some(missing) }
    }

    /// Reads the body, if it has these fields.
    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.body).ok()
    }

    /// Returns the message of an error of IAM or its gateway.
    fn reason(&self) -> String {
        let fields = self.body.as_object();
        // IAM nests its error under `error`; its gateway has the same fields at the top.
        let nested = fields.and_then(|fields| fields.get("error")).and_then(Value::as_object);
        let error = nested.and_then(error_in).or_else(|| fields.and_then(error_in));
        let message = error.map(|error| error.message).filter(|message| !message.is_empty());
        message.or_else(|| self.missing.clone()).unwrap_or_else(|| "no reason was given".into())
    }
}
