//! The simulated IAM: issues tokens for a user's name and password, and lists projects.
//!
//! IAM has an error format of its own, the third after those of the service and the gateway.

use crate::clock::{Clock, Instant, Timestamp};
use crate::sandbox::faults::{Question, SeededRandom};
use crate::sandbox::http::HttpResponse;
use crate::sandbox::settings::Account;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

/// The header with the token; the body does not have it.
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// Issues tokens to one user.
pub(crate) struct SandboxIam {
    account: Account,
    clock: Clock,
    random: SeededRandom,
    issued_tokens: u64,
}

/// A successful login.
#[derive(Debug)]
pub(crate) struct SandboxGrant {
    /// The token.
    pub(crate) token: String,
    /// The instant at which it expires.
    pub(crate) expires: Instant,
    /// The response.
    pub(crate) response: HttpResponse,
}

/// The reason for refusing a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The body is not a password login to a project.
    Malformed,
    /// The user is unknown, or the password or passcode is wrong.
    WrongPassword,
    /// The project does not exist.
    NoSuchProject,
}

/// The body of a login; other fields are ignored.
#[derive(Deserialize)]
struct LoginRequest {
    auth: LoginAuth,
}

#[derive(Deserialize)]
struct LoginAuth {
    identity: LoginIdentity,
    scope: LoginScope,
}

#[derive(Deserialize)]
struct LoginIdentity {
    methods: Vec<String>,
    password: Password,
    totp: Option<Totp>,
}

/// The second factor.
#[derive(Deserialize)]
struct Totp {
    user: Passcode,
}

#[derive(Deserialize)]
struct Passcode {
    passcode: String,
}

#[derive(Deserialize)]
struct Password {
    user: User,
}

#[derive(Deserialize)]
struct User {
    name: String,
    password: String,
    domain: Domain,
}

#[derive(Deserialize)]
struct Domain {
    name: String,
}

#[derive(Deserialize)]
struct LoginScope {
    project: ProjectScope,
}

/// A project, by its id or by its name.
#[derive(Deserialize)]
struct ProjectScope {
    id: Option<String>,
    name: Option<String>,
}

/// A project in a response.
#[derive(Serialize)]
struct ProjectFound {
    id: String,
    name: String,
}

impl SandboxIam {
    /// Returns an IAM with one user.
    pub(crate) const fn new(account: Account, clock: Clock, random: SeededRandom) -> Self {
        Self { account, clock, random, issued_tokens: 0 }
    }

    /// Decides a login.
    pub(crate) fn login(
        &mut self,
        body: &[u8],
        query: &str,
        now: Instant,
    ) -> Result<SandboxGrant, Denial> {
        let request: LoginRequest = serde_json::from_slice(body).map_err(|_| Denial::Malformed)?;
        let identity = request.auth.identity;
        if !identity.methods.iter().any(|method| method == "password") {
            return Err(Denial::Malformed);
        }
        // One denial for password and passcode: a client must not learn which of them was right.
        if !self.knows(&identity.password.user) || !self.has_passcode(identity.totp.as_ref()) {
            return Err(Denial::WrongPassword);
        }
        // After the password, because strangers must not learn which projects exist.
        let project = self.project(request.auth.scope.project)?;
        Ok(self.grant(&project, has_nocatalog(query), now))
    }

    /// Returns whether a user is the account's, with the right password.
    fn knows(&self, user: &User) -> bool {
        user.name == self.account.user
            && user.password == self.account.password
            && user.domain.name == self.account.domain
    }

    /// Returns whether the passcode is right, if the account has one.
    fn has_passcode(&self, totp: Option<&Totp>) -> bool {
        let given = totp.map(|totp| &totp.user.passcode);
        self.account.passcode.is_none() || self.account.passcode.as_ref() == given
    }

