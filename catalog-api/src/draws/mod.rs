//! Draws as they run: what is known of them in memory, the way in, their secrets, and the steps that the time makes due.

mod board;
mod entrance;
mod secrets;
mod steps;

pub use board::{Notice, NoticeBoard, keep_posted};
pub use entrance::{EnterError, Entrance, take_entries};
pub use secrets::DrawSecrets;
pub use steps::run_draws;

use crate::store::{ClaimError, DrawStore};
use catalog_domain::Basket;
use contract::{MemberId, OrderId, ProductId};
use std::sync::Arc;

/// A right is for so many units.
const UNITS_OF_A_RIGHT: u32 = 1;

/// What the handlers know of draws, and do with them.
#[derive(Debug, Clone)]
pub struct Draws {
    /// What is known of them, at most half a second old.
    pub board: Arc<NoticeBoard>,
    /// The way in.
    pub entrance: Entrance,
    /// What is stored.
    pub store: DrawStore,
    /// What secrets come from; without it no draw can be made here.
    pub secrets: Option<DrawSecrets>,
}

impl Draws {
    /// Claims the rights that an order of these products needs: none, if none of them is sold by draw.
    ///
    /// # Errors
    /// [`ClaimError`].
    pub async fn claim(
        &self,
        member: Option<MemberId>,
        order_id: OrderId,
        basket: &Basket,
    ) -> Result<(), ClaimError> {
        let drawn = |product: &ProductId| self.board.draw_of(product).is_some();
        let lines = basket.lines().iter().filter(|line| drawn(&line.product_id));
        let (mut products, mut too_many) = (Vec::new(), None);
        for line in lines {
            if line.quantity > UNITS_OF_A_RIGHT {
                too_many = Some(line.product_id.clone());
            }
            products.push(line.product_id.clone());
        }
        match (products.first(), too_many, member) {
            (None, ..) => Ok(()),
            (Some(_), Some(product), _) => Err(ClaimError::NoRight(product)),
            (Some(product), None, None) => Err(ClaimError::NoRight(product.clone())),
            (Some(_), None, Some(member)) => self.store.claim(member, order_id, &products).await,
        }
    }
}
