//! What the edge signs for itself alone: bytes that say what they are, the key that signed them, and their HMAC.

use crate::TicketError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MAC: usize = 32;
/// The longest body, which is a ticket's, and its HMAC.
const SIGNED_MAX: usize = 40 + MAC;

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
        // Preparing the key once halves the cost of every signature.
        Self {
            id,
            mac: Hmac::new(&block.into()),
        }
    }

    pub(crate) fn mac(&self) -> Hmac<Sha256> {
        self.mac.clone()
    }
}

/// Keys of one purpose: the first signs, every one verifies, so that keys can change while people wait.
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
        const {
            assert!((BODY + MAC).is_multiple_of(3), "no padding");
            assert!(BODY + MAC <= SIGNED_MAX, "there is room");
        };
        body[1] = self.signing.id;
        let mac = self.signing.mac().chain_update(body).finalize().into_bytes();
        let mut signed = [0; SIGNED_MAX];
        signed[..BODY].copy_from_slice(&body);
        signed[BODY..BODY + MAC].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(&signed[..BODY + MAC])
    }

    /// The body that `text` is, if it is of this version and one of our keys signed it. Every poll asks: it allocates
    /// nothing.
    pub(crate) fn open<const BODY: usize>(
        &self,
        version: u8,
        text: &[u8],
    ) -> Result<[u8; BODY], TicketError> {
        let mut signed = [0; SIGNED_MAX];
        let signed = &mut signed[..BODY + MAC];
        // As long as that, it cannot be more bytes than there is room for.
        if text.len() != chars(BODY) || URL_SAFE_NO_PAD.decode_slice_unchecked(text, signed) != Ok(BODY + MAC)
        {
            return Err(TicketError::Malformed);
        }
        let (body, mac) = signed.split_at(BODY);
        if body[0] != version {
            return Err(TicketError::Malformed);
        }
        let key = self.all().find(|key| key.id == body[1]);
        let expected = key.ok_or(TicketError::UnknownKey)?.mac().chain_update(body);
        expected.verify_slice(mac).map_err(|_| TicketError::Forged)?;
        Ok(array(body))
    }
}

/// How long the text of a body with so many bytes is.
pub(crate) const fn chars(body: usize) -> usize {
    (body + MAC) / 3 * 4
}

/// The bytes of a slice whose length is known where it is called.
pub(crate) fn array<const N: usize>(slice: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(slice);
    bytes
}
