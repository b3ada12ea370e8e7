//! The stage that scenarios are played on: a chain whose keys we hold, books that grow by real
//! blocks with real certificates, and a table of whole validators whose messages pass our hands.
//!
//! It leaves out weather, crashes and clocks, which `tests::world` plays. What knows how a final
//! block, a validator set or a validator is put together stands here and nowhere else.
//!
//! Invariant: every signature is real; only what a scenario bends is bent.

use std::collections::VecDeque;
use std::sync::Arc;

use consensus::event::{HaltReason, Message, To};
use consensus::leader::Rotation;
use consensus::machine::Restored;
use ledger::block::{Block, Epoch, Header, Height, VerifiedBlock, View};
use ledger::books::{Ledger, Parent, Slot, Staged};
use ledger::certificate::{Certificate, Statement, ValidatorSet, Vote};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Cosignature as CheckpointCosignature};
use ledger::digest::Digest;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::signature::Signature;
use ledger::time::Timestamp;
use ledger::transaction::{SignedTransaction, VerifiedTransaction};
use node::amnesia::Memory;
use node::cosigning::Cosignature;
use node::intake::Intake;
use node::keeper::Keeper;
use node::recover::recover;
use node::store::Store;
use node::validator::{Action, Event, Recovered, Settings, SyncedBlock, Validator};
use tempfile::TempDir;
use tests::chain::{BEGIN, Chain};
use tests::traffic::Traffic;

/// Between the times of two blocks.
pub(crate) const BLOCK_MS: u64 = 1000;

/// The settings that every validator here has.
pub(crate) fn settings() -> Settings {
    let consensus = consensus::Config {
        delta_ms: 250,
        delta_max_ms: 2000,
        block_interval_ms: 50,
        heartbeat_ms: 5000,
        ..Default::default()
    };
    Settings { consensus, request_timeout_ms: 500 }
}

/// A chain, its books, and the final blocks that led there.
pub(crate) struct Stage {
    pub(crate) chain: Chain,
    pub(crate) ledger: Ledger,
    pub(crate) blocks: Vec<FinalizedBlock>,
    pub(crate) intake: Intake,
    traffic: Traffic,
    waiting: VecDeque<SignedTransaction>,
}

impl Stage {
    /// `n` validators, at genesis.
    pub(crate) fn of(n: usize) -> Self {
        let chain = Chain::of(n);
        let ledger = Ledger::new(&chain.genesis).unwrap();
        let intake = Intake::new(*chain.trust.chain());
        Self { chain, ledger, blocks: Vec::new(), intake, traffic: Traffic::new(5), waiting: VecDeque::new() }
    }

    /// The same, grown by so many blocks.
    pub(crate) fn grown(n: usize, blocks: usize) -> Self {
        let mut stage = Self::of(n);
        stage.grow(blocks);
        stage
    }

    pub(crate) fn id(&self) -> &Digest {
        self.chain.trust.chain()
    }

    pub(crate) fn set(&self) -> &ValidatorSet {
        self.ledger.validators()
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.set().epoch
    }

    pub(crate) fn seats(&self) -> Vec<u16> {
        (0..self.set().len() as u16).collect()
    }

    /// As many as a quorum needs, from seat 0 on.
    pub(crate) fn quorum(&self) -> Vec<u16> {
        self.seats()[..self.set().quorum()].to_vec()
    }

    pub(crate) fn leader(&self, view: u64) -> u16 {
        Rotation::new(&self.ledger.genesis_header().hash(), self.set().len() as u16).leader(View(view))
    }

    pub(crate) fn vote(&self, seat: u16, statement: Statement) -> Vote {
        let epoch = self.epoch();
        let signature = self.chain.keys(seat).sign_vote(&statement, self.id(), epoch);
        Vote { epoch, statement, signer: seat, signature }
    }

    /// A certificate of true signatures by these seats, be they a quorum or not.
    pub(crate) fn certify(&self, statement: Statement, seats: &[u16]) -> Certificate {
        let votes: Vec<(u16, Signature)> =
            seats.iter().map(|seat| (*seat, self.vote(*seat, statement).signature)).collect();
        Certificate::from_votes(self.epoch(), statement, self.set().len(), &votes)
    }

    /// Steps of payment systems, each bookable once those before it are.
    pub(crate) fn transactions(&mut self, count: usize) -> Vec<SignedTransaction> {
        while self.waiting.len() < count {
            let life = self.traffic.life(&self.chain);
            if !life.refusable {
                self.waiting.extend(life.steps);
            }
        }
        self.waiting.drain(..count).collect()
    }

