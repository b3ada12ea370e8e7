//! The small chain after its first epoch: one validator leaves, one enters, one takes new keys; then
//! recovery.

use std::sync::OnceLock;

use super::*;
use ledger::certificate::{Certificate, Vote};
use ledger::finality::{Finality, FinalizedBlock, ProvenHeader};
use ledger::governance::{Change, Entrant, Ready, Recovery};
use ledger::handoff::{Handoff, HandoffProof};
use ledger::offence::Offence;

/// The keys of a validator: votes by VOTE + `key`, and so on.
fn validator(entity: u32, number: u8, key: u8) -> Validator {
    Validator {
        entity: org(entity),
        name: name(&format!("kommune{number}.example/v1")),
        vote_key: public(VOTE + key),
        cosign_key: public(COSIGN + key),
        peer_key: public(PEER + key),
        governance_key: public(GOVERNANCE + key),
    }
}

/// Who enters, with the number of its vote key.
pub(crate) fn entrants() -> [(Validator, u8); 2] {
    [(validator(888_888_888, 5, 4), VOTE + 4), (validator(974_761_076, 4, 5), VOTE + 5)]
}

pub(crate) fn ready_for(validator: &Validator, vote: u8) -> Ready {
    let root = Digest([0xd0; 32]);
    Ready::sign(&chain(), Height(2), root, validator, &private(vote))
}

pub(crate) fn change() -> Change {
    static ONCE: OnceLock<Change> = OnceLock::new();
    ONCE.get_or_init(|| {
        let enter =
            entrants().map(|(validator, vote)| Entrant { ready: ready_for(&validator, vote), validator });
        Change { epoch: Epoch(0), leave: vec![org(964_965_226)], enter: enter.to_vec() }
    })
    .clone()
}

/// The sets of epochs 0, 1 and 2, with the number of each seat's key.
fn sets() -> [(ValidatorSet, Vec<u8>); 3] {
    let first = validators();
    let second = change().next_set(&first).unwrap();
    let third = recovery().next_set();
    [(first, vec![0, 1, 2, 3]), (second, vec![1, 2, 5, 4]), (third, vec![4, 5, 2, 1])]
}

/// The leaves up to the block that ends epoch 0, the next, and the recovery block.
pub(crate) fn all_leaves() -> Vec<Vec<u8>> {
    static ONCE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let booked = |signed| codec::encode(&Leaf::Transaction(Booked { signed, entries: vec![] }));
        let begins = |set: &ValidatorSet| {
            codec::encode(&Leaf::Epoch { epoch: set.epoch, chain: chain(), validators: set.digest() })
        };
        let mut leaves = before_recovery();
        leaves.push(booked(recover_transaction()));
        leaves.push(begins(&sets()[2].0));
        leaves.push(seal_of(Epoch(2), 5, 23, 24, 2));
        leaves
    })
    .clone()
}

fn before_recovery() -> Vec<Vec<u8>> {
    static ONCE: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let booked = |signed| codec::encode(&Leaf::Transaction(Booked { signed, entries: vec![] }));
        let second = change().next_set(&validators()).unwrap();
        let mut leaves = leaves();
        leaves.push(booked(change_transaction()));
        let begins = Leaf::Epoch { epoch: Epoch(1), chain: chain(), validators: second.digest() };
        leaves.push(codec::encode(&begins));
        leaves.push(seal_of(Epoch(0), 3, 18, 19, 2));
        leaves.push(booked(signed(78, Operation::Attest { document: invoice_id() }, &[ATTEST])));
        leaves.push(seal_of(Epoch(1), 4, 21, 22, 1));
        leaves
    })
    .clone()
}

fn change_transaction() -> SignedTransaction {
    let keys = [GOVERNANCE, GOVERNANCE + 1, GOVERNANCE + 2];
    signed(79, Operation::ChangeValidators(change()), &keys)
}

fn recover_transaction() -> SignedTransaction {
    let keys = [GOVERNANCE + 1, GOVERNANCE + 2, GOVERNANCE + 4];
    signed(80, Operation::Recover(recovery()), &keys)
}

