//! The last hand before a signature: one key file, its lease, its own memory, and a refusal where a
//! signature could contradict an earlier one.
//!
//! Three things stand before a vote: consensus does not ask for it twice (rules C3 to C7), the store
//! refuses to keep what contradicts what it keeps, and this signer remembers three facts a view (what
//! was notarized, whether it was nullified, what was finalized) for the newest [`VIEWS_MAX`] views and
//! refuses all older ones. The three know different things: the store what is on this disk, the
//! signer what this key did, whatever disk it is given ([`crate::watermark`]).
//!
//! A refusal is an answer: it is told and counted, and the node goes on. Only where a vote
//! contradicts one of this very process is the process itself wrong, and must end.
//!
//! It leaves out when to vote (`consensus`) and how a lost vote log is made up for (`amnesia`).
//!
//! Invariant: no two statements that this signer signed in one view contradict each other, and none
//! lies below its floor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::block::{BlockHash, Epoch, View};
use ledger::certificate::Statement;
use ledger::checkpoint::{Checkpoint, Cosignature};
use ledger::digest::Digest;
use ledger::signature::{PublicKey, Signature};

use crate::amnesia::Memory;
use crate::keys::{Keys, KeysError};
use crate::lease::{Lease, LeaseError};
use crate::store::{Store, StoreError};
use crate::watermark::{Directory, Lost, Term, Token, Watermark, WatermarkError, new_token};

/// Views whose facts are held: more than consensus looks back for (64), and a few kilobytes.
pub const VIEWS_MAX: usize = 256;

