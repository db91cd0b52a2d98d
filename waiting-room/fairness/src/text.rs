//! Numbers and digests as the log spells them: one spelling each, so that a line has one meaning and one hash.

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

/// 32 bytes that are spelled in lower case hexadecimal, under a name of their own.
macro_rules! digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 32]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::hex::Hex(&self.0).fmt(f)
            }
        }

        impl $name {
            /// The value that 64 lower case hexadecimal digits spell.
            pub fn parse(text: &str) -> Option<Self> {
                $crate::hex::array(text).map(Self)
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
}
