//! Where shoppers come in: by TLS or not, and what one client may take up.

use super::validate::Notes;
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use waiting_room_domain::HeadLimits;

/// How shoppers are served by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// An address of its own. Without one, [`Config::listen`](super::Config::listen) speaks TLS.
    pub listen: Option<SocketAddr>,
    /// What the edge shows; the first to those who ask for no name that is known.
    pub certificates: Vec<CertificateConfig>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// How long browsers are told to come by TLS only.
    pub hsts: Option<Duration>,
    /// Whether who comes without TLS is sent on.
    pub redirect: bool,
}

/// A certificate and its key, in files that are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateConfig {
    /// The certificates in PEM, the host's own first.
    pub chain: PathBuf,
    /// The private key in PEM.
    pub key: PathBuf,
    /// The hosts that it is shown to, such as `shop.example` or `*.shop.example`.
    pub names: Vec<String>,
}

/// What clients may take up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientLimits {
    /// What a request's head may be.
    pub head: HeadLimits,
    /// How long a head may take from its first byte; likewise a connection's first byte, and the TLS handshake.
    pub head_within: Duration,
    /// How long a request's body may be.
    pub body_bytes: u64,
    /// How long a body may take.
    pub body_within: Duration,
    /// How long a part of an answer may take to be sent.
    pub answer_within: Duration,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
    /// Requests after which a connection ends.
    pub requests_per_connection: u32,
    /// Connections in all; what the open files allow, if nothing.
    pub connections_max: Option<usize>,
    /// Connections of one address. Unless it is set, this machine itself may have more.
    pub connections_per_address: Option<u32>,
    /// Streams at once on a connection of HTTP/2.
    pub streams_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTls {
    listen: Option<String>,
    #[serde(default = "yes")]
    http2: bool,
    hsts_seconds: Option<u64>,
    #[serde(default)]
    redirect: bool,
    #[serde(default, rename = "certificate")]
    certificates: Vec<RawCertificate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificate {
    chain: PathBuf,
    key: PathBuf,
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawClients {
    head_seconds: u64,
    head_bytes: usize,
    target_bytes: usize,
    headers_max: usize,
    body_bytes: u64,
    body_seconds: u64,
    answer_seconds: u64,
    idle_seconds: u64,
    requests_per_connection: u32,
    connections_max: Option<usize>,
    connections_per_address: Option<u32>,
    streams_max: u32,
}

impl TlsConfig {
    /// Files are named as seen from the config file.
    pub(super) fn look_beside(&mut self, folder: &Path) {
        for certificate in &mut self.certificates {
            certificate.chain = folder.join(&certificate.chain);
            certificate.key = folder.join(&certificate.key);
        }
    }
}

impl Default for RawClients {
    fn default() -> Self {
        Self {
            head_seconds: 10,
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            headers_max: 100,
            body_bytes: 1024 * 1024,
            body_seconds: 60,
            answer_seconds: 30,
            idle_seconds: 60,
            requests_per_connection: 10_000,
            connections_max: None,
            connections_per_address: None,
            streams_max: 64,
        }
    }
}

fn yes() -> bool {
    true
}

pub(super) fn read_tls(notes: &mut Notes, raw: RawTls, plain: Option<SocketAddr>) -> TlsConfig {
    let place = "edge.tls";
    let listen = raw
        .listen
        .and_then(|listen| notes.take("edge.tls.listen", listen.parse::<SocketAddr>()));
    // A connection is told to be TLS by the port that it came to.
    let same_port = listen
        .zip(plain)
        .is_some_and(|(tls, plain)| tls.port() == plain.port());
    notes.check(
        "edge.tls.listen",
        !same_port,
        "must be another port than edge.listen",
    );
    notes.check(
        place,
        !raw.certificates.is_empty(),
        "at least one [[edge.tls.certificate]] is needed",
    );
    notes.check(
        place,
        !raw.redirect || listen.is_some(),
        "redirect needs a listen of its own, beside edge.listen",
    );
    let nameless = raw.certificates.iter().skip(1).any(|one| one.names.is_empty());
    notes.check(
        "edge.tls.certificate",
        !nameless,
        "names are needed for all but the first",
    );
    let names = raw.certificates.iter().flat_map(|one| &one.names);
    for name in names {
        let host = name.strip_prefix("*.").unwrap_or(name);
        let is_host = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
        notes.check(
            "edge.tls.certificate",
            is_host,
            &format!("{name:?} is not a host such as shop.example or *.shop.example"),
        );
    }
    let certificates = raw.certificates.into_iter().map(|one| CertificateConfig {
        chain: one.chain,
        key: one.key,
        names: one.names.iter().map(|name| name.to_ascii_lowercase()).collect(),
    });
    TlsConfig {
        listen,
        certificates: certificates.collect(),
        http2: raw.http2,
        hsts: raw.hsts_seconds.map(Duration::from_secs),
        redirect: raw.redirect,
    }
}

pub(super) fn read_clients(notes: &mut Notes, raw: &RawClients) -> ClientLimits {
    let mut within = |name: &str, value: u64, least: u64, most: u64| {
        let place = format!("edge.clients.{name}");
        let otherwise = format!("must be between {least} and {most}");
        notes.check(&place, (least..=most).contains(&value), &otherwise);
    };
    let of = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    within("head_seconds", raw.head_seconds, 1, 300);
    within("head_bytes", of(raw.head_bytes), 1_024, 1024 * 1024);
    within("target_bytes", of(raw.target_bytes), 256, 64 * 1024);
    within("headers_max", of(raw.headers_max), 16, 200);
    within("body_bytes", raw.body_bytes, 0, 1 << 40);
    within("body_seconds", raw.body_seconds, 1, 86_400);
    within("answer_seconds", raw.answer_seconds, 1, 3_600);
    within("idle_seconds", raw.idle_seconds, 1, 3_600);
    within(
        "requests_per_connection",
        raw.requests_per_connection.into(),
        1,
        u32::MAX.into(),
    );
    within(
        "connections_max",
        of(raw.connections_max.unwrap_or(1)),
        1,
        u64::MAX,
    );
    within(
        "connections_per_address",
        raw.connections_per_address.unwrap_or(1).into(),
        1,
        u32::MAX.into(),
    );
    within("streams_max", raw.streams_max.into(), 1, 1_000);
    ClientLimits {
        head: HeadLimits {
            bytes: raw.head_bytes,
            target_bytes: raw.target_bytes,
            headers: raw.headers_max,
        },
        head_within: Duration::from_secs(raw.head_seconds),
        body_bytes: raw.body_bytes,
        body_within: Duration::from_secs(raw.body_seconds),
        answer_within: Duration::from_secs(raw.answer_seconds),
        idle: Duration::from_secs(raw.idle_seconds),
        requests_per_connection: raw.requests_per_connection,
        connections_max: raw.connections_max,
        connections_per_address: raw.connections_per_address,
        streams_max: raw.streams_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(text: &str) -> (TlsConfig, Vec<String>) {
        let mut notes = Notes::default();
        let config = read_tls(
            &mut notes,
            toml::from_str(text).unwrap(),
            "127.0.0.1:80".parse().ok(),
        );
        (config, notes.0)
    }

    #[test]
    fn a_certificate_is_enough() {
        let (config, mistakes) =
            tls("[[certificate]]\nchain = \"a\"\nkey = \"b\"\nnames = [\"*.Shop.example\"]\n");
        assert_eq!(mistakes, Vec::<String>::new());
        assert!(config.http2 && !config.redirect && config.listen.is_none() && config.hsts.is_none());
        assert_eq!(config.certificates[0].names, ["*.shop.example"]);
    }

    #[test]
    fn every_mistake_of_tls_is_told() {
        let (_, mistakes) = tls("redirect = true");
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        let (_, mistakes) = tls("listen = \"127.0.0.1:80\"\n\
             [[certificate]]\nchain = \"a\"\nkey = \"b\"\nnames = [\"a b\"]\n\
             [[certificate]]\nchain = \"a\"\nkey = \"b\"\n");
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }

    #[test]
    fn limits_are_within_reason() {
        let mut notes = Notes::default();
        let limits = read_clients(&mut notes, &RawClients::default());
        assert_eq!(notes.0, Vec::<String>::new());
        assert_eq!(limits.head.bytes, 32_768);
        let raw = toml::from_str("head_seconds = 0\nheaders_max = 1000\nconnections_max = 0").unwrap();
        read_clients(&mut notes, &raw);
        assert_eq!(notes.0.len(), 3, "{:?}", notes.0);
    }
}
