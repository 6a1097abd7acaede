//! Checks what concerns two parts of a service file, and warns of what a service may answer and no
//! rule is for.

use crate::policy::AnswerMeaning;
use crate::service::answer::SeenAnswer;
use crate::service::definition::{Action, Auth, GONE, Service};
use crate::service::judge::first_match;
use crate::service::problem::Problems;
use crate::service::rule::Rule;
use crate::service::section::nearest;
use crate::service::state::StateSource;
use crate::service::state_file::is_of_task;

/// Statuses that nearly every service answers with, each with its name in a warning.
const USUAL: [(u16, &str); 4] = [(200, "2xx"), (401, "401"), (404, "404"), (429, "429")];

/// A service with the places of its parts.
#[derive(Debug)]
pub(super) struct PlacedService {
    pub(super) service: Service,
    pub(super) actions: Vec<ActionPlace>,
    /// The names of all actions, also of those that could not be read.
    pub(super) action_names: Vec<String>,
    pub(super) counts_at: usize,
    pub(super) headers_at: usize,
    /// Where `[state]` begins, even if it could not be read.
    pub(super) state_at: Option<usize>,
}

/// Where the parts of an action are.
#[derive(Debug)]
pub(super) struct ActionPlace {
    pub(super) at: usize,
    pub(super) leads_to: usize,
    pub(super) opposite: usize,
    pub(super) reached: usize,
}

/// Adds what does not fit together.
pub(super) fn check(placed: &PlacedService, problems: &mut Problems<'_>) {
    for (action, place) in placed.service.actions.iter().zip(&placed.actions) {
        check_leads_to(placed, action, place, problems);
        check_opposite(placed, action, place, problems);
        check_rules(&placed.service, action, place, problems);
    }
    check_counts(placed, problems);
    check_headers(placed, problems);
}

fn check_leads_to(
    placed: &PlacedService,
    action: &Action,
    place: &ActionPlace,
    problems: &mut Problems<'_>,
) {
    let Some(word) = &action.leads_to else {
        if !action.reached.is_empty() {
            problems.add(place.reached, "`reached` has no effect without `leads_to`");
        }
        return;
    };
    if placed.state_at.is_none() {
        let hint = "without `[state]` no state is ever read; leave `leads_to` out";
        problems.add_with_hint(place.leads_to, "`leads_to` needs the table `[state]`", hint);
        return;
    }
    // A table that could not be read has its own problems.
    let Some(state) = &placed.service.state else { return };
    if word == GONE || state.words.has(word) {
        return;
    }
    let words = state.words.words.iter().map(|(word, _)| word.as_str());
    let message = format!("`{word}` is no word of `[state.words]`");
    match nearest(word, words.chain([GONE])) {
        Some(near) => {
            problems.add_with_hint(place.leads_to, message, format!("did you mean `{near}`"));
        }
        None => problems.add(place.leads_to, message),
    }
}

fn check_opposite(
    placed: &PlacedService,
    action: &Action,
    place: &ActionPlace,
    problems: &mut Problems<'_>,
) {
    let Some(name) = &action.opposite else { return };
    let Some(other) = placed.service.action(name) else {
        let names = &placed.action_names;
        // An action that could not be read has its own problems.
        if names.contains(name) {
            return;
        }
        let names = names.iter().map(String::as_str);
        let message = format!("there is no action `{name}`");
        match nearest(name, names) {
            Some(near) => {
                problems.add_with_hint(place.opposite, message, format!("did you mean `{near}`"));
            }
            None => problems.add(place.opposite, message),
        }
        return;
    };
    if other.name == action.name {
        problems.add(place.opposite, "an action cannot undo itself");
        return;
    }
    if other.opposite.as_ref() != Some(&action.name) {
        let hint = format!("write `opposite = \"{}\"` there", action.name);
        let message = format!("`{name}` has another `opposite`, or none");
        problems.add_with_hint(place.opposite, message, hint);
    }
    if action.leads_to.is_none() {
        let hint = "`revert` has to see whether a task is where it was sent";
        problems.add_with_hint(place.opposite, "`opposite` needs `leads_to`", hint);
    }
}

