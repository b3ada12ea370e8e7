//! Whole validators on one thread under one seed.
//!
//! A world plays network, disks, clocks and payment systems; the validators in it are the node's own,
//! with real signatures and real bytes between them. First comes a storm (loss, partitions, damage,
//! crashes at every moment of a step, disks that fail or are set back, clocks that jump, members that
//! misbehave), while people change the validator set; then everything heals that may heal, and what was
//! acknowledged must stand in every book exactly once. At most f machines at a time are beyond healing or
//! have lost their votes: misbehaving members, lost vote logs, and clocks and lines left bad share that.
//!
//! Invariant: the same seed and settings give the same [`World::trace`].

mod adversary;
mod carry;
mod clients;
mod figures;
mod forger;
mod government;
mod keyfiles;
mod many;
mod members;
mod network;
mod plan;
mod trouble;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ledger::block::{BlockHash, Epoch, Height, View};
use ledger::books::Ledger;
use ledger::digest::Digest;
use ledger::signature::PublicKey;
use node::cosigning::Cosignature;
use node::intake::Intake;
use node::keyring::Keyring;
use node::signer::Signers;
use node::validator::{Action, Event, Settings, Validator};

use crate::chain::{BEGIN, Chain};
use crate::checker::Checker;
use crate::disk::{Disk, Write};
use crate::random::Random;
use crate::traffic::Traffic;
use crate::weather::Weather;
pub use adversary::Character;
use clients::Clients;
pub use figures::Figures;
use government::Government;
use keyfiles::KeyFiles;
pub use many::{Report, play_many};
pub use plan::{Plan, play};
use trouble::{Forgetting, HEALING_MS};

/// A world in which this much happens without an end is stuck.
const HAPPENINGS_MAX: u64 = 3_000_000;

/// When a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What the step asked to keep is not durable.
    BeforePersist,
    /// Some bytes of it are on the disk, all of them perhaps, and nobody was told.
    TornWrite,
    /// It is durable, and nothing else of the step happened.
    BeforeSend,
    /// Some of the step's actions were carried out.
    MidSend,
}

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until the one history has this height.
    Height(u64),
    /// For so many milliseconds of the world's time.
    Ms(u64),
}

/// What goes over a link.
#[derive(Clone)]
enum Packet {
    /// A message of consensus, as bytes.
    Message(Arc<[u8]>),
    Transactions(Arc<Vec<Vec<u8>>>),
    Cosignatures(Vec<Cosignature>),
    AskBlock(BlockHash),
    AskBlocks(Height),
    Block(Option<Arc<[u8]>>),
    /// Final blocks with their proofs, each as bytes.
    Blocks(Arc<Vec<Vec<u8>>>),
    Unanswered,
    Connected,
}

enum Happening {
    Packet { from: usize, to: usize, packet: Packet },
    Turn { at: usize },
    Weather,
    Trouble,
    Mischief { at: usize },
    FreeSpace { at: usize },
    Restart { at: usize },
    Client { client: usize },
    NewClient,
    Govern,
}

/// One machine: what is in its memory, and its disk.
struct Machine {
    // Whose it is: the place of its organisation; a twin's is another's too.
    place: usize,
    character: Character,
    files: KeyFiles,
    keyring: Keyring,
    signers: Option<Signers>,
    // By number, as its books have it, and the key that the others know it by.
    members: Vec<PublicKey>,
    peer_key: PublicKey,
    validator: Option<Validator>,
    intake: Intake,
    inbox: VecDeque<Event>,
    own: VecDeque<Event>,
    // Gathered and not durable.
    pending: Vec<Write>,
    disk: Disk,
    skew_ms: i64,
    turn_at: Option<u64>,
    // After so many more durable steps.
    doom: Option<(u32, Moment)>,
    // Before the effect of this number; a write is one, and each action that is carried out.
    doomed_effect: Option<u64>,
    effects: u64,
    // How often it started.
    life: u64,
    forgetting: Forgetting,
    // Its disk is damaged before the tail.
    rotten: bool,
    // It has lost votes, or may have, and has not come to where it votes again.
    lost: bool,
    // Where that is, once the others were heard.
    floor: (Epoch, View),
    // Its clock or its line stays bad.
    stays_bad: bool,
    // It is gone for good.
    dead: bool,
    // Final blocks of its disk that the checker has seen.
    checked: usize,
    // What it sends leaves so much later.
    slow_ms: u64,
    // What it spreads to the pools reaches nobody.
    unspread: bool,
    // An old image of the disk, kept by who sets it back, and of the signers' memory.
    image: Option<(Disk, Vec<Vec<u8>>)>,
}

