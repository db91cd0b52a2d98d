//! What this instance remembers of idempotency keys: a bounded cache in front of the database.

use catalog_domain::{Basket, Fingerprint, KeyState, Verdict};
use contract::{OrderId, ProductId, ShopperId};
use moka::sync::Cache;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Keys remembered, at about 400 bytes each.
const KEYS_MAX: u64 = 200_000;
/// How long a key is remembered. An order is decided long before, and then the database knows it.
const REMEMBER: Duration = Duration::from_secs(30 * 60);

/// The keys in use, by the order that each of them names.
#[derive(Debug, Clone)]
pub struct KeyTable(Cache<OrderId, Arc<Remembered>>);

/// An order that was asked for here.
#[derive(Debug)]
pub struct Remembered {
    /// Who asked.
    pub shopper: ShopperId,
    /// The product whose queue its commands stand in.
    pub routed_by: ProductId,
    state: Mutex<KeyState>,
}

/// A request that is being handed to the broker. When it is dropped before anything else is said of it (the shopper
/// hung up, the broker failed), the key is unconfirmed.
#[derive(Debug)]
pub struct Flight {
    remembered: Arc<Remembered>,
    before: KeyState,
}

// === impl KeyTable ===

impl Default for KeyTable {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(KEYS_MAX)
                .time_to_live(REMEMBER)
                .build(),
        )
    }
}

impl KeyTable {
    /// What a request for this order means, with the flight when it is to be published.
    pub fn request(
        &self,
        order_id: OrderId,
        shopper: &ShopperId,
        basket: &Basket,
    ) -> (Verdict, Option<Flight>) {
        let remembered = self.0.get_with(order_id, || {
            let (shopper, routed_by) = (shopper.clone(), basket.routed_by().clone());
            Arc::new(Remembered {
                shopper,
                routed_by,
                state: Mutex::default(),
            })
        });
        let mut state = remembered.state();
        let before = state.clone();
        let (after, verdict) = before.clone().requested(basket.fingerprint());
        *state = after;
        drop(state);
        (
            verdict,
            (verdict == Verdict::Publish).then_some(Flight { remembered, before }),
        )
    }

    /// The order if it was accepted here: it exists although the database may not know it yet.
    pub fn accepted(&self, order_id: OrderId) -> Option<Arc<Remembered>> {
        self.0
            .get(&order_id)
            .filter(|remembered| matches!(*remembered.state(), KeyState::Accepted(_)))
    }

    /// The database knows the order of this key.
    pub fn found(&self, order_id: OrderId, stored: &Fingerprint) {
        if let Some(remembered) = self.0.get(&order_id) {
            remembered.update(|state| state.found(stored.clone()));
        }
    }
}

// === impl Remembered ===

impl Remembered {
    fn state(&self) -> MutexGuard<'_, KeyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(KeyState) -> KeyState) {
        let mut state = self.state();
        *state = change(std::mem::take(&mut *state));
    }
}

// === impl Flight ===

impl Flight {
    /// The broker has the command.
    pub fn confirmed(self) {
        self.remembered.update(KeyState::confirmed);
    }

    /// Nothing was handed to the broker, so nothing binds the key.
    pub fn not_published(self) {
        let before = self.before.clone();
        self.remembered.update(|state| state.not_published(before));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.remembered.update(KeyState::unconfirmed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basket(quantity: u32) -> Basket {
        let body = format!(r#"{{"lines":[{{"product_id":"a","quantity":{quantity}}}]}}"#);
        Basket::parse(body.as_bytes()).unwrap()
    }

    fn ask(table: &KeyTable, quantity: u32) -> (Verdict, Option<Flight>) {
        let ann = ShopperId::of_session("ann");
        table.request(OrderId::derive(&ann, "k", 1), &ann, &basket(quantity))
    }

    #[test]
    fn a_flight_that_is_dropped_leaves_the_key_unconfirmed_and_bound() {
        let table = KeyTable::default();
        let (verdict, flight) = ask(&table, 1);
        assert_eq!(verdict, Verdict::Publish);
        assert_eq!(ask(&table, 1).0, Verdict::InFlight);
        drop(flight);
        assert_eq!(ask(&table, 2).0, Verdict::OtherPayload);
        let (verdict, flight) = ask(&table, 1);
        assert_eq!(verdict, Verdict::Publish);
        flight.unwrap().confirmed();
        assert_eq!(ask(&table, 1).0, Verdict::Replay);
    }

    #[test]
    fn what_was_not_published_binds_nothing() {
        let table = KeyTable::default();
        ask(&table, 1).1.unwrap().not_published();
        assert_eq!(ask(&table, 2).0, Verdict::Publish);
    }
}
