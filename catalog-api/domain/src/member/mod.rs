//! Members: what they may be called, which passwords are good enough, how often a code may be tried, and who has to wait
//! before signing in.

mod address;
mod code;
mod contact;
mod password;
mod throttle;

pub use address::{Address, RawAddress};
pub use code::{
    CODE_ATTEMPTS_MAX, CODE_LIFETIME, CODE_SENDS_MAX, CodeState, Judgement, RESEND_PAUSE, code_from,
};
pub use contact::{Email, Name, Phone};
pub use password::{PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, WeakPassword, check_password};
pub use throttle::{Counted, Gate, Rule, Tally, admit, rules};

use crate::basket::Mistake;

/// Gathers what is wrong with the fields of a body, so that all of it is said at once.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// The value of the field, or a note of what is wrong with it.
    pub fn field<T, E: std::fmt::Display>(&mut self, name: &str, value: Result<T, E>) -> Option<T> {
        value
            .map_err(|error| {
                self.0.push(Mistake {
                    pointer: format!("/{name}"),
                    detail: error.to_string(),
                });
            })
            .ok()
    }

    /// All of them.
    pub fn into_list(self) -> Vec<Mistake> {
        self.0
    }
}