/// See the module.
pub struct World {
    seed: u64,
    random: Random,
    chain: Arc<Chain>,
    settings: Settings,
    machines: Vec<Machine>,
    queue: BTreeMap<(u64, u64), Happening>,
    serial: u64,
    now: u64,
    weather: Weather,
    storm: bool,
    crash_permille: u64,
    government: Government,
    // No disk loses what it kept.
    disks_hold: bool,
    clients: Clients,
    traffic: Traffic,
    checker: Checker,
    figures: Figures,
    // In whose name came what they did not send.
    scratched: BTreeSet<usize>,
    trace: u64,
    telling: bool,
    // Messages as they were sent, for those who want to twist them.
    heard: Vec<Arc<[u8]>>,
}

/// Messages remembered as they were sent.
const HEARD_MAX: usize = 600;

impl World {
    /// A world of this seed, with four honest validators and calm weather.
    pub fn seeded(seed: u64) -> Self {
        let random = Random::new(seed);
        Self::build(seed, random, (4, 0), &[])
    }

    /// The same with so many validators. Call it first.
    #[must_use]
    pub fn validators(self, n: usize) -> Self {
        Self::build(self.seed, Random::new(self.seed), (n, 0), &[])
    }

    /// So many validators, of which the first behave as listed, in calm weather. More than f of them
    /// may; then only safety towards the honest can be asked for, and not even that for sure.
    pub fn with(seed: u64, n: usize, faulty: &[Character]) -> Self {
        Self::build(seed, Random::new(seed), (n, 0), faulty)
    }

    /// The same with followers behind them, whom people may make validators.
    pub fn governed(seed: u64, n: usize, followers: usize, faulty: &[Character]) -> Self {
        Self::build(seed, Random::new(seed), (n, followers), faulty)
    }

    /// Four validators of which the first equivocates, in calm weather.
    pub fn besieged(seed: u64) -> Self {
        Self::with(seed, 4, &[Character::Equivocator])
    }

    /// Four validators of which the first runs twice with the same keys, in calm weather.
    pub fn twinned(seed: u64) -> Self {
        Self::with(seed, 4, &[Character::Twin])
    }

    /// The chain it is played on.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// A machine's validator, unless it is down.
    pub fn validator(&self, at: usize) -> Option<&Validator> {
        self.machines[at].validator.as_ref()
    }

    /// A machine's disk.
    pub fn disk(&self, at: usize) -> &Disk {
        &self.machines[at].disk
    }

    /// Messages of consensus as they were sent, the newest some hundreds.
    pub fn heard(&self) -> &[Arc<[u8]>] {
        &self.heard
    }

    /// A stranger's event, as the node's intake hands it on.
    pub fn inject(&mut self, at: usize, event: Event) {
        // It names whomever it likes as its sender.
        self.scratched.extend(0..self.machines.len());
        self.machines[at].inbox.push_back(event);
        self.schedule_turn(at);
    }

    /// A stranger's message of consensus: what does not pass the intake ends there.
    pub fn inject_message(&mut self, at: usize, from: u16, message: consensus::event::Message) {
        if let Ok(event) = self.machines[at].intake.message(from, message) {
            self.inject(at, event);
        }
    }

    /// The intake of a machine.
    pub fn intake(&self, at: usize) -> &Intake {
        &self.machines[at].intake
    }

    fn build(seed: u64, random: Random, (n, followers): (usize, usize), faulty: &[Character]) -> Self {
        let (chain, genesis_leaves) = chain_of(n);
        let characters = |place: usize| faulty.get(place).copied().unwrap_or(Character::Honest);
        // A twin's second machine stands behind the others.
        let mut places: Vec<usize> = (0..n + followers).collect();
        places.extend((0..n).filter(|place| characters(*place) == Character::Twin));
        let consensus = consensus::machine::Config {
            delta_ms: 250,
            delta_max_ms: 2000,
            block_interval_ms: 50,
            heartbeat_ms: 5000,
            ..Default::default()
        };
        let settings = Settings { consensus, request_timeout_ms: 500 };
        let liars = (0..n).filter(|place| !characters(*place).keeps_its_word());
        let liars = liars.map(crate::chain::invented_org).collect();
        let checker = Checker::new(&chain.genesis, liars, &genesis_leaves);
        let machines: Vec<Machine> =
            places.iter().map(|place| Machine::new(&chain, *place, characters(*place))).collect();
        let mut world = Self {
            seed,
            random,
            weather: Weather::calm(machines.len()),
            traffic: Traffic::new(seed),
            clients: Clients::default(),
            figures: Figures { worlds: 1, ..Figures::default() },
            scratched: BTreeSet::new(),
            chain,
            settings,
            machines,
            queue: BTreeMap::new(),
            serial: 0,
            now: BEGIN.0 + 1000,
            storm: false,
            crash_permille: 0,
            government: Government::default(),
            disks_hold: false,
            checker,
            trace: 0,
            telling: false,
            heard: Vec::new(),
        };
        for character in faulty {
            world.figures.characters[*character as usize] += 1;
        }
        for at in 0..world.machines.len() {
            world.start(at);
            if world.machines[at].character != Character::Honest {
                world.later(1, Happening::Mischief { at });
            }
        }
        world.later(5, Happening::NewClient);
        world
    }

