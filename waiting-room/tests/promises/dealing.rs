//! Dealing numbers: none twice, whatever an edge or the store has forgotten; and one place to a holder.

use super::{Fixture, RULE, SOON, claim, group, line, marks};
use futures::future::join_all;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testbed::eventually;
use waiting_room::store::Known;
use waiting_room_domain::{ClaimOutcome, Holder, HolderJoin, JoinGroup, JoinOutcome, Marks};

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
