//! What is brought to get a place: proofs, invitations, bypass tokens.

use super::{NOW, changed, ring, take};
use crate::{
    config::ProofConfig,
    entrance::{lanes::Lanes, proof::Proofs},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::{sync::LazyLock, time::Duration};
use waiting_room_domain::{
    BypassToken, Invitation, LaneId, Moment, ProofRule, RoomTag, RuleTag, Solved, solve_proof,
};

struct Posed {
    proofs: Proofs,
    solution: String,
    solved: Solved,
}

static POSED: LazyLock<Posed> = LazyLock::new(|| {
    let rule = ProofRule {
        min_number: 50,
        max_number: 100,
        joins_per_second: 10,
    };
    let lifetime = Duration::from_secs(60);
    let proofs = Proofs::new(ProofConfig { rule, lifetime }, ring());
    let mut solution = serde_json::to_value(proofs.challenge([7; 20], NOW)).unwrap();
    let text = |name: &str| solution[name].as_str().unwrap();
    let number = solve_proof(text("challenge"), text("salt"), 100);
    solution["number"] = json!(number);
    let solution = solution.to_string();
    let solved = proofs.read(STANDARD.encode(&solution).as_bytes(), NOW).unwrap();
    Posed {
        proofs,
        solution,
        solved,
    }
});

/// Reads proofs of work: as they come, as the text in them, and a genuine one with changes. Whatever counts is the one
/// puzzle that was given, and is spent under its one name.
pub fn proof(bytes: &[u8]) {
    let posed = &*POSED;
    let within = STANDARD.encode(bytes);
    let changed = STANDARD.encode(changed(&posed.solution, bytes));
    for payload in [bytes, within.as_bytes(), changed.as_bytes()] {
        if let Ok(solved) = posed.proofs.read(payload, NOW) {
            assert_eq!(solved, posed.solved);
        }
    }
    let later = NOW.plus(Duration::from_secs(60));
    let expired = posed
        .proofs
        .read(STANDARD.encode(&posed.solution).as_bytes(), later);
    assert!(expired.is_err());
}

/// Opens invitations and bypass tokens: as they come, and genuine ones with changes; and one for the other.
pub fn invitation(bytes: &[u8]) {
    let (keys, room) = (ring(), RoomTag::from(&"demo".parse().unwrap()));
    let lanes = Lanes::new(room, vec![false, true], ring());
    if let Ok(chosen) = lanes.choose(Some(bytes), NOW) {
        let opened = chosen.invitation.expect("what opened the lane");
        assert!(opened.room == room && opened.expires > NOW && opened.lane == chosen.lane);
    }
    let mut rest = bytes;
    let invitation = Invitation {
        room,
        lane: LaneId(take::<1>(&mut rest)[0]),
        expires: Moment::from_unix_ms(u64::from_be_bytes(take(&mut rest))),
        id: take(&mut rest),
    };
    let sealed = invitation.seal(&keys);
    assert_eq!(Invitation::open(&keys, sealed.as_bytes()), Ok(invitation));
    assert!(BypassToken::open(&keys, sealed.as_bytes()).is_err());
    let in_time = invitation.expires > NOW && invitation.lane.index() < 2;
    assert_eq!(lanes.choose(Some(sealed.as_bytes()), NOW).is_ok(), in_time);
    let other = changed(&sealed, rest);
    assert!(other == sealed.as_bytes() || Invitation::open(&keys, &other).is_err());

    let bypass = BypassToken {
        room,
        rule: RuleTag::of("monitors"),
        expires: invitation.expires,
    };
    let sealed = bypass.seal(&keys);
    assert_eq!(BypassToken::open(&keys, sealed.as_bytes()), Ok(bypass));
    assert!(Invitation::open(&keys, sealed.as_bytes()).is_err());
    let other = changed(&sealed, rest);
    assert!(other == sealed.as_bytes() || BypassToken::open(&keys, &other).is_err());
}
