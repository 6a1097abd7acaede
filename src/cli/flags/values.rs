//! Values of flags that need reading, with messages that show a right one.

use batchctl::api::{Endpoint, ProjectId};
use batchctl::input::Format;
use batchctl::plan::OnDuplicate;
use batchctl::policy::OnDoubt;
use batchctl::progress::LogFormat;
use batchctl::report::{CsvDialect, RowFilter, Schema};
use batchctl::sandbox::SandboxAuth;
use batchctl::settings::OnUnknown;
use batchctl::store::JobName;
use batchctl::task::{FailureKind, InvalidShard, Level, Outcome, Rate, Shard};
use batchctl::text::address;
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use glob::Pattern;
use jiff::SignedDuration;
use std::num::{IntErrorKind, NonZeroU32, NonZeroUsize, ParseIntError};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// What to do with an input without a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EmptyInput {
    Fail,
    Ok,
}

/// `--rate`: a rate, one to be found, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RateChoice {
    Limit(Rate),
    Auto,
    None,
}

/// `--shard`: a shard, or one whose number the scheduler of this machine's job says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShardChoice {
    Of(Shard),
    /// The scheduler says how many there are, too.
    Auto,
    AutoOf(NonZeroU32),
}

/// Reads `K/N`, `auto` or `auto/N`.
pub(crate) fn shard(text: &str) -> Result<ShardChoice, String> {
    if text == "auto" {
        return Ok(ShardChoice::Auto);
    }
    let reason = |error| format!("{error}, or `auto` or `auto/N`");
    match text.strip_prefix("auto/") {
        Some(of) => match of.parse().map(|of: NonZeroU32| (of, Shard::new(1, of.get()))) {
            Ok((of, Ok(_))) => Ok(ShardChoice::AutoOf(of)),
            Ok((_, Err(error))) => Err(reason(error)),
            Err(_) => Err(reason(InvalidShard)),
        },
        None => text.parse().map(ShardChoice::Of).map_err(reason),
    }
}

/// A rate, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedRate(pub(crate) Option<Rate>);

pub(crate) fn rate(text: &str) -> Result<RateChoice, String> {
    match text {
        "auto" => Ok(RateChoice::Auto),
        "none" => Ok(RateChoice::None),
        rate => {
            let with_words = |error| format!("{error}, or `auto` or `none`");
            rate.parse().map(RateChoice::Limit).map_err(with_words)
        }
    }
}

/// Reads the name of a job whose runs are looked for.
pub(crate) fn job(text: &str) -> Result<String, String> {
    let name: Result<JobName, _> = text.parse();
    name.map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// Reads a text that something is compared with; none is empty.
pub(crate) fn some_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty, and nothing is".into()) } else { Ok(text.into()) }
}

/// Reads a pattern for names; none is empty.
pub(crate) fn pattern(text: &str) -> Result<Pattern, String> {
    let pattern = some_text(text).map_err(|error| format!("{error}; `*` is any name"))?;
    Pattern::new(&pattern).map_err(|error| error.to_string())
}

/// Reads the status of an answer.
pub(crate) fn status(text: &str) -> Result<u16, String> {
    match whole_number(text)? {
        status @ 100..=999 => Ok(status),
        _ => Err("a status has three digits, such as 429".into()),
    }
}

/// Reads the name of a rate group, which is also that of its file.
pub(crate) fn group(text: &str) -> Result<String, String> {
    let name: Result<JobName, _> = text.parse();
    let reason =
        "a group's name has 1 to 64 letters, digits, `.`, `_` and `-`, and begins with no dot";
    name.map(|name| name.to_string()).map_err(|_| reason.to_owned())
}

/// Reads a rate that is not to be found.
pub(crate) fn fixed_rate(text: &str) -> Result<FixedRate, String> {
    if text == "none" {
        return Ok(FixedRate(None));
    }
    let with_words = |error| format!("{error}, or `none`");
    text.parse().map(|rate| FixedRate(Some(rate))).map_err(with_words)
}

