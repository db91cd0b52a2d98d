//! What an order request asks for.

use crate::{
    Fingerprint,
    limits::{LINES_MAX, QUANTITY_MAX},
};
use contract::{Money, OrderView, ProductId, RequestedLine};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Lines that are well formed: 1 to [`LINES_MAX`] different products, in product order.
///
/// The order is ours, not the shopper's: the same lines in another order are the same request, with the same
/// fingerprint, in the same queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basket {
    lines: Vec<RequestedLine>,
    routed_by: ProductId,
    from_cart: bool,
    address: Option<Uuid>,
    fingerprint: Fingerprint,
}

/// Why a body is no order request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BasketError {
    /// Not JSON.
    NotJson(String),
    /// JSON of another shape: a field is missing, unknown or of the wrong type.
    Shape(String),
    /// The right shape with wrong values; every mistake is listed.
    Values(Vec<Mistake>),
}

/// One wrong value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// An order as it is asked for, not checked yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderRequest {
    /// What is wanted, each product once.
    #[cfg_attr(feature = "schema", schema(min_items = 1, max_items = 20))]
    lines: Vec<OrderRequestLine>,
    /// Whether the lines leave the cart once the order is accepted.
    #[serde(default)]
    from_cart: bool,
    /// Which of the member's addresses it goes to; the default one if none is named.
    #[cfg_attr(feature = "schema", schema(format = Uuid))]
    address_id: Option<String>,
}

/// One product of an order as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrderRequestLine {
    /// Which product.
    #[cfg_attr(feature = "schema", schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$"))]
    product_id: String,
    /// How many units.
    #[cfg_attr(feature = "schema", schema(minimum = 1, maximum = 10))]
    quantity: i64,
    /// The price of one unit that the shopper saw. At another price nothing is ordered.
    seen_price: Option<Money>,
}

// === impl Basket ===

impl Basket {
    /// Reads the body of an order request: `{"lines":[{"product_id":…,"quantity":…}]}`.
    ///
    /// # Errors
    /// [`BasketError`].
    pub fn parse(body: &[u8]) -> Result<Self, BasketError> {
        let raw: OrderRequest = serde_json::from_slice(body).map_err(classify)?;
        let mut mistakes = Vec::new();
        if raw.lines.len() > LINES_MAX {
            mistakes.push(mistake("/lines".to_owned(), format!("at most {LINES_MAX} lines")));
        }
        let mut lines = Vec::new();
        for (at, raw) in raw.lines.iter().take(LINES_MAX).enumerate() {
            lines.extend(line(at, raw, &mut mistakes));
        }
        lines.sort_by(|a, b| a.product_id.cmp(&b.product_id));
        if lines
            .windows(2)
            .any(|pair| pair[0].product_id == pair[1].product_id)
        {
            let detail = "name each product once, with its whole quantity";
            mistakes.push(mistake("/lines".to_owned(), detail.to_owned()));
        }
        let address = raw.address_id.as_deref().map(|id| address(id, &mut mistakes));
        match lines.first() {
            None if mistakes.is_empty() => Err(BasketError::Values(vec![mistake(
                "/lines".to_owned(),
                "at least one line".to_owned(),
            )])),
            Some(first) if mistakes.is_empty() => Ok(Self {
                routed_by: first.product_id.clone(),
                from_cart: raw.from_cart,
                address: address.flatten(),
                fingerprint: fingerprint(&lines, address.flatten()),
                lines,
            }),
            _ => Err(BasketError::Values(mistakes)),
        }
    }

    /// The lines, in product order.
    pub fn lines(&self) -> &[RequestedLine] {
        &self.lines
    }

    /// Whether they leave the cart once they are ordered.
    pub fn is_from_cart(&self) -> bool {
        self.from_cart
    }

    /// The address that is named.
    pub fn address(&self) -> Option<Uuid> {
        self.address
    }

    /// The product whose queue the order stands in.
    pub fn routed_by(&self) -> &ProductId {
        &self.routed_by
    }

