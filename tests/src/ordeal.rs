//! Everything that goes wrong where computers stand, done to four real validators while payment
//! systems go on paying: faults drawn from a seed, one after the other; after each, how long until the
//! next receipt; at the end, the audit. And the same work with one validator dead or slow, measured.
//!
//! The seed decides which faults strike whom, in which order and how long. What real processes and
//! wires make of it differs from run to run.
//!
//! Invariants: every kind of fault happens in every story; a fault is shown to be there before it
//! counts (a process ended, a clock reads wrong, packets were overtaken).

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ledger::genesis::Genesis;

use crate::bank::{Audited, Bank, Pace, Told};
use crate::cluster::{Cluster, Line};
use crate::netns::{self, Wires};
use crate::payments::{self, Dice};
use crate::relay::Delay;

const NODES: usize = 4;
const TOWNS: usize = 3;
/// The first receipt after healing comes within this time, wherever clients ask first.
const SERVICE_BACK_WITHIN: Duration = Duration::from_secs(30);
/// And every node, also one that lost its clock, disk or process, gives receipts again within this.
const ALL_BACK_WITHIN: Duration = Duration::from_secs(90);
/// Room for the data of a validator on the small disk, many times of what a story takes.
const DISK_MEGABYTES: usize = 400;
const CLOCK_OFF: i64 = 600;
/// After a link was cut, TCP waits up to as long as it was cut before it tries again; by then the
/// nodes' own pings have replaced the link.
const LINKS_BACK_WITHIN: Duration = Duration::from_secs(15);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One process is killed, and started again at the end.
    Kill(usize),
    /// All are killed at once: the power of the house.
    KillAll,
    /// One process is stopped, and goes on at the end without knowing of it.
    Stop(usize),
    /// One neither hears nor is heard by the others; clients reach it.
    Alone(usize),
    /// One hears nobody.
    Deaf(usize),
    /// One is heard by nobody.
    Mute(usize),
    /// Two each side, in which the first has this companion: no quorum.
    Halves(usize),
    /// Two are stopped: no quorum.
    StopTwo(usize, usize),
    /// Thirty packets in a hundred are lost, on all links.
    Loss,
    /// One sends 400 kbit/s and no more.
    Narrow(usize),
    /// All links take 40 to 120 ms, each packet its own time.
    Long,
    /// One has no room on its disk.
    DiskFull,
    /// One's clock goes ten minutes ahead, then ten minutes behind.
    Clock(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(node) => write!(f, "node {node} killed"),
            Self::KillAll => write!(f, "all nodes killed"),
            Self::Stop(node) => write!(f, "node {node} stopped"),
            Self::Alone(node) => write!(f, "node {node} cut off"),
            Self::Deaf(node) => write!(f, "node {node} hears nobody"),
            Self::Mute(node) => write!(f, "node {node} is heard by nobody"),
            Self::Halves(with) => write!(f, "nodes 0 and {with} cut off from the others"),
            Self::StopTwo(one, other) => write!(f, "nodes {one} and {other} stopped"),
            Self::Loss => write!(f, "30 % of packets lost"),
            Self::Narrow(node) => write!(f, "node {node} sends 400 kbit/s"),
            Self::Long => write!(f, "links take 40 to 120 ms"),
            Self::DiskFull => write!(f, "node {DISK_OF} has a full disk"),
            Self::Clock(node) => write!(f, "clock of node {node} 10 min off"),
        }
    }
}

/// The validator whose data lies on a small disk.
const DISK_OF: usize = 3;

impl Fault {
    /// Whether receipts go on meanwhile: a quorum is in touch, and the links are good.
    fn harmless(self) -> bool {
        !matches!(self, Self::KillAll | Self::Halves(_) | Self::StopTwo(..) | Self::Loss)
    }
}

/// How long faults last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// The shortest.
    pub least_s: u64,
    /// The longest of most.
    pub most_s: u64,
    /// A process that is stopped.
    pub stop_s: u64,
    /// No quorum.
    pub halt_s: u64,
}

