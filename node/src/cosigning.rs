//! Collecting what makes a checkpoint certified: a quorum of validators' cosignatures on it.
//!
//! Validators cosign the checkpoint after each block they post. This gathers the cosignatures,
//! also those that arrive before our own books have reached the checkpoint, and says when a quorum
//! stands behind one. It leaves out signing (`keys`) and the text forms (`ledger::checkpoint`).
//!
//! Invariant: a checkpoint is called certified only if it is our own ledger's, and q distinct
//! validators cosigned it.

use std::collections::BTreeMap;

use ledger::certificate::ValidatorSet;
use ledger::codec::{Decode, Encode};
use ledger::digest::Digest;
use ledger::note;
use ledger::signature::Signature;

/// Checkpoints that cosignatures are gathered for at once: the newest; blocks in flight are few.
const CHECKPOINTS_MAX: usize = 128;

/// One validator's cosignature (C2SP cosignature/v1) on the checkpoint of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cosignature {
    /// Index of the validator.
    pub signer: u16,
    /// Leaves in the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Digest,
    /// Seconds since 1970 at the cosigner.
    pub timestamp: u64,
    /// By the validator's cosign key over origin, size, root and timestamp.
    pub signature: Signature,
}

/// A checkpoint of our own log with a quorum of cosignatures, in order of signer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certified {
    /// Leaves in the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Digest,
    /// At least q, of distinct signers.
    pub cosignatures: Vec<Cosignature>,
}

impl Certified {
    /// The checkpoint as a C2SP signed note.
    pub fn note(&self, origin: &str, set: &ValidatorSet) -> String {
        let lines = self.cosignatures.iter().filter_map(|c| {
            let validator = set.validators.get(usize::from(c.signer))?;
            Some(note::cosignature_line(validator.name.as_str(), &validator.cosign_key, c.timestamp, &c.signature))
        });
        let checkpoint = ledger::checkpoint::Checkpoint { origin: origin.into(), size: self.size, root: self.root };
        note::note_text(&checkpoint.to_text(), lines)
    }
}

/// Gathers cosignatures.
pub struct Cosigning {
    origin: String,
    set: ValidatorSet,
    gathered: BTreeMap<u64, BTreeMap<u16, Cosignature>>,
    // Our own log's root at the sizes that still gather.
    ours: BTreeMap<u64, Digest>,
    certified: Option<Certified>,
}

impl Cosigning {
    /// Starts from the checkpoint that was certified last, if any is known.
    pub fn new(origin: String, set: ValidatorSet, certified: Option<Certified>) -> Self {
        Self { origin, set, gathered: BTreeMap::new(), ours: BTreeMap::new(), certified }
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
        self.certify(size)
    }

    /// A cosignature arrived, from a peer or our own. Says whether a newer checkpoint is certified
    /// now. What is old, does not verify, or comes a second time changes nothing.
    pub fn add(&mut self, cosignature: Cosignature) -> bool {
        let Cosignature { signer, size, root, timestamp, signature } = cosignature;
        let Some(validator) = self.set.validators.get(usize::from(signer)) else { return false };
        let known = self.gathered.get(&size).is_some_and(|signers| signers.contains_key(&signer));
        if size <= self.certified_size() || known {
            return false;
        }
        let checkpoint = ledger::checkpoint::Checkpoint { origin: self.origin.clone(), size, root };
        let message = note::cosigned_bytes(timestamp, &checkpoint.to_text());
        if !validator.cosign_key.verify_strict(&message, &signature) {
            return false;
        }
        self.gathered.entry(size).or_default().insert(signer, cosignature);
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
        let (Some(root), Some(signers)) = (self.ours.get(&size), self.gathered.get(&size)) else {
            return false;
        };
        let agreeing: Vec<Cosignature> = signers.values().filter(|c| c.root == *root).copied().collect();
        if agreeing.len() < self.set.quorum() || size <= self.certified_size() {
            return false;
        }
        self.certified = Some(Certified { size, root: *root, cosignatures: agreeing });
        self.gathered.retain(|gathered, _| *gathered > size);
        self.ours.retain(|ours, _| *ours > size);
        true
    }
}
