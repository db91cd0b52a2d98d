//! Which passwords are good enough: long, not on everybody's list, and not about the person. Nothing is asked of
//! capitals, digits and signs: such rules make passwords that are alike (NIST SP 800-63B, 5.1.1.2).

/// The shortest password.
pub const PASSWORD_MIN_CHARS: usize = 12;
/// The longest one: more than any passphrase, and no load for the hash.
pub const PASSWORD_MAX_CHARS: usize = 128;
/// With fewer different characters it is a pattern.
const DIFFERENT_MIN: usize = 5;
/// Shorter parts of a name or address may stand in a password by chance.
const PART_MIN_CHARS: usize = 4;

/// What most lists of stolen passwords are made of. A password that is only these words, digits and signs is on them.
const WORDS: &str = include_str!("passwords.txt");

/// Why a password is refused, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("must have {PASSWORD_MIN_CHARS} to {PASSWORD_MAX_CHARS} characters")]
    Length,
    /// On the lists that are tried first.
    #[error("is among the first that are guessed; take a few words that nobody else would put together")]
    Common,
    /// It repeats itself or counts.
    #[error("is a pattern; take a few words that nobody else would put together")]
    Pattern,
    /// It holds the person's name or address.
    #[error("must not contain your name or e-mail address")]
    Personal,
}

/// Checks a password for somebody with this address and name (each may be empty).
///
/// # Errors
/// What is wrong with it.
pub fn check_password(password: &str, email: &str, name: &str) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if !(PASSWORD_MIN_CHARS..=PASSWORD_MAX_CHARS).contains(&length) {
        return Err(WeakPassword::Length);
    }
    let folded = password.to_lowercase();
    if is_pattern(&folded) {
        return Err(WeakPassword::Pattern);
    }
    if is_common(&folded) {
        return Err(WeakPassword::Common);
    }
    if is_personal(&folded, email, name) {
        return Err(WeakPassword::Personal);
    }
    Ok(())
}

/// Few different characters, or every character next to the one before it in the alphabet.
fn is_pattern(folded: &str) -> bool {
    let mut different: Vec<char> = folded.chars().collect();
    different.sort_unstable();
    different.dedup();
    let codes = || folded.chars().map(u32::from);
    let steps: Vec<i64> = codes()
        .zip(codes().skip(1))
        .map(|(a, b)| i64::from(b) - i64::from(a))
        .collect();
    let counting = steps.iter().filter(|step| step.abs() <= 1).count();
    different.len() < DIFFERENT_MIN || counting * 4 >= steps.len() * 3
}

/// Nothing, or nothing but a few digits and signs, is left when the words of the lists are taken out.
fn is_common(folded: &str) -> bool {
    let mut rest = folded.to_owned();
    for word in WORDS.lines().filter(|word| !word.is_empty()) {
        rest = rest.replace(word, "");
    }
    let letters = rest.chars().filter(|c| c.is_alphabetic()).count();
    rest.len() < folded.len() && letters < PART_MIN_CHARS
}

fn is_personal(folded: &str, email: &str, name: &str) -> bool {
    let email = email.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let name = name.to_lowercase();
    let parts = local
        .split(['.', '+', '_', '-'])
        .chain(name.split_whitespace())
        .chain([local, email.as_str()]);
    parts
        .filter(|part| part.chars().count() >= PART_MIN_CHARS)
        .any(|part| folded.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_its_own() {
        for (password, expected) in [
            ("correct horse battery", Ok(())),
            ("Tr0ub4dor&3xyz", Ok(())),
            ("비밀번호는길게만드는것이좋아요", Ok(())),
            ("short one", Err(WeakPassword::Length)),
            ("aaaaaaaaaaaaaaa", Err(WeakPassword::Pattern)),
            ("abababababababab", Err(WeakPassword::Pattern)),
            ("1234567890123456", Err(WeakPassword::Pattern)),
            ("abcdefghijklmnop", Err(WeakPassword::Pattern)),
            ("password12345", Err(WeakPassword::Common)),
            ("Password2026!", Err(WeakPassword::Common)),
            ("qwertyuiop123", Err(WeakPassword::Common)),
            ("iloveyou-letmein", Err(WeakPassword::Common)),
            ("anna.leeann likes tea", Err(WeakPassword::Personal)),
            ("my name is Kimberly", Err(WeakPassword::Personal)),
            ("write to Anna.LeeAnn@shop.example", Err(WeakPassword::Personal)),
        ] {
            assert_eq!(
                check_password(password, "anna.leeann@shop.example", "Kimberly O"),
                expected,
                "{password}"
            );
        }
        assert_eq!(
            check_password(&"word ".repeat(30), "", ""),
            Err(WeakPassword::Length)
        );
        assert_eq!(check_password("correct horse battery", "", ""), Ok(()));
    }
}
