//! Payment systems that must get paid whatever happens: clerks who take every payment through its five
//! steps, go to another node when their own does not answer, and note what they were told; and the audit
//! that holds the noted words against what every node says at the end. It leaves out what happens to
//! the nodes (`ordeal`).
//!
//! Invariants: a clerk never signs a second transaction for a step that may be posted already; the
//! audit believes no node before it has seen the certificates, and computes roots and sums itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ledger::account::{Account, Class};
use ledger::amount::Amount;
use ledger::block::{BlockHash, Leaf, View};
use ledger::certificate::Statement;
use ledger::checkpoint::{CertifiedCheckpoint, Trust};
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::JournalEntry;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::receipt::Receipt;
use ledger::tiles::{self, Resource, TILE_WIDTH, Tile};
use ledger::time::{Date, Period};
use ledger::transaction::{Document, Role, SignedTransaction, TransactionId};

use crate::cluster::Line;
use crate::payments::{self, Dice, STEPS, Town};

/// The entity that registers others on a local network.
const REGISTRAR: u32 = 986_252_932;
/// A clerk waits so long for an answer, then asks another node.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Before asking the next node, so that a dead network is not asked without pause.
const PAUSE: Duration = Duration::from_millis(100);
/// A node that is behind refuses the second step of a payment whose first it has not seen. Beyond
/// this it is not behind, but wrong.
const BEHIND_AT_MOST: Duration = Duration::from_secs(90);
/// The least that each payment system has of suppliers to pay.
const SELLERS: usize = 5;
/// Every so many steps, the same transaction is sent once more, to another node.
const AGAIN_EVERY: u64 = 16;

/// What a clerk was told about a transaction.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// Where it lies in the log.
    pub leaf: u64,
    /// The receipt as text.
    pub receipt: String,
    /// The node that said so.
    pub node: usize,
    /// When it was first submitted.
    pub began: Instant,
    /// From then to the receipt, retries included.
    pub took: Duration,
}

/// What all clerks were told.
#[derive(Default)]
pub struct Told {
    acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    wrong: Mutex<Vec<String>>,
    /// Answers that made a clerk ask again elsewhere.
    pub retries: AtomicU64,
    /// Refusals by nodes that were behind.
    pub behind: AtomicU64,
    /// Transactions sent again after they were acknowledged.
    pub again: AtomicU64,
}

impl Told {
    /// By hex id.
    pub fn acknowledged(&self) -> MutexGuard<'_, BTreeMap<String, Acknowledged>> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What should not have been said.
    pub fn wrong(&self) -> MutexGuard<'_, Vec<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moments at which receipts arrived, in order, from this moment on.
    pub fn arrivals(&self, since: Instant) -> Vec<Instant> {
        let arrival = |told: &Acknowledged| told.began + told.took;
        let mut moments: Vec<_> =
            self.acknowledged().values().map(arrival).filter(|moment| *moment >= since).collect();
        moments.sort();
        moments
    }

    fn note(&self, id: &str, told: Acknowledged) {
        let mut acknowledged = self.acknowledged();
        if let Some(before) = acknowledged.get(id) {
            if before.leaf != told.leaf {
                let Acknowledged { leaf, node, .. } = before;
                let sentence =
                    format!("{id}: node {node} said leaf {leaf}, node {} says {}", told.node, told.leaf);
                self.wrong().push(sentence);
            }
            return;
        }
        acknowledged.insert(id.into(), told);
    }
}

/// Payment systems of several towns.
#[derive(Clone)]
pub struct Bank {
    rpc: Vec<SocketAddr>,
    trust: Trust,
    towns: Vec<Town>,
    sellers: Vec<OrgNumber>,
    today: Date,
    probes: Arc<AtomicU64>,
}

/// How a clerk works.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Clerks of each town.
    pub clerks: usize,
    /// A clerk rests so long after each step.
    pub rest: Duration,
}

