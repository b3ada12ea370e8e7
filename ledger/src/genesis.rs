//! Genesis: what a chain begins with, in canonical bytes whose hash names the chain.
//!
//! It holds the first validator set and the first records of the registers: parameters, entities,
//! keys and dated code lists. Whoever knows the genesis hash can check everything after it. What is
//! registered later comes by transactions; where genesis files come from is for `node` and `client`.
//!
//! Invariant: a [`Genesis`] that passes [`Genesis::check`] can begin a chain; nothing after the
//! check can fail.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{Epoch, Height};
use crate::certificate::{ValidatorSet, ValidatorSetError};
use crate::codec::{self, CodecError};
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::records::{CodeList, CodeRecord, EntityRecord, EpochRecord, KeyRecord, ParameterRecord};
use crate::registers::{Draft, Record};
use crate::rules::seat;
use crate::signature::{KeyError, PublicKey};
use crate::time::{Date, Timestamp};
use crate::transaction::{MANDATES_MAX, NewEntity, NewKey};

/// Genesis bytes are at most this long: the code lists of some twenty years and all public bodies
/// of the country fit several times.
pub const GENESIS_BYTES_MAX: usize = 4 << 20;

/// A chain's name is at most this long, so that it fits a host name's label and a file name.
pub const NAME_BYTES_MAX: usize = 64;

/// The beginning of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// Name of the chain, in the form of a host name, such as `hovedbok.example`.
    pub name: String,
    /// Time of height 0; the first block is later.
    pub time: Timestamp,
    /// The validators of epoch 0.
    pub validators: ValidatorSet,
    /// By which accounts the ledger books.
    pub parameters: ParameterRecord,
    /// The first entities, in the order of their indexes.
    pub entities: Vec<NewEntity>,
    /// The first keys, in the order of their indexes.
    pub keys: Vec<NewKey>,
    /// The code lists, in the order of their indexes.
    pub codes: Vec<CodeRecord>,
}

/// Why bytes or values cannot begin a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The bytes are no genesis.
    #[error("genesis: {0}")]
    Codec(#[from] CodecError),
    /// The name is not of the form of a host name.
    #[error(
        "chain name {name:?} is not 1 to {NAME_BYTES_MAX} of a-z 0-9 - in parts joined by dots; choose one such as hovedbok.example"
    )]
    Name {
        /// What was given, shortened.
        name: String,
    },
    /// The validator set cannot be.
    #[error("genesis validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// A chain begins with epoch 0.
    #[error("genesis validators are of epoch {epoch}; a chain begins with epoch 0")]
    Epoch {
        /// The epoch given.
        epoch: Epoch,
    },
    /// An entity stands twice.
    #[error("entity {entity} stands twice in genesis; remove one")]
    DuplicateEntity {
        /// Which.
        entity: OrgNumber,
    },
    /// A key stands twice.
    #[error("key {key} stands twice in genesis; give all its mandates in one place")]
    DuplicateKey {
        /// Which.
        key: PublicKey,
    },
    /// A key that may not be registered.
    #[error("genesis: {0}")]
    Key(#[from] KeyError),
    /// A key has too many mandates.
    #[error("key {key} has {count} mandates in genesis; at most {MANDATES_MAX} are kept")]
    Mandates {
        /// Which key.
        key: PublicKey,
        /// How many.
        count: usize,
    },
    /// A key belongs to, or may act for, an entity that genesis lacks.
    #[error("key {key} names entity {entity}, which genesis lacks; add the entity or remove the key")]
    UnknownEntity {
        /// Which key.
        key: PublicKey,
        /// Whom it names.
        entity: OrgNumber,
    },
    /// A code is valid in two spans at once, or ends before it begins.
    #[error(
        "{list} {code} is given from {from} although it is valid then already, or ends before it begins; give each span once"
    )]
    CodeSpan {
        /// Which list.
        list: CodeList,
        /// Which code.
        code: u16,
        /// First day of the span.
        from: Date,
    },
}

