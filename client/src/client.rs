//! The client: a pinned genesis, a line to a node, and the rule that nothing is returned unproven.
//!
//! A node is asked for canonical bytes and their proofs; each answer must be proven under a
//! checkpoint that a quorum of validators signed, those of genesis or whom they handed over to, that
//! is young enough, and that continues every checkpoint seen before, genesis first. The module leaves out what is asked beyond
//! single records: [`crate::books`] for whole accounts and journals, [`crate::submit`] for
//! transactions.
//!
//! Invariant: a [`Proven`] exists only because its proof held and its key is the one asked for.

use std::cell::{Ref, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::block::Seal;
use ledger::checkpoint::{CertifiedCheckpoint, CheckpointError, Trust, TrustError, TrustedCheckpoint};
use ledger::codec::{self, CodecError};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::genesis::{Genesis, GenesisError};
use ledger::handoff::Handoff;
use ledger::handoff::HandoffError;
use ledger::postings::PostingsError;
use ledger::receipt::ReceiptError;
use ledger::records::{DocumentRecord, EntityRecord, PaymentRecord};
use ledger::registers::Record;
use ledger::state_proof::{ProvenRecord, StateProof, StateProofError};
use ledger::time::Timestamp;
use ledger::transaction::{DocumentId, PaymentId, TransactionId};
use ledger::tree::{ProofError, verify_consistency};
use serde::Deserialize;

use crate::handoffs;
use crate::http::{HttpError, Line};
use crate::name;
use crate::seen::{Seen, SeenError};

/// A chain that rests makes a block a minute by default; five minutes without one is a node that
/// lags, or a network that is down.
pub const AGE_MAX: Duration = Duration::from_secs(300);

/// Why nothing is returned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The node cannot be asked, refuses, or does not speak the protocol.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The genesis file is none.
    #[error("genesis file: {0}")]
    Genesis(#[from] GenesisError),
    /// Nobody can trust this genesis.
    #[error("genesis file: {0}")]
    Trust(#[from] TrustError),
    /// The file of what was seen cannot be used.
    #[error(transparent)]
    Seen(#[from] SeenError),
    /// The checkpoint is not believed.
    #[error("the node's checkpoint is not believed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A handoff is not believed.
    #[error("the node's handoff to later validators is not believed: {0}")]
    Handoff(#[from] HandoffError),
    /// The checkpoint is too old to speak of today.
    #[error(
        "the node's checkpoint is {age_s} seconds old, at most {age_max_s} are accepted: the node lags or the network is down; ask another node, or raise --max-age"
    )]
    Old {
        /// Its age in seconds.
        age_s: u64,
        /// The limit in seconds.
        age_max_s: u64,
    },
    /// The node shows a shorter log than was seen.
    #[error(
        "the node shows a log of {shown} leaves, {seen} were seen before: it lags or hides some; ask another node"
    )]
    Behind {
        /// Leaves shown.
        shown: u64,
        /// Leaves seen.
        seen: u64,
    },
    /// Two logs that are not one.
    #[error(
        "the log of {shown} leaves does not continue the one of {seen} leaves seen before ({source}): {remedy}"
    )]
    Rewritten {
        /// Leaves shown.
        shown: u64,
        /// Leaves seen.
        seen: u64,
        /// What failed.
        source: ProofError,
        /// What to do.
        remedy: String,
    },
    /// A record's proof does not hold.
    #[error("the node's proof does not hold: {0}")]
    State(#[from] StateProofError),
    /// A receipt does not hold.
    #[error("the receipt does not hold: {0}")]
    Receipt(#[from] ReceiptError),
    /// A proof of inclusion does not hold.
    #[error("voucher {voucher} is not in the log as shown: {source}; ask another node")]
    Leaf {
        /// The voucher.
        voucher: String,
        /// Why.
        source: ProofError,
    },
    /// The postings are not the account's.
    #[error("account {account}: {source}")]
    Postings {
        /// The account.
        account: String,
        /// Why.
        source: PostingsError,
    },
    /// Something proven is of another form than this program knows.
    #[error("{what} is proven, but this program does not understand it ({source}); use a newer program")]
    NotUnderstood {
        /// What.
        what: &'static str,
        /// Why.
        source: CodecError,
    },
    /// Something else was proven than was asked for.
    #[error("asked was {asked}, the node proves {proven}; ask another node")]
    OtherRecord {
        /// What was asked for.
        asked: String,
        /// What is proven.
        proven: String,
    },
    /// Something is missing, or figures do not add up.
    #[error("{what}: {shown} shown, {proven} proven: the node leaves out or adds some; ask another node")]
    Incomplete {
        /// What is counted or added up.
        what: String,
        /// What the node shows.
        shown: String,
        /// What is proven.
        proven: String,
    },
    /// The transaction is not posted in the time that a client waits.
    #[error(
        "transaction {id} is not posted after {waited_s} s ({status}); repeat the command, that is safe, or ask another node"
    )]
    NotPosted {
        /// Which.
        id: TransactionId,
        /// What the node said last.
        status: String,
        /// How long the client waited, in seconds.
        waited_s: u64,
    },
    /// The document's step has no transaction that follows from its record.
    #[error("{what} was not submitted by this program, or lies further back; give its transaction id")]
    NotFound {
        /// What was asked for.
        what: String,
    },
}

