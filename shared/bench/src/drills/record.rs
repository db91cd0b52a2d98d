//! What one shopper in line was told, and whether that is a place lost.

/// What was answered to "where do I stand?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// This number waits behind so many.
    Waiting { number: u64, ahead: u64 },
    /// It is this number's turn.
    Called { number: u64 },
    /// The turn was missed, or there is no such line.
    Over(String),
    /// The ticket counts for nothing.
    Refused(u16),
}

/// A shopper in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    number: u64,
    /// The best place so far.
    lowest: Option<u64>,
    called: bool,
    lost: Option<String>,
}

impl Record {
    /// Of somebody who was just dealt a number.
    pub fn of(number: u64) -> Self {
        Self {
            number,
            lowest: None,
            called: false,
            lost: None,
        }
    }

    /// Takes an answer down. One edge may be a tick behind another, so a place that is further back is none lost yet:
    /// that is for [`Record::stands`] to say, when all is quiet.
    pub fn sees(&mut self, seen: &Seen) {
        match seen {
            Seen::Waiting { number, ahead } => {
                self.is(*number);
                self.lowest = Some(self.lowest.map_or(*ahead, |lowest| lowest.min(*ahead)));
            }
            Seen::Called { number } => {
                self.is(*number);
                self.called = true;
            }
            Seen::Over(state) => self.loses(format!("the place is {state}")),
            Seen::Refused(status) => self.loses(format!("the ticket was answered {status}")),
        }
    }

    /// Whether an answer is as good as the best before. Takes down what can never be good.
    pub fn stands(&mut self, seen: &Seen) -> bool {
        let further_back = match seen {
            Seen::Waiting { ahead, .. } => self.called || self.lowest.is_some_and(|lowest| *ahead > lowest),
            _ => false,
        };
        if !further_back {
            self.sees(seen);
        }
        !further_back
    }

    /// Gives it up, because of this.
    pub fn loses(&mut self, why: String) {
        self.lost.get_or_insert(why);
    }

    /// Why the place is lost, if it is.
    pub fn lost(&self) -> Option<String> {
        let why = self.lost.as_ref()?;
        Some(format!("number {}: {why}", self.number))
    }

    fn is(&mut self, number: u64) {
        if number != self.number {
            self.loses(format!("it is number {number} now"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(ahead: u64) -> Seen {
        Seen::Waiting { number: 7, ahead }
    }

    #[test]
    fn what_a_place_lost_is() {
        let called = || Seen::Called { number: 7 };
        let other = Seen::Waiting { number: 8, ahead: 1 };
        let table: [(&str, Vec<Seen>, bool); 7] = [
            ("moves on", vec![waiting(5), waiting(3), called()], false),
            (
                "a tick behind, and then not",
                vec![waiting(3), waiting(4), waiting(2)],
                false,
            ),
            ("another number", vec![waiting(3), other], true),
            (
                "missed without being called",
                vec![waiting(3), Seen::Over("missed".to_owned())],
                true,
            ),
            ("refused", vec![Seen::Refused(401)], true),
            (
                "refused and then good again",
                vec![Seen::Refused(401), waiting(3)],
                true,
            ),
            ("never asked", vec![], false),
        ];
        for (what, seen, lost) in table {
            let mut record = Record::of(7);
            seen.iter().for_each(|seen| record.sees(seen));
            assert_eq!(record.lost().is_some(), lost, "{what}");
        }
    }

    #[test]
    fn when_all_is_quiet_nobody_is_further_back() {
        let mut record = Record::of(7);
        record.sees(&waiting(3));
        assert!(!record.stands(&waiting(4)));
        assert!(record.lost().is_none(), "asked again it may stand");
        assert!(record.stands(&waiting(3)) && record.stands(&waiting(0)));
        assert!(record.stands(&Seen::Called { number: 7 }));
        assert!(!record.stands(&waiting(0)), "who was called waits no more");
        assert!(record.stands(&Seen::Refused(401)) && record.lost().is_some());
    }
}
