//! What "the next day" means to the shop.

use std::collections::BTreeSet;
use time::{Date, Duration, OffsetDateTime, Time, UtcOffset, Weekday};

/// Why days cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeverOpen;

/// Counts the days after which an order is shipped, delivered, confirmed, or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calendar {
    /// Days as people count them.
    Civil(CivilDays),
    /// A day is this long, from whatever moment it is counted: for demos and drills.
    Every(Duration),
}

/// Days that begin at midnight somewhere; those on which the shop is shut do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CivilDays {
    offset: UtcOffset,
    shut: Vec<Weekday>,
    holidays: BTreeSet<Date>,
}

// === impl Calendar ===

impl Calendar {
    /// The moment at which the `days`-th day after `moment` begins.
    pub fn after(&self, moment: OffsetDateTime, days: u8) -> OffsetDateTime {
        match self {
            Self::Civil(civil) => civil.after(moment, days),
            Self::Every(length) => moment + *length * i32::from(days),
        }
    }
}

impl Default for Calendar {
    /// Every day counts, and begins at midnight in UTC.
    fn default() -> Self {
        Self::Civil(CivilDays {
            offset: UtcOffset::UTC,
            shut: Vec::new(),
            holidays: BTreeSet::new(),
        })
    }
}

// === impl CivilDays ===

impl CivilDays {
    /// Days that begin at midnight with this offset from UTC, but for the weekdays and holidays named.
    ///
    /// # Errors
    /// [`NeverOpen`] when no weekday is left.
    pub fn new(offset: UtcOffset, shut: &[Weekday], holidays: BTreeSet<Date>) -> Result<Self, NeverOpen> {
        let mut weekdays: Vec<Weekday> = Vec::new();
        for day in shut {
            if !weekdays.contains(day) {
                weekdays.push(*day);
            }
        }
        if weekdays.len() >= 7 {
            return Err(NeverOpen);
        }
        Ok(Self {
            offset,
            shut: weekdays,
            holidays,
        })
    }

    fn after(&self, moment: OffsetDateTime, days: u8) -> OffsetDateTime {
        let mut day = moment.to_offset(self.offset).date();
        let mut left = days;
        while left > 0 {
            // At the end of all dates it stays there.
            let Some(next) = day.next_day() else { break };
            day = next;
            left -= u8::from(self.is_open(day));
        }
        day.with_time(Time::MIDNIGHT)
            .assume_offset(self.offset)
            .to_offset(UtcOffset::UTC)
    }

    fn is_open(&self, day: Date) -> bool {
        !self.shut.contains(&day.weekday()) && !self.holidays.contains(&day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime, offset};

    #[test]
    fn a_day_begins_at_midnight_where_the_shop_is() {
        let utc = Calendar::default();
        let seoul = Calendar::Civil(CivilDays::new(offset!(+9), &[], BTreeSet::new()).unwrap());
        for (calendar, since, days, expected) in [
            (
                &utc,
                datetime!(2026-11-21 13:00 UTC),
                1,
                datetime!(2026-11-22 0:00 UTC),
            ),
            (
                &utc,
                datetime!(2026-11-21 23:59:59 UTC),
                1,
                datetime!(2026-11-22 0:00 UTC),
            ),
            (
                &utc,
                datetime!(2026-11-21 0:00 UTC),
                1,
                datetime!(2026-11-22 0:00 UTC),
            ),
            (
                &utc,
                datetime!(2026-12-31 13:00 UTC),
                3,
                datetime!(2027-01-03 0:00 UTC),
            ),
            (
                &seoul,
                datetime!(2026-11-21 13:00 UTC),
                1,
                datetime!(2026-11-21 15:00 UTC),
            ),
            (
                &seoul,
                datetime!(2026-11-21 15:00 UTC),
                1,
                datetime!(2026-11-22 15:00 UTC),
            ),
        ] {
            assert_eq!(calendar.after(since, days), expected, "{since} {days}");
        }
    }

    #[test]
    fn days_on_which_the_shop_is_shut_do_not_count() {
        let holidays = BTreeSet::from([date!(2026 - 12 - 25)]);
        let weekend = [Weekday::Saturday, Weekday::Sunday, Weekday::Sunday];
        let calendar = Calendar::Civil(CivilDays::new(UtcOffset::UTC, &weekend, holidays).unwrap());
        let thursday = datetime!(2026-12-24 10:00 UTC);
        assert_eq!(calendar.after(thursday, 1), datetime!(2026-12-28 0:00 UTC));
        assert_eq!(calendar.after(thursday, 2), datetime!(2026-12-29 0:00 UTC));
    }

    #[test]
    fn a_shop_that_is_always_shut_has_no_calendar() {
        use Weekday::*;
        let all = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday];
        let never = CivilDays::new(UtcOffset::UTC, &all, BTreeSet::new());
        assert_eq!(never, Err(NeverOpen));
    }

    #[test]
    fn a_day_of_a_drill_is_as_long_as_it_says() {
        let quick = Calendar::Every(Duration::seconds(60));
        let now = datetime!(2026-11-21 13:00:30 UTC);
        assert_eq!(quick.after(now, 2), now + Duration::seconds(120));
    }
}
