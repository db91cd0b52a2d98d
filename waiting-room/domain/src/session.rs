//! A session: one admitted shopper's stay.

use crate::TicketId;
use fairness::hex::{self, Hex};
use std::{fmt, str::FromStr};

/// Names a session. It is the ticket's own identifier: claiming a ticket twice is claiming one session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(TicketId);

impl SessionId {
    /// The identifier of its ticket.
    pub fn ticket_id(self) -> TicketId {
        self.0
    }
}

impl From<TicketId> for SessionId {
    fn from(ticket: TicketId) -> Self {
        Self(ticket)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A text that names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session is named by 24 lower case hexadecimal characters")]
pub struct NotASession;

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, NotASession> {
        hex::array(text).map(Self).ok_or(NotASession)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_written_as_it_is_read() {
        let id = SessionId::from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255]);
        assert_eq!(id.to_string(), "000102030405060708090aff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in [
            "",
            "00",
            "000102030405060708090afg",
            "000102030405060708090AFF",
            "+00102030405060708090aff",
            "00010203040506070809é",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(NotASession), "{bad}");
        }
    }
}
