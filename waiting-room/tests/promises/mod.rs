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
use waiting_room::store::{
    EdgeId, Fence, Known, LineKey, LineStore, Look, MemoryStore, Observation, RedisStore,
};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, Doors, Epoch, Holder, HolderJoin, JoinGroup,
    JoinOutcome, LaneId, LaneMarks, Limits, Marks, Method, Moment, Policy, Renewal, Rounds, SessionId,
    SessionRule, Switch, decide,
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
        self.tell(index, &marks(0, 0, 0)).await
    }

    pub async fn tell(&self, index: usize, marks: &Marks) -> Observation {
        self.observe(index, &line(), marks).await
    }

    pub async fn observe(&self, index: usize, line: &LineKey, marks: &Marks) -> Observation {
        let look = Look {
            edge: &edge(index),
            marks,
            ended_since: Moment::from_unix_ms(0),
            report: "",
        };
        self.edges[index].observe(line, look).await.unwrap()
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
        self.edges[index]
            .join(&line(), &group(count), known)
            .await
            .unwrap()
    }

    /// Joins, and answers the first number.
    pub async fn first_number(&self, index: usize, count: u32) -> u64 {
        match self.join(index, count).await {
            JoinOutcome::Dealt { first, .. } => first,
            other => panic!("{other:?}"),
        }
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
            let decision = decide(&seen.snapshot, &policy(limits, window));
            self.advance(0, fence, seen.snapshot.revision, &decision).await == Advance::Written
        };
        eventually(SOON, "a decision is written", written).await;
    }

    pub async fn call_up_to(&self, called: u64) {
        eventually(SOON, "places are called", async || {
            self.call(limits(6_000, 100), WINDOW).await;
            self.look(0).await.snapshot.lanes[0].called >= called
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

pub const LANE: LaneId = LaneId(0);

pub fn claim(rank: u64) -> Claim {
    Claim {
        lane: LANE,
        rank,
        session: session(rank),
        delay_index: 0,
    }
}

pub fn group(count: u32) -> JoinGroup {
    JoinGroup {
        count,
        ..JoinGroup::default()
    }
}

/// What an edge remembers of a line with one lane.
pub fn marks(issued: u64, called: u64, settled_below: u64) -> Marks {
    Marks {
        lanes: vec![LaneMarks {
            issued,
            called,
            settled_below,
        }],
        ..Marks::default()
    }
}

pub fn policy(limits: Limits, claim_window: Duration) -> Policy<'static> {
    Policy {
        limits,
        weights: &[1],
        method: Method::Fifo,
        claim_window,
        doors: Doors::Open,
    }
}

// --- the promises

pub async fn no_number_is_dealt_twice(fixture: Fixture) {
    let incarnation = fixture.settled().await.snapshot.incarnation;
    let groups = (0..200u32).map(|index| {
        let store = Arc::clone(&fixture.edges[index as usize % 2]);
        let count = index % 7 + 1;
        async move {
            let known = Known {
                incarnation,
                issued: 0,
            };
            let joined = store.join(&line(), &group(count), known).await;
            let JoinOutcome::Dealt { first, .. } = joined.unwrap() else {
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
    assert_eq!(fixture.look(1).await.snapshot.issued(), dealt.len() as u64);
}

pub async fn an_edge_that_knows_another_life_is_told_to_look_again(fixture: Fixture) {
    let seen = fixture.settled().await.snapshot;
    let stranger = Known {
        incarnation: seen.incarnation + 1,
        issued: 0,
    };
    assert_eq!(
        fixture.edges[0].join(&line(), &group(1), stranger).await.unwrap(),
        JoinOutcome::Resync
    );
    let claimed = fixture.edges[0]
        .claim(&line(), claim(0), &RULE, seen.incarnation + 1)
        .await
        .unwrap();
    assert_eq!(claimed, ClaimOutcome::Resync);
    assert_eq!(fixture.look(0).await.snapshot.issued(), 0);
}

pub async fn a_called_ticket_is_one_session_however_often_it_claims(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 3).await;
    fixture.call_up_to(3).await;
    let first = fixture.claim(1).await;
    assert!(matches!(first, ClaimOutcome::Admitted { .. }), "{first:?}");
    assert_eq!(fixture.claim(1).await, first);
    let seen = fixture.look(0).await.snapshot;
    assert_eq!((seen.active, seen.claimed, seen.lanes[0].open_claims), (1, 1, 1));
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
        for number in 0..seen.lanes[0].called {
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
        fixture.look(0).await.snapshot.lanes[0].called == 6
    })
    .await;
}

pub async fn only_the_holder_of_the_lease_decides(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 10).await;
    let leader = fixture.look(0).await;
    let fence = leader.lease.expect("the first who looks leads");
    assert_eq!(fixture.look(1).await.lease, None);

    let decision = decide(&leader.snapshot, &policy(limits(60_000, 100), WINDOW));
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
    let decision = decide(&seen.snapshot, &policy(limits(60_000, 100), WINDOW));
    let pause = ControlChange {
        switch: Some(Switch::Paused),
        ..ControlChange::default()
    };
    fixture.edges[1]
        .change_control(&line(), &pause, None)
        .await
        .unwrap();
    let fence = seen.lease.unwrap();
    assert_eq!(
        fixture.advance(0, fence, seen.snapshot.revision, &decision).await,
        Advance::Stale
    );
    let now = fixture.look(0).await;
    assert_eq!(now.snapshot.control.switch, Switch::Paused);
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
    assert_eq!(seen.snapshot.issued(), 0, "places are called ahead of the joins");
    let shut = Policy {
        doors: Doors::Shut,
        ..policy(limits(60_000, 100), WINDOW)
    };
    let shut = decide(&seen.snapshot, &shut);
    assert_eq!(shut.lanes[0].called, 0);
    fixture.join(1, 3).await;
    let fence = seen.lease.unwrap();
    assert_eq!(
        fixture.advance(0, fence, seen.snapshot.revision, &shut).await,
        Advance::Written
    );
    assert_eq!(fixture.look(0).await.snapshot.lanes[0].called, 3);
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
        fixture.look(0).await.snapshot.lanes[0].settled_below == 2
    })
    .await;
    let seen = fixture.look(1).await.snapshot;
    assert_eq!(
        (
            seen.claimed,
            seen.missed(),
            seen.lanes[0].open_claims,
            seen.active
        ),
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
    fixture.edges[0]
        .change_control(&line(), &rate, Some("anna"))
        .await
        .unwrap();
    let cap = ControlChange {
        max_active: Some(3),
        switch: Some(Switch::Paused),
        ..ControlChange::default()
    };
    fixture.edges[1]
        .change_control(&line(), &cap, None)
        .await
        .unwrap();
    let next = LineKey {
        epoch: Epoch(2),
        ..line()
    };
    for key in [line(), next] {
        let seen = fixture.observe(0, &key, &marks(0, 0, 0)).await;
        let control = seen.snapshot.control;
        assert_eq!(
            (control.users_per_minute, control.max_active, control.switch),
            (Some(9), Some(3), Switch::Paused)
        );
        assert_eq!(control.message, None);
    }
    let log = fixture.look(1).await.log;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].ends_with(" anna users_per_minute 9"), "{log:?}");
    let message = |text: &str| ControlChange {
        message: Some(text.to_owned()),
        ..ControlChange::default()
    };
    let said = message("Size 42 is gone. 죄송합니다.");
    fixture.edges[0]
        .change_control(&line(), &said, None)
        .await
        .unwrap();
    assert_eq!(fixture.look(1).await.snapshot.control.message, said.message);
    fixture.edges[0]
        .change_control(&line(), &message(""), None)
        .await
        .unwrap();
    assert_eq!(fixture.look(1).await.snapshot.control.message, None);
}

