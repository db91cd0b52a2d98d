//! What operators change live, on Redis: the config's versions are a list under a name that no room has, a room's
//! changes one beside its control.

use super::{Operation, RedisStore, millis, moment, nonsense, number};
use crate::store::{
    CHANGES_MAX, ConfigDraft, ConfigPut, ConfigVersion, LiveStore, Note, RECOVERY, RoomChange, StoreError,
    Word,
};
use async_trait::async_trait;
use contract::RoomId;
use redis::Cmd;
use waiting_room_domain::{Control, Stamp, VERSIONS_MAX};

impl RedisStore {
    /// Of the config: when the store last forgot, and the versions. No room is called so.
    fn config_keys(&self) -> [String; 2] {
        ["state", "versions"].map(|name| format!("{}{{@config}}:{name}", self.namespace))
    }

    pub(super) fn changes_key(&self, room: &RoomId) -> String {
        format!("{}{{{room}}}:changes", self.namespace)
    }
}

// === impl LiveStore ===

#[async_trait]
impl LiveStore for RedisStore {
    async fn config_since(&self, known: Stamp) -> Result<(Stamp, Vec<ConfigVersion>), StoreError> {
        let operation = Operation::Config;
        let keys = self.config_keys();
        let arguments = |command: &mut Cmd| {
            command.arg(known.number).arg(known.at.unix_ms());
            command.arg(millis(RECOVERY));
        };
        let touched = keys.each_ref().map(String::as_str);
        let (newest, at, news): (String, String, Vec<String>) =
            self.call(operation, &touched, arguments).await?;
        let stamp = Stamp {
            number: number(&newest, operation)?,
            at: moment(&at, operation)?,
        };
        let news = news
            .iter()
            .map(|version| read_version(version).ok_or_else(|| nonsense(operation)));
        Ok((stamp, news.collect::<Result<_, _>>()?))
    }

    async fn put_config(
        &self,
        expected: u64,
        draft: &ConfigDraft,
        word: Word,
    ) -> Result<ConfigPut, StoreError> {
        let operation = Operation::PutConfig;
        let draft = json(draft, operation)?;
        let keys = self.config_keys();
        let arguments = |command: &mut Cmd| {
            command.arg(expected).arg(&draft).arg(VERSIONS_MAX);
            command.arg(u8::from(word == Word::Files)).arg(millis(RECOVERY));
        };
        let touched = keys.each_ref().map(String::as_str);
        let answer: Vec<String> = self.call(operation, &touched, arguments).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["written", newest, at] => Ok(ConfigPut::Written(Stamp {
                number: number(newest, operation)?,
                at: moment(at, operation)?,
            })),
            ["conflict", newest] => Ok(ConfigPut::Conflict(number(newest, operation)?)),
            ["recovering"] => Ok(ConfigPut::Recovering),
            _ => Err(nonsense(operation)),
        }
    }

    async fn restore_config(&self, versions: &[ConfigVersion]) -> Result<bool, StoreError> {
        let operation = Operation::RestoreConfig;
        let versions = versions.iter().map(|version| {
            let Stamp { number, at } = version.stamp;
            json(&version.made, operation).map(|made| format!("{number} {} {made}", at.unix_ms()))
        });
        let versions = versions.collect::<Result<Vec<_>, _>>()?;
        let [_, kept] = &self.config_keys();
        let arguments = |command: &mut Cmd| {
            command.arg(&versions);
        };
        self.call(operation, &[kept], arguments).await
    }

    async fn changes(&self, room: &RoomId) -> Result<Vec<RoomChange>, StoreError> {
        let operation = "read what was changed in a room";
        let mut command = redis::cmd("LRANGE");
        command.arg(self.changes_key(room)).arg(0).arg(CHANGES_MAX);
        let answer = self.connection.query(&command).await;
        let answer: Vec<String> = answer.map_err(|source| StoreError::Unavailable {
            operation,
            source: Box::new(source),
        })?;
        let changes = answer.iter().rev();
        let changes = changes.map(|change| read_change(change).ok_or(StoreError::Nonsense { operation }));
        changes.collect()
    }
}

fn json(value: &impl serde::Serialize, operation: Operation) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| nonsense(operation))
}

/// `<number> <made at> <JSON>`
fn read_version(text: &str) -> Option<ConfigVersion> {
    let (newest, rest) = text.split_once(' ')?;
    let (at, made) = rest.split_once(' ')?;
    Some(ConfigVersion {
        stamp: Stamp {
            number: number(newest, Operation::Config).ok()?,
            at: moment(at, Operation::Config).ok()?,
        },
        made: serde_json::from_str(made).ok()?,
    })
}

fn read_change(text: &str) -> Option<RoomChange> {
    let (version, at, note, before, after): (String, String, String, [String; 4], [String; 4]) =
        serde_json::from_str(text).ok()?;
    let note: Note = serde_json::from_str(&note).ok()?;
    Some(RoomChange {
        version: version.parse().ok()?,
        at: moment(&at, Operation::Control).ok()?,
        by: note.by,
        before: read_control(&before)?,
        after: read_control(&after)?,
    })
}

/// An empty field is one that is not set.
fn read_control([switch, rate, sessions, message]: &[String; 4]) -> Option<Control> {
    let limit = |text: &str| match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    };
    Some(Control {
        switch: match switch.as_str() {
            "" => waiting_room_domain::Switch::default(),
            word => word.parse().ok()?,
        },
        users_per_minute: limit(rate)?,
        max_active: limit(sessions)?,
        message: (!message.is_empty()).then(|| message.clone()),
    })
}
