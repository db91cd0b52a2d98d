//! Doing what the time makes due, on every instance: who comes second to a draw leaves it to the first.

use super::{DrawSecrets, NoticeBoard};
use crate::store::{DrawStore, DrawStoreError, Stepped};
use contract::DrawId;
use fairness::{Commitment, Secret};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// The pause after a round in which there was nothing more to do.
const PAUSE: Duration = Duration::from_millis(500);
/// Draws in one round.
const DRAWS: u64 = 2_000;
/// Steps of one draw in one round, so that no draw keeps the others waiting.
const STEPS: usize = 20;

/// Freezes, reveals and sells, until it is told to stop.
pub async fn run_draws(
    store: DrawStore,
    board: Arc<NoticeBoard>,
    secrets: Option<DrawSecrets>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let secret = move |draw: &DrawId, commitment: &Commitment| -> Option<Secret> {
        secrets.as_ref()?.promised(draw, commitment)
    };
    while let Some(round) = stop.run_until_cancelled(round(&store, &board, &secret)).await {
        let more = round.unwrap_or_else(|error| {
            warn!(%error, "cannot see which draws are due");
            false
        });
        if !more {
            stop.run_until_cancelled(sleep(PAUSE)).await;
        }
    }
    Ok(())
}

/// One round over all draws that are due; answers whether there is more to do at once.
async fn round(
    store: &DrawStore,
    board: &NoticeBoard,
    secret: &(impl Fn(&DrawId, &Commitment) -> Option<Secret> + Sync),
) -> Result<bool, DrawStoreError> {
    let mut more = false;
    for draw in store.due(DRAWS).await? {
        more |= advance(store, board, &draw, secret).await;
    }
    Ok(more)
}

async fn advance(
    store: &DrawStore,
    board: &NoticeBoard,
    draw: &DrawId,
    secret: &(impl Fn(&DrawId, &Commitment) -> Option<Secret> + Sync),
) -> bool {
    for _ in 0..STEPS {
        match store.step(draw, secret).await {
            Ok(Stepped::Nothing) => return false,
            Ok(Stepped::Moved(stage)) => {
                metrics::counter!("draw_steps_total", "stage" => stage.as_str()).increment(1);
                info!(draw = %draw, stage = %stage, "a draw moved");
                board.look_soon();
            }
            Err(failed) => {
                metrics::counter!("draw_step_failures_total").increment(1);
                error!(draw = %draw, error = %failed, "a draw cannot go on; trying again");
                return false;
            }
        }
    }
    true
}