pub async fn a_holder_has_one_place_wherever_they_ask(fixture: Fixture) {
    let incarnation = fixture.settled().await.snapshot.incarnation;
    let known = Known {
        incarnation,
        issued: 0,
    };
    let (anna, bela) = (Holder([1; 16]), Holder([2; 16]));
    let join = |holder, id: u8, instead_of| HolderJoin {
        holder,
        id: [id; 12],
        instead_of,
    };
    let group = |holders: Vec<HolderJoin>, count| JoinGroup {
        count,
        holders,
        ..JoinGroup::default()
    };
    let both = group(vec![join(anna, 1, None), join(bela, 2, None)], 3);
    let first = fixture.edges[0].join(&line(), &both, known).await.unwrap();
    assert!(matches!(first, JoinOutcome::Dealt { first: 0, .. }), "{first:?}");
    let again = group(vec![join(anna, 3, None)], 1);
    let again = fixture.edges[1].join(&line(), &again, known).await.unwrap();
    assert_eq!(again, JoinOutcome::Held);
    let held = fixture.edges[1]
        .held_by(&line(), &[bela, Holder([3; 16]), anna])
        .await
        .unwrap();
    let places: Vec<_> = held
        .iter()
        .map(|held| held.map(|held| (held.number, held.id)))
        .collect();
    assert_eq!(places, [Some((1, [2; 12])), None, Some((0, [1; 12]))]);
    let rejoin = group(vec![join(anna, 3, Some([1; 12]))], 1);
    let rejoined = fixture.edges[1].join(&line(), &rejoin, known).await.unwrap();
    assert!(
        matches!(rejoined, JoinOutcome::Dealt { first: 3, .. }),
        "{rejoined:?}"
    );
    let late = fixture.edges[0].join(&line(), &rejoin, known).await.unwrap();
    assert_eq!(late, JoinOutcome::Held, "the old one is replaced once");
}

