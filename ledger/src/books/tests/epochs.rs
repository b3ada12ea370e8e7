//! Changes of the validator set as incidents: who may make them, and how one epoch becomes the next.

use super::*;
use crate::certificate::{Certificate, Statement, ValidatorSetError, Vote};
use crate::governance::{ACTIVE_BLOCKS_PER_SEAT, Change, Entrant, RECENT_ROOTS, Ready};
use crate::records::{EpochRecord, RootRecord, SeatRecord};
use crate::refusal::GovernanceRefusal;
use crate::signature::KeyError;

/// A validator whose four keys have seeds from this one on.
pub(super) fn validator(number: u32, first: u8) -> Validator {
    Validator {
        entity: org(number),
        name: Name::new(alloc::format!("v{first}.example/v1")).unwrap(),
        vote_key: public(first),
        cosign_key: public(first + 1),
        peer_key: public(first + 2),
        governance_key: public(first + 3),
    }
}

pub(super) const SANDNES: u32 = 964_965_137;
pub(super) const NEWCOMER: u32 = 888_888_888;

/// The seed of a seat's governance key in genesis.
pub(super) fn governance(seat: u8) -> u8 {
    130 + seat
}

/// As governance keys sign, submitted in the name of the first seat.
pub(super) fn governed(
    chain: Digest,
    seeds: &[u8],
    number: u64,
    operation: Operation,
) -> VerifiedTransaction {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let transaction = Transaction { id: PaymentId { submitter: stavanger(), number: id }, operation };
    let bytes = transaction.signed_bytes(&chain);
    let sign = |seed: &u8| KeySignature {
        key: public(*seed),
        signature: Signature(secret(*seed).sign(&bytes).to_bytes()),
    };
    let mut signatures: Vec<KeySignature> = seeds.iter().map(sign).collect();
    signatures.sort_by_key(|signature| signature.key);
    SignedTransaction { transaction, signatures }.verify(&chain).unwrap()
}

pub(super) fn three(ledger: &Ledger, number: u64, change: Change) -> VerifiedTransaction {
    let seeds = [governance(0), governance(1), governance(2)];
    governed(ledger.chain(), &seeds, number, Operation::ChangeValidators(change))
}

/// Ready with the head of these books.
pub(super) fn entrant(ledger: &Ledger, validator: Validator, vote_seed: u8) -> Entrant {
    let head = ledger.head();
    let (height, root) = (head.height, head.log.root());
    let ready = Ready::sign(&ledger.chain(), height, root, &validator, &secret(vote_seed));
    Entrant { validator, ready }
}

/// A fifth validator enters.
fn enter(ledger: &Ledger) -> Change {
    let enter = vec![entrant(ledger, validator(NEWCOMER, 200), 200)];
    Change { epoch: ledger.validators().epoch, leave: vec![], enter }
}

fn refused(ledger: &Ledger, transaction: &VerifiedTransaction) -> (&'static str, String) {
    let refusal = ledger.check(transaction, NOON).unwrap_err();
    // A leader refuses it for the same reason.
    let proposed = propose(ledger, &Parent::Finalized, 1000, vec![transaction.clone()]);
    assert_eq!(proposed.refused, [(transaction.clone(), refusal.clone())]);
    (refusal.rule(), refusal.to_string())
}

fn slot_of(ledger: &Ledger, view: u64) -> Slot {
    let n = ledger.validators().len() as u64;
    let epoch = ledger.validators().epoch;
    let time = Timestamp(NOON.0 + ledger.head().height.0 * 1000 + view);
    Slot { epoch, view: View(view), proposer: (view % n) as u16, time }
}

pub(super) fn propose(
    ledger: &Ledger,
    parent: &Parent,
    view: u64,
    transactions: Vec<VerifiedTransaction>,
) -> Proposed {
    ledger.propose(parent, slot_of(ledger, view), &mut transactions.into_iter())
}

