//! What is read from PostgreSQL.

mod draws;
mod order_reader;
mod orders;
mod products;

pub use draws::{
    Arranged, Board, Cancelled, ClaimError, DrawStore, DrawStoreError, Entrant, Entry, Member, NotTaken,
    Stepped, StoredDraw,
};
pub use order_reader::{LookUpError, OrderReader, channel as order_reader, read_orders};
pub use orders::{StoredOrder, decided_of};
pub use products::{Freshness, Stocked, read_products};
