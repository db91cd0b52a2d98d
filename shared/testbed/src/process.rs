//! Programs of the workspace as processes of their own, to be loaded, paused and killed.

use crate::{eventually, name, within};
use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, User},
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener},
    ops::Range,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
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

    /// Sets environment variables.
    #[must_use]
    pub fn envs<'a>(mut self, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        self.command.envs(variables);
        self
    }

    /// Runs it in this folder.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it as another user, which takes root.
    #[must_use]
    pub(crate) fn run_by(mut self, user: &User) -> Self {
        self.command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        self
    }

    /// It is ready when `GET path` at `address` answers 200.
    #[must_use]
    pub fn ready_at(mut self, address: SocketAddr, path: &str) -> Self {
        self.ready = Some((address, path.to_owned()));
        self
    }

    /// Takes back that it has to become ready.
    #[must_use]
    pub fn without_waiting(mut self) -> Self {
        self.ready = None;
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it cannot be started, ends, or does not become ready; its output is shown.
    pub async fn start(self) -> Process {
        self.try_start().await.expect("start a program for this test")
    }

    /// The same, for programs that clean up before they fail.
    pub async fn try_start(self) -> anyhow::Result<Process> {
        let Self {
            name,
            mut command,
            ready,
        } = self;
        let program = Path::new(command.get_program());
        anyhow::ensure!(program.is_file(), not_built(&name, program));
        let output = std::env::temp_dir().join(format!("{}_{name}.log", name::fresh()));
        let log = File::create(&output).context("create a file for the output of a program")?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        let guard = guard(child.id()).context("start the guard of a program");
        let mut process = Process {
            name,
            child,
            output,
            guard: None,
        };
        process.guard = Some(guard?);
        if let Some((address, path)) = ready {
            process.await_ready(address, &path).await?;
        }
        Ok(process)
    }
}

// === impl Process ===

impl Process {
    /// A program of this workspace by the name of its binary, which lies beside the running one. (It may be there
    /// and old: `make test` builds all programs first.)
    pub fn workspace(name: &str) -> ProcessBuilder {
        Self::program(name, &folder_of_binaries().join(name))
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
        let bytes = fs::read(&self.output).unwrap_or_default();
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

    /// The same, for a program whose children leave its process group: they are killed one by one. Answers when none of
    /// them runs any more.
    ///
    /// # Panics
    /// When one of them goes on.
    pub async fn kill_family_9(&mut self) {
        let family = descendants(self.id());
        self.kill_9();
        for pid in &family {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        eventually(
            STOPPED_WITHIN,
            "a killed program's children are gone",
            async || !family.iter().any(|pid| runs(*pid)),
        )
        .await;
    }

    /// Stops it in its tracks: its connections stay open and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to stop, and waits for nothing.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Whether it has ended, and well.
    pub fn ended_well(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.success())
    }

    /// Asks it to stop; answers whether it did in time, and ended well.
    pub async fn terminate(&mut self) -> bool {
        self.ask_to_stop();
        within(STOPPED_WITHIN, async || (!self.is_running()).then_some(())).await;
        self.ended_well()
    }

    fn signal(&self, signal: Signal) {
        let group = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is an i32"));
        let _ = killpg(group, signal);
    }

    async fn await_ready(&mut self, address: SocketAddr, path: &str) -> anyhow::Result<()> {
        let ready = within(READY_WITHIN, async || match http_get(address, path).await {
            Ok((200, _)) => Some(true),
            _ => (!self.is_running()).then_some(false),
        });
        match ready.await {
            Some(true) => Ok(()),
            Some(false) => bail!("{} ended while starting\n{}", self.name, self.last_words()),
            None => bail!(
                "no 200 from {} at http://{address}{path}\n{}",
                self.name,
                self.last_words()
            ),
        }
    }

    fn last_words(&self) -> String {
        let output = self.output();
        let from = output.ceil_char_boundary(output.len().saturating_sub(SHOWN_BYTES));
        format!(
            "--- the end of what {} wrote ---\n{}\n---",
            self.name,
            &output[from..]
        )
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
            eprintln!("{}", self.last_words());
        }
        let _ = fs::remove_file(&self.output);
    }
}

/// Kills the group when its standard input closes, which happens when this process ends in whatever way: a test that
/// is killed or interrupted leaves no program behind.
fn guard(group: u32) -> io::Result<Child> {
    let script = format!("read -r _; kill -s KILL -- -{group}");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.process_group(0).spawn()
}

/// The children of a process, and theirs.
fn descendants(of: u32) -> Vec<Pid> {
    let parents: Vec<(Pid, i32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((Pid::from_raw(pid), stat(pid)?.1)))
        .collect();
    let mut family = vec![Pid::from_raw(i32::try_from(of).unwrap_or_default())];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        let children = parents.iter().filter(|(_, ppid)| *ppid == parent.as_raw());
        family.extend(children.map(|(pid, _)| *pid));
        next += 1;
    }
    family.split_off(1)
}

/// Whether a process is neither gone nor waiting to be forgotten.
fn runs(pid: Pid) -> bool {
    stat(pid.as_raw()).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Where the running program lies, or a test's programs: one above the tests themselves.
fn folder_of_binaries() -> PathBuf {
    let running = std::env::current_exe().unwrap_or_default();
    let mut folders = running
        .ancestors()
        .skip(1)
        .skip_while(|folder| folder.ends_with("deps"));
    folders.next().unwrap_or(Path::new("/")).to_owned()
}

fn not_built(name: &str, program: &Path) -> String {
    let profile = if program.parent().is_some_and(|folder| folder.ends_with("release")) {
        " --release"
    } else {
        ""
    };
    format!(
        "there is no {}: run `cargo build{profile} --bin {name}` first",
        program.display()
    )
}

/// A loopback address that nothing listens on, and that no outgoing connection takes before it is used: its port lies
/// below those that the system gives to connections.
///
/// # Panics
/// When no port is free.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const PORTS: Range<u16> = 20_000..32_000;
    // Test processes that run side by side begin far from each other.
    let offset = u16::try_from(std::process::id() % 120).unwrap_or(0) * 100;
    let candidate = || {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset) % (PORTS.end - PORTS.start);
        TcpListener::bind(("127.0.0.1", PORTS.start + turn))
            .and_then(|listener| listener.local_addr())
            .ok()
    };
    PORTS
        .into_iter()
        .find_map(|_| candidate())
        .expect("a port is free")
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

    #[tokio::test]
    async fn a_dropped_program_takes_its_children_along() {
        let process = shell("sleep 60 & echo child $!; wait").start().await;
        let children = async || process.output().trim().strip_prefix("child ").map(str::to_owned);
        let child = crate::eventually_some(READY_WITHIN, "the child is started", children).await;
        let child = Pid::from_raw(child.parse().unwrap());
        assert!(runs(child));
        drop(process);
        eventually(READY_WITHIN, "the child is gone", async || !runs(child)).await;
    }

    #[tokio::test]
    async fn a_family_is_killed_with_those_who_left_the_group() {
        let mut process = shell("setsid sleep 60 & echo up; wait").start().await;
        eventually(READY_WITHIN, "the child is started", async || {
            !descendants(process.id()).is_empty()
        })
        .await;
        let family = descendants(process.id());
        process.kill_family_9().await;
        assert!(!family.into_iter().any(runs));
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

    #[tokio::test]
    #[should_panic(expected = "cargo build --bin no-such-program")]
    async fn what_is_not_built_is_said_to_be_so() {
        Process::workspace("no-such-program").start().await;
    }

    #[test]
    fn free_addresses_differ() {
        assert_ne!(free_address(), free_address());
    }
}