/// Proposes in the current epoch and has it verified.
pub(super) fn stage(
    ledger: &Ledger,
    parent: &Parent,
    view: u64,
    transactions: Vec<VerifiedTransaction>,
) -> Arc<Staged> {
    let proposed = propose(ledger, parent, view, transactions);
    assert_eq!(proposed.refused, vec![]);
    let verified = ledger.verify(parent, proposed.staged.block()).unwrap();
    assert_eq!(verified.head(), proposed.staged.head());
    assert_eq!(verified.leaves(), proposed.staged.leaves());
    assert_eq!(verified.is_closing(), proposed.staged.is_closing());
    assert_eq!(verified.next_validators(), proposed.staged.next_validators());
    verified
}

pub(super) fn post(ledger: &mut Ledger, view: u64, transactions: Vec<VerifiedTransaction>) -> Arc<Staged> {
    let staged = stage(ledger, &Parent::Finalized, view, transactions);
    ledger.post(&staged);
    staged
}

#[test]
fn a_change_ends_the_epoch_in_the_log_in_the_registers_and_for_the_next_block() {
    let mut ledger = ledger();
    let [one, two, last] = [1, 2, 3].map(|number| invoice(&ledger, number, 100));
    post(&mut ledger, 3, vec![one]);
    let change = three(&ledger, 1, enter(&ledger));
    assert_eq!(ledger.check(&change, NOON), Ok(()));
    let end = post(&mut ledger, 5, vec![two, change]);
    assert!(end.ends_epoch() && !end.is_closing());

    let next = ledger.validators().clone();
    assert_eq!((next.epoch, next.len()), (Epoch(1), 5));
    assert_eq!(next.validators[4], validator(NEWCOMER, 200));
    assert_eq!(end.next_validators(), Some(&next));
    assert_eq!(ledger.start(), end.header());
    let leaves: Vec<Leaf> =
        end.leaves().iter().map(|leaf| codec::decode(leaf, LEAF_BYTES_MAX).unwrap()).collect();
    let begins = Leaf::Epoch { epoch: Epoch(1), chain: ledger.chain(), validators: next.digest() };
    assert_eq!((leaves.len(), &leaves[2]), (4, &begins));
    let Leaf::Seal(seal) = &leaves[3] else { panic!("the last leaf is a seal") };
    assert_eq!((seal.epoch, seal.count), (Epoch(0), 3));
    let record = ledger.find::<EpochRecord>(&Epoch(1)).unwrap();
    let expected = EpochRecord {
        epoch: Epoch(1),
        after: Height(2),
        size: ledger.head().log.size(),
        validators: next.digest(),
        recovery: false,
    };
    assert_eq!(*record, expected);
    assert_eq!(ledger.find::<SeatRecord>(&(Epoch(1), 4)).unwrap().validator, next.validators[4]);
    // The seats of the epoch before stay, with the last block that each proposed.
    let proposed = |seat| ledger.find::<SeatRecord>(&(Epoch(0), seat)).unwrap().proposed;
    assert_eq!([0, 1, 2, 3].map(proposed), [Height(0), Height(2), Height(0), Height(1)]);

    let first = post(&mut ledger, 1, vec![last]);
    let header = first.header();
    assert_eq!((header.epoch, header.view, header.parent_view), (Epoch(1), View(1), View(0)));
    assert_eq!((header.height, header.parent), (Height(3), end.hash()));
    assert_eq!(ledger.find::<SeatRecord>(&(Epoch(1), 1)).unwrap().proposed, Height(3));
    let second = post(&mut ledger, 2, vec![]);
    assert_eq!(second.header().parent_view, View(1));
}

#[test]
fn whoever_leaves_is_gone_and_new_keys_take_the_place_of_the_old() {
    let mut ledger = ledger();
    let fifth = three(&ledger, 1, enter(&ledger));
    post(&mut ledger, 1, vec![fifth]);
    let before = ledger.validators().clone();
    let rotated = validator(SANDNES, 210);
    let change = Change {
        epoch: Epoch(1),
        leave: vec![before.validators[0].entity],
        enter: vec![entrant(&ledger, rotated.clone(), 210)],
    };
    let seeds = [governance(0), governance(1), governance(3), 203];
    let change = governed(ledger.chain(), &seeds, 2, Operation::ChangeValidators(change));
    post(&mut ledger, 1, vec![change]);
    let after = ledger.validators();
    assert_eq!((after.epoch, after.len()), (Epoch(2), 4));
    assert_eq!(after.validators[0], rotated);
    assert_eq!(after.validators[1..], before.validators[2..]);
}

