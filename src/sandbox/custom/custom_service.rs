//! Decides the replies of a simulated service, and keeps the states of its things.
//!
//! Owns all that changes from request to request; nothing here waits.

use crate::clock::{Clock, Instant};
use crate::sandbox::custom::answers::{Answers, bare, usual};
use crate::sandbox::custom::credentials::Credentials;
use crate::sandbox::custom::ending::{FaultShares, Treatment, is_missing, is_stuck, treatment};
use crate::sandbox::custom::json_place::put;
use crate::sandbox::custom::made_answer::{Asking, MadeAnswer, MadeBody, seconds};
use crate::sandbox::custom::pages::{Entry, PageRequest, page};
use crate::sandbox::custom::recognise::{Operation, Requests, base_path};
use crate::sandbox::custom::thing::{Seeing, Sight, Thing, Word};
use crate::sandbox::custom::things::Things;
use crate::sandbox::delay::Delay;
use crate::sandbox::faults::{Question, ResponseDelivery, Roll, SeededRandom, Throttle, call_key};
use crate::sandbox::http::{HttpResponse, SandboxReply};
use crate::sandbox::settings::SandboxSettings;
use crate::service::{Action, AnswerMeaning, Service, StateReading, StateSource, TextSource};
use crate::task::Counts;
use hyper::StatusCode;
use hyper::header::HOST;
use hyper::http::request::Parts;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// A simulated service.
pub(crate) struct CustomService {
    service: Arc<Service>,
    requests: Requests,
    credentials: Credentials,
    throttle: Option<Throttle>,
    /// The answers to each action, and those to requests for states.
    actions: Vec<Answers>,
    states: Option<Answers>,
    things: Things,
    random: SeededRandom,
    shares: FaultShares,
    sizes: RangeInclusive<u16>,
    settle: Duration,
    stale: Duration,
    stuck: f64,
    retry_after: Option<Duration>,
}

/// A request that has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomRequest<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) latency: Roll,
    pub(crate) now: Instant,
}

/// What a request gets.
#[derive(Debug)]
pub(crate) struct CustomReply {
    pub(crate) reply: SandboxReply,
    pub(crate) delay: Delay,
    pub(crate) operation: Operation,
    /// Whether an action was carried out.
    pub(crate) is_carried_out: bool,
    /// The counts that the client can read.
    pub(crate) counts: Counts,
}

impl CustomService {
    /// Returns a service to which nothing has been sent.
    pub(crate) fn new(service: Arc<Service>, settings: &SandboxSettings, clock: Clock) -> Self {
        let asking = Asking { retry_after: settings.retry_after };
        let answers = |action: &Action| Answers::of_action(&service, action, asking);
        let random = SeededRandom::new(settings.seed);
        Self {
            requests: Requests::new(&service),
            credentials: Credentials::new(&service.auth, settings, clock),
            throttle: settings.limit.map(Throttle::new),
            actions: service.actions.iter().map(answers).collect(),
            states: service.state.as_ref().map(|state| Answers::of_state(&service, state, asking)),
            things: Things::new(&service, settings, random),
            random,
            shares: FaultShares::from_settings(settings),
            sizes: settings.sub_tasks.clone(),
            settle: settings.settle,
            stale: settings.stale,
            stuck: settings.stuck,
            retry_after: settings.retry_after,
            service,
        }
    }

    /// Returns the path before that of every call.
    pub(crate) fn base_path(&self) -> String {
        base_path(&self.service)
    }

    /// Returns the name of an action.
    pub(crate) fn action_name(&self, index: usize) -> &str {
        &self.service.actions[index].name
    }

    /// Returns the things that are known.
    pub(crate) const fn things(&self) -> &Things {
        &self.things
    }

    /// Returns the place of an action in the file.
    pub(crate) fn action_index(&self, name: &str) -> Option<usize> {
        self.service.actions.iter().position(|action| action.name == name)
    }

    /// Carries out a request, or refuses it.
    pub(crate) fn respond(&mut self, request: CustomRequest<'_>) -> CustomReply {
        let service = Arc::clone(&self.service);
        let operation = match self.requests.recognise(&service, request.head, request.body) {
            Ok(operation) => operation,
            // Before any credentials are looked at: nothing says what an unknown request needs.
            Err(misread) => {
                let answer = bare(&service, misread.status, &misread.message);
                return self.answered(answer, Operation::Unknown, request);
            }
        };
        if !self.credentials.are_in(request.head, request.body, request.now) {
            let answer = self.of_meaning(&operation, AnswerMeaning::Unauthorised);
            return self.answered(answer, operation, request);
        }
        // Only authorised requests count, because without credentials there is no user to count.
        if self.throttle.as_mut().is_some_and(|throttle| !throttle.admits(request.now)) {
            let answer = self.of_meaning(&operation, AnswerMeaning::Throttled);
            return self.answered(answer, operation, request);
        }
        let answer = match &operation {
            Operation::Action { index, id } => return self.act(*index, id, request),
            Operation::Look { id } => self.look(id, request),
            Operation::Page => self.page(request),
            Operation::Unknown => bare(&service, 404, "unknown"),
        };
        self.answered(answer, operation, request)
    }

