//! What operators change live, and what it means together with the schedule.

use crate::{Doors, Limits, Phase};
use std::{fmt, str::FromStr};

/// The longest message that is shown to those who wait.
pub const MESSAGE_MAX_CHARS: usize = 500;

/// The operator's main switch of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switch {
    /// As the schedule says.
    #[default]
    Scheduled,
    /// Open, whatever the schedule says.
    Open,
    /// Nobody is called. Who was called already may still come in.
    Paused,
    /// Nobody can join any more; who is in line is still let in.
    Draining,
    /// Nobody can join, and nobody is let in. Who is in stays in.
    Closed,
    /// Nobody is let in, not even with a pass. Places are kept, and claim windows stand still.
    Maintenance,
    /// Everybody waits, even the called, whose claim windows stand still. Who is in stays in.
    QueueAll,
    /// There is no room: everybody goes through.
    Disabled,
}

/// No such switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("switch must be one of scheduled, open, paused, draining, closed, maintenance, queue_all, disabled")]
pub struct NoSuchSwitch;

impl Switch {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Scheduled, "scheduled"),
        (Self::Open, "open"),
        (Self::Paused, "paused"),
        (Self::Draining, "draining"),
        (Self::Closed, "closed"),
        (Self::Maintenance, "maintenance"),
        (Self::QueueAll, "queue_all"),
        (Self::Disabled, "disabled"),
    ];

    /// The word for it in the API, in metrics and in the log.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(switch, _)| *switch == self)
            .map_or("", |(_, word)| word)
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Switch {
    type Err = NoSuchSwitch;

    fn from_str(text: &str) -> Result<Self, NoSuchSwitch> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found.map(|(switch, _)| *switch).ok_or(NoSuchSwitch)
    }
}

/// What may be done in a room right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// One gets a place in line.
    pub joins: bool,
    /// Whether anybody is called.
    pub doors: Doors,
    /// Who was called may come in.
    pub claims: bool,
    /// Passes are worth something.
    pub passes: bool,
    /// There is a gate at all.
    pub guarded: bool,
}

impl Rules {
    /// What the schedule's phase and the operator's switch mean together.
    pub fn of(phase: &Phase, switch: Switch) -> Self {
        let scheduled = Self::scheduled(phase);
        match switch {
            Switch::Scheduled => scheduled,
            Switch::Open => Self::OPEN,
            Switch::Paused => Self {
                doors: Doors::Shut,
                ..scheduled
            },
            Switch::Draining => Self {
                joins: false,
                ..scheduled
            },
            Switch::Closed => Self {
                joins: false,
                doors: Doors::Shut,
                claims: false,
                ..Self::OPEN
            },
            Switch::Maintenance => Self {
                joins: false,
                doors: Doors::Held,
                claims: false,
                passes: false,
                guarded: true,
            },
            Switch::QueueAll => Self {
                doors: Doors::Held,
                claims: false,
                ..scheduled
            },
            Switch::Disabled => Self {
                doors: Doors::Held,
                guarded: false,
                ..scheduled
            },
        }
    }

    const OPEN: Self = Self {
        joins: true,
        doors: Doors::Open,
        claims: true,
        passes: true,
        guarded: true,
    };

    fn scheduled(phase: &Phase) -> Self {
        let open = matches!(phase, Phase::Open { .. });
        Self {
            joins: phase.may_join(),
            doors: if open { Doors::Open } else { Doors::Shut },
            claims: open,
            ..Self::OPEN
        }
    }
}

/// What operators changed live. It lies in the store, so that every edge obeys it; what is not set here is as the
/// config file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// The main switch.
    pub switch: Switch,
    /// Instead of the configured rate.
    pub users_per_minute: Option<u32>,
    /// Instead of the configured number of sessions.
    pub max_active: Option<u32>,
    /// Shown to everybody who waits.
    pub message: Option<String>,
}

impl Control {
    /// The limits in force: the configured ones with the operators' changes on top.
    pub fn limits(&self, configured: Limits) -> Limits {
        Limits {
            users_per_minute: self.users_per_minute.unwrap_or(configured.users_per_minute),
            max_active: self.max_active.unwrap_or(configured.max_active),
        }
    }
}

/// What an operator changes now; the rest stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlChange {
    /// Another switch.
    pub switch: Option<Switch>,
    /// A new rate; nothing inside means the configured one again.
    pub users_per_minute: Option<Option<u32>>,
    /// A new number of sessions, likewise.
    pub max_active: Option<Option<u32>>,
    /// A new message; an empty one takes it away.
    pub message: Option<String>,
}

