//! The three keys that a validator's node works with, and the file they are kept in.
//!
//! One key votes, one cosigns checkpoints, one names the node on the network; none serves two
//! purposes. The file is text, so that it can be copied by hand:
//!
//! ```text
//! hovedbok-keys v1
//! vote   <64 hex digits>
//! cosign <64 hex digits>
//! peer   <64 hex digits>
//! ```
//!
//! Each is the 32-byte seed of an Ed25519 key (RFC 8032). Whoever reads the file can vote for its
//! owner, so it is made for its owner's eyes only, and refused when others can read it.
//!
//! The fourth, its governance key, is in a file of its own that no node reads. It leaves out what may be
//! signed: a vote must be durable and not contradict an earlier one
//! (`store`), a checkpoint must not fall behind the watermark.
//!
//! Invariant: seeds are wiped from memory when the keys are dropped, and are never shown.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use ledger::block::Epoch;
use ledger::certificate::Statement;
use ledger::checkpoint::{Checkpoint, Cosignature};
use ledger::digest::Digest;
use ledger::signature::{PublicKey, Signature};
use zeroize::Zeroizing;

use crate::watermark::{Watermark, WatermarkError};

const FIRST_LINE: &str = "hovedbok-keys v1";
/// The file has 230 bytes; the rest is room for blank lines and comments.
const FILE_BYTES_MAX: u64 = 4096;
const NAMES: [&str; 3] = ["vote", "cosign", "peer"];

/// Why keys cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("key file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others than the owner can read it.
    #[error(
        "key file {} has mode {mode:03o}, so others can read it; run: chmod 600 {}, and replace the keys if anybody may have",
        path.display(),
        path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not a key file.
    #[error("key file {}, line {line}: expected {expected}; copy the file again from where it was made", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What belongs there.
        expected: String,
    },
    /// The same seed serves twice.
    #[error("key file {}: {first} and {second} are the same key; generate a new file", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// One use.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The signer's memory beside it cannot be made.
    #[error(transparent)]
    Watermark(WatermarkError),
    /// The system gave no randomness.
    #[error("no randomness from the system: {0}; try again")]
    Randomness(getrandom::Error),
}

/// Writes a new signing key of a person, in the form that the client reads, and returns its public
/// half. An existing file is never replaced. So a validator's governance key is made, which no node
/// reads: it belongs on a machine of its own.
///
/// # Errors
/// [`KeysError::Randomness`], [`KeysError::File`].
pub fn write_signing_key(path: &Path) -> Result<PublicKey, KeysError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(KeysError::Randomness)?;
    let public = PublicKey(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
    let mut secret = Zeroizing::new([0u8; 64]);
    hex::encode_to_slice(*seed, &mut *secret).expect("64 digits hold 32 bytes");
    let file_error = |source| KeysError::File { path: path.to_path_buf(), source };
    let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = open.map_err(file_error)?;
    let written = write!(file, "hovedbok signing key v1\npublic {public}\nsecret ")
        .and_then(|()| file.write_all(&*secret))
        .and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_all()).map_err(file_error)?;
    Ok(public)
}

/// The keys of one validator.
pub struct Keys {
    vote: SigningKey,
    cosign: SigningKey,
    peer: SigningKey,
}

impl Keys {
    /// New keys from the system's randomness.
    ///
    /// # Errors
    /// [`KeysError::Randomness`].
    pub fn generate() -> Result<Self, KeysError> {
        let seed = || {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(KeysError::Randomness)?;
            Ok(seed)
        };
        Ok(Self::from_seeds(&*seed()?, &*seed()?, &*seed()?))
    }

