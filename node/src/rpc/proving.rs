//! Proofs for those who ask: receipts, state proofs and log proofs under the newest checkpoint that
//! a quorum certified.
//!
//! A client verifies all of it with the `ledger` crate alone. What is read from the running
//! validator belongs to its head; it is proven only at a moment when that head is certified, which
//! is some milliseconds after each block.
//!
//! Invariant: everything in one answer is proven under one checkpoint.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ledger::block::{Height, LeafIndex};
use ledger::books::Ledger;
use ledger::checkpoint::{CertifiedCheckpoint, Trust};
use ledger::codec;
use ledger::digest::Digest;
use ledger::receipt::Receipt;
use ledger::state_proof::{RECORDS_MAX, RecordPath, RegisterRoot, SealProof, StateProof, StateProofs};
use ledger::tiles::{TILE_WIDTH, Tile, TileReader};
use ledger::tree::{self, ProofError};
use tokio::time::Instant;

use super::Rpc;
use super::problem::Problem;
use super::text::Base64;
use crate::cosigning::Certified;
use crate::store::{Edge, Store, StoreError};

/// Cosigning takes one round trip; a checkpoint that takes longer has cosigners missing.
const CERTIFIED_TIME_MAX: Duration = Duration::from_secs(2);
/// Between two looks whether the head is certified.
const CERTIFIED_PAUSE: Duration = Duration::from_millis(10);

/// The newest certified checkpoint.
#[derive(Clone, Debug)]
pub(super) struct Newest {
    /// Leaves in the log.
    pub(super) size: u64,
    /// The signed note.
    pub(super) note: Arc<CertifiedCheckpoint>,
    /// The handoffs that lead from genesis to the validators who signed it.
    pub(super) trust: Arc<Trust>,
}

impl Newest {
    /// Written out here rather than by the running validator, which has better things to do.
    fn new(certified: &Certified, trust: Arc<Trust>) -> Result<Self, Problem> {
        let note = certified.note(&trust);
        let note = note.and_then(|note| CertifiedCheckpoint::parse(&note).ok()).ok_or_else(|| {
            tracing::error!(size = certified.size, "rpc: a certified checkpoint does not read");
            Problem::broken("the checkpoint does not read; ask another node and tell this one's operator")
        })?;
        Ok(Self { size: certified.size, note: Arc::new(note), trust })
    }
}

/// The newest certified checkpoint.
///
/// # Errors
/// A problem when none is certified yet.
pub(super) async fn newest(rpc: &Rpc) -> Result<Newest, Problem> {
    let certified =
        rpc.ask(|validator| Some((validator.certified().cloned()?, validator.trust().clone()))).await?;
    let (certified, trust) = certified.ok_or_else(|| {
        Problem::busy(
            "no checkpoint is certified yet; the validators are still starting, ask again in a second",
            1,
        )
    })?;
    Newest::new(&certified, trust)
}

/// An answer of the books as they stood at a certified checkpoint.
pub(super) struct Proven<T> {
    /// What was asked for.
    pub(super) answer: T,
    /// The checkpoint.
    pub(super) checkpoint: Newest,
    registers: Vec<RegisterRoot>,
}

/// Asks the books at a moment when their head is certified.
///
/// # Errors
/// A problem when that moment does not come within [`CERTIFIED_TIME_MAX`].
pub(super) async fn at_checkpoint<T: Send + 'static>(
    rpc: &Rpc,
    question: impl Fn(&Ledger) -> T + Clone + Send + 'static,
) -> Result<Proven<T>, Problem> {
    let deadline = Instant::now() + CERTIFIED_TIME_MAX;
    loop {
        let question = question.clone();
        let asked = rpc.ask(move |validator| {
            let (certified, ledger) = (validator.certified()?, validator.ledger());
            let is_head = certified.size == ledger.head().log.size();
            let trust = || validator.trust().clone();
            is_head.then(|| (question(ledger), certified.clone(), trust(), ledger.register_roots()))
        });
        if let Some((answer, certified, trust, registers)) = asked.await? {
            let checkpoint = Newest::new(&certified, trust)?;
            return Ok(Proven { answer, checkpoint, registers });
        }
        if Instant::now() >= deadline {
            return Err(Problem::busy(
                "the head of the books is not certified at this moment; ask again in a second",
                1,
            ));
        }
        tokio::time::sleep(CERTIFIED_PAUSE).await;
    }
}

