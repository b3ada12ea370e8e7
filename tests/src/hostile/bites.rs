//! What a member that does what it likes sends with its own key, and how the books judge whatever
//! somebody signs.

use consensus::event::{Justification, Message, Status};
use ledger::block::{Block, BlockHash, Epoch, Header, Height, PROTOCOL_VERSION, VerifiedBlock, View};
use ledger::books::{Parent, Slot};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::checkpoint::Checkpoint;
use ledger::digest::Digest;
use ledger::finality::Finality;
use ledger::refusal::Refusal;
use ledger::signature::Signature;
use ledger::time::Timestamp;
use ledger::transaction::{SignedTransaction, VerifiedTransaction};
use node::cosigning::Cosignature;
use node::validator::{Event, SyncedBlock};

use super::Siege;

/// The seat whose key the attacker holds.
const SEAT: u16 = 0;

impl Siege {
    /// Whoever signs may sign anything: the books' verdict is the same alone and in a block, and a
    /// block made of it stands up to verification.
    pub(super) fn judge(&mut self, signed: SignedTransaction) {
        let chain = *self.world.chain().trust.chain();
        let transaction = VerifiedTransaction::from_own_store(signed, &chain);
        let Some(validator) = self.world.validator(1) else { return };
        let ledger = validator.ledger();
        let now = Timestamp(ledger.head().time.0 + 1000);
        let alone: Result<(), Refusal> = ledger.check(&transaction, now);
        let slot = Slot { epoch: Epoch(0), view: View(ledger.head().view.0 + 1), proposer: 0, time: now };
        let mut candidates = std::iter::once(transaction);
        let proposed = ledger.propose(&Parent::Finalized, slot, &mut candidates);
        let ((Ok(()), []) | (Err(_), [_])) = (&alone, proposed.refused.as_slice()) else {
            panic!("refused alone: {alone:?}; in a block: {:?}", proposed.refused);
        };
        if let (Err(alone), [(_, in_block)]) = (&alone, proposed.refused.as_slice()) {
            assert_eq!(alone, in_block);
            assert!(alone.rule().starts_with('L') && !alone.to_string().is_empty());
        }
        let again = ledger.verify(&Parent::Finalized, proposed.staged.block());
        assert!(
            again.is_ok_and(|again| again.leaves() == proposed.staged.leaves()),
            "a block refused by its maker"
        );
    }

