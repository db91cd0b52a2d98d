//! An edge as its store sees it: it looks, remembers, and deals numbers by what it remembers.

use super::{group, line};
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use waiting_room::store::{EdgeId, Known, LineStore, Look, StoreError};
use waiting_room_domain::{JoinOutcome, LaneMarks, Marks, Moment};

/// As often as a real edge looks.
const TICK: Duration = Duration::from_millis(100);

/// What an edge remembers.
pub struct Edge {
    store: Arc<dyn LineStore>,
    id: EdgeId,
    marks: Marks,
    incarnation: u64,
}

/// Numbers that an edge was given, and when.
pub struct Dealt {
    pub numbers: Range<u64>,
    pub at: Instant,
}

/// An edge that deals numbers until it is told to stop.
pub struct Dealing {
    stop: CancellationToken,
    last: watch::Receiver<Option<Instant>>,
    task: JoinHandle<(Edge, Vec<Dealt>)>,
}

impl Edge {
    pub fn new(store: Arc<dyn LineStore>, name: &str) -> Self {
        Self {
            store,
            id: EdgeId(name.to_owned()),
            marks: Marks {
                lanes: vec![LaneMarks::default()],
                ..Marks::default()
            },
            incarnation: 0,
        }
    }

    /// What it knows: every number below was dealt.
    pub fn issued(&self) -> u64 {
        self.marks.lanes[0].issued
    }

    /// Tells the store what it remembers, and remembers what it sees; answers whether the store did.
    pub async fn look(&mut self) -> bool {
        let line = line();
        let look = Look {
            edge: &self.id,
            marks: &self.marks,
            ended_since: Moment::from_unix_ms(0),
            report: "",
        };
        let Ok(seen) = self.store.observe(&line, look).await else {
            return false;
        };
        self.incarnation = seen.snapshot.incarnation;
        self.marks.lanes[0] = self.marks.lanes[0].merge((&seen.snapshot.lanes[0]).into());
        true
    }

    /// Asks for numbers.
    pub async fn ask(&self, count: u32) -> Result<JoinOutcome, StoreError> {
        let known = Known {
            incarnation: self.incarnation,
            issued: self.issued(),
        };
        self.store.join(&line(), &group(count), known).await
    }

    /// Numbers, if the store deals any.
    pub async fn join(&mut self, count: u32) -> Option<Dealt> {
        let Ok(JoinOutcome::Dealt { first, .. }) = self.ask(count).await else {
            return None;
        };
        let numbers = first..first + u64::from(count);
        let issued = &mut self.marks.lanes[0].issued;
        *issued = numbers.end.max(*issued);
        Some(Dealt {
            numbers,
            at: Instant::now(),
        })
    }

    /// Looks ten times a second, and joins all the time.
    pub fn deal(mut self) -> Dealing {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let (tell, last) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut all = Vec::new();
            let mut looked = Instant::now();
            self.look().await;
            while !stopped.is_cancelled() {
                match self.join(3).await {
                    Some(dealt) => {
                        tell.send_replace(Some(dealt.at));
                        all.push(dealt);
                    }
                    None => {
                        self.look().await;
                        tokio::time::sleep(TICK / 10).await;
                    }
                }
                if looked.elapsed() >= TICK {
                    self.look().await;
                    looked = Instant::now();
                }
            }
            (self, all)
        });
        Dealing { stop, last, task }
    }
}

impl Dealing {
    /// Waits until it has dealt a number after this moment.
    pub async fn dealt_after(&mut self, moment: Instant) {
        let later = |last: &Option<Instant>| last.is_some_and(|last| last > moment);
        self.last.wait_for(later).await.unwrap();
    }

    /// What it dealt in all.
    pub async fn stop(self) -> (Edge, Vec<Dealt>) {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}
