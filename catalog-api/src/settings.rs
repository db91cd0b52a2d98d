//! What the process is told by its environment.

mod members;

pub use members::{MemberSettings, PersonalKeys, personal_keys};

use members::Secret;
use payments::webhooks::WebhookSecret;
use process::Exit;
use secrecy::{ExposeSecret, SecretString};
use std::net::SocketAddr;

const DEFAULT_LISTEN: &str = "127.0.0.1:17082";
const DATABASE_URL: &str = "DATABASE_URL";
const DATABASE_EXAMPLE: &str = "must be set, e.g. to postgres:///shop?host=/run/postgresql";

/// What the process is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `CATALOG_API_LISTEN`: where it listens.
    pub listen: SocketAddr,
    /// `CATALOG_API_METRICS_LISTEN`: where `/metrics` is, out of the shoppers' reach; nowhere if it is not set.
    pub metrics_listen: Option<SocketAddr>,
    /// `DATABASE_URL`: PostgreSQL.
    pub database_url: SecretString,
    /// `AMQP_URL`: RabbitMQ.
    pub amqp_url: SecretString,
    /// `BROKER_PREFIX`: how every name in RabbitMQ begins.
    pub broker_prefix: String,
    /// `CATALOG_API_JWKS_URL`: where the edge publishes the keys that verify passes.
    pub jwks_url: String,
    /// `CATALOG_API_PAYMENTS_URL`: the payment provider's API.
    pub payments_url: String,
    /// `CATALOG_API_PUBLIC_URL`: the shop as browsers see it, without a slash at the end.
    pub public_url: String,
    /// `PAYMENTS_WEBHOOK_SECRET` or `PAYMENTS_WEBHOOK_SECRET_FILE`: shared with the payment provider.
    pub webhook_secret: WebhookSecret,
    /// What members need.
    pub members: MemberSettings,
}

/// `DATABASE_URL` alone, for commands that need nothing else.
///
/// # Errors
/// When it is not set.
pub fn database_url() -> Result<SecretString, Exit> {
    let url = std::env::var(DATABASE_URL).ok().filter(|url| !url.is_empty());
    url.map(SecretString::from)
        .ok_or_else(|| Exit::Usage(vec![format!("{DATABASE_URL}: {DATABASE_EXAMPLE}")]))
}

// === impl Settings ===

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every mistake, one a line.
    pub fn from_env() -> Result<Self, Vec<String>> {
        let secret = |name: &str| process::read_secret(name).map_err(|error| error.to_string());
        Self::from(|name| std::env::var(name).ok(), &secret)
    }

    fn from(get: impl Fn(&str) -> Option<String>, secret: Secret<'_>) -> Result<Self, Vec<String>> {
        let mut reader = Reader {
            get,
            mistakes: Vec::new(),
        };
        let listen = reader.listen();
        let metrics_listen = reader.metrics_listen();
        let webhook_secret = reader.webhook_secret(secret("PAYMENTS_WEBHOOK_SECRET"));
        let members = MemberSettings::read(secret, &|name| (reader.get)(name), &mut reader.mistakes);
        let read = Unfinished {
            database_url: reader.required(DATABASE_URL, DATABASE_EXAMPLE).into(),
            amqp_url: reader
                .required(
                    "AMQP_URL",
                    "must be set, e.g. to amqp://user:password@host:5672/vhost",
                )
                .into(),
            broker_prefix: (reader.get)("BROKER_PREFIX").unwrap_or_default(),
            jwks_url: reader.url("CATALOG_API_JWKS_URL"),
            payments_url: reader.url("CATALOG_API_PAYMENTS_URL"),
            public_url: reader.url("CATALOG_API_PUBLIC_URL"),
        };
        match (listen, webhook_secret, members) {
            (Some(listen), Some(secret), Some(members)) if reader.mistakes.is_empty() => {
                Ok(read.with(listen, metrics_listen, secret, members))
            }
            _ => Err(reader.mistakes),
        }
    }
}

/// The settings that can be named before it is known whether all of them are right.
struct Unfinished {
    database_url: SecretString,
    amqp_url: SecretString,
    broker_prefix: String,
    jwks_url: String,
    payments_url: String,
    public_url: String,
}

