//! What a command says of itself, whatever it asks for: also one that only a later release can act on.

use contract::ProductId;
use serde::Deserialize;
use uuid::Uuid;

/// What every [`contract::Envelope`] has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Label {
    /// As [`contract::Envelope::message_id`].
    pub(crate) message_id: Uuid,
    /// As [`contract::Envelope::routed_by`].
    pub(crate) routed_by: ProductId,
}

impl Label {
    /// Of these bytes, if they are a command.
    pub(crate) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}
