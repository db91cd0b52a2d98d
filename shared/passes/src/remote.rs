//! Keys published by the edge, fetched by whoever verifies passes elsewhere.

use crate::{PassError, Verifier};
use contract::PassClaims;
use jsonwebtoken::jwk::JwkSet;
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

/// Keys are fetched at most this often, however many tokens name a key we do not know.
const REFETCH_PAUSE: Duration = Duration::from_secs(2);

/// A [`Verifier`] whose keys come from a JWK set address and are fetched again when a token names a new one.
#[derive(Debug)]
pub struct RemoteKeys {
    address: String,
    http: reqwest::Client,
    verifier: Verifier,
    last_fetch: Mutex<Option<Instant>>,
}

impl RemoteKeys {
    /// Passes whose keys are published at `address`. Nothing is fetched yet.
    pub fn at(address: String, http: reqwest::Client) -> Self {
        let none = JwkSet { keys: Vec::new() };
        Self {
            address,
            http,
            verifier: Verifier::new(&none),
            last_fetch: Mutex::new(None),
        }
    }

    /// The claims of `token`; see [`Verifier::verify`]. An unknown key is looked up once before it is refused.
    ///
    /// # Errors
    /// [`PassError`]; `UnknownKey` also when the keys could not be fetched.
    pub async fn verify(&self, token: &str, now_unix_seconds: u64) -> Result<Arc<PassClaims>, PassError> {
        match self.verifier.verify(token, now_unix_seconds) {
            Err(PassError::UnknownKey) => {
                self.fetch().await;
                self.verifier.verify(token, now_unix_seconds)
            }
            decided => decided,
        }
    }

    async fn fetch(&self) {
        let mut last = self.last_fetch.lock().await;
        if last.is_some_and(|at| at.elapsed() < REFETCH_PAUSE) {
            return;
        }
        *last = Some(Instant::now());
        match self.get().await {
            Ok(keys) => {
                info!(keys = keys.keys.len(), "fetched the keys that verify passes");
                self.verifier.replace_keys(&keys);
            }
            Err(error) => warn!(%error, address = self.address, "cannot fetch the keys that verify passes"),
        }
    }

    async fn get(&self) -> Result<JwkSet, reqwest::Error> {
        self.http
            .get(&self.address)
            .timeout(REFETCH_PAUSE)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await
    }
}
