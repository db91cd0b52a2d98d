//! Standard Webhooks signatures (symmetric, `v1`): who says it, and when.
//!
//! The signature is HMAC-SHA256 over `<id>.<timestamp>.<body>`. A sender that is changing its secret puts several
//! signatures into the header; one that verifies is enough.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header that names the webhook: the same for every attempt to deliver it.
pub const ID_HEADER: &str = "webhook-id";
/// The header that says when the attempt was made, Unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures, separated by spaces.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// How far the sender's clock may be from ours, and how long a recorded request can be played back.
pub const TOLERANCE_SECONDS: u64 = 300;

const SECRET_PREFIX: &str = "whsec_";
const VERSION_PREFIX: &str = "v1,";
/// Sizes that the specification allows for a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const ID_MAX_BYTES: usize = 128;
/// Signatures looked at in one header: nobody rotates that many secrets.
const SIGNATURES_MAX: usize = 16;

/// Why a text is not a secret. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is 'whsec_' and 24 to 64 bytes in base64")]
pub struct SecretFormat;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header is missing or is not what it should be.
    #[error("the webhook headers are missing or malformed")]
    Headers,
    /// Older or newer than the tolerance.
    #[error("the webhook's timestamp is too far from now")]
    Timestamp,
    /// No signature is ours.
    #[error("no signature of the webhook verifies")]
    Signature,
}

/// The headers that sign one attempt to deliver a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHeaders<'a> {
    /// Value of [`ID_HEADER`].
    pub id: &'a str,
    /// Value of [`TIMESTAMP_HEADER`].
    pub timestamp: &'a str,
    /// Value of [`SIGNATURE_HEADER`].
    pub signatures: &'a str,
}

/// The secret that sender and receiver share.
#[derive(Debug, Clone)]
pub struct WebhookSecret(SecretSlice<u8>);

/// The key from which a sender derives a secret for each of its receivers, so that none need be stored.
#[derive(Debug, Clone)]
pub struct WebhookMaster(WebhookSecret);

// === impl WebhookMaster ===

impl WebhookMaster {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// [`SecretFormat`].
    pub fn parse(text: &str) -> Result<Self, SecretFormat> {
        WebhookSecret::parse(text).map(Self)
    }

    /// The secret of the receiver of this name: always the same.
    pub fn secret_of(&self, receiver: &str) -> WebhookSecret {
        let bytes = self.0.mac("webhook secret", receiver, b"");
        WebhookSecret(bytes.to_vec().into())
    }
}

// === impl WebhookSecret ===

