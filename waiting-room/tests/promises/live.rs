//! What operators change live: nothing is overwritten unseen, nothing is lost with the store, and it is known who did.

use super::{Fixture, SOON, line};
use futures::future::join_all;
use std::sync::Arc;
use testbed::eventually_some;
use waiting_room::store::{Attribution, CHANGES_MAX, ConfigDraft, ConfigPut, ConfigVersion, Note, Word};
use waiting_room_domain::{Control, ControlChange, Moment, Stamp, Switch, VERSIONS_MAX};

pub fn draft(text: &str) -> ConfigDraft {
    ConfigDraft {
        by: Attribution {
            actor: "anna".to_owned(),
            proven: true,
            reason: Some("좋아요, it is time".to_owned()),
            reverts: Some(3),
        },
        changes: vec!["a: 1 → 2".to_owned()],
        files: vec!["f00".to_owned()],
        text: text.to_owned(),
    }
}

impl Fixture {
    /// Writes a version once the store takes an operator's word.
    pub async fn put_config(&self, expected: u64, text: &str) -> Stamp {
        eventually_some(SOON, "the store takes a version", async || {
            match self.put_config_once(expected, text).await {
                ConfigPut::Written(stamp) => Some(stamp),
                ConfigPut::Recovering => None,
                conflict @ ConfigPut::Conflict(_) => panic!("{conflict:?}"),
            }
        })
        .await
    }

    pub async fn put_config_once(&self, expected: u64, text: &str) -> ConfigPut {
        let draft = draft(text);
        let put = self.live[0].put_config(expected, &draft, Word::Operators);
        put.await.unwrap()
    }

    pub async fn config_since(&self, known: Stamp) -> (Stamp, Vec<ConfigVersion>) {
        self.live[1].config_since(known).await.unwrap()
    }
}

pub async fn a_config_is_written_over_the_version_that_was_read(fixture: Fixture) {
    assert_eq!(
        fixture.config_since(Stamp::default()).await,
        (Stamp::default(), vec![])
    );
    assert_eq!(fixture.put_config(0, "one").await.number, 1);
    let two = fixture.put_config(1, "two").await;
    for late in [0, 1, 3] {
        assert_eq!(
            fixture.put_config_once(late, "three").await,
            ConfigPut::Conflict(2)
        );
    }
    let three = draft("three");
    let file = fixture.live[0].put_config(1, &three, Word::Files);
    assert_eq!(
        file.await.unwrap(),
        ConfigPut::Conflict(2),
        "a file is no exception"
    );
    let (stamp, versions) = fixture.config_since(Stamp::default()).await;
    assert_eq!(stamp, two);
    let made: Vec<&ConfigDraft> = versions.iter().map(|version| &version.made).collect();
    assert_eq!(made, [&draft("one"), &draft("two")], "word by word");
}

pub async fn of_many_who_change_the_config_at_once_one_does(fixture: Fixture) {
    fixture.put_config(0, "one").await;
    let all = (0..20).map(|operator: usize| {
        let store = Arc::clone(&fixture.live[operator % 2]);
        async move {
            let draft = draft(&operator.to_string());
            let put = store.put_config(1, &draft, Word::Operators);
            put.await.unwrap()
        }
    });
    let all = join_all(all).await;
    let written = all.iter().filter(|put| matches!(put, ConfigPut::Written(_)));
    assert_eq!(written.count(), 1, "{all:?}");
}

pub async fn versions_are_told_to_who_does_not_know_them(fixture: Fixture) {
    for number in 0..5 {
        fixture.put_config(number, &number.to_string()).await;
    }
    let (newest, all) = fixture.config_since(Stamp::default()).await;
    assert_eq!((newest.number, all.len()), (5, 5));
    let (_, news) = fixture.config_since(all[2].stamp).await;
    assert_eq!(news, all[3..]);
    assert_eq!(fixture.config_since(newest).await, (newest, vec![]));
    let earlier = Stamp {
        at: Moment::from_unix_ms(1),
        ..newest
    };
    let (_, news) = fixture.config_since(earlier).await;
    assert_eq!(
        news,
        all[4..],
        "another version with this number, and a later one"
    );
}

