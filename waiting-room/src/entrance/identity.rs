//! Who somebody is, by an access token of the site's own issuer of identities.

use super::{AccountSecret, Head};
use crate::{
    config::{IdentityConfig, JwksPlace, TokenPlace},
    gate::find_cookie,
};
use anyhow::Context;
use contract::RoomId;
use moka::sync::Cache;
use passes::{AccessClaims, AccessError, Issuer, KeySource};
use sha2::{Digest, Sha256};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use waiting_room_domain::{Holder, Moment};

/// How often the issuer's keys are looked at again.
const REFETCH: Duration = Duration::from_secs(300);
/// However many tokens name a key that we do not know, the issuer is asked no more often.
const REFETCH_PAUSE: Duration = Duration::from_secs(10);
/// Tokens remembered at most, at some 100 bytes each.
const REMEMBERED_MAX: u64 = 200_000;
/// A token that nobody has shown for this long is checked again.
const REMEMBERED_IDLE: Duration = Duration::from_secs(600);

/// Why somebody's account is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// There is no valid token: one has to sign in.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// The issuer's keys could not be had so far, so that no token can be read.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
}

/// The accounts of one issuer, in one room.
pub struct Identity {
    room: RoomId,
    issuer: Issuer,
    source: KeySource,
    token: TokenPlace,
    sign_in_url: Option<String>,
    secret: AccountSecret,
    /// By the hash of the token: neither tokens nor names are kept.
    known: Cache<[u8; 32], Known>,
    has_keys: AtomicBool,
    last_fetch: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Known {
    account: Holder,
    expires: Moment,
}

impl Identity {
    /// The accounts of the issuer that `config` names. Its keys are not known before [`Self::follow_keys`] runs, or a
    /// first token comes.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(room: RoomId, config: IdentityConfig, secret: AccountSecret) -> anyhow::Result<Self> {
        let source = match config.keys {
            JwksPlace::File(path) => KeySource::File(path),
            JwksPlace::Url(url) => {
                process::install_tls();
                let http = reqwest::Client::builder().build();
                KeySource::Address {
                    url,
                    http: http.context("make a client for the keys of the issuer")?,
                }
            }
        };
        let known = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_idle(REMEMBERED_IDLE)
            .build();
        Ok(Self {
            room,
            issuer: Issuer::new(config.issuer, config.audience),
            source,
            token: config.token,
            sign_in_url: config.sign_in_url,
            secret,
            known,
            has_keys: AtomicBool::new(false),
            last_fetch: Mutex::default(),
        })
    }

    /// Where a browser goes to sign in, so that it comes back to `path` (with its query).
    pub fn sign_in_address(&self, path: &str) -> Option<String> {
        let url = self.sign_in_url.as_deref()?;
        let separator = if url.contains('?') { '&' } else { '?' };
        let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        Some(format!("{url}{separator}return={back}"))
    }

    /// The account of whoever sent this request. Memory only for a token that was seen before; the issuer may be asked
    /// for its keys when a token names a new one.
    ///
    /// # Errors
    /// [`NotKnown`].
    pub async fn account(&self, head: &impl Head, now: Moment) -> Result<Holder, NotKnown> {
        let token = self.token_of(head).ok_or(NotKnown::NotSignedIn)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = self.known.get(&hash) {
            let still = now < known.expires;
            return still.then_some(known.account).ok_or(NotKnown::NotSignedIn);
        }
        let claims = self.verify(token, now).await?;
        let account = self.secret.account(&self.room, self.issuer.name(), &claims.sub);
        let account = account.map_err(|_| NotKnown::NoKeys)?;
        let expires = Moment::from_unix_ms(claims.exp.saturating_mul(1000));
        self.known.insert(hash, Known { account, expires });
        Ok(account)
    }

    async fn verify(&self, token: &str, now: Moment) -> Result<AccessClaims, NotKnown> {
        let seconds = now.unix_seconds();
        let mut verified = self.issuer.verify(token, seconds);
        if verified == Err(AccessError::UnknownKey) {
            self.fetch().await;
            verified = self.issuer.verify(token, seconds);
        }
        verified.map_err(|error| match error {
            AccessError::UnknownKey if !self.has_keys.load(Ordering::Relaxed) => NotKnown::NoKeys,
            _ => NotKnown::NotSignedIn,
        })
    }