#[test]
fn l22_a_change_is_of_the_epoch_that_it_ends() {
    let mut ledger = ledger();
    let change = Change { epoch: Epoch(1), ..enter(&ledger) };
    let says = refused(&ledger, &three(&ledger, 1, change));
    let text = "signed for epoch 1, current is epoch 0; look at its validators and sign anew";
    assert_eq!(says, ("L22", text.to_string()));
    // Signed in time, submitted too late: another change was first.
    let late = three(&ledger, 2, enter(&ledger));
    let first = three(&ledger, 3, enter(&ledger));
    post(&mut ledger, 1, vec![first]);
    assert_eq!(refused(&ledger, &late).0, "L22");
}

#[test]
fn l23_a_quorum_of_governance_keys_signs_and_no_other_key() {
    let ledger = ledger();
    let operation = || Operation::ChangeValidators(enter(&ledger));
    let signed = |seeds: &[u8]| governed(ledger.chain(), seeds, 1, operation());
    let two = signed(&[governance(0), governance(3)]);
    let text = "2 of 4 governance keys of epoch 0 signed, 3 must; gather more signatures";
    assert_eq!(refused(&ledger, &two), ("L23", text.to_string()));
    for stranger in [REGISTRAR, 100, 110, 120, 203] {
        let more = signed(&[governance(0), governance(1), governance(2), stranger]);
        let (rule, says) = refused(&ledger, &more);
        assert_eq!(rule, "L23");
        assert!(says.contains("is no governance key of a seat in epoch 0"), "{says}");
    }
    let others = signed(&[governance(1), governance(2), governance(3)]);
    assert_eq!(ledger.check(&others, NOON), Err(Refusal::NotSubmitter { submitter: stavanger() }));
    assert_eq!(
        ledger.check(&signed(&[governance(0), governance(1), governance(2), governance(3)]), NOON),
        Ok(())
    );
}

#[test]
fn l24_the_next_set_is_another_and_can_be() {
    let ledger = ledger();
    let change = |leave: &[u32], enter: Vec<Entrant>| {
        let leave = leave.iter().map(|number| org(*number)).collect();
        refused(&ledger, &three(&ledger, 1, Change { epoch: Epoch(0), leave, enter }))
    };
    let text = "888888888 has no seat in epoch 0 that it could leave; take it off the list";
    assert_eq!(change(&[NEWCOMER], vec![]), ("L24", text.to_string()));
    // Twice on the list, the second time without a seat.
    let five = vec![entrant(&ledger, validator(NEWCOMER, 200), 200)];
    assert_eq!(change(&[SANDNES, SANDNES], five).0, "L24");
    let text = "the validators of epoch 0 would stay as they are; name who leaves, enters or takes new keys";
    assert_eq!(change(&[], vec![]), ("L24", text.to_string()));
    let same = ledger.validators().validators[0].clone();
    assert_eq!(change(&[], vec![entrant(&ledger, same, 100)]), ("L24", text.to_string()));
    let text = "the next validators: 3 validators; a set has 4 to 400; correct the change and sign it anew";
    assert_eq!(change(&[SANDNES], vec![]), ("L24", text.to_string()));
    let shared = Validator { peer_key: public(111), ..validator(NEWCOMER, 200) };
    let (rule, says) = change(&[], vec![entrant(&ledger, shared, 200)]);
    assert_eq!(rule, "L24");
    assert!(says.contains("validators 1 and 4 share an entity, a name or a key"), "{says}");
    let spaced = Validator { name: Name::new("Bergen kommune").unwrap(), ..validator(NEWCOMER, 200) };
    assert!(change(&[], vec![entrant(&ledger, spaced, 200)]).1.contains("validator 4: key name"));
    let weak = Validator { governance_key: PublicKey([0; 32]), ..validator(NEWCOMER, 200) };
    let weak = Change { epoch: Epoch(0), leave: vec![], enter: vec![entrant(&ledger, weak, 200)] };
    let refusal = ledger.check(&three(&ledger, 1, weak), NOON).unwrap_err();
    let key = ValidatorSetError::Key { index: 4, source: KeyError { key: PublicKey([0; 32]) } };
    assert_eq!(refusal, GovernanceRefusal::NextSet(key).into());
}