impl Bank {
    /// Registers towns and suppliers on a new local network.
    ///
    /// # Panics
    /// If the network does not take them.
    pub fn open(
        rpc: &[SocketAddr],
        genesis: &Genesis,
        registrar: &SigningKey,
        towns: usize,
        seed: u64,
    ) -> Self {
        let chain = genesis.hash();
        let trust =
            Trust::new(genesis.origin(), chain, genesis.validators.clone()).expect("a set of validators");
        let today = node::run::now().date();
        let from = today.period().previous();
        let mut dice = Dice::seeded(seed);
        let mut numbers = payments::spare_numbers(0);
        let mut number = || numbers.next().expect("enough numbers");
        let towns: Vec<Town> = (0..towns).map(|_| Town::new(number(), from, &mut dice)).collect();
        let sellers: Vec<OrgNumber> = (0..SELLERS).map(|_| number()).collect();
        let suppliers = sellers
            .iter()
            .map(|seller| payments::supplier(*seller, &format!("Leverandør {seller} AS"), from));
        let entities = towns.iter().map(Town::entity).chain(suppliers);
        let keys = towns.iter().flat_map(Town::keys);
        let registrar = (OrgNumber::new(REGISTRAR).expect("a valid number"), registrar);
        let parts = payments::registrations(&chain, registrar, entities, keys);
        let bank = Self { rpc: rpc.to_vec(), trust, towns, sellers, today, probes: Arc::default() };
        let told = Told::default();
        let (mut clerk, never) = (Clerk::new(&bank, &told, 0), AtomicBool::new(false));
        for signed in parts.iter().flatten() {
            let posted = clerk.deliver(signed, &never);
            assert!(posted.is_some(), "not registered: {:?}", told.wrong());
        }
        bank
    }

    /// Clerks of all towns, until told to stop; then each ends the payment that it has begun.
    pub fn work(&self, told: &Told, pace: Pace, stop: &AtomicBool, late: &AtomicBool) {
        std::thread::scope(|scope| {
            for number in 0..self.towns.len() * pace.clerks {
                scope.spawn(move || {
                    let mut clerk = Clerk::new(self, told, number);
                    let mut dice = Dice::seeded(number as u64);
                    let town = &self.towns[number % self.towns.len()];
                    for turn in 0_u64.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        // Else all would stay with the first node that came up after a night of none.
                        clerk.at = number % clerk.lines.len();
                        let document = self.document(town, &format!("{number}-{turn}"), &mut dice);
                        for step in STEPS {
                            let signed = town.step(self.trust.chain(), &document, step);
                            if clerk.deliver(&signed, late).is_none() {
                                return;
                            }
                            std::thread::sleep(pace.rest);
                        }
                    }
                });
            }
        });
    }

    /// The times at which a node's newest checkpoint was cosigned, by itself among others, in seconds
    /// since 1970; none while it has none that it signed itself.
    pub fn cosigned_s(&self, node: usize) -> Vec<u64> {
        let answer = Line::new(self.rpc[node], ANSWER_WITHIN).get("/v1/checkpoint").ok();
        let note = answer.and_then(|answer| CertifiedCheckpoint::parse(&answer.text()).ok());
        let checkpoint = note.and_then(|note| note.verify(&self.trust, None).ok());
        let own =
            checkpoint.filter(|checkpoint| checkpoint.signers().iter().any(|by| usize::from(*by) == node));
        own.map(|checkpoint| checkpoint.times_s().to_vec()).unwrap_or_default()
    }

    fn document(&self, town: &Town, number: &str, dice: &mut Dice) -> Document {
        let seller = self.sellers[dice.below(self.sellers.len() as u64) as usize];
        let net = Amount(100 + dice.below(10_000_000) as i64);
        let vat_code = [1, 11, 13, 0][dice.below(4) as usize];
        payments::document(town.number, seller, number, self.today, net, vat_code)
    }

    /// How long one new transaction takes to its receipt at one node, asked again and again; `None`
    /// when it takes longer than `within`.
    pub fn probe(&self, node: usize, told: &Told, within: Duration) -> Option<Duration> {
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        let town = &self.towns[0];
        let document = self.document(town, &format!("probe-{number}"), &mut Dice::seeded(number));
        let signed = town.step(self.trust.chain(), &document, Role::Submit);
        let began = Instant::now();
        let mut clerk = Clerk::new(self, told, node);
        while began.elapsed() < within {
            if clerk.attempt(&signed, node, began) == Attempt::Acknowledged {
                return Some(began.elapsed());
            }
            std::thread::sleep(PAUSE);
        }
        None
    }
}

