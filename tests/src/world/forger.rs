//! What a forger makes of each message that leaves it, and what it invents.
//!
//! Invariant: everything is of the right form; only what it says is not so.

use std::sync::Arc;

use consensus::event::{Message, Status};
use ledger::block::{Block, BlockHash, Height, View};
use ledger::certificate::Statement;
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::time::Timestamp;

use super::adversary::said;
use super::{Packet, World};
use crate::random::Random;

/// Length limit for what a forger reads of its own.
const BLOCK_BYTES_MAX: usize = 4 << 20;

impl World {
    /// Something else in place of a packet.
    pub(super) fn forged(&mut self, at: usize, packet: Packet) -> Packet {
        match packet {
            Packet::Message(_) => match said(&packet).and_then(|message| self.forged_message(at, message)) {
                Some(message) => Packet::Message(codec::encode(&message).into()),
                None => packet,
            },
            Packet::Transactions(all) => {
                let changed = all.iter().map(|bytes| self.scratch(bytes)).collect();
                Packet::Transactions(Arc::new(changed))
            }
            Packet::Cosignatures(_) => Packet::Cosignatures(vec![self.odd_cosignature(at); 2]),
            Packet::Block(_) => Packet::Block(self.another_answer(at)),
            Packet::Blocks(blocks) => Packet::Blocks(Arc::new(self.another_stretch(at, &blocks))),
            other => other,
        }
    }

    fn forged_message(&mut self, at: usize, message: Message) -> Option<Message> {
        Some(match message {
            Message::Proposal { mut block, justification, .. } => {
                // The same block for everybody.
                let same = Random::new(self.seed ^ block.header.view.0);
                let dice = std::mem::replace(&mut self.random, same);
                self.spoil(&mut block);
                self.random = dice;
                let statement = Statement::Notarize { view: block.header.view, block: block.header.hash() };
                Message::Proposal { vote: self.signed(at, statement), block, justification }
            }
            Message::Vote(mut vote) => {
                // Another's name under our signature, or ours under nothing.
                match self.random.below(2) {
                    0 => vote.signer = self.random.below(8) as u16,
                    _ => vote.signature.0[self.random.index(64)] ^= 1,
                }
                Message::Vote(vote)
            }
            Message::Certificate(certificate) => {
                let view = certificate.statement.view();
                let lie = match certificate.statement {
                    Statement::Nullify { .. } => Statement::Finalize { view, block: BlockHash::default() },
                    Statement::Notarize { .. } | Statement::Finalize { .. } => Statement::Nullify { view },
                };
                let mut forged = match self.random.below(3) {
                    0 => self.lonely_certificate(at, lie),
                    // Its signatures are real, on another statement.
                    1 => certificate.clone(),
                    _ => certificate,
                };
                match self.random.below(3) {
                    0 => forged.statement = lie,
                    1 => drop(forged.signatures.pop()),
                    _ => forged.statement = Statement::Nullify { view: view.next() },
                }
                Message::Certificate(forged)
            }
            Message::Status(status) => {
                let view = self.some_view(at);
                let entry =
                    self.lonely_certificate(at, Statement::Nullify { view: View(view.0.saturating_sub(1)) });
                Message::Status(Status { view, entry: Some(entry), ..status })
            }
            // An answer to a question about views that proves another view than it says, or none.
            Message::ViewAnswer { nonce, mut status } => {
                status.view = self.some_view(at);
                if self.random.permille(500) {
                    status.entry = None;
                }
                Message::ViewAnswer { nonce, status }
            }
            Message::StatusRequest | Message::CertificateRequest(_) | Message::ViewRequest { .. } => {
                return None;
            }
        })
    }

