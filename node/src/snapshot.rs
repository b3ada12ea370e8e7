//! Snapshots on the own disk: a restart begins with the newest that fits and replays only what came
//! after.
//!
//! One is written after a start that replayed many blocks and at an orderly stop, into
//! `snapshots/<height>` in the data directory: under another name first, synced, then renamed, so that
//! there is no half of one. What is read is not believed: the header must be that of the final block which the
//! store has at that height, each page must lead to the header's `state_root`, the edge to its `log_root`,
//! and each handoff must hold for the set before it. A snapshot that does not is passed over for the one
//! before, and at last for genesis; so a snapshot can cost time, and never change the books.
//!
//! ```text
//! "hovedbok-snapshot v1\n", then parts, each: length 4 (big-endian), canonical bytes:
//! manifest, handoffs, and every page in the manifest's order
//! ```
//!
//! It leaves out fetching snapshots from peers: a node with an empty disk replays from height 1.
//!
//! Invariant: at most one page is in memory beside the books, on the way out and on the way in.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use ledger::block::{Header, Height};
use ledger::books::{Ledger, MANIFEST_BYTES_MAX, Manifest, Restoring, SnapshotError};
use ledger::checkpoint::{Trust, TrustError};
use ledger::codec::{self, CodecError, Decode, ENCODED_BYTES_MAX, Encode};
use ledger::genesis::Genesis;
use ledger::handoff::{Handoff, HandoffError};
use ledger::registers::Page;

use crate::store::{Store, StoreError};

/// A snapshot is worth writing after so many blocks: a minute or so of replay.
pub const EVERY_BLOCKS: u64 = 10_000;
/// The newest, and one to fall back on.
const KEPT: usize = 2;
const FIRST_LINE: &[u8] = b"hovedbok-snapshot v1\n";

/// Why a snapshot is not written, or not read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFileError {
    /// The file or its folder.
    #[error("snapshot {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not begin as one.
    #[error("it does not begin with {:?}", String::from_utf8_lossy(FIRST_LINE))]
    Format,
    /// A part is no value.
    #[error("a part of it does not read: {0}")]
    Part(#[from] CodecError),
    /// The store has another block at its height, or none.
    #[error("the store does not have its block at height {height}")]
    OtherChain {
        /// The height.
        height: Height,
    },
    /// It does not hold together.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Genesis names validators that nobody can trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A handoff in it.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes a snapshot of these books, unless one of the last `every` blocks is there already. Says whether
/// it did.
///
/// # Errors
/// [`SnapshotFileError`]; the snapshots there were stay.
pub fn keep(store: &Store, ledger: &Ledger, trust: &Trust, every: u64) -> Result<bool, SnapshotFileError> {
    let folder = folder(store);
    let height = ledger.head().height;
    let last = found(&folder).first().map_or(Height(0), |(height, _)| *height);
    if height.0 < last.0.saturating_add(every.max(1)) {
        return Ok(false);
    }
    let header = store.finalized(height)?.ok_or(SnapshotFileError::OtherChain { height })?.block.header;
    let manifest = ledger.manifest(&header).ok_or(SnapshotFileError::OtherChain { height })?;
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let (path, unfinished) = (folder.join(format!("{:020}", height.0)), folder.join("unfinished"));
    write(&unfinished, ledger, trust, &manifest).map_err(at(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(at(&path))?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
    for (_, old) in found(&folder).into_iter().skip(KEPT) {
        fs::remove_file(&old).map_err(at(&old))?;
    }
    Ok(true)
}

/// The books and sets of the newest snapshot that fits this store; `None` where none does.
pub fn newest(genesis: &Genesis, store: &Store) -> Option<(Ledger, Trust)> {
    for (height, path) in found(&folder(store)) {
        match read(genesis, store, &path) {
            Ok(read) => {
                tracing::info!(%height, "books read from a snapshot");
                return Some(read);
            }
            Err(error) => tracing::warn!(path = %path.display(), %error, "snapshot passed over"),
        }
    }
    None
}

fn folder(store: &Store) -> PathBuf {
    store.path().join("snapshots")
}

/// The snapshots in a folder, newest first.
fn found(folder: &Path) -> Vec<(Height, PathBuf)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let named = |path: PathBuf| Some((Height(path.file_name()?.to_str()?.parse().ok()?), path));
    let mut found: Vec<_> = entries.filter_map(|entry| named(entry.ok()?.path())).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SnapshotFileError {
    let path = path.to_path_buf();
    move |source| SnapshotFileError::File { path, source }
}

fn write(path: &Path, ledger: &Ledger, trust: &Trust, manifest: &Manifest) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(FIRST_LINE)?;
    put(&mut file, manifest)?;
    put(&mut file, &trust.handoffs().to_vec())?;
    for (register, number) in manifest.pages() {
        let page = ledger.page(register, number);
        put(&mut file, &page.ok_or_else(|| io::Error::other("a register ends early"))?)?;
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn put<T: Encode>(file: &mut impl Write, part: &T) -> io::Result<()> {
    let bytes = codec::encode(part);
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    file.write_all(&length.to_be_bytes())?;
    file.write_all(&bytes)
}

fn read(genesis: &Genesis, store: &Store, path: &Path) -> Result<(Ledger, Trust), SnapshotFileError> {
    let mut file = BufReader::new(File::open(path).map_err(at(path))?);
    let mut first = [0; FIRST_LINE.len()];
    file.read_exact(&mut first).map_err(at(path))?;
    if first != *FIRST_LINE {
        return Err(SnapshotFileError::Format);
    }
    let manifest: Manifest = take(&mut file, path, MANIFEST_BYTES_MAX)?;
    let handoffs: Vec<Handoff> = take(&mut file, path, ENCODED_BYTES_MAX)?;
    for header in [&manifest.header, &manifest.start] {
        check_ours(genesis, store, header)?;
    }
    let mut trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
    handoffs.iter().try_for_each(|handoff| trust.extend(handoff))?;
    let mut restoring = Restoring::new(genesis, manifest)?;
    while restoring.wants().is_some() {
        restoring.take(&take::<Page>(&mut file, path, ENCODED_BYTES_MAX)?)?;
    }
    let ledger = restoring.finish()?;
    if ledger.validators() != trust.validators() {
        let epoch = ledger.validators().epoch;
        return Err(SnapshotError::Validators { epoch }.into());
    }
    Ok((ledger, trust))
}

/// Whether the store has this block; that of genesis follows from it.
fn check_ours(genesis: &Genesis, store: &Store, header: &Header) -> Result<(), SnapshotFileError> {
    let height = header.height;
    let ours = match height {
        Height(0) => Ledger::new(genesis).map_err(SnapshotError::from)?.genesis_header() == header,
        _ => store.finalized(height)?.is_some_and(|finalized| finalized.block.header == *header),
    };
    if ours { Ok(()) } else { Err(SnapshotFileError::OtherChain { height }) }
}

fn take<T: Encode + Decode<()>>(
    file: &mut impl Read,
    path: &Path,
    max: usize,
) -> Result<T, SnapshotFileError> {
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(at(path))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > max {
        return Err(CodecError::TooLong { actual: length, max }.into());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).map_err(at(path))?;
    Ok(codec::decode(&bytes, max)?)
}
