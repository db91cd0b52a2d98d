//! How often the same visitor may ask.

use super::household;
use moka::sync::Cache;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use waiting_room_domain::{Moment, Pace, TicketId};

/// Households remembered at most, some 30 MB. When more come within two minutes, the rarest are forgotten and begin
/// anew: a limit must not become a way to fill the memory.
const HOUSEHOLDS_MAX: u64 = 250_000;
/// After a minute everything is paid for.
const REMEMBERED_IDLE: Duration = Duration::from_secs(120);
/// Tickets whose polls are remembered, 8 bytes each.
const POLL_SLOTS: usize = 1 << 20;
/// Bits of a slot that say until when its polls are paid for: enough for five hundred years of milliseconds.
const DEBT_BITS: u32 = 44;

/// How many places one address may ask for.
pub struct JoinLimit {
    pace: Pace,
    debts: Cache<IpAddr, Arc<AtomicU64>>,
}

impl JoinLimit {
    /// So many.
    pub fn new(pace: Pace) -> Self {
        let debts = Cache::builder()
            .max_capacity(HOUSEHOLDS_MAX)
            .time_to_idle(REMEMBERED_IDLE)
            .build();
        Self { pace, debts }
    }

    /// Counts a join of this address, unless there were too many.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, address: IpAddr, now: Moment) -> Result<(), Duration> {
        let debt = self.debts.get_with(household(address), Arc::default);
        settle(&debt, |debt| {
            self.pace
                .admit(Moment::from_unix_ms(debt), now)
                .map(Moment::unix_ms)
        })
    }
}

/// How often a ticket may be asked about. A table of one size, whatever comes: where two tickets meet in one slot, the
/// later one takes it, and the earlier begins anew.
pub struct PollLimit {
    polls_per_pause: u32,
    slots: Box<[AtomicU64]>,
}

impl PollLimit {
    /// So many polls in the pause that the ticket was told; nothing where there is no limit.
    pub fn new(polls_per_pause: u32) -> Option<Self> {
        (polls_per_pause > 0).then(|| Self {
            polls_per_pause,
            slots: (0..POLL_SLOTS).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// Counts a poll of this ticket, unless there were too many. `pause` is after how long it is asked to come again.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&self, ticket: &TicketId, now: Moment, pause: Duration) -> Result<(), Duration> {
        let Some(pace) = Pace::new(self.polls_per_pause, pause) else {
            return Ok(());
        };
        // A ticket's id is random, and signed: nobody chooses their slot.
        let [a, b, c, d, e, f, g, h, ..] = *ticket;
        let id = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let tag = id >> DEBT_BITS << DEBT_BITS;
        let slot = usize::try_from(id % POLL_SLOTS as u64).unwrap_or(0);
        let Some(slot) = self.slots.get(slot) else {
            return Ok(());
        };
        settle(slot, |known| {
            let debt = if known >> DEBT_BITS << DEBT_BITS == tag {
                known - tag
            } else {
                0
            };
            let next = pace.admit(Moment::from_unix_ms(debt), now)?;
            Ok(tag | (next.unix_ms() & ((1 << DEBT_BITS) - 1)))
        })
    }
}

/// Replaces a debt by the next one; many may do so at once.
///
/// # Errors
/// What `admit` says: how long to wait.
pub fn settle(debt: &AtomicU64, admit: impl Fn(u64) -> Result<u64, Duration>) -> Result<(), Duration> {
    let mut known = debt.load(Ordering::Relaxed);
    loop {
        let next = admit(known)?;
        match debt.compare_exchange_weak(known, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Ok(()),
            Err(changed) => known = changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_unix_ms(1_800_000_000_000);

    fn later(ms: u64) -> Moment {
        NOW.plus(Duration::from_millis(ms))
    }

    #[test]
    fn an_address_joins_as_often_as_it_may() {
        let limit = JoinLimit::new(Pace::new(2, Duration::from_secs(60)).unwrap());
        let [one, other, neighbour] =
            ["2001:db8::1", "192.0.2.1", "2001:db8::2"].map(|text| text.parse().unwrap());
        assert!(limit.admit(one, NOW).is_ok());
        assert!(limit.admit(neighbour, NOW).is_ok());
        assert_eq!(limit.admit(one, NOW), Err(Duration::from_secs(30)));
        assert!(limit.admit(other, NOW).is_ok());
        assert!(limit.admit(one, later(30_000)).is_ok());
    }

    #[test]
    fn a_crowd_that_joins_at_once_is_counted_exactly() {
        let limit = JoinLimit::new(Pace::new(100, Duration::from_secs(60)).unwrap());
        let address = "192.0.2.1".parse().unwrap();
        let admitted: usize = std::thread::scope(|scope| {
            let join = || (0..100).filter(|_| limit.admit(address, NOW).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(join)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 100);
    }

    #[test]
    fn a_ticket_is_asked_about_four_times_a_pause() {
        let limit = PollLimit::new(4).unwrap();
        let pause = Duration::from_secs(2);
        let ticket = [0xab; 12];
        for _ in 0..4 {
            assert_eq!(limit.admit(&ticket, NOW, pause), Ok(()));
        }
        assert_eq!(limit.admit(&ticket, NOW, pause), Err(Duration::from_millis(500)));
        assert_eq!(limit.admit(&[1; 12], NOW, pause), Ok(()));
        assert_eq!(limit.admit(&ticket, later(500), pause), Ok(()));
    }

    #[test]
    fn who_asks_when_told_to_is_always_answered() {
        let limit = PollLimit::new(4).unwrap();
        for poll in 0..1_000 {
            let pause = Duration::from_millis(100 + poll % 7 * 300);
            assert_eq!(limit.admit(&[7; 12], later(poll * 2_000), pause), Ok(()));
        }
    }

    #[test]
    fn no_limit_is_none() {
        assert!(PollLimit::new(0).is_none());
    }
}
