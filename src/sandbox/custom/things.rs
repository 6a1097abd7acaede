//! All things of a simulated service, in the order in which they became known.

use crate::sandbox::custom::thing::{Thing, Word, first_word};
use crate::sandbox::faults::{Question, SeededRandom};
use crate::sandbox::settings::SandboxSettings;
use crate::service::{Service, StateSource};
use std::collections::HashMap;

/// The things of a service.
pub(crate) struct Things {
    known: Vec<(String, Thing)>,
    places: HashMap<String, usize>,
    random: SeededRandom,
    /// The share of things that are at first where the first action leads.
    running: f64,
    there: Word,
    away: Word,
    actions: usize,
}

impl Things {
    /// Returns the things at the start: those that a list shows, if there is a list.
    pub(crate) fn new(service: &Service, settings: &SandboxSettings, random: SeededRandom) -> Self {
        let mut things = Self {
            known: Vec::new(),
            places: HashMap::new(),
            random,
            running: settings.running,
            there: first_word(service, true),
            away: first_word(service, false),
            actions: service.actions.len(),
        };
        let is_listed = |source: &StateSource| matches!(source, StateSource::List(_));
        if service.state.as_ref().is_some_and(|state| is_listed(&state.from)) {
            for id in generated_ids(service, settings.tasks) {
                things.get_or_add(&id);
            }
        }
        things
    }

    /// Returns a thing, which is added at its first call.
    pub(crate) fn get_or_add(&mut self, id: &str) -> &mut Thing {
        let place = match self.places.get(id) {
            Some(&place) => place,
            None => {
                self.known.push((id.into(), self.fresh(id)));
                self.places.insert(id.into(), self.known.len() - 1);
                self.known.len() - 1
            }
        };
        &mut self.known[place].1
    }

    /// Returns a thing that is known.
    pub(crate) fn get(&self, id: &str) -> Option<&Thing> {
        self.places.get(id).map(|&place| &self.known[place].1)
    }

    /// Returns the place of a thing among all.
    pub(crate) fn place_of(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// Returns a thing as it is before its first call.
    pub(crate) fn fresh(&self, id: &str) -> Thing {
        let is_there = self.random.roll_for(Question::Running, id).share() < self.running;
        let word = if is_there { &self.there } else { &self.away };
        Thing::at_rest(word.clone(), self.actions)
    }

    /// Returns all of them, also those that are gone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Thing)> {
        self.known.iter().map(|(id, thing)| (id.as_str(), thing))
    }
}

/// Returns ids that the service may have; none if no usual form of ids is one.
fn generated_ids(service: &Service, count: u32) -> Vec<String> {
    let forms: [fn(u32) -> String; 4] = [
        |number| format!("thing-{number:06}"),
        |number| format!("{number:032x}"),
        |number| format!("00000000-0000-4000-8000-{number:012x}"),
        |number| number.to_string(),
    ];
    let fits = |form: &&fn(u32) -> String| {
        [1, count].iter().all(|&number| service.id.id(&form(number)).is_ok())
    };
    let form = forms.iter().find(fits);
    form.map(|form| (1..=count).map(form).collect()).unwrap_or_default()
}
