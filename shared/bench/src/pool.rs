//! Connections to one edge, shared by thousands of shoppers: each has one only while it asks.

use crate::http::{Answer, Connection};
use serde::de::DeserializeOwned;
use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};
use tokio::sync::Semaphore;

/// Requests under way at one edge at most.
const CONNECTIONS: usize = 64;

/// Connections to an edge.
pub struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// An answer that outlives its connection.
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answered {
    /// The body, when the status is one of these.
    pub fn json<T: DeserializeOwned>(&self, statuses: &[u16]) -> anyhow::Result<T> {
        let answer = Answer::of(self.status, &self.body);
        answer.json(statuses)
    }
}

impl Pool {
    /// To the edge at `address`; nothing is opened yet.
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            permits: Semaphore::new(CONNECTIONS),
        }
    }

    /// Sends a request, on a new connection if the edge has closed the idle one meanwhile.
    pub async fn exchange(&self, request: &[u8]) -> anyhow::Result<Answered> {
        let _permit = self.permits.acquire().await?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle
            && let Ok(answered) = self.exchange_on(connection, request).await
        {
            return Ok(answered);
        }
        self.exchange_on(Connection::open(self.address).await?, request)
            .await
    }

    async fn exchange_on(&self, mut connection: Connection, request: &[u8]) -> anyhow::Result<Answered> {
        let answer = connection.exchange(request).await?;
        let answered = Answered {
            status: answer.status,
            body: answer.body.to_vec(),
        };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(connection);
        Ok(answered)
    }
}
