//! Projects that share nothing with the others of a sandbox: each has tasks, a limit and a life of
//! its own.

use crate::clock::Clock;
use crate::sandbox::delay::Delay;
use crate::sandbox::http::{Refusal, SandboxReply};
use crate::sandbox::settings::{OwnProject, SandboxSettings};
use crate::sandbox::state::{SandboxRequest, SandboxState};
use hyper::header::HeaderValue;
use std::collections::HashMap;

/// The projects by their ids.
#[derive(Default)]
pub(crate) struct OwnProjects(HashMap<String, Project>);

struct Project {
    /// A sandbox by itself.
    state: Box<SandboxState>,
    rules: OwnProject,
    requests: u64,
    /// The token that is refused from now on.
    dead_token: Option<HeaderValue>,
}

impl OwnProjects {
    pub(crate) fn new(settings: &SandboxSettings, clock: Clock) -> Self {
        let project = |rules: &OwnProject| {
            let own = SandboxSettings {
                limit: rules.limit,
                projects: Vec::new(),
                access_log: None,
                ..settings.clone()
            };
            let state = Box::new(SandboxState::new(&own, clock));
            let project = Project { state, rules: rules.clone(), requests: 0, dead_token: None };
            (rules.id.clone(), project)
        };
        Self(settings.projects.iter().map(project).collect())
    }

    /// Carries out a request to one of them; nothing if it is to another.
    pub(crate) fn respond(
        &mut self,
        request: &SandboxRequest<'_>,
    ) -> Option<(SandboxReply, Delay)> {
        let project = self.0.get_mut(request.route.project()?)?;
        Some(project.respond(request))
    }
}

impl Project {
    fn respond(&mut self, request: &SandboxRequest<'_>) -> (SandboxReply, Delay) {
        let usual = Delay::Usual(request.latency);
        if self.rules.dies_after.is_some_and(|after| self.requests >= after) {
            return (SandboxReply::Dropped, usual);
        }
        self.requests += 1;
        let token = request.head.headers.get("x-auth-token");
        if token.is_some() && token == self.dead_token.as_ref() {
            let refusal = Refusal::TokenWrong.response(request.request_id);
            return (SandboxReply::Answered(refusal), usual);
        }
        if self.rules.token_dies_after == Some(self.requests) {
            self.dead_token = token.cloned();
        }
        self.state.respond(request)
    }
}
