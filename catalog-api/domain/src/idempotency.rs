//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07) and what it is compared with.

use crate::limits::KEY_MAX_CHARS;
use sha2::{Digest, Sha256};

/// Why a header is no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The header is not there.
    #[error(
        "send an Idempotency-Key header, a fresh one for each order, e.g. \"8e03978e-40d5-43dd-bc93-6894a57f9324\" (with the quotes)"
    )]
    Missing,
    /// It is there more than once.
    #[error("send one Idempotency-Key header, not several")]
    Repeated,
    /// Not a string of structured fields.
    #[error("the value must be a string in double quotes, of printable ASCII (RFC 8941, section 3.3.3)")]
    NotAString,
    /// Empty or too long.
    #[error("the string must have 1 to {KEY_MAX_CHARS} characters")]
    Length,
}

/// A key that a shopper drew for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// SHA-256 of a request as it was meant, hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

// === impl IdempotencyKey ===

impl IdempotencyKey {
    /// Reads the values of all `Idempotency-Key` headers of a request.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_headers<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, KeyError> {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Err(KeyError::Missing),
            (Some(_), Some(_)) => Err(KeyError::Repeated),
            (Some(value), None) => Self::parse(value),
        }
    }

    fn parse(value: &[u8]) -> Result<Self, KeyError> {
        let key = structured_string(value.trim_ascii()).ok_or(KeyError::NotAString)?;
        if (1..=KEY_MAX_CHARS).contains(&key.len()) {
            Ok(Self(key))
        } else {
            Err(KeyError::Length)
        }
    }

    /// The key without its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `sf-string` of RFC 8941. The draft's grammar has no parameters, so none are accepted.
fn structured_string(value: &[u8]) -> Option<String> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut text = String::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next()? {
                escaped @ (b'"' | b'\\') => text.push(char::from(*escaped)),
                _ => return None,
            },
            b'"' => return None,
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => return None,
        }
    }
    Some(text)
}

// === impl Fingerprint ===

impl Fingerprint {
    /// The fingerprint of a request's canonical text.
    pub fn of(canonical: &str) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digest = Sha256::digest(canonical.as_bytes());
        let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Self(halves.map(|half| char::from(DIGITS[usize::from(half)])).collect())
    }

    /// A fingerprint stored earlier.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// As stored in rows and said in commands.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(value: &str) -> Result<String, KeyError> {
        IdempotencyKey::from_headers([value.as_bytes()]).map(|key| key.0)
    }

    #[test]
    fn a_key_is_a_structured_string() {
        for (value, meant) in [
            (
                r#""8e03978e-40d5-43dd-bc93-6894a57f9324""#,
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            (r#"  "a b"  "#, "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
        ] {
            assert_eq!(key(value).as_deref(), Ok(meant), "{value}");
        }
    }

    #[test]
    fn a_fingerprint_is_sha_256_in_hexadecimal() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of("abc").as_str(), of_abc);
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let long = format!("\"{}\"", "a".repeat(KEY_MAX_CHARS + 1));
        for (value, why) in [
            ("", KeyError::NotAString),
            ("abc", KeyError::NotAString),
            ("\"", KeyError::NotAString),
            ("\"abc", KeyError::NotAString),
            ("'abc'", KeyError::NotAString),
            (r#""a"b""#, KeyError::NotAString),
            (r#""a\b""#, KeyError::NotAString),
            (r#""a\""#, KeyError::NotAString),
            ("\"é\"", KeyError::NotAString),
            ("\"a\tb\"", KeyError::NotAString),
            (r#""a";p=1"#, KeyError::NotAString),
            (r#""a", "b""#, KeyError::NotAString),
            (r#""""#, KeyError::Length),
            (&long, KeyError::Length),
        ] {
            assert_eq!(key(value), Err(why), "{value}");
        }
        assert_eq!(IdempotencyKey::from_headers([]), Err(KeyError::Missing));
        assert_eq!(
            IdempotencyKey::from_headers([&b"\"a\""[..], b"\"a\""]),
            Err(KeyError::Repeated)
        );
    }

    proptest! {
        #[test]
        fn printable_text_survives_quoting(text in "[ -~]{1,255}") {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(key(&quoted), Ok(text));
        }

        #[test]
        fn garbage_never_panics(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = IdempotencyKey::from_headers([&value[..]]);
        }
    }
}
