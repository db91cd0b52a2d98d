//! What befalls the origin.

use super::{Done, shop::Mood, stage::Stage};
use crate::report::say;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long each of its troubles lasts.
const LASTS: Duration = Duration::from_secs(5);
/// How often it is up and down again while it flaps.
const FLAPS: u32 = 8;
const FLAP: Duration = Duration::from_millis(400);

pub async fn misbehave(stage: &mut Stage) -> anyhow::Result<Done> {
    let shop = &stage.shop;
    for mood in [Mood::Down, Mood::Slow, Mood::Garbage] {
        say(&format!("the origin: {mood:?}"));
        shop.is(mood);
        sleep(LASTS).await;
    }
    say("the origin flaps");
    for _ in 0..FLAPS {
        for mood in [Mood::Down, Mood::Well] {
            shop.is(mood);
            sleep(FLAP).await;
        }
    }
    Ok(Done {
        what: "the origin was down, slow, talked nonsense and flapped, five seconds each",
        since: Instant::now(),
    })
}
