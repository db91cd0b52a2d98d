//! Origins: a set that requests find theirs in by its name, and that is replaced as a whole while they pass.

mod connection;
mod names;
mod origin;
mod report;
mod server;
mod trip;
mod watch;

pub(super) use connection::{Connection, ServerToAsk};
pub use report::{BreakerReport, OriginReport, ServerReport, ServerState};
pub(super) use trip::{NextStep, Refusal, Trip};

use crate::config;
use arc_swap::ArcSwap;
use clock::Clock;
use futures::future::join_all;
use names::Names;
use origin::Origin;
use std::sync::Arc;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use waiting_room_domain::Moment;

/// The origins of this edge.
pub struct Origins {
    set: ArcSwap<Vec<Arc<Running>>>,
    /// One change at a time.
    changing: Mutex<()>,
    time: Time,
    stop: CancellationToken,
}

/// An origin with the tasks that watch it. They end with it.
struct Running {
    origin: Arc<Origin>,
    _tasks: DropGuard,
}

/// The time of day when this process started, and what passed since: it never goes back.
#[derive(Debug, Clone, Copy)]
struct Time {
    began: Moment,
    since: Instant,
}

impl Time {
    fn now(&self) -> Moment {
        self.began.plus(self.since.elapsed())
    }
}

impl Origins {
    /// Starts to watch these origins on the current runtime, until `stop`. Names are looked up before it returns,
    /// unless that takes longer than a request should wait.
    pub async fn start(origins: &[config::Origin], clock: &dyn Clock, stop: CancellationToken) -> Self {
        let started = Self {
            set: ArcSwap::default(),
            changing: Mutex::default(),
            time: Time {
                began: Moment::from_unix_ms(clock.unix_ms()),
                since: Instant::now(),
            },
            stop,
        };
        started.apply(origins).await;
        started
    }

    /// From now on these are the origins. One that is as it was goes on undisturbed; one that changed keeps what is
    /// known of its servers, and requests under way end as they began. Answers whether any is another than before.
    pub async fn apply(&self, origins: &[config::Origin]) -> bool {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.set.load_full();
        let before = &before;
        let next = origins.iter().map(|config| async move {
            let known = before
                .iter()
                .find(|running| running.origin.config.name == config.name);
            match known {
                Some(running) if running.origin.config == *config => Arc::clone(running),
                known => Arc::new(self.begin(config, known.map(|running| &*running.origin)).await),
            }
        });
        let next = join_all(next).await;
        let as_before = next.len() == before.len()
            && next
                .iter()
                .all(|origin| before.iter().any(|known| Arc::ptr_eq(origin, known)));
        self.set.store(Arc::new(next));
        !as_before
    }

    /// How they are.
    pub fn report(&self) -> Vec<OriginReport> {
        let now = self.time.now();
        let set = self.set.load();
        set.iter()
            .map(|running| OriginReport::of(&running.origin, now))
            .collect()
    }

    /// Whether the origin of this name is spoken to without TLS.
    pub(super) fn is_plain(&self, name: Option<&str>) -> bool {
        self.find(name).is_none_or(|origin| !origin.config.tls)
    }

    /// The origin of this name; the first, if none is named.
    fn find(&self, name: Option<&str>) -> Option<Arc<Origin>> {
        let set = self.set.load();
        let found = match name {
            Some(name) => set.iter().find(|running| &*running.origin.config.name == name),
            None => set.first(),
        };
        found.map(|running| Arc::clone(&running.origin))
    }

