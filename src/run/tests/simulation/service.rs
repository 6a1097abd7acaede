//! The simulated service and the network before it.

use super::planted::Planted;
use super::story::{Away, FATES, Fate, Outage};
use super::world::{Call, Kind, State, World};
use crate::api::{Authority, FirstUse, NotRenewed, TaskApi};
use crate::clock::{Clock, Instant, Timestamp};
use crate::policy::{
    ActionResult, Answer, Body, Delivery, Generation, NoResponse, Response, ServiceError,
};
use crate::task::{FailureKind, Outcome, Task};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// Seen from a run, the service.
pub(super) struct SimulatedService {
    pub(super) world: World,
    pub(super) clock: Clock,
    pub(super) planted: Option<Planted>,
}

/// How a call goes.
pub(super) struct Reply {
    pub(super) kind: Kind,
    pub(super) effect: bool,
    /// Nothing if no answer ever comes.
    pub(super) answer: Option<Answer>,
    pub(super) after: Duration,
}

/// Counts a call as on the wire until its future is dropped or done.
struct OnWire(World);

impl Drop for OnWire {
    fn drop(&mut self) {
        self.0.left_wire();
    }
}

impl TaskApi for SimulatedService {
    async fn call(&self, task: Arc<Task>) -> Answer {
        if !self.world.step() {
            return std::future::pending().await;
        }
        let (call, reply) = self.leave(&task);
        let _on_wire = OnWire(self.world.clone());
        let is_tenth = call % 10 == 9;
        let _second = (self.planted == Some(Planted::SentTwice) && is_tenth).then(|| {
            self.leave(&task);
            OnWire(self.world.clone())
        });
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        let Some(answer) = reply.answer.filter(|_| self.world.step()) else {
            return std::future::pending().await;
        };
        self.world.delivered(call);
        match self.planted(answer, reply.kind, &task) {
            // Without the hook of panics, which would write to standard error.
            Answer::Panicked(message) => {
                std::panic::resume_unwind(Box::new(message) as Box<dyn Any + Send>)
            }
            answer => answer,
        }
    }

    fn authority(&self) -> &dyn Authority {
        self
    }
}

impl SimulatedService {
    fn leave(&self, task: &Task) -> (usize, Reply) {
        let mut state = self.world.lock();
        let reply = state.reply(task);
        let call = Call {
            at: self.clock.now(),
            ordinal: task.ordinal.0,
            kind: reply.kind,
            effect: reply.effect,
            delivered: false,
            recorded: false,
        };
        (state.leaves(call), reply)
    }

    /// Changes an answer on its way, if that is the planted fault.
    fn planted(&self, answer: Answer, kind: Kind, task: &Task) -> Answer {
        match (self.planted, kind, answer) {
            (Some(Planted::DoubtTakenForRefusal), Kind::InDoubt, _) => refusal(),
            (Some(Planted::ThrottledIsCharged), Kind::Throttled(None), _) => unavailable(),
            (Some(Planted::WaitIgnored), Kind::Throttled(_), Answer::Response(response)) => {
                Answer::Response(Response { retry_after: None, ..response })
            }
            (
                Some(Planted::StaleAnswerBelieved),
                Kind::InDoubt,
                Answer::Response(Response { body: Body::Result(result), .. }),
            ) if result.id.is_some() => {
                let id = Some(task.id.as_str().to_owned());
                response(200, Body::Result(ActionResult { id, ..result }))
            }
            (_, _, answer) => answer,
        }
    }
}

impl Authority for SimulatedService {
    fn generation(&self) -> Generation {
        Generation(self.world.lock().token.0)
    }

    fn first_use(&self) -> FirstUse {
        FirstUse::Together
    }

    fn renewal_due(&self) -> Option<Instant> {
        let state = self.world.lock();
        let token = state.weather.token?;
        token.ahead.map(|ahead| state.token.1 + token.life - ahead)
    }