    /// Carries out an action, or refuses it.
    fn act(&mut self, index: usize, id: &str, request: CustomRequest<'_>) -> CustomReply {
        let operation = Operation::Action { index, id: id.into() };
        let number = self.things.get_or_add(id).count_call(index);
        let key = call_key(id, u64::try_from(index).unwrap_or_default(), number);
        let share = self.random.roll(Question::CallBehaviour, key).share();
        let treated = treatment(id, number, self.shares, share);
        let service = Arc::clone(&self.service);
        let leads_to = service.actions[index].leads_to.as_deref().map(Word::of);
        let thing = self.things.get_or_add(id);
        let is_there = leads_to.as_ref() == Some(thing.heading());
        let has_counts = service.counts.is_some();
        let (failed, delivery) = match treated {
            _ if *thing.heading() == Word::Gone => {
                let answer = self.of_meaning(&operation, AnswerMeaning::Gone);
                return self.answered(answer, operation, request);
            }
            Treatment::Answered(means) => {
                let answer = self.of_meaning(&operation, means);
                return self.answered(answer, operation, request);
            }
            Treatment::InPart { all_failed: true } if !has_counts => {
                let answer = self.of_meaning(&operation, AnswerMeaning::Refused);
                return self.answered(answer, operation, request);
            }
            Treatment::Failed => {
                let answer = self.fault(index, key);
                return self.answered(answer, operation, request);
            }
            Treatment::InPart { all_failed } => (Some(all_failed), ResponseDelivery::Prompt),
            Treatment::CarriedOut(delivery) => (None, delivery),
        };
        if is_there
            && delivery == ResponseDelivery::Prompt
            && let Some(answer) = self.actions[index].find(AnswerMeaning::Unchanged)
        {
            return self.answered(answer.clone(), operation, request);
        }
        if let Some(word) = leads_to {
            thing.head_for(word, request.now);
        }
        thing.count_carried_out(index);
        let (answer, counts) = self.good(index, id, failed);
        let mut reply = self.answered(answer, operation, request);
        reply.is_carried_out = true;
        // Counts are kept only if the client can read them, so that its sums can be compared.
        match delivery {
            ResponseDelivery::Prompt => reply.counts = counts,
            ResponseDelivery::Late => (reply.counts, reply.delay) = (counts, Delay::Late),
            ResponseDelivery::Garbled => {
                reply.reply = SandboxReply::Answered(HttpResponse::garbled());
            }
            ResponseDelivery::Dropped => reply.reply = SandboxReply::Dropped,
            ResponseDelivery::Silent => reply.reply = SandboxReply::Silent,
        }
        reply
    }

    /// Returns the answer to an action that was carried out, with its counts if it has some.
    fn good(&self, index: usize, id: &str, failed: Option<bool>) -> (MadeAnswer, Counts) {
        let action = &self.service.actions[index];
        let (means, mut answer) = self.actions[index].good().map_or_else(
            || (AnswerMeaning::Done, usual(&self.service, AnswerMeaning::Done)),
            |(means, answer)| (means, answer.clone()),
        );
        let MadeBody::Json(json) = &mut answer.body else { return (answer, Counts::default()) };
        if let Some(at) = &action.answer_id {
            put(json, at.as_str(), id.into());
        }
        let Some(at) = self.service.counts.as_ref().filter(|_| means == AnswerMeaning::Counted)
        else {
            return (answer, Counts::default());
        };
        let total = self.size(id);
        let failed = match failed {
            None => 0,
            Some(true) => total,
            Some(false) if total < 2 => total,
            Some(false) => {
                let roll = self.random.roll_for(Question::Failures, id);
                1 + u16::try_from(roll.below(u64::from(total) - 1)).unwrap_or_default()
            }
        };
        let counts = Counts {
            total: total.into(),
            failed: failed.into(),
            succeeded: (total - failed).into(),
        };
        let places = [
            (&at.total, counts.total),
            (&at.failed, counts.failed),
            (&at.succeeded, counts.succeeded),
        ];
        for (at, count) in places {
            if let Some(at) = at {
                put(json, at.as_str(), count.into());
            }
        }
        (answer, counts)
    }

    /// Returns how many parts a thing has, where they are counted.
    fn size(&self, id: &str) -> u16 {
        let (least, most) = (*self.sizes.start(), *self.sizes.end());
        let span = u64::from(most.saturating_sub(least)) + 1;
        let more = self.random.roll_for(Question::Size, id).below(span);
        least + u16::try_from(more).unwrap_or_default()
    }

