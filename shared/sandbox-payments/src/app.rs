//! What the sandbox does with payments, and the address of everything.

use crate::{
    api,
    ledger::Ledger,
    ledger::Refused,
    outcome::Outcome,
    page,
    settings::Settings,
    trouble::{Post, Trouble},
    webhooks::Webhooks,
};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use clock::{Clock, SystemClock};
use payments::{
    PaymentReport, Report,
    api::{NewPayment, NewRefund, Payment, PaymentState, Refund},
};
use std::{sync::Arc, time::Duration};
use tracing::{error, warn};

const BODY_MAX_BYTES: usize = 16 * 1024;
const DECLINED: &str = "card_declined";

/// The sandbox.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    ledger: Ledger,
    webhooks: Webhooks,
    public_url: String,
    slow: Duration,
    trouble: Trouble,
}

/// Every address of the sandbox.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/v1/payments", post(api::open))
        .route("/v1/payments/{id}", get(api::find))
        .route("/v1/payments/{id}/confirm", post(api::confirm))
        .route("/v1/payments/{id}/refunds", post(api::refund))
        .route("/checkout/{id}", get(page::show).post(page::pay))
        .route("/assets/checkout.css", get(page::style))
        .route("/", get(page::front))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .fallback(api::no_such_address)
        .method_not_allowed_fallback(api::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(app)
}

/// A name that nobody can guess: the checkout page is open to whoever knows it.
pub(crate) fn fresh_id(kind: &str) -> String {
    let random = u128::from_be_bytes(clock::random_bytes());
    format!("{kind}_{random:032x}")
}

// === impl App ===

impl App {
    /// A sandbox without payments.
    ///
    /// # Errors
    /// When the HTTP client for webhooks cannot be made.
    pub fn new(settings: Settings) -> Result<Self, reqwest::Error> {
        Self::with_trouble(settings, Trouble::default())
    }

    /// The same, and now and then something goes wrong.
    ///
    /// # Errors
    /// When the HTTP client for webhooks cannot be made.
    pub fn with_trouble(settings: Settings, trouble: Trouble) -> Result<Self, reqwest::Error> {
        let webhooks = Webhooks::to(settings.webhook_url, settings.secret)?;
        let Settings { public_url, slow, .. } = settings;
        Ok(Self(Arc::new(Parts {
            ledger: Ledger::default(),
            webhooks,
            public_url,
            slow,
            trouble,
        })))
    }

    pub(crate) fn open(&self, asked: NewPayment) -> Result<Payment, Refused> {
        let id = fresh_id("pay");
        let checkout_url = format!("{}/checkout/{id}", self.0.public_url);
        let payment = self.0.ledger.open(id, checkout_url, asked)?;
        let [dice] = clock::random_bytes();
        if payment.state == PaymentState::Open && self.0.trouble.at_entry(dice) {
            let (payment, _) = self.0.ledger.confirm(&payment.id, Outcome::Abandoned)?;
            return Ok(payment);
        }
        Ok(payment)
    }

    pub(crate) fn find(&self, id: &str) -> Result<Payment, Refused> {
        self.0.ledger.find(id)
    }

    pub(crate) fn confirm(&self, id: &str, outcome: Outcome) -> Result<Payment, Refused> {
        let [dice] = clock::random_bytes();
        let outcome = self.0.trouble.at_payment(outcome, dice);
        let (payment, is_first) = self.0.ledger.confirm(id, outcome)?;
        if is_first {
            match outcome {
                Outcome::Paid => self.report(&payment, 1),
                Outcome::SentTwice => self.report(&payment, 2),
                Outcome::Declined => self.report(&payment, 1),
                Outcome::Slow => self.report_later(payment.id.clone()),
                Outcome::Abandoned => {}
            }
        }
        Ok(payment)
    }

    pub(crate) fn refund(&self, id: &str, asked: &NewRefund) -> Result<Refund, Refused> {
        let now = SystemClock.unix_ms();
        let (refund, payment) = self.0.ledger.refund(id, fresh_id("ref"), asked, now)?;
        if let Some(payment) = payment {
            let report = PaymentReport {
                amount: refund.amount,
                ..report_of(&payment, None)
            };
            self.send(&Report::Refunded(report), 1);
        }
        Ok(refund)
    }

    fn report(&self, payment: &Payment, copies: usize) {
        let report = match payment.state {
            PaymentState::Captured => Report::Captured(report_of(payment, None)),
            _ => Report::Failed(report_of(payment, Some(DECLINED))),
        };
        self.send(&report, copies);
    }

    fn report_later(&self, id: String) {
        let app = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(app.0.slow).await;
            match app.0.ledger.capture(&id) {
                Ok(payment) => app.report(&payment, 1),
                Err(refused) => warn!(%refused, "a slow payment was forgotten before its end"),
            }
        });
    }

    fn send(&self, report: &Report, copies: usize) {
        let Post { copies, late } = self.0.trouble.at_report(copies, clock::random_bytes());
        if late {
            let (app, report) = (self.clone(), report.clone());
            tokio::spawn(async move {
                tokio::time::sleep(app.0.slow).await;
                app.post(&report, copies);
            });
        } else {
            self.post(report, copies);
        }
    }

    fn post(&self, report: &Report, copies: usize) {
        if let Err(error) = self.0.webhooks.send(report, copies) {
            error!(%error, "a report cannot be written as JSON");
        }
    }
}

fn report_of(payment: &Payment, reason: Option<&str>) -> PaymentReport {
    PaymentReport {
        payment_id: payment.id.clone(),
        order_id: payment.order_id,
        amount: payment.amount,
        reason: reason.map(str::to_owned),
    }
}
