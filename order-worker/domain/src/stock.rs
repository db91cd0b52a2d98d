//! The stock of one product.

/// Units of a product: on hand, of which some are held for payment and some are sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    /// Units that were put up for sale.
    pub on_hand: i64,
    /// Units in open holds.
    pub held: i64,
    /// Units paid for.
    pub sold: i64,
    /// Grows by one with every change that is written.
    pub version: i64,
}

impl Stock {
    /// Units that an order could still hold.
    pub fn available(&self) -> i64 {
        self.on_hand - self.held - self.sold
    }

    /// With `units` more held, if that many are left.
    pub fn hold(self, units: u32) -> Option<Self> {
        let units = i64::from(units);
        (units <= self.available()).then_some(Self {
            held: self.held + units,
            ..self
        })
    }

    /// With `units` of a hold given back.
    #[must_use]
    pub fn release(self, units: u32) -> Self {
        Self {
            held: self.held - i64::from(units),
            ..self
        }
    }

    /// With `units` of a hold sold.
    #[must_use]
    pub fn sell(self, units: u32) -> Self {
        let sold = self.sold + i64::from(units);
        Self {
            sold,
            ..self.release(units)
        }
    }

    /// With `units` that were sold back on the shelf.
    #[must_use]
    pub fn restock(self, units: u32) -> Self {
        Self {
            sold: self.sold - i64::from(units),
            ..self
        }
    }

    /// As it will be written.
    #[must_use]
    pub fn next_version(self) -> Self {
        Self {
            version: self.version + 1,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(on_hand: i64, held: i64, sold: i64) -> Stock {
        Stock {
            on_hand,
            held,
            sold,
            version: 7,
        }
    }

    #[test]
    fn units_move_from_available_to_held_to_sold_or_back() {
        let held = stock(10, 2, 3).hold(5).unwrap();
        assert_eq!(held, stock(10, 7, 3));
        assert_eq!(held.sell(5), stock(10, 2, 8));
        assert_eq!(held.release(5), stock(10, 2, 3));
        assert_eq!(held.sell(5).restock(5), stock(10, 2, 3));
    }

    #[test]
    fn no_more_is_held_than_is_available() {
        for (on_hand, held, sold, units, holds) in [
            (1, 0, 0, 1, true),
            (1, 1, 0, 1, false),
            (1, 0, 1, 1, false),
            (10, 4, 4, 2, true),
            (10, 4, 4, 3, false),
        ] {
            assert_eq!(
                stock(on_hand, held, sold).hold(units).is_some(),
                holds,
                "{on_hand} {held} {sold} {units}"
            );
        }
    }
}
