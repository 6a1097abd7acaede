//! The pages of lists: batch tasks, the sub-tasks of one, and a single sub-task.
//!
//! Reads leniently: a field that is missing or has another type is absent, one that nobody knows
//! is kept. A walk judges the claims of its pages. See `docs/GLOSSARY.md`: walk, gap.

use super::json_text::{decode, read_leniently};
use super::listing::{Listing, PAGE_SIZE};
use super::redactor::Redactor;
use super::skew::ClockSkew;
use super::wire::{excerpt, loose_text, whole};
use crate::policy::{Answer, RateHint};
use crate::task::{ObservedState, StateCounts, TaskId, TaskState};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;

/// The longest text of an entry that is kept, in characters.
const LONGEST_TEXT: usize = 500;
/// The longest text of a field that is only passed on, in characters.
const LONGEST_OTHER: usize = 4_000;
/// The most fields of a page, counted by its commas: 1,000 for each entry.
const MAX_FIELDS: usize = 1_000 * PAGE_SIZE;
/// The error of the reader of entries for a page with too many.
const TOO_MANY: &str = "more entries than asked for";
/// The maximum number of different states that are kept. The service has 18.
const MOST_STATES: usize = 64;

/// The answer to a request for a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Listed {
    /// The page.
    Page(Page),
    /// Anything else.
    Answer(Answer),
}

/// The result of one cheap call: facts about the service and this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// A small page, or why there is none.
    pub listed: Listed,
    /// The difference of the clocks, if the answer has a `Date`.
    pub skew: Option<ClockSkew>,
}

/// One page of a list, as the service says it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The number of entries on all pages, if the service says that.
    pub total: Option<u64>,
    /// The batch tasks or sub-tasks on this page.
    pub tasks: Vec<ListedTask>,
    /// The number of entries without an id, which cannot be distinguished.
    pub nameless: u64,
    /// The wait that the answer asks for before the next request.
    pub retry_after: Option<Duration>,
    /// What the answer says of the service's quota.
    pub rate_hint: Option<Box<RateHint>>,
    /// Whether it is the last page, if the answer itself says so.
    pub is_last: Option<bool>,
}

/// One batch task or sub-task of a page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListedTask {
    /// Its id, which need not be one that can be called.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The number of its sub-tasks.
    pub sub_tasks: Option<u64>,
    /// The number of its sub-tasks in each state; a sub-task counts itself.
    pub states: StateCounts,
    /// The time of its creation, in milliseconds since the Unix epoch.
    pub created_ms: Option<i64>,
    /// All its other fields.
    pub others: Map<String, Value>,
    /// What was seen of a thing of another service than VIAS, if its id is one that can be called.
    pub seen: Option<Box<ObservedState>>,
}

impl Page {
    /// Returns the number of its entries, those without an id included.
    pub fn size(&self) -> u64 {
        self.tasks.len() as u64 + self.nameless
    }
}

impl ListedTask {
    /// Returns what was seen of it, if its id is one that can be called.
    pub fn observed_state(&self) -> Option<ObservedState> {
        if let Some(seen) = &self.seen {
            return Some(ObservedState::clone(seen));
        }
        let id: TaskId = self.id.parse().ok()?;
        Some(ObservedState::from_counts(id, &self.states))
    }

    /// Returns the one word for its state.
    pub fn state(&self) -> TaskState {
        self.seen.as_ref().map_or_else(|| self.states.state(), |seen| seen.state)
    }

    /// Returns the service's own word for the state of a sub-task, in lower case as in all lists.
    pub fn state_word(&self) -> &str {
        self.states.iter().next().map_or("", |(state, _)| state)
    }

