//! Whether a server is well, by being asked regularly.

/// How many answers in a row change the opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckRule {
    /// Good ones, of a server that was unwell.
    pub healthy_after: u32,
    /// Bad ones, of a server that was well.
    pub unhealthy_after: u32,
}

/// What the checks say of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It is well.
    Well {
        /// Bad answers since the last good one.
        misses: u32,
    },
    /// It is not.
    Unwell {
        /// Good answers since the last bad one.
        hits: u32,
    },
}

impl Default for Checked {
    /// A server that nobody has asked yet is taken to be well.
    fn default() -> Self {
        Self::Well { misses: 0 }
    }
}

impl Checked {
    /// Whether it may be asked.
    pub const fn is_well(self) -> bool {
        matches!(self, Self::Well { .. })
    }

    /// After one more check.
    #[must_use]
    pub const fn seen(self, rule: &CheckRule, good: bool) -> Self {
        match (self, good) {
            (Self::Well { .. }, true) => Self::Well { misses: 0 },
            (Self::Unwell { .. }, false) => Self::Unwell { hits: 0 },
            (Self::Well { misses }, false) if misses + 1 < rule.unhealthy_after => {
                Self::Well { misses: misses + 1 }
            }
            (Self::Well { .. }, false) => Self::Unwell { hits: 0 },
            (Self::Unwell { hits }, true) if hits + 1 < rule.healthy_after => Self::Unwell { hits: hits + 1 },
            (Self::Unwell { .. }, true) => Self::Well { misses: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opinion_needs_several_answers_in_a_row() {
        let rule = CheckRule {
            healthy_after: 2,
            unhealthy_after: 3,
        };
        for (seen, well) in [
            ("", true),
            ("--", true),
            ("--+--", true),
            ("---", false),
            ("---+", false),
            ("---+-+", false),
            ("---++", true),
            ("---++--", true),
            ("---++---", false),
        ] {
            let checked = seen.chars().fold(Checked::default(), |checked, sign| {
                checked.seen(&rule, sign == '+')
            });
            assert_eq!(checked.is_well(), well, "{seen}");
        }
    }
}
