//! Membership from the reader's side: whoever knows genesis alone follows any history of changes and
//! recoveries, believes receipts of every epoch, and nothing else.
#![allow(clippy::unwrap_used)] // Helpers here are tests, too.

#[path = "support/history.rs"]
mod history;

use history::{History, Step};
use ledger::block::{Epoch, LeafIndex};
use ledger::certificate::{Certificate, Statement, ValidatorSet};
use ledger::checkpoint::{CheckpointError, Term, Trust};
use ledger::codec;
use ledger::finality::{FinalityError, FinalizedBlock};
use ledger::handoff::{HANDOFF_HEADERS_MAX, Handoff, HandoffError, HandoffProof};
use ledger::receipt::{Receipt, ReceiptError};
use proptest::prelude::*;

/// A change with two closing blocks, a plain change, a recovery, a change.
fn sample() -> History {
    let mut history = History::of(4);
    for step in [
        Step::Blocks(2),
        Step::Change { leave: 0, enter: 1, rotate: 1, closing: 2 },
        Step::Blocks(1),
        Step::Change { leave: 1, enter: 0, rotate: 0, closing: 0 },
        Step::Blocks(3),
        Step::Recovery,
        Step::Blocks(1),
        Step::Change { leave: 0, enter: 2, rotate: 0, closing: 1 },
        Step::Blocks(2),
    ] {
        history.take(step);
    }
    history
}

fn trust_after(history: &History, handoffs: usize) -> Trust {
    let mut trust = history.genesis_trust();
    for handoff in &history.handoffs[..handoffs] {
        trust.extend(handoff).unwrap();
    }
    trust
}

#[test]
fn genesis_alone_leads_through_every_handoff_to_the_set_in_force() {
    let history = sample();
    let trust = trust_after(&history, 4);
    assert_eq!(trust.validators(), history.ledger.validators());
    assert_eq!(trust.handoffs(), history.handoffs);
    let recoveries: Vec<bool> = trust.terms().iter().map(|term| term.is_recovery()).collect();
    assert_eq!(recoveries, [false, false, false, true, false]);
    let starts: Vec<u64> = trust.terms().iter().map(|term| term.starts()).collect();
    assert_eq!(starts, history.starts);
    // Taken again they change nothing.
    let mut again = trust.clone();
    for handoff in &history.handoffs {
        again.extend(handoff).unwrap();
    }
    assert_eq!(again, trust);
}

#[test]
fn a_receipt_of_any_age_verifies_from_genesis_alone_and_tells_recoveries() {
    let history = sample();
    let (genesis, full) = (history.genesis_trust(), trust_after(&history, 4));
    for end in &history.checkpoints {
        let receipt = history.receipt(end.size - 1, end, &full);
        assert_eq!(receipt.handoffs().len() as u64, end.epoch.0);
        let text = receipt.to_text();
        let read = Receipt::parse(&text).unwrap();
        for trust in [&genesis, &full, &trust_after(&history, 2)] {
            let posted = read.verify(trust, None).unwrap();
            assert_eq!(posted.epoch(), end.epoch);
            let recovered = end.epoch >= Epoch(3);
            assert_eq!(posted.recoveries().len(), usize::from(recovered));
            let told = format!(
                "Epoch 3 began by recovery after leaf {}: governance keys named its validators, no quorum voted for them.",
                history.starts[3] - 1
            );
            assert_eq!(posted.limits().contains(&told), recovered);
        }
    }
    // An early leaf under a late checkpoint.
    let last = history.checkpoints.last().unwrap();
    let posted = history.receipt(2, last, &full).verify(&genesis, None).unwrap();
    assert_eq!((posted.index(), posted.epoch()), (LeafIndex(2), Epoch(4)));
}

