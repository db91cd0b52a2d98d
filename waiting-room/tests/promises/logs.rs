//! Draws and the public log: in one order, whole.

use super::{Fixture, WINDOW, group, limits, line, marks, policy};
use waiting_room::store::Known;
use waiting_room_domain::{Advance, Decision, JoinGroup, Marks, Method, Policy, Rounds, decide};

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
