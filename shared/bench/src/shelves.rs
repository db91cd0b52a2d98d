//! A shop behind an edge that keeps its products, and shoppers who were let in.

use crate::{
    crowd,
    edge::{Edge, EdgePlan, ROOM},
    http::{self, Connection},
    ordering,
    scratch::Scratch,
    shop::{PRODUCT, READY_PATH, Shop},
};
use anyhow::{Context, ensure};
use std::{net::SocketAddr, sync::Arc};
use testbed::free_address;

/// Connections that let the shoppers in.
const CLAIMING: u32 = 16;
const STOCK: u32 = 100_000;
/// As in the edge's config of `make run`.
const KEPT: &str = "[[cache]]\npath = \"/products\"\nttl_ms = 1000\n";

/// An edge before a shop, and the cookies of those whom it has let in.
pub struct Door {
    pub edge: Arc<Edge>,
    pub cookies: Vec<String>,
    pass: String,
}

/// A shop behind a door that keeps its products for a second.
pub struct Shelves {
    pub door: Door,
    pub shop: Shop,
    /// Where the shop listens, to be asked past the edge.
    pub origin: SocketAddr,
}

impl Door {
    /// Starts an edge before `origin`, which need not be there yet, and lets `shoppers` in. It keeps products for a second,
    /// or nothing.
    pub async fn open(
        scratch: &Scratch,
        origin: SocketAddr,
        shoppers: u32,
        keeps: bool,
    ) -> anyhow::Result<Self> {
        let plan = EdgePlan {
            store: None,
            users_per_minute: 1_000_000,
            max_active: 1_000_000,
            origin,
            health_path: READY_PATH,
            room: if keeps { KEPT } else { "" },
        };
        let edge = Arc::new(Edge::start(scratch, &plan).await?);
        let crowd = crowd::join(&edge, shoppers, CLAIMING).await?;
        let passes = crowd::admit(&edge, crowd.places, CLAIMING).await?;
        let cookie = |pass: &String| format!("waiting-room-pass-{ROOM}={pass}");
        let cookies = passes.iter().map(cookie).collect();
        let pass = passes.into_iter().next().context("nobody was let in")?;
        Ok(Self { edge, cookies, pass })
    }

    /// Waits until the edge has seen that the shop is well.
    pub async fn leads_in(&self) -> anyhow::Result<()> {
        ordering::until_open(self.edge.public, &self.pass, PRODUCT).await
    }

    /// The bytes of a read by each of those who were let in.
    pub fn requests(&self, path: &str) -> Vec<Vec<u8>> {
        let request =
            |cookie: &String| http::request("GET", self.edge.public, path, &[("Cookie", cookie)], "");
        self.cookies.iter().map(request).collect()
    }

    /// The length of the body at this path.
    pub async fn body_bytes(&self, path: &str) -> anyhow::Result<usize> {
        let request = self.requests(path).swap_remove(0);
        let mut connection = Connection::open(self.edge.public).await?;
        let answer = connection.exchange(&request).await?;
        ensure!(
            answer.status == 200,
            "{path} was answered {} {}",
            answer.status,
            answer.text()
        );
        Ok(answer.body.len())
    }
}

impl Shelves {
    /// Starts both and lets `shoppers` in.
    pub async fn open(scratch: &Scratch, shoppers: u32) -> anyhow::Result<Self> {
        let origin = free_address();
        let door = Door::open(scratch, origin, shoppers, true).await?;
        let shop = Shop::start(origin, door.edge.public, STOCK).await?;
        door.leads_in().await?;
        Ok(Self { door, shop, origin })
    }
}