impl WebhookSecret {
    /// Reads `whsec_<base64>`.
    ///
    /// # Errors
    /// [`SecretFormat`].
    pub fn parse(text: &str) -> Result<Self, SecretFormat> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretFormat)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretFormat)?;
        if SECRET_BYTES.contains(&bytes.len()) {
            Ok(Self(bytes.into()))
        } else {
            Err(SecretFormat)
        }
    }

    /// `whsec_<base64>`, for whoever shall share it.
    pub fn to_text(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(self.0.expose_secret()))
    }

    /// The value of [`SIGNATURE_HEADER`] for an attempt made at `unix_seconds`.
    pub fn sign(&self, id: &str, unix_seconds: u64, body: &[u8]) -> String {
        let mac = self.mac(id, &unix_seconds.to_string(), body);
        format!("{VERSION_PREFIX}{}", STANDARD.encode(mac))
    }

    /// Whether `body` comes from who shares the secret and was sent about `now_unix_seconds`.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(
        &self,
        headers: SignedHeaders<'_>,
        body: &[u8],
        now_unix_seconds: u64,
    ) -> Result<(), VerifyError> {
        if headers.id.is_empty() || headers.id.len() > ID_MAX_BYTES {
            return Err(VerifyError::Headers);
        }
        let timestamp: u64 = headers.timestamp.parse().map_err(|_| VerifyError::Headers)?;
        if timestamp.abs_diff(now_unix_seconds) > TOLERANCE_SECONDS {
            return Err(VerifyError::Timestamp);
        }
        let expected = STANDARD.encode(self.mac(headers.id, headers.timestamp, body));
        let offered = headers.signatures.split(' ').take(SIGNATURES_MAX);
        let mut offered = offered.filter_map(|signature| signature.strip_prefix(VERSION_PREFIX));
        if offered.any(|signature| signature.as_bytes().ct_eq(expected.as_bytes()).into()) {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()) else {
            unreachable!("HMAC takes a key of any length")
        };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const AT: u64 = 1_614_265_330;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> WebhookSecret {
        WebhookSecret::parse(SECRET).unwrap()
    }

    fn verify(id: &str, timestamp: &str, signatures: &str, body: &[u8], now: u64) -> Result<(), VerifyError> {
        secret().verify(
            SignedHeaders {
                id,
                timestamp,
                signatures,
            },
            body,
            now,
        )
    }

    #[test]
    fn signs_as_the_reference_libraries_do() {
        assert_eq!(secret().sign(ID, AT, BODY), SIGNATURE);
    }

    #[test]
    fn believes_one_good_signature_among_several() {
        let (wrong, later) = ("v1,AAAA", "v1a,AAAA");
        for signatures in [
            SIGNATURE.to_owned(),
            format!("{wrong} {later} {SIGNATURE}"),
            format!("{SIGNATURE} x"),
        ] {
            assert_eq!(
                verify(ID, &AT.to_string(), &signatures, BODY, AT),
                Ok(()),
                "{signatures}"
            );
        }
    }

    #[test]
    fn refuses_whatever_was_not_signed() {
        let at = AT.to_string();
        let many = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(SIGNATURES_MAX));
        for (id, timestamp, signatures, body, now, why) in [
            (
                "msg_other",
                at.as_str(),
                SIGNATURE,
                BODY,
                AT,
                VerifyError::Signature,
            ),
            (ID, "1614265331", SIGNATURE, BODY, AT, VerifyError::Signature),
            (
                ID,
                &at,
                SIGNATURE,
                br#"{"test": 1}"#.as_slice(),
                AT,
                VerifyError::Signature,
            ),
            (ID, &at, &SIGNATURE[3..], BODY, AT, VerifyError::Signature),
            (ID, &at, "", BODY, AT, VerifyError::Signature),
            (ID, &at, "v1,", BODY, AT, VerifyError::Signature),
            (ID, &at, many.as_str(), BODY, AT, VerifyError::Signature),
            (
                ID,
                &at,
                SIGNATURE,
                BODY,
                AT + TOLERANCE_SECONDS + 1,
                VerifyError::Timestamp,
            ),
            (
                ID,
                &at,
                SIGNATURE,
                BODY,
                AT - TOLERANCE_SECONDS - 1,
                VerifyError::Timestamp,
            ),
            ("", &at, SIGNATURE, BODY, AT, VerifyError::Headers),
            (ID, "yesterday", SIGNATURE, BODY, AT, VerifyError::Headers),
            (ID, "-1", SIGNATURE, BODY, AT, VerifyError::Headers),
        ] {
            assert_eq!(
                verify(id, timestamp, signatures, body, now),
                Err(why),
                "{id} {timestamp} {signatures}"
            );
        }
        assert_eq!(verify(ID, &at, SIGNATURE, BODY, AT + TOLERANCE_SECONDS), Ok(()));
    }

    #[test]
    fn every_receiver_has_a_secret_of_its_own_that_can_be_shared() {
        let master = WebhookMaster::parse(SECRET).unwrap();
        let (one, other) = (master.secret_of("one"), master.secret_of("other"));
        assert_ne!(one.to_text(), other.to_text());
        assert_eq!(one.to_text(), master.secret_of("one").to_text());
        let shared = WebhookSecret::parse(&one.to_text()).unwrap();
        assert_eq!(shared.sign(ID, AT, BODY), one.sign(ID, AT, BODY));
    }

    #[test]
    fn a_secret_has_the_form_of_the_specification() {
        let short = format!("whsec_{}", STANDARD.encode([0; 23]));
        let long = format!("whsec_{}", STANDARD.encode([0; 65]));
        for bad in [
            "",
            "whsec_",
            "whsec_%%%",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            &short,
            &long,
        ] {
            assert!(WebhookSecret::parse(bad).is_err(), "{bad}");
        }
        assert!(
            !format!("{:?}", secret()).contains("MfKQ"),
            "the secret is never printed"
        );
    }
}
