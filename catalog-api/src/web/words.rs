//! What pages say, in the languages that they speak: a file of sentences each.

use super::template::{Insert, fill};
use contract::Language;
use std::{collections::HashMap, sync::LazyLock};

pub(super) const EN: &str = include_str!("../../web/words/en.json");
pub(super) const KO: &str = include_str!("../../web/words/ko.json");

/// The sentences of a language by their names.
pub(super) struct Words {
    language: Language,
    sentences: HashMap<String, String>,
}

impl Words {
    /// The sentences of this language.
    pub(super) fn of(language: Language) -> &'static Self {
        static ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::read(Language::En, EN));
        static KOREAN: LazyLock<Words> = LazyLock::new(|| Words::read(Language::Ko, KO));
        match language {
            Language::En => &ENGLISH,
            Language::Ko => &KOREAN,
        }
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> &str {
        self.sentences.get(name).map_or("", String::as_str)
    }

    /// Fills a template with these sentences, and what stands in `inserts`.
    pub(super) fn fill(&self, template: &str, inserts: &[(&str, Insert<'_>)]) -> String {
        let sentences = self.sentences.iter();
        let mut all: Vec<(&str, Insert<'_>)> = inserts.to_vec();
        all.push(("lang", Insert::Text(self.language.as_str())));
        all.extend(sentences.map(|(name, sentence)| (name.as_str(), Insert::Text(sentence))));
        fill(template, &all)
    }

    /// A file of ours, which the tests read.
    fn read(language: Language, text: &str) -> Self {
        let sentences = serde_json::from_str(text).unwrap_or_default();
        Self { language, sentences }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::OrderState;
    use std::collections::BTreeSet;

    fn names(language: Language) -> BTreeSet<&'static str> {
        Words::of(language).sentences.keys().map(String::as_str).collect()
    }

    #[test]
    fn every_language_has_every_sentence() {
        let english = names(Language::En);
        for language in Language::ALL {
            assert_eq!(names(language), english, "{language:?}");
        }
        for state in [
            OrderState::Pending,
            OrderState::Held,
            OrderState::Refused,
            OrderState::Paid,
            OrderState::Cancelled,
            OrderState::PaymentFailed,
            OrderState::PaymentAbandoned,
            OrderState::Expired,
            OrderState::Shipped,
            OrderState::Delivered,
            OrderState::Confirmed,
            OrderState::ReturnRequested,
            OrderState::RefundDue,
            OrderState::Refunded,
        ] {
            assert!(!Words::of(Language::Ko).get(state.as_str()).is_empty(), "{state}");
            assert!(english.contains(format!("{state}_why").as_str()), "{state}");
        }
    }

    /// `words.name` in a script.
    #[test]
    fn scripts_ask_for_sentences_that_there_are() {
        let english = names(Language::En);
        for script in [
            include_str!("../../web/order.js"),
            include_str!("../../web/account.js"),
        ] {
            let asked = script.split("words.").skip(1);
            let is_of_name = |character: char| character.is_ascii_lowercase() || character == '_';
            let asked = asked.map(|rest| rest.split(|character| !is_of_name(character)).next());
            for name in asked.flatten().filter(|name| !name.is_empty()) {
                assert!(english.contains(name), "{name}");
            }
        }
    }
}