#[derive(PartialEq, Eq)]
enum Attempt {
    Acknowledged,
    /// It may be posted or not.
    Unknown,
    Refused(String),
}

struct Clerk<'a> {
    bank: &'a Bank,
    told: &'a Told,
    lines: Vec<Line>,
    at: usize,
    delivered: u64,
}

impl<'a> Clerk<'a> {
    fn new(bank: &'a Bank, told: &'a Told, number: usize) -> Self {
        let lines: Vec<Line> = bank.rpc.iter().map(|address| Line::new(*address, ANSWER_WITHIN)).collect();
        Self { at: number % lines.len(), bank, told, lines, delivered: 0 }
    }

    fn attempt(&mut self, signed: &SignedTransaction, node: usize, began: Instant) -> Attempt {
        let Ok(answer) = self.lines[node].post("/v1/transactions", &payments::single_body(signed)) else {
            return Attempt::Unknown;
        };
        let json = answer.json();
        match (answer.status, json["leaf"].as_u64(), json["receipt"].as_str()) {
            (200, Some(leaf), Some(receipt)) => {
                let id = payments::id_of(self.bank.trust.chain(), signed).to_string();
                let receipt = receipt.to_string();
                self.told.note(&id, Acknowledged { leaf, receipt, node, began, took: began.elapsed() });
                Attempt::Acknowledged
            }
            // Posted, and the receipt has yet to be certified; or not posted in time; or busy.
            (200 | 202 | 408 | 429 | 500.., _, _) => Attempt::Unknown,
            _ => Attempt::Refused(answer.text()),
        }
    }

    /// Until it is acknowledged, or it is too late.
    fn deliver(&mut self, signed: &SignedTransaction, late: &AtomicBool) -> Option<()> {
        let (began, id) = (Instant::now(), payments::id_of(self.bank.trust.chain(), signed));
        let mut refused_since = None;
        loop {
            match self.attempt(signed, self.at, began) {
                Attempt::Acknowledged => break,
                Attempt::Unknown => {
                    self.told.retries.fetch_add(1, Ordering::Relaxed);
                    self.at = (self.at + 1) % self.lines.len();
                    refused_since = None;
                }
                Attempt::Refused(said) => {
                    self.told.behind.fetch_add(1, Ordering::Relaxed);
                    self.at = (self.at + 1) % self.lines.len();
                    let since = *refused_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > BEHIND_AT_MOST {
                        self.told.wrong().push(format!("{id} refused by node {}: {said}", self.at));
                        return None;
                    }
                }
            }
            if late.load(Ordering::Relaxed) {
                self.told.wrong().push(format!("{id}: no receipt in {:?}", began.elapsed()));
                return None;
            }
            std::thread::sleep(PAUSE);
        }
        self.delivered += 1;
        if self.delivered.is_multiple_of(AGAIN_EVERY) {
            self.told.again.fetch_add(1, Ordering::Relaxed);
            self.deliver_again(signed, (self.at + 1) % self.lines.len(), late);
        }
        Some(())
    }

