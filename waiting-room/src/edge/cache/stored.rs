//! An answer that is kept, and when it may be used.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue,
    header::{AGE, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use pingora_cache::CacheMeta;
use pingora_http::ResponseHeader;
use std::time::{Duration, SystemTime};

/// What an entry and each of its headers cost beside their bytes, roughly.
const ENTRY_BYTES: usize = 512;
const HEADER_BYTES: usize = 64;

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
    pub(super) variant: Box<[u8]>,
    pub(super) header: ResponseHeader,
    pub(super) body: Bytes,
    fresh_until_ms: u64,
    since_ms: u64,
    windows: Windows,
    pub(super) for_authorized: bool,
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

    /// With its whole body, and the length of that in its head.
    pub(super) fn with_body(mut self, body: Bytes) -> Self {
        self.header = to_keep(&self.header, body.len());
        self.body = body;
        self
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

    pub(super) fn meta(&self) -> CacheMeta {
        self.windows
            .meta(self.fresh_until_ms, self.since_ms, self.header.clone())
    }

    pub(super) fn weight(&self) -> usize {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A head that is fresh from 5 to 10 seconds after the Unix epoch.
    pub(in super::super) fn head(headers: &[(&'static str, &str)]) -> CacheMeta {
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
}