#[test]
fn l25_an_entrant_holds_the_books_or_does_not_enter() {
    let mut ledger = ledger();
    for view in 1..4 {
        post(&mut ledger, view, vec![]);
    }
    let good = entrant(&ledger, validator(NEWCOMER, 200), 200);
    let with = |ready: Ready| {
        let enter = vec![Entrant { ready, ..good.clone() }];
        three(&ledger, 1, Change { epoch: Epoch(0), leave: vec![], enter })
    };
    assert_eq!(ledger.check(&with(good.ready), NOON), Ok(()));
    let chain = ledger.chain();
    let sign = |height: u64, root, validator: &Validator, seed| {
        Ready::sign(&chain, Height(height), root, validator, &secret(seed))
    };
    // Of an earlier block that is known.
    let before = ledger.find::<RootRecord>(&1).unwrap().clone();
    assert_eq!(before.height, Height(1));
    assert_eq!(ledger.check(&with(sign(1, before.root, &good.validator, 200)), NOON), Ok(()));
    for (height, root) in [(2, before.root), (4, ledger.head().log.root()), (1 + RECENT_ROOTS, before.root)] {
        let (rule, says) = refused(&ledger, &with(sign(height, root, &good.validator, 200)));
        assert_eq!(rule, "L25");
        assert!(says.contains("is not that of one of the 16384 blocks before height 4"), "{says}");
    }
    let (height, root) = (good.ready.height.0, good.ready.root);
    let elsewhere = Ready::sign(&Digest([5; 32]), Height(height), root, &good.validator, &secret(200));
    let other_keys = Validator { peer_key: public(220), ..good.validator.clone() };
    for ready in [
        sign(height, root, &good.validator, 201),
        sign(height, root, &other_keys, 200),
        elsewhere,
        Ready { height: Height(1), root: before.root, ..good.ready },
    ] {
        let (rule, says) = refused(&ledger, &with(ready));
        assert_eq!(rule, "L25");
        assert!(says.starts_with("the word of 888888888 that it is ready is not signed"), "{says}");
    }
}

#[test]
fn l25_a_word_older_than_the_recent_blocks_no_longer_counts() {
    let mut ledger = ledger();
    post(&mut ledger, 1, vec![]);
    let change = three(&ledger, 1, enter(&ledger));
    for view in 2..=RECENT_ROOTS {
        let proposed = propose(&ledger, &Parent::Finalized, view, vec![]);
        ledger.post(&proposed.staged);
    }
    assert_eq!(ledger.head().height, Height(RECENT_ROOTS));
    assert_eq!(ledger.check(&change, NOON), Ok(()));
    let proposed = propose(&ledger, &Parent::Finalized, RECENT_ROOTS + 1, vec![]);
    ledger.post(&proposed.staged);
    assert_eq!(refused(&ledger, &change).0, "L25");
    assert_eq!(ledger.count::<RootRecord>(), RECENT_ROOTS);
}

