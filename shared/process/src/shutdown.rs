//! A soft stop, then a hard one.

use anyhow::Context;
use std::{future::Future, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

/// The tasks of a process and the signal that ends them.
///
/// SIGTERM or SIGINT, or the end of any task that should have gone on, asks every task to stop; those that have
/// not stopped after `grace` are left behind.
#[derive(Debug, Clone)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
    grace: Duration,
}

impl Shutdown {
    /// A process that gives its tasks `grace` to stop.
    pub fn new(grace: Duration) -> Self {
        Self {
            token: CancellationToken::new(),
            tasks: TaskTracker::new(),
            grace,
        }
    }

    /// Becomes cancelled when the process should stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Runs a task that must not end before it is asked to: a dead task stops the process.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.spawn_until(name, self.token.clone(), task);
    }

    /// Runs a task that must not end before `stop` is cancelled, which may be before the process stops.
    pub fn spawn_until<F>(&self, name: &'static str, stop: CancellationToken, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let token = self.token.clone();
        self.tasks.spawn(async move {
            // On a task of its own, so that a panic is an end like any other.
            let result = tokio::spawn(task).await;
            match result {
                Ok(Ok(())) if stop.is_cancelled() => return,
                Ok(Ok(())) => error!(task = name, "task ended though nobody asked; stopping"),
                Ok(Err(failure)) => error!(
                    task = name,
                    error = format!("{failure:#}"),
                    "task failed; stopping"
                ),
                Err(panic) => error!(task = name, error = %panic, "task panicked; stopping"),
            }
            token.cancel();
        });
    }

    /// Asks every task to stop and waits for them, for a process that has its own way of being asked.
    pub async fn finish(self) {
        self.token.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.grace, self.tasks.wait()).await.is_err() {
            warn!("some tasks did not stop in time; leaving them behind");
        }
    }

    /// Waits for a signal or a dead task, then for the tasks to stop. Answers whether all of it went well:
    /// the process was asked to stop and every task did in time.
    pub async fn wait(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let asked = tokio::select! {
            _ = terminate.recv() => true,
            _ = interrupt.recv() => true,
            () = self.token.cancelled() => false,
        };
        info!(grace_seconds = self.grace.as_secs(), "stopping");
        self.finish().await;
        anyhow::ensure!(asked, "a task ended by itself");
        Ok(())
    }
}
