//! Draws, for everybody: as JSON, as pages, and their public logs.

use super::{
    find,
    problems::{DrawsUnavailable, NoDraw},
    views::{DrawList, DrawView, time_text},
};
use crate::{
    api::{ApiProblem, Refusals, Segment, SharedShop, wants_page},
    store::DrawStore,
    web,
};
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{
        HeaderMap,
        header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Response},
};
use catalog_domain::draw::Book;
use contract::DrawId;
use futures::{Stream, stream};

/// How soon a draw is news: a shared cache may keep it for a second, a browser asks again.
const KEPT: [(axum::http::HeaderName, &str); 2] =
    [(CACHE_CONTROL, "public, max-age=0, s-maxage=1"), (VARY, "accept")];

/// Lists the draws that are on or were on lately.
#[utoipa::path(
    get,
    path = "/draws",
    operation_id = "listDraws",
    tag = "draws",
    responses(
        (status = 200, description = "The draws.", content((DrawList = "application/json"), (String = "text/html"))),
        Refusals<(DrawsUnavailable,)>,
    )
)]
pub async fn list(State(shop): State<SharedShop>, headers: HeaderMap) -> Result<Response, ApiProblem> {
    let (now, draws) = match shop.draws.board.all() {
        Some(posted) => posted,
        None => {
            let board = shop.draws.store.board().await.map_err(DrawsUnavailable)?;
            (board.now, board.draws)
        }
    };
    let draws: Vec<DrawView> = draws.iter().map(|draw| DrawView::of(draw, now)).collect();
    if wants_page(&headers) {
        return Ok(web::draws_page(&draws));
    }
    let server_time = time_text(now);
    Ok((KEPT, Json(DrawList { draws, server_time })).into_response())
}

/// Shows a draw.
#[utoipa::path(
    get,
    path = "/draws/{id}",
    operation_id = "showDraw",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    responses(
        (status = 200, description = "The draw.", content((DrawView = "application/json"), (String = "text/html"))),
        Refusals<(Segment, NoDraw, DrawsUnavailable)>,
    )
)]
pub async fn show(
    State(shop): State<SharedShop>,
    id: Segment,
    headers: HeaderMap,
) -> Result<Response, ApiProblem> {
    let page = wants_page(&headers);
    match find(&shop, &id).await {
        Ok(notice) if page => Ok(web::draw_page(&DrawView::of(&notice.draw, notice.now))),
        Ok(notice) => Ok((KEPT, Json(DrawView::of(&notice.draw, notice.now))).into_response()),
        Err(problem) if page => Ok(web::problem_page(&problem.problem)),
        Err(problem) => Err(problem),
    }
}

/// Checks a draw in the visitor's own browser.
#[utoipa::path(
    get,
    path = "/draws/{id}/check",
    operation_id = "checkDraw",
    tag = "pages",
    params(("id" = String, Path, description = "The draw.")),
    responses(
        (status = 200, description = "A page.", body = String, content_type = "text/html"),
        Refusals<(Segment, NoDraw, DrawsUnavailable)>,
    )
)]
pub async fn check(State(shop): State<SharedShop>, id: Segment) -> Result<Response, ApiProblem> {
    let notice = find(&shop, &id).await?;
    Ok(web::draw_check_page(&DrawView::of(&notice.draw, notice.now)))
}

/// The public log of a draw: what `waiting-room verify` checks.
#[utoipa::path(
    get,
    path = "/draws/{id}/log",
    operation_id = "readDrawLog",
    tag = "draws",
    params(("id" = String, Path, description = "The draw.")),
    responses(
        (status = 200, description = "The log, line by line.", body = String, content_type = "text/plain"),
        Refusals<(Segment, NoDraw, DrawsUnavailable)>,
    )
)]
pub async fn log(State(shop): State<SharedShop>, id: Segment) -> Result<Response, ApiProblem> {
    let draw = find(&shop, &id).await?.draw.id;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=us-ascii"),
        (CACHE_CONTROL, "public, max-age=0, s-maxage=1"),
    ];
    let lines = Body::from_stream(pages(shop.draws.store.clone(), draw));
    Ok((headers, lines).into_response())
}

/// The log in pieces: the title, then some thousand lines at a time. A piece that cannot be read breaks the answer off,
/// which a client can tell from its end.
fn pages(store: DrawStore, draw: DrawId) -> impl Stream<Item = Result<String, crate::store::DrawStoreError>> {
    let title = Book::title(&draw) + "\n";
    let begun = stream::once(async move { Ok(title) });
    let rest = stream::try_unfold((store, draw, 0u64), |(store, draw, after)| async move {
        let lines = store.log_page(&draw, after).await?;
        if lines.is_empty() {
            return Ok(None);
        }
        let next = after + lines.len() as u64;
        Ok(Some((lines.join("\n") + "\n", (store, draw, next))))
    });
    stream::StreamExt::chain(begun, rest)
}
