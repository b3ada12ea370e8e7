//! Forks: any two chains that validators signed, however they signed, name at least 2q−n culprits,
//! and nobody else.
#![allow(clippy::unwrap_used)] // Helpers here are tests, too.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use ledger::block::{Block, BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Trust};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::finality::{FinalityError, ProvenHeader};
use ledger::fork::{FinalityProof, ForkError, culprits, double_cosigners};
use ledger::offence::{Offence, OffenceKind};
use ledger::signature::{PublicKey, Signature};
use ledger::time::Timestamp;

const CHAIN: Digest = Digest([7; 32]);
const EPOCH: Epoch = Epoch(2);
/// The block that the epoch starts from.
const START: BlockHash = BlockHash(Digest([1; 32]));

fn key(kind: u8, seat: usize) -> SigningKey {
    SigningKey::from_bytes(&Digest::of(&[&[kind], &seat.to_be_bytes()]).0)
}

fn set(n: usize) -> ValidatorSet {
    let public = |kind, seat| PublicKey(key(kind, seat).verifying_key().to_bytes());
    let numbers = (810_000_000..).filter_map(|number| OrgNumber::new(number).ok());
    let validators = numbers.take(n).enumerate().map(|(seat, entity)| Validator {
        entity,
        name: Name::new(format!("v{seat}.example/v1")).unwrap(),
        vote_key: public(1, seat),
        cosign_key: public(2, seat),
        peer_key: public(3, seat),
        governance_key: public(4, seat),
    });
    ValidatorSet { epoch: EPOCH, validators: validators.collect() }
}

/// A block that is told apart by `name`; its parent is the start of the epoch where none is given.
fn header(parent: Option<&Header>, view: u64, name: u8) -> Header {
    Header {
        version: PROTOCOL_VERSION,
        chain: CHAIN,
        epoch: EPOCH,
        view: View(view),
        height: parent.map_or(Height(11), |parent| parent.height.next()),
        parent_view: parent.map_or(View(0), |parent| parent.view),
        parent: parent.map_or(START, Header::hash),
        proposer: 0,
        time: Timestamp(1),
        payload: Block::payload(&[]),
        log_size: 30,
        log_root: Digest([name; 32]),
        state_root: Digest([name; 32]),
    }
}

/// Signs whatever it is asked, each statement of each seat once: whose signatures a certificate shows
/// is up to whoever asks.
struct Signers {
    n: usize,
    signed: BTreeMap<(usize, Statement), Signature>,
}

impl Signers {
    fn of(n: usize) -> Self {
        Self { n, signed: BTreeMap::new() }
    }

    fn certificate(&mut self, statement: Statement, seats: &[usize]) -> Certificate {
        let bytes = statement.signed_bytes(&CHAIN, EPOCH);
        let signature = |seat: &usize| {
            let sign = || Signature(key(1, *seat).sign(&bytes).to_bytes());
            (*seat as u16, *self.signed.entry((*seat, statement)).or_insert_with(sign))
        };
        let votes: Vec<_> = seats.iter().map(signature).collect();
        Certificate::from_votes(EPOCH, statement, self.n, &votes)
    }

    /// The chain's proof; `who` names the signers of each certificate.
    fn proof(&mut self, chain: &[Header], mut who: impl FnMut(&Statement) -> Vec<usize>) -> FinalityProof {
        let mut certify = |statement| {
            let seats = who(&statement);
            self.certificate(statement, &seats)
        };
        let mut blocks = vec![];
        for header in chain {
            let (view, block) = (header.view, header.hash());
            let notarization = certify(Statement::Notarize { view, block });
            let skips = (header.parent_view.0 + 1..view.0)
                .map(|view| certify(Statement::Nullify { view: View(view) }))
                .collect();
            blocks.push(ProvenHeader { header: header.clone(), notarization, skips });
        }
        let tip = chain.last().unwrap();
        let finalization = certify(Statement::Finalize { view: tip.view, block: tip.hash() });
        FinalityProof { blocks, finalization }
    }
}

