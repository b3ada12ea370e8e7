//! The owner's archive: what never enters the ledger. For each document a folder with the document
//! as received and the salts behind its commitments, so that the owner, and whoever the owner shows
//! it to, can prove that this is the document the ledger speaks of; and of each payment order, which
//! document it pays. Erasing a document's folder erases its personal data; receipts and sums stay
//! valid. It leaves out the keeping: backup and access are the owner's.
//!
//! Invariant: what is put in is never overwritten, so the salts behind a commitment are not lost to
//! another version of the document or to a second run.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ledger::digest::Digest;
use ledger::transaction::{DocumentId, field_commitment};
use serde::{Deserialize, Serialize};

use crate::name;

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
    /// The account to pay to: eleven digits or an IBAN, without spaces; empty if none is stated.
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
    /// Gives both commitments salts of their own, from the system's randomness.
    ///
    /// # Errors
    /// [`ArchiveError::Randomness`].
    pub fn salted(mut self) -> Result<Self, ArchiveError> {
        for salt in [&mut self.content_salt, &mut self.payee_salt] {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(ArchiveError::Randomness)?;
            *salt = hex::encode(bytes);
        }
        Ok(self)
    }

    /// The commitment to the document's bytes; `None` when the salt is not 64 hex digits.
    pub fn content(&self, document: &[u8]) -> Option<Digest> {
        Some(field_commitment(CONTENT, &Digest::from_hex(&self.content_salt)?.0, document))
    }

    /// The commitment to account and reference, with a line feed between; `None` when the salt is
    /// not 64 hex digits.
    pub fn payee(&self) -> Option<Digest> {
        let value = format!("{}\n{}", self.payee_account, self.reference);
        Some(field_commitment(PAYEE, &Digest::from_hex(&self.payee_salt)?.0, value.as_bytes()))
    }
}

/// A payment order that was given: what the bank's answers are matched by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The reference that the bank returns with every answer.
    pub end_to_end_id: String,
    /// The document it pays, as `seller/number/issued`.
    pub document: String,
    /// How many orders the document had then, this one included.
    pub attempt: u32,
    /// The file it went to the bank in.
    pub message_id: String,
    /// The batch in that file.
    pub batch_id: String,
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
        source: io::Error,
    },
    /// The document was never put in, or was erased.
    #[error(
        "archive {}: document {document}, as the ledger commits to it, is not here; it lies with whoever submitted it",
        folder.display()
    )]
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
    /// The system gives no randomness.
    #[error("no randomness from the system: {0}")]
    Randomness(getrandom::Error),
}

