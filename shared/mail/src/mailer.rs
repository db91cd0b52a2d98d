//! Sending what is due.

use crate::{
    Template,
    outbox::sealed_place,
    retry::pause_after,
    templates::{RenderError, render},
};
use anyhow::Context;
use contract::Language;
use futures::future::join_all;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::Mailbox,
    transport::smtp::Error as SmtpError,
};
use sealing::{KeyRing, OpenError, Place};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{FromRow, PgPool};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

/// How often the outbox is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Mails under way at once.
const AT_ONCE: i64 = 10;
/// How long a server may take for one mail.
const PATIENCE: Duration = Duration::from_secs(60);
/// For so long a mail that is being sent is nobody else's; after it, its sender is taken to be dead.
const LEASE: Duration = Duration::from_secs(300);
/// How often mails that are over are swept, and how long they are kept: that one was sent, not what it said.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

const _: () = assert!(
    LEASE.as_secs() > 2 * PATIENCE.as_secs(),
    "nobody sends what another one is sending"
);

/// By which server mails go, and from whom.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// `smtp://host:port`, `smtp://user:password@host?tls=required` or `smtps://…`.
    pub smtp_url: SecretString,
    /// The sender, such as `The Drop Shop <shop@shop.example>`.
    pub from: String,
}

/// What became of the mails of one look at the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Taken by the server.
    pub sent: usize,
    /// To be tried again.
    pub postponed: usize,
    /// Given up.
    pub failed: usize,
}

/// Sends mails. Any number of them may work on one outbox.
pub struct Mailer {
    pool: PgPool,
    keys: Arc<KeyRing>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

#[derive(FromRow)]
struct Due {
    id: Uuid,
    member_id: Option<Uuid>,
    recipient: Option<Vec<u8>>,
    template: String,
    language: String,
    parameters: Vec<u8>,
    attempts: i32,
    email: Option<Vec<u8>>,
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    /// The member has no address any more.
    #[error("there is no address to send to")]
    NoAddress,
    /// What stands in the outbox cannot be read: a key is missing.
    #[error("open what the outbox holds")]
    Sealed(#[from] OpenError),
    /// It cannot be made into a mail.
    #[error("write the mail")]
    Nonsense(#[source] anyhow::Error),
    /// The server will not take it, whenever it is asked.
    #[error("the mail server refused it for good")]
    Refused(Option<u16>),
    /// The server did not take it now.
    #[error("the mail server did not take it")]
    NotNow(Option<u16>),
}

enum End {
    Sent,
    Postponed,
    Failed,
}

// === impl Mailer ===

impl Mailer {
    /// A mailer of what stands in the outbox of `pool`, sealed by `keys`. Nothing is connected yet.
    ///
    /// # Errors
    /// When an address of the settings is none.
    pub fn new(pool: PgPool, keys: Arc<KeyRing>, settings: &MailSettings) -> anyhow::Result<Self> {
        process::install_tls();
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(settings.smtp_url.expose_secret())
            // The cause may show the address, and with it a password.
            .map_err(|_| anyhow::anyhow!("the SMTP URL is not one, e.g. smtp://127.0.0.1:25"))?
            .timeout(Some(PATIENCE))
            .build();
        let from = settings.from.parse().context("read the sender's address")?;
        Ok(Self {
            pool,
            keys,
            transport,
            from,
        })
    }

    /// Sends until it is told to stop.
    ///
    /// # Errors
    /// Never: a database or a server that does not answer is tried again.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut swept: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = stop.cancelled() => return Ok(()),
            }
            if swept.is_none_or(|at| at.elapsed() > SWEEP_EVERY) {
                swept = Some(Instant::now());
                self.sweep()
                    .await
                    .unwrap_or_else(|error| warn!(%error, "cannot sweep the outbox of mails"));
            }
            // A full round means that more is due.
            while let Some(round) = self.round_or_warn().await {
                let full =
                    round.sent + round.postponed + round.failed == usize::try_from(AT_ONCE).unwrap_or(0);
                if !full || stop.is_cancelled() {
                    break;
                }
            }
        }
    }

    async fn round_or_warn(&self) -> Option<Round> {
        let round = self.round().await;
        round
            .inspect_err(|error| warn!(%error, "cannot look at the outbox of mails"))
            .ok()
    }

    /// Sends what is due now, a few at once.
    ///
    /// # Errors
    /// When the database does not answer; what was being sent is then tried again.
    pub async fn round(&self) -> Result<Round, sqlx::Error> {
        let due = self.take_due().await?;
        let ends = join_all(due.iter().map(|mail| self.handle(mail))).await;
        let mut round = Round::default();
        for end in ends {
            match end? {
                End::Sent => round.sent += 1,
                End::Postponed => round.postponed += 1,
                End::Failed => round.failed += 1,
            }
        }
        Ok(round)
    }

