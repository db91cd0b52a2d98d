//! Where answers are kept: in memory, bounded by bytes, the one that was not used for the longest time goes first.
//!
//! An address is one entry with its variants, so that they are bounded, purged and forgotten together.

use super::plan::Key;
use crate::config::CacheConfig;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue,
    header::{AGE, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use metrics::Gauge;
use moka::{ops::compute::Op, policy::EvictionPolicy, sync::Cache as Moka};
use pingora_cache::{
    CacheKey, CacheMeta, HitHandler, MissHandler, Storage,
    storage::{HandleHit, HandleMiss, MissFinishType, PurgeOutcome, PurgeTarget, PurgeType},
    trace::SpanHandle,
};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use std::{
    any::Any,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

/// Answers of one address that differ by headers of the request. The oldest makes room for a further one.
const VARIANTS_MAX: usize = 8;
/// What an entry and each of its headers cost beside their bytes, roughly.
const ENTRY_BYTES: usize = 512;
const HEADER_BYTES: usize = 64;

/// Keys whose answers were not for keeping, and for how long nobody waits to find that out again.
const PASSED_MAX: u64 = 10_000;
const PASSED_FOR: Duration = Duration::from_secs(10);

/// When an answer may be used although it is stale, and by whom it may be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) while_revalidate_ms: u64,
    pub(super) if_error_ms: u64,
    pub(super) for_authorized: bool,
}

/// An answer that is kept.
#[derive(Debug)]
pub(in crate::edge) struct Stored {
    variant: Box<[u8]>,
    pub(super) header: ResponseHeader,
    pub(super) body: Bytes,
    fresh_until_ms: u64,
    since_ms: u64,
    windows: Windows,
    pub(super) for_authorized: bool,
}

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

// === impl Windows ===

impl Windows {
    /// What pingora-cache goes by: it counts windows in whole seconds, so that we look again.
    pub(super) fn meta(self, fresh_until_ms: u64, since_ms: u64, header: ResponseHeader) -> CacheMeta {
        let seconds = |ms: u64| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        let (revalidate, error) = (seconds(self.while_revalidate_ms), seconds(self.if_error_ms));
        let mut meta = CacheMeta::new(
            moment(fresh_until_ms),
            moment(since_ms),
            revalidate,
            error,
            header,
        );
        meta.extensions_mut().insert(self);
        meta
    }
}

/// This many milliseconds after the Unix epoch.
pub(super) fn moment(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(ms)
}

/// The milliseconds from the Unix epoch to then.
pub(super) fn unix_ms(moment: SystemTime) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

// === impl Stored ===

impl Stored {
    pub(super) fn new(variant: Box<[u8]>, meta: &CacheMeta, body: Bytes) -> Self {
        let windows = meta.extensions().get::<Windows>().copied();
        let windows = windows.unwrap_or(Windows {
            while_revalidate_ms: 0,
            if_error_ms: 0,
            for_authorized: false,
        });
        Self {
            variant,
            header: to_keep(meta.response_header(), body.len()),
            body,
            fresh_until_ms: unix_ms(meta.fresh_until()),
            since_ms: unix_ms(meta.epoch()),
            windows,
            for_authorized: windows.for_authorized,
        }
    }

    pub(super) fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms <= self.fresh_until_ms
    }

    /// How old it is, in seconds.
    pub(super) fn age(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms) / 1_000
    }

    /// For how many seconds it is still fresh, if it is.
    pub(super) fn ttl(&self, now_ms: u64) -> i64 {
        seconds_until(self.fresh_until_ms, now_ms)
    }

    fn meta(&self) -> CacheMeta {
        self.windows
            .meta(self.fresh_until_ms, self.since_ms, self.header.clone())
    }

    fn weight(&self) -> usize {
        let headers = self.header.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES)
            .sum();
        self.body.len() + self.variant.len() + headers + ENTRY_BYTES
    }
}

/// Seconds until then, or since, below zero.
pub(super) fn seconds_until(then_ms: u64, now_ms: u64) -> i64 {
    let ms = i128::from(then_ms) - i128::from(now_ms);
    i64::try_from(ms.div_euclid(1_000)).unwrap_or(i64::MAX)
}

/// The head without what concerns a connection, and with the length of the body.
fn to_keep(answer: &ResponseHeader, length: usize) -> ResponseHeader {
    let named = answer.headers.get_all(CONNECTION).iter();
    let named = named.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut dropped: Vec<HeaderName> = named
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    dropped.extend([CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, AGE]);
    dropped.extend(["keep-alive", "proxy-connection", "proxy-authenticate"].map(HeaderName::from_static));
    let mut kept = answer.clone();
    for name in &dropped {
        kept.remove_header(name);
    }
    kept.set_version(http::Version::HTTP_11);
    if kept.status != http::StatusCode::NO_CONTENT {
        // A number is always a valid value.
        let _ = kept.insert_header(CONTENT_LENGTH, HeaderValue::from(length));
    }
    kept
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
            purges: self.purges.load(Ordering::SeqCst),
        });
        cache_key
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