    /// Returns a field that the service sent as text, or nothing.
    pub fn text(&self, field: &str) -> &str {
        self.others.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns a field of the error that the service shows of a sub-task, or nothing.
    pub fn error(&self, field: &str) -> &str {
        let error = self.others.get("error").and_then(|error| error.get(field));
        error.and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads the body of a 200, or returns what came instead. No text of either holds a secret: JSON
/// has many ways to write one, so texts are searched after they were read.
///
/// Entries are read one by one, because a page that is out of proportion would fill the memory.
pub(super) fn read_page(
    bytes: &[u8],
    listing: &Listing,
    redactor: &Redactor,
) -> Result<Page, String> {
    let text = decode(bytes);
    let most = listing.page_size();
    // Whatever it is that fills the memory, commas stand between it.
    if bytes.iter().filter(|&&byte| byte == b',').count() > MAX_FIELDS {
        let length = serde_json::from_str::<ListLength>(&text);
        return Err(match length {
            Ok(ListLength { list }) if list.len() > most => too_many(most),
            Ok(_) | Err(_) => format!("the page has more than {MAX_FIELDS} fields"),
        });
    }
    let page = read_leniently(bytes, &text, |text| match parsed(text, listing, redactor) {
        // What JSON allows was read, so no other way to read it helps.
        Err(error) if error.is_data() => Ok(Err(error)),
        read => read.map(Ok),
    });
    match page {
        Ok(Ok(Some(page))) => Ok(page),
        // An error of serde has only its text, to which the reader appends the place.
        Ok(Err(error)) if error.to_string().starts_with(TOO_MANY) => Err(too_many(most)),
        Ok(Ok(None) | Err(_)) | Err(_) => {
            let what = match listing {
                Listing::BatchTasks(_) => "no list of batch tasks is in",
                Listing::SubTasks { .. } => "no list of tasks is in",
                Listing::SubTask(_) => "that task is not in",
            };
            Err(excerpt(what, &text, redactor))
        }
    }
}

/// The length of a list. An entry that is ignored takes no memory.
#[derive(Deserialize)]
struct ListLength {
    #[serde(alias = "batch_task_list", alias = "tasks")]
    list: Vec<IgnoredAny>,
}

fn too_many(most: usize) -> String {
    format!("the page has more entries than the {most} that were asked for")
}

fn parsed(text: &str, listing: &Listing, redactor: &Redactor) -> serde_json::Result<Option<Page>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    match listing {
        Listing::BatchTasks(_) | Listing::SubTasks { .. } => {
            reader.deserialize_map(PageVisitor { listing, redactor })
        }
        Listing::SubTask(id) => {
            let task = entry(Value::deserialize(&mut reader)?, listing, redactor);
            // An answer about another task is none about this one.
            let task = task.filter(|task| task.id == id.as_str());
            Ok(task.map(|task| Page { total: Some(1), tasks: vec![task], ..Page::default() }))
        }
    }
}

#[derive(Clone, Copy)]
struct PageVisitor<'a> {
    listing: &'a Listing,
    redactor: &'a Redactor,
}

impl<'de> Visitor<'de> for PageVisitor<'_> {
    /// Nothing if the object has no list.
    type Value = Option<Page>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of tasks")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Option<Page>, M::Error> {
        let list = match self.listing {
            Listing::BatchTasks(_) => "batch_task_list",
            Listing::SubTasks { .. } | Listing::SubTask(_) => "tasks",
        };
        let (mut page, mut total): (Option<Page>, _) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                name if name == list => page = Some(map.next_value_seed(Entries(self))?),
                "count" => total = whole(&map.next_value()?),
                // Unknown fields are skipped without being built, so they take no memory.
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let total = total.and_then(|count| u64::try_from(count).ok());
        Ok(page.map(|page| Page { total: self.total_of(&page, total), ..page }))
    }
}

impl PageVisitor<'_> {
    /// Returns how many entries there are on all pages, by the count on this one.
    fn total_of(&self, page: &Page, count: Option<u64>) -> Option<u64> {
        match self.listing {
            Listing::BatchTasks(_) => count,
            // The definition counts the entries of this page alone. Only more than these can be a
            // total, or entries that are missing.
            Listing::SubTasks { .. } | Listing::SubTask(_) => {
                count.filter(|&count| count > page.size())
            }
        }
    }
}

