//! The gate as it is now. When the config changes another one takes its place, whole: a request meets one set of rooms
//! from beginning to end.

use super::Gate;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// The gate as it is now.
pub struct CurrentGate(ArcSwap<Gate>);

impl CurrentGate {
    /// This gate, until it is replaced.
    pub fn new(gate: Gate) -> Self {
        Self(ArcSwap::from_pointee(gate))
    }

    /// The gate, for a moment; waits for nothing.
    pub fn load(&self) -> Guard<Arc<Gate>> {
        self.0.load()
    }

    /// The gate, for as long as a request may take.
    pub fn now(&self) -> Arc<Gate> {
        self.0.load_full()
    }

    /// Puts another gate in its place, and answers the one that was there.
    pub fn replace(&self, gate: Arc<Gate>) -> Arc<Gate> {
        self.0.swap(gate)
    }
}