    fn renew(&self, refused: Generation) -> LocalBoxFuture<'_, Result<(), NotRenewed>> {
        async move {
            let Some(token) = self.world.lock().weather.token else { return Err(NotRenewed) };
            if refused != self.generation() {
                return Ok(());
            }
            tokio::time::sleep(token.renewal).await;
            let mut state = self.world.lock();
            let fails = token.fails_one_in.is_some_and(|many| state.rng.u32(..many) == 0);
            if fails {
                return Err(NotRenewed);
            }
            state.token = (refused.0 + 1, self.clock.instant());
            Ok(())
        }
        .boxed_local()
    }
}

impl State {
    /// Decides what becomes of a call that leaves now.
    pub(super) fn reply(&mut self, task: &Task) -> Reply {
        let now = self.clock.now();
        if let Some(outage) = self.outage(now) {
            return self.away(outage);
        }
        let after = self.latency();
        let life = self.weather.token.map(|token| token.life);
        if life.is_some_and(|life| self.clock.instant() >= self.token.1 + life) {
            return plain(Kind::Unauthorised, unauthorised(), after);
        }
        if self.is_over_limit(now) {
            return self.throttled(after);
        }
        let is_always_refused = task.ordinal.0 * 37 % 100 < self.weather.refused_percent;
        let fate = if is_always_refused { Fate::IsRefused } else { self.fate() };
        self.carried_out(fate, task, after)
    }

    fn fate(&mut self) -> Fate {
        let all: u32 = self.weather.weights.iter().sum();
        let mut drawn = self.rng.u32(..all);
        for (fate, &weight) in FATES.iter().zip(&self.weather.weights) {
            if drawn < weight {
                return *fate;
            }
            drawn -= weight;
        }
        unreachable!("the weights add up")
    }

    fn carried_out(&mut self, fate: Fate, task: &Task, after: Duration) -> Reply {
        let id = task.id.as_str();
        let effect = self.rng.bool();
        let doubt = |answer| Reply { kind: Kind::InDoubt, effect, answer, after };
        match fate {
            Fate::Succeeds => done(Outcome::Succeeded, counted(id, 0, 3), after),
            Fate::IsPartial => done(Outcome::Partial, counted(id, 1, 2), after),
            Fate::AllFail => done(Outcome::Failed, counted(id, 3, 0), after),
            Fate::IsRefused => plain(Kind::Refused, refusal(), after),
            Fate::IsTransient => plain(Kind::Transient, self.transient(), after),
            Fate::NeverLeaves => plain(Kind::NeverLeft, no_connection(), after),
            Fate::IsThrottled => self.throttled(after),
            Fate::IsLost => doubt(Some(reset())),
            Fate::IsUnanswered => doubt(None),
            Fate::IsUnreadable => doubt(Some(response(200, Body::Unreadable("{\"total_c".into())))),
            Fate::IsForAnother => doubt(Some(counted("another-task", 0, 3))),
            Fate::DoesNotAddUp => doubt(Some(contradiction(id))),
            Fate::IsBadGateway => doubt(Some(bad_gateway(if effect { 502 } else { 504 }))),
            Fate::Panics => Reply {
                kind: Kind::Panicked,
                effect,
                answer: Some(Answer::Panicked("a defect".into())),
                after,
            },
        }
    }

    fn latency(&mut self) -> Duration {
        let timeout = self.process.settings.timeout;
        if self.rng.u32(..self.weather.slow_one_in) == 0 {
            // As long as the time-out or longer: the answer comes too late.
            return timeout + Duration::from_millis(self.rng.u64(..2_000));
        }
        Duration::from_millis(self.rng.u64(..=self.weather.latency_millis))
    }

    fn outage(&self, now: Timestamp) -> Option<Outage> {
        let since = now.since(super::SOME_DAY);
        let holds = |outage: &&Outage| since >= outage.from && since < outage.from + outage.lasts;
        self.weather.outages.iter().find(holds).copied()
    }

