//! Hashing passwords, off the threads that answer requests, and only so many at once.

use anyhow::Context;
use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{num::NonZero, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use tracing::error;

/// Argon2id with 19 MiB, two passes, one lane: the first choice of OWASP's list. A hash made with others is replaced when
/// its owner signs in.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes that wait for each one that is under way: about two seconds' worth.
const WAITING_EACH: usize = 64;
/// Of the threads that hash, where others have 0 and 19 is the most patient: about a tenth of what others get.
const NICENESS: i32 = 10;
/// Whoever waited for so long is told to come again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a password was neither hashed nor compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many are at it.
    #[error("too many passwords are being checked")]
    Busy,
    /// The library, or a hash that is none.
    #[error("hash a password")]
    Failed,
}

/// What comparing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// Whether it is the password.
    pub is_right: bool,
    /// Whether the hash was made with parameters that are not ours any more.
    pub is_old: bool,
}

/// Hashes and compares passwords.
#[derive(Clone)]
pub struct Passwords {
    at_work: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
    hasher: Argon2<'static>,
    /// The hash of no password: comparing with it takes as long as with anybody's.
    nobodys: Arc<str>,
}

impl Passwords {
    /// As many at once as there are processors.
    ///
    /// # Errors
    /// When the library does not take the parameters.
    pub fn new() -> anyhow::Result<Self> {
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| anyhow::anyhow!("{error}"))?;
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys = hash(&hasher, &clock::random_bytes::<32>(), &clock::random_bytes());
        let nobodys = nobodys.ok_or_else(|| anyhow::anyhow!("hash a password"))?;
        Ok(Self {
            at_work: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new(at_once * WAITING_EACH)),
            threads: Arc::new(threads(at_once)?),
            hasher,
            nobodys: nobodys.into(),
        })
    }

    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: String) -> Result<String, HashError> {
        let hasher = self.hasher.clone();
        let salt = clock::random_bytes();
        let hashed = self
            .work(move || hash(&hasher, password.as_bytes(), &salt))
            .await?;
        hashed.ok_or(HashError::Failed)
    }

    /// Compares a password with a hash, or, in the same time, with nobody's. A hash that cannot be read is nobody's, too:
    /// it opens for no password, and a new one can be set by mail.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn compare(&self, password: String, hashed: Option<String>) -> Result<Compared, HashError> {
        let (hasher, nobodys) = (self.hasher.clone(), Arc::clone(&self.nobodys));
        self.work(move || {
            let readable = hashed
                .as_deref()
                .filter(|hashed| PasswordHash::new(hashed).is_ok());
            let is_somebodys = readable.is_some();
            let hashed = readable.unwrap_or(&nobodys);
            let known = PasswordHash::new(hashed).ok()?;
            let is_right = hasher.verify_password(password.as_bytes(), &known).is_ok();
            Some(Compared {
                is_right: is_right && is_somebodys,
                is_old: settings_of(hashed) != settings_of(&nobodys),
            })
        })
        .await?
        .ok_or(HashError::Failed)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let _place = Arc::clone(&self.queue)
            .try_acquire_owned()
            .map_err(|_| HashError::Busy)?;
        let turn = timeout(PATIENCE, Arc::clone(&self.at_work).acquire_owned()).await;
        let turn: OwnedSemaphorePermit = turn.map_err(|_| HashError::Busy)?.map_err(|_| HashError::Busy)?;
        let (tell, done) = oneshot::channel();
        self.threads.spawn(move || {
            // Whoever waits may go away; the turn is over only when the work is.
            let _ = tell.send(work());
            drop(turn);
        });
        done.await.map_err(|_| HashError::Failed)
    }
}

/// Threads for nothing else, behind everything else: a processor that has polls to answer answers those first, and who
/// signs in waits a little longer.
fn threads(count: usize) -> anyhow::Result<ThreadPool> {
    let behind_others = |_| {
        // For the calling thread, on Linux. Where it is not allowed, passwords count as much as the rest.
        let _ = rustix::process::setpriority_process(None, NICENESS);
    };
    let pool = ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|_| "passwords".to_owned())
        .start_handler(behind_others)
        .panic_handler(|_| error!("a password check panicked"));
    pool.build().context("start the threads for passwords")
}

fn hash(hasher: &Argon2<'_>, password: &[u8], salt: &[u8; 16]) -> Option<String> {
    hasher
        .hash_password_with_salt(password, salt)
        .ok()
        .map(|hash| hash.to_string())
}

/// Algorithm, version and costs: what stands before the salt.
fn settings_of(hash: &str) -> Option<&str> {
    let (rest, _hash) = hash.rsplit_once('$')?;
    rest.rsplit_once('$').map(|(settings, _salt)| settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_itself_and_nobody_has_none() {
        let passwords = Passwords::new().unwrap();
        let hashed = passwords.hash("correct horse battery".to_owned()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        for (password, hash, is_right) in [
            ("correct horse battery", Some(hashed.clone()), true),
            ("correct horse batterY", Some(hashed), false),
            ("correct horse battery", None, false),
            ("none", Some("none".to_owned()), false),
        ] {
            let compared = passwords.compare(password.to_owned(), hash).await.unwrap();
            assert_eq!(
                compared,
                Compared {
                    is_right,
                    is_old: false
                },
                "{password}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_compared_and_found_old() {
        let weak = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8, 1, 1, None).unwrap(),
        );
        let old = hash(&weak, b"correct horse battery", &[1; 16]).unwrap();
        let passwords = Passwords::new().unwrap();
        let compared = passwords
            .compare("correct horse battery".to_owned(), Some(old))
            .await
            .unwrap();
        assert_eq!(
            compared,
            Compared {
                is_right: true,
                is_old: true
            }
        );
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_again() {
        let passwords = Passwords::new().unwrap();
        let all = passwords.queue.available_permits();
        let _everybody = passwords
            .queue
            .clone()
            .acquire_many_owned(u32::try_from(all).unwrap())
            .await
            .unwrap();
        assert_eq!(
            passwords.hash("correct horse battery".to_owned()).await,
            Err(HashError::Busy)
        );
    }
}
