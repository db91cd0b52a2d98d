//! Where answers are kept: in memory, bounded by bytes, the one that was not used for the longest time goes first.
//!
//! An address is one entry with its variants, so that they are bounded, purged and forgotten together.

use super::{plan::Key, storage::Lookup, stored::Stored};
use crate::config::CacheConfig;
use arc_swap::ArcSwap;
use metrics::Gauge;
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache as Moka};
use pingora_cache::CacheKey;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Answers of one address that differ by headers of the request. The oldest makes room for a further one.
const VARIANTS_MAX: usize = 8;
/// Keys whose answers were not for keeping, and for how long nobody waits to find that out again.
const PASSED_MAX: u64 = 10_000;
const PASSED_FOR: Duration = Duration::from_secs(10);

type Variants = Vec<Arc<Stored>>;

/// Everything that is kept.
pub(super) struct Store {
    held: ArcSwap<Held>,
    passed: Moka<Vec<u8>, ()>,
    object_max: AtomicUsize,
    /// Counts purges: what was asked for before one is not kept after it.
    purges: AtomicU64,
    bytes: Gauge,
}

struct Held {
    max_bytes: u64,
    entries: Moka<Arc<[u8]>, Arc<Variants>>,
}

// === impl Store ===

impl Store {
    pub(super) fn new(config: &CacheConfig) -> Self {
        Self {
            held: ArcSwap::from_pointee(Held::new(config.max_bytes)),
            passed: Moka::builder()
                .max_capacity(PASSED_MAX)
                .time_to_live(PASSED_FOR)
                .build(),
            object_max: AtomicUsize::new(config.object_max_bytes),
            purges: AtomicU64::new(0),
            bytes: metrics::gauge!("waiting_room_cache_bytes"),
        }
    }

    /// Goes on within other bounds; another size is begun with nothing.
    pub(super) fn adopt(&self, config: &CacheConfig) {
        self.object_max.store(config.object_max_bytes, Ordering::Relaxed);
        if self.held.load().max_bytes != config.max_bytes {
            self.held.store(Arc::new(Held::new(config.max_bytes)));
        }
    }

    /// The longest body that is kept.
    pub(super) fn object_max(&self) -> usize {
        self.object_max.load(Ordering::Relaxed)
    }

    /// The key as pingora-cache has it, from now on.
    pub(super) fn cache_key(&self, key: &Arc<Key>) -> CacheKey {
        let mut cache_key = CacheKey::new(key.joined(), "");
        cache_key.extensions.insert(Lookup {
            key: Arc::clone(key),
            purges: self.purges(),
        });
        cache_key
    }

    /// The purges so far.
    pub(super) fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Stored>> {
        let variants = self.held.load().entries.get(&*key.base)?;
        variants
            .iter()
            .find(|stored| stored.variant == key.variant)
            .cloned()
    }

    /// Forgets all entries whose key is meant; answers how many.
    pub(super) fn purge(&self, is_meant: impl Fn(&[u8]) -> bool) -> usize {
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.passed.invalidate_all();
        let held = self.held.load();
        let mut removed = 0;
        for (key, _) in &held.entries {
            if is_meant(&key) {
                held.entries.invalidate(&**key);
                removed += 1;
            }
        }
        self.measure(&held);
        removed
    }

    /// Remembers that an answer was not for keeping: the next ones go their own ways.
    pub(super) fn pass(&self, key: &Key) {
        self.passed.insert(key.joined(), ());
    }

    pub(super) fn passes(&self, key: &Key) -> bool {
        self.passed.contains_key(&key.joined())
    }

    /// Forgets every variant of an address.
    pub(super) fn forget(&self, key: &Key) {
        self.held.load().entries.invalidate(&*key.base);
    }

    pub(super) fn put(&self, key: &Key, stored: Stored) {
        let held = self.held.load();
        let entry = held.entries.entry(Arc::clone(&key.base));
        entry.and_compute_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.iter().flat_map(|variants| variants.iter());
            let mut variants: Variants = known
                .filter(|other| other.variant != stored.variant)
                .cloned()
                .collect();
            if variants.len() >= VARIANTS_MAX {
                variants.remove(0);
            }
            variants.push(Arc::new(stored));
            Op::Put(Arc::new(variants))
        });
        self.measure(&held);
    }

    fn measure(&self, held: &Held) {
        held.entries.run_pending_tasks();
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        self.bytes.set(held.entries.weighted_size() as f64);
    }
}

impl Held {
    fn new(max_bytes: u64) -> Self {
        let weigh = |key: &Arc<[u8]>, variants: &Arc<Variants>| {
            let bytes: usize = variants.iter().map(|stored| stored.weight()).sum();
            u32::try_from(bytes + key.len()).unwrap_or(u32::MAX)
        };
        // Least recently used, so that what was just fetched is there for those who wait for it.
        let entries = Moka::builder()
            .max_capacity(max_bytes)
            .weigher(weigh)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { max_bytes, entries }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::stored::tests::head, *};
    use bytes::Bytes;

    pub(in super::super) fn store(max_bytes: u64) -> &'static Store {
        Box::leak(Box::new(Store::new(&config(max_bytes))))
    }

    fn config(max_bytes: u64) -> CacheConfig {
        CacheConfig {
            max_bytes,
            object_max_bytes: 1_000,
            rules: Vec::new(),
        }
    }

    pub(in super::super) fn key(base: &str, variant: u8) -> Key {
        Key {
            base: base.as_bytes().into(),
            variant: Box::new([variant]),
        }
    }

    fn put(store: &Store, key: &Key, body: &str) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        store.put(key, Stored::new(key.variant.clone(), &head(&[]), body));
    }

    #[test]
    fn variants_are_bounded_and_the_oldest_goes() {
        let store = store(1 << 20);
        let count = u8::try_from(VARIANTS_MAX).unwrap();
        for variant in 0..=count {
            put(store, &key("a", variant), "x");
            put(store, &key("a", variant), "y");
        }
        assert!(store.get(&key("a", 0)).is_none());
        for variant in 1..=count {
            assert_eq!(store.get(&key("a", variant)).unwrap().body, "y", "{variant}");
        }
        assert_eq!(store.purge(|base| base == b"a"), 1);
        assert!(store.get(&key("a", 1)).is_none());
    }

    #[test]
    fn bytes_are_bounded_and_what_was_not_used_goes() {
        let store = store(20_000);
        for at in 0..200 {
            put(store, &key(&at.to_string(), 0), &"x".repeat(900));
            assert!(store.get(&key("0", 0)).is_some(), "used all the time");
            assert!(store.held.load().entries.weighted_size() <= 20_000);
        }
        assert!(store.get(&key("1", 0)).is_none());
        assert!(store.get(&key("199", 0)).is_some());
        store.adopt(&config(20_000));
        assert!(store.get(&key("0", 0)).is_some());
        store.adopt(&config(30_000));
        assert!(
            store.get(&key("0", 0)).is_none(),
            "another size begins with nothing"
        );
    }
}
