//! Which tokens of an issuer count no more, asked of it twice a second.

use super::NotKnown;
use crate::config::{RevocationsConfig, WhileSilent};
use anyhow::Context;
use arc_swap::ArcSwap;
use clock::Clock;
use http::{StatusCode, header::ETAG, header::IF_NONE_MATCH};
use metrics::{Counter, Gauge};
use reqwest::{Client, Response};
use serde::Deserialize;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;
use waiting_room_domain::{Mark, Moment, Revocation, Revocations, Revoked, TokenMarks};

/// How often the issuer is asked: what it says counts within a second.
const ASKED_EVERY: Duration = Duration::from_millis(500);
/// An issuer that has not answered by then is asked again.
const PATIENCE: Duration = Duration::from_secs(2);
/// Nothing heard for so long, and it is not known what is revoked.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// How many failures in a row are told once: those of a minute.
const TOLD_EVERY: u32 = 120;
/// More than as many revocations take as are remembered.
const ANSWER_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Enough for any place in a list.
const CURSOR_MAX_BYTES: usize = 512;

/// What is known of an issuer's revoked tokens.
pub struct RevokedTokens {
    issuer: String,
    config: RevocationsConfig,
    http: Client,
    list: ArcSwap<Revocations>,
    /// Whether it is known what is revoked.
    is_heard: AtomicBool,
    /// Questions without an answer since the last one that had one.
    failures: AtomicU32,
    asking: Mutex<Asking>,
    held: Gauge,
    silent: Gauge,
    refused: Counter,
}

/// Where the next question begins.
#[derive(Debug, Clone, Default)]
struct Asking {
    since: Option<String>,
    etag: Option<http::HeaderValue>,
    heard_at: Option<Instant>,
}

/// What the issuer answers.
#[derive(Debug, Deserialize)]
struct Answer {
    revoked: Vec<RawRevocation>,
    /// From where the next question goes on; without it each answer is the whole list.
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RawRevocation {
    jti: Option<String>,
    sid: Option<String>,
    sub: Option<String>,
    issued_before: Option<u64>,
    until: u64,
}

impl RevokedTokens {
    /// What is revoked as `config` says; nothing was heard yet.
    pub(super) fn new(issuer: &str, config: RevocationsConfig, http: Client) -> Self {
        let gauge = |name: &'static str| metrics::gauge!(name, "issuer" => issuer.to_owned());
        let silent = gauge("waiting_room_revocations_silent");
        silent.set(1.0);
        Self {
            issuer: issuer.to_owned(),
            config,
            http,
            list: ArcSwap::default(),
            is_heard: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            asking: Mutex::default(),
            held: gauge("waiting_room_revocations"),
            silent,
            refused: metrics::counter!("waiting_room_revoked_tokens_refused_total", "issuer" => issuer.to_owned()),
        }
    }

    /// Whether a token counts; `was_seen` says whether it did before.
    ///
    /// # Errors
    /// `NotValid` if it is revoked, `NoRevocations` if that is not known and it must be.
    pub(super) fn allow(&self, marks: &TokenMarks, was_seen: bool) -> Result<(), NotKnown> {
        if self.list.load().cover(marks) {
            self.refused.increment(1);
            return Err(NotKnown::NotValid);
        }
        let allowed = self.is_heard.load(Ordering::Relaxed)
            || match self.config.silent {
                WhileSilent::Known => was_seen,
                WhileSilent::All => true,
                WhileSilent::Nobody => false,
            };
        allowed.then_some(()).ok_or(NotKnown::NoRevocations)
    }

    /// Asks until it is told to stop.
    pub(super) async fn follow(&self, clock: &dyn Clock, stop: &CancellationToken) {
        let mut ticks = interval(ASKED_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let asked = self.ask(clock).await;
            self.note(asked);
        }
    }