/// What a key of pingora-cache brings along.
#[derive(Clone)]
struct Lookup {
    key: Arc<Key>,
    /// The purges before it was looked for.
    purges: u64,
}

fn lookup_of(key: &CacheKey) -> Result<&Lookup> {
    let lookup = key.extensions.get::<Lookup>();
    lookup.ok_or_else(|| Error::explain(ErrorType::InternalError, "a cache key without its parts"))
}

#[async_trait]
impl Storage for Store {
    async fn lookup(
        &'static self,
        key: &CacheKey,
        _: &SpanHandle,
    ) -> Result<Option<(CacheMeta, HitHandler)>> {
        let stored = self.get(&lookup_of(key)?.key);
        Ok(stored.map(|stored| (stored.meta(), Box::new(Reading::of(&stored)) as HitHandler)))
    }

    async fn get_miss_handler(
        &'static self,
        key: &CacheKey,
        meta: &CacheMeta,
        _: &SpanHandle,
    ) -> Result<MissHandler> {
        let lookup = lookup_of(key)?;
        let key = Arc::clone(&lookup.key);
        // Without its body: the head is what is copied.
        let head = Stored::new(key.variant.clone(), meta, Bytes::new());
        let length = meta.headers().get(CONTENT_LENGTH);
        Ok(Box::new(Writing {
            store: self,
            key,
            head,
            expected: length.and_then(|length| length.to_str().ok()?.parse().ok()),
            body: Some(BytesMut::new()),
            purges: lookup.purges,
        }))
    }

    /// What is full makes room by itself, and purges come by [`Store::purge`].
    async fn purge(&'static self, _: PurgeTarget<'_>, _: PurgeType, _: &SpanHandle) -> Result<PurgeOutcome> {
        Ok(PurgeOutcome::NotFound)
    }

    async fn update_meta(&'static self, key: &CacheKey, meta: &CacheMeta, _: &SpanHandle) -> Result<bool> {
        let key = &lookup_of(key)?.key;
        // What was purged in the meantime stays purged.
        let Some(known) = self.get(key) else {
            return Ok(false);
        };
        self.put(key, Stored::new(key.variant.clone(), meta, known.body.clone()));
        Ok(true)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync + 'static) {
        self
    }
}

/// A body on its way to a visitor.
struct Reading {
    body: Bytes,
    /// What is still to be sent.
    range: Option<Range<usize>>,
    weight: usize,
}

impl Reading {
    fn of(stored: &Stored) -> Self {
        Self {
            body: stored.body.clone(),
            range: Some(0..stored.body.len()),
            weight: stored.weight(),
        }
    }
}

#[async_trait]
impl HandleHit for Reading {
    async fn read_body(&mut self) -> Result<Option<Bytes>> {
        let range = self.range.take().filter(|range| !range.is_empty());
        Ok(range.map(|range| self.body.slice(range)))
    }

    async fn finish(
        self: Box<Self>,
        _: &'static (dyn Storage + Sync),
        _: &CacheKey,
        _: &SpanHandle,
    ) -> Result<()> {
        Ok(())
    }

    fn can_seek(&self) -> bool {
        true
    }

    fn seek(&mut self, start: usize, end: Option<usize>) -> Result<()> {
        if start >= self.body.len() {
            return Error::e_explain(ErrorType::InternalError, "a range behind the end");
        }
        self.range = Some(start..end.map_or(self.body.len(), |end| end.min(self.body.len())));
        Ok(())
    }

