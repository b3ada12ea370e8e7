//! What goes over the links of a world: bytes, as between nodes, and what a node makes of them.

use std::sync::Arc;

use consensus::event::{Message, To};
use ledger::block::{Block, Height};
use ledger::codec;
use ledger::finality::FinalizedBlock;
use node::cosigning::Cosignature;
use node::validator::Event;

use super::{Happening, Packet, World};

/// Final blocks in one answer: fewer than the node sends, so that catching up takes several.
const ANSWER_BLOCKS_MAX: usize = 7;
/// Length limit for what crosses a link here.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// About what a request, a frame or a note that somebody is there takes.
const SMALL_BYTES: usize = 64;

impl Packet {
    fn bytes(&self) -> usize {
        let body = match self {
            Self::Message(bytes) => bytes.len(),
            Self::Transactions(all) | Self::Blocks(all) => all.iter().map(Vec::len).sum(),
            Self::Cosignatures(all) => all.len() * size_of::<Cosignature>(),
            Self::Block(block) => block.as_ref().map_or(0, |bytes| bytes.len()),
            Self::AskBlock(_) | Self::AskBlocks(_) | Self::Unanswered | Self::Connected => 0,
        };
        SMALL_BYTES + body
    }
}

impl World {
    pub(super) fn send(&mut self, at: usize, to: To, message: &Message) {
        if let Message::Proposal { block, vote, .. } = message {
            let own = self.machines[at].disk.statements().contains(&(vote.epoch, vote.statement));
            assert!(own, "#{at} proposes {:?} before its own vote is durable", block.header.hash());
        }
        let bytes: Arc<[u8]> = codec::encode(message).into();
        if self.heard.len() == super::HEARD_MAX {
            self.heard.swap_remove(self.random.index(super::HEARD_MAX));
        }
        self.heard.push(Arc::clone(&bytes));
        let packet = Packet::Message(bytes);
        match to {
            To::All => self.broadcast(at, &packet),
            To::One(number) => self.send_to_number(at, number, &packet),
        }
    }

    /// What a machine sends leaves it, unless its character has other plans.
    pub(super) fn transmit(&mut self, from: usize, to: usize, packet: Packet) {
        if self.machines[from].unspread && matches!(packet, Packet::Transactions(_)) {
            self.figures.unspread += 1;
            return;
        }
        for (wait_ms, packet) in self.twisted(from, to, packet) {
            self.dispatch(from, to, packet, wait_ms);
        }
    }

    pub(super) fn dispatch(&mut self, from: usize, to: usize, packet: Packet, wait_ms: u64) {
        let passage = self.weather.passage(&mut self.random, self.now, (from, to), packet.bytes());
        let asks = matches!(packet, Packet::AskBlock(_) | Packet::AskBlocks(_));
        if passage.arrivals.is_empty() {
            self.figures.lost += 1;
            // A link that breaks is noticed now and then; else the request's own timer must do.
            if asks && self.random.permille(500) {
                let wait = self.random.between(1, 200);
                self.later(wait, Happening::Packet { from: to, to: from, packet: Packet::Unanswered });
            }
            return;
        }
        let packet = match passage.damaged {
            true => {
                self.scratched.insert(from);
                self.damaged(packet)
            }
            false => packet,
        };
        for arrival in passage.arrivals {
            let happening = Happening::Packet { from, to, packet: packet.clone() };
            self.later(wait_ms + arrival, happening);
        }
    }

    /// The same packet with a byte changed, cut off or added, as a hostile peer may send it.
    fn damaged(&mut self, packet: Packet) -> Packet {
        self.figures.damaged += 1;
        match packet {
            Packet::Message(bytes) => Packet::Message(self.scratch(&bytes).into()),
            Packet::Block(Some(bytes)) => Packet::Block(Some(self.scratch(&bytes).into())),
            Packet::Transactions(all) => {
                Packet::Transactions(Arc::new(all.iter().map(|bytes| self.scratch(bytes)).collect()))
            }
            Packet::Blocks(blocks) => {
                let mut blocks = Vec::clone(&blocks);
                let place = self.random.index(blocks.len());
                if let Some(block) = blocks.get_mut(place) {
                    *block = self.scratch(block);
                }
                Packet::Blocks(Arc::new(blocks))
            }
            Packet::Cosignatures(mut all) => {
                if let Some(first) = all.first_mut() {
                    first.size = self.random.next();
                }
                Packet::Cosignatures(all)
            }
            other => other,
        }
    }

    pub(super) fn scratch(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let place = self.random.index(bytes.len());
        match self.random.below(4) {
            0 => bytes.truncate(place),
            1 => bytes.insert(place, self.random.next() as u8),
            _ => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
        }
        bytes
    }

    pub(super) fn on_packet(&mut self, from: usize, to: usize, packet: Packet) {
        if self.machines[to].validator.is_none() {
            if matches!(packet, Packet::AskBlock(_) | Packet::AskBlocks(_)) && self.random.permille(500) {
                self.transmit(to, from, Packet::Unanswered);
            }
            return;
        }
        // Both ends must admit one another; whoever does not hears nothing.
        let (Some(number), Some(_)) = (self.number(to, from), self.number(from, to)) else { return };
        self.figures.delivered += 1;
        self.note(&[11, from as u64, to as u64]);
        let machine = &mut self.machines[to];
        let event = match packet {
            Packet::Message(bytes) => {
                let Ok(message) = codec::decode::<Message>(&bytes, MESSAGE_BYTES_MAX) else { return };
                let Ok(event) = machine.intake.message(number, message) else { return };
                event
            }
            Packet::Transactions(all) => {
                let (verified, _) = machine.intake.spread(Vec::clone(&all));
                Event::Spread(verified)
            }
            Packet::Cosignatures(all) => Event::Cosignatures(all),
            Packet::AskBlock(hash) => {
                let block = machine.disk.block(&hash).map(|block| codec::encode(&block).into());
                return self.transmit(to, from, Packet::Block(block));
            }
            Packet::AskBlocks(height) => return self.answer_stretch(to, from, height),
            Packet::Block(bytes) => {
                let block = bytes.and_then(|bytes| codec::decode::<Block>(&bytes, MESSAGE_BYTES_MAX).ok());
                match block.map(|block| machine.intake.block(block)) {
                    Some(Ok(block)) => Event::Block(block),
                    Some(Err(_)) => Event::Broke { from: number, what: "a block whose body does not verify" },
                    None => Event::Unanswered { from: number },
                }
            }
            Packet::Blocks(blocks) => {
                let read = |bytes: &Vec<u8>| codec::decode::<FinalizedBlock>(bytes, MESSAGE_BYTES_MAX).ok();
                match blocks.iter().map(read).collect::<Option<Vec<_>>>() {
                    Some(blocks) => {
                        let events = machine.intake.stretch(number, blocks);
                        self.machines[to].inbox.extend(events);
                        return self.schedule_turn(to);
                    }
                    None => Event::Unanswered { from: number },
                }
            }
            Packet::Unanswered => Event::Unanswered { from: number },
            Packet::Connected => Event::Connected(number),
        };
        self.machines[to].inbox.push_back(event);
        self.schedule_turn(to);
    }

    fn answer_stretch(&mut self, at: usize, to: usize, height: Height) {
        let stretch = self.machines[at].disk.stretch(height, ANSWER_BLOCKS_MAX);
        let stretch = stretch.iter().map(codec::encode).collect();
        self.transmit(at, to, Packet::Blocks(Arc::new(stretch)));
    }
}
