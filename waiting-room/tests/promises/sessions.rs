//! Claims and sessions: once for a ticket, within the limit, over when they are over.

use super::{Fixture, RULE, SOON, WINDOW, limits, line, session};
use std::time::Duration;
use testbed::eventually;
use waiting_room_domain::{ClaimOutcome, Renewal, SessionRule};

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
