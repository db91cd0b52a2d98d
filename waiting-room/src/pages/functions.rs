//! What templates can call: sentences, numbers, spans and dates in the reader's language.

use super::language::Language;
use minijinja::{Error, ErrorKind, Value, context, value::Kwargs};
use std::sync::Arc;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The sentences that the script fills in by itself.
pub(super) const SCRIPT_SENTENCES: [&str; 32] = [
    "thousands",
    "people",
    "units",
    "under_a_minute",
    "minutes",
    "hours",
    "wait_up_to",
    "wait_minutes",
    "wait_range",
    "wait_unknown",
    "when",
    "title_waiting",
    "title_draw",
    "title_called",
    "in_line",
    "in_prequeue",
    "ahead",
    "among",
    "stock_line",
    "announce",
    "note_draw",
    "note_prequeue",
    "note_paused",
    "note_maintenance",
    "note_draining",
    "note_holding",
    "note_sold_out",
    "note_beyond",
    "note_unlikely",
    "note_called",
    "note_offline",
    "note_cookies",
];

/// So begin those that the fairness page's script fills in.
const FAIRNESS_SENTENCES: &str = "fair_";

/// A language as templates use it.
pub(super) fn of(language: &Arc<Language>) -> Value {
    let own = || Arc::clone(language);
    let (say, number, wait, date, when) = (own(), own(), own(), own(), own());
    context! {
        lang => language.code,
        direction => language.sentence("direction"),
        words => Value::from_safe_string(json_of(language, |name| SCRIPT_SENTENCES.contains(&name))),
        fairness_words => Value::from_safe_string(json_of(language, |name| name.starts_with(FAIRNESS_SENTENCES))),
        say => Value::from_function(move |name: String, values: Kwargs| fill(&say, &name, &values)),
        number => Value::from_function(move |count: u64| number.number(count)),
        wait => Value::from_function(move |range: Value| wait_text(&wait, &range)),
        date => Value::from_function(move |unix_ms: u64| date.date(unix_ms)),
        iso => Value::from_function(iso),
        when => Value::from_function(move |unix_ms: u64, now: u64| when.when(unix_ms, now)),
    }
}

/// A moment as machines read it.
fn iso(unix_ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

fn fill(language: &Language, name: &str, values: &Kwargs) -> Result<String, Error> {
    if language.sentence(name).is_none() {
        let what = format!("there is no sentence {name:?}");
        return Err(Error::new(ErrorKind::InvalidOperation, what));
    }
    let mut missing = None;
    let filled = language.filled(name, |word| {
        let value = values
            .get::<Value>(word)
            .ok()
            .filter(|value| !value.is_undefined());
        if value.is_none() {
            missing = Some(word.to_owned());
        }
        value.map(|value| written(language, &value))
    });
    match missing {
        Some(word) => {
            let what = format!("{word} for the sentence {name:?}");
            Err(Error::new(ErrorKind::UndefinedError, what))
        }
        None => Ok(filled),
    }
}

/// A number in groups, anything else as it is.
fn written(language: &Language, value: &Value) -> String {
    match u64::try_from(value.clone()) {
        Ok(number) if value.is_number() => language.number(number),
        _ => value.to_string(),
    }
}

/// A wait, which may not be known.
pub(super) fn wait_text(language: &Language, range: &Value) -> String {
    let end = |name| u64::try_from(range.get_attr(name).ok()?).ok();
    match (end("low"), end("high")) {
        (Some(low), Some(high)) => language.wait(low, high),
        _ => language.sentence("wait_unknown").unwrap_or_default().to_owned(),
    }
}

/// Sentences as JSON that can stand in a page: nothing in it can end the element it stands in.
fn json_of(language: &Language, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut names: Vec<&str> = language.names().filter(|name| is_wanted(name)).collect();
    names.sort_unstable();
    let words: serde_json::Map<String, serde_json::Value> = names
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), language.sentence(name)?.into())))
        .collect();
    serde_json::Value::Object(words)
        .to_string()
        .replace('<', "\\u003c")
}