pub async fn lanes_have_numbers_and_calls_of_their_own(fixture: Fixture) {
    let incarnation = fixture.settled().await.snapshot.incarnation;
    let two = Marks {
        lanes: vec![LaneMarks::default(); 2],
        ..Marks::default()
    };
    fixture.observe(0, &line(), &two).await;
    let known = Known {
        incarnation,
        issued: 0,
    };
    for (lane, count) in [(0, 5), (1, 3), (1, 2)] {
        let group = JoinGroup {
            lane: LaneId(lane),
            ..group(count)
        };
        fixture.edges[0].join(&line(), &group, known).await.unwrap();
    }
    eventually(SOON, "both lanes are called", async || {
        let seen = fixture.observe(0, &line(), &two).await;
        let Some(fence) = seen.lease else { return false };
        let both = Policy {
            weights: &[1, 1],
            ..policy(limits(6_000, 100), WINDOW)
        };
        let decision = decide(&seen.snapshot, &both);
        fixture.advance(0, fence, seen.snapshot.revision, &decision).await;
        let lanes = fixture.observe(1, &line(), &two).await.snapshot.lanes;
        lanes.iter().all(|lane| lane.called >= 5 && lane.issued == 5)
    })
    .await;
    let claim = Claim {
        lane: LaneId(1),
        ..claim(4)
    };
    let claimed = fixture.edges[1].claim(&line(), claim, &RULE, incarnation).await;
    assert!(matches!(claimed.unwrap(), ClaimOutcome::Admitted { .. }));
    let lanes = fixture.observe(1, &line(), &two).await.snapshot.lanes;
    assert_eq!((lanes[0].open_claims, lanes[1].open_claims), (0, 1));
}

pub async fn a_draw_is_frozen_logged_and_revealed(fixture: Fixture) {
    fixture.settled().await;
    fixture.first_number(0, 5).await;
    let seen = fixture.look(0).await;
    let fence = seen.lease.unwrap();
    let shuffle = Policy {
        method: Method::Shuffle,
        ..policy(limits(6_000, 100), WINDOW)
    };
    let decision = decide(&seen.snapshot, &shuffle);
    assert!(decision.freeze);
    fixture.first_number(1, 2).await;
    let written = fixture.advance(0, fence, seen.snapshot.revision, &decision).await;
    assert_eq!(written, Advance::Written);
    fixture.first_number(1, 4).await;
    let frozen = fixture.look(1).await;
    assert_eq!((frozen.snapshot.draws, frozen.snapshot.draw_step), (1, 1));
    let mut rounds = frozen.snapshot.lanes[0].rounds.clone();
    assert_eq!(
        rounds.pending(),
        Some((0, 7)),
        "with those who came meanwhile, without those after"
    );
    assert!(
        frozen.log[0].starts_with("freeze ") && frozen.log[0].ends_with(" 0 0:0:7"),
        "{:?}",
        frozen.log
    );

    rounds.reveal(fairness::Seed([3; 32]));
    let reveal = Decision {
        drawn: Some(vec![rounds.clone()]),
        log: vec!["edge 1 revealed".to_owned()],
        ..decide(&frozen.snapshot, &shuffle)
    };
    let revision = fixture.look(0).await.snapshot.revision;
    assert_eq!(
        fixture.advance(0, fence, revision, &reveal).await,
        Advance::Written
    );
    let drawn = fixture.look(1).await;
    assert_eq!(
        (drawn.snapshot.draw_step, &drawn.snapshot.lanes[0].rounds),
        (2, &rounds)
    );
    assert_eq!((drawn.log_length, &*drawn.log[1]), (2, "edge 1 revealed"));

    // What an edge knows of a draw counts, if the store has forgotten it.
    let knows_more = Marks {
        draw_step: 4,
        rounds: vec![Rounds::default()],
        ..marks(0, 0, 0)
    };
    let told = fixture.tell(1, &knows_more).await.snapshot;
    assert_eq!((told.draw_step, told.draws), (4, 2));
    assert_eq!(told.lanes[0].rounds, Rounds::default());
}

