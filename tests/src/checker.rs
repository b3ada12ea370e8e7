//! What must hold whatever happens, written without looking at the bookkeeping of the code under
//! test. The numbers are those of the invariants in specs/consensus.md.
//!
//! Left out: 11 and 12 and what else is watched of a single life (`watch`), the books (`books`).
//!
//! Invariant: the checker forgets nothing and crashes never.

mod books;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use ledger::block::{Block, BlockHash, Epoch, Header, Height, Leaf, LeafIndex, View};
use ledger::books::Ledger;
use ledger::certificate::{Certificate, Statement, Validator, ValidatorSet, Vote};
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::signature::{PublicKey, Signature};
use ledger::transaction::{Operation, TransactionId};

use books::Books;
use watch::Life;

#[derive(Clone, Copy, Default)]
struct Said {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

#[derive(Default)]
struct Certified {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

/// One height of the one history.
struct Link {
    block: BlockHash,
    epoch: Epoch,
    view: View,
    state_root: Digest,
    log_size: u64,
    log_root: Digest,
}

/// The world's memory.
pub struct Checker {
    chain: Digest,
    // Whose word binds nobody.
    liars: BTreeSet<OrgNumber>,
    // Of every epoch, as the leaves of the one history give them.
    sets: Vec<ValidatorSet>,
    said: BTreeMap<(Epoch, u16, View), Said>,
    signed: BTreeMap<(Epoch, u16, Statement, Signature), bool>,
    cosigned: BTreeMap<PublicKey, (u64, Digest)>,
    roots: BTreeMap<u64, Digest>,
    certified: BTreeMap<(Epoch, View), Certified>,
    links: Vec<Link>,
    // Proofs of finality that were looked at as a reader looks at them.
    proven: BTreeSet<Digest>,
    genesis_leaves: usize,
    leaves: Vec<Vec<u8>>,
    lives: BTreeMap<usize, Life>,
    // Lost votes, and have not voted since.
    lost: BTreeSet<OrgNumber>,
    convicted: BTreeSet<(usize, Epoch, u16, View)>,
    equivocations: u64,
    /// Acknowledged as posted, at this leaf.
    acknowledged: BTreeMap<TransactionId, LeafIndex>,
    forbidden: BTreeSet<TransactionId>,
}

impl Checker {
    /// For a chain of which these do not keep their word, and whose log begins with these leaves.
    pub fn new(genesis: &Genesis, liars: BTreeSet<OrgNumber>, genesis_leaves: &[Vec<u8>]) -> Self {
        Self {
            chain: genesis.hash(),
            liars,
            sets: vec![genesis.validators.clone()],
            said: BTreeMap::new(),
            signed: BTreeMap::new(),
            cosigned: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            links: Vec::new(),
            proven: BTreeSet::new(),
            genesis_leaves: genesis_leaves.len(),
            leaves: genesis_leaves.to_vec(),
            lives: BTreeMap::new(),
            lost: BTreeSet::new(),
            convicted: BTreeSet::new(),
            equivocations: 0,
            acknowledged: BTreeMap::new(),
            forbidden: BTreeSet::new(),
        }
    }

    /// Leaves that genesis itself puts into the log.
    pub fn genesis_leaves(&self) -> usize {
        self.genesis_leaves
    }

    /// This must never be booked.
    pub fn forbid(&mut self, id: TransactionId) {
        self.forbidden.insert(id);
    }

    /// How many equivocations honest machines were shown both halves of.
    pub fn equivocations(&self) -> u64 {
        self.equivocations
    }

    /// The sets of every epoch so far.
    pub fn sets(&self) -> &[ValidatorSet] {
        &self.sets
    }

    /// The set of the newest epoch.
    pub fn set(&self) -> &ValidatorSet {
        &self.sets[self.sets.len() - 1]
    }

    /// The set of an epoch.
    pub fn set_of(&self, epoch: Epoch) -> Option<&ValidatorSet> {
        self.sets.get(usize::try_from(epoch.0).ok()?)
    }

    fn seat(&self, epoch: Epoch, signer: u16) -> Option<&Validator> {
        self.set_of(epoch)?.validators.get(usize::from(signer))
    }

