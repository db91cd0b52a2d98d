//! The shoppers, 24 bytes each, so that ten million of them are a quarter of a gigabyte.

use waiting_room_domain::{LaneId, SessionId, TicketId};

/// What a shopper does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Asks for a place.
    Join,
    /// Asks where the place stands.
    Poll,
    /// Claims the place that was called.
    Claim,
    /// Makes a request with the pass, which prolongs the session.
    Stay,
    /// Is gone for good.
    Gone,
}

/// One shopper. Times are milliseconds on the simulation's clock or, where it says so, the store's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shopper {
    /// The number of the ticket.
    pub(crate) number: u32,
    /// When the next step is due.
    pub(crate) due: u32,
    /// Until when the pass is valid, by the store's clock; 0 without a pass.
    pub(crate) until: u32,
    /// Since when the session is on, by the store's clock.
    pub(crate) since: u32,
    /// When the shopper leaves: the line without a word, or the shop.
    pub(crate) leaves: u32,
    pub(crate) lane: u8,
    pub(crate) step: Step,
    /// How many places were asked for.
    pub(crate) joins: u8,
    /// [`POLITE`] and [`WAS_AWAY`].
    pub(crate) manners: u8,
}

/// In [`Shopper::manners`]: the session is ended properly, not left to expire.
pub(crate) const POLITE: u8 = 1;
/// In [`Shopper::manners`]: left the line without a word, and came back.
pub(crate) const WAS_AWAY: u8 = 2;

const _: () = assert!(size_of::<Shopper>() == 24, "ten million must fit");

/// In [`Shopper::leaves`]: not before being served.
pub(crate) const NEVER: u32 = u32::MAX;

impl Shopper {
    pub(crate) fn lane(&self) -> LaneId {
        LaneId(self.lane)
    }

    /// Names the place. Real edges draw it; what counts is that no two places share one.
    pub(crate) fn ticket_id(&self, index: u32) -> TicketId {
        let mut id = TicketId::default();
        id[..4].copy_from_slice(&index.to_be_bytes());
        id[4] = self.joins;
        id
    }

    pub(crate) fn session(&self, index: u32) -> SessionId {
        SessionId::from(self.ticket_id(index))
    }

    pub(crate) fn is_in(&self) -> bool {
        self.until > 0
    }

    pub(crate) fn is(&self, manner: u8) -> bool {
        self.manners & manner != 0
    }
}
