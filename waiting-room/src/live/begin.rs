//! How an edge begins: with the version in force, unless its file says something that no version knows of.

use super::{Live, State, gauge};
use crate::{
    config::{
        Config, Document,
        live::{changed_keys, hash},
    },
    edge::{Cache, Origins},
    gate::{CurrentGate, Gate},
    pages::Pages,
    rooms::Ground,
    store::{Attribution, ConfigDraft, ConfigPut, ConfigVersion, LiveStore, StoreError, Word},
};
use process::Shutdown;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};
use waiting_room_domain::{History, Stamp};

/// How long an edge that starts waits for a store that is silent. Then it begins with its file.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);
/// Files that a version remembers to have overtaken.
const FILES_MAX: usize = 200;
/// Who changed the config, if a file did.
const FILE: &str = "file";

/// What an edge begins with.
pub struct Beginning {
    /// What its file says.
    pub config: Config,
    /// The same as it was written.
    pub document: Document,
    /// The pages of it.
    pub pages: Arc<Pages>,
    /// A gate without rooms.
    pub gate: Gate,
    /// Where requests go.
    pub origins: Arc<Origins>,
    /// What is answered without going there.
    pub cache: Arc<Cache>,
    /// What the rooms stand on.
    pub ground: Ground,
    /// Where the versions are.
    pub store: Arc<dyn LiveStore>,
    /// Ends the rooms' tasks.
    pub shutdown: Shutdown,
}

impl Live {
    /// Begins with the version in force, or with the file if that is news or the store is silent.
    ///
    /// # Errors
    /// When the rooms cannot be set up.
    pub async fn begin(beginning: Beginning) -> anyhow::Result<Arc<Self>> {
        let Document { text, folder } = beginning.document;
        let file = draft_of(&text);
        // As it is written: the command line may say otherwise for this edge alone.
        let written = Config::from_toml_in(&text, &folder).unwrap_or_else(|_| beginning.config.clone());
        let history = history(&*beginning.store, &file).await;
        let live = Self {
            gate: Arc::new(CurrentGate::new(beginning.gate)),
            origins: beginning.origins,
            cache: beginning.cache,
            own: beginning.config,
            folder,
            file,
            store: beginning.store,
            ground: beginning.ground,
            shutdown: beginning.shutdown,
            state: Mutex::new(State {
                history,
                applied: Stamp::default(),
                config: written,
                text,
                again_at: None,
                overridden: Vec::new(),
            }),
        };
        let mut state = live.state.lock().await;
        live.begin_with(&mut state, beginning.pages).await?;
        drop(state);
        Ok(Arc::new(live))
    }

