//! State proofs: how a record (an account's sums, a document's standing) is shown to be what a
//! quorum of validators agreed on at a checkpoint.
//!
//! A proof leads from the record's bytes through the tree of its register, the list of all
//! registers and the seal of a block to a certified checkpoint. One checkpoint and seal serve any
//! number of records, so that a whole trial balance is proven at little more than its own size.
//! Whether the record is the one that was asked for is for the reader to check: the key stands in
//! the record. That all postings of an account are shown is for [`crate::postings`].
//!
//! Invariant: a [`ProvenRecord`] exists only because each hash from its bytes to the checkpoint's
//! root was recomputed.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{LEAF_BYTES_MAX, Leaf, Seal};
use crate::checkpoint::{CertifiedCheckpoint, CheckpointError, Trust, TrustedCheckpoint};
use crate::codec::{self, CodecError, checked};
use crate::digest::Digest;
use crate::time::Timestamp;
use crate::tree::{ProofError, leaf_hash, verify_inclusion};

/// Registers in a state: the ledger has about ten; more is another program's.
pub const REGISTERS_MAX: usize = 32;
/// Bytes of a record; the longest, a key with all its mandates or the booking rules, stays far below.
pub const RECORD_BYTES_MAX: usize = 64 * 1024;
/// Records proven at once: the accounts of a large municipality over a year fit in a few calls.
pub const RECORDS_MAX: usize = 4096;
/// Encoded proofs read at once.
pub const STATE_PROOFS_BYTES_MAX: usize = codec::ENCODED_BYTES_MAX;

/// Name of a register: 1 to 32 of lower-case letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RegisterName(String);

/// Not a register's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a register's name has 1 to 32 of a-z 0-9 - _; take it from specs/formats.md")]
pub struct RegisterNameError;

impl RegisterName {
    /// Accepts a name of the stated form.
    ///
    /// # Errors
    /// [`RegisterNameError`] otherwise.
    pub fn new(name: impl Into<String>) -> Result<Self, RegisterNameError> {
        let name = name.into();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if (1..=32).contains(&name.len()) && name.bytes().all(allowed) {
            Ok(Self(name))
        } else {
            Err(RegisterNameError)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked!(RegisterName, String, RegisterName::new);

/// One register as the state commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterRoot {
    /// Its name.
    pub name: RegisterName,
    /// How many records it has.
    pub length: u64,
    /// Root of the tree over them; SHA-256 of nothing while there are none.
    pub root: Digest,
}

impl RegisterRoot {
    /// Joins its parts. The name is one of the ledger's own, of the form that [`RegisterName`]
    /// demands; any other is our bug and stops the program.
    pub fn new(name: &str, length: u64, root: Digest) -> Self {
        let Ok(name) = RegisterName::new(name) else {
            panic!("register name {name:?} is not of the form of specs/formats.md");
        };
        Self { name, length, root }
    }
}

/// Commits to all registers, in their fixed order: SHA-256 over `hovedbok/v1/state` and for each
/// register the length of its name in one byte, the name, its length in eight little-endian bytes,
/// and its root.
pub fn state_root(registers: &[RegisterRoot]) -> Digest {
    let mut bytes = Vec::from(*b"hovedbok/v1/state");
    for RegisterRoot { name, length, root } in registers {
        bytes.push(name.0.len() as u8);
        bytes.extend_from_slice(name.0.as_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&root.0);
    }
    Digest::of(&[&bytes])
}

/// Why a state proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateProofError {
    /// The bytes are no proof.
    #[error("state proof: {0}")]
    Codec(#[from] CodecError),
    /// The checkpoint is not believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The list of registers, the record, or the list of records is out of bounds.
    #[error("state proof: {found} {what}, at most {max} are read; ask for fewer")]
    Bounds {
        /// Of what there are too many.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are read.
        max: usize,
    },
    /// The leaf given as seal is not the checkpoint's last.
    #[error("the seal is not the last leaf of the checkpoint: {0}")]
    SealPath(ProofError),
    /// The checkpoint's last leaf is not a seal this program understands.
    #[error(
        "the last leaf of the checkpoint is not a seal that this program understands; use a newer program"
    )]
    NotASeal,
    /// The list of registers is not the one sealed.
    #[error(
        "the registers hash to {found}, the seal at height {height} says {expected}; fetch the proof again"
    )]
    StateRoot {
        /// Height of the sealed block.
        height: u64,
        /// What the seal says.
        expected: Digest,
        /// What the list hashes to.
        found: Digest,
    },
    /// The proof speaks of a register that is not listed.
    #[error("the proof speaks of register number {register}, there are {registers}; fetch the proof again")]
    NoSuchRegister {
        /// The number.
        register: u8,
        /// How many there are.
        registers: usize,
    },
    /// The record does not stand there.
    #[error("record {index} of register {name} is not the one shown: {source}")]
    Record {
        /// Name of the register.
        name: String,
        /// Index claimed.
        index: u64,
        /// Why.
        source: ProofError,
    },
}

