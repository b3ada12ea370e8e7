//! Recovery as incidents: a new beginning from the last final block, the same for everybody.

use super::epochs::{NEWCOMER, entrant, governance, governed, post, three, validator};
use super::*;
use crate::governance::{Change, RECOVERY_AHEAD_MAX_MS, Recovery};
use crate::records::{EpochRecord, SeatRecord};

/// Three of the four go on, with a newcomer for the fourth.
fn recovery(ledger: &Ledger) -> Recovery {
    let head = ledger.head();
    let mut validators = ledger.validators().validators.clone();
    validators[3] = validator(NEWCOMER, 200);
    Recovery {
        epoch: ledger.validators().epoch,
        height: head.height,
        block: head.block,
        log_size: head.log.size(),
        log_root: head.log.root(),
        time: Timestamp(NOON.0 + 86_400_000),
        validators,
    }
}

fn signed_by(ledger: &Ledger, seeds: &[u8], recovery: Recovery) -> VerifiedTransaction {
    governed(ledger.chain(), seeds, 1, Operation::Recover(recovery))
}

fn signed(ledger: &Ledger, recovery: Recovery) -> VerifiedTransaction {
    signed_by(ledger, &[governance(0), governance(1), governance(2)], recovery)
}

fn refused(ledger: &Ledger, transaction: VerifiedTransaction) -> String {
    ledger.recover(transaction).err().unwrap().to_string()
}

#[test]
fn everybody_makes_the_same_recovery_block_and_goes_on_with_the_new_set() {
    let (mut one, mut other) = (ledger(), ledger());
    for ledger in [&mut one, &mut other] {
        let before = invoice(ledger, 8841, 100);
        post(ledger, 3, vec![before]);
    }
    let head = one.head().clone();
    let transaction = signed(&one, recovery(&one));
    let staged = one.recover(transaction.clone()).unwrap();
    let header = staged.header().clone();
    assert_eq!(header, *other.recover(transaction.clone()).unwrap().header());
    assert_eq!((header.epoch, header.view, header.parent_view), (Epoch(1), View(0), View(3)));
    assert_eq!((header.height, header.parent, header.proposer), (Height(2), head.block, 0));
    assert_eq!(header.time, Timestamp(NOON.0 + 86_400_000));
    assert_eq!(header.log_size, head.log.size() + 3);

    one.post(&staged);
    assert_eq!(*one.start(), header);
    assert_eq!((one.validators().epoch, one.validators().len()), (Epoch(1), 4));
    let record = one.find::<EpochRecord>(&Epoch(1)).unwrap();
    let expected = EpochRecord {
        epoch: Epoch(1),
        after: head.height,
        size: head.log.size(),
        validators: one.validators().digest(),
        recovery: true,
    };
    assert_eq!(*record, expected);
    assert_eq!(one.find::<SeatRecord>(&(Epoch(1), 3)).unwrap().validator, validator(NEWCOMER, 200));
    let leaf: Leaf = codec::decode(&staged.leaves()[1], 1024).unwrap();
    let validators = one.validators().digest();
    assert_eq!(leaf, Leaf::Epoch { epoch: Epoch(1), chain: one.chain(), validators });
    assert!(one.lookup(&transaction.transaction().id).is_some());

    let after = invoice(&one, 8842, 100);
    let next = post(&mut one, 1, vec![after]);
    assert_eq!((next.header().parent_view, next.header().height), (View(0), Height(3)));
    // Applied twice: the epoch that it names is over.
    let again = refused(&one, transaction);
    assert_eq!(again, "recovery from epoch 0, current here is epoch 1; sign one for the epoch that failed");
}

#[test]
fn l27_a_recovery_is_booked_by_no_block_that_is_voted_on() {
    let ledger = ledger();
    let transaction = signed(&ledger, recovery(&ledger));
    let refusal = ledger.check(&transaction, NOON).unwrap_err();
    assert_eq!(refusal.rule(), "L27");
    let text = "a recovery from epoch 0 is booked by a recovery block alone; apply it on every stopped node";
    assert_eq!(refusal.to_string(), text);
    let made = ledger.recover(transaction).unwrap();
    assert!(matches!(ledger.verify(&Parent::Finalized, made.block()), Err(BlockError::Epoch { .. })));
    let header = Header { epoch: Epoch(0), view: View(1), parent_view: View(0), ..made.header().clone() };
    let disguised = VerifiedBlock::from_own_proposal(header, made.block().transactions().to_vec());
    let refusal = ledger.verify(&Parent::Finalized, &disguised).err().unwrap();
    assert!(matches!(refusal, BlockError::Refused { .. }), "{refusal}");
}