/// Reads one of a few words; help shows them and shells complete them.
fn word<T: Copy + Send + Sync + 'static, const N: usize>(
    table: [(&'static str, T); N],
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(table.map(|(word, _)| word));
    words.map(move |typed| {
        let found = table.into_iter().find(|(word, _)| *word == typed);
        found.expect("the parser accepts words of the table alone").1
    })
}

/// Reads what happens to a call that may have been carried out.
pub(crate) fn on_doubt() -> impl TypedValueParser<Value = OnDoubt> {
    word([("retry", OnDoubt::Retry), ("hold", OnDoubt::Hold)])
}

/// Reads what happens to tasks that the project does not know.
pub(crate) fn on_unknown() -> impl TypedValueParser<Value = OnUnknown> {
    word([("fail", OnUnknown::Fail), ("send", OnUnknown::Send), ("skip", OnUnknown::Skip)])
}

/// Reads what happens to a duplicate.
pub(crate) fn on_duplicate() -> impl TypedValueParser<Value = OnDuplicate> {
    word([("collapse", OnDuplicate::Collapse), ("error", OnDuplicate::Error)])
}

/// Reads the format of an input.
pub(crate) fn input_format() -> impl TypedValueParser<Value = Format> {
    let (csv, tsv) = (("csv", Format::Csv), ("tsv", Format::Tsv));
    word([("auto", Format::Auto), csv, tsv, ("list", Format::List)])
}

/// Reads the format of a log.
pub(crate) fn log_format() -> impl TypedValueParser<Value = LogFormat> {
    word([("text", LogFormat::Text), ("json", LogFormat::Json)])
}

/// Reads the readers that a CSV is written for.
pub(crate) fn csv_dialect() -> impl TypedValueParser<Value = CsvDialect> {
    word([("plain", CsvDialect::Plain), ("excel", CsvDialect::Excel)])
}

/// Reads the credentials that a sandbox demands.
pub(crate) fn sandbox_auth() -> impl TypedValueParser<Value = SandboxAuth> {
    word([
        ("none", SandboxAuth::None),
        ("any-token", SandboxAuth::AnyToken),
        ("token", SandboxAuth::Token),
        ("signature", SandboxAuth::Signature),
    ])
}

/// Reads the name of a document with a schema; help explains each.
pub(crate) fn schema() -> impl TypedValueParser<Value = Schema> {
    let table = [
        ("report", "report.json", Schema::Report),
        ("events", "A line of events.ndjson", Schema::Events),
        ("results", "A row of results.csv, its cells by their columns", Schema::Results),
        ("diff", "The JSON of `report diff`", Schema::Diff),
        ("plan", "The JSON of a dry run and of `plan`", Schema::Plan),
        ("dump", "A line of the dump of exchanges", Schema::Dump),
        ("explain", "The JSON of `explain`", Schema::Explain),
        ("tasks", "The JSON of `tasks`", Schema::Tasks),
    ];
    let words = table.map(|(word, help, _)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(words).map(move |typed| {
        let found = table.into_iter().find(|(word, ..)| *word == typed);
        found.expect("the parser accepts words of the table alone").2
    })
}

/// Reads an outcome; the words are shown in help and completed by shells.
pub(crate) fn outcome() -> impl TypedValueParser<Value = Outcome> {
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)).try_map(|word| word.parse())
}

/// Reads which tasks a document is narrowed to: those with an outcome, or a part of them.
pub(crate) fn row_filter() -> impl TypedValueParser<Value = RowFilter> {
    let words = Outcome::ALL.map(Outcome::as_str).into_iter().chain(RowFilter::PARTS);
    PossibleValuesParser::new(words.collect::<Vec<_>>()).try_map(|word| word.parse())
}

