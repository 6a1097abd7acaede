//! The list of a service in pages, with each way of asking for the next one.

use crate::sandbox::custom::json_place::put;
use crate::sandbox::custom::made_answer::{MadeAnswer, MadeBody};
use crate::sandbox::custom::recognise::MARK;
use crate::service::{CursorFrom, EntryState, PageBy, Paging, StateList, TextSource};
use serde_json::{Map, Value};
use url::form_urlencoded;

/// The number of entries on a page unless the file or the request says so.
const USUAL_SIZE: usize = 100;

/// One entry of a list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// Its place among all, also those that are gone.
    pub(crate) place: usize,
    pub(crate) state: Value,
    /// How many things it stands for, where states are counted.
    pub(crate) count: u16,
}

/// A request for a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageRequest<'a> {
    /// The address without the query, for links.
    pub(crate) address: &'a str,
    pub(crate) query: &'a str,
}

/// Returns a page, or what is wrong with the request; `place_of` finds ids that may be gone.
pub(crate) fn page(
    list: &StateList,
    request: PageRequest<'_>,
    entries: &[Entry],
    place_of: &dyn Fn(&str) -> Option<usize>,
) -> Result<MadeAnswer, String> {
    let mut body = Value::Object(Map::new());
    let mut headers = Vec::new();
    let (start, size) = match &list.page {
        Some(paging) => (
            start_of(paging, request, entries, place_of)?,
            number(request.query, paging.size_param.as_deref())?
                .or(paging.size.and_then(|size| usize::try_from(size).ok()))
                .unwrap_or(USUAL_SIZE),
        ),
        None => (0, entries.len()),
    };
    // A page beyond the end is empty, because entries may disappear between two pages.
    let rest = entries.get(start..).unwrap_or_default();
    let shown = &rest[..size.min(rest.len())];
    let shown_entries = shown.iter().map(|entry| shown_entry(list, entry)).collect();
    put(&mut body, list.each.as_str(), Value::Array(shown_entries));
    if let Some(total) = &list.total {
        put(&mut body, total.as_str(), entries.len().into());
    }
    let last = shown.last().filter(|_| rest.len() > shown.len());
    if let (Some(paging), Some(last)) = (&list.page, last) {
        let mark = last.place.to_string();
        match &paging.by {
            PageBy::Cursor { from: CursorFrom::Page(at), .. } => {
                put(&mut body, at.as_str(), mark.into());
            }
            PageBy::Next { from: TextSource::Json(at) } => {
                put(&mut body, at.as_str(), link(request, &mark).into());
            }
            PageBy::Next { from: TextSource::Header(name) } => {
                headers.push((name.clone(), format!("<{}>; rel=\"next\"", link(request, &mark))));
            }
            PageBy::Number { .. }
            | PageBy::Offset { .. }
            | PageBy::Cursor { from: CursorFrom::LastId, .. } => {}
        }
    }
    Ok(MadeAnswer { status: 200, headers, body: MadeBody::Json(body) })
}

/// Returns the index of the first entry of a page.
fn start_of(
    paging: &Paging,
    request: PageRequest<'_>,
    entries: &[Entry],
    place_of: &dyn Fn(&str) -> Option<usize>,
) -> Result<usize, String> {
    let behind = |place: usize| entries.iter().take_while(|entry| entry.place <= place).count();
    match &paging.by {
        PageBy::Number { param, first, .. } => {
            let first = usize::try_from(*first).unwrap_or_default();
            let number = number(request.query, Some(param))?.unwrap_or(first);
            let before = number.checked_sub(first).ok_or_else(|| format!("no page {number}"))?;
            let size = self::number(request.query, paging.size_param.as_deref())?
                .or(paging.size.and_then(|size| usize::try_from(size).ok()));
            Ok(before.saturating_mul(size.unwrap_or(USUAL_SIZE)))
        }
        PageBy::Offset { param } => Ok(number(request.query, Some(param))?.unwrap_or_default()),
        PageBy::Cursor { param, from: CursorFrom::LastId } => match field(request.query, param) {
            None => Ok(0),
            Some(id) => place_of(&id).map(behind).ok_or_else(|| format!("no entry `{id}`")),
        },
        PageBy::Cursor { param, from: CursorFrom::Page(_) } => {
            Ok(number(request.query, Some(param))?.map_or(0, behind))
        }
        PageBy::Next { .. } => Ok(number(request.query, Some(MARK))?.map_or(0, behind)),
    }
}

fn shown_entry(list: &StateList, entry: &Entry) -> Value {
    let mut json = Value::Object(Map::new());
    put(&mut json, list.id.as_str(), entry.id.as_str().into());
    if let Some(name) = &list.name {
        put(&mut json, name.as_str(), format!("thing {}", entry.id).into());
    }
    match &list.state {
        EntryState::Word(at) => put(&mut json, at.as_str(), entry.state.clone()),
        EntryState::Counters(at) => {
            let state = match &entry.state {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let counters = Map::from_iter([(state, entry.count.into())]);
            put(&mut json, at.as_str(), Value::Object(counters))
        }
    };
    json
}

/// Returns the address of the page behind a mark.
fn link(request: PageRequest<'_>, mark: &str) -> String {
    let others = form_urlencoded::parse(request.query.as_bytes()).filter(|(name, _)| name != MARK);
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(others).append_pair(MARK, mark);
    format!("{}?{}", request.address, query.finish())
}

fn field(query: &str, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(query.as_bytes());
    fields.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// Returns the number of a field, if it is there.
fn number(query: &str, name: Option<&str>) -> Result<Option<usize>, String> {
    let Some(value) = name.and_then(|name| field(query, name)) else { return Ok(None) };
    let number = value.parse().map_err(|_| format!("`{value}` is no number"))?;
    Ok(Some(number))
}
