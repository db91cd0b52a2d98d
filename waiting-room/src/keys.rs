//! The key ring: from one secret a key, the keys of tickets and of passes are derived.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use passes::{PassKey, PassKeys};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use waiting_room_domain::{TicketKey, TicketKeys};

/// More keys than anybody rotates through while people wait.
const KEYS_MAX: usize = 16;

/// What signs and verifies, for tickets and for passes.
#[derive(Debug)]
pub struct KeyRing {
    /// For the edges alone.
    pub tickets: TicketKeys,
    /// For every origin, by JWKS.
    pub passes: PassKeys,
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
            .map(|(id, secret)| Ok(TicketKey::new(*id, &ticket_secret(secret)?)));
        let mut ticket_keys = ticket_keys.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
        let signing = ticket_keys.next().context("the key ring is empty")?;
        let pass_keys = secrets
            .iter()
            .map(|(id, secret)| PassKey::derive(&id.to_string(), secret));
        Ok(Self {
            tickets: TicketKeys::new(signing, ticket_keys.collect()),
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

    fn line(id: u16, byte: u8) -> String {
        format!("{id} {}\n", STANDARD.encode([byte; 32]))
    }

    #[test]
    fn the_first_key_signs_and_all_are_published() {
        let ring = read(&format!("# rotated\n{}\n{}", line(2, 2), line(1, 1))).unwrap();
        assert_eq!(ring.passes.jwks().keys.len(), 2);
        assert_eq!(ring.passes.jwks().keys[0].common.key_id.as_deref(), Some("2"));
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
            &(line(1, 1) + &line(1, 2)),
        ] {
            let error = format!("{:#}", read(bad).unwrap_err());
            assert!(!error.contains(&secret), "{error}");
        }
    }
}
