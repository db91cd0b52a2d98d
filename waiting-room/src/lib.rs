//! The edge: gives every shopper a place in line, admits them at a controlled rate, proxies the admitted.
//!
//! A library for its binary, its tests and its benchmarks. In reading order: a request meets the [`gate`], which
//! looks at the [`rooms`], whose lines are kept in a [`store`]; the [`edge`] is Pingora around it all, the
//! [`operator`] API stands beside it, and [`live`] changes the config of it all.

pub mod access;
pub mod app;
pub mod config;
pub mod edge;
pub mod entrance;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gate;
mod http1;
pub mod issue;
pub mod keys;
pub mod live;
pub mod operator;
pub mod pages;
pub mod reply;
pub mod rooms;
pub mod settings;
pub mod signals;
pub mod store;
pub mod verify;
