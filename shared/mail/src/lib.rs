//! Mails that the shop owes to somebody.
//!
//! Whoever has a reason to write does so into [`Outbox`], in the transaction that makes the reason true: either both are
//! committed or neither. A [`Mailer`] in any number of processes sends what is due by SMTP, and tries again when the
//! server is busy. What a mail says and to whom is sealed in the table, and forgotten once it is sent or given up.
//!
//! A new kind of mail is a line in `templates.rs` and a file for each language in `templates/`.

mod mailer;
mod outbox;
mod retry;
mod templates;

pub use mailer::{MailSettings, Mailer, Round};
pub use outbox::{Outbox, OutboxError, To, sealed_place};
pub use templates::{RenderError, Template, Text, render};
