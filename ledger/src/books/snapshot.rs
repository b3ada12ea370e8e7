//! Snapshots: the finalized books as pages that a header proves, so that whoever begins late, or starts
//! again, need not execute every block since genesis.
//!
//! A [`Manifest`] holds a final block's header, the log's right edge, and the roots of the registers;
//! a [`Page`] holds records that stand next to each other in a register, in order of index, and the path
//! from them to the register's root. Each page is checked by itself, so a bad one is refused when it
//! comes and asked of somebody else, and no more than one unchecked page is ever held. That the header is
//! final is for the caller to know: from its certificates, or because it is its own.
//!
//! Left out: where snapshots are kept and how pages travel (`node`).
//!
//! Invariant: the ledger that [`Restoring::finish`] returns is the one that posting every block up to
//! the header gives, because its registers have the header's `state_root` and its log the `log_root`.

use alloc::string::String;
use alloc::vec::Vec;

use super::{Head, Ledger};
use crate::block::{BlockHash, Epoch, Header, LeafIndex};
use crate::certificate::ValidatorSet;
use crate::codec::{Decode, Encode};
use crate::digest::Digest;
use crate::genesis::{Genesis, GenesisError};
use crate::records::{EpochRecord, SeatRecord};
use crate::registers::{PAGE_RECORDS, Page, PageError, Registers, Stored};
use crate::state_proof::{RegisterRoot, state_root};
use crate::tree::Frontier;

/// A manifest is no longer: two headers, 64 hashes, and a line for each register.
pub const MANIFEST_BYTES_MAX: usize = 16 << 10;

/// What the pages of a snapshot are checked against.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Manifest {
    /// The final block that the snapshot is of.
    pub header: Header,
    /// The block that its epoch starts from, or that block itself if it ends an epoch.
    pub start: Header,
    /// The log after it.
    pub log: Frontier,
    /// The registers after it.
    pub registers: Vec<RegisterRoot>,
}

/// Why a snapshot is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Genesis begins no chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// Another chain's.
    #[error("the snapshot is of chain {found}, expected {expected}; take one of this chain")]
    Chain {
        /// Ours.
        expected: Digest,
        /// The header's.
        found: Digest,
    },
    /// The log's edge is not the header's.
    #[error(
        "the log's edge has root {found} at {found_size} leaves, block {block} says {expected} at {size}; ask another"
    )]
    Log {
        /// The block.
        block: BlockHash,
        /// Leaves that its header names.
        size: u64,
        /// Root that its header names.
        expected: Digest,
        /// Leaves of the edge.
        found_size: u64,
        /// Root of the edge.
        found: Digest,
    },
    /// The registers' roots are not the header's.
    #[error("the registers have root {found}, block {block} says {expected}; ask another")]
    State {
        /// The block.
        block: BlockHash,
        /// Root that its header names.
        expected: Digest,
        /// Root of the list.
        found: Digest,
    },
    /// The registers are not those that this program keeps.
    #[error("the snapshot has other registers than this program keeps; use the program that made it")]
    Registers,
    /// A page does not fit.
    #[error(transparent)]
    Page(#[from] PageError),
    /// It is not all there.
    #[error("page {number} of register {register} is missing; ask for it")]
    Missing {
        /// Place of the register.
        register: u8,
        /// Number of the page.
        number: u64,
    },
    /// The seats are not the validators that the epoch's record names.
    #[error("epoch {epoch}: the seats are not the validators of its record; the chain is damaged")]
    Validators {
        /// The epoch.
        epoch: Epoch,
    },
}

/// Books on their way out: as they were when it was made, whatever is posted since. What it shares with
/// the books is copied only where a later block changes it.
pub struct Still {
    manifest: Manifest,
    epoch: Epoch,
    registers: Registers,
}

impl Still {
    /// What its pages are checked against.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The epoch in force after its block.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// One page; `None` past the end.
    pub fn page(&self, register: u8, number: u64) -> Option<Page> {
        self.registers.page(register, number)
    }
}

/// Books on their way in.
pub struct Restoring {
    chain: Digest,
    origin: String,
    manifest: Manifest,
    registers: Registers,
    genesis: Ledger,
}

impl Ledger {
    /// What a snapshot of the finalized head is checked by; `None` unless this is the head's header.
    pub fn manifest(&self, header: &Header) -> Option<Manifest> {
        (header.hash() == self.head.block).then(|| Manifest {
            header: header.clone(),
            start: self.start.clone(),
            log: self.head.log.clone(),
            registers: self.registers.roots(),
        })
    }

    /// The finalized books as they stand now, to be written out while others are posted; `None` unless
    /// this is the head's header.
    pub fn still(&self, header: &Header) -> Option<Still> {
        let (manifest, epoch) = (self.manifest(header)?, self.validators.epoch);
        Some(Still { manifest, epoch, registers: self.registers.still() })
    }

    /// One page of the finalized registers; `None` past the end.
    pub fn page(&self, register: u8, number: u64) -> Option<Page> {
        self.registers.page(register, number)
    }
}

