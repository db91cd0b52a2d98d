//! The verdict on a drill of the orders, and its line of JSON.

use super::{
    audit::{Counts, Findings},
    ledger::Ledger,
};
use crate::{
    Verdict,
    report::{print, say},
};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What happened, and what is said of it.
pub struct Story<'a> {
    /// The drill's name.
    pub name: &'a str,
    /// How often something was killed.
    pub kills: u64,
    /// What else is worth showing.
    pub more: Vec<(&'a str, Value)>,
    /// Whether the drill itself went as it should.
    pub is_well: bool,
}

/// Prints the line.
pub fn judge(
    story: Story<'_>,
    ledger: &Ledger,
    findings: &Findings,
    counts: &Counts,
) -> anyhow::Result<Verdict> {
    let count = |counter: &AtomicU64| json!(counter.load(Relaxed));
    let entries = ledger.entries();
    let confirmed = entries.iter().filter(|told| told.is_accepted).count();
    let (odd, examples) = ledger.odd_answers();
    for example in examples {
        say(&format!("nobody expected: {example}"));
    }
    let mut fields = vec![
        ("bench", json!(story.name)),
        ("kills", json!(story.kills)),
        ("confirmed", json!(confirmed)),
        ("lost", json!(findings.lost)),
        ("duplicated", json!(findings.duplicated)),
        ("oversold", json!(findings.oversold)),
        ("holds_unresolved", json!(findings.holds_unresolved)),
        ("money_wrong", json!(findings.money_wrong)),
        ("unbalanced", json!(findings.unbalanced)),
        ("told_wrong", json!(findings.told_wrong)),
        ("dead_letters", json!(findings.dead_letters)),
        ("odd_answers", json!(odd)),
    ];
    fields.extend(story.more);
    fields.extend([
        ("wanted", json!(entries.len())),
        ("refused_orders", count(&ledger.refused)),
        ("cancelled", count(&ledger.cancelled)),
        ("orders", json!(counts.states)),
        ("holds_expired", json!(counts.expired)),
        ("payments_captured", json!(counts.captured)),
        ("payments_refunded", json!(counts.refunded)),
        ("put_off", count(&ledger.put_off)),
        ("unanswered", count(&ledger.unanswered)),
        ("slowest_answer_ms", count(&ledger.slowest_ms)),
    ]);
    print(&fields)?;
    let harmless = *findings == Findings::default() && odd == 0 && confirmed > 0;
    Ok(if harmless && story.is_well {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}
