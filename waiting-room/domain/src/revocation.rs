//! Access tokens that count no more before they are over: single ones, whole families (everything that one sign-in led
//! to), and all that an account was given before a moment.

use crate::Moment;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Revocations remembered at most, at some 40 bytes each. They last as long as the tokens would have, so this is the number
/// that an issuer can make in the life of a token.
pub const REVOCATIONS_MAX: usize = 200_000;

/// Sixteen bytes that stand for a name: what is revoked must not tell whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 16]);

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The token with this identifier (`jti`).
    Token(Mark),
    /// Every token of this session (`sid`).
    Family(Mark),
    /// Every token that this account (`sub`) was given before a moment.
    Account {
        /// Whose.
        account: Mark,
        /// Tokens that were given earlier count no more.
        issued_before: Moment,
    },
}

/// Something revoked, and until when it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// What.
    pub what: Revoked,
    /// From then on every token that is meant is over by itself.
    pub until: Moment,
}

/// What a token says about itself, as far as it can be revoked by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenMarks {
    /// Its identifier, if it has one.
    pub token: Option<Mark>,
    /// The session that it belongs to, if it says so.
    pub family: Option<Mark>,
    /// Whose it is.
    pub account: Mark,
    /// When it was given; nobody knows if it does not say so.
    pub issued: Option<Moment>,
}

/// More is revoked than is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {REVOCATIONS_MAX} revocations at once")]
pub struct TooManyRevocations;

/// All that is revoked now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revocations {
    /// Tokens and families, by until when they matter.
    tokens: HashMap<Mark, Moment>,
    accounts: HashMap<Mark, CutOff>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CutOff {
    issued_before: Moment,
    until: Moment,
}

impl Mark {
    /// The mark of a token's identifier.
    pub fn of_token(id: &str) -> Self {
        Self::of(b"jti", id)
    }

    /// The mark of a session.
    pub fn of_family(id: &str) -> Self {
        Self::of(b"sid", id)
    }

    /// The mark of an account.
    pub fn of_account(subject: &str) -> Self {
        Self::of(b"sub", subject)
    }

    fn of(kind: &[u8; 3], name: &str) -> Self {
        let digest = Sha256::new().chain_update(kind).chain_update(name).finalize();
        let mut mark = [0; 16];
        mark.copy_from_slice(&digest[..16]);
        Self(mark)
    }
}

impl Revocations {
    /// Adds what was revoked. What was known before stands, and nothing is taken back.
    ///
    /// # Errors
    /// When there are too many; those that fitted are in.
    pub fn add(&mut self, revocation: Revocation, now: Moment) -> Result<(), TooManyRevocations> {
        let until = revocation.until;
        if until <= now {
            return Ok(());
        }
        let is_full = self.len() >= REVOCATIONS_MAX;
        match revocation.what {
            Revoked::Token(mark) | Revoked::Family(mark) => {
                if is_full && !self.tokens.contains_key(&mark) {
                    return Err(TooManyRevocations);
                }
                let known = self.tokens.entry(mark).or_insert(until);
                *known = until.max(*known);
            }
            Revoked::Account {
                account,
                issued_before,
            } => {
                if is_full && !self.accounts.contains_key(&account) {
                    return Err(TooManyRevocations);
                }
                let known = self
                    .accounts
                    .entry(account)
                    .or_insert(CutOff { issued_before, until });
                known.issued_before = issued_before.max(known.issued_before);
                known.until = until.max(known.until);
            }
        }
        Ok(())
    }

    /// Forgets what does not matter any more; answers whether that was anything.
    pub fn forget_past(&mut self, now: Moment) -> bool {
        let before = self.len();
        self.tokens.retain(|_, until| *until > now);
        self.accounts.retain(|_, cut_off| cut_off.until > now);
        self.len() < before
    }

    /// Whether a token counts no more. One that does not say when it was given is older than any cut-off.
    pub fn cover(&self, marks: &TokenMarks) -> bool {
        let named = [marks.token, marks.family].into_iter().flatten();
        if !self.tokens.is_empty() && named.into_iter().any(|mark| self.tokens.contains_key(&mark)) {
            return true;
        }
        let cut_off = self.accounts.get(&marks.account);
        cut_off.is_some_and(|cut_off| marks.issued.is_none_or(|issued| issued < cut_off.issued_before))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.accounts.len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_unix_ms(seconds * 1_000)
    }