#[test]
fn a_receipt_with_too_few_or_too_many_handoffs_is_refused() {
    let history = sample();
    let (genesis, full) = (history.genesis_trust(), trust_after(&history, 4));
    let at = |epoch: u64| history.checkpoints.iter().find(|end| end.epoch == Epoch(epoch)).unwrap();
    let with = |epoch: u64, handoffs: &[Handoff]| {
        let end = at(epoch);
        let (leaf, path) = history.proof(end.size - 1, end.size);
        Receipt::new(leaf, LeafIndex(end.size - 1), path, end.certified.clone(), None, handoffs.to_vec())
    };
    let refusal = with(2, &history.handoffs[..1]).verify(&genesis, None).unwrap_err();
    assert_eq!(refusal.step(), 6);
    assert!(refusal.to_string().contains("if the validators changed after epoch 1, the handoffs since"));
    // Whoever knows the second one already, needs it not.
    assert!(with(2, &history.handoffs[..1]).verify(&full, None).is_ok());
    let refusal = with(2, &history.handoffs[..3]).verify(&genesis, None).unwrap_err();
    assert_eq!(refusal, ReceiptError::HandoffsBeyond { expected: Epoch(2), found: Epoch(3) });
    assert_eq!(refusal.step(), 4);
    let refusal = with(2, &history.handoffs[1..2]).verify(&genesis, None).unwrap_err();
    assert_eq!(refusal, ReceiptError::Handoff(HandoffError::Epoch { expected: Epoch(1), found: Epoch(2) }));
    assert_eq!(refusal.step(), 3);
}

#[test]
fn a_handoff_skipped_reordered_or_of_another_chain_leads_nowhere() {
    let history = sample();
    let mut trust = history.genesis_trust();
    let refusal = trust.extend(&history.handoffs[1]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "handoff to epoch 2, expected to 1; take handoffs in order, none left out"
    );
    let mut elsewhere = History::named(4, "elsewhere.example");
    elsewhere.take(Step::Change { leave: 0, enter: 1, rotate: 0, closing: 0 });
    assert!(matches!(
        trust.extend(&elsewhere.handoffs[0]),
        Err(HandoffError::Finality(FinalityError::Chain { .. }))
    ));
    let mut elsewhere = History::named(4, "elsewhere.example");
    elsewhere.take(Step::Recovery);
    assert!(matches!(trust.extend(&elsewhere.handoffs[0]), Err(HandoffError::Transaction(_))));
    assert_eq!(trust, history.genesis_trust());
    // Genesis itself is no epoch that anything hands over to.
    let mut zeroth = history.handoffs[0].clone();
    zeroth.validators.epoch = Epoch(0);
    assert!(matches!(trust.extend(&zeroth), Err(HandoffError::Epoch { .. })));
    zeroth.validators.epoch = Epoch(u64::MAX);
    assert!(matches!(trust.extend(&zeroth), Err(HandoffError::Epoch { .. })));
}

/// The finalization of the handoff's last header, signed by these seats with the keys of `set`.
fn resigned(history: &History, handoff: &Handoff, set: &ValidatorSet, signers: &[u16]) -> Handoff {
    let mut handoff = handoff.clone();
    if let HandoffProof::Change { headers, finalization, .. } = &mut handoff.proof {
        let last = headers.last().unwrap();
        let statement = Statement::Finalize { view: last.view, block: last.hash() };
        *finalization = history.certificate(set, last.epoch, statement, signers);
    }
    handoff
}

#[test]
fn the_set_before_hands_over_with_a_quorum_of_its_own_and_nobody_else_does() {
    let history = sample();
    let first = &history.handoffs[0];
    let old = history.genesis_trust().validators().clone();
    let extend = |handoff: &Handoff| history.genesis_trust().extend(handoff);
    assert_eq!(extend(&resigned(&history, first, &old, &[0, 1, 3])), Ok(()));
    for handoff in [
        // The newcomer and the rotated seat sign with keys that the old set does not have.
        resigned(&history, first, &first.validators, &[1, 2, 3, 4]),
        resigned(&history, first, &first.validators, &[0, 1, 2]),
        resigned(&history, first, &old, &[0, 1]),
    ] {
        let refusal = extend(&handoff).unwrap_err();
        assert!(matches!(refusal, HandoffError::Finality(FinalityError::Certificate { .. })), "{refusal}");
    }
    // One signer twice: the list has one signature more than signers.
    let mut twice = resigned(&history, first, &old, &[0, 1]);
    if let HandoffProof::Change { finalization: Certificate { signatures, .. }, .. } = &mut twice.proof {
        signatures.push(signatures[0]);
    }
    assert!(extend(&twice).is_err());
    let mut another = first.clone();
    another.validators.validators.swap(0, 1);
    assert!(matches!(extend(&another), Err(HandoffError::NotNamed { epoch: Epoch(1), .. })));
}

