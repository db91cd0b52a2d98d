//! What the edge signs for itself alone: bytes that say what they are, the key that signed them, and their HMAC.

use crate::TicketError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MAC: usize = 32;

/// One key of a seal.
#[derive(Clone)]
pub struct SealKey {
    id: u8,
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SealKey {
    /// The key `id` with these 32 secret bytes.
    pub fn new(id: u8, secret: &[u8; 32]) -> Self {
        // HMAC fills a short key up with zeros; doing so here makes the length right by its type.
        let mut block = [0u8; 64];
        block[..32].copy_from_slice(secret);
        Self {
            id,
            mac: Hmac::new(&block.into()),
        }
    }

    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

/// Keys of one purpose: the first signs, every one verifies.
#[derive(Debug, Clone)]
pub struct SealKeys {
    signing: SealKey,
    retired: Vec<SealKey>,
}

impl SealKeys {
    /// Signs with `signing` and still honours what `retired` keys signed.
    pub fn new(signing: SealKey, retired: Vec<SealKey>) -> Self {
        Self { signing, retired }
    }

    /// The key that signs.
    pub(crate) fn signing(&self) -> &SealKey {
        &self.signing
    }

    /// Every key, the signing one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SealKey> {
        std::iter::once(&self.signing).chain(&self.retired)
    }

    /// Signs `body`, whose second byte becomes the key's id. The body's length and the HMAC's together are a multiple of
    /// three, so that every text has one spelling.
    pub(crate) fn seal<const BODY: usize>(&self, mut body: [u8; BODY]) -> String {
        const { assert!((BODY + MAC).is_multiple_of(3), "no padding") };
        body[1] = self.signing.id;
        let mac = self.signing.mac().chain_update(body).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([body.as_slice(), &mac].concat())
    }

    /// The body that `text` is, if it is of this version and one of our keys signed it.
    pub(crate) fn open<const BODY: usize>(
        &self,
        version: u8,
        text: &[u8],
    ) -> Result<[u8; BODY], TicketError> {
        if text.len() != (BODY + MAC) / 3 * 4 {
            return Err(TicketError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TicketError::Malformed)?;
        let (body, mac) = bytes.split_at_checked(BODY).ok_or(TicketError::Malformed)?;
        let body: [u8; BODY] = body.try_into().map_err(|_| TicketError::Malformed)?;
        if body[0] != version {
            return Err(TicketError::Malformed);
        }
        let key = self.all().find(|key| key.id == body[1]);
        let expected = key.ok_or(TicketError::UnknownKey)?.mac().chain_update(body);
        expected.verify_slice(mac).map_err(|_| TicketError::Forged)?;
        Ok(body)
    }
}
