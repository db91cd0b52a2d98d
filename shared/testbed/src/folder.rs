//! Folders of servers of a test's own, and the accounts that these run as.

use crate::{Process, ProcessBuilder, name};
use nix::unistd::{Uid, User};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

/// A folder that is removed with this value.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// One in the system's folder for such things.
    pub(crate) fn fresh() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// One in this folder.
    pub(crate) fn within(parent: &Path) -> Self {
        let path = parent.join(name::fresh());
        fs::create_dir(&path).expect("create a folder for a server");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Who a server runs as: its own account if we are root, because PostgreSQL refuses to be that; else we.
#[derive(Debug, Clone)]
pub(crate) struct Account(Option<User>);

impl Account {
    pub(crate) fn of(name: &str) -> Self {
        let named = || User::from_name(name).ok().flatten();
        Self(Uid::effective().is_root().then(named).flatten())
    }

    /// Makes a folder that is its alone.
    pub(crate) fn folder(&self, path: &Path) {
        fs::create_dir_all(path).expect("create a folder for a server");
        self.give(path, 0o700);
    }

    /// Writes a file that is its alone.
    pub(crate) fn file(&self, path: &Path, content: &str, mode: u32) {
        fs::write(path, content).expect("write a server's file");
        self.give(path, mode);
    }

    /// A program that runs as it.
    pub(crate) fn program(&self, name: &str, path: &Path) -> ProcessBuilder {
        let program = Process::program(name, path);
        match &self.0 {
            Some(user) => program.run_by(user),
            None => program,
        }
    }

    fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("keep others out");
        if let Some(user) = &self.0 {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("give a file away");
        }
    }
}