/// What a failure means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A rule refuses, or nothing of that name is there.
    Refused,
    /// What was given cannot be used.
    Usage,
    /// The node cannot be reached, or cannot answer now.
    Unreachable,
    /// A proof does not hold.
    Unproven,
}

impl ClientError {
    /// What the failure means to the caller.
    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Http(HttpError::Refused(problem)) if problem.is_busy() => Meaning::Unreachable,
            Self::Http(HttpError::Refused(_)) | Self::NotFound { .. } => Meaning::Refused,
            Self::Http(HttpError::Unreachable { .. }) | Self::NotPosted { .. } => Meaning::Unreachable,
            Self::Http(HttpError::Address { .. }) | Self::Genesis(_) | Self::Trust(_) | Self::Seen(_) => {
                Meaning::Usage
            }
            _ => Meaning::Unproven,
        }
    }

    /// The rule that refused, if one did.
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Http(HttpError::Refused(problem)) => problem.rule.as_deref(),
            _ => None,
        }
    }
}

/// A record as a quorum of validators vouches for it.
#[derive(Clone, Debug)]
pub struct Proven<R> {
    record: R,
    index: u64,
    seal: Seal,
    checkpoint: TrustedCheckpoint,
}

impl<R> Proven<R> {
    /// The record.
    pub fn record(&self) -> &R {
        &self.record
    }

    /// Its index in its register, which never changes.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The seal of the block after which it stood so.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The checkpoint that it is proven under.
    pub fn checkpoint(&self) -> &TrustedCheckpoint {
        &self.checkpoint
    }
}

/// Whether an older log than the one seen will do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// It must be the newest: what is asked is how things stand.
    Current,
    /// It may be older: what is asked is whether something happened.
    Any,
}

/// A reader and submitter that trusts its genesis file and nothing else.
pub struct Client {
    line: Line,
    genesis: Genesis,
    trust: RefCell<Trust>,
    seen: RefCell<Seen>,
    handoffs: Option<PathBuf>,
    age_max: Duration,
    warnings: RefCell<Vec<String>>,
}

#[derive(Deserialize)]
struct WithProof {
    proof: String,
}

#[derive(Default, Deserialize)]
struct Handoffs {
    handoffs: Vec<String>,
}

#[derive(Deserialize)]
struct Consistency {
    path: Vec<String>,
}

impl Client {
    /// Pins a genesis and a node. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ClientError`], of its meaning [`Meaning::Usage`].
    pub fn new(node: &str, genesis: Genesis) -> Result<Self, ClientError> {
        let trust = RefCell::new(trust(&genesis)?);
        let seen = RefCell::new(Seen::genesis(&genesis)?);
        let line = Line::new(node)?;
        let warnings = RefCell::default();
        Ok(Self { line, genesis, trust, seen, handoffs: None, age_max: AGE_MAX, warnings })
    }

    /// Keeps what was seen in a file, from one run to the next, and beside it the handoffs that lead
    /// to the validators who signed it.
    ///
    /// # Errors
    /// [`ClientError::Seen`].
    pub fn remembering(self, file: &Path) -> Result<Self, ClientError> {
        let mut trust = self.trust.into_inner();
        // Others may use the same files, and write the handoffs first.
        let kept = Seen::kept(file)?;
        let handoffs = handoffs::read(file, &mut trust)?;
        let seen = self.seen.into_inner().in_file(file, kept, &trust)?;
        Ok(Self { seen: RefCell::new(seen), trust: RefCell::new(trust), handoffs: Some(handoffs), ..self })
    }

    /// Accepts checkpoints up to this age for what stands now.
    #[must_use]
    pub fn with_age_max(self, age_max: Duration) -> Self {
        Self { age_max, ..self }
    }