impl Lengths {
    /// For a story of so many seconds.
    pub fn of(seconds: u64) -> Self {
        if seconds < 300 {
            Self { least_s: 3, most_s: 6, stop_s: 8, halt_s: 15 }
        } else {
            Self { least_s: 10, most_s: 40, stop_s: 60, halt_s: 150 }
        }
    }
}

/// Every kind of fault once, in the order and with the victims and lengths that the dice give.
pub fn deck(dice: &mut Dice, lengths: Lengths) -> Vec<(Fault, Duration)> {
    let mut one = || dice.below(NODES as u64) as usize;
    let first = one();
    let second = (first + 1 + one() % (NODES - 1)) % NODES;
    let companion = 1 + one() % (NODES - 1);
    let mut faults = vec![
        Fault::Kill(one()),
        Fault::KillAll,
        Fault::Stop(one()),
        Fault::Alone(one()),
        Fault::Deaf(one()),
        Fault::Mute(one()),
        Fault::Halves(companion),
        Fault::StopTwo(first, second),
        Fault::Loss,
        Fault::Narrow(one()),
        Fault::Long,
        Fault::DiskFull,
        Fault::Clock(one()),
    ];
    let mut deck = Vec::new();
    while !faults.is_empty() {
        let fault = faults.swap_remove(dice.below(faults.len() as u64) as usize);
        let seconds = match fault {
            Fault::Stop(_) => lengths.stop_s,
            Fault::Halves(_) => lengths.halt_s,
            _ => lengths.least_s + dice.below(lengths.most_s - lengths.least_s + 1),
        };
        deck.push((fault, Duration::from_secs(seconds)));
    }
    deck
}

/// Where it all happens. Made inside namespaces only.
struct Site {
    cluster: Cluster,
    wires: Wires,
    bank: Bank,
    wrong_clock: PathBuf,
    full_disk: Option<PathBuf>,
}

impl Site {
    fn new(seed: u64) -> Self {
        let wires = Wires::lay(NODES, seed);
        let folder = tempfile::tempdir().expect("a folder for the network");
        let cluster = Cluster::start_at(NODES, folder, |folder| {
            netns::small_disk(&folder.join(format!("node-{DISK_OF}/data")), DISK_MEGABYTES);
            wires.occupy(folder)
        });
        let genesis = fs::read(cluster.folder().join("genesis.bin")).expect("genesis");
        let genesis = Genesis::decode(&genesis).expect("genesis reads");
        let registrar = payments::read_key(&cluster.registrar()).expect("a key");
        let bank = Bank::open(&cluster.rpc, &genesis, &registrar, TOWNS, seed);
        let wrong_clock = cluster.folder().join("clock");
        Self { cluster, wires, bank, wrong_clock, full_disk: None }
    }

    fn others(node: usize) -> impl Iterator<Item = usize> {
        (0..NODES).filter(move |other| *other != node)
    }

