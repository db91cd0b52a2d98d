//! What every store promises, asked of the memory store and of real Redis alike. Each promise is put to two edges
//! that share the store: to the memory store as two handles, to Redis as two connections.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "every suite of tests takes what it needs"
)]

pub mod edge;

use clock::SystemClock;
use futures::future::join_all;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testbed::{RedisNamespace, eventually, eventually_some};
use waiting_room::store::{EdgeId, Fence, Known, LineKey, LineStore, MemoryStore, Observation, RedisStore};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, Doors, Epoch, JoinOutcome, Limits, Marks, Moment,
    Renewal, SessionId, SessionRule, decide,
};

pub const SOON: Duration = Duration::from_secs(10);
pub const WINDOW: Duration = Duration::from_secs(60);
pub const RULE: SessionRule = SessionRule {
    length: Duration::from_secs(300),
    sliding: true,
    hard_cap: Duration::from_secs(900),
};

pub struct Fixture {
    pub edges: [Arc<dyn LineStore>; 2],
    pub redis: Option<RedisNamespace>,
}

impl Fixture {
    pub fn memory() -> Self {
        let store: Arc<dyn LineStore> = Arc::new(MemoryStore::new(Arc::new(SystemClock), 7));
        Self {
            edges: [Arc::clone(&store), store],
            redis: None,
        }
    }

    pub fn redis() -> Self {
        let redis = RedisNamespace::fresh();
        let edges = Self::at(redis.url(), redis.prefix()).edges;
        Self {
            edges,
            redis: Some(redis),
        }
    }

    /// Two edges on the Redis at `url`, under keys of their own.
    pub fn at(url: &str, namespace: &str) -> Self {
        let connect = || -> Arc<dyn LineStore> { Arc::new(RedisStore::new(url, namespace).unwrap()) };
        Self {
            edges: [connect(), connect()],
            redis: None,
        }
    }

    /// What edge `index` sees.
    pub async fn look(&self, index: usize) -> Observation {
        self.tell(index, Marks::default()).await
    }

    pub async fn tell(&self, index: usize, marks: Marks) -> Observation {
        self.edges[index]
            .observe(&line(), &edge(index), marks, Moment::from_unix_ms(0))
            .await
            .unwrap()
    }

    /// Waits until the line does not stand still any more; a new line does for a moment.
    pub async fn settled(&self) -> Observation {
        eventually_some(SOON, "the line goes on", async || {
            let seen = self.look(0).await;
            (!seen.snapshot.is_recovering()).then_some(seen)
        })
        .await
    }

    pub async fn join(&self, index: usize, count: u32) -> JoinOutcome {
        let known = Known {
            incarnation: self.look(index).await.snapshot.incarnation,
            issued: 0,
        };
        self.edges[index].join(&line(), count, known).await.unwrap()
    }

    pub async fn claim(&self, number: u64) -> ClaimOutcome {
        let incarnation = self.look(1).await.snapshot.incarnation;
        self.edges[1]
            .claim(&line(), claim(number), &RULE, incarnation)
            .await
            .unwrap()
    }

    /// Edge 0 decides, waiting for the lease and for the rate to have earned something.
    pub async fn call(&self, limits: Limits, window: Duration) {
        let written = async || {
            let seen = self.look(0).await;
            let Some(fence) = seen.lease else { return false };
            let decision = decide(&seen.snapshot, &limits, window, Doors::Open);
            self.advance(0, fence, seen.snapshot.revision, &decision).await == Advance::Written
        };
        eventually(SOON, "a decision is written", written).await;
    }

    pub async fn call_up_to(&self, called: u64) {
        eventually(SOON, "places are called", async || {
            self.call(limits(6_000, 100), WINDOW).await;
            self.look(0).await.snapshot.called >= called
        })
        .await;
    }

    pub async fn advance(&self, index: usize, fence: Fence, revision: u64, decision: &Decision) -> Advance {
        self.edges[index]
            .advance(&line(), &edge(index), fence, revision, decision)
            .await
            .unwrap()
    }
}

