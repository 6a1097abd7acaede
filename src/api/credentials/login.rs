//! A user who can log in to IAM, and the fields of a login. See `docs/GLOSSARY.md`: redactor.

use super::error::CredentialError;
use super::iam::{Granted, Iam};
use crate::api::endpoint::ProjectId;
use crate::api::redactor::Redactor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::fmt;

/// An IAM user with what a login needs.
pub struct Login {
    /// The IAM to log in to.
    pub iam: Iam,
    /// The user's name.
    pub user: String,
    /// The name of the account that the user belongs to.
    pub domain: String,
    /// The user's password.
    pub password: SecretString,
    /// The second factor, where the user has one.
    pub second_factor: Option<SecondFactor>,
    /// The project that the token is to be valid for.
    pub scope: Scope,
}

/// A passcode of a virtual MFA device with the id of its user. It is valid for one login.
pub struct SecondFactor {
    /// The user's id.
    pub user_id: String,
    /// The passcode.
    pub passcode: SecretString,
}

/// The project that a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// By its id.
    Id(ProjectId),
    /// By its name. The answer has the id.
    Name(String),
}

impl Login {
    /// Says in a few words whose login it is.
    pub(super) fn origin(&self) -> String {
        format!("the login of `{}` of `{}` at {}", self.user, self.domain, self.iam.endpoint)
    }

    /// Returns whether it can be repeated: a passcode is good once.
    pub(super) const fn can_repeat(&self) -> bool {
        self.second_factor.is_none()
    }

    /// Lets the redactor learn what is secret of it.
    pub(super) fn register_secrets(&self, redactor: &Redactor) {
        redactor.learn("password", self.password.expose_secret());
        if let Some(factor) = &self.second_factor {
            redactor.learn("passcode", factor.passcode.expose_secret());
        }
    }

    /// Logs in, once.
    pub(super) async fn log_in(&self, redactor: &Redactor) -> Result<Granted, CredentialError> {
        let granted = self.iam.login(&self.body(), redactor).await;
        granted.map_err(|error| match error {
            // Only 401 rejects the user or the password; other statuses reject the request.
            CredentialError::IamRefused { endpoint, status: 401, said } => {
                CredentialError::LoginRefused { user: self.user.clone(), endpoint, said }
            }
            other => other,
        })
    }

    fn body(&self) -> Value {
        // A user's name is unique only within its account, so the account goes with it.
        let user = json!({
            "name": self.user,
            "password": self.password.expose_secret(),
            "domain": { "name": self.domain },
        });
        let mut identity = json!({ "methods": ["password"], "password": { "user": user } });
        if let Some(factor) = &self.second_factor {
            let passcode = factor.passcode.expose_secret();
            identity["methods"] = json!(["password", "totp"]);
            // IAM names the user of a second factor by id, although the password goes by name.
            identity["totp"] = json!({ "user": { "id": factor.user_id, "passcode": passcode } });
        }
        let project = match &self.scope {
            Scope::Id(id) => json!({ "id": id.to_string() }),
            Scope::Name(name) => json!({ "name": name }),
        };
        json!({ "auth": { "identity": identity, "scope": { "project": project } } })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("origin", &self.origin()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn login(scope: Scope, second_factor: Option<SecondFactor>) -> Login {
        Login {
            iam: Iam {
                endpoint: "https://iam.example.com".parse().unwrap(),
                route: crate::api::route::Route::default(),
                connect_timeout: Duration::from_secs(5),
            },
            user: "night".into(),
            domain: "acme".into(),
            password: "hunter2".into(),
            second_factor,
            scope,
        }
    }

    #[test]
    fn a_login_asks_for_a_project_by_name_or_id() {
        let by_name = login(Scope::Name("cn-north-4".into()), None).body();
        assert_eq!(
            by_name,
            json!({ "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": { "user": {
                        "name": "night", "password": "hunter2", "domain": { "name": "acme" },
                    } },
                },
                "scope": { "project": { "name": "cn-north-4" } },
            } })
        );
        let by_id = login(Scope::Id("p-1".parse().unwrap()), None).body();
        assert_eq!(by_id["auth"]["scope"], json!({ "project": { "id": "p-1" } }));
    }

    #[test]
    fn a_passcode_goes_beside_the_password_and_is_good_once() {
        let factor = SecondFactor { user_id: "u-1".into(), passcode: "123456".into() };
        let login = login(Scope::Name("cn-north-4".into()), Some(factor));
        let identity = &login.body()["auth"]["identity"];
        assert_eq!(identity["methods"], json!(["password", "totp"]));
        assert_eq!(identity["totp"], json!({ "user": { "id": "u-1", "passcode": "123456" } }));
        assert!(!login.can_repeat());
    }

    #[test]
    fn a_login_shows_no_password() {
        let shown = format!("{:?}", login(Scope::Name("cn-north-4".into()), None));
        assert!(shown.contains("night") && !shown.contains("hunter2"), "{shown}");
    }
}
