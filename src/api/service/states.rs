//! Reads the states of a service that a file describes, by its list or by a request for each id.
//!
//! A link to the next page is followed to the hosts of the file alone, because the credentials go
//! with it. See `docs/GLOSSARY.md`: walk, gap.

use crate::api::endpoint::Endpoint;
use crate::api::list::{Listed, ListedTask, Page};
use crate::api::service::answer::answer_of;
use crate::api::service::client::ServiceClient;
use crate::api::service::hints::{asked_wait, quota_hint};
use crate::api::service::work::ServiceWork;
use crate::clock::system_time;
use crate::policy::{Answer, Judgement, NoResponse};
use crate::service::{
    NextPage, PageBy, Paging, ReadEntry, ReadPage, ReadState, RowValues, SeenAnswer, Service,
    ServiceCall, StateList, StateReading, StateSource, ValueProblem, read_page, read_state,
    state_call,
};
use crate::task::{StateCounts, TaskId};
use serde_json::{Map, Value};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// A client of one of the hosts to which links may lead.
#[derive(Debug)]
pub(super) struct LinkedHost {
    pub(super) endpoint: Endpoint,
    pub(super) client: ServiceClient,
}

/// Where the next page is, as the last one says.
#[derive(Debug, Default)]
pub(super) struct PageMarks(Mutex<Marks>);

#[derive(Debug, Default)]
struct Marks {
    /// The number of the page that they are for.
    number: u32,
    /// The entries of all pages before it.
    before: usize,
    next: NextPage,
}

/// The request for a page: which client makes it, and its address for links that are relative.
struct PageRequest<'a> {
    client: &'a ServiceClient,
    call: ServiceCall,
    address: String,
}

/// What reads states.
#[derive(Clone, Copy)]
pub(super) struct StateClient<'a> {
    pub(super) client: &'a ServiceClient,
    pub(super) endpoint: &'a Endpoint,
    pub(super) linked: &'a [LinkedHost],
    pub(super) work: &'a ServiceWork,
    pub(super) marks: &'a PageMarks,
}

impl StateClient<'_> {
    /// Asks for the state of an id.
    pub(super) async fn look(&self, id: &TaskId) -> Listed {
        let service = &*self.work.service;
        let Some((state, StateSource::Get(get))) = reading(service) else {
            return never_made("the file does not say how the state of one id is read");
        };
        let values = RowValues::new(id.as_str(), &self.work.scope, &[], None);
        let values = values.expect("no cells are some");
        let call = match state_call(service, &get.request, &[], &values) {
            Ok(call) => call,
            Err(problem) => return never_made(problem.to_string()),
        };
        let seen = match self.client.ask(&call).await {
            Ok(seen) => seen,
            Err(gone) => return Listed::Answer(Answer::NoResponse(gone)),
        };
        match read_state(service, (state, get), id, &seen, now()) {
            ReadState::Seen(value, observed) => {
                let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let task = ListedTask {
                    id: id.to_string(),
                    states: StateCounts::from_counters([(word, 1)]),
                    seen: Some(Box::new(observed)),
                    ..ListedTask::default()
                };
                Listed::Page(page_of(vec![task], &seen))
            }
            ReadState::Gone => Listed::Page(page_of(Vec::new(), &seen)),
            ReadState::Other(judgement) => answered(*judgement, &seen),
        }
    }

    /// Asks for a page of the list.
    pub(super) async fn list(&self, number: u32) -> Listed {
        let service = &*self.work.service;
        let Some((state, StateSource::List(list))) = reading(service) else {
            return never_made("the file does not say how a list of states is read");
        };
        let request = match self.page_request(list, number) {
            Ok(request) => request,
            Err(why) => return never_made(why),
        };
        let seen = match request.client.ask_for_page(&request.call).await {
            Ok(seen) => seen,
            Err(gone) => return Listed::Answer(Answer::NoResponse(gone)),
        };
        match read_page(service, (state, list), &seen, now()) {
            Ok(mut page) => {
                if let NextPage::Link(link) = &page.next {
                    page.next = NextPage::Link(absolute(&request.address, link));
                }
                self.note(number, &page);
                Listed::Page(shown(page, &seen))
            }
            Err(judgement) => answered(*judgement, &seen),
        }
    }

    /// Returns the request for a page, or why there is none.
    fn page_request(&self, list: &StateList, number: u32) -> Result<PageRequest<'_>, String> {
        let marks = self.marks.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = number > 1 && marks.number == number;
        if let (NextPage::Link(link), true) = (&marks.next, is_known) {
            return self.linked_request(list, link);
        }
        let mut more = Vec::new();
        if let Some(paging) = &list.page {
            let (before, next) = match is_known {
                true => (marks.before, &marks.next),
                false => (0, &NextPage::Numbered),
            };
            more = fields(paging, number, before, next)?;
        }
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let call = self.call(list, &more).map_err(|problem| problem.to_string())?;
        let address = format!("{}{}", self.endpoint.to_string().trim_end_matches('/'), call.target);
        Ok(PageRequest { client: self.client, call, address })
    }

    /// Returns the request that a link leads to. Only its address counts.
    fn linked_request(&self, list: &StateList, link: &str) -> Result<PageRequest<'_>, String> {
        let url: Url = link.parse().map_err(|_| "the link to the next page is no address")?;
        let linked = self.linked.iter().map(|host| (&host.endpoint, &host.client));
        let mut places = [(self.endpoint, self.client)].into_iter().chain(linked);
        let found = places.find_map(|(endpoint, client)| {
            Some((client, target_below(&endpoint.to_string().parse().ok()?, &url)?))
        });
        let Some((client, target)) = found else {
            let host = url.host_str().unwrap_or("no host");
            return Err(format!(
                "the link to the next page leads elsewhere, to `{host}`: `endpoint` and `hosts` of \
                 the file do not have it"
            ));
        };
        let call = self.call(list, &[]).map_err(|problem| problem.to_string())?;
        Ok(PageRequest { client, call: ServiceCall { target, ..call }, address: link.to_owned() })
    }

    fn call(&self, list: &StateList, more: &[(&str, &str)]) -> Result<ServiceCall, ValueProblem> {
        let values = RowValues::new("", &self.work.scope, &[], None);
        let values = values.expect("no cells are some");
        state_call(&self.work.service, &list.request, more, &values)
    }

    fn note(&self, number: u32, page: &ReadPage) {
        let mut marks = self.marks.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if number > 1 { marks.before } else { 0 };
        let size = page.entries.len() + usize::try_from(page.nameless).unwrap_or_default();
        *marks = Marks { number: number + 1, before: before + size, next: page.next.clone() };
    }
}

