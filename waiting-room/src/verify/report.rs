//! What is printed of an audit: plain lines, then the problems.

use super::Question;
use fairness::{Audit, Draw, Position};
use sha2::{Digest, Sha256};

/// What the log says, and everything that is wrong with it.
pub(super) fn report(audit: &Audit, question: &Question) -> (Vec<String>, Vec<String>) {
    let (joins, actions) = (audit.joins(), audit.operator_actions);
    let mut lines = vec![
        format!(
            "room {}, line {}: {joins} joined, {actions} operator action(s)",
            audit.room, audit.epoch
        ),
        format!("head {}", audit.chain.head),
    ];
    lines.extend(
        audit
            .draws
            .iter()
            .enumerate()
            .map(|(index, draw)| say_draw(index, draw)),
    );
    lines.extend(audit.lanes.iter().map(|(lane, known)| {
        let (joined, drawn, called) = (known.joined, known.drawn, known.called);
        format!("lane {lane}: {joined} joined, {drawn} drawn, {called} called")
    }));
    let mut problems: Vec<String> = audit.problems.iter().map(ToString::to_string).collect();
    for answer in answers(audit, question) {
        match answer {
            Ok(line) => lines.push(line),
            Err(problem) => problems.push(problem),
        }
    }
    (lines, problems)
}

fn say_draw(index: usize, draw: &Draw) -> String {
    let Some(drawn) = &draw.drawn else {
        let state = if draw.frozen.is_some() {
            "frozen, not revealed yet"
        } else {
            "committed to, not frozen yet"
        };
        return format!("draw {index}: {state}");
    };
    let places = drawn.orders.iter();
    let places = places.map(|(range, order)| format!("{} of lane {}", order.size(), range.lane));
    let places = places.collect::<Vec<_>>().join(" and ");
    let fits = if drawn.secret_fits {
        "fits its commitment"
    } else {
        "does NOT fit its commitment"
    };
    let beacon = match (draw.beacon, drawn.beacon_fits) {
        (None, _) => String::new(),
        (Some(beacon), true) => format!("; beacon round {}, whose signature verifies", beacon.round),
        (Some(beacon), false) => format!("; beacon round {}, NOT verified", beacon.round),
    };
    format!("draw {index}: {places}; the secret {fits}{beacon}")
}

fn answers(audit: &Audit, question: &Question) -> Vec<Result<String, String>> {
    let mut answers = Vec::new();
    if let Some((receipt, id)) = &question.receipt {
        let fits = "the log has this ticket: the receipt fits";
        let not = "the log does not have this ticket at this number: the receipt does not fit (receipt)";
        answers.push(if audit.includes(receipt, id) {
            Ok(fits.to_owned())
        } else {
            Err(not.to_owned())
        });
    }
    if let Some((room, epoch)) = question.line {
        let fits = Sha256::digest(&audit.room).starts_with(&room) && audit.epoch == epoch;
        let not = "the ticket is of another room, or of another line of this one (ticket)";
        answers.extend((!fits).then(|| Err(not.to_owned())));
    }
    for head in &question.heads {
        let found = audit.line_of(head);
        let found = found.map(|line| format!("the noted head is the one after line {line}"));
        answers
            .push(found.ok_or_else(|| format!("the log was rewritten: it never had the head {head} (head)")));
    }
    if let Some((lane, number)) = question.place {
        answers.push(say_position(audit, lane, number));
    }
    answers
}

fn say_position(audit: &Audit, lane: u8, number: u64) -> Result<String, String> {
    let name = format!("number {number} of lane {lane}");
    let called = |rank| match audit.lanes.get(&lane) {
        Some(known) if rank < known.called => "called",
        _ => "not called yet",
    };
    match audit.position(lane, number) {
        Position::Drawn { draw, rank } => {
            let (place, called) = (rank + 1, called(rank));
            Ok(format!(
                "{name} was drawn to place {place}, {called} (draw {draw})"
            ))
        }
        Position::ToBeDrawn => Ok(format!("{name} is still to be drawn")),
        Position::InOrder => {
            let (place, called) = (number + 1, called(number));
            Ok(format!("{name} is in no draw and keeps place {place}, {called}"))
        }
        Position::Unknown => Err(format!("{name} is not in the log (number)")),
    }
}
