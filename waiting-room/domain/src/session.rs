//! A session: one admitted shopper's stay.

use crate::TicketId;
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
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A text that names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session is named by 24 hexadecimal characters")]
pub struct NotASession;

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, NotASession> {
        let mut id = TicketId::default();
        if text.len() != 2 * id.len() || !text.is_ascii() {
            return Err(NotASession);
        }
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotASession)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotASession)?;
        }
        Ok(Self(id))
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
        for bad in ["", "00", "000102030405060708090afg", "00010203040506070809é"] {
            assert_eq!(bad.parse::<SessionId>(), Err(NotASession), "{bad}");
        }
    }
}
