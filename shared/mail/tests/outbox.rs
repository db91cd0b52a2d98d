//! Mails on a real PostgreSQL and a real SMTP connection.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

use contract::{Language, MemberId};
use mail::{MailSettings, Mailer, Outbox, Round, Template, To};
use mailbox::Mails;
use sealing::{KeyRing, Place};
use serde_json::json;
use sqlx::PgPool;
use std::sync::Arc;
use testbed::Database;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const KEYS: &str = "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

struct Post {
    database: Database,
    pool: PgPool,
    outbox: Outbox,
    keys: Arc<KeyRing>,
    mails: Mails,
    smtp: String,
}

impl Post {
    async fn new() -> Self {
        let database = Database::fresh().await;
        let (keys, mails) = (Arc::new(KeyRing::parse(KEYS).unwrap()), Mails::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = format!("smtp://{}", listener.local_addr().unwrap());
        tokio::spawn(mailbox::serve_smtp(
            listener,
            mails.clone(),
            CancellationToken::new(),
        ));
        Self {
            pool: database.pool().await,
            database,
            outbox: Outbox::new(Arc::clone(&keys)),
            keys,
            mails,
            smtp,
        }
    }

    async fn writes(&self, address: &str, language: Language) {
        let mut transaction = self.pool.begin().await.unwrap();
        let parameters = json!({ "code": "271828", "minutes": 30 });
        let to = To::Address { address, language };
        self.outbox
            .write(&mut transaction, to, Template::SignUpCode, &parameters)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }

    fn mailer(&self) -> Mailer {
        let settings = MailSettings {
            smtp_url: self.smtp.clone().into(),
            from: "The Drop Shop <shop@shop.example>".to_owned(),
        };
        Mailer::new(self.pool.clone(), Arc::clone(&self.keys), &settings).unwrap()
    }

    async fn make_due(&self) {
        sqlx::query("UPDATE mails SET next_attempt_at = now()")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

#[tokio::test]
async fn a_mail_goes_out_once_it_is_committed_and_is_then_forgotten() {
    let post = Post::new().await;
    let mut undone = post.pool.begin().await.unwrap();
    let to = To::Address {
        address: "ann@x.example",
        language: Language::En,
    };
    let parameters = json!({ "code": "1", "minutes": 30 });
    post.outbox
        .write(&mut undone, to, Template::SignUpCode, &parameters)
        .await
        .unwrap();
    undone.rollback().await.unwrap();
    post.writes("kim@x.example", Language::Ko).await;

    assert_eq!(
        post.mailer().round().await.unwrap(),
        Round {
            sent: 1,
            ..Round::default()
        }
    );
    assert_eq!(post.mailer().round().await.unwrap(), Round::default());
    let mails = post.mails.to(None);
    assert_eq!(
        (mails.len(), mails[0].to.as_slice()),
        (1, &["kim@x.example".to_owned()][..])
    );
    assert_eq!(mails[0].subject, "인증 코드: 271828");
    assert!(mails[0].text.contains("30분 동안 유효합니다"), "{:?}", mails[0]);
    let left =
        "SELECT count(*) FROM mails WHERE parameters IS NOT NULL OR recipient IS NOT NULL OR sent_at IS NULL";
    assert_eq!(post.count(left).await, 0);
    post.pool.close().await;
    post.database.close().await;
}

#[tokio::test]
async fn a_member_is_found_in_the_language_and_at_the_address_of_now() {
    let post = Post::new().await;
    let member = MemberId::new(1_800_000_000_000, [1; 10]);
    let place = Place {
        table: "members",
        row: member.as_uuid(),
        column: "email",
    };
    let mut transaction = post.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO members (id, language, email, email_index, name, password)
         VALUES ($1, 'ko', $2, sha256('x'), 'sealed', 'phc')",
    )
    .bind(member.as_uuid())
    .bind(post.keys.seal(place, b"old@x.example", [0; 12]))
    .execute(&mut *transaction)
    .await
    .unwrap();
    post.outbox
        .write(&mut transaction, member, Template::PhoneInUse, &json!({}))
        .await
        .unwrap();
    let nobody = MemberId::new(0, [0; 10]);
    let to_nobody = post
        .outbox
        .write(&mut transaction, nobody, Template::PhoneInUse, &json!({}))
        .await;
    assert!(to_nobody.is_err(), "a mail to nobody is a mistake of the caller");
    transaction.commit().await.unwrap();
    sqlx::query("UPDATE members SET email = $1")
        .bind(post.keys.seal(place, b"new@x.example", [1; 12]))
        .execute(&post.pool)
        .await
        .unwrap();
    assert_eq!(post.mailer().round().await.unwrap().sent, 1);
    let mails = post.mails.to(Some("new@x.example"));
    assert!(mails[0].subject.contains("전화번호"), "{mails:?}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_refusal_is_final() {
    let post = Post::new().await;
    post.writes("busy@x.example", Language::En).await;
    post.writes("nobody@x.example", Language::En).await;
    let mailer = post.mailer();
    assert_eq!(
        mailer.round().await.unwrap(),
        Round {
            sent: 0,
            postponed: 1,
            failed: 1
        }
    );
    assert_eq!(
        mailer.round().await.unwrap(),
        Round::default(),
        "not before its time"
    );
    post.make_due().await;
    assert_eq!(mailer.round().await.unwrap().postponed, 1);
    post.make_due().await;
    assert_eq!(mailer.round().await.unwrap().sent, 1);
    assert_eq!(post.mails.to(None).len(), 1);
    assert_eq!(
        post.count("SELECT count(*) FROM mails WHERE failed_at IS NOT NULL AND recipient IS NULL")
            .await,
        1
    );
}

#[tokio::test]
async fn a_server_that_is_gone_loses_no_mail() {
    let post = Post::new().await;
    post.writes("ann@x.example", Language::En).await;
    let gone = MailSettings {
        smtp_url: format!("smtp://{}", testbed::free_address()).into(),
        from: "shop@shop.example".to_owned(),
    };
    let mailer = Mailer::new(post.pool.clone(), Arc::clone(&post.keys), &gone).unwrap();
    assert_eq!(mailer.round().await.unwrap().postponed, 1);
    post.make_due().await;
    assert_eq!(post.mailer().round().await.unwrap().sent, 1);
}

#[tokio::test]
async fn several_mailers_send_each_mail_once() {
    let post = Post::new().await;
    for number in 0..60 {
        post.writes(&format!("shopper-{number}@x.example"), Language::En)
            .await;
    }
    let rounds = (0..4).map(|_| {
        let mailer = post.mailer();
        tokio::spawn(async move {
            let mut sent = 0;
            loop {
                match mailer.round().await.unwrap().sent {
                    0 => return sent,
                    more => sent += more,
                }
            }
        })
    });
    let rounds: Vec<_> = rounds.collect();
    let mut sent = 0;
    for round in rounds {
        sent += round.await.unwrap();
    }
    let mut recipients: Vec<String> = post.mails.to(None).into_iter().flat_map(|mail| mail.to).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((sent, post.mails.to(None).len(), recipients.len()), (60, 60, 60));
}
