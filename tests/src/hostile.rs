//! Strangers' bytes into everything that reads them: each decoder by itself, the rules of the books,
//! and whole validators among whom one member does what it likes with its own real key.
//!
//! What must hold: nobody panics or stops, whatever reads is written back as the same bytes, the
//! books' judgement is one and the same on every way in, and the others go on agreeing.
//!
//! Invariant: a seed decides every bite, so that a seed replays a failure.

mod bites;

use std::sync::Arc;

use consensus::event::Message;
use formats::camt::BankMessage;
use formats::coding::Coding;
use formats::ehf::{Options, check};
use formats::pain002::StatusReport;
use formats::xml::Tree;
use ledger::block::{BLOCK_BYTES_MAX, Block, Leaf};
use ledger::certificate::Vote;
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint};
use ledger::codec::{self, Decode, Encode};
use ledger::finality::FinalizedBlock;
use ledger::genesis::Genesis;
use ledger::note::Note;
use ledger::receipt::Receipt;
use ledger::state_proof::{StateProof, StateProofs};
use ledger::transaction::SignedTransaction;
use node::cosigning::{Certified, Cosignature};

use crate::checker::{leaf_hashes, path};
use crate::random::Random;
use crate::world::{Until, World};

/// More than any message may have.
const MESSAGE_BYTES_MAX: usize = 2 * BLOCK_BYTES_MAX;

/// What a byte string pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A signed transaction.
    Transaction,
    /// A message of consensus.
    Message,
    /// A block.
    Block,
    /// A final block with its proof.
    Finalized,
    /// A leaf of the log.
    Leaf,
    /// A genesis.
    Genesis,
    /// A certified checkpoint on disk.
    Certified,
    /// A receipt, checkpoint or note.
    Text,
    /// A file of a bank, a seller or an accountant.
    File,
}

const FILES: [&str; 7] = [
    include_str!("../../client/formats/testdata/e3-mat-og-transport-stavanger.xml"),
    include_str!("../../client/formats/testdata/alt-mulig-sandnes.xml"),
    include_str!("../../client/formats/testdata/kreditnota-renhold-stavanger.xml"),
    include_str!("../../client/formats/testdata/bank/camt.053.001.08.xml"),
    include_str!("../../client/formats/testdata/bank/camt.054.001.08-returned.xml"),
    include_str!("../../client/formats/testdata/bank/pain.002.001.10-rejected.xml"),
    "account 1.222.260\nvat 1 compensate\n",
];

/// Pieces that readers stumble over.
const PIECES: [&[u8]; 12] = [
    &[0xff; 8],
    &[0; 8],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0, 0, 0, 0, 0x80],
    &[0xff; 32],
    &[0; 32],
    &[1, 0, 0, 0],
    b"\n\n",
    "— ".as_bytes(),
    b"&#0;<![CDATA[",
    b"99999999999999999999",
    b"=",
];

/// An attacker and its victims.
pub struct Siege {
    random: Random,
    world: World,
    corpus: Vec<(Kind, Arc<[u8]>)>,
    read: u64,
    bites: u64,
}

impl Siege {
    /// Lets a small world live for a while, and takes its bytes for a corpus.
    pub fn new(seed: u64) -> Self {
        let mut world = World::besieged(seed).payments(8);
        world.run(Until::Height(12));
        world.run(Until::Ms(4000));
        let mut siege =
            Self { random: Random::new(seed ^ 0x5e_1e6e), world, corpus: Vec::new(), read: 0, bites: 0 };
        siege.gather();
        siege
    }

    fn gather(&mut self) {
        let (world, corpus) = (&self.world, &mut self.corpus);
        let mut add = |kind, bytes: Vec<u8>| corpus.push((kind, bytes.into()));
        for bytes in world.heard() {
            add(Kind::Message, bytes.to_vec());
        }
        let disk = world.disk(1);
        for proof in disk.finalized() {
            add(Kind::Finalized, codec::encode(proof));
            add(Kind::Block, codec::encode(&proof.block));
            for transaction in &proof.block.transactions {
                add(Kind::Transaction, codec::encode(transaction));
            }
        }
        for leaf in disk.leaves() {
            add(Kind::Leaf, leaf.clone());
        }
        let chain = world.chain();
        add(Kind::Genesis, chain.genesis.encode());
        for file in FILES {
            add(Kind::File, file.as_bytes().to_vec());
        }
        let Some(certified) = disk.checkpoint() else { return };
        add(Kind::Certified, codec::encode(certified));
        let origin = chain.trust.origin().into();
        let checkpoint = Checkpoint { origin, size: certified.size, root: certified.root };
        if let Ok(note) = CertifiedCheckpoint::assemble(checkpoint, &certified.cosignatures, &chain.trust) {
            add(Kind::Text, note.to_text().into_bytes());
            let hashes = leaf_hashes(&disk.leaves()[..certified.size as usize]);
            for place in [1, hashes.len() / 2, hashes.len() - 1] {
                let index = ledger::block::LeafIndex(place as u64);
                let leaf = disk.leaves()[place].clone();
                let receipt = Receipt::new(leaf, index, path(place, &hashes), note.clone(), None, Vec::new());
                add(Kind::Text, receipt.to_text().into_bytes());
            }
        }
    }

    /// One attack: bytes into a reader, or an event into a validator.
    pub fn bite(&mut self) {
        self.bites += 1;
        let place = self.random.index(self.corpus.len());
        let (kind, bytes) = self.corpus[place].clone();
        if kind == Kind::Genesis && !self.random.permille(50) {
            // Each reading of a genesis costs some milliseconds.
            return;
        }
        let bytes = self.mutated(&bytes);
        if self.swallow(kind, &bytes) {
            self.read += 1;
        }
        if self.bites.is_multiple_of(2) {
            self.bite_a_validator();
        }
        if self.bites.is_multiple_of(16) {
            self.world.run(Until::Ms(2));
        }
    }

