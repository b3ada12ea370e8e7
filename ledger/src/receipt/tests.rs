//! Receipts as incidents: what a supplier shows, and what somebody changed on the way.

use super::*;
use crate::account::Account;
use crate::amount::Amount;
use crate::checkpoint::tests::support::{NOW, certify, checkpoint, cosign, node, trust};
use crate::entity::OrgNumber;
use crate::entry::{JournalEntry, Posting, Voucher};
use crate::signature::{PublicKey, Signature};
use crate::state_proof::testing::State;
use crate::time::Date;
use crate::transaction::{
    DocumentId, InvoiceNumber, KeySignature, PaymentId, SignedTransaction, Transaction,
};
use crate::tree::inclusion_proof;
use alloc::vec;
use proptest::prelude::*;

fn booked() -> Booked {
    let (buyer, seller) = (OrgNumber::new(964_965_226).unwrap(), OrgNumber::new(974_761_076).unwrap());
    let date = Date::new(20_260_304).unwrap();
    let number = InvoiceNumber::new("8841").unwrap();
    let transaction = Transaction {
        id: PaymentId { submitter: buyer, number: [7; 16] },
        operation: Operation::Approve { document: DocumentId { seller, number, issued: date } },
    };
    let entry = JournalEntry::new(
        buyer,
        Voucher { year: 2026, number: 412 },
        date,
        Some(3),
        vec![
            Posting::new(Account::private(6820), Amount(1_250_000)),
            Posting::new(Account::private(2400), Amount(-1_250_000)),
        ],
    );
    let signature = KeySignature { key: PublicKey([1; 32]), signature: Signature([2; 64]) };
    let signed = SignedTransaction { transaction, signatures: vec![signature] };
    Booked { signed, entries: vec![entry.unwrap()] }
}

fn leaves() -> (State, Vec<Vec<u8>>) {
    let state = State::new(vec![("accounts", vec![vec![1; 30], vec![2; 30], vec![3; 30]])]);
    let mut leaves: Vec<Vec<u8>> = (0..70u8).map(|i| vec![i; 9]).collect();
    leaves[42] = codec::encode(&Leaf::Transaction(booked()));
    leaves.push(state.seal(70));
    (state, leaves)
}

fn receipt(trust: &Trust, index: u64, with_state: bool) -> Receipt {
    let (state, leaves) = leaves();
    let size = leaves.len() as u64;
    let path = inclusion_proof(index, size, |level, index| node(&leaves, level, index)).unwrap();
    let checkpoint = certify(trust, checkpoint(trust, &leaves));
    let evidence =
        Evidence { seal: state.seal_proof(&leaves), records: vec![state.record(0, 0), state.record(0, 2)] };
    let leaf = leaves[index as usize].clone();
    Receipt::new(leaf, LeafIndex(index), path, checkpoint, with_state.then_some(evidence), vec![])
}

fn refusal(text: &str, trust: &Trust) -> (u8, String) {
    let verdict = Receipt::parse(text).and_then(|receipt| receipt.verify(trust, Some(NOW)));
    let refusal = verdict.unwrap_err();
    (refusal.step(), refusal.to_string())
}

#[test]
fn a_supplier_proves_a_booking_offline_and_reads_what_is_not_shown() {
    let trust = trust(7);
    let text = receipt(&trust, 42, true).to_text();
    let posted = Receipt::parse_bytes(text.as_bytes()).unwrap().verify(&trust, Some(NOW)).unwrap();
    assert_eq!(posted.booked(), Some(&booked()));
    assert_eq!((posted.index(), posted.checkpoint().size()), (LeafIndex(42), 71));
    assert_eq!(posted.state().unwrap().records()[1].bytes(), [3; 30]);
    let bytes = booked().signed.transaction.signed_bytes(trust.chain());
    assert_eq!(posted.transaction(), Some(TransactionId(Digest::of(&[&bytes]))));
    assert_eq!(
        posted.limits(),
        [
            "Booked; not proven unreversed after leaf 70, where this checkpoint ends.",
            "Not proven ordered or paid by the bank.",
            "Rests on 3 of 4 validators; not compared with what others were shown.",
        ]
    );
    assert_eq!(Receipt::parse(&text).unwrap().to_text(), text);
    let seal = receipt(&trust, 70, false).verify(&trust, None).unwrap();
    assert_eq!(seal.booked(), None);
    assert_eq!(seal.limits()[0], "This leaf holds no transaction: it proves no booking.");
}

