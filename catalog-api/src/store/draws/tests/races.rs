//! Much at once, and steps that are broken off.

use super::*;

#[tokio::test]
async fn one_right_is_for_one_of_many_orders_at_once() {
    let shop = Shop::open(1).await;
    shop.enter(0..1).await;
    shop.close().await;
    shop.run().await;
    let keys: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let claims = keys.iter().map(|key| shop.claim(member(0), order(key)));
    let claimed = futures::future::join_all(claims).await;
    assert_eq!(claimed.iter().filter(|claim| claim.is_ok()).count(), 1);
    let winner = keys
        .iter()
        .zip(&claimed)
        .find(|(_, claim)| claim.is_ok())
        .unwrap()
        .0;
    shop.claim(member(0), order(winner)).await.unwrap();
}

#[tokio::test]
async fn a_member_is_in_once_whatever_comes_at_once() {
    let shop = Shop::open(1).await;
    let same = (0..10).map(|_| shop.enter(3..4));
    let others = (0..10).map(|_| shop.enter(0..6));
    let (same, others) = tokio::join!(futures::future::join_all(same), futures::future::join_all(others));
    let numbers: BTreeSet<u64> = same.iter().map(|entries| entries[&member(3)].number).collect();
    assert_eq!(numbers.len(), 1);
    assert!(
        others
            .iter()
            .all(|entries| numbers.contains(&entries[&member(3)].number))
    );
    assert_eq!(shop.stored().await.sale.entries, 6);

    // Leaving and coming back keeps the number, and adds nothing to the log.
    let lines = shop.stored().await.chain.length;
    shop.store.leave(&shop.draw, member(3)).await.unwrap().unwrap();
    let back = shop.enter(3..4).await;
    assert!(numbers.contains(&back[&member(3)].number));
    assert_eq!(shop.stored().await.chain.length, lines);
    let draw = shop.stored().await;
    let stands = shop.store.member(&draw, member(3)).await.unwrap().unwrap();
    assert!(!stands.entered.has_left);
}

#[tokio::test]
async fn many_instances_that_are_broken_off_again_and_again_draw_once() {
    let shop = Shop::open(40).await;
    for group in 0..8 {
        shop.enter(group * 25..group * 25 + 25).await;
    }
    shop.close().await;
    // Each attempt is dropped after some time, which is how a killed process looks to the database.
    for micros in (0..60).map(|attempt| attempt * 100) {
        let attempts = (0..4).map(|_| {
            let patience = std::time::Duration::from_micros(micros);
            tokio::time::timeout(patience, shop.store.step(&shop.draw, &secret))
        });
        futures::future::join_all(attempts).await;
    }
    let runs = (0..4).map(|_| shop.run());
    futures::future::join_all(runs).await;
    shop.run().await;
    let log = shop.log().await;
    let audit = Audit::of(&log);
    assert!(audit.is_clean(), "{log}\n{:?}", audit.problems);
    for once in ["\nfreeze ", "\nreveal "] {
        assert_eq!(log.matches(once).count(), 1, "{log}");
    }
    assert_eq!(shop.ranks(RightState::Open).await, (0..40).collect::<Vec<i64>>());
    let draw = shop.stored().await;
    assert_eq!((draw.sale.open, draw.sale.offered_below), (40, 40));
}

#[tokio::test]
async fn a_draw_waits_for_the_key_that_it_was_promised_with() {
    let shop = Shop::open(1).await;
    shop.enter(0..1).await;
    shop.close().await;
    shop.store.step(&shop.draw, &secret).await.unwrap();
    let failed = shop
        .store
        .step(&shop.draw, &|_: &DrawId, _: &Commitment| None)
        .await;
    assert!(matches!(failed, Err(DrawStoreError::NoKey)));
    assert_eq!(shop.stored().await.stage, Stage::Frozen);
    shop.run().await;
    assert_eq!(shop.stored().await.stage, Stage::Selling);
}
