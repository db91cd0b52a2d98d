//! What the process is told by its environment.

use payments::webhooks::WebhookSecret;
use secrecy::{ExposeSecret, SecretString};
use std::{net::SocketAddr, time::Duration};

const DEFAULT_LISTEN: &str = "127.0.0.1:17084";
const DEFAULT_SLOW_MS: u64 = 5_000;

/// What the process is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `SANDBOX_PAYMENTS_LISTEN`: where it listens.
    pub listen: SocketAddr,
    /// `SANDBOX_PAYMENTS_PUBLIC_URL`: how browsers reach it, without a slash at the end.
    pub public_url: String,
    /// `SANDBOX_PAYMENTS_WEBHOOK_URL`: whom it tells what became of a payment.
    pub webhook_url: String,
    /// `PAYMENTS_WEBHOOK_SECRET` or `PAYMENTS_WEBHOOK_SECRET_FILE`: what it signs with.
    pub secret: WebhookSecret,
    /// `SANDBOX_PAYMENTS_SLOW_MS`: how long the slow card takes.
    pub slow: Duration,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every mistake, one a line.
    pub fn from_env() -> Result<Self, Vec<String>> {
        let secret = process::read_secret("PAYMENTS_WEBHOOK_SECRET").map_err(|error| error.to_string());
        Self::from(|name| std::env::var(name).ok(), secret)
    }

    fn from(
        get: impl Fn(&str) -> Option<String>,
        secret: Result<Option<SecretString>, String>,
    ) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let listen = get("SANDBOX_PAYMENTS_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        let public_url = get("SANDBOX_PAYMENTS_PUBLIC_URL").unwrap_or_else(|| format!("http://{listen}"));
        let mut note = |name: &str, problem: &str| mistakes.push(format!("{name}: {problem}"));

        let listen = listen.parse();
        if listen.is_err() {
            note(
                "SANDBOX_PAYMENTS_LISTEN",
                "must be an address and a port, e.g. 127.0.0.1:17084",
            );
        }
        if !is_http(&public_url) {
            note(
                "SANDBOX_PAYMENTS_PUBLIC_URL",
                "must begin with http:// or https://",
            );
        }
        let webhook_url = get("SANDBOX_PAYMENTS_WEBHOOK_URL").unwrap_or_default();
        if !is_http(&webhook_url) {
            note(
                "SANDBOX_PAYMENTS_WEBHOOK_URL",
                "must be set to the http:// or https:// URL that takes webhooks",
            );
        }
        let slow = get("SANDBOX_PAYMENTS_SLOW_MS").map_or(Ok(DEFAULT_SLOW_MS), |text| text.parse());
        if slow.is_err() {
            note("SANDBOX_PAYMENTS_SLOW_MS", "must be a number of milliseconds");
        }
        let secret = secret_of(secret).map_err(|problem| note("PAYMENTS_WEBHOOK_SECRET", &problem));
        match (listen, slow, secret) {
            (Ok(listen), Ok(slow), Ok(secret)) if mistakes.is_empty() => Ok(Self {
                listen,
                public_url: public_url.trim_end_matches('/').to_owned(),
                webhook_url,
                secret,
                slow: Duration::from_millis(slow),
            }),
            _ => Err(mistakes),
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn secret_of(secret: Result<Option<SecretString>, String>) -> Result<WebhookSecret, String> {
    let text = secret?.ok_or("must be set (or PAYMENTS_WEBHOOK_SECRET_FILE to a file with it)")?;
    WebhookSecret::parse(text.expose_secret()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Result<Option<SecretString>, String> {
        Ok(Some(SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
    }

    #[test]
    fn the_defaults_need_a_receiver_and_a_secret() {
        let get = |name: &str| (name == "SANDBOX_PAYMENTS_WEBHOOK_URL").then(|| "http://h/w".to_owned());
        let settings = Settings::from(get, secret()).unwrap();
        assert_eq!(settings.public_url, "http://127.0.0.1:17084");
        assert_eq!(settings.slow, Duration::from_secs(5));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let mistakes = Settings::from(|_| Some("nonsense".to_owned()), Ok(None)).unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    }
}
