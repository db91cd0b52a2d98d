//! Intruders: all the time they try to get through without a pass of their own that counts. Whoever of them reaches the
//! origin is one for whom the gate was open.

use super::{doings::ticks, ledger::Ledger, people::People, shop::FORBIDDEN};
use crate::edge::ROOM;
use std::sync::Arc;

/// How they try.
#[derive(Debug, Clone, Copy)]
enum Trick {
    /// With nothing.
    Nothing,
    /// With a session that they made up.
    Session,
    /// With a pass that somebody has, changed in one letter.
    Forged,
    /// With a pass that is over.
    Expired,
    /// With a ticket for a pass.
    Ticket,
    /// With a pass that says that it needs no signature.
    Unsigned,
}

const TRICKS: [Trick; 6] = [
    Trick::Nothing,
    Trick::Session,
    Trick::Forged,
    Trick::Expired,
    Trick::Ticket,
    Trick::Unsigned,
];
/// `{"alg":"none"}`, and claims without an end.
const UNSIGNED: &str =
    "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJyb29tIjoiZGVtbyIsImVwb2NoIjoxLCJleHAiOjQxMDI0NDQ4MDB9.";

/// One trick after the other.
pub async fn intrude(people: Arc<People>) {
    let mut ticks = ticks(people.pace.intrusions, 1);
    for trick in TRICKS.into_iter().cycle() {
        ticks.tick().await;
        let Some(headers) = headers(trick, &people) else {
            continue;
        };
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let path = format!("{FORBIDDEN}/{trick:?}");
        let answered = people.edges.send("GET", &path, &headers).await;
        Ledger::count(&people.ledger.intrusions);
        if matches!(answered, Ok(answered) if answered.status == 200) {
            Ledger::count(&people.ledger.intruders_welcomed);
        }
    }
}

fn headers(trick: Trick, people: &People) -> Option<Vec<(&'static str, String)>> {
    let pass = |token: String| vec![("Waiting-Room-Pass", token)];
    Some(match trick {
        Trick::Nothing => Vec::new(),
        Trick::Session => vec![
            (
                "Waiting-Room-Session",
                "00112233445566778899aabbccddeeff".to_owned(),
            ),
            ("Waiting-Room-Room", ROOM.to_owned()),
        ],
        Trick::Forged => pass(forged(&people.a_pass(true)?.token)),
        Trick::Expired => pass(people.a_pass(false)?.token),
        Trick::Ticket => pass(people.a_ticket()?.to_owned()),
        Trick::Unsigned => vec![("Cookie", format!("waiting-room-pass-{ROOM}={UNSIGNED}"))],
    })
}

/// Another signature: its last letters may not all count, those before do.
fn forged(pass: &str) -> String {
    let at = pass.len().saturating_sub(10);
    let change = |(index, letter)| match letter {
        _ if index != at => letter,
        'A' => 'B',
        _ => 'A',
    };
    pass.char_indices().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_makes_a_forgery() {
        let pass = "header.claims.0123456789AAAAAA";
        let forged = forged(pass);
        let differing = pass
            .chars()
            .zip(forged.chars())
            .filter(|(one, other)| one != other);
        assert_eq!((differing.count(), forged.len()), (1, pass.len()));
    }
}
