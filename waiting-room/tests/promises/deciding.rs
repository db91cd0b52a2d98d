//! Deciding: by one edge at a time, over what it has read, within what operators said.

use super::{Fixture, RULE, SOON, WINDOW, claim, group, limits, line, logged, marks, policy};
use testbed::{eventually, eventually_some};
use waiting_room::store::{Known, LineKey, Note};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Doors, Epoch, JoinGroup, LaneId, LaneMarks, Marks, Policy,
    Switch, decide,
};

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
        .change_control(&line(), &pause, &Note::of("ben"))
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

pub async fn a_change_of_control_is_seen_by_all_and_outlives_the_line(fixture: Fixture) {
    fixture.settled().await;
    let rate = ControlChange {
        users_per_minute: Some(Some(9)),
        ..ControlChange::default()
    };
    fixture.edges[0]
        .change_control(&line(), &rate, &logged("anna"))
        .await
        .unwrap();
    let cap = ControlChange {
        max_active: Some(Some(3)),
        switch: Some(Switch::Paused),
        ..ControlChange::default()
    };
    fixture.edges[1]
        .change_control(&line(), &cap, &Note::of("ben"))
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
        .change_control(&line(), &said, &Note::of("ben"))
        .await
        .unwrap();
    assert_eq!(fixture.look(1).await.snapshot.control.message, said.message);
    fixture.edges[0]
        .change_control(&line(), &message(""), &Note::of("ben"))
        .await
        .unwrap();
    assert_eq!(fixture.look(1).await.snapshot.control.message, None);
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