    /// Whether the invariants bind what is signed for this seat.
    fn is_honest(&self, epoch: Epoch, signer: u16) -> bool {
        self.seat(epoch, signer).is_some_and(|seat| !self.liars.contains(&seat.entity))
    }

    /// Invariants 1 to 4 and 10: of all statements that a validator ever signed, across crashes.
    pub fn on_vote(&mut self, vote: &Vote) {
        let Vote { epoch, statement, signer, .. } = *vote;
        if !self.is_honest(epoch, signer) {
            return;
        }
        let view = statement.view();
        if let Some(whose) = self.seat(epoch, signer).map(|seat| seat.entity) {
            self.lost.remove(&whose);
        }
        let said = self.said.entry((epoch, signer, view)).or_default();
        let once = |earlier: &mut Option<BlockHash>, block, what| {
            let first = *earlier.get_or_insert(block);
            assert_eq!(first, block, "validator {signer} {what} two blocks in view {view} of epoch {epoch}");
        };
        match statement {
            Statement::Notarize { block, .. } => once(&mut said.notarized, block, "notarized"),
            Statement::Nullify { .. } => said.nullified = true,
            Statement::Finalize { block, .. } => once(&mut said.finalized, block, "finalized"),
        }
        let Said { notarized, nullified, finalized } = *said;
        let both = nullified && finalized.is_some();
        assert!(!both, "validator {signer} finalized and nullified view {view} (invariant 3)");
        let same = finalized.is_none() || notarized.is_none() || notarized == finalized;
        assert!(
            same,
            "validator {signer} notarized one block and finalized another in view {view} (invariant 4)"
        );
    }

    /// A cosigner never signs a smaller log than before, nor two roots of one size.
    pub fn on_cosigned(&mut self, epoch: Epoch, signer: u16, size: u64, root: Digest) {
        if !self.is_honest(epoch, signer) {
            return;
        }
        let Some(key) = self.seat(epoch, signer).map(|seat| seat.cosign_key) else { return };
        let (last, kept) = *self.cosigned.entry(key).or_insert((size, root));
        assert!(size >= last, "validator {signer} cosigned {last} leaves, then {size}");
        assert!(size > last || root == kept, "validator {signer} cosigned two roots of {size} leaves");
        self.cosigned.insert(key, (size, root));
        let known = *self.roots.entry(size).or_insert(root);
        assert_eq!(known, root, "honest validators cosigned two roots of {size} leaves");
    }

    /// Evidence convicts the faulty only (rule C10).
    pub fn on_evidence(&mut self, at: usize, first: &Vote, second: &Vote) {
        let signed = self.is_signed(first) && self.is_signed(second);
        assert!(signed, "evidence without signatures: {first:?}, {second:?}");
        self.convicted.insert((at, first.epoch, first.signer, first.statement.view()));
        let place = |vote: &Vote| (vote.epoch, vote.signer, vote.statement.view());
        assert_eq!(place(first), place(second));
        assert!(
            !self.is_honest(first.epoch, first.signer),
            "evidence against an honest validator: {first:?}, {second:?}"
        );
    }

    /// Invariants 5, 6 and 14: a quorum of different validators signed it.
    fn on_certificate(&mut self, epoch: Epoch, certificate: &Certificate) {
        let statement = certificate.statement;
        assert_eq!(certificate.epoch, epoch, "{statement:?} is certified in another epoch");
        let seats = self.set_of(epoch).map_or(0, ValidatorSet::len);
        let quorum = seats - (seats - 1) / 3;
        let bits = certificate.signers.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let signers: Vec<u16> = (0..).zip(bits).filter_map(|(seat, bit)| bit.then_some(seat)).collect();
        let complete = signers.len() >= quorum && signers.len() == certificate.signatures.len();
        assert!(complete, "{statement:?} is certified by {signers:?} of {seats}");
        for (signer, signature) in signers.into_iter().zip(&certificate.signatures) {
            let vote = Vote { epoch: certificate.epoch, statement, signer, signature: *signature };
            assert!(self.is_signed(&vote), "{statement:?} is certified without {signer}'s signature");
        }
        let view = statement.view();
        let held = self.certified.entry((epoch, view)).or_default();
        let first = match statement {
            Statement::Notarize { block, .. } => *held.notarized.get_or_insert(block) == block,
            Statement::Nullify { .. } => {
                held.nullified = true;
                true
            }
            Statement::Finalize { block, .. } => *held.finalized.get_or_insert(block) == block,
        };
        assert!(first, "two certificates of one kind in view {view} of epoch {epoch} (invariant 5)");
        assert!(
            !held.nullified || held.finalized.is_none(),
            "view {view} is finalized and skipped (invariant 6)"
        );
    }

