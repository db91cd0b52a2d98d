//! `order-worker webhooks`: who is told of orders.

use crate::{settings::WebhookCommand, store::Store};
use anyhow::{Context, ensure};
use payments::webhooks::WebhookMaster;
use std::io::{Write, stdout};
use uuid::Uuid;

/// Adds, shows, removes and replays.
pub async fn run(store: &Store, master: &WebhookMaster, command: WebhookCommand) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Add { url } => {
            let id = Uuid::from_bytes(clock::random_bytes());
            store
                .add_endpoint(id, url.as_str())
                .await
                .context("add the endpoint")?;
            let secret = master.secret_of(&id.to_string()).to_text();
            writeln!(stdout(), "{id}\n{secret}").context("print")
        }
        WebhookCommand::List => {
            let endpoints = store.endpoints().await.context("read the endpoints")?;
            endpoints.iter().try_for_each(|endpoint| {
                let state = match (endpoint.disabled_at, endpoint.failing_since) {
                    (Some(since), _) => format!("given up {since}"),
                    (None, Some(since)) => format!("failing since {since}"),
                    (None, None) => "well".to_owned(),
                };
                let (id, url, waiting) = (endpoint.id, &endpoint.url, endpoint.waiting);
                writeln!(stdout(), "{id}\t{url}\t{state}\t{waiting} waiting").context("print")
            })
        }
        WebhookCommand::Secret { id } => {
            let secret = master.secret_of(&id.to_string()).to_text();
            writeln!(stdout(), "{secret}").context("print")
        }
        WebhookCommand::Remove { id } => {
            let removed = store.remove_endpoint(id).await.context("remove the endpoint")?;
            ensure!(removed, "there is no endpoint {id}; `webhooks list` names them");
            writeln!(stdout(), "removed").context("print")
        }
        WebhookCommand::Replay { id, since } => {
            let again = store.replay_webhooks(id, since).await.context("replay")?;
            let again =
                again.with_context(|| format!("there is no endpoint {id}; `webhooks list` names them"))?;
            writeln!(stdout(), "{again} told again").context("print")
        }
    }
}
