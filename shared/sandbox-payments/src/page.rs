//! The checkout page: a plain form that works without JavaScript.

use crate::{
    app::App,
    ledger::Refused,
    outcome::{Outcome, TEST_CARDS},
};
use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{
        HeaderName, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Redirect, Response},
};
use payments::{
    amount_text,
    api::{Payment, PaymentState},
};
use serde::Deserialize;

const FRAME: &str = include_str!("../web/frame.html");
const CHECKOUT: &str = include_str!("../web/checkout.html");
const STYLE: &str = include_str!("../web/checkout.css");

/// What the checkout form sends.
#[derive(Debug, Deserialize)]
pub struct CardForm {
    card_number: String,
}

pub async fn front() -> Response {
    let text = "<p>This is a payment provider to play with. A shop opens payments here; no money moves.</p>";
    page(StatusCode::OK, "Sandbox payments", text, None)
}

pub async fn style() -> impl IntoResponse {
    (
        [
            (CONTENT_TYPE, "text/css; charset=utf-8"),
            (CACHE_CONTROL, "max-age=300"),
        ],
        STYLE,
    )
}

pub async fn show(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.find(&id) {
        Ok(payment) => checkout(StatusCode::OK, &payment, ""),
        Err(refused) => failure(refused),
    }
}

pub async fn pay(
    State(app): State<App>,
    Path(id): Path<String>,
    form: Result<Form<CardForm>, FormRejection>,
) -> Response {
    let payment = match app.find(&id) {
        Ok(payment) => payment,
        Err(refused) => return failure(refused),
    };
    let outcome = form.ok().and_then(|form| Outcome::of_card(&form.card_number));
    let Some(outcome) = outcome else {
        let mistake = r#"<p class="mistake" role="alert">The sandbox does not know this card. Take one of the list.</p>"#;
        return checkout(StatusCode::UNPROCESSABLE_ENTITY, &payment, mistake);
    };
    match app.confirm(&id, outcome) {
        Ok(payment) => Redirect::to(&payment.return_url).into_response(),
        Err(refused) => failure(refused),
    }
}

fn checkout(status: StatusCode, payment: &Payment, mistake: &str) -> Response {
    if payment.state != PaymentState::Open {
        let back = escaped(&payment.return_url);
        let text = format!(
            r#"<p>This payment is finished.</p><p><a class="button" href="{back}">Back to the shop</a></p>"#
        );
        return page(status, "Finished", &text, None);
    }
    let cards = TEST_CARDS.map(|card| {
        format!("<li><label><input type=\"radio\" name=\"card_number\" value=\"{0}\"{2}> <code>{0}</code> <span>{1}</span></label></li>",
            card.number, card.meaning, if card.outcome == Outcome::Paid { " checked" } else { "" })
    });
    let content = CHECKOUT
        .replace("{{cards}}", &cards.concat())
        .replace("{{mistake}}", mistake)
        .replace("{{amount}}", &escaped(&amount_text(payment.amount)))
        .replace("{{back}}", &escaped(&payment.return_url))
        .replace("{{description}}", &escaped(&payment.description));
    page(status, "Pay", &content, Some(&payment.return_url))
}

fn failure(refused: Refused) -> Response {
    let text = format!("<p>{}</p>", escaped(&format!("Sorry: {refused}.")));
    page(StatusCode::NOT_FOUND, "No such payment", &text, None)
}

/// A whole page. Browsers apply `form-action` to the redirect after a form too, so the shop's origin is in it.
fn page(status: StatusCode, title: &str, content: &str, return_url: Option<&str>) -> Response {
    let shop = return_url.and_then(origin).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {shop}; base-uri 'none'; frame-ancestors 'none'"
    );
    let headers: [(HeaderName, String); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
        (CACHE_CONTROL, "no-store".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let body = FRAME
        .replace("{{title}}", &escaped(title))
        .replace("{{content}}", content);
    (status, headers, body).into_response()
}

/// Scheme, host and port of a URL, if they are nothing but that: they go into a header.
fn origin(url: &str) -> Option<&str> {
    let host_at = url.find("://")? + 3;
    let end = url[host_at..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| host_at + at);
    let origin = &url[..end];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:-/[]".contains(&byte);
    origin.bytes().all(plain).then_some(origin)
}

fn escaped(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut escaped, character| {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_nothing_that_could_end_a_directive() {
        for (url, expected) in [
            ("http://127.0.0.1:17080/orders/1", Some("http://127.0.0.1:17080")),
            ("https://shop.example?x", Some("https://shop.example")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("http://a;script-src *", None),
            ("http://a b/", None),
            ("nonsense", None),
        ] {
            assert_eq!(origin(url), expected, "{url}");
        }
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(
            escaped(r#"<a href="x">&'"#),
            "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"
        );
    }
}