pub fn line() -> LineKey {
    LineKey {
        room: "demo".parse().unwrap(),
        epoch: Epoch(1),
    }
}

pub fn edge(index: usize) -> EdgeId {
    EdgeId(format!("edge-{index}"))
}

pub fn limits(users_per_minute: u32, max_active: u32) -> Limits {
    Limits::new(users_per_minute, max_active).unwrap()
}

pub fn session(number: u64) -> SessionId {
    let mut id = [0; 12];
    id[4..].copy_from_slice(&number.to_be_bytes());
    SessionId::from(id)
}

pub fn claim(number: u64) -> Claim {
    Claim {
        number,
        session: session(number),
    }
}

// --- the promises

pub async fn no_number_is_dealt_twice(fixture: Fixture) {
    let incarnation = fixture.settled().await.snapshot.incarnation;
    let groups = (0..200u32).map(|group| {
        let store = Arc::clone(&fixture.edges[group as usize % 2]);
        let count = group % 7 + 1;
        async move {
            let known = Known {
                incarnation,
                issued: 0,
            };
            let JoinOutcome::Dealt { first } = store.join(&line(), count, known).await.unwrap() else {
                panic!("the line goes on")
            };
            first..first + u64::from(count)
        }
    });
    let dealt: Vec<u64> = join_all(groups).await.into_iter().flatten().collect();
    let different: BTreeSet<u64> = dealt.iter().copied().collect();
    assert_eq!(different.len(), dealt.len(), "no number twice");
    assert_eq!(
        different.last(),
        Some(&(dealt.len() as u64 - 1)),
        "and none left out"
    );
    assert_eq!(fixture.look(1).await.snapshot.issued, dealt.len() as u64);
}

pub async fn an_edge_that_knows_another_life_is_told_to_look_again(fixture: Fixture) {
    let seen = fixture.settled().await.snapshot;
    let stranger = Known {
        incarnation: seen.incarnation + 1,
        issued: 0,
    };
    assert_eq!(
        fixture.edges[0].join(&line(), 1, stranger).await.unwrap(),
        JoinOutcome::Resync
    );
    let claimed = fixture.edges[0]
        .claim(&line(), claim(0), &RULE, seen.incarnation + 1)
        .await
        .unwrap();
    assert_eq!(claimed, ClaimOutcome::Resync);
    assert_eq!(fixture.look(0).await.snapshot.issued, 0);
}

pub async fn a_called_ticket_is_one_session_however_often_it_claims(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 3).await;
    fixture.call_up_to(3).await;
    let first = fixture.claim(1).await;
    assert!(matches!(first, ClaimOutcome::Admitted { .. }), "{first:?}");
    assert_eq!(fixture.claim(1).await, first);
    let seen = fixture.look(0).await.snapshot;
    assert_eq!((seen.active, seen.claimed, seen.open_claims), (1, 1, 1));
    assert_eq!(
        fixture.claim(3).await,
        ClaimOutcome::NotCalled,
        "called ahead, but dealt to nobody"
    );
}

pub async fn sessions_and_reserved_places_stay_within_the_limit(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 50).await;
    for _ in 0..20 {
        fixture.call(limits(60_000, 5), WINDOW).await;
        let seen = fixture.look(0).await.snapshot;
        for number in 0..seen.called {
            fixture.claim(number).await;
        }
        let seen = fixture.look(1).await.snapshot;
        assert!(seen.active + seen.outstanding() <= 5, "{seen:?}");
    }
    assert_eq!(fixture.look(0).await.snapshot.active, 5);
    assert!(
        fixture.edges[0]
            .end(&line(), session(0), RULE.length)
            .await
            .unwrap()
    );
    eventually(SOON, "the free place is called", async || {
        fixture.call(limits(60_000, 5), WINDOW).await;
        fixture.look(0).await.snapshot.called == 6
    })
    .await;
}