/// The last leaf of a checkpoint and what it seals.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealProof {
    /// All registers in their order.
    pub registers: Vec<RegisterRoot>,
    /// Bytes of the seal's leaf.
    pub leaf: Vec<u8>,
    /// Inclusion path of the leaf at the index before the checkpoint's size.
    pub path: Vec<Digest>,
}

/// One record and its path in its register.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RecordPath {
    /// Which register, by its place in [`SealProof::registers`].
    pub register: u8,
    /// Index of the record.
    pub index: u64,
    /// Its canonical bytes.
    pub record: Vec<u8>,
    /// Inclusion path in the register's tree.
    pub path: Vec<Digest>,
}

/// The proof of one record: everything, down to the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StateProof {
    /// The checkpoint with its signatures, as text.
    pub checkpoint: String,
    /// What its last leaf seals.
    pub seal: SealProof,
    /// The record.
    pub record: RecordPath,
}

/// The proof of several records under one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StateProofs {
    /// The checkpoint with its signatures, as text.
    pub checkpoint: String,
    /// What its last leaf seals.
    pub seal: SealProof,
    /// The records, at most [`RECORDS_MAX`].
    pub records: Vec<RecordPath>,
}

impl SealProof {
    /// Checks that the leaf is the checkpoint's last, that it is a seal, and that it seals these
    /// registers.
    ///
    /// # Errors
    /// [`StateProofError`].
    pub fn verify(&self, checkpoint: &TrustedCheckpoint) -> Result<ProvenSeal, StateProofError> {
        let found = self.registers.len();
        if found > REGISTERS_MAX {
            return Err(StateProofError::Bounds { what: "registers", found, max: REGISTERS_MAX });
        }
        // An empty log has no last leaf; the index past it is refused as missing.
        let (index, size) = (checkpoint.size().saturating_sub(1), checkpoint.size());
        verify_inclusion(&leaf_hash(&self.leaf), index, size, &self.path, checkpoint.root())
            .map_err(StateProofError::SealPath)?;
        let Ok(Leaf::Seal(seal)) = codec::decode(&self.leaf, LEAF_BYTES_MAX) else {
            return Err(StateProofError::NotASeal);
        };
        let found = state_root(&self.registers);
        if found != seal.state_root {
            let (height, expected) = (seal.height.0, seal.state_root);
            return Err(StateProofError::StateRoot { height, expected, found });
        }
        Ok(ProvenSeal { seal, registers: self.registers.clone(), checkpoint: checkpoint.clone() })
    }
}

impl StateProof {
    /// Reads an encoded proof.
    ///
    /// # Errors
    /// [`StateProofError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateProofError> {
        Ok(codec::decode(bytes, STATE_PROOFS_BYTES_MAX)?)
    }

    /// Checks everything, down to the validators' signatures.
    ///
    /// # Errors
    /// [`StateProofError`].
    pub fn verify(&self, trust: &Trust, now: Option<Timestamp>) -> Result<ProvenRecord, StateProofError> {
        let checkpoint = CertifiedCheckpoint::parse(&self.checkpoint)?.verify(trust, now)?;
        self.seal.verify(&checkpoint)?.record(&self.record)
    }
}

impl StateProofs {
    /// Reads encoded proofs.
    ///
    /// # Errors
    /// [`StateProofError::Codec`].
    pub fn decode(bytes: &[u8]) -> Result<Self, StateProofError> {
        Ok(codec::decode(bytes, STATE_PROOFS_BYTES_MAX)?)
    }

