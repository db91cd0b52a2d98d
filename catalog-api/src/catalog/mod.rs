//! The products, in memory, ready to be sent.
//!
//! Stock is fed by two sources: events, at once, and a read of recently changed rows several times a second, so that an
//! event that was lost makes nobody wrong for longer than that. The row's version says which of two is newer.

mod feed;
mod shelf;
mod shelves;

pub use feed::{Nudge, keep_fresh};
pub use shelf::{Shelf, StockJson, StockShown};
pub use shelves::Page;

use crate::store::Stocked;
use arc_swap::ArcSwap;
use catalog_domain::{Listing, Stock};
use contract::ProductId;
use shelves::Shelves;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

/// Everything that is sold.
#[derive(Debug, Default)]
pub struct Catalog {
    shelves: ArcSwap<Shelves>,
    /// How far the database's clock is ahead of ours, in milliseconds.
    clock_ahead_ms: AtomicI64,
    is_read: AtomicBool,
}

// === impl Catalog ===

impl Catalog {
    /// Whether the products were read once: before that, one that is not here may be sold all the same.
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    /// The shelf of a product.
    pub fn shelf(&self, id: &ProductId) -> Option<Arc<Shelf>> {
        self.shelves.load().get(id).map(Arc::clone)
    }

    /// The first `most` shelves in the order of their ids.
    pub fn shelves(&self, most: usize) -> Vec<Arc<Shelf>> {
        self.shelves.load().all().take(most).map(Arc::clone).collect()
    }

    /// A page of what is listed.
    pub fn page(&self, listing: &Listing) -> Page {
        self.shelves.load().page(listing)
    }

    /// What the database's clock says when ours says `unix_ms`: the one clock by which sales open and close.
    pub fn server_time(&self, unix_ms: u64) -> OffsetDateTime {
        let ahead = self.clock_ahead_ms.load(Ordering::Relaxed);
        let millis = i64::try_from(unix_ms).unwrap_or(i64::MAX).saturating_add(ahead);
        OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::milliseconds(millis))
    }

    /// Learns what the database's clock says.
    fn set_clock(&self, database: OffsetDateTime, unix_ms: u64) {
        let database_ms = database.unix_timestamp_nanos() / 1_000_000;
        let ahead = i64::try_from(database_ms - i128::from(unix_ms)).unwrap_or(0);
        self.clock_ahead_ms.store(ahead, Ordering::Relaxed);
    }

    /// Puts up the products that were read; `whole` says that there are no others.
    fn put_up(&self, read: Vec<Stocked>, whole: bool) {
        self.replace(read, whole);
        if whole {
            self.is_read.store(true, Ordering::Release);
        }
    }

    fn replace(&self, read: Vec<Stocked>, whole: bool) {
        // An event that is learned by an old shelf while this goes on comes back with the next read.
        let before = self.shelves.load_full();
        let Some(next) = before.with(read, whole) else {
            return;
        };
        let next = Arc::new(next);
        self.shelves.store(Arc::clone(&next));
        for shelf in next.all() {
            let replaced = before
                .get(&shelf.product.id)
                .is_some_and(|old| !Arc::ptr_eq(old, shelf));
            if replaced {
                shelf.tell();
            }
        }
    }

    /// Learns a product's stock, unless newer stock is known; answers whether the product is known.
    fn learn(&self, id: &ProductId, stock: Stock) -> bool {
        let Some(shelf) = self.shelf(id) else { return false };
        shelf.learn(stock);
        true
    }
}

/// A moment as it is shown, to the millisecond.
pub fn server_time(now: OffsetDateTime) -> String {
    let now = now.replace_millisecond(now.millisecond()).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalog_domain::{Kind, Product, SaleState, Sort};
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
        let product = Product {
            id: id.parse().unwrap(),
            name: name.to_owned(),
            description: String::new(),
            category: None,
            kind: Kind::Limited,
            images: Vec::new(),
            price: Money::new(1, "KRW".parse().unwrap()),
            state: SaleState::OnSale,
            opens_at: None,
            closes_at: None,
            per_customer: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
            version: 1,
        };
        Stocked {
            product,
            stock: stock(available, version),
        }
    }

    fn shown(catalog: &Catalog) -> Vec<(String, i64)> {
        let shelves = catalog.shelves(9);
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

    #[test]
    fn pages_go_on_where_the_last_one_ended_whatever_is_put_up_meanwhile() {
        let catalog = Catalog::default();
        let names = ["a", "b", "c", "d", "e"];
        catalog.put_up(names.map(|id| stocked(id, id, 1, 1)).into(), true);
        let mut listing = Listing {
            sort: Sort::Name,
            limit: 2,
            ..Listing::first()
        };
        let mut shown = Vec::new();
        for round in 0.. {
            let page = catalog.page(&listing);
            shown.extend(page.shelves.iter().map(|shelf| shelf.product.name.clone()));
            listing.after = page.next;
            if listing.after.is_none() {
                break;
            }
            catalog.put_up(vec![stocked(&format!("new{round}"), "aa", 1, 1)], false);
        }
        assert_eq!(shown, names);
    }

    #[test]
    fn a_list_shows_what_is_asked_for_and_nothing_that_is_retired() {
        let catalog = Catalog::default();
        let put = |id: &str, category: Option<&str>, kind, state| {
            let mut stocked = stocked(id, id, 1, 1);
            stocked.product.category = category.map(|category| category.parse().unwrap());
            (stocked.product.kind, stocked.product.state) = (kind, state);
            stocked
        };
        let read = vec![
            put("a", Some("shoes"), Kind::Limited, SaleState::OnSale),
            put("b", Some("shoes"), Kind::Ordinary, SaleState::Stopped),
            put("c", None, Kind::Limited, SaleState::OnSale),
            put("d", Some("shoes"), Kind::Limited, SaleState::Retired),
        ];
        catalog.put_up(read, true);
        for (query, expected) in [
            ("", "abc"),
            ("category=shoes", "ab"),
            ("kind=limited", "ac"),
            ("category=shoes&kind=limited", "a"),
            ("category=hats", ""),
        ] {
            let page = catalog.page(&Listing::parse(query).unwrap());
            let ids: String = page
                .shelves
                .iter()
                .map(|shelf| shelf.product.id.as_str())
                .collect();
            assert_eq!((ids.as_str(), page.next.is_none()), (expected, true), "{query}");
        }
        assert!(catalog.shelf(&"d".parse().unwrap()).is_some(), "its page stays");
    }

    #[test]
    fn whoever_listens_hears_of_stock_and_of_the_product_but_not_of_what_is_known() {
        let catalog = Catalog::default();
        catalog.put_up(vec![stocked("a", "A", 9, 1)], true);
        let id = "a".parse().unwrap();
        let mut heard = catalog.shelf(&id).unwrap().listen();
        let mut is_news = || {
            let changed = heard.has_changed().unwrap();
            heard.mark_unchanged();
            changed
        };
        catalog.learn(&id, stock(9, 1));
        assert!(!is_news());
        catalog.learn(&id, stock(8, 2));
        assert!(is_news());
        catalog.put_up(vec![stocked("a", "New name", 8, 2)], true);
        assert!(is_news());
    }

    #[test]
    fn the_time_is_the_databases() {
        let catalog = Catalog::default();
        catalog.set_clock(OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(5_250), 1_000);
        assert_eq!(server_time(catalog.server_time(2_000)), "1970-01-01T00:00:06.25Z");
    }
}
