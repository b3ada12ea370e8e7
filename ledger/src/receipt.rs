//! Receipts: how a supplier proves, years later and offline, that a payment was posted.
//!
//! A receipt (kvittering, a `.kvittering` file) is a C2SP `tlog-proof`: the leaf's bytes, its index,
//! the path from it to the root of a checkpoint, and the checkpoint with a quorum of validators'
//! signatures. It may carry records of the registers as they stood at that checkpoint. Checking it
//! asks no server; what it does not show, [`Posted::limits`] says.
//!
//! Invariant: a [`Posted`] exists only because [`Receipt::verify`] returned it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{Booked, Epoch, LEAF_BYTES_MAX, Leaf, LeafIndex};
use crate::checkpoint::{CertifiedCheckpoint, CheckpointError, Term, Trust, TrustedCheckpoint, decimal};
use crate::codec::{self, CodecError};
use crate::digest::Digest;
use crate::handoff::{Handoff, HandoffError};
use crate::note::{from_base64, to_base64};
use crate::state_proof::{ProvenState, RecordPath, SealProof, StateProofError};
use crate::time::Timestamp;
use crate::transaction::{Operation, TransactionId};
use crate::tree::{self, PATH_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};

/// Bytes of a receipt: `extra` in base64, and the longest path and note.
pub const RECEIPT_BYTES_MAX: usize = 8 << 20;
/// Bytes of the decoded `extra`: the longest leaf, records for twice as much, and handoffs of a few
/// hundred epochs of a large committee, or some thousand of a small one.
pub const EXTRA_BYTES_MAX: usize = 5 << 20;
/// The layout of `extra`.
pub const RECEIPT_FORMAT: u16 = 2;

const MAGIC: &str = "c2sp.org/tlog-proof@v1";

/// Records as they stood at the receipt's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// What the checkpoint's last leaf seals.
    pub seal: SealProof,
    /// The records.
    pub records: Vec<RecordPath>,
}

#[derive(Encode, Decode)]
struct Extra {
    format: u16,
    leaf: Vec<u8>,
    state: Option<Evidence>,
    handoffs: Vec<Handoff>,
}

/// A leaf of the log, with what proves it; nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    leaf: Vec<u8>,
    state: Option<Evidence>,
    handoffs: Vec<Handoff>,
    index: LeafIndex,
    path: Vec<Digest>,
    checkpoint: CertifiedCheckpoint,
}

/// Why a receipt is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than any receipt.
    #[error("receipt of {bytes} bytes; at most {RECEIPT_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not text.
    #[error(
        "the receipt is not UTF-8 text: byte {at} was altered, or it was saved in another form; fetch it again"
    )]
    NotText {
        /// Where it ceases to be, counted from 0.
        at: usize,
    },
    /// A line is not what it should be.
    #[error("line {line} of the receipt: expected {expected}; it was altered or cut, fetch it again")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A layout of another version.
    #[error("the receipt is of format {found}, this program reads {RECEIPT_FORMAT}; use a newer program")]
    Format {
        /// Its format.
        found: u16,
    },
    /// The `extra` line's bytes are not what the format says.
    #[error("line 2 of the receipt: {0}; it was altered, fetch it again")]
    Extra(CodecError),
    /// A handoff in it is not believed.
    #[error("the receipt's validators: {0}")]
    Handoff(#[from] HandoffError),
    /// More handoffs than lead to the checkpoint.
    #[error(
        "the receipt has handoffs to epoch {found}, its checkpoint is of epoch {expected}; remove those after it"
    )]
    HandoffsBeyond {
        /// Epoch of the checkpoint.
        expected: Epoch,
        /// Epoch of the last handoff.
        found: Epoch,
    },
    /// The checkpoint in it is not believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path proves the leaf at another index.
    #[error("the receipt says leaf {claimed}, its path proves leaf {proven}; fetch the receipt again")]
    Index {
        /// What the receipt says.
        claimed: u64,
        /// What is proven.
        proven: u64,
    },
    /// There is no such leaf yet.
    #[error("the receipt says leaf {index}, but its checkpoint has {size} leaves; fetch the receipt again")]
    NoSuchLeaf {
        /// What the receipt says.
        index: u64,
        /// Leaves in the checkpoint.
        size: u64,
    },
    /// Hashes are missing from the path, or too many.
    #[error(
        "the receipt's path has {found} hashes, leaf {index} of {size} needs {expected}; it was cut, fetch it again"
    )]
    PathLength {
        /// What the receipt says.
        index: u64,
        /// Leaves in the checkpoint.
        size: u64,
        /// How many hashes are needed.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The leaf's bytes and the path do not lead to the root.
    #[error(
        "what the receipt shows as leaf {index} is not what the validators signed: entry, index or path was altered; fetch it again"
    )]
    NotInLog {
        /// What the receipt says.
        index: u64,
    },
    /// The leaf is logged, but of a kind or version unknown here.
    #[error(
        "leaf {index} is in the log, but this program does not understand it ({source}); use a newer program"
    )]
    NotUnderstood {
        /// Where it stands.
        index: u64,
        /// Why.
        source: CodecError,
    },
    /// The records in it are not believed.
    #[error("the records with the receipt do not hold: {0}")]
    State(#[from] StateProofError),
}

