//! Who does something when: one list of shoppers for each step of the clock, turned like a wheel.

/// One step of the virtual clock, in milliseconds.
pub(crate) const STEP_MS: u64 = 10;
/// Steps that the wheel looks ahead; whoever is due later is looked at once in between.
const SLOTS: u64 = 65_536;

/// The shoppers by when they are due. Each is in it at most once.
pub(crate) struct Wheel {
    slots: Vec<Vec<u32>>,
    step: u64,
    count: u64,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let slots = usize::try_from(SLOTS).unwrap_or(0);
        Self {
            slots: vec![Vec::new(); slots],
            step: 0,
            count: 0,
        }
    }

    /// How many are due at some time.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Puts `shopper` where `due_ms` is, in the next step at the earliest.
    pub(crate) fn put(&mut self, shopper: u32, due_ms: u64) {
        let step = due_ms.div_ceil(STEP_MS);
        let step = step.clamp(self.step + 1, self.step + SLOTS - 1);
        self.slots[slot(step)].push(shopper);
        self.count += 1;
    }

    /// Turns on to `now_ms` and takes out whoever is there.
    pub(crate) fn turn(&mut self, now_ms: u64) -> Vec<u32> {
        self.step = now_ms / STEP_MS;
        let due = std::mem::take(&mut self.slots[slot(self.step)]);
        self.count -= due.len() as u64;
        due
    }
}

fn slot(step: u64) -> usize {
    usize::try_from(step % SLOTS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_taken_out_when_due_and_the_far_ones_before() {
        let mut wheel = Wheel::new();
        wheel.put(1, 20);
        wheel.put(2, 0);
        wheel.put(3, 10_000_000);
        assert_eq!(wheel.turn(10), [2]);
        assert_eq!(wheel.turn(20), [1]);
        assert_eq!(wheel.count(), 1);
        let far = (3..SLOTS).find(|step| !wheel.turn(step * STEP_MS).is_empty());
        assert_eq!(far, Some(SLOTS - 1), "to be put in again");
    }
}
