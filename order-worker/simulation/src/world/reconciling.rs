//! What the passing of time makes due, and telling of it.

use super::World;
use crate::{Crash, Verdict, promise, provider::Stands, provider::settlement};
use contract::{Command, Event, SettlePayment};
use order_domain::{batch, payment::Payment};

impl World {
    pub(super) fn expire(&mut self, crash: Crash) -> Verdict {
        if self.died(crash == Crash::Before) {
            return Ok(());
        }
        let snapshot = self.books.for_orders(self.books.due_holds(self.now));
        let decisions = batch::expire(self.now, &self.terms, snapshot);
        self.commit(&decisions)?;
        self.ledger.expire(self.now);
        let snapshot = self.books.for_orders(self.books.due_holds(self.now));
        let again = batch::expire(self.now, &self.terms, snapshot);
        promise(again.changes_nothing(), || format!("expired again: {again:?}"))
    }

    pub(super) fn step(&mut self, crash: Crash) -> Verdict {
        if self.died(crash == Crash::Before) {
            return Ok(());
        }
        let due = self.books.due_orders(self.now);
        let decisions = batch::step(self.now, &self.terms, self.books.for_orders(due));
        self.commit(&decisions)?;
        self.ledger.step(self.now);
        Ok(())
    }

    /// Read now, made later: by then somebody else may have made them.
    pub(super) fn read_refunds(&mut self) {
        let due = self.books.refunds.values().filter(|row| !row.made);
        self.due_refunds.extend(due.cloned());
    }

    pub(super) fn make_refund(&mut self, crash: Crash) -> Verdict {
        let Some(index) = self.any(self.due_refunds.len()) else {
            return Ok(());
        };
        let row = self.due_refunds.swap_remove(index);
        if self.died(crash == Crash::Before) {
            return Ok(());
        }
        self.provider.refund(&row.payment, &row.id, row.amount.minor)?;
        if self.died(crash == Crash::After) {
            return Ok(());
        }
        if self.books.note_refund(&row.id, self.now) {
            self.ledger.refund_made(&row.id);
        }
        Ok(())
    }

    pub(super) fn read_silent(&mut self) {
        let payments = self.books.payments.iter();
        let silent = payments.filter(|(_, payment)| **payment == Payment::Started);
        self.silent.extend(silent.map(|(name, _)| name.clone()));
    }

    pub(super) fn ask(&mut self, crash: Crash) -> Verdict {
        let Some(index) = self.any(self.silent.len()) else {
            return Ok(());
        };
        let (order_id, reference) = self.silent.swap_remove(index);
        let Some(paid) = self.provider.payments.get(&reference) else {
            return Ok(());
        };
        let (stands, amount) = (paid.stands, paid.amount);
        if stands == Stands::Open || self.died(crash != Crash::No) {
            return Ok(());
        }
        let settle = Command::SettlePayment(SettlePayment {
            order_id,
            event_id: format!("asked-{stands:?}-{reference}"),
            payment_reference: reference,
            settlement: settlement(stands, amount),
        });
        let commands = [settle];
        let decisions = batch::decide(
            self.now,
            &self.terms,
            self.books.for_commands(&commands),
            &commands,
        );
        self.commit(&decisions)?;
        self.ledger.decide(&commands[0], self.now);
        Ok(())
    }

    /// Tells what is in the outbox. Events of one order may be heard in any sequence: the version says which is newer.
    pub(super) fn relay(&mut self, crash: Crash) {
        if self.died(crash == Crash::Before) {
            return;
        }
        let told = self.books.outbox.len().min(20);
        for event in self.books.outbox.iter().take(told) {
            let Event::OrderChanged(changed) = event else {
                continue;
            };
            let order = &changed.order;
            let known = self.heard.get(&order.order_id);
            if known.is_none_or(|known| known.version < order.version) {
                self.heard.insert(order.order_id, order.clone());
            }
        }
        if !self.died(crash == Crash::After) {
            self.books.outbox.drain(..told);
        }
    }

    /// Everything that is due, without trouble.
    pub(super) fn reconcile(&mut self) -> Verdict {
        self.expire(Crash::No)?;
        self.step(Crash::No)?;
        self.read_silent();
        while !self.silent.is_empty() {
            self.ask(Crash::No)?;
        }
        self.read_refunds();
        while !self.due_refunds.is_empty() {
            self.make_refund(Crash::No)?;
        }
        while !self.books.outbox.is_empty() {
            self.relay(Crash::No);
        }
        Ok(())
    }
}
