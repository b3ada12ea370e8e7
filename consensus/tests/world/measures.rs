//! What agreement costs: bytes sent, signatures checked, milliseconds to finality.
//!
//! Left out: bodies of blocks and what carries the bytes.

use std::collections::BTreeSet;

use consensus::event::Message;
use ledger::certificate::{Certificate, Statement};
use ledger::codec;

use super::World;
use super::gate::Gate;

/// Counted while a world measures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measures {
    /// Bytes of messages, each counted once for every receiver.
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// From when a block was built until a validator posted it; one for each block and validator.
    pub(crate) finality_ms: Vec<u64>,
    /// From when a transaction was known until a validator posted it; one for each of both.
    pub(crate) payment_ms: Vec<u64>,
    /// Signatures checked, by all together.
    pub(crate) checks: u64,
}

impl Measures {
    pub(crate) fn sent(&mut self, message: &Message, receivers: usize) {
        self.messages += receivers as u64;
        self.bytes += (codec::encode(message).len() * receivers) as u64;
    }
}

/// Certificates that one validator has verified; a node checks none of them twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verified(BTreeSet<(Statement, Vec<u8>)>);

impl World {
    /// Counts from now on.
    pub(crate) fn measure(&mut self) {
        self.measuring = true;
        self.measures = Measures::default();
    }

    /// What was counted.
    pub(crate) fn measured(&mut self) -> Measures {
        std::mem::take(&mut self.measures)
    }

    /// Every build and every check takes about so long.
    pub(crate) fn steady(&mut self, ms: u64) {
        self.build_ms = ms;
        self.check_ms = [ms; 3];
    }

    pub(crate) fn is_dead(&self, at: usize) -> bool {
        self.instances[at].dead
    }
}

impl Gate {
    /// Signatures that a node checks to let this through.
    pub(crate) fn checks(message: &Message, verified: &mut Verified) -> u64 {
        let mut of = |certificate: &Certificate| {
            let news = verified.0.insert((certificate.statement, certificate.signers.clone()));
            if news { certificate.signatures.len() as u64 } else { 0 }
        };
        match message {
            Message::Proposal { justification, .. } => {
                1 + justification.parent.iter().chain(&justification.skips).map(of).sum::<u64>()
            }
            Message::Vote(_) => 1,
            Message::Certificate(certificate) => of(certificate),
            Message::Status(status) | Message::ViewAnswer { status, .. } => {
                status.entry.iter().chain(&status.finalization).map(of).sum()
            }
            Message::StatusRequest | Message::CertificateRequest(_) | Message::ViewRequest { .. } => 0,
        }
    }
}