pub async fn a_store_takes_the_config_from_an_edge_that_knows_more_and_from_no_other(fixture: Fixture) {
    for number in 0..3 {
        fixture.put_config(number, &number.to_string()).await;
    }
    let (newest, all) = fixture.config_since(Stamp::default()).await;
    assert!(!fixture.live[0].restore_config(&all).await.unwrap(), "no news");
    assert!(!fixture.live[0].restore_config(&all[..2]).await.unwrap(), "less");
    assert_eq!(fixture.config_since(newest).await, (newest, vec![]));
    let next = ConfigVersion {
        stamp: Stamp {
            number: 4,
            at: newest.at,
        },
        made: draft("lost"),
    };
    let more = [all, vec![next]].concat();
    assert!(fixture.live[0].restore_config(&more).await.unwrap());
    assert_eq!(fixture.config_since(Stamp::default()).await.1, more);
    assert_eq!(fixture.put_config(4, "five").await.number, 5);
}

pub async fn the_oldest_versions_are_forgotten_first(fixture: Fixture) {
    let count = VERSIONS_MAX as u64 + 3;
    for number in 0..count {
        fixture.put_config(number, &number.to_string()).await;
    }
    let (newest, all) = fixture.config_since(Stamp::default()).await;
    assert_eq!((newest.number, all.len()), (count, VERSIONS_MAX));
    assert_eq!(all[0].stamp.number, 4);
}

pub async fn who_changed_what_in_a_room_is_kept(fixture: Fixture) {
    let note = |actor: &str| Note {
        by: Attribution {
            reason: Some("a \"reason\" · 이유".to_owned()),
            proven: true,
            ..Note::of(actor).by
        },
        ..Note::default()
    };
    let slow = ControlChange {
        users_per_minute: Some(Some(5)),
        message: Some("Soon — 곧".to_owned()),
        ..ControlChange::default()
    };
    let as_it_was = ControlChange {
        users_per_minute: Some(None),
        switch: Some(Switch::Paused),
        ..ControlChange::default()
    };
    for (change, note) in [(&slow, &note("anna")), (&as_it_was, &note("ben"))] {
        fixture.edges[0]
            .change_control(&line(), change, note)
            .await
            .unwrap();
    }
    let changes = fixture.live[1].changes(&line().room).await.unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.version, change.by.actor.as_str()))
        .collect();
    assert_eq!(told, [(2, "ben"), (1, "anna")]);
    assert_eq!(changes[1].by, note("anna").by);
    assert_eq!(changes[1].before, Control::default());
    assert_eq!(changes[1].after, slow.on(&Control::default()));
    assert_eq!(changes[0].before, changes[1].after);
    assert_eq!(changes[0].after, as_it_was.on(&changes[0].before));
    assert_eq!(changes[0].after.users_per_minute, None);
    assert_eq!(changes[0].after, fixture.look(0).await.snapshot.control);
    let other = "elsewhere".parse().unwrap();
    let elsewhere = fixture.live[0].changes(&other);
    assert_eq!(elsewhere.await.unwrap(), []);
}

pub async fn the_oldest_changes_of_a_room_are_forgotten_first(fixture: Fixture) {
    let count = CHANGES_MAX as u64 + 3;
    for rate in 0..count {
        let change = ControlChange {
            max_active: Some(Some(u32::try_from(rate).unwrap() + 1)),
            ..ControlChange::default()
        };
        let (line, note) = (line(), Note::of("anna"));
        let changed = fixture.edges[0].change_control(&line, &change, &note);
        changed.await.unwrap();
    }
    let changes = fixture.live[0].changes(&line().room).await.unwrap();
    assert_eq!((changes.len(), changes[0].version), (CHANGES_MAX, count));
    assert_eq!(changes[CHANGES_MAX - 1].version, 4);
}
