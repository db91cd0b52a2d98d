//! SMTP connections.

use crate::{
    dialogue::{Dialogue, GREETING, Next},
    mails::Mails,
};
use anyhow::{Context, bail, ensure};
use clock::{Clock, SystemClock};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at once; further ones wait.
const CONNECTIONS_MAX: usize = 100;
/// A command, or a line of a message.
const LINE_MAX_BYTES: u64 = 64 * 1024;
/// A whole message.
const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(300);

/// Takes mails until it is told to stop.
///
/// # Errors
/// Never: a connection that goes wrong is its own matter.
pub async fn serve(listener: TcpListener, mails: Mails, stop: CancellationToken) -> anyhow::Result<()> {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&room).acquire_owned().await?;
        let accepted = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let mails = mails.clone();
                tokio::spawn(async move {
                    let ended = converse(stream, &mails).await;
                    ended.unwrap_or_else(|error| debug!(%error, "an SMTP connection ended badly"));
                    drop(place);
                });
            }
            Err(error) => warn!(%error, "cannot accept an SMTP connection"),
        }
    }
}

async fn converse(stream: TcpStream, mails: &Mails) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut dialogue = Dialogue::default();
    say(&mut stream, GREETING).await?;
    loop {
        let line = read_line(&mut stream).await?;
        match dialogue.hear(String::from_utf8_lossy(&line).trim_end(), mails) {
            Next::Answer(answer) => say(&mut stream, answer).await?,
            Next::End(answer) => return say(&mut stream, answer).await,
            Next::Message(answer) => {
                say(&mut stream, answer).await?;
                let message = read_message(&mut stream).await?;
                let (from, to) = dialogue.take_envelope();
                mails.receive(from, to, &message, SystemClock.unix_ms());
                say(&mut stream, "250 kept").await?;
            }
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, answer: &str) -> anyhow::Result<()> {
    let answer = format!("{answer}\r\n");
    stream
        .get_mut()
        .write_all(answer.as_bytes())
        .await
        .context("answer")
}

async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut bounded = stream.take(LINE_MAX_BYTES);
    let read = timeout(PATIENCE, bounded.read_until(b'\n', &mut line))
        .await
        .context("wait for a line")?;
    match read.context("read a line")? {
        0 => bail!("the client hung up"),
        _ => ensure!(line.ends_with(b"\n"), "a line is too long, or broke off"),
    }
    Ok(line)
}

/// Up to the lone full stop; a full stop that was put before another one is taken away again.
async fn read_message(stream: &mut (impl AsyncBufRead + Unpin)) -> anyhow::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let line = read_line(stream).await?;
        match line.strip_prefix(b".") {
            Some(b"\r\n" | b"\n") => return Ok(message),
            Some(unstuffed) => message.extend_from_slice(unstuffed),
            None => message.extend_from_slice(&line),
        }
        ensure!(message.len() <= MESSAGE_MAX_BYTES, "a message is too long");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_ends_at_the_lone_full_stop() {
        let mut wire = &b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"[..];
        assert_eq!(
            read_message(&mut wire).await.unwrap(),
            b"Subject: x\r\n\r\n.dot\r\n"
        );
        assert!(read_message(&mut &b"breaks off"[..]).await.is_err());
    }
}
