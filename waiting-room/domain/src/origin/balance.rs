//! Which of the servers that are well is asked.

use std::{net::IpAddr, str::FromStr};

/// How requests are spread over the servers of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Balance {
    /// One after the other, each as often as its weight says.
    #[default]
    RoundRobin,
    /// Of two that chance names, the one with fewer requests under way for its weight.
    LeastRequests,
    /// The same client goes to the same server for as long as it is well; when it is not, only its clients move.
    ClientHash,
}

/// Not the name of a [`Balance`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("balance must be \"round_robin\", \"least_requests\" or \"client_hash\"")]
pub struct NoSuchBalance;

/// A server that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its part of the requests.
    pub weight: u32,
    /// Requests that it has not answered yet.
    pub under_way: u32,
    /// A number that is its own for as long as it is a server.
    pub key: u64,
}

impl FromStr for Balance {
    type Err = NoSuchBalance;

    fn from_str(name: &str) -> Result<Self, NoSuchBalance> {
        match name {
            "round_robin" => Ok(Self::RoundRobin),
            "least_requests" => Ok(Self::LeastRequests),
            "client_hash" => Ok(Self::ClientHash),
            _ => Err(NoSuchBalance),
        }
    }
}

/// The index of the server to ask. `turn` counts the requests of this origin; `client` is the visitor's
/// [`client_key`], without which a hash of the client is a round. Nothing where there is no candidate with a weight.
pub fn choose(balance: Balance, candidates: &[Candidate], turn: u64, client: Option<u64>) -> Option<usize> {
    let total: u64 = candidates
        .iter()
        .map(|candidate| u64::from(candidate.weight))
        .sum();
    match (balance, client) {
        (Balance::LeastRequests, _) => {
            let first = by_weight(candidates, mix(turn).checked_rem(total)?)?;
            let second = by_weight(candidates, mix(!turn).checked_rem(total)?)?;
            let busier = busy(candidates.get(second)?, candidates.get(first)?);
            Some(if busier { first } else { second })
        }
        (Balance::ClientHash, Some(client)) => highest(candidates, client),
        (Balance::RoundRobin | Balance::ClientHash, _) => by_weight(candidates, turn.checked_rem(total)?),
    }
}

/// A client in one number: an IPv6 network of 64 bits is one household.
pub fn client_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => mix(u64::try_from(address.to_bits() >> 64).unwrap_or(0)),
    }
}

/// The candidate in whose part of the whole `at` is.
fn by_weight(candidates: &[Candidate], at: u64) -> Option<usize> {
    let mut end = 0;
    candidates.iter().position(|candidate| {
        end += u64::from(candidate.weight);
        at < end
    })
}

/// Whether `this` has more under way for its weight than `other`.
fn busy(this: &Candidate, other: &Candidate) -> bool {
    u64::from(this.under_way) * u64::from(other.weight) > u64::from(other.under_way) * u64::from(this.weight)
}

/// Rendezvous hashing: each server draws a number for the client, and the highest wins. A server of weight 3 draws as
/// one of three.
fn highest(candidates: &[Candidate], client: u64) -> Option<usize> {
    let drawn = candidates.iter().enumerate().filter_map(|(index, candidate)| {
        let draws = (0..u64::from(candidate.weight)).map(|draw| mix(mix(client ^ candidate.key) ^ draw));
        Some((draws.max()?, index))
    });
    drawn.max().map(|(_, index)| index)
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of the number.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(weight: u32, under_way: u32, key: u64) -> Candidate {
        Candidate {
            weight,
            under_way,
            key,
        }
    }

    #[test]
    fn a_round_goes_by_weight() {
        let servers = [server(2, 0, 1), server(0, 0, 2), server(1, 0, 3)];
        let asked: Vec<_> = (0..6)
            .map(|turn| choose(Balance::RoundRobin, &servers, turn, None).unwrap())
            .collect();
        assert_eq!(asked, [0, 0, 2, 0, 0, 2]);
    }

    #[test]
    fn nobody_is_asked_where_nobody_is() {
        for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::ClientHash] {
            assert_eq!(choose(balance, &[], 7, Some(1)), None);
            assert_eq!(choose(balance, &[server(0, 0, 1)], 7, Some(1)), None);
        }
    }

    #[test]
    fn a_busy_server_is_asked_less() {
        let servers = [server(1, 50, 1), server(1, 0, 2), server(1, 0, 3)];
        let to_busy = (0..9_000)
            .filter(|turn| choose(Balance::LeastRequests, &servers, *turn, None) == Some(0))
            .count();
        // Only when chance names it twice: a ninth.
        assert!((800..1_200).contains(&to_busy), "{to_busy}");
    }

    #[test]
    fn clients_are_spread_by_weight() {
        let servers = [server(1, 0, 11), server(3, 0, 12)];
        let to_heavy = (0..8_000)
            .filter(|client| choose(Balance::ClientHash, &servers, 0, Some(*client)) == Some(1))
            .count();
        assert!((5_700..6_300).contains(&to_heavy), "{to_heavy}");
    }

    #[test]
    fn a_household_is_one_client() {
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }

    proptest! {
        /// When a server goes, nobody moves but its clients.
        #[test]
        fn only_the_clients_of_a_lost_server_move(
            keys in proptest::collection::hash_set(any::<u64>(), 2..8),
            gone in any::<prop::sample::Index>(),
            client in any::<u64>(),
        ) {
            let servers: Vec<_> = keys.into_iter().map(|key| server(1, 0, key)).collect();
            let before = servers[choose(Balance::ClientHash, &servers, 0, Some(client)).unwrap()].key;
            let mut left = servers.clone();
            let lost = left.remove(gone.index(servers.len())).key;
            let after = left[choose(Balance::ClientHash, &left, 0, Some(client)).unwrap()].key;
            prop_assert!(before == lost || before == after);
        }

        /// Whatever the way, who is chosen has a weight.
        #[test]
        fn who_is_chosen_may_be_asked(
            weights in proptest::collection::vec(0u32..4, 1..6),
            turn in any::<u64>(),
            client in any::<Option<u64>>(),
        ) {
            let servers: Vec<_> = weights.iter().zip(0..).map(|(weight, key)| server(*weight, 0, key)).collect();
            for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::ClientHash] {
                let chosen = choose(balance, &servers, turn, client);
                prop_assert_eq!(chosen.is_none(), weights.iter().all(|weight| *weight == 0));
                prop_assert!(chosen.is_none_or(|index| weights[index] > 0));
            }
        }
    }
}
