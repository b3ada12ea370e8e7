//! Reports of offences, by a validator itself: two votes of another that no correct validator signs
//! both of, signed with our vote key for the ledger to book.
//!
//! Left out: which pairs offend (`ledger::offence`), and noticing them (`consensus`).
//!
//! Invariant: one offence reported twice by one validator is one transaction, so that a restart that
//! reports again changes nothing.

use consensus::event::Evidence;
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::offence::Offence;
use ledger::transaction::{KeySignature, Operation, PaymentId, SignedTransaction, Transaction};

use crate::keys::Keys;

/// The report, submitted in the name of the entity that answers for our seat.
pub fn report(entity: OrgNumber, keys: &Keys, chain: &Digest, evidence: &Evidence) -> SignedTransaction {
    let (first, second) = (evidence.first, evidence.second);
    // Signatures are left out: one statement can be signed in two ways.
    let named = (first.epoch, first.signer, first.statement, second.statement);
    let name = Digest::of(&[b"hovedbok/v1/report", &codec::encode(&named)]);
    let mut number = [0; 16];
    number.copy_from_slice(&name.0[..16]);
    let operation = Operation::ReportOffence(Offence { first, second });
    let transaction = Transaction { id: PaymentId { submitter: entity, number }, operation };
    let signature = keys.sign_report(&transaction.signed_bytes(chain));
    SignedTransaction { transaction, signatures: vec![KeySignature { key: keys.vote_key(), signature }] }
}
