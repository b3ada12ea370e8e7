//! Who may connect, and under which number: seats, those whose seat or peer key ended with an earlier
//! epoch, and whom the configuration admits.
//!
//! Numbers below n are the seats of the set. From n on come guests, who are sent everything that is
//! sent to all and may ask for it again, but whose votes are nobody's. A former validator stays a
//! guest, because one that slept over the end of its seat can learn of it only from the others.
//!
//! Invariant: no peer key stands twice, and at most [`FORMER_MAX`] stand there for what they once were.

use std::collections::BTreeSet;

use ledger::block::Epoch;
use ledger::certificate::{Validator, ValidatorSet};
use ledger::checkpoint::Trust;
use ledger::signature::PublicKey;
use libp2p::Multiaddr;

use crate::config::Addresses;
use crate::network::Member;

/// Former peer keys that are admitted, those of the latest epochs first: decades of a committee that
/// changes a few seats a year, and connections that a node can bear if all come at once.
pub const FORMER_MAX: usize = 256;

/// The sets of the epochs before this one, the latest first.
pub fn earlier(trust: &Trust, epoch: Epoch) -> impl Iterator<Item = &ValidatorSet> {
    trust.terms().iter().rev().map(|term| term.validators()).filter(move |set| set.epoch < epoch)
}

/// The members of the network in an epoch, in order of number. `earlier` are the sets before it, the
/// latest first.
pub fn members<'a>(
    addresses: &Addresses,
    set: &ValidatorSet,
    earlier: impl IntoIterator<Item = &'a ValidatorSet>,
) -> Vec<Member> {
    let of_seat = |validator: &Validator| {
        let named = addresses.validators.get(validator.name.as_str());
        // One that joined since the file was written stands there by its key.
        let admitted = addresses.others.get(&validator.peer_key);
        (validator.peer_key, named.or(admitted).cloned().unwrap_or_default())
    };
    let mut known: BTreeSet<PublicKey> = BTreeSet::new();
    let mut all: Vec<(PublicKey, Vec<Multiaddr>)> =
        set.validators.iter().map(of_seat).filter(|(key, _)| known.insert(*key)).collect();
    let former = earlier.into_iter().flat_map(|before| &before.validators).map(of_seat);
    all.extend(former.filter(|(key, _)| known.insert(*key)).take(FORMER_MAX));
    // One that the configuration admits is not among the former that may be too many.
    let others = addresses.others.iter().map(|(key, addresses)| (*key, addresses.clone()));
    all.extend(others.filter(|(key, _)| all.iter().all(|(admitted, _)| admitted != key)).collect::<Vec<_>>());
    (0..=u16::MAX).zip(all).map(|(index, (key, addresses))| Member { index, key, addresses }).collect()
}

#[cfg(test)]
mod tests {
    use ledger::block::Epoch;
    use ledger::entity::{Name, OrgNumber};

    use super::*;

    fn validator(number: u8, peer: u8) -> Validator {
        Validator {
            entity: OrgNumber::new(964_965_226).unwrap(),
            name: Name::new(format!("v{number}.example/v1")).unwrap(),
            vote_key: PublicKey([number; 32]),
            cosign_key: PublicKey([number; 32]),
            peer_key: PublicKey([peer; 32]),
            governance_key: PublicKey([number; 32]),
        }
    }

    fn address(port: u16) -> Vec<Multiaddr> {
        vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()]
    }

    #[test]
    fn a_validator_of_any_earlier_epoch_is_a_guest_until_too_many_came_after_it() {
        let set = |epoch: u64, peers: [u8; 4]| ValidatorSet {
            epoch: Epoch(epoch),
            validators: (0..).zip(peers).map(|(number, peer)| validator(number, peer)).collect(),
        };
        let sets =
            [set(3, [0, 1, 2, 33]), set(2, [0, 1, 2, 23]), set(1, [0, 1, 2, 3]), set(0, [90, 1, 2, 3])];
        let keys = |members: Vec<Member>| members.iter().map(|m| m.key.0[0]).collect::<Vec<_>>();
        let admitted = members(&Addresses::default(), &sets[0], &sets[1..]);
        assert_eq!(keys(admitted), [0, 1, 2, 33, 23, 3, 90]);

        let many: Vec<ValidatorSet> = (0..=u8::MAX)
            .map(|epoch| ValidatorSet {
                epoch: Epoch(u64::from(epoch)),
                validators: (0..2)
                    .map(|half| Validator {
                        peer_key: PublicKey([half, epoch].repeat(16).try_into().unwrap()),
                        ..validator(0, 0)
                    })
                    .collect(),
            })
            .collect();
        let others = [(PublicKey([0; 32]), address(9))].into();
        let addresses = Addresses { others, ..Addresses::default() };
        let (now, before) = many.split_last().unwrap();
        let admitted = members(&addresses, now, before.iter().rev());
        assert_eq!(admitted.len(), 2 + FORMER_MAX + 1);
        assert_eq!(
            admitted.last().unwrap().addresses,
            address(9),
            "the configuration admits it all the same"
        );
        let oldest = &many[many.len() - 1 - FORMER_MAX / 2].validators[1].peer_key;
        assert!(admitted.iter().any(|member| member.key == *oldest));
        assert!(admitted.iter().all(|member| member.key != many[1].validators[1].peer_key));
    }

    #[test]
    fn seats_come_first_then_those_who_left_or_changed_their_key_then_others() {
        let addresses = Addresses {
            validators: [
                ("v1.example/v1".to_string(), address(1)),
                ("v3.example/v1".to_string(), address(3)),
            ]
            .into(),
            others: [(PublicKey([5; 32]), address(5)), (PublicKey([9; 32]), Vec::new())].into(),
        };
        let before = ValidatorSet {
            epoch: Epoch(0),
            validators: (0..4).map(|number| validator(number, number)).collect(),
        };
        // 1 left, 2 changed its key, 5 joined.
        let set = ValidatorSet {
            epoch: Epoch(1),
            validators: vec![validator(0, 0), validator(2, 22), validator(3, 3), validator(5, 5)],
        };
        let members = members(&addresses, &set, Some(&before));
        let told: Vec<_> = members.iter().map(|m| (m.index, m.key.0[0], m.addresses.clone())).collect();
        let expected = [
            (0, 0, vec![]),
            (1, 22, vec![]),
            (2, 3, address(3)),
            (3, 5, address(5)),
            (4, 1, address(1)),
            (5, 2, vec![]),
            (6, 9, vec![]),
        ];
        assert_eq!(told, expected);
    }
}