/// Why a node has no signer.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The key file.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Another process has it.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// Its memory.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why something is not signed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The vote log is lost and nobody was heard yet.
    #[error(
        "{statement:?} is not signed: the vote log is lost, and the other validators have not all been heard"
    )]
    Silent {
        /// What was asked for.
        statement: Statement,
    },
    /// What was said there is forgotten.
    #[error("{statement:?} of epoch {epoch} is not signed: below view {} of epoch {}, what was said is forgotten", floor.1, floor.0)]
    BelowFloor {
        /// Of this epoch.
        epoch: Epoch,
        /// What was asked for.
        statement: Statement,
        /// The first term that may be signed in.
        floor: Term,
    },
    /// A checkpoint that falls behind.
    #[error("a checkpoint of {size} leaves is not cosigned: one of {last} leaves was, and {reason}")]
    Behind {
        /// Leaves of the one asked for.
        size: u64,
        /// Leaves of the largest cosigned.
        last: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// This process asked for two statements that no correct validator makes both of.
    #[error("{statement:?} of epoch {epoch} contradicts what this process signed in that view; it must end")]
    Contradiction {
        /// Of this epoch.
        epoch: Epoch,
        /// What was asked for.
        statement: Statement,
    },
    /// No signer has this key.
    #[error("no key file holds vote key {key}; name it under keys in the configuration")]
    NoKey {
        /// The key.
        key: PublicKey,
    },
    /// The memory cannot be written.
    #[error(transparent)]
    Watermark(#[from] WatermarkError),
}

impl Refusal {
    /// Whether the process must end: it is wrong itself, or can remember nothing more.
    pub fn ends_process(&self) -> bool {
        matches!(self, Self::Contradiction { .. } | Self::Watermark(_))
    }
}

/// The votes in a data directory, as far as a signer looks at them and is bound to them.
pub trait VoteLog {
    /// What the directory says of itself to the signer with this vote key.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    fn directory(&self, key: &PublicKey) -> Result<Directory, StoreError>;
    /// Whether a vote of this view is kept.
    fn holds(&self, term: Term) -> bool;
    /// The newest view that a vote is kept of.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    fn last_vote(&self) -> Result<Term, StoreError>;
    /// Votes of this view and later ones.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    fn votes_from(&self, term: Term) -> Result<Vec<(Epoch, Statement)>, StoreError>;
    /// The steps made durable.
    fn steps(&self) -> u64;
    /// Makes the token of a start durable for this key, with the one that it replaces.
    ///
    /// # Errors
    /// A failed write.
    fn keep_token(&mut self, key: &PublicKey, token: &Token, replaced: &Token) -> Result<(), StoreError>;
}

impl VoteLog for Arc<Store> {
    fn directory(&self, key: &PublicKey) -> Result<Directory, StoreError> {
        Store::directory(self, key)
    }

    fn holds(&self, term: Term) -> bool {
        self.has_vote_in(term).unwrap_or(false)
    }

    fn last_vote(&self) -> Result<Term, StoreError> {
        Store::last_vote(self)
    }

    fn votes_from(&self, (epoch, view): Term) -> Result<Vec<(Epoch, Statement)>, StoreError> {
        self.votes(epoch, view)
    }

    fn steps(&self) -> u64 {
        Store::steps(self)
    }

    fn keep_token(&mut self, key: &PublicKey, token: &Token, replaced: &Token) -> Result<(), StoreError> {
        let mut batch = self.batch();
        batch.token(key, token, replaced);
        batch.commit()
    }
}

/// What was said in one view.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

impl Facts {
    fn allow(&self, statement: &Statement) -> bool {
        let unlike = |said: Option<BlockHash>, block: &BlockHash| said.is_some_and(|said| said != *block);
        match statement {
            Statement::Notarize { block, .. } => {
                !unlike(self.notarized, block) && !unlike(self.finalized, block)
            }
            Statement::Nullify { .. } => self.finalized.is_none(),
            Statement::Finalize { block, .. } => {
                !self.nullified && !unlike(self.notarized, block) && !unlike(self.finalized, block)
            }
        }
    }

    fn note(&mut self, statement: &Statement) {
        match statement {
            Statement::Notarize { block, .. } => self.notarized = Some(*block),
            Statement::Nullify { .. } => self.nullified = true,
            Statement::Finalize { block, .. } => self.finalized = Some(*block),
        }
    }
}

/// See the module.
pub struct Signer {
    path: PathBuf,
    keys: Keys,
    watermark: Watermark,
    _lease: Lease,
    facts: BTreeMap<Term, Facts>,
    floor: Term,
    silent: bool,
}

impl Signer {
    /// Takes a key file for this chain; `data_dir` is told to whoever wants it too.
    ///
    /// # Errors
    /// [`SignerError`]; then nothing is held.
    pub fn open(path: &Path, chain: &Digest, data_dir: &Path) -> Result<Self, SignerError> {
        let mut lease = path.as_os_str().to_os_string();
        lease.push(".lease");
        let keys = Keys::load(path)?;
        let purpose = format!("data_dir {}", data_dir.display());
        let lease = Lease::take(Path::new(&lease), path, "keys", &purpose)?;
        let watermark = Watermark::open(path, keys.vote_key(), chain)?;
        Ok(Self {
            path: path.to_path_buf(),
            keys,
            watermark,
            _lease: lease,
            facts: BTreeMap::new(),
            floor: (Epoch(0), View(0)),
            // Until the data directory was looked at.
            silent: true,
        })
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The key file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Below it no vote is signed.
    pub fn floor(&self) -> Term {
        self.floor
    }

    /// The newest view it may have voted in before, as far as it knows itself.
    pub fn may_have_voted(&self) -> Term {
        self.watermark.may_have_voted()
    }

    /// Looks at the data directory, judges its vote log, and binds the two together for this start.
    /// `damage` is what the store found wrong. What is lost is returned; then it signs no vote before
    /// [`Signer::regain`].
    ///
    /// # Errors
    /// [`SignerError`]: one of the two cannot be read or written.
    pub fn meet(
        &mut self,
        log: &mut impl VoteLog,
        damage: Option<&str>,
    ) -> Result<Option<Lost>, SignerError> {
        let key = self.keys.vote_key();
        let directory = log.directory(&key)?;
        let lost = self.watermark.judge(&directory, damage, |term| log.holds(term)).err();
        if lost.is_some() {
            // First, because from the next write on the directory looks like the newest.
            self.watermark.lost()?;
        }
        let token = new_token()?;
        log.keep_token(&key, &token, &self.watermark.token())?;
        self.watermark.begin(token, log.steps(), log.last_vote()?)?;
        self.silent = lost.is_some();
        self.floor = self.watermark.floor().max(directory.floor);
        for (epoch, statement) in log.votes_from(self.floor)? {
            self.note((epoch, statement.view()), &statement);
        }
        Ok(lost)
    }

    /// Falls silent: the vote log turned out to be lost. Durable, so that a restart stays silent too.
    ///
    /// # Errors
    /// [`WatermarkError`].
    pub fn lose(&mut self) -> Result<(), WatermarkError> {
        self.silent = true;
        self.watermark.lost()
    }

    /// The others have been heard: votes are signed again from this term on, and never below it.
    ///
    /// # Errors
    /// [`WatermarkError`].
    pub fn regain(&mut self, floor: Term) -> Result<(), WatermarkError> {
        self.watermark.regained(floor)?;
        self.silent = false;
        self.floor = self.floor.max(floor);
        Ok(())
    }

    /// Signs a statement that step number `steps` made durable.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn vote(
        &mut self,
        statement: &Statement,
        chain: &Digest,
        epoch: Epoch,
        steps: u64,
    ) -> Result<Signature, Refusal> {
        let term = (epoch, statement.view());
        let refusal = if self.silent {
            Some(Refusal::Silent { statement: *statement })
        } else if term < self.floor {
            Some(Refusal::BelowFloor { epoch, statement: *statement, floor: self.floor })
        } else if !self.facts.get(&term).copied().unwrap_or_default().allow(statement) {
            Some(Refusal::Contradiction { epoch, statement: *statement })
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        self.note(term, statement);
        self.watermark.vote(term, steps)?;
        Ok(self.keys.sign_vote(statement, chain, epoch))
    }

    /// Cosigns a checkpoint as seat `signer`, at `time_s` seconds since 1970; step number `steps` made
    /// the store's own watermark durable.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn cosign(
        &mut self,
        signer: u16,
        checkpoint: &Checkpoint,
        time_s: u64,
        steps: u64,
    ) -> Result<Cosignature, Refusal> {
        let (size, (last, root)) = (checkpoint.size, self.watermark.cosigned());
        let reason = match size.cmp(&last) {
            std::cmp::Ordering::Less => Some("none smaller is signed after it"),
            std::cmp::Ordering::Equal if last > 0 && checkpoint.root != root => Some("its root was another"),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(Refusal::Behind { size, last, reason });
        }
        self.watermark.cosign(size, &checkpoint.root, steps)?;
        Ok(self.keys.cosign(signer, checkpoint, time_s))
    }

    fn note(&mut self, term: Term, statement: &Statement) {
        self.facts.entry(term).or_default().note(statement);
        while self.facts.len() > VIEWS_MAX
            && let Some(((epoch, view), _)) = self.facts.pop_first()
        {
            self.floor = self.floor.max((epoch, view.next()));
        }
    }
}

/// The signers of all key files that a node holds. What one of them lost, none votes without: which of
/// them will vote is for the validator sets to say.
pub struct Signers(Vec<Signer>);

impl Signers {
    /// Takes every key file, in their order.
    ///
    /// # Errors
    /// [`SignerError`]; then none is held.
    pub fn open(paths: &[PathBuf], chain: &Digest, data_dir: &Path) -> Result<Self, SignerError> {
        paths.iter().map(|path| Signer::open(path, chain, data_dir)).collect::<Result<_, _>>().map(Self)
    }

    /// Lets each judge the vote log, and says what the validator may rely on.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn remember(&mut self, store: &Arc<Store>, damage: Option<&str>) -> Result<Memory, SignerError> {
        self.remember_in(&mut Arc::clone(store), damage)
    }

    /// The same for any vote log.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn remember_in(
        &mut self,
        log: &mut impl VoteLog,
        damage: Option<&str>,
    ) -> Result<Memory, SignerError> {
        let random = new_token()?;
        let nonce = random.iter().take(8).fold(0, |nonce, byte| nonce << 8 | u64::from(*byte));
        let (mut lost, mut voted, mut floor) = (false, Term::default(), Term::default());
        for signer in &mut self.0 {
            if let Some(reason) = signer.meet(log, damage)? {
                tracing::error!(
                    keys = %signer.path().display(), %reason,
                    "the vote log is lost: following, and voting nothing before a quorum of the other validators have said where they are"
                );
                (lost, voted) = (true, voted.max(signer.may_have_voted()));
            }
            floor = floor.max(signer.watermark.floor());
        }
        Ok(if lost { Memory::lost(voted, nonce) } else { Memory::whole(floor, nonce) })
    }

    /// As [`Signer::vote`], by the signer with this vote key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn vote(
        &mut self,
        key: &PublicKey,
        statement: &Statement,
        chain: &Digest,
        epoch: Epoch,
        steps: u64,
    ) -> Result<Signature, Refusal> {
        self.of(key)?.vote(statement, chain, epoch, steps)
    }

    /// As [`Signer::cosign`], by the signer with this vote key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn cosign(
        &mut self,
        key: &PublicKey,
        seat: u16,
        checkpoint: &Checkpoint,
        time_s: u64,
        steps: u64,
    ) -> Result<Cosignature, Refusal> {
        self.of(key)?.cosign(seat, checkpoint, time_s, steps)
    }

    /// As [`Signer::lose`], all of them.
    ///
    /// # Errors
    /// [`Refusal::Watermark`].
    pub fn lose(&mut self) -> Result<(), Refusal> {
        Ok(self.0.iter_mut().try_for_each(Signer::lose)?)
    }

    /// As [`Signer::regain`], all of them.
    ///
    /// # Errors
    /// [`Refusal::Watermark`].
    pub fn regain(&mut self, floor: Term) -> Result<(), Refusal> {
        Ok(self.0.iter_mut().try_for_each(|signer| signer.regain(floor))?)
    }

    fn of(&mut self, key: &PublicKey) -> Result<&mut Signer, Refusal> {
        let signer = self.0.iter_mut().find(|signer| signer.keys.vote_key() == *key);
        signer.ok_or(Refusal::NoKey { key: *key })
    }
}

/// Opens the data directory, and where its vote log cannot be relied on, what is left of it. Says
/// then what was wrong, after every signer has been told.
///
/// # Errors
/// [`SignerError`]: nothing can be read, or it is another's.
pub fn open_store(
    path: &Path,
    chain: &Digest,
    signers: &mut Signers,
) -> Result<(Arc<Store>, Option<String>), SignerError> {
    match Store::open(path, chain) {
        Ok(store) => Ok((Arc::new(store), None)),
        Err(error @ (StoreError::Damaged { .. } | StoreError::Lost { .. })) => {
            signers.0.iter_mut().try_for_each(Signer::lose)?;
            tracing::error!(%error, "reading on from what is left");
            match Store::salvage(path, chain) {
                Ok(store) => Ok((Arc::new(store), Some(error.to_string()))),
                Err(worse) => {
                    tracing::error!(%worse, "nothing is left that reads");
                    Err(error.into())
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
