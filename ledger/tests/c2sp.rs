//! Judges nobody here wrote: `signed_note` and `tlog_tiles` read our notes, checkpoints, tiles and
//! proofs, and we read theirs. Cosignatures they do not know; `specs/vectors/judge.py` has those judged
//! by another.
#![allow(clippy::unwrap_used)] // Helpers here are tests, too.

mod support;

use std::collections::HashMap;

use ledger::checkpoint::CertifiedCheckpoint;
use ledger::digest::Digest;
use ledger::note::{Kind, Note, VerifierKey};
use ledger::tiles::{Resource, Tile, TileReader, append, bundle, grown};
use ledger::tree::{Frontier, leaf_hash, verify_consistency, verify_inclusion};
use signed_note::{StandardVerifier, VerifierList};
use support::*;
use tlog_tiles::{Hash, HashReader, TileHashReader};

const HEIGHT: u8 = 8;

/// Tiles as we write them, under the paths that we give them.
struct OurTiles {
    files: HashMap<String, Vec<u8>>,
}

impl OurTiles {
    /// A log grown in uneven steps, with every partial tile of every step.
    fn grown(steps: &[u64]) -> (Self, Vec<(u64, Digest)>) {
        let mut whole: HashMap<(u8, u64), Vec<u8>> = HashMap::new();
        let mut files = HashMap::new();
        let mut frontier = Frontier::new();
        let mut roots = Vec::new();
        for step in steps {
            let first = frontier.size();
            let leaves: Vec<Digest> = (first..first + step).map(leaf).collect();
            for part in append(&mut frontier, &leaves) {
                let tile = whole.entry((part.level, part.index)).or_default();
                tile.extend(part.hashes.iter().flat_map(|hash| hash.0));
            }
            for tile in grown(first, frontier.size()) {
                let bytes = &whole[&(tile.level, tile.index)][..usize::from(tile.width) * 32];
                files.insert(Resource::Hashes(tile).path(), bytes.to_vec());
            }
            roots.push((frontier.size(), frontier.root()));
        }
        (Self { files }, roots)
    }

    fn reader(&self) -> TileReader<impl FnMut(u8, u64) -> Option<Vec<u8>>> {
        TileReader::new(|level, index| {
            let widths = (1..=256u16).rev();
            widths
                .map(|width| Resource::Hashes(Tile { level, index, width }).path())
                .find_map(|path| self.files.get(&path).cloned())
        })
    }
}

impl tlog_tiles::TileReader for OurTiles {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let missing = || tlog_tiles::Error::InvalidInput("no such tile".into());
        tiles.iter().map(|tile| self.files.get(&path_of(tile)).cloned().ok_or_else(missing)).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Their paths name the height, which `tlog-tiles` fixes at 8 and leaves out.
fn path_of(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1)
}

fn leaf(index: u64) -> Digest {
    leaf_hash(&index.to_be_bytes())
}

fn theirs(path: &[Digest]) -> Vec<Hash> {
    path.iter().map(|hash| Hash(hash.0)).collect()
}

fn ours(path: &[Hash]) -> Vec<Digest> {
    path.iter().map(|hash| Digest(hash.0)).collect()
}

const STEPS: [u64; 8] = [1, 6, 249, 1, 255, 800, 64_224, 4464];

#[test]
fn tlog_tiles_reads_a_log_of_seventy_thousand_from_our_tiles() {
    let (tiles, roots) = OurTiles::grown(&STEPS);
    let (size, root) = roots[roots.len() - 1];
    assert_eq!(size, 70_000);
    for (at, root) in &roots {
        let reader = TileHashReader::new(*at, Hash(root.0), &tiles);
        assert_eq!(tlog_tiles::tree_hash(*at, &reader).unwrap().0, root.0);
        // Each of their tiles stands under our path, and we name no other.
        let named: Vec<String> = tlog_tiles::Tile::new_tiles(HEIGHT, 0, *at).iter().map(path_of).collect();
        let mut own: Vec<String> = grown(0, *at).into_iter().map(|t| Resource::Hashes(t).path()).collect();
        own.sort();
        let mut sorted = named.clone();
        sorted.sort();
        assert_eq!(sorted, own);
    }
    let reader = TileHashReader::new(size, Hash(root.0), &tiles);
    let mut own = tiles.reader();
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let path = tlog_tiles::prove_record(size, index, &reader).unwrap();
        assert_eq!(own.inclusion_proof(index, size).unwrap(), ours(&path));
        let leaf = leaf(index);
        assert_eq!(verify_inclusion(&leaf, index, size, &ours(&path), &root), Ok(()));
        assert!(tlog_tiles::check_record(&path, size, Hash(root.0), index, Hash(leaf.0)).is_ok());
        assert!(reader.read_hashes(&[tlog_tiles::stored_hash_index(0, index)]).unwrap()[0].0 == leaf.0);
    }
    for (old, old_root) in &roots {
        let path = own.consistency_proof(*old, size).unwrap();
        let judged = tlog_tiles::check_tree(&theirs(&path), size, Hash(root.0), *old, Hash(old_root.0));
        assert!(judged.is_ok(), "{old}: {judged:?}");
        let path = tlog_tiles::prove_tree(size, *old, &reader).unwrap();
        assert_eq!(verify_consistency(*old, old_root, size, &root, &ours(&path)), Ok(()));
    }
}

