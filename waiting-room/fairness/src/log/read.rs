//! Reading a line, word by word.

use super::{Actor, Beacon, Entry, LineError, Range, Revealed, SIGNATURE_MAX, Text};
use crate::{
    Commitment, Root, Secret, hex,
    text::{decimal, small},
};

/// The words of a line that are still to be read.
pub(super) struct Words<'a>(pub(super) Option<&'a str>);

impl<'a> Words<'a> {
    pub(super) fn word(&mut self) -> Result<&'a str, LineError> {
        let rest = self.0.ok_or(LineError::Fields)?;
        let (word, rest) = match rest.split_once(' ') {
            Some((word, rest)) => (word, Some(rest)),
            None => (rest, None),
        };
        self.0 = rest;
        Ok(word)
    }

    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, LineError> {
        parse(self.word()?).ok_or(LineError::Malformed(name))
    }

    pub(super) fn text(&mut self) -> Result<Text, LineError> {
        let rest = self.0.take().ok_or(LineError::Fields)?;
        Text::parse(rest).ok_or(LineError::Malformed("text"))
    }

    pub(super) fn commit(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Commit {
            at,
            draw: self.read("draw", small)?,
            commitment: self.read("commitment", Commitment::parse)?,
            beacon: self.read("beacon", beacon)?,
        })
    }

    pub(super) fn join(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Join {
            at,
            lane: self.read("lane", small)?,
            first: self.read("first number", decimal)?,
            count: self.read("count", small)?,
            root: self.read("root", Root::parse)?,
        })
    }

    pub(super) fn freeze(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Freeze {
            at,
            draw: self.read("draw", small)?,
            ranges: self.read("ranges", |text| text.split(',').map(range).collect())?,
        })
    }

    pub(super) fn reveal(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Reveal {
            at,
            draw: self.read("draw", small)?,
            secret: self.read("secret", Secret::parse)?,
            beacon: self.read("signature", revealed)?,
        })
    }

    pub(super) fn call(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Call {
            at,
            lane: self.read("lane", small)?,
            called: self.read("called", decimal)?,
            claimed: self.read("claimed", decimal)?,
            missed: self.read("missed", decimal)?,
        })
    }

    pub(super) fn operator(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Operator {
            at,
            actor: self.read("actor", Actor::parse)?,
            text: self.text()?,
        })
    }

    pub(super) fn edge(&mut self, at: u64) -> Result<Entry, LineError> {
        Ok(Entry::Edge {
            at,
            text: self.text()?,
        })
    }
}

fn beacon(text: &str) -> Option<Option<Beacon>> {
    if text == "none" {
        return Some(None);
    }
    let (chain, round) = text.strip_prefix("drand:")?.split_once(':')?;
    Some(Some(Beacon {
        chain: hex::array(chain)?,
        round: decimal(round)?,
    }))
}

fn revealed(text: &str) -> Option<Revealed> {
    match text {
        "none" => Some(Revealed::None),
        "missing" => Some(Revealed::Missing),
        _ => hex::bytes(text)
            .filter(|bytes| (1..=SIGNATURE_MAX).contains(&bytes.len()))
            .map(Revealed::Signature),
    }
}

fn range(text: &str) -> Option<Range> {
    let mut fields = text.splitn(3, ':');
    let range = Range {
        lane: small(fields.next()?)?,
        from: decimal(fields.next()?)?,
        to: decimal(fields.next()?)?,
    };
    (range.from <= range.to).then_some(range)
}
