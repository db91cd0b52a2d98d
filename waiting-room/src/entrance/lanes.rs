//! Which lane a visitor may stand in.

use waiting_room_domain::{Invitation, LaneId, Moment, RoomTag, SealKeys};

/// Where an app shows its invitation.
pub const INVITATION_HEADER: &str = "waiting-room-invitation";
/// Where the address of a page shows it.
pub const INVITATION_FIELD: &str = "invitation";

/// The lanes of a room, as far as invitations matter.
pub struct Lanes {
    room: RoomTag,
    keys: SealKeys,
    /// For each lane, whether only who is invited to it may stand in it.
    invited_only: Vec<bool>,
}

/// A lane that a visitor may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayStandIn {
    /// The lane.
    pub lane: LaneId,
    /// What opened it, if it was an invitation.
    pub invitation: Option<Invitation>,
}

/// The visitor is not invited, or not (any more) by this invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not invited")]
pub struct NotInvited;

impl Lanes {
    /// The lanes of a room: for each, whether only who is invited may stand in it.
    pub fn new(room: RoomTag, invited_only: Vec<bool>, keys: SealKeys) -> Self {
        Self {
            room,
            keys,
            invited_only,
        }
    }

    /// Whether nobody comes in without an invitation.
    pub fn are_all_by_invitation(&self) -> bool {
        self.invited_only.iter().all(|only| *only)
    }

    /// The lane for who brings this invitation, or none. A bad invitation is refused even where none is needed: whoever
    /// was sent one wants to know that it is worth nothing.
    ///
    /// # Errors
    /// [`NotInvited`].
    pub fn choose(&self, invitation: Option<&[u8]>, now: Moment) -> Result<MayStandIn, NotInvited> {
        let Some(text) = invitation else {
            let open = self.invited_only.iter().position(|only| !only);
            let lane = open
                .and_then(|lane| u8::try_from(lane).ok())
                .map(LaneId)
                .ok_or(NotInvited)?;
            return Ok(MayStandIn {
                lane,
                invitation: None,
            });
        };
        let invitation = Invitation::open(&self.keys, text).map_err(|_| NotInvited)?;
        let counts = invitation.room == self.room
            && now < invitation.expires
            && invitation.lane.index() < self.invited_only.len();
        counts
            .then_some(MayStandIn {
                lane: invitation.lane,
                invitation: Some(invitation),
            })
            .ok_or(NotInvited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiting_room_domain::SealKey;

    const NOW: Moment = Moment::from_unix_ms(1_000);

    fn keys(secret: u8) -> SealKeys {
        SealKeys::new(SealKey::new(1, &[secret; 32]), Vec::new())
    }

    fn room(id: &str) -> RoomTag {
        RoomTag::from(&id.parse().unwrap())
    }

    fn lanes(invited_only: &[bool]) -> Lanes {
        Lanes::new(room("demo"), invited_only.to_vec(), keys(1))
    }

    fn invitation(lane: u8) -> Invitation {
        Invitation {
            room: room("demo"),
            lane: LaneId(lane),
            expires: Moment::from_unix_ms(1_001),
            id: [9; 12],
        }
    }

    #[test]
    fn an_invitation_opens_its_lane() {
        let chosen = lanes(&[false, true]).choose(Some(invitation(1).seal(&keys(1)).as_bytes()), NOW);
        let invitation = Some(invitation(1));
        assert_eq!(
            chosen,
            Ok(MayStandIn {
                lane: LaneId(1),
                invitation
            })
        );
    }

    #[test]
    fn who_brings_none_stands_in_the_first_open_lane() {
        for (invited_only, expected) in [
            (&[false][..], Ok(0)),
            (&[true, false, false], Ok(1)),
            (&[true, true], Err(NotInvited)),
        ] {
            let chosen = lanes(invited_only).choose(None, NOW).map(|chosen| chosen.lane.0);
            assert_eq!(chosen, expected, "{invited_only:?}");
        }
        assert!(lanes(&[true]).are_all_by_invitation());
        assert!(!lanes(&[true, false]).are_all_by_invitation());
    }

    #[test]
    fn a_bad_invitation_is_refused_even_where_none_is_needed() {
        let lanes = lanes(&[false, true]);
        let elsewhere = Invitation {
            room: room("other"),
            ..invitation(1)
        };
        let over = Invitation {
            expires: NOW,
            ..invitation(1)
        };
        for (case, text) in [
            ("garbage", "x".to_owned()),
            ("forged", invitation(1).seal(&keys(2))),
            ("another room's", elsewhere.seal(&keys(1))),
            ("expired", over.seal(&keys(1))),
            ("a lane that is not there", invitation(2).seal(&keys(1))),
        ] {
            assert_eq!(
                lanes.choose(Some(text.as_bytes()), NOW),
                Err(NotInvited),
                "{case}"
            );
        }
    }
}
