//! The mail server to play with: see the library.

use anyhow::Context;
use mailbox::{Mails, router, serve_smtp};
use process::{Exit, Shutdown};
use std::{net::SocketAddr, process::ExitCode, time::Duration};
use tokio::net::TcpListener;
use tracing::info;

const GRACE: Duration = Duration::from_secs(5);

/// Where it listens for readers and for senders.
struct Settings {
    pages: SocketAddr,
    smtp: SocketAddr,
}

fn main() -> ExitCode {
    process::run("mailbox", || {
        let settings = settings().map_err(Exit::Usage)?;
        process::install_tracing();
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(serve(settings))?)
    })
}

fn settings() -> Result<Settings, Vec<String>> {
    let pages = address("MAILBOX_LISTEN", "127.0.0.1:17086");
    let smtp = address("MAILBOX_SMTP_LISTEN", "127.0.0.1:17087");
    match (pages, smtp) {
        (Ok(pages), Ok(smtp)) => Ok(Settings { pages, smtp }),
        (pages, smtp) => Err([pages.err(), smtp.err()].into_iter().flatten().collect()),
    }
}

fn address(name: &str, otherwise: &str) -> Result<SocketAddr, String> {
    let text = std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    text.parse()
        .map_err(|_| format!("{name}: must be an address and a port, e.g. {otherwise}"))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let (pages, smtp) = (
        TcpListener::bind(settings.pages).await,
        TcpListener::bind(settings.smtp).await,
    );
    let pages = pages.with_context(|| format!("listen on {}", settings.pages))?;
    let smtp = smtp.with_context(|| format!("listen on {}", settings.smtp))?;
    info!(pages = %settings.pages, smtp = %settings.smtp, "the mailbox listens");
    let shutdown = Shutdown::new(GRACE);
    let (mails, stop) = (Mails::default(), shutdown.token());
    shutdown.spawn("smtp", serve_smtp(smtp, mails.clone(), shutdown.token()));
    shutdown.spawn("pages", async move {
        axum::serve(pages, router(mails))
            .with_graceful_shutdown(stop.cancelled_owned())
            .await?;
        Ok(())
    });
    shutdown.wait().await
}
