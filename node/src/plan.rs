//! From a plan that people read and agree on to the genesis that nodes start from.
//!
//! A plan is a TOML file: the chain's name, its validators with their public keys, the first
//! entities, and the first keys with their mandates. Code lists and booking accounts are those that
//! the program carries unless the plan names files of its own.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::block::Epoch;
use ledger::booking::{self, ParametersError};
use ledger::certificate::{Validator, ValidatorSet};
use ledger::codes::{self, CodesError};
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::genesis::{Genesis, GenesisError};
use ledger::signature::PublicKey;
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{Books, KidRule, Mandate, NewEntity, NewKey, Role};
use serde::{Deserialize, Serialize};

const CODES: &str = include_str!("../genesis/codes.txt");
const BOOKING: &str = include_str!("../genesis/booking.txt");

/// Why a plan gives no genesis.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plan is not of its form.
    #[error("plan: {0}")]
    Toml(#[from] toml::de::Error),
    /// A value is not of its form.
    #[error("plan: {place} = {value:?}: {reason}")]
    Value {
        /// Where it stands.
        place: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// The code lists.
    #[error("code lists: {0}")]
    Codes(#[from] CodesError),
    /// The booking accounts.
    #[error("booking accounts: {0}")]
    Booking(#[from] ParametersError),
    /// All together begin no chain.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

/// The plan as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name of the chain, in the form of a host name.
    pub name: String,
    /// Time of height 0, in milliseconds since 1970.
    pub time_ms: u64,
    /// Code lists instead of the program's own.
    pub codes: Option<PathBuf>,
    /// Booking accounts instead of the program's own.
    pub booking: Option<PathBuf>,
    /// The validators, in their order.
    pub validator: Vec<PlannedValidator>,
    /// The first entities.
    #[serde(default)]
    pub entity: Vec<PlannedEntity>,
    /// The first keys.
    #[serde(default)]
    pub key: Vec<PlannedKey>,
}

/// A validator; the keys are what `hovedbok-node keygen` printed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedValidator {
    /// Organisation number of the entity that answers for it.
    pub entity: String,
    /// Name on its cosignatures, such as `stavanger.example/v1`.
    pub name: String,
    /// Signs votes.
    pub vote_key: String,
    /// Cosigns checkpoints.
    pub cosign_key: String,
    /// Identifies it on the network.
    pub peer_key: String,
    /// Signs changes of the validator set and recovery; kept offline.
    pub governance_key: String,
}

/// An entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedEntity {
    /// Organisation number.
    pub number: String,
    /// One of municipality, county, state, private, auditor.
    pub kind: String,
    /// Registered name of the legal person.
    pub name: String,
    /// Sector code that others use in their balance accounts for it.
    pub sector: u16,
    /// First period of its books, as `2026-01`; none if it keeps none here.
    pub books_from: Option<String>,
    /// Check digit that its bank demands: none, mod10, mod11, either.
    pub kid: Option<String>,
}

/// A key with its mandates.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedKey {
    /// The public key, in hex.
    pub key: String,
    /// The entity that the holder belongs to and acts for.
    pub entity: String,
    /// The person, as a number of the entity's own; 0 for a machine.
    pub holder: u32,
    /// Of register, administer, submit, attest, approve, order, bank, audit.
    pub roles: Vec<String>,
    /// First day of the mandates, as `2026-01-01`.
    pub from: String,
    /// Their last day; none if they do not end.
    pub to: Option<String>,
}

fn value<T, E: ToString>(place: &'static str, value: &str, read: Result<T, E>) -> Result<T, PlanError> {
    read.map_err(|error| PlanError::Value { place, value: value.into(), reason: error.to_string() })
}

fn organisation(place: &'static str, text: &str) -> Result<OrgNumber, PlanError> {
    value(place, text, OrgNumber::parse(text))
}

fn public_key(place: &'static str, text: &str) -> Result<PublicKey, PlanError> {
    value(
        place,
        text,
        Digest::from_hex(text).map(|key| PublicKey(key.0)).ok_or("needs 64 lower-case hex digits"),
    )
}

fn kind(text: &str) -> Result<EntityKind, PlanError> {
    let kind = match text {
        "municipality" => Ok(EntityKind::Municipality),
        "county" => Ok(EntityKind::County),
        "state" => Ok(EntityKind::State),
        "private" => Ok(EntityKind::Private),
        "auditor" => Ok(EntityKind::Auditor),
        _ => Err("is one of municipality, county, state, private, auditor"),
    };
    value("entity.kind", text, kind)
}

