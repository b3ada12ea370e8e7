//! Tiles: the nodes of the log as C2SP `tlog-tiles` lays them out, 256 hashes to a tile.
//!
//! Tile (0, n) holds the hashes of leaves 256·n and on; tile (l+1, n) holds the roots of the full
//! tiles of level l. A tile that is not full yet is a prefix of what it will be, so a store keeps
//! one growing value for each tile and can serve every earlier width of it. Here stand addresses,
//! what an append adds, and proofs from tiles; where the bytes lie is the store's business.
//!
//! Invariant: an incomplete tile is never hashed into the level above.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::digest::Digest;
use crate::tree::{self, Frontier, ProofError};

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Tree levels that one tile level spans: 2⁸ = 256.
const TILE_HEIGHT: u8 = 8;
/// A tree of 2⁶⁴ − 1 leaves has tiles on levels 0 to 7.
pub const TILE_LEVELS: u8 = 8;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * 32;
/// Tiles a reader remembers: a proof visits at most one tile a level for each of its two branches.
const CACHED_TILES_MAX: usize = 32;

/// A tile, or the bundle of entries below a tile of level 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 for leaf hashes; one more for each 256-fold.
    pub level: u8,
    /// Position within the level.
    pub index: u64,
    /// Hashes in it, 1 to [`TILE_WIDTH`]; less than that is a partial tile.
    pub width: u16,
}

/// What a path below a log's prefix names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// `tile/<L>/<N>[.p/<W>]`: the hashes of a tile, 32 bytes each.
    Hashes(Tile),
    /// `tile/entries/<N>[.p/<W>]`: the entries below a tile of level 0, see [`bundle`].
    Entries(Tile),
}

impl Resource {
    /// Reads a path, strictly as the specification writes it; `None` for any other.
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("tile/")?;
        let (level, rest) = rest.split_once('/')?;
        let entries = level == "entries";
        let level = if entries { 0 } else { decimal(level).filter(|level| *level <= 63)? as u8 };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                let width = decimal(width).filter(|width| (1..=255).contains(width))?;
                (number, width as u16)
            }
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        let elements = number.split('/').count();
        for (i, element) in number.split('/').enumerate() {
            let digits = if i + 1 < elements { element.strip_prefix('x')? } else { element };
            if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // One path to each tile: no leading group of zeros.
            if i == 0 && elements > 1 && digits == "000" {
                return None;
            }
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Tile { level, index, width };
        Some(if entries { Self::Entries(tile) } else { Self::Hashes(tile) })
    }

    /// The path below the log's prefix.
    pub fn path(&self) -> String {
        match self {
            Self::Hashes(tile) => alloc::format!("tile/{}/{}", tile.level, tile.number()),
            Self::Entries(tile) => alloc::format!("tile/entries/{}", tile.number()),
        }
    }

    /// The tile it names.
    pub fn tile(&self) -> Tile {
        match self {
            Self::Hashes(tile) | Self::Entries(tile) => *tile,
        }
    }
}

impl Tile {
    /// Hashes that tile (`level`, `index`) has in a tree of `size` leaves; zero if it is not there.
    pub fn width_at(level: u8, index: u64, size: u64) -> u16 {
        let nodes = size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0);
        let Some(before) = index.checked_mul(u64::from(TILE_WIDTH)) else { return 0 };
        nodes.saturating_sub(before).min(u64::from(TILE_WIDTH)) as u16
    }

    fn number(&self) -> String {
        let mut groups = alloc::vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        let mut text = String::new();
        for (i, group) in groups.iter().enumerate().rev() {
            text.push_str(&if i > 0 { alloc::format!("x{group:03}/") } else { alloc::format!("{group:03}") });
        }
        if self.width < TILE_WIDTH {
            text.push_str(&alloc::format!(".p/{}", self.width));
        }
        text
    }
}

/// Hashes that an append adds to one tile: they go to column `column` and on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TilePart {
    /// The tile's level.
    pub level: u8,
    /// The tile's position within its level.
    pub index: u64,
    /// Where the first of `hashes` stands in the tile; what the tile held before ends here.
    pub column: u16,
    /// What is added.
    pub hashes: Vec<Digest>,
}

