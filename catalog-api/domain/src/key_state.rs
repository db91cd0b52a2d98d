//! What one instance knows of one idempotency key, and what a request under it means.
//!
//! This is the fast half of the promise. The slow half, that a key never makes two orders whatever instances are
//! restarted or forget, is kept by the order's derived identifier and the database.

use crate::Fingerprint;

/// What became of the first request under a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing is known: a new key, or one that this instance has forgotten or never saw.
    #[default]
    Unknown,
    /// A request is being handed to the broker.
    InFlight(Fingerprint),
    /// The broker did not confirm in time. The command may be in the queue or not, so the payload is bound to the
    /// key already, and the same request may be published again.
    Unconfirmed(Fingerprint),
    /// The command is durable: the order exists, or will.
    Accepted(Fingerprint),
}

/// What a request under a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand it to the broker.
    Publish,
    /// It repeats an accepted request: answer with that order.
    Replay,
    /// The first request is not answered yet.
    InFlight,
    /// The key belongs to a request that asked for something else.
    OtherPayload,
}

// === impl KeyState ===

impl KeyState {
    /// What a request with this fingerprint means now, and what is known from then on.
    #[must_use]
    pub fn requested(self, asked: &Fingerprint) -> (Self, Verdict) {
        if self.fingerprint().is_some_and(|first| first != asked) {
            return (self, Verdict::OtherPayload);
        }
        match self {
            Self::Unknown | Self::Unconfirmed(_) => (Self::InFlight(asked.clone()), Verdict::Publish),
            Self::InFlight(_) => (self, Verdict::InFlight),
            Self::Accepted(_) => (self, Verdict::Replay),
        }
    }

    /// The broker confirmed what was in flight.
    #[must_use]
    pub fn confirmed(self) -> Self {
        match self {
            Self::InFlight(first) => Self::Accepted(first),
            other => other,
        }
    }

    /// What was in flight is known not to have been published: `before` is true again.
    #[must_use]
    pub fn not_published(self, before: Self) -> Self {
        match self {
            Self::InFlight(_) => before,
            other => other,
        }
    }

    /// What was in flight got no confirm, or its request was given up.
    #[must_use]
    pub fn unconfirmed(self) -> Self {
        match self {
            Self::InFlight(first) => Self::Unconfirmed(first),
            other => other,
        }
    }

    /// The database knows the order of this key; its word overrides whatever was believed here.
    #[must_use]
    pub fn found(self, stored: Fingerprint) -> Self {
        Self::Accepted(stored)
    }

    fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::Unknown => None,
            Self::InFlight(first) | Self::Unconfirmed(first) | Self::Accepted(first) => Some(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyState::{Accepted, InFlight, Unconfirmed, Unknown};
    use proptest::prelude::*;

    fn print(payload: &str) -> Fingerprint {
        Fingerprint::of(payload)
    }

    #[test]
    fn what_a_request_means_by_what_is_known() {
        let (a, b) = (print("a"), print("b"));
        for (known, asked, then, verdict) in [
            (Unknown, &a, InFlight(a.clone()), Verdict::Publish),
            (InFlight(a.clone()), &a, InFlight(a.clone()), Verdict::InFlight),
            (
                InFlight(a.clone()),
                &b,
                InFlight(a.clone()),
                Verdict::OtherPayload,
            ),
            (Unconfirmed(a.clone()), &a, InFlight(a.clone()), Verdict::Publish),
            (
                Unconfirmed(a.clone()),
                &b,
                Unconfirmed(a.clone()),
                Verdict::OtherPayload,
            ),
            (Accepted(a.clone()), &a, Accepted(a.clone()), Verdict::Replay),
            (
                Accepted(a.clone()),
                &b,
                Accepted(a.clone()),
                Verdict::OtherPayload,
            ),
        ] {
            assert_eq!(
                known.clone().requested(asked),
                (then, verdict),
                "{known:?} asked {asked:?}"
            );
        }
    }

    #[test]
    fn a_request_that_was_not_published_leaves_no_trace() {
        for before in [Unknown, Unconfirmed(print("a"))] {
            let (flying, _) = before.clone().requested(&print("a"));
            assert_eq!(flying.not_published(before.clone()), before);
        }
        assert_eq!(Accepted(print("a")).not_published(Unknown), Accepted(print("a")));
    }

    #[test]
    fn the_database_has_the_last_word() {
        for known in [
            Unknown,
            InFlight(print("a")),
            Unconfirmed(print("a")),
            Accepted(print("a")),
        ] {
            assert_eq!(known.found(print("b")), Accepted(print("b")));
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Happens {
        Requested(&'static str),
        Confirmed,
        Unconfirmed,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            Just(Happens::Requested("a")),
            Just(Happens::Requested("b")),
            Just(Happens::Confirmed),
            Just(Happens::Unconfirmed),
        ]
    }

    proptest! {
        /// The model: the first payload owns the key; one flight at a time; after a confirm only replays.
        #[test]
        fn a_key_serves_one_payload_one_flight_at_a_time(story in prop::collection::vec(happens(), 0..40)) {
            let (mut state, mut owner, mut flying, mut accepted) = (Unknown, None, false, false);
            for event in story {
                match event {
                    Happens::Requested(payload) => {
                        let (next, verdict) = state.requested(&print(payload));
                        let first = *owner.get_or_insert(payload);
                        let expected = match (first == payload, accepted, flying) {
                            (false, _, _) => Verdict::OtherPayload,
                            (true, true, _) => Verdict::Replay,
                            (true, false, true) => Verdict::InFlight,
                            (true, false, false) => Verdict::Publish,
                        };
                        prop_assert_eq!(verdict, expected);
                        flying |= verdict == Verdict::Publish;
                        state = next;
                    }
                    Happens::Confirmed => {
                        state = state.confirmed();
                        accepted |= std::mem::take(&mut flying);
                    }
                    Happens::Unconfirmed => {
                        state = state.unconfirmed();
                        flying = false;
                    }
                }
            }
        }
    }
}
