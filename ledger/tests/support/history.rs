//! A chain whose validator set changes: real books, every block voted on, every handoff kept.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use ledger::block::{Epoch, View};
use ledger::books::{Ledger, Parent, Slot, Staged};
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Trust};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::finality::{Finality, FinalizedBlock, ProvenHeader};
use ledger::genesis::Genesis;
use ledger::governance::{Change, Entrant, Ready, Recovery};
use ledger::handoff::Handoff;
use ledger::receipt::Receipt;
use ledger::signature::{PublicKey, Signature};
use ledger::time::Timestamp;
use ledger::transaction::{
    KeySignature, Operation, PaymentId, SignedTransaction, Transaction, VerifiedTransaction,
};
use ledger::tree::{self, Frontier, leaf_hash};

const BEGIN: Timestamp = Timestamp(1_777_896_000_000);

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// So many empty blocks, every second one after a skipped view.
    Blocks(usize),
    /// A change of the set, as far as it stays possible.
    Change {
        /// How many leave.
        leave: usize,
        /// How many enter.
        enter: usize,
        /// How many take new keys.
        rotate: usize,
        /// Closing blocks that carry finality.
        closing: usize,
    },
    /// Everybody takes a new vote key by recovery.
    Recovery,
}

/// A certified checkpoint.
pub(crate) struct End {
    pub(crate) epoch: Epoch,
    pub(crate) size: u64,
    pub(crate) certified: CertifiedCheckpoint,
}

pub(crate) struct History {
    pub(crate) genesis: Genesis,
    pub(crate) ledger: Ledger,
    pub(crate) leaves: Vec<Vec<u8>>,
    pub(crate) blocks: Vec<FinalizedBlock>,
    pub(crate) handoffs: Vec<Handoff>,
    /// Leaves before each epoch.
    pub(crate) starts: Vec<u64>,
    /// One at the end of each block.
    pub(crate) checkpoints: Vec<End>,
    keys: BTreeMap<PublicKey, SigningKey>,
    seats: u64,
    sent: u64,
    view: u64,
}

/// A number with a valid check digit, different for each index.
fn org(index: u64) -> OrgNumber {
    let valid = (0..).map(|i| 810_000_000 + i).filter_map(|number| OrgNumber::new(number).ok());
    valid.clone().nth(index as usize).unwrap()
}

impl History {
    pub(crate) fn of(validators: usize) -> Self {
        Self::named(validators, "hovedbok.example")
    }

    pub(crate) fn named(validators: usize, name: &str) -> Self {
        let mut keys = BTreeMap::new();
        let set = (0..validators as u64).map(|seat| validator(&mut keys, seat, 0)).collect();
        let genesis = Genesis {
            name: name.into(),
            time: BEGIN,
            validators: ValidatorSet { epoch: Epoch(0), validators: set },
            parameters: ledger::booking::parse(include_str!("../../../node/genesis/booking.txt")).unwrap(),
            entities: vec![],
            keys: vec![],
            codes: vec![],
        };
        let ledger = Ledger::new(&genesis).unwrap();
        let leaves = ledger.genesis_leaves().to_vec();
        Self {
            genesis,
            ledger,
            leaves,
            blocks: vec![],
            handoffs: vec![],
            starts: vec![0],
            checkpoints: vec![],
            keys,
            seats: validators as u64,
            sent: 0,
            view: 0,
        }
    }

