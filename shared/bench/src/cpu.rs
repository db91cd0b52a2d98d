//! Processor time of a program and what it started, as the system counts it.

use anyhow::Context;
use std::{fs, ops::Sub, os::unix::ffi::OsStrExt};

/// The system counts in hundredths of a second on every Linux that Rust has a target for.
const TICKS_A_SECOND: f64 = 100.0;
/// Fields of `/proc/<pid>/stat` after the name: the process group, the ticks as a program, the ticks in the system.
const GROUP: usize = 2;
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Seconds of processor time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// In the program itself.
    pub user: f64,
    /// In the system, on the program's behalf.
    pub system: f64,
}

impl Spent {
    /// By all processes of a group so far.
    pub fn by_group(group: u32) -> anyhow::Result<Self> {
        Self::by(|process| process.group == group)
    }

    /// By all processes of this name so far.
    pub fn by_name(name: &str) -> anyhow::Result<Self> {
        Self::by(|process| process.name == name)
    }

    fn by(counts: impl Fn(&Process) -> bool) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for entry in fs::read_dir("/proc").context("list the processes")? {
            let entry = entry?;
            // `self` and `thread-self` are there, too: we would count ourselves twice.
            let is_process = entry.file_name().as_bytes().iter().all(u8::is_ascii_digit);
            // A process that has ended meanwhile is not there.
            let Some(stat) = is_process
                .then(|| fs::read_to_string(entry.path().join("stat")).ok())
                .flatten()
            else {
                continue;
            };
            if let Some(process) = read(&stat).filter(|process| counts(process)) {
                all.user += process.spent.user;
                all.system += process.spent.system;
            }
        }
        Ok(all)
    }

    /// Both.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            system: self.system - before.system,
        }
    }
}

/// A process as the system tells of it.
struct Process<'a> {
    name: &'a str,
    group: u32,
    spent: Spent,
}

fn read(stat: &str) -> Option<Process<'_>> {
    // The name stands in parentheses, and may have any character in it.
    let (start, rest) = stat.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let seconds = |field: usize| Some(fields.get(field)?.parse::<f64>().ok()? / TICKS_A_SECOND);
    let spent = Spent {
        user: seconds(USER)?,
        system: seconds(SYSTEM)?,
    };
    Some(Process {
        name,
        group: fields.get(GROUP)?.parse().ok()?,
        spent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_spaces_and_parentheses() {
        let stat = "17 (a) b (c) S 1 42 42 0 -1 4194560 5 0 0 0 250 50 0 0 20 0 3 0 9 1 2";
        let Process { name, group, spent } = read(stat).unwrap();
        assert_eq!((name, group), ("a) b (c", 42));
        assert!((spent.user - 2.5).abs() < 1e-9 && (spent.system - 0.5).abs() < 1e-9);
        assert!(read("17 (a").is_none());
    }

    #[test]
    fn nobody_counts_twice() {
        let stat = || fs::read_to_string("/proc/self/stat").unwrap();
        let name = read(&stat()).unwrap().name.to_owned();
        let own = || read(&stat()).unwrap().spent.total();
        // Long enough to be told from what we spend between the two looks.
        while own() < 0.1 {
            std::hint::black_box(stat());
        }
        let counted = Spent::by_name(&name).unwrap().total();
        assert!((0.1..1.5 * own()).contains(&counted), "{counted}");
    }

    #[test]
    fn work_costs_time() {
        let group = || {
            read(&fs::read_to_string("/proc/self/stat").unwrap())
                .unwrap()
                .group
        };
        let before = Spent::by_group(group()).unwrap();
        let mut sum = 0u64;
        while (Spent::by_group(group()).unwrap() - before).total() < 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(sum > 0);
    }
}