    async fn begin_with(&self, state: &mut State, own_pages: Arc<Pages>) -> anyhow::Result<()> {
        let newest = state.history.newest().cloned();
        let own = newest
            .as_ref()
            .is_none_or(|newest| newest.made.text == state.text);
        if own {
            self.put_in_force(&self.own, own_pages, Duration::ZERO).await?;
            state.applied = newest.map(|newest| newest.stamp).unwrap_or_default();
            gauge(state.applied);
            return Ok(());
        }
        if let Some(ConfigVersion { stamp, made }) = newest {
            info!(
                version = stamp.number,
                actor = made.by.actor,
                "the config file was changed or overtaken while edges ran; the newest version counts"
            );
        }
        self.catch_up(state).await;
        if state.applied == Stamp::default() {
            self.put_in_force(&self.own, own_pages, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// Says what this edge's file says, if no version knows of it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn tell_file(&self, state: &mut State) -> Result<(), StoreError> {
        let before = state.history.newest().cloned();
        tell(&*self.store, &self.file, &mut state.history).await?;
        let newest = state.history.newest();
        if let (Some(before), Some(newest)) = (before, newest)
            && newest.stamp != before.stamp
        {
            let newest = newest.clone();
            self.catch_up(state).await;
            self.note_overridden(state, &before.made.text, &newest);
        }
        Ok(())
    }
}

/// What a config file says.
pub(super) fn draft_of(text: &str) -> ConfigDraft {
    ConfigDraft {
        by: Attribution {
            actor: FILE.to_owned(),
            proven: true,
            ..Attribution::default()
        },
        changes: Vec::new(),
        files: vec![hash(text)],
        text: text.to_owned(),
    }
}

/// All versions, with what this edge's file has to say. Nothing while the store is silent.
async fn history(store: &dyn LiveStore, file: &ConfigDraft) -> History<ConfigDraft> {
    let deadline = Instant::now() + PATIENCE;
    let mut history = History::default();
    loop {
        match learn(store, file, &mut history).await {
            Ok(()) => return history,
            Err(error) if Instant::now() > deadline => {
                let error = format!("{:#}", anyhow::Error::from(error));
                warn!(error, "the store is silent; beginning with the config file");
                return history;
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn learn(
    store: &dyn LiveStore,
    file: &ConfigDraft,
    history: &mut History<ConfigDraft>,
) -> Result<(), StoreError> {
    let (_, versions) = store.config_since(history.stamp()).await?;
    history.take(versions);
    tell(store, file, history).await
}

/// Makes the file the next version, unless the one in force knows of it: then it is what that was made from, or it was
/// overtaken, and an edge that starts late must not bring it back.
async fn tell(
    store: &dyn LiveStore,
    file: &ConfigDraft,
    history: &mut History<ConfigDraft>,
) -> Result<(), StoreError> {
    let newest = history.newest();
    if newest.is_some_and(|newest| knows(newest, file)) {
        return Ok(());
    }
    let draft = next(newest, file);
    let expected = history.stamp().number;
    match store.put_config(expected, &draft, Word::Files).await? {
        ConfigPut::Written(stamp) => {
            info!(version = stamp.number, "the config file is the next version");
            history.take(vec![ConfigVersion { stamp, made: draft }]);
        }
        // Somebody was quicker: the next look shows whether there is still something to say.
        ConfigPut::Conflict(_) | ConfigPut::Recovering => {
            let (_, news) = store.config_since(history.stamp()).await?;
            history.take(news);
        }
    }
    Ok(())
}

fn knows(version: &ConfigVersion, file: &ConfigDraft) -> bool {
    file.files.iter().all(|hash| version.made.files.contains(hash))
}

fn next(newest: Option<&ConfigVersion>, file: &ConfigDraft) -> ConfigDraft {
    let Some(newest) = newest else {
        return file.clone();
    };
    let mut files = newest.made.files.clone();
    files.extend(file.files.iter().cloned());
    let spare = files.len().saturating_sub(FILES_MAX);
    files.drain(..spare);
    ConfigDraft {
        changes: changed_keys(&newest.made.text, &file.text),
        files,
        ..file.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use clock::SystemClock;

    fn store() -> MemoryStore {
        MemoryStore::new(Arc::new(SystemClock), 1)
    }

    async fn in_force_after(store: &MemoryStore, text: &str) -> (u64, String) {
        let history = history(store, &draft_of(text)).await;
        let newest = history.newest().unwrap();
        (newest.stamp.number, newest.made.text.clone())
    }

    #[tokio::test]
    async fn a_file_is_a_version_once() {
        let store = store();
        assert_eq!(in_force_after(&store, "a = 1").await, (1, "a = 1".to_owned()));
        assert_eq!(in_force_after(&store, "a = 1").await, (1, "a = 1".to_owned()));
        assert_eq!(in_force_after(&store, "a = 2").await, (2, "a = 2".to_owned()));
        assert_eq!(
            in_force_after(&store, "a = 1").await,
            (2, "a = 2".to_owned()),
            "an edge with the old file starts late"
        );
    }

    #[tokio::test]
    async fn what_an_operator_made_of_a_file_stands_above_it() {
        let store = store();
        let made = history(&store, &draft_of("a = 1")).await;
        let draft = ConfigDraft {
            text: "a = 7".to_owned(),
            ..made.newest().unwrap().made.clone()
        };
        store.put_config(1, &draft, Word::Operators).await.unwrap();
        assert_eq!(in_force_after(&store, "a = 1").await, (2, "a = 7".to_owned()));
        assert_eq!(in_force_after(&store, "a = 3").await, (3, "a = 3".to_owned()));
    }
}
