//! The books as incidents: blocks proposed, verified, staged side by side, posted, replayed.

use alloc::string::ToString;
use alloc::vec;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::amount::Amount;
use crate::block::{Booked, LEAF_BYTES_MAX};
use crate::certificate::Validator;
use crate::entity::{EntityKind, Name};
use crate::entry::{JournalEntry, Rate, Regime};
use crate::postings::{self, ChainedPosting};
use crate::records::{DocumentRecord, EntityRecord, SeriesRecord};
use crate::registers::Record;
use crate::signature::{PublicKey, Signature};
use crate::transaction::{
    Books, Document, DocumentId, DocumentKind, InvoiceNumber, KeySignature, KidRule, Line, Mandate,
    NewEntity, NewKey, Operation, Role, SignedTransaction, Transaction, VatTotal,
};
use crate::tree::verify_inclusion;

mod epochs;
mod offences;
mod recovery;
mod snapshot;

/// 2026-05-04T12:00Z.
const NOON: Timestamp = Timestamp(1_777_896_000_000);

fn org(number: u32) -> OrgNumber {
    OrgNumber::new(number).unwrap()
}

fn stavanger() -> OrgNumber {
    org(964_965_226)
}

fn supplier() -> OrgNumber {
    org(123_456_785)
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn public(seed: u8) -> PublicKey {
    PublicKey(secret(seed).verifying_key().to_bytes())
}

/// Holders of keys, by seed.
const REGISTRAR: u8 = 1;
const SUBMITTER: u8 = 2;

pub(crate) fn genesis() -> Genesis {
    let entity = |number, kind, name: &str, sector| NewEntity {
        number: org(number),
        kind,
        name: Name::new(name).unwrap(),
        sector,
        books: Books::From(Period::new(202_601).unwrap()),
        kid: KidRule::None,
    };
    let mandate = |entity, role| Mandate { entity, role, from: Date::MIN, to: Date::MAX };
    let key = |seed: u8, role| NewKey {
        key: public(seed),
        entity: stavanger(),
        holder: seed.into(),
        mandates: vec![mandate(stavanger(), role)],
    };
    let seat = |seat: u8| Validator {
        entity: org([964_965_226, 964_965_137, 970_018_131, 974_761_076][usize::from(seat)]),
        name: Name::new(alloc::format!("v{seat}.example/v1")).unwrap(),
        vote_key: public(100 + seat),
        cosign_key: public(110 + seat),
        peer_key: public(120 + seat),
        governance_key: public(130 + seat),
    };
    Genesis {
        name: "hovedbok.example".to_string(),
        time: Timestamp(NOON.0 - 1000),
        validators: ValidatorSet { epoch: Epoch(0), validators: (0..4).map(seat).collect() },
        parameters: crate::booking::parse(include_str!("../../../node/genesis/booking.txt")).unwrap(),
        entities: vec![
            entity(964_965_226, EntityKind::Municipality, "Stavanger kommune", 650),
            entity(123_456_785, EntityKind::Private, "Skolemat AS", 200),
        ],
        keys: vec![key(REGISTRAR, Role::Register), key(SUBMITTER, Role::Submit)],
        codes: crate::codes::parse(include_str!("../../../node/genesis/codes.txt")).unwrap(),
    }
}

fn ledger() -> Ledger {
    Ledger::new(&genesis()).unwrap()
}

/// As a submitter signs it; `number` is the payment id.
fn signed(chain: Digest, seed: u8, number: u64, operation: Operation) -> VerifiedTransaction {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let transaction = Transaction { id: PaymentId { submitter: stavanger(), number: id }, operation };
    let signature = Signature(secret(seed).sign(&transaction.signed_bytes(&chain)).to_bytes());
    let signatures = vec![KeySignature { key: public(seed), signature }];
    SignedTransaction { transaction, signatures }.verify(&chain).unwrap()
}

/// School cleaning, 25 % VAT compensated (E2), with a net in kroner.
fn invoice(ledger: &Ledger, number: u64, kroner: i64) -> VerifiedTransaction {
    let day = Date::parse("2026-05-04").unwrap();
    let (net, vat) = (Amount(kroner * 100), Amount(kroner * 25));
    let document = Document {
        id: DocumentId {
            seller: supplier(),
            number: InvoiceNumber::new(number.to_string()).unwrap(),
            issued: day,
        },
        kind: DocumentKind::Invoice,
        buyer: stavanger(),
        date: day,
        tax_point: day,
        due: Date::parse("2026-06-03").unwrap(),
        lines: vec![Line {
            account: Account::parse("1.222.260").unwrap(),
            net,
            vat_code: 1,
            regime: Regime::Compensate,
            cost_centre: Some(4410),
            project: None,
        }],
        vat_totals: vec![VatTotal { code: 1, rate: Rate(2500), base: net, vat }],
        prepaid: Amount::ZERO,
        rounding: Amount::ZERO,
        payable: Amount(net.0 + vat.0),
        content: Digest::of(&[b"document", &number.to_le_bytes()]),
        payee: Digest::of(&[b"payee"]),
    };
    signed(ledger.chain(), SUBMITTER, number, Operation::RegisterDocument(document))
}

fn slot(view: u64) -> Slot {
    Slot { epoch: Epoch(0), view: View(view), proposer: (view % 4) as u16, time: Timestamp(NOON.0 + view) }
}

/// Proposes and has another ledger verify, which must agree on everything.
fn build(ledger: &Ledger, parent: &Parent, view: u64, transactions: Vec<VerifiedTransaction>) -> Arc<Staged> {
    let proposed = ledger.propose(parent, slot(view), &mut transactions.into_iter());
    assert_eq!(proposed.refused, vec![]);
    assert_eq!(proposed.left_over, None);
    let verified = ledger.verify(parent, proposed.staged.block()).unwrap();
    assert_eq!(verified.header(), proposed.staged.header());
    assert_eq!(verified.head(), proposed.staged.head());
    assert_eq!(verified.leaves(), proposed.staged.leaves());
    assert_eq!(verified.register_roots(), proposed.staged.register_roots());
    verified
}

fn extend(ledger: &mut Ledger, view: u64, transactions: Vec<VerifiedTransaction>) -> Arc<Staged> {
    let staged = build(ledger, &Parent::Finalized, view, transactions);
    ledger.post(&staged);
    staged
}

fn root(ledger: &Ledger) -> Digest {
    state_root(&ledger.register_roots())
}

#[test]
fn genesis_begins_the_log_with_the_validators_and_a_seal() {
    let ledger = ledger();
    let head = ledger.head();
    let leaves: Vec<Leaf> =
        ledger.genesis_leaves().iter().map(|leaf| codec::decode(leaf, 1024).unwrap()).collect();
    let validators = ledger.validators().digest();
    assert_eq!(leaves[0], Leaf::Epoch { epoch: Epoch(0), chain: genesis().hash(), validators });
    let Leaf::Seal(seal) = &leaves[1] else { panic!("the second leaf is a seal") };
    assert_eq!((seal.state_root, seal.count), (head.state_root, 1));
    assert_eq!(head.state_root, root(&ledger));
    assert_eq!((head.height, head.seal, head.log.size()), (Height(0), LeafIndex(1), 2));
    assert_eq!(head.block, ledger.genesis_header().hash());
    let mut log = Frontier::new();
    ledger.genesis_leaves().iter().for_each(|leaf| log.push(leaf_hash(leaf)));
    assert_eq!(ledger.genesis_header().log_root, log.root());
    assert_eq!(ledger.find::<EntityRecord>(&stavanger()).unwrap().entity, genesis().entities[0]);
    assert!(ledger.origin().starts_with("hovedbok.example/"));
}

#[test]
fn an_invoice_in_a_block_is_in_both_books_in_the_log_and_under_the_state_root() {
    let mut ledger = ledger();
    let transaction = invoice(&ledger, 8841, 100_000);
    assert_eq!(ledger.check(&transaction, NOON), Ok(()));
    let staged = extend(&mut ledger, 1, vec![transaction.clone()]);

    let leaf: Leaf = codec::decode(&staged.leaves()[0], LEAF_BYTES_MAX).unwrap();
    let entries: Vec<JournalEntry> = staged.entries().map(|(_, _, entry)| entry.clone()).collect();
    assert_eq!(leaf, Leaf::Transaction(Booked { signed: transaction.signed().clone(), entries }));
    let Leaf::Seal(seal) = codec::decode(&staged.leaves()[1], LEAF_BYTES_MAX).unwrap() else {
        panic!("the last leaf is a seal")
    };
    assert_eq!((seal.previous_seal, seal.first, seal.count), (LeafIndex(1), LeafIndex(2), 1));
    assert_eq!(seal.state_root, root(&ledger));
    assert_eq!(ledger.head().state_root, seal.state_root);
    assert_eq!(ledger.head().seal, LeafIndex(3));

    let booked = crate::report::journal(staged.entries().map(|(_, _, e)| e), &crate::report::Captions::NONE);
    assert_eq!(
        booked,
        "\
2026-05-04  964965226  voucher 1
    1.222.260               100 000,00
    1.222.429                25 000,00
    2.35.200                            125 000,00
    2.16.610                 25 000,00
    1.222.729                            25 000,00

2026-05-04  123456785  voucher 1
    1500                    125 000,00
    3000                                100 000,00
    2700                                 25 000,00

    Total                   275 000,00  275 000,00
"
    );
    let payment = ledger.lookup(&transaction.transaction().id).unwrap();
    assert_eq!((payment.transaction, payment.leaf), (transaction.id(), LeafIndex(2)));
    let again = ledger.check(&transaction, NOON).unwrap_err();
    assert!(matches!(again, Refusal::AlreadyPosted { leaf: LeafIndex(2), .. }), "{again}");

    let record = ledger.find::<DocumentRecord>(&DocumentId {
        seller: supplier(),
        number: InvoiceNumber::new("8841").unwrap(),
        issued: Date::parse("2026-05-04").unwrap(),
    });
    let record = record.unwrap();
    let proof = ledger.prove::<DocumentRecord>(&record.id).unwrap();
    assert_eq!(proof.record, codec::encode(record));
    let roots = ledger.register_roots();
    let documents = &roots[usize::from(proof.register)];
    assert_eq!(documents.name.as_str(), "documents");
    let leaf = leaf_hash(&proof.record);
    let verdict = verify_inclusion(&leaf, proof.index, documents.length, &proof.path, &documents.root);
    assert_eq!(verdict, Ok(()));
}

#[test]
fn every_posting_of_an_account_is_found_in_the_log_and_none_is_missing() {
    let mut ledger = ledger();
    let mut leaves: Vec<Vec<u8>> = ledger.genesis_leaves().to_vec();
    let mut places: Vec<PostingPlace> = Vec::new();
    for view in 1..4 {
        let transactions = (0..3).map(|i| invoice(&ledger, view * 10 + i, 100 + i as i64)).collect();
        let staged = extend(&mut ledger, view, transactions);
        leaves.extend(staged.leaves().to_vec());
        for (place, posting) in staged.postings() {
            assert_eq!(place.account, posting.account);
            places.push(place);
        }
    }
    places.sort();
    let period = Period::new(202_605).unwrap();
    for entity in [stavanger(), supplier()] {
        let accounts: Vec<&AccountRecord> =
            ledger.accounts(entity, period).map(|(_, record)| record).collect();
        assert_eq!(accounts.len(), if entity == stavanger() { 5 } else { 3 });
        for record in accounts {
            let own: Vec<&PostingPlace> = places
                .iter()
                .filter(|place| (place.entity, place.account, place.period) == record.key())
                .collect();
            assert!((0..record.count).eq(own.iter().map(|place| place.sequence)), "{}", record.account);
            let chained: Vec<ChainedPosting> = own
                .iter()
                .map(|place| {
                    let leaf = codec::decode(&leaves[place.leaf.0 as usize], LEAF_BYTES_MAX).unwrap();
                    let Leaf::Transaction(booked) = leaf else { panic!("a posting stands in a transaction") };
                    let entry = &booked.entries[usize::from(place.entry)];
                    assert_eq!(entry.entity, entity);
                    postings::chained(entry, place.leaf).nth(usize::from(place.line)).unwrap()
                })
                .collect();
            let sums = postings::verify_postings(&record.chain, record.count, &chained);
            assert_eq!(sums, Ok((record.debit, record.credit)), "{}", record.account);
        }
    }
}

#[test]
fn accounts_of_a_period_are_found_without_reading_other_periods_or_entities() {
    let mut ledger = ledger();
    let transaction = invoice(&ledger, 1, 100);
    extend(&mut ledger, 1, vec![transaction]);
    let (april, may) = (Period::new(202_604).unwrap(), Period::new(202_605).unwrap());
    let accounts = |entity, period| {
        let found = ledger.accounts(entity, period).map(|(_, record)| record.account.to_string());
        found.collect::<Vec<_>>()
    };
    assert_eq!(accounts(supplier(), may), ["1500", "2700", "3000"]);
    assert_eq!(accounts(stavanger(), may), ["1.222.260", "1.222.429", "1.222.729", "2.16.610", "2.35.200"]);
    assert!(accounts(stavanger(), april).is_empty());
    assert!(accounts(stavanger(), may.next()).is_empty());
    assert_eq!(ledger.accounts_up_to(stavanger(), may.next()).count(), 5);
    assert_eq!(ledger.accounts_up_to(stavanger(), april).count(), 0);
    assert!(accounts(org(964_965_137), may).is_empty());
}

#[test]
fn a_refused_candidate_leaves_no_trace_in_the_block() {
    let mut ledger = ledger();
    let posted = invoice(&ledger, 1, 100);
    extend(&mut ledger, 1, vec![posted.clone()]);
    let good = [invoice(&ledger, 2, 100), invoice(&ledger, 3, 100)];
    let without = build(&ledger, &Parent::Finalized, 2, good.to_vec());
    let stranger = signed(ledger.chain(), 9, 4, Operation::RevokeKey { key: public(SUBMITTER) });
    let candidates = vec![posted, good[0].clone(), good[0].clone(), stranger, good[1].clone()];
    let proposed = ledger.propose(&Parent::Finalized, slot(2), &mut candidates.into_iter());
    assert_eq!(proposed.staged.header(), without.header());
    let reasons: Vec<&Refusal> = proposed.refused.iter().map(|(_, refusal)| refusal).collect();
    assert!(
        matches!(
            reasons[..],
            [
                Refusal::AlreadyPosted { leaf: LeafIndex(2), .. },
                Refusal::AlreadyPosted { leaf: LeafIndex(4), .. },
                Refusal::UnknownKey { .. }
            ]
        ),
        "{reasons:?}"
    );
}

#[test]
fn a_block_with_a_refused_transaction_is_not_staged() {
    let ledger = ledger();
    let good = invoice(&ledger, 1, 100);
    let staged = build(&ledger, &Parent::Finalized, 1, vec![good.clone()]);
    let twice = VerifiedBlock::from_own_proposal(staged.header().clone(), vec![good.clone(), good.clone()]);
    let error = ledger.verify(&Parent::Finalized, &twice).err().unwrap();
    let BlockError::Refused { transaction, refusal } = error else { panic!("{error}") };
    assert_eq!(transaction, good.id());
    assert!(matches!(refusal, Refusal::AlreadyPosted { leaf: LeafIndex(2), .. }), "{refusal}");
}

#[test]
fn a_header_that_says_anything_else_is_refused_for_just_that() {
    let mut ledger = ledger();
    let (first, second) = (invoice(&ledger, 1, 100), invoice(&ledger, 2, 100));
    extend(&mut ledger, 1, vec![first]);
    let staged = build(&ledger, &Parent::Finalized, 2, vec![second]);
    type Plant = fn(&mut Header);
    let planted: [(Plant, &str); 12] = [
        (|h| h.version = 1, "version 1, expected 2"),
        (|h| h.chain.0[0] ^= 1, "chain "),
        (|h| h.epoch = Epoch(1), "epoch 1, expected 0"),
        (|h| h.height = Height(3), "height 3, expected 2"),
        (|h| h.parent.0.0[0] ^= 1, "parent "),
        (|h| h.parent_view = View(0), "parent view 0, expected 1"),
        (|h| h.view = View(1), "view 1, expected a later one than the parent's 1"),
        (|h| h.proposer = 4, "proposer 4, expected one of 4 validators"),
        (|h| h.time = Timestamp(NOON.0 + 1), "time 1777896000001 ms, expected later than"),
        (|h| h.log_size += 1, "log size 7, expected 6"),
        (|h| h.log_root.0[0] ^= 1, "log root "),
        (|h| h.state_root.0[0] ^= 1, "state root "),
    ];
    for (plant, says) in planted {
        let mut header = staged.header().clone();
        plant(&mut header);
        let block = VerifiedBlock::from_own_proposal(header, staged.block().transactions().to_vec());
        let error = ledger.verify(&Parent::Finalized, &block).err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn a_leader_whose_clock_lags_takes_the_millisecond_after_the_parent() {
    let mut ledger = ledger();
    let late = Slot { time: Timestamp(0), ..slot(1) };
    let proposed = ledger.propose(&Parent::Finalized, late, &mut core::iter::empty());
    assert_eq!(proposed.staged.header().time, Timestamp(genesis().time.0 + 1));
    assert!(ledger.verify(&Parent::Finalized, proposed.staged.block()).is_ok());
    ledger.post(&proposed.staged);
    assert_eq!(ledger.head().time_after(Timestamp(5)), Timestamp(genesis().time.0 + 2));
    assert_eq!(ledger.head().time_after(NOON), NOON);
}

#[test]
fn a_block_takes_no_more_than_it_may_hold_and_hands_back_what_did_not_fit() {
    let ledger = ledger();
    let chain = ledger.chain();
    let operation = |i: u64| {
        let mandate = Mandate { entity: stavanger(), role: Role::Order, from: Date::MIN, to: Date::MAX };
        let mandates =
            (0..40).map(|day| Mandate { to: Date::new(20_260_101 + day % 28).unwrap(), ..mandate });
        let key = public((i % 50) as u8 + 130);
        Operation::GrantKey(NewKey { key, entity: stavanger(), holder: 7, mandates: mandates.collect() })
    };
    let one = signed(chain, REGISTRAR, 1, operation(1));
    let length = codec::encode(one.signed()).len();
    let mut candidates = (0..).map(|i| {
        // The signature is not what this is about.
        let mut signed = one.signed().clone();
        signed.transaction.id.number[8..].copy_from_slice(&u64::to_le_bytes(i));
        signed.transaction.operation = operation(i);
        VerifiedTransaction::from_own_store(signed, &chain)
    });
    let proposed = ledger.propose(&Parent::Finalized, slot(1), &mut candidates);
    let block = proposed.staged.block();
    assert_eq!(block.transactions().len(), BLOCK_BYTES_MAX / length);
    assert!(proposed.refused.is_empty() && proposed.left_over.is_some());
    assert!(ledger.verify(&Parent::Finalized, block).is_ok());
}

/// 120 assets bought by the supplier, on accounts of its own that carry over.
fn many_assets(chain: Digest, number: u64, day: &str) -> VerifiedTransaction {
    let day = Date::parse(day).unwrap();
    let account = |code: u16| Account::private(1000 + code);
    let line = |code| Line {
        account: account(code),
        net: Amount(100),
        vat_code: 0,
        regime: Regime::Cost,
        cost_centre: None,
        project: None,
    };
    let net = Amount(12_000);
    let document = Document {
        id: DocumentId {
            seller: stavanger(),
            number: InvoiceNumber::new(number.to_string()).unwrap(),
            issued: day,
        },
        kind: DocumentKind::Invoice,
        buyer: supplier(),
        date: day,
        tax_point: day,
        due: day,
        lines: (0..120).map(line).collect(),
        vat_totals: vec![VatTotal { code: 0, rate: Rate(0), base: net, vat: Amount::ZERO }],
        prepaid: Amount::ZERO,
        rounding: Amount::ZERO,
        payable: net,
        content: Digest([1; 32]),
        payee: Digest([2; 32]),
    };
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let id = PaymentId { submitter: supplier(), number: id };
    let transaction = Transaction { id, operation: Operation::RegisterDocument(document) };
    let signatures = vec![KeySignature { key: public(3), signature: Signature([0; 64]) }];
    VerifiedTransaction::from_own_store(SignedTransaction { transaction, signatures }, &chain)
}

#[test]
fn l9_late_postings_of_a_hostile_submitter_do_not_make_a_block_that_takes_longer_than_a_view() {
    let mut genesis = genesis();
    for entity in &mut genesis.entities {
        entity.books = Books::From(Period::new(200_605).unwrap());
    }
    let mandate = Mandate { entity: supplier(), role: Role::Submit, from: Date::MIN, to: Date::MAX };
    genesis.keys.push(NewKey { key: public(3), entity: supplier(), holder: 1, mandates: vec![mandate] });
    let mut ledger = Ledger::new(&genesis).unwrap();
    let chain = ledger.chain();
    let mut months = vec![Period::new(200_606).unwrap()];
    while months.len() < 239 {
        months.push(months[months.len() - 1].next());
    }
    let history = (0..).zip(&months).map(|(i, month)| many_assets(chain, i, &alloc::format!("{month}-01")));
    extend(&mut ledger, 1, history.collect());

    // Each moves the opening balance of 120 accounts in 239 later periods.
    let late = |i: u64| many_assets(chain, 1000 + i, "2006-05-31");
    let proposed = ledger.propose(&Parent::Finalized, slot(2), &mut (0..600).map(late));
    let block = proposed.staged.block();
    assert_eq!((block.transactions().len(), proposed.refused.len()), (2, 0));
    assert_eq!(proposed.left_over, Some(late(2)), "it waits for the next block");
    assert!(ledger.verify(&Parent::Finalized, block).is_ok());
    // A leader that packs more of them is at fault.
    let more = VerifiedBlock::from_own_proposal(block.header().clone(), (0..600).map(late).collect());
    let transaction = late(2).id();
    let verdict = ledger.verify(&Parent::Finalized, &more).map(drop);
    assert_eq!(verdict, Err(BlockError::LateMoves { transaction }));
}

#[test]
fn two_blocks_on_one_parent_stand_side_by_side_and_one_becomes_final() {
    let mut ledger = ledger();
    let parent = build(&ledger, &Parent::Finalized, 1, vec![invoice(&ledger, 1, 100)]);
    let on_parent = Parent::Staged(parent.clone());
    // Both book invoice 2; each sees only its own past.
    let left = build(&ledger, &on_parent, 2, vec![invoice(&ledger, 2, 100)]);
    let right = build(&ledger, &on_parent, 3, vec![invoice(&ledger, 3, 100), invoice(&ledger, 2, 100)]);
    assert_eq!(left.header().height, right.header().height);
    let on_left = build(&ledger, &Parent::Staged(left.clone()), 4, vec![invoice(&ledger, 4, 100)]);
    let on_right = build(&ledger, &Parent::Staged(right.clone()), 5, vec![invoice(&ledger, 4, 100)]);
    ledger.post(&parent);
    ledger.post(&right);
    assert_eq!(root(&ledger), right.header().state_root);
    // What stands on the final block goes on, also under its staged name; the other side ended.
    for parent in [Parent::Finalized, Parent::Staged(right.clone())] {
        assert_eq!(ledger.verify(&parent, on_right.block()).unwrap().head(), on_right.head());
    }
    let error = ledger.verify(&Parent::Staged(left), on_left.block()).err();
    assert_eq!(error, Some(BlockError::Detached { head: right.hash() }));
    let error = ledger.verify(&Parent::Staged(parent), right.block()).err();
    assert_eq!(error, Some(BlockError::Detached { head: right.hash() }));
    ledger.post(&on_right);
    assert_eq!(root(&ledger), on_right.header().state_root);
}

#[test]
#[should_panic(expected = "blocks are posted in order")]
fn a_block_is_not_posted_twice() {
    let mut ledger = ledger();
    let staged = extend(&mut ledger, 1, vec![]);
    ledger.post(&staged);
}

#[test]
fn a_chain_waiting_long_for_finality_goes_on_and_is_posted_as_it_was_staged() {
    let (mut staging, mut direct) = (ledger(), ledger());
    let mut parent = Parent::Finalized;
    let mut waiting = Vec::new();
    for view in 1..=150 {
        let transactions = vec![invoice(&direct, view, 100 + view as i64)];
        let expected = extend(&mut direct, view, transactions.clone());
        let staged = build(&staging, &parent, view, transactions);
        assert_eq!(staged.head(), expected.head());
        parent = Parent::Staged(staged.clone());
        waiting.push(staged);
        // The oldest become final now and then, in the middle of what was merged.
        if view % 50 == 0 {
            waiting.drain(..20).for_each(|staged| staging.post(&staged));
            assert_eq!(root(&staging), staging.head().state_root);
        }
    }
    waiting.iter().for_each(|staged| staging.post(staged));
    assert_eq!(staging.head(), direct.head());
    assert_eq!(staging.register_roots(), direct.register_roots());
    let series = staging.find::<SeriesRecord>(&(stavanger(), 2026)).unwrap();
    assert_eq!(series.next, 151, "rule L10: vouchers 1 to 150 are given");
}

#[test]
fn replaying_stored_blocks_gives_the_same_books() {
    let mut ledger = ledger();
    let mut stored = Vec::new();
    for view in 1..6 {
        let transactions = (0..view).map(|i| invoice(&ledger, view * 100 + i, 500)).collect();
        stored.push(codec::encode(&extend(&mut ledger, view, transactions).block().to_block()));
    }
    let mut replayed = Ledger::new(&Genesis::decode(&genesis().encode()).unwrap()).unwrap();
    for bytes in stored {
        let block: Block = codec::decode(&bytes, codec::ENCODED_BYTES_MAX).unwrap();
        let block = VerifiedBlock::from_own_store(block);
        let staged = replayed.verify(&Parent::Finalized, &block).unwrap();
        replayed.post(&staged);
    }
    assert_eq!(replayed.head(), ledger.head());
    assert_eq!(replayed.register_roots(), ledger.register_roots());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn staging_ahead_of_finality_changes_no_root(
        blocks in prop::collection::vec((0usize..4, 0usize..5), 1..12),
    ) {
        let (mut staging, mut direct) = (ledger(), ledger());
        let mut waiting: Vec<Arc<Staged>> = Vec::new();
        let mut number = 0;
        for (view, (count, posts)) in (1..).zip(blocks) {
            let transactions: Vec<_> = (0..count).map(|_| {
                number += 1;
                invoice(&direct, number, 10 + number as i64)
            }).collect();
            let parent = waiting.last().cloned().map_or(Parent::Finalized, Parent::Staged);
            let staged = build(&staging, &parent, view, transactions.clone());
            let expected = extend(&mut direct, view, transactions);
            prop_assert_eq!(staged.head(), expected.head());
            waiting.push(staged);
            for staged in waiting.drain(..posts.min(waiting.len())) {
                staging.post(&staged);
                prop_assert_eq!(root(&staging), staging.head().state_root);
            }
        }
        waiting.iter().for_each(|staged| staging.post(staged));
        prop_assert_eq!(staging.head(), direct.head());
        prop_assert_eq!(staging.register_roots(), direct.register_roots());
    }
}

/// `cargo test --release -p ledger --lib -- --ignored --nocapture what_executing_costs`
#[test]
#[ignore = "a measurement: prints what a validator's books do for a transaction, against one signature check"]
fn what_executing_costs_stays_near_what_a_signature_check_costs() {
    extern crate std;
    use std::time::Instant;

    let mut ledger = ledger();
    let sample = invoice(&ledger, 0, 100);
    let message = sample.transaction().signed_bytes(&ledger.chain());
    let signature = sample.signed().signatures[0];
    let begun = Instant::now();
    assert!((0..1000).all(|_| signature.key.verify(&message, &signature.signature)));
    let check_ns = begun.elapsed().as_nanos() / 1000;
    std::println!("one signature check alone {check_ns} ns");
    let (blocks, size) = (60u64, 1000u64);
    let mut sums = [0u128; 3];
    for view in 1..=blocks {
        let chain = ledger.chain();
        let transactions: Vec<VerifiedTransaction> = (0..size)
            .map(|i| {
                let mut signed = sample.signed().clone();
                let number = view * size + i;
                signed.transaction.id.number[..8].copy_from_slice(&number.to_le_bytes());
                if let Operation::RegisterDocument(document) = &mut signed.transaction.operation {
                    document.id.number = InvoiceNumber::new(number.to_string()).unwrap();
                }
                VerifiedTransaction::from_own_store(signed, &chain)
            })
            .collect();
        let staged = ledger.propose(&Parent::Finalized, slot(view), &mut transactions.into_iter()).staged;
        let begun = Instant::now();
        let verified = ledger.verify(&Parent::Finalized, staged.block()).unwrap();
        sums[0] += begun.elapsed().as_nanos();
        let begun = Instant::now();
        let places = verified.postings().len();
        sums[1] += begun.elapsed().as_nanos();
        assert_eq!(places, 8 * size as usize);
        let begun = Instant::now();
        ledger.post(&verified);
        sums[2] += begun.elapsed().as_nanos();
        if view % 20 == 0 {
            let each = sums.map(|sum| sum / u128::from(20 * size));
            let tenths = 10 * each.iter().sum::<u128>() / check_ns;
            std::println!(
                "after {} invoices, ns each: execute {}, index {}, post {}; {},{} signature checks",
                view * size,
                each[0],
                each[1],
                each[2],
                tenths / 10,
                tenths % 10
            );
            sums = [0; 3];
        }
    }
}
