//! The line: what a ticket says, who is called next, who may come in, and for how long.
//!
//! No I/O. Time is a [`Moment`] handed in, randomness is bytes handed in, and every outcome is a value. The
//! memory store runs [`LineState`] as it stands here; the Redis store keeps the same promises by scripts, and
//! both are held to them by one test suite.

mod admission;
mod autopilot;
mod bypass;
mod caching;
mod call_log;
mod control;
mod estimate;
mod history;
mod invitation;
mod lane;
mod line;
mod location;
mod method;
mod moment;
mod origin;
mod pace;
mod proof;
mod ramp;
mod rate;
mod request_head;
mod revocation;
mod room;
mod rounds;
mod schedule;
mod seal;
mod session;
mod snapshot;
mod steering;
mod stock;
mod ticket;
mod turnout;

pub use admission::{ADMISSION_COST, Decision, Doors, LaneDecision, Policy, decide};
pub use autopilot::{
    Autopilot, AutopilotRule, AutopilotState, NotAState, Reading, Reason, SignalName, Signals, Step, Targets,
};
pub use bypass::{BypassToken, RuleTag};
pub use caching::{CacheTimes, Directives, Lifetime, NotKept, QueryRule, Said, keyed_target};
pub use call_log::{CallLog, CallLogError};
pub use control::{Control, ControlChange, MESSAGE_MAX_CHARS, NoSuchSwitch, Rules, Switch};
pub use estimate::{PollPacing, WaitRange, wait_range};
pub use history::{History, Stamp, VERSIONS_MAX, Version};
pub use invitation::{Invitation, InvitationId};
pub use lane::{LANES_MAX, LaneId};
pub use line::{
    Advance, Claim, ClaimOutcome, Held, Holder, HolderJoin, JoinGroup, JoinOutcome, LaneMarks, LineState,
    Marks, Renewal,
};
pub use location::{covers, fits_host, host_name};
pub use method::{Method, NoSuchMethod};
pub use moment::Moment;
pub use origin::{
    Balance, Breaker, BreakerRule, BreakerState, Broken, Candidate, CheckRule, Checked, Conduct,
    EjectionRule, Ended, FORWARDED_HOPS_MAX, Forwarded, ForwardedText, NoSuchBalance, Permit, RETRIES_SAVED,
    RetryBudget, Sent, choose, client_key, may_send_again, way,
};
pub use pace::Pace;
pub use proof::{Challenge, PROOF_ALGORITHM, ProofError, ProofRule, Solution, Solved, solve_proof};
pub use ramp::Ramp;
pub use rate::{Debt, Quota, RATE_REQUESTS_MAX, RATE_WINDOW_MAX, Rate, RateError, limit_item, policy_item};
pub use request_head::{HeadFault, HeadLimits, HeadRead, read_head};
pub use revocation::{
    Mark, REVOCATIONS_MAX, Revocation, Revocations, Revoked, TokenMarks, TooManyRevocations,
};
pub use room::{Limits, LimitsError, SessionRule, TICK};
pub use rounds::{Rounds, RoundsError};
pub use schedule::{Epoch, Phase, Schedule, ScheduleError, ScheduledDrop};
pub use seal::{SealKey, SealKeys};
pub use session::SessionId;
pub use snapshot::{Lane, Snapshot, Standing};
pub use steering::{NotSteering, Steering, StockSeen};
pub use stock::{Reach, Stock, Taken, closes_to_newcomers, reach};
pub use ticket::{RoomTag, TICKET_CHARS, Ticket, TicketError, TicketId, TicketKeys};
pub use turnout::{DELAYS, Turnout, TurnoutError, delay_index};
