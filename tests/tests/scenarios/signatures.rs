//! Keys and signatures at the edges of the curve: R18 and R28.
//!
//! The 196 pairs are those of ZIP 215's own test vectors, made anew: each of the 14 encodings of the
//! eight points of small order as key and as R, with S zero. The verdict expected of every other
//! odd pair comes from the rule's equation, computed here from the curve alone.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use ledger::block::View;
use ledger::certificate::{CertificateError, Statement, ValidatorSet, ValidatorSetError, Vote};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature, Trust};
use ledger::note::{Kind, VerifierKey};
use ledger::signature::{Claim, PublicKey, Signature, verify_batch};
use ledger::transaction::{
    KeySignature, NewKey, Operation, PaymentId, Role, SignedTransaction, Transaction, TransactionError,
};
use sha2::{Digest as _, Sha512};
use tests::chain::{self, MUNICIPALITIES, REGISTRAR, org};
use tests::random::Random;

use crate::stage::Stage;

/// The seeded weights of batch checks; the verdicts may not depend on them.
struct Weights(Random);

impl rand_core::TryRng for Weights {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill_with(|| self.0.next() as u8);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Weights {}

/// Every encoding, canonical or not, of a point of small order.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|point| point.compress().0).collect();
    // y and y + p, and x = 0 with either sign: the only other ways to write a point.
    let mut candidates: Vec<[u8; 32]> = encodings.clone();
    for y in 0..19_u8 {
        // p + y, little-endian: p is 2^255 − 19.
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + y, 0x7f);
        candidates.push(bytes);
    }
    for mut bytes in candidates {
        for sign in [0, 0x80] {
            bytes[31] = bytes[31] & 0x7f | sign;
            let point = CompressedEdwardsY(bytes).decompress();
            if point.is_some_and(|point| point.is_small_order()) && !encodings.contains(&bytes) {
                encodings.push(bytes);
            }
        }
    }
    encodings
}

/// Rule ZIP 215, from the curve: A and R decompress in any way, S is reduced, and
/// [8][S]B = [8]R + [8][k]A.
fn zip215(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool {
    let (r, s) = signature.split_at(32);
    let read = |bytes: &[u8]| CompressedEdwardsY(bytes.try_into().unwrap()).decompress();
    let (Some(a), Some(r_point)) = (read(key), read(r)) else { return false };
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().unwrap())) else {
        return false;
    };
    let mut hash = Sha512::new();
    [r, key, message].into_iter().for_each(|part| hash.update(part));
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    (ED25519_BASEPOINT_POINT * s - a * k - r_point).mul_by_cofactor().is_identity()
}

/// One case of the zoo.
struct Animal {
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
    holds: bool,
}

fn animal(key: [u8; 32], r: [u8; 32], s: [u8; 32], message: &[u8]) -> Animal {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s);
    let holds = zip215(&key, &signature, message);
    Animal { key: PublicKey(key), message: message.to_vec(), signature: Signature(signature), holds }
}

fn the_196() -> Vec<Animal> {
    let encodings = small_order_encodings();
    let pairs = encodings.iter().flat_map(|key| encodings.iter().map(|r| (*key, *r)));
    pairs.map(|(key, r)| animal(key, r, [0; 32], b"Zcash")).collect()
}

