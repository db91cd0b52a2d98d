//! Who has to wait before signing in, after wrong passwords.
//!
//! Guessing must be slow, and nobody may be locked out by somebody else's guesses. So what makes one wait is counted by
//! what belongs to the one who guesses: the pair of account and network address, and the address alone. What is counted by
//! account alone, over all addresses, never makes anybody wait: beyond a bound the right password has to be followed by a
//! code from the mail. A device that has signed in to the account before is counted for itself only.

use std::time::Duration;

/// Wrong tries that still count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub failures: u32,
    /// When the last one was, Unix milliseconds.
    pub last_unix_ms: u64,
}

/// How a tally makes one wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many are free.
    pub free: u32,
    /// The pause after the first one beyond; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// After so long without a failure one is forgotten.
    pub forgets_one_in: Duration,
}

/// The rules in force.
pub mod rules {
    use super::Rule;
    use std::time::Duration;

    const LONGEST: Duration = Duration::from_secs(15 * 60);

    /// One account from one address.
    pub const PAIR: Rule = Rule {
        free: 5,
        first_pause: Duration::from_secs(2),
        longest: LONGEST,
        forgets_one_in: Duration::from_secs(10 * 60),
    };
    /// One account from a device that it knows.
    pub const DEVICE: Rule = PAIR;
    /// Any account from one address: a company or a school may be behind it.
    pub const ADDRESS: Rule = Rule {
        free: 50,
        first_pause: Duration::from_secs(1),
        longest: LONGEST,
        forgets_one_in: Duration::from_secs(60),
    };
    /// One account from anywhere: beyond `free` a code is asked for, and nobody waits.
    pub const ACCOUNT: Rule = Rule {
        free: 30,
        first_pause: Duration::ZERO,
        longest: Duration::ZERO,
        forgets_one_in: Duration::from_secs(2 * 60),
    };
    /// What else one address may begin: sign-ups, and codes for a new password.
    pub const BEGINNINGS: Rule = Rule {
        free: 30,
        first_pause: Duration::from_secs(10),
        longest: LONGEST,
        forgets_one_in: Duration::from_secs(60),
    };
    /// Mails to one recipient that did not ask for them, perhaps.
    pub const MAILS: Rule = Rule {
        free: 6,
        first_pause: Duration::from_secs(60),
        longest: Duration::from_secs(3600),
        forgets_one_in: Duration::from_secs(30 * 60),
    };
}

/// Everything that is counted about one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Of the device, if the account knows it.
    pub device: Option<Tally>,
    /// Of account and address together.
    pub pair: Tally,
    /// Of the address.
    pub address: Tally,
    /// Of the account.
    pub account: Tally,
}

/// What becomes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The password decides.
    Password,
    /// The password, and then a code from the mail.
    PasswordAndCode,
    /// Neither is looked at before so long.
    Wait(Duration),
}

// === impl Tally ===

impl Tally {
    /// What still counts at this time.
    pub fn at(self, now_unix_ms: u64, rule: Rule) -> Self {
        let quiet = now_unix_ms.saturating_sub(self.last_unix_ms);
        let forgotten = quiet / millis(rule.forgets_one_in).max(1);
        let failures = self
            .failures
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        Self { failures, ..self }
    }

    /// With one more.
    #[must_use]
    pub fn failed(self, now_unix_ms: u64, rule: Rule) -> Self {
        Self {
            failures: self.at(now_unix_ms, rule).failures.saturating_add(1),
            last_unix_ms: now_unix_ms,
        }
    }

    /// How long to wait before the next try.
    pub fn wait(self, now_unix_ms: u64, rule: Rule) -> Duration {
        let beyond = self.at(now_unix_ms, rule).failures.saturating_sub(rule.free);
        if beyond == 0 {
            return Duration::ZERO;
        }
        let pause = rule
            .first_pause
            .saturating_mul(1 << (beyond - 1).min(20))
            .min(rule.longest);
        let over = self.last_unix_ms.saturating_add(millis(pause));
        Duration::from_millis(over.saturating_sub(now_unix_ms))
    }
}

