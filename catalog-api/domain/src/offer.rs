//! What an administrator says of a product: all of it when it is new, a part of it when it changes.

use crate::{
    Kind, Mistake, SaleState,
    limits::{
        DESCRIPTION_MAX_CHARS, HOLD_MAX_SECONDS, IMAGE_MAX_CHARS, IMAGES_MAX, NAME_MAX_CHARS,
        PER_CUSTOMER_MAX, UNITS_MAX,
    },
    text::{is_line, is_text},
};
use contract::{CategoryId, Money, ProductId};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

/// Everything about a product that may be changed. Its stock is not among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Offer {
    /// Its name.
    pub name: String,
    /// A sentence or two.
    pub description: String,
    /// Where it stands in the shop.
    pub category: Option<CategoryId>,
    /// What kind of sale it is.
    pub kind: Kind,
    /// Addresses of pictures, the best first.
    pub images: Vec<String>,
    /// What one unit costs.
    pub price: Money,
    /// How long a new order's units are held for its payment, in seconds.
    pub hold_seconds: i32,
    /// How many units one customer may have, held and bought; as many as there are if nothing is said.
    pub per_customer: Option<i32>,
    /// Whether it is on sale, stopped, or retired.
    pub state: SaleState,
    /// From when it may be ordered (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub opens_at: Option<OffsetDateTime>,
    /// From when on it may not be ordered any more (RFC 3339).
    #[serde(with = "time::serde::rfc3339::option")]
    pub closes_at: Option<OffsetDateTime>,
}

/// A product that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Its identifier.
    pub id: ProductId,
    /// Everything else.
    pub offer: Offer,
    /// How many units there are.
    pub on_hand: i64,
}

/// A product that is asked for, not checked yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewProductRequest {
    /// Its identifier: 1 to 64 of a-z, 0-9 and '-'.
    #[cfg_attr(feature = "schema", schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$"))]
    id: String,
    /// How many units there are.
    #[cfg_attr(feature = "schema", schema(minimum = 0, maximum = 1_000_000_000))]
    on_hand: i64,
    /// The rest; `name` and `price` must be there.
    offer: OfferChange,
}

/// What is to change of a product; what is left out stays. `null` takes away what may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OfferChange {
    /// Its name.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 200))]
    name: Option<String>,
    /// A sentence or two.
    #[cfg_attr(feature = "schema", schema(max_length = 2000))]
    description: Option<String>,
    /// Where it stands in the shop.
    #[serde(default, deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    category: Option<Option<String>>,
    /// What kind of sale it is.
    kind: Option<Kind>,
    /// Addresses of pictures: `https://…`, or a path of this shop.
    #[cfg_attr(feature = "schema", schema(max_items = 8))]
    images: Option<Vec<String>>,
    /// What one unit costs.
    price: Option<Money>,
    /// How long a new order's units are held for its payment, in seconds.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 86_400))]
    hold_seconds: Option<i64>,
    /// How many units one customer may have, held and bought.
    #[serde(default, deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000))]
    per_customer: Option<Option<i64>>,
    /// Whether it is on sale, stopped, or retired.
    state: Option<SaleState>,
    /// From when it may be ordered (RFC 3339).
    #[serde(default, deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    opens_at: Option<Option<String>>,
    /// From when on it may not be ordered any more (RFC 3339).
    #[serde(default, deserialize_with = "present")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    closes_at: Option<Option<String>>,
}

/// Units that come or go otherwise than by orders.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Adjustment {
    /// How many come; fewer than none go.
    #[cfg_attr(feature = "schema", schema(minimum = -1_000_000_000, maximum = 1_000_000_000))]
    pub units: i64,
    /// Why, for whoever looks later.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 200))]
    pub reason: String,
}

/// Why a body says nothing of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfferError {
    /// Not JSON.
    NotJson(String),
    /// JSON of another shape: a field is missing, unknown or of the wrong type.
    Shape(String),
    /// The right shape with wrong values; every mistake is listed.
    Values(Vec<Mistake>),
}

