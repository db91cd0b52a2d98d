//! The issuers that an edge reads tokens of, each with the tasks that keep up with it.

use super::AccountIssuer;
use crate::config::{Config, IssuerConfig};
use clock::Clock;
use process::Shutdown;
use std::sync::Arc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// All of them.
#[derive(Clone, Default)]
pub struct Issuers {
    running: Vec<Running>,
}

#[derive(Clone)]
struct Running {
    issuer: Arc<AccountIssuer>,
    /// Its tasks end with the last set that it is in.
    _stop: Arc<DropGuard>,
}

impl Issuers {
    /// Starts the issuers that `config` names. Those that are in `before` go on as they are.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn start(
        config: &Config,
        before: &Self,
        clock: &Arc<dyn Clock>,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let mut issuers = Self::default();
        for config in config.issuers() {
            if issuers.find(config).is_some() {
                continue;
            }
            let running = match before.find(config) {
                Some(running) => running.clone(),
                None => Running::start(config.clone(), Arc::clone(clock), shutdown)?,
            };
            issuers.running.push(running);
        }
        Ok(issuers)
    }

    /// The issuer that was made from this config.
    pub fn of(&self, config: &IssuerConfig) -> Option<&Arc<AccountIssuer>> {
        self.find(config).map(|running| &running.issuer)
    }

    fn find(&self, config: &IssuerConfig) -> Option<&Running> {
        let same = |running: &&Running| running.issuer.config().reads_as(config);
        self.running.iter().find(same)
    }
}

impl Running {
    fn start(config: IssuerConfig, clock: Arc<dyn Clock>, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let issuer = Arc::new(AccountIssuer::new(config)?);
        let stop = shutdown.token().child_token();
        let (followed, stopped) = (Arc::clone(&issuer), stop.clone());
        shutdown.spawn_until("follow an issuer", stop.clone(), async move {
            follow(&followed, clock.as_ref(), &stopped).await;
            Ok(())
        });
        Ok(Self {
            issuer,
            _stop: Arc::new(stop.drop_guard()),
        })
    }
}

async fn follow(issuer: &AccountIssuer, clock: &dyn Clock, stop: &CancellationToken) {
    match issuer.revoked() {
        Some(revoked) => {
            tokio::join!(issuer.follow_keys(stop), revoked.follow(clock, stop));
        }
        None => issuer.follow_keys(stop).await,
    }
}

impl IssuerConfig {
    /// Whether tokens are read in the same way; where people sign in makes no difference.
    fn reads_as(&self, other: &Self) -> bool {
        let sign_in_url = other.sign_in_url.clone();
        let other_way = Self {
            sign_in_url,
            ..self.clone()
        };
        other_way == *other
    }
}

/// Where a browser goes to sign in, so that it comes back to `path` (with its query).
pub fn sign_in_address(url: &str, path: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let back: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("{url}{separator}return={back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_comes_back_to_where_it_was() {
        for (url, expected) in [
            ("/sign-in", "/sign-in?return=%2Fshop%3Fa%3D1%26b%3D2"),
            (
                "https://id.example/sign-in?app=shop",
                "https://id.example/sign-in?app=shop&return=%2Fshop%3Fa%3D1%26b%3D2",
            ),
        ] {
            assert_eq!(sign_in_address(url, "/shop?a=1&b=2"), expected);
        }
    }
}
