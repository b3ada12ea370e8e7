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

use crate::block::{Booked, LEAF_BYTES_MAX, Leaf, LeafIndex};
use crate::checkpoint::{CertifiedCheckpoint, CheckpointError, Trust, TrustedCheckpoint, decimal};
use crate::codec::{self, CodecError};
use crate::digest::Digest;
use crate::note::{from_base64, to_base64};
use crate::state_proof::{ProvenState, RecordPath, SealProof, StateProofError};
use crate::time::Timestamp;
use crate::transaction::{Operation, TransactionId};
use crate::tree::{self, PATH_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};

/// Bytes of a receipt: the longest leaf and note and some records fit twice.
pub const RECEIPT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of the decoded `extra`: the longest leaf, and records for twice as much.
pub const EXTRA_BYTES_MAX: usize = 3 * LEAF_BYTES_MAX;
/// The layout of `extra`.
pub const RECEIPT_FORMAT: u16 = 1;

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
}

/// A leaf of the log, with what proves it; nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    leaf: Vec<u8>,
    state: Option<Evidence>,
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
            Self::Checkpoint(
                CheckpointError::Signature { .. }
                | CheckpointError::Twice { .. }
                | CheckpointError::Signer { .. },
            ) => 5,
            Self::Checkpoint(CheckpointError::Quorum { .. } | CheckpointError::Future { .. }) => 6,
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
    /// Joins the parts. `path` is the inclusion path of `index` at the checkpoint's size.
    pub fn new(
        leaf: Vec<u8>,
        index: LeafIndex,
        path: Vec<Digest>,
        checkpoint: CertifiedCheckpoint,
        state: Option<Evidence>,
    ) -> Self {
        Self { leaf, state, index, path, checkpoint }
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
        let (leaf, state) = decode_extra(&extra)?;
        let checkpoint = CertifiedCheckpoint::parse(note)?;
        Ok(Self { leaf, state, index, path, checkpoint })
    }

    /// The receipt as text.
    pub fn to_text(&self) -> String {
        let extra = Extra { format: RECEIPT_FORMAT, leaf: self.leaf.clone(), state: self.state.clone() };
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

    /// The checkpoint, unverified.
    pub fn checkpoint(&self) -> &CertifiedCheckpoint {
        &self.checkpoint
    }

    /// Checks everything: that the checkpoint is of the trusted ledger and a quorum of its
    /// validators signed it, that the leaf stands in it at the stated index, that it is understood,
    /// and that the records with it hold. `now` is the reader's clock, where it has one.
    ///
    /// # Errors
    /// [`ReceiptError`], the first in the order of [`ReceiptError::step`].
    pub fn verify(&self, trust: &Trust, now: Option<Timestamp>) -> Result<Posted, ReceiptError> {
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
        let validators = trust.validators().len();
        Ok(Posted { leaf, index: self.index, checkpoint, state, validators })
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

fn decode_extra(extra: &[u8]) -> Result<(Vec<u8>, Option<Evidence>), ReceiptError> {
    // The format stands first, so that a later layout is named and not taken for damage.
    if let Some(format) = extra.first_chunk::<2>() {
        let found = u16::from_le_bytes(*format);
        if found != RECEIPT_FORMAT {
            return Err(ReceiptError::Format { found });
        }
    }
    let Extra { leaf, state, .. } = codec::decode(extra, EXTRA_BYTES_MAX).map_err(ReceiptError::Extra)?;
    Ok((leaf, state))
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
mod tests {
    use super::*;
    use crate::account::Account;
    use crate::amount::Amount;
    use crate::checkpoint::testing::{NOW, certify, checkpoint, cosign, node, trust};
    use crate::entity::OrgNumber;
    use crate::entry::{JournalEntry, Posting, Voucher};
    use crate::signature::{PublicKey, Signature};
    use crate::state_proof::testing::State;
    use crate::time::Date;
    use crate::transaction::{
        DocumentId, InvoiceNumber, KeySignature, PaymentId, SignedTransaction, Transaction,
    };
    use crate::tree::inclusion_proof;
    use alloc::vec;
    use proptest::prelude::*;

    fn booked() -> Booked {
        let (buyer, seller) = (OrgNumber::new(964_965_226).unwrap(), OrgNumber::new(974_761_076).unwrap());
        let date = Date::new(20_260_304).unwrap();
        let number = InvoiceNumber::new("8841").unwrap();
        let transaction = Transaction {
            id: PaymentId { submitter: buyer, number: [7; 16] },
            operation: Operation::Approve { document: DocumentId { seller, number, issued: date } },
        };
        let entry = JournalEntry::new(
            buyer,
            Voucher { year: 2026, number: 412 },
            date,
            Some(3),
            vec![
                Posting::new(Account::private(6820), Amount(1_250_000)),
                Posting::new(Account::private(2400), Amount(-1_250_000)),
            ],
        );
        let signature = KeySignature { key: PublicKey([1; 32]), signature: Signature([2; 64]) };
        let signed = SignedTransaction { transaction, signatures: vec![signature] };
        Booked { signed, entries: vec![entry.unwrap()] }
    }

    fn leaves() -> (State, Vec<Vec<u8>>) {
        let state = State::new(vec![("accounts", vec![vec![1; 30], vec![2; 30], vec![3; 30]])]);
        let mut leaves: Vec<Vec<u8>> = (0..70u8).map(|i| vec![i; 9]).collect();
        leaves[42] = codec::encode(&Leaf::Transaction(booked()));
        leaves.push(state.seal(70));
        (state, leaves)
    }

    fn receipt(trust: &Trust, index: u64, with_state: bool) -> Receipt {
        let (state, leaves) = leaves();
        let size = leaves.len() as u64;
        let path = inclusion_proof(index, size, |level, index| node(&leaves, level, index)).unwrap();
        let checkpoint = certify(trust, checkpoint(trust, &leaves));
        let evidence = Evidence {
            seal: state.seal_proof(&leaves),
            records: vec![state.record(0, 0), state.record(0, 2)],
        };
        let leaf = leaves[index as usize].clone();
        Receipt::new(leaf, LeafIndex(index), path, checkpoint, with_state.then_some(evidence))
    }

    fn refusal(text: &str, trust: &Trust) -> (u8, String) {
        let verdict = Receipt::parse(text).and_then(|receipt| receipt.verify(trust, Some(NOW)));
        let refusal = verdict.unwrap_err();
        (refusal.step(), refusal.to_string())
    }

    #[test]
    fn a_supplier_proves_a_booking_offline_and_reads_what_is_not_shown() {
        let trust = trust(7);
        let text = receipt(&trust, 42, true).to_text();
        let posted = Receipt::parse_bytes(text.as_bytes()).unwrap().verify(&trust, Some(NOW)).unwrap();
        assert_eq!(posted.booked(), Some(&booked()));
        assert_eq!((posted.index(), posted.checkpoint().size()), (LeafIndex(42), 71));
        assert_eq!(posted.state().unwrap().records()[1].bytes(), [3; 30]);
        let bytes = booked().signed.transaction.signed_bytes(trust.chain());
        assert_eq!(posted.transaction(), Some(TransactionId(Digest::of(&[&bytes]))));
        assert_eq!(
            posted.limits(),
            [
                "Booked; not proven unreversed after leaf 70, where this checkpoint ends.",
                "Not proven ordered or paid by the bank.",
                "Rests on 3 of 4 validators; not compared with what others were shown.",
            ]
        );
        assert_eq!(Receipt::parse(&text).unwrap().to_text(), text);
        let seal = receipt(&trust, 70, false).verify(&trust, None).unwrap();
        assert_eq!(seal.booked(), None);
        assert_eq!(seal.limits()[0], "This leaf holds no transaction: it proves no booking.");
    }

    #[test]
    fn each_refusal_says_what_is_wrong_in_words_of_its_own() {
        let ours = trust(7);
        let good = receipt(&ours, 42, false).to_text();
        let lines: Vec<&str> = good.lines().collect();
        let without = |gone: usize| {
            let kept = lines.iter().enumerate().filter(|(i, _)| *i != gone);
            kept.map(|(_, line)| alloc::format!("{line}\n")).collect::<String>()
        };
        let first = lines.iter().position(|line| line.starts_with('—')).unwrap();
        let twice = good.replace(lines[first + 1], lines[first]);
        let cases = [
            (
                receipt(&trust(8), 42, false).to_text(),
                (
                    2,
                    "this is from ledger \"hovedbok.example/0808080808080808\", not from \"hovedbok.example/0707070707070707\" whose genesis you trust; check which ledger it belongs to",
                ),
            ),
            (
                twice,
                (
                    5,
                    "validator kommune1.example/v1 stands twice among the signatures and counts once; fetch the checkpoint again",
                ),
            ),
            (
                without(first),
                (6, "2 of 4 known validators signed, 3 must; fetch a checkpoint with more signatures"),
            ),
            (
                good.replace("index 42\n", "index 43\n"),
                (8, "the receipt says leaf 43, its path proves leaf 42; fetch the receipt again"),
            ),
            (
                good.replace("index 42\n", "index 942\n"),
                (8, "the receipt says leaf 942, its path proves leaf 42; fetch the receipt again"),
            ),
            (
                good.replace("index 42\n", "index 900\n"),
                (8, "the receipt says leaf 900, but its checkpoint has 71 leaves; fetch the receipt again"),
            ),
            (
                without(3),
                (8, "the receipt's path has 6 hashes, leaf 42 of 71 needs 7; it was cut, fetch it again"),
            ),
            (
                good.replace(lines[4], lines[3]),
                (
                    8,
                    "what the receipt shows as leaf 42 is not what the validators signed: entry, index or path was altered; fetch it again",
                ),
            ),
            (
                good.replace("index 42\n", "index 042\n"),
                (
                    1,
                    "line 3 of the receipt: expected \"index\" and the leaf's number; it was altered or cut, fetch it again",
                ),
            ),
            (
                good.replace("\n71\n", "\n72\n"),
                (
                    5,
                    "the signature of validator kommune1.example/v1 does not hold on this checkpoint: it was altered; fetch it again",
                ),
            ),
            (
                good.replace("extra AQ", "extra Ag"),
                (1, "the receipt is of format 2, this program reads 1; use a newer program"),
            ),
        ];
        for (text, (step, message)) in cases {
            assert_eq!(refusal(&text, &ours), (step, message.to_string()));
        }
        assert_eq!(
            Receipt::parse_bytes(&[good.as_bytes(), b"\xff"].concat()).unwrap_err().to_string(),
            alloc::format!(
                "the receipt is not UTF-8 text: byte {} was altered, or it was saved in another form; fetch it again",
                good.len()
            )
        );
    }

    #[test]
    fn a_leaf_from_a_newer_program_is_in_the_log_but_never_called_good() {
        let trust = trust(7);
        let (step, message) = refusal(&receipt(&trust, 3, false).to_text(), &trust);
        assert_eq!(step, 9);
        assert!(
            message.starts_with("leaf 3 is in the log, but this program does not understand it"),
            "{message}"
        );
    }

    #[test]
    fn not_one_bit_of_a_receipt_can_change() {
        let trust = trust(7);
        for with_state in [false, true] {
            let good = receipt(&trust, 42, with_state).to_text().into_bytes();
            let accepts = |bytes: &[u8]| {
                Receipt::parse_bytes(bytes).is_ok_and(|receipt| receipt.verify(&trust, Some(NOW)).is_ok())
            };
            assert!(accepts(&good));
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bytes = good.clone();
                    bytes[at] ^= 1 << bit;
                    assert!(!accepts(&bytes), "byte {at}, bit {bit}");
                }
                assert!(!accepts(&good[..at]), "cut at {at}");
                let doubled = [&good[..=at], &good[at..]].concat();
                assert!(!accepts(&doubled), "byte {at} doubled");
                let dropped = [&good[..at], &good[at + 1..]].concat();
                assert!(!accepts(&dropped), "byte {at} dropped");
            }
        }
    }

    #[test]
    fn records_of_another_checkpoint_do_not_come_along() {
        let trust = trust(7);
        let mut receipt = receipt(&trust, 42, true);
        let (state, leaves) = leaves();
        let mut longer = leaves.clone();
        longer.push(state.seal(1));
        let other = state.seal_proof(&longer);
        receipt.state = Some(Evidence { seal: other, records: vec![] });
        let refusal = receipt.verify(&trust, Some(NOW)).unwrap_err();
        assert_eq!(refusal.step(), 11);
        assert!(refusal.to_string().starts_with("the records with the receipt do not hold: "), "{refusal}");
    }

    #[test]
    fn an_endless_path_or_text_is_not_read() {
        let trust = trust(7);
        let good = receipt(&trust, 42, false).to_text();
        let line = good.lines().nth(3).unwrap();
        let long = good
            .replace("index 42\n", &alloc::format!("index 42\n{}", alloc::format!("{line}\n").repeat(64)));
        let (step, message) = refusal(&long, &trust);
        assert_eq!((step, message.contains("expected the end of the path")), (1, true), "{message}");
        let refusal = Receipt::parse(&"x".repeat(RECEIPT_BYTES_MAX + 1)).unwrap_err();
        assert_eq!(refusal, ReceiptError::TooLong { bytes: RECEIPT_BYTES_MAX + 1 });
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_sends_is_answered_and_what_reads_is_written_back(
            cuts in proptest::collection::vec((0usize..6000, 0usize..200, 0usize..6000), 1..4),
            noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let trust = trust(7);
            let mut bytes = receipt(&trust, 42, true).to_text().into_bytes();
            let good = bytes.clone();
            for (from, length, to) in cuts {
                let (from, to) = (from % bytes.len(), to % bytes.len());
                let moved: Vec<u8> = bytes[from..(from + length).min(bytes.len())].to_vec();
                bytes.splice(to..to, moved.into_iter().chain(noise.iter().copied()));
            }
            if let Ok(read) = Receipt::parse_bytes(&bytes) {
                prop_assert_eq!(read.to_text().into_bytes(), bytes.clone());
                prop_assert!(bytes == good || read.verify(&trust, Some(NOW)).is_err());
            }
        }
    }

    #[test]
    fn fewer_signatures_than_a_quorum_cannot_be_made_into_a_receipt() {
        let trust = trust(7);
        let checkpoint = checkpoint(&trust, &leaves().1);
        let two = cosign(&checkpoint, &[0, 3]);
        assert!(CertifiedCheckpoint::assemble(checkpoint, &two, &trust).is_err());
    }
}
