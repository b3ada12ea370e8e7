//! The disk: one RocksDB database, one synced write batch for each step of the node.
//!
//! A [`Batch`] gathers what a step must keep; [`Batch::commit`] makes all of it durable or none.
//! Whoever calls it must end the process when it fails: the disk may then know less than the
//! network. It leaves out what the bytes mean (`ledger`), and keeps no state of the registers, which
//! a restart replays from the blocks.
//!
//! | column | key (numbers big-endian, so that ranges iterate in order) | value |
//! |---|---|---|
//! | `meta` | name | chain, format, step counter, floor, watermark, newest checkpoint, the snapshot it begins with |
//! | `votes` | epoch 8, view 8, kind 1 | own [`Statement`] |
//! | `certificates` | epoch 8, view 8, kind 1, block 32 | [`Certificate`] |
//! | `undecided` | epoch 8, view 8, block 32 | [`Block`] |
//! | `blocks` | block 32 | 0, epoch 8, view 8 (undecided) or 1, height 8 (final) |
//! | `finalized` | height 8 | whole 1, first leaf 8, leaves 4, [`FinalizedBlock`] |
//! | `leaves` | first leaf 8 | up to 64 leaves, each: length 2, bytes |
//! | `tiles` | level 1, tile 8 | its hashes so far, up to 256 (C2SP tlog-tiles) |
//! | `transactions` | transaction id 32 | leaf 8 |
//! | `journal` | entity 4, year 2, first voucher 8 | for each voucher on: leaf 8, entry 2 |
//! | `postings` | entity 4, account 7, period 4, first number 8 | for each number on: leaf 8, entry 2, line 2 |
//! | `evidence` | epoch 8, view 8, signer 2, kinds 2 | two contradicting [`Vote`]s |
//!
//! A final block's transactions stand in its leaves and nowhere else (`whole` = 0), because they are
//! most of what a node writes; only a block whose leaves do not begin with its transactions is kept
//! whole (`whole` = 1).
//!
//! Invariant: a step that `commit` acknowledged is there after any crash, or `open` refuses. Torn
//! bytes at the end of the write-ahead log are what every kill or power cut leaves of a step nobody
//! was told of, so they are dropped; damage anywhere else is refused by RocksDB. The two look alike
//! where a disk lost the end of a log, so each acknowledged step is also counted in the small file
//! `acknowledged`: a database that knows fewer steps has forgotten votes, and must not vote.

