//! What was received.

use mail_parser::MessageParser;
use serde::Serialize;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Mails kept; the oldest go first.
const KEPT: usize = 1_000;
/// Busy recipients remembered.
const BUSY_MAX: usize = 1_000;
/// How often a busy recipient is busy.
const BUSY_TIMES: u32 = 2;

/// A mail, its encodings undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// What the sender calls it; the same for a mail that was sent twice.
    pub message_id: String,
    /// Sender, as the envelope has it.
    pub from: String,
    /// Recipients, as the envelope has them.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// When it was received, Unix milliseconds.
    pub received_unix_ms: u64,
}

/// Whether a recipient is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recipient {
    Known,
    Nobody,
    Busy,
}

/// All mails, shared.
#[derive(Debug, Clone, Default)]
pub struct Mails(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Mail>,
    busy: HashMap<String, u32>,
}

impl Mails {
    /// Mails to this address (or all), the newest first.
    pub fn to(&self, address: Option<&str>) -> Vec<Mail> {
        let is_meant = |mail: &&Mail| address.is_none_or(|address| mail.to.iter().any(|to| to == address));
        self.kept().mails.iter().rev().filter(is_meant).cloned().collect()
    }

    pub(crate) fn receive(&self, from: String, to: Vec<String>, message: &[u8], received_unix_ms: u64) {
        let parsed = MessageParser::default().parse(message).unwrap_or_default();
        let text = parsed.body_text(0).map(|text| text.replace("\r\n", "\n"));
        let mail = Mail {
            message_id: parsed.message_id().unwrap_or_default().to_owned(),
            from,
            to,
            subject: parsed.subject().unwrap_or_default().to_owned(),
            text: text.unwrap_or_default(),
            received_unix_ms,
        };
        let mut kept = self.kept();
        if kept.mails.len() == KEPT {
            kept.mails.pop_front();
        }
        kept.mails.push_back(mail);
    }

    pub(crate) fn recipient(&self, address: &str) -> Recipient {
        if address.starts_with("nobody") {
            return Recipient::Nobody;
        }
        if !address.starts_with("busy") {
            return Recipient::Known;
        }
        let mut kept = self.kept();
        if kept.busy.len() >= BUSY_MAX {
            kept.busy.clear();
        }
        let times = kept.busy.entry(address.to_owned()).or_default();
        *times += 1;
        if *times <= BUSY_TIMES {
            Recipient::Busy
        } else {
            Recipient::Known
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
