//! Whole validators on one thread under one seed.
//!
//! A world plays network, disks, clocks and payment systems; the validators in it are the node's own,
//! with real signatures and real bytes between them. First comes a storm (loss, partitions, damage,
//! crashes at every moment of a step, clocks that jump, faulty members), then everything heals, and
//! what was acknowledged must stand in every book exactly once.
//!
//! Invariant: the same seed and settings give the same [`World::trace`].

mod carry;
mod clients;
mod figures;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ledger::block::{BlockHash, Height, View};
use ledger::books::Ledger;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::time::Timestamp;
use node::cosigning::Cosignature;
use node::intake::Intake;
use node::keys::Keys;
use node::validator::{Action, Event, Settings, Validator};

use crate::chain::{BEGIN, Chain};
use crate::checker::Checker;
use crate::disk::{Disk, Write};
use crate::random::Random;
use crate::traffic::Traffic;
use crate::weather::Weather;
use clients::Clients;
pub use figures::Figures;

/// A world in which this much happens without an end is stuck.
const HAPPENINGS_MAX: u64 = 3_000_000;
/// After healing, all must be well within this much of the world's time.
const HEALING_MS: u64 = 120_000;

/// When a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// What the step asked to keep is not durable.
    BeforePersist,
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

/// How a seat behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// As the protocol says.
    Honest,
    /// Says to some what contradicts what it says to others.
    Liar,
    /// One of two machines that vote with the same keys and do not know of each other.
    Twin,
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
    Blocks(Arc<Vec<FinalizedBlock>>),
    Unanswered,
    Connected,
}

enum Happening {
    Packet { from: usize, to: usize, packet: Packet },
    Turn { at: usize },
    Weather,
    Trouble,
    Restart { at: usize },
    Client { client: usize },
    NewClient,
}

/// One machine: what is in its memory, and its disk.
struct Machine {
    seat: u16,
    character: Character,
    keys: Keys,
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
    forgetful: bool,
}