    fn token_of<'a>(&self, head: &'a impl Head) -> Option<&'a str> {
        let token = match &self.token {
            TokenPlace::Bearer => {
                let value = head.value("authorization")?;
                let (scheme, token) = value.split_at_checked(7)?;
                scheme
                    .eq_ignore_ascii_case(b"bearer ")
                    .then(|| token.trim_ascii())
            }
            TokenPlace::Cookie(name) => find_cookie(head.values("cookie"), name),
        };
        token.and_then(|token| std::str::from_utf8(token).ok())
    }

    /// Keeps the issuer's keys fresh until it is told to stop.
    ///
    /// # Errors
    /// Never: an issuer that does not answer is asked again, and its keys stand meanwhile.
    pub async fn follow_keys(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = interval(REFETCH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.fetch().await,
                // An edge that has none yet would turn everybody away until the next look.
                () = tokio::time::sleep(REFETCH_PAUSE), if !self.has_keys.load(Ordering::Relaxed) => {
                    self.fetch().await;
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Asks the issuer for its keys, unless somebody did a moment ago. Who comes meanwhile waits for the answer.
    async fn fetch(&self) {
        let mut last = self.last_fetch.lock().await;
        if last.is_some_and(|at| at.elapsed() < REFETCH_PAUSE) {
            return;
        }
        let read = self.source.read().await;
        *last = Some(Instant::now());
        match read {
            Ok(keys) => {
                let count = self.issuer.replace_keys(&keys);
                self.known.invalidate_all();
                self.has_keys.store(count > 0, Ordering::Relaxed);
                info!(room = %self.room, keys = count, "read the keys of the issuer");
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                warn!(room = %self.room, error, "cannot read the keys of the issuer");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, header::AUTHORIZATION, header::COOKIE};
    use serde_json::Value;
    use std::path::{Path, PathBuf};

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn vectors() -> Value {
        serde_json::from_str(include_str!(
            "../../../shared/passes/test-vectors/access-tokens.json"
        ))
        .unwrap()
    }

    /// A file with a JWK set, removed with this value.
    struct Keys(PathBuf);

    impl Keys {
        fn named(name: &str, keys: &Value) -> Self {
            let path = std::env::temp_dir().join(format!("jwks-{name}-{}.json", std::process::id()));
            std::fs::write(&path, keys.to_string()).unwrap();
            Self(path)
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn identity(keys: &Path, token: TokenPlace) -> Identity {
        let config = IdentityConfig {
            issuer: "https://id.example/".to_owned(),
            audience: Some("shop".to_owned()),
            keys: JwksPlace::File(keys.to_owned()),
            token,
            sign_in_url: Some("https://id.example/sign-in?app=shop".to_owned()),
        };
        let secret = super::super::EntranceKeys::of(&[(1, [1; 32])])
            .unwrap()
            .accounts();
        Identity::new("demo".parse().unwrap(), config, secret).unwrap()
    }

    fn bearer(name: &str) -> HeaderMap {
        let value = format!("Bearer {}", vectors()["tokens"][name].as_str().unwrap());
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())])
    }

    #[tokio::test]
    async fn an_account_is_known_by_its_token() {
        let keys = Keys::named("known", &vectors()["jwks"]);
        let identity = identity(&keys.0, TokenPlace::Bearer);
        let account = identity.account(&bearer("RS256"), NOW).await.unwrap();
        assert_eq!(identity.account(&bearer("RS256"), NOW).await, Ok(account));
        assert_ne!(identity.account(&bearer("ES256"), NOW).await, Ok(account));
        let over = Moment::from_unix_ms(4_102_444_800_000);
        assert_eq!(
            identity.account(&bearer("RS256"), over).await,
            Err(NotKnown::NotSignedIn)
        );
        for bad in [HeaderMap::new(), bearer("other issuer"), bearer("unknown key")] {
            assert_eq!(identity.account(&bad, NOW).await, Err(NotKnown::NotSignedIn));
        }
    }

    #[tokio::test]
    async fn a_token_may_travel_in_a_cookie() {
        let keys = Keys::named("cookie", &vectors()["jwks"]);
        let identity = identity(&keys.0, TokenPlace::Cookie("session".to_owned()));
        let value = format!("a=b; session={}", vectors()["tokens"]["EdDSA"].as_str().unwrap());
        let head = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&value).unwrap())]);
        assert!(identity.account(&head, NOW).await.is_ok());
        assert_eq!(
            identity.account(&bearer("EdDSA"), NOW).await,
            Err(NotKnown::NotSignedIn)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_found_after_a_pause_and_without_keys_nobody_is_blamed() {
        let keys = Keys::named("rotated", &serde_json::json!({"keys": []}));
        let identity = identity(&keys.0, TokenPlace::Bearer);
        assert_eq!(
            identity.account(&bearer("RS256"), NOW).await,
            Err(NotKnown::NoKeys)
        );
        std::fs::write(&keys.0, vectors()["jwks"].to_string()).unwrap();
        assert_eq!(
            identity.account(&bearer("RS256"), NOW).await,
            Err(NotKnown::NoKeys),
            "asked a moment ago"
        );
        tokio::time::advance(REFETCH_PAUSE).await;
        assert!(identity.account(&bearer("RS256"), NOW).await.is_ok());
    }

    #[test]
    fn a_browser_comes_back_to_where_it_was() {
        let keys = Keys::named("back", &vectors()["jwks"]);
        let identity = identity(&keys.0, TokenPlace::Bearer);
        let address = identity.sign_in_address("/shop?a=1&b=2").unwrap();
        assert_eq!(
            address,
            "https://id.example/sign-in?app=shop&return=%2Fshop%3Fa%3D1%26b%3D2"
        );
    }
}