/// Checks that there is a rule, and that each example is an answer of its own rule.
fn check_rules(
    service: &Service,
    action: &Action,
    place: &ActionPlace,
    problems: &mut Problems<'_>,
) {
    let rules: Vec<&Rule> = service.rules_of(action).collect();
    if rules.is_empty() {
        let hint = "write `answer = [{ status = \"200..299\", means = \"done\" }]`";
        let message = format!("no rule says what the answers to `{}` mean", action.name);
        problems.add_with_hint(place.at, message, hint);
    }
    for (index, rule) in rules.iter().enumerate() {
        let Some(example) = &rule.example else { continue };
        let seen = SeenAnswer::of_example(example);
        let at = rule.at;
        match first_match(service, rules.iter().copied(), &seen) {
            Some(found) if found.line == rule.line => {}
            Some(found) if rules[..index].iter().any(|earlier| earlier.line == found.line) => {
                let message = format!(
                    "the example of the rule in line {} is taken by the rule in line {}",
                    rule.line, found.line
                );
                problems.add_with_hint(at, message, "the first rule that matches counts");
            }
            Some(_) | None => {
                let message =
                    format!("the example of the rule in line {} does not match it", rule.line);
                problems.add(at, message);
            }
        }
    }
}

fn check_counts(placed: &PlacedService, problems: &mut Problems<'_>) {
    let service = &placed.service;
    let own = service.actions.iter().flat_map(|action| &action.rules);
    let counted = own.chain(&service.rules).find(|rule| rule.means == AnswerMeaning::Counted);
    match (&service.counts, counted) {
        (Some(_), None) => {
            let hint = "write `means = \"counted\"` for the answers that have counts";
            problems.add_with_hint(placed.counts_at, "no rule says `counted`", hint);
        }
        (None, Some(rule)) => {
            let hint = "write where the counts stand, or `means = \"done\"`";
            problems.add_with_hint(rule.at, "`counted` needs the table `[counts]`", hint);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn check_headers(placed: &PlacedService, problems: &mut Problems<'_>) {
    let service = &placed.service;
    let by_auth = match &service.auth {
        Auth::Huawei => "X-Auth-Token",
        Auth::Header(name) => name,
        // No file may set `Authorization`, whatever sets it.
        Auth::Bearer | Auth::Basic | Auth::None => "",
    };
    let own = service.actions.iter().zip(&placed.actions);
    let own =
        own.flat_map(|(action, place)| action.headers.iter().map(|header| (header, place.at)));
    let all = service.headers.iter().map(|header| (header, placed.headers_at));
    let read = service.state.iter().flat_map(|state| match &state.from {
        StateSource::Get(get) => &get.request.headers,
        StateSource::List(list) => &list.request.headers,
    });
    let state_at = placed.state_at.unwrap_or_default();
    let read = read.map(|header| (header, state_at));
    for ((name, _), at) in all.chain(own).chain(read) {
        if name.eq_ignore_ascii_case(by_auth) {
            let hint = "a secret is never in this file";
            problems.add_with_hint(at, format!("`auth` sets the header `{name}`"), hint);
        }
    }
    let is_list =
        service.state.as_ref().is_some_and(|state| matches!(state.from, StateSource::List(_)));
    if let Some((name, _)) = service.headers.iter().find(|(_, value)| is_list && is_of_task(value))
    {
        let hint = "write it into the headers of the actions";
        let message = format!("the header `{name}` of all calls has a place for one task");
        problems.add_with_hint(placed.headers_at, message, hint);
    }
}

/// Warns of usual answers that no rule is for, and of rules that never match.
pub(super) fn warn(placed: &PlacedService, warnings: &mut Problems<'_>) {
    let service = &placed.service;
    for (action, place) in service.actions.iter().zip(&placed.actions) {
        let rules: Vec<&Rule> = service.rules_of(action).collect();
        let is_open = |status: u16| !rules.iter().any(|rule| rule.has_status(status));
        let open = USUAL.iter().filter(|(status, name)| match *name {
            "2xx" => (200..300).all(is_open),
            _ => is_open(*status),
        });
        let open: Vec<&str> = open.map(|(_, name)| *name).collect();
        if !open.is_empty() {
            let message = format!(
                "no rule of `{}` is for {}: such an answer is in doubt",
                action.name,
                open.join(", ")
            );
            warnings.add(place.at, message);
        }
        for (index, rule) in rules.iter().enumerate() {
            let hides = |earlier: &&&Rule| {
                let mut statuses = rule.status.iter().cloned().flatten();
                earlier.is_for_every_answer() && statuses.all(|status| earlier.has_status(status))
            };
            if let Some(earlier) = rules[..index].iter().find(hides) {
                let message = format!(
                    "the rule in line {} never matches `{}`: the one in line {} takes its answers",
                    rule.line, action.name, earlier.line
                );
                warnings.add(rule.at, message);
            }
        }
        let is_blind = |rule: &&&Rule| !rule.code.is_empty() && service.errors.code.is_empty();
        for rule in rules.iter().filter(is_blind) {
            let message = "the rule looks at a code, but `[error]` does not say where one stands";
            warnings.add(rule.at, message);
        }
    }
}
