//! How many connections there are: in all, and of each address.

use super::refusal::Refusal;
use ipnet::IpNet;
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Locks that the addresses are spread over: two connections seldom meet at one.
const SHARDS: usize = 32;
/// Connections of an address, unless the config says otherwise: a large office, or a carrier's gateway.
const PER_ADDRESS: u32 = 1_000;

/// The open connections of this edge.
pub(super) struct Connections {
    most: usize,
    of_address: PerAddress,
    open: AtomicUsize,
    gauge: metrics::Gauge,
    hasher: RandomState,
    addresses: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
}

/// What holds for one address.
pub(super) struct PerAddress {
    most: u32,
    /// They speak for many.
    trusted: Vec<IpNet>,
    /// Whether this machine itself may have more.
    spares_loopback: bool,
}

/// An open connection, for as long as this lives.
pub(super) struct Open {
    connections: Arc<Connections>,
    counted: Option<IpAddr>,
}

impl PerAddress {
    pub(super) fn new(most: Option<u32>, trusted: Vec<IpNet>) -> Self {
        Self {
            most: most.unwrap_or(PER_ADDRESS),
            trusted,
            spares_loopback: most.is_none(),
        }
    }

    /// Whom the connection is counted for, if for anybody.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        let trusted = self.trusted.iter().any(|network| network.contains(&peer));
        let spared = trusted || (self.spares_loopback && peer.is_loopback());
        (!spared).then(|| household(peer))
    }
}

impl Connections {
    pub(super) fn new(most: usize, of_address: PerAddress) -> Self {
        Self {
            most,
            of_address,
            open: AtomicUsize::new(0),
            gauge: metrics::gauge!("waiting_room_connections"),
            hasher: RandomState::new(),
            addresses: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Takes a connection in.
    ///
    /// # Errors
    /// When there are too many, in all or of this address.
    pub(super) fn open(self: &Arc<Self>, peer: Option<IpAddr>) -> Result<Open, Refusal> {
        // Counted first and looked at then, so that many at once cannot slip through together.
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
        let mut open = Open {
            connections: Arc::clone(self),
            counted: None,
        };
        if before >= self.most {
            return Err(Refusal::EdgeFull);
        }
        if let Some(address) = peer.and_then(|peer| self.of_address.counted(peer)) {
            let mut addresses = self
                .shard(&address)
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_default();
            if *count >= self.of_address.most {
                return Err(Refusal::AddressFull);
            }
            *count += 1;
            open.counted = Some(address);
        }
        Ok(open)
    }

    fn shard(&self, address: &IpAddr) -> &Mutex<HashMap<IpAddr, u32>> {
        let hash = usize::try_from(self.hasher.hash_one(address) % SHARDS as u64).unwrap_or(0);
        &self.addresses[hash]
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let all = &self.connections;
        all.open.fetch_sub(1, Ordering::Relaxed);
        all.gauge.decrement(1.0);
        let Some(address) = self.counted else { return };
        let mut addresses = all.shard(&address).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// Who shares an address: with IPv6, everybody has a network of 64 bits to draw addresses from.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from(u128::from(six) & !u128::from(u64::MAX))),
    }
}

/// The connections that the open files of this process allow: a quarter is left for connections to origins and stores.
pub(super) fn allowed_by_open_files() -> usize {
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    let files = limit.map_or(1_024, |(soft, _)| soft);
    usize::try_from(files / 4 * 3).unwrap_or(usize::MAX).max(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, per_address: Option<u32>, trusted: &str) -> Arc<Connections> {
        let trusted = vec![trusted.parse().unwrap()];
        Arc::new(Connections::new(most, PerAddress::new(per_address, trusted)))
    }

    fn from(address: &str) -> Option<IpAddr> {
        address.parse().ok()
    }

    #[test]
    fn who_goes_makes_room() {
        let all = connections(2, None, "10.0.0.0/8");
        let first = all.open(from("192.0.2.1")).ok();
        let second = all.open(None).ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(all.open(None).err(), Some(Refusal::EdgeFull));
        drop(second);
        assert!(all.open(None).is_ok());
    }

    #[test]
    fn an_address_has_so_many_and_a_network_of_ipv6_is_one() {
        let all = connections(100, Some(1), "10.0.0.0/8");
        let one = all.open(from("2001:db8::1")).ok();
        assert!(one.is_some());
        assert_eq!(all.open(from("2001:db8::2")).err(), Some(Refusal::AddressFull));
        let other = all.open(from("2001:db8:0:1::1"));
        assert!(other.is_ok());
        drop(one);
        assert!(all.open(from("2001:db8::2")).is_ok());
        drop(other);
        assert!(all.addresses.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn proxies_speak_for_many_and_this_machine_is_spared_unless_it_is_told_otherwise() {
        let all = connections(100, Some(1), "10.0.0.0/8");
        let many: Vec<_> = (0..3).map(|_| all.open(from("::ffff:10.0.0.1"))).collect();
        assert!(many.iter().all(Result::is_ok));
        let _one = all.open(from("127.0.0.1")).ok().unwrap();
        assert_eq!(all.open(from("127.0.0.1")).err(), Some(Refusal::AddressFull));
        let spared = PerAddress::new(None, Vec::new());
        assert_eq!(spared.counted(IpAddr::from([127, 0, 0, 1])), None);
    }
}