    /// Whether `order` has just these lines; unknown when it shows none.
    pub fn is_of(&self, order: &OrderView) -> Option<bool> {
        let mut shown: Vec<_> = order
            .lines
            .iter()
            .map(|line| (&line.product_id, line.quantity))
            .collect();
        shown.sort_unstable();
        let asked = self.lines.iter().map(|line| (&line.product_id, line.quantity));
        (!shown.is_empty()).then(|| asked.eq(shown))
    }

    /// What tells this request from another one under the same key.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

fn fingerprint(lines: &[RequestedLine], address: Option<Uuid>) -> Fingerprint {
    // A field that a later version adds must be left out here while it is absent, or repeats that span the
    // upgrade would look like other requests.
    let canonical = lines
        .iter()
        .map(|line| format!("{} {}{}\n", line.product_id, line.quantity, seen(line)));
    let address = address.map(|id| format!("address {id}\n"));
    Fingerprint::of(&canonical.chain(address).collect::<String>())
}

fn address(id: &str, mistakes: &mut Vec<Mistake>) -> Option<Uuid> {
    let read = Uuid::try_parse(id).ok();
    if read.is_none() {
        mistakes.push(mistake(
            "/address_id".to_owned(),
            "the id of one of your addresses".to_owned(),
        ));
    }
    read
}

fn seen(line: &RequestedLine) -> String {
    line.seen_price
        .map_or_else(String::new, |seen| format!(" {} {}", seen.minor, seen.currency))
}

fn classify(error: serde_json::Error) -> BasketError {
    if error.is_data() {
        BasketError::Shape(error.to_string())
    } else {
        BasketError::NotJson(error.to_string())
    }
}

fn line(at: usize, raw: &OrderRequestLine, mistakes: &mut Vec<Mistake>) -> Option<RequestedLine> {
    let product_id = raw.product_id.parse::<ProductId>();
    if let Err(error) = &product_id {
        mistakes.push(mistake(format!("/lines/{at}/product_id"), error.to_string()));
    }
    let quantity = u32::try_from(raw.quantity)
        .ok()
        .filter(|quantity| (1..=QUANTITY_MAX).contains(quantity));
    if quantity.is_none() {
        mistakes.push(mistake(
            format!("/lines/{at}/quantity"),
            format!("1 to {QUANTITY_MAX} units"),
        ));
    }
    Some(RequestedLine {
        product_id: product_id.ok()?,
        quantity: quantity?,
        seen_price: raw.seen_price,
    })
}

impl Mistake {
    /// A mistake at a JSON pointer, or of a parameter of that name.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

fn mistake(pointer: String, detail: String) -> Mistake {
    Mistake { pointer, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parse(body: Value) -> Result<Basket, BasketError> {
        Basket::parse(body.to_string().as_bytes())
    }

    fn pointers(result: Result<Basket, BasketError>) -> Vec<String> {
        match result {
            Err(BasketError::Values(mistakes)) => {
                mistakes.into_iter().map(|mistake| mistake.pointer).collect()
            }
            other => panic!("expected wrong values, got {other:?}"),
        }
    }

    #[test]
    fn the_same_lines_in_any_order_are_the_same_request() {
        let one = parse(json!({"lines":[{"product_id":"b","quantity":2},{"product_id":"a","quantity":1}]}));
        let two = parse(json!({"lines":[{"quantity":1,"product_id":"a"},{"product_id":"b","quantity":2}]}));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two);
        assert_eq!(one.routed_by().as_str(), "a");
        assert_eq!(one.fingerprint(), two.fingerprint());
    }

    #[test]
    fn other_lines_are_another_request() {
        let print = |body: Value| parse(body).unwrap().fingerprint().clone();
        let base = print(json!({"lines":[{"product_id":"a","quantity":1}]}));
        for other in [
            json!({"lines":[{"product_id":"a","quantity":2}]}),
            json!({"lines":[{"product_id":"b","quantity":1}]}),
            json!({"lines":[{"product_id":"a","quantity":1,"seen_price":{"minor":1,"currency":"KRW"}}]}),
            json!({"lines":[{"product_id":"a","quantity":1},{"product_id":"b","quantity":1}]}),
            json!({"lines":[{"product_id":"a","quantity":1}], "address_id": "00000000-0000-0000-0000-000000000007"}),
        ] {
            assert_ne!(print(other.clone()), base, "{other}");
        }
    }

    #[test]
    fn an_order_is_recognised_by_its_lines() {
        let id = contract::OrderId::derive(&contract::ShopperId::of_session("ann"), "k", 1);
        let line = |product: &str, quantity| contract::OrderLine {
            product_id: product.parse().unwrap(),
            name: String::new(),
            quantity,
            unit_price: Money::new(1, "KRW".parse().unwrap()),
        };
        let basket = json!({"lines":[{"product_id":"a","quantity":1},{"product_id":"b","quantity":2}]});
        let basket = parse(basket).unwrap();
        for (lines, same) in [
            (vec![line("b", 2), line("a", 1)], Some(true)),
            (vec![line("a", 1)], Some(false)),
            (vec![line("a", 1), line("b", 1)], Some(false)),
            (vec![], None),
        ] {
            let order = OrderView {
                lines,
                ..OrderView::pending(id)
            };
            assert_eq!(basket.is_of(&order), same, "{order:?}");
        }
    }

    #[test]
    fn every_wrong_value_is_listed() {
        let line = |product: &str, quantity: i64| json!({"product_id": product, "quantity": quantity});
        let many = vec![line("a", 1); LINES_MAX + 1];
        for (lines, expected) in [
            (json!([]), vec!["/lines"]),
            (
                json!([line("A", 0)]),
                vec!["/lines/0/product_id", "/lines/0/quantity"],
            ),
            (json!([line("a", 1), line("b", -1)]), vec!["/lines/1/quantity"]),
            (json!([line("a", i64::MAX)]), vec!["/lines/0/quantity"]),
            (
                json!([line("a", i64::from(QUANTITY_MAX) + 1)]),
                vec!["/lines/0/quantity"],
            ),
            (json!([line("a", 1), line("a", 1)]), vec!["/lines"]),
            (json!(many), vec!["/lines", "/lines"]),
        ] {
            assert_eq!(pointers(parse(json!({ "lines": lines }))), expected, "{lines}");
        }
        let nowhere = json!({ "lines": [line("a", 0)], "address_id": "home" });
        assert_eq!(pointers(parse(nowhere)), ["/lines/0/quantity", "/address_id"]);
    }

    #[test]
    fn a_body_of_another_shape_is_told_from_one_that_is_not_json() {
        for shape in [
            r#"{"lines":[{"product_id":"a","quantity":1,"price":0}]}"#,
            r#"{"lines":[{"product_id":"a","quantity":1}],"coupon":"x"}"#,
            r#"{"lines":[{"product_id":"a","quantity":1.5}]}"#,
            r#"{"lines":{}}"#,
            "{}",
            "[]",
            "null",
        ] {
            assert!(
                matches!(Basket::parse(shape.as_bytes()), Err(BasketError::Shape(_))),
                "{shape}"
            );
        }
        for garbage in [&b""[..], b"{", b"{\"lines\":[}", b"\xff\xfe", b"{} {}"] {
            let parsed = Basket::parse(garbage);
            assert!(
                matches!(parsed, Err(BasketError::NotJson(_) | BasketError::Shape(_))),
                "{parsed:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_keeps_the_limits(
            lines in prop::collection::vec(("[a-cA]{0,2}", -1i64..13), 0..13)
        ) {
            let lines: Vec<Value> =
                lines.iter().map(|(id, quantity)| json!({"product_id": id, "quantity": quantity})).collect();
            if let Ok(basket) = parse(json!({ "lines": lines })) {
                prop_assert!((1..=LINES_MAX).contains(&basket.lines().len()));
                prop_assert!(basket.lines().windows(2).all(|pair| pair[0].product_id < pair[1].product_id));
                prop_assert!(basket.lines().iter().all(|line| (1..=QUANTITY_MAX).contains(&line.quantity)));
            }
        }

        #[test]
        fn garbage_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Basket::parse(&body);
        }
    }
}
