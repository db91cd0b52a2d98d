//! The edge as its users meet it: the real program, over real HTTP, in front of a real origin.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod bad_input;
mod connections;
mod draws;
mod entrance;
mod events;
mod failures;
mod fairness;
mod harness;
mod issuer;
mod operators;
mod pages;
mod shoppers;
mod two_edges;
