//! How long is waited for a connection: a bound that every request moves on.
//!
//! A shopper who polls moves it all the time and hardly ever meets it. So the timer is left where it is, and looked
//! after when it rings: then what is left is waited for, or time is up.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};

/// A bound on waiting.
pub(super) struct Alarm {
    due: Instant,
    /// The timer, once there was something to wait for; never later than `due`.
    bell: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// It rings after this long.
    pub(super) fn after(time: Duration) -> Self {
        Self {
            due: Instant::now() + time,
            bell: None,
        }
    }

    /// From now on it rings after this long.
    pub(super) fn set(&mut self, time: Duration) {
        self.due = Instant::now() + time;
        if let Some(bell) = self.bell.as_mut().filter(|bell| bell.deadline() > self.due) {
            bell.as_mut().reset(self.due);
        }
    }

    /// What comes of `doing`, or nothing if it rings before.
    pub(super) async fn before<F: Future>(&mut self, doing: F) -> Option<F::Output> {
        let mut doing = pin!(doing);
        poll_fn(|context| match doing.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.rings(context).map(|()| None),
        })
        .await
    }

    fn rings(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let bell = self.bell.get_or_insert_with(|| Box::pin(sleep_until(self.due)));
        while bell.as_mut().poll(context).is_ready() {
            if bell.deadline() >= self.due {
                return Poll::Ready(());
            }
            bell.as_mut().reset(self.due);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_it_was_last_set_to() {
        let began = Instant::now();
        let mut alarm = Alarm::after(SECOND);
        assert_eq!(alarm.before(sleep(SECOND / 2)).await, Some(()));
        alarm.set(SECOND);
        assert_eq!(alarm.before(pending::<()>()).await, None);
        assert_eq!(began.elapsed(), SECOND * 3 / 2);
        alarm.set(SECOND * 10);
        assert_eq!(alarm.before(sleep(SECOND * 5)).await, Some(()));
        alarm.set(SECOND);
        assert_eq!(
            alarm.before(pending::<()>()).await,
            None,
            "sooner than it was set to before"
        );
        assert_eq!(began.elapsed(), SECOND * 15 / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_at_once_needs_no_timer() {
        let mut alarm = Alarm::after(Duration::ZERO);
        assert_eq!(alarm.before(ready(1)).await, Some(1));
        assert!(alarm.bell.is_none());
    }
}
