//! All shoppers of a drill.

use super::{ledger::Ledger, shopper::Shopper, stage::Stage};
use crate::cli::OrderersPlan;
use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::timeout};

/// How long the last ones may take to come to the end of what they do.
const HOME_WITHIN: Duration = Duration::from_secs(150);

/// Shoppers who order again and again.
pub struct Shoppers {
    lives: JoinSet<()>,
    stop: Arc<AtomicBool>,
    /// What they were told.
    pub ledger: Arc<Ledger>,
}

impl Shoppers {
    /// They begin.
    pub async fn come(plan: &OrderersPlan, seed: u64, stage: &Stage) -> anyhow::Result<Self> {
        let (ledger, stop) = (Arc::<Ledger>::default(), Arc::<AtomicBool>::default());
        let mut lives = JoinSet::new();
        for (number, pass) in (0..).zip(stage.passes(plan.shoppers).await?) {
            let shopper = Shopper {
                number,
                pass,
                rng: Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(number)),
                shop: stage.shop,
                provider: stage.provider,
                ledger: Arc::clone(&ledger),
                stop: Arc::clone(&stop),
                connection: None,
            };
            lives.spawn(shopper.live());
        }
        Ok(Self { lives, stop, ledger })
    }

    /// Each comes to the end of what it does, and orders no more.
    pub async fn go_home(mut self) -> anyhow::Result<Arc<Ledger>> {
        self.stop.store(true, Relaxed);
        let all = async {
            while let Some(life) = self.lives.join_next().await {
                life?;
            }
            anyhow::Ok(())
        };
        if timeout(HOME_WITHIN, all).await.is_err() {
            let waiting = self.lives.len();
            self.ledger
                .odd(format!("{waiting} shoppers still wait for an answer"));
        }
        Ok(self.ledger)
    }
}
