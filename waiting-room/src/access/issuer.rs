//! Who somebody is, by an access token of an issuer of identities.

use super::{Account, revocations::RevokedTokens};
use crate::{
    config::{IssuerConfig, JwksPlace, TokenPlace},
    entrance::Head,
    gate::find_cookie,
};
use anyhow::Context;
use moka::sync::Cache;
use passes::{AccessError, Issuer, JwkSet, KeySource};
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
use waiting_room_domain::Moment;

/// How often the issuer's keys are looked at again.
const REFETCH: Duration = Duration::from_secs(300);
/// However many tokens name a key that we do not know, the issuer is asked no more often.
const REFETCH_PAUSE: Duration = Duration::from_secs(10);
/// Tokens remembered at most, at about 800 bytes each.
const REMEMBERED_MAX: u64 = 100_000;
/// A token that nobody has shown for this long is checked again.
const REMEMBERED_IDLE: Duration = Duration::from_secs(600);

/// Why somebody's account is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// There is no token: one has to sign in.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// There are two, and nobody can tell which of them the origin would read.
    #[error("there are two access tokens")]
    Twice,
    /// It is not genuine, over, or revoked.
    #[error("the access token counts for nothing")]
    NotValid,
    /// The issuer's keys could not be had so far, so that no token can be read.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
    /// What is revoked cannot be had, and the token was not seen before.
    #[error("what is revoked is not known")]
    NoRevocations,
}

impl NotKnown {
    /// Whether that is no fault of the visitor's: trying again is right.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::NoKeys | Self::NoRevocations)
    }
}

/// Reads the tokens of one issuer.
pub struct AccountIssuer {
    config: IssuerConfig,
    issuer: Issuer,
    source: KeySource,
    /// By the hash of the token: no token is kept.
    known: Cache<[u8; 32], Arc<Account>>,
    revoked: Option<RevokedTokens>,
    has_keys: AtomicBool,
    keys: Mutex<Keys>,
}

/// What was read last.
#[derive(Default)]
struct Keys {
    read_at: Option<Instant>,
    set: Option<JwkSet>,
}

impl AccountIssuer {
    /// The issuer that `config` names. Its keys are not known before [`Self::follow_keys`] runs, or a first token comes.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(config: IssuerConfig) -> anyhow::Result<Self> {
        process::install_tls();
        let http = reqwest::Client::builder().build();
        let http = http.context("make a client for an issuer of access tokens")?;
        let source = match &config.keys {
            JwksPlace::File(path) => KeySource::File(path.clone()),
            JwksPlace::Url(url) => KeySource::Address {
                url: url.clone(),
                http: http.clone(),
            },
        };
        let known = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .time_to_idle(REMEMBERED_IDLE)
            .build();
        let revoked = config.revocations.clone();
        Ok(Self {
            issuer: Issuer::new(config.issuer.clone(), config.audience.clone()),
            source,
            known,
            revoked: revoked.map(|revoked| RevokedTokens::new(&config.name, revoked, http)),
            has_keys: AtomicBool::new(false),
            keys: Mutex::default(),
            config,
        })
    }

    /// What it was made from.
    pub fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// What is known of the revoked ones, if it says which those are.
    pub fn revoked(&self) -> Option<&RevokedTokens> {
        self.revoked.as_ref()
    }

    /// The account of whoever sent this request. Memory only for a token that was seen before; the issuer may be asked
    /// for its keys when a token names a new one.
    ///
    /// # Errors
    /// [`NotKnown`].
    pub async fn account(&self, head: &impl Head, now: Moment) -> Result<Arc<Account>, NotKnown> {
        let token = self.token_of(head)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        let seen = self.known.get(&hash);
        let was_seen = seen.is_some();
        let account = match seen {
            Some(account) => account,
            None => Arc::new(self.verify(token, now).await?),
        };
        if now >= account.expires {
            return Err(NotKnown::NotValid);
        }
        if let Some(revoked) = &self.revoked {
            revoked.allow(&account.marks, was_seen)?;
        }
        if !was_seen {
            self.known.insert(hash, Arc::clone(&account));
        }
        Ok(account)
    }

    async fn verify(&self, token: &str, now: Moment) -> Result<Account, NotKnown> {
        let seconds = now.unix_seconds();
        let mut verified = self.issuer.verify(token, seconds);
        if verified == Err(AccessError::UnknownKey) {
            self.fetch().await;
            verified = self.issuer.verify(token, seconds);
        }
        let claims = verified.map_err(|error| match error {
            AccessError::UnknownKey if !self.has_keys.load(Ordering::Relaxed) => NotKnown::NoKeys,
            _ => NotKnown::NotValid,
        })?;
        let account = Account::of(&claims, &self.config.name, &self.config.roles_claim);
        account.ok_or(NotKnown::NotValid)
    }

    fn token_of<'a>(&self, head: &'a impl Head) -> Result<&'a str, NotKnown> {
        let token = match &self.config.token {
            TokenPlace::Bearer => only_bearer(head)?,
            TokenPlace::Cookie(name) => in_cookie(head, name),
            TokenPlace::BearerOrCookie(name) => only_bearer(head)?.or_else(|| in_cookie(head, name)),
        };
        let token = token.ok_or(NotKnown::NotSignedIn)?;
        std::str::from_utf8(token).map_err(|_| NotKnown::NotValid)
    }

    /// Keeps the issuer's keys fresh until it is told to stop.
    pub async fn follow_keys(&self, stop: &CancellationToken) {
        let mut ticks = interval(REFETCH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.fetch().await,
                // An edge that has none yet would turn everybody away until the next look.
                () = tokio::time::sleep(REFETCH_PAUSE), if !self.has_keys.load(Ordering::Relaxed) => {
                    self.fetch().await;
                }
                () = stop.cancelled() => return,
            }
        }
    }

    /// Asks the issuer for its keys, unless somebody did a moment ago. Who comes meanwhile waits for the answer.
    async fn fetch(&self) {
        let mut keys = self.keys.lock().await;
        if keys.read_at.is_some_and(|at| at.elapsed() < REFETCH_PAUSE) {
            return;
        }
        let read = self.source.read().await;
        keys.read_at = Some(Instant::now());
        match read {
            // What was seen stays seen: while it is not known what is revoked, that is what counts.
            Ok(set) if keys.set.as_ref() == Some(&set) => {}
            Ok(set) => {
                let count = self.issuer.replace_keys(&set);
                self.known.invalidate_all();
                self.has_keys.store(count > 0, Ordering::Relaxed);
                keys.set = Some(set);
                info!(
                    issuer = self.config.name,
                    keys = count,
                    "read the keys of an issuer"
                );
            }
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                warn!(
                    issuer = self.config.name,
                    error, "cannot read the keys of an issuer"
                );
            }
        }
    }
}

