//! A disk that a world can lose power under: an append-only log of batches, as bytes. What was
//! acknowledged is there after any crash; what was being written may be there in part; a bit may rot;
//! the whole disk may be set back to an earlier image. Reading it back does what `node::store` and
//! `node::recover` do with the real one. What its votes are worth then, the node's own signer says.
//!
//! It leaves out how the real store lays out its columns, which the store's own tests look at.
//!
//! Invariant: what is in memory here is what reading the bytes gives ([`Disk::recover`] starts from
//! the bytes alone), and a batch is read whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use consensus::event::Evidence;
use consensus::machine::Restored;
use ledger::block::{Block, BlockHash, Epoch, Height, VerifiedBlock, View};
use ledger::books::Ledger;
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::signature::PublicKey;
use ledger::time::Timestamp;
use node::amnesia::Memory;
use node::cosigning::Certified;
use node::recover::replay;
use node::signer::VoteLog;
use node::store::StoreError;
use node::validator::{Action, Recovered};
use node::watermark::{Directory, Term, Token};

use crate::chain::Chain;

/// As `node::keeper` keeps views below the last final one.
const VIEWS_KEPT: u64 = 64;
/// Length and checksum in front of each batch.
const FRAME_BYTES: usize = 4 + 8;
/// Nothing kept is longer.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// Something to keep.
pub enum Write {
    /// An own statement of an epoch.
    Vote(Epoch, Statement),
    /// A block that is not final.
    Block(Block),
    /// A certificate.
    Certificate(Certificate),
    /// A final block, its first leaf and its leaves.
    Finalized(u64, Vec<Vec<u8>>, Box<FinalizedBlock>),
    /// The newest certified checkpoint.
    Checkpoint(Certified),
    /// What convicts a validator.
    Evidence(Box<Evidence>),
    /// What our cosigner is about to sign.
    Watermark(u64, Digest),
    /// A start of the signer with this vote key: its token, and the one that it replaces.
    Token(PublicKey, Token, Token),
}

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is durable.
    Durable,
    /// It failed, and nothing of it will be read back.
    Failed,
}

/// Why a disk cannot be started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A record before the tail does not read.
    Record,
    /// Fewer batches read than were acknowledged.
    Forgotten,
}

/// What is durable.
#[derive(Clone, Default)]
pub struct Disk {
    log: Vec<u8>,
    // In a file of its own, as the store's count of acknowledged steps.
    acknowledged: u64,
    full: bool,
    kept: Kept,
}

/// What the bytes mean.
#[derive(Clone, Default)]
struct Kept {
    statements: BTreeSet<(Epoch, Statement)>,
    certificates: BTreeMap<(Epoch, Statement), Certificate>,
    undecided: BTreeMap<BlockHash, Block>,
    finalized: Vec<FinalizedBlock>,
    places: BTreeMap<BlockHash, usize>,
    leaves: Vec<Vec<u8>>,
    checkpoint: Option<Certified>,
    watermark: Option<(u64, Digest)>,
    evidence: Vec<Evidence>,
    tokens: BTreeMap<PublicKey, (Token, Token)>,
    floor: Term,
}

impl Disk {
    /// What the actions ask to keep, and whether it must be durable before anything else happens;
    /// as `node::keeper` gathers.
    pub fn gather(&self, actions: &[Action], writes: &mut Vec<Write>) -> bool {
        let mut urgent = false;
        let mut watermark = self.kept.watermark;
        for action in actions {
            urgent |= action.persists()
                && !matches!(action, Action::PersistCertificate(_) | Action::PersistCheckpoint(_));
            writes.push(match action {
                Action::PersistVote { epoch, statement } => Write::Vote(*epoch, *statement),
                Action::PersistBlock(block) => Write::Block(block.to_block()),
                Action::PersistCertificate(certificate) => Write::Certificate(certificate.clone()),
                Action::PersistFinalized { staged, proof } => {
                    let leaves = staged.leaves().to_vec();
                    Write::Finalized(staged.first_leaf().0, leaves, Box::new(proof.clone()))
                }
                Action::PersistCheckpoint(certified) => Write::Checkpoint(certified.clone()),
                Action::PersistEvidence(evidence) => Write::Evidence(Box::new(evidence.clone())),
                Action::Cosign { size, root, .. } if may_cosign(watermark, *size, root) => {
                    urgent = true;
                    watermark = Some((*size, *root));
                    Write::Watermark(*size, *root)
                }
                _ => continue,
            });
        }
        urgent
    }

