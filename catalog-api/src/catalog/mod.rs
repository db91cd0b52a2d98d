//! The products, in memory, ready to be sent.
//!
//! Stock is fed by two sources: events, at once, and a read of recently changed rows several times a second, so that an
//! event that was lost makes nobody wrong for longer than that. The row's version says which of two is newer.

mod feed;

pub use feed::{Nudge, keep_fresh};

use crate::store::Stocked;
use arc_swap::ArcSwap;
use bytes::Bytes;
use catalog_domain::{Product, Stock};
use contract::ProductId;
use std::{collections::BTreeMap, sync::Arc};

/// Everything that is sold.
#[derive(Debug, Default)]
pub struct Catalog {
    shelves: ArcSwap<Shelves>,
}

type Shelves = BTreeMap<ProductId, Arc<Shelf>>;

/// A product and what is left of it.
#[derive(Debug)]
pub struct Shelf {
    /// The product.
    pub product: Product,
    shown: ArcSwap<Shown>,
}

/// The stock as it is known, and the product as JSON with that stock.
#[derive(Debug)]
struct Shown {
    stock: Stock,
    json: Bytes,
}

// === impl Catalog ===

impl Catalog {
    /// The shelf of a product.
    pub fn shelf(&self, id: &ProductId) -> Option<Arc<Shelf>> {
        self.shelves.load().get(id).map(Arc::clone)
    }

    /// All shelves in the order of their ids.
    pub fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.shelves.load().values().map(Arc::clone).collect()
    }

    /// Puts up the products that were read; `whole` says that there are no others.
    fn put_up(&self, read: Vec<Stocked>, whole: bool) {
        let shelves = self.shelves.load();
        let is_known = |stocked: &Stocked| {
            shelves
                .get(&stocked.product.id)
                .is_some_and(|shelf| shelf.product == stocked.product)
        };
        // Products change rarely: mostly only their stock is news, and the map stays as it is.
        if read.iter().all(is_known) && (!whole || read.len() == shelves.len()) {
            for stocked in read {
                self.learn(&stocked.product.id, stocked.stock);
            }
            return;
        }
        // An event that is learned by an old shelf while this goes on comes back with the next read.
        let mut next = if whole {
            Shelves::new()
        } else {
            Shelves::clone(&shelves)
        };
        for Stocked { product, stock } in read {
            let known = shelves.get(&product.id).map(|shelf| shelf.stock());
            let newest = known.filter(|known| known.is_newer_than(stock)).unwrap_or(stock);
            next.insert(product.id.clone(), Arc::new(Shelf::new(product, newest)));
        }
        self.shelves.store(Arc::new(next));
    }

    /// Learns a product's stock, unless newer stock is known; answers whether the product is known.
    fn learn(&self, id: &ProductId, stock: Stock) -> bool {
        let Some(shelf) = self.shelf(id) else { return false };
        shelf.learn(stock);
        true
    }
}

// === impl Shelf ===

impl Shelf {
    fn new(product: Product, stock: Stock) -> Self {
        let shown = ArcSwap::from_pointee(Shown::of(&product, stock));
        Self { product, shown }
    }

    /// What is left.
    pub fn stock(&self) -> Stock {
        self.shown.load().stock
    }

    /// The product with its stock, as JSON.
    pub fn json(&self) -> Bytes {
        self.shown.load().json.clone()
    }

    fn learn(&self, stock: Stock) {
        self.shown.rcu(|shown| {
            if stock.is_newer_than(shown.stock) {
                Arc::new(Shown::of(&self.product, stock))
            } else {
                Arc::clone(shown)
            }
        });
    }
}

impl Shown {
    fn of(product: &Product, stock: Stock) -> Self {
        // A view consists of strings and numbers, which JSON can always express.
        let json = serde_json::to_vec(&product.view(stock)).unwrap_or_default();
        Self {
            stock,
            json: json.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Money;

    fn stock(available: i64, version: i64) -> Stock {
        Stock {
            available,
            held: 0,
            sold: 0,
            version,
        }
    }

    fn stocked(id: &str, name: &str, available: i64, version: i64) -> Stocked {
        let price = Money::new(1, "KRW".parse().unwrap());
        let product = Product {
            id: id.parse().unwrap(),
            name: name.to_owned(),
            description: String::new(),
            price,
        };
        Stocked {
            product,
            stock: stock(available, version),
        }
    }

    fn shown(catalog: &Catalog) -> Vec<(String, i64)> {
        let shelves = catalog.shelves();
        shelves
            .iter()
            .map(|shelf| (shelf.product.name.clone(), shelf.stock().available))
            .collect()
    }

    fn names(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
        expected
            .iter()
            .map(|(name, left)| ((*name).to_owned(), *left))
            .collect()
    }

    #[test]
    fn the_highest_version_stays_whatever_comes_in_whatever_order() {
        let catalog = Catalog::default();
        catalog.put_up(vec![stocked("a", "A", 9, 1)], true);
        let id = "a".parse().unwrap();
        for (available, version, left) in [(8, 2, 8), (9, 1, 8), (5, 4, 5), (6, 3, 5)] {
            catalog.learn(&id, stock(available, version));
            assert_eq!(catalog.shelf(&id).unwrap().stock().available, left);
        }
        catalog.put_up(vec![stocked("a", "A", 9, 1)], true);
        catalog.put_up(vec![stocked("a", "New name", 9, 1)], false);
        assert_eq!(
            shown(&catalog),
            names(&[("New name", 5)]),
            "old stock in a new product changes no stock"
        );
        let json: serde_json::Value = serde_json::from_slice(&catalog.shelf(&id).unwrap().json()).unwrap();
        assert_eq!(
            (json["name"].as_str(), json["stock"]["available"].as_i64()),
            (Some("New name"), Some(5))
        );
    }

    #[test]
    fn a_recent_read_adds_and_a_whole_one_removes() {
        let catalog = Catalog::default();
        catalog.put_up(vec![stocked("a", "A", 1, 1)], true);
        catalog.put_up(vec![stocked("b", "B", 2, 1)], false);
        assert_eq!(shown(&catalog), names(&[("A", 1), ("B", 2)]));
        catalog.put_up(vec![stocked("b", "B", 2, 1)], true);
        assert_eq!(shown(&catalog), names(&[("B", 2)]));
        assert!(!catalog.learn(&"a".parse().unwrap(), stock(1, 1)));
    }
}
