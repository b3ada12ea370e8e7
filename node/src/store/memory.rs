//! What the store does for the signer's memory ([`crate::watermark`]): whether the vote log can be
//! relied on, the token of each start, and opening what is left of a directory that cannot be.

use std::path::Path;

use ledger::block::{Epoch, View};
use ledger::digest::Digest;
use ledger::signature::PublicKey;

use super::columns::{self, Column};
use super::{Batch, Store, StoreError};
use crate::watermark::{Directory, Term, Token};

/// How the directory is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Anything wrong is refused.
    Strict,
    /// What reads is taken, and the vote log is not relied on.
    Salvage,
}

impl Store {
    /// Opens what is left of a directory that [`Store::open`] refused as damaged or as having lost
    /// steps: everything up to the damage. Whoever calls it has marked durably that the vote log is lost,
    /// because afterwards the directory looks sound again.
    ///
    /// # Errors
    /// [`StoreError`]: nothing can be read, or the directory is in use or another chain's.
    pub fn salvage(path: &Path, chain: &Digest) -> Result<Self, StoreError> {
        Self::open_as(path, chain, Care::Salvage)
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads every vote; where one does not read, refuses, or in salvage begins the column anew.
    pub(super) fn check_votes(&mut self, care: Care) -> Result<(), StoreError> {
        let Err(error) = self.votes(Epoch(0), View(0)) else { return Ok(()) };
        if care == Care::Strict {
            let reason = format!("the vote log does not read: {error}");
            return Err(StoreError::Damaged { path: self.path.clone(), reason });
        }
        let column = Column::Votes.name();
        self.db.drop_cf(column)?;
        Ok(self.db.create_cf(column, &columns::plain_options())?)
    }

    /// What the directory says of itself to the signer with this vote key.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    pub fn directory(&self, key: &PublicKey) -> Result<Directory, StoreError> {
        let tokens = match self.get(Column::Meta, &tokens_key(key))? {
            None => None,
            Some(bytes) => {
                let both: &[u8; 32] = columns::exactly(Column::Meta, &bytes)?;
                let mut tokens = [Token::default(); 2];
                tokens[0].copy_from_slice(&both[..16]);
                tokens[1].copy_from_slice(&both[16..]);
                Some((tokens[0], tokens[1]))
            }
        };
        Ok(Directory { tokens, steps: self.steps(), floor: self.floor() })
    }

    /// The newest view that a vote is kept of.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    pub fn last_vote(&self) -> Result<Term, StoreError> {
        let votes = self.votes(Epoch(0), View(0))?;
        Ok(votes.last().map_or((Epoch(0), View(0)), |(epoch, statement)| (*epoch, statement.view())))
    }

    /// Whether a vote of this view is kept.
    ///
    /// # Errors
    /// A failed or inconsistent read.
    pub fn has_vote_in(&self, (epoch, view): Term) -> Result<bool, StoreError> {
        Ok(!self.votes_in(epoch, view)?.is_empty())
    }
}

impl Batch {
    /// Keeps the token of a start for the signer with this vote key, and the one that it replaces.
    pub fn token(&mut self, key: &PublicKey, token: &Token, replaced: &Token) {
        self.put(Column::Meta, tokens_key(key), [token.as_slice(), replaced].concat());
    }
}

fn tokens_key(key: &PublicKey) -> Vec<u8> {
    [columns::META_TOKENS, &key.0].concat()
}
