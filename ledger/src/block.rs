//! Blocks: transactions in order, under a header that commits to the books after them; and leaves,
//! what the log keeps of each.
//!
//! A block's hash covers its transactions with their signatures, so that whether a block is valid
//! is a function of its hash; it covers no certificate, so that a block has one hash no matter
//! which validators signed for it (`specs/decisions/0004-what-hashes-cover.md`).

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};
use rand_core::CryptoRng;

use crate::codec;
use crate::digest::Digest;
use crate::entry::JournalEntry;
use crate::time::Timestamp;
use crate::transaction::{SignedTransaction, TransactionError, VerifiedTransaction};

/// Bounds the work of one execution step to some tens of milliseconds.
pub const BLOCK_TRANSACTIONS_MAX: usize = 4000;
/// A body crosses a 20 Mbit/s link within the timer's base of one second.
pub const BLOCK_BYTES_MAX: usize = 2 << 20;
/// The rules by which blocks are executed.
pub const PROTOCOL_VERSION: u16 = 2;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub u64);

        impl $name {
            /// The one after.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

counter! {
    /// Position of a block in the finalized chain; genesis is 0.
    Height
}
counter! {
    /// One leader's attempt, from 1 within an epoch; 0 stands for the block the epoch starts from.
    View
}
counter! {
    /// The term of a validator set.
    Epoch
}
counter! {
    /// Position of a leaf in the log, from 0.
    LeafIndex
}

/// The identity of a block.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct BlockHash(pub Digest);

impl fmt::Display for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What validators vote on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// Genesis hash of the chain.
    pub chain: Digest,
    /// Epoch of the validator set that votes.
    pub epoch: Epoch,
    /// The view it was proposed in.
    pub view: View,
    /// Its height: one more than the parent's.
    pub height: Height,
    /// View of the parent.
    pub parent_view: View,
    /// The parent.
    pub parent: BlockHash,
    /// Index of the leader in the validator set.
    pub proposer: u16,
    /// The leader's time; later than the parent's.
    pub time: Timestamp,
    /// Commits to the transactions and their signatures.
    pub payload: Digest,
    /// Leaves in the log after this block.
    pub log_size: u64,
    /// Root of the log after this block.
    pub log_root: Digest,
    /// Root of the registers after this block.
    pub state_root: Digest,
}

/// A header is fixed in size; the margin is for a later version's fields.
pub const HEADER_BYTES_MAX: usize = 1024;

impl Header {
    /// The block's identity.
    pub fn hash(&self) -> BlockHash {
        BlockHash(Digest::of(&[b"hovedbok/v1/header", &codec::encode(self)]))
    }
}

/// A header with its transactions.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Block {
    /// What validators vote on.
    pub header: Header,
    /// In the order they are executed.
    pub transactions: Vec<SignedTransaction>,
}

/// A block whose body is not what its header says, or whose transactions do not verify.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The transactions hash to something else.
    #[error("block {block}: transactions hash to {found}, the header says {expected}")]
    Payload {
        /// The block.
        block: BlockHash,
        /// What the header says.
        expected: Digest,
        /// What the body hashes to.
        found: Digest,
    },
    /// More transactions or bytes than a block may hold.
    #[error(
        "block {block}: {count} transactions in {bytes} bytes; at most {BLOCK_TRANSACTIONS_MAX} in {BLOCK_BYTES_MAX} bytes"
    )]
    TooLarge {
        /// The block.
        block: BlockHash,
        /// How many transactions.
        count: usize,
        /// Their encoded length.
        bytes: usize,
    },
    /// A transaction breaks its form or its signatures do not hold.
    #[error("block {block}: {source}")]
    Transaction {
        /// The block.
        block: BlockHash,
        /// What is wrong.
        source: TransactionError,
    },
}

impl Block {
    /// The digest that a header commits its transactions by.
    pub fn payload(transactions: &[SignedTransaction]) -> Digest {
        let digest = |transaction| Digest::of(&[&codec::encode::<SignedTransaction>(transaction)]);
        Self::payload_of(&transactions.iter().map(digest).collect::<Vec<_>>())
    }

    /// As [`Block::payload`], from the SHA-256 of each transaction's canonical bytes.
    pub fn payload_of(digests: &[Digest]) -> Digest {
        let mut bytes = Vec::from(*b"hovedbok/v1/payload");
        digests.iter().for_each(|digest| bytes.extend_from_slice(&digest.0));
        Digest::of(&[&bytes])
    }

