//! Which products a list shows: sorted, filtered, a page at a time.
//!
//! A page goes on where the one before it ended, by the place of its last product and not by a count, so that nothing
//! is shown twice or passed over because something else was put up meanwhile. The place travels as a cursor, which
//! means nothing to clients; a cursor that was tampered with is another place, and does no harm.

use crate::{
    Kind, Mistake, Product,
    limits::{CURSOR_MAX_CHARS, PAGE_MAX, PAGE_USUAL},
    words::words,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::{CategoryId, Currency, ProductId};
use serde::{Deserialize, Serialize};

words!(
    /// In which order products are listed.
    Sort: "newest, price, -price, name" {
        /// What came last, first.
        Newest = "newest",
        /// What costs least, first; within each currency.
        PriceUp = "price",
        /// What costs most, first; within each currency.
        PriceDown = "-price",
        /// By name.
        Name = "name",
    }
);

/// A page of the products that a visitor wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In which order.
    pub sort: Sort,
    /// Only those of this category.
    pub category: Option<CategoryId>,
    /// Only those of this kind.
    pub kind: Option<Kind>,
    /// How many at most.
    pub limit: usize,
    /// Only those behind this place.
    pub after: Option<Place>,
}

/// The place of a product among all in one order: places compare as the products are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(Key, ProductId);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    /// Microseconds before the Unix epoch, so that the newest is the least.
    #[serde(rename = "t")]
    Age(i64),
    #[serde(rename = "p")]
    Price(String, i64),
    /// The negative price.
    #[serde(rename = "d")]
    Dearness(String, i64),
    #[serde(rename = "n")]
    Name(String),
}

// === impl Listing ===

impl Listing {
    /// The first page of everything.
    pub fn first() -> Self {
        Self {
            sort: Sort::Newest,
            category: None,
            kind: None,
            limit: PAGE_USUAL,
            after: None,
        }
    }

    /// Reads the query of an address: `sort`, `category`, `kind`, `limit`, `after`. Other parameters mean nothing
    /// here; of one that stands there twice the last counts.
    ///
    /// # Errors
    /// Every mistake; its pointer is the parameter's name.
    pub fn parse(query: &str) -> Result<Self, Vec<Mistake>> {
        let (mut listing, mut mistakes) = (Self::first(), Vec::new());
        let mut after = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let read = match &*name {
                "sort" => value.parse().map(|sort| listing.sort = sort).map_err(text),
                "category" => optional(&value).map(|category| listing.category = category),
                "kind" => optional(&value).map(|kind| listing.kind = kind),
                "limit" => limit(&value).map(|limit| listing.limit = limit),
                "after" => {
                    after = Some(value.into_owned());
                    Ok(())
                }
                _ => Ok(()),
            };
            mistakes.extend(read.err().map(|detail| Mistake::new(name, detail)));
        }
        if let Some(cursor) = after.filter(|cursor| !cursor.is_empty()) {
            listing.after = Place::from_cursor(&cursor).filter(|place| place.is_of(listing.sort));
            if listing.after.is_none() {
                mistakes.push(Mistake::new("after", "a cursor of a page in this order"));
            }
        }
        if mistakes.is_empty() {
            Ok(listing)
        } else {
            Err(mistakes)
        }
    }
}

/// A form that leaves a field empty wants no filter.
fn optional<T: std::str::FromStr<Err: ToString>>(value: &str) -> Result<Option<T>, String> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().map(Some).map_err(text)
}

fn limit(value: &str) -> Result<usize, String> {
    let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    limit.ok_or_else(|| format!("1 to {PAGE_MAX}"))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

// === impl Place ===

impl Place {
    /// The place of a product in an order.
    pub fn of(sort: Sort, product: &Product) -> Self {
        let currency = || Currency::as_str(&product.price.currency).to_owned();
        let key = match sort {
            Sort::Newest => Key::Age(age(product)),
            Sort::PriceUp => Key::Price(currency(), product.price.minor),
            Sort::PriceDown => Key::Dearness(currency(), product.price.minor.saturating_neg()),
            Sort::Name => Key::Name(product.name.clone()),
        };
        Self(key, product.id.clone())
    }

    /// The place as a text for addresses.
    pub fn cursor(&self) -> String {
        // Strings and numbers, which JSON can always express.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn from_cursor(cursor: &str) -> Option<Self> {
        if cursor.len() > CURSOR_MAX_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn is_of(&self, sort: Sort) -> bool {
        matches!(
            (&self.0, sort),
            (Key::Age(_), Sort::Newest)
                | (Key::Price(..), Sort::PriceUp)
                | (Key::Dearness(..), Sort::PriceDown)
                | (Key::Name(_), Sort::Name)
        )
    }
}

fn age(product: &Product) -> i64 {
    let micros = product.created_at.unix_timestamp_nanos() / 1_000;
    i64::try_from(-micros).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::tests::{at, product};
    use contract::Money;

    #[test]
    fn a_query_is_read_whole_or_every_mistake_is_told() {
        let pointers = |query: &str| -> Vec<String> {
            let mistakes = Listing::parse(query).unwrap_err();
            mistakes.into_iter().map(|mistake| mistake.pointer).collect()
        };
        assert_eq!(Listing::parse("").unwrap(), Listing::first());
        let read = Listing::parse("sort=-price&category=shoes&kind=limited&limit=5&utm=x").unwrap();
        assert_eq!((read.sort, read.limit), (Sort::PriceDown, 5));
        assert_eq!(read.category.unwrap().as_str(), "shoes");
        assert_eq!(read.kind, Some(Kind::Limited));
        assert_eq!(
            Listing::parse("category=&kind=&after=").unwrap(),
            Listing::first()
        );
        assert_eq!(pointers("sort=best&limit=0"), ["sort", "limit"]);
        assert_eq!(pointers("limit=101"), ["limit"]);
        assert_eq!(pointers("category=No%20Such&kind=odd"), ["category", "kind"]);
        for cursor in ["x", "bm9uc2Vuc2U", &"A".repeat(5_000)] {
            assert_eq!(pointers(&format!("after={cursor}")), ["after"], "{cursor}");
        }
    }

    #[test]
    fn a_cursor_comes_back_as_the_place_and_belongs_to_its_order() {
        for sort in Sort::ALL {
            let place = Place::of(*sort, &product("a"));
            for other in Sort::ALL {
                let query = format!("sort={}&after={}", other.as_str(), place.cursor());
                let read = Listing::parse(&query);
                assert_eq!(
                    read.ok().and_then(|read| read.after) == Some(place.clone()),
                    sort == other
                );
            }
        }
    }

    #[test]
    fn places_compare_as_products_are_listed() {
        let krw = "KRW".parse().unwrap();
        let made = |id: &str, name: &str, price, age| Product {
            name: name.to_owned(),
            price: Money::new(price, krw),
            created_at: at(age),
            ..product(id)
        };
        let products = [
            made("a", "Zoo", 5, 1),
            made("b", "Ant", 9, 3),
            made("c", "Ant", 5, 2),
        ];
        for (sort, expected) in [
            (Sort::Newest, "bca"),
            (Sort::PriceUp, "acb"),
            (Sort::PriceDown, "bac"),
            (Sort::Name, "bca"),
        ] {
            let mut sorted: Vec<&Product> = products.iter().collect();
            sorted.sort_by_key(|product| Place::of(sort, product));
            let ids: String = sorted.iter().map(|product| product.id.as_str()).collect();
            assert_eq!(ids, expected, "{sort:?}");
        }
    }
}
