//! The payment provider behind one interface.
//!
//! Whoever takes money knows [`PaymentProvider`] alone; [`HttpProvider`] speaks the provider's HTTP API, whose
//! documents are in [`api`]. What became of a payment arrives later as a [`Report`], signed as
//! [Standard Webhooks](https://www.standardwebhooks.com) say ([`webhooks`]).

mod amount;
pub mod api;
mod http;
mod provider;
mod report;
pub mod webhooks;

pub use amount::amount_text;
pub use http::HttpProvider;
pub use provider::{Checkout, CheckoutRequest, PaymentError, PaymentProvider};
pub use report::{PaymentReport, Report, ReportError};
