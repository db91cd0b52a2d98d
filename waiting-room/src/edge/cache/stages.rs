//! The cache's part in each of the proxy's stages.

use super::{
    Cache, Plan, WAIT_AT_MOST,
    answer::{self, CACHE_STATUS, Source},
    stored::{Stored, Windows, seconds_until, unix_ms},
};
use crate::http1::Http1;
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{AGE, DATE, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE, USER_AGENT},
};
use pingora_cache::{CacheKey, CacheOptionOverrides, CachePhase, NoCacheReason, RespCacheable};
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use std::sync::Arc;

/// Who asks, when the edge asks for itself.
const ASKED_BY: HeaderValue = HeaderValue::from_static("waiting-room");

/// What the cache has to do with a request.
#[derive(Debug, Default)]
pub(in crate::edge) struct Caching {
    plan: Option<Plan>,
    /// The status with which the origin failed, 0 if it gave none.
    failed: Option<u16>,
    /// The date of an answer that says that nothing has changed.
    date: Option<HeaderValue>,
}

impl Caching {
    /// Whether this request is the edge's own, to have a fresh answer for others.
    pub(in crate::edge) fn is_refresh(session: &Session) -> bool {
        session.subrequest_ctx.is_some()
    }

    /// Whether a rule covers the request, and it reads.
    pub(in crate::edge) fn reads(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.reads)
    }
}

impl Cache {
    /// First stage, once the gate has let somebody pass to an origin: the answer, if a fresh one is kept and the
    /// request wants nothing but that.
    pub(in crate::edge) fn answer(
        &self,
        session: &mut Session,
        origin: Option<&str>,
        caching: &mut Caching,
    ) -> Option<(ResponseHeader, Bytes)> {
        let rules = self.rules.load();
        if rules.is_empty() {
            return None;
        }
        let has_body = !session.as_downstream_mut().is_body_empty();
        let request = session.req_header();
        let plan = Plan::of(&rules, origin, request, has_body);
        let plan = caching.plan.insert(plan?);
        if !plan.reads || Caching::is_refresh(session) || !is_plain(request) {
            return None;
        }
        let stored = self.fresh(plan)?;
        self.counters.hit.increment(1);
        Some((self.head(&stored), stored.body.clone()))
    }

    /// The fresh answer that is kept for a whole and plain request without a body, to be given with [`Cache::give`] once the
    /// gate has let somebody pass to this origin.
    pub(in crate::edge) fn kept(&self, origin: Option<&str>, request: &RequestHeader) -> Option<Arc<Stored>> {
        let plan = Plan::of(&self.rules.load(), origin, request, false)?;
        let wanted = plan.reads && is_plain(request);
        wanted.then(|| self.fresh(&plan)).flatten()
    }

    /// A kept answer as HTTP/1.1 on a connection that stays open, with these headers beside its own.
    pub(in crate::edge) fn give(&self, stored: &Stored, beside: &[(HeaderName, HeaderValue)]) -> Vec<u8> {
        self.counters.hit.increment(1);
        let now_ms = self.clock.unix_ms();
        let ours = [
            (AGE, HeaderValue::from(stored.age(now_ms))),
            (CACHE_STATUS, hit(stored.ttl(now_ms))),
        ];
        let kept = stored.header.headers.iter();
        let told = ours.iter().chain(beside).map(|(name, value)| (name, value));
        let mut answer = Http1::new(stored.header.status);
        for (name, value) in kept.chain(told) {
            answer.field(name.as_str(), value.as_bytes());
        }
        answer.end(&stored.body)
    }

    fn head(&self, stored: &Stored) -> ResponseHeader {
        let now_ms = self.clock.unix_ms();
        let mut head = stored.header.clone();
        // Numbers and our own words are always valid values.
        let _ = head.insert_header(AGE, HeaderValue::from(stored.age(now_ms)));
        let _ = head.append_header(CACHE_STATUS, Source::Hit.status(stored.ttl(now_ms), None));
        head
    }

    /// Whether pingora-cache has a part in the request.
    pub(in crate::edge) fn begin(&self, session: &mut Session, caching: &Caching) {
        let Some(plan) = caching.plan.as_ref().filter(|plan| plan.reads) else {
            return;
        };
        // Who shows who they are is answered by what is marked as everybody's, or by the origin itself.
        let apart = plan.authorized && self.fresh(plan).is_none();
        if !Caching::is_refresh(session) && (apart || self.store.passes(&plan.key)) {
            return;
        }
        let mut patience = CacheOptionOverrides::default();
        patience.wait_timeout = Some(WAIT_AT_MOST);
        session
            .cache
            .enable(self.store, None, None, Some(self.lock), Some(patience));
    }

    pub(in crate::edge) fn key(&self, caching: &Caching) -> Result<CacheKey> {
        let plan = caching.plan.as_ref();
        let plan = plan.ok_or_else(|| Error::explain(ErrorType::InternalError, "no plan for the cache"))?;
        Ok(self.store.cache_key(&plan.key))
    }