pub(crate) fn recovery() -> Recovery {
    static ONCE: OnceLock<Recovery> = OnceLock::new();
    ONCE.get_or_init(|| {
        let second = change().next_set(&validators()).unwrap();
        Recovery {
            epoch: Epoch(1),
            height: Height(4),
            block: BlockHash(Digest([0xab; 32])),
            log_size: 24,
            log_root: checkpoint(&before_recovery()).root,
            time: Timestamp(1_772_600_000_000),
            validators: second.validators.into_iter().rev().collect(),
        }
    })
    .clone()
}

pub(crate) fn offence() -> Offence {
    let view = View(258);
    let vote = |statement: Statement| {
        let signature = sign(VOTE + 3, &statement.signed_bytes(&chain(), Epoch(0)));
        Vote { epoch: Epoch(0), statement, signer: 3, signature }
    };
    let block = |byte| BlockHash(Digest([byte; 32]));
    Offence {
        first: vote(Statement::Notarize { view, block: block(0xbb) }),
        second: vote(Statement::Finalize { view, block: block(0xcc) }),
    }
}

fn certificate(statement: Statement) -> Certificate {
    let bytes = statement.signed_bytes(&chain(), Epoch(0));
    let votes: Vec<_> = (0..3u16).map(|seat| (seat, sign(VOTE + seat as u8, &bytes))).collect();
    Certificate::from_votes(Epoch(0), statement, 4, &votes)
}

/// The block that ends epoch 0, final by one closing block after a skipped view.
pub(crate) fn end() -> FinalizedBlock {
    let transactions = vec![change_transaction()];
    let header = Header {
        view: View(7),
        height: Height(3),
        parent_view: View(6),
        payload: Block::payload(&transactions),
        log_size: 22,
        log_root: checkpoint(&before_recovery()[..22]).root,
        ..header()
    };
    let closing = Header {
        view: View(9),
        height: Height(4),
        parent_view: View(7),
        parent: header.hash(),
        time: Timestamp(header.time.0 + 1000),
        payload: Block::payload(&[]),
        ..header.clone()
    };
    let notarize = |header: &Header| Statement::Notarize { view: header.view, block: header.hash() };
    let finality = Finality::Voted {
        notarization: certificate(notarize(&header)),
        skips: vec![],
        finalization: Some(certificate(Statement::Finalize { view: View(9), block: closing.hash() })),
        closing: vec![ProvenHeader {
            notarization: certificate(notarize(&closing)),
            skips: vec![certificate(Statement::Nullify { view: View(8) })],
            header: closing,
        }],
    };
    FinalizedBlock { block: Block { header, transactions }, finality }
}

pub(crate) fn handoffs() -> Vec<Handoff> {
    static ONCE: OnceLock<Vec<Handoff>> = OnceLock::new();
    ONCE.get_or_init(|| {
        let [_, (second, _), (third, _)] = sets();
        let proof = HandoffProof::Recovery { transaction: recover_transaction() };
        vec![
            Handoff::new(&end(), second, path(&before_recovery()[..22], 20)).unwrap(),
            Handoff { validators: third, proof },
        ]
    })
    .clone()
}

/// The first handoff with a name altered in the set that takes over.
pub(crate) fn altered() -> Handoff {
    let mut handoff = handoffs().remove(0);
    handoff.validators.validators[3].name = name("kommune6.example/v1");
    handoff
}

/// Spoils the parts of a change: headers, finalization, path.
type EditChange = dyn Fn(&mut Vec<Header>, &mut Certificate, &mut Vec<Digest>);

