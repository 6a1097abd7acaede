//! One thing of the service: the word for its state, and how it changes in time.
//!
//! A state is computed from the time of the last change when it is read; there are no timers.

use crate::clock::Instant;
use crate::service::{GONE, Service, StateWords};
use serde_json::Value;
use std::time::Duration;

/// A word for a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// One of `[state.words]`; nothing where the service has no words.
    At(Option<String>),
    /// It is not there any more.
    Gone,
}

/// What is known of one id.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    before: Word,
    heading: Word,
    moved: Option<Instant>,
    /// How often each action was called and carried out.
    calls: Vec<(u32, u32)>,
}

/// How states are seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeing {
    /// The present.
    pub(crate) now: Instant,
    /// The delay behind the real states.
    pub(crate) stale: Duration,
    /// The time that a change takes; none: it never ends.
    pub(crate) settle: Option<Duration>,
}

/// What is seen of a thing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sight {
    /// This state of the service.
    State(Value),
    /// Nothing, because it is gone.
    Gone,
}

impl Word {
    /// Returns the word that an action leads to.
    pub(crate) fn of(leads_to: &str) -> Self {
        if leads_to == GONE { Self::Gone } else { Self::At(Some(leads_to.into())) }
    }
}

impl Thing {
    /// Returns a thing that has long been where a word says.
    pub(crate) fn at_rest(word: Word, actions: usize) -> Self {
        Self { before: word.clone(), heading: word, moved: None, calls: vec![(0, 0); actions] }
    }

    /// Counts a call of an action, and returns its number from 1.
    pub(crate) fn count_call(&mut self, action: usize) -> u32 {
        self.calls[action].0 += 1;
        self.calls[action].0
    }

    /// Counts an action that was carried out.
    pub(crate) fn count_carried_out(&mut self, action: usize) {
        self.calls[action].1 += 1;
    }

    /// Returns how often an action was carried out.
    pub(crate) fn carried_out(&self, action: usize) -> u32 {
        self.calls[action].1
    }

    /// Returns how often any action was carried out.
    pub(crate) fn carried_out_in_all(&self) -> u32 {
        self.calls.iter().map(|(_, carried_out)| carried_out).sum()
    }

    /// Returns where it goes or is.
    pub(crate) const fn heading(&self) -> &Word {
        &self.heading
    }

    /// Sends it somewhere.
    pub(crate) fn head_for(&mut self, word: Word, now: Instant) {
        if self.heading != word {
            self.before = std::mem::replace(&mut self.heading, word);
            self.moved = Some(now);
        }
    }

    /// Returns what is seen of it.
    pub(crate) fn seen(&self, words: &StateWords, seeing: Seeing) -> Sight {
        let since = self.moved.map(|moved| seeing.now.duration_since(moved));
        let is_unseen = since.is_some_and(|since| since < seeing.stale);
        let has_arrived = since.is_none_or(|since| {
            seeing.settle.is_some_and(|settle| since >= seeing.stale.saturating_add(settle))
        });
        match (is_unseen, has_arrived) {
            (true, _) => rest(words, &self.before),
            (false, true) => rest(words, &self.heading),
            (false, false) => self.on_the_way(words),
        }
    }

    /// Returns what is seen of a change that has not ended.
    fn on_the_way(&self, words: &StateWords) -> Sight {
        let Word::At(Some(heading)) = &self.heading else { return rest(words, &self.before) };
        let ways = words.ways.iter().find(|(word, _)| word == heading);
        let changing = words.words.iter().find(|(word, _)| word == "changing");
        let states = ways.or(changing).map(|(_, states)| states);
        match states.and_then(|states| states.first()) {
            Some(state) => Sight::State(state.clone()),
            None => rest(words, &self.before),
        }
    }
}

fn rest(words: &StateWords, word: &Word) -> Sight {
    match word {
        Word::Gone => Sight::Gone,
        Word::At(word) => {
            let word = word.as_deref().unwrap_or_default();
            let known = words.words.iter().find(|(known, _)| known == word);
            let state = known.and_then(|(_, states)| states.first());
            Sight::State(state.cloned().unwrap_or_else(|| word.into()))
        }
    }
}

/// Returns where things are before they are called: not where the first action leads, or there.
pub(crate) fn first_word(service: &Service, is_there: bool) -> Word {
    let Some(words) = service.state.as_ref().map(|state| &state.words) else {
        return Word::At(None);
    };
    let leads = |action: &crate::service::Action| action.leads_to.clone();
    let first = service.actions.iter().find(|action| action.leads_to.is_some());
    let there = first.and_then(leads).filter(|word| word != GONE);
    let other = first.and_then(|first| service.action(first.opposite.as_deref()?));
    let away = other.and_then(leads).filter(|word| word != GONE).or_else(|| {
        let known = words.words.iter().map(|(word, _)| word);
        known.clone().find(|&word| Some(word) != there.as_ref()).or(known.clone().next()).cloned()
    });
    Word::At(if is_there { there.or(away) } else { away })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use serde_json::json;

    fn words() -> StateWords {
        let states = |states: &[&str]| states.iter().map(|&state| state.into()).collect();
        StateWords {
            words: vec![
                ("on".into(), states(&["ON"])),
                ("off".into(), states(&["OFF"])),
                ("changing".into(), states(&["BUSY"])),
            ],
            ways: vec![("off".into(), states(&["STOPPING"]))],
        }
    }

    #[test]
    fn a_change_is_seen_late_and_takes_its_time() {
        let start = Clock::start().instant();
        let at = |word: &str| Word::At(Some(word.into()));
        let mut thing = Thing::at_rest(at("on"), 1);
        let seen = |thing: &Thing, seconds: u64, settle: Option<u64>| {
            let settle = settle.map(Duration::from_secs);
            let now = start + Duration::from_secs(seconds);
            thing.seen(&words(), Seeing { now, stale: Duration::from_secs(2), settle })
        };
        assert_eq!(seen(&thing, 0, Some(3)), Sight::State(json!("ON")));
        thing.head_for(at("off"), start);
        assert_eq!(seen(&thing, 1, Some(3)), Sight::State(json!("ON")));
        assert_eq!(seen(&thing, 2, Some(3)), Sight::State(json!("STOPPING")));
        assert_eq!(seen(&thing, 5, Some(3)), Sight::State(json!("OFF")));
        assert_eq!(seen(&thing, 500, None), Sight::State(json!("STOPPING")));
        thing.head_for(at("on"), start + Duration::from_secs(9));
        assert_eq!(seen(&thing, 12, Some(3)), Sight::State(json!("BUSY")));
        thing.head_for(Word::Gone, start + Duration::from_secs(20));
        assert_eq!(seen(&thing, 30, Some(3)), Sight::Gone);
    }
}
