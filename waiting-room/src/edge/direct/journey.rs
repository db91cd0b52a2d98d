//! The way of a plain request to its origin and of the answer back, over connections of our own.

use super::{
    Done,
    answer::{AnswerHead, Nonsense},
};
use crate::edge::origins::{Connection, NextStep, Refusal, ServerToAsk, Trip};
use http::{HeaderName, HeaderValue, StatusCode};
use pingora_core::protocols::Stream;
use pingora_timeout::fast_timeout::fast_timeout;
use std::{io::ErrorKind, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use waiting_room_domain::{Broken, Moment};

/// Answers that are none yet, such as early hints, before the one that is.
const INFORMATIONAL_MAX: usize = 8;

/// A request on its way.
pub(super) struct Journey<'a> {
    /// To the visitor.
    stream: &'a mut Stream,
    trip: Trip,
    /// The request, as it is sent.
    request: Vec<u8>,
    /// How long the visitor allows the origin to take in addition.
    patience: Duration,
    /// How long the visitor may take to read.
    answer_within: Duration,
    /// Whether the visitor has sent more before the answer was there. Who does so loses the connection with the answer, as
    /// with the proxy.
    has_spoken: bool,
}

/// An answer whose head has come.
pub(super) struct Arrived {
    server: ServerToAsk,
    connection: Connection,
    head: AnswerHead,
}

/// Why there is no answer to show.
#[derive(Debug)]
pub(super) enum Failure {
    /// The visitor went away.
    Gone,
    /// This status is answered instead, maybe because the origin was not asked.
    Unanswered(u16, Option<Refusal>),
}

/// Why it does not go on at a server.
enum Stopped {
    /// The visitor went away.
    Gone,
    /// There is no connection; with the status that says so.
    Unconnected(u16),
    /// The server takes too long.
    Late,
    /// The server has ended the connection.
    Closed,
    /// What the server says is no answer.
    Nonsense,
}

impl From<Nonsense> for Stopped {
    fn from(Nonsense: Nonsense) -> Self {
        Self::Nonsense
    }
}

impl Arrived {
    pub(super) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// Whether the origin says that the visitor's session is over.
    pub(super) fn ends_session(&self) -> bool {
        self.head.ends_session(&self.connection.read)
    }
}

impl<'a> Journey<'a> {
    pub(super) fn new(
        stream: &'a mut Stream,
        trip: Trip,
        request: Vec<u8>,
        patience: Duration,
        answer_within: Duration,
    ) -> Self {
        Self {
            stream,
            trip,
            request,
            patience,
            answer_within,
            has_spoken: false,
        }
    }

    /// Asks one server after the other, as far as that can do no harm, until one has answered.
    pub(super) async fn ask(&mut self) -> Result<Arrived, Failure> {
        loop {
            let next = self.trip.next_direct(self.patience);
            let server = next.map_err(|refusal| Failure::Unanswered(503, Some(refusal)))?;
            let (stopped, reused) = match server.connect().await {
                Err(error) if error.kind() == ErrorKind::TimedOut => (Stopped::Unconnected(504), false),
                Err(_) => (Stopped::Unconnected(502), false),
                Ok(mut connection) => match self.ask_by(&mut connection, server.silence).await {
                    Ok(head) if self.trip.answered(head.status.as_u16()) == NextStep::Done => {
                        return Ok(Arrived {
                            server,
                            connection,
                            head,
                        });
                    }
                    Ok(_) => continue,
                    Err(stopped) => (stopped, connection.is_reused && connection.read.is_empty()),
                },
            };
            let (broken, status) = match stopped {
                Stopped::Gone => return Err(Failure::Gone),
                Stopped::Unconnected(status) => (Broken::NoConnection, status),
                Stopped::Late => (Broken::NoAnswer, 504),
                // It was closed while nobody looked, as far as anybody can tell.
                Stopped::Closed if reused => (Broken::IdleConnection, 502),
                Stopped::Closed | Stopped::Nonsense => (Broken::NoAnswer, 502),
            };
            if self.trip.broke(broken) == NextStep::Done {
                return Err(Failure::Unanswered(status, None));
            }
        }
    }

