//! Reads a service file: TOML into values, with every problem at its place.
//!
//! The text is all there is: nothing is opened here, and a file can name no command, file or
//! variable. What concerns two parts of a file is checked in `check`.

use crate::service::action_file;
use crate::service::check;
use crate::service::definition::{Auth, IdRule, Service};
use crate::service::problem::{Problems, ServiceProblem};
use crate::service::request_file;
use crate::service::rule::{CountsAt, ErrorAt, TextSource, Within};
use crate::service::rule_file::{RulesOf, is_token, pointer, pointers, regex, rules, text_source};
use crate::service::section::{Section, Text, whole_number};
use crate::service::state_file;
use crate::text::address;
use toml::de::DeTable;
use url::Url;

/// The format that this version reads.
const FORMAT: i64 = 1;
/// The pattern of ids, unless the file has another.
const ID_PATTERN: &str = "^[A-Za-z0-9._~-]{1,128}$";
/// The largest file, in bytes.
pub const MOST_BYTES: u64 = 256 << 10;

/// A service file that can be used.
#[derive(Debug, Clone)]
pub struct ServiceFile {
    /// The service that it describes.
    pub service: Service,
    /// What would be better otherwise.
    pub warnings: Vec<ServiceProblem>,
}

impl ServiceFile {
    /// Reads the text of a file.
    ///
    /// ```
    /// use batchctl::service::ServiceFile;
    ///
    /// let problems = ServiceFile::read("format = 1\nauth = 'nobody'").unwrap_err();
    /// let last = problems.last().unwrap();
    /// assert_eq!(last.to_string(), "2:8: `auth` is `huawei`, `bearer`, `basic`, \
    ///     `header:NAME` or `none`");
    /// ```
    ///
    /// # Errors
    ///
    /// All problems, in the order of the file. Where it is no TOML, those of TOML alone.
    pub fn read(text: &str) -> Result<Self, Vec<ServiceProblem>> {
        let mut problems = Problems::new(text);
        let (table, faults) = DeTable::parse_recoverable(text);
        for fault in &faults {
            let at = fault.span().map_or(text.len(), |span| span.start);
            let message = fault.message().replace('\n', ", ");
            problems.add_with_hint(at, message, "the file is TOML: `endpoint = \"https://…\"`");
        }
        if !problems.is_empty() {
            return Err(problems.finish());
        }
        let mut table = Section::new(table.into_inner(), 0);
        if !has_known_format(&mut table, &mut problems) {
            return Err(problems.finish());
        }
        let service = service(table, &mut problems);
        match service.filter(|_| problems.is_empty()) {
            Some(service) => {
                let mut warnings = Problems::new(text);
                check::warn(&service, &mut warnings);
                Ok(Self { service: service.service, warnings: warnings.finish() })
            }
            None => Err(problems.finish()),
        }
    }
}

/// Returns whether the file is of a format that can be read; of another one nothing is known.
fn has_known_format(table: &mut Section<'_>, problems: &mut Problems<'_>) -> bool {
    let Some(entry) = table.take("format") else {
        problems.add_with_hint(0, "`format` is missing", format!("begin with `format = {FORMAT}`"));
        return true;
    };
    match whole_number(&entry.value) {
        Some(FORMAT) => true,
        Some(other) if other > FORMAT => {
            let message = format!("this version reads format {FORMAT}, not {other}");
            problems.add_with_hint(entry.at, message, "a later batchctl reads this file");
            false
        }
        _ => {
            problems.add(entry.at, format!("`format` is the number {FORMAT}"));
            true
        }
    }
}

fn service(mut table: Section<'_>, problems: &mut Problems<'_>) -> Option<check::PlacedService> {
    action_file::reserve(&mut table, problems);
    let about = table.text("about", problems).map(|text| text.value);
    let endpoint = table.required("endpoint", problems);
    let endpoint = endpoint.and_then(|text| self::endpoint(&text, problems));
    let hosts = hosts(&mut table, problems);
    let auth = auth(&mut table, problems);
    let headers_at = table.place_of("headers");
    let headers = request_file::headers(&mut table, problems);
    let id = id_rule(&mut table, problems);
    let (actions, action_names) = action_file::actions(&mut table, problems);
    let has_rules = table.has("answer");
    let rules = rules(RulesOf::Actions, &mut table, problems);
    let counts_at = table.place_of("counts");
    let counts = table.section("counts", problems);
    let counts = counts.map(|section| counts_of(section, problems));
    let errors = table.section("error", problems);
    let errors = errors.map(|section| errors_of(section, problems)).unwrap_or_default();
    let request_id = request_id(&mut table, problems);
    let state = table.section("state", problems);
    let state_at = state.as_ref().map(|section| section.at);
    let state = state.and_then(|section| state_file::state(section, problems));
    table.finish(problems);
    let (endpoint, auth, id) = (endpoint?, auth?, id?);
    let (places, actions) = actions
        .into_iter()
        .map(|placed| {
            let place = check::ActionPlace {
                at: placed.at,
                leads_to: placed.leads_to_at,
                opposite: placed.opposite_at,
                reached: placed.reached_at,
                has_rules: has_rules || placed.has_rules,
            };
            (place, placed.action)
        })
        .unzip();
    let service = Service {
        about,
        endpoint,
        hosts,
        auth,
        headers,
        id,
        actions,
        rules,
        counts,
        errors,
        request_id,
        state,
    };
    let placed = check::PlacedService {
        service,
        actions: places,
        action_names,
        counts_at,
        headers_at,
        state_at,
    };
    check::check(&placed, problems);
    Some(placed)
}