/// Reads the entries of a page.
struct Entries<'a>(PageVisitor<'a>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Page, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut entries: S) -> Result<Page, S::Error> {
        let mut page = Page::default();
        let PageVisitor { listing, redactor } = self.0;
        for _ in 0..listing.page_size() {
            let Some(value) = entries.next_element()? else { return Ok(page) };
            match entry(value, listing, redactor) {
                Some(task) => page.tasks.push(task),
                None => page.nameless += 1,
            }
        }
        // More entries than asked for mean that the size was ignored, so page numbers mean nothing.
        match entries.next_element::<IgnoredAny>()? {
            None => Ok(page),
            Some(_) => Err(S::Error::custom(TOO_MANY)),
        }
    }
}

fn entry(value: Value, listing: &Listing, redactor: &Redactor) -> Option<ListedTask> {
    let Value::Object(mut fields) = value else { return None };
    let text = |value: Option<Value>| {
        value.as_ref().and_then(loose_text).map(|text| redactor.beginning(text, LONGEST_TEXT))
    };
    // An id that is cut cannot be called any more, so it never means another task.
    let id = text(fields.remove("id"))?;
    if id.is_empty() {
        return None;
    }
    let number = |value: Option<Value>| value.as_ref().and_then(whole);
    let (name, states) = match listing {
        Listing::BatchTasks(_) => {
            ("batch_task_name", states(fields.remove("batch_task_status_info"), redactor))
        }
        Listing::SubTasks { .. } | Listing::SubTask(_) => {
            let state = text(fields.remove("state")).filter(|state| !state.is_empty());
            ("name", StateCounts::from_counters(state.map(|state| (state, 1))))
        }
    };
    Some(ListedTask {
        id,
        name: text(fields.remove(name)).unwrap_or_default(),
        sub_tasks: number(fields.remove("num_task")).and_then(|count| u64::try_from(count).ok()),
        states,
        created_ms: number(fields.remove("created_at")),
        others: cleaned_fields(fields, redactor),
        seen: None,
    })
}

