//! What the script that looks at a line answers, read.

use super::{Operation, moment, nonsense, number, session_id};
use crate::store::{Fence, Observation, StoreError};
use waiting_room_domain::{
    CallLog, Control, DELAYS, Lane, Moment, Rounds, SessionId, Snapshot, Switch, Turnout,
};

const OPERATION: Operation = Operation::Observe;

/// Fields of a hash, as far as they are there.
type Fields = Vec<Option<String>>;

/// Now, fence, active sessions, state, claims by delay, lanes, control, ended sessions, length of the log, its lines,
/// reports of the edges.
pub(super) type Observed = (
    u64,
    String,
    u64,
    Fields,
    Fields,
    Vec<Fields>,
    Fields,
    Vec<String>,
    u64,
    Vec<String>,
    Vec<String>,
);

pub(super) fn observation(answer: Observed) -> Result<Observation, StoreError> {
    let (now, fence, active, state, delays, lanes, control, ended, log_length, log, reports) = answer;
    let taken_at = Moment::from_unix_ms(now);
    let mut snapshot = line(taken_at, &state)?;
    snapshot.active = active;
    snapshot.lanes = lanes.iter().map(lane).collect::<Result<_, _>>()?;
    for (count, index) in snapshot.claims_by_delay.iter_mut().zip(0..DELAYS) {
        *count = counted(&delays, index)?;
    }
    // Both counters only grow, so their sum changes when either does.
    snapshot.revision += counted(&control, 4)?;
    snapshot.control = read_control(&control)?;
    let ended: Result<Vec<SessionId>, _> = ended
        .iter()
        .map(|session| session_id(session, OPERATION))
        .collect();
    let fence = number(&fence, OPERATION)?;
    Ok(Observation {
        snapshot,
        ended: ended?,
        lease: (fence > 0).then_some(Fence(fence)),
        log_length,
        log,
        reports,
    })
}

fn line(taken_at: Moment, state: &Fields) -> Result<Snapshot, StoreError> {
    Ok(Snapshot {
        taken_at,
        incarnation: counted(state, 0)?,
        recovering_until: Moment::from_unix_ms(counted(state, 1)?),
        claimed: counted(state, 2)?,
        claims_counted: counted(state, 3)?,
        credit: text(state, 4)?.map_or(Ok(0), |credit| credit.parse().map_err(|_| nonsense(OPERATION)))?,
        ticked_at: text(state, 5)?.map_or(Ok(Moment::default()), |at| moment(at, OPERATION))?,
        revision: counted(state, 6)?,
        full: counted(state, 7)? == 1,
        turnout: Turnout::decode(text(state, 8)?.unwrap_or_default()).map_err(|_| nonsense(OPERATION))?,
        draws: u32::try_from(counted(state, 9)?).map_err(|_| nonsense(OPERATION))?,
        draw_step: counted(state, 10)?,
        frozen_at: Moment::from_unix_ms(counted(state, 11)?),
        autopilot: text(state, 12)?.unwrap_or_default().to_owned(),
        stock: text(state, 13)?.unwrap_or_default().to_owned(),
        ..Snapshot::default()
    })
}

fn lane(fields: &Fields) -> Result<Lane, StoreError> {
    let call_log = text(fields, 5)?.unwrap_or_default();
    let rounds = text(fields, 6)?.unwrap_or_default();
    Ok(Lane {
        issued: counted(fields, 0)?,
        called: counted(fields, 1)?,
        settled_below: counted(fields, 2)?,
        missed: counted(fields, 3)?,
        turn: counted(fields, 4)?,
        call_log: CallLog::decode(call_log).map_err(|_| nonsense(OPERATION))?,
        rounds: Rounds::decode(rounds).map_err(|_| nonsense(OPERATION))?,
        open_claims: counted(fields, 7)?,
    })
}

fn read_control(fields: &Fields) -> Result<Control, StoreError> {
    let limit = |at| -> Result<Option<u32>, StoreError> {
        let limit = text(fields, at)?.map(|text| text.parse().map_err(|_| nonsense(OPERATION)));
        limit.transpose()
    };
    let switch = text(fields, 0)?.map_or(Ok(Switch::default()), str::parse);
    Ok(Control {
        switch: switch.map_err(|_| nonsense(OPERATION))?,
        users_per_minute: limit(1)?,
        max_active: limit(2)?,
        message: text(fields, 3)?.map(str::to_owned),
    })
}

fn text(fields: &Fields, at: usize) -> Result<Option<&str>, StoreError> {
    let field = fields.get(at).ok_or_else(|| nonsense(OPERATION))?;
    Ok(field.as_deref())
}

fn counted(fields: &Fields, at: usize) -> Result<u64, StoreError> {
    text(fields, at)?.map_or(Ok(0), |text| number(text, OPERATION))
}
