//! The scripts, and the keys of a line.

use super::LineKey;
use std::sync::LazyLock;
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
    Config,
    PutConfig,
    RestoreConfig,
}

impl Operation {
    pub(super) const ALL: [Self; 12] = [
        Self::Join,
        Self::Claim,
        Self::Renew,
        Self::End,
        Self::Observe,
        Self::Advance,
        Self::Control,
        Self::RestoreLog,
        Self::Spend,
        Self::Config,
        Self::PutConfig,
        Self::RestoreConfig,
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
            Self::Config => "look at the config",
            Self::PutConfig => "change the config",
            Self::RestoreConfig => "restore the config",
        }
    }

    /// Its script, as it is loaded.
    pub(super) fn text(self) -> String {
        format!("{}{}", include_str!("preamble.lua"), self.body())
    }

    /// What a server that has the script calls it.
    pub(super) fn hash(self) -> &'static str {
        static HASHES: LazyLock<[String; Operation::ALL.len()]> = LazyLock::new(|| {
            let hash = |operation: Operation| redis::Script::new(&operation.text()).get_hash().to_owned();
            Operation::ALL.map(hash)
        });
        &HASHES[self as usize]
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
            Self::Config => include_str!("config.lua"),
            Self::PutConfig => include_str!("put_config.lua"),
            Self::RestoreConfig => include_str!("restore_config.lua"),
        }
    }
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

impl Keys {
    pub(super) fn of(namespace: &str, line: &LineKey) -> Self {
        let key = |name: &str| format!("{namespace}{{{}}}:{}:{name}", line.room, line.epoch.0);
        Self {
            state: key("state"),
            claims: std::array::from_fn(|lane| key(&format!("claims:{lane}"))),
            active: key("active"),
            ended: key("ended"),
            lease: key("lease"),
            control: format!("{namespace}{{{}}}:control", line.room),
            log: key("log"),
            holders: key("holders"),
            reports: key("reports"),
        }
    }
}
