//! What would outlive a killed test and cannot be listed by its server is written down in a file first, so that the
//! next test can remove it.

use crate::name;
use std::{
    io,
    path::{Path, PathBuf},
};

const ENDING: &str = ".ledger";

/// A file of names that have to be removed; the file is removed with this value.
#[derive(Debug)]
pub(crate) struct Ledger(PathBuf);

impl Ledger {
    /// The ledger of the test that calls itself `name`.
    pub(crate) fn of(name: &str) -> Self {
        Self::within(&std::env::temp_dir(), name)
    }

    fn within(folder: &Path, name: &str) -> Self {
        Self(folder.join(format!("{name}{ENDING}")))
    }

    /// Writes lines down, in the place of earlier ones.
    pub(crate) fn write(&self, lines: &[String]) -> io::Result<()> {
        std::fs::write(&self.0, lines.join("\n"))
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The ledgers of tests that are not alive any more, with their lines. Files of old tests that nobody needs are
/// removed on the way.
pub(crate) fn abandoned() -> Vec<(Ledger, Vec<String>)> {
    abandoned_in(&std::env::temp_dir())
}

fn abandoned_in(folder: &Path) -> Vec<(Ledger, Vec<String>)> {
    let Ok(folder) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut ledgers = Vec::new();
    for path in folder.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if !name.starts_with(name::MARK) {
            continue;
        }
        if name.ends_with(ENDING) {
            if is_abandoned(name) {
                let ledger = Ledger(path);
                let lines = ledger.lines();
                ledgers.push((ledger, lines));
            }
        } else if name::is_old(name) {
            let _ = std::fs::remove_file(&path);
        }
    }
    ledgers
}

fn is_abandoned(name: &str) -> bool {
    let alive = name::process_of(name).is_some_and(|process| Path::new("/proc").join(process).exists());
    !alive || name::is_old(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_of_a_dead_test_is_found() {
        // Not in the shared folder: another test would take the dead one for its own to remove.
        let folder = std::env::temp_dir().join(name::fresh());
        std::fs::create_dir(&folder).unwrap();
        // No process has this number: Linux stops at 4,194,304.
        let dead = Ledger::within(&folder, &format!("{}7fffffff_5000000_0_00000000", name::MARK));
        let alive = Ledger::within(&folder, &name::fresh());
        for ledger in [&dead, &alive] {
            ledger
                .write(&["queue a".to_owned(), "exchange b".to_owned()])
                .unwrap();
        }
        let found = abandoned_in(&folder);
        assert!(matches!(&found[..], [(ledger, lines)] if ledger.0 == dead.0 && lines.len() == 2));
        drop(found);
        assert!(!dead.0.exists() && alive.0.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
