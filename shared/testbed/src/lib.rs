//! Real Redis, RabbitMQ and PostgreSQL for tests: an isolated copy for each test, a wire that can be cut, processes
//! that can be killed.
//!
//! Everything a test takes from here cleans up after itself when it is dropped, also when the test fails; what a
//! killed test leaves behind is swept by the next one a day later.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test stops at the first thing that is not as it should be, and runs in real time"
)]

mod broker;
mod database;
mod eventually;
mod folder;
mod ledger;
mod member_settings;
mod name;
mod postgres_server;
mod process;
mod rabbit_servers;
mod redis;
mod redis_servers;
mod servers;
mod wire;

pub use self::{
    broker::{BrokerNamespace, broker_prefix},
    database::Database,
    eventually::{eventually, eventually_some, within},
    member_settings::MEMBER_SETTINGS,
    postgres_server::PostgresServer,
    process::{Process, ProcessBuilder, free_address, http_get},
    rabbit_servers::{RabbitNode, RabbitServers},
    redis::RedisNamespace,
    redis_servers::{DiskCopy, RedisCluster, RedisSentinels, RedisServer},
    servers::Servers,
    wire::Wire,
};

/// Runs asynchronous work to its end from a place that cannot wait for it, e.g. a `Drop` inside a runtime.
fn block_on_elsewhere<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("start a runtime").block_on(work)
        });
        thread.join().expect("the work in another thread panicked")
    })
}