/// Appends leaves by their hashes and returns what each tile gains, in order of level and index.
/// Writing exactly these parts keeps every tile of the log.
pub fn append(frontier: &mut Frontier, leaf_hashes: &[Digest]) -> Vec<TilePart> {
    let mut parts: BTreeMap<(u8, u64), TilePart> = BTreeMap::new();
    for leaf_hash in leaf_hashes {
        frontier.push_with(*leaf_hash, |level, index, hash| {
            if level % TILE_HEIGHT == 0 {
                let (level, tile) = (level / TILE_HEIGHT, index >> TILE_HEIGHT);
                let column = (index & 0xff) as u16;
                let part = parts.entry((level, tile)).or_insert_with(|| TilePart {
                    level,
                    index: tile,
                    column,
                    hashes: Vec::new(),
                });
                part.hashes.push(hash);
            }
        });
    }
    parts.into_values().collect()
}

/// The tiles of a tree of `new` leaves that a tree of `old` leaves lacked or had narrower, in order
/// of level and index: what a mirror fetches, and what a store has written, when the log grows.
pub fn grown(old: u64, new: u64) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for level in 0..TILE_LEVELS {
        let shift = u32::from(level) * u32::from(TILE_HEIGHT);
        let (before, after) = (old >> shift, new >> shift);
        if after == 0 {
            break;
        }
        if after <= before {
            continue;
        }
        for index in before >> TILE_HEIGHT..=(after - 1) >> TILE_HEIGHT {
            tiles.push(Tile { level, index, width: Tile::width_at(level, index, new) });
        }
    }
    tiles
}

/// Nodes and proofs of the log from its tiles.
///
/// The source answers with a tile's bytes, at least as many as the tree asked about has; longer is
/// fine, since a tile only grows. Nothing is believed beyond that: who reads tiles from a stranger
/// checks what comes out against a checkpoint.
pub struct TileReader<S> {
    source: S,
    cache: BTreeMap<(u8, u64), Vec<u8>>,
    // Nodes between a tile's hashes and its root, at most 255 per cached tile: many proofs in one
    // tile share them, and each would else hash half the tile again.
    nodes: BTreeMap<(u8, u64), Digest>,
}

impl<S: FnMut(u8, u64) -> Option<Vec<u8>>> TileReader<S> {
    /// Reads through `source(level, index)`, each tile once while it is remembered.
    pub fn new(source: S) -> Self {
        Self { source, cache: BTreeMap::new(), nodes: BTreeMap::new() }
    }

    /// The root of the perfect subtree over leaves `index · 2^level` and on, `2^level` of them:
    /// the closure that [`crate::tree`] asks for. `None` when a tile is missing or too short.
    pub fn node(&mut self, level: u8, index: u64) -> Option<Digest> {
        if let Some(known) = self.nodes.get(&(level, index)) {
            return Some(*known);
        }
        let tile_level = level / TILE_HEIGHT;
        let height = level % TILE_HEIGHT;
        let first = index.checked_mul(1 << height)?;
        let (tile, column) = (first >> TILE_HEIGHT, (first & 0xff) as usize);
        let bytes = self.tile(tile_level, tile)?;
        let hashes = bytes.get(column * 32..(column + (1 << height)) * 32)?;
        let mut hashes: Vec<Digest> = hashes
            .chunks_exact(32)
            .map(|chunk| {
                let mut hash = [0; 32];
                hash.copy_from_slice(chunk);
                Digest(hash)
            })
            .collect();
        for above in 1..=height {
            hashes = tree::parents(&hashes);
            let first = index << (height - above);
            let place = |column: u64| (level - height + above, first + column);
            self.nodes.extend((0..).zip(&hashes).map(|(column, hash)| (place(column), *hash)));
        }
        hashes.first().copied()
    }

    /// The root of the first `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::Missing`].
    pub fn root_at(&mut self, size: u64) -> Result<Digest, ProofError> {
        tree::root_at(size, |level, index| self.node(level, index))
    }

    /// The inclusion path of leaf `index` among the first `size` leaves.
    ///
    /// # Errors
    /// [`ProofError::NoSuchLeaf`], [`ProofError::Missing`].
    pub fn inclusion_proof(&mut self, index: u64, size: u64) -> Result<Vec<Digest>, ProofError> {
        tree::inclusion_proof(index, size, |level, index| self.node(level, index))
    }

