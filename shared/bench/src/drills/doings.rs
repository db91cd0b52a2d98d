//! What the people of a drill do, each over and over: those at the front come in, the sample polls, newcomers join, and
//! those who are in look at pages.

use super::{
    ledger::Ledger,
    people::{Pass, People},
    record::Seen,
    shop::PAGE,
};
use crate::{crowd::Place, http, pool::Answered};
use clock::{Clock, SystemClock};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

/// So many poll, join and shop at once.
pub const POLLING: usize = 8;
pub const JOINING: usize = 4;
pub const SHOPPING: usize = 4;
const CLAIM_AGAIN: Duration = Duration::from_millis(200);
/// How often somebody with a pass tries to see the shop before giving up.
const VISITS: u32 = 25;

#[derive(Deserialize)]
struct Told {
    state: String,
    number: u64,
    ahead: Option<u64>,
}

#[derive(Deserialize)]
struct Claimed {
    pass: String,
    expires_at_unix_ms: u64,
}

/// One after the other from the front of the line.
pub async fn come_in(people: Arc<People>) {
    while let Some((place, record)) = people.first_in_line() {
        claim(&people, &place, record).await;
    }
    std::future::pending::<()>().await;
}

async fn claim(people: &People, place: &Place, record: usize) {
    loop {
        let asked = Instant::now();
        let answered = people.edges.ask("POST", "/claim", Some(&place.ticket)).await;
        match people.heard(answered) {
            Some(answered) if answered.status == 200 => {
                return visit_first(people, place, asked, &answered).await;
            }
            None => {}
            Some(answered) if answered.status == 409 => {}
            Some(answered) => {
                return people
                    .ledger
                    .loses(record, &format!("the claim was answered {}", answered.status));
            }
        }
        sleep(CLAIM_AGAIN).await;
    }
}

async fn visit_first(people: &People, place: &Place, asked: Instant, answered: &Answered) {
    let Ok(claimed) = answered.json::<Claimed>(&[200]) else {
        return;
    };
    let pass = Pass {
        token: claimed.pass,
        until_ms: claimed.expires_at_unix_ms,
    };
    people
        .ledger
        .came_in(place.number, SystemClock.unix_ms(), pass.until_ms);
    people.keep(pass.clone());
    for _ in 0..VISITS {
        if visit(people, &pass).await {
            return people.ledger.admitted(asked);
        }
        sleep(CLAIM_AGAIN).await;
    }
}

async fn visit(people: &People, pass: &Pass) -> bool {
    let answered = people
        .edges
        .send("GET", PAGE, &[("Waiting-Room-Pass", &pass.token)])
        .await;
    let seen = matches!(answered, Ok(answered) if answered.status == 200);
    Ledger::count(if seen {
        &people.ledger.visits
    } else {
        &people.ledger.visits_failed
    });
    seen
}

/// Every so manieth of the sample, over and over.
pub async fn poll(people: Arc<People>, first: usize) {
    let mut ticks = ticks(people.pace.polls, POLLING);
    loop {
        for (place, record) in people.watched.iter().skip(first).step_by(POLLING) {
            ticks.tick().await;
            let answered = people.edges.ask("GET", "/status", Some(&place.ticket)).await;
            let answered = people.heard(answered);
            if let Some(seen) = answered.and_then(|answered| seen(answered.status, &answered.body)) {
                people.ledger.told(*record, &seen);
            }
        }
        ticks.tick().await;
    }
}

pub async fn join(people: Arc<People>) {
    let mut ticks = ticks(people.pace.joins, JOINING);
    loop {
        ticks.tick().await;
        let answered = people.edges.ask("POST", "/join", None).await;
        if let Some(Ok(place)) = people
            .heard(answered)
            .map(|answered| answered.json::<Place>(&[201]))
        {
            people.ledger.dealt(place.number);
        }
    }
}

/// Those who are in look at further pages.
pub async fn shop(people: Arc<People>) {
    let mut ticks = ticks(people.pace.visits, SHOPPING);
    loop {
        ticks.tick().await;
        if let Some(pass) = people.a_pass(true) {
            visit(&people, &pass).await;
        }
    }
}

/// When one of `sharing` is to ask, if all together ask so often a second.
#[expect(clippy::cast_precision_loss, reason = "a handful")]
pub fn ticks(a_second: f64, sharing: usize) -> Interval {
    let mut ticks = interval(Duration::from_secs_f64(sharing as f64 / a_second.max(0.01)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What an answer about a place says; nothing if it says "later".
pub fn seen(status: u16, body: &[u8]) -> Option<Seen> {
    if status >= 500 {
        return None;
    }
    let answer = http::Answer::of(status, body);
    let Ok(told) = answer.json::<Told>(&[200]) else {
        return Some(Seen::Refused(status));
    };
    Some(match (told.state.as_str(), told.ahead) {
        ("waiting", Some(ahead)) => Seen::Waiting {
            number: told.number,
            ahead,
        },
        ("called", _) => Seen::Called { number: told.number },
        _ => Seen::Over(told.state),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_understood() {
        let waits = br#"{"room":"demo","state":"waiting","number":7,"ahead":3,"behind":0}"#;
        let expected = Seen::Waiting { number: 7, ahead: 3 };
        assert_eq!(seen(200, waits), Some(expected));
        let called = br#"{"state":"called","number":7,"ahead":0}"#;
        assert_eq!(seen(200, called), Some(Seen::Called { number: 7 }));
        let missed = br#"{"state":"missed","number":7,"ahead":0}"#;
        assert_eq!(seen(200, missed), Some(Seen::Over("missed".to_owned())));
        assert_eq!(seen(401, b"{}"), Some(Seen::Refused(401)));
        assert_eq!(seen(503, b"{}"), None);
    }
}