    /// Writes everything and flushes it, or fails and leaves nothing that reads back.
    ///
    /// # Panics
    /// When a vote lies below the floor, or blocks skip a height.
    pub fn commit(&mut self, writes: &mut Vec<Write>) -> Written {
        let batch = framed(writes);
        if self.full {
            // Some of it may fit.
            self.log.extend_from_slice(&batch[..batch.len() / 2]);
            writes.clear();
            return Written::Failed;
        }
        self.log.extend_from_slice(&batch);
        self.acknowledged += 1;
        writes.drain(..).for_each(|write| self.kept.apply(write));
        Written::Durable
    }

    /// The power goes in the middle of writing: this share of the bytes, in thousandths, is on the disk,
    /// all of them perhaps, and nobody was told.
    pub fn tear(&mut self, writes: &mut Vec<Write>, permille: usize) {
        let batch = framed(writes);
        self.log.extend_from_slice(&batch[..batch.len() * permille.min(1000) / 1000]);
        writes.clear();
    }

    /// From now on nothing more fits, or again everything.
    pub fn fill(&mut self, full: bool) {
        self.full = full;
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Turns one bit over. Says whether there was one.
    pub fn rot(&mut self, place: u64) -> bool {
        // What nobody was told of may be cut off again, with the bit in it.
        let mut acknowledged = 0;
        while let Some((_, end)) = batch(&self.log, acknowledged) {
            acknowledged = end;
        }
        let bits = acknowledged as u64 * 8;
        if bits == 0 {
            return false;
        }
        let bit = place % bits;
        self.log[(bit / 8) as usize] ^= 1 << (bit % 8);
        true
    }

    /// Loses every own vote, certificate and undecided block, as a disk must not. Nobody is told.
    pub fn forget_votes(&mut self) {
        let old = std::mem::take(&mut self.log);
        self.acknowledged = 0;
        let mut place = 0;
        while let Some((payload, end)) = batch(&old, place) {
            let writes = writes_of(payload).unwrap_or_default();
            let lost =
                |write: &Write| matches!(write, Write::Vote(..) | Write::Block(_) | Write::Certificate(_));
            let kept: Vec<Write> = writes.into_iter().filter(|write| !lost(write)).collect();
            if !kept.is_empty() {
                self.log.extend_from_slice(&framed(&kept));
                self.acknowledged += 1;
            }
            place = end;
        }
        self.kept.statements.clear();
        self.kept.certificates.clear();
        self.kept.undecided.clear();
    }

    /// Own statements above the floor.
    pub fn statements(&self) -> &BTreeSet<(Epoch, Statement)> {
        &self.kept.statements
    }

    /// Below it votes are forgotten on purpose, and none is cast any more.
    pub fn floor(&self) -> Term {
        self.kept.floor
    }

    /// Final blocks, in order of height.
    pub fn finalized(&self) -> &[FinalizedBlock] {
        &self.kept.finalized
    }

    /// The log's leaves; those of genesis first.
    pub fn leaves(&self) -> &[Vec<u8>] {
        &self.kept.leaves
    }

    /// The newest certified checkpoint.
    pub fn checkpoint(&self) -> Option<&Certified> {
        self.kept.checkpoint.as_ref()
    }

    /// Convictions kept.
    pub fn evidence(&self) -> &[Evidence] {
        &self.kept.evidence
    }

    /// Whether our cosigner may sign: never a smaller checkpoint than before, nor another root.
    pub fn may_cosign(&self, size: u64, root: &Digest) -> bool {
        may_cosign(self.kept.watermark, size, root)
    }

    /// A block, final or not.
    pub fn block(&self, hash: &BlockHash) -> Option<Block> {
        let finalized = || self.kept.places.get(hash).map(|place| self.kept.finalized[*place].block.clone());
        self.kept.undecided.get(hash).cloned().or_else(finalized)
    }

    /// The latest time that a block kept here bears.
    pub fn latest_time(&self) -> Timestamp {
        let undecided = self.kept.undecided.values().map(|block| block.header.time);
        let last = self.kept.finalized.last().map(|proof| proof.block.header.time);
        undecided.chain(last).max().unwrap_or_default()
    }

    /// Some final blocks from a height on.
    pub fn stretch(&self, from: Height, count: usize) -> Vec<FinalizedBlock> {
        let skipped = from.0.saturating_sub(1) as usize;
        self.kept.finalized.iter().skip(skipped).take(count).cloned().collect()
    }

    /// Cuts off what lies behind the damage, as the store salvages what still reads.
    ///
    /// # Panics
    /// When a log without damage reads back otherwise than it was written.
    pub fn salvage(&mut self, genesis_leaves: &[Vec<u8>]) {
        let (kept, read) = read_prefix(genesis_leaves, &self.log);
        self.log.truncate(read.bytes);
        (self.acknowledged, self.kept) = (read.batches, kept);
    }

    /// What a validator starts from; whether its votes may be relied on is for its signer to say. A torn
    /// tail is cut off.
    ///
    /// # Errors
    /// [`Damage`]; then the disk must be salvaged first.
    ///
    /// # Panics
    /// When what reads back is not what was acknowledged, or a stored block does not lead to the books
    /// that its header names.
    pub fn recover(&mut self, chain: &Chain) -> Result<Recovered, Damage> {
        let mut ledger = Ledger::new(&chain.genesis).expect("a genesis that begins a chain");
        let (mut kept, read) = read(ledger.genesis_leaves(), &self.log)?;
        if read.batches < self.acknowledged {
            return Err(Damage::Forgotten);
        }
        // A batch that nobody was told of may be there; one that somebody was told of must.
        if read.batches == self.acknowledged && !self.log.is_empty() {
            assert!(kept.same(&self.kept), "the log reads back otherwise than it was written");
        }
        self.log.truncate(read.bytes);
        self.acknowledged = read.batches;
        let (mut trust, mut finalized) = (chain.trust.clone(), None);
        for proof in &kept.finalized {
            let header = proof.block.header.clone();
            let replayed = replay(&mut ledger, &mut trust, proof.clone());
            let (staged, _) = replayed.expect("a stored block leads to the books that its header names");
            if staged.ends_epoch() {
                finalized = None;
            } else if let Some(certificate) = proof.finalization() {
                finalized = Some((header, certificate.clone()));
            }
        }
        let epoch = ledger.validators().epoch;
        let floor = (epoch, finalized.as_ref().map_or(View(0), |(header, _)| header.view.next()));
        let undecided = kept.undecided.values().filter(|block| block.header.epoch == epoch).cloned();
        let blocks: Vec<VerifiedBlock> = undecided.map(VerifiedBlock::from_own_store).collect();
        let of_epoch =
            |(of, statement): &(Epoch, Statement)| *of == epoch && (*of, statement.view()) >= floor;
        let statements = kept.statements.iter().filter(|said| of_epoch(said));
        let certificates = kept.certificates.iter().filter(|(certified, _)| of_epoch(certified));
        let consensus = Restored {
            statements: statements.map(|(_, statement)| *statement).collect(),
            certificates: certificates.map(|(_, certificate)| certificate.clone()).collect(),
            headers: blocks.iter().map(|block| block.header().clone()).collect(),
            finalized,
        };
        let (certified, evidence) = (kept.checkpoint.clone(), kept.evidence.clone());
        std::mem::swap(&mut self.kept, &mut kept);
        let memory = Memory::default();
        Ok(Recovered { ledger, trust, consensus, blocks, certified, evidence, halted: false, memory })
    }
}

impl VoteLog for Disk {
    fn directory(&self, key: &PublicKey) -> Result<Directory, StoreError> {
        let tokens = self.kept.tokens.get(key).copied();
        Ok(Directory { tokens, steps: self.acknowledged, floor: self.kept.floor })
    }

