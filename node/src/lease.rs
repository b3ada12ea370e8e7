//! Leases: at most one process of this machine works with a key file, or with a data directory.
//!
//! A lease is an advisory lock (`flock`) on a small file beside what it guards; the system lets go of
//! it when the process ends, however it ends, so no lease outlives its holder. The file's text says
//! who holds it, for the message that the next one gets. It leaves out other machines: a key copied
//! there is found out by what it signs ([`crate::signer`]).
//!
//! Invariant: while a [`Lease`] exists, no other process of this machine has one on the same file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;

/// The text names a process, a machine and a path; what is longer was not written by us.
const TEXT_BYTES_MAX: u64 = 8192;

/// Why a lease is not had.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody has it.
    #[error("{} is in use by {holder}; stop that one first, or give this node its own {what}", guarded.display())]
    Held {
        /// What is guarded.
        guarded: PathBuf,
        /// What the setting is called.
        what: &'static str,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The file cannot be made or locked.
    #[error("lease {}: {source}; check the path and its permissions", path.display())]
    File {
        /// The lease's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// See the module. Held until dropped.
#[derive(Debug)]
pub struct Lease {
    // Only held open: closing it lets go of the lock.
    _file: File,
}

impl Lease {
    /// Takes the lease whose file is `path` on `guarded`, which the configuration calls `what`;
    /// `purpose` tells the next one what it is held for.
    ///
    /// # Errors
    /// [`LeaseError`].
    pub fn take(path: &Path, guarded: &Path, what: &'static str, purpose: &str) -> Result<Self, LeaseError> {
        let failed = |source| LeaseError::File { path: path.to_path_buf(), source };
        let open = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) => {
                let guarded = guarded.to_path_buf();
                return Err(LeaseError::Held { guarded, what, holder: holder(&mut file) });
            }
        }
        let text = format!("process {} on {}, {purpose}\n", process::id(), machine());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(TEXT_BYTES_MAX).read_to_string(&mut text);
    match text.trim() {
        // Between its lock and its text there is a moment.
        holder if read.is_ok() && !holder.is_empty() => holder.to_string(),
        _ => "another process".to_string(),
    }
}

/// What this machine calls itself.
pub(crate) fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_string(),
        name => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_the_second_process_is_told_who_the_first_is_and_gets_in_when_that_one_has_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, guarded) = (directory.path().join("keys.lease"), directory.path().join("keys"));
        let take = || Lease::take(&path, &guarded, "keys", "data_dir /var/lib/first");
        let first = take().unwrap();
        let refused = take().unwrap_err().to_string();
        let holder = format!("is in use by process {} on {}", process::id(), machine());
        assert!(refused.contains(&holder), "{refused}");
        assert!(refused.contains("data_dir /var/lib/first") && refused.contains("its own keys"), "{refused}");
        drop(first);
        take().unwrap();
    }

    #[test]
    fn a_lease_in_a_place_that_does_not_exist_is_refused_with_the_place() {
        let path = Path::new("/nowhere/at/all/keys.lease");
        let refused = Lease::take(path, Path::new("/nowhere/at/all/keys"), "keys", "").unwrap_err();
        assert!(refused.to_string().starts_with("lease /nowhere/at/all/keys.lease: "), "{refused}");
    }
}
