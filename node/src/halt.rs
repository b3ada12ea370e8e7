//! A node that stopped for good: the proof it leaves behind, and that it stays stopped.
//!
//! Certificates that exclude each other, or a certified block that the books refuse, mean that more
//! than f validators are faulty or that this machine is. Either way a person has to look. The node
//! writes down what it saw, in canonical bytes and beside it in plain words, votes no more, and goes
//! on answering readers. While the proof lies there, a restart changes nothing.
//!
//! Left out: naming the culprits of a fork, which takes the headers of both branches
//! (`ledger::fork`).
//!
//! Invariant: once `write` returned, every later start finds the node stopped, until somebody removes
//! the file.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use consensus::event::HaltReason;
use ledger::block::Block;
use ledger::certificate::{Certificate, ValidatorSet};
use ledger::codec::{self, CodecError, Decode, Encode};
use ledger::digest::Digest;

/// The proof, in canonical bytes.
pub const PROOF_FILE: &str = "halted.proof";
/// The same in plain words.
pub const TEXT_FILE: &str = "halted.txt";
/// A full block, a committee and two certificates.
const PROOF_BYTES_MAX: usize = 8 << 20;

/// Why a proof cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum HaltError {
    /// A file cannot be read or written.
    #[error("{}: {source}; check the path, its permissions and the free space", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no proof.
    #[error(
        "{}: {source}; the node stopped for good and the proof of why is damaged: find out from the log and the other operators, then remove the file",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: CodecError,
    },
}

/// What stopped a node, with what is needed to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HaltProof {
    /// Genesis hash of the chain.
    pub chain: Digest,
    /// The validators of the epoch, whose signatures the certificates hold.
    pub validators: ValidatorSet,
    /// What was seen.
    pub seen: Seen,
}

/// What no node sees while at most f validators are faulty and its own machine is sound.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Seen {
    /// Two certificates that exclude each other.
    Contradiction {
        /// One.
        first: Certificate,
        /// The other.
        second: Certificate,
    },
    /// A certificate on a block that the books refuse.
    CertifiedInvalid {
        /// The certificate.
        certificate: Certificate,
        /// The block, if its body was here: replaying the chain up to its parent and executing it
        /// shows who is right.
        block: Option<Block>,
    },
}

impl HaltProof {
    /// From what consensus says, and the block it speaks of.
    pub fn new(chain: Digest, validators: ValidatorSet, reason: HaltReason, block: Option<Block>) -> Self {
        let seen = match reason {
            HaltReason::Contradiction { first, second } => Seen::Contradiction { first, second },
            HaltReason::CertifiedInvalid { certificate } => Seen::CertifiedInvalid { certificate, block },
        };
        Self { chain, validators, seen }
    }

    /// One line, for health and log.
    pub fn summary(&self) -> String {
        match &self.seen {
            Seen::Contradiction { first, second } => format!(
                "stopped voting for good: {:?} and {:?} of epoch {} are both certified, and cannot both be; see {TEXT_FILE} in the data directory",
                first.statement, second.statement, first.epoch
            ),
            Seen::CertifiedInvalid { certificate, .. } => format!(
                "stopped voting for good: {:?} of epoch {} is certified, and these books refuse the block; see {TEXT_FILE} in the data directory",
                certificate.statement, certificate.epoch
            ),
        }
    }

