//! Numbers and bytes as the log spells them: one spelling each, so that a line has one meaning and one hash.

use std::fmt;

/// `text` as a number, if it is spelled as the log spells numbers: no sign, no leading zeros.
pub fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text.len() == 1 || !text.starts_with('0');
    if digits && canonical {
        text.parse().ok()
    } else {
        None
    }
}

/// [`decimal`] in a smaller type.
pub fn small<T: TryFrom<u64>>(text: &str) -> Option<T> {
    decimal(text)?.try_into().ok()
}

/// The bytes that `text` spells in lower case hexadecimal.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// [`bytes`] of a length that is known.
pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    bytes(text)?.try_into().ok()
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Bytes that display in lower case hexadecimal.
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// 32 bytes that are spelled in lower case hexadecimal, under a name of their own.
macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 32]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::text::Hex(&self.0).fmt(f)
            }
        }

        impl $name {
            /// The value that 64 lower case hexadecimal digits spell.
            pub fn parse(text: &str) -> Option<Self> {
                $crate::text::array(text).map(Self)
            }
        }
    };
}
pub(crate) use digest;

/// `Debug` of a [`digest`] that may be seen.
macro_rules! shown {
    ($name:ident) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}
pub(crate) use shown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for bad in [
            "",
            "+1",
            "-1",
            "01",
            "00",
            " 1",
            "1 ",
            "18446744073709551616",
            "1e3",
            "١",
        ] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
        assert_eq!(small::<u8>("256"), None);
    }

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(array("00ff1a"), Some([0, 255, 26]));
        for bad in ["0", "0F", "0g", "+1", "é"] {
            assert_eq!(bytes(bad), None, "{bad:?}");
        }
        assert_eq!(Hex(&[0, 255, 26]).to_string(), "00ff1a");
    }
}