/// A scalar made of a number, the same in every run.
fn scalar(n: u64) -> Scalar {
    let mut wide = [0; 64];
    wide.copy_from_slice(&Sha512::digest(n.to_le_bytes()));
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// Signatures by keys with and without a torsion part, R with and without one, and S in every form
/// it may be written in: most of them hold for some verifiers and not for others.
fn mixed_orders() -> Vec<Animal> {
    let mut animals = Vec::new();
    let message = b"forfalt";
    for (place, torsion) in EIGHT_TORSION.iter().enumerate() {
        for (other_place, other) in EIGHT_TORSION.iter().enumerate() {
            let (a, r) = (scalar(place as u64), scalar(100 + other_place as u64));
            let key: EdwardsPoint = ED25519_BASEPOINT_POINT * a + torsion;
            let commitment = ED25519_BASEPOINT_POINT * r + other;
            let (key, commitment) = (key.compress().0, commitment.compress().0);
            let mut hash = Sha512::new();
            [&commitment[..], &key, message].into_iter().for_each(|part| hash.update(part));
            let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
            let s = r + k * a;
            animals.push(animal(key, commitment, s.to_bytes(), message));
            // S plus the group's order is the same number for who does not look.
            animals.push(animal(key, commitment, unreduced(&s), message));
            animals.push(animal(key, commitment, (s + Scalar::ONE).to_bytes(), message));
            animals.push(animal(key, commitment, s.to_bytes(), b"forfall"));
        }
    }
    animals
}

/// S + ℓ, not reduced.
fn unreduced(s: &Scalar) -> [u8; 32] {
    let order = (-Scalar::ONE).to_bytes();
    let mut carry = 1_u16;
    let mut bytes = [0; 32];
    for (byte, (left, right)) in bytes.iter_mut().zip(s.to_bytes().into_iter().zip(order)) {
        let sum = u16::from(left) + u16::from(right) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    bytes
}

#[test]
fn r28_ed25519_zoo_all_196_pairs_hold_alone_and_in_every_batch() {
    let zoo = the_196();
    assert_eq!(small_order_encodings().len(), 14);
    assert_eq!(zoo.len(), 196);
    let mut weights = Weights(Random::new(28));
    for animal in &zoo {
        let Animal { key, message, signature, holds } = animal;
        assert!(holds, "every pair of small order solves the equation");
        assert!(key.verify(message, signature), "{key} {signature:?} alone");
        assert_eq!(verify_batch(&[Claim::new(key, message, signature)], &mut weights), [true]);
        assert!(!key.verify_strict(message, signature), "{key} {signature:?} as a cosignature");
        assert!(key.check_registrable().is_err(), "{key} may be registered");
    }
    let claims: Vec<Claim> = zoo.iter().map(|a| Claim::new(&a.key, &a.message, &a.signature)).collect();
    for _ in 0..20 {
        assert_eq!(verify_batch(&claims, &mut weights), vec![true; 196]);
    }
}

#[test]
fn r28_ed25519_zoo_alone_in_a_batch_and_by_the_equation_every_odd_pair_is_judged_alike() {
    let zoo: Vec<Animal> = mixed_orders().into_iter().chain(the_196()).collect();
    let expected: Vec<bool> = zoo.iter().map(|animal| animal.holds).collect();
    // 64 keys and commitments hold as signed; unreduced, altered and for another message they do not.
    assert_eq!(expected.iter().filter(|holds| **holds).count(), 64 + 196);
    for (place, animal) in zoo.iter().enumerate() {
        let alone = animal.key.verify(&animal.message, &animal.signature);
        assert_eq!(alone, animal.holds, "animal {place} alone");
    }
    let mut random = Random::new(28);
    for round in 0..40 {
        // In another order, and other company, each time.
        let mut order: Vec<usize> = (0..zoo.len()).collect();
        (1..order.len()).rev().for_each(|place| order.swap(place, random.index(place + 1)));
        order.truncate(1 + random.index(zoo.len()));
        let claims: Vec<Claim> = order
            .iter()
            .map(|place| Claim::new(&zoo[*place].key, &zoo[*place].message, &zoo[*place].signature))
            .collect();
        let verdicts = verify_batch(&claims, &mut Weights(Random::new(round)));
        let due: Vec<bool> = order.iter().map(|place| expected[*place]).collect();
        assert_eq!(verdicts, due, "batch {round}");
    }
}

/// The zoo's pairs as signatures of one transaction, under this chain.
fn signed_by_the_zoo(stage: &Stage) -> Vec<SignedTransaction> {
    let encodings = small_order_encodings();
    let pairs = encodings.iter().flat_map(|key| encodings.iter().map(|r| (*key, *r)));
    let with = |(number, (key, r)): (u8, ([u8; 32], [u8; 32]))| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        let operation = Operation::RevokeKey { key: PublicKey([7; 32]) };
        let transaction =
            Transaction { id: PaymentId { submitter: org(REGISTRAR), number: [number; 16] }, operation };
        let signature = KeySignature { key: PublicKey(key), signature: Signature(signature) };
        SignedTransaction { transaction, signatures: vec![signature] }
    };
    let signed: Vec<SignedTransaction> = (0..=u8::MAX).zip(pairs).map(with).collect();
    assert_eq!(signed.len(), 196);
    assert_ne!(stage.id().0, [0; 32]);
    signed
}

#[test]
fn r28_ed25519_zoo_node_and_client_judge_a_transaction_and_a_vote_alike() {
    let stage = Stage::of(4);
    let signed = signed_by_the_zoo(&stage);
    // As a client checks it, alone; as a node's intake does, in a batch; as a block's body.
    let alone: Vec<bool> = signed.iter().map(|s| s.clone().verify(stage.id()).is_ok()).collect();
    let batch: Vec<bool> = stage.intake.submitted(signed.clone()).iter().map(Result::is_ok).collect();
    assert_eq!(alone, batch);
    assert!(alone.iter().all(|holds| *holds), "small order solves the equation for every message");
    let bytes = signed.iter().map(ledger::codec::encode).collect();
    let (spread, faults) = node::intake::Intake::new(*stage.id()).spread(bytes);
    assert_eq!((spread.len(), faults), (196, 0));
    // And then the books refuse it: no such key can be registered.
    for transaction in spread {
        assert!(stage.ledger.check(&transaction, stage.clock()).is_err());
    }
    for encoding in small_order_encodings() {
        let mut set = stage.set().clone();
        set.validators[2].vote_key = PublicKey(encoding);
        for r in small_order_encodings() {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&r);
            let statement = Statement::Nullify { view: View(1) };
            let vote = Vote { epoch: set.epoch, statement, signer: 2, signature: Signature(signature) };
            assert_eq!(vote.verify(stage.id(), &set), Ok(()), "one rule for votes and transactions");
        }
        assert!(matches!(set.check(), Err(ValidatorSetError::Key { index: 2, .. })), "it never gets there");
    }
}