    /// Prints what happens.
    #[must_use]
    pub fn telling(mut self) -> Self {
        self.telling = true;
        self
    }

    /// A digest of everything that happened, in order.
    pub fn trace(&self) -> u64 {
        self.trace
    }

    /// What happened, counted.
    pub fn figures(&self) -> Figures {
        let mut figures = self.figures;
        figures.views = self.checker.views();
        figures.epochs = self.checker.set().epoch.0;
        figures.blocks = self.checker.height().0;
        figures.equivocations = self.checker.equivocations();
        figures
    }

    /// The one history's height.
    pub fn height(&self) -> u64 {
        self.checker.height().0
    }

    /// How much has happened: packets, turns, clients' waits.
    pub fn happenings(&self) -> u64 {
        self.serial
    }

    /// How many new payment systems come, at most.
    #[must_use]
    pub fn payments(mut self, lives: usize) -> Self {
        self.clients.lives_max = lives;
        self
    }

    /// No disk rots, is set back or loses votes.
    #[must_use]
    pub fn with_sound_disks(mut self) -> Self {
        self.disks_hold = true;
        self
    }

    /// Goes on.
    pub fn run(&mut self, until: Until) {
        let end = match until {
            Until::Ms(ms) => self.now + ms,
            Until::Height(_) => self.now + HEALING_MS,
        };
        loop {
            if matches!(until, Until::Height(height) if self.height() >= height) {
                return;
            }
            match self.queue.first_key_value() {
                Some(((time, _), _)) if *time <= end => self.next(),
                _ => break,
            }
        }
        self.now = end;
        assert!(matches!(until, Until::Ms(_)), "height {} after {HEALING_MS} ms", self.height());
    }

    fn top_view(&self) -> (Epoch, View) {
        let up = self.honest().filter_map(|machine| machine.validator.as_ref());
        let terms = up.map(|v| (v.ledger().validators().epoch, v.consensus().view()));
        terms.max().unwrap_or_default().max(self.checker.highest_term())
    }

