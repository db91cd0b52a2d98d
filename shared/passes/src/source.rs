//! Where a JWK set is published.

use crate::JwkSet;
use std::{path::PathBuf, time::Duration};

/// An issuer that has not answered by then is asked again later.
const PATIENCE: Duration = Duration::from_secs(5);
/// A JWK set of a hundred keys is far smaller.
const BYTES_MAX: usize = 256 * 1024;

/// Where a JWK set is.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// An address that answers it.
    Address {
        /// The address.
        url: String,
        /// Who asks.
        http: reqwest::Client,
    },
    /// A file.
    File(PathBuf),
}

/// Why a JWK set could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeySourceError {
    /// Nobody answered, or not with success.
    #[error("fetch a JWK set")]
    Fetch(#[from] reqwest::Error),
    /// The file could not be read.
    #[error("read a JWK set")]
    Read(#[from] std::io::Error),
    /// Not a JWK set.
    #[error("a JWK set makes no sense")]
    Nonsense(#[from] serde_json::Error),
    /// Longer than any JWK set.
    #[error("a JWK set is longer than {BYTES_MAX} bytes")]
    TooLong,
}

impl KeySource {
    /// The JWK set as it is published now.
    ///
    /// # Errors
    /// [`KeySourceError`].
    pub async fn read(&self) -> Result<JwkSet, KeySourceError> {
        let text = match self {
            Self::Address { url, http } => fetch(http, url).await?,
            Self::File(path) => tokio::fs::read(path).await?,
        };
        if text.len() > BYTES_MAX {
            return Err(KeySourceError::TooLong);
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

async fn fetch(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, KeySourceError> {
    let asked = http.get(url).timeout(PATIENCE).send().await?;
    let mut answer = asked.error_for_status()?;
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > BYTES_MAX {
            return Err(KeySourceError::TooLong);
        }
    }
    Ok(text)
}
