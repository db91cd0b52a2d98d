//! Draws on a real database.

mod life;
mod races;

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

    /// Steps until there is nothing more to do. A step passes over a draw that is locked, and one that was given up holds
    /// it until its connection has rolled back: that is waited for.
    async fn run(&self) {
        sqlx::query("SELECT FROM draws WHERE id = $1 FOR UPDATE")
            .bind(self.draw.as_str())
            .execute(&self.pool)
            .await
            .unwrap();
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
