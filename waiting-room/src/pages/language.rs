//! One language: its sentences, and numbers, spans and dates as it writes them.

use std::collections::HashMap;
use time::OffsetDateTime;

/// Numbers are written in groups of this many digits.
const GROUP: usize = 3;
const MINUTES_A_HOUR: u64 = 60;
/// From here on hours are easier to read than minutes.
const HOURS_FROM_MINUTES: u64 = 120;

/// A language, complete: a sentence that its own file does not have is English.
#[derive(Debug, Clone)]
pub(super) struct Language {
    /// Its tag (BCP 47), such as `ko` or `pt-BR`.
    pub(super) code: String,
    sentences: HashMap<String, String>,
}

impl Language {
    /// The language `code` with the sentences in `text` (TOML), the rest as in `otherwise`. Without `otherwise` the
    /// text is the whole language.
    ///
    /// # Errors
    /// Every mistake in the text, one line each: unknown names, other words in braces than `otherwise` has.
    pub(super) fn read(code: &str, text: &str, otherwise: Option<&Self>) -> Result<Self, Vec<String>> {
        let mut own: HashMap<String, String> =
            toml::from_str(text).map_err(|error| vec![error.to_string().trim().to_owned()])?;
        let mut mistakes: Vec<String> = match otherwise {
            Some(whole) => own
                .iter()
                .filter_map(|(name, sentence)| mistake_in(name, sentence, whole))
                .collect(),
            None => Vec::new(),
        };
        if own
            .get("direction")
            .is_some_and(|direction| !matches!(direction.as_str(), "ltr" | "rtl"))
        {
            mistakes.push("direction: must be ltr or rtl".to_owned());
        }
        if !mistakes.is_empty() {
            mistakes.sort();
            return Err(mistakes);
        }
        if otherwise.is_some_and(|whole| whole.code != code) {
            own.entry("language".to_owned())
                .or_insert_with(|| code.to_owned());
        }
        let mut sentences = otherwise.map(|whole| whole.sentences.clone()).unwrap_or_default();
        sentences.extend(own);
        Ok(Self {
            code: code.to_owned(),
            sentences,
        })
    }

    /// A sentence as it stands, if there is one of this name.
    pub(super) fn sentence(&self, name: &str) -> Option<&str> {
        self.sentences.get(name).map(String::as_str)
    }

