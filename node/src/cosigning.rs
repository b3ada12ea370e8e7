//! Collecting what makes a checkpoint certified: a quorum of validators' cosignatures on it.
//!
//! Validators cosign the checkpoint after each block they post. This gathers the cosignatures,
//! also those that arrive before our own books have reached the checkpoint, and says when a quorum
//! stands behind one. It leaves out signing (`keys`) and the text forms (`ledger::checkpoint`).
//!
//! Invariant: a checkpoint is called certified only if it is our own ledger's, and q distinct
//! validators of the epoch that its size lies in cosigned it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::checkpoint::{self, CertifiedCheckpoint, Checkpoint, Trust};
use ledger::codec::{Decode, Encode};
use ledger::digest::Digest;
use ledger::handoff::{Handoff, HandoffError};

/// Checkpoints that cosignatures are gathered for at once: the newest; blocks in flight are few.
const CHECKPOINTS_MAX: usize = 128;

/// One validator's cosignature (C2SP cosignature/v1) and what it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cosignature {
    /// Leaves in the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Digest,
    /// Who signed, when, and the signature.
    pub by: checkpoint::Cosignature,
}

/// A checkpoint of our own log with a quorum of cosignatures, in order of signer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certified {
    /// Leaves in the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Digest,
    /// At least q, of distinct signers.
    pub cosignatures: Vec<checkpoint::Cosignature>,
}

impl Certified {
    /// The checkpoint as a C2SP signed note; `None` if the cosignatures are not by a quorum of this
    /// set, which no checkpoint that [`Cosigning`] certified can be.
    pub fn note(&self, trust: &Trust) -> Option<String> {
        let checkpoint = Checkpoint { origin: trust.origin().into(), size: self.size, root: self.root };
        CertifiedCheckpoint::assemble(checkpoint, &self.cosignatures, trust).ok().map(|note| note.to_text())
    }

    /// The cosignatures as they are sent.
    pub fn to_cosignatures(&self) -> Vec<Cosignature> {
        self.cosignatures.iter().map(|by| Cosignature { size: self.size, root: self.root, by: *by }).collect()
    }
}

/// Gathers cosignatures.
pub struct Cosigning {
    // Shared with whoever asks: it grows with every epoch.
    trust: Arc<Trust>,
    gathered: BTreeMap<u64, BTreeMap<u16, Cosignature>>,
    // Our own log's root at the sizes that still gather.
    ours: BTreeMap<u64, Digest>,
    certified: Option<Certified>,
}

impl Cosigning {
    /// Starts from the checkpoint that was certified last, if any is known.
    pub fn new(trust: Trust, certified: Option<Certified>) -> Self {
        Self { trust: Arc::new(trust), gathered: BTreeMap::new(), ours: BTreeMap::new(), certified }
    }

    /// Who validated when.
    pub fn trust(&self) -> &Arc<Trust> {
        &self.trust
    }

    /// Another set vouches for checkpoints of more leaves than the log has now; the set before goes on
    /// vouching for the last of its own.
    ///
    /// # Errors
    /// [`HandoffError`], which is a broken invariant when the handoff is of our own chain.
    pub fn hand_over(&mut self, handoff: &Handoff) -> Result<(), HandoffError> {
        Arc::make_mut(&mut self.trust).extend(handoff)?;
        // What came early was judged by the set before.
        let starts = self.trust.newest().starts();
        self.gathered.retain(|size, _| *size <= starts);
        Ok(())
    }

    /// The newest certified checkpoint.
    pub fn certified(&self) -> Option<&Certified> {
        self.certified.as_ref()
    }

    fn certified_size(&self) -> u64 {
        self.certified.as_ref().map_or(0, |certified| certified.size)
    }

    /// Our own log reached this checkpoint. Says whether a newer one is certified now.
    pub fn reached(&mut self, size: u64, root: Digest) -> bool {
        self.ours.insert(size, root);
        if self.ours.len() > CHECKPOINTS_MAX {
            self.ours.pop_first();
        }
        self.certify(size)
    }

    /// A cosignature arrived, from a peer or our own. Says whether a newer checkpoint is certified
    /// now. What is old, does not verify, or comes a second time changes nothing.
    pub fn add(&mut self, cosignature: Cosignature) -> bool {
        let Cosignature { size, root, by } = cosignature;
        let known = self.gathered.get(&size).is_some_and(|signers| signers.contains_key(&by.signer));
        if size <= self.certified_size() || known {
            return false;
        }
        let checkpoint = Checkpoint { origin: self.trust.origin().into(), size, root };
        if by.verify(&checkpoint, &self.trust, None).is_err() {
            return false;
        }
        self.gathered.entry(size).or_default().insert(by.signer, cosignature);
        if self.gathered.len() > CHECKPOINTS_MAX {
            // The far end goes first: what a faulty cosigner invents lies beyond what is real.
            let farthest = self.gathered.keys().rev().find(|size| !self.ours.contains_key(size)).copied();
            let oldest = self.gathered.keys().next().copied();
            if let Some(size) = farthest.or(oldest) {
                self.gathered.remove(&size);
            }
        }
        self.certify(size)
    }

    fn certify(&mut self, size: u64) -> bool {
        let (Some(root), Some(signers)) = (self.ours.get(&size).copied(), self.gathered.get(&size)) else {
            return false;
        };
        let agreeing: Vec<_> = signers.values().filter(|c| c.root == root).map(|c| c.by).collect();
        if agreeing.len() < self.trust.term(size).validators().quorum() || size <= self.certified_size() {
            return false;
        }
        self.certified = Some(Certified { size, root, cosignatures: agreeing });
        self.gathered.retain(|gathered, _| *gathered > size);
        self.ours.retain(|ours, _| *ours > size);
        true
    }
}