#[test]
fn a_proof_from_a_tile_altered_on_disk_is_refused_by_both() {
    let (mut tiles, roots) = OurTiles::grown(&STEPS);
    let (size, root) = roots[roots.len() - 1];
    tiles.files.get_mut("tile/0/100").unwrap()[40] ^= 1;
    let path = tiles.reader().inclusion_proof(25_600, size).unwrap();
    let leaf = leaf(25_600);
    assert!(verify_inclusion(&leaf, 25_600, size, &path, &root).is_err());
    let judged = tlog_tiles::check_record(&theirs(&path), size, Hash(root.0), 25_600, Hash(leaf.0));
    assert!(judged.is_err());
    // Their reader is not asked to notice: version 0.2.0 leaves some tiles unauthenticated when
    // several of the root's parts lie in one tile. What a proof leads to decides.
}

#[test]
fn tlog_tiles_and_signed_note_read_our_certified_checkpoint() {
    let leaves = leaves();
    let certified = certify(checkpoint(&leaves), &[0, 1, 2]);
    let text = certified.to_text();
    let note = signed_note::Note::from_bytes(text.as_bytes()).unwrap();
    assert_eq!(note.to_bytes(), text.as_bytes());
    let read = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!((read.origin(), read.size(), read.extension()), (trust().origin(), 19, ""));
    assert_eq!(read.hash().0, certified.claimed().root.0);
    assert_eq!(read.to_bytes(), certified.claimed().to_text().as_bytes());
    for key in trust().keys() {
        let typed = [&[0x04], key.key().0.as_slice()].concat();
        assert_eq!(signed_note::key_id(key.name(), &typed).to_be_bytes(), key.id());
    }
    // And the entries below the tile, as anyone fetches them.
    let entries = bundle(leaves.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(ledger::tiles::entries(&entries, 19).unwrap(), leaves);
}

#[test]
fn signed_note_verifies_our_plain_signature_and_refuses_an_altered_text() {
    let key = VerifierKey::new("hovedbok.example/mirror", Kind::Ed25519, public(COSIGN)).unwrap();
    let text = checkpoint(&leaves()).to_text();
    let note = Note::new(text.clone(), vec![key.sign(&text, 0, &private(COSIGN))]).unwrap();
    let known = || VerifierList::new(vec![Box::new(StandardVerifier::new(&key.to_text()).unwrap())]);
    let read = signed_note::Note::from_bytes(note.to_text().as_bytes()).unwrap();
    let (verified, unverified) = read.verify(&known()).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let altered = note.to_text().replace("\n19\n", "\n20\n");
    assert!(signed_note::Note::from_bytes(altered.as_bytes()).unwrap().verify(&known()).is_err());
}

#[test]
fn what_signed_note_takes_for_malformed_we_do_too() {
    let good = certify(checkpoint(&leaves()), &[0, 1, 2]).to_text();
    let mut agreed = 0;
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let theirs = signed_note::Note::from_bytes(text.as_bytes()).is_ok();
        let ours = Note::parse(&text).is_ok();
        // We refuse at least what they refuse; never less.
        assert!(theirs || !ours, "byte {at}: {text}");
        agreed += usize::from(theirs == ours);
        assert!(CertifiedCheckpoint::parse(&text).and_then(|c| c.verify(&trust(), Some(NOW))).is_err());
    }
    assert!(agreed > good.len() / 2);
}
