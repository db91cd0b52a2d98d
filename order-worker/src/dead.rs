//! `order-worker dead`: the commands that could not be acted on.

use crate::settings::{DeadChoice, DeadCommand};
use anyhow::{Context, ensure};
use broker::{Broker, Chosen, DeadLetter, DeadLetters, LOOKED_THROUGH, Publisher};
use contract::ProductId;
use std::io::{Write, stdout};

/// Shows dead letters, gives them back to the orders, or drops them.
pub async fn run(broker: &Broker, command: DeadCommand) -> anyhow::Result<()> {
    let letters = DeadLetters::new(broker);
    match command {
        DeadCommand::List { limit } => {
            let found = letters.list(limit).await.context("read the dead letters")?;
            found.iter().try_for_each(line)
        }
        DeadCommand::Show { name } => {
            let found = letters
                .list(LOOKED_THROUGH)
                .await
                .context("read the dead letters")?;
            let letter = found.iter().find(|letter| letter.name == name);
            show(letter.with_context(|| format!("there is no dead letter {name}; `dead list` names them"))?)
        }
        DeadCommand::Replay(choice) => {
            let publisher = Publisher::start(broker);
            let replayed = letters
                .replay(&publisher, &choice.chosen())
                .await
                .context("give the dead letters back")?;
            ensure_found(&choice, replayed)?;
            writeln!(stdout(), "{replayed} given back to the orders").context("print")
        }
        DeadCommand::Drop(choice) => {
            let dropped = letters
                .drop(&choice.chosen())
                .await
                .context("drop the dead letters")?;
            ensure_found(&choice, dropped)?;
            writeln!(stdout(), "{dropped} dropped").context("print")
        }
    }
}

impl DeadChoice {
    fn chosen(&self) -> Chosen {
        match &self.name {
            Some(name) => Chosen::Named(name.clone()),
            None => Chosen::Oldest(self.oldest.unwrap_or(0)),
        }
    }
}

fn ensure_found(choice: &DeadChoice, count: usize) -> anyhow::Result<()> {
    let name = choice.name.as_deref().unwrap_or_default();
    ensure!(
        count > 0 || choice.name.is_none(),
        "there is no dead letter {name}; `dead list` names them"
    );
    Ok(())
}

fn line(letter: &DeadLetter) -> anyhow::Result<()> {
    let (name, reason, products) = (&letter.name, &letter.reason, products(letter));
    let body = String::from_utf8_lossy(&letter.body).replace('\n', " ");
    writeln!(stdout(), "{name}\t{reason}\t{products}\t{body}").context("print")
}

/// The products, with commas between them; `-` if none can be read.
fn products(letter: &DeadLetter) -> String {
    let names: Vec<&str> = letter.products.iter().map(ProductId::as_str).collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(",")
    }
}

fn show(letter: &DeadLetter) -> anyhow::Result<()> {
    let body = String::from_utf8_lossy(&letter.body).into_owned();
    // One command, or several that came together, a line each.
    let commands = serde_json::Deserializer::from_slice(&letter.body).into_iter::<serde_json::Value>();
    let readable = commands
        .map(|command| serde_json::to_string_pretty(&command?))
        .collect::<Result<Vec<_>, _>>();
    let body = readable.map_or(body, |commands| commands.join("\n"));
    let DeadLetter {
        name,
        reason,
        routing_key,
        ..
    } = letter;
    let products = products(letter);
    writeln!(
        stdout(),
        "name     {name}\nreason   {reason}\nproduct  {products}\nqueue    {routing_key}\n{body}"
    )
    .context("print")
}
