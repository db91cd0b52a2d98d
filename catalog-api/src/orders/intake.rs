//! Taking orders.
//!
//! # A key makes one order, and a new order costs no query of its own
//!
//! The order's id is derived from shopper and key, so a repeat of a request names the same order on every instance
//! and after every restart, and the primary key of the `orders` table makes it one: a command that is published twice
//! is decided once. That alone keeps the promise "never two orders", with nothing in front of it. The rest is about
//! telling the shopper the truth soon:
//!
//! * A key that this instance remembers is judged from memory: in flight, other payload, repeat.
//! * A key that it does not remember is probably new, but may have been used before a restart or on another instance.
//!   So while the broker confirms the command, which takes longest, the database is asked for the order as well
//!   (many such questions go in one query). If it knows the order, its fingerprint decides: the same payload is a
//!   repeat, another one is answered 422, and the command that was published in vain changes nothing, because the
//!   worker finds the order decided.
//! * The only request that nobody can judge at once is one whose original was accepted elsewhere and is *still in the
//!   queue*. It is answered 202 with the id of the original order, which is true. Who waits for the decision is told
//!   then: the order that was decided is compared with what was asked before it is answered.
//! * When the database does not answer, the order is accepted without its word. Orders may go on while it is away, those
//!   of members apart: nobody else can say where theirs go.
//!
//! "Sold out" is answered from memory, but not for a key whose order may exist already: the last unit may be its own.