#[test]
fn l26_a_set_that_could_not_finalize_does_not_take_over() {
    let mut ledger = ledger();
    let window = ACTIVE_BLOCKS_PER_SEAT * 4;
    // Seats 2 and 3 stand still from the beginning.
    let quiet = |ledger: &mut Ledger, blocks: u64| {
        for _ in 0..blocks {
            let view = ledger.head().view.0 + 1;
            let slot = Slot { proposer: (view % 2) as u16, ..slot_of(ledger, view) };
            let staged = ledger.propose(&Parent::Finalized, slot, &mut core::iter::empty()).staged;
            ledger.post(&staged);
        }
    };
    quiet(&mut ledger, window);
    let fifth = three(&ledger, 1, enter(&ledger));
    // Of so young an epoch nobody is called inactive.
    assert_eq!(ledger.check(&fifth, NOON), Ok(()));
    quiet(&mut ledger, 1);
    let text = "3 of the next 5 validators are active, 4 must be; inactive: 970018131, 974761076; bring them back, or let others that are ready take their seats";
    let says = refused(&ledger, &three(&ledger, 2, enter(&ledger)));
    assert_eq!(says, ("L26", text.to_string()));
    // One of the two leaves, or has new keys and is ready with them: then four of four, or of five.
    let leaves = Change { leave: vec![org(970_018_131)], ..enter(&ledger) };
    assert_eq!(ledger.check(&three(&ledger, 3, leaves), NOON), Ok(()));
    let mut rotates = enter(&ledger);
    rotates.enter.push(entrant(&ledger, validator(970_018_131, 210), 210));
    assert_eq!(ledger.check(&three(&ledger, 4, rotates), NOON), Ok(()));
    // Or it proposes again.
    let view = ledger.head().view.0 + 1;
    let slot = Slot { proposer: 3, ..slot_of(&ledger, view) };
    let staged = ledger.propose(&Parent::Finalized, slot, &mut core::iter::empty()).staged;
    ledger.post(&staged);
    assert_eq!(ledger.check(&three(&ledger, 5, enter(&ledger)), NOON), Ok(()));
    quiet(&mut ledger, window);
    assert_eq!(refused(&ledger, &three(&ledger, 6, enter(&ledger))).0, "L26");
}

#[test]
fn l30_a_change_is_the_last_transaction_of_its_block() {
    let ledger = ledger();
    let change = three(&ledger, 1, enter(&ledger));
    let after = invoice(&ledger, 2, 100);
    let proposed = propose(&ledger, &Parent::Finalized, 1, vec![change.clone(), after.clone()]);
    assert_eq!(proposed.staged.block().transactions(), core::slice::from_ref(&change));
    assert!(proposed.refused.is_empty() && proposed.left_over.is_none());
    let header = Header {
        payload: Block::payload(&[change.signed().clone(), after.signed().clone()]),
        ..proposed.staged.header().clone()
    };
    let block = VerifiedBlock::from_own_proposal(header, vec![change, after.clone()]);
    let refusal = ledger.verify(&Parent::Finalized, &block).err();
    assert_eq!(refusal, Some(BlockError::AfterEpoch { transaction: after.id() }));
}

