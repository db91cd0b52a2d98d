//! The pages of draws.

use super::{
    page,
    template::{Insert, fill},
};
use crate::api::DrawView;
use axum::{http::StatusCode, response::Response};
use catalog_domain::draw::{Phase, log_room};

const LIST: &str = include_str!("../../web/draws.html");
const CARD: &str = include_str!("../../web/draw-card.html");
const DRAW: &str = include_str!("../../web/draw.html");
const CHECK: &str = include_str!("../../web/draw-check.html");

/// All draws.
pub fn draws_page(draws: &[DrawView]) -> Response {
    let cards = draws.iter().map(|draw| filled(CARD, draw)).collect::<String>();
    let cards = if cards.is_empty() {
        "<li>There is no draw yet.</li>".to_owned()
    } else {
        cards
    };
    let content = fill(LIST, &[("cards", Insert::Html(&cards))]);
    page(StatusCode::OK, "Draws", &content)
}

/// One draw: where it stands, and where the member stands in it.
pub fn draw_page(draw: &DrawView) -> Response {
    page(StatusCode::OK, &draw.title, &filled(DRAW, draw))
}

/// Checks one draw in the browser.
pub fn draw_check_page(draw: &DrawView) -> Response {
    page(StatusCode::OK, "Check the draw", &filled(CHECK, draw))
}

fn filled(template: &str, draw: &DrawView) -> String {
    let (units, entries, called) = (
        units_text(draw.units),
        draw.entries.to_string(),
        draw.called.to_string(),
    );
    let (phase, room) = (phase_text(draw.phase), log_room(&draw.id));
    let texts = [
        ("id", draw.id.as_str()),
        ("title", &draw.title),
        ("product_id", draw.product_id.as_str()),
        ("units", &units),
        ("phase", phase),
        ("opens_at", &draw.opens_at),
        ("closes_at", &draw.closes_at),
        ("entries", &entries),
        ("called", &called),
        ("log", &draw.log),
        ("room", &room),
    ];
    let texts = texts.map(|(name, text)| (name, Insert::Text(text)));
    fill(template, &texts)
}

fn units_text(units: u32) -> String {
    match units {
        1 => "1 unit".to_owned(),
        units => format!("{units} units"),
    }
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Scheduled => "It has not opened yet.",
        Phase::Open => "It is open: enter now.",
        Phase::Closed | Phase::Frozen => "It is closed, and is being drawn.",
        Phase::Drawn => "It is drawn.",
        Phase::Selling => "It is drawn, and places are being called.",
        Phase::Finished => "It is over.",
        Phase::Cancelled => "It was called off.",
    }
}
