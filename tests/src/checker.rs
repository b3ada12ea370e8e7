//! What must hold whatever happens, written without looking at the bookkeeping of the code under
//! test. The numbers are those of the invariants in specs/consensus.md.
//!
//! Left out: 11 and 12 and what else is watched of a single life (`watch`), the books (`books`).
//!
//! Invariant: the checker forgets nothing and crashes never.

mod books;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use ledger::block::{BlockHash, Height, Leaf, LeafIndex, View};
use ledger::books::Ledger;
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::signature::Signature;
use ledger::transaction::TransactionId;

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
    view: View,
    state_root: Digest,
    log_size: u64,
    log_root: Digest,
}

/// The world's memory.
pub struct Checker {
    genesis: Genesis,
    chain: Digest,
    honest: Vec<bool>,
    said: BTreeMap<(u16, View), Said>,
    signed: BTreeMap<(u16, Statement, Signature), bool>,
    cosigned: BTreeMap<u16, (u64, Digest)>,
    roots: BTreeMap<u64, Digest>,
    certified: BTreeMap<View, Certified>,
    links: Vec<Link>,
    genesis_leaves: usize,
    leaves: Vec<Vec<u8>>,
    lives: BTreeMap<usize, Life>,
    convicted: BTreeSet<(usize, u16, View)>,
    equivocations: u64,
    /// Acknowledged as posted, at this leaf.
    acknowledged: BTreeMap<TransactionId, LeafIndex>,
    forbidden: BTreeSet<TransactionId>,
}

impl Checker {
    /// For a chain whose honest seats are these, and whose log begins with these leaves.
    pub fn new(genesis: &Genesis, honest: Vec<bool>, genesis_leaves: &[Vec<u8>]) -> Self {
        Self {
            genesis: genesis.clone(),
            chain: genesis.hash(),
            honest,
            said: BTreeMap::new(),
            signed: BTreeMap::new(),
            cosigned: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            links: Vec::new(),
            genesis_leaves: genesis_leaves.len(),
            leaves: genesis_leaves.to_vec(),
            lives: BTreeMap::new(),
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

    /// Invariants 1 to 4 and 10: of all statements that a validator ever signed, across crashes.
    pub fn on_vote(&mut self, vote: &Vote) {
        let Vote { statement, signer, .. } = *vote;
        if !self.honest[usize::from(signer)] {
            return;
        }
        let view = statement.view();
        let said = self.said.entry((signer, view)).or_default();
        let once = |earlier: &mut Option<BlockHash>, block, what| {
            let first = *earlier.get_or_insert(block);
            assert_eq!(first, block, "validator {signer} {what} two blocks in view {view}");
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
    pub fn on_cosigned(&mut self, signer: u16, size: u64, root: Digest) {
        if !self.honest[usize::from(signer)] {
            return;
        }
        let (last, kept) = *self.cosigned.entry(signer).or_insert((size, root));
        assert!(size >= last, "validator {signer} cosigned {last} leaves, then {size}");
        assert!(size > last || root == kept, "validator {signer} cosigned two roots of {size} leaves");
        self.cosigned.insert(signer, (size, root));
        let known = *self.roots.entry(size).or_insert(root);
        assert_eq!(known, root, "honest validators cosigned two roots of {size} leaves");
    }

    /// Evidence convicts the faulty only (rule C10).
    pub fn on_evidence(&mut self, at: usize, first: &Vote, second: &Vote) {
        let signed = self.is_signed(first) && self.is_signed(second);
        assert!(signed, "evidence without signatures: {first:?}, {second:?}");
        self.convicted.insert((at, first.signer, first.statement.view()));
        assert_eq!((first.signer, first.statement.view()), (second.signer, second.statement.view()));
        assert!(
            !self.honest[usize::from(first.signer)],
            "evidence against an honest validator: {first:?}, {second:?}"
        );
    }

    /// Invariants 5, 6 and 14: a quorum of different validators signed it.
    fn on_certificate(&mut self, certificate: &Certificate) {
        let statement = certificate.statement;
        let seats = self.genesis.validators.len();
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
        let held = self.certified.entry(view).or_default();
        let first = match statement {
            Statement::Notarize { block, .. } => *held.notarized.get_or_insert(block) == block,
            Statement::Nullify { .. } => {
                held.nullified = true;
                true
            }
            Statement::Finalize { block, .. } => *held.finalized.get_or_insert(block) == block,
        };
        assert!(first, "two certificates of one kind in view {view} (invariant 5)");
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
        if let Some(parent) = above {
            assert_eq!(
                (header.parent, header.parent_view),
                (parent.block, parent.view),
                "height {height}: parent"
            );
        }
        let parent_view = header.parent_view.0;
        let Finality::Voted { notarization, skips, finalization, closing } = &proof.finality else {
            panic!("height {height} is final without votes");
        };
        assert!(closing.is_empty(), "height {height} ends no epoch");
        assert_eq!(notarization.statement, Statement::Notarize { view, block });
        let gap: Vec<Statement> = skips.iter().map(|skip| skip.statement).collect();
        let due: Vec<Statement> =
            (parent_view + 1..view.0).map(|view| Statement::Nullify { view: View(view) }).collect();
        assert_eq!(gap, due, "height {height}: skipped views");
        self.on_certificate(notarization);
        skips.iter().for_each(|skip| self.on_certificate(skip));
        if let Some(finalization) = finalization {
            assert_eq!(finalization.statement, Statement::Finalize { view, block });
            self.on_certificate(finalization);
        }
        // What its maker claims of the books is what executing it gave.
        let seal = leaves.last().and_then(|leaf| codec::decode(leaf, leaf.len()).ok());
        let Some(Leaf::Seal(seal)) = seal else { panic!("height {height}: the last leaf is no seal") };
        let claimed = (header.height, header.time, header.state_root);
        assert_eq!((seal.height, seal.time, seal.state_root), claimed, "height {height}: the seal");
        let first = first.0 as usize;
        assert_eq!(first + leaves.len(), header.log_size as usize, "height {height}: leaves");
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
                    view,
                    state_root: header.state_root,
                    log_size: header.log_size,
                    log_root: header.log_root,
                });
            }
        }
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

    /// View of the first final block above a view.
    pub fn first_final_above(&self, view: View) -> Option<View> {
        self.links.iter().map(|link| link.view).find(|of| *of > view)
    }

    /// Highest view that anybody voted in.
    pub fn highest_view(&self) -> View {
        self.said.keys().map(|(_, view)| *view).max().unwrap_or_default()
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
        let seals_and_genesis = self.links.len() + self.genesis_leaves;
        (self.leaves.len() - seals_and_genesis) as u64
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
        for link in &self.links {
            let hashes = leaf_hashes(&self.leaves[..link.log_size as usize]);
            assert_eq!(root(&hashes), link.log_root, "the log's root at {} leaves", link.log_size);
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