/// Returns how the states of a service are read.
fn reading(service: &Service) -> Option<(&StateReading, &StateSource)> {
    service.state.as_ref().map(|state| (state, &state.from))
}

/// Returns the query fields that ask for a page, or why there is none.
fn fields<'a>(
    paging: &'a Paging,
    number: u32,
    before: usize,
    next: &NextPage,
) -> Result<Vec<(&'a str, String)>, String> {
    let mut fields = Vec::new();
    match &paging.by {
        PageBy::Number { param, first, last } => {
            let page = first.saturating_add(number - 1);
            if page > *last {
                return Err(format!("the list has more pages than the last one, {last}"));
            }
            fields.push((param.as_str(), page.to_string()));
        }
        PageBy::Offset { param } => fields.push((param.as_str(), before.to_string())),
        PageBy::Cursor { param, .. } => {
            if let NextPage::Mark(mark) | NextPage::Behind(mark) = next {
                fields.push((param.as_str(), mark.clone()));
            }
        }
        PageBy::Next { .. } => {}
    }
    if let (Some(param), Some(size)) = (&paging.size_param, paging.size) {
        fields.push((param.as_str(), size.to_string()));
    }
    Ok(fields)
}

/// Returns a link as an address, which is relative to that of its page.
fn absolute(address: &str, link: &str) -> String {
    let joined = Url::parse(address).and_then(|address| address.join(link));
    joined.map_or_else(|_| link.to_owned(), |url| url.to_string())
}

/// Returns the path and query of an address below the base of a place; nothing if it is elsewhere.
fn target_below(base: &Url, url: &Url) -> Option<String> {
    let place = |url: &Url| {
        (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default())
    };
    let has_user = !url.username().is_empty() || url.password().is_some();
    if place(base) != place(url) || has_user {
        return None;
    }
    let path = url.path().strip_prefix(base.path().trim_end_matches('/'))?;
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    path.starts_with('/').then(|| format!("{path}{query}"))
}

fn shown(page: ReadPage, seen: &SeenAnswer) -> Page {
    let is_last = match page.next {
        NextPage::Numbered | NextPage::Behind(_) => None,
        NextPage::None => Some(true),
        NextPage::Mark(_) | NextPage::Link(_) => Some(false),
    };
    let tasks = page.entries.into_iter().map(entry).collect();
    Page { total: page.total, nameless: page.nameless, is_last, ..page_of(tasks, seen) }
}

fn entry(entry: ReadEntry) -> ListedTask {
    let others = match entry.whole {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    ListedTask {
        id: entry.id,
        name: entry.name,
        states: StateCounts::from_counters(entry.states),
        others,
        seen: entry.seen.map(Box::new),
        ..ListedTask::default()
    }
}

fn page_of(tasks: Vec<ListedTask>, seen: &SeenAnswer) -> Page {
    // A service counts pages as it counts calls, and says so on those that it serves.
    let retry_after = asked_wait(seen, now());
    let rate_hint = quota_hint(seen, retry_after, None);
    Page { tasks, retry_after, rate_hint, ..Page::default() }
}

fn answered(judgement: Judgement, seen: &SeenAnswer) -> Listed {
    Listed::Answer(answer_of(judgement, seen, now()))
}

/// Returns that a request cannot be made, for a reason that stays.
fn never_made(why: impl Into<String>) -> Listed {
    Listed::Answer(Answer::NoResponse(NoResponse::never_made(why)))
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(system_time().as_micros().unsigned_abs())
}

#[cfg(test)]
#[path = "states_tests.rs"]
mod tests;
