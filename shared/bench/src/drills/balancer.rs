//! What stands in front of several edges: each request goes to one that answers.

use crate::{
    edge::{Edge, ROOM},
    http,
    pool::{Answered, Pool},
};
use anyhow::{Context, bail};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// An edge that does not answer for so long gets no requests for a while.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
const LEFT_ALONE: Duration = Duration::from_millis(500);

/// The edges, in turn.
pub struct Balancer {
    edges: Vec<Behind>,
    turn: AtomicUsize,
}

struct Behind {
    edge: Arc<Edge>,
    pool: Pool,
    out_until: Mutex<Option<Instant>>,
}

impl Balancer {
    /// In front of these.
    pub fn of(edges: &[Arc<Edge>]) -> Self {
        let behind = |edge: &Arc<Edge>| Behind {
            edge: Arc::clone(edge),
            pool: Pool::to(edge.public),
            out_until: Mutex::default(),
        };
        Self {
            edges: edges.iter().map(behind).collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Asks the room, at whichever edge answers.
    pub async fn ask(&self, method: &str, path: &str, ticket: Option<&str>) -> anyhow::Result<Answered> {
        let headers = ticket.map(|ticket| ("Waiting-Room-Ticket", ticket));
        let path = format!("/.waiting-room/{ROOM}{path}");
        self.send(method, &path, headers.as_slice()).await
    }

    /// The same for any path.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answered> {
        let turn = self.turn.fetch_add(1, Relaxed);
        for next in 0..self.edges.len() {
            let at = (turn + next) % self.edges.len();
            let behind = self.edges.get(at).context("there is no edge")?;
            if behind.is_out() {
                continue;
            }
            match behind.ask(method, path, headers).await {
                Ok(answered) => return Ok(answered),
                Err(_) => behind.leave_alone(),
            }
        }
        bail!("no edge answers")
    }
}

impl Behind {
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answered> {
        let request = http::request(method, self.edge.public, path, headers, "");
        timeout(ANSWERED_WITHIN, self.pool.exchange(&request)).await?
    }

    fn is_out(&self) -> bool {
        let until = *self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until > Instant::now())
    }

    fn leave_alone(&self) {
        let until = Instant::now() + LEFT_ALONE;
        *self.out_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }
}
