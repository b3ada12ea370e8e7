//! Snapshots on the own disk: a restart begins with the newest that fits and replays only what came
//! after, and those who are far behind are handed its parts.
//!
//! One is written whenever a block at a multiple of the configured distance is posted, from the books as
//! they stood then and beside the work that goes on; so nodes with one setting have snapshots of the same
//! heights, and whoever fetches one can ask them all. It goes into `snapshots/<height>` in the data
//! directory: under another name first, synced, then renamed, so that there is no half of one.
//!
//! What is read is not believed: from genesis on, everything in it must be proven ([`Offer::verify`]), each
//! page must lead to the header's `state_root`, and where the store has a block at its height, it must be
//! that one. A snapshot that does not fit is passed over for the one before, and at last for genesis; so a
//! snapshot can cost time, and never change the books.
//!
//! ```text
//! "hovedbok-snapshot v2\n", then parts, each: length 4 (big-endian), canonical bytes:
//! offer, number of handoffs (8 bytes), each handoff, every page in the manifest's order;
//! then the place of each page's part in the file, 8 bytes each, and the place of the first of these, 8 bytes
//! ```
//!
//! It leaves out fetching a snapshot from peers (`join`).
//!
//! Invariant: at most one page is in memory beside the books, on the way out and on the way in.

mod offer;

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ledger::block::{Header, Height, LeafIndex};
use ledger::books::{Ledger, Manifest, Restoring, SnapshotError, Still};
use ledger::checkpoint::Trust;
use ledger::codec::{self, CodecError, Decode, ENCODED_BYTES_MAX, Encode};
use ledger::finality::Finality;
use ledger::genesis::Genesis;
use ledger::handoff::{Handoff, HandoffProof};
use ledger::registers::Page;
use ledger::tiles::TileReader;
use ledger::tree;

pub use offer::{Covered, HEADERS_MAX, OFFER_BYTES_MAX, Offer, OfferError, Standing};

use crate::store::{Store, StoreError};

/// A page has at most 256 records of some kilobytes, and a path.
pub const PAGE_BYTES_MAX: usize = 2 << 20;
/// The newest, and one to fall back on, which others may still be fetching.
const KEPT: usize = 2;
const FIRST_LINE: &[u8] = b"hovedbok-snapshot v2\n";
const UNFINISHED: &str = "unfinished";

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
    /// It does not begin or end as one.
    #[error(
        "it does not begin with {:?}, or does not end with the places of its pages",
        String::from_utf8_lossy(FIRST_LINE)
    )]
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
    /// The store cannot show why its block is final.
    #[error("the store does not have what proves the block at height {height} to others; the next may do")]
    Unproven {
        /// The height.
        height: Height,
    },
    /// It does not hold together.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It is not proven.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a snapshot is taken of the block at this height; never where `every` is 0.
pub fn is_due(height: Height, every: u64) -> bool {
    every > 0 && height.0 > 0 && height.0.is_multiple_of(every)
}

/// Writes a snapshot of books held still, unless one of that height or later is there already. `trust`
/// knows their epoch at least. Says whether it did.
///
/// # Errors
/// [`SnapshotFileError`]; the snapshots there were stay.
pub fn keep(store: &Store, still: &Still, trust: &Trust) -> Result<bool, SnapshotFileError> {
    let height = still.manifest().header.height;
    if found(&folder(store)).first().is_some_and(|(last, _)| *last >= height) {
        return Ok(false);
    }
    let epochs = usize::try_from(still.epoch().0).unwrap_or(usize::MAX);
    let handoffs = trust.handoffs().get(..epochs).ok_or(SnapshotFileError::Unproven { height })?;
    let offer = offer(store, still, handoffs)?;
    let mut writing = Writing::begin(store, &offer, handoffs)?;
    for (register, number) in still.manifest().pages() {
        let page = still.page(register, number);
        let missing = || at(&writing.unfinished)(io::Error::other("a register ends early"));
        let page = page.ok_or_else(missing)?;
        writing.page(&page)?;
    }
    writing.finish()?;
    Ok(true)
}