    /// Until a node answers at all.
    fn wait_alive(&mut self, node: usize) {
        let deadline = Instant::now() + ALL_BACK_WITHIN;
        while Line::new(self.cluster.rpc[node], Duration::from_secs(5)).get("/health").is_err() {
            let log = self.cluster.log(node);
            assert!(self.cluster.runs(node), "node {node} ended:\n{log}");
            assert!(Instant::now() < deadline, "node {node} does not answer:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sets a node's clock, and sees that somebody's signature in its checkpoints, which can only be
    /// its own, is of that time.
    fn set_clock(&self, node: usize, ahead_s: i64) {
        fs::write(&self.wrong_clock, format!("{ahead_s:+}\n")).expect("the clock's file");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let now_s = (node::run::now().0 / 1000) as i64;
            let seen: Vec<i64> =
                self.bank.cosigned_s(node).iter().map(|time_s| *time_s as i64 - now_s).collect();
            // The others' clocks are right.
            if seen.iter().any(|off| (off - ahead_s).abs() <= 10) {
                return;
            }
            let log = self.cluster.log(node);
            assert!(Instant::now() < deadline, "no clock is {ahead_s} s ahead, but {seen:?} s:\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn restart(&mut self, node: usize) {
        self.cluster.restart(node);
        self.wait_alive(node);
    }

    /// Begins a fault and lets it last.
    fn strike(&mut self, fault: Fault, lasts: Duration) {
        let began = Instant::now();
        match fault {
            Fault::Kill(node) => self.cluster.kill(node),
            Fault::KillAll => (0..NODES).for_each(|node| self.cluster.kill(node)),
            Fault::Stop(node) => self.cluster.signal(node, "STOP"),
            Fault::StopTwo(one, other) => {
                [one, other].iter().for_each(|node| self.cluster.signal(*node, "STOP"))
            }
            Fault::Alone(node) => Self::others(node).for_each(|other| {
                self.wires.cut(node, other);
                self.wires.cut(other, node);
            }),
            Fault::Deaf(node) => Self::others(node).for_each(|other| self.wires.cut(other, node)),
            Fault::Mute(node) => Self::others(node).for_each(|other| self.wires.cut(node, other)),
            Fault::Halves(with) => {
                for (here, there) in
                    [0, with].into_iter().flat_map(|here| (1..NODES).map(move |there| (here, there)))
                {
                    if there != with && there != 0 {
                        self.wires.cut(here, there);
                        self.wires.cut(there, here);
                    }
                }
            }
            Fault::Loss => self.wires.lose(30),
            Fault::Narrow(node) => self.wires.narrow(node, 400),
            Fault::Long => {
                let before = self.wires.carried();
                self.lengthen(&[0, 1, 2, 3]);
                std::thread::sleep(lasts);
                let after = self.wires.carried();
                assert!(after.packets > before.packets + 100, "the long links carried nothing: {after:?}");
                assert!(after.overtaken > before.overtaken + 10, "nothing was overtaken: {after:?}");
            }
            Fault::DiskFull => self.fill_disk(),
            Fault::Clock(node) => {
                self.cluster.kill(node);
                fs::write(&self.wrong_clock, "+0\n").expect("the clock's file");
                self.cluster.restart_with(node, &clock_variables(&self.wrong_clock));
                self.wait_alive(node);
                self.set_clock(node, CLOCK_OFF);
                std::thread::sleep(lasts / 2);
                self.set_clock(node, -CLOCK_OFF);
                std::thread::sleep(lasts / 2);
            }
        }
        std::thread::sleep(lasts.saturating_sub(began.elapsed()));
    }

    fn lengthen(&self, nodes: &[usize]) {
        let delay = Delay { least: Duration::from_millis(40), jitter: Duration::from_millis(80) };
        self.wires.lengthen(nodes, delay);
    }

    /// Fills the small disk and waits for its validator to end: with a word, and not by a signal.
    fn fill_disk(&mut self) {
        let said = || fs::read_to_string(self.cluster.place(DISK_OF).join("node.log")).unwrap_or_default();
        let before = said().len();
        let folder = self.cluster.place(DISK_OF).join("data");
        let filler = folder.join("filler");
        // Stopped, so that nothing is written while room that files had set aside is taken from them.
        self.cluster.signal(DISK_OF, "STOP");
        give_back(&folder);
        let mut file = fs::File::create(&filler).expect("a file on the small disk");
        for piece in [vec![0; 1 << 20], vec![0; 1 << 12], vec![0; 1]] {
            while file.write_all(&piece).is_ok() {}
        }
        self.full_disk = Some(filler);
        self.cluster.signal(DISK_OF, "CONT");
        let ended = self.cluster.ended(DISK_OF, Duration::from_secs(60));
        let said = fs::read_to_string(self.cluster.place(DISK_OF).join("node.log")).unwrap_or_default();
        let said = &said[before..];
        assert_eq!(ended.and_then(|status| status.code()), Some(1), "{ended:?} on a full disk:\n{said}");
        let told = said.contains("hovedbok-node: ") && said.contains("No space left on device");
        assert!(told && !said.contains("panicked"), "{said}");
    }

    /// Takes the fault away; processes that were ended run again when this returns.
    fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(node) => self.restart(node),
            Fault::KillAll => {
                (0..NODES).for_each(|node| self.cluster.restart(node));
                (0..NODES).for_each(|node| self.wait_alive(node));
            }
            Fault::Stop(node) => self.cluster.signal(node, "CONT"),
            Fault::StopTwo(one, other) => {
                [one, other].iter().for_each(|node| self.cluster.signal(*node, "CONT"))
            }
            Fault::DiskFull => {
                if let Some(filler) = self.full_disk.take() {
                    fs::remove_file(filler).expect("the filler can be removed");
                }
                self.restart(DISK_OF);
            }
            Fault::Clock(node) => {
                self.cluster.kill(node);
                self.restart(node);
            }
            _ => self.wires.mend(),
        }
    }

    /// Time to a receipt of a new transaction at each node.
    fn probe(&self, told: &Told) -> Vec<Duration> {
        std::thread::scope(|scope| {
            let probes: Vec<_> = (0..NODES)
                .map(|node| scope.spawn(move || self.bank.probe(node, told, ALL_BACK_WITHIN)))
                .collect();
            let took = probes.into_iter().map(|probe| probe.join().expect("a probe ends")).enumerate();
            took.map(|(node, took)| {
                took.unwrap_or_else(|| {
                    panic!("no receipt from node {node} in {ALL_BACK_WITHIN:?}:\n{}", self.cluster.log(node))
                })
            })
            .collect()
        })
    }

    /// Nodes end only when they are ended, and none ever panicked.
    fn check_processes(&mut self) {
        for node in 0..NODES {
            let log = fs::read_to_string(self.cluster.place(node).join("node.log")).unwrap_or_default();
            assert!(self.cluster.runs(node), "node {node} ended:\n{}", self.cluster.log(node));
            for word in ["panicked", "stopped voting for good"] {
                assert!(!log.contains(word), "node {node} says {word:?}:\n{}", self.cluster.log(node));
            }
        }
    }
}

/// Takes from all files below a folder the room that they set aside beyond their end: RocksDB sets
/// aside tens of megabytes for its log, and a disk would be full long before anybody noticed.
fn give_back(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder of the store").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind of file"));
        if kind.is_dir() {
            give_back(&path);
        } else if kind.is_file() {
            let file = fs::OpenOptions::new().write(true).open(&path).expect("a file of the store");
            let length = file.metadata().expect("a length").len();
            file.set_len(length).expect("a length that stays");
        }
    }
}