pub async fn a_log_that_was_lost_is_written_again_in_its_order(fixture: Fixture) {
    fixture.settled().await;
    let lines = ["edge 1 a".to_owned(), "edge 2 b".to_owned()];
    let knows_more = Marks {
        log_length: 2,
        ..marks(0, 0, 0)
    };
    let seen = fixture.tell(0, &knows_more).await;
    assert_eq!(seen.log_length, 0);
    let line_key = line();
    let restored =
        async |at: u64, lines: &[String]| fixture.edges[0].restore_log(&line_key, at, lines).await.unwrap();
    assert!(!restored(1, &lines[1..]).await, "something is missing before it");
    assert!(restored(0, &lines).await);
    assert!(!restored(0, &lines).await, "once");
    let seen = fixture.look(1).await;
    assert_eq!((seen.log_length, seen.log), (2, lines.to_vec()));
    let rest = Marks {
        log_length: 1,
        ..marks(0, 0, 0)
    };
    assert_eq!(fixture.tell(1, &rest).await.log, ["edge 2 b"]);
}

pub async fn a_group_of_joins_is_a_line_of_the_log(fixture: Fixture) {
    let incarnation = fixture.settled().await.snapshot.incarnation;
    let known = Known {
        incarnation,
        issued: 0,
    };
    fixture.first_number(0, 5).await;
    let logged = JoinGroup {
        root: Some("abc".to_owned()),
        ..group(3)
    };
    fixture.edges[0].join(&line(), &logged, known).await.unwrap();
    let log = fixture.look(1).await.log;
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("join ") && log[0].ends_with(" 0 5 3 abc"),
        "{log:?}"
    );
}

pub async fn what_can_be_used_once_is_used_once(fixture: Fixture) {
    let (room, keep) = (line().room, Duration::from_secs(60));
    let spend = async |index: usize, what: &str| fixture.edges[index].spend(&room, what, keep).await.unwrap();
    assert!(spend(0, "proof-1").await);
    assert!(!spend(1, "proof-1").await);
    assert!(spend(1, "proof-2").await);
    let briefly = Duration::from_millis(1);
    assert!(fixture.edges[0].spend(&room, "proof-3", briefly).await.unwrap());
    // Who tries in vain does not prolong it.
    eventually(SOON, "it is forgotten", async || spend(1, "proof-3").await).await;
}

pub async fn what_an_edge_remembers_counts_if_it_is_more(fixture: Fixture) {
    fixture.settled().await;
    fixture.join(0, 5).await;
    let seen = fixture.tell(1, &marks(40, 30, 20)).await.snapshot;
    assert_eq!(Marks::from(&seen).lanes, marks(40, 30, 20).lanes);
    fixture.settled().await;
    assert_eq!(fixture.first_number(0, 1).await, 40);
    let less = fixture.tell(1, &marks(3, 0, 0)).await.snapshot;
    assert_eq!(less.issued(), 41, "an edge that knows less takes nothing away");
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
            a_holder_has_one_place_wherever_they_ask,
            lanes_have_numbers_and_calls_of_their_own,
            a_draw_is_frozen_logged_and_revealed,
            a_log_that_was_lost_is_written_again_in_its_order,
            a_group_of_joins_is_a_line_of_the_log,
            what_can_be_used_once_is_used_once,
        );
    };
}
pub(crate) use each_promise;