    /// Invariants 7, 8 and 14: an honest validator persisted this block as final, with its leaves.
    pub fn on_final(&mut self, proof: &FinalizedBlock, first: LeafIndex, leaves: &[Vec<u8>]) {
        let header = &proof.block.header;
        let (block, view, height) = (header.hash(), header.view, header.height.0 as usize);
        assert!(height >= 1 && height <= self.links.len() + 1, "height {height} skips one");
        let above = height.checked_sub(2).map(|place| &self.links[place]);
        let epoch = header.epoch;
        let term = if matches!(proof.finality, Finality::Recovered) { Epoch(epoch.0 - 1) } else { epoch };
        if let Some(parent) = above {
            // Views begin anew with each epoch, of which a recovery block is the last of the one before.
            let view = if parent.epoch == term { parent.view } else { View(0) };
            assert_eq!((header.parent, header.parent_view), (parent.block, view), "height {height}: parent");
        }
        let ends = self.ended_by(leaves);
        if let Some(next) = &ends {
            assert_eq!(next.epoch, term.next(), "height {height}: the epoch that it begins");
        }
        self.on_finality(proof, ends.is_some());
        // What its maker claims of the books is what executing it gave.
        let seal = leaves.last().and_then(|leaf| codec::decode(leaf, leaf.len()).ok());
        let Some(Leaf::Seal(seal)) = seal else { panic!("height {height}: the last leaf is no seal") };
        let claimed = (header.height, header.time, header.state_root);
        assert_eq!((seal.height, seal.time, seal.state_root), claimed, "height {height}: the seal");
        let first = first.0 as usize;
        assert_eq!(first + leaves.len(), header.log_size as usize, "height {height}: leaves");
        if let Some(next) = ends {
            match self.set_of(next.epoch) {
                Some(known) => assert_eq!(known, &next, "two sets of one epoch"),
                None => self.sets.push(next),
            }
        }
        match self.links.get(height - 1) {
            Some(known) => {
                assert_eq!(known.block, block, "two histories at height {height} (invariant 7)");
                let (state, log) = (known.state_root, known.log_root);
                assert_eq!(
                    (state, log),
                    (header.state_root, header.log_root),
                    "roots at height {height} (invariant 8)"
                );
                assert_eq!(&self.leaves[first..first + leaves.len()], leaves, "leaves at height {height}");
            }
            None => {
                assert_eq!(first, self.leaves.len());
                self.leaves.extend_from_slice(leaves);
                self.links.push(Link {
                    block,
                    epoch,
                    view,
                    state_root: header.state_root,
                    log_size: header.log_size,
                    log_root: header.log_root,
                });
            }
        }
    }

    /// Votes of a quorum prove it, or the governance keys that its transaction bears.
    fn on_finality(&mut self, proof: &FinalizedBlock, ends_epoch: bool) {
        let header = &proof.block.header;
        let (block, view, height, epoch) = (header.hash(), header.view, header.height, header.epoch);
        let Finality::Voted { notarization, skips, finalization, closing } = &proof.finality else {
            assert!(ends_epoch, "height {height} is final without votes and ends no epoch");
            return;
        };
        if self.proven.insert(Digest::of(&[&codec::encode(proof)])) {
            let verified = self.set_of(epoch).map(|set| proof.verify(&self.chain, set));
            assert_eq!(verified, Some(Ok(())), "height {height}: its proof, for whoever holds the set");
        }
        assert!(ends_epoch || closing.is_empty(), "height {height} ends no epoch and has closing blocks");
        assert!(
            !ends_epoch || finalization.is_some(),
            "height {height} ends its epoch without its own proof"
        );
        self.on_notarized(header, notarization, skips);
        let mut last = (view, block);
        for closed in closing {
            let empty = (header.log_size, header.log_root, header.state_root);
            let found = (closed.header.log_size, closed.header.log_root, closed.header.state_root);
            assert_eq!(found, empty, "height {height}: a closing block changes the books");
            assert_eq!((closed.header.parent_view, closed.header.parent), last);
            assert_eq!(
                closed.header.payload,
                Block::payload(&[]),
                "height {height}: transactions after its end"
            );
            self.on_notarized(&closed.header, &closed.notarization, &closed.skips);
            last = (closed.header.view, closed.header.hash());
        }
        if let Some(finalization) = finalization {
            assert_eq!(finalization.statement, Statement::Finalize { view: last.0, block: last.1 });
            self.on_certificate(epoch, finalization);
        }
    }

