//! Secrets: read from a file or the environment, compared in constant time, never printed.

use secrecy::{ExposeSecret, SecretString};
use std::path::PathBuf;
use subtle::ConstantTimeEq;

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the file {path} that {variable}_FILE names")]
    Unreadable {
        /// The variable, without `_FILE`.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file or the variable is there and empty.
    #[error("{variable} is empty")]
    Empty {
        /// The variable.
        variable: String,
    },
}

/// The secret that `<variable>_FILE` points to, else the one in `variable` itself, else nothing.
///
/// White space around it is dropped: files end in a newline.
pub fn read_secret(variable: &str) -> Result<Option<SecretString>, SecretError> {
    let text = match std::env::var_os(format!("{variable}_FILE")) {
        Some(path) => {
            let path = PathBuf::from(path);
            std::fs::read_to_string(&path).map_err(|source| SecretError::Unreadable {
                variable: variable.to_owned(),
                path,
                source,
            })?
        }
        None => match std::env::var(variable) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    match text.trim() {
        "" => Err(SecretError::Empty {
            variable: variable.to_owned(),
        }),
        secret => Ok(Some(SecretString::from(secret))),
    }
}

/// Whether an `Authorization` header's value is `Bearer <token>`, in time that does not depend on the guess.
pub fn matches_bearer(authorization: Option<&str>, token: &SecretString) -> bool {
    let Some((scheme, offered)) = authorization.and_then(|value| value.split_once(' ')) else {
        return false;
    };
    scheme.eq_ignore_ascii_case("bearer")
        && bool::from(offered.trim().as_bytes().ct_eq(token.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_matches_only_itself() {
        let token = SecretString::from("s3cret");
        for good in ["Bearer s3cret", "bearer s3cret"] {
            assert!(matches_bearer(Some(good), &token), "{good}");
        }
        for bad in [
            None,
            Some(""),
            Some("s3cret"),
            Some("Basic s3cret"),
            Some("Bearer s3cre"),
            Some("Bearer "),
        ] {
            assert!(!matches_bearer(bad, &token), "{bad:?}");
        }
    }

    #[test]
    fn no_variable_is_no_secret() {
        assert!(matches!(read_secret("A_VARIABLE_THAT_NOBODY_SETS"), Ok(None)));
    }
}