impl ReceiptError {
    /// The step of verification that failed, as `specs/formats.md` numbers them.
    pub fn step(&self) -> u8 {
        match self {
            Self::TooLong { .. }
            | Self::NotText { .. }
            | Self::Line { .. }
            | Self::Format { .. }
            | Self::Extra(_)
            | Self::Checkpoint(CheckpointError::Note(_) | CheckpointError::Body { .. }) => 1,
            Self::Checkpoint(CheckpointError::Origin { .. } | CheckpointError::Inconsistent(_)) => 2,
            Self::Handoff(_) => 3,
            Self::HandoffsBeyond { .. } => 4,
            Self::Checkpoint(
                CheckpointError::Signature { .. }
                | CheckpointError::Twice { .. }
                | CheckpointError::Signer { .. },
            ) => 5,
            Self::Checkpoint(
                CheckpointError::Quorum { .. }
                | CheckpointError::QuorumOfNewest { .. }
                | CheckpointError::Future { .. },
            ) => 6,
            Self::Index { .. }
            | Self::NoSuchLeaf { .. }
            | Self::PathLength { .. }
            | Self::NotInLog { .. } => 8,
            Self::NotUnderstood { .. } => 9,
            Self::State(_) => 11,
        }
    }
}

impl Receipt {
    /// Joins the parts. `path` is the inclusion path of `index` at the checkpoint's size. `handoffs`
    /// lead from genesis to the checkpoint's epoch: `Trust::handoffs_at` of its size.
    pub fn new(
        leaf: Vec<u8>,
        index: LeafIndex,
        path: Vec<Digest>,
        checkpoint: CertifiedCheckpoint,
        state: Option<Evidence>,
        handoffs: Vec<Handoff>,
    ) -> Self {
        Self { leaf, state, handoffs, index, path, checkpoint }
    }