/// Reads what ids name; the words are shown in help and completed by shells.
pub(crate) fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::as_str)).try_map(|word| word.parse())
}

/// Reads a kind of failure.
pub(crate) fn failure_kind() -> impl TypedValueParser<Value = FailureKind> {
    PossibleValuesParser::new(FailureKind::ALL.map(FailureKind::as_str))
        .try_map(|word| word.parse())
}

/// The most calls in flight that can be asked for. A machine has 65,535 ports for one address.
pub(crate) const MAX_CONCURRENCY: usize = 65_535;

/// Reads how many calls may be in flight.
pub(crate) fn concurrency(text: &str) -> Result<NonZeroUsize, String> {
    let most: NonZeroUsize = whole_number(text)?;
    if most.get() > MAX_CONCURRENCY {
        return Err(format!("at most {MAX_CONCURRENCY} calls can be in flight"));
    }
    Ok(most)
}

/// Reads a whole number; 0 only for a kind of number that has it.
pub(crate) fn whole_number<T: FromStr<Err = ParseIntError>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: ParseIntError| {
        let what = match error.kind() {
            IntErrorKind::Zero => "it has to be 1 or more",
            IntErrorKind::PosOverflow => "it is too large",
            _ => "it has to be a whole number",
        };
        what.into()
    })
}

/// Reads how many sub-tasks are named at most.
pub(crate) fn drill_limit(text: &str) -> Result<NonZeroU32, String> {
    // A report names all of them, so they have to fit in memory and on a page.
    const MOST: u32 = 10_000;
    let limit: NonZeroU32 = whole_number(text)?;
    if limit.get() <= MOST { Ok(limit) } else { Err("it has to be 10000 or less".into()) }
}

/// Reads `60s`, `500ms`, `1h 30m` and the like.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "a span of time looks like `500ms`, `60s`, `10m` or `1h 30m`".to_owned();
    // jiff reads a sign as well; a negative span fails in the next line.
    let span: SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| wrong())
}

/// Reads a name and what it stands for, such as `cn-north-4=0123`.
pub(crate) fn named(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it looks like `NAME=ID`")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// Reads a span that is longer than nothing.
pub(crate) fn positive_span(text: &str) -> Result<Duration, String> {
    match span(text)? {
        Duration::ZERO => Err("it has to be longer than nothing".into()),
        span => Ok(span),
    }
}

/// Reads a span, or a number of days such as `30d`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let days = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u32>().ok());
    match days {
        Some(days) => Ok(Duration::from_secs(u64::from(days) * 86_400)),
        None => span(text).map_err(|_| "an age looks like `30d` or `12h`".into()),
    }
}

/// Reads a number of bytes, such as `500MB` or `1GiB`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size looks like `500MB` or `1GiB`".to_owned();
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(wrong)
}

/// Reads `5ms..30ms`, or one span for both ends.
pub(crate) fn spans(text: &str) -> Result<RangeInclusive<Duration>, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let range = span(from)?..=span(to)?;
    if range.is_empty() {
        Err("the second span is shorter than the first".into())
    } else {
        Ok(range)
    }
}

/// Reads two numbers, the least and the most, such as `3..3000`.
pub(crate) fn numbers(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let range = whole_number(from)?..=whole_number(to)?;
    match (range.is_empty(), *range.start()) {
        (true, _) => Err("the second number is less than the first".into()),
        (false, 0) => Err("it has to be 1 or more".into()),
        (false, _) => Ok(range),
    }
}

/// Reads `2%`, or a share such as `0.02`.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let wrong = || "a share looks like `2%` or `0.02`".to_owned();
    let share = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
        None => text.trim().parse().map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

/// Reads a delimiter: one ASCII character, or `tab`.
pub(crate) fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        (_, &[byte]) if byte.is_ascii() && byte != b'"' && !matches!(byte, b'\r' | b'\n') => {
            Ok(byte)
        }
        _ => Err("a delimiter is one character such as `;`, or `tab`".into()),
    }
}

