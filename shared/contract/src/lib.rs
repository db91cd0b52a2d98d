//! The language that the services share: identifiers, money, pass claims, commands to the order worker, events
//! from it, and the problem document that every HTTP surface answers errors with.
//!
//! Values only. Nothing here does I/O, reads a clock or draws a random number, so that every domain crate may
//! depend on it.

mod claims;
mod commands;
mod events;
mod ids;
mod member;
mod money;
mod order;
mod problem;
mod sealed;

pub use claims::{PASS_AUDIENCE, PASS_ISSUER, PassClaims};
pub use commands::{
    CancelOrder, Command, Envelope, PlaceOrder, RefundOrder, RequestReturn, RequestedLine, SettlePayment,
    Settlement, StartPayment,
};
pub use events::{Event, OrderChanged, StockChanged};
pub use ids::{CategoryId, DrawId, IdError, MemberId, OrderId, ProductId, RoomId, ShopperId};
pub use member::{Language, LanguageError, MEMBER_AUDIENCE, MEMBER_ISSUER, MemberClaims, Role, RoleError};
pub use money::{Currency, Money, MoneyError};
pub use order::{OrderLine, OrderState, OrderView, RefundReason, Refusal, UnknownWord};
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
pub use sealed::SealedAddress;