/// Numbers from a seed, each below a bound.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// At least q of n, any.
    fn quorum(&mut self, n: usize) -> Vec<usize> {
        let mut seats: Vec<usize> = (0..n).collect();
        for place in 0..n {
            seats.swap(place, place + self.below(n - place));
        }
        let q = n - (n - 1) / 3;
        // Most often as few as possible, so that the search meets the least set.
        let more = if self.below(4) == 0 { self.below(n - q + 1) } else { 0 };
        seats.truncate(q + more);
        seats.sort_unstable();
        seats
    }

    /// A chain over some of five views; blocks of one view and parent are one of two.
    fn chain(&mut self, on: &[Header]) -> Vec<Header> {
        let mut chain = on.to_vec();
        let from = chain.last().map_or(0, |header| header.view.0);
        for view in from + 1..=5 {
            if self.below(2) == 0 {
                chain.push(header(chain.last(), view, self.below(2) as u8));
            }
        }
        if chain.is_empty() {
            chain.push(header(None, 5, 0));
        }
        chain
    }
}

#[test]
fn any_two_contradicting_proofs_name_at_least_2q_minus_n_who_contradict_themselves() {
    for n in [4, 5, 6, 7, 10] {
        let (validators, mut signers, mut dice) = (set(n), Signers::of(n), Dice(n as u64));
        let (f, q) = ((n - 1) / 3, n - (n - 1) / 3);
        let (mut forks, mut least) = (0, usize::MAX);
        while forks < 120 {
            let one = dice.chain(&[]);
            let shared = dice.below(one.len() + 1);
            let other = dice.chain(&one[..shared]);
            let a = signers.proof(&one, |_| dice.quorum(n));
            let b = signers.proof(&other, |_| dice.quorum(n));
            let found = culprits(&CHAIN, &validators, &a, &b);
            let (tip, end) = (one.last().unwrap(), other.last().unwrap());
            let related = one.contains(end) || other.contains(tip);
            if related {
                assert!(matches!(found, Err(ForkError::NoFork { .. })), "{found:?}");
                continue;
            }
            let found = found.unwrap();
            forks += 1;
            least = least.min(found.len());
            assert!(found.len() >= 2 * q - n && found.len() > f);
            for (culprit, after) in found.iter().zip(found.iter().skip(1)) {
                assert!(culprit.signer < after.signer);
            }
            for culprit in &found {
                let offence = Offence { first: culprit.first, second: culprit.second };
                assert_eq!(culprit.first.signer, culprit.signer);
                assert_eq!(culprit.first.statement.view(), culprit.view);
                assert!(offence.kind().is_some());
                let key = validators.validators[usize::from(culprit.signer)].vote_key;
                assert!(offence.is_signed_by(&key, &CHAIN));
            }
            let turned = culprits(&CHAIN, &validators, &b, &a).unwrap();
            let signers =
                |found: &[ledger::fork::Culprit]| found.iter().map(|c| c.signer).collect::<Vec<_>>();
            assert_eq!(signers(&turned), signers(&found));
        }
        assert_eq!(least, 2 * q - n, "of {n}");
    }
}

#[test]
fn a_finalized_and_a_nullified_view_convict_whoever_signed_both() {
    let (validators, mut signers) = (set(4), Signers::of(4));
    let first = header(None, 1, 1);
    let a = signers.proof(&[first], |_| vec![0, 1, 2]);
    let later = header(None, 3, 2);
    let b = signers.proof(&[later], |_| vec![1, 2, 3]);
    let found = culprits(&CHAIN, &validators, &a, &b).unwrap();
    assert_eq!(found.iter().map(|culprit| culprit.signer).collect::<Vec<_>>(), [1, 2]);
    for culprit in found {
        let kind = OffenceKind::of(&culprit.first.statement, &culprit.second.statement);
        assert_eq!((kind, culprit.view), (Some(OffenceKind::FinalizeAndNullify), View(1)));
    }
}

#[test]
fn without_the_nullification_nobody_is_accused_of_what_a_correct_validator_may_do() {
    let (validators, mut signers) = (set(4), Signers::of(4));
    // Finalized in view 1 by three. Two of them and the fourth notarize and finalize in view 2 on the
    // start of the epoch: to a correct one somebody may have shown a nullification of view 1.
    let a = signers.proof(&[header(None, 1, 1)], |_| vec![0, 1, 2]);
    let good = signers.proof(&[header(None, 2, 2)], |_| vec![0, 1, 3]);
    let mut b = good.clone();
    b.blocks[0].skips.clear();
    let refusal = culprits(&CHAIN, &validators, &a, &b).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Skips { expected: 1, found: 0, .. })));
    assert_eq!(culprits(&CHAIN, &validators, &b, &a).unwrap_err(), refusal);
    // With it, the two are guilty.
    assert_eq!(culprits(&CHAIN, &validators, &a, &good).unwrap().len(), 2);
    // A notarization that is of another block, or of too few, proves as little.
    let mut other = good.clone();
    other.blocks[0].notarization = a.blocks[0].notarization.clone();
    let refusal = culprits(&CHAIN, &validators, &a, &other).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Statement { .. })));
    let mut few = good;
    let statement = few.blocks[0].notarization.statement;
    few.blocks[0].notarization = signers.certificate(statement, &[0, 1]);
    let refusal = culprits(&CHAIN, &validators, &a, &few).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Certificate { .. })));
}

