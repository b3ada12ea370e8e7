//! What a step must keep, gathered into the store's batch: statements, blocks, certificates, and
//! for each posted block its leaves, indexes and the tiles that they change.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::block::View;
use ledger::books::{Ledger, Staged};
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::tiles;
use ledger::transaction::TransactionId;
use ledger::tree::{Frontier, leaf_hash};

use crate::store::{Batch, JournalRow, PostedBlock, PostingRow, Store, StoreError, TileRow};
use crate::validator::Action;

/// Views whose statements and certificates are kept below the last final one, so that a peer some
/// views behind can still be shown the way.
const VIEWS_KEPT: u64 = 64;

/// See the module.
pub struct Keeper {
    store: Arc<Store>,
    frontier: Frontier,
    // The right edge: of each level, the tile that is not full yet.
    edge: BTreeMap<u8, TileRow>,
    watermark: Option<(u64, Digest)>,
}

impl Keeper {
    /// Continues where the store stands; puts in the leaves of genesis where it is empty.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(store: Arc<Store>, ledger: &Ledger) -> Result<Self, StoreError> {
        let mut keeper =
            Self { frontier: Frontier::new(), edge: BTreeMap::new(), watermark: store.watermark()?, store };
        if keeper.store.head()?.is_none() && keeper.store.tile(0, 0)?.is_none() {
            let mut batch = keeper.store.batch();
            batch.leaves(ledger::block::LeafIndex(0), ledger.genesis_leaves());
            for tile in keeper.grow(ledger.genesis_leaves()) {
                batch.tile(&tile);
            }
            batch.commit()?;
            return Ok(keeper);
        }
        keeper.frontier = ledger.head().log.clone();
        let mut nodes = keeper.frontier.size();
        let mut level = 0;
        while nodes > 0 {
            let index = nodes / u64::from(tiles::TILE_WIDTH);
            if let Some(hashes) = keeper.store.tile(level, index)? {
                keeper.edge.insert(level, TileRow { level, index, hashes });
            }
            nodes = index;
            level += 1;
        }
        Ok(keeper)
    }

    fn grow(&mut self, leaves: &[Vec<u8>]) -> Vec<TileRow> {
        let hashes: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut changed = BTreeMap::new();
        for part in tiles::append(&mut self.frontier, &hashes) {
            let begins = TileRow { level: part.level, index: part.index, hashes: Vec::new() };
            let tile = self.edge.entry(part.level).or_insert_with(|| begins.clone());
            if tile.index != part.index {
                *tile = begins;
            }
            tile.hashes.extend(part.hashes.iter().flat_map(|hash| hash.0));
            changed.insert((part.level, part.index), tile.clone());
        }
        changed.into_values().collect()
    }

    /// Whether our cosigner may sign this checkpoint: never a smaller one than before, never
    /// another root at the same size.
    pub fn may_cosign(&self, size: u64, root: &Digest) -> bool {
        self.watermark.is_none_or(|(last, kept)| size > last || (size == last && *root == kept))
    }

    /// Size of the largest checkpoint that our cosigner signed.
    pub fn cosigned(&self) -> Option<u64> {
        self.watermark.map(|(size, _)| size)
    }

    /// Gathers what the actions ask to keep. Says whether it must be durable now: certificates
    /// alone may wait for the next step's batch.
    ///
    /// # Errors
    /// [`StoreError`]: a statement that contradicts a kept one, or a failed read. The caller must
    /// end the process.
    pub fn gather(&mut self, batch: &mut Batch, actions: &[Action]) -> Result<bool, StoreError> {
        let mut urgent = false;
        for action in actions {
            match action {
                Action::PersistVote { epoch, statement } => batch.vote(*epoch, statement)?,
                Action::PersistBlock(block) => batch.block(block),
                Action::PersistCertificate(certificate) => {
                    batch.certificate(certificate);
                    continue;
                }
                Action::PersistCheckpoint(certified) => {
                    batch.checkpoint(certified);
                    continue;
                }
                Action::PersistFinalized { staged, proof } => {
                    self.posted(batch, staged, proof);
                    // The first block of an epoch lets go of all that was said in the one before.
                    let header = staged.header();
                    let floor = header.view.0.saturating_sub(VIEWS_KEPT);
                    batch.prune(header.epoch, View(floor))?;
                }
                Action::PersistEvidence(evidence) => batch.evidence(&evidence.first, &evidence.second),
                Action::Cosign { size, root, .. } if self.may_cosign(*size, root) => {
                    self.watermark = Some((*size, *root));
                    batch.watermark(*size, root);
                }
                _ => continue,
            }
            urgent = true;
        }
        Ok(urgent)
    }

    fn posted(&mut self, batch: &mut Batch, staged: &Staged, proof: &FinalizedBlock) {
        let transactions: Vec<TransactionId> = staged.block().transactions().iter().map(|t| t.id()).collect();
        let journal: Vec<JournalRow> = staged
            .entries()
            .map(|(leaf, entry, booked)| JournalRow {
                entity: booked.entity,
                voucher: booked.voucher,
                leaf,
                entry,
            })
            .collect();
        let postings: Vec<PostingRow> = staged
            .postings()
            .into_iter()
            .map(|(place, _)| PostingRow {
                entity: place.entity,
                account: place.account,
                period: place.period,
                number: place.sequence,
                leaf: place.leaf,
                entry: place.entry,
                line: place.line,
            })
            .collect();
        let tiles = self.grow(staged.leaves());
        batch.posted(&PostedBlock {
            block: proof,
            first_leaf: staged.first_leaf(),
            leaves: staged.leaves(),
            transactions: &transactions,
            journal: &journal,
            postings: &postings,
            tiles: &tiles,
        });
    }
}
