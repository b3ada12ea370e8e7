//! Leaves of the log in order, each proven to be the log's own before it is handed out.
//!
//! They are read as C2SP entry bundles, hashed into the frontier of what was read before, and believed
//! because the tree that this makes is the checkpoint's, or one that the checkpoint's continues. It
//! leaves out what a leaf means.
//!
//! Invariant: a [`Stretch`] exists only proven, and ends with a whole block.

use ledger::block::{LEAF_BYTES_MAX, Leaf, Seal};
use ledger::checkpoint::TrustedCheckpoint;
use ledger::codec;
use ledger::tiles::{Resource, TILE_WIDTH, Tile, entries};
use ledger::tree::{Frontier, ProofError, leaf_hash, verify_consistency};

use crate::client::{Client, ClientError};

/// Leaves of one or more whole blocks.
pub struct Stretch {
    /// In order; the first has the index that the frontier before had as its size.
    pub leaves: Vec<Leaf>,
    /// The last of them, which ends the last block.
    pub seal: Seal,
    /// The log up to and with them.
    pub frontier: Frontier,
}

impl Client {
    /// The next blocks of the log after `before`, up to a checkpoint: at least one, and no more once
    /// `leaves_max` leaves are read. `None` if the checkpoint has none.
    ///
    /// # Errors
    /// [`ClientError`]: the node cannot be asked, or shows a log that is not the checkpoint's.
    pub fn stretch(
        &self,
        before: &Frontier,
        checkpoint: &TrustedCheckpoint,
        leaves_max: usize,
    ) -> Result<Option<Stretch>, ClientError> {
        let (mut read, mut frontier) = (Vec::new(), before.clone());
        let mut whole: Option<(usize, Seal, Frontier)> = None;
        while frontier.size() < checkpoint.size() && (whole.is_none() || read.len() < leaves_max) {
            for bytes in self.bundle(frontier.size(), checkpoint.size())? {
                frontier.push(leaf_hash(&bytes));
                let leaf: Leaf = codec::decode(&bytes, LEAF_BYTES_MAX)
                    .map_err(|source| ClientError::NotUnderstood { what: "a leaf", source })?;
                read.push(leaf);
                if let Some(Leaf::Seal(seal)) = read.last() {
                    whole = Some((read.len(), seal.clone(), frontier.clone()));
                }
            }
        }
        let Some((count, seal, frontier)) = whole else { return Ok(None) };
        read.truncate(count);
        self.continues(&frontier, checkpoint)?;
        Ok(Some(Stretch { leaves: read, seal, frontier }))
    }

    /// Whether a checkpoint's log continues the log of this frontier.
    ///
    /// # Errors
    /// [`ClientError::Rewritten`] if it does not.
    pub fn continues(&self, frontier: &Frontier, checkpoint: &TrustedCheckpoint) -> Result<(), ClientError> {
        let (size, root) = (frontier.size(), frontier.root());
        let (shown, shown_root) = (checkpoint.size(), *checkpoint.root());
        let rewritten = |source: ProofError| ClientError::Rewritten {
            shown,
            seen: size,
            source,
            remedy: "the leaves that the node hands out are not those of its checkpoint, ask another node"
                .into(),
        };
        let path = self.consistency(size, shown)?;
        verify_consistency(size, &root, shown, &shown_root, &path).map_err(rewritten)
    }

    /// The entries from an index on that lie in the same bundle.
    fn bundle(&self, from: u64, size: u64) -> Result<Vec<Vec<u8>>, ClientError> {
        let index = from / u64::from(TILE_WIDTH);
        let tile = Tile { level: 0, index, width: Tile::width_at(0, index, size) };
        let path = format!("/v1/{}", Resource::Entries(tile).path());
        let bytes = self.line().get(&path)?;
        let entries = entries(&bytes, tile.width)
            .ok_or_else(|| self.line().malformed(&path, "it is no bundle of that width"))?;
        let known = (from % u64::from(TILE_WIDTH)) as usize;
        Ok(entries.into_iter().skip(known).map(<[u8]>::to_vec).collect())
    }
}
