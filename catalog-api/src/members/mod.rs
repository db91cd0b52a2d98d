//! Members: accounts, sign-ins, and what is known of the people behind them.

mod revoked;
mod store;
mod tokens;

pub use revoked::Revoked;
pub use store::{Heard, is_forgotten, revocations_since};
pub use tokens::{ACCESS_SECONDS, SignedIn, TokenError, Tokens};
