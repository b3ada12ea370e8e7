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
use libp2p::identity::Keypair;

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

    /// The keys whose peer key the others know us by: those of our seat, or of the last seat that we had
    /// in an earlier set, or the first. `earlier` begins with the latest.
    pub fn for_network<'a>(
        &self,
        set: &ValidatorSet,
        earlier: impl IntoIterator<Item = &'a ValidatorSet>,
    ) -> &Keys {
        let before = || earlier.into_iter().find_map(|set| self.seat(set));
        self.seat(set).or_else(before).map_or(&self.0[0], |(_, keys)| keys)
    }

    /// Who we may be on the network: first the keys of [`Keyring::for_network`], then the others in the
    /// order of their files. A node that slept does not know which of its keys the others know by now.
    pub fn peer_keypairs<'a>(
        &self,
        set: &ValidatorSet,
        earlier: impl IntoIterator<Item = &'a ValidatorSet>,
    ) -> Vec<Keypair> {
        let first = self.for_network(set, earlier);
        let others = self.0.iter().filter(|keys| keys.peer_key() != first.peer_key());
        [first].into_iter().chain(others).map(Keys::peer_keypair).collect()
    }
}

#[cfg(test)]
mod tests {
    use ledger::block::Epoch;
    use ledger::certificate::Validator;
    use ledger::entity::{Name, OrgNumber};

    use super::*;

    fn set(epoch: u64, keys: &Keys) -> ValidatorSet {
        let seat = Validator {
            entity: OrgNumber::new(964_965_226).unwrap(),
            name: Name::new("stavanger.example/v1".to_string()).unwrap(),
            vote_key: keys.vote_key(),
            cosign_key: keys.cosign_key(),
            peer_key: keys.peer_key(),
            governance_key: PublicKey([1; 32]),
        };
        ValidatorSet { epoch: Epoch(epoch), validators: vec![seat] }
    }

    #[test]
    fn the_others_know_us_by_the_keys_of_our_last_seat_however_long_ago() {
        let [spare, old, new, foreign] = [(); 4].map(|()| Keys::generate().unwrap());
        let sets = [set(3, &foreign), set(2, &foreign), set(1, &new), set(0, &old)];
        let known = [&spare, &old, &new].map(Keys::peer_key);
        let keyring = Keyring::new(vec![spare, old, new]).unwrap();
        let name = |from: usize| keyring.for_network(&sets[from], &sets[from + 1..]).peer_key();
        assert_eq!([name(0), name(1), name(2), name(3)], [known[2], known[2], known[2], known[1]]);
        assert_eq!(
            keyring.for_network(&sets[0], &sets[1..2]).peer_key(),
            known[0],
            "no seat: the first file"
        );
        let tried = keyring.peer_keypairs(&sets[0], &sets[1..]);
        let tried: Vec<_> = tried.iter().map(|k| k.public().try_into_ed25519().unwrap().to_bytes()).collect();
        assert_eq!(tried, [known[2].0, known[0].0, known[1].0]);
    }
}