    /// Those that behave and could be healed.
    fn honest(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.character == Character::Honest && !machine.dead)
    }

    /// Every life has ended, all honest machines have the one history, certified to its end, and none
    /// that has a seat is silent.
    fn is_well(&self) -> bool {
        let height = self.checker.height();
        self.clients.are_done()
            && self.honest().all(|machine| {
                machine.validator.as_ref().is_some_and(|validator| {
                    let head = validator.ledger().head();
                    let certified = validator.certified().is_some_and(|c| c.size == head.log.size());
                    head.height == height && certified && validator.lost_votes().is_none()
                })
            })
    }

    fn complaint(&self) -> String {
        let machines: Vec<String> = self
            .machines
            .iter()
            .map(|machine| match &machine.validator {
                Some(v) => format!(
                    "#{} {:?}: epoch {}, seat {:?}, height {}, view {}, pooled {}, certified {:?}, lost {:?}",
                    machine.place,
                    machine.character,
                    v.ledger().validators().epoch,
                    v.seat(),
                    v.ledger().head().height,
                    v.consensus().view(),
                    v.pooled(),
                    v.certified().map(|c| c.size),
                    v.lost_votes(),
                ),
                None => format!("#{} {:?} is down", machine.place, machine.character),
            })
            .collect();
        format!("{}; {}", machines.join("; "), self.clients.complaint())
    }

    /// One history, balanced books, valid receipts.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn check(&mut self) {
        self.checker.check();
        self.check_books();
        self.check_receipts();
    }

    fn next(&mut self) {
        let Some(((time, serial), happening)) = self.queue.pop_first() else { return };
        assert!(self.serial < HAPPENINGS_MAX, "stuck: {}", self.complaint());
        self.now = self.now.max(time);
        self.note(&[serial, time]);
        match happening {
            Happening::Packet { from, to, packet } => self.on_packet(from, to, packet),
            Happening::Turn { at } => {
                if self.machines[at].turn_at.is_some_and(|due| due <= time) {
                    self.machines[at].turn_at = None;
                    self.turn(at);
                }
            }
            Happening::Weather if self.storm => {
                self.weather.change(&mut self.random);
                let wait = self.random.between(50, 3000);
                self.later(wait, Happening::Weather);
                if self.random.permille(500) {
                    (0..self.machines.len()).for_each(|at| self.connect(at));
                }
            }
            Happening::Trouble if self.storm => self.trouble(),
            Happening::Weather | Happening::Trouble => {}
            Happening::Mischief { at } => self.mischief(at),
            Happening::FreeSpace { at } => self.machines[at].disk.fill(false),
            Happening::Restart { at } => {
                if self.machines[at].validator.is_none() && !self.machines[at].dead {
                    self.start(at);
                }
            }
            Happening::Client { client } => self.on_client(client),
            Happening::NewClient => self.on_new_client(),
            Happening::Govern => self.govern(),
        }
    }

    /// Both ends of each link that holds hear of each other.
    fn connect(&mut self, at: usize) {
        for other in (0..self.machines.len()).filter(|other| *other != at) {
            self.transmit(at, other, Packet::Connected);
            self.transmit(other, at, Packet::Connected);
        }
    }

    fn later(&mut self, wait_ms: u64, happening: Happening) {
        self.serial += 1;
        self.queue.insert((self.now + wait_ms, self.serial), happening);
    }

    /// A turn comes when there is something to do, or time for a tick.
    fn schedule_turn(&mut self, at: usize) {
        let disk_ms = self.random.below(3);
        let machine = &self.machines[at];
        let Some(validator) = &machine.validator else { return };
        let due = if machine.inbox.is_empty() {
            let Some(wake) = validator.wake_at() else { return };
            wake.0.saturating_add_signed(-machine.skew_ms).max(self.now + 1)
        } else {
            self.now + disk_ms
        };
        if machine.turn_at.is_none_or(|known| due < known) {
            self.machines[at].turn_at = Some(due);
            self.later(due - self.now, Happening::Turn { at });
        }
    }

    fn note(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.trace = (self.trace ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(17);
        }
    }

    fn note_digest(&mut self, digest: &Digest) {
        let head: [u8; 8] = core::array::from_fn(|i| digest.0[i]);
        self.note(&[u64::from_le_bytes(head)]);
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.telling {
            println!("{:>8} ms  {}", self.now - BEGIN.0, what());
        }
    }

    fn finish_turn(&mut self, at: usize, first: Vec<Action>) {
        let mut actions = first;
        loop {
            if !self.carry_out_all(at, actions) {
                return;
            }
            let now = self.clock(at);
            let machine = &mut self.machines[at];
            let Some(validator) = &mut machine.validator else { return };
            if machine.own.is_empty() {
                break;
            }
            actions = Vec::new();
            while let Some(event) = machine.own.pop_front() {
                actions.extend(validator.handle(now, event));
            }
        }
        self.look_whether_back(at);
        self.schedule_turn(at);
    }
}

impl Machine {
    /// Neither misbehaves nor has lost votes, nor stays bad; it does not count among the f.
    fn is_sound(&self) -> bool {
        let harmed = self.rotten || self.lost || self.stays_bad || self.dead;
        self.character == Character::Honest && !harmed
    }

    fn new(chain: &Chain, place: usize, character: Character) -> Self {
        let files = KeyFiles::new(place);
        let keyring = files.keyring();
        Self {
            place,
            character,
            peer_key: files.newest().peer_key,
            files,
            keyring,
            signers: None,
            members: Vec::new(),
            validator: None,
            intake: Intake::new(*chain.trust.chain()),
            inbox: VecDeque::new(),
            own: VecDeque::new(),
            pending: Vec::new(),
            disk: Disk::default(),
            skew_ms: 0,
            turn_at: None,
            doom: None,
            doomed_effect: None,
            effects: 0,
            life: 0,
            forgetting: Forgetting::Never,
            rotten: false,
            lost: false,
            floor: (Epoch(0), View(0)),
            stays_bad: false,
            dead: false,
            checked: 0,
            slow_ms: 0,
            unspread: false,
            image: None,
        }
    }
}

/// The chain of so many validators and the leaves of its genesis: the same for every world, and slow
/// to make, because each key is checked.
fn chain_of(n: usize) -> (Arc<Chain>, Vec<Vec<u8>>) {
    type Known = BTreeMap<usize, (Arc<Chain>, Vec<Vec<u8>>)>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let made = known.entry(n).or_insert_with(|| {
        let chain = Chain::of(n);
        let ledger = Ledger::new(&chain.genesis).expect("a genesis that begins a chain");
        (Arc::new(chain), ledger.genesis_leaves().to_vec())
    });
    made.clone()
}