#[test]
fn a_stretch_that_begins_after_the_other_tip_is_asked_for_more_blocks() {
    let (validators, mut signers) = (set(4), Signers::of(4));
    let tip = header(None, 2, 1);
    let a = signers.proof(&[tip], |_| vec![0, 1, 2]);
    let root = header(None, 1, 2);
    let middle = header(Some(&root), 3, 2);
    let top = header(Some(&middle), 4, 2);
    let whole = signers.proof(&[root, middle, top], |_| vec![1, 2, 3]);
    let mut short = whole.clone();
    short.blocks.drain(..2);
    assert_eq!(
        culprits(&CHAIN, &validators, &a, &short).unwrap_err().to_string(),
        "the proof of the higher tip begins on view 3, the lower tip is of view 2; give its blocks from below that view on"
    );
    assert_eq!(culprits(&CHAIN, &validators, &a, &whole).unwrap().len(), 2);
    short.blocks.clear();
    assert!(matches!(culprits(&CHAIN, &validators, &a, &short), Err(ForkError::Empty { .. })));
    // Right on the other tip it begins late enough.
    let grown = header(Some(&header(None, 2, 1)), 3, 3);
    let child = signers.proof(&[grown], |_| vec![0, 1, 2]);
    assert!(matches!(culprits(&CHAIN, &validators, &a, &child), Err(ForkError::NoFork { .. })));
}

#[test]
fn headers_that_are_no_chain_are_no_proof() {
    let (validators, mut signers) = (set(4), Signers::of(4));
    let a = signers.proof(&[header(None, 1, 1)], |_| vec![0, 1, 2]);
    let (one, stray) = (header(None, 1, 2), header(None, 2, 3));
    let torn = signers.proof(&[one, stray], |_| vec![1, 2, 3]);
    let refusal = culprits(&CHAIN, &validators, &a, &torn).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Parent { .. })));
    let refusal = culprits(&Digest([8; 32]), &validators, &a, &torn).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Chain { .. })));
    let other = ValidatorSet { epoch: Epoch(3), ..validators };
    let refusal = culprits(&CHAIN, &other, &a, &torn).unwrap_err();
    assert!(matches!(refusal, ForkError::Proof(FinalityError::Epoch { .. })));
}

#[test]
fn two_roots_of_one_size_name_those_who_cosigned_both() {
    let validators = set(4);
    let origin = format!("hovedbok.example/{:.16}", CHAIN.to_hex());
    let trust = Trust::new(origin.clone(), CHAIN, validators).unwrap();
    let certified = |size, root: u8, seats: [u16; 3]| {
        let checkpoint = Checkpoint { origin: origin.clone(), size, root: Digest([root; 32]) };
        let sign = |seat: u16| Cosignature::sign(seat, &checkpoint, 5, &key(2, usize::from(seat)));
        CertifiedCheckpoint::assemble(checkpoint.clone(), &seats.map(sign), &trust).unwrap()
    };
    let (a, b) = (certified(9, 1, [2, 0, 1]), certified(9, 2, [3, 1, 2]));
    let found = double_cosigners(&trust, &a, &b).unwrap();
    assert_eq!(found.iter().map(|one| (one.epoch, one.signer)).collect::<Vec<_>>(), [(EPOCH, 1), (EPOCH, 2)]);
    for one in found {
        assert_eq!(one.first.verify(a.claimed(), &trust, None), Ok(()));
        assert_eq!(one.second.verify(b.claimed(), &trust, None), Ok(()));
    }
    for other in [certified(9, 1, [1, 2, 3]), certified(10, 2, [1, 2, 3])] {
        assert!(matches!(double_cosigners(&trust, &a, &other), Err(ForkError::NoConflict { first: 9, .. })));
    }
    let spoilt = CertifiedCheckpoint::parse(&b.to_text().replace("\n9\n", "\n10\n")).unwrap();
    assert!(matches!(double_cosigners(&trust, &a, &spoilt), Err(ForkError::Checkpoint(_))));
}
