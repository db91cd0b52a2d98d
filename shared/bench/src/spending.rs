//! Who spends the processor time of what is measured: each program of ours, and the servers.

use crate::{
    cpu::Spent,
    report::{median, rounded},
};
use serde_json::{Map, Value, json};

/// A program, and how its processes are found.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// One that was started for the measurement, by its process group.
    Ours(&'static str, u32),
    /// By the name of its processes: a server that was there (nothing else may use it meanwhile), or this program.
    Named(&'static str, &'static str),
}

/// What each part spends on one of what is counted, over several runs.
#[derive(Debug)]
pub struct Spending {
    parts: Vec<Part>,
    before: Vec<f64>,
    us_each: Vec<Vec<f64>>,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Ours(name, _) | Self::Named(name, _) => name,
        }
    }

    fn spent_seconds(self) -> anyhow::Result<f64> {
        let spent = match self {
            Self::Ours(_, group) => Spent::by_group(group)?,
            Self::Named(_, name) => Spent::by_name(name)?,
        };
        Ok(spent.total())
    }
}

impl Spending {
    /// Of these.
    pub fn of(parts: Vec<Part>) -> Self {
        Self {
            before: vec![0.0; parts.len()],
            us_each: vec![Vec::new(); parts.len()],
            parts,
        }
    }

    /// A run begins.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        self.before = self.look()?;
        Ok(())
    }

    /// It has ended; `count` were done.
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    pub fn end(&mut self, count: u64) -> anyhow::Result<()> {
        let after = self.look()?;
        for ((us_each, before), after) in self.us_each.iter_mut().zip(&self.before).zip(after) {
            us_each.push((after - before) * 1e6 / count.max(1) as f64);
        }
        Ok(())
    }

    /// For each part the microseconds of processor time that one costs it, and how many a second it could do if it had
    /// `cores` to itself: computed from the former, not measured.
    #[expect(clippy::cast_precision_loss, reason = "no machine has so many cores")]
    pub fn table(&self, cores: usize) -> Value {
        let cores = cores as f64;
        let row = |(part, us_each): (&Part, &Vec<f64>)| {
            let us_each = median(us_each);
            let alone = if us_each > 0.0 {
                json!(rounded(cores * 1e6 / us_each, 0))
            } else {
                Value::Null
            };
            (
                part.name().to_owned(),
                json!({"us_each": rounded(us_each, 1), "alone_per_second": alone}),
            )
        };
        Value::Object(
            self.parts
                .iter()
                .zip(&self.us_each)
                .map(row)
                .collect::<Map<_, _>>(),
        )
    }

    fn look(&self) -> anyhow::Result<Vec<f64>> {
        self.parts.iter().map(|part| part.spent_seconds()).collect()
    }
}
