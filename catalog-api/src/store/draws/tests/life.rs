//! Draws from their making to their end, and what is refused on the way.

use super::*;
use catalog_domain::draw::Phase;

#[tokio::test]
async fn a_draw_goes_its_whole_way_and_its_log_proves_it() {
    let shop = Shop::open(3).await;
    let mut entries = shop.enter(0..7).await;
    entries.extend(shop.enter(7..12).await);
    assert_eq!(shop.store.leave(&shop.draw, member(4)).await.unwrap(), Ok(()));
    assert_eq!(
        shop.store.step(&shop.draw, &secret).await.unwrap(),
        Stepped::Nothing,
        "it is still open"
    );
    shop.close().await;
    for stage in [Stage::Frozen, Stage::Drawn, Stage::Selling] {
        assert_eq!(
            shop.store.step(&shop.draw, &secret).await.unwrap(),
            Stepped::Moved(stage)
        );
    }
    shop.run().await;
    let (draw, log) = (shop.stored().await, shop.log().await);
    let audit = Audit::of(&log);
    assert!(audit.is_clean(), "{log}\n{:?}", audit.problems);
    assert_eq!(audit.chain, draw.chain);
    assert!(log.contains(" withdrawn 4\n"), "{log}");

    let order = draw.order().unwrap();
    let wanted = |rank: &u64| order.invert(*rank) != 4;
    let first: Vec<i64> = (0..12u64)
        .filter(wanted)
        .take(3)
        .map(|rank| rank.cast_signed())
        .collect();
    assert_eq!(shop.ranks(RightState::Open).await, first);
    for (who, entry) in entries {
        let stands = shop.store.member(&draw, who).await.unwrap().unwrap();
        let rank = stands.entered.rank.unwrap();
        assert_eq!(audit.position(0, entry.number), Position::Drawn { draw: 0, rank });
        let receipt = shop.store.receipt(&shop.draw, &stands).await.unwrap();
        assert_eq!(
            Some(&receipt),
            entry.receipt.as_ref(),
            "the same as was given at the entry"
        );
        assert!(audit.includes(&receipt, &entry.entry_id));
        assert_eq!(
            stands.entered.right.is_some(),
            first.contains(&(rank.cast_signed()))
        );
    }
}

#[tokio::test]
async fn what_is_not_bought_goes_to_the_next_until_nobody_is_left() {
    let shop = Shop::open(2).await;
    shop.enter(0..5).await;
    shop.close().await;
    shop.run().await;
    assert_eq!(shop.ranks(RightState::Open).await, [0, 1]);

    let buyer = shop.rights().await[1].1;
    shop.claim(buyer, order("a")).await.unwrap();
    shop.order_is(order("a"), "held").await;
    shop.sql("UPDATE purchase_rights SET lapses_at = clock_timestamp()")
        .await;
    shop.run().await;
    assert_eq!(shop.ranks(RightState::Lapsed).await, [0]);
    assert_eq!(
        shop.ranks(RightState::Open).await,
        [1, 2],
        "an order under way keeps its right"
    );

    shop.order_is(order("a"), "paid").await;
    shop.sql("UPDATE purchase_rights SET lapses_at = clock_timestamp() WHERE order_id IS NULL")
        .await;
    shop.run().await;
    assert_eq!(shop.ranks(RightState::Bought).await, [1]);
    assert_eq!(shop.ranks(RightState::Open).await, [3]);
    for _ in 3..5 {
        shop.sql("UPDATE purchase_rights SET lapses_at = clock_timestamp()")
            .await;
        shop.run().await;
    }
    let draw = shop.stored().await;
    assert_eq!(draw.stage, Stage::Finished);
    assert_eq!((draw.sale.bought, draw.sale.lapsed, draw.sale.open), (1, 4, 0));
    let audit = Audit::of(&shop.log().await);
    assert!(audit.is_clean(), "{:?}", audit.problems);
    let lane = audit.lanes[&0];
    assert_eq!((lane.called, lane.claimed, lane.missed), (5, 1, 4));
}

#[tokio::test]
async fn an_order_that_ends_gives_its_right_back_while_there_is_time() {
    let shop = Shop::open(1).await;
    shop.enter(0..2).await;
    shop.close().await;
    shop.run().await;
    let winner = shop.rights().await[0].1;
    for (key, state) in [
        ("a", "refused"),
        ("b", "cancelled"),
        ("c", "expired"),
        ("d", "payment_failed"),
    ] {
        shop.claim(winner, order(key)).await.unwrap();
        let other = shop.claim(winner, order("other")).await.unwrap_err();
        assert!(matches!(other, ClaimError::InUse { order_id, .. } if order_id == order(key)));
        shop.order_is(order(key), state).await;
        shop.run().await;
    }
    // One that nobody ever decided, long ago.
    shop.claim(winner, order("e")).await.unwrap();
    shop.sql("UPDATE purchase_rights SET claimed_at = claimed_at - interval '1 hour'")
        .await;
    shop.run().await;
    shop.claim(winner, order("f")).await.unwrap();
    shop.order_is(order("f"), "cancelled").await;
    shop.sql("UPDATE purchase_rights SET lapses_at = clock_timestamp()")
        .await;
    shop.run().await;
    assert_eq!(shop.ranks(RightState::Lapsed).await, [0]);
    assert_eq!(shop.ranks(RightState::Open).await, [1]);
    let late = shop.claim(winner, order("g")).await.unwrap_err();
    assert!(matches!(late, ClaimError::NoRight(_)));
    let stranger = shop.claim(member(77), order("h")).await.unwrap_err();
    assert!(matches!(stranger, ClaimError::NoRight(_)));
}

