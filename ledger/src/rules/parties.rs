//! Entities, keys and mandates: rules L7, L17 and L21.

use alloc::vec::Vec;

use super::{Case, Decided, Effect};
use crate::codes;
use crate::entity::{EntityKind, OrgNumber};
use crate::records::{CodeList, EntityRecord, KeyRecord};
use crate::refusal::Refusal;
use crate::signature::PublicKey;
use crate::transaction::{Books, MANDATES_MAX, Mandate, NewEntity, NewKey, Role};

/// Enters an entity into the register. Needs the chain's registrar.
pub(super) fn register(case: &Case<'_>, entity: &NewEntity) -> Decided {
    let number = entity.number;
    if entity.kind == EntityKind::Auditor && entity.books != Books::None {
        return Err(Refusal::AuditorsBooks { entity: number });
    }
    if case.entity(number).is_ok() {
        return Err(Refusal::EntityExists { entity: number });
    }
    if case.holders(None, Role::Register).next().is_none() {
        return Err(Refusal::NoMandate { entity: number, role: Role::Register, date: case.today });
    }
    codes::in_force(case.draft, CodeList::Sector, entity.sector, case.today)?;
    Ok((Effect::Entity(EntityRecord { entity: entity.clone(), opened: false }), Vec::new()))
}

/// Gives a key its holder and mandates, or a known key of the same holder further mandates.
///
/// The registrar grants anything. An administrator enters keys of its own entity, and gives any
/// registered key mandates for its own entity, but neither Register nor Audit.
pub(super) fn grant(case: &Case<'_>, granted: &NewKey) -> Decided {
    let NewKey { key, entity, holder, mandates } = granted;
    let known = case.draft.find::<KeyRecord>(key);
    let mut all = known.map_or_else(Vec::new, |record| record.granted.mandates.clone());
    all.extend(mandates.iter().filter(|mandate| !all.contains(mandate)).copied().collect::<Vec<_>>());
    if mandates.is_empty() || all.len() > MANDATES_MAX {
        return Err(Refusal::Mandates { key: *key, count: all.len().max(mandates.len()) });
    }
    if let Some(mandate) = mandates.iter().find(|mandate| mandate.to < mandate.from) {
        return Err(Refusal::Span { from: mandate.from, to: mandate.to });
    }
    key.check_registrable()?;
    case.entity(*entity)?;
    for mandate in mandates {
        case.entity(mandate.entity)?;
    }
    if case.holders(None, Role::Register).next().is_none() {
        let administers = |entity: OrgNumber| case.holders(Some(entity), Role::Administer).next().is_some();
        if known.is_none() && !administers(*entity) {
            return Err(Refusal::NoMandate { entity: *entity, role: Role::Administer, date: case.today });
        }
        for mandate in mandates {
            if is_reserved(mandate.role) || !administers(mandate.entity) {
                return Err(Refusal::GrantTooWide { entity: mandate.entity, role: mandate.role });
            }
        }
    }
    if let Some(record) = known {
        let (entity, holder) = (record.granted.entity, record.granted.holder);
        if record.revoked {
            return Err(Refusal::RevokedKey { key: *key });
        }
        if (entity, holder) != (granted.entity, granted.holder) {
            return Err(Refusal::KeyTaken { key: *key, entity, holder });
        }
    }
    let granted = NewKey { key: *key, entity: *entity, holder: *holder, mandates: all };
    Ok((Effect::Key(KeyRecord { granted, revoked: false }), Vec::new()))
}

/// Ends every mandate of a key, for the next transaction already. The administrator of another entity
/// than the key's own ends those that its entity gave, so that nobody acts for it against its will.
pub(super) fn revoke(case: &Case<'_>, key: &PublicKey) -> Decided {
    let record = case.draft.find::<KeyRecord>(key).ok_or(Refusal::UnknownKey { key: *key })?;
    let entity = record.granted.entity;
    let administers = |entity: OrgNumber| case.holders(Some(entity), Role::Administer).next().is_some();
    // Who is audited does not dismiss its auditor.
    let given = |mandate: &Mandate| !is_reserved(mandate.role) && administers(mandate.entity);
    let entirely = case.holders(None, Role::Register).next().is_some() || administers(entity);
    if !entirely && !record.mandates().iter().any(given) {
        case.need(entity, Role::Administer)?;
    }
    if record.revoked {
        return Err(Refusal::RevokedKey { key: *key });
    }
    let mut record = KeyRecord { revoked: entirely, ..record.clone() };
    if !entirely {
        record.granted.mandates.retain(|mandate| !given(mandate));
    }
    Ok((Effect::Key(record), Vec::new()))
}

/// Roles that the registrar alone gives and takes.
fn is_reserved(role: Role) -> bool {
    matches!(role, Role::Register | Role::Audit)
}
