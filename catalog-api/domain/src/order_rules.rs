//! What may still be done with an order, as far as the intake can tell. The worker decides.

use contract::{Money, OrderState, OrderView, RefundReason};

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
#[error("the order is {0}; only an order that is not shipped yet can be cancelled")]
pub struct NotCancellable(pub OrderState);

/// Why an order cannot be sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the order is {0}; only one that was delivered can be sent back, until the end of the next day")]
pub struct NotReturnable(pub OrderState);

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

/// Whether its shopper cancelled it, before or after it was paid.
pub fn is_cancelled(order: &OrderView) -> bool {
    order.state == OrderState::Cancelled || order.refund_reason == Some(RefundReason::Cancelled)
}

/// Whether it makes sense to ask the worker to cancel it. One that is cancelled already may be cancelled again.
///
/// # Errors
/// [`NotCancellable`].
pub fn check_cancellable(order: &OrderView) -> Result<(), NotCancellable> {
    match order.state {
        OrderState::Pending | OrderState::Held | OrderState::Paid => Ok(()),
        _ if is_cancelled(order) => Ok(()),
        state => Err(NotCancellable(state)),
    }
}

/// Whether its shopper sends it back, or has done so.
pub fn is_sent_back(order: &OrderView) -> bool {
    order.state == OrderState::ReturnRequested || order.refund_reason == Some(RefundReason::Returned)
}

/// Whether it makes sense to ask the worker to take it back at `now_unix_ms`. One that is sent back already may be sent
/// back again.
///
/// # Errors
/// [`NotReturnable`].
pub fn check_returnable(order: &OrderView, now_unix_ms: u64) -> Result<(), NotReturnable> {
    let until = order.next_step_at_unix_ms.unwrap_or(0);
    match order.state {
        OrderState::Delivered if now_unix_ms < until => Ok(()),
        _ if is_sent_back(order) => Ok(()),
        state => Err(NotReturnable(state)),
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
            Cancelled, Confirmed, Delivered, Expired, Held, Paid, PaymentFailed, Pending, RefundDue,
            Refunded, Refused, ReturnRequested, Shipped,
        };
        for (state, payable, cancellable) in [
            (Pending, false, true),
            (Held, true, true),
            (Refused, false, false),
            (Paid, false, true),
            (Shipped, false, false),
            (Delivered, false, false),
            (Confirmed, false, false),
            (ReturnRequested, false, false),
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
    #[test]
    fn what_was_given_up_may_be_given_up_again() {
        for (state, reason, cancellable, returnable) in [
            (OrderState::RefundDue, RefundReason::Cancelled, true, false),
            (OrderState::Refunded, RefundReason::Cancelled, true, false),
            (OrderState::Refunded, RefundReason::Returned, false, true),
            (OrderState::Refunded, RefundReason::UnitsGone, false, false),
        ] {
            let order = OrderView {
                refund_reason: Some(reason),
                ..order(state)
            };
            assert_eq!(
                check_cancellable(&order).is_ok(),
                cancellable,
                "{state} {reason:?}"
            );
            assert_eq!(
                check_returnable(&order, 5).is_ok(),
                returnable,
                "{state} {reason:?}"
            );
        }
    }

    #[test]
    fn an_order_can_be_sent_back_until_it_is_confirmed() {
        let order = OrderView {
            next_step_at_unix_ms: Some(1_000),
            ..order(OrderState::Delivered)
        };
        for (now, returnable) in [(999, true), (1_000, false)] {
            assert_eq!(check_returnable(&order, now).is_ok(), returnable, "{now}");
        }
        for state in [OrderState::Paid, OrderState::Shipped, OrderState::Confirmed] {
            let order = OrderView {
                state,
                ..order.clone()
            };
            assert_eq!(check_returnable(&order, 1), Err(NotReturnable(state)));
        }
    }
}