/// A folder of documents and orders.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// An archive in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn place(&self, id: &DocumentId) -> PathBuf {
        self.folder.join("documents").join(name::in_files(id))
    }

    /// Puts a document in with fresh salts. A version with the same bytes that is there already is
    /// returned with its own, so that a retry makes the same commitments.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn put(&self, id: &DocumentId, document: &[u8], private: Private) -> Result<Private, ArchiveError> {
        let version = Digest::of(&[document]).to_hex();
        let place = self.place(id).join(&version[..16]);
        make_folder(&place)?;
        let json = json(&private.salted()?, &place)?;
        // The salts first: a document that lies there has its salts beside it.
        let kept = keep_first(&place.join("private.json"), &json)?;
        keep_first(&place.join("document.xml"), document)?;
        read_json(&kept, &place.join("private.json"))
    }

    /// Reads the version of a document that the ledger's commitment belongs to, and what is kept
    /// beside it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn get(&self, id: &DocumentId, content: &Digest) -> Result<(Vec<u8>, Private), ArchiveError> {
        let missing = || ArchiveError::Missing { folder: self.folder.clone(), document: id.clone() };
        let place = self.place(id);
        let versions = match fs::read_dir(&place) {
            Ok(versions) => versions,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing()),
            Err(source) => return Err(ArchiveError::Io { path: place, source }),
        };
        for version in versions {
            let version = version.map_err(|source| ArchiveError::Io { path: place.clone(), source })?.path();
            let (path, document) = (version.join("private.json"), version.join("document.xml"));
            let (Some(kept), Some(document)) = (read(&path)?, read(&document)?) else { continue };
            let private: Private = read_json(&kept, &path)?;
            if private.content(&document).as_ref() == Some(content) {
                return Ok((document, private));
            }
        }
        Err(missing())
    }

    /// Notes an order. One that is noted already stays.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn note(&self, order: &Order) -> Result<(), ArchiveError> {
        let place = self.orders();
        make_folder(&place)?;
        let json = json(order, &place)?;
        keep_first(&place.join(file_name(&order.end_to_end_id)), &json).map(drop)
    }

    /// The order with this reference, if it was given from here.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn order(&self, end_to_end_id: &str) -> Result<Option<Order>, ArchiveError> {
        let path = self.orders().join(file_name(end_to_end_id));
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let order: Order = read_json(&bytes, &path)?;
        Ok(Some(order).filter(|order| order.end_to_end_id == end_to_end_id))
    }

    /// The orders that went to the bank in the file with this id, in order of reference.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn orders_in(&self, message_id: &str) -> Result<Vec<Order>, ArchiveError> {
        let place = self.orders();
        let io = |source| ArchiveError::Io { path: place.clone(), source };
        let files = match fs::read_dir(&place) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io(source)),
        };
        let mut orders: Vec<Order> = Vec::new();
        for file in files {
            let path = file.map_err(io)?.path();
            if path.extension().is_some_and(|ending| ending == "json")
                && let Some(bytes) = read(&path)?
            {
                orders.push(read_json(&bytes, &path)?);
            }
        }
        orders.retain(|order| order.message_id == message_id);
        orders.sort_by(|a, b| a.end_to_end_id.cmp(&b.end_to_end_id));
        Ok(orders)
    }

    fn orders(&self) -> PathBuf {
        self.folder.join("orders")
    }
}

/// References come from a bank's message: only their hash names a file.
fn file_name(end_to_end_id: &str) -> String {
    format!("{}.json", &Digest::of(&[end_to_end_id.as_bytes()]).to_hex()[..32])
}

fn json<T: Serialize>(value: &T, place: &Path) -> Result<Vec<u8>, ArchiveError> {
    serde_json::to_vec_pretty(value).map_err(|_| ArchiveError::Malformed { path: place.into() })
}

fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8], path: &Path) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|_| ArchiveError::Malformed { path: path.into() })
}

fn make_folder(path: &Path) -> Result<(), ArchiveError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| ArchiveError::Io { path: path.into(), source })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ArchiveError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ArchiveError::Io { path: path.into(), source }),
    }
}

/// Writes a file that is not there yet, whole and durable, for its owner's eyes; returns what lies
/// there then, which is another's bytes where another came first.
fn keep_first(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    let io = |source| ArchiveError::Io { path: path.into(), source };
    let unfinished = unfinished(path);
    write_whole(&unfinished, bytes).map_err(io)?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished).map_err(io)?;
    match linked {
        Ok(()) => sync_folder(path).map_err(io)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(source) => return Err(io(source)),
    }
    fs::read(path).map_err(io)
}

/// Writes a file whole, in place of one that is there, for its owner's eyes.
///
/// # Errors
/// As the system gives them.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    write_whole(&unfinished, bytes)?;
    fs::rename(&unfinished, path)?;
    sync_folder(path)
}

/// A file on its way: it takes its name, in place of one that is there, when it is whole, and leaves nothing
/// behind if that never comes.
pub struct Unfinished {
    file: Option<BufWriter<File>>,
    at: PathBuf,
    path: PathBuf,
}

