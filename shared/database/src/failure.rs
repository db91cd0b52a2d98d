//! What a failed statement means for the caller: run it again, wait, or give up.

use sqlx::error::ErrorKind;

/// What kind of failure a [`sqlx::Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Another transaction was in the way (serialization failure, deadlock, lock timeout). Run it again.
    Conflict,
    /// The server or the way to it is gone, or it has no room just now. Wait, then run it again.
    Unavailable,
    /// A row of that key is there already. Whoever expected none may read again and decide anew.
    Duplicate,
    /// The data break a rule (class 22 or 23). The same data will break it again.
    Rejected,
    /// The statement, the schema or the server is not as it should be. Somebody has to mend it; until then the
    /// data are not to blame, and must not be given up.
    Broken,
}

/// An error of a transaction that knows whether running the transaction again can help.
pub trait Retry {
    /// Whether it can.
    fn may_retry(&self) -> bool;
}

impl Retry for sqlx::Error {
    fn may_retry(&self) -> bool {
        matches!(failure_of(self), Failure::Conflict | Failure::Unavailable)
    }
}

/// Tells the kinds of failure apart.
pub fn failure_of(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => Failure::Unavailable,
        sqlx::Error::Database(refusal) if refusal.kind() == ErrorKind::UniqueViolation => Failure::Duplicate,
        sqlx::Error::Database(refusal) => refusal.code().map_or(Failure::Broken, |code| of_sqlstate(&code)),
        _ => Failure::Broken,
    }
}

/// By the codes of PostgreSQL's appendix A.
fn of_sqlstate(code: &str) -> Failure {
    match code {
        // lock_not_available: another transaction kept a row for longer than our lock_timeout.
        "55P03" => Failure::Conflict,
        // query_canceled: by our statement_timeout, or by an operator.
        "57014" => Failure::Unavailable,
        // idle_in_transaction_session_timeout: we were stopped for so long that the server gave up on us.
        "25P03" => Failure::Unavailable,
        // 40: serialization failure, deadlock.
        _ if code.starts_with("40") => Failure::Conflict,
        // 08: connection; 53: resources; 57P: shutdown, crash, starting up.
        _ if ["08", "53", "57P"].iter().any(|class| code.starts_with(class)) => Failure::Unavailable,
        // 22: data exception; 23: integrity constraint violation.
        _ if ["22", "23"].iter().any(|class| code.starts_with(class)) => Failure::Rejected,
        _ => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_sqlstate_means_one_thing_to_the_caller() {
        for (code, meaning) in [
            ("40001", Failure::Conflict),
            ("40P01", Failure::Conflict),
            ("55P03", Failure::Conflict),
            ("57P01", Failure::Unavailable),
            ("57P03", Failure::Unavailable),
            ("57014", Failure::Unavailable),
            ("25P03", Failure::Unavailable),
            ("08006", Failure::Unavailable),
            ("53300", Failure::Unavailable),
            ("22021", Failure::Rejected),
            ("23514", Failure::Rejected),
            ("42P01", Failure::Broken),
            ("25006", Failure::Broken),
            ("XX000", Failure::Broken),
        ] {
            assert_eq!(of_sqlstate(code), meaning, "{code}");
        }
    }

    #[test]
    fn what_never_reached_the_server_may_be_tried_again() {
        assert!(sqlx::Error::PoolTimedOut.may_retry());
        assert!(sqlx::Error::Io(std::io::Error::other("cut")).may_retry());
        assert!(!sqlx::Error::RowNotFound.may_retry());
    }
}
