//! A person's or a system's signing key, kept in a file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer, SigningKey};
use ledger::digest::Digest;
use ledger::signature::{PublicKey, Signature};
use ledger::transaction::{KeySignature, SignedTransaction, Transaction};

/// First line of a key file.
const HEADING: &str = "hovedbok signing key v1";

/// A signing key.
pub struct Key(SigningKey);

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("key file {} is open to others (mode {mode:o}); run chmod 600 on it, and consider a new key", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds something else.
    #[error("key file {} is not a signing key of Hovedbok; make one with `hovedbok keygen`", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}")]
    Randomness(getrandom::Error),
}

impl Key {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Randomness`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyError::Randomness)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Writes a new file, mode 0600; never overwrites one.
    ///
    /// # Errors
    /// [`KeyError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        let io = |source| KeyError::Io { path: path.into(), source };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io)?;
        let seed = hex::encode(self.0.to_bytes());
        writeln!(file, "{HEADING}\npublic {}\nsecret {seed}", self.public()).map_err(io)?;
        file.sync_all().map_err(io)
    }

    /// Reads a file that its owner alone can read.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.into(), source };
        let mode = fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path: path.into(), mode });
        }
        let malformed = || KeyError::Malformed { path: path.into() };
        let text = fs::read_to_string(path).map_err(io)?;
        let mut lines = text.lines();
        let (heading, public, secret) = (lines.next(), lines.next(), lines.next());
        let seed = secret.and_then(|line| line.strip_prefix("secret ")).and_then(Digest::from_hex);
        let key = Self(SigningKey::from_bytes(&seed.ok_or_else(malformed)?.0));
        let named = public.and_then(|line| line.strip_prefix("public ")).and_then(Digest::from_hex);
        if heading != Some(HEADING) || named != Some(Digest(key.public().0)) || lines.next().is_some() {
            return Err(malformed());
        }
        Ok(key)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }
}

/// Signs a transaction for a chain with one or more keys.
pub fn sign(transaction: Transaction, chain: &Digest, keys: &[&Key]) -> SignedTransaction {
    let bytes = transaction.signed_bytes(chain);
    let mut signatures: Vec<KeySignature> = keys
        .iter()
        .map(|key| KeySignature { key: key.public(), signature: Signature(key.0.sign(&bytes).to_bytes()) })
        .collect();
    signatures.sort_unstable_by_key(|signature| signature.key);
    signatures.dedup_by_key(|signature| signature.key);
    SignedTransaction { transaction, signatures }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_reads_back_and_one_open_to_others_is_refused() {
        let folder = std::env::temp_dir().join(format!("hovedbok-key-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.key");
        let key = Key::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(Key::load(&path).unwrap().public(), key.public());
        assert!(matches!(key.save(&path), Err(KeyError::Io { .. })), "never overwritten");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = Key::load(&path).err().unwrap().to_string();
        assert!(refusal.contains("mode 644") && refusal.contains("chmod 600"), "{refusal}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