/// A field that is there, be it `null`.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(field).map(Some)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, OfferError> {
    serde_json::from_slice(body).map_err(|error| {
        let told = error.to_string();
        if error.is_data() {
            OfferError::Shape(told)
        } else {
            OfferError::NotJson(told)
        }
    })
}

// === impl NewProduct ===

impl NewProduct {
    /// Reads the body of a request for a new product.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn parse(body: &[u8]) -> Result<Self, OfferError> {
        let NewProductRequest { id, on_hand, offer } = read(body)?;
        let mut mistakes = Vec::new();
        let id = id.parse::<ProductId>();
        mistakes.extend(
            id.as_ref()
                .err()
                .map(|error| Mistake::new("/id", error.to_string())),
        );
        if !(0..=UNITS_MAX).contains(&on_hand) {
            mistakes.push(Mistake::new("/on_hand", format!("0 to {UNITS_MAX} units")));
        }
        for (pointer, missing) in [
            ("/offer/name", offer.name.is_none()),
            ("/offer/price", offer.price.is_none()),
        ] {
            if missing {
                mistakes.push(Mistake::new(pointer, "is missing"));
            }
        }
        let offer = offer
            .price
            .map(|price| offer.put_upon(Offer::blank(price), "/offer", &mut mistakes));
        match (id, offer) {
            (Ok(id), Some(offer)) if mistakes.is_empty() => Ok(Self { id, offer, on_hand }),
            _ => Err(OfferError::Values(mistakes)),
        }
    }
}

// === impl OfferChange ===

impl OfferChange {
    /// Reads the body of a change.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn parse(body: &[u8]) -> Result<Self, OfferError> {
        // An array would be read as fields in their order.
        let object: Value = read(body)?;
        if !object.is_object() {
            return Err(OfferError::Shape("a change is an object".to_owned()));
        }
        read(body)
    }

    /// What becomes of an offer.
    ///
    /// # Errors
    /// [`OfferError::Values`].
    pub fn applied_to(&self, offer: Offer) -> Result<Offer, OfferError> {
        let mut mistakes = Vec::new();
        let offer = self.put_upon(offer, "", &mut mistakes);
        if mistakes.is_empty() {
            Ok(offer)
        } else {
            Err(OfferError::Values(mistakes))
        }
    }

    fn put_upon(&self, mut offer: Offer, at: &str, mistakes: &mut Vec<Mistake>) -> Offer {
        let mut check = |field: &str, good: bool, detail: &str| {
            if !good {
                mistakes.push(Mistake::new(format!("{at}/{field}"), detail));
            }
            good
        };
        if let Some(name) = &self.name {
            check(
                "name",
                is_line(name, NAME_MAX_CHARS),
                "one line of 1 to 200 characters",
            );
            offer.name.clone_from(name);
        }
        if let Some(description) = &self.description {
            let good = is_text(description, DESCRIPTION_MAX_CHARS);
            check(
                "description",
                good,
                "at most 2000 characters, no control characters",
            );
            offer.description.clone_from(description);
        }
        if let Some(category) = &self.category {
            let read = category.as_deref().map(str::parse).transpose();
            check("category", read.is_ok(), "1 to 64 of a-z, 0-9 and '-'");
            offer.category = read.unwrap_or_default();
        }
        if let Some(images) = &self.images {
            let good = images.len() <= IMAGES_MAX && images.iter().all(|image| is_image(image));
            check(
                "images",
                good,
                "at most 8 addresses: https://…, or a path of this shop",
            );
            offer.images.clone_from(images);
        }
        if let Some(price) = self.price {
            check("price/minor", price.minor >= 0, "not negative");
            offer.price = price;
        }
        if let Some(seconds) = self.hold_seconds {
            let read = up_to(HOLD_MAX_SECONDS, seconds);
            check("hold_seconds", read.is_some(), "1 to 86400 seconds");
            offer.hold_seconds = read.unwrap_or(offer.hold_seconds);
        }
        if let Some(units) = self.per_customer {
            let read = units.map(|units| up_to(PER_CUSTOMER_MAX, units));
            check("per_customer", read != Some(None), "1 to 1000000 units, or null");
            offer.per_customer = read.flatten();
        }
        offer.kind = self.kind.unwrap_or(offer.kind);
        offer.state = self.state.unwrap_or(offer.state);
        for (field, changed, moment) in [
            ("opens_at", &self.opens_at, &mut offer.opens_at),
            ("closes_at", &self.closes_at, &mut offer.closes_at),
        ] {
            let Some(changed) = changed else { continue };
            let read = changed.as_deref().map(read_moment);
            check(
                field,
                read != Some(None),
                "a moment as in RFC 3339, e.g. 2027-01-31T12:00:00Z",
            );
            *moment = read.flatten();
        }
        let times = offer.opens_at.zip(offer.closes_at);
        let in_order = times.is_none_or(|(opens, closes)| opens < closes);
        check("closes_at", in_order, "later than opens_at");
        offer
    }
}