#[test]
fn r28_ed25519_zoo_no_odd_key_is_registered_in_any_way() {
    let mut stage = Stage::of(4);
    let odd = small_order_encodings().into_iter().chain(mixed_keys());
    for key in odd.map(PublicKey) {
        assert!(key.check_registrable().is_err(), "{key}");
        let municipality = org(MUNICIPALITIES[0]);
        let mut grant: NewKey = chain::key(municipality, 99, municipality, Role::Submit);
        grant.key = key;
        let operation = Operation::GrantKey(grant);
        let registrar = org(REGISTRAR);
        let signed = stage.chain.sign(registrar, [9; 16], operation, &[(registrar, 1)]);
        let transaction = stage.verified(vec![signed]).remove(0);
        let refused = stage.ledger.check(&transaction, stage.clock()).unwrap_err();
        assert_eq!(refused.rule(), "L7", "{refused}");
        for place in 0..3 {
            let mut genesis = stage.chain.genesis.clone();
            let validator = &mut genesis.validators.validators[3];
            let keys = [&mut validator.vote_key, &mut validator.cosign_key, &mut validator.peer_key];
            *keys.into_iter().nth(place).unwrap() = key;
            assert!(genesis.check().is_err(), "key {place} of a validator");
            let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone());
            assert!(trust.is_err(), "an auditor would trust key {place}");
        }
    }
    let good = stage.chain.keys(0).vote_key();
    assert_eq!(good.check_registrable(), Ok(()));
    stage.grow(1);
}

/// Keys of full order with a torsion part, and points written in another way than their own.
fn mixed_keys() -> Vec<[u8; 32]> {
    let torsion = EIGHT_TORSION[1..].iter();
    let mixed = torsion.map(|torsion| (ED25519_BASEPOINT_POINT * scalar(1) + torsion).compress().0);
    mixed.collect()
}

#[test]
fn r28_ed25519_zoo_a_checkpoint_is_cosigned_strictly() {
    let stage = Stage::grown(4, 1);
    let log = &stage.ledger.head().log;
    let origin = stage.chain.trust.origin().to_string();
    let checkpoint = Checkpoint { origin, size: log.size(), root: log.root() };
    let good = stage.chain.keys(1).cosign(1, &checkpoint, 1_772_582_400);
    assert!(good.verify(&checkpoint, &stage.chain.trust, None).is_ok());
    // The same signature with S not reduced: another text for the same number.
    let (mut s, mut signature) = ([0; 32], good.signature.0);
    s.copy_from_slice(&signature[32..]);
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)).unwrap();
    signature[32..].copy_from_slice(&unreduced(&s));
    let other = Cosignature { signature: Signature(signature), ..good };
    assert!(other.verify(&checkpoint, &stage.chain.trust, None).is_err());
    let honest = [2, 3].map(|seat| stage.chain.keys(seat).cosign(seat, &checkpoint, 1_772_582_400));
    let note = |one: Cosignature| {
        CertifiedCheckpoint::assemble(checkpoint.clone(), &[one, honest[0], honest[1]], &stage.chain.trust)
    };
    assert!(note(good).is_ok_and(|note| note.verify(&stage.chain.trust, None).is_ok()));
    assert!(note(other).map_or(true, |note| note.verify(&stage.chain.trust, None).is_err()));
}

