//! Proof of work: a puzzle that costs a browser a moment and a thousand browsers a thousand moments. The published
//! ALTCHA scheme (altcha.org), version 1, with SHA-256: whoever wants a place finds the number whose hash was given.
//!
//! `challenge = hex(SHA-256(salt ‖ number))`, `signature = hex(HMAC-SHA256(key, challenge))`. The salt names when the
//! challenge expires and ends in `&`, so that no digit can move from the number into the salt.

use crate::{Moment, SealKeys};
use fairness::hex::{self, Hex};
use hmac::Mac;
use sha2::{Digest, Sha256};

/// The only algorithm that is spoken.
pub const PROOF_ALGORITHM: &str = "SHA-256";
const EXPIRES: &str = "?expires=";

/// How hard the puzzle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofRule {
    /// The largest number while few come.
    pub min_number: u32,
    /// The largest number ever.
    pub max_number: u32,
    /// Up to so many joins a second it is as easy as can be.
    pub joins_per_second: u32,
}

impl ProofRule {
    /// The largest number of a puzzle while so many join each second; half of it is tried on average. It grows with the
    /// rate: twice as many cost each of them twice as much, up to the bound.
    pub fn difficulty(&self, joins_per_second: u32) -> u32 {
        let eased = u64::from(self.joins_per_second.max(1));
        let pressed = u64::from(joins_per_second).max(eased);
        let number = u64::from(self.min_number) * pressed / eased;
        u32::try_from(number)
            .unwrap_or(u32::MAX)
            .min(self.max_number)
            .max(self.min_number)
    }
}

/// A puzzle, as it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The hash to find the number of.
    pub challenge: String,
    /// The number is from 0 to this.
    pub max_number: u32,
    /// What stands before the number.
    pub salt: String,
    /// That the puzzle is ours.
    pub signature: String,
}

/// A puzzle with its answer, as it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Solution<'a> {
    /// What was hashed.
    pub algorithm: &'a str,
    /// The hash.
    pub challenge: &'a str,
    /// The number found.
    pub number: u64,
    /// What stands before the number.
    pub salt: &'a str,
    /// That the puzzle is ours.
    pub signature: &'a str,
}

/// A puzzle that was solved: it must not be taken twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Solved {
    /// Tells it from every other.
    pub id: [u8; 16],
    /// From then on it would not be taken anyway.
    pub expires: Moment,
}

/// Why a solution does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not a solution in the published form.
    #[error("the proof is malformed")]
    Malformed,
    /// The puzzle is not ours, or of another room.
    #[error("the proof is of a challenge that was not given here")]
    Forged,
    /// The number is wrong.
    #[error("the proof is wrong")]
    Wrong,
    /// It came too late.
    #[error("the proof has expired")]
    Expired,
}

impl Challenge {
    /// A puzzle. `random` makes it unlike any other and chooses its number; `expires` counts in whole seconds.
    pub fn pose(keys: &SealKeys, random: [u8; 20], max_number: u32, expires: Moment) -> Self {
        let (salt, choice) = random.split_at(12);
        let choice = choice
            .iter()
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let number = choice % (u64::from(max_number) + 1);
        let salt = format!("{}{EXPIRES}{}&", Hex(salt), expires.unix_seconds());
        let challenge = hash(&salt, number);
        let mac = keys
            .signing()
            .mac()
            .chain_update(&challenge)
            .finalize()
            .into_bytes();
        Self {
            challenge,
            max_number,
            salt,
            signature: Hex(&mac).to_string(),
        }
    }
}

impl Solution<'_> {
    /// Whether the puzzle is ours, still counts and is solved.
    ///
    /// # Errors
    /// [`ProofError`], for anything else.
    pub fn check(&self, keys: &SealKeys, now: Moment) -> Result<Solved, ProofError> {
        if self.algorithm != PROOF_ALGORITHM {
            return Err(ProofError::Malformed);
        }
        let expires = expiry(self.salt).ok_or(ProofError::Malformed)?;
        // Lower case only: every challenge has one spelling, so that it cannot be taken twice.
        let signature: [u8; 32] = hex::array(self.signature).ok_or(ProofError::Malformed)?;
        let id: [u8; 32] = hex::array(self.challenge).ok_or(ProofError::Malformed)?;
        let ours = keys.all().any(|key| {
            let expected = key.mac().chain_update(self.challenge);
            expected.verify_slice(&signature).is_ok()
        });
        if !ours {
            return Err(ProofError::Forged);
        }
        if hash(self.salt, self.number) != self.challenge {
            return Err(ProofError::Wrong);
        }
        if expires <= now {
            return Err(ProofError::Expired);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&id[..16]);
        Ok(Solved { id: first, expires })
    }
}

/// The number of a puzzle, found as a shopper's browser finds it: by trying one after the other.
pub fn solve_proof(challenge: &str, salt: &str, max_number: u32) -> Option<u64> {
    (0..=u64::from(max_number)).find(|number| hash(salt, *number) == challenge)
}