#[test]
fn c19_closing_blocks_that_changed_the_books_carry_no_finality() {
    let history = sample();
    let old = history.genesis_trust().validators().clone();
    let mut handoff = history.handoffs[0].clone();
    if let HandoffProof::Change { headers, .. } = &mut handoff.proof {
        assert_eq!(headers.len(), 3);
        headers[2].log_size += 1;
    }
    let handoff = resigned(&history, &handoff, &old, &[0, 1, 2]);
    let refusal = history.genesis_trust().extend(&handoff).unwrap_err();
    assert!(matches!(refusal, HandoffError::Finality(FinalityError::NotClosing { .. })), "{refusal}");
    let mut handoff = history.handoffs[0].clone();
    if let HandoffProof::Change { headers, .. } = &mut handoff.proof {
        headers.remove(1);
    }
    let refusal = history.genesis_trust().extend(&handoff).unwrap_err();
    assert!(matches!(refusal, HandoffError::Finality(FinalityError::Parent { .. })), "{refusal}");
    if let HandoffProof::Change { headers, .. } = &mut handoff.proof {
        *headers = vec![headers[0].clone(); HANDOFF_HEADERS_MAX + 1];
    }
    let refusal = history.genesis_trust().extend(&handoff).unwrap_err();
    assert_eq!(refusal.to_string(), "handoff with 1025 headers, 1 to 1024 are read; fetch it again");
    if let HandoffProof::Change { headers, .. } = &mut handoff.proof {
        headers.clear();
    }
    assert!(matches!(history.genesis_trust().extend(&handoff), Err(HandoffError::Bounds { .. })));
}

#[test]
fn an_ordinary_final_block_hands_over_nothing() {
    let mut history = History::of(4);
    history.take(Step::Blocks(3));
    let block: &FinalizedBlock = history.blocks.last().unwrap();
    let mut set = history.ledger.validators().clone();
    set.epoch = Epoch(1);
    let size = block.block.header.log_size;
    let (_, path) = history.proof(size - 2, size);
    let handoff = Handoff::new(block, set, path).unwrap();
    let refusal = history.genesis_trust().extend(&handoff).unwrap_err();
    assert!(matches!(refusal, HandoffError::NotNamed { .. }), "{refusal}");
}

#[test]
fn a_recovery_needs_a_quorum_of_the_governance_keys_of_the_set_that_failed() {
    let mut history = History::of(4);
    history.take(Step::Blocks(1));
    let with = |signers: &[u16], strangers: &[u16]| {
        let handoff = history.recovery_handoff(signers, strangers);
        history.genesis_trust().extend(&handoff)
    };
    assert_eq!(with(&[0, 1, 2], &[]), Ok(()));
    assert_eq!(with(&[0, 1, 2, 3], &[]), Ok(()));
    let refusal = with(&[0, 2], &[]).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "recovery signed by 2 of 4 governance keys of epoch 0 and 0 others; 3 and none else must"
    );
    assert!(matches!(with(&[0, 2], &[7]), Err(HandoffError::Governance { found: 2, strangers: 1, .. })));
    assert!(matches!(with(&[0, 1, 2], &[7]), Err(HandoffError::Governance { .. })));
    let mut twice = history.recovery_handoff(&[0, 1], &[]);
    if let HandoffProof::Recovery { transaction } = &mut twice.proof {
        transaction.signatures.push(transaction.signatures[1]);
    }
    assert!(matches!(history.genesis_trust().extend(&twice), Err(HandoffError::Transaction(_))));
    let mut another = history.recovery_handoff(&[0, 1, 2], &[]);
    another.validators.validators.swap(0, 1);
    assert!(matches!(
        history.genesis_trust().extend(&another),
        Err(HandoffError::NotRecovery { epoch: Epoch(0) })
    ));
}

#[test]
fn a_change_and_a_recovery_of_one_epoch_are_evidence_and_change_nothing() {
    let mut history = History::of(4);
    history.take(Step::Blocks(1));
    let recovery = history.recovery_handoff(&[0, 1, 2], &[]);
    history.take(Step::Change { leave: 0, enter: 1, rotate: 0, closing: 0 });
    let mut trust = trust_after(&history, 1);
    let before = trust.clone();
    let refusal = trust.extend(&recovery).unwrap_err();
    assert!(matches!(refusal, HandoffError::Conflict { epoch: Epoch(1), .. }), "{refusal}");
    assert_eq!(trust, before);
}

