//! Which requests are for those only who are signed in.

use super::{Account, AccountIssuer, Issuers, NotKnown, issuer::only_bearer, sign_in_address};
use crate::{
    config::{AccessConfig, AccessRule, TokenPlace},
    entrance::Head,
};
use http::Method;
use std::sync::Arc;
use waiting_room_domain::Moment;

/// The rules.
#[derive(Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

struct Rule {
    config: AccessRule,
    /// Nothing cannot be: the config was checked. It would let nobody through.
    issuer: Option<Arc<AccountIssuer>>,
    sign_in_url: Option<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody knows whose it is.
    #[error("nobody is signed in")]
    NotKnown {
        /// Why.
        why: NotKnown,
        /// Where one signs in, if the config says so.
        sign_in_url: Option<String>,
    },
    /// None of the roles that are needed.
    #[error("a role is missing")]
    NoRole,
}

impl Rules {
    /// The rules of the config.
    pub(super) fn new(config: &AccessConfig, issuers: &Issuers) -> Self {
        let rules = config.rules.iter().map(|rule| {
            let named = config.issuers.iter().find(|issuer| issuer.name == rule.issuer);
            Rule {
                config: rule.clone(),
                issuer: named.and_then(|named| issuers.of(named)).cloned(),
                sign_in_url: named.and_then(|named| named.sign_in_url.clone()),
            }
        });
        Self {
            rules: rules.collect(),
        }
    }

    /// Whether a request to this host and plain path may be made, and by whom it is; nothing where no rule asks.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn check(
        &self,
        host: &str,
        path: &str,
        method: &Method,
        head: &impl Head,
        now: Moment,
    ) -> Result<Option<Arc<Account>>, Denied> {
        let covering = self
            .rules
            .iter()
            .filter(|rule| rule.config.coverage.covers(host, path, method));
        match covering.max_by_key(|rule| rule.config.coverage.weight()) {
            Some(rule) => rule.check(head, now).await,
            None => Ok(None),
        }
    }
}

impl Rule {
    async fn check(&self, head: &impl Head, now: Moment) -> Result<Option<Arc<Account>>, Denied> {
        let account = match &self.issuer {
            Some(issuer) => issuer.account(head, now).await,
            None => Err(NotKnown::NoKeys),
        };
        match account {
            Ok(account) if account.has_one_of(&self.config.roles) => Ok(Some(account)),
            Ok(_) => Err(Denied::NoRole),
            Err(why) if self.lets_nobody_in(why, head) => Err(Denied::NotKnown {
                why,
                sign_in_url: self.sign_in_url.clone(),
            }),
            Err(_) => Ok(None),
        }
    }

    /// Whether it matters that nobody is known. Where a token may be left out, a browser whose cookie is over is simply
    /// nobody; an app that sends a token means it to count, and is told that it does not.
    fn lets_nobody_in(&self, why: NotKnown, head: &impl Head) -> bool {
        let by_cookie = match self.issuer.as_ref().map(|issuer| &issuer.config().token) {
            Some(TokenPlace::Cookie(_)) => true,
            Some(TokenPlace::BearerOrCookie(_)) => only_bearer(head) == Ok(None),
            Some(TokenPlace::Bearer) | None => false,
        };
        self.config.required || (why != NotKnown::NotSignedIn && !by_cookie)
    }
}

impl Denied {
    /// Where a browser goes that wanted `path`, if signing in could help.
    pub fn sign_in_address(&self, path: &str) -> Option<String> {
        match self {
            Self::NotKnown {
                why: NotKnown::NotSignedIn | NotKnown::NotValid,
                sign_in_url: Some(url),
            } => Some(sign_in_address(url, path)),
            _ => None,
        }
    }
}
