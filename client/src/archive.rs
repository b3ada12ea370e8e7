//! The owner's archive: what never enters the ledger. For each document a folder with the document
//! as received and the salts behind its commitments, so that the owner, and whoever the owner shows
//! it to, can prove that this is the document the ledger speaks of. Erasing the folder erases the
//! personal data; receipts and sums stay valid.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ledger::digest::Digest;
use ledger::transaction::{DocumentId, field_commitment};
use serde::{Deserialize, Serialize};

/// Tag of the commitment to a document's bytes.
pub const CONTENT: u8 = 1;
/// Tag of the commitment to payee account and payment reference.
pub const PAYEE: u8 = 2;

/// What the owner keeps beside the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    /// Salt of the commitment to the document's bytes, hex.
    pub content_salt: String,
    /// Salt of the commitment to the payee, hex.
    pub payee_salt: String,
    /// The account to pay to, digits only.
    pub payee_account: String,
    /// The payee's name, for the bank.
    pub payee_name: String,
    /// The payer's name, for the bank.
    pub payer_name: String,
    /// The payee's reference; empty if there is none.
    pub reference: String,
    /// Whether the reference is a valid KID.
    pub kid: bool,
}

impl Private {
    /// The commitment to the document's bytes.
    pub fn content(&self, document: &[u8]) -> Option<Digest> {
        Some(field_commitment(CONTENT, &Digest::from_hex(&self.content_salt)?.0, document))
    }

    /// The commitment to account and reference, with a line feed between.
    pub fn payee(&self) -> Option<Digest> {
        let value = format!("{}\n{}", self.payee_account, self.reference);
        Some(field_commitment(PAYEE, &Digest::from_hex(&self.payee_salt)?.0, value.as_bytes()))
    }
}

/// The archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file cannot be read or written.
    #[error("archive {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The document was never put in, or was erased.
    #[error("archive {}: document {document} is not here; it lies with whoever submitted it", folder.display())]
    Missing {
        /// The archive.
        folder: PathBuf,
        /// Which.
        document: DocumentId,
    },
    /// A file is not what the archive wrote.
    #[error("archive {}: not readable as written; restore it from backup", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
    },
}

/// A folder of documents.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// An archive in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn place(&self, id: &DocumentId) -> PathBuf {
        // A number may hold a slash or be two dots; neither may choose the folder.
        let number: String =
            id.number.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let unique = Digest::of(&[id.number.as_str().as_bytes()]).to_hex();
        self.folder.join(format!("{}-{}-{number}-{}", id.seller, id.issued, &unique[..8]))
    }

    /// Puts a document in. An identical one already there is kept with its salts, so that a retry
    /// makes the same commitments.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn put(&self, id: &DocumentId, document: &[u8], private: &Private) -> Result<Private, ArchiveError> {
        let place = self.place(id);
        if let Ok((kept, known)) = self.get(id) {
            if kept == document {
                return Ok(known);
            }
        }
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ArchiveError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&place).map_err(io(&place))?;
        let json = serde_json::to_vec_pretty(private).map_err(|_| ArchiveError::Malformed { path: place.clone() })?;
        for (name, bytes) in [("document.xml", document), ("private.json", &json)] {
            let path = place.join(name);
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(io(&path))?;
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&path))?;
        }
        Ok(private.clone())
    }

    /// Reads a document and what is kept beside it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn get(&self, id: &DocumentId) -> Result<(Vec<u8>, Private), ArchiveError> {
        let place = self.place(id);
        let read = |name: &str| {
            let path = place.join(name);
            fs::read(&path).map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => {
                    ArchiveError::Missing { folder: self.folder.clone(), document: id.clone() }
                }
                _ => ArchiveError::Io { path, source },
            })
        };
        let document = read("document.xml")?;
        let private = serde_json::from_slice(&read("private.json")?)
            .map_err(|_| ArchiveError::Malformed { path: place.join("private.json") })?;
        Ok((document, private))
    }
}
