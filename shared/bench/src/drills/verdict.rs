//! The verdict on a drill, and its line of JSON.

use super::{
    Done,
    people::People,
    stage::{Stage, edges_of},
};
use crate::{
    Verdict,
    cli::DrillPlan,
    report::{print, rounded},
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Within this somebody must come in again.
const ADMITTED_WITHIN: Duration = Duration::from_secs(10);

/// What must be nothing, and what must be soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Harm {
    places_lost: u64,
    numbers_doubled: u64,
    sessions_over_cap: u64,
    gate_open: u64,
    admitted_after: Option<Duration>,
}

impl Harm {
    fn verdict(self) -> Verdict {
        let harmless = self.places_lost + self.numbers_doubled + self.sessions_over_cap + self.gate_open == 0;
        let soon = self.admitted_after.is_some_and(|after| after <= ADMITTED_WITHIN);
        if harmless && soon {
            Verdict::Passed
        } else {
            Verdict::Failed
        }
    }
}

pub fn judge(plan: &DrillPlan, done: &Done, stage: &Stage, people: &People) -> anyhow::Result<Verdict> {
    let ledger = &people.ledger;
    let (dealt, numbers_doubled) = ledger.numbers();
    let (watched, lost) = ledger.lost();
    let (guests, intruders) = stage.shop.reached();
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let harm = Harm {
        places_lost: lost.len() as u64,
        numbers_doubled,
        sessions_over_cap: ledger.most_alive().saturating_sub(u64::from(plan.max_active)),
        gate_open: intruders.max(count(&ledger.intruders_welcomed)),
        admitted_after: ledger.admitted_after(done.since),
    };
    let name = plan.drill.name();
    let mut fields = vec![("bench", json!(name)), ("did", json!(done.what))];
    fields.extend(harm_figures(&harm));
    fields.extend([
        ("shoppers", json!(plan.shoppers)),
        ("edges", json!(edges_of(plan.drill))),
        ("numbers", json!(dealt)),
        ("places_watched", json!(watched)),
        ("admitted", json!(ledger.admissions())),
        ("most_sessions", json!(ledger.most_alive())),
        ("max_active", json!(plan.max_active)),
        ("polls", json!(count(&ledger.polls))),
        ("visits", json!(count(&ledger.visits))),
        ("visits_failed", json!(count(&ledger.visits_failed))),
        ("reached_the_origin", json!(guests)),
        ("intrusions", json!(count(&ledger.intrusions))),
        ("put_off", json!(count(&ledger.put_off))),
        ("unanswered", json!(count(&ledger.unanswered))),
    ]);
    print(&fields)?;
    Ok(harm.verdict())
}

fn harm_figures(harm: &Harm) -> Vec<(&'static str, Value)> {
    let seconds = harm.admitted_after.map(|after| rounded(after.as_secs_f64(), 2));
    vec![
        ("places_lost", json!(harm.places_lost)),
        ("numbers_doubled", json!(harm.numbers_doubled)),
        ("sessions_over_cap", json!(harm.sessions_over_cap)),
        ("gate_open", json!(harm.gate_open)),
        ("seconds_to_admit", json!(seconds)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_harm_is_allowed_and_no_long_wait() {
        let none = Harm {
            places_lost: 0,
            numbers_doubled: 0,
            sessions_over_cap: 0,
            gate_open: 0,
            admitted_after: Some(ADMITTED_WITHIN),
        };
        let late = Some(ADMITTED_WITHIN + Duration::from_millis(1));
        let table = [
            (none, Verdict::Passed),
            (
                Harm {
                    places_lost: 1,
                    ..none
                },
                Verdict::Failed,
            ),
            (
                Harm {
                    numbers_doubled: 1,
                    ..none
                },
                Verdict::Failed,
            ),
            (
                Harm {
                    sessions_over_cap: 1,
                    ..none
                },
                Verdict::Failed,
            ),
            (Harm { gate_open: 1, ..none }, Verdict::Failed),
            (
                Harm {
                    admitted_after: late,
                    ..none
                },
                Verdict::Failed,
            ),
            (
                Harm {
                    admitted_after: None,
                    ..none
                },
                Verdict::Failed,
            ),
        ];
        for (harm, verdict) in table {
            assert_eq!(harm.verdict(), verdict, "{harm:?}");
        }
    }
}
