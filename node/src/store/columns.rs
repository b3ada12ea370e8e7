//! Columns, their settings, and the keys and small values in them. No reading, no writing.

use std::path::Path;

use ledger::account::{Account, Class};
use ledger::block::{BlockHash, Epoch, Height, View};
use ledger::certificate::{Statement, Vote};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::time::Period;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode,
    LogLevel, Options,
};

use super::memory::Care;
use super::{JournalRow, PostingRow, Store, StoreError};

/// Blocks, indexes and filters read lately, for all columns together.
const CACHE_BYTES: usize = 64 << 20;
/// What is written before a column is flushed to a table.
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// The same, for all columns together; also what a restart may have to replay from the log.
const WRITE_BUFFERS_BYTES: usize = 256 << 20;
/// Operators' systems allow 1024 open files by default.
const OPEN_FILES_MAX: i32 = 512;

pub(super) const META_CHAIN: &[u8] = b"chain";
pub(super) const META_FORMAT: &[u8] = b"format";
pub(super) const META_STEPS: &[u8] = b"steps";
pub(super) const META_FLOOR: &[u8] = b"floor";
pub(super) const META_WATERMARK: &[u8] = b"watermark";
pub(super) const META_TOKENS: &[u8] = b"tokens/";
pub(super) const META_CHECKPOINT: &[u8] = b"checkpoint";
pub(super) const META_BASE: &[u8] = b"base";

/// A leaf that holds a transaction begins with the tag of its kind, then the transaction.
pub(super) const BOOKED_TAG_BYTES: usize = 4;

/// The columns, as the table in the module above says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Meta,
    Votes,
    Certificates,
    Undecided,
    Blocks,
    Finalized,
    Leaves,
    Tiles,
    Transactions,
    Journal,
    Postings,
    Evidence,
}

impl Column {
    const ALL: [Self; 12] = [
        Self::Meta,
        Self::Votes,
        Self::Certificates,
        Self::Undecided,
        Self::Blocks,
        Self::Finalized,
        Self::Leaves,
        Self::Tiles,
        Self::Transactions,
        Self::Journal,
        Self::Postings,
        Self::Evidence,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Votes => "votes",
            Self::Certificates => "certificates",
            Self::Undecided => "undecided",
            Self::Blocks => "blocks",
            Self::Finalized => "finalized",
            Self::Leaves => "leaves",
            Self::Tiles => "tiles",
            Self::Transactions => "transactions",
            Self::Journal => "journal",
            Self::Postings => "postings",
            Self::Evidence => "evidence",
        }
    }
}

impl Store {
    pub(super) fn column(&self, column: Column) -> &ColumnFamily {
        self.db.cf_handle(column.name()).expect("open creates every column")
    }
}

/// Opens the database with every column.
pub(super) fn open(path: &Path, care: Care) -> Result<DB, OpenError> {
    let mut options = Options::default();
    if care == Care::Strict && path.join("CURRENT").exists() {
        // Otherwise a column that is gone would be made anew, empty, and nobody would know.
        let found = DB::list_cf(&options, path).map_err(OpenError::Database)?;
        let lacks = |column: &&Column| !found.iter().any(|name| name == column.name());
        if let Some(missing) = Column::ALL.iter().find(lacks) {
            return Err(OpenError::Missing(missing.name()));
        }
    }
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // Damage is an error, never skipped; only an unfinished record at a log's end is dropped.
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(match care {
        Care::Strict => DBRecoveryMode::TolerateCorruptedTailRecords,
        // Everything up to the damage: what is left is one moment of the past, of all columns alike.
        Care::Salvage => DBRecoveryMode::PointInTime,
    });
    options.set_track_and_verify_wals_in_manifest(care == Care::Strict);
    options.set_max_background_jobs(2);
    options.set_bytes_per_sync(1 << 20);
    options.set_max_total_wal_size(WRITE_BUFFERS_BYTES as u64);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let columns =
        Column::ALL.map(|column| ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache)));
    // RocksDB insists on a column of this name; nothing is kept in it.
    let default = ColumnFamilyDescriptor::new("default", Options::default());
    DB::open_cf_descriptors(&options, path, columns.into_iter().chain([default])).map_err(OpenError::Database)
}

/// Why the database does not open.
pub(super) enum OpenError {
    /// It says so itself.
    Database(rocksdb::Error),
    /// This column is gone.
    Missing(&'static str),
}

pub(super) fn plain_options() -> Options {
    column_options(Column::Votes, &Cache::new_lru_cache(CACHE_BYTES))
}

fn column_options(column: Column, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_format_version(6);
    if matches!(column, Column::Transactions | Column::Blocks) {
        // Asked for by hash, often in vain.
        table.set_bloom_filter(10.0, false);
    }
    if matches!(column, Column::Leaves | Column::Finalized) {
        table.set_block_size(16 << 10);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    // Most bytes are hashes and signatures, which do not compress.
    options.set_compression_type(DBCompressionType::None);
    options
}

pub(super) fn kind(statement: &Statement) -> u8 {
    match statement {
        Statement::Notarize { .. } => 1,
        Statement::Nullify { .. } => 2,
        Statement::Finalize { .. } => 3,
    }
}

pub(super) fn epoch_view_bytes((epoch, view): (Epoch, View)) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&epoch.0.to_be_bytes());
    bytes[8..].copy_from_slice(&view.0.to_be_bytes());
    bytes
}