impl ControlChange {
    /// What makes `from` into `to`.
    pub fn between(from: &Control, to: &Control) -> Self {
        let message = to.message.clone().unwrap_or_default();
        Self {
            switch: (from.switch != to.switch).then_some(to.switch),
            users_per_minute: (from.users_per_minute != to.users_per_minute).then_some(to.users_per_minute),
            max_active: (from.max_active != to.max_active).then_some(to.max_active),
            message: (from.message != to.message).then_some(message),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `control` with this change on top.
    #[must_use]
    pub fn on(&self, control: &Control) -> Control {
        let message = self.message.clone().or_else(|| control.message.clone());
        Control {
            switch: self.switch.unwrap_or(control.switch),
            users_per_minute: self.users_per_minute.unwrap_or(control.users_per_minute),
            max_active: self.max_active.unwrap_or(control.max_active),
            message: message.filter(|text| !text.is_empty()),
        }
    }
}

impl fmt::Display for ControlChange {
    /// As the public log says it: one line, without the message's text, which everybody can read for themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_ref().map(|text| match text.as_str() {
            "" => "message removed".to_owned(),
            _ => "message set".to_owned(),
        });
        let words = [
            self.switch.map(|switch| format!("switch {switch}")),
            limit("users_per_minute", self.users_per_minute),
            limit("max_active", self.max_active),
            message,
        ];
        f.write_str(&words.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

fn limit(name: &str, changed: Option<Option<u32>>) -> Option<String> {
    changed.map(|limit| match limit {
        Some(limit) => format!("{name} {limit}"),
        None => format!("{name} as configured"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Moment;

    #[test]
    fn the_operators_change_stands_above_the_config() {
        let configured = Limits::new(60, 100).unwrap();
        let control = Control {
            users_per_minute: Some(600),
            ..Control::default()
        };
        let expected = Limits {
            users_per_minute: 600,
            max_active: 100,
        };
        assert_eq!(control.limits(configured), expected);
    }

    #[test]
    fn a_change_keeps_the_rest_and_an_empty_message_takes_it_away() {
        let control = Control {
            switch: Switch::Paused,
            message: Some("soon".to_owned()),
            ..Control::default()
        };
        let change = ControlChange {
            max_active: Some(Some(5)),
            ..ControlChange::default()
        };
        let changed = change.on(&control);
        assert_eq!((changed.switch, changed.max_active), (Switch::Paused, Some(5)));
        assert_eq!(changed.message.as_deref(), Some("soon"));
        let silence = ControlChange {
            message: Some(String::new()),
            ..ControlChange::default()
        };
        assert_eq!(silence.on(&changed).message, None);
        assert_eq!(silence.to_string(), "message removed");
        assert_eq!(change.to_string(), "max_active 5");
    }

    /// Each row: phase, switch, and (joins, doors, claims, passes, guarded).
    #[test]
    fn phase_and_switch_say_together_what_may_be_done() {
        let at = Moment::from_unix_ms(1);
        let early = Phase::Early {
            prequeue_opens: at,
            doors_open: at,
        };
        let prequeue = Phase::PreQueue { doors_open: at };
        let open = Phase::Open { doors_close: None };
        let table = [
            (early, Switch::Scheduled, (false, Doors::Shut, false, true, true)),
            (
                prequeue,
                Switch::Scheduled,
                (true, Doors::Shut, false, true, true),
            ),
            (open, Switch::Scheduled, (true, Doors::Open, true, true, true)),
            (
                Phase::Closed,
                Switch::Scheduled,
                (false, Doors::Shut, false, true, true),
            ),
            (early, Switch::Open, (true, Doors::Open, true, true, true)),
            (open, Switch::Paused, (true, Doors::Shut, true, true, true)),
            (prequeue, Switch::Paused, (true, Doors::Shut, false, true, true)),
            (open, Switch::Draining, (false, Doors::Open, true, true, true)),
            (open, Switch::Closed, (false, Doors::Shut, false, true, true)),
            (
                open,
                Switch::Maintenance,
                (false, Doors::Held, false, false, true),
            ),
            (open, Switch::QueueAll, (true, Doors::Held, false, true, true)),
            (early, Switch::QueueAll, (false, Doors::Held, false, true, true)),
            (open, Switch::Disabled, (true, Doors::Held, true, true, false)),
        ];
        for (phase, switch, expected) in table {
            let rules = Rules::of(&phase, switch);
            let got = (
                rules.joins,
                rules.doors,
                rules.claims,
                rules.passes,
                rules.guarded,
            );
            assert_eq!(got, expected, "{} with {switch}", phase.as_str());
        }
    }

    #[test]
    fn every_switch_is_written_as_it_is_read() {
        for (switch, word) in Switch::ALL {
            assert_eq!((word.parse(), switch.to_string()), (Ok(switch), word.to_owned()));
        }
        assert_eq!("off".parse::<Switch>(), Err(NoSuchSwitch));
    }

    #[test]
    fn the_way_back_leads_back() {
        let control = |rate, message: Option<&str>, switch| Control {
            switch,
            users_per_minute: rate,
            max_active: None,
            message: message.map(str::to_owned),
        };
        let all = [
            control(None, None, Switch::Scheduled),
            control(Some(5), Some("soon"), Switch::Paused),
            control(Some(6), None, Switch::Closed),
        ];
        for from in &all {
            for to in &all {
                let way = ControlChange::between(from, to);
                assert_eq!(way.on(from), *to);
                assert_eq!(way.is_empty(), from == to);
            }
        }
        let way = ControlChange::between(&all[1], &all[0]);
        assert_eq!(
            way.to_string(),
            "switch scheduled, users_per_minute as configured, message removed"
        );
    }
}