// === impl Offer ===

impl Offer {
    fn blank(price: Money) -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            category: None,
            kind: Kind::Ordinary,
            images: Vec::new(),
            price,
            hold_seconds: 1_800,
            per_customer: None,
            state: SaleState::OnSale,
            opens_at: None,
            closes_at: None,
        }
    }
}

// === impl Adjustment ===

impl Adjustment {
    /// Reads the body of an adjustment.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn parse(body: &[u8]) -> Result<Self, OfferError> {
        let adjustment: Self = read(body)?;
        let mut mistakes = Vec::new();
        if adjustment.units == 0 || adjustment.units.unsigned_abs() > UNITS_MAX.unsigned_abs() {
            mistakes.push(Mistake::new(
                "/units",
                format!("1 to {UNITS_MAX} units more or fewer"),
            ));
        }
        if !is_line(&adjustment.reason, NAME_MAX_CHARS) {
            mistakes.push(Mistake::new("/reason", "one line of 1 to 200 characters"));
        }
        if mistakes.is_empty() {
            Ok(adjustment)
        } else {
            Err(OfferError::Values(mistakes))
        }
    }
}

/// A number from 1 to `most`.
fn up_to(most: i32, number: i64) -> Option<i32> {
    i32::try_from(number)
        .ok()
        .filter(|number| (1..=most).contains(number))
}

/// To the microsecond, as the database keeps it, and of a year that every reader can write.
fn read_moment(text: &str) -> Option<OffsetDateTime> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let moment = moment.checked_to_offset(time::UtcOffset::UTC)?;
    let moment = moment.replace_microsecond(moment.microsecond()).ok()?;
    (1970..=9999).contains(&moment.year()).then_some(moment)
}

