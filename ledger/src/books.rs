//! The books: what is posted, and what a block would post on top of it.
//!
//! [`Ledger::propose`] and [`Ledger::verify`] execute a block on a parent and stage the result
//! without touching what is final; [`Ledger::post`] makes a staged block final and cannot fail.
//! Whether a transaction may be booked is for `rules` to say, which blocks become final for
//! `consensus`, and where leaves and blocks are kept for `node`.
//!
//! Invariant: the log and the registers are a function of genesis and the blocks posted. A block is
//! valid only if no transaction in it is refused and its header says what executing it gives.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Bound, RangeBounds};

use crate::account::{Account, Class};
use crate::block::{
    BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, Block, BlockHash, Epoch, Header, Height, Leaf, LeafIndex,
    PROTOCOL_VERSION, Seal, VerifiedBlock, View,
};
use crate::certificate::ValidatorSet;
use crate::codec;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::genesis::{Genesis, GenesisError};
use crate::governance::{RECOVERY_AHEAD_MAX_MS, Recovery};
use crate::records::{AccountRecord, AppropriationRecord, PaymentRecord};
use crate::refusal::Refusal;
use crate::registers::{Draft, Place, Registers, Stored};
use crate::rules;
use crate::state_proof::{RecordPath, RegisterRoot, state_root};
use crate::time::{Date, Period, Timestamp};
use crate::transaction::{Cell, Operation, PaymentId, VerifiedTransaction};
use crate::tree::{Frontier, leaf_hash};

mod divergence;
mod error;
mod execution;
mod ground;
mod snapshot;
mod staged;

pub use divergence::{Change, Changes, Difference, Parting, parting};
pub use error::{BlockError, RecoveryError};
use execution::{Done, Execution, put_root};
use ground::Ground;
pub use snapshot::{MANIFEST_BYTES_MAX, Manifest, Restoring, SnapshotError, Still};
pub use staged::{PostingPlace, Staged};

/// A leader tries at most this many candidates for one block, so that a pool full of transactions
/// that are refused costs a bounded time.
pub const CANDIDATES_MAX: usize = 2 * BLOCK_TRANSACTIONS_MAX;

/// A block takes no further transaction once its late postings moved the opening balance of so many
/// later account records. One transaction of 3 kB can move 30,000 of them, and a block full of such
/// would be executed for longer than any view lasts.
pub const LATE_MOVES_MAX: u64 = 40_000;

/// The least account there is, in the order of keys.
const FIRST_ACCOUNT: Account = Account::kostra(Class::Investment, 0, 0);

/// The end of the finalized chain, or of a staged one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height of the last block.
    pub height: Height,
    /// The last block.
    pub block: BlockHash,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its view.
    pub view: View,
    /// Its time.
    pub time: Timestamp,
    /// Its seal, the last leaf of the log.
    pub seal: LeafIndex,
    /// The log after it.
    pub log: Frontier,
    /// Root of the registers after it.
    pub state_root: Digest,
}

impl Head {
    /// This time, or the earliest that a block on this head may have.
    pub fn time_after(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp(self.time.0.saturating_add(1)))
    }
}

/// What a block is executed on.
#[derive(Clone)]
pub enum Parent {
    /// The finalized head.
    Finalized,
    /// A staged block that descends from it.
    Staged(Arc<Staged>),
}

impl Parent {
    /// Whether it is the finalized head.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finalized)
    }
}

/// A leader's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Epoch of the validator set.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// Index of the leader in the validator set.
    pub proposer: u16,
    /// The leader's time. Where it is not later than the parent's, the block takes the millisecond
    /// after the parent.
    pub time: Timestamp,
}

/// What a leader made of its candidates.
pub struct Proposed {
    /// The block, executed.
    pub staged: Arc<Staged>,
    /// Candidates that the ledger refuses on this parent.
    pub refused: Vec<(VerifiedTransaction, Refusal)>,
    /// The candidate that was asked for and did not fit any more, if there was one.
    pub left_over: Option<VerifiedTransaction>,
}

/// The finalized books, in memory.
pub struct Ledger {
    chain: Digest,
    origin: String,
    validators: ValidatorSet,
    registers: Registers,
    head: Head,
    start: Header,
    genesis_header: Header,
    genesis_leaves: [Vec<u8>; 2],
}

