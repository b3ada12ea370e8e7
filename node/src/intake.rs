//! Where strangers' transactions are checked before they reach the loop: decoded, signatures
//! verified in batches on other threads, each once, and remembered so that a block that carries
//! them again costs a look-up.
//!
//! Invariant: what leaves here is verified; what does not verify is answered or counted, and never
//! reaches the loop.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use consensus::event::{Justification, Message};
use ledger::block::{Block, BodyError, VerifiedBlock};
use ledger::certificate::Vote;
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::transaction::{SignedTransaction, TransactionError, VerifiedTransaction};

use crate::validator::{Event, SyncedBlock};

/// Verified transactions remembered: those of the pool and of the blocks in flight, twice over.
const REMEMBERED_MAX: usize = 40_000;

/// Random weights drawn from the system in larger pieces: one system call for many signatures.
struct Weights {
    bytes: [u8; 4096],
    used: usize,
}

impl Weights {
    fn new() -> Self {
        Self { bytes: [0; 4096], used: 4096 }
    }
}

impl rand_core::TryRng for Weights {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for piece in bytes.chunks_mut(16) {
            if self.used + piece.len() > self.bytes.len() {
                // Without randomness nothing may be accepted, and nothing can be answered.
                getrandom::fill(&mut self.bytes).expect("the system gives randomness");
                self.used = 0;
            }
            piece.copy_from_slice(&self.bytes[self.used..self.used + piece.len()]);
            self.used += piece.len();
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Weights {}

#[derive(Default)]
struct Memory {
    verified: HashMap<Digest, VerifiedTransaction>,
    order: VecDeque<Digest>,
}

/// See the module. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Intake {
    chain: Digest,
    memory: Arc<Mutex<Memory>>,
}

impl Intake {
    /// For transactions of this chain.
    pub fn new(chain: Digest) -> Self {
        Self { chain, memory: Arc::default() }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Nothing panics while holding it; if it did, what is remembered would still be true.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, signed: &SignedTransaction) -> Option<VerifiedTransaction> {
        self.memory().verified.get(&Digest::of(&[&codec::encode(signed)])).cloned()
    }

    fn remember<'a>(&self, transactions: impl Iterator<Item = &'a VerifiedTransaction>) {
        let digests = transactions.map(|t| (Digest::of(&[&codec::encode(t.signed())]), t.clone()));
        let digests: Vec<_> = digests.collect();
        let mut memory = self.memory();
        for (digest, transaction) in digests {
            if memory.verified.insert(digest, transaction).is_none() {
                memory.order.push_back(digest);
            }
        }
        while memory.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = memory.order.pop_front() {
                memory.verified.remove(&oldest);
            }
        }
    }

    /// Checks submitted transactions in one batch. Runs for as long as it takes: not on an async thread.
    pub fn submitted(
        &self,
        transactions: Vec<SignedTransaction>,
    ) -> Vec<Result<VerifiedTransaction, TransactionError>> {
        let results = SignedTransaction::verify_all(transactions, &self.chain, &mut Weights::new());
        self.remember(results.iter().flatten());
        results
    }

    /// Decodes and checks what a peer spread; what is known already costs a look-up. Says also how
    /// many did not verify. Not on an async thread.
    ///
    /// What is known is handed on all the same: our books may have refused it when it came first, and
    /// its sender, who may be in no position to have a block accepted, counts on our taking it now.
    pub fn spread(&self, transactions: Vec<Vec<u8>>) -> (Vec<VerifiedTransaction>, u64) {
        let mut faults = 0;
        let mut verified = Vec::with_capacity(transactions.len());
        let mut unknown = Vec::with_capacity(transactions.len());
        {
            let memory = self.memory();
            for bytes in transactions {
                if let Some(known) = memory.verified.get(&Digest::of(&[&bytes])) {
                    verified.push(known.clone());
                    continue;
                }
                match SignedTransaction::decode(&bytes) {
                    Ok(signed) => unknown.push(signed),
                    Err(_) => faults += 1,
                }
            }
        }
        for result in self.submitted(unknown) {
            match result {
                Ok(transaction) => verified.push(transaction),
                Err(_) => faults += 1,
            }
        }
        (verified, faults)
    }

    /// Checks a block's body. Not on an async thread.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn block(&self, block: Block) -> Result<VerifiedBlock, BodyError> {
        let mut news = false;
        let known = |signed: &SignedTransaction| {
            let known = self.known(signed);
            news |= known.is_none();
            known
        };
        let verified = block.verify(known, &mut Weights::new())?;
        // Most blocks hold only what the pool had; remembering that again would hash all of it again.
        if news {
            self.remember(verified.transactions().iter());
        }
        Ok(verified)
    }

    /// Checks a proposal's body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn proposal(
        &self,
        from: u16,
        block: Block,
        justification: Justification,
        vote: Vote,
    ) -> Result<Event, BodyError> {
        Ok(Event::Proposal { from, block: self.block(block)?, justification, vote })
    }

    /// Checks the bodies of finalized blocks, up to the first that fails.
    pub fn finalized(&self, blocks: Vec<FinalizedBlock>) -> Vec<SyncedBlock> {
        blocks
            .into_iter()
            .map_while(|finalized| {
                let FinalizedBlock { block, finality } = finalized;
                Some(SyncedBlock { block: self.block(block).ok()?, finality })
            })
            .collect()
    }

    /// What the final blocks that a peer answers with become.
    pub fn stretch(&self, from: u16, blocks: Vec<FinalizedBlock>) -> Vec<Event> {
        let sent = blocks.len();
        let blocks = self.finalized(blocks);
        let broke = blocks.len() < sent;
        let broke = broke.then_some(Event::Broke { from, what: "final blocks whose bodies do not verify" });
        broke.into_iter().chain([Event::Blocks { from, blocks }]).collect()
    }

    /// What a peer's message becomes.
    ///
    /// # Errors
    /// [`BodyError`], for a proposal.
    pub fn message(&self, from: u16, message: Message) -> Result<Event, BodyError> {
        match message {
            Message::Proposal { block, justification, vote } => {
                self.proposal(from, block, justification, vote)
            }
            message => Ok(Event::Message { from, message }),
        }
    }
}
