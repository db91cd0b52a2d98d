//! The tokens that open the operators' API: one for everybody, or one each, which proves who operates.

use fairness::Actor;
use process::{Exit, matches_bearer, read_secret};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{os::unix::fs::PermissionsExt, path::Path};
use subtle::ConstantTimeEq;

const ONE: &str = "WAITING_ROOM_ADMIN_TOKEN";
const NAMED: &str = "WAITING_ROOM_ADMIN_TOKENS";
/// Before the SHA-256 of a token, in hexadecimal digits.
const HASHED: &str = "sha256:";
/// Tokens of one file at most.
const TOKENS_MAX: usize = 200;
/// A token of one's own is at least so long.
const TOKEN_MIN_CHARS: usize = 16;

/// The tokens that open the operators' API.
#[derive(Debug, Default)]
pub struct AdminTokens {
    one: Option<SecretString>,
    named: Vec<Named>,
}

#[derive(Debug)]
struct Named {
    owner: Actor,
    /// Of the token, which is not kept.
    hash: [u8; 32],
}

/// Which token was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// The one of everybody.
    Shared,
    /// The one of this operator.
    Own(Actor),
}

impl AdminTokens {
    /// The token in `WAITING_ROOM_ADMIN_TOKEN`, and those in `WAITING_ROOM_ADMIN_TOKENS`: a line each, `name:token`, or
    /// `name:sha256:<hash of the token>`. Either may be in a file that the variable with `_FILE` names; one with tokens
    /// that are not hashed must be its owner's alone to read.
    ///
    /// # Errors
    /// Names the line that is wrong, never what is in it.
    pub fn from_environment() -> Result<Self, Exit> {
        let named = match read_secret(NAMED)? {
            Some(text) => Self::named(text.expose_secret(), others_may_read()).map_err(|mistakes| {
                let lines = mistakes.into_iter().map(|line| format!("{NAMED}, {line}"));
                Exit::Usage(lines.collect())
            })?,
            None => Vec::new(),
        };
        Ok(Self {
            one: read_secret(ONE)?,
            named,
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.one.is_none() && self.named.is_empty()
    }

    /// Which token an `Authorization` header shows, in time that does not depend on the guess.
    pub(super) fn shown_by(&self, authorization: Option<&str>) -> Option<Shown> {
        if self
            .one
            .as_ref()
            .is_some_and(|one| matches_bearer(authorization, one))
        {
            return Some(Shown::Shared);
        }
        let (scheme, token) = authorization?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(token.trim()).into();
        let mut owner = None;
        // All of them are looked at, whichever it is.
        for named in &self.named {
            if bool::from(named.hash.ct_eq(&hash)) {
                owner = Some(&named.owner);
            }
        }
        owner.cloned().map(Shown::Own)
    }

    fn named(text: &str, others_may_read: bool) -> Result<Vec<Named>, Vec<String>> {
        let mut named: Vec<Named> = Vec::new();
        let mut mistakes = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match read(line, others_may_read) {
                Ok(token) if named.iter().any(|other| other.owner == token.owner) => {
                    mistakes.push(format!("line {number}: there is another token of that name"));
                }
                Ok(token) => named.push(token),
                Err(mistake) => mistakes.push(format!("line {number}: {mistake}")),
            }
        }
        if named.len() > TOKENS_MAX {
            mistakes.push(format!("more than {TOKENS_MAX} tokens"));
        }
        if mistakes.is_empty() {
            Ok(named)
        } else {
            Err(mistakes)
        }
    }
}

fn read(line: &str, others_may_read: bool) -> Result<Named, &'static str> {
    let (name, token) = line.split_once(':').ok_or("is not name:token")?;
    let owner = Actor::parse(name.trim()).ok_or("the name must be 1 to 32 of a-z, 0-9, _ and -")?;
    let token = token.trim();
    let hash = match token.strip_prefix(HASHED) {
        Some(digits) => fairness::hex::array(digits).ok_or("the hash must be 64 hexadecimal digits")?,
        None if others_may_read => {
            return Err(
                "others may read this file: take that away (chmod 600), or write name:sha256:<hash of the token>",
            );
        }
        None if token.len() < TOKEN_MIN_CHARS => return Err("the token must be at least 16 characters"),
        None => Sha256::digest(token).into(),
    };
    Ok(Named { owner, hash })
}

/// Whether the file that holds the tokens can be read by others than its owner.
fn others_may_read() -> bool {
    let Some(path) = std::env::var_os(format!("{NAMED}_FILE")) else {
        return false;
    };
    let mode = std::fs::metadata(Path::new(&path)).map(|file| file.permissions().mode());
    mode.is_ok_and(|mode| mode & 0o077 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "a-token-of-anna-s-own";

    fn tokens(text: &str, others_may_read: bool) -> Result<AdminTokens, Vec<String>> {
        let named = AdminTokens::named(text, others_may_read)?;
        Ok(AdminTokens {
            one: Some(SecretString::from("everybody's")),
            named,
        })
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let hash = crate::config::live::hash("ben's, which nobody reads here");
        let text = format!("# operators\nanna: {TOKEN}\nben:sha256:{hash}\n");
        let tokens = tokens(&text, false).unwrap();
        let owner = |shown: &str| tokens.shown_by(Some(&format!("Bearer {shown}")));
        let own = |name| Some(Shown::Own(Actor::parse(name).unwrap()));
        assert_eq!(owner(TOKEN), own("anna"));
        assert_eq!(owner("ben's, which nobody reads here"), own("ben"));
        assert_eq!(owner("everybody's"), Some(Shown::Shared));
        for wrong in ["", "anna", &hash, &TOKEN[1..]] {
            assert_eq!(owner(wrong), None, "{wrong}");
        }
        assert_eq!(tokens.shown_by(None), None);
        assert_eq!(tokens.shown_by(Some(TOKEN)), None);
    }

    #[test]
    fn mistakes_are_named_without_the_token() {
        let hash = crate::config::live::hash(TOKEN);
        for (text, others, line) in [
            (format!("anna {TOKEN}"), false, "line 1"),
            (format!("An na:{TOKEN}"), false, "line 1"),
            ("\nanna:short".to_owned(), false, "line 2"),
            (format!("anna:{TOKEN}\nanna:{TOKEN}"), false, "line 2"),
            (format!("anna:sha256:{}", &hash[1..]), false, "line 1"),
            (format!("anna:{TOKEN}"), true, "line 1: others may read"),
        ] {
            let mistakes = tokens(&text, others).unwrap_err();
            assert!(mistakes[0].starts_with(line), "{mistakes:?}");
            assert!(!mistakes[0].contains(TOKEN), "{mistakes:?}");
        }
        assert!(tokens(&format!("anna:sha256:{hash}"), true).is_ok());
    }
}
