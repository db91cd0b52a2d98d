//! One pass, many clients: noticed, and limited.
//!
//! What is remembered of a client is eight bytes of a hash under a key that this process made up, so that nobody can
//! tell from it who came.

use super::household;
use moka::sync::Cache;
use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use waiting_room_domain::SessionId;

/// Sessions remembered at most. When there are more, the rarest are forgotten, and their clients counted anew.
const SESSIONS_MAX: u64 = 100_000;

/// Which clients use which pass, as far as this edge sees it.
pub struct SharedPasses {
    clients_max: usize,
    seen: Cache<SessionId, Arc<Mutex<Clients>>>,
    hasher: RandomState,
}

#[derive(Default)]
struct Clients {
    known: Vec<u64>,
    noticed: bool,
}

/// Whether a client may use a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassUse {
    /// One of those who may.
    Granted,
    /// One too many.
    Refused {
        /// Nobody was refused before with this pass.
        first: bool,
    },
}

impl SharedPasses {
    /// So many clients a pass, remembered for as long as a session may be idle; nothing where there is no limit.
    pub fn new(clients_max: usize, idle: Duration) -> Option<Self> {
        (clients_max > 0).then(|| Self {
            clients_max,
            seen: Cache::builder()
                .max_capacity(SESSIONS_MAX)
                .time_to_idle(idle)
                .build(),
            hasher: RandomState::new(),
        })
    }

    /// Notes that a client uses the pass of a session. Those who came first keep using it.
    pub fn note(&self, session: SessionId, address: IpAddr, user_agent: &[u8]) -> PassUse {
        let client = self.hasher.hash_one((household(address), user_agent));
        let clients = self.seen.get_with(session, Arc::default);
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.known.contains(&client) {
            return PassUse::Granted;
        }
        if clients.known.len() < self.clients_max {
            clients.known.push(client);
            return PassUse::Granted;
        }
        let first = !std::mem::replace(&mut clients.noticed, true);
        PassUse::Refused { first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(clients_max: usize) -> SharedPasses {
        SharedPasses::new(clients_max, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn who_came_first_keeps_the_pass() {
        let passes = passes(2);
        let session = SessionId::from([1; 12]);
        let note = |address: &str, agent: &[u8]| passes.note(session, address.parse().unwrap(), agent);
        assert_eq!(note("192.0.2.1", b"browser"), PassUse::Granted);
        assert_eq!(note("192.0.2.2", b"browser"), PassUse::Granted);
        assert_eq!(note("192.0.2.1", b"bot"), PassUse::Refused { first: true });
        assert_eq!(note("192.0.2.3", b"browser"), PassUse::Refused { first: false });
        assert_eq!(note("192.0.2.1", b"browser"), PassUse::Granted);
        assert_eq!(note("192.0.2.2", b"browser"), PassUse::Granted);
        let other = passes.note(SessionId::from([2; 12]), "192.0.2.3".parse().unwrap(), b"bot");
        assert_eq!(other, PassUse::Granted);
    }

    #[test]
    fn a_household_with_many_addresses_is_one_client() {
        let passes = passes(1);
        for address in ["2001:db8::1", "2001:db8::ffff:2"] {
            let note = passes.note(SessionId::from([1; 12]), address.parse().unwrap(), b"browser");
            assert_eq!(note, PassUse::Granted);
        }
    }

    #[test]
    fn no_limit_remembers_nobody() {
        assert!(SharedPasses::new(0, Duration::from_secs(60)).is_none());
    }
}
