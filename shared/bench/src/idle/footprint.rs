//! The memory of a process, as the system counts it.

use anyhow::Context;
use std::time::Duration;

/// What was freed a moment ago is given back within some seconds.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);
/// Two looks that differ by less are the same.
const SAME_KIB: f64 = 64.0;

/// What a process has in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// All of it.
    pub rss_kib: f64,
    /// With its share of what it has in common with others.
    pub pss_kib: f64,
}

impl Footprint {
    /// The memory of a process once it does not change any more, or after ten seconds.
    pub async fn settled(process: u32) -> anyhow::Result<Self> {
        let mut last = Self::of(process)?;
        for _ in 0..LOOKS {
            tokio::time::sleep(PAUSE).await;
            let now = Self::of(process)?;
            let moved = (now.rss_kib - last.rss_kib).abs();
            last = now;
            if moved < SAME_KIB {
                break;
            }
        }
        Ok(last)
    }

    fn of(process: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{process}/smaps_rollup");
        let told = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        Self::read(&told).with_context(|| format!("read {told}"))
    }

    fn read(told: &str) -> Option<Self> {
        let kib = |name: &str| {
            let mut lines = told.lines();
            let value = lines.find_map(|line| line.strip_prefix(name))?;
            value.trim().strip_suffix("kB")?.trim().parse().ok()
        };
        Some(Self {
            rss_kib: kib("Rss:")?,
            pss_kib: kib("Pss:")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_the_system_tells_it() {
        let told = "00400000-7fff [rollup]\nRss:    2048 kB\nPss:    1024 kB\nPss_Dirty:  512 kB\n";
        let expected = Footprint {
            rss_kib: 2048.0,
            pss_kib: 1024.0,
        };
        assert_eq!(Footprint::read(told), Some(expected));
        assert_eq!(Footprint::read("Rss: 1 kB\n"), None);
    }
}
