//! Checkpoints: the log's size and root, certified by a quorum of validators.
//!
//! A checkpoint is text (C2SP `tlog-checkpoint`) that each validator cosigns with a key of its own
//! (C2SP `tlog-cosignature`). [`Trust`] is what a reader pins: the origin, the genesis hash and the
//! validators; nothing of it is learnt from whoever serves the checkpoint. The module knows one
//! validator set, that of genesis; handoffs between sets are not here.
//!
//! Invariant: a [`TrustedCheckpoint`] exists only because a quorum of distinct validators' strict
//! cosignatures on exactly its origin, size and root held.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::{Decode, Encode};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::certificate::{ValidatorSet, ValidatorSetError};
use crate::digest::Digest;
use crate::note::{
    Kind, Note, NoteError, NoteSignature, VerifierKey, cosigned_bytes, from_base64, to_base64,
};
use crate::signature::Signature;
use crate::time::Timestamp;
use crate::tree::{self, ProofError};

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

/// What a reader of checkpoints pins, from genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    origin: String,
    chain: Digest,
    validators: ValidatorSet,
    keys: Vec<VerifierKey>,
}

/// Values that nobody can trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The origin does not name the genesis.
    #[error(
        "origin {origin:?} does not end in /{hash:.16}, the start of the genesis hash; take both from one genesis"
    )]
    Origin {
        /// The origin.
        origin: String,
        /// The genesis hash, in hex.
        hash: String,
    },
    /// The validator set cannot be.
    #[error(transparent)]
    Validators(#[from] ValidatorSetError),
    /// A validator's name cannot stand on a cosignature.
    #[error("validator {index}: {source}")]
    Name {
        /// Index.
        index: usize,
        /// Why.
        source: NoteError,
    },
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
    /// Too few validators signed.
    #[error(
        "{found} of {validators} known validators signed, {quorum} must; fetch a checkpoint with more signatures"
    )]
    Quorum {
        /// How many validators signed.
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

impl Trust {
    /// From the origin, hash and validators of one genesis.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(origin: String, chain: Digest, validators: ValidatorSet) -> Result<Self, TrustError> {
        let hash = chain.to_hex();
        let names_chain = origin.strip_suffix(&hash[..16]).is_some_and(|name| name.ends_with('/'));
        if !names_chain || !is_origin(&origin) {
            return Err(TrustError::Origin { origin, hash });
        }
        validators.check()?;
        let keys = validators
            .validators
            .iter()
            .enumerate()
            .map(|(index, validator)| {
                VerifierKey::new(validator.name.as_str(), Kind::Cosignature, validator.cosign_key)
                    .map_err(|source| TrustError::Name { index, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { origin, chain, validators, keys })
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The genesis hash.
    pub fn chain(&self) -> &Digest {
        &self.chain
    }

    /// The validators.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The validators' cosigning keys as notes name them, in their order.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// The same trust for other programs, as a C2SP `tlog-policy`: a quorum of the validators as
    /// witnesses. It lists no log key, for no single key speaks for the log.
    pub fn policy(&self) -> String {
        let mut text = String::new();
        let mut group = alloc::format!("group validators {}", self.validators.quorum());
        for (i, key) in self.keys.iter().enumerate() {
            text.push_str(&alloc::format!("witness v{} {}\n", i + 1, key.to_text()));
            group.push_str(&alloc::format!(" v{}", i + 1));
        }
        alloc::format!("{text}{group}\nquorum validators\n")
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

    /// Checks the signer, the time and, strictly, the signature. `now` is the reader's clock, where
    /// it has one.
    ///
    /// # Errors
    /// [`CheckpointError::Signer`], [`CheckpointError::Signature`], [`CheckpointError::Future`].
    pub fn verify(
        &self,
        checkpoint: &Checkpoint,
        trust: &Trust,
        now: Option<Timestamp>,
    ) -> Result<(), CheckpointError> {
        let key = self.key(trust)?;
        if !key.verify(&checkpoint.to_text(), &self.to_line(key)) {
            return Err(CheckpointError::Signature { name: key.name().to_string() });
        }
        check_time(key, self.time_s, now)
    }

    fn key<'a>(&self, trust: &'a Trust) -> Result<&'a VerifierKey, CheckpointError> {
        let validators = trust.keys.len();
        let signer = self.signer;
        trust.keys.get(usize::from(signer)).ok_or(CheckpointError::Signer { signer, validators })
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
    /// [`CheckpointError::Signer`]; [`CheckpointError::Quorum`] when fewer validators signed.
    pub fn assemble(
        checkpoint: Checkpoint,
        cosignatures: &[Cosignature],
        trust: &Trust,
    ) -> Result<Self, CheckpointError> {
        let quorum = trust.validators.quorum();
        let mut chosen = cosignatures.to_vec();
        chosen.sort_by_key(|cosignature| cosignature.signer);
        chosen.dedup_by_key(|cosignature| cosignature.signer);
        if chosen.len() < quorum {
            let (found, validators) = (chosen.len(), trust.keys.len());
            return Err(CheckpointError::Quorum { found, quorum, validators });
        }
        let lines = chosen[..quorum]
            .iter()
            .map(|cosignature| Ok(cosignature.to_line(cosignature.key(trust)?)))
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
        let Checkpoint { origin, size, root } = &self.checkpoint;
        if *origin != trust.origin {
            return Err(CheckpointError::Origin { expected: trust.origin.clone(), found: origin.clone() });
        }
        let mut signers: Vec<u16> = Vec::new();
        let mut times_s = Vec::new();
        for line in self.note.signatures() {
            let Some(signer) = trust.keys.iter().position(|key| key.is_named_by(line)) else { continue };
            let key = &trust.keys[signer];
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
        let quorum = trust.validators.quorum();
        if signers.len() < quorum {
            let (found, validators) = (signers.len(), trust.keys.len());
            return Err(CheckpointError::Quorum { found, quorum, validators });
        }
        signers.sort_unstable();
        times_s.sort_unstable();
        let (size, root) = (*size, *root);
        Ok(TrustedCheckpoint { origin: origin.clone(), chain: trust.chain, size, root, signers, times_s })
    }
}

/// A checkpoint that a quorum of validators vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    origin: String,
    chain: Digest,
    size: u64,
    root: Digest,
    signers: Vec<u16>,
    times_s: Vec<u64>,
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

/// Four validators and a log, for tests of everything that ends in a checkpoint.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::block::Epoch;
    use crate::certificate::Validator;
    use crate::entity::{Name, OrgNumber};
    use crate::signature::PublicKey;
    use crate::tree::{Frontier, leaf_hash};

    pub(crate) const NOW: Timestamp = Timestamp(1_788_000_000_000);
    pub(crate) const NOW_S: u64 = NOW.0 / 1000;

    pub(crate) fn private(validator: u8, purpose: u8) -> SigningKey {
        SigningKey::from_bytes(&[16 * purpose + validator; 32])
    }

    pub(crate) fn trust(chain: u8) -> Trust {
        let public = |key: SigningKey| PublicKey(key.verifying_key().to_bytes());
        let entities = [964_965_226, 964_965_137, 970_018_131, 974_761_076];
        let validators = entities
            .iter()
            .zip(1u8..)
            .map(|(entity, i)| Validator {
                entity: OrgNumber::new(*entity).unwrap(),
                name: Name::new(alloc::format!("kommune{i}.example/v1")).unwrap(),
                vote_key: public(private(i, 1)),
                cosign_key: public(private(i, 2)),
                peer_key: public(private(i, 3)),
            })
            .collect();
        let chain = Digest([chain; 32]);
        let origin = alloc::format!("hovedbok.example/{:.16}", chain.to_hex());
        Trust::new(origin, chain, ValidatorSet { epoch: Epoch(0), validators }).unwrap()
    }

    pub(crate) fn checkpoint(trust: &Trust, leaves: &[Vec<u8>]) -> Checkpoint {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
        Checkpoint { origin: trust.origin().into(), size: frontier.size(), root: frontier.root() }
    }

    pub(crate) fn cosign(checkpoint: &Checkpoint, signers: &[u16]) -> Vec<Cosignature> {
        let sign = |signer: &u16| {
            Cosignature::sign(*signer, checkpoint, NOW_S + u64::from(*signer), &private(*signer as u8 + 1, 2))
        };
        signers.iter().map(sign).collect()
    }

    pub(crate) fn certify(trust: &Trust, checkpoint: Checkpoint) -> CertifiedCheckpoint {
        let cosignatures = cosign(&checkpoint, &[3, 0, 2, 1]);
        CertifiedCheckpoint::assemble(checkpoint, &cosignatures, trust).unwrap()
    }

    /// The hash of a perfect subtree over these leaves.
    pub(crate) fn node(leaves: &[Vec<u8>], level: u8, index: u64) -> Option<Digest> {
        let start = (index << level) as usize;
        let mut hashes: Vec<Digest> =
            leaves.get(start..start + (1 << level))?.iter().map(|leaf| leaf_hash(leaf)).collect();
        while hashes.len() > 1 {
            hashes = tree::parents(&hashes);
        }
        hashes.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::tree::consistency_proof;
    use alloc::vec;

    fn leaves(count: u8) -> Vec<Vec<u8>> {
        (0..count).map(|i| vec![i]).collect()
    }

    #[test]
    fn a_quorum_certifies_and_exactly_a_quorum_enters_the_text() {
        let trust = trust(7);
        let certified = certify(&trust, checkpoint(&trust, &leaves(5)));
        let text = certified.to_text();
        assert_eq!(text.lines().filter(|line| line.starts_with('—')).count(), 3);
        let read = CertifiedCheckpoint::parse(&text).unwrap();
        assert_eq!(read, certified);
        let trusted = read.verify(&trust, Some(NOW)).unwrap();
        assert_eq!((trusted.size(), trusted.signers()), (5, [0, 1, 2].as_slice()));
        assert_eq!(trusted.times_s(), [NOW_S, NOW_S + 1, NOW_S + 2]);
    }

    #[test]
    fn a_stranger_adds_a_line_and_nothing_changes_but_a_spoilt_line_of_a_validator_ends_it() {
        let trust = trust(7);
        let text = certify(&trust, checkpoint(&trust, &leaves(5))).to_text();
        let stranger = "— vitne.example/w1 AAAAAAAAAAAA\n";
        let more = alloc::format!("{text}{stranger}");
        assert!(CertifiedCheckpoint::parse(&more).unwrap().verify(&trust, Some(NOW)).is_ok());
        // The name is known, the key id is not: also a stranger, as the specification says.
        let homonym = alloc::format!("{text}— kommune4.example/v1 AAAAAAAAAAAA\n");
        assert!(CertifiedCheckpoint::parse(&homonym).unwrap().verify(&trust, Some(NOW)).is_ok());
        let key = &trust.keys()[3];
        let spoilt = NoteSignature { name: key.name().into(), key_id: key.id(), signature: vec![0; 72] };
        let spoilt = alloc::format!("{text}{}\n", spoilt.to_line());
        let refusal = CertifiedCheckpoint::parse(&spoilt).unwrap().verify(&trust, Some(NOW)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the signature of validator kommune4.example/v1 does not hold on this checkpoint: it was altered; fetch it again"
        );
    }

    #[test]
    fn one_validator_counted_twice_or_one_too_few_is_no_quorum() {
        let trust = trust(7);
        let checkpoint = checkpoint(&trust, &leaves(5));
        let text = certify(&trust, checkpoint.clone()).to_text();
        let body = checkpoint.to_text();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('—')).collect();
        let verify = |lines: &[&str]| {
            let note = alloc::format!("{body}\n{}\n", lines.join("\n"));
            CertifiedCheckpoint::parse(&note).unwrap().verify(&trust, Some(NOW)).unwrap_err().to_string()
        };
        assert_eq!(
            verify(&[lines[0], lines[1], lines[1]]),
            "validator kommune2.example/v1 stands twice among the signatures and counts once; fetch the checkpoint again"
        );
        assert_eq!(
            verify(&lines[..2]),
            "2 of 4 known validators signed, 3 must; fetch a checkpoint with more signatures"
        );
        let once = cosign(&checkpoint, &[1, 1, 1]);
        let refusal = CertifiedCheckpoint::assemble(checkpoint, &once, &trust).unwrap_err();
        assert_eq!(refusal, CheckpointError::Quorum { found: 1, quorum: 3, validators: 4 });
    }

    #[test]
    fn a_cosignature_dated_ahead_of_the_clock_waits_for_the_clock() {
        let trust = trust(7);
        let certified = certify(&trust, checkpoint(&trust, &leaves(5)));
        let at = |s: u64| Some(Timestamp((NOW_S - s) * 1000));
        assert!(certified.verify(&trust, at(598)).is_ok());
        let refusal = certified.verify(&trust, at(599)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "validator kommune3.example/v1 dates its signature 601 seconds after this clock; set the clock, or ask again later"
        );
        assert!(certified.verify(&trust, None).is_ok());
    }

    #[test]
    fn a_checkpoint_of_another_genesis_is_refused_before_any_signature() {
        let (ours, theirs) = (trust(7), trust(8));
        let certified = certify(&theirs, checkpoint(&theirs, &leaves(5)));
        let refusal = certified.verify(&ours, Some(NOW)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "this is from ledger \"hovedbok.example/0808080808080808\", not from \"hovedbok.example/0707070707070707\" whose genesis you trust; check which ledger it belongs to"
        );
    }

    #[test]
    fn a_validators_cosignature_holds_for_its_own_seat_and_checkpoint_only() {
        let trust = trust(7);
        let checkpoint = checkpoint(&trust, &leaves(5));
        let cosignature = cosign(&checkpoint, &[2])[0];
        assert_eq!(cosignature.verify(&checkpoint, &trust, Some(NOW)), Ok(()));
        let wrong_seat = Cosignature { signer: 1, ..cosignature };
        assert!(matches!(
            wrong_seat.verify(&checkpoint, &trust, None),
            Err(CheckpointError::Signature { .. })
        ));
        let no_seat = Cosignature { signer: 4, ..cosignature };
        assert_eq!(
            no_seat.verify(&checkpoint, &trust, None),
            Err(CheckpointError::Signer { signer: 4, validators: 4 })
        );
        let other = Checkpoint { size: 6, ..checkpoint };
        assert!(cosignature.verify(&other, &trust, None).is_err());
    }

    #[test]
    fn two_roots_of_one_size_name_those_who_signed_both() {
        let trust = trust(7);
        let one = checkpoint(&trust, &leaves(5));
        let two = Checkpoint { root: Digest([1; 32]), ..one.clone() };
        let certified = |checkpoint: &Checkpoint, signers: &[u16]| {
            let cosignatures = cosign(checkpoint, signers);
            let certified = CertifiedCheckpoint::assemble(checkpoint.clone(), &cosignatures, &trust);
            certified.unwrap().verify(&trust, None).unwrap()
        };
        let (a, b) = (certified(&one, &[0, 1, 2]), certified(&two, &[1, 2, 3]));
        assert_eq!(a.conflict(&b), Some(vec![1, 2]));
        assert_eq!(a.conflict(&a), None);
        assert!(b.continues(&a, &[]).is_err());
    }

    #[test]
    fn a_later_checkpoint_continues_an_earlier_one_or_is_evidence() {
        let trust = trust(7);
        let all = leaves(9);
        let trusted =
            |leaves: &[Vec<u8>]| certify(&trust, checkpoint(&trust, leaves)).verify(&trust, None).unwrap();
        let (before, after) = (trusted(&all[..5]), trusted(&all));
        let path = consistency_proof(5, 9, |level, index| node(&all, level, index)).unwrap();
        assert_eq!(after.continues(&before, &path), Ok(()));
        let mut rewritten = all.clone();
        rewritten[2] = vec![99];
        let path = consistency_proof(5, 9, |level, index| node(&rewritten, level, index)).unwrap();
        let refusal = trusted(&rewritten).continues(&before, &path).unwrap_err();
        assert!(refusal.to_string().starts_with("the log does not continue"), "{refusal}");
    }

    #[test]
    fn a_checkpoint_text_has_three_lines_and_one_way_to_write_each() {
        let good = Checkpoint { origin: "a.example/00".into(), size: 10, root: Digest([5; 32]) };
        assert_eq!(Checkpoint::parse(&good.to_text()), Ok(good.clone()));
        let text = good.to_text();
        for wrong in [
            text.replace("10\n", "010\n"),
            text.replace("10\n", "+10\n"),
            text.replace("10\n", "18446744073709551616\n"),
            text.replace("a.example/00", ""),
            text.replace("a.example/00", "a example"),
            text.replace('=', ""),
            alloc::format!("{text}extension\n"),
            alloc::format!("{text}\n"),
            text.trim_end().to_string(),
        ] {
            assert!(matches!(Checkpoint::parse(&wrong), Err(CheckpointError::Body { .. })), "{wrong}");
        }
    }

    #[test]
    fn trust_is_refused_where_a_name_cannot_stand_on_a_note() {
        let good = trust(7);
        let mut spaced = good.validators().clone();
        spaced.validators[1].name = crate::entity::Name::new("Bergen kommune").unwrap();
        let refusal = Trust::new(good.origin().into(), *good.chain(), spaced).unwrap_err();
        assert!(matches!(refusal, TrustError::Name { index: 1, .. }), "{refusal}");
        let refusal =
            Trust::new(good.origin().into(), Digest([8; 32]), good.validators().clone()).unwrap_err();
        assert!(matches!(refusal, TrustError::Origin { .. }), "{refusal}");
    }

    #[test]
    fn the_policy_lists_a_quorum_of_witnesses() {
        let policy = trust(7).policy();
        assert_eq!(policy.lines().filter(|line| line.starts_with("witness ")).count(), 4);
        assert!(policy.ends_with("group validators 3 v1 v2 v3 v4\nquorum validators\n"), "{policy}");
    }
}
