//! The key ring: from one secret a key, the keys of tickets and of passes are derived, and the secrets of draws.

use crate::{entrance::EntranceKeys, store::LineKey};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use fairness::{Commitment, Secret, commitment};
use hkdf::Hkdf;
use passes::{PassKey, PassKeys};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use waiting_room_domain::{SealKey, SealKeys, TicketKeys};

/// More keys than anybody rotates through while people wait.
const KEYS_MAX: usize = 16;

/// What signs and verifies, for tickets and for passes.
#[derive(Debug)]
pub struct KeyRing {
    /// For the edges alone.
    pub tickets: TicketKeys,
    /// For every origin, by JWKS.
    pub passes: PassKeys,
    /// For whom may get a place.
    pub entrance: EntranceKeys,
    /// For the edges alone, until they are revealed.
    pub draws: DrawSecrets,
}

/// What the secrets of draws are derived from: nothing of them is stored, so that a store that forgets loses none.
#[derive(Clone)]
pub struct DrawSecrets {
    masters: Vec<[u8; 32]>,
}

impl std::fmt::Debug for DrawSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrawSecrets").finish_non_exhaustive()
    }
}

impl DrawSecrets {
    /// The secret that a draw is committed to: of the first key.
    pub fn first(&self, line: &LineKey, draw: u32) -> Secret {
        self.masters
            .first()
            .map_or(Secret([0; 32]), |master| draw_secret(master, line, draw))
    }

    /// The secret that was promised for a draw: of the key that was first then.
    pub fn promised(&self, line: &LineKey, draw: u32, promise: &Commitment) -> Option<Secret> {
        let mut secrets = self.masters.iter().map(|master| draw_secret(master, line, draw));
        secrets.find(|secret| commitment(secret) == *promise)
    }
}

fn draw_secret(master: &[u8; 32], line: &LineKey, draw: u32) -> Secret {
    let info = format!("waiting-room/draw/1 {} {} {draw}", line.room, line.epoch.0);
    let mut secret = [0; 32];
    // 32 bytes are far below what HKDF can give.
    let _ = Hkdf::<Sha256>::new(None, master).expand(info.as_bytes(), &mut secret);
    Secret(secret)
}

impl KeyRing {
    /// The ring that `text` describes: a line for each key, `<id from 1 to 255> <32 bytes in base64>`. The first
    /// line signs, all of them verify; lines that begin with `#` are comments.
    ///
    /// # Errors
    /// Names the line that is wrong, never what is in it.
    pub fn read(text: &SecretString) -> anyhow::Result<Self> {
        let lines = text.expose_secret().lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let keys = lines
            .map(|(index, line)| read_key(line).with_context(|| format!("key ring, line {}", index + 1)));
        Self::of(keys.collect::<anyhow::Result<Vec<_>>>()?)
    }

    /// A ring that nobody else has: tickets and passes are worth nothing after this process.
    ///
    /// # Errors
    /// Hardly ever: when a key cannot be derived.
    pub fn ephemeral() -> anyhow::Result<Self> {
        Self::of(vec![(1, clock::random_bytes())])
    }

    fn of(secrets: Vec<(u8, [u8; 32])>) -> anyhow::Result<Self> {
        anyhow::ensure!(
            secrets.len() <= KEYS_MAX,
            "the key ring has more than {KEYS_MAX} keys"
        );
        for (index, (id, _)) in secrets.iter().enumerate() {
            let again = secrets[..index].iter().any(|(earlier, _)| earlier == id);
            anyhow::ensure!(!again, "the key ring has two keys with the id {id}");
        }
        let ticket_keys = secrets
            .iter()
            .map(|(id, secret)| Ok(SealKey::new(*id, &ticket_secret(secret)?)));
        let mut ticket_keys = ticket_keys.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
        let signing = ticket_keys.next().context("the key ring is empty")?;
        let pass_keys = secrets
            .iter()
            .map(|(id, secret)| PassKey::derive(&id.to_string(), secret));
        Ok(Self {
            entrance: EntranceKeys::of(&secrets)?,
            draws: DrawSecrets {
                masters: secrets.iter().map(|(_, secret)| *secret).collect(),
            },
            tickets: TicketKeys::new(SealKeys::new(signing, ticket_keys.collect())),
            passes: PassKeys::new(pass_keys.collect::<Result<_, _>>()?)?,
        })
    }
}

fn ticket_secret(master: &[u8; 32]) -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    let derived = Hkdf::<Sha256>::new(None, master).expand(b"waiting-room/ticket/hmac-sha256", &mut secret);
    derived.ok().context("derive a ticket key")?;
    Ok(secret)
}

fn read_key(line: &str) -> anyhow::Result<(u8, [u8; 32])> {
    let (id, secret) = line
        .split_once(char::is_whitespace)
        .context("needs an id and a secret")?;
    let id: u8 = id
        .parse()
        .ok()
        .filter(|id| *id > 0)
        .context("the id must be from 1 to 255")?;
    let secret = STANDARD
        .decode(secret.trim())
        .ok()
        .context("the secret must be base64")?;
    let secret = secret.try_into().ok().context("the secret must be 32 bytes")?;
    Ok((id, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<KeyRing> {
        KeyRing::read(&SecretString::from(text))
    }

    fn line_of(id: u16, byte: u8) -> String {
        format!("{id} {}\n", STANDARD.encode([byte; 32]))
    }

    #[test]
    fn the_first_key_signs_and_all_are_published() {
        let ring = read(&format!("# rotated\n{}\n{}", line_of(2, 2), line_of(1, 1))).unwrap();
        assert_eq!(ring.passes.jwks().keys.len(), 2);
        assert_eq!(ring.passes.jwks().keys[0].common.key_id.as_deref(), Some("2"));
    }

    #[test]
    fn a_promised_secret_is_found_after_the_keys_were_rotated() {
        let line = LineKey {
            room: "demo".parse().unwrap(),
            epoch: waiting_room_domain::Epoch(5),
        };
        let before = read(&line_of(1, 1)).unwrap().draws;
        let promise = commitment(&before.first(&line, 0));
        let after = read(&format!("{}{}", line_of(2, 2), line_of(1, 1)))
            .unwrap()
            .draws;
        assert_eq!(after.promised(&line, 0, &promise), Some(before.first(&line, 0)));
        assert_eq!(after.promised(&line, 1, &promise), None, "every draw has its own");
        assert_ne!(after.first(&line, 0), before.first(&line, 0));
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        let secret = STANDARD.encode([1; 31]);
        for bad in [
            "",
            "1",
            "0 AAAA",
            "256 AAAA",
            "1 !",
            &format!("1 {secret}"),
            &(line_of(1, 1) + &line_of(1, 2)),
        ] {
            let error = format!("{:#}", read(bad).unwrap_err());
            assert!(!error.contains(&secret), "{error}");
        }
    }
}
