//! Members, over real HTTP, PostgreSQL and SMTP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod address_book;
mod frozen_addresses;
mod orders;
mod pages;
mod people;
mod personal_data;
mod recovery;
mod sessions;
mod sign_up;
mod throttling;
