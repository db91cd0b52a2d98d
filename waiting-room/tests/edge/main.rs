//! The edge as its users meet it: the real program, over real HTTP, in front of a real origin.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod access;
mod autopilot;
mod bad_clients;
mod bad_input;
mod cache;
mod clients;
mod connections;
mod direct;
mod draws;
mod entrance;
mod events;
mod failures;
mod fairness;
mod fake_origin;
mod fake_shop;
mod harness;
mod http2;
mod issuer;
mod live_config;
mod name_server;
mod operators;
mod origin_answers;
mod origins;
mod pages;
mod rates;
mod restarts;
mod rough_server;
mod shoppers;
mod smuggling;
mod stock;
mod switches;
mod tls;
mod two_edges;
mod wire;