    fn holds(&self, (epoch, view): Term) -> bool {
        self.kept.statements.iter().any(|(of, statement)| (*of, statement.view()) == (epoch, view))
    }

    fn last_vote(&self) -> Result<Term, StoreError> {
        let terms = self.kept.statements.iter().map(|(epoch, statement)| (*epoch, statement.view()));
        Ok(terms.max().unwrap_or_default())
    }

    fn votes_from(&self, from: Term) -> Result<Vec<(Epoch, Statement)>, StoreError> {
        let from = |(epoch, statement): &&(Epoch, Statement)| (*epoch, statement.view()) >= from;
        Ok(self.kept.statements.iter().filter(from).copied().collect())
    }

    fn steps(&self) -> u64 {
        self.acknowledged
    }

    fn keep_token(&mut self, key: &PublicKey, token: &Token, replaced: &Token) -> Result<(), StoreError> {
        match self.commit(&mut vec![Write::Token(*key, *token, *replaced)]) {
            Written::Durable => Ok(()),
            Written::Failed => {
                let source = std::io::ErrorKind::StorageFull.into();
                Err(StoreError::File { path: "the simulated disk".into(), source })
            }
        }
    }
}

impl Kept {
    fn apply(&mut self, write: Write) {
        match write {
            Write::Vote(epoch, statement) => {
                let (term, floor) = ((epoch, statement.view()), self.floor);
                assert!(term >= floor, "{statement:?} of epoch {epoch} below the floor {floor:?}");
                self.statements.insert((epoch, statement));
            }
            Write::Block(block) => drop(self.undecided.insert(block.header.hash(), block)),
            Write::Certificate(certificate) => {
                self.certificates.insert((certificate.epoch, certificate.statement), certificate);
            }
            Write::Finalized(first, leaves, proof) => self.post(first, leaves, *proof),
            Write::Checkpoint(certified) => self.checkpoint = Some(certified),
            Write::Evidence(evidence) => self.evidence.push(*evidence),
            Write::Watermark(size, root) => self.watermark = Some((size, root)),
            Write::Token(key, token, replaced) => drop(self.tokens.insert(key, (token, replaced))),
        }
    }

