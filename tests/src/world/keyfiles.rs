//! A machine's key files, and beside each the signer's own memory: real files, for they are the node's
//! own code's. They lie apart from the simulated disk, as in a node they lie apart from its data
//! directory, so that either may be set back or lost without the other.
//!
//! Invariant: nothing that is random in these files decides what happens in a world.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::certificate::Validator;
use ledger::digest::Digest;
use node::keyring::Keyring;
use node::signer::Signers;
use node::watermark::Watermark;
use tempfile::TempDir;

use crate::chain::{node_keys, validator};

/// See the module.
pub(super) struct KeyFiles {
    folder: TempDir,
    place: usize,
    files: usize,
}

impl KeyFiles {
    /// The first file of the machine at this place.
    pub(super) fn new(place: usize) -> Self {
        // Thousands of worlds sync these files; what must survive here is a process only.
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let mut files = Self { folder: folder.expect("a folder for key files"), place, files: 0 };
        files.add();
        files
    }

    /// One more, for the term after the next change.
    pub(super) fn add(&mut self) {
        let path = self.path(self.files);
        node_keys(self.place, self.files).save(&path).expect("a key file can be written");
        self.files += 1;
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.files
    }

    /// The validator that the newest file makes.
    pub(super) fn newest(&self) -> Validator {
        validator(self.place, self.files - 1)
    }

    /// Every validator that these files make.
    pub(super) fn validators(&self) -> impl Iterator<Item = Validator> {
        (0..self.files).map(|file| validator(self.place, file))
    }

    /// The keys, to find seats by.
    pub(super) fn keyring(&self) -> Keyring {
        let keys = (0..self.files).map(|file| node_keys(self.place, file)).collect();
        Keyring::new(keys).expect("there is a first file")
    }

    /// The signers, as a node takes them at its start.
    pub(super) fn open(&self, chain: &Digest) -> Signers {
        let paths: Vec<PathBuf> = (0..self.files).map(|file| self.path(file)).collect();
        Signers::open(&paths, chain, self.folder.path()).expect("key files that nobody else holds")
    }

    /// The signers' memory is gone, and that it is gone shows.
    pub(super) fn lose_memory(&self) {
        for file in 0..self.files {
            fs::remove_file(Watermark::beside(&self.path(file))).expect("there was one");
        }
    }

    /// The signers' memory is replaced by that of keys which never signed.
    pub(super) fn forge_memory(&self) {
        self.lose_memory();
        for file in 0..self.files {
            let key = node_keys(self.place, file).vote_key();
            Watermark::found(&self.path(file), key).expect("it can be written");
        }
    }

    /// A copy of the signers' memory.
    pub(super) fn image(&self) -> Vec<Vec<u8>> {
        (0..self.files).map(|file| fs::read(Watermark::beside(&self.path(file))).expect("it reads")).collect()
    }

    /// Puts a copy back.
    pub(super) fn set_back(&self, image: &[Vec<u8>]) {
        for (file, bytes) in image.iter().enumerate() {
            fs::write(Watermark::beside(&self.path(file)), bytes).expect("it can be written");
        }
    }

    fn path(&self, file: usize) -> PathBuf {
        self.folder.path().join(format!("keys-{file}"))
    }
}
