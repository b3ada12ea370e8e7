//! Pages: records of one register that stand next to each other, with the path to the register's root.
//!
//! A page is a whole subtree of the register's tree, or its right end, so the tree over the pages' roots
//! has the shape of RFC 6962 too, and one short path proves all records of a page at once.

use alloc::vec::Vec;

use super::{Record, Register};
use crate::codec::{self, CodecError, Decode, ENCODED_BYTES_MAX, Encode};
use crate::digest::Digest;
use crate::state_proof::RegisterRoot;
use crate::tree::{self, Frontier, ProofError};

/// Records of a page, except of a register's last: a power of two, so that a page is a subtree; few
/// enough that a page of the largest records stays below a megabyte.
pub const PAGE_RECORDS: u64 = 1 << PAGE_LEVEL;
const PAGE_LEVEL: usize = 8;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// Place of the register in the list that `state_root` hashes.
    pub register: u8,
    /// Number of the page; it begins with record `number` × [`PAGE_RECORDS`].
    pub number: u64,
    /// The records' canonical bytes, in order of index.
    pub records: Vec<Vec<u8>>,
    /// From the page to the register's root.
    pub path: Vec<Digest>,
}

/// Why a page is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Another was asked for.
    #[error("page {number} of register {register} is not the one wanted; send that one")]
    Unwanted {
        /// Its register.
        register: u8,
        /// Its number.
        number: u64,
    },
    /// It has too few or too many records.
    #[error(
        "page {number} of register {register} has {found} records, {expected} belong there; ask another peer"
    )]
    Count {
        /// Its register.
        register: u8,
        /// Its number.
        number: u64,
        /// How many belong there.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// It is not in the register.
    #[error("page {number} of register {register}: {source}; ask another peer")]
    Proof {
        /// Its register.
        register: u8,
        /// Its number.
        number: u64,
        /// What does not hold.
        source: ProofError,
    },
    /// A record is none. Its bytes are what the header commits to, so this program is not that of the
    /// chain.
    #[error("record {index} of register {register}: {source}; use the program of this chain")]
    Record {
        /// Its register.
        register: u8,
        /// Its index.
        index: u64,
        /// Why it does not read.
        source: CodecError,
    },
    /// Two records have one key.
    #[error("record {index} of register {register} has the key of another; use the program of this chain")]
    Key {
        /// Its register.
        register: u8,
        /// Its index.
        index: u64,
    },
}

impl Page {
    /// Checks that exactly these records stand at this place of the register.
    ///
    /// # Errors
    /// [`PageError::Count`], [`PageError::Proof`].
    pub fn verify(&self, register: &RegisterRoot) -> Result<(), PageError> {
        let Self { register: place, number, records, path } = self;
        let first = number.checked_mul(PAGE_RECORDS).filter(|first| *first < register.length);
        let expected = first.map_or(0, |first| PAGE_RECORDS.min(register.length - first));
        let found = records.len() as u64;
        if found != expected || found == 0 {
            return Err(PageError::Count { register: *place, number: *number, expected, found });
        }
        let mut tree = Frontier::new();
        records.iter().for_each(|record| tree.push(tree::leaf_hash(record)));
        let pages = register.length.div_ceil(PAGE_RECORDS);
        tree::verify_inclusion(&tree.root(), *number, pages, path, &register.root)
            .map_err(|source| PageError::Proof { register: *place, number: *number, source })
    }
}

impl<R: Record> Register<R> {
    pub(super) fn page(&self, register: u8, number: u64) -> Option<Page> {
        let first = number.checked_mul(PAGE_RECORDS).filter(|first| *first < self.len())?;
        let end = self.len().min(first + PAGE_RECORDS);
        let records = (first..end).filter_map(|index| self.get(index)).map(codec::encode).collect();
        let node = |level: u8, index| self.node(PAGE_LEVEL + usize::from(level), index);
        let path = tree::inclusion_path(number, self.len().div_ceil(PAGE_RECORDS), node).ok()?;
        Some(Page { register, number, records, path })
    }

    /// Appends the records of the next page; all or none.
    pub(super) fn take(&mut self, page: &Page) -> Result<(), PageError> {
        let (first, register) = (self.len(), page.register);
        let mut records: Vec<R> = Vec::with_capacity(page.records.len());
        for (index, bytes) in (first..).zip(&page.records) {
            let record = codec::decode(bytes, ENCODED_BYTES_MAX);
            records.push(record.map_err(|source| PageError::Record { register, index, source })?);
        }
        let mut keys: Vec<(R::Key, u64)> = records.iter().map(R::key).zip(first..).collect();
        keys.sort();
        let twice = keys.windows(2).find(|two| two[0].0 == two[1].0).map(|two| two[1].1);
        let known = keys.iter().find(|(key, _)| self.index_of(key).is_some()).map(|(_, index)| *index);
        if let Some(index) = twice.or(known) {
            return Err(PageError::Key { register, index });
        }
        records.into_iter().for_each(|record| self.restore(record));
        Ok(())
    }
}