    fn number(&mut self) -> u64 {
        let head = self.world.height();
        let near = self.world.validator(1).map_or(0, |validator| validator.consensus().view().0);
        match self.random.below(10) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => u64::MAX - 1,
            4 => u64::MAX / 2,
            5 => head,
            6 => head + 1,
            7 => near.saturating_sub(self.random.below(5)),
            _ => near + self.random.below(4),
        }
    }

    fn block_hash(&mut self) -> BlockHash {
        let finalized = self.world.disk(1).finalized();
        let known = finalized.len().checked_sub(1).map(|last| finalized[last].block.header.hash());
        match self.random.below(4) {
            0 => BlockHash(Digest(self.random.bytes())),
            1 => BlockHash::default(),
            _ => known.unwrap_or_default(),
        }
    }

    fn statement(&mut self) -> Statement {
        let (view, block) = (View(self.number()), self.block_hash());
        match self.random.below(3) {
            0 => Statement::Notarize { view, block },
            1 => Statement::Nullify { view },
            _ => Statement::Finalize { view, block },
        }
    }

    fn vote_on(&mut self, statement: Statement) -> Vote {
        let chain = self.world.chain();
        let epoch = if self.random.permille(950) { Epoch(0) } else { Epoch(self.random.next()) };
        let signature = chain.keys(SEAT).sign_vote(&statement, chain.trust.chain(), epoch);
        let signer = if self.random.permille(950) { SEAT } else { self.random.next() as u16 };
        Vote { epoch, statement, signer, signature }
    }

    fn certificate(&mut self) -> Certificate {
        // Sometimes a true one: what it proves is known, but not where it is sent.
        if self.random.permille(500) {
            let finalized = self.world.disk(1).finalized();
            if !finalized.is_empty() {
                let finality = &finalized[self.random.index(finalized.len())].finality;
                if let Finality::Voted { notarization, .. } = finality {
                    return notarization.clone();
                }
            }
        }
        let statement = self.statement();
        let signature = self.vote_on(statement).signature;
        let mut votes: Vec<(u16, Signature)> = vec![(0, signature)];
        votes.extend((1..self.random.below(5) as u16).map(|seat| (seat, signature)));
        let mut certificate = Certificate::from_votes(Epoch(0), statement, 4, &votes);
        if self.random.permille(100) {
            certificate.signers = vec![0xff; self.random.index(60)];
        }
        certificate
    }

    fn header(&mut self) -> Header {
        let finalized = self.world.disk(1).finalized();
        let mut header = match finalized.last() {
            Some(last) => last.block.header.clone(),
            None => self
                .world
                .validator(1)
                .map(|v| v.ledger().genesis_header().clone())
                .unwrap_or_else(|| unreachable!("the besieged do not crash")),
        };
        header.parent = header.hash();
        header.parent_view = header.view;
        header.view = View(self.number());
        header.height = header.height.next();
        header.proposer = SEAT;
        header.payload = Block::payload(&[]);
        header.time = Timestamp(header.time.0 + 1);
        for _ in 0..self.random.below(3) {
            match self.random.below(8) {
                0 => header.height = Height(self.number()),
                1 => header.parent_view = View(self.number()),
                2 => header.time = Timestamp(self.number()),
                3 => header.log_size = self.number(),
                4 => header.parent = self.block_hash(),
                5 => header.proposer = self.random.next() as u16,
                6 => header.epoch = Epoch(self.number()),
                _ => header.version = PROTOCOL_VERSION + 1,
            }
        }
        header
    }

    fn verified_block(&mut self) -> VerifiedBlock {
        VerifiedBlock::from_own_proposal(self.header(), Vec::new())
    }

    pub(super) fn bite_a_validator(&mut self) {
        let at = 1 + self.random.index(3);
        let message = match self.random.below(12) {
            0 | 1 => {
                let statement = self.statement();
                Message::Vote(self.vote_on(statement))
            }
            2 => Message::Certificate(self.certificate()),
            3 | 4 => {
                let header = self.header();
                let vote = self.vote_on(Statement::Notarize { view: header.view, block: header.hash() });
                let parent = self.random.permille(700).then(|| self.certificate());
                let skips = (0..self.random.below(4)).map(|_| self.certificate()).collect();
                let justification = Justification { parent, skips };
                Message::Proposal { block: Block { header, transactions: Vec::new() }, justification, vote }
            }
            5 => {
                let entry = self.random.permille(500).then(|| self.certificate());
                let finalization = self.random.permille(500).then(|| self.certificate());
                let (view, height) = (View(self.number()), Height(self.number()));
                Message::Status(Status { epoch: Epoch(0), view, height, entry, finalization })
            }
            6 => Message::StatusRequest,
            7 => Message::CertificateRequest(View(self.number())),
            8 => {
                let block = self.verified_block();
                return self.world.inject(at, Event::Block(block));
            }
            9 => {
                let blocks = (0..=self.random.below(3)).map(|_| self.synced_block()).collect();
                return self.world.inject(at, Event::Blocks { from: SEAT, blocks });
            }
            10 => {
                let cosignature = self.cosignature();
                return self.world.inject(at, Event::Cosignatures(vec![cosignature; 2]));
            }
            _ => return self.odd_event(at),
        };
        self.world.inject_message(at, SEAT, message);
    }

    fn synced_block(&mut self) -> SyncedBlock {
        let block = self.verified_block();
        let finalization = self.random.permille(700).then(|| self.certificate());
        let skips = (0..self.random.below(3)).map(|_| self.certificate()).collect();
        let mut notarization = self.certificate();
        if self.random.permille(700) {
            notarization.statement = Statement::Notarize { view: block.header().view, block: block.hash() };
        }
        let finality = if self.random.permille(950) {
            Finality::Voted { notarization, skips, finalization, closing: Vec::new() }
        } else {
            Finality::Recovered
        };
        SyncedBlock { block, finality }
    }

    fn cosignature(&mut self) -> Cosignature {
        let size = self.number();
        let root = Digest(self.random.bytes());
        let chain = self.world.chain();
        let checkpoint = Checkpoint { origin: chain.trust.origin().into(), size, root };
        let by = chain.keys(SEAT).cosign(SEAT, &checkpoint, self.random.below(1 << 62));
        Cosignature { size, root, by }
    }

    fn odd_event(&mut self, at: usize) {
        let from = if self.random.permille(500) { SEAT } else { self.random.next() as u16 };
        let event = match self.random.below(5) {
            0 => Event::Unanswered { from },
            1 => Event::Connected(from),
            2 => Event::Tick,
            3 => Event::Spread(Vec::new()),
            _ => Event::Blocks { from, blocks: Vec::new() },
        };
        self.world.inject(at, event);
    }
}
