//! The chain that worlds are played on: its genesis with the code lists and booking accounts that
//! the program ships, its validators' keys, and the people who may sign.

use std::sync::OnceLock;

use ed25519_dalek::{Signer, SigningKey};
use ledger::block::Epoch;
use ledger::certificate::{Validator, ValidatorSet};
use ledger::checkpoint::Trust;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::genesis::Genesis;
use ledger::records::{CodeRecord, ParameterRecord};
use ledger::signature::{PublicKey, Signature};
use ledger::time::{Date, Period, Timestamp};
use ledger::transaction::{
    Books, KeySignature, KidRule, Mandate, NewEntity, NewKey, Operation, PaymentId, Role, SignedTransaction,
    Transaction,
};
use node::keys::Keys;

/// Noon UTC on 2026-03-04: no world lasts until midnight.
pub const BEGIN: Timestamp = Timestamp(1_772_625_600_000);

/// The state body that registers entities and keys.
pub const REGISTRAR: u32 = 986_252_932;
/// Who countersigns opening balances.
pub const AUDITOR: u32 = 974_760_843;
/// Municipalities with books.
pub const MUNICIPALITIES: [u32; 3] = [964_965_226, 964_965_137, 921_383_681];
/// A company with books.
pub const COMPANY: u32 = 123_456_785;

/// The roles of an entity's people; the holder's number is the place in this list, from 1.
pub const STAFF: [Role; 6] =
    [Role::Administer, Role::Submit, Role::Attest, Role::Approve, Role::Order, Role::Bank];

/// An organisation number known to be one.
pub fn org(number: u32) -> OrgNumber {
    OrgNumber::new(number).expect("a number with its check digit")
}

/// The n-th number of a range that the register of organisations does not use.
pub fn invented_org(n: usize) -> OrgNumber {
    let mut numbers = (700_000_000..).filter_map(|number| OrgNumber::new(number).ok());
    numbers.nth(n).expect("the range is long")
}

/// A date known to be one.
pub fn date(number: u32) -> Date {
    Date::new(number).expect("a date of the calendar")
}

/// The private key of an entity's holder.
pub fn private(entity: OrgNumber, holder: u32) -> SigningKey {
    let seed = Digest::of(&[b"people", &entity.number().to_be_bytes(), &holder.to_be_bytes()]);
    SigningKey::from_bytes(&seed.0)
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// An entity that keeps books here from January 2026, or none.
pub fn entity(number: OrgNumber, kind: EntityKind, books: bool) -> NewEntity {
    let sector = match kind {
        EntityKind::Municipality | EntityKind::County => 650,
        EntityKind::State | EntityKind::Auditor => 610,
        EntityKind::Private => 200,
    };
    NewEntity {
        number,
        kind,
        name: Name::new(format!("Enhet {number}")).expect("a plain name"),
        sector,
        books: if books { Books::From(Period::new(202_601).expect("a month")) } else { Books::None },
        kid: KidRule::None,
    }
}

/// A key of an entity's holder with one role.
pub fn key(of: OrgNumber, holder: u32, entity: OrgNumber, role: Role) -> NewKey {
    let mandate = Mandate { entity, role, from: date(20_000_101), to: Date::MAX };
    NewKey { key: public(&private(of, holder)), entity: of, holder, mandates: vec![mandate] }
}

/// The keys of an entity's staff.
pub fn staff(entity: OrgNumber) -> impl Iterator<Item = NewKey> {
    (1..).zip(STAFF).map(move |(holder, role)| key(entity, holder, entity, role))
}

/// The holder's number of a role.
pub fn holder(role: Role) -> u32 {
    let place = STAFF.iter().position(|known| *known == role);
    place.map_or(1, |place| place as u32 + 1)
}

fn lists() -> &'static (Vec<CodeRecord>, ParameterRecord) {
    static LISTS: OnceLock<(Vec<CodeRecord>, ParameterRecord)> = OnceLock::new();
    LISTS.get_or_init(|| {
        let codes = ledger::codes::parse(include_str!("../../node/genesis/codes.txt"));
        let booking = ledger::booking::parse(include_str!("../../node/genesis/booking.txt"));
        (codes.expect("the code lists shipped"), booking.expect("the booking accounts shipped"))
    })
}

