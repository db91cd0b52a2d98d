//! TLS for shoppers: which certificate is shown to whom, and that new files are taken up without a restart.

use crate::config::{CertificateConfig, TlsConfig};
use anyhow::Context;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora_core::{
    listeners::tls::Acceptor, protocols::l4::stream::Stream as Socket, server::ShutdownWatch,
    services::background::BackgroundService,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{sync::Arc, time::Duration};
use tracing::{info, warn};

/// How often the files are looked at.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// The certificates of this edge, and what they were read from.
#[derive(Debug)]
pub(super) struct Certificates {
    files: Vec<CertificateConfig>,
    shown: ArcSwap<Vec<Arc<CertifiedKey>>>,
}

/// A certificate's and a key's file, as they stand.
#[derive(PartialEq, Eq)]
struct Pem {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    /// Reads them.
    ///
    /// # Errors
    /// When one cannot be read, or does not fit its key.
    pub(super) fn read(files: Vec<CertificateConfig>) -> anyhow::Result<Self> {
        let shown: anyhow::Result<Vec<_>> = files.iter().map(|one| Pem::read(one)?.certify(one)).collect();
        Ok(Self {
            shown: ArcSwap::from_pointee(shown?),
            files,
        })
    }

    /// Takes up what has changed. What cannot be used is said once, and what was shown before stays.
    async fn follow(&self) {
        let mut seen: Vec<Option<Pem>> = self.files.iter().map(|one| Pem::read(one).ok()).collect();
        loop {
            tokio::time::sleep(LOOKED_EVERY).await;
            for (index, one) in self.files.iter().enumerate() {
                let now = Pem::read(one);
                if now.as_ref().ok() == seen[index].as_ref() {
                    continue;
                }
                match now
                    .as_ref()
                    .map_err(|error| anyhow::anyhow!("{error:#}"))
                    .and_then(|pem| pem.certify(one))
                {
                    Ok(key) => self.show(index, key),
                    Err(error) => warn!(
                        error = format!("{error:#}"),
                        "a certificate has changed and cannot be used; the one before stays"
                    ),
                }
                seen[index] = now.ok();
            }
        }
    }

    fn show(&self, index: usize, key: Arc<CertifiedKey>) {
        self.shown.rcu(|shown| {
            let mut shown = Vec::clone(shown);
            shown[index] = Arc::clone(&key);
            shown
        });
        info!(chain = %self.files[index].chain.display(), "a certificate has changed and is shown from now on");
    }

    fn index_for(&self, name: Option<&str>) -> usize {
        let fits = |file: &CertificateConfig| {
            let name = name.unwrap_or_default();
            file.names.iter().any(|known| is_named(known, name))
        };
        self.files.iter().position(fits).unwrap_or(0)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let index = self.index_for(hello.server_name());
        self.shown.load().get(index).cloned()
    }
}

#[async_trait]
impl BackgroundService for Certificates {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.follow() => {}
            _ = shutdown.changed() => {}
        }
    }
}

impl Pem {
    fn read(files: &CertificateConfig) -> anyhow::Result<Self> {
        let read =
            |path| std::fs::read(path).with_context(|| format!("read {}", std::path::Path::display(path)));
        Ok(Self {
            chain: read(&files.chain)?,
            key: read(&files.key)?,
        })
    }

    fn certify(&self, files: &CertificateConfig) -> anyhow::Result<Arc<CertifiedKey>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.chain).collect();
        let chain = chain.with_context(|| format!("read the certificates in {}", files.chain.display()))?;
        anyhow::ensure!(
            !chain.is_empty(),
            "there is no certificate in {}",
            files.chain.display()
        );
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .with_context(|| format!("read the key in {}", files.key.display()))?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider())
            .with_context(|| format!("use {} with {}", files.chain.display(), files.key.display()))?;
        Ok(Arc::new(certified))
    }
}

/// What makes a socket a connection by TLS.
pub(super) fn acceptor(config: &TlsConfig, certificates: Arc<Certificates>) -> anyhow::Result<Acceptor> {
    let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    server.alpn_protocols = if config.http2 {
        vec![b"h2".to_vec(), b"http/1.1".to_vec()]
    } else {
        vec![b"http/1.1".to_vec()]
    };
    Ok(Acceptor::from_server_config(Arc::new(server)))
}

/// The stream behind the handshake. Nothing when it fails: what comes to an open port is not worth a line in the log.
pub(super) async fn accept(
    acceptor: &Acceptor,
    stream: pingora_core::protocols::Stream,
) -> Option<pingora_core::protocols::Stream> {
    let socket = stream.into_any().downcast::<Socket>().ok()?;
    match acceptor.tls_handshake(*socket).await {
        Ok(stream) => Some(Box::new(stream)),
        Err(error) => {
            tracing::debug!(%error, "no TLS");
            None
        }
    }
}

fn is_named(known: &str, name: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => known.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (known, name, fits) in [
            ("shop.example", "Shop.example", true),
            ("shop.example", "www.shop.example", false),
            ("*.shop.example", "www.shop.example", true),
            ("*.shop.example", "shop.example", false),
            ("*.shop.example", "a.b.shop.example", false),
        ] {
            assert_eq!(is_named(known, name), fits, "{known} {name}");
        }
    }
}
