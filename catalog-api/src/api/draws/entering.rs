//! Entering draws and standing in them, for members.

use super::{
    find,
    problems::{DrawsUnavailable, NoDraw, NoEntry, no_entry},
    views::{EntryView, StandingView},
};
use crate::{
    api::{ApiProblem, Refusals, Segment, SharedShop, member::Member},
    draws::EnterError,
    store::{Entry, NotTaken},
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};

/// Enters the draw: once, however often it is asked for.
///
/// The answer has the receipt, which proves that the public log has the entry.
#[utoipa::path(
    put,
    path = "/draws/{id}/entry",
    operation_id = "enterDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The entry.", body = EntryView),
        Refusals<(Member, Segment, NoDraw, EnterError, DrawsUnavailable)>,
    )
)]
pub async fn enter(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let notice = find(&shop, &id).await?;
    let draw = notice.draw.id.clone();
    let entered = shop.draws.entrance.enter(draw.clone(), member.id).await?;
    let receipt = match &entered.receipt {
        Some(receipt) => receipt.clone(),
        None => {
            let store = &shop.draws.store;
            let known = store.member(&notice.draw, member.id).await;
            let known = known.map_err(DrawsUnavailable)?.ok_or_else(no_entry)?;
            store.receipt(&draw, &known).await.map_err(DrawsUnavailable)?
        }
    };
    Ok(private(EntryView::of(draw, &entered, &receipt)))
}

/// Leaves the draw.
///
/// The entry's number stays in it, and its turn will be passed over; whoever enters again has it back.
#[utoipa::path(
    delete,
    path = "/draws/{id}/entry",
    operation_id = "leaveDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    security(("access_token" = [])),
    responses(
        (status = 204, description = "Not in the draw, or not any more."),
        Refusals<(Member, Segment, NoDraw, NotTaken, DrawsUnavailable)>,
    )
)]
pub async fn leave(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<StatusCode, ApiProblem> {
    let notice = find(&shop, &id).await?;
    let left = shop.draws.store.leave(&notice.draw.id, member.id).await;
    left.map_err(DrawsUnavailable)??;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows how the member stands in the draw.
#[utoipa::path(
    get,
    path = "/draws/{id}/entry",
    operation_id = "standInDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "How the member stands.", body = StandingView),
        Refusals<(Member, Segment, NoDraw, DrawsUnavailable)>,
    )
)]
pub async fn stand(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let notice = find(&shop, &id).await?;
    let known = shop.draws.store.member(&notice.draw, member.id).await;
    let known = known.map_err(DrawsUnavailable)?;
    Ok(private(StandingView::of(&notice, known.as_ref())))
}

/// The member's receipt: the proof that the public log has the entry.
#[utoipa::path(
    get,
    path = "/draws/{id}/receipt",
    operation_id = "readDrawReceipt",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    security(("access_token" = [])),
    responses(
        (status = 200, description = "The entry with its proof.", body = EntryView),
        Refusals<(Member, Segment, NoDraw, NoEntry, DrawsUnavailable)>,
    )
)]
pub async fn receipt(
    State(shop): State<SharedShop>,
    member: Member,
    id: Segment,
) -> Result<Response, ApiProblem> {
    let notice = find(&shop, &id).await?;
    let (store, draw) = (&shop.draws.store, notice.draw.id.clone());
    let known = store.member(&notice.draw, member.id).await;
    let known = known.map_err(DrawsUnavailable)?.ok_or_else(no_entry)?;
    let receipt = store.receipt(&draw, &known).await.map_err(DrawsUnavailable)?;
    let entry = Entry {
        number: known.entered.number,
        entry_id: known.entry_id,
        receipt: None,
    };
    Ok(private(EntryView::of(draw, &entry, &receipt)))
}

/// What belongs to a member is kept by no cache.
fn private(body: impl serde::Serialize) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}
