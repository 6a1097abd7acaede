//! Pure decisions: the meaning of an answer, whether to send again, when the next call may go.
//!
//! Time and randomness are arguments; nothing here waits. Must not know HTTP clients, stores,
//! displays, or more of a task than its words. The terms are explained in `docs/GLOSSARY.md`.

mod answer;
mod classify;
mod credentials_trust;
mod failure_allowance;
mod finding;
mod judged;
mod judgement;
mod lease_clock;
mod max_delta;
mod outage;
mod pace;
mod retry;
mod retry_after;
mod sample;
#[cfg(test)]
mod simulation;
mod stop;
mod tuning_hints;
mod verify;
mod waves;

pub use answer::{
    ActionResult, Answer, Body, Delivery, Judgement, NoResponse, Response, ServiceError,
};
pub use classify::{classify, classify_read, classify_repeated_deletion};
pub use credentials_trust::{CredentialsTrust, Generation, Remedy};
pub use failure_allowance::{Allowed, FailureAllowance};
pub use finding::{Finding, Verdict};
pub use judgement::AnswerMeaning;
pub use lease_clock::{LeaseClock, LeaseState};
pub use max_delta::{InvalidMaxDelta, MaxDelta};
pub use outage::{
    Attribution, Breaker, BreakerChange, Health, Passage, RetryBudget, RetryPermit, SuspectQueue,
    WitnessTrust,
};
pub use pace::{
    Admission, Canary, CanaryState, ClockMap, CommonPace, CommonSample, Grant, HintedPace, Learned,
    Opening, PaceController, PaceStart, PaceWindow, Pacer, ProcessSlots, Quota,
    REMEMBERED_SENDINGS, Ramp, RateBounds, RateHint, Reservation, SharedSlots, SlotGate,
    SlotSource, SlotSpacing, SlotTimeline, SlotTrouble, may_tell_rate, quota_in_message, rate_hint,
    rate_per_second,
};
pub use retry::{AttemptHistory, Decision, LONGEST_WAIT, OnDoubt, RetryPolicy};
pub use retry_after::{LONGEST_HOLD, retry_after, window_in_message};
pub use sample::{InvalidSampleSize, Sample, SampleSize};
pub use stop::{FinishBy, InvalidFinishBy, InvalidMaxFailures, MaxFailures};
pub use tuning_hints::{RunFigures, TuningHint, tuning_hints};
pub use verify::{
    AfterCall, ArrivalProgress, CalledTask, EarlierCalls, FirstLook, Goal, IfMissing, LastLook,
    Observation, Purpose, VerifyRound, first_look, last_look,
};
pub use waves::{InvalidWaves, WaveGate, WavePlace, WaveStep, Waves, wave_of};
