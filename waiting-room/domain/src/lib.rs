//! The line: what a ticket says, who is called next, who may come in, and for how long.
//!
//! No I/O. Time is a [`Moment`] handed in, randomness is bytes handed in, and every outcome is a value. The
//! memory store runs [`LineState`] as it stands here; the Redis store keeps the same promises by scripts, and
//! both are held to them by one test suite.

mod admission;
mod call_log;
mod estimate;
mod line;
mod moment;
mod room;
mod schedule;
mod session;
mod snapshot;
mod ticket;

pub use admission::{ADMISSION_COST, Decision, Doors, decide};
pub use call_log::{CallLog, CallLogError};
pub use estimate::{PollPacing, WaitRange, wait_range};
pub use line::{Advance, Claim, ClaimOutcome, JoinOutcome, LineState, Marks, Renewal};
pub use moment::Moment;
pub use room::{Control, ControlChange, Limits, LimitsError, SessionRule, TICK};
pub use schedule::{Epoch, Phase, Schedule, ScheduleError, ScheduledDrop};
pub use session::SessionId;
pub use snapshot::{Snapshot, Standing};
pub use ticket::{RoomTag, TICKET_CHARS, Ticket, TicketError, TicketId, TicketKey, TicketKeys};