#[test]
fn l30_blocks_on_the_end_of_an_epoch_are_empty_change_nothing_and_are_never_posted() {
    let mut ledger = ledger();
    let change = three(&ledger, 1, enter(&ledger));
    let end = stage(&ledger, &Parent::Finalized, 2, vec![change]);
    let on_end = Parent::Staged(end.clone());
    let mut asked = false;
    let mut candidates = core::iter::from_fn(|| {
        asked = true;
        Some(invoice(&ledger, 2, 100))
    });
    let first = ledger.propose(&on_end, slot_of(&ledger, 4), &mut candidates).staged;
    assert!(!asked && first.is_closing() && !first.ends_epoch());
    let second = stage(&ledger, &Parent::Staged(first.clone()), 5, vec![]);
    for closing in [&first, &second] {
        let (header, end) = (closing.header(), end.header());
        assert_eq!(header.epoch, Epoch(0));
        let books = |h: &Header| (h.log_size, h.log_root, h.state_root);
        assert_eq!(books(header), books(end));
        assert!(closing.leaves().is_empty() && closing.register_roots() == ledger_roots(&ledger, closing));
    }
    // Nothing else can stand there.
    let transaction = invoice(&ledger, 3, 100);
    let header =
        Header { payload: Block::payload(&[transaction.signed().clone()]), ..first.header().clone() };
    let full = VerifiedBlock::from_own_proposal(header, vec![transaction]);
    assert_eq!(ledger.verify(&on_end, &full).err(), Some(BlockError::NotEmpty { count: 1 }));
    let header = Header { log_size: end.header().log_size + 1, ..first.header().clone() };
    let sealed = VerifiedBlock::from_own_proposal(header, vec![]);
    assert!(matches!(ledger.verify(&on_end, &sealed), Err(BlockError::LogSize { .. })));

    ledger.post(&end);
    assert_eq!(ledger.validators().epoch, Epoch(1));
    // The next epoch starts from the end, whatever closing blocks there were, and none stands on them.
    let next = stage(&ledger, &Parent::Finalized, 1, vec![invoice(&ledger, 4, 100)]);
    assert_eq!((next.header().height, next.header().parent), (first.header().height, end.hash()));
    let header = Header { parent: first.hash(), height: Height(3), ..next.header().clone() };
    let strayed = VerifiedBlock::from_own_proposal(header, next.block().transactions().to_vec());
    let refusal = ledger.verify(&Parent::Staged(first.clone()), &strayed).err();
    assert_eq!(refusal, Some(BlockError::Detached { head: end.hash() }));
    // A straggler's block of the epoch before.
    let late = ledger.verify(&Parent::Finalized, first.block()).err();
    assert_eq!(late, Some(BlockError::Epoch { expected: Epoch(1), found: Epoch(0) }));
}

/// The registers' roots that a closing block must show: those of the block that it closes.
fn ledger_roots(ledger: &Ledger, closing: &Staged) -> Vec<RegisterRoot> {
    let roots = closing.register_roots();
    assert_eq!(state_root(&roots), closing.header().state_root);
    assert_eq!(roots.len(), ledger.register_roots().len());
    roots
}

#[test]
#[should_panic(expected = "a closing block is never posted")]
fn l30_posting_a_closing_block_is_our_own_bug() {
    let mut ledger = ledger();
    let change = three(&ledger, 1, enter(&ledger));
    let end = stage(&ledger, &Parent::Finalized, 1, vec![change]);
    let closing = stage(&ledger, &Parent::Staged(end), 2, vec![]);
    ledger.head.block = closing.header().parent;
    ledger.post(&closing);
}

#[test]
fn a_change_may_wait_on_a_staged_chain_and_another_branch_go_on_without_it() {
    let mut ledger = ledger();
    let change = three(&ledger, 1, enter(&ledger));
    let one = stage(&ledger, &Parent::Finalized, 1, vec![invoice(&ledger, 1, 100)]);
    let end = stage(&ledger, &Parent::Staged(one.clone()), 2, vec![change.clone()]);
    let skipped = stage(&ledger, &Parent::Staged(one.clone()), 3, vec![invoice(&ledger, 2, 100)]);
    assert!(end.ends_epoch() && !skipped.ends_epoch());
    ledger.post(&one);
    ledger.post(&skipped);
    assert_eq!(ledger.validators().epoch, Epoch(0));
    let end = post(&mut ledger, 4, vec![change]);
    assert_eq!(ledger.start().hash(), end.hash());
}

#[test]
fn a_certificate_hands_out_the_vote_of_each_signer_and_of_nobody_else() {
    let chain = ledger().chain();
    let set = genesis().validators;
    let statement = Statement::Nullify { view: View(3) };
    let bytes = statement.signed_bytes(&chain, Epoch(0));
    let votes = [0u16, 2, 3].map(|seat| (seat, Signature(secret(100 + seat as u8).sign(&bytes).to_bytes())));
    let certificate = Certificate::from_votes(Epoch(0), statement, 4, &votes);
    for (signer, signature) in votes {
        let vote = Vote { epoch: Epoch(0), statement, signer, signature };
        assert_eq!(certificate.vote(signer), Some(vote));
        assert_eq!(vote.verify(&chain, &set), Ok(()));
    }
    assert_eq!(certificate.vote(1), None);
    assert_eq!(Certificate { signatures: vec![], ..certificate }.vote(2), None);
}