impl Unfinished {
    fn with(
        self,
        listen: SocketAddr,
        metrics_listen: Option<SocketAddr>,
        webhook_secret: WebhookSecret,
        members: MemberSettings,
    ) -> Settings {
        let Self {
            database_url,
            amqp_url,
            broker_prefix,
            jwks_url,
            payments_url,
            public_url,
        } = self;
        Settings {
            listen,
            metrics_listen,
            database_url,
            amqp_url,
            broker_prefix,
            jwks_url,
            payments_url,
            public_url,
            webhook_secret,
            members,
        }
    }
}

/// Reads variables and remembers what is wrong with them.
struct Reader<G> {
    get: G,
    mistakes: Vec<String>,
}

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    fn required(&mut self, name: &str, otherwise: &str) -> String {
        let value = (self.get)(name).unwrap_or_default();
        if value.is_empty() {
            self.mistakes.push(format!("{name}: {otherwise}"));
        }
        value
    }

    fn url(&mut self, name: &str) -> String {
        let value = (self.get)(name).unwrap_or_default();
        let is_http = url::Url::parse(&value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_http {
            self.mistakes
                .push(format!("{name}: must be set to an http:// or https:// URL"));
        }
        value.trim_end_matches('/').to_owned()
    }

    fn listen(&mut self) -> Option<SocketAddr> {
        let listen = (self.get)("CATALOG_API_LISTEN").unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        self.address("CATALOG_API_LISTEN", &listen)
    }

    fn metrics_listen(&mut self) -> Option<SocketAddr> {
        let listen = (self.get)("CATALOG_API_METRICS_LISTEN")?;
        self.address("CATALOG_API_METRICS_LISTEN", &listen)
    }

    fn address(&mut self, name: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.mistakes.push(format!(
                "{name}: must be an address and a port, e.g. {DEFAULT_LISTEN}"
            ));
        }
        address
    }

    fn webhook_secret(&mut self, secret: Result<Option<SecretString>, String>) -> Option<WebhookSecret> {
        let parsed = match secret {
            Ok(Some(text)) => WebhookSecret::parse(text.expose_secret()).map_err(|error| error.to_string()),
            Ok(None) => Err("must be set (or PAYMENTS_WEBHOOK_SECRET_FILE to a file with it)".to_owned()),
            Err(problem) => Err(problem),
        };
        parsed
            .map_err(|problem| self.mistakes.push(format!("PAYMENTS_WEBHOOK_SECRET: {problem}")))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str) -> Result<Option<SecretString>, String> {
        let text = match name {
            "PAYMENTS_WEBHOOK_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "BLIND_INDEX_KEY" => "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
            "SMTP_URL" => "smtp://127.0.0.1:25",
            "WAITING_ROOM_ORIGIN_SECRET" => return Ok(None),
            _ => "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        };
        Ok(Some(SecretString::from(text)))
    }

    #[test]
    fn what_has_a_default_need_not_be_set() {
        let get = |name: &str| match name {
            "DATABASE_URL" | "AMQP_URL" => Some("x".to_owned()),
            "MAIL_FROM" => Some("shop@shop.example".to_owned()),
            name if name.ends_with("_URL") => Some("http://h:1/".to_owned()),
            _ => None,
        };
        let settings = Settings::from(get, &secret).unwrap();
        assert_eq!(settings.listen.to_string(), DEFAULT_LISTEN);
        assert_eq!(settings.public_url, "http://h:1");
        assert_eq!(settings.broker_prefix, "");
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let mistakes = Settings::from(|_| None, &|_| Ok(None)).unwrap_err();
        assert_eq!(mistakes.len(), 11, "{mistakes:?}");
        let nonsense = |_: &str| Ok(Some(SecretString::from("nonsense")));
        let mistakes = Settings::from(|_| Some("nonsense".to_owned()), &nonsense).unwrap_err();
        assert_eq!(mistakes.len(), 11, "{mistakes:?}");
        assert!(
            !mistakes.concat().contains("nonsense"),
            "no secret is shown: {mistakes:?}"
        );
    }
}
