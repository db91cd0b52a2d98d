//! How many units of a product one customer may have.

use super::{CustomerUnits, ledger::Ledger};
use crate::order::Purchase;
use contract::{ProductId, ShopperId};
use std::collections::HashMap;

impl Ledger {
    /// Whether the shopper may have these units beside those that they have.
    pub(super) fn allows(&self, shopper: &ShopperId, purchase: &Purchase) -> bool {
        let mut wanted: HashMap<&ProductId, i64> = HashMap::new();
        for line in &purchase.lines {
            *wanted.entry(&line.product_id).or_default() += i64::from(line.quantity);
        }
        wanted.into_iter().all(|(product, units)| {
            let has = self.units_of(product, shopper);
            self.limit_of(product).is_none_or(|limit| has + units <= limit)
        })
    }

    /// Counts the units of a purchase for its customer (`sign` 1), or not any more (-1), where they are limited.
    pub(super) fn count_for(&mut self, shopper: &ShopperId, purchase: &Purchase, sign: i64) {
        for line in &purchase.lines {
            if self.limit_of(&line.product_id).is_some() {
                let who = (line.product_id.clone(), shopper.clone());
                let before = self.units_of(&who.0, shopper);
                let units = before + sign * i64::from(line.quantity);
                self.books.customers.insert(who.clone(), units.max(0));
                self.customers.entry(who).or_insert(before);
            }
        }
    }

    pub(super) fn write_customers(&mut self) {
        for ((product_id, shopper), before) in std::mem::take(&mut self.customers) {
            let units = self.units_of(&product_id, &shopper);
            let limit = self.limit_of(&product_id).unwrap_or(0);
            // Whoever had more before the limit was lowered may keep that, and give some of it back.
            let at_most = if units > before { limit } else { limit.max(units) };
            self.written.customers.push(CustomerUnits {
                product_id,
                shopper,
                units,
                at_most,
            });
        }
    }

    fn limit_of(&self, product: &ProductId) -> Option<i64> {
        self.product(product)?.per_customer.map(i64::from)
    }

    fn units_of(&self, product: &ProductId, shopper: &ShopperId) -> i64 {
        let who = (product.clone(), shopper.clone());
        self.books.customers.get(&who).copied().unwrap_or(0)
    }
}
