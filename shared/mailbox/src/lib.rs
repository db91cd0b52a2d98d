//! A mail server to play with. No mail leaves it.
//!
//! It takes mails by SMTP and keeps the last thousand in memory, shows them on a page, and answers them as JSON at
//! `/mails?to=<address>`, the newest first. Some recipients are special: whatever begins with `nobody` is refused for
//! good, whatever begins with `busy` the first two times.

mod dialogue;
mod mails;
mod pages;
mod smtp;

pub use mails::{Mail, Mails};
pub use pages::router;
pub use smtp::serve as serve_smtp;
