//! What the edge tells origins about a request, and what visitors cannot tell them.

use crate::gate::{PASS_HEADER, Passage};
use http::{HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::RequestHeader;

/// Everything that begins so is said by the edge; visitors' own copies are dropped.
const OURS: &[u8] = b"waiting-room-";
/// The session, for an origin that does not read the pass.
pub(super) const SESSION_HEADER: HeaderName = HeaderName::from_static("waiting-room-session");
/// The same from an origin ends it.
pub(super) const SESSION_ENDS: &str = "end";
/// The room, likewise.
const ROOM_HEADER: HeaderName = HeaderName::from_static("waiting-room-room");
/// What only the edge and its origins know.
const SECRET_HEADER: HeaderName = HeaderName::from_static("waiting-room-edge-secret");

/// Makes a request say what the edge says, and nothing that a visitor said in its name. It comes after Pingora has dropped
/// what `Connection` names, so that a visitor cannot have dropped what is said here.
pub(super) fn tell(request: &mut RequestHeader, passage: &Passage) -> Result<()> {
    let theirs: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| is_ours(name.as_str()))
        .cloned()
        .collect();
    for name in theirs {
        request.remove_header(&name);
    }
    if let Some(admitted) = &passage.admitted {
        request.insert_header(PASS_HEADER, &admitted.pass)?;
        request.insert_header(SESSION_HEADER, admitted.session.to_string())?;
        request.insert_header(ROOM_HEADER, admitted.room.config.id.as_str())?;
    }
    for (name, value) in passage.account.iter().flat_map(|account| account.headers()) {
        request.insert_header(name.clone(), value.clone())?;
    }
    Ok(())
}

/// Shows the origin that the request comes from an edge.
pub(super) fn vouch(request: &mut RequestHeader, secret: Option<&HeaderValue>) -> Result<()> {
    if let Some(secret) = secret {
        request.insert_header(SECRET_HEADER, secret.clone())?;
    }
    Ok(())
}

/// Whether an origin might read this header as one of ours. Where headers become variables (CGI and all that learnt from
/// it), whatever is neither letter nor digit becomes an underscore, and `waiting_room.account` is `waiting-room-account`.
fn is_ours(name: &str) -> bool {
    let name = name.as_bytes();
    name.len() >= OURS.len()
        && OURS.iter().zip(name).all(|(ours, theirs)| match ours {
            b'-' => !theirs.is_ascii_alphanumeric(),
            letter => theirs.eq_ignore_ascii_case(letter),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_our_headers_is_ours() {
        for (name, expected) in [
            ("waiting-room-account", true),
            ("Waiting-Room-Account", true),
            ("waiting_room_account", true),
            ("WAITING_ROOM-ACCOUNT", true),
            ("waiting.room.account", true),
            ("waiting~room!roles", true),
            ("waiting-room-", true),
            ("waiting-room", false),
            ("waiting-rooms-account", false),
            ("x-waiting-room-account", false),
            ("waitingroomaccount", false),
            ("cookie", false),
            ("", false),
        ] {
            assert_eq!(is_ours(name), expected, "{name}");
        }
    }
}
