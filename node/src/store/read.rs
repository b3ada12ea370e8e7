//! Reading back: what a restart replays, what peers and clients ask for.

use ledger::account::Account;
use ledger::block::{Block, BlockHash, Epoch, Header, Height, LEAF_BYTES_MAX, Leaf, LeafIndex, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec::{self, Decode, ENCODED_BYTES_MAX, Encode};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::Voucher;
use ledger::finality::FinalizedBlock;
use ledger::time::Period;
use ledger::transaction::TransactionId;
use rocksdb::{DBRawIterator, ReadOptions};

use super::columns::{self, Column};
use super::{JournalRow, PostingRow, Store, StoreError, StoredHead};
use crate::cosigning::Certified;

impl Store {
    /// How far the chain on this disk reaches; `None` before the first final block.
    ///
    /// # Errors
    /// A failed or inconsistent read, as of every question below.
    pub fn head(&self) -> Result<Option<StoredHead>, StoreError> {
        let mut cursor = self.cursor(Column::Finalized, ReadOptions::default());
        cursor.seek_to_last();
        cursor.status()?;
        let Some((key, value)) = cursor.item() else {
            let head =
                |header: &Header| StoredHead { height: header.height, next_leaf: LeafIndex(header.log_size) };
            return Ok(self.base()?.map(|base| head(&base.manifest.header)));
        };
        let height = Height(columns::number(Column::Finalized, key)?);
        let (_, first, leaves, _) = split_finalized(value)?;
        Ok(Some(StoredHead { height, next_leaf: LeafIndex(first + u64::from(leaves)) }))
    }

    /// Own statements of views at or above this one, in order of epoch, view and kind.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn votes(&self, epoch: Epoch, view: View) -> Result<Vec<(Epoch, Statement)>, StoreError> {
        self.collect_from(Column::Votes, &columns::epoch_view_bytes((epoch, view)), |key, value| {
            let (epoch, _) = columns::epoch_view(Column::Votes, key.get(..16).unwrap_or(key))?;
            Ok((epoch, record(Column::Votes, value)?))
        })
    }

    /// Certificates of views at or above this one, in order of epoch, view and kind.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn certificates(&self, epoch: Epoch, view: View) -> Result<Vec<Certificate>, StoreError> {
        let from = columns::epoch_view_bytes((epoch, view));
        self.collect_from(Column::Certificates, &from, |_, value| record(Column::Certificates, value))
    }

    /// Blocks that are not final, in order of epoch and view.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn undecided(&self) -> Result<Vec<Block>, StoreError> {
        self.collect_from(Column::Undecided, &[], |_, value| record(Column::Undecided, value))
    }

    /// A block by its hash, final or not.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Block>, StoreError> {
        let Some(place) = self.get(Column::Blocks, &hash.0.0)? else { return Ok(None) };
        match place.split_first() {
            Some((0, view)) => {
                let (epoch, view) = columns::epoch_view(Column::Blocks, view)?;
                let key = columns::undecided_key(epoch, view, hash);
                let value = self.get(Column::Undecided, &key)?;
                value.map(|value| record(Column::Undecided, &value)).transpose()
            }
            Some((1, height)) => {
                let height = Height(columns::number(Column::Blocks, height)?);
                Ok(self.finalized(height)?.map(|finalized| finalized.block))
            }
            _ => Err(inconsistent(Column::Blocks, "a block is neither undecided nor final")),
        }
    }

    /// The final block of a height, with what proves it.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn finalized(&self, height: Height) -> Result<Option<FinalizedBlock>, StoreError> {
        Ok(self.finalized_and_size(height)?.map(|(block, _)| block))
    }

    // With the bytes read for it, which are no fewer than it has when it is sent.
    fn finalized_and_size(&self, height: Height) -> Result<Option<(FinalizedBlock, usize)>, StoreError> {
        let Some(value) = self.get(Column::Finalized, &height.0.to_be_bytes())? else { return Ok(None) };
        let mut size = value.len();
        let (whole, first, _, bytes) = split_finalized(&value)?;
        if whole {
            return Ok(Some((record(Column::Finalized, bytes)?, size)));
        }
        let (count, bytes) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| inconsistent(Column::Finalized, "a record ends early"))?;
        let mut finalized: FinalizedBlock = record(Column::Finalized, bytes)?;
        let count = u32::from_be_bytes(*count) as usize;
        for leaf in self.leaves(LeafIndex(first), count, usize::MAX)? {
            size += leaf.len();
            match codec::decode(&leaf, LEAF_BYTES_MAX) {
                Ok(Leaf::Transaction(booked)) => finalized.block.transactions.push(booked.signed),
                Ok(_) => {
                    return Err(inconsistent(Column::Leaves, "a transaction's leaf holds something else"));
                }
                Err(source) => return Err(StoreError::Record { column: Column::Leaves.name(), source }),
            }
        }
        if finalized.block.transactions.len() != count {
            return Err(inconsistent(Column::Leaves, "a final block's leaves are missing"));
        }
        Ok(Some((finalized, size)))
    }

    /// Final blocks from a height on: at most `count`, and no more than fit in `bytes`, but one at
    /// least where there is one.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn finalized_from(
        &self,
        from: Height,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<FinalizedBlock>, StoreError> {
        let mut blocks = Vec::new();
        let mut used = 0;
        let mut height = from;
        while blocks.len() < count {
            let Some((block, size)) = self.finalized_and_size(height)? else { break };
            used += size;
            if used > bytes && !blocks.is_empty() {
                break;
            }
            blocks.push(block);
            height = height.next();
        }
        Ok(blocks)
    }

    /// First leaf and number of leaves of a height, its seal last.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn leaf_range(&self, height: Height) -> Result<Option<(LeafIndex, u32)>, StoreError> {
        let Some(value) = self.get(Column::Finalized, &height.0.to_be_bytes())? else { return Ok(None) };
        let (_, first, leaves, _) = split_finalized(&value)?;
        Ok(Some((LeafIndex(first), leaves)))
    }

    /// A leaf's bytes.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.leaves(index, 1, usize::MAX)?.pop())
    }

    /// Leaves from an index on: at most `count`, and no more than fit in `bytes`, but one at least
    /// where there is one.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn leaves(&self, from: LeafIndex, count: usize, bytes: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut leaves = Vec::new();
        let mut used = 0;
        let mut cursor = self.cursor(Column::Leaves, ReadOptions::default());
        cursor.seek_for_prev(from.0.to_be_bytes());
        let mut wanted = from.0;
        while leaves.len() < count
            && let Some((key, mut run)) = cursor.item()
        {
            let mut index = columns::number(Column::Leaves, key)?;
            if index > wanted {
                return Err(inconsistent(Column::Leaves, "leaves are missing"));
            }
            while leaves.len() < count
                && let Some((length, rest)) = run.split_first_chunk::<2>()
            {
                let length = usize::from(u16::from_be_bytes(*length));
                let (leaf, rest) = rest
                    .split_at_checked(length)
                    .ok_or_else(|| inconsistent(Column::Leaves, "a run of leaves ends early"))?;
                if index == wanted {
                    used += length;
                    if used > bytes && !leaves.is_empty() {
                        return Ok(leaves);
                    }
                    leaves.push(leaf.to_vec());
                    wanted += 1;
                }
                index += 1;
                run = rest;
            }
            if leaves.is_empty() {
                // The run nearest below ends before this leaf: the leaf is not there yet.
                break;
            }
            cursor.next();
        }
        cursor.status()?;
        Ok(leaves)
    }

    /// A tile's hashes, as many as it holds so far; `None` while it holds none.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(Column::Tiles, &columns::tile_key(level, index))
    }

    /// The leaf that holds a transaction.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn leaf_of(&self, id: &TransactionId) -> Result<Option<LeafIndex>, StoreError> {
        let value = self.get(Column::Transactions, &id.0.0)?;
        value.map(|value| columns::number(Column::Transactions, &value).map(LeafIndex)).transpose()
    }

    /// Entries of an entity and year from a voucher number on, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn journal(
        &self,
        entity: OrgNumber,
        year: u16,
        from: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, StoreError> {
        let prefix = columns::journal_prefix(entity, year);
        self.run_items::<{ columns::JOURNAL_ITEM_BYTES }, _>(
            Column::Journal,
            &prefix,
            from,
            limit,
            |number, item| {
                let (leaf, entry) = item.split_at(8);
                JournalRow {
                    entity,
                    voucher: Voucher { year, number },
                    leaf: LeafIndex(be(leaf)),
                    entry: be(entry) as u16,
                }
            },
        )
    }

    /// Postings of an account and period from a number on, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn postings(
        &self,
        entity: OrgNumber,
        account: Account,
        period: Period,
        from: u64,
        limit: usize,
    ) -> Result<Vec<PostingRow>, StoreError> {
        let prefix = columns::postings_prefix(entity, &account, period);
        self.run_items::<{ columns::POSTINGS_ITEM_BYTES }, _>(
            Column::Postings,
            &prefix,
            from,
            limit,
            |number, item| {
                let (leaf, rest) = item.split_at(8);
                let (entry, line) = rest.split_at(2);
                let (leaf, entry, line) = (LeafIndex(be(leaf)), be(entry) as u16, be(line) as u16);
                PostingRow { entity, account, period, number, leaf, entry, line }
            },
        )
    }

    /// The newest certified checkpoint.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn checkpoint(&self) -> Result<Option<Certified>, StoreError> {
        self.meta(columns::META_CHECKPOINT)
    }

    /// The largest checkpoint that our own cosigner was about to sign. It must sign no smaller one,
    /// and none of the same size with another root.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn watermark(&self) -> Result<Option<(u64, Digest)>, StoreError> {
        self.meta(columns::META_WATERMARK)
    }

    /// Pairs of votes that convict their signers.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub fn evidence(&self) -> Result<Vec<(Vote, Vote)>, StoreError> {
        self.collect_from(Column::Evidence, &[], |_, value| record(Column::Evidence, value))
    }

    /// Below this epoch and view nothing is remembered, and no vote is kept.
    pub fn floor(&self) -> (Epoch, View) {
        self.writer().floor
    }

    /// Steps committed since the directory was made.
    pub fn steps(&self) -> u64 {
        self.writer().steps
    }

    pub(super) fn votes_in(&self, epoch: Epoch, view: View) -> Result<Vec<Statement>, StoreError> {
        let mut statements = Vec::new();
        for kind in 1..=3 {
            let mut key = columns::epoch_view_bytes((epoch, view)).to_vec();
            key.push(kind);
            if let Some(value) = self.get(Column::Votes, &key)? {
                statements.push(record(Column::Votes, &value)?);
            }
        }
        Ok(statements)
    }

    pub(super) fn keys_between(
        &self,
        column: Column,
        from: (Epoch, View),
        to: (Epoch, View),
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(columns::epoch_view_bytes(to));
        let mut cursor = self.cursor(column, options);
        cursor.seek(columns::epoch_view_bytes(from));
        let mut keys = Vec::new();
        while let Some(key) = cursor.key() {
            keys.push(key.to_vec());
            cursor.next();
        }
        cursor.status()?;
        Ok(keys)
    }

    pub(super) fn is_undecided(&self, hash: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(Column::Blocks, hash)?.is_some_and(|place| place.first() == Some(&0)))
    }

    pub(super) fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.db.get_cf(self.column(column), key)?)
    }

    pub(super) fn meta_u64(&self, name: &[u8]) -> Result<u64, StoreError> {
        let value = self.get(Column::Meta, name)?;
        let value = value.ok_or_else(|| inconsistent(Column::Meta, &String::from_utf8_lossy(name)))?;
        columns::number(Column::Meta, &value)
    }

    pub(super) fn meta<T: Encode + Decode<()>>(&self, name: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.get(Column::Meta, name)?;
        value.map(|value| record(Column::Meta, &value)).transpose()
    }

    fn cursor(&self, column: Column, options: ReadOptions) -> DBRawIterator<'_> {
        self.db.raw_iterator_cf_opt(self.column(column), options)
    }

    fn collect_from<T>(
        &self,
        column: Column,
        from: &[u8],
        read: impl Fn(&[u8], &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut cursor = self.cursor(column, ReadOptions::default());
        cursor.seek(from);
        let mut items = Vec::new();
        while let Some((key, value)) = cursor.item() {
            items.push(read(key, value)?);
            cursor.next();
        }
        cursor.status()?;
        Ok(items)
    }

    fn run_items<const I: usize, T>(
        &self,
        column: Column,
        prefix: &[u8],
        from: u64,
        limit: usize,
        read: impl Fn(u64, &[u8; I]) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let mut cursor = self.cursor(column, ReadOptions::default());
        let start = columns::run_key(prefix, from);
        cursor.seek_for_prev(&start);
        if !cursor.key().is_some_and(|key| key.starts_with(prefix)) {
            cursor.seek(&start);
        }
        let mut items = Vec::new();
        while items.len() < limit
            && let Some((key, run)) = cursor.item()
            && let Some(first) = key.strip_prefix(prefix)
        {
            let first = columns::number(column, first)?;
            let (run, rest) = run.as_chunks::<I>();
            if !rest.is_empty() {
                return Err(inconsistent(column, "a run ends within an item"));
            }
            let run = (first..).zip(run).filter(|(number, _)| *number >= from);
            items.extend(run.take(limit - items.len()).map(|(number, item)| read(number, item)));
            cursor.next();
        }
        cursor.status()?;
        Ok(items)
    }
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn record<T: Encode + Decode<()>>(column: Column, bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes, ENCODED_BYTES_MAX)
        .map_err(|source| StoreError::Record { column: column.name(), source })
}

fn split_finalized(value: &[u8]) -> Result<(bool, u64, u32, &[u8]), StoreError> {
    let split = || {
        let (whole, rest) = value.split_first()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (leaves, rest) = rest.split_first_chunk::<4>()?;
        Some((*whole != 0, u64::from_be_bytes(*first), u32::from_be_bytes(*leaves), rest))
    };
    split().ok_or_else(|| inconsistent(Column::Finalized, "a record ends early"))
}

fn inconsistent(column: Column, reason: &str) -> StoreError {
    StoreError::Inconsistent { column: column.name(), reason: reason.into() }
}
