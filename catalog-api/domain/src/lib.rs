//! The rules of the shop's intake, as values: what a product shows, what an order request may ask for, what an
//! `Idempotency-Key` means the second time, how long a shopper prefers to wait.
//!
//! Nothing here does I/O; time and randomness would be arguments.

mod accept;
mod basket;
mod cart;
pub mod draw;
mod history;
mod idempotency;
mod key_state;
pub mod limits;
mod listing;
pub mod member;
mod offer;
mod order_rules;
mod prefer;
mod product;
mod text;
mod words;

pub use accept::{preferred_language, prefers_html};
pub use basket::{Basket, BasketError, Mistake, OrderRequest, OrderRequestLine};
pub use cart::{CartAddition, CartError, CartLine, CartLineView, CartQuantity, CartView, parse_quantity};
pub use history::{Decided, History};
pub use idempotency::{Fingerprint, IdempotencyKey, KeyError};
pub use key_state::{KeyState, Verdict};
pub use listing::{Listing, Place, Sort};
pub use offer::{Adjustment, NewProduct, NewProductRequest, Offer, OfferChange, OfferError};
pub use order_rules::{
    NotCancellable, NotPayable, NotReturnable, check_cancellable, check_payable, check_returnable,
    is_cancelled, is_decided, is_sent_back,
};
pub use prefer::preferred_wait;
pub use product::{Kind, NotSold, Product, ProductView, SaleState, Status, Stock, StockView};
pub use words::UnknownWord;
