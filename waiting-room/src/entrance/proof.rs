//! Proofs of work, as they are asked for and brought.

use crate::config::ProofConfig;
use base64::{
    Engine,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use waiting_room_domain::{Challenge, Moment, PROOF_ALGORITHM, ProofError, SealKeys, Solution, Solved};

/// Where an app shows its proof.
pub const PROOF_HEADER: &str = "waiting-room-proof";
/// Where a form shows it.
pub const PROOF_FIELD: &str = "altcha";
/// Longer is not a proof.
const PAYLOAD_MAX: usize = 2_048;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Proofs of work for a room.
pub struct Proofs {
    config: ProofConfig,
    keys: SealKeys,
    joins: Mutex<JoinRate>,
}

/// A challenge, as the published scheme writes it.
#[derive(Debug, Serialize)]
pub struct ChallengeBody {
    algorithm: &'static str,
    challenge: String,
    maxnumber: u32,
    salt: String,
    signature: String,
}

/// A solution, as the published scheme writes it. What else a solver says about itself does not matter.
#[derive(Debug, Deserialize)]
struct Payload<'a> {
    algorithm: &'a str,
    challenge: &'a str,
    number: u64,
    #[serde(borrow)]
    salt: std::borrow::Cow<'a, str>,
    signature: &'a str,
}

impl Proofs {
    /// Proofs that are this hard, of challenges that these keys sign.
    pub fn new(config: ProofConfig, keys: SealKeys) -> Self {
        Self {
            config,
            keys,
            joins: Mutex::default(),
        }
    }

    /// A challenge, as hard as the joins of the last second ask for.
    pub fn challenge(&self, random: [u8; 20], now: Moment) -> ChallengeBody {
        let joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner).at(now);
        let difficulty = self.config.rule.difficulty(joins);
        let expires = now.plus(self.config.lifetime);
        let posed = Challenge::pose(&self.keys, random, difficulty, expires);
        ChallengeBody {
            algorithm: PROOF_ALGORITHM,
            challenge: posed.challenge,
            maxnumber: posed.max_number,
            salt: posed.salt,
            signature: posed.signature,
        }
    }

    /// The challenge that was solved, if `payload` proves it. That it is not taken twice is for the store to say.
    ///
    /// # Errors
    /// [`ProofError`], for anything else.
    pub fn read(&self, payload: &[u8], now: Moment) -> Result<Solved, ProofError> {
        if payload.len() > PAYLOAD_MAX {
            return Err(ProofError::Malformed);
        }
        let json = BASE64.decode(payload).map_err(|_| ProofError::Malformed)?;
        let payload: Payload<'_> = serde_json::from_slice(&json).map_err(|_| ProofError::Malformed)?;
        let solution = Solution {
            algorithm: payload.algorithm,
            challenge: payload.challenge,
            number: payload.number,
            salt: &payload.salt,
            signature: payload.signature,
        };
        solution.check(&self.keys, now)
    }

    /// Counts a join, so that the next challenges are as hard as they should be.
    pub fn joined(&self, now: Moment) {
        self.joins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(now);
    }
}

/// Joins in this second and the one before.
#[derive(Debug, Default)]
struct JoinRate {
    second: u64,
    current: u32,
    last: u32,
}

impl JoinRate {
    fn count(&mut self, now: Moment) {
        self.turn(now);
        self.current = self.current.saturating_add(1);
    }

    /// Joins a second: of the last whole second, or of this one if there are more already.
    fn at(&mut self, now: Moment) -> u32 {
        self.turn(now);
        self.last.max(self.current)
    }

    fn turn(&mut self, now: Moment) {
        let second = now.unix_seconds();
        // A clock that stepped back goes on counting where it was.
        match second.saturating_sub(self.second) {
            0 => return,
            1 => self.last = self.current,
            _ => self.last = 0,
        }
        (self.second, self.current) = (second, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};
    use std::time::Duration;
    use waiting_room_domain::{ProofRule, SealKey, solve_proof};

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn proofs() -> Proofs {
        let rule = ProofRule {
            min_number: 1_000,
            max_number: 10_000,
            joins_per_second: 2,
        };
        let config = ProofConfig {
            rule,
            lifetime: Duration::from_secs(60),
        };
        Proofs::new(config, SealKeys::new(SealKey::new(1, &[1; 32]), Vec::new()))
    }

    /// As a browser does it.
    fn solve(challenge: &Value) -> Value {
        let text = |name: &str| challenge[name].as_str().unwrap();
        let number = solve_proof(text("challenge"), text("salt"), 10_000);
        json!({
            "algorithm": text("algorithm"), "challenge": text("challenge"), "number": number, "salt": text("salt"),
            "signature": text("signature"), "took": 12
        })
    }

    #[test]
    fn a_challenge_is_written_solved_and_read() {
        let proofs = proofs();
        let challenge = serde_json::to_value(proofs.challenge([1; 20], NOW)).unwrap();
        assert_eq!(challenge["maxnumber"], 1_000);
        let solution = solve(&challenge);
        let payload = STANDARD.encode(solution.to_string());
        let solved = proofs.read(payload.as_bytes(), NOW).unwrap();
        assert_eq!(solved.expires, NOW.plus(Duration::from_secs(60)));
        let unpadded = payload.trim_end_matches('=');
        assert_eq!(proofs.read(unpadded.as_bytes(), NOW), Ok(solved));
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let proofs = proofs();
        let challenge = serde_json::to_value(proofs.challenge([1; 20], NOW)).unwrap();
        let good = solve(&challenge);
        let mut wrong = good.clone();
        wrong["number"] = json!(good["number"].as_u64().unwrap() + 1);
        let mut negative = good.clone();
        negative["number"] = json!(-1);
        let mut text = good;
        text["number"] = json!("5");
        for bad in [
            wrong,
            negative,
            text,
            json!({}),
            json!([]),
            json!("x".repeat(3_000)),
        ] {
            let payload = STANDARD.encode(bad.to_string());
            assert!(proofs.read(payload.as_bytes(), NOW).is_err(), "{bad:.80}");
        }
        for bad in [&b""[..], b"!", b"e30", &[0xff; 40]] {
            assert!(proofs.read(bad, NOW).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn many_joins_make_it_harder_until_they_end() {
        let proofs = proofs();
        let hardness = |now| proofs.challenge([1; 20], now).maxnumber;
        for _ in 0..8 {
            proofs.joined(NOW);
        }
        assert_eq!(hardness(NOW), 4_000);
        assert_eq!(hardness(NOW.plus(Duration::from_secs(1))), 4_000);
        assert_eq!(hardness(NOW.plus(Duration::from_secs(2))), 1_000);
    }
}
