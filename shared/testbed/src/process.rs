//! Programs of the workspace as processes of their own, to be loaded, paused and killed.

use crate::{eventually, name};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{
    ffi::OsString,
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How long a program may take until it answers: generous, because the machine may be compiling.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a program may take to stop when it is asked to.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);
/// How much of a program's output is shown when a test fails.
const SHOWN_BYTES: usize = 8 * 1024;

/// What to start, and how.
#[derive(Debug)]
pub struct ProcessBuilder {
    name: String,
    command: Command,
    ready: Option<(SocketAddr, String)>,
}

/// A running program. It, and whatever it started, is killed when this value is dropped or its owner dies.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: PathBuf,
    guard: Option<Child>,
}

// === impl ProcessBuilder ===

impl ProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.arg(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl ToString) -> Self {
        self.command.env(key, value.to_string());
        self
    }

    /// It is ready when `GET path` at `address` answers 200.
    #[must_use]
    pub fn ready_at(mut self, address: SocketAddr, path: &str) -> Self {
        self.ready = Some((address, path.to_owned()));
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it cannot be started, ends, or does not become ready; its output is shown.
    pub async fn start(self) -> Process {
        let Self {
            name,
            mut command,
            ready,
        } = self;
        let output = std::env::temp_dir().join(format!("{}_{name}.log", name::fresh()));
        let log = File::create(&output).expect("create a file for the output of a program");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("share the output file"))
            .stderr(log)
            .process_group(0);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {name}: {error}"));
        let mut process = Process {
            name,
            guard: Some(guard(child.id())),
            child,
            output,
        };
        if let Some((address, path)) = ready {
            process.await_ready(address, &path).await;
        }
        process
    }
}

// === impl Process ===

impl Process {
    /// A program of this workspace, by the name of its binary: see [`binary`].
    pub fn workspace(name: &str) -> ProcessBuilder {
        Self::program(name, &binary(name))
    }

    /// Any program, called `name` in messages.
    pub fn program(name: &str, path: &Path) -> ProcessBuilder {
        ProcessBuilder {
            name: name.to_owned(),
            command: Command::new(path),
            ready: None,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, to standard output and standard error.
    pub fn output(&self) -> String {
        let bytes = std::fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("look after a program").is_none()
    }

    /// Kills it and everything it started, without a chance to say goodbye.
    pub fn kill_9(&mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Stops it in its tracks: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to stop and waits until it has; answers whether it ended well.
    ///
    /// # Panics
    /// When it does not stop within its time.
    pub async fn terminate(&mut self) -> bool {
        self.signal(Signal::SIGTERM);
        let what = format!("{} stops when asked to", self.name);
        eventually(STOPPED_WITHIN, &what, async || !self.is_running()).await;
        self.child.wait().is_ok_and(|status| status.success())
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is an i32"));
        let _ = killpg(group, signal);
    }

    async fn await_ready(&mut self, address: SocketAddr, path: &str) {
        let what = format!("{} answers 200 at http://{address}{path}", self.name);
        eventually(READY_WITHIN, &what, async || {
            assert!(self.is_running(), "{} ended while starting", self.name);
            matches!(http_get(address, path).await, Ok((200, _)))
        })
        .await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_9();
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
        if std::thread::panicking() {
            let output = self.output();
            let from = output.ceil_char_boundary(output.len().saturating_sub(SHOWN_BYTES));
            eprintln!(
                "--- the end of what {} wrote ---\n{}\n---",
                self.name,
                &output[from..]
            );
        }
        let _ = std::fs::remove_file(&self.output);
    }
}

/// Kills the group when its standard input closes, which happens when this process ends in whatever way: a test that
/// is killed or interrupted leaves no program behind.
fn guard(group: u32) -> Child {
    let script = format!("read -r _; kill -s KILL -- -{group}");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command.spawn().expect("start the guard of a program")
}

/// The built program of this workspace called `name`, which lies beside the running one.
///
/// # Panics
/// Says how to build it when it is not there. (It may be there and old: `make test` builds all programs first.)
pub fn binary(name: &str) -> PathBuf {
    let running = std::env::current_exe().expect("this program has a path");
    let folder = running.parent().expect("this program lies in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().expect("deps lies in a folder")
    } else {
        folder
    };
    let path = folder.join(name);
    let profile = if folder.ends_with("release") {
        " --release"
    } else {
        ""
    };
    assert!(
        path.is_file(),
        "{} is not built: run `cargo build{profile} --bin {name}` first",
        path.display()
    );
    path
}

/// A loopback address that nothing listens on at the moment.
///
/// # Panics
/// When no port is free.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a listener has an address")
}

/// One `GET`, answered with status and body; the connection is closed afterwards.
pub async fn http_get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("not an HTTP answer"))?;
    Ok((
        status,
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> ProcessBuilder {
        Process::program("shell", Path::new("/bin/sh")).args(["-c", script])
    }

    fn runs(pid: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
    }

    #[tokio::test]
    async fn a_dropped_program_takes_its_children_along() {
        let process = shell("sleep 60 & echo child $!; wait").start().await;
        let children = async || process.output().trim().strip_prefix("child ").map(str::to_owned);
        let child = crate::eventually_some(READY_WITHIN, "the child is started", children).await;
        assert!(runs(&child));
        drop(process);
        eventually(READY_WITHIN, "the child is gone", async || !runs(&child)).await;
    }

    #[tokio::test]
    async fn the_guard_kills_what_its_owner_left_behind() {
        let mut process = shell("sleep 60").start().await;
        // What the death of this process would do.
        drop(process.guard.as_mut().unwrap().stdin.take());
        eventually(READY_WITHIN, "the program is gone", async || {
            !process.is_running()
        })
        .await;
    }

    #[tokio::test]
    async fn a_program_is_asked_to_stop() {
        let mut well = shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
            .start()
            .await;
        eventually(READY_WITHIN, "the trap is set", async || {
            well.output().contains("up")
        })
        .await;
        assert!(well.terminate().await);
        assert!(!well.is_running());
    }

    #[tokio::test]
    #[should_panic(expected = "ended while starting")]
    async fn a_program_that_ends_is_not_waited_for() {
        shell("echo bad luck; exit 1")
            .ready_at(free_address(), "/readyz")
            .start()
            .await;
    }

    #[test]
    #[should_panic(expected = "cargo build --bin no-such-program")]
    fn what_is_not_built_is_said_to_be_so() {
        binary("no-such-program");
    }
}