    /// One thing in a block that no voter may accept.
    fn spoil(&mut self, block: &mut Block) {
        let again = self.machines.iter().find_map(|machine| {
            let posted = machine.disk.finalized().iter().rev();
            posted.flat_map(|proof| &proof.block.transactions).next().cloned()
        });
        let header = &mut block.header;
        match self.random.below(9) {
            0 => header.state_root = Digest(self.random.bytes()),
            1 => header.log_root = Digest(self.random.bytes()),
            2 => header.log_size += 1,
            3 => header.height = Height(header.height.0 + self.random.below(3)),
            4 => header.time = Timestamp(self.random.below(header.time.0)),
            5 => header.time = Timestamp(header.time.0 + self.random.below(1 << 30)),
            6 => header.parent = BlockHash(Digest(self.random.bytes())),
            7 => header.parent_view = View(header.parent_view.0.saturating_sub(1)),
            // What is posted already, a second time.
            _ => {
                block.transactions.extend(again);
                header.payload = Block::payload(&block.transactions);
            }
        }
    }

    fn another_answer(&mut self, at: usize) -> Option<Arc<[u8]>> {
        let finalized = self.machines[at].disk.finalized();
        if finalized.is_empty() {
            return None;
        }
        let mut block = finalized[self.random.index(finalized.len())].block.clone();
        if self.random.permille(500) {
            self.spoil(&mut block);
        }
        Some(codec::encode(&block).into())
    }

    /// Final blocks that are not what was asked for, or are not final.
    fn another_stretch(&mut self, at: usize, blocks: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut blocks = blocks.to_vec();
        if blocks.is_empty() {
            return blocks;
        }
        let place = self.random.index(blocks.len());
        match self.random.below(7) {
            0 => return Vec::new(),
            1 => drop(blocks.remove(place)),
            2 => blocks.reverse(),
            3 => blocks.insert(place, blocks[place].clone()),
            4 => {
                let height = Height(1 + self.random.below(self.height() + 3));
                let stretch = self.machines[at].disk.stretch(height, blocks.len());
                return stretch.iter().map(codec::encode).collect();
            }
            _ => {
                let read = codec::decode::<FinalizedBlock>(&blocks[place], BLOCK_BYTES_MAX);
                if let Ok(mut proof) = read {
                    self.unprove(at, &mut proof);
                    blocks[place] = codec::encode(&proof);
                    // Often the last one, so that its own finalization is all there is.
                    if self.random.permille(500) {
                        blocks.truncate(place + 1);
                    }
                }
            }
        }
        blocks
    }

    /// A final block that lacks what proves it, or another block under the proof of this one.
    fn unprove(&mut self, at: usize, proof: &mut FinalizedBlock) {
        let view = proof.block.header.view;
        let real = proof.block.header.hash();
        let Finality::Voted { notarization, skips, finalization, .. } = &mut proof.finality else { return };
        match self.random.below(6) {
            0 => self.spoil(&mut proof.block),
            1 => *finalization = None,
            2 => *finalization = Some(notarization.clone()),
            3 => {
                let finalize = Statement::Finalize { view, block: real };
                *finalization = Some(self.lonely_certificate(at, finalize));
            }
            4 => skips.push(notarization.clone()),
            // A history of its own, proven by itself.
            _ => {
                proof.block.transactions.clear();
                proof.block.header.payload = Block::payload(&[]);
                proof.block.header.time = Timestamp(proof.block.header.time.0 + 1);
                let block = proof.block.header.hash();
                *notarization = self.lonely_certificate(at, Statement::Notarize { view, block });
                *finalization = Some(self.lonely_certificate(at, Statement::Finalize { view, block }));
            }
        }
    }

    /// What nobody asked for.
    pub(super) fn invent(&mut self, at: usize) {
        let view = self.some_view(at);
        let block = BlockHash(Digest(self.random.bytes()));
        let statement = match self.random.below(3) {
            0 => Statement::Notarize { view, block },
            1 => Statement::Finalize { view, block },
            _ => Statement::Nullify { view },
        };
        let certificate = self.lonely_certificate(at, statement);
        let life = self.traffic.refusable(&self.chain);
        self.forbid(&life);
        let refusable = Arc::new(vec![codec::encode(&life.steps[0])]);
        for to in (0..self.machines.len()).filter(|to| *to != at) {
            self.figures.misdeeds += 1;
            let message = Message::Certificate(certificate.clone());
            self.dispatch(at, to, Packet::Message(codec::encode(&message).into()), 0);
            self.dispatch(at, to, Packet::Transactions(Arc::clone(&refusable)), 0);
        }
    }
}
