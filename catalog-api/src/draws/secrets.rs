//! The secrets of draws: derived from a key, so that a row that is lost loses none, and stored nowhere.

use base64::{Engine, engine::general_purpose::STANDARD};
use catalog_domain::draw::draw_secret;
use contract::DrawId;
use fairness::{Commitment, Secret, commitment};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// More keys than draws are on at once.
const KEYS_MAX: usize = 16;

/// A key ring. The first key is for new draws; a draw is revealed with whichever fits its commitment.
#[derive(Clone)]
pub struct DrawSecrets {
    masters: Vec<[u8; 32]>,
}

/// What is wrong with a key ring; never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// A line that is no key.
    #[error("line {0} must be a number and 32 bytes in base64")]
    Line(usize),
    /// No key at all, or too many.
    #[error("must have 1 to {KEYS_MAX} keys, a line each")]
    Count,
}

impl fmt::Debug for DrawSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrawSecrets").finish_non_exhaustive()
    }
}

impl DrawSecrets {
    /// The ring that `text` describes, as the edge's: a line a key, `<number> <32 bytes in base64>`; lines that begin
    /// with `#` are comments.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn read(text: &SecretString) -> Result<Self, SecretsError> {
        let lines = text.expose_secret().lines().map(str::trim).zip(1..);
        let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let masters = lines
            .map(|(line, number)| key(line).ok_or(SecretsError::Line(number)))
            .collect::<Result<Vec<_>, _>>()?;
        if (1..=KEYS_MAX).contains(&masters.len()) {
            Ok(Self { masters })
        } else {
            Err(SecretsError::Count)
        }
    }

    /// What a new draw is committed to.
    pub fn commitment(&self, draw: &DrawId) -> Commitment {
        let secret = self.masters.first().map(|master| draw_secret(master, draw));
        commitment(&secret.unwrap_or(Secret([0; 32])))
    }

    /// The secret that a draw was committed to, if one of the keys is the one that was first then.
    pub fn promised(&self, draw: &DrawId, promise: &Commitment) -> Option<Secret> {
        let mut secrets = self.masters.iter().map(|master| draw_secret(master, draw));
        secrets.find(|secret| commitment(secret) == *promise)
    }
}

fn key(line: &str) -> Option<[u8; 32]> {
    let (number, key) = line.split_once(char::is_whitespace)?;
    number.parse::<u8>().ok()?;
    STANDARD.decode(key.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[u8]) -> Result<DrawSecrets, SecretsError> {
        let line = |byte: &u8| format!("{byte} {}\n", STANDARD.encode([*byte; 32]));
        let text: String = keys.iter().map(line).collect();
        DrawSecrets::read(&SecretString::from(format!("# ours\n{text}\n")))
    }

    #[test]
    fn a_promise_is_kept_after_the_keys_have_turned() {
        let (draw, other): (DrawId, DrawId) = ("spring".parse().unwrap(), "autumn".parse().unwrap());
        let promise = ring(&[1]).unwrap().commitment(&draw);
        let turned = ring(&[2, 1]).unwrap();
        let secret = turned.promised(&draw, &promise).unwrap();
        assert_eq!(commitment(&secret), promise);
        assert_ne!(turned.commitment(&draw), promise, "a new draw has the new key");
        assert_ne!(ring(&[1]).unwrap().commitment(&other), promise);
        assert!(ring(&[2]).unwrap().promised(&draw, &promise).is_none());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        assert_eq!(ring(&[]).unwrap_err(), SecretsError::Count);
        for (text, line) in [("1 AAAA", 1), ("# c\n\nx", 3), ("256 AAAA", 1)] {
            let read = DrawSecrets::read(&SecretString::from(text));
            assert_eq!(read.unwrap_err(), SecretsError::Line(line), "{text}");
        }
        assert_eq!(format!("{:?}", ring(&[1]).unwrap()), "DrawSecrets { .. }");
    }
}
