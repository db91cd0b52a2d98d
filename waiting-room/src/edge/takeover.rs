//! Signals, and taking over the listening sockets of an edge that runs.
//!
//! The new process asks over a Unix socket; the old one answers and hands its listening sockets over (Pingora's own
//! transfer). Both hold the same sockets for a while, so nobody who connects is refused at any time.

use super::drain::{Drain, SharedDrain};
use anyhow::Context;
use async_trait::async_trait;
use pingora_core::server::{ShutdownSignal, ShutdownSignalWatch};
use std::{
    fs::{Permissions, remove_file, set_permissions},
    io::{ErrorKind, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{info, warn};

/// How long each side waits for the other's word.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// Who was taken in at the last moment gets to say something.
const LINGER: Duration = Duration::from_secs(1);
const ASK: &[u8] = b"take over\n";
const ANSWER: &[u8] = b"yes\n";

/// What ends this process, or has it hand over.
pub(super) struct Ending {
    drain: SharedDrain,
    /// How long shoppers still come in after SIGTERM.
    drain_for: Duration,
    asked: Mutex<Option<UnixListener>>,
}

/// The socket that the listening sockets themselves go through.
pub(super) fn transfer_socket(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".sockets");
    name.into()
}

/// Asks the edge at `socket` to hand over. False when there is none.
///
/// # Errors
/// When there is one, and it does not say yes.
pub(super) fn ask(socket: &Path) -> anyhow::Result<bool> {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            info!("no edge to take over from; starting anew");
            return Ok(false);
        }
        Err(error) => return Err(error).context("ask the running edge to hand over"),
    };
    stream.set_read_timeout(Some(SAID_WITHIN))?;
    stream.set_write_timeout(Some(SAID_WITHIN))?;
    stream.write_all(ASK)?;
    let mut answer = [0; ANSWER.len()];
    stream
        .read_exact(&mut answer)
        .context("the running edge does not answer; is it ending already?")?;
    anyhow::ensure!(answer == ANSWER, "the running edge does not hand over");
    Ok(true)
}

impl Ending {
    /// Listens at `socket`, if there is one to be.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub(super) fn new(
        drain: SharedDrain,
        drain_for: Duration,
        socket: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let asked = socket.map(listen).transpose()?;
        Ok(Self {
            drain,
            drain_for,
            asked: Mutex::new(asked),
        })
    }

    fn take_listener(&self) -> Option<tokio::net::UnixListener> {
        let listener = self
            .asked
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        listener.and_then(|listener| tokio::net::UnixListener::from_std(listener).ok())
    }
}

fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    // The one of a process that is gone, or has handed over.
    let _ = remove_file(socket);
    let bound = UnixListener::bind(socket).and_then(|listener| {
        set_permissions(socket, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.with_context(|| format!("listen at {}", socket.display()))
}

#[async_trait]
impl ShutdownSignalWatch for Ending {
    async fn recv(&self) -> ShutdownSignal {
        let asked = self.take_listener();
        let (Ok(mut terminate), Ok(mut quit), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::quit()),
            signal(SignalKind::interrupt()),
        ) else {
            warn!("signals cannot be listened for; ending");
            return ShutdownSignal::GracefulTerminate;
        };
        tokio::select! {
            _ = interrupt.recv() => ShutdownSignal::FastShutdown,
            () = asked_to_hand_over(asked) => {
                info!("handing over to another process");
                self.drain.hand_over();
                ShutdownSignal::GracefulUpgrade
            }
            () = either(&mut terminate, &mut quit) => {
                self.drain.begin();
                info!(seconds = self.drain_for.as_secs(), "sending shoppers elsewhere, then ending");
                tokio::select! {
                    () = tokio::time::sleep(self.drain_for) => ShutdownSignal::GracefulTerminate,
                    _ = interrupt.recv() => ShutdownSignal::FastShutdown,
                }
            }
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// Waits until another process asks; for ever, if there is nowhere to ask.
async fn asked_to_hand_over(listener: Option<tokio::net::UnixListener>) {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(SAID_WITHIN).await;
            continue;
        };
        let mut said = [0; ASK.len()];
        let conversation = tokio::time::timeout(SAID_WITHIN, async {
            stream.read_exact(&mut said).await?;
            if said != ASK {
                return Err(ErrorKind::InvalidData.into());
            }
            stream.write_all(ANSWER).await
        });
        match conversation.await {
            Ok(Ok(())) => return,
            _ => warn!("somebody asked at the socket for taking over, and not for that"),
        }
    }
}

/// Waits until the server has ended, or has nothing in flight any more.
pub(super) async fn over(
    mut phases: tokio::sync::broadcast::Receiver<pingora_core::server::ExecutionPhase>,
    drain: &Drain,
    grace: Duration,
) {
    use pingora_core::server::ExecutionPhase::{ShutdownGracePeriod, Terminated};
    use tokio::sync::broadcast::error::RecvError;
    loop {
        match phases.recv().await {
            Ok(ShutdownGracePeriod) => {
                tokio::time::sleep(LINGER.min(grace)).await;
                if !drain.finished(grace).await {
                    warn!("some requests did not end in time; leaving them behind");
                }
                return;
            }
            Ok(Terminated) | Err(RecvError::Closed) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
        }
    }
}
