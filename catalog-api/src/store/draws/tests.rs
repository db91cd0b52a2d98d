//! Draws on a real database: whole lives, races, and what is broken off.

use super::*;
use catalog_domain::draw::{RightState, Stage, Terms, Window};
use contract::{DrawId, MemberId, OrderId, ShopperId};
use fairness::{Audit, Commitment, Position, Secret, commitment};
use mail::Outbox;
use sqlx::PgPool;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use testbed::Database;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const SECRET: Secret = Secret([5; 32]);

struct Shop {
    _database: Database,
    pool: PgPool,
    store: DrawStore,
    draw: DrawId,
}

fn member(number: u64) -> MemberId {
    MemberId::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

fn entrants(members: std::ops::Range<u64>) -> Vec<Entrant> {
    let entrant = |number| Entrant {
        member: member(number),
        entry_id: clock::random_bytes(),
    };
    members.map(entrant).collect()
}

fn outbox() -> Outbox {
    let keys = sealing::KeyRing::parse("1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    Outbox::new(Arc::new(keys))
}

fn order(key: &str) -> OrderId {
    OrderId::derive(&ShopperId::of_session("ann"), key, 1)
}

fn secret(_: &DrawId, promise: &Commitment) -> Option<Secret> {
    (commitment(&SECRET) == *promise).then_some(SECRET)
}

impl Shop {
    async fn with_product() -> Self {
        let database = Database::fresh().await;
        let pool = database.pool().await;
        for statement in [
            "INSERT INTO products (id, name, price_minor, currency)
             VALUES ('sneaker', 'S', 1, 'EUR'), ('boot', 'B', 1, 'EUR')",
            "INSERT INTO stock (product_id, on_hand) VALUES ('sneaker', 100), ('boot', 100)",
        ] {
            sqlx::query(statement).execute(&pool).await.unwrap();
        }
        Self {
            _database: database,
            store: DrawStore::new(pool.clone(), outbox(), "http://shop.example"),
            pool,
            draw: "spring".parse().unwrap(),
        }
    }

    /// A draw of `units` that takes entries now.
    async fn open(units: u32) -> Self {
        let shop = Self::with_product().await;
        let terms = shop.terms("sneaker", units).await;
        let made = shop.store.arrange(&shop.draw, &terms, commitment(&SECRET)).await;
        assert!(matches!(made.unwrap(), Arranged::Made(_)));
        shop.sql("UPDATE draws SET opens_at = clock_timestamp() - interval '1 minute'")
            .await;
        shop
    }

    async fn terms(&self, product: &str, units: u32) -> Terms {
        let now = self.store.now().await.unwrap();
        Terms {
            product_id: product.parse().unwrap(),
            title: "Raffle".to_owned(),
            units,
            window: Window {
                opens_at: now + Duration::HOUR,
                closes_at: now + Duration::DAY,
            },
            right_lasts: Duration::HOUR,
        }
    }

    async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    async fn enter(&self, members: std::ops::Range<u64>) -> HashMap<MemberId, Entry> {
        let entered = self.store.enter(&self.draw, &entrants(members)).await;
        entered.unwrap().unwrap()
    }

    async fn close(&self) {
        self.sql("UPDATE draws SET closes_at = clock_timestamp()").await;
    }

    async fn stored(&self) -> StoredDraw {
        self.store.draw(&self.draw).await.unwrap().unwrap()
    }

    /// Steps until there is nothing more to do.
    async fn run(&self) {
        while self.store.step(&self.draw, &secret).await.unwrap() != Stepped::Nothing {}
    }

    async fn log(&self) -> String {
        let mut lines = vec![catalog_domain::draw::Book::title(&self.draw)];
        loop {
            let after = lines.len() as u64 - 1;
            let page = self.store.log_page(&self.draw, after).await.unwrap();
            if page.is_empty() {
                return lines.join("\n");
            }
            lines.extend(page);
        }
    }

    /// Rank, member and state of each right.
    async fn rights(&self) -> Vec<(i64, MemberId, String)> {
        let rows: Vec<(i64, Uuid, String)> =
            sqlx::query_as("SELECT rank, member_id, state FROM purchase_rights ORDER BY rank")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        let read = |(rank, who, state)| (rank, MemberId::from_uuid(who), state);
        rows.into_iter().map(read).collect()
    }

    async fn ranks(&self, state: RightState) -> Vec<i64> {
        let rights = self.rights().await.into_iter();
        rights
            .filter(|(.., is)| is == state.as_str())
            .map(|(rank, ..)| rank)
            .collect()
    }

    /// An order as the worker would have written it.
    async fn order_is(&self, order_id: OrderId, state: &str) {
        sqlx::query(
            "INSERT INTO orders (id, shopper, fingerprint, state, refusal, accepted_at, decided_at, updated_at,
                                 next_step_at)
             VALUES ($1, 's', 'f', $2, CASE WHEN $2 = 'refused' THEN 'sold_out' END, now(), now(), now(),
                     CASE WHEN $2 = 'paid' THEN now() END)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, next_step_at = excluded.next_step_at",
        )
        .bind(order_id.as_uuid())
        .bind(state)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    async fn claim(&self, who: MemberId, order_id: OrderId) -> Result<(), ClaimError> {
        let product = "sneaker".parse().unwrap();
        self.store.claim(who, order_id, &[product]).await
    }
}

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
async fn nobody_enters_or_leaves_outside_the_window() {
    let shop = Shop::open(1).await;
    shop.enter(0..1).await;
    let other: DrawId = "other".parse().unwrap();
    let unknown = shop.store.enter(&other, &entrants(0..1)).await.unwrap();
    assert_eq!(unknown, Err(NotTaken::Unknown));
    for (statement, phase) in [
        (
            "UPDATE draws SET opens_at = clock_timestamp() + interval '1 minute'",
            catalog_domain::draw::Phase::Scheduled,
        ),
        (
            "UPDATE draws SET opens_at = clock_timestamp() - interval '1 minute', closes_at = clock_timestamp()",
            catalog_domain::draw::Phase::Closed,
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
