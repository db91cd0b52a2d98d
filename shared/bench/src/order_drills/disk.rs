//! The disk of PostgreSQL is full, then that of RabbitMQ. Both are small file systems in memory, in a mount namespace of
//! the drill's own.

use super::{
    audit,
    ledger::Ledger,
    seed_of,
    shoppers::Shoppers,
    stage::Stage,
    verdict::{Story, judge},
};
use crate::{
    Verdict,
    cli::DiskPlan,
    report::{rounded, say},
    scratch::Scratch,
};
use anyhow::{Context, bail, ensure};
use serde_json::json;
use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};
use testbed::{PostgresServer, RabbitServers, within};
use tokio::time::{Instant, sleep};

/// Says that this process has a mount namespace of its own.
const OWN_MOUNTS: &str = "BENCH_OWN_MOUNTS";
/// How large the disks are, in MiB.
const POSTGRES_MIB: u32 = 224;
const RABBIT_MIB: u32 = 192;
/// RabbitMQ takes no messages when less is free. What is left is for what it has taken already.
const DISK_FREE_LIMIT: &str = "64MB";
/// How much the ballast leaves of RabbitMQ's disk: without any, its quorum queues end, and only a restart of the node brings
/// them back. Nothing is left of PostgreSQL's.
const RABBIT_LEFT_MIB: u32 = 24;
/// A disk as small as that has no room for as much write-ahead log as PostgreSQL likes to keep.
const POSTGRES_SETTINGS: [&str; 2] = ["max_wal_size=64MB", "min_wal_size=32MB"];
/// What fills a disk.
const BALLAST: &str = "ballast";
static BLOCK: [u8; 64 * 1024] = [0; 64 * 1024];
const BLOCKS_PER_MIB: u32 = 16;
const PAGE: usize = 4096;
/// How long everybody orders in peace before, between and after.
const CALM: Duration = Duration::from_secs(4);
/// How often somebody looks whether a server has ended, as a service manager does.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(500);
/// Within this somebody must be able to order again.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

/// Goes on in a mount namespace of its own. Does not return unless it is in one.
///
/// # Errors
/// When the system does not give one.
pub fn own_mounts() -> anyhow::Result<()> {
    if std::env::var_os(OWN_MOUNTS).is_some() {
        return Ok(());
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    let allowed = unshare().arg("true").output().context("run unshare")?;
    ensure!(
        allowed.status.success(),
        "drill-disk-full gives PostgreSQL and RabbitMQ small disks of their own, which takes root: run it as root"
    );
    let mut again = unshare();
    again
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1));
    Err(again.env(OWN_MOUNTS, "1").exec()).context("run unshare")
}

/// A small disk.
struct Disk {
    folder: PathBuf,
    /// What the ballast leaves.
    left_mib: u32,
}

/// How a full disk went.
struct Full {
    /// Answers that said "later", and those of them that said so as they should.
    put_off: u64,
    clearly: u64,
    /// Requests without an answer.
    unanswered: u64,
    /// From the moment there was room until an order that was begun after that was held.
    recovered: Option<Duration>,
    /// How often a server that had ended was started again, as its service manager would.
    restarts: u32,
    /// Orders that were held in the second half of the time.
    held: usize,
}

/// One of the servers, as its service manager sees it.
enum Server {
    Postgres,
    Rabbit,
}

pub async fn measure(plan: &DiskPlan) -> anyhow::Result<Verdict> {
    let seed = seed_of(&plan.orderers);
    say(&format!(
        "seed {seed}: starting PostgreSQL and RabbitMQ on small disks ..."
    ));
    let scratch = Scratch::new("disks")?;
    let postgres_disk = Disk::mount(scratch.folder("postgres")?, POSTGRES_MIB, 0)?;
    let rabbit_disk = Disk::mount(scratch.folder("rabbit")?, RABBIT_MIB, RABBIT_LEFT_MIB)?;
    let servers = tokio::join!(
        PostgresServer::start_in(&postgres_disk.folder, &POSTGRES_SETTINGS),
        RabbitServers::start_in(&rabbit_disk.folder, 1, DISK_FREE_LIMIT),
    );
    let mut stage = Stage::set(&plan.orderers, servers.0, servers.1).await?;
    let shoppers = Shoppers::come(&plan.orderers, seed, &stage).await?;
    let full_for = Duration::from_secs(u64::from(plan.full_seconds));
    let mut fulls = Vec::new();
    for (disk, server) in [(&postgres_disk, Server::Postgres), (&rabbit_disk, Server::Rabbit)] {
        sleep(CALM).await;
        fulls.push(fill_and_free(disk, server, full_for, &mut stage, &shoppers.ledger).await?);
    }
    sleep(CALM).await;
    let ledger = shoppers.go_home().await?;
    let (findings, counts) = audit::audit(&stage, &ledger).await?;
    drop(stage);
    let sum = |of: fn(&Full) -> u64| fulls.iter().map(of).sum::<u64>();
    let slowest = |fulls: &[Full]| {
        fulls
            .iter()
            .map(|full| full.recovered)
            .collect::<Option<Vec<_>>>()
    };
    let recovered = slowest(&fulls).and_then(|each| each.into_iter().max());
    let unclear = sum(|full| full.put_off - full.clearly) + sum(|full| full.unanswered);
    let story = Story {
        name: "drill-disk-full",
        kills: 0,
        more: vec![
            ("refused", json!(sum(|full| full.clearly))),
            ("refused_unclearly", json!(unclear)),
            (
                "seconds_to_recover",
                json!(recovered.map(|after| rounded(after.as_secs_f64(), 2))),
            ),
            ("seconds_full", json!(plan.full_seconds)),
            ("held_while_full", json!(sum(|full| full.held as u64))),
            ("restarts", json!(sum(|full| u64::from(full.restarts)))),
            ("seed", json!(seed)),
        ],
        is_well: recovered.is_some() && unclear == 0 && sum(|full| full.clearly) > 0,
    };
    judge(story, &ledger, &findings, &counts)
}