/// An address that a page may name: of this shop, or of anywhere by TLS.
fn is_image(text: &str) -> bool {
    let plain = text.len() <= IMAGE_MAX_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
    let own = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    let foreign = || Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host());
    plain && (own || foreign())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(error: OfferError) -> Vec<String> {
        match error {
            OfferError::Values(mistakes) => mistakes.into_iter().map(|mistake| mistake.pointer).collect(),
            other => panic!("expected wrong values, got {other:?}"),
        }
    }

    fn parse(body: Value) -> Result<NewProduct, OfferError> {
        NewProduct::parse(body.to_string().as_bytes())
    }

    fn price() -> Value {
        json!({ "minor": 5, "currency": "KRW" })
    }

    #[test]
    fn a_new_product_needs_a_name_and_a_price_and_the_rest_is_usual() {
        let product =
            parse(json!({ "id": "a", "on_hand": 3, "offer": { "name": "A", "price": price() } })).unwrap();
        assert_eq!((product.id.as_str(), product.on_hand), ("a", 3));
        assert_eq!(
            (product.offer.kind, product.offer.state),
            (Kind::Ordinary, SaleState::OnSale)
        );
        assert_eq!(product.offer.hold_seconds, 1_800);
        let bare = parse(json!({ "id": "A", "on_hand": -1, "offer": {} })).unwrap_err();
        assert_eq!(pointers(bare), ["/id", "/on_hand", "/offer/name", "/offer/price"]);
        assert!(matches!(parse(json!({ "id": "a" })), Err(OfferError::Shape(_))));
        assert!(matches!(NewProduct::parse(b"{"), Err(OfferError::NotJson(_))));
    }

    #[test]
    fn every_value_is_checked() {
        let blank = || Offer {
            name: "A".to_owned(),
            ..Offer::blank(Money::new(5, "KRW".parse().unwrap()))
        };
        for (change, mistakes) in [
            (json!({}), &[][..]),
            (json!({ "name": "" }), &["/name"]),
            (json!({ "name": "a\nb" }), &["/name"]),
            (json!({ "name": "a\u{0}" }), &["/name"]),
            (json!({ "name": "x".repeat(201) }), &["/name"]),
            (json!({ "description": "two\nlines" }), &[]),
            (json!({ "description": "\u{0}" }), &["/description"]),
            (json!({ "category": "Shoes" }), &["/category"]),
            (json!({ "category": null }), &[]),
            (json!({ "per_customer": 1 }), &[]),
            (json!({ "per_customer": null }), &[]),
            (json!({ "per_customer": 0 }), &["/per_customer"]),
            (json!({ "per_customer": 4_294_967_297_i64 }), &["/per_customer"]),
            (
                json!({ "images": ["https://cdn.example/a.jpg", "/assets/a.png"] }),
                &[],
            ),
            (json!({ "images": ["http://cdn.example/a.jpg"] }), &["/images"]),
            (json!({ "images": ["javascript:alert(1)"] }), &["/images"]),
            (json!({ "images": ["//cdn.example/a.jpg"] }), &["/images"]),
            (json!({ "images": ["/a\\b"] }), &["/images"]),
            (json!({ "images": ["/a b"] }), &["/images"]),
            (json!({ "images": vec!["/a"; 9] }), &["/images"]),
            (
                json!({ "price": { "minor": -1, "currency": "KRW" } }),
                &["/price/minor"],
            ),
            (json!({ "hold_seconds": 0 }), &["/hold_seconds"]),
            (json!({ "hold_seconds": 86_401 }), &["/hold_seconds"]),
            (json!({ "opens_at": "2027-01-01" }), &["/opens_at"]),
            (json!({ "opens_at": "2027-01-01T00:00:00+09:00" }), &[]),
            (json!({ "opens_at": "0001-01-01T00:00:00Z" }), &["/opens_at"]),
            (
                json!({ "opens_at": "2027-01-01T00:00:00Z", "closes_at": "2027-01-01T00:00:00Z" }),
                &["/closes_at"],
            ),
        ] {
            let read = OfferChange::parse(change.to_string().as_bytes()).unwrap();
            let made = read
                .applied_to(blank())
                .map_err(pointers)
                .err()
                .unwrap_or_default();
            assert_eq!(made, mistakes, "{change}");
        }
        for (body, shape) in [
            ("[]", true),
            ("{\"x\":1}", true),
            ("{\"kind\":\"odd\"}", true),
            ("", false),
        ] {
            let error = OfferChange::parse(body.as_bytes()).unwrap_err();
            assert_eq!(matches!(error, OfferError::Shape(_)), shape, "{body}");
        }
    }

    #[test]
    fn what_is_left_out_stays_and_null_takes_away() {
        let blank = Offer {
            opens_at: Some(OffsetDateTime::UNIX_EPOCH),
            ..Offer::blank(Money::new(5, "KRW".parse().unwrap()))
        };
        let change = |body: &str| {
            OfferChange::parse(body.as_bytes())
                .unwrap()
                .applied_to(blank.clone())
                .unwrap()
        };
        assert_eq!(change("{}"), blank);
        assert_eq!(change("{\"opens_at\":null}").opens_at, None);
        assert_eq!(change("{\"state\":\"retired\"}").state, SaleState::Retired);
    }

    #[test]
    fn an_adjustment_is_of_some_units_and_says_why() {
        let parse = |body: Value| Adjustment::parse(body.to_string().as_bytes());
        assert!(parse(json!({ "units": -3, "reason": "broken" })).is_ok());
        let bad = parse(json!({ "units": 0, "reason": "" })).unwrap_err();
        assert_eq!(pointers(bad), ["/units", "/reason"]);
        let bad = parse(json!({ "units": i64::MIN, "reason": "all" })).unwrap_err();
        assert_eq!(pointers(bad), ["/units"]);
    }
}