impl Manifest {
    /// Place and number of every page, in the order in which [`Restoring`] takes them.
    pub fn pages(&self) -> impl Iterator<Item = (u8, u64)> {
        let pages = |root: &RegisterRoot| root.length.div_ceil(PAGE_RECORDS);
        (0..).zip(&self.registers).flat_map(move |(place, root)| (0..pages(root)).map(move |n| (place, n)))
    }
}

impl Restoring {
    /// Begins with a manifest whose header the caller knows to be final, and whose `start` the caller
    /// knows to be the block that the epoch starts from.
    ///
    /// # Errors
    /// [`SnapshotError`]: the manifest does not hold together.
    pub fn new(genesis: &Genesis, manifest: Manifest) -> Result<Self, SnapshotError> {
        let genesis = Ledger::new(genesis)?;
        let header = &manifest.header;
        let (expected, found) = (genesis.chain, header.chain);
        if expected != found {
            return Err(SnapshotError::Chain { expected, found });
        }
        let (found_size, found) = (manifest.log.size(), manifest.log.root());
        if (found_size, found) != (header.log_size, header.log_root) {
            let (block, size, expected) = (header.hash(), header.log_size, header.log_root);
            return Err(SnapshotError::Log { block, size, expected, found_size, found });
        }
        let (expected, found) = (header.state_root, state_root(&manifest.registers));
        if expected != found {
            return Err(SnapshotError::State { block: header.hash(), expected, found });
        }
        let registers = Registers::default();
        let same = |(ours, theirs): (&RegisterRoot, &RegisterRoot)| ours.name == theirs.name;
        let ours = registers.roots();
        if ours.len() != manifest.registers.len() || !ours.iter().zip(&manifest.registers).all(same) {
            return Err(SnapshotError::Registers);
        }
        let (chain, origin) = (genesis.chain, genesis.origin.clone());
        Ok(Self { chain, origin, manifest, registers, genesis })
    }

    /// Place and number of the page to come next; `None` when all are here.
    pub fn wants(&self) -> Option<(u8, u64)> {
        let had = self.registers.roots();
        (0..).zip(self.manifest.registers.iter().zip(&had)).find_map(|(place, (root, had))| {
            (had.length < root.length).then_some((place, had.length / PAGE_RECORDS))
        })
    }

    /// Checks a page that may come out of turn, without taking it.
    ///
    /// # Errors
    /// [`SnapshotError::Page`].
    pub fn check(&self, page: &Page) -> Result<(), SnapshotError> {
        let root = self.manifest.registers.get(usize::from(page.register));
        let unwanted = PageError::Unwanted { register: page.register, number: page.number };
        Ok(page.verify(root.ok_or(unwanted)?)?)
    }

    /// Takes the page that [`Restoring::wants`] names. What is refused changes nothing.
    ///
    /// # Errors
    /// [`SnapshotError::Page`].
    pub fn take(&mut self, page: &Page) -> Result<(), SnapshotError> {
        let wanted = self.wants();
        let root = wanted.and_then(|(place, _)| self.manifest.registers.get(usize::from(place)));
        let (Some((register, number)), Some(root)) = (wanted, root) else {
            return Err(PageError::Unwanted { register: page.register, number: page.number }.into());
        };
        if (page.register, page.number) != (register, number) {
            return Err(PageError::Unwanted { register: page.register, number: page.number }.into());
        }
        page.verify(root)?;
        Ok(self.registers.take(page)?)
    }

    /// The books, once every page is here.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn finish(mut self) -> Result<Ledger, SnapshotError> {
        if let Some((register, number)) = self.wants() {
            return Err(SnapshotError::Missing { register, number });
        }
        self.registers.rebuild();
        let Manifest { header, start, log, .. } = self.manifest;
        let (expected, found) = (header.state_root, state_root(&self.registers.roots()));
        if expected != found {
            return Err(SnapshotError::State { block: header.hash(), expected, found });
        }
        let validators = validators(&self.registers)?;
        let head = Head {
            height: header.height,
            block: header.hash(),
            epoch: header.epoch,
            view: header.view,
            time: header.time,
            seal: LeafIndex(header.log_size.saturating_sub(1)),
            log,
            state_root: header.state_root,
        };
        Ok(Ledger {
            chain: self.chain,
            origin: self.origin,
            validators,
            registers: self.registers,
            head,
            start,
            genesis_header: self.genesis.genesis_header,
            genesis_leaves: self.genesis.genesis_leaves,
        })
    }
}

/// Those of the newest epoch on record.
fn validators(registers: &Registers) -> Result<ValidatorSet, SnapshotError> {
    let epochs = EpochRecord::register(registers);
    let newest = epochs.range(..).next_back().map(|(_, record)| record.clone());
    let newest = newest.ok_or(SnapshotError::Validators { epoch: Epoch(0) })?;
    let epoch = newest.epoch;
    let seats = SeatRecord::register(registers);
    let seats = seats.range((epoch, 0)..=(epoch, u16::MAX)).map(|(_, seat)| seat.validator.clone());
    let set = ValidatorSet { epoch, validators: seats.collect() };
    if set.digest() == newest.validators { Ok(set) } else { Err(SnapshotError::Validators { epoch }) }
}
