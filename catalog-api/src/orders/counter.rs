//! What comes after an order was placed: looking at it, paying, cancelling, sending it back, and the provider's reports.

use super::{KeyTable, Waiting, announcements::Listener, envelope};
use crate::store::{LookUpError, OrderReader};
use broker::{PublishError, Publisher};
use catalog_domain::{
    NotCancellable, NotPayable, NotReturnable, check_cancellable, check_payable, check_returnable,
    is_cancelled, is_decided, is_sent_back,
};
use clock::Clock;
use contract::{
    CancelOrder, Command, OrderId, OrderState, OrderView, ProductId, RefundOrder, RequestReturn,
    SettlePayment, Settlement, ShopperId, StartPayment,
};
use payments::{Checkout, CheckoutRequest, PaymentError, PaymentProvider, PaymentReport, Report};
use std::{sync::Arc, time::Duration};

/// Why an order is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none, or it is somebody else's.
    #[error("no such order")]
    NotFound,
    /// The database does not answer.
    #[error("look the order up")]
    Unavailable(#[from] LookUpError),
}

/// Why there is no checkout.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// No order.
    #[error("find the order to pay")]
    Find(#[from] FindError),
    /// It cannot be paid now.
    #[error("the order cannot be paid")]
    NotPayable(#[from] NotPayable),
    /// The provider failed.
    #[error("open the checkout")]
    Provider(#[from] PaymentError),
    /// The broker did not confirm; asking again is safe.
    #[error("hand the start of the payment to the broker")]
    NotConfirmed(#[from] PublishError),
}

/// Why an order is not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// No order.
    #[error("find the order to cancel")]
    Find(#[from] FindError),
    /// It is too late.
    #[error("the order cannot be cancelled")]
    NotCancellable(#[from] NotCancellable),
    /// The broker did not confirm; asking again is safe.
    #[error("hand the cancellation to the broker")]
    NotConfirmed(#[from] PublishError),
}

/// Why an order is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ReturnError {
    /// No order.
    #[error("find the order to send back")]
    Find(#[from] FindError),
    /// It is not there yet, or it is too late.
    #[error("the order cannot be sent back")]
    NotReturnable(#[from] NotReturnable),
    /// The broker did not confirm; asking again is safe.
    #[error("hand the return to the broker")]
    NotConfirmed(#[from] PublishError),
}

/// Why a report was not taken; the provider sends it again.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// No such order.
    #[error("the report is about no order of ours")]
    UnknownOrder,
    /// The database does not answer.
    #[error("look up the order of the report")]
    Unavailable(#[from] LookUpError),
    /// The broker did not confirm.
    #[error("hand the report to the broker")]
    NotConfirmed(#[from] PublishError),
}

/// Serves those who have an order.
pub struct Counter {
    /// What is remembered of keys.
    pub keys: KeyTable,
    /// Orders as the database knows them.
    pub reader: OrderReader,
    /// The way to the worker.
    pub publisher: Publisher,
    /// Decisions.
    pub waiting: Waiting,
    /// Who takes the money.
    pub provider: Arc<dyn PaymentProvider>,
    /// The shop as browsers see it.
    pub public_url: String,
    /// For what is refused at once; the worker decides by the database's clock.
    pub clock: Arc<dyn Clock>,
}

/// An order as its owner sees it, and where its commands go.
struct Found {
    owner: ShopperId,
    view: OrderView,
    routed_by: Option<ProductId>,
}

impl Counter {
    /// The order of one of these owners; one that is pending is waited for, if the shopper would rather.
    pub async fn find(
        &self,
        owners: &[ShopperId],
        order_id: OrderId,
        wait: Option<Duration>,
    ) -> Result<OrderView, FindError> {
        let wait = self.begin_to_wait(order_id, wait);
        let found = self.look(owners, order_id).await?.view;
        match wait {
            Some(wait) if !is_decided(&found) => Ok(self.until(wait, is_decided).await.unwrap_or(found)),
            _ => Ok(found),
        }
    }

    /// Where the shopper pays the order. The worker hears that the payment has started before the shopper does: it
    /// keeps the units longer, and asks the provider if nothing is heard.
    pub async fn pay(&self, owners: &[ShopperId], order_id: OrderId) -> Result<Checkout, PayError> {
        let Found { view, routed_by, .. } = self.look(owners, order_id).await?;
        let amount = check_payable(&view)?;
        let request = CheckoutRequest {
            order_id,
            amount,
            description: description(&view),
            return_url: format!("{}/orders/{order_id}", self.public_url),
        };
        let checkout = self.provider.create_checkout(&request).await?;
        let routed_by = routed_by.ok_or(FindError::NotFound)?;
        let start = StartPayment {
            order_id,
            payment_reference: checkout.reference.clone(),
        };
        self.publisher
            .publish(&envelope(routed_by, Command::StartPayment(start)))
            .await?;
        Ok(checkout)
    }

    /// Asks the worker to cancel the order. Answers how the order stands, after its decision if the shopper would
    /// rather wait.
    pub async fn cancel(
        &self,
        owners: &[ShopperId],
        order_id: OrderId,
        wait: Option<Duration>,
    ) -> Result<OrderView, CancelError> {
        let wait = self.begin_to_wait(order_id, wait);
        let found = self.look(owners, order_id).await?;
        check_cancellable(&found.view)?;
        if is_cancelled(&found.view) {
            return Ok(found.view);
        }
        let command = Command::CancelOrder(CancelOrder {
            order_id,
            shopper: found.owner.clone(),
        });
        // A payment that came first is no end of it: the order is cancelled all the same.
        let over = |order: &OrderView| {
            !matches!(
                order.state,
                OrderState::Pending | OrderState::Held | OrderState::Paid
            )
        };
        let order = self.ask(found, command, wait, over).await?;
        check_cancellable(&order)?;
        Ok(order)
    }

    /// Asks the worker to take a delivered order back. Answers how the order stands, after its decision if the shopper
    /// would rather wait.
    pub async fn send_back(
        &self,
        owners: &[ShopperId],
        order_id: OrderId,
        wait: Option<Duration>,
    ) -> Result<OrderView, ReturnError> {
        let wait = self.begin_to_wait(order_id, wait);
        let found = self.look(owners, order_id).await?;
        check_returnable(&found.view, self.clock.unix_ms())?;
        if is_sent_back(&found.view) {
            return Ok(found.view);
        }
        let command = Command::RequestReturn(RequestReturn {
            order_id,
            shopper: found.owner.clone(),
        });
        let over = |order: &OrderView| order.state != OrderState::Delivered;
        let order = self.ask(found, command, wait, over).await?;
        check_returnable(&order, self.clock.unix_ms())?;
        Ok(order)
    }

    /// Asks the worker to give `refund.amount` of the order's money back. It is durable when this answers; the worker
    /// gives back no more than is kept.
    pub async fn refund(&self, refund: RefundOrder, routed_by: ProductId) -> Result<(), PublishError> {
        self.publisher
            .publish(&envelope(routed_by, Command::RefundOrder(refund)))
            .await
    }

    /// Hands what the provider reported to the worker. It is durable when this answers.
    pub async fn settle(&self, event_id: String, report: Report) -> Result<(), SettleError> {
        let (payment, settlement) = match report {
            Report::Captured(payment) => {
                let amount = payment.amount;
                (payment, Settlement::Captured { amount })
            }
            Report::Failed(payment) => {
                let reason = payment.reason.clone().unwrap_or_else(|| "unknown".to_owned());
                (payment, Settlement::Failed { reason })
            }
            Report::Abandoned(payment) => (payment, Settlement::Abandoned),
            // Refunds are settled by the worker's own call to the provider.
            Report::Refunded(_) | Report::Other => return Ok(()),
        };
        let PaymentReport {
            payment_id: payment_reference,
            order_id,
            ..
        } = payment;
        let stored = self
            .reader
            .look_up(order_id)
            .await?
            .ok_or(SettleError::UnknownOrder)?;
        let routed_by = routed_by(&stored.view).ok_or(SettleError::UnknownOrder)?;
        let settle = SettlePayment {
            order_id,
            event_id,
            payment_reference,
            settlement,
        };
        Ok(self
            .publisher
            .publish(&envelope(routed_by, Command::SettlePayment(settle)))
            .await?)
    }

    /// Listens for news of the order, if the shopper would rather wait. Done before anything that makes it change.
    fn begin_to_wait(&self, order_id: OrderId, wait: Option<Duration>) -> Option<(Duration, Listener)> {
        wait.map(|wait| (wait, self.waiting.listen(order_id)))
    }

    async fn until(
        &self,
        (wait, listener): (Duration, Listener),
        far_enough: impl Fn(&OrderView) -> bool,
    ) -> Option<OrderView> {
        self.waiting.until(listener, wait, far_enough).await
    }

    /// Hands the command to the worker. Answers the order as it was found, or as it is once that is `over` and the shopper
    /// waits.
    async fn ask(
        &self,
        found: Found,
        command: Command,
        wait: Option<(Duration, Listener)>,
        over: impl Fn(&OrderView) -> bool,
    ) -> Result<OrderView, PublishError> {
        let Found { view, routed_by, .. } = found;
        let Some(routed_by) = routed_by else {
            return Ok(view);
        };
        self.publisher.publish(&envelope(routed_by, command)).await?;
        match wait {
            Some(wait) => Ok(self.until(wait, over).await.unwrap_or(view)),
            None => Ok(view),
        }
    }

    /// The order if it is one of these owners'. That of somebody else is told from none by nothing.
    ///
    /// One that is still in the queue is known to the instance that took it, and until that is restarted; elsewhere it
    /// is not found until it is decided, which is a matter of milliseconds while the worker runs.
    async fn look(&self, owners: &[ShopperId], order_id: OrderId) -> Result<Found, FindError> {
        // Memory first: an order that is decided in between is then found in the database.
        let accepted = self.keys.accepted(order_id);
        if let Some(stored) = self.reader.look_up(order_id).await? {
            let owned = owners.contains(&stored.shopper);
            let found = Found {
                owner: stored.shopper,
                routed_by: routed_by(&stored.view),
                view: stored.view,
            };
            return owned.then_some(found).ok_or(FindError::NotFound);
        }
        let accepted = accepted
            .filter(|accepted| owners.contains(&accepted.shopper))
            .ok_or(FindError::NotFound)?;
        Ok(Found {
            owner: accepted.shopper.clone(),
            view: OrderView::pending(order_id),
            routed_by: Some(accepted.routed_by.clone()),
        })
    }
}

/// The product whose queue the order's commands stand in, as its intake chose it: the first in product order.
fn routed_by(order: &OrderView) -> Option<ProductId> {
    order.lines.iter().map(|line| &line.product_id).min().cloned()
}

fn description(order: &OrderView) -> String {
    let lines = order
        .lines
        .iter()
        .map(|line| format!("{} × {}", line.quantity, line.name));
    lines.collect::<Vec<_>>().join(", ")
}