pub async fn only_the_holder_of_the_lease_decides(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 10).await;
    let leader = fixture.look(0).await;
    let fence = leader.lease.expect("the first who looks leads");
    assert_eq!(fixture.look(1).await.lease, None);

    let decision = decide(&leader.snapshot, &limits(60_000, 100), WINDOW, Doors::Open);
    let revision = leader.snapshot.revision;
    assert_eq!(
        fixture.advance(1, fence, revision, &decision).await,
        Advance::Stale,
        "not the holder"
    );

    // The leader falls silent; the follower takes over with a higher token, and the leader's late word is refused.
    let next = eventually_some(SOON, "the lease passes on", async || fixture.look(1).await.lease).await;
    assert!(next > fence);
    let revision = fixture.look(1).await.snapshot.revision;
    assert_eq!(
        fixture.advance(0, fence, revision, &decision).await,
        Advance::Stale,
        "an old token"
    );
    assert_eq!(
        fixture.advance(1, next, revision, &decision).await,
        Advance::Written
    );
}

pub async fn a_decision_is_written_only_over_what_it_read(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 10).await;
    let seen = fixture.look(0).await;
    let decision = decide(&seen.snapshot, &limits(60_000, 100), WINDOW, Doors::Open);
    let pause = ControlChange {
        paused: Some(true),
        ..ControlChange::default()
    };
    fixture.edges[1]
        .change_control(&line().room, pause)
        .await
        .unwrap();
    let fence = seen.lease.unwrap();
    assert_eq!(
        fixture.advance(0, fence, seen.snapshot.revision, &decision).await,
        Advance::Stale
    );
    let now = fixture.look(0).await;
    assert!(now.snapshot.control.paused);
    assert_eq!(
        fixture.advance(0, fence, now.snapshot.revision, &decision).await,
        Advance::Written
    );
    assert_eq!(
        fixture.advance(0, fence, now.snapshot.revision, &decision).await,
        Advance::Stale,
        "twice is once"
    );
}

pub async fn whoever_was_dealt_a_called_number_keeps_it(fixture: Fixture) {
    fixture.settled().await;
    fixture.call_up_to(5).await;
    let seen = fixture.look(0).await;
    assert_eq!(seen.snapshot.issued, 0, "places are called ahead of the joins");
    let shut = decide(&seen.snapshot, &limits(60_000, 100), WINDOW, Doors::Shut);
    assert_eq!(shut.called, 0);
    fixture.join(1, 3).await;
    let fence = seen.lease.unwrap();
    assert_eq!(
        fixture.advance(0, fence, seen.snapshot.revision, &shut).await,
        Advance::Written
    );
    assert_eq!(fixture.look(0).await.snapshot.called, 3);
    assert!(matches!(fixture.claim(2).await, ClaimOutcome::Admitted { .. }));
}

pub async fn who_does_not_come_in_time_is_counted_as_missed(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 2).await;
    fixture.call_up_to(2).await;
    fixture.claim(0).await;
    let passed = Duration::from_millis(1);
    eventually(SOON, "the window passes", async || {
        fixture.call(limits(6_000, 100), passed).await;
        fixture.look(0).await.snapshot.settled_below == 2
    })
    .await;
    let seen = fixture.look(1).await.snapshot;
    assert_eq!(
        (seen.claimed, seen.missed, seen.open_claims, seen.active),
        (1, 1, 0, 1)
    );
    assert_eq!(fixture.claim(1).await, ClaimOutcome::Missed);
}

pub async fn a_session_that_ends_is_free_at_once_and_known_everywhere(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 1).await;
    fixture.call_up_to(1).await;
    fixture.claim(0).await;
    assert!(
        fixture.edges[0]
            .end(&line(), session(0), RULE.length)
            .await
            .unwrap()
    );
    assert!(
        !fixture.edges[0]
            .end(&line(), session(0), RULE.length)
            .await
            .unwrap(),
        "it was over already"
    );
    let seen = fixture.look(1).await;
    assert_eq!(
        (seen.snapshot.active, seen.ended.contains(&session(0))),
        (0, true)
    );
    assert_eq!(fixture.claim(0).await, ClaimOutcome::Missed);
}