/// Handoffs one after another; whether the last of them holds after those before it, and why.
pub(crate) fn cases() -> Vec<(bool, &'static str, Vec<Handoff>)> {
    let good = handoffs();
    let edited = |place: usize, edit: &dyn Fn(&mut Handoff)| {
        let mut handoffs = good[..=place].to_vec();
        edit(&mut handoffs[place]);
        handoffs
    };
    let change = |edit: &EditChange| {
        edited(0, &|handoff| {
            if let HandoffProof::Change { headers, finalization, path } = &mut handoff.proof {
                edit(headers, finalization, path);
            }
        })
    };
    let recover = |edit: &dyn Fn(&mut SignedTransaction)| {
        edited(1, &|handoff| {
            if let HandoffProof::Recovery { transaction } = &mut handoff.proof {
                edit(transaction);
            }
        })
    };
    vec![
        (true, "a change, final by a closing block", good[..1].to_vec()),
        (true, "a change, then recovery", good.clone()),
        (true, "taken again", vec![good[0].clone(), good[0].clone()]),
        (false, "recovery, with the change left out", good[1..].to_vec()),
        (false, "a name altered in the set that takes over", vec![altered()]),
        (false, "two seats exchanged", edited(0, &|handoff| handoff.validators.validators.swap(0, 1))),
        (false, "the closing block left out", change(&|headers, _, _| headers.truncate(1))),
        (false, "no header at all", change(&|headers, _, _| headers.clear())),
        (false, "a signature left out", change(&|_, finalization, _| finalization.signatures.truncate(2))),
        (
            false,
            "a signature exchanged for another of the same",
            change(&|_, finalization, _| finalization.signatures[1] = finalization.signatures[0]),
        ),
        (
            false,
            "a notarization where a finalization must be",
            change(&|headers, finalization, _| {
                let (view, block) = (headers[1].view, headers[1].hash());
                *finalization = certificate(Statement::Notarize { view, block });
            }),
        ),
        (false, "a hash missing from the path", change(&|_, _, path| path.truncate(1))),
        (false, "recovery by two of four", recover(&|signed| signed.signatures.truncate(2))),
        (
            false,
            "recovery from another size, not signed",
            recover(&|signed| {
                if let Operation::Recover(recovery) = &mut signed.transaction.operation {
                    recovery.log_size -= 1;
                }
            }),
        ),
    ]
}

fn certify_by(epoch: usize, size: usize, seats: [u16; 3]) -> CertifiedCheckpoint {
    let checkpoint = checkpoint(&all_leaves()[..size]);
    let (set, keys) = &sets()[epoch];
    let cosign = |seat: u16| {
        let key = private(COSIGN + keys[usize::from(seat)]);
        Cosignature::sign(seat, &checkpoint, NOW.0 / 1000 - 60 + u64::from(seat), &key)
    };
    let alone = Trust::new(genesis().origin(), chain(), set.clone()).unwrap();
    CertifiedCheckpoint::assemble(checkpoint.clone(), &seats.map(cosign), &alone).unwrap()
}

/// The invoice under a later checkpoint, with so many handoffs as lead there, or with these.
pub(crate) fn receipt(size: usize, count: usize, handoffs: Option<&[Handoff]>) -> Vec<u8> {
    let (epoch, seats) = match size {
        22 => (0, [0, 1, 2]),
        24 => (1, [0, 2, 3]),
        _ => (2, [0, 1, 3]),
    };
    let lead = self::handoffs()[..count.min(epoch)].to_vec();
    let leaves = &all_leaves()[..size];
    let handoffs = handoffs.map_or(lead, <[Handoff]>::to_vec);
    let checkpoint = certify_by(epoch, size, seats);
    let receipt = Receipt::new(leaves[6].clone(), LeafIndex(6), path(leaves, 6), checkpoint, None, handoffs);
    receipt.to_text().into_bytes()
}

/// The first set signs a size after its epoch's end; the handoff is there.
pub(crate) fn old_validators() -> Vec<u8> {
    let leaves = &all_leaves()[..24];
    let checkpoint = certify_by(0, 24, [0, 1, 3]);
    let handoffs = handoffs()[..1].to_vec();
    let receipt = Receipt::new(leaves[6].clone(), LeafIndex(6), path(leaves, 6), checkpoint, None, handoffs);
    receipt.to_text().into_bytes()
}
