//! Reports of offences as incidents.

use super::epochs::{entrant, governed, post, three, validator};
use super::*;
use crate::certificate::{Statement, Vote};
use crate::governance::Change;
use crate::offence::{Offence, OffenceKind};
use crate::records::OffenceRecord;

fn statement(kind: char, view: u64, block: u8) -> Statement {
    let (view, block) = (View(view), BlockHash(Digest([block; 32])));
    match kind {
        'n' => Statement::Notarize { view, block },
        'f' => Statement::Finalize { view, block },
        _ => Statement::Nullify { view },
    }
}

/// Signed with the vote key that the seat has in genesis.
fn vote(chain: &Digest, seat: u16, statement: Statement) -> Vote {
    let bytes = statement.signed_bytes(chain, Epoch(0));
    let signature = Signature(secret(100 + seat as u8).sign(&bytes).to_bytes());
    Vote { epoch: Epoch(0), statement, signer: seat, signature }
}

fn pair(chain: &Digest, seat: u16, first: Statement, second: Statement) -> Offence {
    Offence { first: vote(chain, seat, first), second: vote(chain, seat, second) }
}

fn two_blocks(chain: &Digest, seat: u16, view: u64) -> Offence {
    pair(chain, seat, statement('n', view, 1), statement('n', view, 2))
}

/// Reported by seat 0, whose entity also submits everything else here, with its vote key.
fn report(ledger: &Ledger, number: u64, offence: Offence) -> VerifiedTransaction {
    governed(ledger.chain(), &[100], number, Operation::ReportOffence(offence))
}

fn refused(ledger: &Ledger, transaction: &VerifiedTransaction) -> (&'static str, String) {
    let refusal = ledger.check(transaction, NOON).unwrap_err();
    (refusal.rule(), refusal.to_string())
}

#[test]
fn each_of_the_four_pairs_is_recorded_against_its_signer() {
    let mut ledger = ledger();
    let chain = ledger.chain();
    let cases = [
        (statement('n', 7, 1), statement('n', 7, 2), OffenceKind::TwoNotarize),
        (statement('f', 7, 1), statement('f', 7, 2), OffenceKind::TwoFinalize),
        (statement('f', 7, 1), statement('s', 7, 0), OffenceKind::FinalizeAndNullify),
        (statement('n', 7, 1), statement('f', 7, 2), OffenceKind::NotarizeAndFinalize),
    ];
    let reports: Vec<_> = (0..)
        .zip(&cases)
        .map(|(number, (first, second, _))| report(&ledger, number, pair(&chain, 3, *second, *first)))
        .collect();
    let first = ledger.head().log.size();
    post(&mut ledger, 1, reports);
    for ((_, _, kind), leaf) in cases.into_iter().zip(first..) {
        let record = ledger.find::<OffenceRecord>(&(Epoch(0), 3, View(7), kind)).unwrap();
        let expected =
            OffenceRecord { epoch: Epoch(0), signer: 3, view: View(7), kind, leaf: LeafIndex(leaf) };
        assert_eq!(*record, expected);
    }
}

#[test]
fn l28_what_a_correct_validator_may_sign_is_no_offence() {
    let ledger = ledger();
    let chain = ledger.chain();
    for (first, second) in [
        (statement('n', 7, 1), statement('s', 7, 0)),
        (statement('n', 7, 1), statement('f', 7, 1)),
        (statement('n', 7, 1), statement('n', 7, 1)),
        (statement('s', 7, 0), statement('s', 7, 0)),
        (statement('n', 7, 1), statement('n', 8, 2)),
        (statement('f', 7, 1), statement('s', 8, 0)),
    ] {
        for (first, second) in [(first, second), (second, first)] {
            let says = refused(&ledger, &report(&ledger, 1, pair(&chain, 3, first, second)));
            let text = "the two votes exclude each other in no way that the protocol forbids, or are not of one epoch, view and signer; report another pair";
            assert_eq!(says, ("L28", text.to_string()));
        }
    }
    let two_signers = Offence {
        first: vote(&chain, 2, statement('n', 7, 1)),
        second: vote(&chain, 3, statement('n', 7, 2)),
    };
    assert_eq!(refused(&ledger, &report(&ledger, 1, two_signers)).0, "L28");
    let mut two_epochs = two_blocks(&chain, 3, 7);
    two_epochs.second.epoch = Epoch(1);
    assert_eq!(refused(&ledger, &report(&ledger, 1, two_epochs)).0, "L28");
}

