//! The scripts, one set a line.
//!
//! Each text begins with the line's name, so that every line has scripts of its own. A server that was restarted
//! (or a replica that took over) has none: the first edge to call one is told so, and makes the line stand still
//! *before* it loads them, so that no number is dealt until every edge has told what it remembers.

use super::LineKey;
use waiting_room_domain::LANES_MAX;

/// What can be asked of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Join,
    Claim,
    Renew,
    End,
    Observe,
    Advance,
    Control,
    RestoreLog,
    Spend,
}

impl Operation {
    pub(super) const ALL: [Self; 9] = [
        Self::Join,
        Self::Claim,
        Self::Renew,
        Self::End,
        Self::Observe,
        Self::Advance,
        Self::Control,
        Self::RestoreLog,
        Self::Spend,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Join => "deal numbers",
            Self::Claim => "claim a place",
            Self::Renew => "renew sessions",
            Self::End => "end a session",
            Self::Observe => "look at a line",
            Self::Advance => "call the next in line",
            Self::Control => "change a room's control",
            Self::RestoreLog => "restore the public log",
            Self::Spend => "use something once",
        }
    }

    fn body(self) -> &'static str {
        match self {
            Self::Join => include_str!("join.lua"),
            Self::Claim => include_str!("claim.lua"),
            Self::Renew => include_str!("renew.lua"),
            Self::End => include_str!("end.lua"),
            Self::Observe => include_str!("observe.lua"),
            Self::Advance => include_str!("advance.lua"),
            Self::Control => include_str!("control.lua"),
            Self::RestoreLog => include_str!("restore_log.lua"),
            Self::Spend => include_str!("spend.lua"),
        }
    }
}

/// A line's scripts and keys.
#[derive(Debug)]
pub(super) struct Scripts {
    hashes: [String; Operation::ALL.len()],
    preamble: String,
    pub(super) keys: Keys,
}

/// A line's keys. The room in braces keeps them on one node of a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) state: String,
    /// Of each lane.
    pub(super) claims: [String; LANES_MAX],
    pub(super) active: String,
    pub(super) ended: String,
    pub(super) lease: String,
    pub(super) control: String,
    pub(super) log: String,
    pub(super) holders: String,
    pub(super) reports: String,
}

impl Scripts {
    pub(super) fn of(namespace: &str, line: &LineKey) -> Self {
        let key = |name: &str| format!("{namespace}{{{}}}:{}:{name}", line.room, line.epoch.0);
        let preamble = format!("-- {namespace}{line}\n{}", include_str!("now.lua"));
        let hash = |operation: Operation| {
            redis::Script::new(&format!("{preamble}{}", operation.body()))
                .get_hash()
                .to_owned()
        };
        Self {
            hashes: Operation::ALL.map(hash),
            keys: Keys {
                state: key("state"),
                claims: std::array::from_fn(|lane| key(&format!("claims:{lane}"))),
                active: key("active"),
                ended: key("ended"),
                lease: key("lease"),
                control: format!("{namespace}{{{}}}:control", line.room),
                log: key("log"),
                holders: key("holders"),
                reports: key("reports"),
            },
            preamble,
        }
    }

    pub(super) fn hash(&self, operation: Operation) -> &str {
        &self.hashes[operation as usize]
    }

    pub(super) fn text(&self, operation: Operation) -> String {
        format!("{}{}", self.preamble, operation.body())
    }

    pub(super) fn restarted(&self) -> String {
        format!("{}{}", self.preamble, include_str!("restarted.lua"))
    }
}