    fn on_notarized(&mut self, header: &Header, notarization: &Certificate, skips: &[Certificate]) {
        let (block, view, epoch) = (header.hash(), header.view, header.epoch);
        assert_eq!(notarization.statement, Statement::Notarize { view, block });
        let gap: Vec<Statement> = skips.iter().map(|skip| skip.statement).collect();
        let due = (header.parent_view.0 + 1..view.0).map(|view| Statement::Nullify { view: View(view) });
        assert_eq!(gap, due.collect::<Vec<_>>(), "height {}: skipped views", header.height);
        self.on_certificate(epoch, notarization);
        skips.iter().for_each(|skip| self.on_certificate(epoch, skip));
    }

    /// The set that begins after these leaves, by the change or recovery in them, if its term and its
    /// governance keys are right.
    fn ended_by(&self, leaves: &[Vec<u8>]) -> Option<ValidatorSet> {
        let mut leaves = leaves.iter().rev().skip(1).map(|leaf| codec::decode::<Leaf>(leaf, leaf.len()));
        let Some(Ok(Leaf::Epoch { epoch, validators, .. })) = leaves.next() else { return None };
        let Some(Ok(Leaf::Transaction(booked))) = leaves.next() else {
            panic!("epoch {epoch} for no reason")
        };
        let place = usize::try_from(epoch.0).ok()?.checked_sub(1);
        let set = place.and_then(|place| self.sets.get(place)).expect("the epoch before is known");
        let transaction = &booked.signed.transaction;
        let mut seats = set.validators.clone();
        match &transaction.operation {
            Operation::ChangeValidators(change) => {
                assert_eq!(change.epoch, set.epoch, "a change of another epoch is booked");
                seats.retain(|seat| !change.leave.contains(&seat.entity));
                for entrant in change.enter.iter().map(|entrant| &entrant.validator) {
                    match seats.iter_mut().find(|seat| seat.entity == entrant.entity) {
                        Some(seat) => *seat = entrant.clone(),
                        None => seats.push(entrant.clone()),
                    }
                }
            }
            Operation::Recover(recovery) => seats.clone_from(&recovery.validators),
            other => panic!("epoch {epoch} begins after {other:?}"),
        }
        let bytes = transaction.signed_bytes(&self.chain);
        let signs = |seat: &&Validator| {
            booked.signed.signatures.iter().any(|by| {
                let signature = ed25519_dalek::Signature::from_bytes(&by.signature.0);
                let key = ed25519_dalek::VerifyingKey::from_bytes(&seat.governance_key.0);
                by.key == seat.governance_key
                    && key.is_ok_and(|key| key.verify_strict(&bytes, &signature).is_ok())
            })
        };
        let signed = set.validators.iter().filter(signs).count();
        assert!(3 * signed > 2 * set.len(), "{signed} of {} governance keys began epoch {epoch}", set.len());
        let next = ValidatorSet { epoch, validators: seats };
        assert_eq!(next.digest(), validators, "the leaf of epoch {epoch} names another set");
        Some(next)
    }

    /// A caller was told that its transaction is posted.
    pub fn on_acknowledged(&mut self, id: TransactionId, leaf: LeafIndex) {
        let first = *self.acknowledged.entry(id).or_insert(leaf);
        assert_eq!(first, leaf, "transaction {id} acknowledged at two leaves");
    }

    /// Height of the one history.
    pub fn height(&self) -> Height {
        Height(self.links.len() as u64)
    }

