//! Draws: shown to everybody, entered by members, arranged by admins.

mod arranging;
mod entering;
mod problems;
mod showing;
mod views;

pub use arranging::{__path_arrange, __path_cancel, arrange, cancel};
pub use entering::{__path_enter, __path_leave, __path_receipt, __path_stand, enter, leave, receipt, stand};
pub use showing::{__path_check, __path_list, __path_log, __path_show, check, list, log, show};
pub use views::DrawView;

use super::{ApiProblem, Segment, Shop};
use crate::draws::Notice;
use contract::DrawId;
use problems::{DrawsUnavailable, no_draw};

/// The draw at an address, from memory if it is there.
async fn find(shop: &Shop, Segment(id): &Segment) -> Result<Notice, ApiProblem> {
    let draw: DrawId = id.parse().map_err(|_| no_draw())?;
    if let Some(notice) = shop.draws.board.find(&draw) {
        return Ok(notice);
    }
    let store = &shop.draws.store;
    let (found, now) = tokio::try_join!(store.draw(&draw), store.now()).map_err(DrawsUnavailable)?;
    let draw = found.ok_or_else(no_draw)?;
    Ok(Notice { draw, now })
}
