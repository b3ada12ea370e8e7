//! Checkpoints: the log's size and root, certified by a quorum of validators.
//!
//! A checkpoint is text (C2SP `tlog-checkpoint`) that each validator cosigns with a key of its own
//! (C2SP `tlog-cosignature`). [`Trust`] is what a reader goes by: the origin, the genesis hash, the
//! first validators, and the sets that followed by handoffs ([`crate::handoff`]); nothing of it is
//! believed because of who serves it. A checkpoint is judged by the set of the epoch that its size
//! lies in, so that old keys sign nothing beyond their epoch's end.
//!
//! Invariant: a [`TrustedCheckpoint`] exists only because a quorum of distinct validators' strict
//! cosignatures on exactly its origin, size and root held.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::{Decode, Encode};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::block::Epoch;
use crate::digest::Digest;
use crate::note::{Note, NoteError, NoteSignature, VerifierKey, cosigned_bytes, from_base64, to_base64};
use crate::signature::Signature;
use crate::time::Timestamp;
use crate::tree::{self, ProofError};

mod trust;

pub use trust::{Term, Trust, TrustError};

/// How far ahead of the reader's clock a cosignature may be dated, in seconds.
pub const CLOCK_SKEW_MAX_S: u64 = 600;

/// Origin, size and root of the log: what validators cosign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the chain's name and the first 16 hex digits of its genesis hash.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is no signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The note's text is no checkpoint.
    #[error("line {line} of the checkpoint: expected {expected}; fetch the checkpoint again")]
    Body {
        /// Counted from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// It is a checkpoint of another ledger.
    #[error(
        "this is from ledger {found:?}, not from {expected:?} whose genesis you trust; check which ledger it belongs to"
    )]
    Origin {
        /// The origin trusted.
        expected: String,
        /// The origin found.
        found: String,
    },
    /// A line names a validator, but the signature does not hold.
    #[error(
        "the signature of validator {name} does not hold on this checkpoint: it was altered; fetch it again"
    )]
    Signature {
        /// Whose line.
        name: String,
    },
    /// One validator signs twice.
    #[error("validator {name} stands twice among the signatures and counts once; fetch the checkpoint again")]
    Twice {
        /// Who.
        name: String,
    },
    /// A cosignature from the future.
    #[error(
        "validator {name} dates its signature {ahead_s} seconds after this clock; set the clock, or ask again later"
    )]
    Future {
        /// Who.
        name: String,
        /// By how much, in seconds.
        ahead_s: u64,
    },
    /// Too few validators of an epoch that is over signed.
    #[error(
        "epoch {epoch}: {found} of {validators} validators signed, {quorum} must, and nobody else's signature counts for this size; fetch a checkpoint with more of theirs"
    )]
    Quorum {
        /// The epoch that the size lies in.
        epoch: Epoch,
        /// How many of its validators signed.
        found: usize,
        /// How many must.
        quorum: usize,
        /// How many there are.
        validators: usize,
    },
    /// Too few validators of the newest epoch that the reader knows signed.
    #[error(
        "{found} of {validators} known validators signed, {quorum} must; fetch a checkpoint with more signatures, or, if the validators changed after epoch {epoch}, the handoffs since"
    )]
    QuorumOfNewest {
        /// The newest epoch known.
        epoch: Epoch,
        /// How many of its validators signed.
        found: usize,
        /// How many must.
        quorum: usize,
        /// How many there are.
        validators: usize,
    },
    /// No validator has this number.
    #[error("validator number {signer} does not exist; there are {validators}")]
    Signer {
        /// The number.
        signer: u16,
        /// How many validators there are.
        validators: usize,
    },
    /// It does not continue an earlier checkpoint.
    #[error("the log does not continue the one seen before: {0}; keep both checkpoints as evidence")]
    Inconsistent(#[from] ProofError),
}

impl Checkpoint {
    /// Three lines: origin, size in decimal, root in base64. The last line feed is part of it.
    pub fn to_text(&self) -> String {
        alloc::format!("{}\n{}\n{}\n", self.origin, self.size, to_base64(&self.root.0))
    }

    /// Reads the three lines. Extension lines are refused: no validator signs any.
    ///
    /// # Errors
    /// [`CheckpointError::Body`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let refuse = |line, expected| CheckpointError::Body { line, expected };
        let body = text.strip_suffix('\n').ok_or(refuse(1, "three lines"))?;
        let mut lines = body.split('\n');
        let origin = lines.next().filter(|origin| is_origin(origin)).ok_or(refuse(1, "an origin"))?;
        let size = lines.next().and_then(decimal).ok_or(refuse(2, "the log's size in decimal"))?;
        let root = lines.next().and_then(from_base64).and_then(|bytes| bytes.try_into().ok());
        let root = Digest(root.ok_or(refuse(3, "the log's root, 32 bytes in base64"))?);
        if lines.next().is_some() {
            return Err(refuse(4, "no further line"));
        }
        Ok(Self { origin: origin.to_string(), size, root })
    }
}

