//! Everything that can happen.

/// One thing that happens in the world. The moment is the world's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// A shopper takes the next step: joins, asks, claims, makes a request, ends the visit, or leaves.
    Visit {
        /// Which.
        shopper: u32,
    },
    /// An edge looks at the line, and decides if it holds the lease.
    Look {
        /// Which.
        edge: usize,
    },
    /// An edge writes what it decided when it looked.
    Write {
        /// Which.
        edge: usize,
    },
    /// An edge deals numbers to those who gathered.
    Deal {
        /// Which.
        edge: usize,
    },
    /// An edge dies and forgets everything.
    Crash {
        /// Which.
        edge: usize,
    },
    /// It is started again.
    Restart {
        /// Which.
        edge: usize,
    },
    /// An edge stands still, as by SIGSTOP.
    Pause {
        /// Which.
        edge: usize,
    },
    /// It goes on where it stood, with whatever it was about to write.
    Wake {
        /// Which.
        edge: usize,
    },
    /// From now on an edge looks only every so many ticks.
    Lag {
        /// Which.
        edge: usize,
        /// How many; 1 is healthy.
        ticks: u64,
    },
    /// The store does what it is asked and its answers are lost; then it cannot be reached.
    Silence,
    /// The store can be reached again.
    Speak,
    /// The store writes what it holds to its disk.
    Save,
    /// The store is restarted with what it last saved.
    RollBack,
    /// The store has lost everything.
    Wipe,
    /// The store's clock is set.
    ClockStep {
        /// Forwards, or backwards if negative.
        by_ms: i64,
    },
    /// An operator sets other limits.
    SetLimits {
        /// Admissions a minute.
        users_per_minute: u32,
        /// Sessions at once.
        max_active: u32,
    },
    /// An operator turns the room's main switch.
    SetSwitch {
        /// To where.
        switch: waiting_room_domain::Switch,
    },
}

impl Happening {
    /// Whether the rate cannot be expected to be met for a while after this.
    pub(crate) fn disturbs(&self) -> bool {
        !matches!(
            self,
            Self::Visit { .. } | Self::Look { .. } | Self::Write { .. } | Self::Deal { .. } | Self::Save
        )
    }
}