    fn get_eviction_weight(&self) -> usize {
        self.weight
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn as_any_mut(&mut self) -> &mut (dyn Any + Send + Sync) {
        self
    }
}

/// A body on its way into the store. Dropped before its end it leaves nothing.
struct Writing {
    store: &'static Store,
    key: Arc<Key>,
    head: Stored,
    /// How long it said it would be.
    expected: Option<usize>,
    /// Nothing once it is too long to be kept; the visitor gets it all the same.
    body: Option<BytesMut>,
    purges: u64,
}

#[async_trait]
impl HandleMiss for Writing {
    async fn write_body(&mut self, data: Bytes, _: bool) -> Result<()> {
        let longest = self.store.object_max();
        self.body = self.body.take().filter(|body| body.len() + data.len() <= longest);
        if let Some(body) = &mut self.body {
            body.extend_from_slice(&data);
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<MissFinishType> {
        let Some(body) = self.body else {
            self.store.pass(&self.key);
            return Ok(MissFinishType::Created(0));
        };
        let whole = self.expected.is_none_or(|expected| expected == body.len());
        let purged = self.store.purges.load(Ordering::SeqCst) != self.purges;
        if !whole || purged {
            return Ok(MissFinishType::Created(0));
        }
        let mut stored = self.head;
        stored.header = to_keep(&stored.header, body.len());
        stored.body = body.freeze();
        let weight = stored.weight();
        self.store.put(&self.key, stored);
        Ok(MissFinishType::Created(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(max_bytes: u64) -> &'static Store {
        Box::leak(Box::new(Store::new(&config(max_bytes))))
    }

    fn config(max_bytes: u64) -> CacheConfig {
        CacheConfig {
            max_bytes,
            object_max_bytes: 1_000,
            rules: Vec::new(),
        }
    }

    fn key(base: &str, variant: u8) -> Key {
        Key {
            base: base.as_bytes().into(),
            variant: Box::new([variant]),
        }
    }

    fn head(headers: &[(&'static str, &str)]) -> CacheMeta {
        let mut header = ResponseHeader::build(200, None).unwrap();
        for (name, value) in headers {
            header.append_header(*name, *value).unwrap();
        }
        let windows = Windows {
            while_revalidate_ms: 1_200,
            if_error_ms: 0,
            for_authorized: false,
        };
        windows.meta(10_000, 5_000, header)
    }

    fn put(store: &Store, key: &Key, body: &str) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        store.put(key, Stored::new(key.variant.clone(), &head(&[]), body));
    }

    /// What a fetch of `parts` leaves in the store if `meanwhile` happens before its end.
    async fn written(
        parts: &[&str],
        headers: &[(&'static str, &str)],
        meanwhile: impl Fn(&Store),
    ) -> Option<Bytes> {
        let store = store(100_000);
        let key = Arc::new(key("a", 0));
        let cache_key = store.cache_key(&key);
        let trace = pingora_cache::trace::Span::inactive().handle();
        let head = head(headers);
        let writing = store.get_miss_handler(&cache_key, &head, &trace);
        let mut writing = writing.await.unwrap();
        for part in parts {
            let part = Bytes::copy_from_slice(part.as_bytes());
            writing.write_body(part, false).await.unwrap();
        }
        assert!(store.get(&key).is_none(), "nothing is there before its end");
        meanwhile(store);
        writing.finish().await.unwrap();
        store.get(&key).map(|stored| stored.body.clone())
    }

    #[tokio::test]
    async fn only_what_came_whole_is_kept() {
        let long = "x".repeat(600);
        for (parts, headers, expected) in [
            (&["ab", "c"][..], &[][..], Some("abc")),
            (&[], &[], Some("")),
            (&["ab", "c"], &[("content-length", "3")], Some("abc")),
            (&["ab"], &[("content-length", "3")], None),
            (&[&long, &long], &[], None),
            (&[&long, &long, "y"], &[], None),
        ] {
            let kept = written(parts, headers, |_| ()).await;
            assert_eq!(kept.as_deref(), expected.map(str::as_bytes), "{headers:?}");
        }
    }

    #[tokio::test]
    async fn what_was_asked_for_before_a_purge_is_not_kept() {
        let kept = written(&["a"], &[], |store| {
            store.purge(|_| false);
        });
        assert_eq!(kept.await, None);
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

    #[test]
    fn what_concerns_a_connection_is_not_kept() {
        let meta = head(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("age", "3"),
            ("etag", "\"v\""),
        ]);
        let stored = Stored::new(Box::new([]), &meta, Bytes::from_static(b"abc"));
        let names: Vec<&str> = stored.header.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(stored.header.headers[CONTENT_LENGTH], "3");
        assert_eq!(
            (stored.age(7_999), stored.ttl(7_999), stored.ttl(10_001)),
            (2, 2, -1)
        );
        assert!(stored.is_fresh(10_000) && !stored.is_fresh(10_001));
        assert_eq!(
            stored.meta().stale_while_revalidate_sec(),
            2,
            "never less than meant"
        );
    }

    #[tokio::test]
    async fn a_range_is_what_it_says() {
        let stored = Stored::new(Box::new([]), &head(&[]), Bytes::from_static(b"abcdef"));
        let mut reading = Reading::of(&stored);
        assert_eq!(reading.read_body().await.unwrap().unwrap(), "abcdef");
        assert!(reading.read_body().await.unwrap().is_none());
        for (start, end, expected) in [(2, Some(4), "cd"), (4, None, "ef"), (0, Some(99), "abcdef")] {
            reading.seek(start, end).unwrap();
            assert_eq!(reading.read_body().await.unwrap().unwrap(), expected);
        }
        assert!(reading.seek(6, None).is_err());
    }
}
