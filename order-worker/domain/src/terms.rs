//! The shop's terms: what is not a matter of one order.

use crate::calendar::Calendar;
use time::Duration;

/// How much longer units are held once their payment has started.
const PAYMENT_EXTENSION: Duration = Duration::minutes(10);

/// What holds for every order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// When days begin.
    pub calendar: Calendar,
    /// How much longer units are held once their payment has started; each hold once.
    pub payment_extension: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            calendar: Calendar::default(),
            payment_extension: PAYMENT_EXTENSION,
        }
    }
}