    /// One question.
    async fn ask(&self, clock: &dyn Clock) -> anyhow::Result<()> {
        let asking = self.asking().clone();
        let mut url = Url::parse(&self.config.url).context("read the address")?;
        if let Some(since) = &asking.since {
            url.query_pairs_mut().append_pair("since", since);
        }
        let mut request = self.http.get(url).timeout(PATIENCE);
        if let Some(etag) = asking.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let answer = request.send().await.context("ask")?;
        let now = Moment::from_unix_ms(clock.unix_ms());
        match answer.status() {
            StatusCode::NOT_MODIFIED => {
                self.merge(Vec::new(), true, now)?;
            }
            // It does not know any more where we were: from the beginning.
            StatusCode::GONE if asking.since.is_some() => {
                *self.asking() = Asking {
                    heard_at: asking.heard_at,
                    ..Asking::default()
                };
                anyhow::bail!("it has forgotten where we were; asked from the beginning next");
            }
            status => {
                anyhow::ensure!(status.is_success(), "it answered {status}");
                let etag = answer.headers().get(ETAG).cloned();
                let answer = read(answer).await?;
                let since = answer.next.filter(|next| next.len() <= CURSOR_MAX_BYTES);
                self.merge(answer.revoked, since.is_some(), now)?;
                let mut asking = self.asking();
                (asking.since, asking.etag) = (since, etag);
            }
        }
        self.asking().heard_at = Some(Instant::now());
        Ok(())
    }

    /// Puts into force what was heard: added to what is known, or in its place.
    fn merge(&self, heard: Vec<RawRevocation>, added: bool, now: Moment) -> anyhow::Result<()> {
        let known = self.list.load();
        let mut list = if added {
            Revocations::clone(&known)
        } else {
            Revocations::default()
        };
        let forgotten = list.forget_past(now);
        if heard.is_empty() && added && !forgotten {
            return Ok(());
        }
        // What can be read counts at once, whatever else stands beside it.
        let mut wrong = Ok(());
        for raw in heard {
            let until = Moment::from_unix_ms(raw.until.saturating_mul(1_000));
            let what = raw
                .what()
                .context("a revocation needs jti, sid, or sub with issued_before");
            let added = what.and_then(|what| Ok(list.add(Revocation { what, until }, now)?));
            wrong = wrong.and(added);
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge of at most 200000")]
        self.held.set(list.len() as f64);
        self.list.store(Arc::new(list));
        wrong
    }

    /// Says when an issuer falls silent and when it is heard again.
    fn note(&self, asked: anyhow::Result<()>) {
        let heard_at = self.asking().heard_at;
        let heard = heard_at.is_some_and(|at| at.elapsed() < SILENT_AFTER);
        let was_heard = self.is_heard.swap(heard, Ordering::Relaxed);
        self.silent.set(if heard { 0.0 } else { 1.0 });
        let Err(error) = asked else {
            self.failures.store(0, Ordering::Relaxed);
            if !was_heard {
                info!(issuer = self.issuer, "it is known which tokens are revoked");
            }
            return;
        };
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        if was_heard != heard || (!heard && failures.is_multiple_of(TOLD_EVERY)) {
            let (issuer, error) = (&self.issuer, format!("{error:#}"));
            warn!(issuer, error, "it is not known which tokens are revoked");
        }
    }

    fn asking(&self) -> std::sync::MutexGuard<'_, Asking> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RawRevocation {
    fn what(&self) -> Option<Revoked> {
        match (&self.jti, &self.sid, &self.sub, self.issued_before) {
            (Some(jti), None, None, None) => Some(Revoked::Token(Mark::of_token(jti))),
            (None, Some(sid), None, None) => Some(Revoked::Family(Mark::of_family(sid))),
            (None, None, Some(sub), Some(before)) => Some(Revoked::Account {
                account: Mark::of_account(sub),
                issued_before: Moment::from_unix_ms(before.saturating_mul(1_000)),
            }),
            _ => None,
        }
    }
}

async fn read(mut answer: Response) -> anyhow::Result<Answer> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.context("read the answer")? {
        text.extend_from_slice(&chunk);
        anyhow::ensure!(
            text.len() <= ANSWER_MAX_BYTES,
            "it answered more than {ANSWER_MAX_BYTES} bytes"
        );
    }
    serde_json::from_slice(&text).context("the answer makes no sense")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn revoked(silent: WhileSilent) -> RevokedTokens {
        process::install_tls();
        let url = "http://id.example/".to_owned();
        RevokedTokens::new("members", RevocationsConfig { url, silent }, Client::new())
    }

