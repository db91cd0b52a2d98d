//! What an operator hands out, made at the command line: invitations and bypass tokens.

use crate::{
    config::{Config, RoomConfig},
    keys::KeyRing,
};
use anyhow::Context;
use clap::Subcommand;
use clock::Clock;
use process::{Exit, read_secret};
use std::{io::Write, path::PathBuf, time::Duration};
use waiting_room_domain::{BypassToken, Invitation, Moment, RoomTag, RuleTag};

const HOUR: Duration = Duration::from_secs(3_600);

/// What is made. The key ring comes from WAITING_ROOM_KEYS, as it does for the edge.
#[derive(Debug, Subcommand)]
pub enum Issue {
    /// Print invitations to a lane of a room, one a line. Each is worth one place.
    Invite {
        /// The config file.
        #[arg(long, env = "WAITING_ROOM_CONFIG")]
        config: PathBuf,
        /// The room.
        #[arg(long)]
        room: String,
        /// The lane.
        #[arg(long)]
        lane: String,
        /// How many.
        #[arg(long, default_value_t = 1)]
        count: u32,
        /// How long they may be used.
        #[arg(long, default_value_t = 30)]
        valid_days: u32,
    },
    /// Print a token for a bypass rule that wants one.
    BypassToken {
        /// The config file.
        #[arg(long, env = "WAITING_ROOM_CONFIG")]
        config: PathBuf,
        /// The room.
        #[arg(long)]
        room: String,
        /// The rule.
        #[arg(long)]
        rule: String,
        /// How long it may be used.
        #[arg(long, default_value_t = 24)]
        valid_hours: u32,
    },
}

impl Issue {
    /// Makes what is asked for and writes it down.
    ///
    /// # Errors
    /// A name that the config does not have, a ring that cannot be read, a reader that has gone.
    pub fn run(&self, clock: &dyn Clock, out: &mut impl Write) -> Result<(), Exit> {
        let keys = ring()?;
        let now = Moment::from_unix_ms(clock.unix_ms());
        match self {
            Self::Invite {
                config,
                room,
                lane,
                count,
                valid_days,
            } => {
                let config = read(config)?;
                let room = find(&config, room)?;
                let expires = now.plus(24 * HOUR * *valid_days);
                let first = invitation(room, lane, expires).map_err(one_mistake)?;
                let invitations = (0..*count).map(|_| Invitation {
                    id: clock::random_bytes(),
                    ..first
                });
                print(
                    out,
                    invitations.map(|given| given.seal(&keys.entrance.invitations)),
                )
            }
            Self::BypassToken {
                config,
                room,
                rule,
                valid_hours,
            } => {
                let config = read(config)?;
                let room = find(&config, room)?;
                let expires = now.plus(HOUR * *valid_hours);
                let token = bypass_token(room, rule, expires).map_err(one_mistake)?;
                print(out, std::iter::once(token.seal(&keys.entrance.bypasses)))
            }
        }
    }
}

fn invitation(room: &RoomConfig, lane: &str, expires: Moment) -> Result<Invitation, String> {
    let named = room.lanes.by_name(lane);
    let lane = named.ok_or_else(|| format!("--lane: room {} has no lane {lane:?}", room.id))?;
    Ok(Invitation {
        room: RoomTag::from(&room.id),
        lane,
        expires,
        id: [0; 12],
    })
}

fn bypass_token(room: &RoomConfig, rule: &str, expires: Moment) -> Result<BypassToken, String> {
    let rules = &room.entrance.bypasses;
    let known = rules.iter().find(|known| known.name == rule);
    let known = known.ok_or_else(|| format!("--rule: room {} has no bypass {rule:?}", room.id))?;
    if !known.signed {
        return Err(format!(
            "--rule: bypass {rule:?} of room {} is not signed: it wants no token",
            room.id
        ));
    }
    Ok(BypassToken {
        room: RoomTag::from(&room.id),
        rule: RuleTag::of(rule),
        expires,
    })
}

fn ring() -> Result<KeyRing, Exit> {
    let text = read_secret("WAITING_ROOM_KEYS")?;
    let text = text.ok_or_else(|| {
        one_mistake("WAITING_ROOM_KEYS_FILE is needed: the edges must know the key that signs".to_owned())
    })?;
    Ok(KeyRing::read(&text)?)
}

fn read(file: &std::path::Path) -> Result<Config, Exit> {
    Config::from_file(file).map_err(|mistakes| Exit::Usage(mistakes.lines()))
}

fn find<'a>(config: &'a Config, id: &str) -> Result<&'a RoomConfig, Exit> {
    let room = config.rooms.iter().find(|room| room.id.as_str() == id);
    room.ok_or_else(|| one_mistake(format!("--room: there is no room {id:?}")))
}

fn one_mistake(mistake: String) -> Exit {
    Exit::Usage(vec![mistake])
}

fn print(out: &mut impl Write, lines: impl Iterator<Item = String>) -> Result<(), Exit> {
    for line in lines {
        writeln!(out, "{line}").context("print")?;
    }
    Ok(())
}