/// The token of `Authorization: Bearer`, which there may be once.
pub(super) fn only_bearer(head: &impl Head) -> Result<Option<&[u8]>, NotKnown> {
    let mut values = head.values("authorization");
    let token = values.next().and_then(bearer);
    if token.is_some() && values.next().is_some() {
        return Err(NotKnown::Twice);
    }
    Ok(token)
}

fn in_cookie<'a>(head: &'a impl Head, name: &str) -> Option<&'a [u8]> {
    find_cookie(head.values("cookie"), name).filter(|token| !token.is_empty())
}

/// The token of `Authorization: Bearer`; another scheme has nothing to do with us.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
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
    struct KeyFile(PathBuf);

    impl KeyFile {
        fn named(name: &str, keys: &Value) -> Self {
            let path = std::env::temp_dir().join(format!("jwks-{name}-{}.json", std::process::id()));
            std::fs::write(&path, keys.to_string()).unwrap();
            Self(path)
        }
    }

    impl Drop for KeyFile {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    fn issuer(keys: &Path, token: TokenPlace) -> AccountIssuer {
        let config = IssuerConfig {
            name: "members".to_owned(),
            issuer: "https://id.example/".to_owned(),
            audience: Some("shop".to_owned()),
            keys: JwksPlace::File(keys.to_owned()),
            token,
            roles_claim: "roles".to_owned(),
            sign_in_url: None,
            revocations: None,
        };
        AccountIssuer::new(config).unwrap()
    }

    fn bearer_of(name: &str) -> HeaderMap {
        let value = format!("Bearer {}", vectors()["tokens"][name].as_str().unwrap());
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())])
    }

    #[tokio::test]
    async fn an_account_is_known_by_its_token() {
        let keys = KeyFile::named("known", &vectors()["jwks"]);
        let issuer = issuer(&keys.0, TokenPlace::Bearer);
        let account = issuer.account(&bearer_of("RS256"), NOW).await.unwrap();
        let again = issuer.account(&bearer_of("RS256"), NOW).await.unwrap();
        assert!(Arc::ptr_eq(&account, &again), "remembered");
        assert_eq!(account.subject, "account of RS256");
        let other = issuer.account(&bearer_of("ES256"), NOW).await.unwrap();
        assert_ne!(other.subject, account.subject);
        let over = Moment::from_unix_ms(4_102_444_800_000);
        let late = issuer.account(&bearer_of("RS256"), over).await;
        assert_eq!(late.err(), Some(NotKnown::NotValid));
        for bad in [bearer_of("other issuer"), bearer_of("unknown key")] {
            assert_eq!(issuer.account(&bad, NOW).await.err(), Some(NotKnown::NotValid));
        }
    }

    #[tokio::test]
    async fn a_token_is_looked_for_where_the_config_says() {
        let keys = KeyFile::named("place", &vectors()["jwks"]);
        let by_cookie = issuer(&keys.0, TokenPlace::Cookie("session".to_owned()));
        let by_header = issuer(&keys.0, TokenPlace::Bearer);
        let by_either = issuer(&keys.0, TokenPlace::BearerOrCookie("session".to_owned()));
        let value = format!("a=b; session={}", vectors()["tokens"]["EdDSA"].as_str().unwrap());
        let cookie = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&value).unwrap())]);
        let of =
            |scheme: &'static str| HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(scheme))]);
        let mut twice = bearer_of("EdDSA");
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let mut both = cookie.clone();
        both.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let signed_out = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static("session="))]);
        for (issuer, head, expected) in [
            (&by_cookie, &cookie, None),
            (&by_cookie, &bearer_of("EdDSA"), Some(NotKnown::NotSignedIn)),
            (&by_cookie, &signed_out, Some(NotKnown::NotSignedIn)),
            (&by_header, &cookie, Some(NotKnown::NotSignedIn)),
            (&by_header, &bearer_of("EdDSA"), None),
            (&by_header, &HeaderMap::new(), Some(NotKnown::NotSignedIn)),
            (&by_header, &of("Basic YTpi"), Some(NotKnown::NotSignedIn)),
            (&by_header, &of("Bearer x"), Some(NotKnown::NotValid)),
            (&by_header, &of("Bearer "), Some(NotKnown::NotValid)),
            (&by_header, &twice, Some(NotKnown::Twice)),
            (&by_either, &cookie, None),
            (&by_either, &bearer_of("EdDSA"), None),
            (&by_either, &signed_out, Some(NotKnown::NotSignedIn)),
            (&by_either, &both, Some(NotKnown::NotValid)),
        ] {
            assert_eq!(issuer.account(head, NOW).await.err(), expected, "{head:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_found_after_a_pause_and_without_keys_nobody_is_blamed() {
        let keys = KeyFile::named("rotated", &serde_json::json!({"keys": []}));
        let issuer = issuer(&keys.0, TokenPlace::Bearer);
        let ask = async || issuer.account(&bearer_of("RS256"), NOW).await.err();
        assert_eq!(ask().await, Some(NotKnown::NoKeys));
        std::fs::write(&keys.0, vectors()["jwks"].to_string()).unwrap();
        assert_eq!(ask().await, Some(NotKnown::NoKeys), "asked a moment ago");
        tokio::time::advance(REFETCH_PAUSE).await;
        assert_eq!(ask().await, None);
    }

    /// A thousand tokens that name keys which nobody has are one question to the issuer.
    #[tokio::test(start_paused = true)]
    async fn unknown_keys_do_not_make_the_issuer_busy() {
        let keys = KeyFile::named("busy", &vectors()["jwks"]);
        let issuer = issuer(&keys.0, TokenPlace::Bearer);
        assert!(issuer.account(&bearer_of("RS256"), NOW).await.is_ok());
        let asked_at = issuer.keys.lock().await.read_at;
        for _ in 0..1_000 {
            let unknown = issuer.account(&bearer_of("unknown key"), NOW).await;
            assert_eq!(unknown.err(), Some(NotKnown::NotValid));
        }
        assert_eq!(issuer.keys.lock().await.read_at, asked_at);
        assert!(issuer.account(&bearer_of("RS256"), NOW).await.is_ok());
    }

    /// A key that the issuer takes back opens nothing from the next look on, not even what was seen before.
    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_taken_back_opens_nothing() {
        let keys = KeyFile::named("taken-back", &vectors()["jwks"]);
        let issuer = issuer(&keys.0, TokenPlace::Bearer);
        assert!(issuer.account(&bearer_of("RS256"), NOW).await.is_ok());
        std::fs::write(
            &keys.0,
            serde_json::json!({"keys": [vectors()["jwks"]["keys"][1]]}).to_string(),
        )
        .unwrap();
        tokio::time::advance(REFETCH_PAUSE).await;
        issuer.fetch().await;
        assert_eq!(
            issuer.account(&bearer_of("RS256"), NOW).await.err(),
            Some(NotKnown::NotValid)
        );
        assert!(issuer.account(&bearer_of("ES256"), NOW).await.is_ok());
    }
}
