//! The JSON API.

use crate::{
    app::App,
    ledger::Refused,
    outcome::{Outcome, TEST_CARDS},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
};
use contract::Problem;
use payments::api::{Confirmation, NewPayment, NewRefund, Payment, Refund};
use process::ProblemResponse;
use serde::de::DeserializeOwned;

type Answer<T> = Result<Json<T>, ProblemResponse>;
type Body = Result<Bytes, BytesRejection>;

pub async fn open(State(app): State<App>, body: Body) -> Answer<Payment> {
    let asked: NewPayment = read(body)?;
    if !["http://", "https://"]
        .iter()
        .any(|scheme| asked.return_url.starts_with(scheme))
    {
        return Err(problem(
            422,
            "invalid",
            "The request is not valid",
            "return_url must be an http(s) URL",
        ));
    }
    Ok(Json(app.open(asked).map_err(refused)?))
}

pub async fn find(State(app): State<App>, Path(id): Path<String>) -> Answer<Payment> {
    Ok(Json(app.find(&id).map_err(refused)?))
}

pub async fn confirm(State(app): State<App>, Path(id): Path<String>, body: Body) -> Answer<Payment> {
    let asked: Confirmation = read(body)?;
    let outcome = match asked.card_number {
        Some(number) => Outcome::of_card(&number).ok_or_else(unknown_card)?,
        None => Outcome::of_amount(app.find(&id).map_err(refused)?.amount),
    };
    Ok(Json(app.confirm(&id, outcome).map_err(refused)?))
}

pub async fn refund(State(app): State<App>, Path(id): Path<String>, body: Body) -> Answer<Refund> {
    let asked: NewRefund = read(body)?;
    Ok(Json(app.refund(&id, &asked).map_err(refused)?))
}

pub async fn no_such_address() -> ProblemResponse {
    problem(404, "not-found", "Not found", "There is nothing at this address.")
}

pub async fn no_such_method() -> ProblemResponse {
    problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        "This address does not take that method.",
    )
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, ProblemResponse> {
    let body = body.map_err(|rejection| {
        let name = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            "too-large"
        } else {
            "malformed"
        };
        problem(
            rejection.status().as_u16(),
            name,
            "The body cannot be read",
            &rejection.body_text(),
        )
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        let status = if error.is_data() { 422 } else { 400 };
        problem(status, "invalid", "The request is not valid", &error.to_string())
    })
}

fn unknown_card() -> ProblemResponse {
    let cards = TEST_CARDS.map(|card| card.number).join(", ");
    problem(
        422,
        "unknown-card",
        "Unknown card",
        &format!("The sandbox knows only: {cards}"),
    )
}

fn refused(refused: Refused) -> ProblemResponse {
    let (status, name) = match refused {
        Refused::Unknown => (404, "unknown-payment"),
        Refused::OtherAmount => (409, "other-amount"),
        Refused::NoAmount => (422, "no-amount"),
        Refused::NotRefundable => (409, "not-refundable"),
    };
    problem(status, name, "The sandbox refuses", &refused.to_string())
}

fn problem(status: u16, name: &str, title: &str, detail: &str) -> ProblemResponse {
    ProblemResponse(Problem::new(status, name, title).detail(detail))
}