impl Unfinished {
    /// Begins a file, for its owner's eyes.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn create(path: &Path) -> io::Result<Self> {
        let at = unfinished(path);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&at)?;
        Ok(Self { file: Some(BufWriter::new(file)), at, path: path.into() })
    }

    /// Gives it its name, once it is on the disk.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn finish(mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        }
        fs::rename(&self.at, &self.path)?;
        sync_folder(&self.path)
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Given its name, it is not there any more.
        let _ = fs::remove_file(&self.at);
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("hovedbok-archive-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn private() -> Private {
        let empty = String::new;
        Private {
            content_salt: empty(),
            payee_salt: empty(),
            payee_account: "86011117947".into(),
            payee_name: "Skolemat AS".into(),
            payer_name: "Stavanger kommune".into(),
            reference: "2345676".into(),
            kid: true,
        }
    }

    fn order(end_to_end_id: &str, message_id: &str) -> Order {
        Order {
            end_to_end_id: end_to_end_id.into(),
            document: "123456785/8841/2026-03-04".into(),
            attempt: 1,
            message_id: message_id.into(),
            batch_id: "1".into(),
        }
    }

    #[test]
    fn l14_a_retry_makes_the_same_commitments_and_another_version_loses_nothing() {
        let folder = folder("retry");
        let archive = Archive::new(&folder);
        let id = name::document("123456785/../2026-03-04").unwrap();
        let first = archive.put(&id, b"<a/>", private()).unwrap();
        assert_eq!(archive.put(&id, b"<a/>", private()).unwrap(), first);
        let other = archive.put(&id, b"<b/>", private()).unwrap();
        assert_ne!(first.content_salt, other.content_salt);
        assert_ne!(first.content_salt, first.payee_salt);
        for (kept, document) in [(&first, b"<a/>"), (&other, b"<b/>")] {
            let content = kept.content(document).unwrap();
            assert_eq!(archive.get(&id, &content).unwrap(), (document.to_vec(), kept.clone()));
        }
        let missing = archive.get(&id, &Digest([1; 32])).unwrap_err().to_string();
        assert!(missing.contains("lies with whoever submitted it"), "{missing}");
        // The number did not choose a folder above the archive.
        let documents: Vec<_> = fs::read_dir(folder.join("documents")).unwrap().collect();
        assert_eq!(documents.len(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_lies_in_the_archive_is_its_owners_alone() {
        let folder = folder("mode");
        let archive = Archive::new(&folder);
        let id = name::document("123456785/1/2026-03-04").unwrap();
        archive.put(&id, b"<a/>", private()).unwrap();
        let mut open = vec![folder.clone()];
        while let Some(path) = open.pop() {
            let meta = fs::metadata(&path).unwrap();
            assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", path.display());
            if meta.is_dir() {
                open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_crash_between_salts_and_document_is_healed_by_the_next_run() {
        let folder = folder("crash");
        let archive = Archive::new(&folder);
        let id = name::document("123456785/1/2026-03-04").unwrap();
        let first = archive.put(&id, b"<a/>", private()).unwrap();
        let version = &Digest::of(&[b"<a/>"]).to_hex()[..16];
        fs::remove_file(archive.place(&id).join(version).join("document.xml")).unwrap();
        assert!(archive.get(&id, &first.content(b"<a/>").unwrap()).is_err());
        assert_eq!(archive.put(&id, b"<a/>", private()).unwrap(), first);
        assert!(archive.get(&id, &first.content(b"<a/>").unwrap()).is_ok());
        fs::write(archive.place(&id).join(version).join("private.json"), b"{}").unwrap();
        assert!(matches!(archive.put(&id, b"<a/>", private()), Err(ArchiveError::Malformed { .. })));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn l12_an_order_is_found_by_its_reference_and_by_its_file() {
        let folder = folder("orders");
        let archive = Archive::new(&folder);
        assert_eq!(archive.order("e1").unwrap(), None);
        assert_eq!(archive.orders_in("m1").unwrap(), []);
        for (id, message) in [("e2", "m1"), ("e1", "m1"), ("../../e3", "m2")] {
            archive.note(&order(id, message)).unwrap();
        }
        // Noted again by a retry: the first note stands.
        archive.note(&order("e1", "m9")).unwrap();
        assert_eq!(archive.order("e1").unwrap().unwrap().message_id, "m1");
        assert_eq!(archive.order("../../e3").unwrap().unwrap().message_id, "m2");
        let ids: Vec<String> =
            archive.orders_in("m1").unwrap().into_iter().map(|order| order.end_to_end_id).collect();
        assert_eq!(ids, ["e1", "e2"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
