//! A request's body, as far as it has come: how long it may be, and how long it may take.

use super::refusal::Refusal;
use crate::config::ClientLimits;
use http::{header::CONTENT_LENGTH, request::Parts};
use tokio::time::Instant;

/// What has come of a body.
#[derive(Debug, Default)]
pub(super) struct BodySoFar {
    bytes: u64,
    began: Option<Instant>,
}

impl BodySoFar {
    /// Whether the head announces more than may come; `own` is what the room says of its bodies.
    pub(super) fn is_announced_too_long(request: &Parts, own: Option<u64>, limits: &ClientLimits) -> bool {
        let announced = request.headers.get(CONTENT_LENGTH);
        let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        announced.is_some_and(|announced| announced > own.unwrap_or(limits.body_bytes))
    }

    /// Takes notice of more.
    pub(super) fn more(&mut self, bytes: usize, own: Option<u64>, limits: &ClientLimits) -> Option<Refusal> {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.bytes > own.unwrap_or(limits.body_bytes) {
            return Some(Refusal::BodyTooLarge);
        }
        (began.elapsed() > limits.body_within).then_some(Refusal::BodySlow)
    }
}
