//! A dense table that never moves what it holds: growing it costs no copy of millions of records
//! at once, which a block in execution would have to wait for.
//!
//! Chunks are shared with the tables that [`Dense::still`] gave out; the first change to a chunk that is
//! shared copies it, and only it.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// Small enough that a block which touches thousands of shared chunks copies some megabytes and not
/// hundreds, large enough that the outer list is copied in about a millisecond for a million items.
const CHUNK: usize = 64;

/// Items by index, from 0 without gaps.
pub(crate) struct Dense<T> {
    chunks: Vec<Arc<Vec<T>>>,
}

impl<T> Default for Dense<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Dense<T> {
    pub(crate) fn len(&self) -> u64 {
        match self.chunks.last() {
            Some(last) => ((self.chunks.len() - 1) * CHUNK + last.len()) as u64,
            None => 0,
        }
    }

    pub(crate) fn get(&self, index: u64) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The table as it is now, whatever becomes of this one. Costs a pointer for each chunk.
    pub(crate) fn still(&self) -> Self {
        Self { chunks: self.chunks.clone() }
    }

    /// Replaces the item at an index that exists, or appends at the one after the last.
    pub(crate) fn set(&mut self, index: u64, item: T)
    where
        T: Clone,
    {
        assert!(index <= self.len(), "index {index} leaves a gap after {} items", self.len());
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        if chunk == self.chunks.len() {
            // A short table, such as a register of ten parameters, does not reserve a whole chunk.
            self.chunks.push(Arc::new(if chunk == 0 { Vec::new() } else { Vec::with_capacity(CHUNK) }));
        }
        let chunk = Arc::make_mut(&mut self.chunks[chunk]);
        if place == chunk.len() {
            chunk.push(item);
        } else {
            chunk[place] = item;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}
