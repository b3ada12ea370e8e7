//! Who is whose peer under which number, epoch by epoch, as `node::members` has it: a machine knows
//! the others by the set that is in force in its own books, so two machines may number a third
//! differently, or not admit each other at all.
//!
//! Invariant: what arrives bears the number that its receiver knows the sender by.

use ledger::block::Epoch;
use ledger::certificate::ValidatorSet;
use ledger::signature::PublicKey;
use node::config::Addresses;
use node::keys::Keys;
use node::members::members;

use super::{Packet, World};

impl World {
    /// The number that a machine knows another by, if it admits it.
    pub(super) fn number(&self, at: usize, other: usize) -> Option<u16> {
        let key = self.machines[other].peer_key;
        let place = self.machines[at].members.iter().position(|member| *member == key)?;
        u16::try_from(place).ok()
    }

    pub(super) fn broadcast(&mut self, at: usize, packet: &Packet) {
        for to in 0..self.machines.len() {
            if self.machines[to].place != self.machines[at].place {
                self.transmit(at, to, packet.clone());
            }
        }
    }

    /// To whoever has this number here; a twin has the same.
    pub(super) fn send_to_number(&mut self, at: usize, number: u16, packet: &Packet) {
        for to in 0..self.machines.len() {
            if to != at && self.number(at, to) == Some(number) {
                self.transmit(at, to, packet.clone());
            }
        }
    }

    /// Whoever keeps its word blames nobody who does.
    pub(super) fn blamed(&mut self, at: usize, number: u16, what: &str) {
        if !self.machines[at].character.keeps_its_word() {
            return;
        }
        let named = |to: &usize| *to != at && self.number(at, *to) == Some(number);
        let named: Vec<usize> = (0..self.machines.len()).filter(named).collect();
        // What was damaged on the way seems to be its sender's.
        let guilty = named
            .iter()
            .any(|to| !self.machines[*to].character.keeps_its_word() || self.scratched.contains(to));
        // A number that nobody has any more, since the epoch went on, names nobody.
        assert!(guilty || named.is_empty(), "#{at} blames {named:?}, who keep their word, for {what}");
        self.figures.blamed += 1;
    }

    /// Moves to the members of the epoch that the machine's books are in.
    pub(super) fn admit(&mut self, at: usize) {
        let Some(validator) = &self.machines[at].validator else { return };
        let mut newest = validator.trust().terms().iter().rev().map(|term| term.validators());
        let Some(set) = newest.next() else { return };
        let before = newest.next();
        let admitted = self.machines.iter().flat_map(|machine| machine.files.validators());
        let others = admitted.map(|validator| (validator.peer_key, Vec::new())).collect();
        let addresses = Addresses { others, ..Addresses::default() };
        let keys = members(&addresses, set, before).into_iter().map(|member| member.key).collect();
        let peer_key = self.machines[at].keyring.for_network(set, before).peer_key();
        let machine = &mut self.machines[at];
        (machine.members, machine.peer_key) = (keys, peer_key);
    }

    /// The seat that a machine has in an epoch it knows of, and the keys that hold it.
    pub(super) fn seat_in(&self, at: usize, epoch: Epoch) -> Option<(u16, &Keys)> {
        let machine = &self.machines[at];
        let terms = machine.validator.as_ref()?.trust().terms();
        let set = terms.iter().rev().map(|term| term.validators()).find(|set| set.epoch == epoch)?;
        machine.keyring.seat(set)
    }

    /// The newest set that a machine has, or had, a seat in, and the seat; of one that never had, the
    /// first set and a seat that is not its own.
    pub(super) fn voice(&self, at: usize) -> (ValidatorSet, u16) {
        let machine = &self.machines[at];
        let terms = machine.validator.iter().flat_map(|validator| validator.trust().terms());
        let sets: Vec<&ValidatorSet> = terms.map(|term| term.validators()).collect();
        let seat = |set: &&ValidatorSet| Some(((*set).clone(), machine.keyring.seat(set)?.0));
        let none = || (self.chain.trust.validators().clone(), machine.place as u16);
        sets.iter().rev().find_map(seat).unwrap_or_else(none)
    }

    /// Whether a machine's newest key file holds a seat of a set.
    pub(super) fn sits_in(&self, at: usize, set: &ValidatorSet) -> bool {
        let key: PublicKey = self.machines[at].files.newest().vote_key;
        set.validators.iter().any(|seat| seat.vote_key == key)
    }
}
