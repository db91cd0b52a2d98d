//! What is read from PostgreSQL.

pub mod carts;
mod draws;
mod offers;
mod order_reader;
mod orders;
mod product_row;
mod products;
mod refunds;

pub use carts::CartWriteError;
pub use draws::{
    Arranged, Board, Cancelled, ClaimError, DrawStore, DrawStoreError, Entrant, Entry, Member, NotTaken,
    Stepped, StoredDraw,
};
pub use offers::{OfferWriteError, adjust, change, create, find};
pub use order_reader::{LookUpError, OrderReader, channel as order_reader, read_orders};
pub use orders::{StoredOrder, decided_of, of as orders_of, page as orders_page};
pub use product_row::Kept;
pub use products::{Freshness, Stocked, database_now, read_products};
pub use refunds::{OrderMoney, OwedRefund, money_of};