    /// Checks the body against the header, and every signature that `known` does not vouch for.
    /// `known` answers for transactions, signatures included, that this node verified before.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn verify<R: CryptoRng>(
        self,
        mut known: impl FnMut(&SignedTransaction) -> Option<VerifiedTransaction>,
        rng: &mut R,
    ) -> Result<VerifiedBlock, BodyError> {
        let block = self.header.hash();
        let count = self.transactions.len();
        let mut bytes = 0;
        let mut verified = Vec::with_capacity(count);
        let mut unknown = Vec::new();
        for signed in &self.transactions {
            let encoded = codec::encode(signed);
            bytes += encoded.len();
            let found = known(signed);
            if found.is_none() {
                let checked = SignedTransaction::decode(&encoded);
                unknown.push(checked.map_err(|source| BodyError::Transaction { block, source })?);
            }
            verified.push(found);
        }
        if count > BLOCK_TRANSACTIONS_MAX || bytes > BLOCK_BYTES_MAX {
            return Err(BodyError::TooLarge { block, count, bytes });
        }
        let found = Self::payload(&self.transactions);
        if found != self.header.payload {
            return Err(BodyError::Payload { block, expected: self.header.payload, found });
        }
        let mut checked = SignedTransaction::verify_all(unknown, &self.header.chain, rng).into_iter();
        let transactions = verified
            .into_iter()
            .map(|known| match known {
                Some(transaction) => Ok(transaction),
                None => match checked.next() {
                    Some(result) => result.map_err(|source| BodyError::Transaction { block, source }),
                    None => Err(BodyError::TooLarge { block, count, bytes }),
                },
            })
            .collect::<Result<_, _>>()?;
        Ok(VerifiedBlock { hash: block, header: self.header, transactions })
    }
}

/// A block whose transactions are its header's and all verify. Whether the books agree is for
/// `books` to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedBlock {
    hash: BlockHash,
    header: Header,
    transactions: Vec<VerifiedTransaction>,
}

impl VerifiedBlock {
    /// A block that this node built itself from verified transactions.
    pub fn from_own_proposal(header: Header, transactions: Vec<VerifiedTransaction>) -> Self {
        Self { hash: header.hash(), header, transactions }
    }

    /// A block read back from this node's own store, where it was verified before.
    pub fn from_own_store(block: Block) -> Self {
        let chain = block.header.chain;
        let transactions = block.transactions.into_iter();
        let transactions = transactions.map(|t| VerifiedTransaction::from_own_store(t, &chain)).collect();
        Self { hash: block.header.hash(), header: block.header, transactions }
    }

    /// Its identity.
    pub fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its transactions.
    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.transactions
    }

    /// As it is stored and sent.
    pub fn to_block(&self) -> Block {
        let transactions = self.transactions.iter().map(|t| t.signed().clone()).collect();
        Block { header: self.header.clone(), transactions }
    }
}

/// The last leaf of each block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seal {
    /// [`PROTOCOL_VERSION`] that the block was executed by.
    pub version: u16,
    /// Height of the block.
    pub height: Height,
    /// Time of the block.
    pub time: Timestamp,
    /// Epoch of the block.
    pub epoch: Epoch,
    /// Index of the seal before, zero for genesis.
    pub previous_seal: LeafIndex,
    /// Index of the block's first leaf.
    pub first: LeafIndex,
    /// Leaves of the block before this seal.
    pub count: u64,
    /// Root of the registers after the block.
    pub state_root: Digest,
}

/// A transaction together with what the ledger booked from it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Booked {
    /// As submitted, with its signatures.
    pub signed: SignedTransaction,
    /// In the order of booking; empty where nothing is posted.
    pub entries: Vec<JournalEntry>,
}

/// One entry of the log. Its canonical encoding is the leaf's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Leaf {
    /// What a transaction did.
    Transaction(Booked),
    /// A validator set begins; the first leaf of all names genesis.
    Epoch {
        /// Which.
        epoch: Epoch,
        /// Genesis hash of the chain.
        chain: Digest,
        /// Digest of the validator set (`ValidatorSet::digest`).
        validators: Digest,
    },
    /// The end of a block.
    Seal(Seal),
}

/// The longest leaf that C2SP entry bundles can carry.
pub const LEAF_BYTES_MAX: usize = 65_535;