    /// Lists the projects with a name, or all.
    pub(crate) fn projects(&self, query: &str) -> HttpResponse {
        let name = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "name");
        let wanted = name.map(|(_, name)| name.into_owned());
        let fits = |found: &&(String, String)| wanted.as_ref().is_none_or(|name| *name == found.0);
        // Without configured projects every name exists, so that any region can be rehearsed.
        let any = [(wanted.clone().unwrap_or("sandbox".into()), self.account.project_id.clone())];
        let known =
            if self.account.projects.is_empty() { &any[..] } else { &self.account.projects };
        let found: Vec<ProjectFound> = known
            .iter()
            .filter(fits)
            .map(|(name, id)| ProjectFound { id: id.clone(), name: name.clone() })
            .collect();
        HttpResponse::json(StatusCode::OK, &json!({ "projects": found, "links": {} }))
    }

    /// Returns the project of a login: by its id, or by its name among the account's projects.
    fn project(&self, request: ProjectScope) -> Result<ProjectFound, Denial> {
        match (request.id, request.name) {
            // An id needs no look-up, because every id leads to the same simulated project.
            (Some(id), name) => {
                let name = name.unwrap_or_else(|| id.clone());
                Ok(ProjectFound { id, name })
            }
            (None, Some(name)) if self.account.projects.is_empty() => {
                Ok(ProjectFound { id: self.account.project_id.clone(), name })
            }
            (None, Some(name)) => {
                let mut projects = self.account.projects.iter();
                let found = projects.find(|(known, _)| *known == name);
                let (name, id) = found.ok_or(Denial::NoSuchProject)?.clone();
                Ok(ProjectFound { id, name })
            }
            (None, None) => Err(Denial::Malformed),
        }
    }

    /// Issues one more token.
    fn grant(&mut self, project: &ProjectFound, catalog: Catalog, now: Instant) -> SandboxGrant {
        self.issued_tokens += 1;
        let roll = self.random.roll(Question::Token, self.issued_tokens);
        let token = format!("sandbox-token-{:016x}", roll.bits());
        let expires = now + self.account.token_life;
        let body = self.body(project, catalog, now, expires);
        let header = HeaderValue::try_from(&token).expect("letters, digits and hyphens");
        SandboxGrant {
            token,
            expires,
            response: HttpResponse::json(StatusCode::CREATED, &body)
                .with_header(SUBJECT_TOKEN, header),
        }
    }

    /// Returns the response body of a login.
    fn body(
        &self,
        project: &ProjectFound,
        catalog: Catalog,
        issued: Instant,
        expires: Instant,
    ) -> serde_json::Value {
        let domain = json!({ "id": "sandbox-domain", "name": self.account.domain });
        let mut token = json!({
            "issued_at": time_text(self.clock.label(issued)),
            "expires_at": time_text(self.clock.label(expires)),
            "methods": ["password"],
            "roles": [{ "id": "0", "name": "vias_full_access" }],
            "user": {
                "id": "sandbox-user",
                "name": self.account.user,
                "domain": domain,
                "password_expires_at": "",
            },
            "project": { "id": project.id, "name": project.name, "domain": domain },
        });
        if catalog == Catalog::Sent {
            token["catalog"] = json!([]);
        }
        json!({ "token": token })
    }
}

/// Whether the response lists the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Catalog {
    Sent,
    LeftOut,
}

/// Reads the only parameter of a login: any value that is not empty leaves the catalog out.
fn has_nocatalog(query: &str) -> Catalog {
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    if parameters.any(|(name, value)| name == "nocatalog" && !value.is_empty()) {
        return Catalog::LeftOut;
    }
    Catalog::Sent
}

/// Writes a time like IAM: RFC 3339 in UTC with microseconds.
pub(crate) fn time_text(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_microsecond(time.as_micros())
        .expect("a sandbox runs within the years that a calendar has");
    format!("{time:.6}")
}

