//! Restart: back to where we were, and say again what we said (rule C17).
//!
//! Left out: reading the log; the shell hands over what it found there, in any order.
//!
//! Invariant: whatever was cast before the stop is remembered before anything is cast after it.

use alloc::vec::Vec;

use ledger::block::{Header, View};
use ledger::certificate::{Certificate, Statement};

use crate::event::{Effect, HaltReason, Message, To};
use crate::machine::{COUNT_MAX, Consensus, Restored};
use crate::view::Put;

impl Consensus {
    pub(crate) fn restore(&mut self, restored: Restored) {
        if let Some((header, certificate)) = restored.finalized {
            let block = header.hash();
            let expected = Statement::Finalize { view: header.view, block };
            assert!(certificate.statement == expected, "the stored finalization is of the stored block");
            self.views.entry(header.view).or_default().finalization = Some(certificate.clone());
            self.advance_tip(&header, block, certificate);
        }
        let contradiction = self.restore_certificates(restored.certificates);
        let mut statements = restored.statements;
        statements.sort_by_key(|statement| (statement.view(), *statement));
        self.restore_view(&statements);
        for statement in &statements {
            if self.tracks(statement.view()) {
                self.views.entry(statement.view()).or_default().own.remember(statement);
            }
        }
        self.restore_headers(restored.headers);
        if let Some((first, second)) = contradiction {
            return self.halt(HaltReason::Contradiction { first, second });
        }
        for statement in statements {
            let view = statement.view();
            // A vote that its certificate already counts for adds nothing to it.
            let certified = self.views.get(&view).is_some_and(|state| state.holds(&statement));
            if self.me.is_some() && view > self.tip.view && self.counts(view) && !certified {
                self.effects.push(Effect::Cast(statement));
            }
        }
        if self.me.is_some() {
            self.effects.push(Effect::Send { to: To::All, message: Message::Status(self.status()) });
        }
    }

    /// The first contradiction, if there is one.
    fn restore_certificates(
        &mut self,
        mut certificates: Vec<Certificate>,
    ) -> Option<(Certificate, Certificate)> {
        let mut contradiction = None;
        certificates.sort_by_key(|certificate| certificate.statement.view());
        for certificate in certificates {
            let view = certificate.statement.view();
            if certificate.epoch != self.epoch || !self.tracks(view) {
                continue;
            }
            match self.views.entry(view).or_default().put(certificate.clone()) {
                Put::New => self.note_certificate(&certificate),
                Put::Known => {}
                Put::Contradicts(first) => contradiction = contradiction.or(Some((first, certificate))),
            }
        }
        contradiction
    }

    /// One past the highest certified view, or the highest that we voted in.
    fn restore_view(&mut self, statements: &[Statement]) {
        let certified = self.views.iter().filter(|(_, state)| state.certificates().next().is_some());
        let certified = certified.map(|(view, _)| *view).max().unwrap_or(self.tip.view);
        let voted = statements.iter().map(Statement::view).max().unwrap_or_default();
        self.view = certified.max(self.tip.view).next().max(voted.min(View(COUNT_MAX)));
        let entry = self.views.get(&View(self.view.0 - 1));
        self.entry = entry.and_then(|state| state.certificates().next()).cloned();
    }

    fn restore_headers(&mut self, headers: Vec<Header>) {
        for header in headers {
            let block = header.hash();
            let view = header.view;
            if header.epoch != self.epoch || !self.tracks(view) || view <= self.tip.view {
                continue;
            }
            // Our own block among them is proposed again, and never built anew.
            let voted = self.views.get_mut(&view).filter(|state| state.own.notarized == Some(block));
            if let Some(state) = voted {
                state.proposal = Some(block);
            }
            self.blocks.insert(block, header);
        }
    }
}