#[test]
fn l28_votes_that_the_accused_did_not_sign_convict_nobody() {
    let ledger = ledger();
    let chain = ledger.chain();
    let good = two_blocks(&chain, 3, 7);
    let elsewhere = two_blocks(&Digest([5; 32]), 3, 7);
    let mut anothers = two_blocks(&chain, 2, 7);
    (anothers.first.signer, anothers.second.signer) = (3, 3);
    for offence in [
        Offence { first: elsewhere.first, ..good },
        Offence { second: anothers.second, ..good },
        Offence { second: Vote { signature: good.first.signature, ..good.second }, ..good },
    ] {
        let (rule, says) = refused(&ledger, &report(&ledger, 1, offence));
        assert_eq!(rule, "L28");
        assert!(says.starts_with("a vote is not signed with vote key"), "{says}");
    }
    let mut nobody = good;
    (nobody.first.signer, nobody.second.signer) = (4, 4);
    let text = "epoch 0 has no validator number 4; report votes of the epoch's validators";
    assert_eq!(refused(&ledger, &report(&ledger, 1, nobody)), ("L28", text.to_string()));
    let mut future = good;
    (future.first.epoch, future.second.epoch) = (Epoch(1), Epoch(1));
    assert_eq!(refused(&ledger, &report(&ledger, 1, future)).0, "L28");
}

#[test]
fn l29_an_offence_is_recorded_once_whoever_reports_it_and_in_whatever_order() {
    let mut ledger = ledger();
    let chain = ledger.chain();
    let offence = two_blocks(&chain, 3, 7);
    let first = report(&ledger, 1, offence);
    post(&mut ledger, 1, vec![first]);
    let turned = Offence { first: offence.second, second: offence.first };
    let third = pair(&chain, 3, statement('n', 7, 3), statement('n', 7, 2));
    for again in [offence, turned, third] {
        let says = refused(&ledger, &report(&ledger, 2, again));
        let text = "validator 3 of epoch 0 notarized two blocks in view 7: recorded already at leaf 2; nothing is left to do";
        assert_eq!(says, ("L29", text.to_string()));
    }
    assert_eq!(ledger.check(&report(&ledger, 3, two_blocks(&chain, 3, 8)), NOON), Ok(()));
    assert_eq!(ledger.check(&report(&ledger, 3, two_blocks(&chain, 2, 7)), NOON), Ok(()));
}

#[test]
fn l29_two_reports_of_one_offence_in_one_block_book_the_first() {
    let ledger = ledger();
    let offence = two_blocks(&ledger.chain(), 3, 7);
    let reports = vec![report(&ledger, 1, offence), report(&ledger, 2, offence)];
    let proposed = epochs::propose(&ledger, &Parent::Finalized, 1, reports.clone());
    assert_eq!(proposed.staged.block().transactions(), &reports[..1]);
    assert_eq!(proposed.refused[0].1.rule(), "L29");
}

#[test]
fn l7_a_report_is_signed_by_a_current_seat_or_by_a_key_that_acts_for_the_submitter() {
    let ledger = ledger();
    let offence = two_blocks(&ledger.chain(), 3, 7);
    let by = |seeds: &[u8]| {
        let report = governed(ledger.chain(), seeds, 1, Operation::ReportOffence(offence));
        ledger.check(&report, NOON)
    };
    assert_eq!(by(&[100]), Ok(()));
    assert_eq!(by(&[SUBMITTER]), Ok(()));
    assert_eq!(by(&[101, SUBMITTER]), Ok(()));
    // Another seat may report in its own name, not in this one's.
    assert_eq!(by(&[101]), Err(Refusal::NotSubmitter { submitter: stavanger() }));
    for seed in [110, 120, 130, 250] {
        assert_eq!(by(&[seed]), Err(Refusal::UnknownKey { key: public(seed) }));
    }
    // A vote key books nothing else.
    let close = Operation::ClosePeriod { entity: stavanger(), period: Period::new(202_601).unwrap() };
    let refusal = ledger.check(&governed(ledger.chain(), &[100], 1, close), NOON);
    assert_eq!(refusal, Err(Refusal::UnknownKey { key: public(100) }));
}

#[test]
fn whoever_left_is_still_convicted_by_the_keys_of_its_own_epoch() {
    let mut ledger = ledger();
    let offence = two_blocks(&ledger.chain(), 3, 7);
    let change = Change {
        epoch: Epoch(0),
        leave: vec![org(974_761_076)],
        enter: vec![entrant(&ledger, validator(epochs::NEWCOMER, 200), 200)],
    };
    let change = three(&ledger, 1, change);
    post(&mut ledger, 1, vec![change]);
    // Its own vote key signs no report any more.
    let mut own = governed(ledger.chain(), &[103], 2, Operation::ReportOffence(offence));
    assert_eq!(ledger.check(&own, NOON), Err(Refusal::UnknownKey { key: public(103) }));
    own = report(&ledger, 2, offence);
    post(&mut ledger, 1, vec![own]);
    let key = (Epoch(0), 3, View(7), OffenceKind::TwoNotarize);
    assert!(ledger.find::<OffenceRecord>(&key).is_some());
}

#[test]
fn a_block_takes_no_more_reports_than_fit_a_view() {
    let ledger = ledger();
    let chain = ledger.chain();
    let reports: Vec<_> = (0..250).map(|view| report(&ledger, view, two_blocks(&chain, 3, view))).collect();
    let proposed = epochs::propose(&ledger, &Parent::Finalized, 1, reports);
    assert_eq!(proposed.staged.block().transactions().len(), 200);
    assert!(proposed.left_over.is_some());
}
