//! Offences: the pairs of votes that no correct validator signs both of (rule C10), and the one place
//! that says which.
//!
//! A pair convicts its signer by itself, to anybody who knows the keys of its epoch. Who reports it
//! and where it is booked is for `rules`, where a node meets it for `consensus`, and how a fork leads
//! to such pairs for `fork`. A certificate on a block that the books refuse is an offence of all its
//! signers, but is shown by executing the block, not by a pair.
//!
//! Invariant: statements are compared, never signature bytes, for one statement can be signed in two
//! ways.

use bincode::{Decode, Encode};

use crate::certificate::{Statement, Vote};
use crate::digest::Digest;
use crate::signature::PublicKey;

/// Which rule the pair breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum OffenceKind {
    /// Two blocks notarized in one view.
    TwoNotarize,
    /// Two blocks finalized in one view.
    TwoFinalize,
    /// A view both finalized and nullified.
    FinalizeAndNullify,
    /// One block notarized and another finalized in one view.
    NotarizeAndFinalize,
}

impl OffenceKind {
    /// What two statements of one signer in one epoch prove, in either order.
    pub fn of(first: &Statement, second: &Statement) -> Option<Self> {
        use Statement::{Finalize, Notarize, Nullify};
        if first.view() != second.view() {
            return None;
        }
        let others = first.block() != second.block();
        match (first, second) {
            (Notarize { .. }, Notarize { .. }) if others => Some(Self::TwoNotarize),
            (Finalize { .. }, Finalize { .. }) if others => Some(Self::TwoFinalize),
            (Finalize { .. }, Nullify { .. }) | (Nullify { .. }, Finalize { .. }) => {
                Some(Self::FinalizeAndNullify)
            }
            (Notarize { .. }, Finalize { .. }) | (Finalize { .. }, Notarize { .. }) if others => {
                Some(Self::NotarizeAndFinalize)
            }
            _ => None,
        }
    }
}

impl core::fmt::Display for OffenceKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(match self {
            Self::TwoNotarize => "notarized two blocks",
            Self::TwoFinalize => "finalized two blocks",
            Self::FinalizeAndNullify => "finalized and nullified",
            Self::NotarizeAndFinalize => "notarized one block and finalized another",
        })
    }
}

/// Two votes that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offence {
    /// One.
    pub first: Vote,
    /// The other.
    pub second: Vote,
}

impl Offence {
    /// What the pair proves if both signatures hold: one epoch, signer and view, and statements that
    /// exclude each other.
    pub fn kind(&self) -> Option<OffenceKind> {
        let Self { first, second } = self;
        if (first.epoch, first.signer) != (second.epoch, second.signer) {
            return None;
        }
        OffenceKind::of(&first.statement, &second.statement)
    }

    /// Whether both votes are signed with this key, the signer's of that epoch.
    pub fn is_signed_by(&self, key: &PublicKey, chain: &Digest) -> bool {
        [&self.first, &self.second]
            .into_iter()
            .all(|vote| key.verify(&vote.statement.signed_bytes(chain, vote.epoch), &vote.signature))
    }
}
