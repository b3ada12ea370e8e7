//! What was seen: the last checkpoint of the log that this reader believed, so that the next one must
//! continue it.
//!
//! The first is no checkpoint at all but the log of height 0, which follows from genesis. A file keeps
//! the newest between runs, whole and with its signatures, because only a signed text convicts
//! whoever signed another. It leaves out how a proof is fetched.
//!
//! Invariant: what is read from the file is believed only after its signatures held.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use ledger::books::Ledger;
use ledger::checkpoint::{CertifiedCheckpoint, Trust};
use ledger::digest::Digest;
use ledger::genesis::{Genesis, GenesisError};
use ledger::tree::{Frontier, leaf_hash};

use crate::archive::replace;

/// The newest size and root that were believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    file: Option<PathBuf>,
}

/// The file of what was seen cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SeenError {
    /// It cannot be read or written.
    #[error("checkpoint file {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds no checkpoint of this ledger.
    #[error(
        "checkpoint file {}: {reason}; it was altered or belongs to another ledger: look at it, then move it away",
        path.display()
    )]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Seen {
    /// What genesis alone shows: the log of height 0.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        let ledger = Ledger::new(genesis)?;
        let mut log = Frontier::default();
        ledger.genesis_leaves().iter().for_each(|leaf| log.push(leaf_hash(leaf)));
        Ok(Self { size: log.size(), root: log.root(), file: None })
    }

    /// What the file kept from an earlier run; `None` if there is none yet.
    ///
    /// # Errors
    /// [`SeenError::Io`].
    pub fn kept(path: &Path) -> Result<Option<String>, SeenError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SeenError::Io { path: path.into(), source }),
        }
    }

    /// The same, or what the file kept, as [`Seen::kept`] read it; from now on it is kept there.
    ///
    /// # Errors
    /// [`SeenError::Malformed`].
    pub fn in_file(mut self, path: &Path, text: Option<String>, trust: &Trust) -> Result<Self, SeenError> {
        self.file = Some(path.into());
        if let Some(text) = text {
            let malformed = |reason: String| SeenError::Malformed { path: path.into(), reason };
            let note = CertifiedCheckpoint::parse(&text).map_err(|error| malformed(error.to_string()))?;
            let kept = note.verify(trust, None).map_err(|error| malformed(error.to_string()))?;
            if kept.size() >= self.size {
                (self.size, self.root) = (kept.size(), *kept.root());
            }
        }
        Ok(self)
    }

    /// Takes a checkpoint that continues this one.
    ///
    /// # Errors
    /// [`SeenError::Io`].
    pub fn advance(&mut self, size: u64, root: Digest, note: &str) -> Result<(), SeenError> {
        (self.size, self.root) = (size, root);
        match &self.file {
            Some(path) => {
                replace(path, note.as_bytes()).map_err(|source| SeenError::Io { path: path.clone(), source })
            }
            None => Ok(()),
        }
    }

    /// Keeps a checkpoint that cannot be true together with this one; says where the two lie.
    pub fn keep_evidence(&self, note: &str) -> Option<(PathBuf, PathBuf)> {
        let file = self.file.clone()?;
        let mut name = file.file_name()?.to_os_string();
        name.push(".conflict");
        let evidence = file.with_file_name(name);
        replace(&evidence, note.as_bytes()).ok()?;
        Some((file, evidence))
    }
}
