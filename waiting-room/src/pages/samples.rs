//! Values as they occur, to try templates with.

use super::shown::{Missing, Shown, Shut};
use minijinja::Value;
use serde_json::{Value as Json, json};
use waiting_room_domain::Moment;

/// A place in the middle of a line.
fn waiting() -> Json {
    json!({
        "room": "demo", "state": "waiting", "number": 12_345, "ahead": 1_204, "behind": 3_981,
        "wait_seconds": {"low": 720, "high": 1_200}, "poll_after_ms": 6_700, "phase": "open", "switch": "scheduled",
        "users_per_minute": 100, "server_time_unix_ms": 1_803_894_000_000_u64,
    })
}

/// The same place with these differences.
fn but(differences: Json) -> Json {
    let mut place = waiting();
    if let (Json::Object(place), Json::Object(differences)) = (&mut place, differences) {
        place.extend(differences);
    }
    place
}

/// Places in every state that the waiting page knows, each with a name.
pub(super) fn places() -> Vec<(&'static str, Json)> {
    let doors = 1_803_895_200_000_u64;
    vec![
        ("waiting", waiting()),
        (
            "next",
            but(json!({"ahead": 0, "behind": 0, "number": 0, "wait_seconds": {"low": 1, "high": 2}})),
        ),
        ("lane", but(json!({"lane": "members"}))),
        (
            "queue_all",
            but(json!({"switch": "queue_all", "wait_seconds": null})),
        ),
        ("unknown", but(json!({"wait_seconds": null}))),
        (
            "draw",
            but(json!({
                "state": "to_be_drawn", "ahead": 0, "behind": 0, "among": 8_211, "phase": "prequeue",
                "wait_seconds": null, "doors_open_unix_ms": doors,
            })),
        ),
        (
            "prequeue",
            but(json!({"phase": "prequeue", "wait_seconds": null, "doors_open_unix_ms": doors})),
        ),
        ("paused", but(json!({"switch": "paused", "wait_seconds": null}))),
        (
            "maintenance",
            but(json!({"switch": "maintenance", "wait_seconds": null})),
        ),
        ("draining", but(json!({"switch": "draining"}))),
        ("holding", but(json!({"holding": true}))),
        (
            "stock",
            but(json!({"ahead": 37, "stock": {"left": 12, "reach": "unlikely"}})),
        ),
        ("beyond", but(json!({"stock": {"left": 12, "reach": "beyond"}}))),
        (
            "sold_out",
            but(json!({"stock": {"left": 0, "reach": "beyond"}, "wait_seconds": null})),
        ),
        (
            "message",
            but(json!({"message": "Size 42 is sold out.\nThe others are still there."})),
        ),
        ("missed", but(json!({"state": "missed"}))),
        ("closed", but(json!({"state": "closed"}))),
    ]
}

/// Why a room may be shut, each with a name.
pub(super) fn shut() -> [(&'static str, Shut); 6] {
    let early = Shut::Early {
        prequeue_opens: Moment::from_unix_ms(1_803_894_300_000),
        doors_open: Moment::from_unix_ms(1_803_895_200_000),
        now: Moment::from_unix_ms(1_803_894_000_000),
    };
    [
        ("early", early),
        ("closed_room", Shut::Closed),
        ("sold_out_room", Shut::SoldOut),
        ("maintenance_room", Shut::Maintenance),
        ("draining_room", Shut::Draining),
        ("rejected_room", Shut::Rejected),
    ]
}

/// What can be missing for a place.
pub(super) fn missing() -> Vec<(&'static str, Missing<'static>)> {
    let proof = |invitation, again| Missing::Proof { invitation, again };
    vec![
        ("no_account", Missing::Account),
        ("no_invitation", Missing::Invitation),
        ("no_proof", proof(None, false)),
        ("bad_proof", proof(Some("AQEA\"><script>"), true)),
        ("no_patience", Missing::Patience),
    ]
}

/// Every page.
pub(super) fn all() -> impl Iterator<Item = Shown> {
    let places = places()
        .into_iter()
        .map(|(_, place)| Shown::place(&Value::from_serialize(place)));
    let others = [
        Shown::plain("missed"),
        Shown::plain("fairness"),
        Shown::plain("left"),
        Shown::unavailable(),
    ];
    places
        .chain(
            shut()
                .into_iter()
                .map(|(_, shut)| Shown::shut(&shut, Some("Back at noon."))),
        )
        .chain(missing().into_iter().map(|(_, missing)| Shown::missing(&missing)))
        .chain(others)
}