impl Genesis {
    /// Reads and checks genesis bytes.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, GenesisError> {
        let genesis: Self = codec::decode(bytes, GENESIS_BYTES_MAX)?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Its canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The genesis hash, which names the chain: `SHA-256("hovedbok/v1/genesis" ‖ bytes)`.
    pub fn hash(&self) -> Digest {
        Digest::of(&[b"hovedbok/v1/genesis", &self.encode()])
    }

    /// Origin of the log's checkpoints: the name and the first 16 hex digits of the hash.
    pub fn origin(&self) -> String {
        alloc::format!("{}/{:.16}", self.name, self.hash().to_hex())
    }

    /// Checks all that must hold for a chain to begin.
    ///
    /// # Errors
    /// [`GenesisError`], the first in the order of its variants.
    pub fn check(&self) -> Result<(), GenesisError> {
        let actual = self.encode().len();
        if actual > GENESIS_BYTES_MAX {
            return Err(CodecError::TooLong { actual, max: GENESIS_BYTES_MAX }.into());
        }
        if !is_host_like(&self.name) {
            return Err(GenesisError::Name { name: self.name.chars().take(80).collect() });
        }
        self.validators.check()?;
        if self.validators.epoch != Epoch(0) {
            return Err(GenesisError::Epoch { epoch: self.validators.epoch });
        }
        let mut entities = BTreeSet::new();
        for entity in &self.entities {
            if !entities.insert(entity.number) {
                return Err(GenesisError::DuplicateEntity { entity: entity.number });
            }
        }
        self.check_keys(&entities)?;
        self.check_codes()
    }

    fn check_keys(&self, entities: &BTreeSet<OrgNumber>) -> Result<(), GenesisError> {
        let mut keys = BTreeSet::new();
        for granted in &self.keys {
            let NewKey { key, entity, mandates, .. } = granted;
            if !keys.insert(*key) {
                return Err(GenesisError::DuplicateKey { key: *key });
            }
            key.check_registrable()?;
            if mandates.len() > MANDATES_MAX {
                return Err(GenesisError::Mandates { key: *key, count: mandates.len() });
            }
            let mut named = core::iter::once(entity).chain(mandates.iter().map(|mandate| &mandate.entity));
            if let Some(entity) = named.find(|entity| !entities.contains(entity)) {
                return Err(GenesisError::UnknownEntity { key: *key, entity: *entity });
            }
        }
        Ok(())
    }

    fn check_codes(&self) -> Result<(), GenesisError> {
        let mut codes: Vec<&CodeRecord> = self.codes.iter().collect();
        codes.sort_by_key(|code| code.key());
        for (place, code) in codes.iter().enumerate() {
            let before = place.checked_sub(1).map(|place| codes[place]);
            let overlaps = before.is_some_and(|before| {
                (before.list, before.code) == (code.list, code.code) && before.to >= code.from
            });
            if overlaps || code.to < code.from {
                return Err(GenesisError::CodeSpan { list: code.list, code: code.code, from: code.from });
            }
        }
        Ok(())
    }

    /// Enters the first records. Genesis was checked.
    pub(crate) fn enter(&self, draft: &mut Draft<'_>) {
        draft.put(self.parameters.clone());
        for entity in &self.entities {
            draft.put(EntityRecord { entity: entity.clone(), opened: false });
        }
        for key in &self.keys {
            draft.put(KeyRecord { granted: key.clone(), revoked: false });
        }
        for code in &self.codes {
            draft.put(code.clone());
        }
        let epoch = EpochRecord {
            epoch: self.validators.epoch,
            after: Height(0),
            size: 0,
            validators: self.validators.digest(),
            recovery: false,
        };
        seat(draft, epoch, &self.validators.validators);
    }
}

