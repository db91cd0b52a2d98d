//! What may still be done with an order, as far as the intake can tell. The worker decides.

use contract::{Money, OrderState, OrderView};

/// Why an order cannot be paid now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotPayable {
    /// It is not decided yet.
    #[error("the order is not decided yet; try again in a moment")]
    Pending,
    /// It is past the point where it could be paid.
    #[error("the order is {0}; only a held order can be paid")]
    State(OrderState),
}

/// Why an order cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {0}; only an order that is not paid yet can be cancelled")]
pub struct NotCancellable(pub OrderState);

/// Whether the worker has decided it.
pub fn is_decided(order: &OrderView) -> bool {
    order.state != OrderState::Pending
}

/// What there is to pay.
///
/// # Errors
/// [`NotPayable`].
pub fn check_payable(order: &OrderView) -> Result<Money, NotPayable> {
    match (order.state, order.total) {
        (OrderState::Held, Some(total)) => Ok(total),
        (OrderState::Pending, _) => Err(NotPayable::Pending),
        (state, _) => Err(NotPayable::State(state)),
    }
}

/// Whether it makes sense to ask the worker to cancel it. One that is cancelled already may be cancelled again.
///
/// # Errors
/// [`NotCancellable`].
pub fn check_cancellable(order: &OrderView) -> Result<(), NotCancellable> {
    match order.state {
        OrderState::Pending | OrderState::Held | OrderState::Cancelled => Ok(()),
        state => Err(NotCancellable(state)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{OrderId, ShopperId};

    fn order(state: OrderState) -> OrderView {
        let id = OrderId::derive(&ShopperId::of_session("ann"), "k", 1);
        let total = Some(Money::new(5, "KRW".parse().unwrap()));
        OrderView {
            state,
            total,
            ..OrderView::pending(id)
        }
    }

    #[test]
    fn what_may_be_done_by_state() {
        use OrderState::{
            Cancelled, Expired, Held, Paid, PaymentFailed, Pending, RefundDue, Refunded, Refused,
        };
        for (state, payable, cancellable) in [
            (Pending, false, true),
            (Held, true, true),
            (Refused, false, false),
            (Paid, false, false),
            (Cancelled, false, true),
            (PaymentFailed, false, false),
            (Expired, false, false),
            (RefundDue, false, false),
            (Refunded, false, false),
        ] {
            let order = order(state);
            assert_eq!(check_payable(&order).is_ok(), payable, "{state} payable");
            assert_eq!(
                check_cancellable(&order).is_ok(),
                cancellable,
                "{state} cancellable"
            );
            assert_eq!(is_decided(&order), state != Pending, "{state}");
        }
    }
}