    pub(crate) fn genesis_trust(&self) -> Trust {
        let genesis = &self.genesis;
        Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone()).unwrap()
    }

    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Blocks(count) => (0..count).for_each(|_| self.block(vec![], 0)),
            Step::Change { leave, enter, rotate, closing } => self.change(leave, enter, rotate, closing),
            Step::Recovery => self.recover(),
        }
    }

    fn change(&mut self, leave: usize, enter: usize, rotate: usize, closing: usize) {
        let set = self.ledger.validators().clone();
        let leave = leave.min((set.len() + enter).saturating_sub(4)).min(set.len());
        self.sent += 1;
        let generation = self.sent;
        let rotating = set.validators[leave..].iter().take(rotate).cloned().collect::<Vec<_>>();
        let mut enter: Vec<Validator> = (0..enter)
            .map(|_| {
                self.seats += 1;
                validator(&mut self.keys, self.seats - 1, 0)
            })
            .collect();
        for old in rotating {
            let seat = (0..self.seats).find(|seat| org(*seat) == old.entity).unwrap();
            enter.push(validator(&mut self.keys, seat, generation));
        }
        let leave: Vec<OrgNumber> = set.validators[..leave].iter().map(|seat| seat.entity).collect();
        if leave.is_empty() && enter.is_empty() {
            return;
        }
        let (chain, head) = (self.ledger.chain(), self.ledger.head());
        let (height, root) = (head.height, head.log.root());
        let enter = enter
            .into_iter()
            .map(|validator| {
                let ready = Ready::sign(&chain, height, root, &validator, &self.keys[&validator.vote_key]);
                Entrant { validator, ready }
            })
            .collect();
        let operation = Operation::ChangeValidators(Change { epoch: set.epoch, leave, enter });
        let signers: Vec<u16> = (0..set.quorum() as u16).collect();
        let change = self.governed(operation, &signers, &[]);
        self.block(vec![change.verify(&chain).unwrap()], closing);
    }

    fn recover(&mut self) {
        let signers: Vec<u16> = (0..self.ledger.validators().quorum() as u16).collect();
        let transaction = self.recovery(&signers, &[]);
        let mut keys = core::mem::take(&mut self.keys);
        self.renewed(&mut keys);
        self.keys = keys;
        let staged = self.ledger.recover(transaction.verify(&self.ledger.chain()).unwrap()).unwrap();
        let starts = self.leaves.len() as u64;
        self.leaves.extend_from_slice(staged.leaves());
        self.ledger.post(&staged);
        let block = FinalizedBlock { block: staged.block().to_block(), finality: Finality::Recovered };
        let handoff = Handoff::new(&block, self.ledger.validators().clone(), vec![]).unwrap();
        self.begins(block, handoff, starts);
        self.checkpoint();
    }

    /// The validators in another order, all with new keys.
    fn renewed(&self, keys: &mut BTreeMap<PublicKey, SigningKey>) -> Vec<Validator> {
        let set = self.ledger.validators();
        let number = |entity| (0..self.seats).find(|seat| org(*seat) == entity).unwrap();
        let seats = set.validators.iter().rev().map(|seat| number(seat.entity));
        seats.map(|seat| validator(keys, seat, 1000 + set.epoch.0)).collect()
    }

    fn begins(&mut self, block: FinalizedBlock, handoff: Handoff, starts: u64) {
        self.blocks.push(block);
        self.handoffs.push(handoff);
        self.starts.push(starts);
        self.view = 0;
    }

    /// The recovery that these seats sign, and strangers' keys, to everybody's next keys.
    pub(crate) fn recovery(&self, signers: &[u16], strangers: &[u16]) -> SignedTransaction {
        let (set, head) = (self.ledger.validators(), self.ledger.head());
        let recovery = Recovery {
            epoch: set.epoch,
            height: head.height,
            block: head.block,
            log_size: head.log.size(),
            log_root: head.log.root(),
            time: Timestamp(head.time.0 + 5000),
            validators: self.renewed(&mut BTreeMap::new()),
        };
        self.governed(Operation::Recover(recovery), signers, strangers)
    }

    pub(crate) fn recovery_handoff(&self, signers: &[u16], strangers: &[u16]) -> Handoff {
        let transaction = self.recovery(signers, strangers);
        let Operation::Recover(recovery) = &transaction.transaction.operation else { unreachable!() };
        let validators = recovery.next_set();
        Handoff { validators, proof: ledger::handoff::HandoffProof::Recovery { transaction } }
    }

    fn governed(&self, operation: Operation, signers: &[u16], strangers: &[u16]) -> SignedTransaction {
        let seats = &self.ledger.validators().validators;
        let mut number = [0; 16];
        number[..8].copy_from_slice(&(self.blocks.len() as u64).to_le_bytes());
        let id = PaymentId { submitter: seats[usize::from(signers[0])].entity, number };
        let transaction = Transaction { id, operation };
        let bytes = transaction.signed_bytes(&self.ledger.chain());
        let own = signers.iter().map(|seat| self.keys[&seats[usize::from(*seat)].governance_key].clone());
        let others = strangers.iter().map(|number| secret("stranger", u64::from(*number), 0));
        let mut signatures: Vec<KeySignature> = own
            .chain(others)
            .map(|key| KeySignature { key: public(&key), signature: Signature(key.sign(&bytes).to_bytes()) })
            .collect();
        signatures.sort_by_key(|signature| signature.key);
        SignedTransaction { transaction, signatures }
    }

    /// Proposes, votes, posts. A block that ends its epoch gets so many closing blocks first.
    fn block(&mut self, transactions: Vec<VerifiedTransaction>, closing: usize) {
        let set = self.ledger.validators().clone();
        let staged = self.propose(&Parent::Finalized, transactions);
        let mut last = staged.clone();
        let mut closed = vec![];
        for _ in 0..if staged.ends_epoch() { closing } else { 0 } {
            last = self.propose(&Parent::Staged(last.clone()), vec![]);
            assert!(last.is_closing());
            let (notarization, skips) = self.notarized(&set, &last);
            closed.push(ProvenHeader { header: last.header().clone(), notarization, skips });
        }
        let (notarization, skips) = self.notarized(&set, &staged);
        let statement = Statement::Finalize { view: last.header().view, block: last.hash() };
        let finalization = Some(self.by_quorum(&set, statement));
        let finality = Finality::Voted { notarization, skips, finalization, closing: closed };
        let block = FinalizedBlock { block: staged.block().to_block(), finality };
        block.verify(&self.ledger.chain(), &set).unwrap();
        self.leaves.extend_from_slice(staged.leaves());
        self.ledger.post(&staged);
        let size = self.leaves.len() as u64;
        if let Some(next) = staged.next_validators() {
            self.certified(&set);
            let (_, path) = self.proof(size - 2, size);
            let handoff = Handoff::new(&block, next.clone(), path).unwrap();
            self.begins(block, handoff, size);
        } else {
            self.blocks.push(block);
            self.checkpoint();
        }
    }

    fn propose(&mut self, parent: &Parent, transactions: Vec<VerifiedTransaction>) -> Arc<Staged> {
        self.view += 1 + self.view % 2;
        let set = self.ledger.validators();
        let (epoch, view) = (set.epoch, View(self.view));
        let proposer = (self.view % set.len() as u64) as u16;
        let slot = Slot { epoch, view, proposer, time: BEGIN };
        let proposed = self.ledger.propose(parent, slot, &mut transactions.into_iter());
        assert_eq!(proposed.refused, vec![]);
        self.ledger.verify(parent, proposed.staged.block()).unwrap()
    }

    fn notarized(&self, set: &ValidatorSet, staged: &Staged) -> (Certificate, Vec<Certificate>) {
        let header = staged.header();
        let notarize = Statement::Notarize { view: header.view, block: staged.hash() };
        let skipped = header.parent_view.0 + 1..header.view.0;
        let skips = skipped.map(|view| self.by_quorum(set, Statement::Nullify { view: View(view) }));
        (self.by_quorum(set, notarize), skips.collect())
    }

    fn by_quorum(&self, set: &ValidatorSet, statement: Statement) -> Certificate {
        let signers: Vec<u16> = (0..set.quorum() as u16).collect();
        self.certificate(set, set.epoch, statement, &signers)
    }

    pub(crate) fn certificate(
        &self,
        set: &ValidatorSet,
        epoch: Epoch,
        statement: Statement,
        signers: &[u16],
    ) -> Certificate {
        let bytes = statement.signed_bytes(&self.ledger.chain(), epoch);
        let sign = |seat: &u16| {
            let key = &self.keys[&set.validators[usize::from(*seat)].vote_key];
            (*seat, Signature(key.sign(&bytes).to_bytes()))
        };
        let votes: Vec<_> = signers.iter().map(sign).collect();
        Certificate::from_votes(epoch, statement, set.len(), &votes)
    }

    fn checkpoint(&mut self) {
        let set = self.ledger.validators().clone();
        self.certified(&set);
    }

    /// The end of the log, certified by this set.
    fn certified(&mut self, set: &ValidatorSet) {
        let size = self.leaves.len() as u64;
        let all: Vec<u16> = (0..set.quorum() as u16).collect();
        let certified = self.certify(set, size, &all);
        self.checkpoints.push(End { epoch: set.epoch, size, certified });
    }

    /// The checkpoint of this size as these seats of any set cosign it, whether they may or not.
    pub(crate) fn certify(&self, set: &ValidatorSet, size: u64, signers: &[u16]) -> CertifiedCheckpoint {
        let mut log = Frontier::new();
        self.leaves[..size as usize].iter().for_each(|leaf| log.push(leaf_hash(leaf)));
        let checkpoint = Checkpoint { origin: self.genesis.origin(), size, root: log.root() };
        let sign = |seat: &u16| {
            let key = &self.keys[&set.validators[usize::from(*seat)].cosign_key];
            Cosignature::sign(*seat, &checkpoint, BEGIN.0 / 1000, key)
        };
        let cosignatures: Vec<_> = signers.iter().map(sign).collect();
        // Whoever believes in this set alone puts the note together.
        let believer = Trust::new(self.genesis.origin(), self.genesis.hash(), set.clone()).unwrap();
        CertifiedCheckpoint::assemble(checkpoint, &cosignatures, &believer).unwrap()
    }

    /// A leaf and its inclusion path.
    pub(crate) fn proof(&self, index: u64, size: u64) -> (Vec<u8>, Vec<Digest>) {
        let hashes: Vec<Digest> = self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let node = |level: u8, index: u64| {
            let start = (index << level) as usize;
            let mut row = hashes.get(start..start + (1 << level))?.to_vec();
            while row.len() > 1 {
                row = tree::parents(&row);
            }
            row.first().copied()
        };
        let path = tree::inclusion_proof(index, size, node).unwrap();
        (self.leaves[index as usize].clone(), path)
    }

    pub(crate) fn receipt(&self, index: u64, end: &End, trust: &Trust) -> Receipt {
        let (leaf, path) = self.proof(index, end.size);
        let handoffs = trust.handoffs_at(end.size).to_vec();
        Receipt::new(leaf, ledger::block::LeafIndex(index), path, end.certified.clone(), None, handoffs)
    }
}

fn secret(kind: &str, seat: u64, generation: u64) -> SigningKey {
    let seed = Digest::of(&[kind.as_bytes(), &seat.to_be_bytes(), &generation.to_be_bytes()]);
    SigningKey::from_bytes(&seed.0)
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

fn validator(keys: &mut BTreeMap<PublicKey, SigningKey>, seat: u64, generation: u64) -> Validator {
    let mut key = |kind: &str| {
        let secret = secret(kind, seat, generation);
        let public = public(&secret);
        keys.insert(public, secret);
        public
    };
    Validator {
        entity: org(seat),
        name: Name::new(format!("v{seat}.example/v1")).unwrap(),
        vote_key: key("vote"),
        cosign_key: key("cosign"),
        peer_key: key("peer"),
        governance_key: key("governance"),
    }
}
