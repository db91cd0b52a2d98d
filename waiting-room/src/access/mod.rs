//! Who somebody is, what they may ask for, and how much of it.
//!
//! `issuer` reads access tokens, `revocations` knows which of them count no more, `account` is what origins are
//! told about whoever has one; `rules` says for which requests that matters, and `rates` counts requests.

mod account;
mod issuer;
mod issuers;
mod rates;
mod revocations;
mod rules;

pub use account::Account;
pub use issuer::{AccountIssuer, NotKnown};
pub use issuers::{Issuers, sign_in_address};
pub use rates::{Counted, LimitFields, Rates, Who, too_many};
pub use rules::{Denied, Rules};

use crate::config::Config;

/// What the config says about access, as it is run. Made anew when the config changes; issuers and counts that are the
/// same as before go on.
#[derive(Default)]
pub struct Access {
    /// Who reads tokens.
    pub issuers: Issuers,
    /// Who may ask for what.
    pub rules: Rules,
    /// How much.
    pub rates: Rates,
}

impl Access {
    /// What `config` says, after `before`.
    pub fn new(config: &Config, issuers: Issuers, before: Option<&Self>) -> Self {
        Self {
            rules: Rules::new(&config.access, &issuers),
            rates: Rates::new(&config.rates, before.map(|before| &before.rates)),
            issuers,
        }
    }
}