    /// The genesis pinned.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The validators believed, from those of genesis to the newest whose handoff was asked for.
    pub fn trust(&self) -> Ref<'_, Trust> {
        self.trust.borrow()
    }

    /// The genesis hash.
    pub fn chain(&self) -> Digest {
        *self.trust.borrow().chain()
    }

    /// Believes a checkpoint's text if a quorum signed it; where that may be a quorum of validators
    /// who came later than those known, their handoffs are asked for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn believe(&self, note: &str) -> Result<TrustedCheckpoint, ClientError> {
        let certified = CertifiedCheckpoint::parse(note)?;
        let believed = certified.verify(&self.trust(), Some(now()));
        match believed {
            Err(CheckpointError::QuorumOfNewest { .. }) if self.follow()? > 0 => {
                Ok(certified.verify(&self.trust(), Some(now()))?)
            }
            believed => Ok(believed?),
        }
    }

    /// Asks for the handoffs to validators later than those known, and believes those that are
    /// proven. Says how many epochs that were.
    ///
    /// # Errors
    /// [`ClientError`]: the node cannot be asked, or a handoff does not hold.
    pub fn follow(&self) -> Result<usize, ClientError> {
        let mut learnt = 0;
        loop {
            let from = self.trust().newest().validators().epoch.0 + 1;
            let path = format!("/v1/handoffs?from={from}");
            let Handoffs { handoffs } = match self.line.get_json(&path) {
                // The node knows no later ones either.
                Err(HttpError::Refused(problem)) if problem.status == 404 => Handoffs::default(),
                answer => answer?,
            };
            let decoded = handoffs.iter().map(|handoff| {
                let handoff = codec::decode(&self.bytes(&path, handoff)?, codec::ENCODED_BYTES_MAX);
                handoff.map_err(|error| ClientError::from(self.line.malformed(&path, error.to_string())))
            });
            let new = self.learn(&decoded.collect::<Result<Vec<Handoff>, _>>()?)?;
            if new == 0 {
                return Ok(learnt);
            }
            learnt += new;
        }
    }

    /// Believes the handoffs that are proven, and keeps them where what was seen is kept: before
    /// that, because it may be signed by the validators they lead to. Says how many were new.
    pub(crate) fn learn(&self, handoffs: &[Handoff]) -> Result<usize, ClientError> {
        let known = self.trust().handoffs().len();
        for handoff in handoffs {
            self.trust.borrow_mut().extend(handoff)?;
        }
        let new = self.trust().handoffs().len() - known;
        if new > 0
            && let Some(file) = &self.handoffs
            && let Err(error) = handoffs::write(file, self.trust().handoffs())
        {
            self.warnings.borrow_mut().push(error.to_string());
        }
        Ok(new)
    }

    /// The line to the node.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// What went wrong without standing in the way, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.take()
    }

    /// The newest checkpoint and its text.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn checkpoint(&self) -> Result<(TrustedCheckpoint, String), ClientError> {
        let text = self.line.get_text("/v1/checkpoint")?;
        let checkpoint = self.believe(&text)?;
        self.see(&checkpoint, &text, Age::Current)?;
        Ok((checkpoint, text))
    }

    /// An entity of the register.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn entity(&self, number: OrgNumber) -> Result<Proven<EntityRecord>, ClientError> {
        self.record(&format!("/v1/entities/{number}"), &number, &format!("entity {number}"))
    }

    /// An invoice or credit note and where it stands.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn document(&self, id: &DocumentId) -> Result<Proven<DocumentRecord>, ClientError> {
        let named = name::of_document(id);
        self.record(&format!("/v1/documents/{}", name::in_path(id)), id, &format!("document {named}"))
    }

    /// What a payment id was used for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn payment(&self, id: &PaymentId) -> Result<Proven<PaymentRecord>, ClientError> {
        let path = format!("/v1/payments/{}/{}", id.submitter, hex::encode(id.number));
        self.record(&path, id, &format!("payment id {id}"))
    }

    fn record<R: Record>(&self, path: &str, key: &R::Key, asked: &str) -> Result<Proven<R>, ClientError> {
        let WithProof { proof } = self.line.get_json(path)?;
        let proven: Proven<R> = self.state_proof(path, &proof)?;
        same_key(&proven.record, key, asked)?;
        Ok(proven)
    }

    /// Verifies the proof of one record; whether it is the one asked for is for the caller.
    pub(crate) fn state_proof<R: Record>(&self, path: &str, proof: &str) -> Result<Proven<R>, ClientError> {
        let StateProof { checkpoint: note, seal, record } = StateProof::decode(&self.bytes(path, proof)?)?;
        let checkpoint = self.believe(&note)?;
        let seal = seal.verify(&checkpoint)?;
        let proven = seal.record(&record)?;
        self.see(&checkpoint, &note, Age::Current)?;
        Ok(Proven { record: read(&proven)?, index: proven.index(), seal: seal.seal().clone(), checkpoint })
    }

    /// Bytes out of an answer's base64.
    pub(crate) fn bytes(&self, path: &str, base64: &str) -> Result<Vec<u8>, ClientError> {
        let bytes = STANDARD.decode(base64);
        bytes.map_err(|error| self.line.malformed(path, format!("base64: {error}")).into())
    }

    /// Hashes out of an answer's hex.
    pub(crate) fn path(&self, path: &str, hashes: &[String]) -> Result<Vec<Digest>, ClientError> {
        let digest = |hash: &String| Digest::from_hex(hash);
        let hashes: Option<Vec<Digest>> = hashes.iter().map(digest).collect();
        hashes.ok_or_else(|| self.line.malformed(path, "a hash is not 64 hex digits").into())
    }

    /// Believes a certified checkpoint only when the log continues what was seen, and is young.
    pub(crate) fn see(
        &self,
        checkpoint: &TrustedCheckpoint,
        note: &str,
        age: Age,
    ) -> Result<(), ClientError> {
        let (shown, root) = (checkpoint.size(), *checkpoint.root());
        let (seen, seen_root) = {
            let seen = self.seen.borrow();
            (seen.size, seen.root)
        };
        if shown < seen && age == Age::Current {
            return Err(ClientError::Behind { shown, seen });
        }
        let holds = if shown >= seen {
            let path = self.consistency(seen, shown)?;
            verify_consistency(seen, &seen_root, shown, &root, &path)
        } else {
            let path = self.consistency(shown, seen)?;
            verify_consistency(shown, &root, seen, &seen_root, &path)
        };
        holds.map_err(|source| {
            let evidence = self.seen.borrow().keep_evidence(note);
            let remedy = match evidence {
                Some((kept, other)) => {
                    format!("keep {} and {} as evidence, ask another node", kept.display(), other.display())
                }
                None => "keep what the node answers as evidence, ask another node".to_string(),
            };
            ClientError::Rewritten { shown, seen, source, remedy }
        })?;
        if age == Age::Current {
            self.check_age(checkpoint)?;
        }
        if shown > seen
            && let Err(error) = self.seen.borrow_mut().advance(shown, root, note)
        {
            self.warnings.borrow_mut().push(error.to_string());
        }
        Ok(())
    }

    pub(crate) fn consistency(&self, from: u64, to: u64) -> Result<Vec<Digest>, ClientError> {
        // Between equal sizes nothing is left to prove but that the roots are one.
        if from == to {
            return Ok(Vec::new());
        }
        let path = format!("/v1/proof/consistency?from={from}&to={to}");
        let Consistency { path: hashes } = self.line.get_json(&path)?;
        self.path(&path, &hashes)
    }

    fn check_age(&self, checkpoint: &TrustedCheckpoint) -> Result<(), ClientError> {
        let signed_s = signed_s(checkpoint);
        let age_s = (now().0 / 1000).saturating_sub(signed_s);
        let age_max_s = self.age_max.as_secs();
        if age_s > age_max_s { Err(ClientError::Old { age_s, age_max_s }) } else { Ok(()) }
    }
}