pub async fn renewing_prolongs_what_is_on_and_nothing_else(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 2).await;
    fixture.call_up_to(2).await;
    let ClaimOutcome::Admitted { since, until } = fixture.claim(0).await else {
        panic!("called")
    };
    let longer = SessionRule {
        length: RULE.length * 2,
        ..RULE
    };
    let renewals = [0, 1].map(|number| Renewal {
        session: session(number),
        since,
    });
    // A line's first minutes learn sessions from their passes, and these are they: but not one that was ended.
    fixture.claim(1).await;
    fixture.edges[0]
        .end(&line(), session(1), RULE.length)
        .await
        .unwrap();
    let prolonged = fixture.edges[0].renew(&line(), &renewals, &longer).await.unwrap();
    assert_eq!(prolonged.len(), 1);
    assert_eq!(prolonged[0].0, session(0));
    assert!(prolonged[0].1 >= until.plus(RULE.length));
    let capped = SessionRule {
        length: RULE.hard_cap * 9,
        ..RULE
    };
    let prolonged = fixture.edges[0].renew(&line(), &renewals, &capped).await.unwrap();
    assert_eq!(prolonged[0].1, since.plus(RULE.hard_cap));
}

pub async fn a_change_of_control_is_seen_by_all_and_outlives_the_line(fixture: Fixture) {
    fixture.settled().await;
    let rate = ControlChange {
        users_per_minute: Some(9),
        ..ControlChange::default()
    };
    fixture.edges[0].change_control(&line().room, rate).await.unwrap();
    let cap = ControlChange {
        max_active: Some(3),
        paused: Some(true),
        ..ControlChange::default()
    };
    fixture.edges[1].change_control(&line().room, cap).await.unwrap();
    let next = LineKey {
        epoch: Epoch(2),
        ..line()
    };
    for key in [line(), next] {
        let seen = fixture.edges[0]
            .observe(&key, &edge(0), Marks::default(), Moment::from_unix_ms(0))
            .await
            .unwrap();
        let control = seen.snapshot.control;
        assert_eq!(
            (control.users_per_minute, control.max_active, control.paused),
            (Some(9), Some(3), true)
        );
    }
}

pub async fn what_an_edge_remembers_counts_if_it_is_more(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 5).await;
    let marks = Marks {
        issued: 40,
        called: 30,
        settled_below: 20,
    };
    let seen = fixture.tell(1, marks).await.snapshot;
    assert_eq!(Marks::from(&seen), marks);
    fixture.settled().await;
    assert_eq!(fixture.join(0, 1).await, JoinOutcome::Dealt { first: 40 });
    let less = fixture
        .tell(
            1,
            Marks {
                issued: 3,
                ..Marks::default()
            },
        )
        .await
        .snapshot;
    assert_eq!(less.issued, 41, "an edge that knows less takes nothing away");
}

/// Gives the names of all promises to a macro.
macro_rules! each_promise {
    ($then:ident) => {
        $then!(
            no_number_is_dealt_twice,
            an_edge_that_knows_another_life_is_told_to_look_again,
            a_called_ticket_is_one_session_however_often_it_claims,
            sessions_and_reserved_places_stay_within_the_limit,
            only_the_holder_of_the_lease_decides,
            a_decision_is_written_only_over_what_it_read,
            whoever_was_dealt_a_called_number_keeps_it,
            who_does_not_come_in_time_is_counted_as_missed,
            a_session_that_ends_is_free_at_once_and_known_everywhere,
            renewing_prolongs_what_is_on_and_nothing_else,
            a_change_of_control_is_seen_by_all_and_outlives_the_line,
            what_an_edge_remembers_counts_if_it_is_more,
        );
    };
}
pub(crate) use each_promise;
