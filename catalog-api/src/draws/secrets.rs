//! The secrets of draws: derived from a key, so that a row that is lost loses none, and stored nowhere.

use catalog_domain::draw::draw_secret;
use contract::DrawId;
use fairness::{Commitment, Secret, commitment};
use sealing::{KeyTextError, parse_ring};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;

/// A key ring. The first key is for new draws; a draw is revealed with whichever fits its commitment.
#[derive(Clone)]
pub struct DrawSecrets {
    masters: Vec<[u8; 32]>,
}

impl fmt::Debug for DrawSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrawSecrets").finish_non_exhaustive()
    }
}

impl DrawSecrets {
    /// The ring that `text` describes: a line a key, `<number> <32 bytes in base64>`; lines that begin with `#` are
    /// comments.
    ///
    /// # Errors
    /// What is wrong with the text, without showing it.
    pub fn read(text: &SecretString) -> Result<Self, KeyTextError> {
        let keys = parse_ring(text.expose_secret())?;
        let masters = keys.into_iter().map(|(_, key)| key).collect();
        Ok(Self { masters })
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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};

    fn ring(keys: &[u8]) -> DrawSecrets {
        let line = |byte: &u8| format!("{byte} {}\n", STANDARD.encode([*byte; 32]));
        let text: String = keys.iter().map(line).collect();
        DrawSecrets::read(&SecretString::from(format!("# ours\n{text}\n"))).unwrap()
    }

    #[test]
    fn a_promise_is_kept_after_the_keys_have_turned() {
        let (draw, other): (DrawId, DrawId) = ("spring".parse().unwrap(), "autumn".parse().unwrap());
        let promise = ring(&[1]).commitment(&draw);
        let turned = ring(&[2, 1]);
        let secret = turned.promised(&draw, &promise).unwrap();
        assert_eq!(commitment(&secret), promise);
        assert_ne!(turned.commitment(&draw), promise, "a new draw has the new key");
        assert_ne!(ring(&[1]).commitment(&other), promise);
        assert!(ring(&[2]).promised(&draw, &promise).is_none());
    }

    #[test]
    fn what_is_no_ring_is_refused_and_never_shown() {
        for text in ["", "1 AAAA", "# c\n\nx"] {
            assert!(DrawSecrets::read(&SecretString::from(text)).is_err(), "{text}");
        }
        assert_eq!(format!("{:?}", ring(&[1])), "DrawSecrets { .. }");
    }
}
