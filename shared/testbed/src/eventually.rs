//! Waiting for something that will be true soon, with a bound.

use std::time::Duration;
use tokio::time::Instant;

/// How often the condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` is true.
///
/// # Panics
/// Says `what` did not happen within `bound`.
pub async fn eventually(bound: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    eventually_some(bound, what, async || condition().await.then_some(())).await;
}

/// Waits until `condition` has an answer.
///
/// # Panics
/// Says `what` did not happen within `bound`.
pub async fn eventually_some<T>(bound: Duration, what: &str, condition: impl AsyncFnMut() -> Option<T>) -> T {
    within(bound, condition)
        .await
        .unwrap_or_else(|| panic!("not within {bound:?}: {what}"))
}

/// The first answer of `condition` within `bound`, or nothing.
pub async fn within<T>(bound: Duration, mut condition: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + bound;
    loop {
        // The condition itself may hang, on a frozen wire for example.
        let answer = tokio::time::timeout_at(deadline, condition()).await.ok()?;
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_again_until_it_is_so() {
        let mut looked = 0;
        let soon = async || {
            looked += 1;
            looked == 3
        };
        eventually(Duration::from_secs(5), "the third look", soon).await;
        assert_eq!(looked, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "the end of waiting")]
    async fn a_condition_that_hangs_is_bounded_too() {
        eventually(
            Duration::from_millis(20),
            "the end of waiting",
            std::future::pending::<bool>,
        )
        .await;
    }
}