/// Checks the base of all calls; no column may ever choose a host.
fn endpoint(text: &Text, problems: &mut Problems<'_>) -> Option<String> {
    let mut fault = |message: &str, hint: &str| {
        problems.add_with_hint(text.at, message, hint);
        None
    };
    let plain = text.value.replace("{region}", "region");
    if plain.contains(['{', '}']) {
        return fault(
            "only `{region}` may be a part of `endpoint`",
            "a value of a row never chooses where calls go",
        );
    }
    let Ok(url) = address(&plain) else {
        return fault("`endpoint` is no URL", "such as `https://shop.example.com`");
    };
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return fault("the scheme of `endpoint` is neither https nor http", "write https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fault("`endpoint` has a user in it", "`auth = \"basic\"` is for users");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return fault(
            "`endpoint` has a query or a fragment",
            "the query of a call is `query` of its action",
        );
    }
    let host_end = text.value.find("//").map_or(0, |at| at + 2);
    let path = text.value[host_end..].find('/').map_or("", |at| &text.value[host_end + at..]);
    if path.contains("{region}") {
        return fault("`{region}` may be a part of the host alone", "write the path as it is");
    }
    Some(text.value.trim_end_matches('/').to_owned())
}

fn hosts(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<String> {
    let mut hosts = Vec::new();
    for text in table.texts("hosts", problems).unwrap_or_default() {
        let url = Url::parse(&format!("https://{}/", text.value)).ok();
        let is_host = url.is_some_and(|url| {
            let host = url.host_str().unwrap_or_default();
            let named = match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            };
            named.eq_ignore_ascii_case(&text.value)
        });
        if !is_host || text.value.contains('*') {
            let hint = "such as `eu.example.com` or `10.0.0.7:8443`, without a wildcard";
            problems.add_with_hint(text.at, format!("`{}` is no host", text.value), hint);
        }
        hosts.push(text.value);
    }
    hosts
}

fn auth(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<Auth> {
    let text = table.required("auth", problems)?;
    let auth = match text.value.as_str() {
        "huawei" => Some(Auth::Huawei),
        "bearer" => Some(Auth::Bearer),
        "basic" => Some(Auth::Basic),
        "none" => Some(Auth::None),
        other => other
            .strip_prefix("header:")
            .filter(|name| is_token(name))
            .map(|name| Auth::Header(name.to_owned())),
    };
    if auth.is_none() {
        let message = "`auth` is `huawei`, `bearer`, `basic`, `header:NAME` or `none`";
        problems.add(text.at, message);
    }
    auth
}

fn id_rule(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<IdRule> {
    let section = table.section("id", problems);
    let (column, pattern) = match section {
        Some(mut section) => {
            let column = section.text("column", problems);
            let pattern = section.text("pattern", problems);
            section.finish(problems);
            (column, pattern)
        }
        None => (None, None),
    };
    if let Some(column) = column.as_ref().filter(|column| column.value.trim().is_empty()) {
        problems.add(column.at, "`column` names no column");
    }
    let pattern = pattern.unwrap_or(Text { value: ID_PATTERN.into(), at: 0 });
    // By itself first: what is wrong with it must not be said of what is put around it.
    regex(&pattern, problems)?;
    let around = Text { value: format!(r"\A(?:{})\z", pattern.value), at: pattern.at };
    let whole = regex(&around, problems)?;
    Some(IdRule { column: column.map(|text| text.value), pattern: pattern.value, whole })
}

fn counts_of(mut table: Section<'_>, problems: &mut Problems<'_>) -> CountsAt {
    let at = table.at;
    let mut place = |key| table.text(key, problems).and_then(|text| pointer(&text, problems));
    let counts =
        CountsAt { total: place("total"), failed: place("failed"), succeeded: place("succeeded") };
    table.finish(problems);
    let given = [&counts.total, &counts.failed, &counts.succeeded];
    if given.into_iter().flatten().count() < 2 {
        let hint = "the third follows from two of `total`, `failed` and `succeeded`";
        problems.add_with_hint(at, "`counts` needs two places", hint);
    }
    counts
}

fn errors_of(mut table: Section<'_>, problems: &mut Problems<'_>) -> ErrorAt {
    let within = table.texts("within", problems);
    let within = within.map(|texts| {
        let place = |text: &Text| {
            let (at, any_field) = match text.value.strip_suffix("/*") {
                Some(at) => (at, true),
                None => (text.value.as_str(), false),
            };
            let at = pointer(&Text { value: at.into(), at: text.at }, problems)?;
            Some(Within { at, any_field })
        };
        texts.iter().filter_map(place).collect()
    });
    let mut places = |key| pointers(key, &mut table, problems);
    let errors = ErrorAt {
        within: within.unwrap_or_else(|| ErrorAt::default().within),
        code: places("code"),
        message: places("message"),
        detail: places("detail"),
        params: places("params"),
        reason: places("reason"),
        advice: places("advice"),
        list: places("list"),
    };
    table.finish(problems);
    errors
}

fn request_id(table: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<TextSource> {
    match table.texts("request_id", problems) {
        Some(texts) => texts.iter().filter_map(|text| text_source(text, problems)).collect(),
        None => vec![TextSource::Header("X-Request-Id".into())],
    }
}