fn is_host_like(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let part_holds = |part: &str| {
        !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(part_holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::tests::genesis;
    use alloc::string::ToString;

    fn refused(change: impl FnOnce(&mut Genesis)) -> String {
        let mut changed = genesis();
        change(&mut changed);
        let error = changed.check().unwrap_err();
        // Whoever only has the bytes is told the same.
        assert_eq!(Genesis::decode(&changed.encode()), Err(error.clone()));
        error.to_string()
    }

    #[test]
    fn a_validator_whose_name_cannot_stand_on_a_cosignature_begins_no_chain() {
        let refusal = refused(|genesis| {
            genesis.validators.validators[1].name = crate::entity::Name::new("stavanger kommune").unwrap();
        });
        assert!(refusal.starts_with("genesis validators: validator 1: "), "{refusal}");
    }

    #[test]
    fn a_genesis_reads_back_and_its_hash_covers_every_part() {
        let sample = genesis();
        assert_eq!(Genesis::decode(&sample.encode()), Ok(sample.clone()));
        assert_eq!(sample.origin(), alloc::format!("hovedbok.example/{}", &sample.hash().to_hex()[..16]));
        let changes: [fn(&mut Genesis); 7] = [
            |g| g.name.push('x'),
            |g| g.time.0 += 1,
            |g| g.validators.validators.swap(0, 1),
            |g| g.parameters.version += 1,
            |g| g.entities.swap(0, 1),
            |g| g.keys.swap(0, 1),
            |g| g.codes.swap(0, 1),
        ];
        for change in changes {
            let mut changed = genesis();
            change(&mut changed);
            assert_eq!(changed.check(), Ok(()));
            assert_ne!(changed.hash(), sample.hash());
        }
    }

    #[test]
    fn a_chain_that_could_not_begin_is_refused_with_what_to_change() {
        for name in ["", "Hovedbok", "hovedbok..example", "-a", "a-", "a b", "søk.example", &"a".repeat(65)]
        {
            let says = refused(|g| g.name = name.to_string());
            assert!(says.contains("choose one such as hovedbok.example"), "{says}");
        }
        let says = refused(|g| g.validators.validators.truncate(3));
        assert_eq!(says, "genesis validators: 3 validators; a set has 4 to 400");
        let says = refused(|g| g.validators.epoch = Epoch(1));
        assert_eq!(says, "genesis validators are of epoch 1; a chain begins with epoch 0");
        let says = refused(|g| g.entities.push(g.entities[0].clone()));
        assert_eq!(says, "entity 964965226 stands twice in genesis; remove one");
        let says = refused(|g| g.keys.push(g.keys[0].clone()));
        assert!(says.ends_with("stands twice in genesis; give all its mandates in one place"), "{says}");
        let says = refused(|g| g.keys[0].key = PublicKey([0; 32]));
        assert!(says.starts_with("genesis: public key"), "{says}");
        let says = refused(|g| {
            let mandate = g.keys[0].mandates[0];
            g.keys[0].mandates = alloc::vec![mandate; MANDATES_MAX + 1];
        });
        assert!(says.ends_with("has 65 mandates in genesis; at most 64 are kept"), "{says}");
        let stranger = OrgNumber::new(888_888_888).unwrap();
        for says in
            [refused(|g| g.keys[1].entity = stranger), refused(|g| g.keys[1].mandates[0].entity = stranger)]
        {
            assert!(says.contains("names entity 888888888, which genesis lacks"), "{says}");
        }
        let says = refused(|g| g.codes.push(g.codes[0].clone()));
        assert!(says.contains("give each span once"), "{says}");
        let says = refused(|g| g.codes[0].to = Date::MIN);
        assert!(says.contains("ends before it begins"), "{says}");
    }

    #[test]
    fn genesis_bytes_that_are_too_long_or_go_on_are_refused() {
        let mut bytes = genesis().encode();
        bytes.push(0);
        assert_eq!(Genesis::decode(&bytes), Err(CodecError::Trailing { extra: 1 }.into()));
        let long = alloc::vec![0; GENESIS_BYTES_MAX + 1];
        let error = CodecError::TooLong { actual: long.len(), max: GENESIS_BYTES_MAX };
        assert_eq!(Genesis::decode(&long), Err(error.into()));
    }
}