/// What becomes of a try at this time.
pub fn admit(counted: &Counted, now_unix_ms: u64) -> Gate {
    let wait = match counted.device {
        Some(device) => device.wait(now_unix_ms, rules::DEVICE),
        None => {
            let pair = counted.pair.wait(now_unix_ms, rules::PAIR);
            pair.max(counted.address.wait(now_unix_ms, rules::ADDRESS))
        }
    };
    if wait > Duration::ZERO {
        return Gate::Wait(wait);
    }
    let guessed_at = counted.account.at(now_unix_ms, rules::ACCOUNT).failures >= rules::ACCOUNT.free;
    if guessed_at && counted.device.is_none() {
        Gate::PasswordAndCode
    } else {
        Gate::Password
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn pauses_double_after_the_free_tries_and_are_forgotten() {
        let after = |failures| Tally {
            failures,
            last_unix_ms: 0,
        };
        for (failures, seconds) in [
            (0, 0),
            (5, 0),
            (6, 2),
            (7, 4),
            (8, 8),
            (14, 512),
            (15, 900),
            (4_000_000, 900),
        ] {
            let wait = after(failures).wait(0, rules::PAIR);
            assert_eq!(wait, Duration::from_secs(seconds), "{failures}");
        }
        assert_eq!(after(6).wait(1_500, rules::PAIR), Duration::from_millis(500));
        assert_eq!(after(6).wait(600_000, rules::PAIR), Duration::ZERO);
        assert_eq!(after(20).at(600_000 * 3, rules::PAIR).failures, 17);
    }

    /// The tallies of everybody, as the shop keeps them.
    #[derive(Default)]
    struct World {
        pairs: HashMap<u8, Tally>,
        addresses: HashMap<u8, Tally>,
        account: Tally,
        devices: Tally,
    }

    impl World {
        fn counted(&self, address: u8, known: bool) -> Counted {
            Counted {
                device: known.then_some(self.devices),
                pair: self.pairs.get(&address).copied().unwrap_or_default(),
                address: self.addresses.get(&address).copied().unwrap_or_default(),
                account: self.account,
            }
        }

        fn guess(&mut self, address: u8, now: u64) -> Gate {
            let gate = admit(&self.counted(address, false), now);
            if !matches!(gate, Gate::Wait(_)) {
                let pair = self.pairs.entry(address).or_default();
                *pair = pair.failed(now, rules::PAIR);
                let of_address = self.addresses.entry(address).or_default();
                *of_address = of_address.failed(now, rules::ADDRESS);
                self.account = self.account.failed(now, rules::ACCOUNT);
            }
            gate
        }
    }

    proptest! {
        #[test]
        fn nobody_is_locked_out_by_the_guesses_of_others(guesses in prop::collection::vec((1u8..255, 0u64..5_000), 0..400)) {
            let (mut world, mut now) = (World::default(), 0);
            for (address, later) in guesses {
                now += later;
                world.guess(address, now);
                // The owner is at address 0, on a new device, or anywhere on a known one.
                prop_assert!(!matches!(admit(&world.counted(0, false), now), Gate::Wait(_)));
                prop_assert_eq!(admit(&world.counted(address, true), now), Gate::Password);
            }
        }

        #[test]
        fn one_address_gets_few_guesses_in_a_day(gaps in prop::collection::vec(0u64..60_000, 1..3000)) {
            let (mut world, mut now, mut looked_at) = (World::default(), 0, 0);
            for gap in gaps {
                now += gap;
                if now > 86_400_000 { break }
                looked_at += u32::from(!matches!(world.guess(1, now), Gate::Wait(_)));
            }
            prop_assert!(looked_at <= 5 + 10 + 24 * 7, "{} guesses", looked_at);
        }

        #[test]
        fn guesses_from_everywhere_meet_a_code(now in 0u64..1_000_000) {
            let mut world = World::default();
            for address in 1..=31 {
                world.guess(address, now);
            }
            prop_assert_eq!(admit(&world.counted(0, false), now), Gate::PasswordAndCode);
        }
    }
}