    /// Reads a receipt from a file's bytes. Whatever reads is what [`Receipt::to_text`] writes.
    ///
    /// # Errors
    /// [`ReceiptError`], those of step 1.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong { bytes: bytes.len() });
        }
        let text = core::str::from_utf8(bytes);
        Self::parse(text.map_err(|error| ReceiptError::NotText { at: error.valid_up_to() })?)
    }

    /// Reads a receipt. Whatever reads is what [`Receipt::to_text`] writes.
    ///
    /// # Errors
    /// [`ReceiptError`], those of step 1.
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(ReceiptError::TooLong { bytes: text.len() });
        }
        let refuse = |line, expected| ReceiptError::Line { line, expected };
        // The path holds no blank line, so the first one ends it and the note begins.
        let (head, note) = text.split_once("\n\n").ok_or(refuse(1, "a blank line before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(MAGIC) {
            return Err(refuse(1, MAGIC));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).and_then(from_base64);
        let extra = extra.ok_or(refuse(2, "\"extra\" and the entry in base64"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = LeafIndex(index.ok_or(refuse(3, "\"index\" and the leaf's number"))?);
        let mut path = Vec::new();
        for (i, line) in lines.enumerate() {
            let hash = from_base64(line).and_then(|bytes| bytes.try_into().ok());
            path.push(Digest(hash.ok_or(refuse(i + 4, "a hash of 32 bytes in base64"))?));
            if path.len() > PATH_HASHES_MAX {
                return Err(refuse(i + 4, "the end of the path"));
            }
        }
        let Extra { leaf, state, handoffs, .. } = decode_extra(&extra)?;
        let checkpoint = CertifiedCheckpoint::parse(note)?;
        Ok(Self { leaf, state, handoffs, index, path, checkpoint })
    }

    /// The receipt as text.
    pub fn to_text(&self) -> String {
        let extra = Extra {
            format: RECEIPT_FORMAT,
            leaf: self.leaf.clone(),
            state: self.state.clone(),
            handoffs: self.handoffs.clone(),
        };
        let mut text = alloc::format!("{MAGIC}\nextra {}\n", to_base64(&codec::encode(&extra)));
        text.push_str(&alloc::format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&to_base64(&hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint.to_text());
        text
    }

    /// The leaf's bytes, unverified.
    pub fn claimed_leaf(&self) -> &[u8] {
        &self.leaf
    }

    /// The leaf's index, unverified.
    pub fn claimed_index(&self) -> LeafIndex {
        self.index
    }

    /// The handoffs from genesis to the checkpoint's epoch, unverified.
    pub fn handoffs(&self) -> &[Handoff] {
        &self.handoffs
    }

    /// The checkpoint, unverified.
    pub fn checkpoint(&self) -> &CertifiedCheckpoint {
        &self.checkpoint
    }

    /// Checks everything: that the checkpoint is of the trusted ledger, that the handoffs lead to its
    /// epoch and a quorum of that epoch's validators signed it, that the leaf stands in it at the stated index, that it is understood,
    /// and that the records with it hold. `now` is the reader's clock, where it has one.
    ///
    /// # Errors
    /// [`ReceiptError`], the first in the order of [`ReceiptError::step`].
    pub fn verify(&self, trust: &Trust, now: Option<Timestamp>) -> Result<Posted, ReceiptError> {
        self.checkpoint.check_origin(trust)?;
        // Who holds all of them already copies nothing.
        let held = self.handoffs.iter().zip(trust.handoffs()).take_while(|(own, known)| own == known);
        let extended = if held.count() == self.handoffs.len() {
            None
        } else {
            let mut extended = trust.clone();
            self.handoffs.iter().try_for_each(|handoff| extended.extend(handoff))?;
            Some(extended)
        };
        let trust = extended.as_ref().unwrap_or(trust);
        let term = trust.term(self.checkpoint.claimed().size);
        let (expected, found) = (term.validators().epoch, self.handoffs.last());
        if let Some(found) = found.map(|last| last.validators.epoch).filter(|last| *last > expected) {
            return Err(ReceiptError::HandoffsBeyond { expected, found });
        }
        let checkpoint = self.checkpoint.verify(trust, now)?;
        let (index, size) = (self.index.0, checkpoint.size());
        let hash = leaf_hash(&self.leaf);
        verify_inclusion(&hash, index, size, &self.path, checkpoint.root()).map_err(|error| {
            if let Some(proven) = proven_index(&hash, index, size, &self.path, checkpoint.root()) {
                return ReceiptError::Index { claimed: index, proven };
            }
            match error {
                ProofError::NoSuchLeaf { .. } => ReceiptError::NoSuchLeaf { index, size },
                ProofError::Length { expected, found } => {
                    ReceiptError::PathLength { index, size, expected, found }
                }
                _ => ReceiptError::NotInLog { index },
            }
        })?;
        let leaf: Leaf = codec::decode(&self.leaf, LEAF_BYTES_MAX)
            .map_err(|source| ReceiptError::NotUnderstood { index, source })?;
        let state = match &self.state {
            Some(Evidence { seal, records }) => Some(ProvenState::verify(seal, records, &checkpoint)?),
            None => None,
        };
        let validators = term.validators().len();
        let recovered = |term: &&Term| term.is_recovery() && term.validators().epoch <= expected;
        let recoveries = trust.terms().iter().filter(recovered);
        let recoveries = recoveries.map(|term| (term.validators().epoch, term.starts())).collect();
        Ok(Posted { leaf, index: self.index, checkpoint, state, validators, recoveries })
    }
}

/// A leaf of the log that a quorum of validators vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    leaf: Leaf,
    index: LeafIndex,
    checkpoint: TrustedCheckpoint,
    state: Option<ProvenState>,
    validators: usize,
    recoveries: Vec<(Epoch, u64)>,
}

impl Posted {
    /// The leaf.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The transaction and what was booked from it, unless the leaf is an epoch or a seal.
    pub fn booked(&self) -> Option<&Booked> {
        match &self.leaf {
            Leaf::Transaction(booked) => Some(booked),
            Leaf::Epoch { .. } | Leaf::Seal(_) => None,
        }
    }

    /// Identity of the transaction, if the leaf holds one.
    pub fn transaction(&self) -> Option<TransactionId> {
        let signed = &self.booked()?.signed;
        let bytes = signed.transaction.signed_bytes(self.checkpoint.chain());
        Some(TransactionId(Digest::of(&[&bytes])))
    }

    /// Where it stands in the log.
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The epoch whose validators vouch for it.
    pub fn epoch(&self) -> Epoch {
        self.checkpoint.epoch()
    }

    /// The epochs up to this one that began by recovery, each with the number of leaves before it.
    pub fn recoveries(&self) -> &[(Epoch, u64)] {
        &self.recoveries
    }

    /// The checkpoint that it was proven at.
    pub fn checkpoint(&self) -> &TrustedCheckpoint {
        &self.checkpoint
    }

    /// The records that came with it, proven at the same checkpoint.
    pub fn state(&self) -> Option<&ProvenState> {
        self.state.as_ref()
    }

    /// What the receipt does not show, one sentence a line, for the reader of a report.
    pub fn limits(&self) -> Vec<String> {
        let size = self.checkpoint.size();
        let mut limits = Vec::new();
        match self.booked().map(|booked| &booked.signed.transaction.operation) {
            Some(operation) => {
                limits.push(alloc::format!(
                    "Booked; not proven unreversed after leaf {}, where this checkpoint ends.",
                    size.saturating_sub(1)
                ));
                if let Some(more) = not_shown(operation) {
                    limits.push(more.to_string());
                }
            }
            None => limits.push("This leaf holds no transaction: it proves no booking.".to_string()),
        }
        for (epoch, leaves) in &self.recoveries {
            limits.push(alloc::format!(
                "Epoch {epoch} began by recovery after leaf {}: governance keys named its validators, no quorum voted for them.",
                leaves.saturating_sub(1)
            ));
        }
        let signers = self.checkpoint.signers().len();
        let validators = self.validators;
        limits.push(alloc::format!(
            "Rests on {signers} of {validators} validators; not compared with what others were shown."
        ));
        limits
    }
}

/// What the booking of this operation alone does not prove.
fn not_shown(operation: &Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::RegisterDocument(_) => "Not proven attested, approved, ordered or paid by the bank.",
        Operation::Attest { .. } => "Not proven approved, ordered or paid by the bank.",
        Operation::Approve { .. } => "Not proven ordered or paid by the bank.",
        Operation::OrderPayment { .. } => "Not proven paid by the bank.",
        Operation::SettlePayment { .. } => {
            "Paid according to who reported it; the bank's own message is not part of the receipt."
        }
        Operation::RejectPayment { .. } | Operation::ReturnPayment { .. } => {
            "Not paid according to who reported it; the bank's own message is not part of the receipt."
        }
        _ => return None,
    })
}