    fn post(&mut self, first: u64, leaves: Vec<Vec<u8>>, proof: FinalizedBlock) {
        let header = &proof.block.header;
        assert_eq!(header.height.0 as usize, self.finalized.len() + 1, "blocks persist in order of height");
        assert_eq!(first as usize, self.leaves.len(), "leaves persist without a gap");
        let (hash, epoch, view) = (header.hash(), header.epoch, header.view);
        self.leaves.extend(leaves);
        self.places.insert(hash, self.finalized.len());
        self.undecided.remove(&hash);
        self.finalized.push(proof);
        let floor = (epoch, View(view.0.saturating_sub(VIEWS_KEPT)));
        if floor > self.floor {
            self.floor = floor;
            self.statements.retain(|(epoch, statement)| (*epoch, statement.view()) >= floor);
            self.certificates.retain(|(epoch, statement), _| (*epoch, statement.view()) >= floor);
            self.undecided.retain(|_, block| (block.header.epoch, block.header.view) >= floor);
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.statements == other.statements
            && self.certificates == other.certificates
            && self.undecided == other.undecided
            && self.finalized == other.finalized
            && self.leaves == other.leaves
            && self.checkpoint == other.checkpoint
            && self.watermark == other.watermark
            && self.tokens == other.tokens
    }
}

/// Length, checksum, and the writes, each with its kind and length.
fn framed(writes: &[Write]) -> Vec<u8> {
    let mut payload = Vec::new();
    for write in writes {
        let (kind, bytes) = match write {
            Write::Vote(epoch, statement) => (0, [codec::encode(epoch), codec::encode(statement)].concat()),
            Write::Block(block) => (1, codec::encode(block)),
            Write::Certificate(certificate) => (2, codec::encode(certificate)),
            Write::Finalized(first, leaves, proof) => {
                let mut bytes = codec::encode(first);
                put(&mut bytes, &codec::encode(leaves));
                put(&mut bytes, &codec::encode(&**proof));
                (3, bytes)
            }
            Write::Checkpoint(certified) => (4, codec::encode(certified)),
            Write::Evidence(evidence) => {
                let mut bytes = Vec::new();
                put(&mut bytes, &codec::encode(&evidence.first));
                put(&mut bytes, &codec::encode(&evidence.second));
                (5, bytes)
            }
            Write::Watermark(size, root) => {
                let mut bytes = codec::encode(size);
                bytes.extend_from_slice(&root.0);
                (6, bytes)
            }
            Write::Token(key, token, replaced) => (7, [key.0.as_slice(), token, replaced].concat()),
        };
        payload.push(kind);
        put(&mut payload, &bytes);
    }
    let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&checksum(&payload));
    frame.extend_from_slice(&payload);
    frame
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
    bytes.extend_from_slice(part);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(part)
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let digest = Digest::of(&[b"batch", payload]);
    core::array::from_fn(|place| digest.0[place])
}

/// How far a log reads.
struct Read {
    batches: u64,
    bytes: usize,
}

/// Batch by batch. What does not read is a torn tail if nothing that reads follows it, else damage.
fn read(genesis_leaves: &[Vec<u8>], log: &[u8]) -> Result<(Kept, Read), Damage> {
    let (kept, read) = read_prefix(genesis_leaves, log);
    // The length that did not read may be what rotted: look for a batch at every later place.
    let later = (read.bytes + 1..log.len()).any(|place| batch(log, place).is_some());
    if later { Err(Damage::Record) } else { Ok((kept, read)) }
}

/// Up to the first batch that does not read.
fn read_prefix(genesis_leaves: &[Vec<u8>], log: &[u8]) -> (Kept, Read) {
    let mut kept = Kept { leaves: genesis_leaves.to_vec(), ..Kept::default() };
    let mut read = Read { batches: 0, bytes: 0 };
    while let Some((payload, end)) = batch(log, read.bytes) {
        let Some(writes) = writes_of(payload) else { break };
        writes.into_iter().for_each(|write| kept.apply(write));
        read.batches += 1;
        read.bytes = end;
    }
    (kept, read)
}

fn writes_of(payload: &[u8]) -> Option<Vec<Write>> {
    let (mut writes, mut rest) = (Vec::new(), payload);
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        writes.push(decoded(*kind, take(&mut rest)?)?);
    }
    Some(writes)
}