    fn marks(token: &str, family: &str, account: &str, issued: Option<u64>) -> TokenMarks {
        TokenMarks {
            token: (!token.is_empty()).then(|| Mark::of_token(token)),
            family: (!family.is_empty()).then(|| Mark::of_family(family)),
            account: Mark::of_account(account),
            issued: issued.map(at),
        }
    }

    fn revoked(what: Revoked) -> Revocations {
        let mut revocations = Revocations::default();
        revocations
            .add(
                Revocation {
                    what,
                    until: at(1_000),
                },
                at(10),
            )
            .unwrap();
        revocations
    }

    #[test]
    fn what_is_revoked_is_told_from_what_is_not() {
        let token = revoked(Revoked::Token(Mark::of_token("x")));
        let family = revoked(Revoked::Family(Mark::of_family("x")));
        let account = revoked(Revoked::Account {
            account: Mark::of_account("x"),
            issued_before: at(100),
        });
        for (revocations, token, expected) in [
            (&token, marks("x", "", "ann", Some(1)), true),
            (&token, marks("y", "", "ann", Some(1)), false),
            (&token, marks("", "x", "x", Some(1)), false),
            (&family, marks("y", "x", "ann", Some(1)), true),
            (&family, marks("x", "", "ann", Some(1)), false),
            (&account, marks("", "", "x", Some(99)), true),
            (&account, marks("", "", "x", None), true),
            (&account, marks("", "", "x", Some(100)), false),
            (&account, marks("x", "x", "ann", Some(1)), false),
        ] {
            assert_eq!(revocations.cover(&token), expected, "{token:?}");
        }
        assert!(!Revocations::default().cover(&marks("x", "x", "x", None)));
    }

    #[test]
    fn a_later_cut_off_stands_and_an_earlier_changes_nothing() {
        let mut revocations = Revocations::default();
        for (issued_before, until) in [(100, 500), (50, 400)] {
            let what = Revoked::Account {
                account: Mark::of_account("ann"),
                issued_before: at(issued_before),
            };
            let until = at(until);
            revocations.add(Revocation { what, until }, at(10)).unwrap();
        }
        assert!(revocations.cover(&marks("", "", "ann", Some(99))));
        assert!(!revocations.forget_past(at(450)));
        assert!(revocations.forget_past(at(500)));
        assert!(revocations.is_empty());
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut revocations = Revocations::default();
        let revocation = |index: usize| Revocation {
            what: Revoked::Token(Mark::of_token(&index.to_string())),
            until: at(1_000),
        };
        for index in 0..REVOCATIONS_MAX {
            revocations.add(revocation(index), at(10)).unwrap();
        }
        assert_eq!(
            revocations.add(revocation(REVOCATIONS_MAX), at(10)),
            Err(TooManyRevocations)
        );
        assert_eq!(revocations.add(revocation(0), at(10)), Ok(()), "known already");
        assert_eq!(revocations.len(), REVOCATIONS_MAX);
        assert!(revocations.cover(&marks("0", "", "ann", None)));
    }

    proptest! {
        /// A revocation counts until its end, whatever came before and after it, and not a moment longer.
        #[test]
        fn nothing_is_forgotten_early(
            said in proptest::collection::vec((0u8..20, 1u64..100), 1..60), looked in 1u64..100,
        ) {
            let mut revocations = Revocations::default();
            let name = |id: u8| id.to_string();
            for (id, until) in &said {
                let what = Revoked::Token(Mark::of_token(&name(*id)));
                revocations.add(Revocation { what, until: at(*until) }, at(0)).unwrap();
            }
            revocations.forget_past(at(looked));
            for id in 0..20 {
                let last = said.iter().filter(|(other, _)| *other == id).map(|(_, until)| *until).max();
                let expected = last.is_some_and(|until| until > looked);
                prop_assert_eq!(revocations.cover(&marks(&name(id), "", "ann", None)), expected);
            }
        }
    }
}