/// When a salt of ours expires; nothing if it is not one.
fn expiry(salt: &str) -> Option<Moment> {
    let (random, rest) = salt.split_once(EXPIRES)?;
    let seconds = rest.strip_suffix('&')?;
    let is_ours = random.len() == 24 && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = is_ours.then(|| seconds.parse().ok()).flatten()?;
    Some(Moment::from_unix_ms(seconds.saturating_mul(1000)))
}

fn hash(salt: &str, number: u64) -> String {
    Hex(&Sha256::digest(format!("{salt}{number}"))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SealKey;
    use proptest::prelude::*;

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn keys(secret: u8) -> SealKeys {
        SealKeys::new(SealKey::new(1, &[secret; 32]), Vec::new())
    }

    fn solve(challenge: &Challenge) -> u64 {
        solve_proof(&challenge.challenge, &challenge.salt, challenge.max_number).unwrap()
    }

    fn solution(challenge: &Challenge, number: u64) -> Solution<'_> {
        Solution {
            algorithm: PROOF_ALGORITHM,
            challenge: &challenge.challenge,
            number,
            salt: &challenge.salt,
            signature: &challenge.signature,
        }
    }

    #[test]
    fn the_difficulty_grows_with_the_rate_between_its_bounds() {
        let rule = ProofRule {
            min_number: 10_000,
            max_number: 1_000_000,
            joins_per_second: 50,
        };
        for (joins, expected) in [
            (0, 10_000),
            (50, 10_000),
            (51, 10_200),
            (100, 20_000),
            (500, 100_000),
            (5_000, 1_000_000),
            (u32::MAX, 1_000_000),
        ] {
            assert_eq!(rule.difficulty(joins), expected, "{joins} a second");
        }
    }

    #[test]
    fn a_solved_challenge_counts_until_it_expires() {
        let challenge = Challenge::pose(&keys(1), [5; 20], 1_000, Moment::from_unix_ms(1_800_000_060_500));
        let number = solve(&challenge);
        let solved = solution(&challenge, number).check(&keys(1), NOW).unwrap();
        assert_eq!(solved.expires, Moment::from_unix_ms(1_800_000_060_000));
        assert_eq!(
            solution(&challenge, number).check(&keys(1), solved.expires),
            Err(ProofError::Expired)
        );
        assert_eq!(
            solution(&challenge, number + 1).check(&keys(1), NOW),
            Err(ProofError::Wrong)
        );
        assert_eq!(
            solution(&challenge, number).check(&keys(2), NOW),
            Err(ProofError::Forged)
        );
    }

    #[test]
    fn no_digit_moves_between_salt_and_number() {
        let challenge = Challenge::pose(&keys(1), [0xff; 20], 1_000_000, NOW);
        let number = solve(&challenge).to_string();
        let longer = format!("{}{}", challenge.salt, &number[..1]);
        let spliced = Solution {
            salt: &longer,
            number: number[1..].parse().unwrap(),
            ..solution(&challenge, 0)
        };
        assert_eq!(
            spliced.check(&keys(1), Moment::default()),
            Err(ProofError::Malformed)
        );
    }

    /// Made by the reference implementation in Python (`altcha`, version 1 of the scheme).
    #[test]
    fn the_published_scheme_is_spoken() {
        let vectors = include_str!("../test-vectors/proofs.txt");
        for line in vectors.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [secret_byte, salt, number, challenge, signature] = fields[..] else {
                panic!("five fields a line: {line}")
            };
            let solution = Solution {
                algorithm: PROOF_ALGORITHM,
                challenge,
                number: number.parse().unwrap(),
                salt,
                signature,
            };
            assert!(
                solution.check(&keys(secret_byte.parse().unwrap()), NOW).is_ok(),
                "{line}"
            );
        }
    }

    proptest! {
        #[test]
        fn the_difficulty_is_monotonic_and_bounded(
            min in 1u32..1_000_000, more in 0u32..1_000_000, eased in 0u32..10_000, joins: u32, further: u32,
        ) {
            let rule = ProofRule { min_number: min, max_number: min + more, joins_per_second: eased };
            let (low, high) = (joins.min(further), joins.max(further));
            prop_assert!(rule.difficulty(low) <= rule.difficulty(high));
            prop_assert!((min..=min + more).contains(&rule.difficulty(joins)));
        }

        #[test]
        fn what_is_posed_can_be_solved(random: [u8; 20], max in 0u32..2_000) {
            let challenge = Challenge::pose(&keys(1), random, max, NOW);
            let number = solve(&challenge);
            prop_assert!(solution(&challenge, number).check(&keys(1), Moment::default()).is_ok());
        }

        #[test]
        fn garbage_is_refused(challenge in ".{0,80}", salt in ".{0,80}", signature in ".{0,80}", number: u64) {
            let solution = Solution {
                algorithm: PROOF_ALGORITHM, challenge: &challenge, number, salt: &salt, signature: &signature,
            };
            prop_assert!(solution.check(&keys(1), NOW).is_err());
        }
    }
}