    /// Checks everything, down to the validators' signatures; the records come out in their order.
    ///
    /// # Errors
    /// [`StateProofError`], the first there is.
    pub fn verify(&self, trust: &Trust, now: Option<Timestamp>) -> Result<ProvenState, StateProofError> {
        let checkpoint = CertifiedCheckpoint::parse(&self.checkpoint)?.verify(trust, now)?;
        ProvenState::verify(&self.seal, &self.records, &checkpoint)
    }
}

/// A seal, and the registers it seals, that a quorum of validators vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenSeal {
    seal: Seal,
    registers: Vec<RegisterRoot>,
    checkpoint: TrustedCheckpoint,
}

impl ProvenSeal {
    /// Height, time and state root of the block.
    pub fn seal(&self) -> &Seal {
        &self.seal
    }

    /// The checkpoint that it ends.
    pub fn checkpoint(&self) -> &TrustedCheckpoint {
        &self.checkpoint
    }

    /// All registers in their order.
    pub fn registers(&self) -> &[RegisterRoot] {
        &self.registers
    }

    /// The register of this name.
    pub fn register(&self, name: &str) -> Option<&RegisterRoot> {
        self.registers.iter().find(|register| register.name.as_str() == name)
    }

    /// Checks that a record stands in its register.
    ///
    /// # Errors
    /// [`StateProofError`].
    pub fn record(&self, path: &RecordPath) -> Result<ProvenRecord, StateProofError> {
        let RecordPath { register, index, record, path } = path;
        let found = record.len();
        if found > RECORD_BYTES_MAX {
            return Err(StateProofError::Bounds { what: "bytes of a record", found, max: RECORD_BYTES_MAX });
        }
        let registers = self.registers.len();
        let RegisterRoot { name, length, root } = self
            .registers
            .get(usize::from(*register))
            .ok_or(StateProofError::NoSuchRegister { register: *register, registers })?;
        verify_inclusion(&leaf_hash(record), *index, *length, path, root).map_err(|source| {
            StateProofError::Record { name: name.as_str().to_string(), index: *index, source }
        })?;
        Ok(ProvenRecord {
            register: name.clone(),
            index: *index,
            bytes: record.clone(),
            height: self.seal.height.0,
            size: self.checkpoint.size(),
        })
    }
}

/// A record that a quorum of validators vouches for, as it stood at a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenRecord {
    register: RegisterName,
    index: u64,
    bytes: Vec<u8>,
    height: u64,
    size: u64,
}

impl ProvenRecord {
    /// Name of its register.
    pub fn register(&self) -> &str {
        self.register.as_str()
    }

    /// Its index there, which never changes.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Height of the block after which it stood so.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Size of the log at that checkpoint.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The record as a value. The reader knows the type from the register's name, and compares the
    /// key in it with the one that was asked for.
    ///
    /// # Errors
    /// [`CodecError`] when it is of another type or from a newer program.
    pub fn decode<T: Encode + Decode<()>>(&self) -> Result<T, CodecError> {
        codec::decode(&self.bytes, RECORD_BYTES_MAX)
    }
}

/// Several proven records and the seal they were proven under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenState {
    seal: ProvenSeal,
    records: Vec<ProvenRecord>,
}

impl ProvenState {
    /// Checks the seal and the records against a checkpoint that is trusted already.
    ///
    /// # Errors
    /// [`StateProofError`], the first there is.
    pub fn verify(
        seal: &SealProof,
        records: &[RecordPath],
        checkpoint: &TrustedCheckpoint,
    ) -> Result<Self, StateProofError> {
        let found = records.len();
        if found > RECORDS_MAX {
            return Err(StateProofError::Bounds { what: "records", found, max: RECORDS_MAX });
        }
        let seal = seal.verify(checkpoint)?;
        let records = records.iter().map(|path| seal.record(path)).collect::<Result<_, _>>()?;
        Ok(Self { seal, records })
    }

    /// The seal.
    pub fn seal(&self) -> &ProvenSeal {
        &self.seal
    }

    /// The records, in the order in which they were given.
    pub fn records(&self) -> &[ProvenRecord] {
        &self.records
    }
}