fn seed(kind: &str, index: usize) -> [u8; 32] {
    Digest::of(&[kind.as_bytes(), &index.to_be_bytes()]).0
}

/// What node keys are made from: a place of its own for each machine and each of its key files.
fn index(place: usize, generation: usize) -> usize {
    place + 1000 * generation
}

/// The keys of the n-th validator in its n-th key file.
pub fn node_keys(place: usize, generation: usize) -> Keys {
    let index = index(place, generation);
    Keys::from_seeds(&seed("vote", index), &seed("cosign", index), &seed("peer", index))
}

/// The private vote key in that key file.
pub fn vote_key(place: usize, generation: usize) -> SigningKey {
    SigningKey::from_bytes(&seed("vote", index(place, generation)))
}

/// The n-th validator's governance key, which no node reads.
pub fn governance_key(place: usize) -> SigningKey {
    SigningKey::from_bytes(&seed("governance", place))
}

/// The n-th validator with its n-th key file.
pub fn validator(place: usize, generation: usize) -> Validator {
    let keys = node_keys(place, generation);
    Validator {
        entity: invented_org(place),
        name: Name::new(format!("v{place}.hovedbok.example/v1")).expect("a plain name"),
        vote_key: keys.vote_key(),
        cosign_key: keys.cosign_key(),
        peer_key: keys.peer_key(),
        governance_key: public(&governance_key(place)),
    }
}

/// A genesis and the private halves of its keys.
pub struct Chain {
    /// The beginning.
    pub genesis: Genesis,
    /// Origin, chain and validators.
    pub trust: Trust,
}

impl Chain {
    /// A chain of `n` validators.
    ///
    /// # Panics
    /// When no set can have so many.
    pub fn of(n: usize) -> Self {
        let validators = (0..n).map(|place| validator(place, 0));
        let validators = ValidatorSet { epoch: Epoch(0), validators: validators.collect() };
        let (registrar, auditor) = (org(REGISTRAR), org(AUDITOR));
        let keepers = MUNICIPALITIES.map(|number| entity(org(number), EntityKind::Municipality, true));
        let mut entities = vec![
            entity(registrar, EntityKind::State, false),
            entity(auditor, EntityKind::Auditor, false),
            entity(org(COMPANY), EntityKind::Private, true),
        ];
        entities.extend(keepers);
        let mut audits = key(auditor, 1, auditor, Role::Audit);
        audits.mandates =
            MUNICIPALITIES.map(|number| Mandate { entity: org(number), ..audits.mandates[0] }).to_vec();
        let mut keys = vec![key(registrar, 1, registrar, Role::Register), audits];
        keys.extend(MUNICIPALITIES.iter().flat_map(|number| staff(org(*number))));
        let (codes, parameters) = lists().clone();
        let genesis = Genesis {
            name: "world.example".into(),
            time: BEGIN,
            validators,
            parameters,
            entities,
            keys,
            codes,
        };
        let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone());
        Self { trust: trust.expect("validators that can be trusted"), genesis }
    }

    /// The first keys of one validator.
    pub fn keys(&self, seat: u16) -> Keys {
        node_keys(usize::from(seat), 0)
    }

    /// Signs an operation: each signer is an entity and its holder's number.
    pub fn sign(
        &self,
        submitter: OrgNumber,
        number: [u8; 16],
        operation: Operation,
        signers: &[(OrgNumber, u32)],
    ) -> SignedTransaction {
        let keys: Vec<SigningKey> =
            signers.iter().map(|(entity, holder)| private(*entity, *holder)).collect();
        self.sign_with(submitter, number, operation, &keys)
    }

    /// Signs an operation with these keys.
    pub fn sign_with(
        &self,
        submitter: OrgNumber,
        number: [u8; 16],
        operation: Operation,
        keys: &[SigningKey],
    ) -> SignedTransaction {
        let transaction = Transaction { id: PaymentId { submitter, number }, operation };
        let bytes = transaction.signed_bytes(self.trust.chain());
        let sign = |key: &SigningKey| KeySignature {
            key: public(key),
            signature: Signature(key.sign(&bytes).to_bytes()),
        };
        let mut signatures: Vec<KeySignature> = keys.iter().map(sign).collect();
        signatures.sort_by_key(|signature| signature.key);
        SignedTransaction { transaction, signatures }
    }
}
