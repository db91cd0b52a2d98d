//! Draws, entries and standings as they are shown.

use crate::{
    draws::Notice,
    store::{Entry, Member, StoredDraw},
};
use catalog_domain::draw::{Book, Entered, Phase, Standing, standing};
use contract::{DrawId, OrderId, ProductId};
use fairness::{Receipt, hex::Hex};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

/// A draw.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawView {
    /// Its identifier.
    pub id: DrawId,
    /// What is sold.
    pub product_id: ProductId,
    /// What it is called.
    pub title: String,
    /// How many units.
    pub units: u32,
    /// Where it stands.
    pub phase: Phase,
    /// Members may enter from here on.
    #[schema(format = DateTime)]
    pub opens_at: String,
    /// Members may enter until here.
    #[schema(format = DateTime)]
    pub closes_at: String,
    /// How long a right to buy lasts.
    pub right_seconds: i64,
    /// How many entered, also those who left again.
    pub entries: u64,
    /// How many places had their turn.
    pub called: u64,
    /// Rights that can be used, or are in use.
    pub open_rights: u64,
    /// Units that were bought.
    pub bought: u64,
    /// Rights whose time was over.
    pub lapsed: u64,
    /// The SHA-256 of the secret.
    pub commitment: String,
    /// What the order is computed from, once it is revealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// The public log's address.
    pub log: String,
    /// The title that the log begins with.
    pub log_title: String,
    /// The hash of the whole log: worth noting.
    pub log_head: String,
    /// The shop's time.
    #[schema(format = DateTime)]
    pub server_time: String,
}

/// The draws.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrawList {
    /// Those that open last first.
    pub draws: Vec<DrawView>,
    /// The shop's time.
    #[schema(format = DateTime)]
    pub server_time: String,
}

/// Where somebody stands.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not in the draw.
    NotEntered,
    /// In it, and out of it again.
    Left,
    /// In it, and the draw is to come.
    Entered,
    /// Drawn, and it is not this place's turn yet.
    Waiting,
    /// May buy, until `until`.
    MayBuy,
    /// Has placed the order `order_id`, which is not paid yet.
    Ordered,
    /// Has bought.
    Bought,
    /// Could have bought, and the time is over.
    Lapsed,
    /// The draw was over before it was this place's turn.
    NotReached,
}

/// How a member stands in a draw.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
    /// In which draw.
    pub draw_id: DrawId,
    /// Where the draw stands.
    pub phase: Phase,
    /// Where the member stands.
    pub state: State,
    /// The number in the log, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What stands for the entry in the log: with the receipt, the proof that it is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<String>,
    /// The place, from 1, once the draw is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// Until when the member may buy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// The order that has the right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The shop's time.
    #[schema(format = DateTime)]
    pub server_time: String,
}

/// An entry with its proof.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// In which draw.
    pub draw_id: DrawId,
    /// The number in the log, from 0.
    pub number: u64,
    /// What stands for the entry in the log.
    pub entry_id: String,
    /// The proof that the log has it.
    pub receipt: String,
}

impl DrawView {
    pub fn of(draw: &StoredDraw, now: OffsetDateTime) -> Self {
        let (terms, sale) = (&draw.terms, draw.sale);
        Self {
            id: draw.id.clone(),
            product_id: terms.product_id.clone(),
            title: terms.title.clone(),
            units: terms.units,
            phase: draw.phase(now),
            opens_at: time_text(terms.window.opens_at),
            closes_at: time_text(terms.window.closes_at),
            right_seconds: terms.right_lasts.whole_seconds(),
            entries: sale.entries,
            called: sale.offered_below,
            open_rights: sale.open,
            bought: sale.bought,
            lapsed: sale.lapsed,
            commitment: draw.commitment.to_string(),
            seed: draw.seed.map(|seed| seed.to_string()),
            log: format!("/draws/{}/log", draw.id),
            log_title: Book::title(&draw.id),
            log_head: draw.chain.head.to_string(),
            server_time: time_text(now),
        }
    }
}

impl StandingView {
    pub fn of(notice: &Notice, member: Option<&Member>) -> Self {
        let phase = notice.phase();
        let entered: Option<Entered> = member.map(|member| member.entered);
        let standing = standing(phase, entered, notice.now);
        let (state, until, order_id) = told(standing);
        Self {
            draw_id: notice.draw.id.clone(),
            phase,
            state,
            number: entered.map(|entered| entered.number),
            entry_id: member.map(|member| Hex(&member.entry_id).to_string()),
            place: entered.and_then(|entered| entered.rank).map(|rank| rank + 1),
            until: until.map(time_text),
            order_id,
            server_time: time_text(notice.now),
        }
    }
}

fn told(standing: Standing) -> (State, Option<OffsetDateTime>, Option<OrderId>) {
    match standing {
        Standing::NotEntered => (State::NotEntered, None, None),
        Standing::Left => (State::Left, None, None),
        Standing::Entered => (State::Entered, None, None),
        Standing::Waiting => (State::Waiting, None, None),
        Standing::MayBuy { until } => (State::MayBuy, Some(until), None),
        Standing::Ordered { order_id } => (State::Ordered, None, Some(order_id)),
        Standing::Bought => (State::Bought, None, None),
        Standing::Lapsed => (State::Lapsed, None, None),
        Standing::NotReached => (State::NotReached, None, None),
    }
}

impl EntryView {
    pub fn of(draw: DrawId, entry: &Entry, receipt: &Receipt) -> Self {
        Self {
            draw_id: draw,
            number: entry.number,
            entry_id: Hex(&entry.entry_id).to_string(),
            receipt: receipt.encode(),
        }
    }
}

/// A moment as RFC 3339 has it, in UTC.
pub fn time_text(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap_or_default()
}