/// What proves these books to others.
fn offer(store: &Store, still: &Still, handoffs: &[Handoff]) -> Result<Offer, SnapshotFileError> {
    let manifest = still.manifest().clone();
    let (header, start) = (&manifest.header, &manifest.start);
    let height = header.height;
    let unproven = || SnapshotFileError::Unproven { height };
    let ours = store.finalized(height)?.is_some_and(|finalized| finalized.block.header == *header);
    if !ours {
        return Err(SnapshotFileError::OtherChain { height });
    }
    let finality = match header.epoch == still.epoch() {
        true => Some(covered(store, height)?.ok_or_else(unproven)?.1),
        false => None,
    };
    let recovered =
        matches!(handoffs.last().map(|handoff| &handoff.proof), Some(HandoffProof::Recovery { .. }));
    let beginning = match recovered && header.epoch == still.epoch() {
        true => Some(beginning(store, start)?.ok_or_else(unproven)?),
        false => None,
    };
    let last = LeafIndex(header.log_size.saturating_sub(1));
    let seal = store.leaf(last)?.ok_or_else(unproven)?;
    let edge = store.edge()?;
    let mut tiles = TileReader::new(|level, index| store.tile(level, index).ok().flatten());
    let mut node = |level, index| edge.node(level, index, &mut |level, index| tiles.node(level, index));
    let path = tree::inclusion_proof(last.0, header.log_size, &mut node).map_err(|_| unproven())?;
    Ok(Offer { manifest, finality, beginning, seal, path })
}

/// The header at a height, and what finalizes it.
fn covered(store: &Store, height: Height) -> Result<Option<(Header, Covered)>, StoreError> {
    let mut headers: Vec<Header> = Vec::new();
    let mut next = height;
    while headers.len() <= HEADERS_MAX {
        let Some(block) = store.finalized(next)? else { return Ok(None) };
        let Finality::Voted { finalization, closing, .. } = block.finality else { return Ok(None) };
        headers.push(block.block.header);
        if let Some(finalization) = finalization {
            headers.extend(closing.into_iter().map(|proven| proven.header));
            let first = headers.remove(0);
            return Ok(Some((first, Covered { headers, finalization })));
        }
        next = next.next();
    }
    Ok(None)
}

