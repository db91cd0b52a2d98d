//! The store as pingora-cache uses it: what is read from it, and what is on its way into it.

use super::{plan::Key, store::Store, stored::Stored};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use pingora_cache::{
    CacheKey, CacheMeta, HitHandler, MissHandler, Storage,
    storage::{HandleHit, HandleMiss, MissFinishType, PurgeOutcome, PurgeTarget, PurgeType},
    trace::SpanHandle,
};
use pingora_core::{Error, ErrorType, Result};
use std::{any::Any, ops::Range, sync::Arc};

/// What a key of pingora-cache brings along.
#[derive(Clone)]
pub(super) struct Lookup {
    pub(super) key: Arc<Key>,
    /// The purges before it was looked for.
    pub(super) purges: u64,
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
        let purged = self.store.purges() != self.purges;
        if !whole || purged {
            return Ok(MissFinishType::Created(0));
        }
        let stored = self.head.with_body(body.freeze());
        let weight = stored.weight();
        self.store.put(&self.key, stored);
        Ok(MissFinishType::Created(weight))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            store::tests::{key, store},
            stored::tests::head,
        },
        *,
    };

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