/// Byte strings that are no keys, or keys that nobody should have.
fn bad_keys() -> Vec<[u8; 32]> {
    let mut random = Random::new(18);
    let mut keys = vec![[0xff; 32], [0; 32], [0x80; 32], [1; 32], [2; 32]];
    let off_curve = |bytes: &[u8; 32]| CompressedEdwardsY(*bytes).decompress().is_none();
    while keys.len() < 60 {
        let bytes: [u8; 32] = random.bytes();
        if off_curve(&bytes) {
            keys.push(bytes);
        }
    }
    keys.extend(small_order_encodings());
    keys
}

#[test]
fn r18_bad_curve_point_every_reader_of_a_key_answers_with_an_error() {
    let stage = Stage::of(4);
    let signatures: Vec<Signature> = [[0; 64], [0xff; 64], [0x80; 64]].map(Signature).to_vec();
    let mut weights = Weights(Random::new(18));
    for bytes in bad_keys() {
        let key = PublicKey(bytes);
        assert!(key.check_registrable().is_err(), "{key}");
        let on_curve = CompressedEdwardsY(bytes).decompress().is_some();
        for signature in &signatures {
            let alone = key.verify(b"m", signature);
            assert_eq!(verify_batch(&[Claim::new(&key, b"m", signature)], &mut weights), [alone]);
            assert!(on_curve || !alone, "{key} is no point, and verified");
            assert!(!key.verify_strict(b"m", signature));
        }
        let mut set: ValidatorSet = stage.set().clone();
        set.validators[1].vote_key = key;
        assert!(matches!(set.check(), Err(ValidatorSetError::Key { index: 1, .. })));
        let statement = Statement::Nullify { view: View(1) };
        let vote = Vote { signer: 1, ..stage.vote(0, statement) };
        let refused = vote.verify(stage.id(), &set);
        assert!(matches!(refused, Err(CertificateError::Signature { signer: 1, .. })), "{refused:?}");
        let operation = Operation::RevokeKey { key };
        let registrar = org(REGISTRAR);
        let mut signed = stage.chain.sign(registrar, [1; 16], operation, &[(registrar, 1)]);
        assert!(signed.clone().verify(stage.id()).is_ok());
        signed.signatures[0].key = key;
        let refused = signed.clone().verify(stage.id()).unwrap_err();
        assert!(matches!(refused, TransactionError::BadSignature { .. }), "{refused}");
        assert!(stage.intake.submitted(vec![signed]).iter().all(Result::is_err));
        // A note's key is only text until it is used; whatever is read, no signature holds.
        if let Ok(verifier) = VerifierKey::new("v9.hovedbok.example/v1", Kind::Cosignature, key) {
            let text = verifier.to_text();
            assert!(
                VerifierKey::parse(&text).is_err() || on_curve || !verifier.key().verify(b"", &signatures[0])
            );
        }
    }
}

#[test]
fn r18_bad_curve_point_one_bad_key_or_signature_among_many_spoils_only_its_own() {
    let mut stage = Stage::of(4);
    let good = stage.transactions(24);
    for (round, bytes) in bad_keys().into_iter().enumerate() {
        let mut mixed = good.clone();
        let place = round % mixed.len();
        let last = mixed[place].signatures.len() - 1;
        if round % 2 == 0 {
            mixed[place].signatures[last].key = PublicKey(bytes);
        } else {
            mixed[place].signatures[last].signature.0[..32].copy_from_slice(&bytes);
        }
        let intake = node::intake::Intake::new(*stage.id());
        let verdicts: Vec<bool> = intake.submitted(mixed).iter().map(Result::is_ok).collect();
        let due: Vec<bool> = (0..24).map(|other| other != place).collect();
        assert_eq!(verdicts, due, "round {round}");
    }
}