    async fn begin(&self, config: &config::Origin, before: Option<&Origin>) -> Running {
        let mut names = Names::new(config);
        let origin = Arc::new(Origin::new(config.clone(), before, self.time));
        names.look_up_first(&origin).await;
        let stop = self.stop.child_token();
        tokio::spawn(
            stop.clone()
                .run_until_cancelled_owned(watch::check(Arc::clone(&origin))),
        );
        if names.are_needed() {
            let follow = names.follow(Arc::clone(&origin));
            tokio::spawn(stop.clone().run_until_cancelled_owned(follow));
        }
        Running {
            origin,
            _tasks: stop.drop_guard(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::ManualClock;
    use waiting_room_domain::{Broken, Sent};

    const GET: Sent = Sent {
        idempotent: true,
        has_body: false,
    };

    fn config(more: &str) -> Vec<config::Origin> {
        let text = format!(
            "[[origin]]\nname = \"shop\"\naddresses = [\"http://127.0.0.1:1\", \"http://127.0.0.1:2\"]\n\
             health = {{ every_ms = 3600000, unhealthy_after = 9 }}\n{more}"
        );
        config::Config::from_toml(&text).unwrap().origins
    }

    async fn running(config: &[config::Origin]) -> Origins {
        Origins::start(config, &ManualClock::at(1_000), CancellationToken::new()).await
    }

    #[tokio::test]
    async fn what_is_known_of_servers_outlives_a_change() {
        let origins = running(&config("")).await;
        let shop = origins.find(None).unwrap();
        for _ in 0..5 {
            shop.failed(&shop.servers()[0]);
        }
        let trip = origins.set_out(Some("shop"), GET, None).unwrap();

        origins.apply(&config("")).await;
        assert!(
            Arc::ptr_eq(&shop, &origins.find(None).unwrap()),
            "nothing has changed"
        );
        origins.apply(&config("retries = 3\n")).await;
        let changed = origins.find(Some("shop")).unwrap();
        assert_eq!((shop.config.retries, changed.config.retries), (1, 3));

        let report = &origins.report()[0];
        assert_eq!((report.name.as_str(), report.requests_under_way), ("shop", 1));
        assert!(matches!(report.servers[0].state, ServerState::Ejected { .. }));
        assert_eq!(report.servers[1].state, ServerState::Well);
        let told = serde_json::to_value(report).unwrap();
        assert_eq!(told["breaker"]["state"], "closed");
        assert_eq!(told["servers"][0]["state"], "ejected");
        assert!(told["servers"][0]["until_unix_ms"].as_u64() >= Some(6_000));
        drop(trip);
        assert_eq!(origins.report()[0].requests_under_way, 0);
    }

    #[tokio::test]
    async fn the_breaker_counts_how_trips_end() {
        let origins = running(&config("retries = 0\nbreaker = { requests_min = 2 }\n")).await;
        for _ in 0..2 {
            let mut trip = origins.set_out(None, GET, None).unwrap();
            trip.next(false, std::time::Duration::ZERO).unwrap();
            assert_eq!(trip.answered(503), NextStep::Done);
        }
        assert!(matches!(
            origins.set_out(None, GET, None).unwrap_err(),
            Refusal::LeftAlone(_)
        ));
        assert!(matches!(origins.report()[0].breaker, BreakerReport::Open { .. }));
        // Who is refused leaves nothing behind.
        assert_eq!(origins.report()[0].requests_under_way, 0);
    }

    #[tokio::test]
    async fn an_origin_that_is_gone_is_asked_no_more() {
        let origins = running(&config("")).await;
        origins.apply(&[]).await;
        assert_eq!(
            origins.set_out(Some("shop"), GET, None).unwrap_err(),
            Refusal::NoServer
        );
        assert_eq!(origins.set_out(None, GET, None).unwrap_err(), Refusal::NoServer);
    }

    #[tokio::test]
    async fn a_request_goes_to_another_server_each_time() {
        let origins = running(&config("retries = 5\nejection = { failures = 0 }\n")).await;
        let mut trip = origins.set_out(None, GET, None).unwrap();
        let mut asked = Vec::new();
        loop {
            asked.push(trip.next(false, std::time::Duration::ZERO).unwrap()._address);
            if trip.broke(Broken::NoAnswer) == NextStep::Done {
                break;
            }
        }
        assert_eq!(asked.len(), 2, "each was asked once: {asked:?}");
        assert_ne!(asked[0], asked[1]);
    }
}
