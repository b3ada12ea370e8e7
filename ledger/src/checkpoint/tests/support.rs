//! Four validators and a log, for tests of everything that ends in a checkpoint.

use super::super::*;
use crate::block::Epoch;
use crate::certificate::{Validator, ValidatorSet};
use crate::entity::{Name, OrgNumber};
use crate::signature::PublicKey;
use crate::tree::{Frontier, leaf_hash};

pub(crate) const NOW: Timestamp = Timestamp(1_788_000_000_000);
pub(crate) const NOW_S: u64 = NOW.0 / 1000;

pub(crate) fn private(validator: u8, purpose: u8) -> SigningKey {
    SigningKey::from_bytes(&[16 * purpose + validator; 32])
}

pub(crate) fn trust(chain: u8) -> Trust {
    let public = |key: SigningKey| PublicKey(key.verifying_key().to_bytes());
    let entities = [964_965_226, 964_965_137, 970_018_131, 974_761_076];
    let validators = entities
        .iter()
        .zip(1u8..)
        .map(|(entity, i)| Validator {
            entity: OrgNumber::new(*entity).unwrap(),
            name: Name::new(alloc::format!("kommune{i}.example/v1")).unwrap(),
            vote_key: public(private(i, 1)),
            cosign_key: public(private(i, 2)),
            peer_key: public(private(i, 3)),
            governance_key: public(private(i, 4)),
        })
        .collect();
    let chain = Digest([chain; 32]);
    let origin = alloc::format!("hovedbok.example/{:.16}", chain.to_hex());
    Trust::new(origin, chain, ValidatorSet { epoch: Epoch(0), validators }).unwrap()
}

pub(crate) fn checkpoint(trust: &Trust, leaves: &[Vec<u8>]) -> Checkpoint {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(leaf_hash(leaf)));
    Checkpoint { origin: trust.origin().into(), size: frontier.size(), root: frontier.root() }
}

pub(crate) fn cosign(checkpoint: &Checkpoint, signers: &[u16]) -> Vec<Cosignature> {
    let sign = |signer: &u16| {
        Cosignature::sign(*signer, checkpoint, NOW_S + u64::from(*signer), &private(*signer as u8 + 1, 2))
    };
    signers.iter().map(sign).collect()
}

pub(crate) fn certify(trust: &Trust, checkpoint: Checkpoint) -> CertifiedCheckpoint {
    let cosignatures = cosign(&checkpoint, &[3, 0, 2, 1]);
    CertifiedCheckpoint::assemble(checkpoint, &cosignatures, trust).unwrap()
}

/// The hash of a perfect subtree over these leaves.
pub(crate) fn node(leaves: &[Vec<u8>], level: u8, index: u64) -> Option<Digest> {
    let start = (index << level) as usize;
    let mut hashes: Vec<Digest> =
        leaves.get(start..start + (1 << level))?.iter().map(|leaf| leaf_hash(leaf)).collect();
    while hashes.len() > 1 {
        hashes = tree::parents(&hashes);
    }
    hashes.first().copied()
}