fn decode_extra(extra: &[u8]) -> Result<Extra, ReceiptError> {
    // The format stands first, so that a later layout is named and not taken for damage.
    if let Some(format) = extra.first_chunk::<2>() {
        let found = u16::from_le_bytes(*format);
        if found != RECEIPT_FORMAT {
            return Err(ReceiptError::Format { found });
        }
    }
    codec::decode(extra, EXTRA_BYTES_MAX).map_err(ReceiptError::Extra)
}

/// The index that the path does prove, if it is one that a slip of the pen or of a program turns
/// into the claimed one: a neighbour, or one decimal digit apart. Only for a better message.
fn proven_index(hash: &Digest, claimed: u64, size: u64, path: &[Digest], root: &Digest) -> Option<u64> {
    let neighbours = (1..=4).flat_map(|by| [claimed.checked_sub(by), claimed.checked_add(by)]);
    let digits = (0..20).map_while(|place| 10u64.checked_pow(place)).flat_map(|unit| {
        let without = claimed - claimed / unit % 10 * unit;
        (0..10).map(move |digit| unit.checked_mul(digit).and_then(|part| without.checked_add(part)))
    });
    neighbours.chain(digits).flatten().find(|index| {
        tree::inclusion_length(*index, size) == Ok(path.len())
            && verify_inclusion(hash, *index, size, path, root).is_ok()
    })
}

#[cfg(test)]
mod tests;
