//! Refresh tokens: what keeps a sign-in alive, and notices a copy.
//!
//! A token names its sign-in and generation, and carries a keyed hash over them and the sign-in's seed. It is computed
//! again to be checked: nothing in the database can be turned into one. Each use begins the next generation. A token of
//! an earlier one is a copy, in whoever's hands: the sign-in ends. Only right after a use may the token before it be shown
//! again (an answer was lost, or two tabs asked at once), and then gets the very answer that the first use got.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sealing::BlindIndex;
use std::time::Duration;
use uuid::Uuid;

/// How long a sign-in lives without being used.
pub const IDLE: Duration = Duration::from_secs(30 * 24 * 3600);
/// How soon after a use an answer may have been lost.
const LOST_ANSWER: Duration = Duration::from_secs(10);
const FIELD: &str = "refresh-token";
const TOKEN_BYTES: usize = 16 + 4 + 32;

/// A sign-in as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignInState {
    /// Its name.
    pub id: Uuid,
    /// The generation of the token that is good now.
    pub generation: u32,
    /// What its tokens are computed from.
    pub seed: [u8; 16],
    /// When the generation began, Unix milliseconds.
    pub renewed_unix_ms: u64,
    /// When it is over, Unix milliseconds.
    pub expires_unix_ms: u64,
    /// Whether it was ended.
    pub has_ended: bool,
}

/// A token as it was shown, not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The sign-in that it names.
    pub sign_in: Uuid,
    generation: u32,
    proof: [u8; 32],
}

/// What a token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// The next generation begins.
    Renew,
    /// The answer of a moment ago again.
    Repeat,
    /// A copy: the sign-in has to end.
    Copy,
    /// Nothing: forged, or the sign-in is over.
    Nothing,
}

impl Shown {
    /// Reads a token.
    pub fn parse(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let bytes: [u8; TOKEN_BYTES] = bytes.try_into().ok()?;
        let (sign_in, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, proof) = rest.split_first_chunk::<4>()?;
        Some(Self {
            sign_in: Uuid::from_bytes(*sign_in),
            generation: u32::from_be_bytes(*generation),
            proof: proof.try_into().ok()?,
        })
    }

    /// What it is worth at this time.
    pub fn worth(&self, key: &BlindIndex, state: &SignInState, now_unix_ms: u64) -> Worth {
        let genuine = key.matches(
            FIELD,
            &proven(state.id, self.generation, &state.seed),
            &self.proof,
        );
        if !genuine || self.sign_in != state.id || state.has_ended || now_unix_ms >= state.expires_unix_ms {
            return Worth::Nothing;
        }
        let since = now_unix_ms.saturating_sub(state.renewed_unix_ms);
        let lost_answer = u128::from(since) < LOST_ANSWER.as_millis();
        match state.generation.checked_sub(self.generation) {
            Some(0) => Worth::Renew,
            Some(1) if lost_answer => Worth::Repeat,
            Some(_) => Worth::Copy,
            // Of a time that the database has forgotten.
            None => Worth::Nothing,
        }
    }
}

/// The token that is good now.
pub fn token_of(key: &BlindIndex, state: &SignInState) -> String {
    let mut bytes = Vec::with_capacity(TOKEN_BYTES);
    bytes.extend_from_slice(state.id.as_bytes());
    bytes.extend_from_slice(&state.generation.to_be_bytes());
    bytes.extend_from_slice(&key.of(FIELD, &proven(state.id, state.generation, &state.seed)));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn proven(sign_in: Uuid, generation: u32, seed: &[u8; 16]) -> Vec<u8> {
    [sign_in.as_bytes(), &generation.to_be_bytes()[..], seed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn key() -> BlindIndex {
        BlindIndex::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    fn state(generation: u32) -> SignInState {
        SignInState {
            id: Uuid::from_u128(1),
            generation,
            seed: [7; 16],
            renewed_unix_ms: NOW,
            expires_unix_ms: NOW + 1_000_000,
            has_ended: false,
        }
    }

    #[test]
    fn a_token_is_used_once_and_a_copy_is_noticed() {
        let shown = Shown::parse(&token_of(&key(), &state(3))).unwrap();
        let ended = SignInState {
            has_ended: true,
            ..state(3)
        };
        let other_seed = SignInState {
            seed: [8; 16],
            ..state(3)
        };
        for (state, later_ms, expected) in [
            (state(3), 0, Worth::Renew),
            (state(3), 999_999, Worth::Renew),
            (state(3), 1_000_000, Worth::Nothing),
            (state(4), 9_999, Worth::Repeat),
            (state(4), 10_000, Worth::Copy),
            (state(5), 0, Worth::Copy),
            (state(2), 0, Worth::Nothing),
            (ended, 0, Worth::Nothing),
            (other_seed, 0, Worth::Nothing),
        ] {
            assert_eq!(
                shown.worth(&key(), &state, NOW + later_ms),
                expected,
                "{state:?} {later_ms}"
            );
        }
    }

    #[test]
    fn a_changed_token_is_worth_nothing() {
        let token = token_of(&key(), &state(3));
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let shown = Shown::parse(&URL_SAFE_NO_PAD.encode(changed)).unwrap();
            assert_eq!(shown.worth(&key(), &state(3), NOW), Worth::Nothing, "byte {at}");
        }
        assert_eq!(Shown::parse("short"), None);
        assert_eq!(Shown::parse(&token[1..]), None);
    }
}
