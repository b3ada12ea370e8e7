//! Where the world's epoch starts: its validators and the block before its first.

use ledger::block::{BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, View};
use ledger::certificate::{Validator, ValidatorSet};
use ledger::digest::Digest;
use ledger::entity::{Name, OrgNumber};
use ledger::signature::PublicKey;
use ledger::time::Timestamp;

use super::BEGINNING_MS;

/// Validators whose keys nobody needs, because nobody signs.
pub(crate) fn validator_set(validators: u16) -> ValidatorSet {
    let seat = |index: u16| {
        let key = |kind: u8| {
            PublicKey([kind, index as u8, (index >> 8) as u8].repeat(11)[..32].try_into().unwrap())
        };
        Validator {
            entity: OrgNumber::new(org_number(index)).unwrap(),
            name: Name::new(format!("v{index}.example")).unwrap(),
            vote_key: key(1),
            cosign_key: key(2),
            peer_key: key(3),
            governance_key: key(4),
        }
    };
    ValidatorSet { epoch: Epoch(3), validators: (0..validators).map(seat).collect() }
}

/// The n-th organisation number with a right check digit.
fn org_number(n: u16) -> u32 {
    let valid = (900_000_000..).filter(|number| OrgNumber::new(*number).is_ok());
    valid.into_iter().nth(usize::from(n)).unwrap()
}

/// The block that the world's epoch starts from; neither its height nor its view is zero.
pub(crate) fn genesis() -> Header {
    Header {
        version: PROTOCOL_VERSION,
        chain: Digest([0xc4; 32]),
        epoch: Epoch(2),
        view: View(77),
        height: Height(40),
        parent_view: View(76),
        parent: BlockHash::default(),
        proposer: 0,
        time: Timestamp(BEGINNING_MS - 1000),
        payload: Digest::default(),
        log_size: 0,
        log_root: Digest::default(),
        state_root: Digest([0x90; 32]),
    }
}
