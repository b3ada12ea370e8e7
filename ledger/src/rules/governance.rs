//! The validators themselves: changes of their set, recovery, offences. Rules L22 to L29.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Decided, Effect, Plan, unused};
use crate::block::Epoch;
use crate::certificate::{Validator, ValidatorSet};
use crate::governance::{ACTIVE_BLOCKS_PER_SEAT, Change, NoSeat, RECENT_ROOTS, Recovery};
use crate::offence::Offence;
use crate::records::{EpochRecord, KeyRecord, OffenceRecord, RootRecord, SeatRecord};
use crate::refusal::{GovernanceRefusal, Refusal};
use crate::registers::Draft;
use crate::transaction::{Mandate, VerifiedTransaction};

/// A report costs two signatures to check, as long as moving this many account records takes; so a
/// block takes no more reports than keep it within a view.
pub(super) const REPORT_MOVES: u64 = 200;

/// Enters an epoch and its seats.
pub(crate) fn seat(draft: &mut Draft<'_>, record: EpochRecord, validators: &[Validator]) {
    let epoch = record.epoch;
    draft.put(record);
    for (index, validator) in (0..).zip(validators) {
        let (validator, proposed) = (validator.clone(), Default::default());
        draft.put(SeatRecord { epoch, index, validator, proposed });
    }
}

/// The epoch in force on this draft.
fn current<'d>(draft: &'d Draft<'_>) -> &'d EpochRecord {
    let last = draft.len::<EpochRecord>().checked_sub(1);
    match last.and_then(|last| draft.get(last)) {
        Some(record) => record,
        None => panic!("the chain has no epoch; genesis enters it before any transaction"),
    }
}

fn seats<'d>(draft: &'d Draft<'_>, epoch: Epoch) -> impl Iterator<Item = &'d SeatRecord> {
    (0..=u16::MAX).map_while(move |index| draft.find::<SeatRecord>(&(epoch, index)))
}

/// Rules L22 to L26.
pub(super) fn change(draft: &Draft<'_>, transaction: &VerifiedTransaction, change: &Change) -> Decided {
    let epoch = current(draft);
    let set = governed(draft, transaction, change.epoch)?;
    let next = change
        .next_set(&set)
        .map_err(|NoSeat { entity }| GovernanceRefusal::NoSeat { entity, epoch: set.epoch })?;
    if next.validators == set.validators {
        return Err(GovernanceRefusal::NothingChanges { epoch: set.epoch }.into());
    }
    next.check().map_err(GovernanceRefusal::NextSet)?;
    for entrant in &change.enter {
        let (ready, validator) = (&entrant.ready, &entrant.validator);
        let (height, root, entity) = (ready.height, ready.root, validator.entity);
        let slot = (height.0 % RECENT_ROOTS) as u32;
        let known = draft.find::<RootRecord>(&slot);
        if known.is_none_or(|known| (known.height, known.root) != (height, root)) {
            return Err(GovernanceRefusal::UnknownRoot { entity, height, root, now: draft.height() }.into());
        }
        if !ready.holds(draft.chain(), validator) {
            return Err(GovernanceRefusal::NotReady { entity, key: validator.vote_key }.into());
        }
    }
    let window = ACTIVE_BLOCKS_PER_SEAT * set.len() as u64;
    let height = draft.height().0;
    // Of a young epoch too little is known to call anybody inactive.
    let judged = height.saturating_sub(epoch.after.0 + 1) > window;
    let enters = |seat: &SeatRecord| {
        change.enter.iter().any(|entrant| entrant.validator.entity == seat.validator.entity)
    };
    let inactive: Vec<_> = seats(draft, set.epoch)
        .filter(|seat| judged && seat.proposed.0 + window < height)
        .filter(|seat| !enters(seat) && !change.leave.contains(&seat.validator.entity))
        .map(|seat| seat.validator.entity)
        .collect();
    let (validators, quorum) = (next.len(), next.quorum());
    let active = validators - inactive.len();
    if active < quorum {
        return Err(GovernanceRefusal::TooFewActive { active, quorum, validators, inactive }.into());
    }
    Ok((Effect::Epoch { validators: Box::new(next), recovery: false }, Vec::new()))
}