    /// What is posted is sent to another node too, which gives the same leaf once it has caught up.
    fn deliver_again(&mut self, signed: &SignedTransaction, node: usize, late: &AtomicBool) {
        let began = Instant::now();
        while let Attempt::Refused(said) = self.attempt(signed, node, Instant::now()) {
            self.told.behind.fetch_add(1, Ordering::Relaxed);
            if began.elapsed() > BEHIND_AT_MOST {
                let id = payments::id_of(self.bank.trust.chain(), signed);
                self.told.wrong().push(format!("{id} is posted, and node {node} refuses it: {said}"));
                return;
            }
            if late.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// What the audit saw.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Blocks, the same at every node.
    pub blocks: u64,
    /// Leaves, the same at every node.
    pub leaves: u64,
    /// Transactions that somebody was told of.
    pub acknowledged: usize,
    /// Receipts that were verified from genesis alone.
    pub receipts: usize,
    /// Accounts whose sums every node states alike.
    pub accounts: usize,
}

impl Bank {
    /// Compares what clerks were told with what the nodes say, once all have the same log.
    ///
    /// # Panics
    /// If anything that was promised does not hold, or the nodes do not agree within `within`.
    pub fn audit(&self, told: &Told, within: Duration) -> Audited {
        assert_eq!(*told.wrong(), Vec::<String>::new(), "what clerks were told");
        let acknowledged = told.acknowledged().clone();
        let last = acknowledged.values().map(|told| told.leaf).max().expect("somebody was told something");
        let (size, root) = &self.agree(last, within);
        let histories: Vec<History> = std::thread::scope(|scope| {
            let reads: Vec<_> = (0..self.rpc.len())
                .map(|node| scope.spawn(move || self.history(node, *size, root)))
                .collect();
            reads.into_iter().map(|read| read.join().expect("a history that holds")).collect()
        });
        for (node, history) in histories.iter().enumerate().skip(1) {
            for (height, (here, there)) in (1..).zip(history.roots.iter().zip(&histories[0].roots)) {
                assert_eq!(
                    here, there,
                    "block, log root and state root at height {height}: node {node} and node 0"
                );
            }
            assert_eq!(history.roots.len(), histories[0].roots.len(), "heights: node {node} and node 0");
            assert!(history.leaves == histories[0].leaves, "leaves: node {node} and node 0");
            assert_eq!(history.accounts, histories[0].accounts, "accounts: node {node} and node 0");
        }
        let history = &histories[0];
        let posted = self.posted(history);
        for (id, told) in &acknowledged {
            assert_eq!(
                posted.get(id),
                Some(&told.leaf),
                "acknowledged transaction {id}, by node {}",
                told.node
            );
            let receipt = Receipt::parse(&told.receipt).expect("a receipt reads");
            let proven = receipt.verify(&self.trust, None).expect("a receipt verifies from genesis");
            assert_eq!(
                proven.transaction().map(|id| id.to_string()).as_ref(),
                Some(id),
                "the receipt's transaction"
            );
            assert_eq!(proven.index().0, told.leaf, "the receipt's leaf");
        }
        Audited {
            blocks: history.roots.len() as u64,
            leaves: *size,
            acknowledged: acknowledged.len(),
            receipts: acknowledged.len(),
            accounts: history.accounts.len(),
        }
    }

    /// Size and root of the log, once every node has a certified checkpoint of it over this leaf.
    fn agree(&self, last: u64, within: Duration) -> (u64, String) {
        let deadline = Instant::now() + within;
        loop {
            let of = |address: &SocketAddr| checkpoint(&mut Line::new(*address, ANSWER_WITHIN));
            let all: Vec<_> = self.rpc.iter().map(of).collect();
            if let Some(first) = all[0].as_ref().filter(|(size, _)| *size > last)
                && all.iter().all(|one| *one == all[0])
            {
                return first.clone();
            }
            assert!(
                Instant::now() < deadline,
                "not one checkpoint over leaf {last} within {within:?}: {all:?}"
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// All that a node has, up to a size of the log, with certificates, roots and sums checked.
    fn history(&self, node: usize, size: u64, root: &str) -> History {
        // A busy machine may take longer to read a history than to post a transaction.
        let mut line = Line::new(self.rpc[node], Duration::from_secs(60));
        let leaves = leaves(&mut line, size);
        let (mut roots, mut tree, mut grown) = (Vec::new(), Tree::default(), 0);
        let mut tip = None;
        while grown < size as usize {
            let height = roots.len() as u64 + 1;
            let json = line.get(&format!("/v1/blocks/{height}")).expect("a block").json();
            let bytes = STANDARD.decode(json["finalized"].as_str().expect("a final block")).expect("base64");
            let block: FinalizedBlock = codec::decode(&bytes, bytes.len()).expect("a final block reads");
            let header = &block.block.header;
            let (first, next) =
                (json["first_leaf"].as_u64().expect("a first leaf") as usize, header.log_size as usize);
            assert!(first < next && next <= leaves.len(), "height {height} has leaves {first} to {next}");
            self.check_final(&block, tip);
            tip = Some((header.hash(), header.view));
            leaves[grown..next].iter().for_each(|leaf| tree.push(leaf));
            grown = next;
            assert_eq!(tree.root(), header.log_root, "node {node}: the log's root at {grown} leaves");
            roots.push((header.hash().0, header.log_root, header.state_root));
        }
        assert_eq!(grown as u64, size, "node {node}: the last block ends the log");
        assert_eq!(*root, STANDARD.encode(tree.root().0), "node {node}: the checkpoint's root");
        let entities = self.towns.iter().map(|town| town.number).chain(self.sellers.iter().copied());
        let accounts = entities.flat_map(|entity| accounts(&mut line, entity, self.today.period())).collect();
        History { roots, leaves, accounts }
    }

    /// A block follows the one below and is certified, and so are the views skipped between them.
    fn check_final(&self, finalized: &FinalizedBlock, below: Option<(BlockHash, View)>) {
        let (header, chain, set) = (&finalized.block.header, self.trust.chain(), self.trust.validators());
        let (height, view, block) = (header.height, header.view, header.hash());
        if let Some(below) = below {
            assert_eq!((header.parent, header.parent_view), below, "height {height}: the block below");
        }
        let Finality::Voted { notarization, skips, finalization, .. } = &finalized.finality else {
            panic!("height {height} rests on a recovery, which nobody asked for");
        };
        let notarized = (Statement::Notarize { view, block }, notarization);
        let skipped = (header.parent_view.0 + 1..view.0).map(|view| Statement::Nullify { view: View(view) });
        assert_eq!((header.parent_view.0 + 1..view.0).count(), skips.len(), "height {height}: skips");
        let last = finalization.iter().map(|held| (Statement::Finalize { view, block }, held));
        for (statement, held) in std::iter::once(notarized).chain(skipped.zip(skips)).chain(last) {
            assert_eq!(held.statement, statement, "height {height}");
            assert_eq!(held.verify(chain, set), Ok(()), "height {height}: {statement:?}");
        }
    }

    /// Leaf of every transaction; none stands twice, and the books of what they posted balance.
    fn posted(&self, history: &History) -> BTreeMap<String, u64> {
        let (mut posted, mut used, mut books) = (BTreeMap::new(), BTreeSet::new(), Sums::default());
        for (index, leaf) in (0..).zip(&history.leaves) {
            let leaf: Leaf = codec::decode(leaf, leaf.len()).expect("a leaf reads");
            let Leaf::Transaction(booked) = leaf else { continue };
            let transaction = &booked.signed.transaction;
            let id = TransactionId(Digest::of(&[&transaction.signed_bytes(self.trust.chain())]));
            assert_eq!(posted.insert(id.to_string(), index), None, "transaction {id} is posted twice");
            assert!(used.insert(codec::encode(&transaction.id)), "the payment id of {id} is used twice");
            booked.entries.iter().for_each(|entry| books.post(entry));
        }
        books.check();
        posted
    }
}

struct History {
    /// Hash, log root and state root of each height.
    roots: Vec<(Digest, Digest, Digest)>,
    leaves: Vec<Vec<u8>>,
    /// Each account as the node states it.
    accounts: Vec<String>,
}

/// Size and root of a node's newest certified checkpoint.
fn checkpoint(line: &mut Line) -> Option<(u64, String)> {
    let text = line.get("/v1/checkpoint").ok().filter(|answer| answer.status == 200)?.text();
    let mut lines = text.lines().skip(1);
    Some((lines.next()?.parse().ok()?, lines.next()?.to_string()))
}

fn leaves(line: &mut Line, size: u64) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    for index in 0..size.div_ceil(u64::from(TILE_WIDTH)) {
        let width = Tile::width_at(0, index, size);
        let path = Resource::Entries(Tile { level: 0, index, width }).path();
        let answer = line.get(&format!("/v1/{path}")).expect("a bundle of leaves");
        let entries = tiles::entries(&answer.body, width);
        let entries = entries.unwrap_or_else(|| panic!("{path}: {}", answer.text()));
        leaves.extend(entries.into_iter().map(<[u8]>::to_vec));
    }
    leaves
}

/// The accounts of an entity in a period, whose sums are zero together.
fn accounts(line: &mut Line, entity: OrgNumber, period: Period) -> Vec<String> {
    let path = format!("/v1/entities/{entity}/accounts?period={period}");
    let answer = line.get(&path).expect("accounts");
    assert!([200, 404].contains(&answer.status), "{path}: {}", answer.text());
    let json = answer.json();
    let accounts = json["accounts"].as_array().cloned().unwrap_or_default();
    let ore = |money: &serde_json::Value| -> i128 {
        let text: String = money.as_str().expect("an amount").chars().filter(|c| *c != '.').collect();
        text.parse().expect("an amount")
    };
    let sum: i128 = accounts.iter().map(|account| ore(&account["debit"]) - ore(&account["credit"])).sum();
    assert_eq!(sum, 0, "{path}: debit and credit differ");
    accounts.iter().map(|account| format!("{entity} {account}")).collect()
}

/// The books a second time: sums, and nothing else.
#[derive(Default)]
struct Sums {
    entities: BTreeMap<OrgNumber, i128>,
    /// Creditor and debtor, as the creditor's books have it.
    receivable: BTreeMap<(OrgNumber, OrgNumber), i128>,
    /// The same, as the debtor's books have it.
    payable: BTreeMap<(OrgNumber, OrgNumber), i128>,
}

impl Sums {
    fn post(&mut self, entry: &JournalEntry) {
        for posting in &entry.postings {
            let (own, amount) = (entry.entity, i128::from(posting.amount.0));
            *self.entities.entry(own).or_default() += amount;
            let Some(other) = posting.counterparty else { continue };
            let Account { class, code, .. } = posting.account;
            match (class, code) {
                (Class::Balance, 13) | (Class::Private, 1500) => {
                    *self.receivable.entry((own, other)).or_default() += amount;
                }
                (Class::Balance, 35) | (Class::Private, 2400) => {
                    *self.payable.entry((other, own)).or_default() -= amount;
                }
                _ => {}
            }
        }
    }

    fn check(&self) {
        for (entity, sum) in &self.entities {
            assert_eq!(*sum, 0, "the postings of {entity} do not sum to zero");
        }
        assert_eq!(self.receivable, self.payable, "what some are owed, others do not owe");
        assert!(!self.receivable.is_empty(), "nobody was ever owed anything");
    }
}

/// RFC 6962 section 2.1 as it grows: the roots of full subtrees, largest first.
#[derive(Default)]
struct Tree(Vec<(u32, Digest)>);

impl Tree {
    fn push(&mut self, leaf: &[u8]) {
        let mut whole = (0, Digest::of(&[&[0], leaf]));
        while let Some((height, left)) = self.0.pop_if(|(height, _)| *height == whole.0) {
            whole = (height + 1, Digest::of(&[&[1], &left.0, &whole.1.0]));
        }
        self.0.push(whole);
    }

    fn root(&self) -> Digest {
        let join = |right: Digest, left: Digest| Digest::of(&[&[1], &left.0, &right.0]);
        self.0.iter().rev().map(|(_, root)| *root).reduce(join).unwrap_or_else(|| Digest::of(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker;

    #[test]
    fn a_growing_tree_has_the_roots_of_the_whole_one() {
        let (mut tree, mut hashes) = (Tree::default(), Vec::new());
        assert_eq!(tree.root(), checker::root(&hashes));
        for n in 0..70_u8 {
            tree.push(&[n]);
            hashes.extend(checker::leaf_hashes(&[vec![n]]));
            assert_eq!(tree.root(), checker::root(&hashes), "{n}");
        }
    }

    #[test]
    fn one_transaction_at_two_leaves_is_noticed() {
        let told = Told::default();
        let said = |leaf| Acknowledged {
            leaf,
            receipt: String::new(),
            node: 1,
            began: Instant::now(),
            took: Duration::ZERO,
        };
        told.note("ab", said(7));
        told.note("ab", said(7));
        assert!(told.wrong().is_empty());
        told.note("ab", said(8));
        assert_eq!(told.wrong().len(), 1);
    }
}