/// A log that ends in a seal over two registers, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::block::{Epoch, Height, LeafIndex};
    use crate::checkpoint::tests::support::{certify, checkpoint, node};
    use crate::tree::{self, inclusion_path, inclusion_proof};

    pub(crate) struct State {
        pub(crate) registers: Vec<RegisterRoot>,
        pub(crate) records: Vec<Vec<Vec<u8>>>,
    }

    pub(crate) fn levels(records: &[Vec<u8>]) -> Vec<Vec<Digest>> {
        let mut levels = alloc::vec![records.iter().map(|record| leaf_hash(record)).collect::<Vec<_>>()];
        while levels[levels.len() - 1].len() > 1 {
            levels.push(tree::parents(&levels[levels.len() - 1]));
        }
        levels
    }

    impl State {
        pub(crate) fn new(records: Vec<(&str, Vec<Vec<u8>>)>) -> Self {
            let registers = records
                .iter()
                .map(|(name, records)| {
                    let levels = levels(records);
                    let root = levels[levels.len() - 1].first().copied();
                    RegisterRoot::new(name, records.len() as u64, root.unwrap_or_else(tree::empty_root))
                })
                .collect();
            Self { registers, records: records.into_iter().map(|(_, records)| records).collect() }
        }

        pub(crate) fn seal(&self, count: u64) -> Vec<u8> {
            codec::encode(&Leaf::Seal(Seal {
                version: 1,
                height: Height(41),
                time: Timestamp(1_788_000_000_000),
                epoch: Epoch(0),
                previous_seal: LeafIndex(1),
                first: LeafIndex(2),
                count,
                state_root: state_root(&self.registers),
            }))
        }

        pub(crate) fn record(&self, register: u8, index: u64) -> RecordPath {
            let records = &self.records[usize::from(register)];
            let levels = levels(records);
            let path = inclusion_path(index, records.len() as u64, |level, index| {
                levels[usize::from(level)].get(index as usize).copied()
            });
            RecordPath { register, index, record: records[index as usize].clone(), path: path.unwrap() }
        }

        pub(crate) fn seal_proof(&self, leaves: &[Vec<u8>]) -> SealProof {
            let size = leaves.len() as u64;
            let path = inclusion_proof(size - 1, size, |level, index| node(leaves, level, index)).unwrap();
            let leaf = leaves[leaves.len() - 1].clone();
            SealProof { registers: self.registers.clone(), leaf, path }
        }

        pub(crate) fn proofs(&self, trust: &Trust, leaves: &[Vec<u8>]) -> StateProofs {
            let records = (0..self.records.len() as u8)
                .flat_map(|r| (0..self.records[usize::from(r)].len() as u64).map(move |i| (r, i)))
                .map(|(register, index)| self.record(register, index))
                .collect();
            let checkpoint = certify(trust, checkpoint(trust, leaves)).to_text();
            StateProofs { checkpoint, seal: self.seal_proof(leaves), records }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::State;
    use super::*;
    use crate::checkpoint::tests::support::{NOW, trust};
    use alloc::vec;

    fn world() -> (Trust, State, StateProofs) {
        let accounts: Vec<Vec<u8>> = (0u64..7).map(|i| codec::encode(&(i, "record"))).collect();
        let state =
            State::new(vec![("accounts", accounts), ("documents", vec![vec![9; 40]]), ("payments", vec![])]);
        let trust = trust(7);
        let mut leaves: Vec<Vec<u8>> = (0..12).map(|i| vec![i; 9]).collect();
        leaves.push(state.seal(10));
        let proofs = state.proofs(&trust, &leaves);
        (trust, state, proofs)
    }

    #[test]
    fn every_record_of_every_register_is_proven_under_one_checkpoint() {
        let (trust, state, proofs) = world();
        let bytes = codec::encode(&proofs);
        let proven = StateProofs::decode(&bytes).unwrap().verify(&trust, Some(NOW)).unwrap();
        assert_eq!(proven.records().len(), 8);
        let third = &proven.records()[3];
        assert_eq!((third.register(), third.index(), third.size(), third.height()), ("accounts", 3, 13, 41));
        assert_eq!(third.decode::<(u64, String)>().unwrap(), (3, "record".into()));
        assert_eq!(proven.seal().register("payments").unwrap().length, 0);
        assert_eq!(proven.seal().seal().state_root, state_root(&state.registers));
        let single = StateProof {
            checkpoint: proofs.checkpoint.clone(),
            seal: proofs.seal.clone(),
            record: proofs.records[7].clone(),
        };
        let single = StateProof::decode(&codec::encode(&single)).unwrap();
        assert_eq!(single.verify(&trust, None).unwrap(), proven.records()[7]);
    }

    #[test]
    fn the_state_root_is_the_written_down_byte_string() {
        let registers =
            [RegisterRoot::new("ab", 258, Digest([3; 32])), RegisterRoot::new("c", 0, Digest([4; 32]))];
        let mut bytes = b"hovedbok/v1/state\x02ab\x02\x01\0\0\0\0\0\0".to_vec();
        bytes.extend([3; 32]);
        bytes.extend(b"\x01c\0\0\0\0\0\0\0\0");
        bytes.extend([4; 32]);
        assert_eq!(state_root(&registers), Digest::of(&[&bytes]));
    }

    #[test]
    fn no_byte_of_a_state_proof_can_change() {
        let (trust, _, mut proofs) = world();
        proofs.records.truncate(4);
        let good = codec::encode(&proofs);
        let proven = proofs.verify(&trust, None).unwrap();
        for at in 0..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << (at % 8);
            let Ok(read) = StateProofs::decode(&bytes) else { continue };
            match read.verify(&trust, None) {
                Err(_) => {}
                Ok(other) => panic!("byte {at} changed: {other:?} instead of {proven:?}"),
            }
        }
        for length in 0..good.len() {
            assert!(StateProofs::decode(&good[..length]).is_err());
        }
    }

    #[test]
    fn a_record_of_another_register_or_index_is_refused_by_name() {
        let (trust, _, proofs) = world();
        let seal = proofs
            .seal
            .verify(&CertifiedCheckpoint::parse(&proofs.checkpoint).unwrap().verify(&trust, None).unwrap());
        let seal = seal.unwrap();
        let mut moved = proofs.records[2].clone();
        moved.index = 3;
        let refusal = seal.record(&moved).unwrap_err().to_string();
        assert!(refusal.starts_with("record 3 of register accounts is not the one shown: "), "{refusal}");
        let mut elsewhere = proofs.records[2].clone();
        elsewhere.register = 1;
        assert!(matches!(seal.record(&elsewhere), Err(StateProofError::Record { .. })));
        elsewhere.register = 3;
        assert!(matches!(seal.record(&elsewhere), Err(StateProofError::NoSuchRegister { .. })));
        elsewhere.record = vec![0; RECORD_BYTES_MAX + 1];
        assert!(matches!(seal.record(&elsewhere), Err(StateProofError::Bounds { .. })));
        // An empty register proves no record, not even with an empty path.
        let none = RecordPath { register: 2, index: 0, record: vec![], path: vec![] };
        assert!(matches!(seal.record(&none), Err(StateProofError::Record { .. })));
    }

    #[test]
    fn a_leaf_that_is_not_the_last_or_not_a_seal_seals_nothing() {
        let (trust, state, _) = world();
        let leaves: Vec<Vec<u8>> = vec![state.seal(0), state.seal(1)];
        let mut proofs = state.proofs(&trust, &leaves);
        assert!(proofs.verify(&trust, None).is_ok());
        proofs.seal.leaf = state.seal(0);
        assert!(matches!(proofs.verify(&trust, None), Err(StateProofError::SealPath(_))));
        let proofs = state.proofs(&trust, &[state.seal(0), b"no seal".to_vec()]);
        assert_eq!(proofs.verify(&trust, None), Err(StateProofError::NotASeal));
        let mut proofs = state.proofs(&trust, &[state.seal(0)]);
        proofs.seal.registers.swap(0, 1);
        assert!(matches!(proofs.verify(&trust, None), Err(StateProofError::StateRoot { .. })));
        proofs.seal.registers = vec![proofs.seal.registers[0].clone(); REGISTERS_MAX + 1];
        assert!(matches!(proofs.verify(&trust, None), Err(StateProofError::Bounds { .. })));
    }

    #[test]
    fn a_register_name_of_another_form_is_refused() {
        for wrong in ["", "Accounts", "a b", "å", "abcdefghijklmnopqrstuvwxyz1234567"] {
            assert_eq!(RegisterName::new(wrong), Err(RegisterNameError), "{wrong}");
        }
    }
}
