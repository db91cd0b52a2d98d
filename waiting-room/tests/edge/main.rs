//! The edge as its users meet it: the real program, over real HTTP, in front of a real origin.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod autopilot;
mod bad_input;
mod connections;
mod draws;
mod entrance;
mod events;
mod failures;
mod fairness;
mod fake_shop;
mod harness;
mod issuer;
mod operators;
mod pages;
mod shoppers;
mod stock;
mod switches;
mod two_edges;
