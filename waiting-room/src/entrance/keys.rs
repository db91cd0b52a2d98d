//! The keys of the entrance, all derived from the ring.

use anyhow::Context;
use contract::RoomId;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use waiting_room_domain::{Holder, SealKey, SealKeys};

type Master = (u8, [u8; 32]);

/// What signs invitations and bypass tokens, and hides whose an account is.
#[derive(Debug)]
pub struct EntranceKeys {
    /// For invitations.
    pub invitations: SealKeys,
    /// For bypass tokens.
    pub bypasses: SealKeys,
    proofs: ProofSecrets,
    accounts: AccountSecret,
}

/// Secrets from which each room's keys for proofs of work are derived.
struct ProofSecrets(Vec<Master>);

/// Turns accounts into keys that say nothing about them.
#[derive(Clone)]
pub struct AccountSecret([u8; 32]);

impl std::fmt::Debug for ProofSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProofSecrets")
    }
}

impl std::fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountSecret")
    }
}

impl EntranceKeys {
    /// The keys that belong to a ring of master secrets, the signing one first.
    ///
    /// # Errors
    /// When the ring is empty.
    pub fn of(ring: &[Master]) -> anyhow::Result<Self> {
        // The oldest key, so that a new one in front changes nobody's account while it is rolled out.
        let (_, oldest) = ring.last().context("the key ring is empty")?;
        let proofs = ring
            .iter()
            .map(|(id, master)| Ok((*id, derive(master, &[b"waiting-room/proof"])?)));
        Ok(Self {
            invitations: seal_keys(ring, &[b"waiting-room/invitation/hmac-sha256"])?,
            bypasses: seal_keys(ring, &[b"waiting-room/bypass/hmac-sha256"])?,
            proofs: ProofSecrets(proofs.collect::<anyhow::Result<_>>()?),
            accounts: AccountSecret(derive(oldest, &[b"waiting-room/account/hmac-sha256"])?),
        })
    }

    /// The keys of a room's proofs of work. The published scheme has no place for a room, so each has keys of its own:
    /// what was solved for one counts in no other.
    ///
    /// # Errors
    /// Hardly ever: when a key cannot be derived.
    pub fn proofs(&self, room: &RoomId) -> anyhow::Result<SealKeys> {
        seal_keys(&self.proofs.0, &[b"hmac-sha256/", room.as_str().as_bytes()])
    }

    /// What hides accounts.
    pub fn accounts(&self) -> AccountSecret {
        self.accounts.clone()
    }
}

impl AccountSecret {
    /// The key of an issuer's account in a room. Nobody without the ring can tell whose it is, nor whether two rooms met
    /// the same account.
    ///
    /// # Errors
    /// Hardly ever: when HMAC refuses its key.
    pub fn account(&self, room: &RoomId, issuer: &str, subject: &str) -> anyhow::Result<Holder> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).context("hide an account")?;
        let parts = [room.as_str(), issuer, subject].map(str::as_bytes);
        let mac = mac.chain_update(parts.join(&0)).finalize().into_bytes();
        let mut key = [0; 16];
        key.copy_from_slice(&mac[..16]);
        Ok(Holder(key))
    }
}

fn seal_keys(ring: &[Master], purpose: &[&[u8]]) -> anyhow::Result<SealKeys> {
    let keys = ring
        .iter()
        .map(|(id, master)| Ok(SealKey::new(*id, &derive(master, purpose)?)));
    let mut keys = keys.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
    let signing = keys.next().context("the key ring is empty")?;
    Ok(SealKeys::new(signing, keys.collect()))
}

fn derive(master: &[u8; 32], purpose: &[&[u8]]) -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    let derived = Hkdf::<Sha256>::new(None, master).expand_multi_info(purpose, &mut secret);
    derived.ok().context("derive a key")?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(id: &str) -> RoomId {
        id.parse().unwrap()
    }

    #[test]
    fn an_account_is_the_same_for_the_same_three_words_only() {
        let keys = EntranceKeys::of(&[(1, [1; 32])]).unwrap().accounts();
        let key = |room_id: &str, issuer, subject| keys.account(&room(room_id), issuer, subject).unwrap();
        assert_eq!(key("demo", "https://id", "ann"), key("demo", "https://id", "ann"));
        for other in [
            key("other", "https://id", "ann"),
            key("demo", "https://i", "dann"),
            key("demo", "https://id", "anna"),
        ] {
            assert_ne!(key("demo", "https://id", "ann"), other);
        }
    }

    #[test]
    fn a_new_key_in_front_changes_no_account() {
        let before = EntranceKeys::of(&[(1, [1; 32])]).unwrap().accounts();
        let after = EntranceKeys::of(&[(2, [2; 32]), (1, [1; 32])])
            .unwrap()
            .accounts();
        let key = |secret: &AccountSecret| secret.account(&room("demo"), "i", "s").unwrap();
        assert_eq!(key(&before), key(&after));
    }
}