mod base;
mod columns;
mod memory;
mod read;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ledger::account::Account;
use ledger::block::{Block, Epoch, Header, Height, LeafIndex, VerifiedBlock, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec::{self, CodecError};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::Voucher;
use ledger::finality::FinalizedBlock;
use ledger::tiles::TILE_WIDTH;
use ledger::time::Period;
use ledger::transaction::{SignedTransaction, TransactionId};
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::cosigning::Certified;
use crate::lease::{Lease, LeaseError};
pub use base::Edge;
use columns::Column;
use memory::Care;

/// How the columns are laid out; another layout gets another number.
pub const FORMAT: u32 = 2;
/// Leaves kept as one record: fewer records cost less to write, more cost more to read one leaf of.
pub const RUN_LEAVES_MAX: usize = 64;
/// A run of leaves ends when it has this many bytes, so that reading one leaf reads little more.
pub const RUN_BYTES_MAX: usize = 32 << 10;

/// Why the store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory cannot be made, read or written.
    #[error("{}: {source}; check the path, its permissions and the free space", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the directory. Two nodes with one directory would contradict each other.
    #[error(transparent)]
    InUse(#[from] LeaseError),
    /// The directory belongs to another chain.
    #[error(
        "{} holds chain {found}, the genesis file is chain {expected}; give each chain its own data_dir",
        path.display()
    )]
    OtherChain {
        /// The data directory.
        path: PathBuf,
        /// Chain of the genesis file.
        expected: Digest,
        /// Chain in the directory.
        found: Digest,
    },
    /// Written by another version of the program.
    #[error("{} has layout {found}, this program reads {FORMAT}; use the program that wrote it, or begin with an empty data directory", path.display())]
    OtherFormat {
        /// The data directory.
        path: PathBuf,
        /// Its layout.
        found: u32,
    },
    /// Steps that were acknowledged are gone. Voting on could contradict votes that were sent.
    #[error(
        "{} lost steps: {acknowledged} were acknowledged, {found} are left; nothing may be voted with it before the other validators have been heard",
        path.display()
    )]
    Lost {
        /// The data directory.
        path: PathBuf,
        /// Steps acknowledged.
        acknowledged: u64,
        /// Steps found.
        found: u64,
    },
    /// The files are damaged.
    #[error(
        "{} is damaged: {reason}; nothing may be voted with it before the other validators have been heard, and if it cannot be read at all, move it away and start with an empty one",
        path.display()
    )]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// RocksDB could not read or write.
    #[error("database: {0}")]
    Database(#[from] rocksdb::Error),
    /// A record is not what its column holds.
    #[error("column {column}: {source}; the data directory is damaged")]
    Record {
        /// The column.
        column: &'static str,
        /// Why it does not read.
        source: CodecError,
    },
    /// A record is missing or has the wrong length.
    #[error("column {column}: {reason}; the data directory is damaged")]
    Inconsistent {
        /// The column.
        column: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The statement contradicts one that is kept; signing both would convict this validator.
    #[error("epoch {epoch}: {wanted:?} contradicts {kept:?}, which this validator already stated")]
    Contradiction {
        /// The epoch.
        epoch: Epoch,
        /// What is kept.
        kept: Statement,
        /// What was to be kept.
        wanted: Statement,
    },
    /// The statement lies below the floor, where what was stated is forgotten.
    #[error("epoch {epoch}: {wanted:?} lies below the floor, view {floor}; statements there are forgotten")]
    BelowFloor {
        /// The epoch.
        epoch: Epoch,
        /// What was to be kept.
        wanted: Statement,
        /// The first view that may be voted in.
        floor: View,
    },
}

/// Where an entry stands: its voucher leads to its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// Whose books.
    pub entity: OrgNumber,
    /// Its number in them.
    pub voucher: Voucher,
    /// The leaf that holds it.
    pub leaf: LeafIndex,
    /// Which of the leaf's entries.
    pub entry: u16,
}

/// Where a posting stands: its number on the account leads to its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostingRow {
    /// Whose books.
    pub entity: OrgNumber,
    /// Posted to.
    pub account: Account,
    /// In this period.
    pub period: Period,
    /// Its number among the postings of account and period, without gaps.
    pub number: u64,
    /// The leaf that holds it.
    pub leaf: LeafIndex,
    /// Which of the leaf's entries.
    pub entry: u16,
    /// Which of the entry's postings.
    pub line: u16,
}

/// A tile of the log (C2SP tlog-tiles).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileRow {
    /// Its level; level 0 holds leaf hashes.
    pub level: u8,
    /// Its position within the level.
    pub index: u64,
    /// Its hashes so far, 32 bytes each, at most [`TILE_WIDTH`] of them.
    pub hashes: Vec<u8>,
}

/// A posted block with all that is found again by it.
#[derive(Clone, Copy, Debug)]
pub struct PostedBlock<'a> {
    /// The block and what proves that it is final.
    pub block: &'a FinalizedBlock,
    /// Index of its first leaf.
    pub first_leaf: LeafIndex,
    /// Its leaves in order: one for each transaction, then what else the block logs, its seal last.
    pub leaves: &'a [Vec<u8>],
    /// Ids of its transactions, in order.
    pub transactions: &'a [TransactionId],
    /// Its entries.
    pub journal: &'a [JournalRow],
    /// Its postings.
    pub postings: &'a [PostingRow],
    /// The tiles of the log that its leaves changed, each with all its hashes.
    pub tiles: &'a [TileRow],
}

/// How far the chain on this disk reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredHead {
    /// Height of the newest final block.
    pub height: Height,
    /// The leaf after its last.
    pub next_leaf: LeafIndex,
}

/// The database of one node. Reads may come from any thread.
pub struct Store {
    db: DB,
    path: PathBuf,
    writer: Mutex<Writer>,
    _lease: Lease,
}

struct Writer {
    steps: u64,
    floor: (Epoch, View),
    acknowledged: fs::File,
}