    /// Sends the request, and reads the head of the answer.
    async fn ask_by(
        &mut self,
        connection: &mut Connection,
        silence: Duration,
    ) -> Result<AnswerHead, Stopped> {
        match fast_timeout(silence, connection.send(&self.request)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Stopped::Closed),
            Err(_) => return Err(Stopped::Late),
        }
        let mut informational = 0;
        loop {
            match AnswerHead::read(&connection.read)? {
                Some(head) if !head.status.is_informational() => return Ok(head),
                Some(head) if informational < INFORMATIONAL_MAX => {
                    informational += 1;
                    self.pass_on(connection, &head).await?;
                }
                Some(_) => return Err(Stopped::Nonsense),
                None => {
                    if self.read(connection, silence).await? == 0 {
                        return Err(Stopped::Closed);
                    }
                }
            }
        }
    }

    /// Passes on what is said before the answer.
    async fn pass_on(&mut self, connection: &mut Connection, head: &AnswerHead) -> Result<(), Stopped> {
        match head.status {
            // Nobody has asked for another protocol.
            StatusCode::SWITCHING_PROTOCOLS => return Err(Stopped::Nonsense),
            // The whole request has been sent.
            StatusCode::CONTINUE => {}
            _ => self.tell(&head.write_informational(&connection.read)).await?,
        }
        connection.take(head.bytes);
        Ok(())
    }

    /// Takes the answer to the visitor, with these headers beside its own. `last` says that the connection is to end with it.
    pub(super) async fn deliver(
        mut self,
        arrived: Arrived,
        beside: &[(HeaderName, HeaderValue)],
        last: bool,
        now: Moment,
    ) -> Done {
        let stays_open = !last && !self.has_spoken;
        let Arrived {
            server,
            mut connection,
            mut head,
        } = arrived;
        let answer = head.write(&connection.read, beside, stays_open, now);
        connection.take(head.bytes);
        match self
            .carry(&mut connection, &mut head, answer, server.silence)
            .await
        {
            Ok(()) => {}
            Err(Stopped::Gone) => return Done::Ended,
            Err(_) => {
                self.trip.broke(Broken::InAnswer);
                return Done::Ended;
            }
        }
        if head.keeps_connection && connection.read.is_empty() {
            server.give_back(connection);
        }
        if stays_open && !self.has_spoken {
            Done::Answered
        } else {
            Done::Ended
        }
    }

    /// Carries the body over, behind what is `to_send` before it.
    async fn carry(
        &mut self,
        connection: &mut Connection,
        head: &mut AnswerHead,
        mut to_send: Vec<u8>,
        silence: Duration,
    ) -> Result<(), Stopped> {
        loop {
            let taken = head.body.take(&mut connection.read, &mut to_send);
            if !to_send.is_empty() {
                self.tell(&to_send).await?;
                to_send.clear();
            }
            taken?;
            if head.body.is_done() {
                return Ok(());
            }
            if self.read(connection, silence).await? == 0 {
                head.body.end(&mut to_send).map_err(|_| Stopped::Closed)?;
            }
        }
    }

    /// Reads more from the server, unless the visitor goes away meanwhile; 0 at the end of what the server says.
    async fn read(&mut self, connection: &mut Connection, silence: Duration) -> Result<usize, Stopped> {
        let mut unasked = [0; 64];
        let read = async {
            loop {
                tokio::select! {
                    biased;
                    read = connection.read_more() => return read.map_err(|_| Stopped::Closed),
                    came = self.stream.read(&mut unasked), if !self.has_spoken => match came {
                        Ok(1..) => self.has_spoken = true,
                        Ok(0) | Err(_) => return Err(Stopped::Gone),
                    },
                }
            }
        };
        let read = fast_timeout(silence, read).await.map_err(|_| Stopped::Late)??;
        if self.trip.is_overdue() {
            return Err(Stopped::Late);
        }
        Ok(read)
    }

    /// Sends something to the visitor.
    async fn tell(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match fast_timeout(self.answer_within, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Stopped::Gone),
        }
    }
}