pub(super) fn epoch_view(column: Column, bytes: &[u8]) -> Result<(Epoch, View), StoreError> {
    let array: &[u8; 16] = exactly(column, bytes)?;
    let (epoch, view) = array.split_at(8);
    Ok((Epoch(number(column, epoch)?), View(number(column, view)?)))
}

pub(super) fn vote_key(epoch: Epoch, statement: &Statement) -> [u8; 17] {
    let mut key = [0; 17];
    key[..16].copy_from_slice(&epoch_view_bytes((epoch, statement.view())));
    key[16] = kind(statement);
    key
}

pub(super) fn certificate_key(epoch: Epoch, statement: &Statement) -> Vec<u8> {
    let mut key = vote_key(epoch, statement).to_vec();
    if let Some(block) = statement.block() {
        key.extend_from_slice(&block.0.0);
    }
    key
}

pub(super) fn undecided_key(epoch: Epoch, view: View, block: &BlockHash) -> [u8; 48] {
    let mut key = [0; 48];
    key[..16].copy_from_slice(&epoch_view_bytes((epoch, view)));
    key[16..].copy_from_slice(&block.0.0);
    key
}

/// Where a block is found: among the undecided of this view.
pub(super) fn undecided_place(epoch: Epoch, view: View) -> [u8; 17] {
    let mut place = [0; 17];
    place[1..].copy_from_slice(&epoch_view_bytes((epoch, view)));
    place
}

/// Where a block is found: final, at this height.
pub(super) fn final_place(height: Height) -> [u8; 9] {
    let mut place = [1; 9];
    place[1..].copy_from_slice(&height.0.to_be_bytes());
    place
}

pub(super) fn tile_key(level: u8, index: u64) -> [u8; 9] {
    let mut key = [level; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(super) fn evidence_key(first: &Vote, second: &Vote) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(&epoch_view_bytes((first.epoch, first.statement.view())));
    key[16..18].copy_from_slice(&first.signer.to_be_bytes());
    key[18] = kind(&first.statement);
    key[19] = kind(&second.statement);
    key
}

pub(super) const JOURNAL_PREFIX_BYTES: usize = 6;
pub(super) const JOURNAL_ITEM_BYTES: usize = 10;
pub(super) const POSTINGS_PREFIX_BYTES: usize = 15;
pub(super) const POSTINGS_ITEM_BYTES: usize = 12;

pub(super) fn journal_prefix(entity: OrgNumber, year: u16) -> [u8; JOURNAL_PREFIX_BYTES] {
    let mut prefix = [0; JOURNAL_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&entity.number().to_be_bytes());
    prefix[4..].copy_from_slice(&year.to_be_bytes());
    prefix
}

pub(super) fn journal_item(row: &JournalRow) -> [u8; JOURNAL_ITEM_BYTES] {
    let mut item = [0; JOURNAL_ITEM_BYTES];
    item[..8].copy_from_slice(&row.leaf.0.to_be_bytes());
    item[8..].copy_from_slice(&row.entry.to_be_bytes());
    item
}

pub(super) fn postings_prefix(
    entity: OrgNumber,
    account: &Account,
    period: Period,
) -> [u8; POSTINGS_PREFIX_BYTES] {
    let class = match account.class {
        Class::Investment => 0,
        Class::Operating => 1,
        Class::Balance => 2,
        Class::State => 3,
        Class::Private => 4,
    };
    let mut prefix = [0; POSTINGS_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&entity.number().to_be_bytes());
    prefix[4] = class;
    prefix[5..7].copy_from_slice(&account.function.to_be_bytes());
    prefix[7..9].copy_from_slice(&account.code.to_be_bytes());
    prefix[9..11].copy_from_slice(&account.sector.to_be_bytes());
    prefix[11..].copy_from_slice(&period.number().to_be_bytes());
    prefix
}

pub(super) fn postings_item(row: &PostingRow) -> [u8; POSTINGS_ITEM_BYTES] {
    let mut item = [0; POSTINGS_ITEM_BYTES];
    item[..8].copy_from_slice(&row.leaf.0.to_be_bytes());
    item[8..10].copy_from_slice(&row.entry.to_be_bytes());
    item[10..].copy_from_slice(&row.line.to_be_bytes());
    item
}

pub(super) fn run_key(prefix: &[u8], first: u64) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&first.to_be_bytes());
    key
}

/// The bytes as an array, or an error that names the column.
pub(super) fn exactly<const N: usize>(column: Column, bytes: &[u8]) -> Result<&[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Inconsistent {
        column: column.name(),
        reason: format!("{} bytes where {N} belong", bytes.len()),
    })
}

pub(super) fn number(column: Column, bytes: &[u8]) -> Result<u64, StoreError> {
    exactly(column, bytes).map(|bytes| u64::from_be_bytes(*bytes))
}

pub(super) fn digest(column: Column, bytes: &[u8]) -> Result<Digest, StoreError> {
    exactly(column, bytes).map(|bytes| Digest(*bytes))
}
