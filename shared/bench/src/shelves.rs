//! A shop behind an edge that keeps its products, and shoppers who were let in.

use crate::{
    crowd,
    edge::{Edge, EdgePlan, ROOM},
    http::{self, Connection},
    ordering,
    scratch::Scratch,
    shop::{READY_PATH, Shop},
};
use anyhow::{Context, ensure};
use std::{net::SocketAddr, sync::Arc};
use testbed::free_address;

/// Connections that let the shoppers in.
const CLAIMING: u32 = 16;
const STOCK: u32 = 100_000;
/// As in the edge's config of `make run`.
const KEPT: &str = "[[cache]]\npath = \"/products\"\nttl_ms = 1000\n";

/// The shop, its edge, and the cookies of those who were let in.
pub struct Shelves {
    pub edge: Arc<Edge>,
    pub shop: Shop,
    /// Where the shop listens, to be asked past the edge.
    pub origin: SocketAddr,
    pub cookies: Vec<String>,
}

impl Shelves {
    /// Starts both and lets `shoppers` in. The edge keeps products for a second, or nothing.
    pub async fn open(scratch: &Scratch, shoppers: u32, keeps: bool) -> anyhow::Result<Self> {
        let origin = free_address();
        let plan = EdgePlan {
            store: None,
            users_per_minute: 1_000_000,
            max_active: 1_000_000,
            origin,
            health_path: READY_PATH,
            room: if keeps { KEPT } else { "" },
        };
        let edge = Arc::new(Edge::start(scratch, &plan).await?);
        let shop = Shop::start(origin, edge.public, STOCK).await?;
        let crowd = crowd::join(&edge, shoppers, CLAIMING).await?;
        let passes = crowd::admit(&edge, crowd.places, CLAIMING).await?;
        ordering::until_open(edge.public, passes.first().context("nobody was let in")?).await?;
        let cookie = |pass: &String| format!("waiting-room-pass-{ROOM}={pass}");
        let cookies = passes.iter().map(cookie).collect();
        Ok(Self {
            edge,
            shop,
            origin,
            cookies,
        })
    }

    /// The bytes of a read by each of them.
    pub fn requests(&self, path: &str) -> Vec<Vec<u8>> {
        let request =
            |cookie: &String| http::request("GET", self.edge.public, path, &[("Cookie", cookie)], "");
        self.cookies.iter().map(request).collect()
    }

    /// The length of the body at this path, asked for through the edge.
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