    /// Epoch and view of the first final block above a view of an epoch.
    pub fn first_final_above(&self, term: (Epoch, View)) -> Option<(Epoch, View)> {
        self.links.iter().map(|link| (link.epoch, link.view)).find(|of| *of > term)
    }

    /// The newest epoch and view that anybody voted in.
    pub fn highest_term(&self) -> (Epoch, View) {
        self.said.keys().map(|(epoch, _, view)| (*epoch, *view)).max().unwrap_or_default()
    }

    /// How many views there were, in all epochs.
    pub fn views(&self) -> u64 {
        let mut highest: BTreeMap<Epoch, u64> = BTreeMap::new();
        for (epoch, _, view) in self.said.keys() {
            let known = highest.entry(*epoch).or_default();
            *known = view.0.max(*known);
        }
        highest.values().sum()
    }

    /// The leaves of the one history.
    pub fn leaves(&self) -> &[Vec<u8>] {
        &self.leaves
    }

    /// Transactions acknowledged as posted, each with its leaf.
    pub fn acknowledged(&self) -> &BTreeMap<TransactionId, LeafIndex> {
        &self.acknowledged
    }

    /// How many transactions the one history holds.
    pub fn posted(&self) -> u64 {
        let others = self.links.len() + self.genesis_leaves + self.sets.len() - 1;
        (self.leaves.len() - others) as u64
    }

    /// A ledger's accounts are the counts and sums of the log's postings.
    pub fn check_accounts(&self, ledger: &Ledger) {
        self.books().check_accounts(ledger);
    }

    fn books(&self) -> Books {
        let mut books = Books::default();
        for leaf in &self.leaves {
            let Ok(Leaf::Transaction(booked)) = codec::decode(leaf, leaf.len()) else { continue };
            booked.entries.iter().for_each(|entry| books.post(entry));
        }
        books
    }

    /// Looks through the whole history: roots, transactions, vouchers, sums of both sides.
    pub fn check(&self) {
        let hashes = leaf_hashes(&self.leaves);
        for link in &self.links {
            let hashes = &hashes[..link.log_size as usize];
            assert_eq!(root(hashes), link.log_root, "the log's root at {} leaves", link.log_size);
            let cosigned = self.roots.get(&link.log_size);
            assert!(cosigned.is_none_or(|root| *root == link.log_root), "a root cosigned is not the log's");
        }
        let mut posted: BTreeMap<TransactionId, usize> = BTreeMap::new();
        for (index, leaf) in self.leaves.iter().enumerate() {
            let leaf: Leaf = codec::decode(leaf, leaf.len()).expect("a leaf of the log");
            let Leaf::Transaction(booked) = leaf else { continue };
            let message = booked.signed.transaction.signed_bytes(&self.chain);
            let id = TransactionId(Digest::of(&[&message]));
            assert_eq!(posted.insert(id, index), None, "transaction {id} is posted twice");
        }
        let booked = self.forbidden.iter().find(|id| posted.contains_key(id));
        assert_eq!(booked, None, "a transaction was to be refused and is posted");
        for (id, leaf) in &self.acknowledged {
            assert_eq!(
                posted.get(id),
                Some(&(leaf.0 as usize)),
                "acknowledged transaction {id} at leaf {leaf}"
            );
        }
        self.books().check();
    }
}

/// RFC 6962 section 2.1, as it is written there.
pub fn leaf_hashes(leaves: &[Vec<u8>]) -> Vec<Digest> {
    leaves.iter().map(|leaf| Digest::of(&[&[0], leaf])).collect()
}

fn split(length: usize) -> usize {
    length.next_power_of_two() / 2
}

/// The root over leaf hashes.
pub fn root(hashes: &[Digest]) -> Digest {
    match hashes {
        [] => Digest::of(&[]),
        [single] => *single,
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len()));
            Digest::of(&[&[1], &root(left).0, &root(right).0])
        }
    }
}

/// The path from a leaf to the root, the leaf's sibling first.
pub fn path(index: usize, hashes: &[Digest]) -> Vec<Digest> {
    if hashes.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = hashes.split_at(split(hashes.len()));
    let (mut below, sibling) = if index < left.len() {
        (path(index, left), root(right))
    } else {
        (path(index - left.len(), right), root(left))
    };
    below.push(sibling);
    below
}