/// Reads an endpoint that may turn out to need `--insecure-http`.
pub(crate) fn insecure_endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::insecure(text).map_err(|error| error.to_string())
}

pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|error: batchctl::api::EndpointError| error.to_string())
}

pub(crate) fn project_id(text: &str) -> Result<ProjectId, String> {
    text.parse().map_err(|error: batchctl::api::ProjectIdError| error.to_string())
}

/// Reads the address of a monitor.
pub(crate) fn ping(text: &str) -> Result<Url, String> {
    let wrong = "a monitor's address looks like `https://hc-ping.com/UUID`";
    let url = address(text).map_err(|error| format!("{wrong} ({error})"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(wrong.into()) }
}

/// Reads the name of a region, which becomes part of a host name.
pub(crate) fn region(text: &str) -> Result<String, String> {
    let belongs = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    // A dot or a slash would turn the name into another host.
    if !text.is_empty() && text.chars().all(belongs) {
        return Ok(text.into());
    }
    Err("a region looks like `cn-north-4`".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn spans_are_read_with_their_unit() {
        let check = |text, millis: Option<u64>| {
            assert_eq!(span(text).ok(), millis.map(Duration::from_millis), "{text}");
        };
        check("60s", Some(60_000));
        check("500ms", Some(500));
        check("1h 30m", Some(5_400_000));
        check("1h30m", Some(5_400_000));
        check("0s", Some(0));
        check("60", None);
        check("-5s", None);
        check("soon", None);
        assert!(positive_span("0s").is_err());
    }

    #[test]
    fn numbers_are_whole_and_others_are_refused_with_the_reason() {
        assert_eq!(whole_number(" 16 "), Ok(16_u32));
        assert_eq!(whole_number("0"), Ok(0_u32));
        let message = |text| whole_number::<NonZeroU32>(text).unwrap_err();
        assert_eq!(message("0"), "it has to be 1 or more");
        assert_eq!(message("4294967296"), "it is too large");
        for text in ["", "-1", "1.5", "many"] {
            assert_eq!(message(text), "it has to be a whole number", "{text}");
        }
    }

    #[test]
    fn ranges_and_shares_are_read() {
        let millis = Duration::from_millis;
        assert_eq!(spans("5ms..30ms"), Ok(millis(5)..=millis(30)));
        assert_eq!(spans("5ms"), Ok(millis(5)..=millis(5)));
        assert!(spans("30ms..5ms").is_err());
        assert_eq!(share("2%"), Ok(0.02));
        assert_eq!(share("0.5"), Ok(0.5));
        assert!(share("101%").is_err());
        assert!(share("-1%").is_err());
        assert!(share("NaN").is_err());
    }

    #[test]
    fn ages_and_sizes_are_read() {
        assert_eq!(age("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        assert!(age("old").is_err());
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("500 MB"), Ok(500_000_000));
        assert_eq!(size("7"), Ok(7));
        for text in ["", "GiB", "1TB", "99999999999999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_delimiter_is_one_character() {
        assert_eq!(delimiter(";"), Ok(b';'));
        assert_eq!(delimiter("tab"), Ok(b'\t'));
        for text in ["", ";;", "\"", "\n", "é"] {
            assert!(delimiter(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn rates_are_a_limit_or_found_or_none() {
        assert_eq!(rate("none"), Ok(RateChoice::None));
        assert_eq!(rate("auto"), Ok(RateChoice::Auto));
        assert_eq!(rate("10/s"), Ok(RateChoice::Limit("10/s".parse().unwrap())));
        assert!(rate("fast").is_err());
    }

    #[test]
    fn a_region_cannot_leave_its_place_in_a_host_name() {
        assert!(region("cn-north-4").is_ok());
        for text in ["", "evil.example.com/", "a.b", "A"] {
            assert!(region(text).is_err(), "{text}");
        }
    }
}