/// Takes secrets out of a value, names of fields included.
fn cleaned(value: Value, redactor: &Redactor) -> Value {
    match value {
        Value::String(text) => Value::String(redactor.beginning(text, LONGEST_OTHER)),
        Value::Array(items) => items.into_iter().map(|item| cleaned(item, redactor)).collect(),
        Value::Object(fields) => Value::Object(cleaned_fields(fields, redactor)),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn cleaned_fields(fields: Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    let cleaned = fields
        .into_iter()
        .map(|(name, value)| (redactor.beginning(name, LONGEST_TEXT), cleaned(value, redactor)));
    cleaned.collect()
}

/// Reads the counters. One that is not a number is left out, so nothing follows from it.
fn states(value: Option<Value>, redactor: &Redactor) -> StateCounts {
    let Some(Value::Object(fields)) = value else { return StateCounts::default() };
    // The keys come from the service, so their number is bounded like everything from outside.
    let counters = fields.iter().take(MOST_STATES).filter_map(|(state, count)| {
        let count = u64::try_from(whole(count)?).ok()?;
        Some((redactor.beginning(state.as_str(), LONGEST_TEXT), count))
    });
    StateCounts::from_counters(counters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_text(text: &str) -> Result<Page, String> {
        read_page(text.as_bytes(), &Listing::default(), &Redactor::default())
    }

    fn task(entry: &str) -> ListedTask {
        let page = read_text(&format!(r#"{{"count":1,"batch_task_list":[{entry}]}}"#)).unwrap();
        assert_eq!(page.tasks.len(), 1, "{entry}");
        page.tasks.into_iter().next().unwrap()
    }

    #[test]
    fn the_documented_entry_is_read_and_what_is_new_in_it_is_kept() {
        let task = task(
            r#"{"id":"0d47bbf52962414bb7ae27fb6ea24230","batch_task_name":"gate-cameras",
                "num_task":3,"created_at":1685667905165,"priority":1,
                "batch_task_status_info":{"stopped":3}}"#,
        );
        assert_eq!((task.name.as_str(), task.sub_tasks), ("gate-cameras", Some(3)));
        assert_eq!(task.created_ms, Some(1_685_667_905_165));
        assert_eq!(task.others["priority"], 1);
        assert_eq!(task.observed_state().unwrap().state, TaskState::Stopped);
    }

    fn sub_tasks(text: &str) -> Result<Page, String> {
        let listing = Listing::SubTasks { batch_task: None, expected: None };
        read_page(text.as_bytes(), &listing, &Redactor::default())
    }

    #[test]
    fn the_documented_entry_of_a_sub_task_is_read() {
        let page = sub_tasks(
            r#"{"count":1,"page":1,"page_size":10,"tasks":[{"id":"0a1b","name":"gate 1",
                "created_at":"1685667905165","state":"START_FAILED","video_source_name":"cam"}]}"#,
        );
        let page = page.unwrap();
        let task = &page.tasks[0];
        assert_eq!((task.name.as_str(), task.created_ms), ("gate 1", Some(1_685_667_905_165)));
        assert_eq!(task.states.to_string(), "start_failed=1");
        assert_eq!(task.others["video_source_name"], "cam");
        // The count of a page alone says nothing about the others.
        assert_eq!(page.total, None);
        assert_eq!(sub_tasks(r#"{"count":7,"tasks":[{"id":"0a1b"}]}"#).unwrap().total, Some(7));
        let many = vec![r#"{"id":"0a1b"}"#; 1_001].join(",");
        let refused = sub_tasks(&format!(r#"{{"tasks":[{many}]}}"#)).unwrap_err();
        assert!(refused.contains("the 1000 that were asked for"), "{refused}");
        assert!(sub_tasks("{}").unwrap_err().starts_with("no list of tasks is in"));
    }

    #[test]
    fn one_sub_task_is_a_page_of_one_and_never_another() {
        let listing = Listing::SubTask("0a1b".parse().unwrap());
        let read = |text: &str| read_page(text.as_bytes(), &listing, &Redactor::default());
        let text = r#"{"id":"0a1b","state":"FAILED","status":"offline",
                       "error":{"code":"VIAS.1","message":"no stream"}}"#;
        let page = read(text).unwrap();
        assert_eq!(page.tasks[0].others["error"]["message"], "no stream");
        assert_eq!(page.total, Some(1));
        let other = read(r#"{"id":"0a1c","state":"FAILED"}"#).unwrap_err();
        assert!(other.starts_with("that task is not in"), "{other}");
    }

    #[test]
    fn missing_and_mistyped_fields_survive() {
        let check = |entry: &str, states: &str, sub_tasks| {
            let task = task(entry);
            assert_eq!((task.states.to_string().as_str(), task.sub_tasks), (states, sub_tasks));
        };
        check(r#"{"id":"task-1"}"#, "", None);
        check(r#"{"id":"task-1","num_task":"3"}"#, "", Some(3));
        check(r#"{"id":"task-1","num_task":-3,"batch_task_status_info":[]}"#, "", None);
        let odd = r#"{"id":"task-1","batch_task_status_info":{"RUNNING":"2","x":{},"y":-1}}"#;
        check(odd, "running=2", None);
        assert_eq!(task(r#"{"id":12345}"#).id, "12345");
    }

    #[test]
    fn no_text_of_a_page_holds_a_secret_nor_the_part_before_a_cut() {
        let redactor = Redactor::default();
        redactor.learn("password", "hunter2-pass");
        let cut = format!("{}hunter2-pass", "x".repeat(LONGEST_TEXT - 5));
        let long = format!("{}hunter2-pass", "x".repeat(LONGEST_OTHER - 5));
        let page = serde_json::json!({ "batch_task_list": [{
            "id": "a hunter2-pass", "batch_task_name": &cut,
            "batch_task_status_info": { "hunter2-pass": 1, &cut: 2 },
            "hunter2-pass": { "hunter2-pass": [long], &cut: "hunter2\u{200b}-pass" },
        }] });
        let page = read_page(page.to_string().as_bytes(), &Listing::default(), &redactor).unwrap();
        let shown = format!("{page:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        let task = &page.tasks[0];
        assert_eq!((task.id.as_str(), task.name.chars().count()), ("a [password]", 501));
        assert_eq!(task.states.iter().next(), Some(("[password]", 1)));
        assert!(task.others["[password]"]["[password]"][0].as_str().unwrap().len() > 4_000);
        let strange = format!("{}hunter2-pass", "x".repeat(74));
        let seen = read_page(strange.as_bytes(), &Listing::default(), &redactor).unwrap_err();
        assert!(!seen.contains("hunt"), "{seen}");
    }

    #[test]
    fn an_id_outside_the_pattern_is_text_and_cannot_be_called() {
        for id in ["../admin", "AB", "x", "id with blanks"] {
            let task = task(&format!(r#"{{"id":"{id}"}}"#));
            assert_eq!((task.id.as_str(), task.observed_state()), (id, None));
        }
    }

    #[test]
    fn entries_without_an_id_are_counted() {
        let page = read_text(r#"{"count":4,"batch_task_list":[{},null,{"id":""},{"id":"abcd"}]}"#);
        let page = page.unwrap();
        assert_eq!((page.tasks.len(), page.nameless, page.total), (1, 3, Some(4)));
    }

    #[test]
    fn what_is_no_page_is_told_in_part() {
        for text in ["", "null", "[]", "{}", r#"{"batch_task_list":{}}"#, "<html>", "{\"a\":"] {
            let seen = read_text(text).unwrap_err();
            assert!(seen.starts_with("no list of batch tasks is in"), "{seen}");
        }
    }

    #[test]
    fn a_page_with_more_entries_than_were_asked_for_is_refused() {
        let page = |entries: usize| {
            read_text(&format!(
                r#"{{"batch_task_list":[{}]}}"#,
                vec![r#"{"id":1}"#; entries].join(",")
            ))
        };
        assert_eq!(page(PAGE_SIZE).unwrap().tasks.len(), PAGE_SIZE);
        let message = "the page has more entries than the 200 that were asked for";
        assert_eq!(page(PAGE_SIZE + 1).unwrap_err(), message);
        assert_eq!(page(300_000).unwrap_err(), message);
        let fields = vec![r#""a":1"#; MAX_FIELDS + 2].join(",");
        let wide = read_text(&format!(r#"{{"batch_task_list":[{{"id":"abcd",{fields}}}]}}"#));
        assert!(wide.unwrap_err().contains("more than 200000 fields"));
    }

    #[test]
    fn entries_are_read_whatever_their_texts_are_made_of() {
        let texts: [&[u8]; 5] = [b"\xe4\xbd", b"\xd5\\", b"a\nb", br"\ud83d", br"\x"];
        for text in texts {
            let before = br#"{"batch_task_list":[{"batch_task_name":""#;
            let bytes = [before, text, br#"","id":"abcd"}],"count":1}"#].concat();
            let page = read_page(&bytes, &Listing::default(), &Redactor::default()).unwrap();
            assert_eq!((page.tasks[0].id.as_str(), page.total), ("abcd", Some(1)), "{text:x?}");
        }
        assert!(read_text("\u{feff}{\"batch_task_list\":[]}").is_ok());
    }

    proptest! {
        #[test]
        fn no_page_is_too_strange_to_read(text in ".{0,200}", entry in ".{0,40}") {
            let _ = read_text(&text);
            let _ = read_text(&format!("{{\"batch_task_list\":[{entry}]}}"));
        }
    }
}
