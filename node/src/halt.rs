//! A node that stopped for good: the proof it leaves behind, and that it stays stopped.
//!
//! Certificates that exclude each other, or a certified block that the books refuse, mean that more
//! than f validators are faulty or that this machine is. Either way a person has to look. The node
//! writes down what it saw, in canonical bytes and beside it in plain words, votes no more, and goes
//! on answering readers. While the proof lies there, a restart changes nothing.
//!
//! Where the books refuse a certified block, what executing it writes here is written down too, so that
//! laying it beside another machine's list names the register and the record (`ledger::books`).
//!
//! Left out: judging the proof (`ledger::halt`, `replay`), and naming the culprits of a fork, which takes
//! the headers of both branches (`ledger::fork`).
//!
//! Invariant: once `write` returned, every later start finds the node stopped, until somebody removes
//! the file.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use consensus::event::HaltReason;
use ledger::block::Block;
use ledger::books::{BlockError, Changes};
use ledger::certificate::ValidatorSet;
use ledger::checkpoint::Trust;
use ledger::codec::{self, CodecError};
pub use ledger::halt::{HALT_BYTES_MAX, HaltProof, Seen};

/// The proof, in canonical bytes.
pub const PROOF_FILE: &str = "halted.proof";
/// The same in plain words.
pub const TEXT_FILE: &str = "halted.txt";
/// What executing the refused block writes here, a line for each register and record.
pub const CHANGES_FILE: &str = "halted.changes";

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

/// From what consensus says, the block it speaks of, and what our books said of it.
pub fn proof(
    trust: &Trust,
    validators: ValidatorSet,
    reason: HaltReason,
    block: Option<Block>,
    refusal: String,
) -> HaltProof {
    let seen = match reason {
        HaltReason::Contradiction { first, second } => Seen::Contradiction { first, second },
        HaltReason::CertifiedInvalid { certificate } => {
            Seen::CertifiedInvalid { certificate, block, refusal }
        }
    };
    let mut proof =
        HaltProof { chain: *trust.chain(), validators, handoffs: trust.handoffs().to_vec(), seen };
    if codec::encode(&proof).len() > HALT_BYTES_MAX {
        // Any node hands them out.
        proof.handoffs.clear();
    }
    proof
}

/// One line, for health and log.
pub fn summary(proof: &HaltProof) -> String {
    match &proof.seen {
        Seen::Contradiction { first, second } => format!(
            "stopped voting for good: {:?} and {:?} of epoch {} are both certified, and cannot both be; see {TEXT_FILE} in the data directory",
            first.statement, second.statement, first.epoch
        ),
        Seen::CertifiedInvalid { certificate, refusal, .. } => {
            let why = if refusal.is_empty() { String::new() } else { format!(": {refusal}") };
            format!(
                "stopped voting for good: {:?} of epoch {} is certified, and these books refuse the block{why}; see {TEXT_FILE} in the data directory",
                certificate.statement, certificate.epoch
            )
        }
    }
}

/// What the books said of a block, in a line: why they refuse it and, as far as it can be executed, where
/// it writes.
pub fn refusal(error: &BlockError, changes: Option<&Changes>) -> String {
    let written = changes.map(|changes| {
        let registers = changes.written().join(", ");
        let records = changes.records.len();
        format!("; executed here it writes {records} records in {registers}, listed in {CHANGES_FILE}")
    });
    format!("{error}{}", written.unwrap_or_default())
}