use super::{
    Undecided, Waiting, envelope,
    key_table::{Flight, KeyTable},
};
use crate::{
    catalog::Catalog,
    draws::Draws,
    members::{AddressError, OrderAddresses},
    store::{ClaimError, OrderReader, StoredOrder},
};
use broker::{PublishError, Publisher};
use catalog_domain::{Basket, IdempotencyKey, NotSold, Verdict, is_decided};
use contract::{
    Command, MemberId, Money, OrderId, OrderView, PlaceOrder, ProductId, RequestedLine, SealedAddress,
    ShopperId,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tracing::warn;

/// A request that is well formed.
#[derive(Debug)]
pub struct PlaceRequest {
    /// Who asks.
    pub shopper: ShopperId,
    /// Who that is, if it is somebody who is signed in.
    pub member: Option<MemberId>,
    /// When the shopper's session began, Unix milliseconds.
    pub since_unix_ms: u64,
    /// The key that names the order among the shopper's.
    pub key: IdempotencyKey,
    /// What is wanted.
    pub basket: Basket,
    /// How long the shopper would rather wait for the decision.
    pub wait: Option<Duration>,
    /// Now, Unix milliseconds.
    pub accepted_at_unix_ms: u64,
}

/// Why no order was taken.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The first request with this key is not answered yet.
    #[error("a request with this key is in flight")]
    InFlight,
    /// The key belongs to another request.
    #[error("the key was used with another payload")]
    OtherPayload,
    /// The shop has just begun and does not know its products yet.
    #[error("the products were not read yet")]
    NotRead,
    /// A product that is not sold here.
    #[error("there is no product {0}")]
    UnknownProduct(ProductId),
    /// Not enough is left.
    #[error("{0} is sold out")]
    SoldOut(ProductId),
    /// A product is sold by draw, and the shopper has no right to it.
    #[error(transparent)]
    Right(#[from] ClaimError),
    /// It is not known where the order goes.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It cannot be ordered now.
    #[error("{0} {1}")]
    NotSold(ProductId, NotSold),
    /// Prices are not those that the shopper saw.
    #[error("prices are not those that were seen")]
    PriceChanged(Vec<PriceChange>),
    /// The broker did not confirm; asking again with the same key is safe.
    #[error("the order could not be handed to the broker")]
    NotConfirmed(#[source] PublishError),
}

/// A price that is not the one that the shopper saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PriceChange {
    /// Of which product.
    pub product_id: ProductId,
    /// The price that was seen.
    pub seen: Money,
    /// The price now.
    pub now: Money,
}

/// Takes orders.
#[derive(Debug)]
pub struct Intake {
    /// The products, for what can be refused at once.
    pub catalog: Arc<Catalog>,
    /// The draws, for products that are sold by one.
    pub draws: Draws,
    /// Where orders go.
    pub addresses: OrderAddresses,
    /// What is remembered of keys.
    pub keys: KeyTable,
    /// Orders as the database knows them.
    pub reader: OrderReader,
    /// The way to the worker.
    pub publisher: Publisher,
    /// Decisions.
    pub waiting: Waiting,
    /// What is on its way.
    pub undecided: Undecided,
}

impl Intake {
    /// Takes an order. It is durable when this answers, and decided if the shopper waited long enough for that.
    pub async fn place(&self, request: PlaceRequest) -> Result<OrderView, PlaceError> {
        let order_id = OrderId::derive(&request.shopper, request.key.as_str(), request.since_unix_ms);
        // Before anything is published: the decision may come before the confirm does.
        let listener = request.wait.map(|_| self.waiting.listen(order_id));
        let known = match self.keys.request(order_id, &request.shopper, &request.basket) {
            (Verdict::InFlight, _) => return Err(PlaceError::InFlight),
            (Verdict::OtherPayload, _) => return Err(PlaceError::OtherPayload),
            (Verdict::Publish, Some(flight)) => self.hand_over(order_id, &request, flight).await?,
            // Decided perhaps, long before anybody listened; and perhaps as another request of the same key.
            (Verdict::Publish | Verdict::Replay, _) => {
                let stored = self.look_up(order_id).await;
                stored
                    .map(|stored| self.earlier(stored, &request.basket))
                    .transpose()?
            }
        };
        let Some((wait, listener)) = request.wait.zip(listener) else {
            return Ok(OrderView::pending(order_id));
        };
        if let Some(order) = known {
            return Ok(order);
        }
        match self.waiting.until(listener, wait, is_decided).await {
            Some(order) => self.as_asked(order, &request.basket).await,
            None => Ok(OrderView::pending(order_id)),
        }
    }

    /// Hands the order to the broker; answers the order when the database knows it already.
    async fn hand_over(
        &self,
        order_id: OrderId,
        request: &PlaceRequest,
        flight: Flight,
    ) -> Result<Option<OrderView>, PlaceError> {
        let address = match self.check(order_id, request).await {
            Ok(address) => address,
            Err(refusal) => {
                return match self.look_up(order_id).await {
                    Some(stored) => self.earlier(stored, &request.basket).map(Some),
                    None => {
                        flight.not_published();
                        Err(refusal)
                    }
                };
            }
        };
        let command = envelope(
            request.basket.routed_by().clone(),
            Command::PlaceOrder(place(order_id, request, address)),
        );
        let underway = self.undecided.begins(order_id);
        let (published, stored) = tokio::join!(self.publisher.publish(&command), self.look_up(order_id));
        if let Some(stored) = stored {
            return self.earlier(stored, &request.basket).map(Some);
        }
        published.map_err(PlaceError::NotConfirmed)?;
        underway.confirmed();
        flight.confirmed();
        Ok(None)
    }

    /// What can be refused before it is handed over; answers where it goes. What is sold by draw is bought with a right,
    /// which is tied to this order from now on; the worker has the last word on it, too.
    async fn check(
        &self,
        order_id: OrderId,
        request: &PlaceRequest,
    ) -> Result<Option<SealedAddress>, PlaceError> {
        self.check_shelves(request)?;
        let named = request.basket.address();
        let address = self.addresses.freeze(request.member, named, order_id).await?;
        self.draws
            .claim(request.member, order_id, &request.basket)
            .await?;
        Ok(address)
    }

    /// Which prices are not those that the shopper saw.
    pub fn price_changes(&self, lines: &[RequestedLine]) -> Vec<PriceChange> {
        let change = |line: &RequestedLine| {
            let now = self.catalog.shelf(&line.product_id)?.product.price;
            let seen = line.seen_price.filter(|seen| *seen != now)?;
            let product_id = line.product_id.clone();
            Some(PriceChange {
                product_id,
                seen,
                now,
            })
        };
        lines.iter().filter_map(change).collect()
    }

    /// What can be refused at once. The worker has the same rules and decides by them; this spares it the work.
    fn check_shelves(&self, request: &PlaceRequest) -> Result<(), PlaceError> {
        let now = self.catalog.server_time(request.accepted_at_unix_ms);
        for line in request.basket.lines() {
            let product_id = || line.product_id.clone();
            let shelf = self.catalog.shelf(&line.product_id);
            let shelf = shelf.ok_or_else(|| match self.catalog.is_read() {
                true => PlaceError::UnknownProduct(product_id()),
                false => PlaceError::NotRead,
            })?;
            let sale = shelf.product.sale_at(now);
            sale.map_err(|why| PlaceError::NotSold(product_id(), why))?;
            if !shelf.stock().covers(line.quantity) {
                return Err(PlaceError::SoldOut(product_id()));
            }
        }
        let changes = self.price_changes(request.basket.lines());
        if changes.is_empty() {
            Ok(())
        } else {
            Err(PlaceError::PriceChanged(changes))
        }
    }

    async fn look_up(&self, order_id: OrderId) -> Option<StoredOrder> {
        let found = self.reader.look_up(order_id).await;
        found
            .inspect_err(|error| warn!(%error, "taking an order without looking for an earlier one"))
            .ok()?
    }

    /// An order that the database knows: a repeat, or a key used for something else.
    fn earlier(&self, stored: StoredOrder, basket: &Basket) -> Result<OrderView, PlaceError> {
        self.keys.found(stored.view.order_id, &stored.fingerprint);
        if stored.fingerprint == *basket.fingerprint() {
            Ok(stored.view)
        } else {
            Err(PlaceError::OtherPayload)
        }
    }

    /// The decided order, unless it is that of another request with the same key. A refused order shows no lines, so
    /// the database is asked what it was about.
    async fn as_asked(&self, order: OrderView, basket: &Basket) -> Result<OrderView, PlaceError> {
        if basket.is_of(&order) == Some(true) {
            return Ok(order);
        }
        match self.look_up(order.order_id).await {
            Some(stored) => self.earlier(stored, basket),
            None => Ok(order),
        }
    }
}

fn place(order_id: OrderId, request: &PlaceRequest, address: Option<SealedAddress>) -> PlaceOrder {
    PlaceOrder {
        order_id,
        shopper: request.shopper.clone(),
        fingerprint: request.basket.fingerprint().as_str().to_owned(),
        lines: request.basket.lines().to_vec(),
        accepted_at_unix_ms: request.accepted_at_unix_ms,
        address,
    }
}
