//! A shop with a draw, and its members.

use crate::support::{Answer, CARD_PAID, SOON, TestShop, lines, send};
use contract::Role;
use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::{path::Path, process::Command};
use testbed::{eventually, eventually_some};
use time::{Duration, format_description::well_known::Rfc3339};

pub const DRAW: &str = "/draws/spring";

/// A member with an access token.
pub struct Member {
    pub name: String,
    pub token: String,
}

/// A shop with a draw of one product.
pub struct Raffle {
    pub shop: TestShop,
    pool: PgPool,
    pub admin: String,
    pub members: Vec<Member>,
}

pub fn body(units: u32) -> Value {
    let at = |hours: i64| {
        let now = clock::Clock::utc(&clock::SystemClock);
        (now + Duration::hours(hours)).format(&Rfc3339).unwrap()
    };
    json!({
        "product_id": "sneaker", "title": "Spring raffle", "units": units, "right_seconds": 3600,
        "opens_at": at(1), "closes_at": at(24),
    })
}

impl Raffle {
    pub async fn with(shop: TestShop, units: u32, members: usize) -> Self {
        shop.sells("sneaker", 10).await;
        let admin = shop.around.member("boss", Role::Admin).await.1;
        let mut raffle = Self {
            pool: shop.around.database.pool().await,
            shop,
            admin,
            members: Vec::new(),
        };
        for number in 0..members {
            let name = format!("member{number}");
            let token = raffle.shop.around.member(&name, Role::User).await.1;
            raffle.members.push(Member { name, token });
        }
        let made = raffle.arrange(&body(units)).await;
        assert_eq!(made.status, 201, "{made:?}");
        raffle
    }

    /// A draw that everybody has entered, and that is drawn.
    pub async fn drawn(shop: TestShop, units: u32, members: usize) -> Self {
        let raffle = Self::with(shop, units, members).await;
        raffle.open().await;
        let entered = join_all(raffle.members.iter().map(|member| raffle.enter(member))).await;
        assert!(entered.iter().all(|answer| answer.status == 200), "{entered:?}");
        raffle.close().await;
        raffle
    }

    pub async fn arrange(&self, body: &Value) -> Answer {
        send(self.by(&self.admin, Method::PUT, DRAW).json(body)).await
    }

    pub fn by(&self, token: &str, method: Method, path: &str) -> RequestBuilder {
        self.shop.request(method, path).bearer_auth(token)
    }

    pub async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.pool).await.unwrap();
    }

    pub async fn becomes(&self, phase: &str) {
        let is = async || self.shop.get(DRAW).await.json()["phase"] == phase;
        eventually(SOON, &format!("the draw is {phase}"), is).await;
    }

    pub async fn open(&self) {
        self.sql("UPDATE draws SET opens_at = clock_timestamp()").await;
        self.becomes("open").await;
    }

    pub async fn close(&self) {
        self.sql("UPDATE draws SET closes_at = clock_timestamp()").await;
        self.becomes("selling").await;
    }

    pub async fn enter(&self, member: &Member) -> Answer {
        send(self.by(&member.token, Method::PUT, &format!("{DRAW}/entry"))).await
    }

    pub async fn stands(&self, member: &Member) -> Value {
        send(self.by(&member.token, Method::GET, &format!("{DRAW}/entry")))
            .await
            .json()
    }

    /// The members by their places.
    pub async fn order(&self) -> Vec<&Member> {
        let places = join_all(self.members.iter().map(|member| self.stands(member))).await;
        let places = places.iter().map(|stands| stands["place"].as_u64().unwrap());
        let mut order: Vec<(u64, &Member)> = places.zip(&self.members).collect();
        order.sort_by_key(|(place, _)| *place);
        order.into_iter().map(|(_, member)| member).collect()
    }

    pub async fn comes_to(&self, member: &Member, state: &str) -> Value {
        eventually_some(SOON, &format!("{} is {state}", member.name), async || {
            let stands = self.stands(member).await;
            (stands["state"] == state).then_some(stands)
        })
        .await
    }

    pub fn order_of(&self, member: &Member, key: &str, quantity: u32) -> RequestBuilder {
        self.shop
            .by(&member.name, Method::POST, "/orders")
            .bearer_auth(&member.token)
            .header("Idempotency-Key", format!("\"{key}\""))
            .json(&lines("sneaker", quantity))
    }

    pub async fn buy(&self, member: &Member, key: &str) -> Answer {
        send(self.order_of(member, key, 1).header("Prefer", "wait=20")).await
    }

    pub async fn pay(&self, member: &Member, order: &str) {
        let checkout = self
            .shop
            .by(&member.name, Method::POST, &format!("/orders/{order}/pay"))
            .bearer_auth(&member.token);
        let checkout = send(checkout).await.json()["checkout_url"]
            .as_str()
            .unwrap()
            .to_owned();
        let confirm = format!("{}/confirm", checkout.replace("/checkout/", "/v1/payments/"));
        let confirm = self
            .shop
            .http
            .post(confirm)
            .json(&json!({ "card_number": CARD_PAID }));
        assert_eq!(send(confirm).await.status, 200);
    }

    /// What `waiting-room verify` says of the log, and how it ends.
    pub fn verify(&self, more: &[&str]) -> (i32, String) {
        let program = Path::new(env!("CARGO_BIN_EXE_catalog-api")).with_file_name("waiting-room");
        let log = format!("http://{}{DRAW}/log", self.shop.around.api);
        let done = Command::new(program)
            .args(["verify", "--log", &log])
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
        (done.status.code().unwrap(), said.into_owned())
    }

    pub async fn states(&self, order: &[&Member], expected: &[&str]) {
        for (member, state) in order.iter().zip(expected) {
            self.comes_to(member, state).await;
        }
    }

    /// The subjects of what was written to a member.
    pub fn mails(&self, member: &Member) -> Vec<String> {
        let address = format!("{}@x.example", member.name);
        let mails = self.shop.around.mails.to(Some(&address)).into_iter();
        mails.map(|mail| mail.subject).collect()
    }

    pub async fn cancel(&self, member: &Member, order: &str) {
        let cancel = self
            .shop
            .by(&member.name, Method::POST, &format!("/orders/{order}/cancel"));
        let cancelled = send(cancel.bearer_auth(&member.token)).await;
        assert!(cancelled.status < 300, "{cancelled:?}");
    }
}
