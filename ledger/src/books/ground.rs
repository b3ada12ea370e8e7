//! What a block is executed on: the head before it, and what its unfinalized ancestors changed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::execution::Done;
use super::{Head, Staged};
use crate::block::{BlockHash, Height, VerifiedBlock};
use crate::registers::Layer;

/// More layers than these are merged into one, so that a read never asks more, however long
/// finality is away. Refusing to build on them instead could keep it away for good.
const LAYERS_MAX: usize = 64;

/// What one or several blocks changed, up to a height.
#[derive(Clone)]
pub(super) struct Step {
    top: Height,
    layer: Arc<Layer>,
}

pub(super) struct Ground {
    /// The end of the parent.
    pub(super) head: Head,
    /// What lies between the registers and the block, newest first.
    pub(super) layers: Vec<Arc<Layer>>,
    /// Whether the epoch ended with an ancestor that is not final yet: the block is a closing block.
    pub(super) closing: bool,
    steps: Vec<Step>,
    lineage: Vec<(Height, BlockHash)>,
}

impl Ground {
    pub(super) fn final_at(head: &Head) -> Self {
        let lineage = alloc::vec![(head.height, head.block)];
        Self { head: head.clone(), layers: Vec::new(), closing: false, steps: Vec::new(), lineage }
    }

    /// `None` when the block does not descend from the final head.
    pub(super) fn on(parent: &Staged, last_final: &Head) -> Option<Self> {
        if !parent.lineage.contains(&(last_final.height, last_final.block)) {
            return None;
        }
        let own = Step { top: parent.head.height, layer: parent.layer.clone() };
        let below = parent.below.iter().filter(|step| step.top > last_final.height);
        let mut steps: Vec<Step> = core::iter::once(&own).chain(below).cloned().collect();
        if steps.len() > LAYERS_MAX {
            steps = alloc::vec![merged(&steps, own.top)];
        }
        let own = (parent.head.height, parent.head.block);
        let below = parent.lineage.iter().filter(|(height, _)| *height >= last_final.height);
        let lineage = core::iter::once(&own).chain(below).copied().collect();
        let layers = steps.iter().map(|step| step.layer.clone()).collect();
        let closing = parent.ends_epoch() || parent.is_closing();
        Some(Self { head: parent.head.clone(), layers, closing, steps, lineage })
    }

    pub(super) fn stage(self, block: VerifiedBlock, done: Done) -> Staged {
        let header = block.header();
        let head = Head {
            height: header.height,
            block: block.hash(),
            epoch: header.epoch,
            view: header.view,
            time: header.time,
            seal: done.seal,
            log: done.log,
            state_root: done.state_root,
        };
        Staged {
            block,
            head,
            first: done.first,
            leaves: done.leaves,
            entries: done.entries,
            layer: done.layer,
            next: done.next,
            closing: done.closing,
            below: self.steps,
            lineage: self.lineage,
        }
    }
}

fn merged(steps: &[Step], top: Height) -> Step {
    let mut oldest_first = steps.iter().rev();
    let mut layer = oldest_first.next().map(|step| Layer::clone(&step.layer));
    for step in oldest_first {
        if let Some(layer) = &mut layer {
            layer.absorb(&step.layer);
        }
    }
    match layer {
        Some(layer) => Step { top, layer: Arc::new(layer) },
        None => unreachable!("more than {LAYERS_MAX} steps are not none"),
    }
}
