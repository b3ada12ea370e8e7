//! Payment ids made from what they name: repeating a command repeats its id, so that a retry after a
//! broken line is answered with the first receipt and books nothing twice (rule L6).
//!
//! The number is the start of SHA-256 over the operation's canonical bytes, how often that operation
//! may have been done before (orders of payment repeat in the same words), and a text of the
//! submitter's own where it wants to tell two equal transactions apart. A submitter with ids of its
//! own, such as UUIDs, need not use this.

use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::records::{DocumentRecord, Status};
use ledger::transaction::{Operation, PaymentId};

/// The id of an operation in the name of an entity. `turn` is zero but for orders of payment, which
/// take it from [`next_order`] or [`last_order`]; `own` is the submitter's own text, often empty.
pub fn payment_id(submitter: OrgNumber, operation: &Operation, turn: u32, own: &str) -> PaymentId {
    let operation = codec::encode(operation);
    let length = (operation.len() as u64).to_le_bytes();
    let parts: [&[u8]; 5] =
        [b"hovedbok/v1/client-payment-id", &length, &operation, &turn.to_le_bytes(), own.as_bytes()];
    let mut number = [0; 16];
    number.copy_from_slice(&Digest::of(&parts).0[..16]);
    PaymentId { submitter, number }
}

/// The turn of an order given now. While an order waits for the bank, the same order is meant.
pub fn next_order(record: &DocumentRecord) -> u32 {
    match record.status {
        Status::Ordered => record.attempt,
        _ => record.attempt.saturating_add(1),
    }
}

/// The turn of the last order given.
pub fn last_order(record: &DocumentRecord) -> u32 {
    record.attempt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name;
    use ledger::amount::Amount;

    #[test]
    fn l6_the_same_words_have_the_same_id_and_other_words_another() {
        let submitter = OrgNumber::new(964_965_226).unwrap();
        let document = name::document("123456785/8841/2026-03-04").unwrap();
        let attest = Operation::Attest { document: document.clone() };
        let order = |ore| Operation::OrderPayment { document: document.clone(), amount: Amount(ore) };
        let ids = [
            payment_id(submitter, &attest, 0, ""),
            payment_id(submitter, &attest, 0, "again"),
            payment_id(submitter, &Operation::Approve { document: document.clone() }, 0, ""),
            payment_id(submitter, &order(100), 1, ""),
            payment_id(submitter, &order(100), 2, ""),
            payment_id(submitter, &order(101), 1, ""),
            payment_id(OrgNumber::new(964_965_137).unwrap(), &attest, 0, ""),
        ];
        assert_eq!(ids[0], payment_id(submitter, &attest, 0, ""));
        for (i, id) in ids.iter().enumerate() {
            assert!(ids[..i].iter().all(|other| other != id), "{i}");
        }
        // Written down, because a repeated command of another version must make it too.
        assert_eq!(ids[0].to_string(), "964965226:ac2c9c368a84b647442831bb205b70af");
    }
}