fn batch(log: &[u8], place: usize) -> Option<(&[u8], usize)> {
    let (frame, rest) = log.get(place..)?.split_at_checked(FRAME_BYTES)?;
    let (length, sum) = frame.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let payload = rest.get(..length).filter(|payload| !payload.is_empty())?;
    (checksum(payload) == sum).then_some((payload, place + FRAME_BYTES + length))
}

fn decoded(kind: u8, mut record: &[u8]) -> Option<Write> {
    fn value<T: Encode + Decode<()>>(bytes: &[u8]) -> Option<T> {
        codec::decode(bytes, RECORD_BYTES_MAX).ok()
    }
    Some(match kind {
        0 => {
            let (epoch, statement) = record.split_first_chunk::<8>()?;
            Write::Vote(value(epoch)?, value(statement)?)
        }
        1 => Write::Block(value(record)?),
        2 => Write::Certificate(value(record)?),
        3 => {
            let (first, mut rest) = record.split_first_chunk::<8>()?;
            let leaves = value(take(&mut rest)?)?;
            Write::Finalized(u64::from_le_bytes(*first), leaves, Box::new(value(take(&mut rest)?)?))
        }
        4 => Write::Checkpoint(value(record)?),
        5 => {
            let first: Vote = value(take(&mut record)?)?;
            let second: Vote = value(take(&mut record)?)?;
            Write::Evidence(Box::new(Evidence { first, second }))
        }
        6 => {
            let (size, root) = record.split_first_chunk::<8>()?;
            Write::Watermark(u64::from_le_bytes(*size), Digest(root.try_into().ok()?))
        }
        7 => {
            let (key, tokens) = record.split_first_chunk::<32>()?;
            let (token, replaced) = tokens.split_first_chunk::<16>()?;
            Write::Token(PublicKey(*key), *token, replaced.try_into().ok()?)
        }
        _ => return None,
    })
}

fn may_cosign(watermark: Option<(u64, Digest)>, size: u64, root: &Digest) -> bool {
    watermark.is_none_or(|(last, kept)| size > last || (size == last && *root == kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(view: u64) -> Write {
        Write::Vote(Epoch(0), Statement::Nullify { view: View(view) })
    }

    fn written(chain: &Chain) -> Disk {
        let mut disk = Disk::default();
        assert!(disk.recover(chain).is_ok());
        for view in 1..=5 {
            assert_eq!(disk.commit(&mut vec![vote(view), vote(view + 10)]), Written::Durable);
        }
        disk
    }

    fn statements(disk: &mut Disk, chain: &Chain) -> usize {
        let recovered = disk.recover(chain).unwrap_or_else(|damage| panic!("{damage:?}"));
        recovered.consensus.statements.len()
    }

    #[test]
    fn a_torn_tail_is_dropped_and_what_was_acknowledged_stays() {
        let chain = Chain::of(4);
        let whole = written(&chain);
        for permille in (0..1000).step_by(7) {
            let mut disk = whole.clone();
            disk.tear(&mut vec![vote(20), vote(21)], permille);
            assert_eq!(statements(&mut disk, &chain), 10);
        }
        let mut disk = whole;
        disk.tear(&mut vec![vote(20), vote(21)], 1000);
        assert_eq!(statements(&mut disk, &chain), 12);
    }

    #[test]
    fn no_bit_of_an_acknowledged_batch_rots_unnoticed() {
        let chain = Chain::of(4);
        let whole = written(&chain);
        for bit in 0..whole.log.len() as u64 * 8 {
            let mut disk = whole.clone();
            assert!(disk.rot(bit));
            assert!(disk.recover(&chain).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_full_disk_keeps_nothing_half_done() {
        let chain = Chain::of(4);
        let mut disk = written(&chain);
        disk.fill(true);
        assert_eq!(disk.commit(&mut vec![vote(30), vote(31)]), Written::Failed);
        assert_eq!(statements(&mut disk, &chain), 10);
        disk.fill(false);
        assert_eq!(disk.commit(&mut vec![vote(32)]), Written::Durable);
        assert_eq!(statements(&mut disk, &chain), 11);
    }
}