    /// Keys from their seeds; the caller wipes those.
    pub fn from_seeds(vote: &[u8; 32], cosign: &[u8; 32], peer: &[u8; 32]) -> Self {
        let [vote, cosign, peer] = [vote, cosign, peer].map(SigningKey::from_bytes);
        Self { vote, cosign, peer }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeysError`]: not there, readable by others, or no key file.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let file_error = |source| KeysError::File { path: path.to_path_buf(), source };
        let file = fs::File::open(path).map_err(file_error)?;
        let mode = file.metadata().map_err(file_error)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeysError::Exposed { path: path.to_path_buf(), mode });
        }
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(file_error)?;
        Self::parse(&text, path)
    }

    /// Writes a new key file that only its owner can read, and beside it the signer's memory, which says
    /// that these keys signed nothing yet. An existing file is never replaced.
    ///
    /// # Errors
    /// [`KeysError::File`].
    pub fn save(&self, path: &Path) -> Result<(), KeysError> {
        let file_error = |source| KeysError::File { path: path.to_path_buf(), source };
        let text = self.to_text();
        let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = open.map_err(file_error)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(file_error)?;
        Watermark::found(path, self.vote_key()).map_err(KeysError::Watermark)
    }

    /// Verifies our votes.
    pub fn vote_key(&self) -> PublicKey {
        PublicKey(self.vote.verifying_key().to_bytes())
    }

    /// Verifies our cosignatures.
    pub fn cosign_key(&self) -> PublicKey {
        PublicKey(self.cosign.verifying_key().to_bytes())
    }

    /// Names our node on the network.
    pub fn peer_key(&self) -> PublicKey {
        PublicKey(self.peer.verifying_key().to_bytes())
    }

    /// Signs a statement. The caller has made it durable; a vote that is signed first and forgotten
    /// in a crash may be contradicted, and counts as a fault (rule C4).
    pub fn sign_vote(&self, statement: &Statement, chain: &Digest, epoch: Epoch) -> Signature {
        Signature(self.vote.sign(&statement.signed_bytes(chain, epoch)).to_bytes())
    }

    /// Signs the transaction that reports an offence, by its signed bytes.
    pub fn sign_report(&self, transaction: &[u8]) -> Signature {
        Signature(self.vote.sign(transaction).to_bytes())
    }

    /// Cosigns a checkpoint as validator `signer`, at `time_s` seconds since 1970. The caller has made
    /// its watermark durable.
    pub fn cosign(&self, signer: u16, checkpoint: &Checkpoint, time_s: u64) -> Cosignature {
        Cosignature::sign(signer, checkpoint, time_s, &self.cosign)
    }

    /// The node's identity for libp2p.
    pub fn peer_keypair(&self) -> libp2p::identity::Keypair {
        let mut seed = Zeroizing::new(self.peer.to_bytes());
        libp2p::identity::Keypair::ed25519_from_bytes(&mut *seed).expect("every 32 bytes are a seed")
    }

    fn parse(text: &str, path: &Path) -> Result<Self, KeysError> {
        let malformed = |line: usize, expected: &str| KeysError::Malformed {
            path: path.to_path_buf(),
            line,
            expected: expected.into(),
        };
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let end = text.lines().count() + 1;
        match lines.next() {
            Some((_, FIRST_LINE)) => {}
            other => return Err(malformed(other.map_or(end, |(line, _)| line), FIRST_LINE)),
        }
        let mut seeds = [(); 3].map(|()| Zeroizing::new([0u8; 32]));
        for (name, seed) in NAMES.iter().zip(&mut seeds) {
            let expected = format!("\"{name}\" and 64 hex digits");
            let (number, line) = lines.next().ok_or_else(|| malformed(end, &expected))?;
            let digits = line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim);
            let read = digits.is_some_and(|digits| hex::decode_to_slice(digits, &mut **seed).is_ok());
            if !read {
                return Err(malformed(number, &expected));
            }
        }
        if let Some((line, _)) = lines.next() {
            return Err(malformed(line, "nothing more"));
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            if seeds[one] == seeds[other] {
                let (first, second) = (NAMES[one], NAMES[other]);
                return Err(KeysError::Shared { path: path.to_path_buf(), first, second });
            }
        }
        Ok(Self::from_seeds(&seeds[0], &seeds[1], &seeds[2]))
    }

    fn to_text(&self) -> Zeroizing<String> {
        // Reserved in full, so that no growth leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        text.push_str(FIRST_LINE);
        text.push('\n');
        for (name, key) in NAMES.iter().zip([&self.vote, &self.cosign, &self.peer]) {
            let mut digits = Zeroizing::new([0u8; 64]);
            let seed = Zeroizing::new(key.to_bytes());
            hex::encode_to_slice(*seed, &mut *digits).expect("64 digits hold 32 bytes");
            text.push_str(name);
            text.extend(std::iter::repeat_n(' ', 7 - name.len()));
            text.extend(digits.iter().map(|digit| char::from(*digit)));
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for Keys {
    /// Shows the public halves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("vote", &self.vote_key())
            .field("cosign", &self.cosign_key())
            .field("peer", &self.peer_key())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ledger::block::View;

    use super::*;

    fn refusal(text: &str) -> String {
        Keys::parse(text, Path::new("k")).unwrap_err().to_string()
    }

    #[test]
    fn keys_read_back_as_they_were_saved_and_only_the_owner_may_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let keys = Keys::generate().unwrap();
        keys.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let back = Keys::load(&path).unwrap();
        assert_eq!(
            (back.vote_key(), back.cosign_key(), back.peer_key()),
            (keys.vote_key(), keys.cosign_key(), keys.peer_key())
        );
        assert!(matches!(keys.save(&path), Err(KeysError::File { .. })), "never replaced");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Keys::load(&path).unwrap_err().to_string();
        assert!(refused.contains("has mode 640") && refused.contains("chmod 600"), "{refused}");
    }

    #[test]
    fn a_file_that_is_no_key_file_is_refused_with_its_line() {
        let good = Keys::from_seeds(&[1; 32], &[2; 32], &[3; 32]).to_text().to_string();
        assert!(Keys::parse(&format!("# ours\n\n{good}"), Path::new("k")).is_ok());
        assert!(refusal("").contains("line 1: expected hovedbok-keys v1"));
        assert!(
            refusal(&good.replace("cosign", "consign"))
                .contains("line 3: expected \"cosign\" and 64 hex digits")
        );
        assert!(refusal(&good.replacen("01", "0", 1)).contains("line 2"));
        let short: Vec<_> = good.lines().take(3).collect();
        assert!(refusal(&short.join("\n")).contains("line 4: expected \"peer\""));
        assert!(refusal(&format!("{good}more")).contains("line 5: expected nothing more"));
        assert!(refusal(&good.replace("03", "01")).contains("vote and peer are the same key"));
    }

    #[test]
    fn a_vote_verifies_under_the_vote_key_and_no_seed_is_shown() {
        let keys = Keys::from_seeds(&[1; 32], &[2; 32], &[3; 32]);
        let chain = Digest([9; 32]);
        let statement = Statement::Nullify { view: View(4) };
        let signature = keys.sign_vote(&statement, &chain, Epoch(2));
        let message = statement.signed_bytes(&chain, Epoch(2));
        assert!(keys.vote_key().verify(&message, &signature));
        assert!(!keys.cosign_key().verify(&message, &signature));
        let checkpoint = Checkpoint { origin: "hovedbok.example/0909".into(), size: 5, root: chain };
        let cosignature = keys.cosign(1, &checkpoint, 1_772_582_399);
        let signed = ledger::note::cosigned_bytes(&checkpoint.to_text(), 1_772_582_399);
        assert!(keys.cosign_key().verify_strict(&signed, &cosignature.signature));
        assert!(!format!("{keys:?}").contains("0101010101"));
        let peer = keys.peer_keypair().public().try_into_ed25519().unwrap();
        assert_eq!(peer.to_bytes(), keys.peer_key().0);
    }
}