/// One validator's cosignature, as validators send it to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cosignature {
    /// Index of the validator.
    pub signer: u16,
    /// When it was made: seconds since 1970-01-01T00:00Z, at most 2⁶³ − 1.
    pub time_s: u64,
    /// Over [`cosigned_bytes`] of the checkpoint's text.
    pub signature: Signature,
}

impl Cosignature {
    /// Cosigns. The caller has made durable that it never cosigns a smaller size, or another root
    /// of the same size.
    pub fn sign(signer: u16, checkpoint: &Checkpoint, time_s: u64, key: &SigningKey) -> Self {
        let signature = key.sign(&cosigned_bytes(&checkpoint.to_text(), time_s));
        Self { signer, time_s, signature: Signature(signature.to_bytes()) }
    }

    /// Checks the signer, which has a seat in the epoch of the checkpoint's size, the time and,
    /// strictly, the signature. `now` is the reader's clock, where it has one.
    ///
    /// # Errors
    /// [`CheckpointError::Signer`], [`CheckpointError::Signature`], [`CheckpointError::Future`].
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        trust: &Trust,
        now: Option<Timestamp>,
    ) -> Result<(), CheckpointError> {
        let key = self.key(trust.term(checkpoint.size))?;
        if !key.verify(&checkpoint.to_text(), &self.to_line(key)) {
            return Err(CheckpointError::Signature { name: key.name().to_string() });
        }
        check_time(key, self.time_s, now)
    }

    fn key<'a>(&self, term: &'a Term) -> Result<&'a VerifierKey, CheckpointError> {
        let validators = term.keys().len();
        let signer = self.signer;
        term.keys().get(usize::from(signer)).ok_or(CheckpointError::Signer { signer, validators })
    }

    fn to_line(self, key: &VerifierKey) -> NoteSignature {
        let signature = [self.time_s.to_be_bytes().as_slice(), &self.signature.0].concat();
        NoteSignature { name: key.name().to_string(), key_id: key.id(), signature }
    }
}

/// A checkpoint with the lines that sign it; nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl CertifiedCheckpoint {
    /// Joins a checkpoint and verified cosignatures. Exactly a quorum enters, those of the lowest
    /// indexes, so that no byte of the text can change without being noticed.
    ///
    /// # Errors
    /// [`CheckpointError::Signer`]; [`CheckpointError::Quorum`] or
    /// [`CheckpointError::QuorumOfNewest`] when fewer validators signed.
    pub fn assemble(
        checkpoint: Checkpoint,
        cosignatures: &[Cosignature],
        trust: &Trust,
    ) -> Result<Self, CheckpointError> {
        let term = trust.term(checkpoint.size);
        let quorum = term.validators().quorum();
        let mut chosen = cosignatures.to_vec();
        chosen.sort_by_key(|cosignature| cosignature.signer);
        chosen.dedup_by_key(|cosignature| cosignature.signer);
        if chosen.len() < quorum {
            return Err(trust.too_few(term, chosen.len()));
        }
        let lines = chosen[..quorum]
            .iter()
            .map(|cosignature| Ok(cosignature.to_line(cosignature.key(term)?)))
            .collect::<Result<_, CheckpointError>>()?;
        let note = Note::new(checkpoint.to_text(), lines)?;
        Ok(Self { checkpoint, note })
    }

    /// Reads a checkpoint with its signatures.
    ///
    /// # Errors
    /// [`CheckpointError::Note`], [`CheckpointError::Body`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let note = Note::parse(text)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { checkpoint, note })
    }

    /// The text as it is stored and sent.
    pub fn to_text(&self) -> String {
        self.note.to_text()
    }

    /// What it claims, unverified.
    pub fn claimed(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The cosignatures by validators of the epoch that its size lies in, in order of signer; nothing
    /// verified.
    pub fn cosignatures(&self, trust: &Trust) -> Vec<Cosignature> {
        let keys = trust.term(self.checkpoint.size).keys();
        let read = |line: &NoteSignature| {
            let signer = keys.iter().position(|key| key.is_named_by(line))?;
            let (time_s, signature) = line.cosignature()?;
            Some(Cosignature { signer: signer as u16, time_s, signature })
        };
        let mut cosignatures: Vec<_> = self.note.signatures().iter().filter_map(read).collect();
        cosignatures.sort_by_key(|cosignature| cosignature.signer);
        cosignatures
    }

    /// Whether it claims to be of the trusted log.
    pub(crate) fn check_origin(&self, trust: &Trust) -> Result<(), CheckpointError> {
        let (expected, found) = (trust.origin(), &self.checkpoint.origin);
        if found == expected {
            return Ok(());
        }
        Err(CheckpointError::Origin { expected: expected.to_string(), found: found.clone() })
    }

    /// Checks origin and signatures. Lines of unknown keys are ignored, as the specification of
    /// notes demands; a line that names a validator must hold, or the whole note is refused.
    ///
    /// # Errors
    /// [`CheckpointError`]: first the origin, then the lines in their order, then the quorum.
    pub fn verify(
        &self,
        trust: &Trust,
        now: Option<Timestamp>,
    ) -> Result<TrustedCheckpoint, CheckpointError> {
        self.check_origin(trust)?;
        let Checkpoint { origin, size, root } = &self.checkpoint;
        let term = trust.term(*size);
        let mut signers: Vec<u16> = Vec::new();
        let mut times_s = Vec::new();
        for line in self.note.signatures() {
            let Some(signer) = term.keys().iter().position(|key| key.is_named_by(line)) else { continue };
            let key = &term.keys()[signer];
            let signer = signer as u16;
            if signers.contains(&signer) {
                return Err(CheckpointError::Twice { name: line.name.clone() });
            }
            if !key.verify(self.note.text(), line) {
                return Err(CheckpointError::Signature { name: line.name.clone() });
            }
            let time_s = line.cosignature().map_or(0, |(time_s, _)| time_s);
            check_time(key, time_s, now)?;
            signers.push(signer);
            times_s.push(time_s);
        }
        if signers.len() < term.validators().quorum() {
            return Err(trust.too_few(term, signers.len()));
        }
        signers.sort_unstable();
        times_s.sort_unstable();
        let (size, root) = (*size, *root);
        let (origin, chain, epoch) = (origin.clone(), *trust.chain(), term.validators().epoch);
        let (validators, faulty_max) = (term.validators().len(), term.validators().faulty_max());
        Ok(TrustedCheckpoint { origin, chain, epoch, size, root, signers, times_s, validators, faulty_max })
    }
}