    fn away(&mut self, outage: Outage) -> Reply {
        let after = Duration::from_millis(self.rng.u64(..50));
        match outage.kind {
            Away::NoConnection => plain(Kind::NeverLeft, no_connection(), after),
            Away::Reset => doubtful(Some(reset()), after),
            Away::Silent => doubtful(None, after),
            Away::BadGateway => doubtful(Some(bad_gateway(502)), after),
            Away::Unavailable => plain(Kind::Transient, unavailable(), after),
        }
    }

    fn is_over_limit(&mut self, now: Timestamp) -> bool {
        let Some((limit, window)) = self.weather.limit else { return false };
        if now.since(self.window.0) >= window {
            self.window = (now, 0);
        }
        self.window.1 += 1;
        self.window.1 > limit
    }

    fn throttled(&mut self, after: Duration) -> Reply {
        let seconds = [1, 2, 7, 30, 400][self.rng.usize(..5)];
        let wait = self.rng.bool().then(|| Duration::from_secs(seconds));
        let (status, code) =
            [(429, ""), (429, "APIGW.0308"), (403, "APIG.0308")][self.rng.usize(..3)];
        let error = ServiceError { code: code.into(), ..ServiceError::default() };
        let answer = Answer::Response(Response {
            status,
            request_id: None,
            retry_after: wait,
            rate_hint: None,
            body: Body::Error(error),
        });
        plain(Kind::Throttled(wait), answer, after)
    }

    fn transient(&mut self) -> Answer {
        let (status, code) = [(500, "VIAS.00010009"), (500, "VIAS.00010037"), (503, ""), (425, "")]
            [self.rng.usize(..4)];
        response(status, Body::Error(ServiceError { code: code.into(), ..ServiceError::default() }))
    }
}

fn plain(kind: Kind, answer: Answer, after: Duration) -> Reply {
    Reply { kind, effect: false, answer: Some(answer), after }
}

fn doubtful(answer: Option<Answer>, after: Duration) -> Reply {
    Reply { kind: Kind::InDoubt, effect: false, answer, after }
}

fn done(outcome: Outcome, answer: Answer, after: Duration) -> Reply {
    Reply { kind: Kind::Done(outcome), effect: true, answer: Some(answer), after }
}

fn response(status: u16, body: Body) -> Answer {
    Answer::Response(Response {
        status,
        request_id: None,
        retry_after: None,
        rate_hint: None,
        body,
    })
}

fn counted(id: &str, failed: i64, succeeded: i64) -> Answer {
    response(
        200,
        Body::Result(ActionResult {
            id: Some(id.into()),
            total: Some(failed + succeeded),
            failed: Some(failed),
            succeeded: Some(succeeded),
            ..ActionResult::default()
        }),
    )
}

fn contradiction(id: &str) -> Answer {
    let (total, failed, succeeded) = (Some(5), Some(1), Some(1));
    let id = Some(id.into());
    response(
        200,
        Body::Result(ActionResult { id, total, failed, succeeded, ..ActionResult::default() }),
    )
}

fn refusal() -> Answer {
    let code = "VIAS.00010012".into();
    response(500, Body::Error(ServiceError { code, ..ServiceError::default() }))
}

pub(super) fn unavailable() -> Answer {
    response(503, Body::Error(ServiceError::default()))
}

pub(super) fn unauthorised() -> Answer {
    let code = "APIGW.0301".into();
    response(401, Body::Error(ServiceError { code, ..ServiceError::default() }))
}

fn bad_gateway(status: u16) -> Answer {
    response(status, Body::Unreadable("a page of the gateway".into()))
}

pub(super) fn no_connection() -> Answer {
    gone(FailureKind::Connect, Delivery::NeverLeft, "connection refused")
}

pub(super) fn reset() -> Answer {
    gone(FailureKind::Reset, Delivery::Possible, "connection reset")
}

fn gone(kind: FailureKind, delivery: Delivery, message: &str) -> Answer {
    Answer::NoResponse(NoResponse { kind, delivery, message: message.into() })
}