fn kid(text: &str) -> Result<KidRule, PlanError> {
    let rule = match text {
        "none" => Ok(KidRule::None),
        "mod10" => Ok(KidRule::Mod10),
        "mod11" => Ok(KidRule::Mod11),
        "either" => Ok(KidRule::Either),
        _ => Err("is one of none, mod10, mod11, either"),
    };
    value("entity.kid", text, rule)
}

fn role(text: &str) -> Result<Role, PlanError> {
    let role = match text {
        "register" => Ok(Role::Register),
        "administer" => Ok(Role::Administer),
        "submit" => Ok(Role::Submit),
        "attest" => Ok(Role::Attest),
        "approve" => Ok(Role::Approve),
        "order" => Ok(Role::Order),
        "bank" => Ok(Role::Bank),
        "audit" => Ok(Role::Audit),
        "budget" => Ok(Role::Budget),
        "override" => Ok(Role::Override),
        _ => Err(
            "is one of register, administer, submit, attest, approve, order, bank, audit, budget, override",
        ),
    };
    value("key.roles", text, role)
}

impl PlannedEntity {
    fn to_entity(&self) -> Result<NewEntity, PlanError> {
        let books = match &self.books_from {
            None => Books::None,
            Some(period) => Books::From(value("entity.books_from", period, Period::parse(period))?),
        };
        Ok(NewEntity {
            number: organisation("entity.number", &self.number)?,
            kind: kind(&self.kind)?,
            name: value("entity.name", &self.name, Name::new(self.name.clone()))?,
            sector: self.sector,
            books,
            kid: kid(self.kid.as_deref().unwrap_or("none"))?,
        })
    }
}

impl PlannedKey {
    fn to_key(&self) -> Result<NewKey, PlanError> {
        let entity = organisation("key.entity", &self.entity)?;
        let from = value("key.from", &self.from, Date::parse(&self.from))?;
        let to = self.to.as_ref().map_or(Ok(Date::MAX), |to| value("key.to", to, Date::parse(to)))?;
        let mandates = self.roles.iter().map(|text| Ok(Mandate { entity, role: role(text)?, from, to }));
        Ok(NewKey {
            key: public_key("key.key", &self.key)?,
            entity,
            holder: self.holder,
            mandates: mandates.collect::<Result<_, PlanError>>()?,
        })
    }
}

impl Plan {
    /// Reads a plan; files that it names lie beside it.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let mut plan: Self = toml::from_str(&read(path)?)?;
        let base = path.parent().unwrap_or(Path::new(""));
        for named in [&mut plan.codes, &mut plan.booking].into_iter().flatten() {
            *named = base.join(&*named);
        }
        Ok(plan)
    }

    /// The genesis that the plan describes, checked.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn to_genesis(&self) -> Result<Genesis, PlanError> {
        let named =
            |file: &Option<PathBuf>, own: &str| file.as_ref().map_or(Ok(own.into()), |path| read(path));
        let validators = self
            .validator
            .iter()
            .map(|planned| {
                Ok(Validator {
                    entity: organisation("validator.entity", &planned.entity)?,
                    name: value("validator.name", &planned.name, Name::new(planned.name.clone()))?,
                    vote_key: public_key("validator.vote_key", &planned.vote_key)?,
                    cosign_key: public_key("validator.cosign_key", &planned.cosign_key)?,
                    peer_key: public_key("validator.peer_key", &planned.peer_key)?,
                    governance_key: public_key("validator.governance_key", &planned.governance_key)?,
                })
            })
            .collect::<Result<_, PlanError>>()?;
        let genesis = Genesis {
            name: self.name.clone(),
            time: Timestamp(self.time_ms),
            validators: ValidatorSet { epoch: Epoch(0), validators },
            parameters: booking::parse(&named(&self.booking, BOOKING)?)?,
            entities: self.entity.iter().map(PlannedEntity::to_entity).collect::<Result<_, _>>()?,
            keys: self.key.iter().map(PlannedKey::to_key).collect::<Result<_, _>>()?,
            codes: codes::parse(&named(&self.codes, CODES)?)?,
        };
        genesis.check()?;
        Ok(genesis)
    }
}

fn read(path: &Path) -> Result<String, PlanError> {
    fs::read_to_string(path).map_err(|source| PlanError::File { path: path.to_path_buf(), source })
}