    /// The proof that the first `new` leaves continue the first `old`.
    ///
    /// # Errors
    /// [`ProofError::Shrunk`], [`ProofError::Missing`].
    pub fn consistency_proof(&mut self, old: u64, new: u64) -> Result<Vec<Digest>, ProofError> {
        tree::consistency_proof(old, new, |level, index| self.node(level, index))
    }

    /// The frontier of the first `size` leaves, from which the log can grow on.
    ///
    /// # Errors
    /// [`ProofError::Missing`].
    pub fn frontier_at(&mut self, size: u64) -> Result<Frontier, ProofError> {
        let mut hashes = Vec::new();
        let mut before = 0;
        for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
            let index = before >> level;
            hashes.push(self.node(level, index).ok_or(ProofError::Missing { level, index })?);
            before += 1 << level;
        }
        Frontier::from_parts(size, hashes).ok_or(ProofError::Missing { level: 0, index: 0 })
    }

    fn tile(&mut self, level: u8, index: u64) -> Option<&[u8]> {
        if !self.cache.contains_key(&(level, index)) {
            let bytes = (self.source)(level, index)?;
            if self.cache.len() >= CACHED_TILES_MAX {
                self.cache.clear();
                self.nodes.clear();
            }
            self.cache.insert((level, index), bytes);
        }
        self.cache.get(&(level, index)).map(Vec::as_slice)
    }
}

/// An entry bundle: each entry behind its length, two bytes, big-endian. `None` when an entry is
/// longer than that can say; no leaf is ([`crate::block::LEAF_BYTES_MAX`]).
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle of exactly `width` entries; `None` when it holds fewer, more, or ends
/// within one.
pub fn entries(bundle: &[u8], width: u16) -> Option<Vec<&[u8]>> {
    let mut rest = bundle;
    let mut entries = Vec::with_capacity(usize::from(width.min(TILE_WIDTH)));
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        rest = after;
    }
    rest.is_empty().then_some(entries)
}