    /// Makes the request of one visitor a request for everybody; answers whether it is one.
    ///
    /// # Errors
    /// When a header cannot be written.
    pub(in crate::edge) fn make_common(
        session: &Session,
        request: &mut RequestHeader,
        caching: &Caching,
    ) -> Result<bool> {
        let Some(plan) = caching.plan.as_ref().filter(|_| session.cache.enabled()) else {
            return Ok(false);
        };
        // The conditions are the cache's own by now: the visitor's were taken out before.
        let kept = |name: &HeaderName| {
            *name == HOST
                || *name == IF_NONE_MATCH
                || *name == IF_MODIFIED_SINCE
                || plan.rule.vary.contains(name)
        };
        let dropped: Vec<HeaderName> = request
            .headers
            .keys()
            .filter(|name| !kept(name))
            .cloned()
            .collect();
        for name in &dropped {
            request.remove_header(name);
        }
        request.set_raw_path(plan.target())?;
        request.insert_header(HOST, plan.host())?;
        if !plan.rule.vary.contains(&USER_AGENT) {
            request.insert_header(USER_AGENT, ASKED_BY)?;
        }
        Ok(true)
    }

    /// Takes note of what an origin says before it is kept.
    pub(in crate::edge) fn hear(session: &Session, answer: &ResponseHeader, caching: &mut Caching) {
        if session.cache.enabled() && answer.status == StatusCode::NOT_MODIFIED {
            caching.date = answer.headers.get(DATE).cloned();
        }
    }

    /// Whether the answer may be kept.
    pub(in crate::edge) fn keep(&self, answer: &ResponseHeader, caching: &Caching) -> RespCacheable {
        let Some(plan) = &caching.plan else {
            return RespCacheable::Uncacheable(NoCacheReason::OriginNotCache);
        };
        let mut answer = answer.clone();
        if let Some(date) = &caching.date {
            let _ = answer.insert_header(DATE, date);
        }
        let kept = answer::keep(&plan.rule, answer, self.store.object_max(), self.clock.unix_ms());
        // A failure may be over with the next one; what is not for keeping stays so for a while.
        if matches!(&kept, RespCacheable::Uncacheable(reason) if *reason != NoCacheReason::UpstreamError) {
            self.store.pass(&plan.key);
        }
        kept
    }

    /// Whether the stale answer is used: instead of waiting for a fresh one, or instead of `error`.
    pub(in crate::edge) fn use_stale(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        caching: &mut Caching,
    ) -> bool {
        let Some(meta) = session.cache.maybe_cache_meta() else {
            return false;
        };
        let Some(windows) = meta.extensions().get::<Windows>() else {
            return false;
        };
        let stale_for = self.clock.unix_ms().saturating_sub(unix_ms(meta.fresh_until()));
        let Some(error) = error else {
            return stale_for <= windows.while_revalidate_ms;
        };
        if *error.esource() == ErrorSource::Downstream || stale_for > windows.if_error_ms {
            return false;
        }
        let status = match error.etype() {
            ErrorType::HTTPStatus(status) => *status,
            _ => 0,
        };
        caching.failed = Some(status);
        if status == 0 {
            // The proxy ends the connection after this, and the visitor is told so.
            session.set_keepalive(None);
        }
        true
    }

    /// Last stage: says where the answer came from, and forgets what somebody has just changed.
    ///
    /// # Errors
    /// When a header cannot be written.
    pub(in crate::edge) fn tell(
        &self,
        session: &Session,
        answer: &mut ResponseHeader,
        caching: &Caching,
    ) -> Result<()> {
        let Some(plan) = &caching.plan else { return Ok(()) };
        if !plan.reads {
            if changes(session.req_header(), answer) {
                self.store.forget(&plan.key);
            }
            return Ok(());
        }
        let phase = session.cache.phase();
        let never = CachePhase::Disabled(NoCacheReason::NeverEnabled);
        let source = if phase == never {
            Source::Bypass
        } else {
            Source::of(phase, caching.failed)
        };
        let meta = session.cache.maybe_cache_meta();
        let ttl = meta.map_or(0, |meta| {
            seconds_until(unix_ms(meta.fresh_until()), self.clock.unix_ms())
        });
        answer.append_header(CACHE_STATUS, source.status(ttl, caching.failed))?;
        self.count(source);
        Ok(())
    }

    fn count(&self, source: Source) {
        let counters = &self.counters;
        let counter = match source {
            Source::Hit => &counters.hit,
            Source::Stale => &counters.stale,
            Source::StaleError => &counters.stale_error,
            Source::Revalidated => &counters.revalidated,
            Source::Miss => &counters.miss,
            Source::NotKept => &counters.not_kept,
            Source::Bypass => &counters.bypass,
        };
        counter.increment(1);
    }
}

/// What is said of an answer that is fresh.
fn hit(ttl: i64) -> HeaderValue {
    HeaderValue::try_from(Source::Hit.status(ttl, None))
        .unwrap_or(HeaderValue::from_static("waiting-room; hit"))
}

/// Whether a request asks for the whole answer, unconditionally.
fn is_plain(request: &RequestHeader) -> bool {
    !request
        .headers
        .keys()
        .any(|name| *name == RANGE || name.as_str().starts_with("if-"))
}

/// Whether a request may have changed what it was sent to: RFC 9111, 4.4.
fn changes(request: &RequestHeader, answer: &ResponseHeader) -> bool {
    !request.method.is_safe() && (answer.status.is_success() || answer.status.is_redirection())
}
