//! What can be killed and started again.

use testbed::{PostgresServer, Process, ProcessBuilder, RabbitNode};

/// A program of the shop.
pub struct Program {
    make: Box<dyn Fn() -> ProcessBuilder + Send + Sync>,
    process: Option<Process>,
}

impl Program {
    /// Starts it, and waits until it is ready.
    pub async fn start(make: impl Fn() -> ProcessBuilder + Send + Sync + 'static) -> anyhow::Result<Self> {
        let process = make().try_start().await?;
        Ok(Self {
            make: Box::new(make),
            process: Some(process),
        })
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        const LINES: usize = 6;
        let output = self.process.as_ref().map(Process::output).unwrap_or_default();
        let lines: Vec<&str> = output.lines().rev().take(LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Something that is killed in the middle of its work.
pub trait Victim {
    /// Kills it, without a chance to say goodbye.
    async fn kill_9(&mut self);
    /// Starts it again, with what it has on disk. What it needs itself may be down at that moment.
    async fn start_again(&mut self) -> anyhow::Result<()>;
}

impl Victim for Program {
    async fn kill_9(&mut self) {
        self.process = None;
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = Some((self.make)().without_waiting().try_start().await?);
        Ok(())
    }
}

impl Victim for PostgresServer {
    async fn kill_9(&mut self) {
        Self::kill_9(self).await;
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        Self::start_again(self).await;
        Ok(())
    }
}

impl Victim for RabbitNode {
    async fn kill_9(&mut self) {
        Self::kill_9(self).await;
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        Self::start_again(self).await;
        Ok(())
    }
}