    pub(crate) fn verified(&self, signed: Vec<SignedTransaction>) -> Vec<VerifiedTransaction> {
        self.intake.submitted(signed).into_iter().map(Result::unwrap).collect()
    }

    /// A block on the head, for this view, by its leader.
    pub(crate) fn propose(&self, view: u64, transactions: Vec<VerifiedTransaction>) -> Arc<Staged> {
        let time = Timestamp(BEGIN.0 + BLOCK_MS * view);
        let slot = Slot { epoch: self.epoch(), view: View(view), proposer: self.leader(view), time };
        let mut candidates = transactions.into_iter();
        let proposed = self.ledger.propose(&Parent::Finalized, slot, &mut candidates);
        assert!(proposed.refused.is_empty(), "{:?}", proposed.refused[0].1);
        proposed.staged
    }

    /// What proves a block final, signed by these seats: notarization, skips and finalization.
    pub(crate) fn prove(
        &self,
        header: &Header,
        seats: &[u16],
    ) -> (Certificate, Vec<Certificate>, Certificate) {
        let (view, block) = (header.view, header.hash());
        let skips = (header.parent_view.0 + 1..view.0)
            .map(|view| self.certify(Statement::Nullify { view: View(view) }, seats))
            .collect();
        let notarization = self.certify(Statement::Notarize { view, block }, seats);
        (notarization, skips, self.certify(Statement::Finalize { view, block }, seats))
    }

    /// A final block with its proof by these seats.
    pub(crate) fn finalized(&self, block: Block, seats: &[u16]) -> FinalizedBlock {
        let (notarization, skips, finalization) = self.prove(&block.header, seats);
        FinalizedBlock { block, finality: voted(notarization, skips, Some(finalization)) }
    }

    /// Grows the books by blocks of three transactions; every fourth skips a view.
    pub(crate) fn grow(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let signed = self.transactions(3);
            let transactions = self.verified(signed);
            let head = self.ledger.head();
            let view = head.view.0 + 1 + u64::from(head.height.0 % 4 == 3);
            let staged = self.propose(view, transactions);
            let finalized = self.finalized(staged.block().to_block(), &self.quorum());
            self.ledger.post(&staged);
            self.blocks.push(finalized);
        }
    }

    /// As a peer's answer arrives at a validator.
    pub(crate) fn answer(&self, blocks: &[FinalizedBlock]) -> Vec<SyncedBlock> {
        let read = self.intake.finalized(blocks.to_vec());
        assert_eq!(read.len(), blocks.len(), "the bodies are what their headers say");
        read
    }

    /// A validator that knows genesis only.
    pub(crate) fn newcomer(&self, seat: u16) -> Validator {
        let recovered = Recovered {
            ledger: Ledger::new(&self.chain.genesis).unwrap(),
            trust: self.chain.trust.clone(),
            consensus: Restored::default(),
            blocks: Vec::new(),
            certified: None,
            evidence: Vec::new(),
            halted: false,
            memory: Memory::default(),
        };
        let vote_keys = vec![self.chain.keys(seat).vote_key()];
        Validator::new(settings(), vote_keys, recovered, self.clock()).0
    }

    /// A time at which every block so far may have been made.
    pub(crate) fn clock(&self) -> Timestamp {
        Timestamp(self.ledger.head().time.0.max(BEGIN.0) + BLOCK_MS)
    }

    /// The head's checkpoint with the cosignatures of these seats.
    pub(crate) fn certified(&self, seats: &[u16]) -> CertifiedCheckpoint {
        let log = &self.ledger.head().log;
        let checkpoint =
            Checkpoint { origin: self.chain.trust.origin().into(), size: log.size(), root: log.root() };
        let time_s = self.clock().0 / 1000;
        let cosign = |seat: &u16| self.chain.keys(*seat).cosign(*seat, &checkpoint, time_s);
        let cosignatures: Vec<CheckpointCosignature> = seats.iter().map(cosign).collect();
        CertifiedCheckpoint::assemble(checkpoint, &cosignatures, &self.chain.trust).unwrap()
    }

    /// The leaves of the log.
    pub(crate) fn leaves(&self) -> Vec<Vec<u8>> {
        let mut ledger = Ledger::new(&self.chain.genesis).unwrap();
        let mut leaves = ledger.genesis_leaves().to_vec();
        for finalized in &self.blocks {
            let block = VerifiedBlock::from_own_store(finalized.block.clone());
            let staged = ledger.verify(&Parent::Finalized, &block).unwrap();
            leaves.extend(staged.leaves().iter().cloned());
            ledger.post(&staged);
        }
        leaves
    }
}