#[test]
fn c23_old_keys_sign_nothing_beyond_the_end_of_their_epoch_and_new_ones_nothing_before() {
    let mut history = History::of(4);
    for step in [
        Step::Blocks(1),
        Step::Change { leave: 0, enter: 0, rotate: 4, closing: 1 },
        Step::Blocks(2),
        Step::Recovery,
        Step::Blocks(1),
    ] {
        history.take(step);
    }
    let full = trust_after(&history, 2);
    for epoch in 0..2 {
        let (old, new) = (&full.terms()[epoch], &full.terms()[epoch + 1]);
        let end = new.starts();
        let by = |term: &Term, size| history.certify(term.validators(), size, &[0, 1, 2]);
        assert_eq!(by(old, end).verify(&full, None).unwrap().epoch(), Epoch(epoch as u64));
        assert_eq!(by(new, end + 1).verify(&full, None).unwrap().epoch(), Epoch(epoch as u64 + 1));
        let refusal = |term, size| by(term, size).verify(&full, None).unwrap_err();
        let (found, quorum, validators) = (0, 3, 4);
        let early = CheckpointError::Quorum { epoch: Epoch(epoch as u64), found, quorum, validators };
        assert_eq!(refusal(new, end), early);
        let of_next = Epoch(epoch as u64 + 1);
        let late = match epoch {
            0 => CheckpointError::Quorum { epoch: of_next, found, quorum, validators },
            _ => CheckpointError::QuorumOfNewest { epoch: of_next, found, quorum, validators },
        };
        assert_eq!(refusal(old, end + 1), late);
        // A cosignature alone is judged by the same epoch.
        let note = by(old, end + 1);
        assert!(note.cosignatures(&full).is_empty());
        let early = by(old, end).cosignatures(&full);
        assert_eq!(early.len(), 3);
        assert!(early.iter().all(|one| one.verify(by(old, end).claimed(), &full, None).is_ok()));
        assert!(early.iter().all(|one| one.verify(note.claimed(), &full, None).is_err()));
    }
}

#[test]
fn not_one_bit_of_a_handoff_can_change() {
    let mut history = History::of(4);
    history.take(Step::Blocks(1));
    let recovery = history.recovery_handoff(&[0, 1, 2], &[]);
    history.take(Step::Change { leave: 0, enter: 1, rotate: 0, closing: 1 });
    let trust = history.genesis_trust();
    for handoff in [&history.handoffs[0], &recovery] {
        assert_eq!(trust.clone().extend(handoff), Ok(()));
        let good = codec::encode(handoff);
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            let taken = codec::decode::<Handoff>(&bytes, 1 << 20)
                .is_ok_and(|handoff| trust.clone().extend(&handoff).is_ok());
            assert!(!taken, "byte {at} of {}", good.len());
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0usize..3).prop_map(Step::Blocks),
        4 => (0usize..2, 0usize..3, 0usize..3, 0usize..3)
            .prop_map(|(leave, enter, rotate, closing)| Step::Change { leave, enter, rotate, closing }),
        1 => Just(Step::Recovery),
    ];
    prop::collection::vec(step, 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_history_of_the_set_is_followed_from_genesis_and_no_other(
        validators in 4usize..8,
        steps in steps(),
        choice in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut history = History::of(validators);
        steps.into_iter().for_each(|step| history.take(step));
        let genesis = history.genesis_trust();
        let count = history.handoffs.len();
        let full = trust_after(&history, count);
        prop_assert_eq!(full.validators(), history.ledger.validators());
        for end in &history.checkpoints {
            let posted = history.receipt(choice.index(end.size as usize) as u64, end, &full).verify(&genesis, None);
            prop_assert_eq!(posted.unwrap().epoch(), end.epoch);
        }
        if count > 0 {
            let place = choice.index(count);
            let before = trust_after(&history, place);
            let good = &history.handoffs[place];
            // A flipped bit.
            let mut bytes = codec::encode(good);
            let at = bit.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            let taken = codec::decode::<Handoff>(&bytes, 1 << 20)
                .is_ok_and(|handoff| before.clone().extend(&handoff).is_ok());
            prop_assert!(!taken, "bit {}", at);
            // Another place in the order.
            let other = order.index(count);
            if other < place {
                prop_assert!(trust_after(&history, other).extend(good).is_err());
            }
            // The old set on what came after it.
            let term = &full.terms()[place];
            let end = full.terms()[place + 1].starts();
            let all: Vec<u16> = (0..term.validators().len() as u16).collect();
            if end < history.leaves.len() as u64 {
                let late = history.certify(term.validators(), end + 1, &all);
                let next = &full.terms()[place + 1];
                let both = next.keys().iter().filter(|key| term.keys().contains(key)).count();
                let unchanged = both >= next.validators().quorum();
                prop_assert!(unchanged || late.verify(&full, None).is_err());
            }
        }
    }
}