#[test]
fn each_refusal_says_what_is_wrong_in_words_of_its_own() {
    let ours = trust(7);
    let good = receipt(&ours, 42, false).to_text();
    let lines: Vec<&str> = good.lines().collect();
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(i, _)| *i != gone);
        kept.map(|(_, line)| alloc::format!("{line}\n")).collect::<String>()
    };
    let first = lines.iter().position(|line| line.starts_with('—')).unwrap();
    let twice = good.replace(lines[first + 1], lines[first]);
    let cases = [
        (
            receipt(&trust(8), 42, false).to_text(),
            (
                2,
                "this is from ledger \"hovedbok.example/0808080808080808\", not from \"hovedbok.example/0707070707070707\" whose genesis you trust; check which ledger it belongs to",
            ),
        ),
        (
            twice,
            (
                5,
                "validator kommune1.example/v1 stands twice among the signatures and counts once; fetch the checkpoint again",
            ),
        ),
        (
            without(first),
            (
                6,
                "2 of 4 known validators signed, 3 must; fetch a checkpoint with more signatures, or, if the validators changed after epoch 0, the handoffs since",
            ),
        ),
        (
            good.replace("index 42\n", "index 43\n"),
            (8, "the receipt says leaf 43, its path proves leaf 42; fetch the receipt again"),
        ),
        (
            good.replace("index 42\n", "index 942\n"),
            (8, "the receipt says leaf 942, its path proves leaf 42; fetch the receipt again"),
        ),
        (
            good.replace("index 42\n", "index 900\n"),
            (8, "the receipt says leaf 900, but its checkpoint has 71 leaves; fetch the receipt again"),
        ),
        (
            without(3),
            (8, "the receipt's path has 6 hashes, leaf 42 of 71 needs 7; it was cut, fetch it again"),
        ),
        (
            good.replace(lines[4], lines[3]),
            (
                8,
                "what the receipt shows as leaf 42 is not what the validators signed: entry, index or path was altered; fetch it again",
            ),
        ),
        (
            good.replace("index 42\n", "index 042\n"),
            (
                1,
                "line 3 of the receipt: expected \"index\" and the leaf's number; it was altered or cut, fetch it again",
            ),
        ),
        (
            good.replace("\n71\n", "\n72\n"),
            (
                5,
                "the signature of validator kommune1.example/v1 does not hold on this checkpoint: it was altered; fetch it again",
            ),
        ),
        (
            good.replace("extra Ag", "extra AQ"),
            (1, "the receipt is of format 1, this program reads 2; use a newer program"),
        ),
    ];
    for (text, (step, message)) in cases {
        assert_eq!(refusal(&text, &ours), (step, message.to_string()));
    }
    assert_eq!(
        Receipt::parse_bytes(&[good.as_bytes(), b"\xff"].concat()).unwrap_err().to_string(),
        alloc::format!(
            "the receipt is not UTF-8 text: byte {} was altered, or it was saved in another form; fetch it again",
            good.len()
        )
    );
}

#[test]
fn a_leaf_from_a_newer_program_is_in_the_log_but_never_called_good() {
    let trust = trust(7);
    let (step, message) = refusal(&receipt(&trust, 3, false).to_text(), &trust);
    assert_eq!(step, 9);
    assert!(
        message.starts_with("leaf 3 is in the log, but this program does not understand it"),
        "{message}"
    );
}

#[test]
fn not_one_bit_of_a_receipt_can_change() {
    let trust = trust(7);
    for with_state in [false, true] {
        let good = receipt(&trust, 42, with_state).to_text().into_bytes();
        let accepts = |bytes: &[u8]| {
            Receipt::parse_bytes(bytes).is_ok_and(|receipt| receipt.verify(&trust, Some(NOW)).is_ok())
        };
        assert!(accepts(&good));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                assert!(!accepts(&bytes), "byte {at}, bit {bit}");
            }
            assert!(!accepts(&good[..at]), "cut at {at}");
            let doubled = [&good[..=at], &good[at..]].concat();
            assert!(!accepts(&doubled), "byte {at} doubled");
            let dropped = [&good[..at], &good[at + 1..]].concat();
            assert!(!accepts(&dropped), "byte {at} dropped");
        }
    }
}

#[test]
fn records_of_another_checkpoint_do_not_come_along() {
    let trust = trust(7);
    let mut receipt = receipt(&trust, 42, true);
    let (state, leaves) = leaves();
    let mut longer = leaves.clone();
    longer.push(state.seal(1));
    let other = state.seal_proof(&longer);
    receipt.state = Some(Evidence { seal: other, records: vec![] });
    let refusal = receipt.verify(&trust, Some(NOW)).unwrap_err();
    assert_eq!(refusal.step(), 11);
    assert!(refusal.to_string().starts_with("the records with the receipt do not hold: "), "{refusal}");
}

#[test]
fn an_endless_path_or_text_is_not_read() {
    let trust = trust(7);
    let good = receipt(&trust, 42, false).to_text();
    let line = good.lines().nth(3).unwrap();
    let long =
        good.replace("index 42\n", &alloc::format!("index 42\n{}", alloc::format!("{line}\n").repeat(64)));
    let (step, message) = refusal(&long, &trust);
    assert_eq!((step, message.contains("expected the end of the path")), (1, true), "{message}");
    let refusal = Receipt::parse(&"x".repeat(RECEIPT_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(refusal, ReceiptError::TooLong { bytes: RECEIPT_BYTES_MAX + 1 });
}

proptest! {
    #[test]
    fn whatever_a_stranger_sends_is_answered_and_what_reads_is_written_back(
        cuts in proptest::collection::vec((0usize..6000, 0usize..200, 0usize..6000), 1..4),
        noise in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let trust = trust(7);
        let mut bytes = receipt(&trust, 42, true).to_text().into_bytes();
        let good = bytes.clone();
        for (from, length, to) in cuts {
            let (from, to) = (from % bytes.len(), to % bytes.len());
            let moved: Vec<u8> = bytes[from..(from + length).min(bytes.len())].to_vec();
            bytes.splice(to..to, moved.into_iter().chain(noise.iter().copied()));
        }
        if let Ok(read) = Receipt::parse_bytes(&bytes) {
            prop_assert_eq!(read.to_text().into_bytes(), bytes.clone());
            prop_assert!(bytes == good || read.verify(&trust, Some(NOW)).is_err());
        }
    }
}

#[test]
fn fewer_signatures_than_a_quorum_cannot_be_made_into_a_receipt() {
    let trust = trust(7);
    let checkpoint = checkpoint(&trust, &leaves().1);
    let two = cosign(&checkpoint, &[0, 3]);
    assert!(CertifiedCheckpoint::assemble(checkpoint, &two, &trust).is_err());
}
