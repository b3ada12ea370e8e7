//! What must hold whatever happens, written without looking at the bookkeeping of the code under
//! test. The numbers are those of the invariants in specs/consensus.md.
//!
//! Invariant: the checker forgets nothing and crashes never.

use std::collections::{BTreeMap, BTreeSet};

use ledger::account::{Account, Class};
use ledger::block::{BlockHash, Height, Leaf, LeafIndex, View};
use ledger::books::Ledger;
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::checkpoint::Trust;
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::records::AccountRecord;
use ledger::transaction::TransactionId;

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
    trust: Trust,
    honest: Vec<bool>,
    said: BTreeMap<(u16, View), Said>,
    cosigned: BTreeMap<u16, (u64, Digest)>,
    roots: BTreeMap<u64, Digest>,
    certified: BTreeMap<View, Certified>,
    seen: BTreeSet<Digest>,
    links: Vec<Link>,
    leaves: Vec<Vec<u8>>,
    /// Acknowledged as posted, at this leaf.
    acknowledged: BTreeMap<TransactionId, LeafIndex>,
}

impl Checker {
    /// For a chain whose honest seats are these, and whose log begins with these leaves.
    pub fn new(trust: Trust, honest: Vec<bool>, genesis_leaves: &[Vec<u8>]) -> Self {
        Self {
            trust,
            honest,
            said: BTreeMap::new(),
            cosigned: BTreeMap::new(),
            roots: BTreeMap::new(),
            certified: BTreeMap::new(),
            seen: BTreeSet::new(),
            links: Vec::new(),
            leaves: genesis_leaves.to_vec(),
            acknowledged: BTreeMap::new(),
        }
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
    pub fn on_evidence(&self, first: &Vote, second: &Vote) {
        assert_eq!((first.signer, first.statement.view()), (second.signer, second.statement.view()));
        assert!(
            !self.honest[usize::from(first.signer)],
            "evidence against an honest validator: {first:?}, {second:?}"
        );
    }

    /// Invariants 5 and 6; every signature of each certificate is checked once.
    fn on_certificate(&mut self, certificate: &Certificate) {
        let statement = certificate.statement;
        if self.seen.insert(Digest::of(&[&codec::encode(certificate)])) {
            let held = certificate.verify(self.trust.chain(), self.trust.validators());
            assert_eq!(held, Ok(()), "{statement:?} is persisted with a certificate that does not hold");
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
        let seals_and_genesis = self.links.len() as u64 + 2;
        self.leaves.len() as u64 - seals_and_genesis
    }

    /// A ledger's accounts are the counts and sums of the log's postings.
    pub fn check_accounts(&self, ledger: &Ledger) {
        let mut accounts: BTreeMap<_, (u64, i128, i128)> = BTreeMap::new();
        for leaf in &self.leaves {
            let Ok(Leaf::Transaction(booked)) = codec::decode(leaf, leaf.len()) else { continue };
            for entry in &booked.entries {
                for posting in &entry.postings {
                    let key = (entry.entity, posting.account, entry.date.period());
                    let (count, debit, credit) = accounts.entry(key).or_default();
                    let amount = i128::from(posting.amount.0);
                    *count += 1;
                    *debit += amount.max(0);
                    *credit += (-amount).max(0);
                }
            }
        }
        assert_eq!(ledger.count::<AccountRecord>(), accounts.len() as u64, "account records");
        for ((entity, account, period), sums) in accounts {
            let record = ledger.find::<AccountRecord>(&(entity, account, period));
            let record = record.map(|record| (record.count, record.debit.0, record.credit.0));
            assert_eq!(record, Some(sums), "{entity} {account} {period}");
        }
    }

    /// Looks through the whole history: roots, transactions, vouchers, sums of both sides.
    pub fn check(&self) {
        for link in &self.links {
            let hashes = leaf_hashes(&self.leaves[..link.log_size as usize]);
            assert_eq!(root(&hashes), link.log_root, "the log's root at {} leaves", link.log_size);
        }
        let mut posted: BTreeMap<TransactionId, usize> = BTreeMap::new();
        let mut books = Books::default();
        for (index, leaf) in self.leaves.iter().enumerate() {
            let leaf: Leaf = codec::decode(leaf, leaf.len()).expect("a leaf of the log");
            let Leaf::Transaction(booked) = leaf else { continue };
            let message = booked.signed.transaction.signed_bytes(self.trust.chain());
            let id = TransactionId(Digest::of(&[&message]));
            assert_eq!(posted.insert(id, index), None, "transaction {id} is posted twice");
            booked.entries.iter().for_each(|entry| books.post(entry));
        }
        for (id, leaf) in &self.acknowledged {
            assert_eq!(
                posted.get(id),
                Some(&(leaf.0 as usize)),
                "acknowledged transaction {id} at leaf {leaf}"
            );
        }
        books.check();
    }
}

/// The second model of the books: sums, and nothing else.
#[derive(Default)]
struct Books {
    sums: BTreeMap<OrgNumber, i128>,
    owed: BTreeMap<(OrgNumber, OrgNumber), i128>,
    due: BTreeMap<(OrgNumber, OrgNumber), i128>,
    vouchers: BTreeMap<(OrgNumber, u16), u64>,
}

impl Books {
    fn post(&mut self, entry: &ledger::entry::JournalEntry) {
        let next = self.vouchers.entry((entry.entity, entry.voucher.year)).or_default();
        *next += 1;
        assert_eq!(entry.voucher.number, *next, "vouchers of {} have a gap", entry.entity);
        for posting in &entry.postings {
            *self.sums.entry(entry.entity).or_default() += i128::from(posting.amount.0);
            let Some(other) = posting.counterparty else { continue };
            let Account { class, code, .. } = posting.account;
            match (class, code) {
                (Class::Balance, 35) | (Class::Private, 2400) => {
                    *self.due.entry((entry.entity, other)).or_default() -= i128::from(posting.amount.0);
                }
                (Class::Balance, 13) | (Class::Private, 1500) => {
                    *self.owed.entry((other, entry.entity)).or_default() += i128::from(posting.amount.0);
                }
                _ => {}
            }
        }
    }

    fn check(&self) {
        for (entity, sum) in &self.sums {
            assert_eq!(*sum, 0, "the postings of {entity} do not sum to zero");
        }
        assert_eq!(self.due, self.owed, "payable(B, A) and receivable(A, B) differ");
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