impl Drop for Site {
    /// A failure is told with where every node stands.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in 0..NODES {
            let mut line = Line::new(self.cluster.rpc[node], Duration::from_secs(5));
            let mut ask =
                |path: &str| line.get(path).map_or_else(|error| error.to_string(), |answer| answer.text());
            let (ready, metrics) = (ask("/ready"), ask("/metrics"));
            let metrics: Vec<&str> = metrics.lines().filter(|line| !line.starts_with('#')).collect();
            eprintln!("node {node}: {ready}\n{}\n{}\n", metrics.join("; "), self.cluster.log(node));
        }
    }
}

/// The variables that give a program another clock, by Debian's libfaketime: only the calendar's
/// clock, not the one that timers run by.
fn clock_variables(file: &Path) -> Vec<(&'static str, String)> {
    let library = faketime().expect("looked for before the story began");
    vec![
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ]
}

/// The library that gives a program another clock.
///
/// # Errors
/// One line, when it is not installed.
pub fn faketime() -> Result<PathBuf, String> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut files = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    files
        .find(|file| file.exists())
        .ok_or_else(|| "libfaketime is not installed; install the package libfaketime".into())
}

struct StopAtEnd<'a>(&'a AtomicBool, &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        // What is not delivered when a check has failed will not be.
        if std::thread::panicking() {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn say(text: impl fmt::Display) {
    println!("{text}");
    let _ = std::io::stdout().flush();
}

/// Plays a story of at least this length, in which every kind of fault happens, or those that `only`
/// is a part of the description of, and prints what happens and the figures.
///
/// # Panics
/// If anything that was promised does not hold.
pub fn story(seed: u64, seconds: u64, only: &str) -> Audited {
    say(format!("seed {seed}, at least {seconds} s"));
    let mut site = Site::new(seed);
    let (mut dice, lengths) = (Dice::seeded(seed), Lengths::of(seconds));
    let (told, stop, late) = (Told::default(), AtomicBool::new(false), AtomicBool::new(false));
    let began = Instant::now();
    let pace = Pace { clerks: 3, rest: Duration::from_millis(50) };
    let (mut worst, mut worst_all) = (Duration::ZERO, Duration::ZERO);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop, &late);
        // Of the site, the clerks know the bank alone, as in life.
        let bank = site.bank.clone();
        let (told, stop, late) = (&told, &stop, &late);
        scope.spawn(move || bank.work(told, pace, stop, late));
        site.probe(told);
        while began.elapsed() < Duration::from_secs(seconds) {
            let mut deck = deck(&mut dice, lengths);
            deck.retain(|(fault, _)| fault.to_string().contains(only));
            assert!(!deck.is_empty(), "no fault is described by {only:?}");
            for (fault, lasts) in deck {
                let struck = Instant::now();
                let at_s = struck.duration_since(began).as_secs_f64();
                print!("{at_s:6.1} s  {fault} ");
                let _ = std::io::stdout().flush();
                site.strike(fault, lasts);
                let meanwhile = told.arrivals(struck);
                let silence = longest_silence(struck, &meanwhile, Instant::now());
                let lasted = struck.elapsed();
                site.heal(fault);
                let back = site.probe(told);
                let (first, last) = (back.iter().min().copied(), back.iter().max().copied());
                let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
                say(format!(
                    "for {:.1} s: {} receipts, longest silence {:.1} s; \
                     afterwards the first receipt after {:.2} s, from every node after {:.2} s",
                    lasted.as_secs_f64(),
                    meanwhile.len(),
                    silence.as_secs_f64(),
                    first.as_secs_f64(),
                    last.as_secs_f64(),
                ));
                assert!(first <= SERVICE_BACK_WITHIN, "{fault}: no receipt for {first:?} after it");
                assert!(!fault.harmless() || !meanwhile.is_empty(), "{fault}: no receipt for {lasted:?}");
                site.check_processes();
                (worst, worst_all) = (worst.max(first), worst_all.max(last));
                // The next fault is to meet four nodes that reach each other.
                std::thread::sleep(lasts.min(LINKS_BACK_WITHIN));
            }
        }
    });
    let lasted = began.elapsed();
    let audited = site.bank.audit(&told, ALL_BACK_WITHIN);
    let Audited { blocks, leaves, acknowledged, receipts, accounts } = audited;
    say(format!(
        "{:.0} s: {acknowledged} transactions acknowledged and {receipts} receipts verified from genesis; \
         {blocks} blocks and {leaves} leaves alike at {NODES} nodes, {accounts} accounts alike and in balance",
        lasted.as_secs_f64()
    ));
    say(format!(
        "{} retries, {} refusals by nodes behind, {} sent again after the receipt; longest wait after \
         healing: first receipt {:.2} s, every node {:.2} s",
        told.retries.load(Ordering::Relaxed),
        told.behind.load(Ordering::Relaxed),
        told.again.load(Ordering::Relaxed),
        worst.as_secs_f64(),
        worst_all.as_secs_f64()
    ));
    audited
}