    /// The names of all sentences.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sentences.keys().map(String::as_str)
    }

    /// A sentence with its words filled in by `value`; a word that has no value stays as it is.
    pub(super) fn filled(&self, name: &str, mut value: impl FnMut(&str) -> Option<String>) -> String {
        let mut filled = String::new();
        let mut rest = self.sentence(name).unwrap_or_default();
        while let Some((before, word, after)) = next_word(rest) {
            filled.push_str(before);
            filled.push_str(&value(word).unwrap_or_else(|| format!("{{{word}}}")));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    fn with(&self, name: &str, values: &[(&str, &str)]) -> String {
        self.filled(name, |word| {
            values
                .iter()
                .find_map(|(known, value)| (*known == word).then(|| (*value).to_owned()))
        })
    }

    /// `12,345`.
    pub(super) fn number(&self, number: u64) -> String {
        let digits = number.to_string();
        let separator = self.sentence("thousands").unwrap_or_default();
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(GROUP) {
                grouped.push_str(separator);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A count with its word, such as `people` or `units`.
    pub(super) fn count(&self, of: &str, number: u64) -> String {
        self.with(of, &[("count", &self.number(number))])
    }

    /// A span in whole minutes, or in hours and minutes.
    pub(super) fn minutes(&self, minutes: u64) -> String {
        if minutes == 0 {
            return self.with("under_a_minute", &[]);
        }
        if minutes < HOURS_FROM_MINUTES {
            return self.count("minutes", minutes);
        }
        let (hours, minutes) = (minutes / MINUTES_A_HOUR, minutes % MINUTES_A_HOUR);
        self.with(
            "hours",
            &[("hours", &self.number(hours)), ("minutes", &self.number(minutes))],
        )
    }

    /// A wait from `low` to `high` seconds: the low end rounded down, the high end up.
    pub(super) fn wait(&self, low: u64, high: u64) -> String {
        let (low, high) = (low / 60, high.div_ceil(60));
        match (low, high) {
            (_, 0 | 1) => self.minutes(0),
            (0, _) => self.with("wait_up_to", &[("high", &self.minutes(high))]),
            _ if low >= high => self.minutes(high),
            (_, 0..HOURS_FROM_MINUTES) => self.with(
                "wait_minutes",
                &[("low", &self.number(low)), ("high", &self.number(high))],
            ),
            _ => self.with(
                "wait_range",
                &[("low", &self.minutes(low)), ("high", &self.minutes(high))],
            ),
        }
    }

    /// A moment in UTC: where the shopper is, only the browser knows.
    pub(super) fn date(&self, unix_ms: u64) -> String {
        let nanos = i128::from(unix_ms) * 1_000_000;
        let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
            return String::new();
        };
        self.with(
            "date",
            &[
                ("year", &at.year().to_string()),
                ("month", &format!("{:02}", u8::from(at.month()))),
                ("day", &format!("{:02}", at.day())),
                ("hour", &format!("{:02}", at.hour())),
                ("minute", &format!("{:02}", at.minute())),
            ],
        )
    }

    /// A moment, and how long until then; only the moment when it has passed.
    pub(super) fn when(&self, unix_ms: u64, now_unix_ms: u64) -> String {
        let date = self.date(unix_ms);
        let minutes = unix_ms.saturating_sub(now_unix_ms).div_ceil(60_000);
        if minutes == 0 {
            return date;
        }
        self.with("when", &[("date", &date), ("span", &self.minutes(minutes))])
    }
}

/// What is wrong with a sentence, compared with the same one in a whole language.
fn mistake_in(name: &str, sentence: &str, whole: &Language) -> Option<String> {
    let Some(known) = whole.sentence(name) else {
        return Some(format!("{name}: there is no sentence of this name"));
    };
    let (expected, found) = (words_of(known), words_of(sentence));
    if found == expected && !has_loose_brace(sentence) {
        return None;
    }
    let expected = match expected.is_empty() {
        true => "no words in braces".to_owned(),
        false => format!("{{{}}}", expected.join("}, {")),
    };
    Some(format!("{name}: must use {expected}, each brace closed"))
}

/// The words in braces, sorted, each once.
fn words_of(sentence: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = sentence;
    while let Some((_, word, after)) = next_word(rest) {
        words.push(word);
        rest = after;
    }
    words.sort_unstable();
    words.dedup();
    words
}

fn has_loose_brace(sentence: &str) -> bool {
    let mut rest = sentence;
    let mut outside = String::new();
    while let Some((before, _, after)) = next_word(rest) {
        outside.push_str(before);
        rest = after;
    }
    outside.push_str(rest);
    outside.contains(['{', '}'])
}

/// What is before the next word in braces, the word, and what is after it.
fn next_word(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (word, after) = rest.split_once('}')?;
    let plain = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (plain && !word.is_empty()).then_some((before, word, after))
}

#[cfg(test)]
mod tests {
    use super::super::languages::{ENGLISH, KOREAN};
    use super::*;

    fn english() -> Language {
        Language::read("en", ENGLISH, None).unwrap()
    }

    fn korean() -> Language {
        Language::read("ko", KOREAN, Some(&english())).unwrap()
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
            (12_345, "12,345"),
        ] {
            assert_eq!(english().number(number), expected);
        }
    }

    #[test]
    fn waits_are_told_in_minutes() {
        for (low, high, in_english, in_korean) in [
            (1, 2, "less than a minute", "1분 이내"),
            (0, 60, "less than a minute", "1분 이내"),
            (30, 170, "up to 3 min", "최대 3분"),
            (60, 61, "1 to 2 min", "1~2분"),
            (180, 180, "3 min", "3분"),
            (720, 1_200, "12 to 20 min", "12~20분"),
            (7_100, 7_300, "118 min to 2 h 2 min", "118분~2시간 2분"),
        ] {
            assert_eq!(english().wait(low, high), in_english, "{low} to {high}");
            assert_eq!(korean().wait(low, high), in_korean, "{low} to {high}");
        }
    }

    #[test]
    fn dates_say_how_far_they_are() {
        let ten = 1_803_895_200_000;
        assert_eq!(
            english().when(ten, ten - 90_000),
            "2027-03-01 10:00 UTC (in 2 min)"
        );
        assert_eq!(english().when(ten, ten), "2027-03-01 10:00 UTC");
        assert_eq!(
            korean().when(ten, ten - 60_000),
            "2027년 03월 01일 10:00 (UTC) (1분 후)"
        );
    }

    #[test]
    fn mistakes_are_all_reported() {
        let text = r#"
            leave = "Weg"
            leaf = "Blatt"
            minutes = "{zahl} Minuten"
            wait_range = "{low} bis"
            hours = "{hours} {minutes"
            wait = "{count} warten"
            direction = "up"
        "#;
        let mistakes = Language::read("de", text, Some(&english())).unwrap_err();
        for name in ["leaf", "minutes", "wait_range", "hours", "wait", "direction"] {
            assert!(
                mistakes.iter().any(|line| line.starts_with(&format!("{name}:"))),
                "{name} in {mistakes:?}"
            );
        }
        assert_eq!(mistakes.len(), 6, "{mistakes:?}");
        assert!(Language::read("de", "leave = 3", Some(&english())).is_err());
    }

    #[test]
    fn what_is_missing_is_english() {
        let german = Language::read("de", r#"leave = "Weg""#, Some(&english())).unwrap();
        assert_eq!(german.sentence("leave"), Some("Weg"));
        assert_eq!(german.sentence("rejoin"), Some("Line up again"));
    }

    #[test]
    fn korean_is_complete() {
        let own: HashMap<String, String> = toml::from_str(KOREAN).unwrap();
        let english = english();
        let mut missing: Vec<&str> = english.names().filter(|name| !own.contains_key(*name)).collect();
        missing.sort_unstable();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