/// What happened and what to do, for whoever is on duty.
pub fn to_text(proof: &HaltProof) -> String {
    let mut text = format!(
        "This node stopped voting for good.\n\nChain   {}\nEpoch   {}\nProof   {PROOF_FILE} (canonical bytes of what is shown here)\n\nWhat it saw\n\n",
        proof.chain, proof.validators.epoch
    );
    for certificate in proof.certificates() {
        text.push_str(&format!("  {:?}, signed by\n", certificate.statement));
        for signer in certificate.signers() {
            let name = proof.validators.validators.get(usize::from(signer)).map(|v| v.name.as_str());
            text.push_str(&format!("    {signer:>3}  {}\n", name.unwrap_or("(no such validator)")));
        }
    }
    if let Seen::CertifiedInvalid { refusal, .. } = &proof.seen
        && !refusal.is_empty()
    {
        text.push_str(&format!("\n  These books refuse the block: {refusal}\n"));
    }
    let faulty = proof.validators.faulty_max();
    text.push_str("\nWhat it means\n\n");
    text.push_str(&match &proof.seen {
            Seen::Contradiction { .. } => format!(
                "  The two exclude each other. More than {faulty} validators signed what no correct validator\n  signs both of, or a majority of keys is in one hand. Readers may be shown two histories.\n\n\
                 What to do\n\n  1. Leave the node running: it answers readers, and can do no harm.\n  2. Call the operators of the other validators. Compare the newest checkpoints.\n  3. Name the culprits: fetch the proof of finality of each branch from a node that follows it\n     (hovedbok finality --from HEIGHT --to HEIGHT --out FILE) and compare them (hovedbok verify fork A B).\n  4. Agree on the history that holds. The way on is a recovery that a quorum of governance keys\n     signs (hovedbok validators recover, sign), applied with hovedbok-node recover.\n"
            ),
            Seen::CertifiedInvalid { block, .. } => format!(
                "  A quorum vouches for a block that these books refuse. Either more than {faulty} validators are\n  faulty, or this machine is: its program differs, its memory or its disk is damaged.\n  The block's body is {}.\n\n\
                 What to do\n\n  1. Leave the node running: it answers readers, and can do no harm.\n  2. Compare program version, head and checkpoint with the other validators.\n     What the block writes here is in {CHANGES_FILE}, unless its body or an ancestor is missing; another\n     machine's list of the same block names the register (hovedbok-node changes --against {CHANGES_FILE}).\n     hovedbok-node replay judges the proof by another node's data directory.\n  3. If they go on and agree: this machine is at fault. Mend it, and start with an empty data\n     directory; the node fetches the chain and checks all of it.\n  4. If others stopped too: the block is at fault. The way on is a recovery that a quorum of\n     governance keys signs (hovedbok validators recover, sign), applied with hovedbok-node recover.\n",
                if block.is_some() { "in the proof" } else { "not in the proof, it never arrived" }
            ),
        });
    text.push_str(&format!("\nWhen the matter is settled, remove {PROOF_FILE} and start the node again.\n"));
    text
}

/// Writes the proof into the data directory, durably, and beside it what executing the block writes here.
/// One that lies there already stays: the first is what stopped the node.
///
/// # Errors
/// [`HaltError::File`].
pub fn write(directory: &Path, proof: &HaltProof, changes: Option<&Changes>) -> Result<(), HaltError> {
    let path = directory.join(PROOF_FILE);
    if path.exists() {
        return Ok(());
    }
    // The texts first: whoever sees the proof finds them beside it.
    if let Some(changes) = changes {
        replace(&directory.join(CHANGES_FILE), changes.to_string().as_bytes())?;
    }
    replace(&directory.join(TEXT_FILE), to_text(proof).as_bytes())?;
    replace(&path, &codec::encode(proof))
}

/// The proof that stopped this node before, if one lies in its data directory.
///
/// # Errors
/// [`HaltError`].
pub fn read(directory: &Path) -> Result<Option<HaltProof>, HaltError> {
    read_file(&directory.join(PROOF_FILE))
}

/// The proof in a file, wherever it lies; `None` if there is no such file.
///
/// # Errors
/// [`HaltError`].
pub fn read_file(path: &Path) -> Result<Option<HaltProof>, HaltError> {
    let path = path.to_path_buf();
    let file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HaltError::File { path, source }),
    };
    let mut bytes = Vec::new();
    let most = HALT_BYTES_MAX as u64 + 1;
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(|source| HaltError::File { path: path.clone(), source })?;
    codec::decode(&bytes, HALT_BYTES_MAX).map(Some).map_err(|source| HaltError::Damaged { path, source })
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
    use ledger::certificate::{Certificate, Statement};
    use ledger::digest::Digest;
    use ledger::signature::Signature;

    use super::*;

    fn seen_proof() -> HaltProof {
        let certificate = |statement| {
            Certificate::from_votes(Epoch(2), statement, 4, &[0, 1, 3].map(|s| (s, Signature([9; 64]))))
        };
        let block = BlockHash(Digest([5; 32]));
        let first = certificate(Statement::Finalize { view: View(7), block });
        let second = certificate(Statement::Nullify { view: View(7) });
        HaltProof {
            chain: Digest([1; 32]),
            validators: ValidatorSet { epoch: Epoch(2), validators: Vec::new() },
            handoffs: Vec::new(),
            seen: Seen::Contradiction { first, second },
        }
    }

    #[test]
    fn a_node_that_stopped_for_good_finds_why_after_a_restart_until_the_file_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), None);
        write(directory.path(), &seen_proof(), None).unwrap();
        assert_eq!(read(directory.path()).unwrap(), Some(seen_proof()));
        let later = HaltProof { chain: Digest([2; 32]), ..seen_proof() };
        write(directory.path(), &later, None).unwrap();
        assert_eq!(read(directory.path()).unwrap(), Some(seen_proof()), "the first is what stopped it");
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
