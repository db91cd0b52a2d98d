//! The entrance of one room: its questions, asked in the order of what they cost.

use super::{
    EntranceKeys, Head,
    bypass::Bypasses,
    identity::Identity,
    lanes::{INVITATION_HEADER, Lanes, NotInvited},
    limits::{JoinLimit, PollLimit},
    proof::{PROOF_HEADER, Proofs},
    sharing::SharedPasses,
};
use crate::{
    access::{Issuers, NotKnown},
    config::EntranceConfig,
};
use anyhow::Context;
use contract::RoomId;
use std::{net::IpAddr, sync::Arc, time::Duration};
use waiting_room_domain::{Holder, Invitation, LaneId, Moment, ProofError, RoomTag, Solved};

/// What a room asks of who wants a place. What its config does not name is not there.
pub struct Entrance {
    /// Who walks past.
    pub bypasses: Bypasses,
    /// Who they are.
    pub identity: Option<Identity>,
    /// Whether they worked for it.
    pub proofs: Option<Proofs>,
    /// Which lane is theirs.
    pub lanes: Lanes,
    /// How often they join.
    pub joins: Option<JoinLimit>,
    /// How often they poll.
    pub polls: Option<PollLimit>,
    /// How many use one pass.
    pub shared: Option<SharedPasses>,
}

/// Somebody who asks for a place.
pub struct Asking<'a, H> {
    /// The head of the request.
    pub head: &'a H,
    /// Where it comes from, as far as that is known.
    pub address: Option<IpAddr>,
    /// The invitation in the address or the form, if there is none in the head.
    pub invitation: Option<&'a [u8]>,
    /// The proof in the form, if there is none in the head.
    pub proof: Option<&'a [u8]>,
}

/// Somebody who may have a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The lane.
    pub lane: LaneId,
    /// The account that can have one place only.
    pub account: Option<Holder>,
    /// The invitation that is worth one place only.
    pub invitation: Option<Invitation>,
    /// The challenge that must not be solved twice.
    pub solved: Option<Solved>,
}

/// Why somebody cannot have a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many joins from there; how long to wait.
    #[error("too many joins from one address")]
    TooOften(Duration),
    /// No invitation, or one that is worth nothing.
    #[error(transparent)]
    NotInvited(#[from] NotInvited),
    /// Nobody is signed in, or that cannot be told now.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// No proof was brought.
    #[error("a proof of work is needed")]
    NoProof,
    /// One that does not count.
    #[error(transparent)]
    BadProof(#[from] ProofError),
}

impl Entry {
    /// Who can have one place only. An account, if it is known, also where it was invited.
    pub fn holder(&self) -> Option<Holder> {
        self.account
            .or_else(|| self.invitation.map(|invitation| invitation.holder()))
    }
}

impl Entrance {
    /// The entrance that `config` describes. For each lane `invited_only` says whether only who is invited may stand in
    /// it; `session` is how long a pass is used at most. Its issuer is one of `issuers`.
    ///
    /// # Errors
    /// When a key cannot be derived, or its issuer was not started.
    pub fn new(
        room: &RoomId,
        config: &EntranceConfig,
        invited_only: Vec<bool>,
        session: Duration,
        keys: &EntranceKeys,
        issuers: &Issuers,
    ) -> anyhow::Result<Self> {
        let identity = config.identity.as_ref().map(|config| {
            let issuer = issuers
                .of(config)
                .context("an issuer of access tokens was not started")?;
            let sign_in_url = config.sign_in_url.clone();
            anyhow::Ok(Identity::new(
                room.clone(),
                Arc::clone(issuer),
                sign_in_url,
                keys.accounts(),
            ))
        });
        let proofs = config
            .proof
            .map(|config| keys.proofs(room).map(|keys| Proofs::new(config, keys)))
            .transpose()?;
        Ok(Self {
            bypasses: Bypasses::new(room, &config.bypasses, keys.bypasses.clone()),
            identity: identity.transpose()?,
            proofs,
            lanes: Lanes::new(RoomTag::from(room), invited_only, keys.invitations.clone()),
            joins: config.joins.map(JoinLimit::new),
            polls: PollLimit::new(config.polls_per_pause),
            shared: SharedPasses::new(config.clients_max, session),
        })
    }

    /// Whether this visitor may have a place.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn admit<H: Head>(&self, asking: &Asking<'_, H>, now: Moment) -> Result<Entry, Refusal> {
        if let (Some(limit), Some(address)) = (&self.joins, asking.address) {
            limit.admit(address, now).map_err(Refusal::TooOften)?;
        }
        let invitation = asking.head.value(INVITATION_HEADER).or(asking.invitation);
        let chosen = self.lanes.choose(invitation, now)?;
        let account = match &self.identity {
            Some(identity) => Some(identity.account(asking.head, now).await?),
            None => None,
        };
        let solved = match &self.proofs {
            Some(proofs) => {
                let proof = asking.head.value(PROOF_HEADER).or(asking.proof);
                Some(proofs.read(proof.ok_or(Refusal::NoProof)?, now)?)
            }
            None => None,
        };
        Ok(Entry {
            lane: chosen.lane,
            account,
            invitation: chosen.invitation,
            solved,
        })
    }
}