/// What a scenario does to an event on its way into a seat; `None` loses it. Ticks pass unbent: time
/// stands still for nobody.
type Bend = Box<dyn FnMut(u16, Event) -> Option<Event>>;

/// A node's own disk: its real store in a folder of its own.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
    store: Option<(Arc<Store>, Keeper)>,
}

impl Home {
    pub(crate) fn empty() -> Self {
        Self { folder: TempDir::new().unwrap(), store: None }
    }

    /// Starts a validator from what the disk holds, as the node does.
    pub(crate) fn start(&mut self, chain: &Chain, seat: u16, now: Timestamp) -> (Validator, Vec<Action>) {
        // A folder is opened by one process at a time, and by one store.
        self.store = None;
        // A process that another test starts at this moment holds our lock until it has begun.
        let open = || Store::open(self.folder.path(), chain.trust.chain());
        let waits = (0..100).map(|_| std::thread::sleep(std::time::Duration::from_millis(20)));
        let again = waits.map(|()| open()).find(Result::is_ok);
        let store = Arc::new(open().or_else(|error| again.unwrap_or(Err(error))).unwrap());
        let recovered = recover(&chain.genesis, &store).unwrap();
        let keeper = Keeper::open(store.clone(), &recovered.ledger).unwrap();
        self.store = Some((store, keeper));
        let vote_keys = vec![chain.keys(seat).vote_key()];
        let (validator, mut actions) = Validator::new(settings(), vote_keys, recovered, now);
        actions.retain(|action| self.allows(action));
        self.keep(&actions);
        (validator, actions)
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store.as_ref().expect("it was started").0
    }

    /// Makes durable what a step asks to keep.
    pub(crate) fn keep(&mut self, actions: &[Action]) {
        let (store, keeper) = self.store.as_mut().expect("it was started");
        let mut batch = store.batch();
        keeper.gather(&mut batch, actions).unwrap();
        batch.commit().unwrap();
    }

    /// Whether our cosigner's watermark lets this pass.
    pub(crate) fn allows(&self, action: &Action) -> bool {
        let (_, keeper) = self.store.as_ref().expect("it was started");
        !matches!(action, Action::Cosign { size, root, .. } if !keeper.may_cosign(*size, root))
    }
}

/// One validator at the table.
pub(crate) struct Member {
    pub(crate) validator: Validator,
    pub(crate) home: Home,
    pub(crate) intake: Intake,
    pub(crate) halted: Option<HaltReason>,
}

/// Whole validators that hear one another at once, in order.
pub(crate) struct Table {
    pub(crate) stage: Stage,
    pub(crate) members: Vec<Member>,
    pub(crate) now: Timestamp,
    /// Messages as they were sent.
    pub(crate) said: Vec<Message>,
    bend: Bend,
    events: VecDeque<(u16, Event)>,
}

impl Table {
    /// All seats of a stage at genesis.
    pub(crate) fn new(stage: Stage, bend: impl FnMut(u16, Event) -> Option<Event> + 'static) -> Self {
        let now = stage.clock();
        let mut first = Vec::new();
        let members = stage.seats().into_iter().map(|seat| {
            let mut home = Home::empty();
            let (validator, actions) = home.start(&stage.chain, seat, now);
            first.push((seat, actions));
            Member { validator, home, intake: Intake::new(*stage.id()), halted: None }
        });
        let members = members.collect();
        let (said, events) = (Vec::new(), VecDeque::new());
        let mut table = Self { stage, members, now, said, bend: Box::new(bend), events };
        for (seat, actions) in first {
            table.carry_out(seat, actions);
        }
        for seat in table.stage.seats() {
            for peer in table.stage.seats().into_iter().filter(|peer| *peer != seat) {
                table.tell(seat, Event::Connected(peer));
            }
        }
        table
    }

    pub(crate) fn tell(&mut self, seat: u16, event: Event) {
        self.events.push_back((seat, event));
    }

    /// Everybody's pool gets these.
    pub(crate) fn submit(&mut self, signed: Vec<SignedTransaction>) {
        let transactions = self.stage.verified(signed);
        for seat in self.stage.seats() {
            self.tell(seat, Event::Spread(transactions.clone()));
        }
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = Timestamp(self.now.0 + ms);
        loop {
            while let Some((seat, event)) = self.events.pop_front() {
                let event = match event {
                    Event::Tick => Some(event),
                    event => (self.bend)(seat, event),
                };
                event.into_iter().for_each(|event| self.hear(seat, event));
            }
            let wake = self.members.iter().filter_map(|member| member.validator.wake_at()).min();
            match wake.filter(|wake| *wake <= end) {
                Some(wake) => self.now = self.now.max(wake),
                None => break,
            }
            for seat in self.stage.seats() {
                let wake = self.members[usize::from(seat)].validator.wake_at();
                if wake.is_some_and(|wake| wake <= self.now) {
                    self.tell(seat, Event::Tick);
                }
            }
        }
        self.now = end;
    }