fn longest_silence(from: Instant, arrivals: &[Instant], to: Instant) -> Duration {
    let moments: Vec<Instant> =
        std::iter::once(from).chain(arrivals.iter().copied()).chain(std::iter::once(to)).collect();
    moments.windows(2).map(|pair| pair[1].saturating_duration_since(pair[0])).max().unwrap_or_default()
}

/// How the work fares while one validator is away or slow, against how it fares otherwise; each stage
/// lasts so many seconds. Prints latencies from submission to receipt, and the ratios.
///
/// # Panics
/// If the network does not come back between the stages.
pub fn one_down(seed: u64, seconds: u64) {
    say(format!("seed {seed}, stages of {seconds} s"));
    let mut site = Site::new(seed);
    let (told, stop, late) = (Told::default(), AtomicBool::new(false), AtomicBool::new(false));
    let pace = Pace { clerks: 3, rest: Duration::from_millis(100) };
    let victim = Dice::seeded(seed).below(NODES as u64) as usize;
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop, &late);
        let bank = site.bank.clone();
        let (told, stop, late) = (&told, &stop, &late);
        scope.spawn(move || bank.work(told, pace, stop, late));
        site.probe(told);
        std::thread::sleep(Duration::from_secs(3));
        let lasts = Duration::from_secs(seconds);
        let normal = Stage::play(told, "all well", None, || std::thread::sleep(lasts));
        let faults = [Fault::Kill(victim), Fault::Stop(victim), Fault::Alone(victim)];
        // A short measurement is a trial of the measurement.
        let faults = if seconds < 20 { &faults[..1] } else { &faults[..] };
        for fault in faults.iter().copied() {
            Stage::play(told, &fault.to_string(), Some(&normal), || site.strike(fault, lasts));
            site.heal(fault);
            site.probe(told);
            std::thread::sleep(LINKS_BACK_WITHIN);
        }
        let slow = format!("node {victim} far away (40 to 120 ms)");
        Stage::play(told, &slow, Some(&normal), || {
            site.lengthen(&[victim]);
            std::thread::sleep(lasts);
        });
        site.wires.mend();
        site.probe(told);
        std::thread::sleep(Duration::from_secs(3));
        Stage::play(told, "all well again", Some(&normal), || std::thread::sleep(lasts));
    });
    site.check_processes();
    site.bank.audit(&told, ALL_BACK_WITHIN);
}