/// When a checkpoint was signed at the latest, in seconds since 1970: the newest time that is not
/// among those that faulty validators may have chosen.
pub fn signed_s(checkpoint: &TrustedCheckpoint) -> u64 {
    let times = checkpoint.times_s();
    let place = times.len().saturating_sub(checkpoint.faulty_max() + 1);
    times.get(place).copied().unwrap_or(0)
}

/// What is believed of a genesis.
///
/// # Errors
/// [`ClientError::Genesis`], [`ClientError::Trust`].
pub fn trust(genesis: &Genesis) -> Result<Trust, ClientError> {
    genesis.check()?;
    Ok(Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?)
}

/// This machine's clock. It judges how old an answer is and fills in dates that nobody gave; it
/// decides nothing that is booked.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The record in a proof, if it stands in the register of its type.
pub(crate) fn read<R: Record>(proven: &ProvenRecord) -> Result<R, ClientError> {
    if proven.register() != R::REGISTER {
        return Err(ClientError::OtherRecord {
            asked: format!("a record of register {}", R::REGISTER),
            proven: format!("one of register {}", proven.register()),
        });
    }
    proven.decode().map_err(|source| ClientError::NotUnderstood { what: "a record", source })
}

pub(crate) fn same_key<R: Record>(record: &R, key: &R::Key, asked: &str) -> Result<(), ClientError> {
    if record.key() == *key {
        return Ok(());
    }
    Err(ClientError::OtherRecord {
        asked: asked.to_string(),
        proven: format!("another record of register {}", R::REGISTER),
    })
}