/// A checkpoint that a quorum of validators vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    origin: String,
    chain: Digest,
    epoch: Epoch,
    size: u64,
    root: Digest,
    signers: Vec<u16>,
    times_s: Vec<u64>,
    validators: usize,
    faulty_max: usize,
}

impl TrustedCheckpoint {
    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Genesis hash of the chain.
    pub fn chain(&self) -> &Digest {
        &self.chain
    }

    /// The epoch whose validators vouch for it.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root over them.
    pub fn root(&self) -> &Digest {
        &self.root
    }

    /// Indexes of the validators that signed, rising.
    pub fn signers(&self) -> &[u16] {
        &self.signers
    }

    /// How many validators its epoch has.
    pub fn validators(&self) -> usize {
        self.validators
    }

    /// How many of them may be faulty.
    pub fn faulty_max(&self) -> usize {
        self.faulty_max
    }

    /// When they signed, rising, in seconds since 1970-01-01T00:00Z. As many of the first or of the
    /// last as there may be faulty validators can be false.
    pub fn times_s(&self) -> &[u64] {
        &self.times_s
    }

    /// Checks that this log continues the one of an earlier checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`], [`CheckpointError::Inconsistent`].
    pub fn continues(&self, earlier: &Self, path: &[Digest]) -> Result<(), CheckpointError> {
        if (&self.origin, self.chain) != (&earlier.origin, earlier.chain) {
            let (expected, found) = (earlier.origin.clone(), self.origin.clone());
            return Err(CheckpointError::Origin { expected, found });
        }
        Ok(tree::verify_consistency(earlier.size, &earlier.root, self.size, &self.root, path)?)
    }

    /// The validators that signed both, if the two cannot both be true: one log, one size, two
    /// roots. At least one of them more than may be faulty is faulty.
    pub fn conflict(&self, other: &Self) -> Option<Vec<u16>> {
        let same = (&self.origin, self.chain, self.size) == (&other.origin, other.chain, other.size);
        (same && self.root != other.root)
            .then(|| self.signers.iter().copied().filter(|signer| other.signers.contains(signer)).collect())
    }
}

fn check_time(key: &VerifierKey, time_s: u64, now: Option<Timestamp>) -> Result<(), CheckpointError> {
    let Some(now) = now else { return Ok(()) };
    let now_s = now.0 / 1000;
    if time_s > now_s.saturating_add(CLOCK_SKEW_MAX_S) {
        return Err(CheckpointError::Future { name: key.name().to_string(), ahead_s: time_s - now_s });
    }
    Ok(())
}

fn is_origin(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// A decimal number without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain && digits { text.parse().ok() } else { None }
}

#[cfg(test)]
pub(crate) mod tests;