/// Latencies of the transactions that began within a stretch of time, in order.
struct Stage(Vec<Duration>);

impl Stage {
    /// Prints what it finds, against the normal stage if there is one.
    fn play(told: &Told, name: &str, normal: Option<&Self>, act: impl FnOnce()) -> Self {
        let began = Instant::now();
        act();
        let until = Instant::now();
        // What was begun has its receipt soon, or counts among the slowest when it has.
        std::thread::sleep(Duration::from_secs(6));
        let within = |from: Instant| {
            let acknowledged = told.acknowledged();
            let those = acknowledged.values().filter(|told| (from..until).contains(&told.began));
            let mut took: Vec<Duration> = those.map(|told| told.took).collect();
            took.sort();
            Self(took)
        };
        let (all, settled) = (within(began), within(began + Duration::from_secs(5)));
        for (name, stage) in [(name, &all), ("  without its first 5 s", &settled)] {
            let ratio = normal.map_or(String::new(), |normal| {
                let ratio = stage.part(99).as_secs_f64() / normal.part(99).as_secs_f64();
                format!(", p99 {ratio:.2} times the normal one")
            });
            say(format!(
                "{name:<40} {:>6} receipts, p50 {:>5} ms, p99 {:>5} ms, slowest {:>5} ms{ratio}",
                stage.0.len(),
                stage.part(50).as_millis(),
                stage.part(99).as_millis(),
                stage.part(100).as_millis(),
            ));
        }
        all
    }

    fn part(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_deck_with_every_kind_of_fault() {
        let lengths = Lengths::of(120);
        let draw = |seed| deck(&mut Dice::seeded(seed), lengths);
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for seed in 0..100 {
            let deck = draw(seed);
            let kinds: std::collections::BTreeSet<String> = deck
                .iter()
                .map(|(fault, _)| format!("{fault:?}").chars().take_while(|c| *c != '(').collect())
                .collect();
            assert_eq!((deck.len(), kinds.len()), (13, 13), "seed {seed}");
            for (fault, _) in deck {
                if let Fault::StopTwo(one, other) = fault {
                    assert_ne!(one, other, "seed {seed}");
                }
            }
        }
    }
}