    /// Takes mails on: they are this mailer's until the lease is over.
    async fn take_due(&self) -> Result<Vec<Due>, sqlx::Error> {
        sqlx::query_as(
            "WITH taken AS (
                 UPDATE mails
                 SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => $2)
                 WHERE id IN (SELECT id
                              FROM mails
                              WHERE sent_at IS NULL AND failed_at IS NULL AND next_attempt_at <= now()
                              ORDER BY next_attempt_at
                              LIMIT $1
                              FOR UPDATE SKIP LOCKED)
                 RETURNING id, member_id, recipient, template, language, parameters, attempts)
             SELECT taken.*, members.email
             FROM taken
             LEFT JOIN members ON members.id = taken.member_id",
        )
        .bind(AT_ONCE)
        .bind(LEASE.as_secs_f64())
        .fetch_all(&self.pool)
        .await
    }

    async fn handle(&self, mail: &Due) -> Result<End, sqlx::Error> {
        let (end, outcome) = match self.send(mail).await {
            Ok(()) => (self.is_over(mail, "sent").await.map(|()| End::Sent)?, "sent"),
            Err(reason) => self.not_sent(mail, reason).await?,
        };
        metrics::counter!("mails_total", "template" => mail.template.clone(), "outcome" => outcome)
            .increment(1);
        Ok(end)
    }

    async fn send(&self, mail: &Due) -> Result<(), Unsent> {
        let address = self.address(mail)?;
        let parameters = self
            .keys
            .open(sealed_place(mail.id, "parameters"), &mail.parameters)?;
        let message = self
            .message(mail, &address, &parameters)
            .map_err(Unsent::Nonsense)?;
        self.transport
            .send(message)
            .await
            .map(drop)
            .map_err(|error| refusal(&error))
    }

    fn address(&self, mail: &Due) -> Result<String, Unsent> {
        let (place, sealed) = match (mail.member_id, &mail.recipient, &mail.email) {
            (Some(row), _, Some(email)) => (
                Place {
                    table: "members",
                    row,
                    column: "email",
                },
                email,
            ),
            (None, Some(recipient), _) => (sealed_place(mail.id, "recipient"), recipient),
            _ => return Err(Unsent::NoAddress),
        };
        Ok(self.keys.open_text(place, sealed)?)
    }

    fn message(&self, mail: &Due, address: &str, parameters: &[u8]) -> anyhow::Result<Message> {
        let template: Template = mail.template.parse()?;
        let language: Language = mail.language.parse()?;
        let text = render(template, language, &serde_json::from_slice(parameters)?)
            .map_err(|error: RenderError| anyhow::anyhow!("{error}"))?;
        let domain = self.from.email.domain();
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address.parse()?))
            .subject(text.subject)
            // The same each time that the mail is tried: whoever gets it twice can tell.
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .header(lettre::message::header::ContentType::TEXT_PLAIN)
            .body(text.body)?;
        Ok(message)
    }

    async fn not_sent(&self, mail: &Due, reason: Unsent) -> Result<(End, &'static str), sqlx::Error> {
        let attempts = u32::try_from(mail.attempts).unwrap_or(u32::MAX);
        let again = match &reason {
            Unsent::NotNow(_) => pause_after(attempts),
            // With the key back it opens.
            Unsent::Sealed(OpenError::UnknownKey(_)) => pause_after(attempts),
            _ => None,
        };
        let code = match &reason {
            Unsent::Refused(code) | Unsent::NotNow(code) => *code,
            _ => None,
        };
        let (id, template) = (mail.id, &mail.template);
        match again {
            Some(pause) => {
                info!(mail = %id, template, code, reason = %reason, "a mail is tried again later");
                self.postpone(mail, pause).await?;
                Ok((End::Postponed, "postponed"))
            }
            None => {
                error!(mail = %id, template, code, reason = %reason, "a mail is given up");
                self.is_over(mail, "failed").await?;
                Ok((End::Failed, "failed"))
            }
        }
    }

    async fn postpone(&self, mail: &Due, pause: Duration) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE mails SET next_attempt_at = now() + make_interval(secs => $2) WHERE id = $1")
            .bind(mail.id)
            .bind(pause.as_secs_f64())
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Forgets what it said, and to whom.
    async fn is_over(&self, mail: &Due, how: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE mails
             SET parameters = NULL, recipient = NULL,
                 sent_at = CASE WHEN $2 = 'sent' THEN now() END,
                 failed_at = CASE WHEN $2 = 'failed' THEN now() END
             WHERE id = $1",
        )
        .bind(mail.id)
        .bind(how)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    async fn sweep(&self) -> Result<(), sqlx::Error> {
        sqlx::query(
            "DELETE FROM mails
             WHERE id IN (SELECT id
                          FROM mails
                          WHERE (sent_at IS NOT NULL OR failed_at IS NOT NULL)
                            AND created_at < now() - make_interval(secs => $1)
                          LIMIT 10000)",
        )
        .bind(KEPT.as_secs_f64())
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

/// What the server's answer means. Its text may name the recipient, so only its code goes on.
fn refusal(error: &SmtpError) -> Unsent {
    let code = error.status().map(u16::from);
    // A login that the server does not take is our mistake, not the mail's.
    let is_login = matches!(code, Some(530 | 534 | 535 | 538));
    if error.is_permanent() && !is_login {
        Unsent::Refused(code)
    } else {
        Unsent::NotNow(code)
    }
}