/// Decides whether a recovery block on this draft books the transaction: rules L6, L22, L23 and L24.
/// That it names the block it stands on is for `books`.
///
/// # Errors
/// The first [`Refusal`] in this order.
pub(crate) fn check_recovery(
    draft: &Draft<'_>,
    transaction: &VerifiedTransaction,
    recovery: &Recovery,
) -> Result<Plan, Refusal> {
    let id = unused(draft, transaction)?;
    governed(draft, transaction, recovery.epoch)?;
    let next = recovery.next_set();
    next.check().map_err(GovernanceRefusal::NextSet)?;
    let effect = Effect::Epoch { validators: Box::new(next), recovery: true };
    Ok(Plan { id, transaction: transaction.id(), effect, entries: Vec::new() })
}

/// The current set, if a quorum of its governance keys and no other key signed for its epoch, one of
/// them the submitter's.
fn governed(
    draft: &Draft<'_>,
    transaction: &VerifiedTransaction,
    named: Epoch,
) -> Result<ValidatorSet, Refusal> {
    let epoch = current(draft).epoch;
    if named != epoch {
        return Err(GovernanceRefusal::WrongEpoch { named, current: epoch }.into());
    }
    let validators = seats(draft, epoch).map(|seat| seat.validator.clone()).collect();
    let set = ValidatorSet { epoch, validators };
    let governs = |seat: &Validator| transaction.keys().any(|key| *key == seat.governance_key);
    let stranger =
        transaction.keys().find(|key| !set.validators.iter().any(|seat| seat.governance_key == **key));
    if let Some(key) = stranger {
        return Err(GovernanceRefusal::NotGovernance { key: *key, epoch }.into());
    }
    let submitter = transaction.transaction().id.submitter;
    if !set.validators.iter().any(|seat| seat.entity == submitter && governs(seat)) {
        return Err(Refusal::NotSubmitter { submitter });
    }
    let found = set.governors(transaction.keys()).len();
    let (quorum, validators) = (set.quorum(), set.len());
    if found < quorum {
        return Err(GovernanceRefusal::Quorum { epoch, found, quorum, validators }.into());
    }
    Ok(set)
}

/// Rules L28, L29 and L7. The signatures in the report come last, because they cost most.
pub(super) fn report(draft: &Draft<'_>, transaction: &VerifiedTransaction, offence: &Offence) -> Decided {
    let kind = offence.kind().ok_or(GovernanceRefusal::NoOffence)?;
    let (epoch, signer, view) = (offence.first.epoch, offence.first.signer, offence.first.statement.view());
    let accused =
        draft.find::<SeatRecord>(&(epoch, signer)).ok_or(GovernanceRefusal::UnknownSeat { epoch, signer })?;
    if let Some(record) = draft.find::<OffenceRecord>(&(epoch, signer, view, kind)) {
        let leaf = record.leaf;
        return Err(GovernanceRefusal::OffenceRecorded { epoch, signer, view, kind, leaf }.into());
    }
    check_reporter(draft, transaction)?;
    let key = accused.validator.vote_key;
    if !offence.is_signed_by(&key, draft.chain()) {
        return Err(GovernanceRefusal::OffenceSignature { epoch, signer, key }.into());
    }
    Ok((Effect::Offence(OffenceRecord { epoch, signer, view, kind, leaf: draft.leaf() }), Vec::new()))
}

/// Rule L7 for a report: every key is the vote key of a current seat, or registered and not revoked;
/// one is of the submitter's seat, or holds a mandate of the submitter's.
fn check_reporter(draft: &Draft<'_>, transaction: &VerifiedTransaction) -> Result<(), Refusal> {
    let submitter = transaction.transaction().id.submitter;
    let epoch = current(draft).epoch;
    let today = draft.time().date();
    let mut acts = false;
    for key in transaction.keys() {
        if let Some(seat) = seats(draft, epoch).find(|seat| seat.validator.vote_key == *key) {
            acts |= seat.validator.entity == submitter;
            continue;
        }
        let record = draft.find::<KeyRecord>(key).ok_or(Refusal::UnknownKey { key: *key })?;
        if record.revoked {
            return Err(Refusal::RevokedKey { key: *key });
        }
        let current = |mandate: &&Mandate| (mandate.from..=mandate.to).contains(&today);
        acts |= record.mandates().iter().filter(current).any(|mandate| mandate.entity == submitter);
    }
    if acts { Ok(()) } else { Err(Refusal::NotSubmitter { submitter }) }
}