/// The first blocks of the epoch that starts from this header.
fn beginning(store: &Store, start: &Header) -> Result<Option<Covered>, StoreError> {
    if let Some(base) = store.base()?.filter(|base| base.manifest.start == *start) {
        return Ok(base.beginning);
    }
    Ok(covered(store, start.height.next())?.map(|(first, mut rest)| {
        rest.headers.insert(0, first);
        rest
    }))
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

/// Where this node stands, for those who ask.
///
/// # Errors
/// The store cannot be read. A snapshot that cannot is not offered.
pub fn standing(store: &Store) -> Result<Standing, StoreError> {
    let head = store.head()?.map_or(Height(0), |head| head.height);
    let offer = found(&folder(store)).first().and_then(|(_, path)| Parts::open(path).ok()?.offer().ok());
    Ok(Standing { head, earliest: store.earliest()?, offer })
}

/// Handoffs of the snapshot of a height, from the one at this place on: at most `count`, in no more than
/// `bytes`, but one at least where there is one. `None` without such a snapshot.
pub fn handoffs(
    store: &Store,
    height: Height,
    from: u64,
    count: usize,
    bytes: usize,
) -> Option<Vec<Handoff>> {
    let path = named(&folder(store), height);
    let mut parts = Parts::open(&path).ok()?;
    parts.offer().ok()?;
    let all = parts.value::<u64>(8).ok()?;
    for _ in 0..from.min(all) {
        parts.skip().ok()?;
    }
    let (mut handoffs, mut used) = (Vec::new(), 0);
    for _ in from..all {
        let part = parts.bytes(ENCODED_BYTES_MAX).ok()?;
        used += part.len();
        if handoffs.len() == count || used > bytes && !handoffs.is_empty() {
            break;
        }
        handoffs.push(codec::decode(&part, ENCODED_BYTES_MAX).ok()?);
    }
    Some(handoffs)
}

/// One page of the snapshot of a height, in canonical bytes; `None` where there is none. It costs a few
/// short reads.
pub fn page(store: &Store, height: Height, register: u8, number: u64) -> Option<Vec<u8>> {
    let path = named(&folder(store), height);
    let mut parts = Parts::open(&path).ok()?;
    let manifest = parts.offer().ok()?.manifest;
    let place = manifest.pages().position(|page| page == (register, number))?;
    parts.go_to_page(u64::try_from(place).ok()?).ok()?;
    parts.bytes(PAGE_BYTES_MAX).ok()
}

fn folder(store: &Store) -> PathBuf {
    store.path().join("snapshots")
}

fn named(folder: &Path, height: Height) -> PathBuf {
    folder.join(format!("{:020}", height.0))
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

/// A snapshot on its way to the disk. Dropped before [`Writing::finish`], there is none.
pub struct Writing {
    folder: PathBuf,
    unfinished: PathBuf,
    height: Height,
    file: BufWriter<File>,
    written: u64,
    places: Vec<u64>,
}

impl Writing {
    /// Begins with what precedes the pages.
    ///
    /// # Errors
    /// [`SnapshotFileError::File`].
    pub fn begin(store: &Store, offer: &Offer, handoffs: &[Handoff]) -> Result<Self, SnapshotFileError> {
        let folder = folder(store);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let unfinished = folder.join(UNFINISHED);
        let file = BufWriter::new(File::create(&unfinished).map_err(at(&unfinished))?);
        let height = offer.height();
        let mut writing = Self { folder, unfinished, height, file, written: 0, places: Vec::new() };
        writing.raw(FIRST_LINE)?;
        writing.part(offer)?;
        writing.part(&(handoffs.len() as u64))?;
        handoffs.iter().try_for_each(|handoff| writing.part(handoff))?;
        Ok(writing)
    }

    /// Takes the next page in the manifest's order.
    ///
    /// # Errors
    /// [`SnapshotFileError::File`].
    pub fn page(&mut self, page: &Page) -> Result<(), SnapshotFileError> {
        self.places.push(self.written);
        self.part(page)
    }

    /// Makes it durable under its name, and removes the oldest.
    ///
    /// # Errors
    /// [`SnapshotFileError::File`].
    pub fn finish(mut self) -> Result<(), SnapshotFileError> {
        let index = self.written;
        let places = std::mem::take(&mut self.places);
        places.iter().chain([&index]).try_for_each(|place| self.raw(&place.to_be_bytes()))?;
        let Self { folder, unfinished, height, file, .. } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(at(&unfinished))?;
        let path = named(&folder, height);
        fs::rename(&unfinished, &path).map_err(at(&path))?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
        for (_, old) in found(&folder).into_iter().skip(KEPT) {
            fs::remove_file(&old).map_err(at(&old))?;
        }
        Ok(())
    }

    fn part<T: Encode>(&mut self, part: &T) -> Result<(), SnapshotFileError> {
        let bytes = codec::encode(part);
        let length = u32::try_from(bytes.len()).map_err(io::Error::other).map_err(at(&self.unfinished))?;
        self.raw(&length.to_be_bytes())?;
        self.raw(&bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), SnapshotFileError> {
        self.written += bytes.len() as u64;
        self.file.write_all(bytes).map_err(at(&self.unfinished))
    }
}

/// A snapshot's file, part by part.
struct Parts<'a> {
    path: &'a Path,
    file: BufReader<File>,
}

impl<'a> Parts<'a> {
    fn open(path: &'a Path) -> Result<Self, SnapshotFileError> {
        let mut file = BufReader::new(File::open(path).map_err(at(path))?);
        let mut first = [0; FIRST_LINE.len()];
        file.read_exact(&mut first).map_err(at(path))?;
        if first == *FIRST_LINE { Ok(Self { path, file }) } else { Err(SnapshotFileError::Format) }
    }

    fn offer(&mut self) -> Result<Offer, SnapshotFileError> {
        self.value(OFFER_BYTES_MAX)
    }

    fn value<T: Encode + Decode<()>>(&mut self, max: usize) -> Result<T, SnapshotFileError> {
        Ok(codec::decode(&self.bytes(max)?, max)?)
    }

    fn bytes(&mut self, max: usize) -> Result<Vec<u8>, SnapshotFileError> {
        let length = self.length()?;
        if length > max {
            return Err(CodecError::TooLong { actual: length, max }.into());
        }
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes).map_err(at(self.path))?;
        Ok(bytes)
    }

    fn skip(&mut self) -> Result<(), SnapshotFileError> {
        let length = self.length()?;
        self.file.seek_relative(length as i64).map_err(at(self.path))
    }

    fn length(&mut self) -> Result<usize, SnapshotFileError> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length).map_err(at(self.path))?;
        Ok(u32::from_be_bytes(length) as usize)
    }

    fn place(&mut self) -> Result<u64, SnapshotFileError> {
        self.file.stream_position().map_err(at(self.path))
    }

    /// Checks the places at the end, by which others are handed pages.
    fn end(&mut self, places: &[u64]) -> Result<(), SnapshotFileError> {
        let mut rest = Vec::new();
        let max = places.len() as u64 * 8 + 1;
        (&mut self.file).take(max).read_to_end(&mut rest).map_err(at(self.path))?;
        let same =
            rest.iter().eq(places.iter().flat_map(|place| place.to_be_bytes()).collect::<Vec<_>>().iter());
        if same { Ok(()) } else { Err(SnapshotFileError::Format) }
    }

    fn go_to_page(&mut self, place: u64) -> Result<(), SnapshotFileError> {
        let number = |file: &mut BufReader<File>, from| {
            let mut bytes = [0; 8];
            file.seek(from)?;
            file.read_exact(&mut bytes)?;
            Ok::<u64, io::Error>(u64::from_be_bytes(bytes))
        };
        let go = |file: &mut BufReader<File>| {
            let index = number(file, SeekFrom::End(-8))?;
            let page = number(file, SeekFrom::Start(index.saturating_add(place.saturating_mul(8))))?;
            file.seek(SeekFrom::Start(page))
        };
        go(&mut self.file).map(drop).map_err(at(self.path))
    }
}