#[tokio::test]
async fn nobody_enters_or_leaves_outside_the_window() {
    let shop = Shop::open(1).await;
    shop.enter(0..1).await;
    let other: DrawId = "other".parse().unwrap();
    let unknown = shop.store.enter(&other, &entrants(0..1)).await.unwrap();
    assert_eq!(unknown, Err(NotTaken::Unknown));
    for (statement, phase) in [
        (
            "UPDATE draws SET opens_at = clock_timestamp() + interval '1 minute'",
            Phase::Scheduled,
        ),
        (
            "UPDATE draws SET opens_at = clock_timestamp() - interval '1 minute', closes_at = clock_timestamp()",
            Phase::Closed,
        ),
    ] {
        shop.sql(statement).await;
        let refused = Err(NotTaken::NotOpen(phase));
        assert_eq!(
            shop.store.enter(&shop.draw, &entrants(1..2)).await.unwrap(),
            refused
        );
        let left = shop.store.leave(&shop.draw, member(0)).await.unwrap();
        assert_eq!(left, Err(NotTaken::NotOpen(phase)));
    }
}

#[tokio::test]
async fn a_draw_of_nobody_is_over_at_once() {
    let shop = Shop::open(1).await;
    shop.close().await;
    shop.run().await;
    assert_eq!(shop.stored().await.stage, Stage::Finished);
    assert!(Audit::of(&shop.log().await).is_clean());
}

#[tokio::test]
async fn a_draw_is_arranged_until_it_opens() {
    let shop = Shop::with_product().await;
    let arrange = async |draw: &str, terms: &Terms| {
        let draw = draw.parse().unwrap();
        shop.store
            .arrange(&draw, terms, commitment(&SECRET))
            .await
            .unwrap()
    };
    let terms = shop.terms("sneaker", 10).await;
    assert!(matches!(arrange("spring", &terms).await, Arranged::Made(_)));
    assert!(matches!(arrange("spring", &terms).await, Arranged::Changed(_)));
    let lines = shop.stored().await.chain.length;
    assert_eq!(lines, 2, "nothing changed, so the log says nothing");
    let more = shop.terms("sneaker", 20).await;
    assert!(matches!(arrange("spring", &more).await, Arranged::Changed(_)));
    assert_eq!(shop.stored().await.chain.length, lines + 1);
    assert!(matches!(arrange("other", &terms).await, Arranged::ProductTaken));
    let boots = shop.terms("boot", 101).await;
    assert!(matches!(
        arrange("other", &boots).await,
        Arranged::TooFewUnits(100)
    ));
    let nothing = shop.terms("hat", 1).await;
    assert!(matches!(
        arrange("other", &nothing).await,
        Arranged::UnknownProduct
    ));
    let mut over = terms.clone();
    over.window.opens_at = OffsetDateTime::UNIX_EPOCH;
    assert!(matches!(arrange("other", &over).await, Arranged::Over));

    let unknown = "none".parse().unwrap();
    assert!(matches!(
        shop.store.cancel(&unknown).await.unwrap(),
        Cancelled::Unknown
    ));
    assert!(matches!(
        shop.store.cancel(&shop.draw).await.unwrap(),
        Cancelled::Done
    ));
    assert!(matches!(
        shop.store.cancel(&shop.draw).await.unwrap(),
        Cancelled::Done
    ));
    assert!(matches!(arrange("spring", &terms).await, Arranged::TooLate(_)));
    assert!(
        matches!(arrange("other", &terms).await, Arranged::Made(_)),
        "the product is free again"
    );
    shop.sql("UPDATE draws SET opens_at = clock_timestamp() WHERE id = 'other'")
        .await;
    let other = "other".parse().unwrap();
    assert!(matches!(
        shop.store.cancel(&other).await.unwrap(),
        Cancelled::TooLate(_)
    ));
    assert!(matches!(arrange("other", &terms).await, Arranged::TooLate(_)));
    assert!(Audit::of(&shop.log().await).is_clean());
}

#[tokio::test]
async fn the_database_itself_refuses_more_rights_than_units() {
    let shop = Shop::open(2).await;
    let refused = sqlx::query("UPDATE draws SET open_rights = 2, bought = 1")
        .execute(&shop.pool)
        .await;
    let refused = refused.unwrap_err().into_database_error().unwrap();
    assert_eq!(
        refused.constraint(),
        Some("draws_never_promise_more_than_there_is")
    );
}
