//! What a request asks for: the action or state whose template it is, to the last field.
//!
//! A field, header or value that the file does not describe is refused with a 400 that names it. So
//! a client that sends more or less than the file says is noticed.

use crate::sandbox::custom::body_pattern::BodyPattern;
use crate::sandbox::custom::reading::{Reading, Spelling};
use crate::service::{
    Action, PageBy, Paging, Service, StateList, StateRequest, StateSource, Template,
};
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use serde_json::Value;
use url::{Url, form_urlencoded};

/// The query field for the mark of the next page in links that the sandbox makes.
pub(crate) const MARK: &str = "after";

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// An action, by its place in the file.
    Action {
        /// Its place.
        index: usize,
        /// The id.
        id: String,
    },
    /// The state of an id.
    Look {
        /// The id.
        id: String,
    },
    /// A page of the list.
    Page,
    /// Nothing that the file describes.
    Unknown,
}

/// Why a request is none of the file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misread {
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// The requests of a service.
#[derive(Debug)]
pub(crate) struct Requests {
    base: String,
    bodies: Vec<Option<BodyPattern>>,
}

impl Requests {
    /// Returns the requests that a file describes.
    pub(crate) fn new(service: &Service) -> Self {
        let body = |action: &Action| action.body.as_ref().map(BodyPattern::new);
        Self { base: base_path(service), bodies: service.actions.iter().map(body).collect() }
    }

    /// Returns what a request asks for.
    pub(crate) fn recognise(
        &self,
        service: &Service,
        head: &Parts,
        body: &[u8],
    ) -> Result<Operation, Misread> {
        let path = head.uri.path().strip_prefix(self.base.as_str());
        let path = path.filter(|path| path.starts_with('/')).ok_or_else(|| unknown(head))?;
        let request = Request { service, head, path, body };
        if head.method == Method::GET {
            return request.of_state();
        }
        let mut faults = Vec::new();
        for (index, action) in service.actions.iter().enumerate() {
            match request.of_action(action, self.bodies[index].as_ref()) {
                Some(Ok(id)) => return Ok(Operation::Action { index, id }),
                Some(Err(fault)) => faults.push(format!("`{}`: {fault}", action.name)),
                None => {}
            }
        }
        if faults.is_empty() {
            return Err(unknown(head));
        }
        Err(Misread { status: 400, message: faults.join("; ") })
    }
}

/// Returns the path of a service's endpoint, which is before that of every call.
pub(crate) fn base_path(service: &Service) -> String {
    let url = Url::parse(&service.endpoint.replace("{region}", "region")).ok();
    url.map_or_else(String::new, |url| url.path().trim_end_matches('/').to_owned())
}

fn unknown(head: &Parts) -> Misread {
    let message = format!("the file has no {} with this path: {}", head.method, head.uri.path());
    Misread { status: 404, message }
}

/// A request on its way to be recognised.
struct Request<'a> {
    service: &'a Service,
    head: &'a Parts,
    path: &'a str,
    body: &'a [u8],
}

impl Request<'_> {
    /// Returns the id, or what is wrong; nothing if the method or the path is another one's.
    fn of_action(
        &self,
        action: &Action,
        body: Option<&BodyPattern>,
    ) -> Option<Result<String, String>> {
        let mut reading = Reading::new(self.service, Some(&action.name));
        let is_its = self.head.method.as_str() == action.method.as_str()
            && reading.reads(&action.path.parts, self.path, Spelling::Encoded);
        if !is_its {
            return None;
        }
        let read = self
            .query(&action.query, None, &mut reading)
            .and_then(|()| self.headers(&action.headers, &mut reading))
            .and_then(|()| self.body(action, body, &mut reading));
        Some(read.and_then(|()| reading.into_id().ok_or_else(|| "it has no id".into())))
    }

    fn of_state(&self) -> Result<Operation, Misread> {
        let Some(state) = &self.service.state else { return Err(unknown(self.head)) };
        let (request, list) = match &state.from {
            StateSource::Get(get) => (&get.request, None),
            StateSource::List(list) => (&list.request, Some(&**list)),
        };
        let mut reading = Reading::new(self.service, None);
        if !reading.reads(&request.path.parts, self.path, Spelling::Encoded) {
            return Err(unknown(self.head));
        }
        let fault = |message| Misread { status: 400, message };
        self.state_fields(request, list, &mut reading).map_err(fault)?;
        match (list, reading.into_id()) {
            (Some(_), _) => Ok(Operation::Page),
            (None, Some(id)) => Ok(Operation::Look { id }),
            (None, None) => Err(fault("it has no id".into())),
        }
    }

    fn state_fields(
        &self,
        request: &StateRequest,
        list: Option<&StateList>,
        reading: &mut Reading<'_>,
    ) -> Result<(), String> {
        self.query(&request.query, list.and_then(|list| list.page.as_ref()), reading)?;
        self.headers(&request.headers, reading)
    }

    /// Reads the query, which has all fields of the file and no others than those of a page.
    fn query(
        &self,
        fields: &[(String, Template)],
        page: Option<&Paging>,
        reading: &mut Reading<'_>,
    ) -> Result<(), String> {
        let query = self.head.uri.query().unwrap_or_default();
        let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        for (name, template) in fields {
            let mut values = given.iter().filter(|(found, _)| found == name);
            let (first, second) = (values.next(), values.next());
            let Some((_, value)) = first else { return Err(format!("no query field `{name}`")) };
            if second.is_some() || !reading.reads(&template.parts, value, Spelling::Plain) {
                return Err(format!("another query field `{name}`"));
            }
        }
        let is_known = |name: &str| {
            fields.iter().any(|(known, _)| known == name)
                || page.is_some_and(|page| asks(page, name))
        };
        match given.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => Err(format!("the file has no query field `{name}`")),
            None => Ok(()),
        }
    }

    fn headers(&self, own: &[(String, Template)], reading: &mut Reading<'_>) -> Result<(), String> {
        let is_replaced =
            |name: &str| own.iter().any(|(replacing, _)| replacing.eq_ignore_ascii_case(name));
        let shared = self.service.headers.iter().filter(|(name, _)| !is_replaced(name));
        for (name, template) in shared.chain(own) {
            let value = self.head.headers.get(name.as_str()).and_then(|value| value.to_str().ok());
            let is_read = |value| reading.reads(&template.parts, value, Spelling::Plain);
            // An empty header may have been left out on the way.
            if !value.or(Some("")).is_some_and(is_read) {
                return Err(format!("no header `{name}`, or another"));
            }
        }
        Ok(())
    }

    fn body(
        &self,
        action: &Action,
        pattern: Option<&BodyPattern>,
        reading: &mut Reading<'_>,
    ) -> Result<(), String> {
        let Some(pattern) = pattern else {
            return match self.body {
                [] => Ok(()),
                _ => Err("the file has no body".into()),
            };
        };
        let kind = self.head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(&action.content_type) {
            return Err(format!("the Content-Type is not {}", action.content_type));
        }
        match serde_json::from_slice::<Value>(self.body) {
            Ok(value) if pattern.reads(&value, reading) => Ok(()),
            Ok(_) => Err("another body".into()),
            Err(_) => Err("the body is no JSON".into()),
        }
    }
}

/// Returns whether a query field asks for a page.
fn asks(page: &Paging, name: &str) -> bool {
    let by = match &page.by {
        PageBy::Number { param, .. } | PageBy::Offset { param } | PageBy::Cursor { param, .. } => {
            param.as_str()
        }
        PageBy::Next { .. } => MARK,
    };
    name == by || page.size_param.as_deref() == Some(name)
}