impl Ledger {
    /// The books at height 0. The log then holds the leaves of [`Ledger::genesis_leaves`].
    ///
    /// # Errors
    /// [`GenesisError`], as [`Genesis::check`].
    pub fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        genesis.check()?;
        let (chain, validators, time) = (genesis.hash(), genesis.validators.clone(), genesis.time);
        let mut registers = Registers::default();
        let place = Place { chain, time, height: Height(0), leaf: LeafIndex(0) };
        let mut draft = Draft::new(&registers, &[], place);
        genesis.enter(&mut draft);
        let layer = draft.seal();
        let epoch = validators.epoch;
        let state_root = state_root(&layer.roots());
        let begin = codec::encode(&Leaf::Epoch { epoch, chain, validators: validators.digest() });
        let seal = codec::encode(&Leaf::Seal(Seal {
            version: PROTOCOL_VERSION,
            height: Height(0),
            time,
            epoch,
            previous_seal: LeafIndex(0),
            first: LeafIndex(0),
            count: 1,
            state_root,
        }));
        let mut log = Frontier::new();
        log.push(leaf_hash(&begin));
        log.push(leaf_hash(&seal));
        let header = Header {
            version: PROTOCOL_VERSION,
            chain,
            epoch,
            view: View(0),
            height: Height(0),
            parent_view: View(0),
            parent: BlockHash::default(),
            proposer: 0,
            time,
            payload: Block::payload(&[]),
            log_size: log.size(),
            log_root: log.root(),
            state_root,
        };
        let head = Head {
            height: Height(0),
            block: header.hash(),
            epoch,
            view: View(0),
            time,
            seal: LeafIndex(1),
            log,
            state_root,
        };
        registers.fold(&layer);
        Ok(Self {
            chain,
            origin: genesis.origin(),
            validators,
            registers,
            head,
            start: header.clone(),
            genesis_header: header,
            genesis_leaves: [begin, seal],
        })
    }

    /// Genesis hash, which names the chain.
    pub fn chain(&self) -> Digest {
        self.chain
    }

    /// Origin of the log's checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The validators of the current epoch: those who vote on the block after the head.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The finalized head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The header of the block that the current epoch starts from, which stands for its view 0: the
    /// one that ended the epoch before, or the recovery block, or genesis.
    pub fn start(&self) -> &Header {
        &self.start
    }

    /// The header of height 0, which no validator signed: it follows from genesis.
    pub fn genesis_header(&self) -> &Header {
        &self.genesis_header
    }

    /// The first leaves of the log, encoded: the first epoch and the seal of height 0.
    pub fn genesis_leaves(&self) -> &[Vec<u8>] {
        &self.genesis_leaves
    }

    /// Whether the transaction would be booked by a block on the finalized head at this time.
    ///
    /// # Errors
    /// The first [`Refusal`] in the documented order.
    pub fn check(&self, transaction: &VerifiedTransaction, now: Timestamp) -> Result<(), Refusal> {
        let time = self.head.time_after(now);
        let (height, leaf) = (self.head.height.next(), LeafIndex(self.head.log.size()));
        let mut draft = Draft::new(&self.registers, &[], Place { chain: self.chain, time, height, leaf });
        if transaction.transaction().operation.ends_epoch() {
            // An entrant may name the head, which the block itself will know.
            put_root(&mut draft, &self.head);
        }
        rules::check(&draft, transaction).map(drop)
    }

    /// What a payment id was used for.
    pub fn lookup(&self, id: &PaymentId) -> Option<&PaymentRecord> {
        self.find(id)
    }

    /// The finalized record with this key.
    pub fn find<R: Stored>(&self, key: &R::Key) -> Option<&R> {
        R::register(&self.registers).find(key)
    }

    /// The finalized record at an index of its register.
    pub fn get<R: Stored>(&self, index: u64) -> Option<&R> {
        R::register(&self.registers).get(index)
    }

    /// How many finalized records the register has.
    pub fn count<R: Stored>(&self) -> u64 {
        R::register(&self.registers).len()
    }

    /// Finalized records whose keys lie in the range, in order of key, each with its index.
    pub fn range<R: Stored>(
        &self,
        keys: impl RangeBounds<R::Key>,
    ) -> impl DoubleEndedIterator<Item = (u64, &R)> {
        R::register(&self.registers).range(keys)
    }

    /// The accounts of an entity that have postings in a period, in order of account. Its cost
    /// grows with the entity's accounts, not with its years.
    pub fn accounts(&self, entity: OrgNumber, period: Period) -> impl Iterator<Item = (u64, &AccountRecord)> {
        self.accounts_up_to(entity, period).filter(move |(_, record)| record.period == period)
    }

    /// Of each account of an entity that was ever posted to, the record of the last period with
    /// postings up to and including this one, in order of account.
    pub fn accounts_up_to(
        &self,
        entity: OrgNumber,
        period: Period,
    ) -> impl Iterator<Item = (u64, &AccountRecord)> {
        let last = Date::MAX.period();
        let register = AccountRecord::register(&self.registers);
        let first = register.range((entity, FIRST_ACCOUNT, Date::MIN.period())..).next();
        let accounts = core::iter::successors(first, move |(_, record)| {
            let after = (Bound::Excluded((entity, record.account, last)), Bound::Unbounded);
            register.range(after).next()
        });
        accounts.take_while(move |(_, record)| record.entity == entity).filter_map(move |(_, record)| {
            register
                .range((entity, record.account, Date::MIN.period())..=(entity, record.account, period))
                .next_back()
        })
    }

    /// The appropriations of an entity and year, in order.
    pub fn appropriations(&self, entity: OrgNumber, year: u16) -> impl Iterator<Item = &AppropriationRecord> {
        let register = AppropriationRecord::register(&self.registers);
        let own = register.range((entity, year, Cell::FIRST)..).map(|(_, record)| record);
        own.take_while(move |record| (record.entity, record.year) == (entity, year))
    }

    /// Proves the finalized record with this key against [`Head::state_root`].
    pub fn prove<R: Stored>(&self, key: &R::Key) -> Option<RecordPath> {
        R::register(&self.registers).prove(key)
    }

    /// Name, length and root of each register, in the order of [`Head::state_root`].
    pub fn register_roots(&self) -> Vec<RegisterRoot> {
        self.registers.roots()
    }

    /// Executes candidates in their order on the parent, leaving out those that are refused, until
    /// the block is full, the epoch or the candidates end. On the end of an epoch it asks for no
    /// candidate and makes a closing block.
    ///
    /// # Panics
    /// When the parent does not descend from the finalized head: consensus builds on nothing else.
    pub fn propose(
        &self,
        parent: &Parent,
        slot: Slot,
        candidates: &mut dyn Iterator<Item = VerifiedTransaction>,
    ) -> Proposed {
        let Some(ground) = self.ground(parent) else {
            panic!("proposed on a block that does not descend from final block {}", self.head.block);
        };
        let time = ground.head.time_after(slot.time);
        let (mut transactions, mut digests) = (Vec::new(), Vec::new());
        let (mut refused, mut left_over, mut bytes) = (Vec::new(), None, 0);
        if ground.closing {
            let done = Execution::closing(&self.registers, &ground, self.chain, time);
            let staged = self.stage(ground, slot, time, transactions, Block::payload(&[]), done);
            return Proposed { staged, refused, left_over };
        }
        let seat = Some((slot.epoch, slot.proposer));
        let mut execution = Execution::new(&self.registers, &ground, self.chain, time, seat);
        for candidate in candidates.take(CANDIDATES_MAX) {
            let signed = codec::encode(candidate.signed());
            let full = transactions.len() == BLOCK_TRANSACTIONS_MAX || execution.is_full();
            if full || bytes + signed.len() > BLOCK_BYTES_MAX {
                left_over = Some(candidate);
                break;
            }
            match execution.book(&candidate, &signed) {
                Ok(()) => {
                    bytes += signed.len();
                    digests.push(Digest::of(&[&signed]));
                    transactions.push(candidate);
                    if execution.is_over() {
                        break;
                    }
                }
                Err(refusal) => refused.push((candidate, refusal)),
            }
        }
        let payload = Block::payload_of(&digests);
        let done = execution.seal(slot.epoch);
        let staged = self.stage(ground, slot, time, transactions, payload, done);
        Proposed { staged, refused, left_over }
    }

    /// Puts the header on a block that was executed here.
    fn stage(
        &self,
        ground: Ground,
        slot: Slot,
        time: Timestamp,
        transactions: Vec<VerifiedTransaction>,
        payload: Digest,
        done: Done,
    ) -> Arc<Staged> {
        let header = Header {
            version: PROTOCOL_VERSION,
            chain: self.chain,
            epoch: slot.epoch,
            view: slot.view,
            height: ground.head.height.next(),
            parent_view: self.view_of(&ground.head),
            parent: ground.head.block,
            proposer: slot.proposer,
            time,
            payload,
            log_size: done.log.size(),
            log_root: done.log.root(),
            state_root: done.state_root,
        };
        let block = VerifiedBlock::from_own_proposal(header, transactions);
        Arc::new(ground.stage(block, done))
    }

    /// The view that a block on this one names as its parent's: 0 where the parent ended the epoch
    /// before.
    fn view_of(&self, parent: &Head) -> View {
        if parent.epoch == self.validators.epoch { parent.view } else { View(0) }
    }

    /// Executes a block on its parent and compares what comes out with what its header says.
    ///
    /// # Errors
    /// [`BlockError`], the first in the order of its variants.
    pub fn verify(&self, parent: &Parent, block: &VerifiedBlock) -> Result<Arc<Staged>, BlockError> {
        let header = block.header();
        let ground = self.ground(parent).ok_or(BlockError::Detached { head: self.head.block })?;
        self.check_header(&ground.head, header)?;
        let count = block.transactions().len();
        if count > BLOCK_TRANSACTIONS_MAX {
            return Err(BlockError::Count { count });
        }
        let done = if ground.closing {
            if count > 0 {
                return Err(BlockError::NotEmpty { count });
            }
            Execution::closing(&self.registers, &ground, self.chain, header.time)
        } else {
            self.execute(&ground, block)?
        };
        let (expected, found) = (done.log.size(), header.log_size);
        if expected != found {
            return Err(BlockError::LogSize { expected, found });
        }
        let (expected, found) = (done.state_root, header.state_root);
        if expected != found {
            return Err(BlockError::StateRoot { expected, found });
        }
        let (expected, found) = (done.log.root(), header.log_root);
        if expected != found {
            return Err(BlockError::LogRoot { expected, found });
        }
        Ok(Arc::new(ground.stage(block.clone(), done)))
    }

    fn execute(&self, ground: &Ground, block: &VerifiedBlock) -> Result<Done, BlockError> {
        let header = block.header();
        let seat = Some((header.epoch, header.proposer));
        let mut execution = Execution::new(&self.registers, ground, self.chain, header.time, seat);
        for transaction in block.transactions() {
            let id = transaction.id();
            if execution.is_over() {
                return Err(BlockError::AfterEpoch { transaction: id });
            }
            if execution.is_full() {
                return Err(BlockError::LateMoves { transaction: id });
            }
            let signed = codec::encode(transaction.signed());
            execution
                .book(transaction, &signed)
                .map_err(|refusal| BlockError::Refused { transaction: id, refusal })?;
        }
        Ok(execution.seal(header.epoch))
    }

    fn check_header(&self, parent: &Head, header: &Header) -> Result<(), BlockError> {
        let found = header.version;
        if found != PROTOCOL_VERSION {
            return Err(BlockError::Version { expected: PROTOCOL_VERSION, found });
        }
        let (expected, found) = (self.chain, header.chain);
        if expected != found {
            return Err(BlockError::Chain { expected, found });
        }
        let (expected, found) = (self.validators.epoch, header.epoch);
        if expected != found {
            return Err(BlockError::Epoch { expected, found });
        }
        let (expected, found) = (parent.height.next(), header.height);
        if expected != found {
            return Err(BlockError::Height { expected, found });
        }
        let (expected, found) = (parent.block, header.parent);
        if expected != found {
            return Err(BlockError::Parent { expected, found });
        }
        let (expected, found) = (self.view_of(parent), header.parent_view);
        if expected != found {
            return Err(BlockError::ParentView { expected, found });
        }
        if header.view <= expected {
            return Err(BlockError::View { parent: expected, found: header.view });
        }
        let (validators, found) = (self.validators.len(), header.proposer);
        if usize::from(found) >= validators {
            return Err(BlockError::Proposer { validators, found });
        }
        if header.time <= parent.time {
            return Err(BlockError::Time { parent: parent.time, found: header.time });
        }
        Ok(())
    }

    /// Makes the recovery block that this transaction calls for, on the finalized head. There is one
    /// for each transaction, whoever makes it; it is final once posted, for nobody votes on it.
    ///
    /// # Errors
    /// [`RecoveryError`]: the transaction is no recovery from this head and epoch, or is refused.
    pub fn recover(&self, transaction: VerifiedTransaction) -> Result<Arc<Staged>, RecoveryError> {
        let Operation::Recover(recovery) = &transaction.transaction().operation else {
            return Err(RecoveryError::NotRecovery { transaction: transaction.id() });
        };
        self.check_recovery(recovery)?;
        let ground = Ground::final_at(&self.head);
        let time = self.head.time_after(recovery.time);
        let signed = codec::encode(transaction.signed());
        let mut execution = Execution::new(&self.registers, &ground, self.chain, time, None);
        execution.recover(&transaction, recovery, &signed)?;
        let slot = Slot { epoch: recovery.epoch.next(), view: View(0), proposer: 0, time };
        let done = execution.seal(slot.epoch);
        let payload = Block::payload_of(&[Digest::of(&[&signed])]);
        Ok(self.stage(ground, slot, time, alloc::vec![transaction], payload, done))
    }

    /// Whether the recovery goes on from exactly the finalized head.
    fn check_recovery(&self, recovery: &Recovery) -> Result<(), RecoveryError> {
        let (head, current) = (&self.head, self.validators.epoch);
        let named = recovery.epoch;
        if named != current {
            return Err(RecoveryError::Epoch { named, current });
        }
        let named = recovery.height;
        if named < head.height {
            return Err(RecoveryError::Beyond { named, head: head.height });
        }
        if named > head.height {
            return Err(RecoveryError::Behind { named, head: head.height });
        }
        let named = recovery.block;
        if named != head.block {
            return Err(RecoveryError::OtherBlock { height: head.height, named, head: head.block });
        }
        let (named_size, named_root) = (recovery.log_size, recovery.log_root);
        let (block, size, root) = (head.block, head.log.size(), head.log.root());
        if (named_size, named_root) != (size, root) {
            return Err(RecoveryError::Log { block, named_size, named_root, size, root });
        }
        let named = recovery.time;
        if named.0 > head.time.0.saturating_add(RECOVERY_AHEAD_MAX_MS) {
            return Err(RecoveryError::Time { named, head: head.time });
        }
        Ok(())
    }

    /// Makes a staged block final, and puts the next validator set in force if it ends the epoch.
    /// Cannot fail.
    ///
    /// # Panics
    /// When the block was not staged on the finalized head: a validator posts in order of height. When
    /// it is a closing block, which only carries finality.
    pub fn post(&mut self, staged: &Arc<Staged>) {
        assert_eq!(staged.header().parent, self.head.block, "blocks are posted in order, each once");
        assert!(!staged.is_closing(), "a closing block is never posted; the next epoch begins before it");
        if let Some(next) = staged.next_validators() {
            self.validators = next.clone();
            self.start = staged.header().clone();
        }
        self.registers.fold(staged.layer());
        self.head = staged.head().clone();
    }

    /// What a block on this parent reads; `None` when the parent does not descend from the head.
    fn ground(&self, parent: &Parent) -> Option<Ground> {
        match parent {
            Parent::Staged(staged) if staged.hash() != self.head.block => {
                // What still stands on the end of an epoch that is over leads nowhere.
                Ground::on(staged, &self.head).filter(|ground| ground.head.epoch == self.validators.epoch)
            }
            _ => Some(Ground::final_at(&self.head)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
