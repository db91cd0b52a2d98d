//! Whose turn it is to buy: how many more ranks get a right, and when nobody is left.

/// The books of a draw's sale. A right is for one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sale {
    /// Units there are.
    pub units: u64,
    /// Ranks there are: everybody who entered, also who left again.
    pub entries: u64,
    /// Ranks below this were offered a right, or passed over because their member had left.
    pub offered_below: u64,
    /// Rights that are open.
    pub open: u64,
    /// Rights that were spent.
    pub bought: u64,
    /// Rights whose time was over first.
    pub lapsed: u64,
}

impl Sale {
    /// How many ranks from `offered_below` on are next: at most as many as there are units that nobody has a right to.
    pub fn due(&self) -> u64 {
        let promised = self.open.saturating_add(self.bought);
        let units = self.units.saturating_sub(promised);
        units.min(self.entries.saturating_sub(self.offered_below))
    }

    /// Whether every unit is bought or nobody is left who could buy one.
    pub fn is_over(&self) -> bool {
        self.open == 0 && self.due() == 0
    }

    /// The next `ranks` were looked at, and `offered` of their members got a right.
    #[must_use]
    pub fn offered(self, ranks: u64, offered: u64) -> Self {
        Self {
            offered_below: self.offered_below.saturating_add(ranks),
            open: self.open.saturating_add(offered),
            ..self
        }
    }

    /// Open rights were spent, or are over.
    #[must_use]
    pub fn settled(self, bought: u64, lapsed: u64) -> Self {
        Self {
            open: self.open.saturating_sub(bought.saturating_add(lapsed)),
            bought: self.bought.saturating_add(bought),
            lapsed: self.lapsed.saturating_add(lapsed),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_units_are_promised_to_nobody() {
        let sale = |units, entries, offered_below, open, bought| Sale {
            units,
            entries,
            offered_below,
            open,
            bought,
            lapsed: 0,
        };
        for (sale, due, over) in [
            (sale(3, 10, 0, 0, 0), 3, false),
            (sale(3, 10, 3, 3, 0), 0, false),
            (sale(3, 10, 3, 2, 0), 1, false),
            (sale(3, 10, 3, 1, 2), 0, false),
            (sale(3, 10, 3, 0, 3), 0, true),
            (sale(3, 2, 0, 0, 0), 2, false),
            (sale(3, 2, 2, 1, 1), 0, false),
            (sale(3, 2, 2, 0, 1), 0, true),
            (sale(3, 0, 0, 0, 0), 0, true),
        ] {
            assert_eq!((sale.due(), sale.is_over()), (due, over), "{sale:?}");
        }
    }
}