    /// Returns a failure that the rules know, chosen at random.
    fn fault(&self, index: usize, key: u64) -> MadeAnswer {
        let faults = self.actions[index].faults();
        let count = u64::try_from(faults.len()).unwrap_or_default();
        let chosen = self.random.roll(Question::Fault, key).below(count.max(1));
        let fault = usize::try_from(chosen).ok().and_then(|chosen| faults.get(chosen));
        match fault {
            Some(&answer) => answer.clone(),
            None => usual(&self.service, AnswerMeaning::InDoubt),
        }
    }

    /// Shows the state of an id.
    fn look(&self, id: &str, request: CustomRequest<'_>) -> MadeAnswer {
        let looked = Operation::Look { id: id.into() };
        let Some((state, StateSource::Get(get))) = self.state() else {
            return bare(&self.service, 404, "unknown");
        };
        let thing = self.things.get(id).cloned().unwrap_or_else(|| self.things.fresh(id));
        match thing.seen(&state.words, self.seeing(id, request.now)) {
            Sight::State(word) if !is_missing(id) => {
                let mut body = Value::Null;
                put(&mut body, get.word.as_str(), word);
                MadeAnswer::plain(200, body)
            }
            Sight::State(_) | Sight::Gone => self.of_meaning(&looked, AnswerMeaning::Gone),
        }
    }

    /// Shows a page of the list.
    fn page(&self, request: CustomRequest<'_>) -> MadeAnswer {
        let Some((state, StateSource::List(list))) = self.state() else {
            return bare(&self.service, 404, "unknown");
        };
        let entry = |(place, (id, thing)): (usize, (&str, &Thing))| match thing
            .seen(&state.words, self.seeing(id, request.now))
        {
            Sight::State(state) if !is_missing(id) => {
                Some(Entry { id: id.into(), place, state, count: self.size(id) })
            }
            Sight::State(_) | Sight::Gone => None,
        };
        let entries: Vec<Entry> = self.things.iter().enumerate().filter_map(entry).collect();
        let uri = &request.head.uri;
        let host = request.head.headers.get(HOST).and_then(|host| host.to_str().ok());
        let address = format!("http://{}{}", host.unwrap_or("localhost"), uri.path());
        let asked = PageRequest { address: &address, query: uri.query().unwrap_or_default() };
        let place_of = |id: &str| self.things.place_of(id);
        page(list, asked, &entries, &place_of)
            .unwrap_or_else(|wrong| bare(&self.service, 400, &wrong))
    }

    fn state(&self) -> Option<(&StateReading, &StateSource)> {
        self.service.state.as_ref().map(|state| (state, &state.from))
    }

    /// Returns how the states of a thing are seen.
    fn seeing(&self, id: &str, now: Instant) -> Seeing {
        let never_arrives =
            is_stuck(id) || self.random.roll_for(Question::Stuck, id).share() < self.stuck;
        let settle = Some(self.settle).filter(|_| !never_arrives);
        Seeing { now, stale: self.stale, settle }
    }

    /// Returns the answer that a rule has for a meaning, or one that no rule has to be for.
    fn of_meaning(&self, operation: &Operation, means: AnswerMeaning) -> MadeAnswer {
        let answers = match operation {
            Operation::Action { index, .. } => self.actions.get(*index),
            Operation::Look { .. } | Operation::Page => self.states.as_ref(),
            Operation::Unknown => None,
        };
        if let Some(answer) = answers.and_then(|answers| answers.find(means)) {
            return answer.clone();
        }
        let mut answer = usual(&self.service, means);
        if let Some(wait) = self.retry_after.filter(|_| means == AnswerMeaning::Throttled) {
            answer.headers.push(("Retry-After".into(), seconds(wait).to_string()));
        }
        answer
    }

    /// Makes a reply of an answer, with the id of the request where the file looks for it.
    fn answered(
        &self,
        mut answer: MadeAnswer,
        operation: Operation,
        request: CustomRequest<'_>,
    ) -> CustomReply {
        match self.service.request_id.first() {
            Some(TextSource::Header(name)) => {
                answer.headers.push((name.clone(), request.request_id.into()));
            }
            Some(TextSource::Json(at)) => {
                if let MadeBody::Json(json) = &mut answer.body {
                    put(json, at.as_str(), request.request_id.into());
                }
            }
            None => {}
        }
        let (content_type, body) = answer.bytes();
        let status = StatusCode::from_u16(answer.status).unwrap_or_default();
        let response = HttpResponse::new(status, content_type, &answer.headers, body);
        CustomReply {
            reply: SandboxReply::Answered(response),
            delay: Delay::Usual(request.latency),
            operation,
            is_carried_out: false,
            counts: Counts::default(),
        }
    }
}
