//! Handoffs kept between runs, in a file beside the checkpoint seen last: without them a checkpoint of
//! later validators could not be believed when it is read back.
//!
//! Invariant: what is read is believed only as far as each set proves the next.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ledger::checkpoint::Trust;
use ledger::codec;
use ledger::handoff::Handoff;

use crate::archive::replace;
use crate::seen::SeenError;

/// The file of handoffs beside the file of what was seen.
fn beside(seen: &Path) -> PathBuf {
    let mut name = seen.as_os_str().to_os_string();
    name.push(".handoffs");
    name.into()
}

/// Lets the trust follow the handoffs kept; says which file keeps them. It need not exist yet.
///
/// # Errors
/// [`SeenError`].
pub(crate) fn read(seen: &Path, trust: &mut Trust) -> Result<PathBuf, SeenError> {
    let path = beside(seen);
    let malformed = |reason: String| SeenError::Malformed { path: path.clone(), reason };
    match fs::read(&path) {
        Ok(bytes) => {
            let handoffs: Vec<Handoff> = codec::decode(&bytes, codec::ENCODED_BYTES_MAX)
                .map_err(|error| malformed(error.to_string()))?;
            for handoff in &handoffs {
                trust.extend(handoff).map_err(|error| malformed(error.to_string()))?;
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(source) => return Err(SeenError::Io { path, source }),
    }
    Ok(path)
}

/// Keeps all handoffs from genesis on, unless somebody else kept as many meanwhile.
///
/// # Errors
/// [`SeenError::Io`].
pub(crate) fn write(path: &Path, handoffs: &[Handoff]) -> Result<(), SeenError> {
    let kept = fs::read(path).ok();
    let kept = kept.and_then(|bytes| codec::decode::<Vec<Handoff>>(&bytes, codec::ENCODED_BYTES_MAX).ok());
    if kept.is_some_and(|kept| kept.len() >= handoffs.len()) {
        return Ok(());
    }
    let bytes = codec::encode::<Vec<Handoff>>(&handoffs.to_vec());
    replace(path, &bytes).map_err(|source| SeenError::Io { path: path.into(), source })
}
