//! Why a change of the validator set, a recovery or a report of an offence is not booked.

use alloc::string::String;
use alloc::vec::Vec;

use crate::block::{Epoch, Height, LeafIndex, View};
use crate::certificate::ValidatorSetError;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::governance::RECENT_ROOTS;
use crate::offence::OffenceKind;
use crate::signature::PublicKey;

/// What the rules about the validators themselves refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GovernanceRefusal {
    /// Rule L22: not the epoch that is current.
    #[error("signed for epoch {named}, current is epoch {current}; look at its validators and sign anew")]
    WrongEpoch {
        /// The epoch named.
        named: Epoch,
        /// The current one.
        current: Epoch,
    },
    /// Rule L23: a signature by another key than a governance key of the current set.
    #[error(
        "key {key} is no governance key of a seat in epoch {epoch}; leave its signature out, or have the validator sign with its governance key"
    )]
    NotGovernance {
        /// The key.
        key: PublicKey,
        /// The current epoch.
        epoch: Epoch,
    },
    /// Rule L23: too few seats signed.
    #[error(
        "{found} of {validators} governance keys of epoch {epoch} signed, {quorum} must; gather more signatures"
    )]
    Quorum {
        /// The current epoch.
        epoch: Epoch,
        /// How many seats signed.
        found: usize,
        /// How many must.
        quorum: usize,
        /// How many there are.
        validators: usize,
    },
    /// Rule L24: who leaves has no seat.
    #[error("{entity} has no seat in epoch {epoch} that it could leave; take it off the list")]
    NoSeat {
        /// Who.
        entity: OrgNumber,
        /// The current epoch.
        epoch: Epoch,
    },
    /// Rule L24: the set would stay as it is.
    #[error(
        "the validators of epoch {epoch} would stay as they are; name who leaves, enters or takes new keys"
    )]
    NothingChanges {
        /// The current epoch.
        epoch: Epoch,
    },
    /// Rule L24: the resulting set cannot be.
    #[error("the next validators: {0}; correct the change and sign it anew")]
    NextSet(#[from] ValidatorSetError),
    /// Rule L25: the log that an entrant says to hold is not known here.
    #[error(
        "{entity} is ready with log root {root} at height {height}, which is not that of one of the {RECENT_ROOTS} blocks before height {now}; have it sign for a recent final block"
    )]
    UnknownRoot {
        /// Who.
        entity: OrgNumber,
        /// The height it names.
        height: Height,
        /// The root it names.
        root: Digest,
        /// Height of the block that would hold the change.
        now: Height,
    },
    /// Rule L25: an entrant's signature does not hold.
    #[error(
        "the word of {entity} that it is ready is not signed with its vote key {key} for these keys and this chain; have it sign anew"
    )]
    NotReady {
        /// Who.
        entity: OrgNumber,
        /// The vote key.
        key: PublicKey,
    },
    /// Rule L26: the next set could not finalize.
    #[error(
        "{active} of the next {validators} validators are active, {quorum} must be; inactive: {}; bring them back, or let others that are ready take their seats",
        numbers(.inactive)
    )]
    TooFewActive {
        /// How many are.
        active: usize,
        /// How many must be.
        quorum: usize,
        /// How many there will be.
        validators: usize,
        /// Who is not.
        inactive: Vec<OrgNumber>,
    },
    /// Rule L27: a recovery where blocks are voted on.
    #[error(
        "a recovery from epoch {epoch} is booked by a recovery block alone; apply it on every stopped node"
    )]
    RecoveryElsewhere {
        /// The epoch that it names.
        epoch: Epoch,
    },
    /// Rule L28: the pair proves nothing.
    #[error(
        "the two votes exclude each other in no way that the protocol forbids, or are not of one epoch, view and signer; report another pair"
    )]
    NoOffence,
    /// Rule L28: nobody had that seat.
    #[error("epoch {epoch} has no validator number {signer}; report votes of the epoch's validators")]
    UnknownSeat {
        /// The epoch.
        epoch: Epoch,
        /// Index of the signer.
        signer: u16,
    },
    /// Rule L28: a vote is not the accused's.
    #[error(
        "a vote is not signed with vote key {key} of validator {signer} of epoch {epoch}; report votes as they were signed"
    )]
    OffenceSignature {
        /// The epoch.
        epoch: Epoch,
        /// Index of the signer.
        signer: u16,
        /// The key that the seat votes with.
        key: PublicKey,
    },
    /// Rule L29: the offence is on record.
    #[error(
        "validator {signer} of epoch {epoch} {kind} in view {view}: recorded already at leaf {leaf}; nothing is left to do"
    )]
    OffenceRecorded {
        /// The epoch.
        epoch: Epoch,
        /// Index of the signer.
        signer: u16,
        /// The view.
        view: View,
        /// What it did.
        kind: OffenceKind,
        /// Where it stands.
        leaf: LeafIndex,
    },
}

impl GovernanceRefusal {
    /// Id of the rule that refuses (`specs/ledger.md`).
    pub fn rule(&self) -> &'static str {
        match self {
            Self::WrongEpoch { .. } => "L22",
            Self::NotGovernance { .. } | Self::Quorum { .. } => "L23",
            Self::NoSeat { .. } | Self::NothingChanges { .. } | Self::NextSet(_) => "L24",
            Self::UnknownRoot { .. } | Self::NotReady { .. } => "L25",
            Self::TooFewActive { .. } => "L26",
            Self::RecoveryElsewhere { .. } => "L27",
            Self::NoOffence | Self::UnknownSeat { .. } | Self::OffenceSignature { .. } => "L28",
            Self::OffenceRecorded { .. } => "L29",
        }
    }
}

fn numbers(entities: &[OrgNumber]) -> String {
    let numbers: Vec<String> = entities.iter().map(|entity| alloc::format!("{entity}")).collect();
    numbers.join(", ")
}