async fn fill_and_free(
    disk: &Disk,
    server: Server,
    full_for: Duration,
    stage: &mut Stage,
    ledger: &Ledger,
) -> anyhow::Result<Full> {
    let before =
        [&ledger.put_off, &ledger.put_off_clearly, &ledger.unanswered].map(|count| count.load(Relaxed));
    let mut restarts = 0;
    let full_at = Instant::now();
    while full_at.elapsed() < full_for {
        // What a server gives back is taken again.
        disk.fill()?;
        restarts += u32::from(server.look_after(stage).await);
        sleep(LOOKED_AT_EVERY).await;
    }
    let held = ledger.held_since(full_at + full_for / 2);
    disk.free()?;
    let since = Instant::now();
    let recovered = within(RECOVERED_WITHIN, async || {
        restarts += u32::from(server.look_after(stage).await);
        ledger.decided_after(since)
    });
    let recovered = recovered.await;
    let after =
        [&ledger.put_off, &ledger.put_off_clearly, &ledger.unanswered].map(|count| count.load(Relaxed));
    let [put_off, clearly, unanswered] = std::array::from_fn(|index| after[index] - before[index]);
    say(&format!(
        "the disk of {} was full for {full_for:.0?}: {put_off} put off ({clearly} clearly), {unanswered} unanswered, {restarts} \
         restarts, {held} orders held in its second half; recovered after {recovered:.1?}",
        server.name()
    ));
    Ok(Full {
        put_off,
        clearly,
        unanswered,
        recovered,
        restarts,
        held,
    })
}

impl Server {
    fn name(&self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Rabbit => "RabbitMQ",
        }
    }

    /// Starts it again when it has ended; answers whether it had.
    async fn look_after(&self, stage: &mut Stage) -> bool {
        match self {
            Self::Postgres => {
                let ended = !stage.postgres.is_running();
                if ended {
                    stage.postgres.spawn().await;
                }
                ended
            }
            Self::Rabbit => {
                let node = &mut stage.rabbit.nodes()[0];
                let ended = !node.is_running();
                if ended {
                    node.spawn().await;
                }
                ended
            }
        }
    }
}

impl Disk {
    fn mount(folder: PathBuf, mib: u32, left_mib: u32) -> anyhow::Result<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m,mode=0755"), "tmpfs"]);
        let mounted = mount.arg(&folder).output().context("run mount")?;
        if !mounted.status.success() {
            bail!("mount a small disk: {}", String::from_utf8_lossy(&mounted.stderr));
        }
        Ok(Self { folder, left_mib })
    }

    /// Until no more is left than should be.
    fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        let spare = self.free_mib()?.saturating_sub(self.left_mib);
        for _ in 0..spare * BLOCKS_PER_MIB {
            if ballast.write_all(&BLOCK).is_err() {
                break;
            }
        }
        // The last pages.
        while self.left_mib == 0 && ballast.write_all(&BLOCK[..PAGE]).is_ok() {}
        Ok(())
    }

    fn free_mib(&self) -> anyhow::Result<u32> {
        let mut df = Command::new("df");
        let df = df.args(["--output=avail", "-BM"]).arg(&self.folder).output();
        let text = String::from_utf8(df.context("run df")?.stdout)?;
        let mib = text
            .lines()
            .last()
            .and_then(|line| line.trim().strip_suffix('M')?.parse().ok());
        mib.context("how much is free?")
    }

    fn free(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).output();
    }
}