#[test]
fn l23_governance_keys_of_a_quorum_recover_and_vote_keys_do_not() {
    let ledger = ledger();
    let by = |seeds: &[u8]| refused(&ledger, signed_by(&ledger, seeds, recovery(&ledger)));
    assert_eq!(
        by(&[governance(0), governance(3)]),
        "recovery refused: 2 of 4 governance keys of epoch 0 signed, 3 must; gather more signatures"
    );
    assert!(by(&[100, 101, 102]).contains("is no governance key of a seat in epoch 0"));
    // The keys of the set that would begin say nothing before it did.
    assert!(by(&[governance(0), governance(1), 203]).contains("is no governance key of a seat in epoch 0"));
}

#[test]
fn l24_a_recovery_to_a_set_that_cannot_be_is_refused() {
    let ledger = ledger();
    let mut recovery = recovery(&ledger);
    recovery.validators.truncate(3);
    let says = refused(&ledger, signed(&ledger, recovery));
    assert!(says.contains("3 validators; a set has 4 to 400"), "{says}");
}

#[test]
fn books_that_end_elsewhere_than_the_recovery_says_are_left_as_they_are() {
    let mut ledger = ledger();
    let early = recovery(&ledger);
    post(&mut ledger, 1, vec![]);
    let good = recovery(&ledger);
    assert_eq!(
        refused(&ledger, signed(&ledger, early)),
        "the recovery goes on from height 0, but blocks up to height 1 are final here; sign one that goes on from there"
    );
    let says = |change: fn(&mut Recovery)| {
        let mut recovery = good.clone();
        change(&mut recovery);
        refused(&ledger, signed(&ledger, recovery))
    };
    assert_eq!(
        says(|recovery| recovery.height = Height(2)),
        "the recovery goes on from height 2, the books here end at height 1; fetch the final blocks between, then apply it again"
    );
    assert!(says(|recovery| recovery.block = BlockHash::default()).contains("one of them is a fork"));
    assert!(says(|recovery| recovery.log_size += 1).contains("correct the recovery and sign it anew"));
    assert!(says(|recovery| recovery.log_root = Digest::default()).contains("correct the recovery"));
    assert!(says(|recovery| recovery.epoch = Epoch(1)).starts_with("recovery from epoch 1"));
    assert!(says(|recovery| recovery.time.0 += RECOVERY_AHEAD_MAX_MS).contains("correct its time"));
    assert!(refused(&ledger, invoice(&ledger, 1, 100)).contains("is no recovery"));
    assert!(ledger.recover(signed(&ledger, good.clone())).is_ok());
}

#[test]
fn a_recovery_dated_before_the_head_takes_the_millisecond_after_it() {
    let mut ledger = ledger();
    post(&mut ledger, 1, vec![]);
    let recovery = Recovery { time: Timestamp(0), ..recovery(&ledger) };
    let staged = ledger.recover(signed(&ledger, recovery)).unwrap();
    assert_eq!(staged.header().time.0, ledger.head().time.0 + 1);
}

#[test]
fn an_epoch_that_fails_before_its_first_block_is_recovered_too() {
    let mut ledger = ledger();
    let change = Change {
        epoch: Epoch(0),
        leave: vec![],
        enter: vec![entrant(&ledger, validator(NEWCOMER, 200), 200)],
    };
    let change = three(&ledger, 7, change);
    post(&mut ledger, 1, vec![change]);
    let recovery = Recovery { validators: genesis().validators.validators, ..recovery(&ledger) };
    let seeds = [governance(0), governance(1), governance(2), governance(3)];
    let staged = ledger.recover(signed_by(&ledger, &seeds, recovery)).unwrap();
    assert_eq!((staged.header().epoch, staged.header().parent_view), (Epoch(2), View(0)));
    ledger.post(&staged);
    let sizes = [1, 2].map(|epoch| ledger.find::<EpochRecord>(&Epoch(epoch)).unwrap().size);
    assert_eq!(sizes[0], sizes[1]);
    post(&mut ledger, 1, vec![]);
}
