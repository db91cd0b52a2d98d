//! `order-worker dead`: the commands that could not be acted on.

use crate::settings::DeadCommand;
use anyhow::Context;
use broker::{Broker, DeadLetter, DeadLetters, Publisher};
use std::io::{Write, stdout};

/// Shows dead letters, or gives them back to the orders.
pub async fn run(broker: &Broker, command: DeadCommand) -> anyhow::Result<()> {
    let letters = DeadLetters::new(broker);
    match command {
        DeadCommand::List { limit } => {
            let found = letters.list(limit).await.context("read the dead letters")?;
            found.iter().try_for_each(show)
        }
        DeadCommand::Replay { limit } => {
            let publisher = Publisher::start(broker);
            let replayed = letters
                .replay(&publisher, limit)
                .await
                .context("give the dead letters back")?;
            writeln!(stdout(), "{replayed} given back to the orders").context("print")
        }
    }
}

fn show(letter: &DeadLetter) -> anyhow::Result<()> {
    let DeadLetter {
        reason,
        routing_key,
        body,
    } = letter;
    let body = String::from_utf8_lossy(body);
    writeln!(stdout(), "{reason}\t{routing_key}\t{body}").context("print")
}