fn read(genesis: &Genesis, store: &Store, path: &Path) -> Result<(Ledger, Trust), SnapshotFileError> {
    let mut parts = Parts::open(path)?;
    let offer = parts.offer()?;
    let height = offer.height();
    let ours = match store.base()?.filter(|base| base.height() == height) {
        Some(base) => base.manifest.header == offer.manifest.header,
        None => store.finalized(height)?.is_some_and(|f| f.block.header == offer.manifest.header),
    };
    if !ours {
        return Err(SnapshotFileError::OtherChain { height });
    }
    let count = parts.value::<u64>(8)?;
    let mut handoffs: Vec<Handoff> = Vec::new();
    for _ in 0..count {
        handoffs.push(parts.value(ENCODED_BYTES_MAX)?);
    }
    let trust = offer.verify(genesis, &handoffs)?;
    let mut restoring = Restoring::new(genesis, offer.manifest)?;
    let mut places = Vec::new();
    while restoring.wants().is_some() {
        places.push(parts.place()?);
        restoring.take(&parts.value::<Page>(PAGE_BYTES_MAX)?)?;
    }
    places.push(parts.place()?);
    parts.end(&places)?;
    Ok((finish(restoring, &trust)?, trust))
}

/// The books, once every page is here; their validators are those that are trusted.
///
/// # Errors
/// [`SnapshotError`].
pub fn finish(restoring: Restoring, trust: &Trust) -> Result<Ledger, SnapshotError> {
    let ledger = restoring.finish()?;
    if ledger.validators() == trust.validators() {
        return Ok(ledger);
    }
    Err(SnapshotError::Validators { epoch: ledger.validators().epoch })
}

/// How many pages a snapshot has.
pub fn pages(manifest: &Manifest) -> usize {
    manifest.pages().count()
}
