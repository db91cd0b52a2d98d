//! What goes wrong with payments on purpose: for tests, drills and demos.

use crate::outcome::Outcome;

/// How often, in percent, something goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trouble {
    /// `SANDBOX_PAYMENTS_DROP_OFF_AT_ENTRY_PERCENT`: a shopper never comes to the checkout; the payment is abandoned as soon
    /// as it is opened.
    pub drop_off_at_entry: u8,
    /// `SANDBOX_PAYMENTS_DROP_OFF_PERCENT`: a shopper leaves instead of paying.
    pub drop_off: u8,
    /// `SANDBOX_PAYMENTS_LOST_PERCENT`: a report is never sent.
    pub lost: u8,
    /// `SANDBOX_PAYMENTS_DOUBLED_PERCENT`: a report is sent twice.
    pub doubled: u8,
    /// `SANDBOX_PAYMENTS_LATE_PERCENT`: a report is sent as late as that of the slow card, so that later ones overtake it.
    pub late: u8,
}

/// What becomes of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Post {
    /// How often it is sent.
    pub(crate) copies: usize,
    /// Whether it is sent late.
    pub(crate) late: bool,
}

impl Trouble {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every mistake, one a line.
    pub fn from_env() -> Result<Self, Vec<String>> {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(get: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut percent = |what: &str| {
            let name = format!("SANDBOX_PAYMENTS_{what}_PERCENT");
            let read = get(&name).map_or(Ok(0), |text| text.parse::<u8>());
            let read = read.ok().filter(|percent| *percent <= 100);
            if read.is_none() {
                mistakes.push(format!("{name}: must be a number from 0 to 100"));
            }
            read.unwrap_or(0)
        };
        let trouble = Self {
            drop_off_at_entry: percent("DROP_OFF_AT_ENTRY"),
            drop_off: percent("DROP_OFF"),
            lost: percent("LOST"),
            doubled: percent("DOUBLED"),
            late: percent("LATE"),
        };
        if mistakes.is_empty() {
            Ok(trouble)
        } else {
            Err(mistakes)
        }
    }

    /// Whether the shopper of a payment that is opened never comes. `dice` are random.
    pub(crate) fn at_entry(self, dice: u8) -> bool {
        happens(self.drop_off_at_entry, dice)
    }

    /// What the shopper does who was about to do `meant`. Who was about to leave leaves.
    pub(crate) fn at_payment(self, meant: Outcome, dice: u8) -> Outcome {
        if happens(self.drop_off, dice) {
            Outcome::Abandoned
        } else {
            meant
        }
    }

    /// What becomes of a report that would be sent `copies` times.
    pub(crate) fn at_report(self, copies: usize, dice: [u8; 3]) -> Post {
        let [lost, doubled, late] = dice;
        let copies = if happens(self.doubled, doubled) {
            copies * 2
        } else {
            copies
        };
        Post {
            copies: if happens(self.lost, lost) { 0 } else { copies },
            late: happens(self.late, late),
        }
    }
}

/// Whether something happens that does so in `percent` of all cases.
fn happens(percent: u8, dice: u8) -> bool {
    u16::from(dice) * 100 / 256 < u16::from(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_happen_in_so_many_percent_does() {
        for (percent, at_least, at_most) in [(0, 0, 0), (20, 18, 22), (50, 49, 51), (100, 100, 100)] {
            let often = (0..=u8::MAX).filter(|dice| happens(percent, *dice)).count() * 100 / 256;
            assert!((at_least..=at_most).contains(&often), "{percent}: {often}");
        }
    }

    #[test]
    fn nothing_goes_wrong_unless_it_is_asked_for() {
        let calm = Trouble::from(|_| None).unwrap();
        assert_eq!(calm, Trouble::default());
        assert!(!calm.at_entry(0));
        assert_eq!(calm.at_payment(Outcome::Paid, 0), Outcome::Paid);
        assert_eq!(
            calm.at_report(2, [0; 3]),
            Post {
                copies: 2,
                late: false
            }
        );
    }

    #[test]
    fn each_kind_of_trouble_is_its_own() {
        let all = Trouble::from(|_| Some("20".to_owned())).unwrap();
        assert!(all.at_entry(0) && !all.at_entry(255));
        assert_eq!(all.at_payment(Outcome::Paid, 0), Outcome::Abandoned);
        for (dice, copies, late) in [
            ([0, 255, 255], 0, false),
            ([255, 0, 255], 2, false),
            ([255, 255, 0], 1, true),
            ([255, 255, 255], 1, false),
        ] {
            assert_eq!(all.at_report(1, dice), Post { copies, late }, "{dice:?}");
        }
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        for wrong in ["101", "-1", "many"] {
            assert_eq!(
                Trouble::from(|_| Some(wrong.to_owned())).unwrap_err().len(),
                5,
                "{wrong}"
            );
        }
    }
}
