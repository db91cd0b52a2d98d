//! A queue of the broker: at least once, in sequence, unless somebody changes that.

use contract::Command;
use std::collections::VecDeque;

/// Commands that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Command>,
}

impl Queue {
    pub(crate) fn publish(&mut self, command: Command) {
        self.waiting.push_back(command);
    }

    pub(crate) fn length(&self) -> usize {
        self.waiting.len()
    }

    /// The first ones. They stay until they are acknowledged.
    pub(crate) fn batch(&self, size: usize) -> Vec<Command> {
        self.waiting.iter().take(size).cloned().collect()
    }

    pub(crate) fn acknowledge(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
    }

    pub(crate) fn any(&self, index: usize) -> Option<&Command> {
        self.waiting.get(index)
    }

    pub(crate) fn swap(&mut self, one: usize, other: usize) {
        if one < self.waiting.len() && other < self.waiting.len() {
            self.waiting.swap(one, other);
        }
    }
}
