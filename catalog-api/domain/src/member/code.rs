//! Codes that prove somebody reads the mail of an address.

use std::time::Duration;

/// How long a code is valid.
pub const CODE_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How often it may be tried: five of a million.
pub const CODE_ATTEMPTS_MAX: u32 = 5;
/// How many codes there are for one purpose, the first included.
pub const CODE_SENDS_MAX: u32 = 4;
/// How long to wait between two of them.
pub const RESEND_PAUSE: Duration = Duration::from_secs(60);

const CODES: u64 = 1_000_000;

/// How a code stands before somebody tries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeState {
    /// Wrong tries so far.
    pub attempts: u32,
    /// Codes sent so far.
    pub sends: u32,
    /// When the last one was sent, Unix milliseconds.
    pub sent_unix_ms: u64,
    /// Until when it is valid, Unix milliseconds.
    pub expires_unix_ms: u64,
    /// It has done its work.
    pub is_used: bool,
}

/// What a try comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Right, and in time.
    Right,
    /// Wrong; the try counts.
    Wrong,
    /// Whatever was tried: it is used, over, or was tried too often.
    Over,
}

/// The six digits that belong to random bytes. The bias of the remainder is one in ten trillion.
pub fn code_from(random: [u8; 8]) -> String {
    format!("{:06}", u64::from_be_bytes(random) % CODES)
}

impl CodeState {
    /// What a try at this time comes to, if the code `matches`.
    pub fn judge(&self, matches: bool, now_unix_ms: u64) -> Judgement {
        let over = self.is_used || now_unix_ms >= self.expires_unix_ms || self.attempts >= CODE_ATTEMPTS_MAX;
        match (over, matches) {
            (true, _) => Judgement::Over,
            (false, true) => Judgement::Right,
            (false, false) => Judgement::Wrong,
        }
    }

    /// Whether another code may be sent: `Ok`, or after how long; `None` when there have been enough.
    pub fn may_resend(&self, now_unix_ms: u64) -> Result<(), Option<Duration>> {
        if self.is_used || self.sends >= CODE_SENDS_MAX {
            return Err(None);
        }
        let pause = u64::try_from(RESEND_PAUSE.as_millis()).unwrap_or(u64::MAX);
        let wait = (self.sent_unix_ms + pause).saturating_sub(now_unix_ms);
        if wait > 0 {
            Err(Some(Duration::from_millis(wait)))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATE: CodeState = CodeState {
        attempts: 0,
        sends: 1,
        sent_unix_ms: 0,
        expires_unix_ms: 1_800_000,
        is_used: false,
    };

    #[test]
    fn a_code_is_tried_five_times_within_half_an_hour_and_used_once() {
        for (state, matches, now, expected) in [
            (STATE, true, 0, Judgement::Right),
            (STATE, true, 1_799_999, Judgement::Right),
            (STATE, true, 1_800_000, Judgement::Over),
            (STATE, false, 0, Judgement::Wrong),
            (CodeState { attempts: 4, ..STATE }, true, 0, Judgement::Right),
            (CodeState { attempts: 5, ..STATE }, true, 0, Judgement::Over),
            (CodeState { attempts: 5, ..STATE }, false, 0, Judgement::Over),
            (
                CodeState {
                    is_used: true,
                    ..STATE
                },
                true,
                0,
                Judgement::Over,
            ),
        ] {
            assert_eq!(state.judge(matches, now), expected, "{state:?} {matches} {now}");
        }
    }

    #[test]
    fn another_code_is_sent_after_a_minute_three_times() {
        assert_eq!(STATE.may_resend(59_999), Err(Some(Duration::from_millis(1))));
        assert_eq!(STATE.may_resend(60_000), Ok(()));
        assert_eq!(CodeState { sends: 4, ..STATE }.may_resend(60_000), Err(None));
        assert_eq!(
            CodeState {
                is_used: true,
                ..STATE
            }
            .may_resend(60_000),
            Err(None)
        );
    }

    proptest! {
        #[test]
        fn a_code_is_six_digits(random: [u8; 8]) {
            let code = code_from(random);
            prop_assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
        }

        #[test]
        fn guessing_gets_five_tries(guesses in prop::collection::vec(0u64..1_000_000, 1..50), right in 0u64..1_000_000) {
            let mut state = STATE;
            let mut judged = 0;
            for guess in guesses {
                match state.judge(guess == right, 1) {
                    Judgement::Wrong => { state.attempts += 1; judged += 1; }
                    Judgement::Right => { state.is_used = true; judged += 1; }
                    Judgement::Over => {}
                }
            }
            prop_assert!(judged <= CODE_ATTEMPTS_MAX);
        }
    }
}
