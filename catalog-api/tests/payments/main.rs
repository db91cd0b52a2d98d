//! Payments, through the shop, the worker and the sandbox provider.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod reports;
mod trouble;
