//! Papers of governance: what is carried by hand between those who hold governance keys, as files.
//!
//! An *entrant* is a validator with its word that it is ready. A *transaction* is a change of the
//! validator set, or a recovery, that gathers signatures: each holder signs a copy, and the copies are
//! joined. A *finality proof* is a stretch of the chain with all certificates, to be held against
//! another one. Each file is a heading and one line of base64, so that it survives mail and print.
//! What may be booked is the ledger's to say.
//!
//! Invariant: a file that reads is of its kind, and of its kind alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ledger::block::{Epoch, Height};
use ledger::certificate::Validator;
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::finality::{Finality, FinalizedBlock, ProvenHeader};
use ledger::fork::FinalityProof;
use ledger::governance::{Entrant, Ready};
use ledger::handoff::Handoff;
use ledger::signature::PublicKey;
use ledger::transaction::{Operation, SignedTransaction};
use serde::Deserialize;

use crate::client::{Client, ClientError};

/// A paper is at most this long, in bytes: a finality proof of a thousand blocks of a large committee.
pub const PAPER_BYTES_MAX: usize = 8 << 20;
/// Blocks in one finality proof; the longest stretch that a fork is judged by.
const STRETCH_MAX: u64 = 1000;

/// A kind of paper.
pub trait Paper: Encode + Decode<()> {
    /// The file's first line.
    const HEADING: &'static str;
}

impl Paper for Entrant {
    const HEADING: &'static str = "hovedbok entrant v1";
}

impl Paper for SignedTransaction {
    const HEADING: &'static str = "hovedbok transaction v1";
}

impl Paper for Stretch {
    const HEADING: &'static str = "hovedbok finality proof v1";
}

/// A finality proof with what leads from genesis to the validators who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stretch {
    /// The epoch of its blocks.
    pub epoch: Epoch,
    /// The handoffs to that epoch, from genesis.
    pub handoffs: Vec<Handoff>,
    /// The blocks.
    pub proof: FinalityProof,
}

/// A paper that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PaperError {
    /// Another kind of file.
    #[error("the file does not begin with {expected:?}; is it the right one?")]
    Heading {
        /// The heading wanted.
        expected: &'static str,
    },
    /// The line below the heading is damaged.
    #[error("the line below the heading is not what was written there ({0}); take a fresh copy")]
    Damaged(String),
    /// Copies of two different transactions.
    #[error("the files hold different transactions, and only copies of one can be joined; leave one out")]
    Different,
    /// The key file of a node is no such.
    #[error("not a key file of a node: expected {0}; hovedbok-node keygen writes one")]
    NodeKeys(&'static str),
}

/// A paper as a file's text.
pub fn write<P: Paper>(paper: &P) -> String {
    format!("{}\n{}\n", P::HEADING, STANDARD.encode(codec::encode(paper)))
}

/// Reads a paper.
///
/// # Errors
/// [`PaperError::Heading`], [`PaperError::Damaged`].
pub fn read<P: Paper>(text: &str) -> Result<P, PaperError> {
    let mut lines = text.lines();
    if lines.next() != Some(P::HEADING) {
        return Err(PaperError::Heading { expected: P::HEADING });
    }
    let line = lines.next().unwrap_or_default();
    if lines.next().is_some() {
        return Err(PaperError::Damaged("there are further lines".into()));
    }
    let bytes = STANDARD.decode(line).map_err(|error| PaperError::Damaged(error.to_string()))?;
    codec::decode(&bytes, PAPER_BYTES_MAX).map_err(|error| PaperError::Damaged(error.to_string()))
}

/// One transaction with the signatures of all its copies, in order of key.
///
/// # Errors
/// [`PaperError::Different`].
pub fn join(copies: &[SignedTransaction]) -> Result<Option<SignedTransaction>, PaperError> {
    let Some(first) = copies.first() else { return Ok(None) };
    if copies.iter().any(|copy| copy.transaction != first.transaction) {
        return Err(PaperError::Different);
    }
    let mut signatures: Vec<_> = copies.iter().flat_map(|copy| copy.signatures.iter().copied()).collect();
    signatures.sort_unstable_by_key(|signature| signature.key);
    signatures.dedup_by_key(|signature| signature.key);
    Ok(Some(SignedTransaction { transaction: first.transaction.clone(), signatures }))
}

/// The keys of a node, as far as becoming a validator needs them.
pub struct NodeKeys {
    vote: SigningKey,
    cosign_key: PublicKey,
    peer_key: PublicKey,
}

impl NodeKeys {
    /// Reads the text of a file that `hovedbok-node keygen` wrote.
    ///
    /// # Errors
    /// [`PaperError::NodeKeys`].
    pub fn parse(text: &str) -> Result<Self, PaperError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        if lines.next() != Some("hovedbok-keys v1") {
            return Err(PaperError::NodeKeys("hovedbok-keys v1 in its first line"));
        }
        let mut key = |name: &str, expected| {
            let seed = lines.next().and_then(|line| line.strip_prefix(name)).map(str::trim);
            let seed = seed.and_then(Digest::from_hex).ok_or(PaperError::NodeKeys(expected))?;
            Ok(SigningKey::from_bytes(&seed.0))
        };
        let vote = key("vote", "\"vote\" and 64 hex digits")?;
        let cosign = key("cosign", "\"cosign\" and 64 hex digits")?;
        let peer = key("peer", "\"peer\" and 64 hex digits")?;
        let public = |key: &SigningKey| PublicKey(key.verifying_key().to_bytes());
        Ok(Self { cosign_key: public(&cosign), peer_key: public(&peer), vote })
    }

    /// The validator that these keys make, with its word that it holds the books up to a block.
    pub fn entrant(
        &self,
        chain: &Digest,
        entity: OrgNumber,
        name: Name,
        governance_key: PublicKey,
        head: &Head,
    ) -> Entrant {
        let validator = Validator {
            entity,
            name,
            vote_key: PublicKey(self.vote.verifying_key().to_bytes()),
            cosign_key: self.cosign_key,
            peer_key: self.peer_key,
            governance_key,
        };
        let ready = Ready::sign(chain, head.height, head.log_root, &validator, &self.vote);
        Entrant { validator, ready }
    }
}

