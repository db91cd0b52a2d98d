//! When a request cannot be answered by its origin: what that says of the origin, and what the visitor is told.

use super::origins::Refusal;
use crate::reply::Reply;
use contract::Problem;
use http::{HeaderName, Method};
use pingora_core::{Error, ErrorSource, ErrorType};
use pingora_http::RequestHeader;
use std::time::Duration;
use waiting_room_domain::{Broken, Sent};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// How soon to try again when nobody knows better.
const PAUSE: Duration = Duration::from_secs(2);
/// A visitor may allow an origin so much more time, but no more.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

/// What of a request matters for sending it again.
pub(super) fn sent(request: &RequestHeader, has_body: bool, upgrades: bool) -> Sent {
    // An upgrade begins a conversation; nobody knows what a second beginning would do.
    let idempotent = matches!(
        request.method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    Sent {
        idempotent: idempotent && !upgrades,
        has_body,
    }
}

/// How a request came to nothing, as far as the origin is to blame. `has_begun` says that an answer had.
pub(super) fn broken(error: &mut Error, has_begun: bool, reused: bool) -> Option<Broken> {
    // Only a connection that was idle may fail in a way that Pingora would try again.
    error.retry.decide_reuse(reused);
    if *error.esource() != ErrorSource::Upstream {
        return None;
    }
    Some(match (has_begun, error.retry()) {
        (true, _) => Broken::InAnswer,
        (false, true) => Broken::IdleConnection,
        (false, false) => Broken::NoAnswer,
    })
}

/// The status to answer; 0 when there is nobody to answer.
pub(super) fn status_of(error: &Error) -> u16 {
    match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(status), _) => *status,
        (
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed,
            ErrorSource::Downstream,
        ) => 0,
        (ErrorType::ReadTimedout, ErrorSource::Downstream) => 408,
        (_, ErrorSource::Downstream) => 400,
        (ErrorType::ConnectTimedout | ErrorType::ReadTimedout, _) => 504,
        (_, ErrorSource::Upstream) => 502,
        _ => 503,
    }
}

/// What the visitor is told.
pub(super) fn reply(status: u16, refusal: Option<Refusal>) -> Reply {
    let problem = Problem::new(status, "origin", "The shop does not answer right now")
        .detail("You keep your place. Try again in a moment.");
    let Some(refusal) = refusal else {
        return Reply::problem(&problem).retry_after(PAUSE);
    };
    let problem = problem.with("reason", refusal.reason());
    Reply::problem(&problem).retry_after(refusal.pause())
}

/// Whether the visitor asks the origin to wait for something: RFC 7240.
pub(super) fn takes_its_time(request: &RequestHeader) -> bool {
    waits(request).next().is_some()
}

/// How long the visitor asks the origin to wait.
pub(super) fn patience(request: &RequestHeader) -> Duration {
    let seconds = waits(request).find_map(|wait| {
        let digits: Vec<u8> = wait
            .iter()
            .copied()
            .take_while(u8::is_ascii_digit)
            .take(6)
            .collect();
        std::str::from_utf8(&digits).ok()?.parse::<u64>().ok()
    });
    Duration::from_secs(seconds.unwrap_or(0)).min(PATIENCE_MAX)
}

/// What follows each `wait=`.
fn waits(request: &RequestHeader) -> impl Iterator<Item = &[u8]> {
    let preferences = request.headers.get_all(PREFER).iter();
    preferences.filter_map(|value| {
        let value = value.as_bytes();
        let at = value.windows(5).position(|part| part == b"wait=")?;
        value.get(at + 5..)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_says_how_long_to_wait() {
        for (prefer, seconds) in [
            ("wait=5", 5),
            ("respond-async, wait=7", 7),
            ("wait=99999999999999999999", 60),
            ("wait=", 0),
            ("return=minimal", 0),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.insert_header("Prefer", prefer).unwrap();
            assert_eq!(patience(&request), Duration::from_secs(seconds), "{prefer}");
            assert_eq!(takes_its_time(&request), prefer.contains("wait="));
        }
    }

    #[test]
    fn what_happens_once_is_told_from_what_may_happen_twice() {
        for (method, idempotent) in [
            ("GET", true),
            ("HEAD", true),
            ("PUT", true),
            ("DELETE", true),
            ("OPTIONS", true),
            ("POST", false),
            ("PATCH", false),
            ("BREW", false),
        ] {
            let request = RequestHeader::build(method, b"/", None).unwrap();
            assert_eq!(sent(&request, false, false).idempotent, idempotent, "{method}");
            assert!(!sent(&request, false, true).idempotent);
        }
    }

    #[test]
    fn only_the_origin_is_blamed_for_what_it_did() {
        let closed = || {
            let mut error = Error::new(ErrorType::ConnectionClosed);
            error.retry = pingora_core::RetryType::ReusedOnly;
            error.into_up()
        };
        assert_eq!(broken(&mut closed(), false, true), Some(Broken::IdleConnection));
        assert_eq!(broken(&mut closed(), false, false), Some(Broken::NoAnswer));
        assert_eq!(broken(&mut closed(), true, true), Some(Broken::InAnswer));
        assert_eq!(broken(&mut closed().into_down(), false, true), None);
    }
}
