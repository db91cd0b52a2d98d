//! Names, e-mail addresses and telephone numbers, each in its one normal spelling.

use std::fmt;

/// Why a text is not what it should be. It never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotValid(&'static str);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Not the text: it belongs to a person, and must not get into a log.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

text!(
    /// An e-mail address in small letters: two spellings of one address are one account.
    Email
);
text!(
    /// A telephone number as `+` and digits (E.164).
    Phone
);
text!(
    /// What somebody is called.
    Name
);

const EMAIL: NotValid = NotValid("must be an e-mail address such as ann@example.com");
const PHONE: NotValid =
    NotValid("must be a telephone number with its country, such as +82 10 1234 5678 (7 to 15 digits)");
const NAME: NotValid = NotValid("must be 1 to 100 characters on one line");

const EMAIL_MAX_BYTES: usize = 254;
const LOCAL_MAX_BYTES: usize = 64;
const LABEL_MAX_BYTES: usize = 63;
const NAME_MAX_CHARS: usize = 100;

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is none that mail could go to by SMTP without extensions.
    pub fn parse(text: &str) -> Result<Self, NotValid> {
        let text = text.trim().to_ascii_lowercase();
        let (local, domain) = text.rsplit_once('@').ok_or(EMAIL)?;
        let good = text.len() <= EMAIL_MAX_BYTES && is_local(local) && is_domain(domain);
        good.then_some(Self(text)).ok_or(EMAIL)
    }
}

/// Atoms with dots between them (RFC 5321, 4.1.2).
fn is_local(text: &str) -> bool {
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    text.len() <= LOCAL_MAX_BYTES && text.split('.').all(atom)
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_MAX_BYTES
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.contains('.') && text.split('.').all(label)
}

impl Phone {
    /// Reads a number; spaces, dots, hyphens and brackets between the digits do not count.
    ///
    /// # Errors
    /// When it does not begin with `+`, or has too few or too many digits.
    pub fn parse(text: &str) -> Result<Self, NotValid> {
        let digits = text.trim().strip_prefix('+').ok_or(PHONE)?;
        let digits: String = digits.chars().filter(|c| !" .-()".contains(*c)).collect();
        let good = digits.bytes().all(|byte| byte.is_ascii_digit())
            && (7..=15).contains(&digits.len())
            && !digits.starts_with('0');
        good.then(|| Self(format!("+{digits}"))).ok_or(PHONE)
    }
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// When it is empty, too long, or holds what does not belong on one line.
    pub fn parse(text: &str) -> Result<Self, NotValid> {
        line(text, NAME_MAX_CHARS).map(Self).ok_or(NAME)
    }
}

/// A text of 1 to `max` characters on one line, without white space around it.
pub(super) fn line(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    let good = !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_address_are_one() {
        for (text, expected) in [
            (" Ann.Lee+drop@Shop.Example ", Some("ann.lee+drop@shop.example")),
            ("a@b.c", Some("a@b.c")),
            ("ann", None),
            ("ann@shop", None),
            ("ann@", None),
            ("@shop.example", None),
            ("a b@shop.example", None),
            (".ann@shop.example", None),
            ("ann@-shop.example", None),
            ("ann@shop..example", None),
            ("ann@shop.example\r\nBcc: bob@x.example", None),
            ("\"ann\"@shop.example", None),
            ("안나@shop.example", None),
        ] {
            assert_eq!(
                Email::parse(text).ok().as_ref().map(Email::as_str),
                expected,
                "{text}"
            );
        }
        assert!(Email::parse(&format!("{}@shop.example", "a".repeat(65))).is_err());
    }

    #[test]
    fn spellings_of_one_number_are_one() {
        for (text, expected) in [
            ("+82 10-1234-5678", Some("+821012345678")),
            ("+1 (415) 555.0100", Some("+14155550100")),
            ("010-1234-5678", None),
            ("+82", None),
            ("+0821012345678", None),
            ("+82 10 1234 5678 ext. 9", None),
            ("+1234567890123456", None),
        ] {
            assert_eq!(
                Phone::parse(text).ok().as_ref().map(Phone::as_str),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_one_line_and_never_logged() {
        assert_eq!(Name::parse(" 김안나 ").unwrap().as_str(), "김안나");
        for bad in ["", "  ", "Ann\nLee", "\u{7}", &"a".repeat(101)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", Name::parse("Ann").unwrap()), "Name");
    }

    proptest! {
        #[test]
        fn a_normal_spelling_is_its_own(text in "[a-zA-Z0-9+.]{1,20}@[a-zA-Z0-9]{1,10}\\.[a-z]{2,5}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = (Email::parse(&text), Phone::parse(&text), Name::parse(&text));
        }
    }
}