    /// Loses what is in a member's memory, and starts it from its disk.
    pub(crate) fn restart(&mut self, seat: u16) {
        let member = &mut self.members[usize::from(seat)];
        let (validator, actions) = member.home.start(&self.stage.chain, seat, self.now);
        (member.validator, member.halted) = (validator, None);
        self.carry_out(seat, actions);
    }

    pub(crate) fn height(&self, seat: u16) -> Height {
        self.members[usize::from(seat)].validator.ledger().head().height
    }

    fn hear(&mut self, seat: u16, event: Event) {
        let member = &mut self.members[usize::from(seat)];
        let mut actions = member.validator.handle(self.now, event);
        actions.retain(|action| member.home.allows(action));
        member.home.keep(&actions);
        self.carry_out(seat, actions);
    }

    fn carry_out(&mut self, seat: u16, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Vote { statement, .. } => {
                    let vote = self.stage.vote(seat, statement);
                    self.send(seat, To::All, Message::Vote(vote));
                    self.tell(seat, Event::Voted(vote));
                }
                Action::Cosign { size, root, .. } => self.cosign(seat, size, root),
                Action::Send { to, message } => self.send(seat, to, message),
                Action::SendCosignatures { to, cosignatures } => {
                    self.tell(to, Event::Cosignatures(cosignatures));
                }
                Action::FetchBlock { from, block } => {
                    let peer = &self.members[usize::from(from)];
                    let found = peer.home.store().block(&block).unwrap();
                    let found = found.and_then(|block| peer.intake.block(block).ok());
                    self.tell(seat, found.map_or(Event::Unanswered { from }, Event::Block));
                }
                Action::FetchBlocks { from, height } => {
                    let peer = &self.members[usize::from(from)];
                    let blocks = peer.home.store().finalized_from(height, 7, 1 << 20).unwrap();
                    self.tell(seat, Event::Blocks { from, blocks: peer.intake.finalized(blocks) });
                }
                Action::Halt { reason, .. } => {
                    self.members[usize::from(seat)].halted.get_or_insert(reason);
                }
                _ => {}
            }
        }
    }

    fn cosign(&mut self, seat: u16, size: u64, root: Digest) {
        let checkpoint = Checkpoint { origin: self.stage.chain.trust.origin().into(), size, root };
        let by = self.stage.chain.keys(seat).cosign(seat, &checkpoint, self.now.0 / 1000);
        for to in self.stage.seats() {
            self.tell(to, Event::Cosignatures(vec![Cosignature { size, root, by }]));
        }
    }

    fn send(&mut self, from: u16, to: To, message: Message) {
        self.said.push(message.clone());
        let others = self.stage.seats().into_iter().filter(|seat| match to {
            To::All => *seat != from,
            To::One(one) => *seat == one,
        });
        for seat in others.collect::<Vec<_>>() {
            let intake = &self.members[usize::from(seat)].intake;
            if let Ok(event) = intake.message(from, message.clone()) {
                self.tell(seat, event);
            }
        }
    }
}

/// Every subset of this size, in order.
pub(crate) fn subsets(seats: &[u16], size: usize) -> Vec<Vec<u16>> {
    let Some((first, rest)) = seats.split_first().filter(|_| size > 0) else {
        return if size == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let with = subsets(rest, size - 1).into_iter().map(|mut subset| {
        subset.insert(0, *first);
        subset
    });
    with.chain(subsets(rest, size)).collect()
}

/// Finality by votes, without closing blocks.
pub(crate) fn voted(
    notarization: Certificate,
    skips: Vec<Certificate>,
    finalization: Option<Certificate>,
) -> Finality {
    Finality::Voted { notarization, skips, finalization, closing: Vec::new() }
}

/// The certificates of a finality by votes.
pub(crate) struct Parts<'a> {
    pub(crate) notarization: &'a mut Certificate,
    pub(crate) skips: &'a mut Vec<Certificate>,
    pub(crate) finalization: &'a mut Option<Certificate>,
}

/// The certificates of a finality by votes, to bend them.
pub(crate) fn parts(finality: &mut Finality) -> Parts<'_> {
    match finality {
        Finality::Voted { notarization, skips, finalization, .. } => {
            Parts { notarization, skips, finalization }
        }
        Finality::Recovered => panic!("no chain here is recovered"),
    }
}