impl<T> Proven<T> {
    /// Leads from the registers to the checkpoint.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn seal(&self, store: &Store) -> Result<SealProof, Problem> {
        let mut log = LogReader::new(store);
        let size = self.checkpoint.size;
        let last = LeafIndex(size.saturating_sub(1));
        let (leaf, path) = (log.leaf(last)?, log.inclusion(last, size)?);
        Ok(SealProof { registers: self.registers.clone(), leaf, path })
    }

    /// The whole proof of one record, in canonical bytes.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn state_proof(&self, store: &Store, record: RecordPath) -> Result<Base64, Problem> {
        let checkpoint = self.checkpoint.note.to_text();
        let proof = StateProof { checkpoint, seal: self.seal(store)?, record };
        Ok((&codec::encode(&proof)).into())
    }

    /// The proofs of many records, as many at a time as one message holds, in canonical bytes.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn state_proofs(&self, store: &Store, records: &[RecordPath]) -> Result<Vec<Base64>, Problem> {
        let seal = self.seal(store)?;
        let proofs = records.chunks(RECORDS_MAX).map(|records| {
            let checkpoint = self.checkpoint.note.to_text();
            let proofs = StateProofs { checkpoint, seal: seal.clone(), records: records.to_vec() };
            Base64::from(&codec::encode(&proofs))
        });
        Ok(proofs.collect())
    }
}

type Source<'a> = Box<dyn FnMut(u8, u64) -> Option<Vec<u8>> + 'a>;

/// Leaves, tiles and proofs from the store.
pub(super) struct LogReader<'a> {
    store: &'a Store,
    tiles: TileReader<Source<'a>>,
    edge: Edge,
    // Leaves of one block are asked for one after the other.
    block: Option<(Height, u64, u64)>,
    // The tile reader knows only "not there"; why stands here.
    failure: Rc<RefCell<Option<StoreError>>>,
}