/// The last block of a node, as the node says. Nothing is believed of it: the ledger refuses what is
/// prepared from it if it is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height.
    pub height: Height,
    /// Hash.
    pub block: Digest,
    /// Leaves in the log after it.
    pub log_size: u64,
    /// Root of the log after it.
    pub log_root: Digest,
}

#[derive(Deserialize)]
struct Validators {
    head: HeadAnswer,
    validators: Vec<SeatAnswer>,
}

#[derive(Deserialize)]
struct HeadAnswer {
    height: u64,
    block: String,
    log_size: u64,
    log_root: String,
}

#[derive(Deserialize)]
struct SeatAnswer {
    proposed: u64,
}

#[derive(Deserialize)]
struct Block {
    finalized: String,
}

impl Client {
    /// The node's last block, and per seat the height of the last block it proposed in this epoch, 0
    /// for none. The node's word; nothing proves it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn claimed_head(&self) -> Result<(Head, Vec<u64>), ClientError> {
        let path = "/v1/validators";
        let Validators { head, validators } = self.line().get_json(path)?;
        let digest = |hex: &str| {
            Digest::from_hex(hex).ok_or_else(|| self.line().malformed(path, "a hash is not 64 hex digits"))
        };
        let head = Head {
            height: Height(head.height),
            block: digest(&head.block)?,
            log_size: head.log_size,
            log_root: digest(&head.log_root)?,
        };
        Ok((head, validators.into_iter().map(|seat| seat.proposed).collect()))
    }

    /// The blocks from one height to another, or as far beyond as their finality needs, with all
    /// certificates, as one proof. Verified; all blocks are of one epoch.
    ///
    /// # Errors
    /// [`ClientError`]: the node has them not, or they prove nothing.
    pub fn finality(&self, from: Height, to: Height) -> Result<Stretch, ClientError> {
        self.follow()?;
        let mut blocks: Vec<ProvenHeader> = Vec::new();
        let mut epoch = None;
        for height in from.0..from.0.saturating_add(STRETCH_MAX) {
            let path = format!("/v1/blocks/{height}");
            let Block { finalized } = self.line().get_json(&path)?;
            let block: FinalizedBlock =
                codec::decode(&self.bytes(&path, &finalized)?, codec::ENCODED_BYTES_MAX)
                    .map_err(|error| self.line().malformed(&path, error.to_string()))?;
            let header = block.block.header;
            let of = *epoch.get_or_insert(header.epoch);
            let unproven = |what: &str| self.line().malformed(&path, format!("block {height} {what}"));
            if header.epoch != of {
                return Err(unproven("is of another epoch than those before; ask for fewer blocks").into());
            }
            let Finality::Voted { notarization, skips, finalization, closing } = block.finality else {
                return Err(unproven("began an epoch by recovery and has no votes").into());
            };
            blocks.push(ProvenHeader { header, notarization, skips });
            blocks.extend(closing);
            if let Some(finalization) = finalization.filter(|_| height >= to.0) {
                let trust = self.trust();
                let term = trust.terms().iter().find(|term| term.validators().epoch == of);
                let term = term.ok_or_else(|| unproven("is of an epoch that no handoff leads to"))?;
                let proof = FinalityProof { blocks, finalization };
                proof
                    .verify(trust.chain(), term.validators())
                    .map_err(|error| unproven(&error.to_string()))?;
                let handoffs = trust.handoffs().iter().take(usize::try_from(of.0).unwrap_or(usize::MAX));
                return Ok(Stretch { epoch: of, handoffs: handoffs.cloned().collect(), proof });
            }
        }
        let reason = format!("no finalization within {STRETCH_MAX} blocks from {from}");
        Err(self.line().malformed("/v1/blocks", reason).into())
    }
}

/// What a transaction of governance does, for the person who is asked to sign it.
pub fn describe(transaction: &SignedTransaction) -> Option<String> {
    let mut lines = Vec::new();
    let keys = |validator: &Validator| {
        format!(
            "{} {}: vote {}, cosign {}, peer {}, governance {}",
            validator.entity,
            validator.name.as_str(),
            validator.vote_key,
            validator.cosign_key,
            validator.peer_key,
            validator.governance_key
        )
    };
    match &transaction.transaction.operation {
        Operation::ChangeValidators(change) => {
            lines.push(format!("Change of the validators; ends epoch {}.", change.epoch));
            for entity in &change.leave {
                lines.push(format!("  leaves  {entity}"));
            }
            for entrant in &change.enter {
                lines.push(format!("  enters  {}", keys(&entrant.validator)));
                lines.push(format!("          ready at height {}", entrant.ready.height));
            }
        }
        Operation::Recover(recovery) => {
            lines.push(format!(
                "RECOVERY of epoch {}; the validators are replaced as a whole.",
                recovery.epoch
            ));
            lines.push(format!(
                "  goes on from height {}, block {}, {} leaves; what any validator finalized after that is discarded",
                recovery.height, recovery.block, recovery.log_size
            ));
            for validator in &recovery.validators {
                lines.push(format!("  seat    {}", keys(validator)));
            }
        }
        _ => return None,
    }
    lines.push(format!("Signed by {} so far.", transaction.signatures.len()));
    Some(lines.into_iter().map(|line| line + "\n").collect())
}
