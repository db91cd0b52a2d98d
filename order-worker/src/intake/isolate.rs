//! Deciding a batch so that no command fails its neighbours.

use super::{Intake, batch::Batch};
use crate::store::{Next, StoreError};
use broker::Delivered;
use contract::{Command, ProductId};
use order_domain::batch::{Decisions, Verdict};
use std::time::Duration;
use tokio::time::sleep;
use tracing::{error, warn};

/// The pause after the books could not be written for reasons that no command is to blame for.
const PAUSE: Duration = Duration::from_millis(250);

/// A batch, its commands decoded.
pub(super) struct Isolation<'a> {
    intake: &'a Intake,
    delivered: Vec<Delivered<'a>>,
    commands: Vec<Command>,
    undecodable: Vec<(Delivered<'a>, serde_json::Error)>,
}

impl<'a> Isolation<'a> {
    pub(super) fn new(intake: &'a Intake, batch: &'a Batch) -> Self {
        let (mut delivered, mut commands, mut undecodable) = (Vec::new(), Vec::new(), Vec::new());
        for command in batch.commands() {
            match command.envelope() {
                Ok(envelope) => {
                    delivered.push(command);
                    commands.push(envelope.command);
                }
                Err(error) => undecodable.push((command, error)),
            }
        }
        Self {
            intake,
            delivered,
            commands,
            undecodable,
        }
    }

    /// Returns when every command was decided or is among the dead letters, however long that takes.
    pub(super) async fn settle(self) {
        for (command, error) in &self.undecodable {
            self.set_aside(*command, &format!("undecodable: {error}")).await;
        }
        // The last message may have brought more than a transaction is to hold.
        let (all, size) = (self.commands.len(), self.intake.limits.size);
        for start in (0..all).step_by(size) {
            self.decide(start, all.min(start + size)).await;
        }
    }

    /// Decides the commands from `start` to `end` in one transaction; when that fails because of one of them, in
    /// two, one after the other, and so on, until the one that is to blame stands alone and is set aside.
    async fn decide(&self, start: usize, end: usize) {
        if start == end {
            return;
        }
        match self.apply(&self.commands[start..end]).await {
            Ok(decisions) => self.finish(start, &decisions).await,
            Err(error) if end - start == 1 => {
                self.set_aside(self.delivered[start], &error.to_string()).await;
            }
            Err(_) => {
                let middle = start + (end - start) / 2;
                Box::pin(self.decide(start, middle)).await;
                Box::pin(self.decide(middle, end)).await;
            }
        }
    }

    /// Tries as long as the commands are not to blame.
    async fn apply(&self, commands: &[Command]) -> Result<Decisions, StoreError> {
        loop {
            match self.intake.store.apply(commands).await {
                Err(error) if error.next() == Next::Retry => {
                    metrics::counter!("order_batch_retries_total").increment(1);
                    warn!(%error, commands = commands.len(), "cannot write the books; trying again");
                    sleep(PAUSE).await;
                }
                end => return end,
            }
        }
    }

    /// After the commit: tell, measure, and set aside what nothing can be done with.
    async fn finish(&self, start: usize, decisions: &Decisions) {
        self.intake.relay.notify_one();
        self.measure(decisions);
        for (command, verdict) in self.delivered[start..].iter().zip(&decisions.verdicts) {
            if let Verdict::GivenUp(reason) = verdict {
                self.set_aside(*command, reason.as_str()).await;
            }
        }
    }

    fn measure(&self, decisions: &Decisions) {
        let now = i128::from(self.intake.clock.unix_ms()) * 1_000_000;
        for order in &decisions.placed {
            let waited = now - order.accepted_at.unix_timestamp_nanos();
            let waited = Duration::from_nanos(u64::try_from(waited).unwrap_or(0));
            metrics::histogram!("order_decision_seconds").record(waited);
        }
        for verdict in &decisions.verdicts {
            metrics::counter!("order_commands_total", "verdict" => word(verdict)).increment(1);
        }
    }

    /// Returns when the command is on disk among the dead letters.
    async fn set_aside(&self, command: Delivered<'_>, reason: &str) {
        metrics::counter!("order_dead_letters_total").increment(1);
        let (queue, product) = (command.routing_key, command.product());
        let product = product.as_ref().map(ProductId::as_str);
        error!(reason, queue, product, "setting a command aside");
        while let Err(error) = self.intake.publisher.set_aside(command, reason).await {
            warn!(%error, "cannot set a command aside; trying again");
            sleep(PAUSE).await;
        }
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Changed(state) => state.as_str(),
        Verdict::Unchanged => "unchanged",
        Verdict::GivenUp(reason) => reason.as_str(),
    }
}