impl<'a> LogReader<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        let failure = Rc::new(RefCell::new(None));
        let failed = failure.clone();
        let source: Source<'a> = Box::new(move |level, index| match store.tile(level, index) {
            Ok(tile) => tile,
            Err(error) => {
                *failed.borrow_mut() = Some(error);
                None
            }
        });
        let edge = store.edge().unwrap_or_else(|error| {
            *failure.borrow_mut() = Some(error);
            Edge::default()
        });
        Self { store, tiles: TileReader::new(source), edge, block: None, failure }
    }

    /// Whether a leaf's bytes are held here, if it is posted.
    pub(super) fn holds(&self, leaf: LeafIndex) -> bool {
        self.edge.holds(leaf)
    }

    /// Says that something lies before what is held.
    pub(super) fn not_held(&self, what: &str) -> Problem {
        not_held(self.store, what)
    }

    /// The bytes of a leaf that is known to be posted.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn leaf(&self, index: LeafIndex) -> Result<Vec<u8>, Problem> {
        if !self.holds(index) {
            return Err(self.not_held(&format!("leaf {index}")));
        }
        self.store.leaf(index)?.ok_or_else(|| missing(format!("leaf {index}")))
    }

    /// The leaves below a tile of level 0.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn leaves(&self, tile: Tile) -> Result<Vec<Vec<u8>>, Problem> {
        let first = LeafIndex(tile.index.saturating_mul(u64::from(TILE_WIDTH)));
        if !self.holds(first) {
            return Err(self.not_held(&format!("leaf {first}")));
        }
        let leaves = self.store.leaves(first, usize::from(tile.width), usize::MAX)?;
        if leaves.len() < usize::from(tile.width) {
            return Err(missing(format!("leaf {}", first.0 + leaves.len() as u64)));
        }
        Ok(leaves)
    }

    /// The hashes of a tile, as many as asked for.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn tile(&self, tile: Tile) -> Result<Vec<u8>, Problem> {
        let Tile { level, index, width } = tile;
        // What was begun before the first leaf held has gaps.
        let span = 1u64.checked_shl(8 * (u32::from(level) + 1)).unwrap_or(u64::MAX);
        if index.saturating_mul(span) < self.edge.size() {
            return Err(self.not_held(&format!("tile {index} of level {level}")));
        }
        let mut bytes = self.store.tile(level, index)?.unwrap_or_default();
        let length = usize::from(width) * 32;
        if bytes.len() < length {
            return Err(missing(format!("tile {index} of level {level}")));
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// The inclusion path of a leaf in the log of this size.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn inclusion(&mut self, leaf: LeafIndex, size: u64) -> Result<Vec<Digest>, Problem> {
        let (edge, tiles) = (&self.edge, &mut self.tiles);
        let mut beyond = |level, index| tiles.node(level, index);
        let path = tree::inclusion_proof(leaf.0, size, |level, index| edge.node(level, index, &mut beyond));
        self.proof(path)
    }

    /// The proof that the log of `to` leaves continues the one of `from`.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn consistency(&mut self, from: u64, to: u64) -> Result<Vec<Digest>, Problem> {
        let (edge, tiles) = (&self.edge, &mut self.tiles);
        let mut beyond = |level, index| tiles.node(level, index);
        let path = tree::consistency_proof(from, to, |level, index| edge.node(level, index, &mut beyond));
        self.proof(path)
    }

    /// The receipt of a transaction's leaf, as text.
    ///
    /// # Errors
    /// A problem when the checkpoint does not cover the leaf, or the store cannot be read.
    pub(super) fn receipt(&mut self, leaf: LeafIndex, checkpoint: &Newest) -> Result<String, Problem> {
        let bytes = self.leaf(leaf)?;
        let path = self.inclusion(leaf, checkpoint.size)?;
        let handoffs = checkpoint.trust.handoffs_at(checkpoint.size).to_vec();
        Ok(Receipt::new(bytes, leaf, path, checkpoint.note.as_ref().clone(), None, handoffs).to_text())
    }

    /// Height of the block that a leaf stands in.
    ///
    /// # Errors
    /// A problem when the store cannot be read.
    pub(super) fn height(&mut self, leaf: LeafIndex) -> Result<Height, Problem> {
        if let Some((height, first, end)) = self.block
            && (first..end).contains(&leaf.0)
        {
            return Ok(height);
        }
        let Some(head) = self.store.head()? else { return Ok(Height(0)) };
        // The first height whose leaves end after this one; genesis, height 0, has no record.
        let earliest = self.store.earliest()?;
        if leaf.0 < self.edge.size() {
            return Err(self.not_held(&format!("the block of leaf {leaf}")));
        }
        let (mut low, mut high) = (earliest.0, head.height.0);
        while low < high {
            let middle = low + (high - low) / 2;
            let (_, end) = self.range(Height(middle))?;
            if leaf.0 < end {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let (first, end) = self.range(Height(low))?;
        if leaf.0 < first {
            return Ok(Height(0));
        }
        self.block = Some((Height(low), first, end));
        Ok(Height(low))
    }

    fn range(&self, height: Height) -> Result<(u64, u64), Problem> {
        let range = self.store.leaf_range(height)?;
        let (first, leaves) = range.ok_or_else(|| missing(format!("block {height}")))?;
        Ok((first.0, first.0 + u64::from(leaves)))
    }

    fn proof(&mut self, path: Result<Vec<Digest>, ProofError>) -> Result<Vec<Digest>, Problem> {
        path.map_err(|error| match self.failure.borrow_mut().take() {
            Some(failure) => failure.into(),
            None if self.edge.size() > 0 => self.not_held("this part of the log"),
            None => missing(error.to_string()),
        })
    }
}

/// For what was posted before the first block that this node holds.
pub(super) fn not_held(store: &Store, what: &str) -> Problem {
    match store.earliest() {
        Ok(earliest) => Problem::not_held(format!(
            "{what} is not held here: this node joined from a snapshot and holds blocks from height {earliest} on; ask another node"
        )),
        Err(error) => error.into(),
    }
}

fn missing(what: String) -> Problem {
    tracing::error!(%what, "rpc: not in the store");
    Problem::broken(
        "something posted is not in the node's store; ask another node and tell this one's operator",
    )
}