    /// What happened and what to do, for whoever is on duty.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "This node stopped voting for good.\n\nChain   {}\nEpoch   {}\nProof   {PROOF_FILE} (canonical bytes of what is shown here)\n\nWhat it saw\n\n",
            self.chain, self.validators.epoch
        );
        let (first, second) = match &self.seen {
            Seen::Contradiction { first, second } => (first, Some(second)),
            Seen::CertifiedInvalid { certificate, .. } => (certificate, None),
        };
        for certificate in [Some(first), second].into_iter().flatten() {
            text.push_str(&format!("  {:?}, signed by\n", certificate.statement));
            for signer in certificate.signers() {
                let name = self.validators.validators.get(usize::from(signer)).map(|v| v.name.as_str());
                text.push_str(&format!("    {signer:>3}  {}\n", name.unwrap_or("(no such validator)")));
            }
        }
        let faulty = self.validators.faulty_max();
        text.push_str("\nWhat it means\n\n");
        text.push_str(&match &self.seen {
            Seen::Contradiction { .. } => format!(
                "  The two exclude each other. More than {faulty} validators signed what no correct validator\n  signs both of, or a majority of keys is in one hand. Readers may be shown two histories.\n\n\
                 What to do\n\n  1. Leave the node running: it answers readers, and can do no harm.\n  2. Call the operators of the other validators. Compare the newest checkpoints.\n  3. Name the culprits: fetch the proof of finality of each branch from a node that follows it\n     (hovedbok finality --from HEIGHT --to HEIGHT --out FILE) and compare them (hovedbok verify fork A B).\n  4. Agree on the history that holds. The way on is a recovery that a quorum of governance keys\n     signs (hovedbok validators recover, sign), applied with hovedbok-node recover.\n"
            ),
            Seen::CertifiedInvalid { block, .. } => format!(
                "  A quorum vouches for a block that these books refuse. Either more than {faulty} validators are\n  faulty, or this machine is: its program differs, its memory or its disk is damaged.\n  The block's body is {}.\n\n\
                 What to do\n\n  1. Leave the node running: it answers readers, and can do no harm.\n  2. Compare program version, head and checkpoint with the other validators.\n  3. If they go on and agree: this machine is at fault. Mend it, and start with an empty data\n     directory; the node fetches the chain and checks all of it.\n  4. If others stopped too: the block is at fault. The way on is a recovery that a quorum of\n     governance keys signs (hovedbok validators recover, sign), applied with hovedbok-node recover.\n",
                if block.is_some() { "in the proof" } else { "not in the proof, it never arrived" }
            ),
        });
        text.push_str(&format!(
            "\nWhen the matter is settled, remove {PROOF_FILE} and start the node again.\n"
        ));
        text
    }
}

/// Writes the proof into the data directory, durably. One that lies there already stays: the first is
/// what stopped the node.
///
/// # Errors
/// [`HaltError::File`].
pub fn write(directory: &Path, proof: &HaltProof) -> Result<(), HaltError> {
    let path = directory.join(PROOF_FILE);
    if path.exists() {
        return Ok(());
    }
    // The text first: whoever sees the proof finds the text beside it.
    replace(&directory.join(TEXT_FILE), proof.to_text().as_bytes())?;
    replace(&path, &codec::encode(proof))
}

/// The proof that stopped this node before, if one lies in its data directory.
///
/// # Errors
/// [`HaltError`].
pub fn read(directory: &Path) -> Result<Option<HaltProof>, HaltError> {
    let path = directory.join(PROOF_FILE);
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HaltError::File { path, source }),
    };
    let mut bytes = Vec::new();
    let most = PROOF_BYTES_MAX as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| HaltError::File { path: path.clone(), source })?;
    codec::decode(&bytes, PROOF_BYTES_MAX).map(Some).map_err(|source| HaltError::Damaged { path, source })
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), HaltError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
    };
    write().map_err(|source| HaltError::File { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use ledger::block::{BlockHash, Epoch, View};
    use ledger::certificate::Statement;
    use ledger::signature::Signature;

    use super::*;

    fn proof() -> HaltProof {
        let certificate = |statement| {
            Certificate::from_votes(Epoch(2), statement, 4, &[0, 1, 3].map(|s| (s, Signature([9; 64]))))
        };
        let block = BlockHash(Digest([5; 32]));
        let first = certificate(Statement::Finalize { view: View(7), block });
        let second = certificate(Statement::Nullify { view: View(7) });
        let validators = ValidatorSet { epoch: Epoch(2), validators: Vec::new() };
        HaltProof::new(Digest([1; 32]), validators, HaltReason::Contradiction { first, second }, None)
    }

    #[test]
    fn a_node_that_stopped_for_good_finds_why_after_a_restart_until_the_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), None);
        write(directory.path(), &proof()).unwrap();
        assert_eq!(read(directory.path()).unwrap(), Some(proof()));
        let later = HaltProof { chain: Digest([2; 32]), ..proof() };
        write(directory.path(), &later).unwrap();
        assert_eq!(read(directory.path()).unwrap(), Some(proof()), "the first is what stopped it");
        let text = fs::read_to_string(directory.path().join(TEXT_FILE)).unwrap();
        assert!(text.contains("nullify(7)") && text.contains("hovedbok verify fork"), "{text}");
        fs::remove_file(directory.path().join(PROOF_FILE)).unwrap();
        assert_eq!(read(directory.path()).unwrap(), None);
    }

    #[test]
    fn a_damaged_proof_keeps_the_node_from_starting() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(PROOF_FILE), b"torn").unwrap();
        let refused = read(directory.path()).unwrap_err().to_string();
        assert!(refused.contains("remove the file"), "{refused}");
    }
}
