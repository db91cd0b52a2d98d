//! What can be wrong with a request about a draw.

use crate::{
    api::{ApiProblem, Kind, Refuses},
    draws::EnterError,
    store::{DrawStoreError, NotTaken},
};
use catalog_domain::draw::{Phase, TermsError};
use serde_json::json;

/// There is no such draw.
pub struct NoDraw;

/// The store of draws does not answer.
pub struct DrawsUnavailable(pub DrawStoreError);

/// A member is not in the draw.
pub struct NoEntry;

/// A draw cannot be as asked for.
pub struct NotArranged;

impl Refuses for NoDraw {
    const KINDS: &'static [Kind] = &[(404, "unknown-draw")];
}

impl Refuses for DrawsUnavailable {
    const KINDS: &'static [Kind] = &[(503, "unavailable")];
}

impl Refuses for NoEntry {
    const KINDS: &'static [Kind] = &[(404, "not-entered")];
}

impl Refuses for NotArranged {
    const KINDS: &'static [Kind] = &[
        (409, "draw-opened"),
        (409, "product-in-draw"),
        (409, "too-few-units"),
        (422, "unknown-product"),
        (503, "draws-not-set-up"),
    ];
}

impl Refuses for NotTaken {
    const KINDS: &'static [Kind] = &[(404, "unknown-draw"), (409, "draw-not-open"), (409, "draw-full")];
}

impl Refuses for EnterError {
    const KINDS: &'static [Kind] = &[
        (404, "unknown-draw"),
        (409, "draw-not-open"),
        (409, "draw-full"),
        (503, "not-confirmed"),
    ];
}

impl Refuses for TermsError {
    const KINDS: &'static [Kind] = &[(400, "malformed"), (422, "invalid-draw")];
}

pub fn no_draw() -> ApiProblem {
    ApiProblem::new(
        404,
        "unknown-draw",
        "No such draw",
        "There is no draw at this address.",
    )
}

pub fn no_entry() -> ApiProblem {
    ApiProblem::new(
        404,
        "not-entered",
        "Not entered",
        "You have no entry in this draw.",
    )
}

pub fn opened(phase: Phase) -> ApiProblem {
    let detail = "A draw can be changed or called off until it opens, and this one is past that.";
    ApiProblem::new(409, "draw-opened", "Too late", detail).with("phase", json!(phase))
}

pub fn product_in_draw() -> ApiProblem {
    let detail = "Another draw that is not over sells this product.";
    ApiProblem::new(409, "product-in-draw", "The product is in a draw", detail)
}

pub fn too_few_units(left: i64) -> ApiProblem {
    let detail = "A draw promises no more units than are in stock.";
    ApiProblem::new(409, "too-few-units", "Not enough units", detail).with("available", json!(left))
}

pub fn unknown_product() -> ApiProblem {
    let detail = "There is no such product with stock.";
    ApiProblem::new(422, "unknown-product", "Unknown product", detail)
}

pub fn not_set_up() -> ApiProblem {
    let detail = "This shop has no keys for draws: start it with DRAW_KEYS_FILE.";
    ApiProblem::new(503, "draws-not-set-up", "Draws are not set up", detail)
}

pub fn over() -> ApiProblem {
    let detail = "The draw was to open at a moment that has passed by now.";
    ApiProblem::new(422, "invalid-draw", "The draw is not valid", detail)
}

impl From<DrawsUnavailable> for ApiProblem {
    fn from(DrawsUnavailable(error): DrawsUnavailable) -> Self {
        Self::unavailable(&error)
    }
}

impl From<NotTaken> for ApiProblem {
    fn from(refusal: NotTaken) -> Self {
        match refusal {
            NotTaken::Unknown => no_draw(),
            NotTaken::NotOpen(phase) => {
                let detail = "Members can enter and leave a draw while its window is open.";
                Self::new(409, "draw-not-open", "The draw is not open", detail).with("phase", json!(phase))
            }
            NotTaken::Full => {
                let detail = "The draw has as many entries as it can have.";
                Self::new(409, "draw-full", "The draw is full", detail)
            }
        }
    }
}

impl From<EnterError> for ApiProblem {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotTaken(refusal) => refusal.into(),
            EnterError::Unconfirmed => Self::not_confirmed(&error),
        }
    }
}

impl From<TermsError> for ApiProblem {
    fn from(error: TermsError) -> Self {
        let invalid = |detail| Self::new(422, "invalid-draw", "The draw is not valid", detail);
        match error {
            TermsError::NotJson(detail) => Self::new(400, "malformed", "The body is not JSON", detail),
            TermsError::Shape(detail) => invalid(detail),
            TermsError::Values(mistakes) => {
                let detail = "Some values are not valid; every one is listed in errors.";
                invalid(detail.to_owned()).with("errors", json!(mistakes))
            }
        }
    }
}