    /// How many bites, and how many of the mutated byte strings were read all the same.
    pub fn counts(&self) -> (u64, u64) {
        (self.bites, self.read)
    }

    /// The others have gone on: with one history, balanced books and valid receipts.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn end(&mut self) {
        self.world.heal();
        self.world.check();
    }

    fn mutated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.random.below(3) {
            let at = self.random.index(bytes.len());
            let end = (at + 1 + self.random.index(40)).min(bytes.len());
            match self.random.below(8) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                3 => {
                    let piece = PIECES[self.random.index(PIECES.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
                4 => {
                    let piece = PIECES[self.random.index(PIECES.len())];
                    let over = (at + piece.len()).min(bytes.len());
                    bytes.splice(at..over, piece.iter().copied());
                }
                5 => {
                    let (_, other) = &self.corpus[self.random.index(self.corpus.len())];
                    let from = self.random.index(other.len());
                    let to = (from + 1 + self.random.index(100)).min(other.len());
                    let other = Arc::clone(other);
                    bytes.splice(at..end, other.get(from..to).unwrap_or_default().iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.random.below(8);
                    }
                }
            }
        }
        bytes
    }

    /// Reads bytes as what they pretend to be. Says whether they are.
    fn swallow(&mut self, kind: Kind, bytes: &[u8]) -> bool {
        match kind {
            Kind::Transaction => match SignedTransaction::decode(bytes) {
                Ok(signed) => {
                    assert_eq!(codec::encode(&signed), bytes, "a transaction with two encodings");
                    self.judge(signed);
                    true
                }
                Err(_) => false,
            },
            Kind::Message => match same::<Message>(bytes) {
                Some(message) => {
                    let from = self.random.index(4) as u16;
                    let at = 1 + self.random.index(3);
                    self.world.inject_message(at, from, message);
                    true
                }
                None => same::<Vote>(bytes).is_some() || same::<Vec<Cosignature>>(bytes).is_some(),
            },
            Kind::Block => same::<Block>(bytes).is_some_and(|block| {
                let verified = self.world.intake(1).block(block);
                verified.is_ok_and(|block| {
                    self.world.inject(1 + bytes.len() % 3, node::validator::Event::Block(block));
                    true
                })
            }),
            Kind::Finalized => same::<FinalizedBlock>(bytes).is_some_and(|block| {
                let blocks = self.world.intake(1).finalized(vec![block]);
                let from = self.random.index(4) as u16;
                self.world.inject(1 + bytes.len() % 3, node::validator::Event::Blocks { from, blocks });
                true
            }),
            Kind::Leaf => same::<Leaf>(bytes).is_some(),
            Kind::Genesis => Genesis::decode(bytes).is_ok_and(|genesis| {
                assert_eq!(genesis.encode(), bytes, "a genesis with two encodings");
                true
            }),
            Kind::Certified => same::<Certified>(bytes).is_some(),
            Kind::Text => self.swallow_text(bytes),
            Kind::File => swallow_file(bytes),
        }
    }

    fn swallow_text(&self, bytes: &[u8]) -> bool {
        let trust = &self.world.chain().trust;
        let proofs = StateProof::decode(bytes).is_ok() || StateProofs::decode(bytes).is_ok();
        if let Ok(receipt) = Receipt::parse_bytes(bytes) {
            assert_eq!(receipt.to_text().as_bytes(), bytes, "a receipt with two forms");
            // Whatever was changed, what verifies is what the log holds.
            if let Ok(posted) = receipt.verify(trust, None) {
                let leaf = &self.world.disk(1).leaves()[posted.index().0 as usize];
                assert_eq!(&codec::encode(posted.leaf()), leaf, "a receipt of what was never posted");
            }
            return true;
        }
        let Ok(text) = core::str::from_utf8(bytes) else { return proofs };
        if let Ok(note) = CertifiedCheckpoint::parse(text) {
            assert_eq!(note.to_text(), text, "a checkpoint with two forms");
            if let Ok(trusted) = note.verify(trust, None) {
                let size = trusted.size() as usize;
                let hashes = leaf_hashes(&self.world.disk(1).leaves()[..size]);
                assert_eq!(*trusted.root(), crate::checker::root(&hashes), "a checkpoint of another log");
            }
        }
        Note::parse(text).is_ok() | Checkpoint::parse(text).is_ok() | proofs
    }
}

/// The value, if the bytes are its one encoding.
fn same<T: Encode + Decode<()>>(bytes: &[u8]) -> Option<T> {
    let value: T = codec::decode(bytes, MESSAGE_BYTES_MAX).ok()?;
    assert_eq!(codec::encode(&value), bytes, "a value with two encodings");
    Some(value)
}

fn swallow_file(bytes: &[u8]) -> bool {
    let read = [
        Tree::read(bytes, &[]).is_ok(),
        StatusReport::read(bytes).is_ok(),
        BankMessage::read(bytes).is_ok_and(|message| message.movements().len() < 1_000_000),
        check(bytes, &Options::default()).is_ok(),
        core::str::from_utf8(bytes).is_ok_and(|text| Coding::parse(text).is_ok()),
    ];
    read.contains(&true)
}

/// The most address space that this process ever had, in bytes: a length prefix that lies shows
/// there, even if nothing was written to what it reserved. `None` where the system does not tell.
pub fn address_space_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}
