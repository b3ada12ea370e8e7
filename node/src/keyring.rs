//! The keys that a node holds: one file for each term in which it votes or will vote.
//!
//! A validator that changes its keys puts the new file beside the old one before the change is
//! booked; the node then goes on with the new ones from the first block of the new epoch. Which keys
//! are whose is for the validator set to say.
//!
//! Invariant: there is at least one key file, because a follower too needs a name on the network.

use std::path::PathBuf;

use ledger::certificate::ValidatorSet;
use ledger::signature::PublicKey;

use crate::keys::{Keys, KeysError};

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The configuration names no key file.
    #[error("no key file is named; set keys in the configuration to what hovedbok-node keygen wrote")]
    None,
    /// A key file.
    #[error(transparent)]
    Keys(#[from] KeysError),
}

/// See the module.
#[derive(Debug)]
pub struct Keyring(Vec<Keys>);

impl Keyring {
    /// Reads the key files, in their order.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn load(paths: &[PathBuf]) -> Result<Self, KeyringError> {
        let keys: Vec<Keys> = paths.iter().map(|path| Keys::load(path)).collect::<Result<_, _>>()?;
        Self::new(keys).ok_or(KeyringError::None)
    }

    /// Keys in order of preference; `None` without any.
    pub fn new(keys: Vec<Keys>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The vote keys, by which the node finds its seat.
    pub fn vote_keys(&self) -> Vec<PublicKey> {
        self.0.iter().map(Keys::vote_key).collect()
    }

    /// Our seat in a set, and the keys that hold it. Keys of which only some are the seat's hold none.
    pub fn seat(&self, set: &ValidatorSet) -> Option<(u16, &Keys)> {
        let seats = (0..).zip(&set.validators);
        seats.into_iter().find_map(|(index, seat)| {
            let held = |keys: &&Keys| {
                (keys.vote_key(), keys.cosign_key(), keys.peer_key())
                    == (seat.vote_key, seat.cosign_key, seat.peer_key)
            };
            Some((index, self.0.iter().find(held)?))
        })
    }

    /// The keys whose peer key the others know us by: those of our seat, or of the seat that we had
    /// before, or the first.
    pub fn for_network(&self, set: &ValidatorSet, before: Option<&ValidatorSet>) -> &Keys {
        let sets = [Some(set), before].into_iter().flatten();
        sets.into_iter().find_map(|set| self.seat(set)).map_or(&self.0[0], |(_, keys)| keys)
    }
}