impl Denial {
    /// Returns the response with this denial.
    pub(crate) fn response(self) -> HttpResponse {
        let (status, message, title) = match self {
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "The request body is not a password login to a project.",
                "Bad Request",
            ),
            Self::WrongPassword => {
                (StatusCode::UNAUTHORIZED, "The username or password is wrong.", "Unauthorized")
            }
            Self::NoSuchProject => {
                (StatusCode::UNAUTHORIZED, "The project does not exist.", "Unauthorized")
            }
        };
        let code = status.as_u16();
        let error = json!({ "code": code, "message": message, "title": title });
        HttpResponse::json(status, &json!({ "error": error }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_micros(1_720_180_800_000_000);

    fn iam() -> (SandboxIam, Instant) {
        let clock = Clock::starting_at(NOON);
        let iam = SandboxIam::new(Account::default(), clock, SeededRandom::new(0));
        (iam, clock.instant())
    }

    fn request(user: &str, password: &str, project: &serde_json::Value) -> String {
        let user = json!({ "name": user, "password": password, "domain": { "name": "sandbox" } });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        let scope = json!({ "project": project });
        json!({ "auth": { "identity": identity, "scope": scope } }).to_string()
    }

    fn check_denied(body: &str, expected: Denial) {
        let (mut iam, now) = iam();
        let denied = iam.login(body.as_bytes(), "", now).map(|grant| grant.token);
        assert_eq!(denied, Err(expected), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_issues_a_token_of_the_project_for_its_lifetime() {
        let (mut iam, now) = iam();
        let body = request("sandbox", "sandbox", &json!({ "name": "cn-north-4" }));
        let grant = iam.login(body.as_bytes(), "nocatalog=true", now).expect("all is right");
        assert_eq!(grant.expires, now + Account::default().token_life);
        let token = &grant.response.body()["token"];
        assert_eq!(grant.response.status(), StatusCode::CREATED);
        assert_eq!(token["issued_at"], "2024-07-05T12:00:00.000000Z");
        assert_eq!(token["expires_at"], "2024-07-06T12:00:00.000000Z");
        assert_eq!(token["project"]["id"], "sandbox");
        assert_eq!(token["project"]["name"], "cn-north-4");
        assert!(token.get("catalog").is_none());
    }

    #[test]
    fn every_login_issues_another_token() {
        let (mut iam, now) = iam();
        let body = request("sandbox", "sandbox", &json!({ "id": "p-1" }));
        let first = iam.login(body.as_bytes(), "", now).unwrap();
        let second = iam.login(body.as_bytes(), "", now).unwrap();
        assert_ne!(first.token, second.token);
        assert_eq!(first.response.body()["token"]["project"]["id"], "p-1");
        assert_eq!(first.response.body()["token"]["catalog"], json!([]));
    }

    #[test]
    fn a_login_needs_a_passcode_if_the_account_has_one() {
        let account = Account { passcode: Some("123456".into()), ..Account::default() };
        let clock = Clock::starting_at(NOON);
        let mut iam = SandboxIam::new(account, clock, SeededRandom::new(0));
        let mut check = |passcode: Option<&str>, granted: bool| {
            let body = request("sandbox", "sandbox", &json!({ "id": "p-1" }));
            let mut body: serde_json::Value = serde_json::from_str(&body).unwrap();
            if let Some(passcode) = passcode {
                let user = json!({ "user": { "id": "u", "passcode": passcode } });
                body["auth"]["identity"]["totp"] = user;
            }
            let login = iam.login(body.to_string().as_bytes(), "", clock.instant());
            assert_eq!(login.is_ok(), granted, "{passcode:?}");
        };
        check(None, false);
        check(Some("654321"), false);
        check(Some("123456"), true);
    }

    #[test]
    fn an_account_with_listed_projects_has_no_others() {
        let named = |name: &str, id: &str| (name.to_owned(), id.to_owned());
        let projects = vec![named("north", "p-1"), named("south", "p-2"), named("south", "p-3")];
        let account = Account { projects, ..Account::default() };
        let clock = Clock::starting_at(NOON);
        let mut iam = SandboxIam::new(account, clock, SeededRandom::new(0));
        let ids = |iam: &SandboxIam, query: &str| {
            let found = iam.projects(query).body()["projects"].clone();
            let ids = found.as_array().unwrap().iter().map(|project| project["id"].clone());
            serde_json::Value::from_iter(ids)
        };
        assert_eq!(ids(&iam, "name=north"), json!(["p-1"]));
        assert_eq!(ids(&iam, "name=south"), json!(["p-2", "p-3"]));
        assert_eq!(ids(&iam, "name=west"), json!([]));
        assert_eq!(ids(&iam, ""), json!(["p-1", "p-2", "p-3"]));
        let login = |name| request("sandbox", "sandbox", &json!({ "name": name }));
        let north = iam.login(login("north").as_bytes(), "", clock.instant()).unwrap();
        assert_eq!(north.response.body()["token"]["project"]["id"], "p-1");
        let west = iam.login(login("west").as_bytes(), "", clock.instant());
        assert_eq!(west.map(|grant| grant.token), Err(Denial::NoSuchProject));
    }

    #[test]
    fn denied_logins_get_iams_error_format() {
        let project = json!({ "id": "p-1" });
        check_denied(&request("sandbox", "wrong", &project), Denial::WrongPassword);
        check_denied(&request("nobody", "sandbox", &project), Denial::WrongPassword);
        check_denied(&request("sandbox", "sandbox", &json!({})), Denial::Malformed);
        check_denied("{}", Denial::Malformed);
        check_denied("", Denial::Malformed);
        let error = Denial::WrongPassword.response().body();
        assert_eq!(error["error"]["code"], 401);
        assert_eq!(error["error"]["title"], "Unauthorized");
    }
}