/// See the module.
pub struct World {
    seed: u64,
    random: Random,
    chain: Chain,
    settings: Settings,
    machines: Vec<Machine>,
    queue: BTreeMap<(u64, u64), Happening>,
    serial: u64,
    now: u64,
    weather: Weather,
    storm: bool,
    crash_permille: u64,
    clients: Clients,
    traffic: Traffic,
    checker: Checker,
    figures: Figures,
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
        Self::build(seed, random, 4, &[])
    }

    /// The same with so many validators. Call it first.
    #[must_use]
    pub fn validators(self, n: usize) -> Self {
        Self::build(self.seed, Random::new(self.seed), n, &[])
    }

    /// A world whose size, characters and weather the seed chooses.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let n = [4, 4, 4, 5, 7][random.index(5)];
        let character = match random.below(4) {
            0 => Some(Character::Liar),
            1 => Some(Character::Twin),
            _ => None,
        };
        let faulty: Vec<Character> = character.into_iter().collect();
        Self::build(seed, random, n, &faulty)
    }

    /// Four validators of which the first tells lies, in calm weather.
    pub fn besieged(seed: u64) -> Self {
        Self::build(seed, Random::new(seed), 4, &[Character::Liar])
    }

    /// Four validators of which the first runs twice with the same keys, in calm weather.
    pub fn twinned(seed: u64) -> Self {
        Self::build(seed, Random::new(seed), 4, &[Character::Twin])
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

    fn build(seed: u64, random: Random, n: usize, faulty: &[Character]) -> Self {
        let chain = Chain::of(n);
        let characters = |seat: usize| faulty.get(seat).copied().unwrap_or(Character::Honest);
        // A twin's second machine stands behind the others.
        let mut seats: Vec<usize> = (0..n).collect();
        seats.extend((0..n).filter(|seat| characters(*seat) == Character::Twin));
        let consensus = consensus::machine::Config {
            delta_ms: 250,
            delta_max_ms: 2000,
            block_interval_ms: 50,
            heartbeat_ms: 5000,
            ..Default::default()
        };
        let settings = Settings { consensus, request_timeout_ms: 500 };
        let leaves = Ledger::new(&chain.genesis).expect("a genesis that begins a chain");
        let honest = (0..n).map(|seat| characters(seat) == Character::Honest).collect();
        let checker = Checker::new(chain.trust.clone(), honest, leaves.genesis_leaves());
        let machines: Vec<Machine> = seats
            .iter()
            .map(|seat| Machine {
                seat: *seat as u16,
                character: characters(*seat),
                keys: chain.keys(*seat as u16),
                validator: None,
                intake: Intake::new(*chain.trust.chain()),
                inbox: VecDeque::new(),
                own: VecDeque::new(),
                pending: Vec::new(),
                disk: Disk::default(),
                skew_ms: 0,
                turn_at: None,
                doom: None,
                forgetful: false,
            })
            .collect();
        let mut world = Self {
            seed,
            random,
            weather: Weather::calm(machines.len()),
            traffic: Traffic::new(seed),
            clients: Clients::default(),
            figures: Figures { worlds: 1, ..Figures::default() },
            chain,
            settings,
            machines,
            queue: BTreeMap::new(),
            serial: 0,
            now: BEGIN.0 + 1000,
            storm: false,
            crash_permille: 0,
            checker,
            trace: 0,
            telling: false,
            heard: Vec::new(),
        };
        for at in 0..world.machines.len() {
            world.start(at);
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
        figures.views = self.checker.highest_view().0;
        figures.blocks = self.checker.height().0;
        figures
    }

    /// The one history's height.
    pub fn height(&self) -> u64 {
        self.checker.height().0
    }

    /// Crashes a machine at the next such moment that comes; it restarts a while later.
    pub fn crash(&mut self, at: usize, moment: Moment) {
        self.crash_after(at, 0, moment);
    }

    /// Crashes a machine at such a moment after so many more steps that keep something.
    pub fn crash_after(&mut self, at: usize, steps: u32, moment: Moment) {
        self.machines[at].doom = Some((steps, moment));
    }

    /// The power goes, for everybody at once.
    pub fn black_out(&mut self) {
        (0..self.machines.len()).for_each(|at| self.crash_now(at, 0));
    }

    /// How much has happened: packets, turns, clients' waits.
    pub fn happenings(&self) -> u64 {
        self.serial
    }

    /// From now on a machine's disk loses its own votes in every crash, which no correct validator's
    /// may: shows that the checker notices.
    pub fn forget_votes(&mut self, at: usize) {
        self.machines[at].forgetful = true;
    }

    /// Cuts a machine off until the world heals or the weather changes.
    pub fn isolate(&mut self, at: usize) {
        self.weather.isolate(at);
    }

    /// Sets a machine's clock ahead, or back with a negative number.
    pub fn skew(&mut self, at: usize, ms: i64) {
        self.machines[at].skew_ms = ms;
    }

    /// How many new payment systems come, at most.
    #[must_use]
    pub fn payments(mut self, lives: usize) -> Self {
        self.clients.lives_max = lives;
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

    /// Bad weather for a while: all that may go wrong does.
    pub fn storm(&mut self, ms: u64) {
        self.storm = true;
        self.crash_permille = [0, 2, 10, 40][self.random.index(4)];
        self.later(1, Happening::Weather);
        self.later(200, Happening::Trouble);
        self.run(Until::Ms(ms));
        self.storm = false;
        self.crash_permille = 0;
    }

    /// Everything heals; finality must go on, and every life must come to its end.
    ///
    /// # Panics
    /// When it does not within the bound.
    pub fn heal(&mut self) {
        self.weather = Weather::calm(self.machines.len());
        for at in 0..self.machines.len() {
            self.machines[at].skew_ms = self.random.between(0, 400) as i64 - 200;
            self.machines[at].doom = None;
            self.schedule_turn(at);
            if self.machines[at].validator.is_none() {
                self.start(at);
            }
        }
        for from in 0..self.machines.len() {
            self.connect(from);
        }
        // Something to agree on, so that healing shows.
        self.clients.lives_max += 2;
        self.later(1, Happening::NewClient);
        let (began, top) = (self.now, self.top_view());
        while self.now < began + HEALING_MS {
            if self.queue.is_empty() {
                break;
            }
            self.next();
            if self.is_well() {
                break;
            }
        }
        assert!(self.is_well(), "{HEALING_MS} ms after healing: {}", self.complaint());
        self.figures.healed_in_ms = self.now - began;
        let faulty = self.chain.trust.validators().faulty_max() as u64;
        if let Some(view) = self.checker.first_final_above(top) {
            self.figures.views_to_heal = view.0 - top.0;
            // Invariant 13; the views that begin before the first timer after healing do not count.
            assert!(
                view.0 - top.0 <= 2 * (faulty + 2),
                "{} views without finality after healing",
                view.0 - top.0
            );
        }
    }

    fn top_view(&self) -> View {
        let views =
            self.honest().filter_map(|machine| machine.validator.as_ref()).map(|v| v.consensus().view());
        views.max().unwrap_or_default().max(self.checker.highest_view())
    }

    fn honest(&self) -> impl Iterator<Item = &Machine> {
        self.machines.iter().filter(|machine| machine.character == Character::Honest)
    }

    /// Every life has ended, and all honest machines have the one history, certified to its end.
    fn is_well(&self) -> bool {
        let height = self.checker.height();
        self.clients.are_done()
            && self.honest().all(|machine| {
                machine.validator.as_ref().is_some_and(|validator| {
                    let head = validator.ledger().head();
                    let certified = validator.certified().is_some_and(|c| c.size == head.log.size());
                    head.height == height && certified
                })
            })
    }

    fn complaint(&self) -> String {
        let machines: Vec<String> = self
            .machines
            .iter()
            .map(|machine| match &machine.validator {
                Some(v) => format!(
                    "#{} {:?}: height {}, view {}, pooled {}, certified {:?}",
                    machine.seat,
                    machine.character,
                    v.ledger().head().height,
                    v.consensus().view(),
                    v.pooled(),
                    v.certified().map(|c| c.size),
                ),
                None => format!("#{} is down", machine.seat),
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
            Happening::Restart { at } => {
                if self.machines[at].validator.is_none() {
                    self.start(at);
                }
            }
            Happening::Client { client } => self.on_client(client),
            Happening::NewClient => self.on_new_client(),
        }
    }

    fn trouble(&mut self) {
        let at = self.random.index(self.machines.len());
        match self.random.below(5) {
            0 => self.crash_now(at, 0),
            1 => {
                let moments = [Moment::BeforePersist, Moment::BeforeSend, Moment::MidSend];
                self.machines[at].doom = Some((0, moments[self.random.index(3)]));
            }
            2 => {
                let most = [200, 1500, 10_000][self.random.index(3)];
                self.machines[at].skew_ms = self.random.between(0, 2 * most) as i64 - most as i64;
                self.figures.clock_jumps += 1;
                self.tell(|| format!("#{at} clock jumps"));
                self.schedule_turn(at);
            }
            3 if self.random.permille(100) => {
                // The power goes for everybody.
                self.black_out();
            }
            _ => {}
        }
        let wait = self.random.between(20, 2000);
        self.later(wait, Happening::Trouble);
    }

    fn crash_now(&mut self, at: usize, kind: usize) {
        let machine = &mut self.machines[at];
        if machine.validator.take().is_none() {
            return;
        }
        machine.inbox.clear();
        machine.own.clear();
        machine.pending.clear();
        machine.doom = None;
        if machine.forgetful {
            machine.disk.forget_votes();
        }
        machine.intake = Intake::new(*self.chain.trust.chain());
        self.figures.crashes[kind] += 1;
        self.tell(|| format!("#{at} crashes"));
        let wait = [1, 50, 1000, 5000][self.random.index(4)];
        let wait = self.random.between(1, wait);
        self.later(wait, Happening::Restart { at });
    }

    fn start(&mut self, at: usize) {
        let now = self.clock(at);
        let machine = &mut self.machines[at];
        let recovered = machine.disk.recover(&self.chain);
        let vote_keys = vec![machine.keys.vote_key()];
        let (validator, actions) = Validator::new(self.settings.clone(), vote_keys, recovered, now);
        machine.validator = Some(validator);
        machine.turn_at = None;
        self.tell(|| format!("#{at} starts"));
        self.finish_turn(at, actions);
        self.connect(at);
    }

    /// Both ends of each link that holds hear of each other.
    fn connect(&mut self, at: usize) {
        for other in (0..self.machines.len()).filter(|other| *other != at) {
            self.transmit(at, other, Packet::Connected);
            self.transmit(other, at, Packet::Connected);
        }
    }

    fn clock(&self, at: usize) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.machines[at].skew_ms))
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
        self.schedule_turn(at);
    }
}

/// A whole run of one seed: a storm, healing, everything checked.
///
/// # Panics
/// When something does not hold.
pub fn play(seed: u64, telling: bool) -> (Figures, u64) {
    let mut world = World::random(seed);
    if telling {
        world = world.telling();
        for machine in &world.machines {
            println!("seat {} is {:?}", machine.seat, machine.character);
        }
    }
    let length = [3000, 8000, 20_000][world.random.index(3)];
    let lives = world.random.between(4, 16) as usize;
    world = world.payments(lives);
    world.storm(length);
    world.heal();
    world.check();
    (world.figures(), world.trace())
}
