//! Orders for what is sold out are answered here: neither shop nor queue nor database hears of them.
//!
//! Whether a request repeats one that was accepted only the shop can know, so only requests that say they are the first
//! with their key are answered. All others go to the shop, as does whatever cannot be read.

use super::refusal::Refusal;
use crate::{gate::Passage, reply::Reply, rooms::Room};
use contract::Problem;
use http::{HeaderName, HeaderValue, Method, header::CONTENT_LENGTH, request::Parts};
use pingora_core::Result;
use pingora_proxy::Session;
use serde::Deserialize;
use std::{borrow::Cow, time::Duration};

/// `?1` says that no request was sent with this key before. It stays at the edge, as all headers of this name do.
const FIRST_TRY: HeaderName = HeaderName::from_static("waiting-room-first-try");
const YES: &[u8] = b"?1";
/// A longer order is the shop's to read. Pingora keeps four times as much for who is asked next.
const ORDER_BYTES_MAX: usize = 16 * 1024;

/// What an order says of its products; the rest is the shop's to read.
#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    lines: Vec<Line<'a>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    product_id: Cow<'a, str>,
}

/// The answer to an order for what the room has nothing left of. What is read of a request that goes on is kept for its
/// origin.
pub(super) async fn answer(
    session: &mut Session,
    passage: &Passage,
    body_within: Duration,
) -> Result<Option<Reply>> {
    if wanted(passage, session.req_header()).is_none() {
        return Ok(None);
    }
    let Ok(body) = tokio::time::timeout(body_within, read(session)).await else {
        return Ok(Some(Refusal::BodySlow.reply()));
    };
    Ok(reply(passage, session.req_header(), &body?))
}

/// The same, for a request whose body is there.
pub(super) fn reply(passage: &Passage, request: &Parts, body: &[u8]) -> Option<Reply> {
    let (room, product) = wanted(passage, request)?;
    if !names(body, product) {
        return None;
    }
    metrics::counter!("waiting_room_orders_sold_out_total", "room" => room.config.id.to_string())
        .increment(1);
    let problem = Problem::new(409, "sold-out", "Sold out");
    let problem = problem.detail(format!(
        "Nothing is left of {product} right now. Some of it may come back."
    ));
    let reply = passage
        .cookies
        .iter()
        .fold(Reply::problem(&problem), Reply::with_cookie);
    let limits = passage.limits.iter().cloned();
    Some(limits.fold(reply, |reply, (name, value)| reply.with(name, value)))
}

/// The room and the product of it that is gone, if this request may be an order that is answered here.
fn wanted<'a>(passage: &'a Passage, request: &Parts) -> Option<(&'a Room, &'a str)> {
    let room = &passage.admitted.as_ref()?.room;
    Some((room, sold_out_product(room, request)?))
}

/// What the room sells, if this request may be an order that is answered here.
fn sold_out_product<'a>(room: &'a Room, request: &Parts) -> Option<&'a str> {
    let stock = room.config.steering.stock.as_ref()?;
    let path = stock.orders.as_deref()?;
    let orders = request.method == Method::POST && request.uri.path() == path;
    let is_first = request.headers.get(FIRST_TRY).map(HeaderValue::as_bytes) == Some(YES);
    let is_gone = || room.view().as_ref().is_some_and(|view| view.is_gone());
    (orders && is_first && is_short(request) && is_gone()).then_some(&stock.product)
}

/// Whether the head announces a body that is read here.
fn is_short(request: &Parts) -> bool {
    let length = request.headers.get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.is_some_and(|length| length <= ORDER_BYTES_MAX)
}

async fn read(session: &mut Session) -> Result<Vec<u8>> {
    session.enable_retry_buffering();
    let mut body = Vec::new();
    while let Some(part) = session
        .read_request_body()
        .await
        .map_err(|error| error.into_down())?
    {
        body.extend_from_slice(&part);
    }
    Ok(body)
}

/// Whether this order wants `product`. An order is all or nothing, so one line decides.
fn names(body: &[u8], product: &str) -> bool {
    let order = serde_json::from_slice::<Order<'_>>(body);
    order.is_ok_and(|order| order.lines.iter().any(|line| line.product_id == product))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_far_as_its_products() {
        for (body, expected) in [
            (r#"{"lines":[{"product_id":"boot","quantity":1}]}"#, true),
            (
                r#"{"lines":[{"product_id":"hat"},{"quantity":2,"product_id":"bo\u006ft"}],"from_cart":true}"#,
                true,
            ),
            (r#"{"lines":[{"product_id":"hat"}]}"#, false),
            (r#"{"lines":[]}"#, false),
            (r#"{"product_id":"boot"}"#, false),
            (r#"{"lines":[{"product_id":"boot"}]"#, false),
            ("", false),
        ] {
            assert_eq!(names(body.as_bytes(), "boot"), expected, "{body}");
        }
    }
}
