//! One server with a folder of its own.

use super::{DEAD_AFTER, READY_WITHIN};
use crate::{Process, eventually, folder::Folder, free_address};
use ::redis::{Client, Cmd, FromRedisValue, RedisResult, cmd};
use std::{fs, io, net::SocketAddr, path::Path};

const CONFIG: &str = "redis.conf";

/// A server of a test's own, with a folder of its own. Both are gone when this is dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    folder: Folder,
    is_sentinel: bool,
    process: Option<Process>,
}

/// What a server had on disk.
#[derive(Debug)]
pub struct DiskCopy(Folder);

impl RedisServer {
    /// Starts a server that forgets everything when it ends.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start() -> Self {
        Self::with(false, "").await
    }

    /// Starts a server that keeps what it is told in an append-only file, brought to disk once a second.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn durable() -> Self {
        Self::with(false, "appendonly yes\nappendfsync everysec").await
    }

    pub(super) async fn with(is_sentinel: bool, settings: &str) -> Self {
        let (address, folder) = (free_address(), Folder::fresh());
        let common = format!(
            "port {}\nbind 127.0.0.1\ndir {}",
            address.port(),
            folder.path().display()
        );
        let forget = if is_sentinel { "" } else { "save \"\"" };
        fs::write(
            folder.path().join(CONFIG),
            format!("{common}\n{forget}\n{settings}\n"),
        )
        .expect("write a config");
        let mut server = Self {
            address,
            folder,
            is_sentinel,
            process: None,
        };
        server.start_again().await;
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, as programs take it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Starts it (again, after it was killed) on the same port, with what is in its folder, and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn start_again(&mut self) {
        self.process = None;
        let program = Process::program("redis-server", Path::new("/usr/bin/redis-server"));
        let program = program.arg(self.folder.path().join(CONFIG));
        let program = program.args(self.is_sentinel.then_some("--sentinel"));
        self.process = Some(program.start().await);
        eventually(READY_WITHIN, "a Redis server answers", async || {
            self.ask::<String>(&cmd("PING")).is_ok()
        })
        .await;
    }

    /// Kills it, without a chance to write what it has not written.
    pub fn kill_9(&mut self) {
        self.process = None;
    }

    /// Stops it in its tracks: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the server runs").pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.as_ref().expect("the server runs").resume();
    }

    /// Asks it one thing.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub fn ask<T: FromRedisValue>(&self, question: &Cmd) -> RedisResult<T> {
        let client = Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(DEAD_AFTER)?;
        connection.set_read_timeout(Some(DEAD_AFTER))?;
        question.query(&mut connection)
    }

    /// What it has on disk now, to be put back later.
    ///
    /// # Panics
    /// When the files cannot be copied.
    #[must_use]
    pub fn copy_disk(&self) -> DiskCopy {
        let copy = Folder::fresh();
        copy_all(self.folder.path(), copy.path()).expect("copy a server's files");
        DiskCopy(copy)
    }

    /// Kills it and gives it the files of earlier.
    ///
    /// # Panics
    /// When the files cannot be copied.
    pub fn put_back(&mut self, disk: &DiskCopy) {
        self.kill_9();
        fs::remove_dir_all(self.folder.path()).expect("remove a server's files");
        fs::create_dir(self.folder.path()).expect("make its folder again");
        copy_all(disk.0.path(), self.folder.path()).expect("copy a server's files");
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let (entry, kind) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind)))?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            fs::create_dir_all(&target)?;
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{read, write},
        *,
    };

    #[tokio::test]
    async fn a_server_is_killed_and_put_back() {
        let mut server = RedisServer::durable().await;
        write(&server, 1);
        let disk = server.copy_disk();
        write(&server, 2);
        server.kill_9();
        assert!(server.ask::<()>(&cmd("PING")).is_err());
        server.start_again().await;
        assert_eq!(read(&server), Some(2), "the system keeps what the file was given");
        server.put_back(&disk);
        server.start_again().await;
        assert_eq!(read(&server), Some(1));
        let (folder, copy) = (server.folder.path().to_owned(), disk.0.path().to_owned());
        drop((server, disk));
        assert!(!folder.exists() && !copy.exists());
    }
}
