//! What a client is told that takes up too much, or sends what cannot be read in one way only.

use crate::reply::Reply;
use contract::Problem;
use std::time::Duration;
use waiting_room_domain::HeadFault;

/// Why a client is refused. Each is counted, and ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Head(HeadFault),
    HeadSlow,
    BodyTooLarge,
    BodySlow,
    /// The edge has as many connections as it takes.
    EdgeFull,
    /// The client's address has as many connections as it may have.
    AddressFull,
}

impl Refusal {
    /// Its name in metrics and problems.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Head(HeadFault::Malformed(_)) => "malformed-request",
            Self::Head(HeadFault::TargetTooLong) => "target-too-long",
            Self::Head(HeadFault::TooLarge) => "head-too-large",
            Self::Head(HeadFault::Method) => "method-not-allowed",
            Self::Head(HeadFault::Version) => "version-not-supported",
            Self::HeadSlow => "head-too-slow",
            Self::BodyTooLarge => "body-too-large",
            Self::BodySlow => "body-too-slow",
            Self::EdgeFull => "too-many-connections",
            Self::AddressFull => "too-many-connections-of-address",
        }
    }

    /// The refusal of a status that the proxy was made to fail with.
    pub(super) fn of_status(status: u16) -> Option<Self> {
        match status {
            408 => Some(Self::BodySlow),
            413 => Some(Self::BodyTooLarge),
            _ => None,
        }
    }

    pub(super) fn status(self) -> u16 {
        match self {
            Self::Head(HeadFault::Malformed(_)) => 400,
            Self::Head(HeadFault::TargetTooLong) => 414,
            Self::Head(HeadFault::TooLarge) => 431,
            Self::Head(HeadFault::Method) => 405,
            Self::Head(HeadFault::Version) => 505,
            Self::HeadSlow | Self::BodySlow => 408,
            Self::BodyTooLarge => 413,
            Self::EdgeFull => 503,
            Self::AddressFull => 429,
        }
    }

    /// The answer; it is counted with it.
    pub(super) fn reply(self) -> Reply {
        metrics::counter!("waiting_room_clients_refused_total", "reason" => self.name()).increment(1);
        let problem = Problem::new(self.status(), self.name(), self.title());
        let problem = match self {
            Self::Head(HeadFault::Malformed(what)) => problem.detail(format!("In this request, {what}.")),
            _ => problem,
        };
        let reply = Reply::problem(&problem);
        match self {
            Self::EdgeFull | Self::AddressFull => reply.retry_after(Duration::from_secs(5)),
            _ => reply,
        }
    }

    /// The same as a whole answer of HTTP/1.1, after which the connection ends.
    pub(super) fn to_http1(self) -> Vec<u8> {
        self.reply().to_http1_and_close()
    }

    fn title(self) -> &'static str {
        match self {
            Self::Head(HeadFault::Malformed(_)) => "The request can be read in more than one way",
            Self::Head(HeadFault::TargetTooLong) => "The address is too long",
            Self::Head(HeadFault::TooLarge) => "The headers are too long",
            Self::Head(HeadFault::Method) => "This method is not for shops",
            Self::Head(HeadFault::Version) => "This version of HTTP is not spoken here",
            Self::HeadSlow => "The headers took too long",
            Self::BodyTooLarge => "The body is too long",
            Self::BodySlow => "The body took too long",
            Self::EdgeFull => "Too many are connected",
            Self::AddressFull => "Too many are connected from this address",
        }
    }
}