/// A decimal number without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    if plain && digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{leaf_hash, verify_consistency, verify_inclusion};
    use alloc::vec;

    /// A store as the node keeps it: one growing value for each tile.
    #[derive(Default)]
    struct Store {
        tiles: BTreeMap<(u8, u64), Vec<u8>>,
        frontier: Frontier,
    }

    impl Store {
        fn append(&mut self, count: u64) {
            let first = self.frontier.size();
            let leaves: Vec<Digest> = (first..first + count).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            for part in append(&mut self.frontier, &leaves) {
                let tile = self.tiles.entry((part.level, part.index)).or_default();
                assert_eq!(tile.len(), usize::from(part.column) * 32, "parts join without a gap");
                part.hashes.iter().for_each(|hash| tile.extend_from_slice(&hash.0));
            }
        }

        fn reader(&self) -> TileReader<impl FnMut(u8, u64) -> Option<Vec<u8>>> {
            TileReader::new(|level, index| self.tiles.get(&(level, index)).cloned())
        }
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        for (tile, path) in [
            (Tile { level: 0, index: 1_234_067, width: 256 }, "tile/0/x001/x234/067"),
            (Tile { level: 0, index: 0, width: 256 }, "tile/0/000"),
            (Tile { level: 0, index: 273, width: 112 }, "tile/0/273.p/112"),
            (Tile { level: 1, index: 1, width: 17 }, "tile/1/001.p/17"),
            (Tile { level: 2, index: 0, width: 1 }, "tile/2/000.p/1"),
            (Tile { level: 0, index: 1000, width: 255 }, "tile/0/x001/000.p/255"),
        ] {
            assert_eq!(Resource::Hashes(tile).path(), path);
            assert_eq!(Resource::parse(path), Some(Resource::Hashes(tile)));
        }
        let entries = Resource::Entries(Tile { level: 0, index: 5, width: 3 });
        assert_eq!(Resource::parse("tile/entries/005.p/3"), Some(entries));
        assert_eq!(entries.path(), "tile/entries/005.p/3");
        for wrong in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/00/000",
            "tile/64/000",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/+01",
            "tile/-1/000",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/data/000",
        ] {
            assert_eq!(Resource::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tree_of_seventy_thousand_has_the_tiles_the_specification_counts() {
        let tiles = grown(0, 70_000);
        let count = |level, full: bool| {
            tiles.iter().filter(|tile| tile.level == level && (tile.width == 256) == full).count()
        };
        assert_eq!((count(0, true), count(0, false)), (273, 1));
        assert_eq!((count(1, true), count(1, false)), (1, 1));
        assert_eq!((count(2, true), count(2, false)), (0, 1));
        assert!(tiles.contains(&Tile { level: 0, index: 273, width: 112 }));
        assert!(tiles.contains(&Tile { level: 1, index: 1, width: 17 }));
        assert!(tiles.contains(&Tile { level: 2, index: 0, width: 1 }));
        let tiles = grown(0, 256);
        assert_eq!(tiles, [Tile { level: 0, index: 0, width: 256 }, Tile { level: 1, index: 0, width: 1 },]);
        assert_eq!(grown(256, 256), []);
        assert_eq!(grown(256, 257), [Tile { level: 0, index: 1, width: 1 }]);
        assert_eq!(Tile::width_at(7, u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn a_log_grown_in_uneven_steps_writes_only_what_grew_and_proves_everything() {
        let mut store = Store::default();
        let mut roots = vec![(0, Frontier::new().root())];
        for step in [1, 2, 252, 1, 1, 255, 300, 700, 64_088, 1, 1536] {
            let before = store.frontier.size();
            let mut trial = store.frontier.clone();
            let leaves: Vec<Digest> = (before..before + step).map(|i| leaf_hash(&i.to_le_bytes())).collect();
            let written: Vec<(u8, u64)> =
                append(&mut trial, &leaves).iter().map(|part| (part.level, part.index)).collect();
            store.append(step);
            let named: Vec<(u8, u64)> =
                grown(before, store.frontier.size()).iter().map(|tile| (tile.level, tile.index)).collect();
            assert_eq!(written, named);
            roots.push((store.frontier.size(), store.frontier.root()));
        }
        let (size, root) = roots[roots.len() - 1];
        for ((level, index), bytes) in &store.tiles {
            assert_eq!(bytes.len(), usize::from(Tile::width_at(*level, *index, size)) * 32);
        }
        let mut reader = store.reader();
        for (old, old_root) in &roots {
            // Every earlier tree is still there: its partial tiles are prefixes of today's.
            assert_eq!(reader.root_at(*old), Ok(*old_root));
            assert_eq!(reader.frontier_at(*old).unwrap().root(), *old_root);
            let path = reader.consistency_proof(*old, size).unwrap();
            assert_eq!(verify_consistency(*old, old_root, size, &root, &path), Ok(()));
        }
        for index in (0..size).step_by(997).chain([0, 255, 256, 65_535, 65_536, size - 1]) {
            let path = reader.inclusion_proof(index, size).unwrap();
            let leaf = leaf_hash(&index.to_le_bytes());
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        }
    }

    #[test]
    fn a_tile_cut_short_is_missed_and_not_read_past_its_end() {
        let mut store = Store::default();
        store.append(300);
        store.tiles.insert((0, 1), vec![0; 40 * 32 + 7]);
        let mut reader = store.reader();
        let refusal = reader.inclusion_proof(299, 300).unwrap_err();
        assert!(matches!(refusal, ProofError::Missing { .. }), "{refusal}");
        assert_eq!(reader.node(63, u64::MAX), None);
    }

    #[test]
    fn a_bundle_with_a_spare_or_a_missing_entry_is_refused() {
        let leaves: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = bundle(leaves).unwrap();
        assert_eq!(bytes, b"\0\x03one\0\0\0\x05three");
        assert_eq!(entries(&bytes, 3).unwrap(), leaves);
        assert_eq!(entries(&bytes, 2), None);
        assert_eq!(entries(&bytes, 4), None);
        assert_eq!(entries(&bytes[..bytes.len() - 1], 3), None);
        assert_eq!(bundle([[0u8; 65_536].as_slice()]), None);
    }
}
