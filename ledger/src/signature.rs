//! Ed25519 keys and signatures under one fixed rule.
//!
//! Transactions and votes are judged by ZIP 215 (cofactored verification), because only under it do
//! single and batch checks agree on every input, and validators that disagree on one odd signature
//! fork. Cosignatures on checkpoints are read by other people's tools and are judged strictly
//! ([`PublicKey::verify_strict`]). Keys that either rule could read in two ways are refused when
//! they are registered ([`PublicKey::check_registrable`]).

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};
use curve25519_dalek::edwards::CompressedEdwardsY;
use rand_core::CryptoRng;

use crate::digest::Digest;

/// The 32 bytes of an Ed25519 public key (RFC 8032), not yet checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey(pub [u8; 32]);

/// The 64 bytes of an Ed25519 signature (RFC 8032), not yet checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

/// A key that may not be registered. Rule L7.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("public key {key} is not canonical, of small order or has a torsion part; generate a new key pair")]
pub struct KeyError {
    /// The key.
    pub key: PublicKey,
}

impl PublicKey {
    /// Refuses keys under which a signature's meaning would depend on the verifier: not on the
    /// curve, not canonically encoded, of small order, or with a torsion component.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn check_registrable(&self) -> Result<(), KeyError> {
        let refuse = || KeyError { key: *self };
        let point = CompressedEdwardsY(self.0).decompress().ok_or_else(refuse)?;
        if point.compress().0 != self.0 || point.is_small_order() || !point.is_torsion_free() {
            return Err(refuse());
        }
        Ok(())
    }

    /// Whether the signature holds for the message under ZIP 215.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        ed25519_zebra::VerificationKey::try_from(self.0)
            .is_ok_and(|key| key.verify(&ed25519_zebra::Signature::from_bytes(&signature.0), message).is_ok())
    }

    /// Whether the signature holds under the strict rule of RFC 8032 as `verify_strict` reads it.
    /// For checkpoint cosignatures only.
    pub fn verify_strict(&self, message: &[u8], signature: &Signature) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Digest(self.0), f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Digest(self.0), f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// One signature to be checked, its message already hashed in so that it borrows nothing.
pub struct Claim(ed25519_zebra::batch::Item);

impl Claim {
    /// That `signature` is `key`'s on `message`.
    pub fn new(key: &PublicKey, message: &[u8], signature: &Signature) -> Self {
        let key = ed25519_zebra::VerificationKeyBytes::from(key.0);
        Self(ed25519_zebra::batch::Item::from((
            key,
            ed25519_zebra::Signature::from_bytes(&signature.0),
            message,
        )))
    }
}

/// Checks many signatures at once under ZIP 215, and says of each whether it holds. The randomness
/// weighs the batch equation; the verdict does not depend on it.
pub fn verify_batch<R: CryptoRng>(claims: &[Claim], rng: &mut R) -> Vec<bool> {
    let mut batch = ed25519_zebra::batch::Verifier::new();
    for claim in claims {
        batch.queue(claim.0.clone());
    }
    if batch.verify(&mut *rng).is_ok() {
        return alloc::vec![true; claims.len()];
    }
    match claims {
        [] => Vec::new(),
        [single] => alloc::vec![single.0.clone().verify_single().is_ok()],
        many => {
            // Halving finds k bad signatures among n in about k log n small batches, so that one
            // bad signature does not cost everybody the batch's gain.
            let (left, right) = many.split_at(many.len() / 2);
            let mut verdicts = verify_batch(left, rng);
            verdicts.extend(verify_batch(right, rng));
            verdicts
        }
    }
}

/// What a signature is for; stands in every signed byte string, so that none serves two purposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// A validator's notarize vote.
    Notarize = 1,
    /// A validator's nullify vote.
    Nullify = 2,
    /// A validator's finalize vote.
    Finalize = 3,
    /// A submitted transaction.
    Transaction = 16,
    /// An entrant's word that it holds the books.
    Ready = 17,
}

/// The fixed start of every byte string that a Hovedbok key signs.
pub const DOMAIN: &[u8; 11] = b"hovedbok/v1";

/// `DOMAIN ‖ purpose(1) ‖ chain(32) ‖ payload`: the bytes that are signed.
pub fn signed_bytes(purpose: Purpose, chain: &Digest, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(DOMAIN.len() + 33 + payload.len());
    bytes.extend_from_slice(DOMAIN);
    bytes.push(purpose as u8);
    bytes.extend_from_slice(&chain.0);
    bytes.extend_from_slice(payload);
    bytes
}
