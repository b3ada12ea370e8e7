//! What a validator writes down, and what of it a power cut leaves.
//!
//! Writes reach the disk when they are synced. What was not synced when the power went is lost, or
//! in part not: a disk writes early when it likes, always in order.
//!
//! Invariant: `durable` holds what a restart will find, whenever the power goes.

use std::collections::{BTreeMap, BTreeSet};

use consensus::event::Finalized;
use ledger::block::{BlockHash, Header, View};
use ledger::certificate::{Certificate, Statement};

/// One write.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    /// A block's body with, or before, the vote for it.
    Block(BlockHash, Header),
    /// An own vote.
    Statement(Statement),
    /// A certificate.
    Certificate(Certificate),
    /// A final block with its proof.
    Final(Header, Finalized),
}

/// What a restart finds.
#[derive(Clone, Default)]
pub(crate) struct Durable {
    pub(crate) statements: BTreeSet<Statement>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) blocks: BTreeMap<BlockHash, Header>,
    pub(crate) finalized: Vec<(Header, Finalized)>,
}

/// A disk.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) durable: Durable,
    pending: Vec<Record>,
}

impl Disk {
    pub(crate) fn write(&mut self, record: Record) {
        self.pending.push(record);
    }

    /// Everything written so far is durable when this returns.
    pub(crate) fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().for_each(|record| self.durable.keep(record));
    }

    /// Power goes; `lucky` of the writes that were not synced had reached the disk all the same.
    pub(crate) fn lose_power(&mut self, lucky: usize) {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().take(lucky).for_each(|record| self.durable.keep(record));
    }

    /// Writes that are not synced.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether a restart will know of this vote, or that it no longer matters.
    pub(crate) fn remembers(&self, statement: &Statement) -> bool {
        self.durable.statements.contains(statement) || statement.view() <= self.durable.tip()
    }
}

impl Durable {
    /// View of the last final block; 0 if there is none.
    pub(crate) fn tip(&self) -> View {
        self.finalized.last().map_or(View(0), |(header, _)| header.view)
    }

    fn keep(&mut self, record: Record) {
        match record {
            Record::Block(block, header) => {
                self.blocks.insert(block, header);
            }
            Record::Statement(statement) => {
                self.statements.insert(statement);
            }
            Record::Certificate(certificate) => self.certificates.push(certificate),
            Record::Final(header, proof) => {
                let (view, whole) = (header.view, proof.finalization.is_some());
                self.finalized.push((header, proof));
                if whole {
                    self.forget(view);
                }
            }
        }
    }

    /// Views up to the tip need no memory of what was said in them.
    fn forget(&mut self, tip: View) {
        self.statements.retain(|statement| statement.view() > tip);
        self.certificates.retain(|certificate| certificate.statement.view() > tip);
        self.blocks.retain(|_, header| header.view > tip);
    }
}
