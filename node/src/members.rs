//! Who may connect, and under which number: seats, those whose seat or peer key ended with the last
//! epoch, and whom the configuration admits.
//!
//! Numbers below n are the seats of the set. From n on come guests, who are sent everything that is
//! sent to all and may ask for it again, but whose votes are nobody's.
//!
//! Invariant: no peer key stands twice.

use std::collections::BTreeSet;

use ledger::certificate::{Validator, ValidatorSet};
use ledger::signature::PublicKey;
use libp2p::Multiaddr;

use crate::config::Addresses;
use crate::network::Member;

/// The members of the network in an epoch, in order of number.
pub fn members(addresses: &Addresses, set: &ValidatorSet, before: Option<&ValidatorSet>) -> Vec<Member> {
    let of_seat = |validator: &Validator| {
        let named = addresses.validators.get(validator.name.as_str());
        // One that joined since the file was written stands there by its key.
        let admitted = addresses.others.get(&validator.peer_key);
        (validator.peer_key, named.or(admitted).cloned().unwrap_or_default())
    };
    let seats = set.validators.iter().map(of_seat);
    let former = before.into_iter().flat_map(|before| &before.validators).map(of_seat);
    let others = addresses.others.iter().map(|(key, addresses)| (*key, addresses.clone()));
    let mut known: BTreeSet<PublicKey> = BTreeSet::new();
    let all: Vec<(PublicKey, Vec<Multiaddr>)> =
        seats.chain(former).chain(others).filter(|(key, _)| known.insert(*key)).collect();
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
