//! Making, changing and calling off draws, for admins.

use super::{
    problems::{
        DrawsUnavailable, NoDraw, NotArranged, no_draw, not_set_up, opened, over, product_in_draw,
        too_few_units, unknown_product,
    },
    views::DrawView,
};
use crate::{
    api::{ApiProblem, Refusals, Segment, SharedShop, member::Admin, request_body::JsonBytes},
    store::{Arranged, Cancelled, StoredDraw},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use catalog_domain::draw::{Terms, TermsError};
use contract::DrawId;
use serde::Serialize;
use utoipa::ToSchema;

/// What a draw is to be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrawRequest {
    /// What is sold. Until the draw is over it is sold by it alone.
    #[schema(pattern = "^[a-z0-9][a-z0-9-]{0,63}$")]
    product_id: String,
    /// What the draw is called.
    #[schema(min_length = 1, max_length = 120)]
    title: String,
    /// How many units: no more than are in stock.
    #[schema(minimum = 1, maximum = 1_000_000)]
    units: u32,
    /// Members may enter from here on: later than now.
    #[schema(format = DateTime)]
    opens_at: String,
    /// Members may enter until here: within 90 days.
    #[schema(format = DateTime)]
    closes_at: String,
    /// How long a right to buy lasts: a minute to thirty days.
    #[schema(minimum = 60, maximum = 2_592_000)]
    right_seconds: u32,
}

/// Makes a draw, or changes one that has not opened.
#[utoipa::path(
    put,
    path = "/draws/{id}",
    operation_id = "arrangeDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw: 1 to 64 of a-z, 0-9 and '-'.")),
    request_body = DrawRequest,
    security(("access_token" = [])),
    responses(
        (status = 200, description = "Changed.", body = DrawView),
        (status = 201, description = "Made.", body = DrawView),
        Refusals<(Admin, Segment, NoDraw, JsonBytes, TermsError, NotArranged, DrawsUnavailable)>,
    )
)]
pub async fn arrange(
    State(shop): State<SharedShop>,
    _: Admin,
    Segment(id): Segment,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiProblem> {
    let draw: DrawId = id.parse().map_err(|_| no_draw())?;
    let secrets = shop.draws.secrets.as_ref().ok_or_else(not_set_up)?;
    let store = &shop.draws.store;
    let now = store.now().await.map_err(DrawsUnavailable)?;
    let terms = Terms::parse(&body, now)?;
    let arranged = store.arrange(&draw, &terms, secrets.commitment(&draw)).await;
    let shown = |status, stored: &StoredDraw| (status, Json(DrawView::of(stored, now))).into_response();
    let answer = match arranged.map_err(DrawsUnavailable)? {
        Arranged::Made(stored) => shown(StatusCode::CREATED, &stored),
        Arranged::Changed(stored) => shown(StatusCode::OK, &stored),
        Arranged::TooLate(phase) => return Err(opened(phase)),
        Arranged::UnknownProduct => return Err(unknown_product()),
        Arranged::TooFewUnits(left) => return Err(too_few_units(left)),
        Arranged::ProductTaken => return Err(product_in_draw()),
        Arranged::Over => return Err(over()),
    };
    shop.draws.board.look_soon();
    Ok(answer)
}

/// Calls a draw off that has not opened.
#[utoipa::path(
    delete,
    path = "/draws/{id}",
    operation_id = "cancelDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "It is called off."),
        Refusals<(Admin, Segment, NoDraw, NotArranged, DrawsUnavailable)>,
    )
)]
pub async fn cancel(
    State(shop): State<SharedShop>,
    _: Admin,
    Segment(id): Segment,
) -> Result<StatusCode, ApiProblem> {
    let draw: DrawId = id.parse().map_err(|_| no_draw())?;
    match shop.draws.store.cancel(&draw).await.map_err(DrawsUnavailable)? {
        Cancelled::Done => {
            shop.draws.board.look_soon();
            Ok(StatusCode::NO_CONTENT)
        }
        Cancelled::TooLate(phase) => Err(opened(phase)),
        Cancelled::Unknown => Err(no_draw()),
    }
}