impl Store {
    /// Opens the data directory of a chain, or makes it.
    ///
    /// # Errors
    /// [`StoreError`]: the directory is in use, another chain's, damaged, or has forgotten steps.
    pub fn open(path: &Path, chain: &Digest) -> Result<Self, StoreError> {
        Self::open_as(path, chain, Care::Strict)
    }

    fn open_as(path: &Path, chain: &Digest, care: Care) -> Result<Self, StoreError> {
        let file_error = |path: &Path| {
            let path = path.to_path_buf();
            move |source| StoreError::File { path, source }
        };
        fs::create_dir_all(path).map_err(file_error(path))?;
        // Before the database, whose own lock says nothing of its holder.
        let lease = Lease::take(&path.join("lease"), path, "data_dir", "for the chain's data")?;
        let db = columns::open(&path.join("db"), care).map_err(|error| open_error(path, error))?;
        let acknowledged = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("acknowledged"))
            .map_err(file_error(&path.join("acknowledged")))?;
        let writer = Writer { steps: 0, floor: (Epoch(0), View(0)), acknowledged };
        let mut store = Self { db, path: path.to_path_buf(), writer: Mutex::new(writer), _lease: lease };
        store.check_votes(care)?;
        match store.get(Column::Meta, columns::META_CHAIN)? {
            None => store.found(chain, care)?,
            Some(found) => {
                let found = columns::digest(Column::Meta, &found)?;
                if found != *chain {
                    return Err(StoreError::OtherChain { path: store.path, expected: *chain, found });
                }
            }
        }
        let format = store.meta_u64(columns::META_FORMAT)?;
        if format != u64::from(FORMAT) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(StoreError::OtherFormat { path: store.path, found });
        }
        let steps = store.meta_u64(columns::META_STEPS)?;
        let floor = match store.get(Column::Meta, columns::META_FLOOR)? {
            None => (Epoch(0), View(0)),
            Some(bytes) => columns::epoch_view(Column::Meta, &bytes)?,
        };
        if care == Care::Salvage {
            store
                .writer()
                .acknowledge(steps)
                .map_err(|source| StoreError::File { path: store.path.join("acknowledged"), source })?;
        }
        match store.acknowledged()? {
            None => {
                let reason = "the file \"acknowledged\" is missing or does not read".into();
                return Err(StoreError::Damaged { path: store.path, reason });
            }
            Some(acknowledged) if steps < acknowledged => {
                return Err(StoreError::Lost { path: store.path, acknowledged, found: steps });
            }
            Some(_) => {}
        }
        let writer = store.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        writer.steps = steps;
        writer.floor = floor;
        Ok(store)
    }

    /// A batch of writes; nothing is written before [`Batch::commit`].
    pub fn batch(self: &Arc<Self>) -> Batch {
        Batch { store: Arc::clone(self), writes: WriteBatch::default(), votes: Vec::new(), floor: None }
    }

    fn found(&self, chain: &Digest, care: Care) -> Result<(), StoreError> {
        if care == Care::Strict
            && let Some(acknowledged) = self.acknowledged()?.filter(|steps| *steps > 0)
        {
            return Err(StoreError::Lost { path: self.path.clone(), acknowledged, found: 0 });
        }
        // The counter first, so that a crash between the two leaves a directory that can be founded again.
        let sync = |path: &Path| fs::File::open(path).and_then(|directory| directory.sync_all());
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut writer = self.writer();
        writer
            .acknowledge(0)
            .and_then(|()| writer.acknowledged.sync_all())
            .and_then(|()| sync(&self.path))
            // The directory's own entry in its parent must outlive a power cut too.
            .and_then(|()| parent.map_or(Ok(()), sync))
            .map_err(|source| StoreError::File { path: self.path.clone(), source })?;
        let meta = self.column(Column::Meta);
        let mut batch = WriteBatch::default();
        batch.put_cf(meta, columns::META_CHAIN, chain.0);
        batch.put_cf(meta, columns::META_FORMAT, u64::from(FORMAT).to_be_bytes());
        batch.put_cf(meta, columns::META_STEPS, 0u64.to_be_bytes());
        Ok(self.db.write_opt(batch, &synced())?)
    }

    /// The steps that the counter file knows of; `None` if it is empty or does not read.
    fn acknowledged(&self) -> Result<Option<u64>, StoreError> {
        let mut record = [0; ACKNOWLEDGED_BYTES];
        match self.writer().acknowledged.read_exact_at(&mut record, 0) {
            Ok(()) => Ok(read_acknowledged(&record)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(StoreError::File { path: self.path.join("acknowledged"), source }),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic while writing ends the process by the caller's duty; the counter is set last.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ACKNOWLEDGED_BYTES: usize = 16;

fn acknowledged_record(steps: u64) -> [u8; ACKNOWLEDGED_BYTES] {
    let steps = steps.to_be_bytes();
    let check = Digest::of(&[b"hovedbok/v1/acknowledged", &steps]);
    let mut record = [0; ACKNOWLEDGED_BYTES];
    record[..8].copy_from_slice(&steps);
    record[8..].copy_from_slice(&check.0[..8]);
    record
}

fn read_acknowledged(record: &[u8; ACKNOWLEDGED_BYTES]) -> Option<u64> {
    let steps = u64::from_be_bytes(record[..8].try_into().ok()?);
    (acknowledged_record(steps) == *record).then_some(steps)
}

impl Writer {
    /// Not synced: after a kill the system still writes it; after a power cut it may say less than
    /// the database, which is harmless.
    fn acknowledge(&mut self, steps: u64) -> io::Result<()> {
        self.acknowledged.write_all_at(&acknowledged_record(steps), 0)
    }
}

fn synced() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options
}

fn open_error(path: &Path, error: columns::OpenError) -> StoreError {
    let path = path.to_path_buf();
    let error = match error {
        columns::OpenError::Database(error) => error,
        columns::OpenError::Missing(column) => {
            return StoreError::Damaged { path, reason: format!("column {column} is missing") };
        }
    };
    let message = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => StoreError::Damaged { path, reason: message },
        _ => StoreError::Database(error),
    }
}

/// What one step keeps. See the module.
pub struct Batch {
    store: Arc<Store>,
    writes: WriteBatch,
    votes: Vec<(Epoch, Statement)>,
    floor: Option<(Epoch, View)>,
}

// A block's bytes without first cloning its transactions; encodes as `Block` does.
#[derive(bincode::Encode)]
struct BlockBytes<'a> {
    header: &'a Header,
    transactions: Vec<&'a SignedTransaction>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Keeps a statement of our own. The last guard before signing: what contradicts a kept
    /// statement or lies below the floor is refused, whatever asked for it. The same again is fine.
    ///
    /// # Errors
    /// [`StoreError::Contradiction`], [`StoreError::BelowFloor`], or a failed read.
    pub fn vote(&mut self, epoch: Epoch, statement: &Statement) -> Result<(), StoreError> {
        let view = statement.view();
        let floor = self.floor.unwrap_or_else(|| self.store.writer().floor);
        if (epoch, view) < floor {
            return Err(StoreError::BelowFloor { epoch, wanted: *statement, floor: floor.1 });
        }
        let kept = self.store.votes_in(epoch, view)?;
        let own = self.votes.iter().filter(|(e, s)| *e == epoch && s.view() == view).map(|(_, s)| *s);
        for kept in kept.into_iter().chain(own) {
            if contradicts(&kept, statement) {
                return Err(StoreError::Contradiction { epoch, kept, wanted: *statement });
            }
        }
        self.votes.push((epoch, *statement));
        self.put(Column::Votes, columns::vote_key(epoch, statement), codec::encode(statement));
        Ok(())
    }

    /// Keeps a certificate.
    pub fn certificate(&mut self, certificate: &Certificate) {
        let key = columns::certificate_key(certificate.epoch, &certificate.statement);
        self.put(Column::Certificates, key, codec::encode(certificate));
    }

    /// Keeps a block that is not final yet.
    pub fn block(&mut self, block: &VerifiedBlock) {
        let header = block.header();
        let transactions = block.transactions().iter().map(|t| t.signed()).collect();
        let key = columns::undecided_key(header.epoch, header.view, &block.hash());
        self.put(Column::Undecided, key, codec::encode(&BlockBytes { header, transactions }));
        let place = columns::undecided_place(header.epoch, header.view);
        self.put(Column::Blocks, block.hash().0.0, place);
    }

    /// Keeps a final block and what it booked, and forgets that it was undecided.
    ///
    /// # Panics
    /// If there are fewer leaves than transactions, or a leaf is longer than
    /// [`ledger::block::LEAF_BYTES_MAX`]: the ledger makes none such.
    pub fn posted(&mut self, posted: &PostedBlock<'_>) {
        let PostedBlock { block, first_leaf, leaves, .. } = *posted;
        let header = &block.block.header;
        let hash = header.hash();
        assert!(posted.transactions.len() <= leaves.len(), "each transaction of a block has a leaf");
        let in_leaves = block.block.transactions.len() <= leaves.len()
            && block.block.transactions.iter().zip(leaves).all(|(transaction, leaf)| {
                leaf.get(columns::BOOKED_TAG_BYTES..)
                    .is_some_and(|booked| booked.starts_with(&codec::encode(transaction)))
            });
        let mut value = vec![u8::from(!in_leaves)];
        value.extend_from_slice(&first_leaf.0.to_be_bytes());
        value.extend_from_slice(&(leaves.len() as u32).to_be_bytes());
        if in_leaves {
            let stripped = FinalizedBlock {
                block: Block { header: header.clone(), transactions: Vec::new() },
                finality: block.finality.clone(),
            };
            value.extend_from_slice(&(block.block.transactions.len() as u32).to_be_bytes());
            value.extend_from_slice(&codec::encode(&stripped));
        } else {
            value.extend_from_slice(&codec::encode(block));
        }
        self.put(Column::Finalized, header.height.0.to_be_bytes(), value);
        self.put(Column::Blocks, hash.0.0, columns::final_place(header.height));
        self.delete(Column::Undecided, columns::undecided_key(header.epoch, header.view, &hash));
        self.leaves(first_leaf, leaves);
        for (index, id) in (first_leaf.0..).zip(posted.transactions) {
            self.put(Column::Transactions, id.0.0, index.to_be_bytes());
        }
        self.journal(posted.journal);
        self.postings(posted.postings);
        posted.tiles.iter().for_each(|tile| self.tile(tile));
    }

    /// Keeps leaves from an index on. For genesis; [`Batch::posted`] does it for a block.
    ///
    /// # Panics
    /// As [`Batch::posted`].
    pub fn leaves(&mut self, first: LeafIndex, leaves: &[Vec<u8>]) {
        let mut run = Vec::new();
        let mut run_first = first.0;
        for (index, leaf) in (first.0..).zip(leaves) {
            let length = u16::try_from(leaf.len()).expect("the ledger bounds a leaf by LEAF_BYTES_MAX");
            run.extend_from_slice(&length.to_be_bytes());
            run.extend_from_slice(leaf);
            let next = index + 1;
            let full = next - run_first >= RUN_LEAVES_MAX as u64 || run.len() >= RUN_BYTES_MAX;
            if full || next.is_multiple_of(u64::from(TILE_WIDTH)) || next - first.0 == leaves.len() as u64 {
                self.put(Column::Leaves, run_first.to_be_bytes(), &run);
                run.clear();
                run_first = next;
            }
        }
    }

    /// Keeps a tile of the log in place of what it held before. For genesis; [`Batch::posted`] does it
    /// for a block.
    pub fn tile(&mut self, tile: &TileRow) {
        self.put(Column::Tiles, columns::tile_key(tile.level, tile.index), &tile.hashes);
    }

    /// Keeps the newest certified checkpoint, in place of the one before.
    pub fn checkpoint(&mut self, certified: &Certified) {
        self.put(Column::Meta, columns::META_CHECKPOINT, codec::encode(certified));
    }

    /// Keeps what our own cosigner is about to sign. Must be durable before the cosignature leaves;
    /// see [`Store::watermark`].
    pub fn watermark(&mut self, size: u64, root: &Digest) {
        self.put(Column::Meta, columns::META_WATERMARK, codec::encode(&(size, *root)));
    }

    /// Keeps two votes that convict their signer.
    pub fn evidence(&mut self, first: &Vote, second: &Vote) {
        let key = columns::evidence_key(first, second);
        self.put(Column::Evidence, key, codec::encode(&(*first, *second)));
    }

    /// Forgets statements, certificates and undecided blocks of all views below `floor`, for good:
    /// the floor never moves back, and no vote below it is kept again.
    ///
    /// # Errors
    /// A failed read.
    pub fn prune(&mut self, epoch: Epoch, floor: View) -> Result<(), StoreError> {
        let from = self.floor.unwrap_or_else(|| self.store.writer().floor);
        let to = (epoch, floor);
        if to <= from {
            return Ok(());
        }
        // One by one, from the last floor on: they are few, and range deletions would pile up.
        for column in [Column::Votes, Column::Certificates] {
            for key in self.store.keys_between(column, from, to)? {
                self.delete(column, key);
            }
        }
        for key in self.store.keys_between(Column::Undecided, from, to)? {
            if let Some(hash) = key.get(16..)
                && self.store.is_undecided(hash)?
            {
                self.delete(Column::Blocks, hash);
            }
            self.delete(Column::Undecided, key);
        }
        self.floor = Some(to);
        self.put(Column::Meta, columns::META_FLOOR, columns::epoch_view_bytes(to));
        Ok(())
    }

    /// Writes everything in one synced step. An empty batch writes nothing.
    ///
    /// # Errors
    /// [`StoreError`]. The caller must end the process: what is on disk is unknown, and whatever the
    /// step promised must not be sent.
    pub fn commit(mut self) -> Result<(), StoreError> {
        if self.writes.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let mut writer = store.writer();
        let steps = writer.steps + 1;
        self.put(Column::Meta, columns::META_STEPS, steps.to_be_bytes());
        store.db.write_opt(self.writes, &synced())?;
        writer.steps = steps;
        if let Some(floor) = self.floor {
            writer.floor = floor;
        }
        writer
            .acknowledge(steps)
            .map_err(|source| StoreError::File { path: store.path.join("acknowledged"), source })
    }

    fn journal(&mut self, rows: &[JournalRow]) {
        let mut rows: Vec<_> =
            rows.iter().map(|row| (columns::journal_prefix(row.entity, row.voucher.year), row)).collect();
        rows.sort_by_key(|(prefix, row)| (*prefix, row.voucher.number));
        let items = rows.iter().map(|(prefix, row)| (prefix, row.voucher.number, columns::journal_item(row)));
        self.runs(Column::Journal, items);
    }

    fn postings(&mut self, rows: &[PostingRow]) {
        let prefix = |row: &PostingRow| columns::postings_prefix(row.entity, &row.account, row.period);
        let mut rows: Vec<_> = rows.iter().map(|row| (prefix(row), row)).collect();
        rows.sort_by_key(|(prefix, row)| (*prefix, row.number));
        let items = rows.iter().map(|(prefix, row)| (prefix, row.number, columns::postings_item(row)));
        self.runs(Column::Postings, items);
    }

    // Consecutive numbers under one prefix become one record: a record costs more than its bytes.
    fn runs<'a, const P: usize, const I: usize>(
        &mut self,
        column: Column,
        items: impl Iterator<Item = (&'a [u8; P], u64, [u8; I])>,
    ) {
        let mut run: Option<(&[u8; P], u64, u64, Vec<u8>)> = None;
        for (prefix, number, item) in items {
            match &mut run {
                Some((open, _, next, bytes)) if *open == prefix && *next == number => {
                    *next += 1;
                    bytes.extend_from_slice(&item);
                }
                _ => {
                    if let Some((prefix, first, _, bytes)) = run.take() {
                        self.put(column, columns::run_key(prefix, first), bytes);
                    }
                    run = Some((prefix, number, number + 1, item.to_vec()));
                }
            }
        }
        if let Some((prefix, first, _, bytes)) = run {
            self.put(column, columns::run_key(prefix, first), bytes);
        }
    }

    fn put(&mut self, column: Column, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let family = self.store.column(column);
        self.writes.put_cf(family, key, value);
    }

    fn delete(&mut self, column: Column, key: impl AsRef<[u8]>) {
        let family = self.store.column(column);
        self.writes.delete_cf(family, key);
    }
}

/// Whether no correct validator makes both statements in one epoch.
fn contradicts(one: &Statement, other: &Statement) -> bool {
    if one.view() != other.view() {
        return false;
    }
    match (one, other) {
        (Statement::Nullify { .. }, Statement::Finalize { .. })
        | (Statement::Finalize { .. }, Statement::Nullify { .. }) => true,
        (Statement::Nullify { .. }, _) | (_, Statement::Nullify { .. }) => false,
        _ => one.block() != other.block(),
    }
}