    fn marks(token: &str) -> TokenMarks {
        TokenMarks {
            token: Some(Mark::of_token(token)),
            family: None,
            account: Mark::of_account("ann"),
            issued: None,
        }
    }

    fn heard(list: serde_json::Value) -> Vec<RawRevocation> {
        serde_json::from_value(list).unwrap()
    }

    #[test]
    fn while_an_issuer_is_silent_the_config_decides() {
        for (silent, was_seen, expected) in [
            (WhileSilent::Known, true, Ok(())),
            (WhileSilent::Known, false, Err(NotKnown::NoRevocations)),
            (WhileSilent::All, false, Ok(())),
            (WhileSilent::Nobody, true, Err(NotKnown::NoRevocations)),
        ] {
            let revoked = revoked(silent);
            assert_eq!(
                revoked.allow(&marks("a"), was_seen),
                expected,
                "{silent:?} {was_seen}"
            );
            revoked.is_heard.store(true, Ordering::Relaxed);
            assert_eq!(revoked.allow(&marks("a"), false), Ok(()), "{silent:?}");
        }
    }

    #[test]
    fn what_was_revoked_stays_so_while_nothing_is_heard() {
        let revoked = revoked(WhileSilent::All);
        let until = NOW.unix_seconds() + 60;
        revoked
            .merge(heard(json!([{"jti": "a", "until": until}])), false, NOW)
            .unwrap();
        assert_eq!(revoked.allow(&marks("a"), true), Err(NotKnown::NotValid));
    }

    #[test]
    fn an_answer_adds_to_the_list_or_takes_its_place() {
        let revoked = revoked(WhileSilent::All);
        let until = NOW.unix_seconds() + 60;
        let one = |jti: &str| heard(json!([{"jti": jti, "until": until}]));
        for (jti, added, expected) in [
            ("a", false, [true, false]),
            ("b", true, [true, true]),
            ("b", false, [false, true]),
        ] {
            revoked.merge(one(jti), added, NOW).unwrap();
            let now = ["a", "b"].map(|jti| revoked.allow(&marks(jti), true).is_err());
            assert_eq!(now, expected, "{jti} {added}");
        }
        revoked
            .merge(Vec::new(), true, Moment::from_unix_ms(until * 1_000))
            .unwrap();
        assert!(revoked.list.load().is_empty(), "over by themselves");
    }

    #[test]
    fn what_makes_sense_counts_beside_what_does_not() {
        let revoked = revoked(WhileSilent::All);
        let until = NOW.unix_seconds() + 60;
        let list = json!([{"sub": "ann", "until": until}, {"jti": "a", "until": until}]);
        assert!(revoked.merge(heard(list), true, NOW).is_err());
        assert_eq!(revoked.allow(&marks("a"), true), Err(NotKnown::NotValid));
    }

    #[test]
    fn a_revocation_names_one_thing() {
        for (raw, expected) in [
            (json!({"jti": "a", "until": 1}), true),
            (json!({"sid": "a", "until": 1}), true),
            (json!({"sub": "a", "issued_before": 1, "until": 1}), true),
            (json!({"sub": "a", "until": 1}), false),
            (json!({"jti": "a", "sid": "a", "until": 1}), false),
            (json!({"until": 1}), false),
        ] {
            let raw: RawRevocation = serde_json::from_value(raw).unwrap();
            assert_eq!(raw.what().is_some(), expected, "{raw:?}");
        }
    }
}
