//! What is known of an origin and follows from it: which of its servers may be asked, whether it may be asked at all,
//! and whether a request may be sent once more.

mod balance;
mod breaker;
mod check;
mod ejection;
mod forwarded;
mod retry;

pub use balance::{Balance, Candidate, NoSuchBalance, choose, client_key};
pub use breaker::{Breaker, BreakerRule, BreakerState, Ended, Permit};
pub use check::{CheckRule, Checked};
pub use ejection::{Conduct, EjectionRule};
pub use forwarded::{FORWARDED_HOPS_MAX, Forwarded, ForwardedText, way};
pub use retry::{Broken, RETRIES_SAVED, RetryBudget, Sent, may_send_again};
