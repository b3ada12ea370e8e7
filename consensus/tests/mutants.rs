//! Planted bugs: would the simulation notice? Each file in `mutants/` spoils the core, or the shell
//! around it in the simulated world, in one way; the simulation must find every one of them.
//!
//! A file names the bug in its first line; then, for each place, the file to change (`====`), the
//! text that stands there exactly once (`---- was`) and what to put instead (`---- becomes`). Every
//! build checks that each bug can still be planted; `make mutants` plants them, one after the other,
//! in a copy of the sources beside the build cache, and prints what caught each. `MUTANT=part of a
//! name` takes some (several parts with commas), `SEEDS=count` tries so many worlds at most.

#![allow(clippy::unwrap_used)] // A test that cannot read or write must fail.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Fewer would leave rules that nothing tests.
const MUTANTS_MIN: usize = 16;
/// Worlds tried before a bug counts as missed.
const SEEDS: u64 = 20_000;
/// A bug that makes the core go round in circles ends here, and counts as missed.
const PATIENCE: Duration = Duration::from_secs(300);

struct Place {
    file: String,
    was: String,
    becomes: String,
}

struct Mutant {
    name: String,
    bug: String,
    places: Vec<Place>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &Path) -> Mutant {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let (bug, rest) = text.split_once("\n==== ").unwrap_or_else(|| panic!("{name}: no line \"==== FILE\""));
    let places = rest.split("\n==== ").map(|place| {
        let (file, change) = place.split_once("\n---- was\n").unwrap_or_else(|| panic!("{name}: no \"was\""));
        let (was, becomes) =
            change.split_once("\n---- becomes\n").unwrap_or_else(|| panic!("{name}: no \"becomes\""));
        let becomes = becomes.strip_suffix('\n').unwrap_or(becomes);
        Place { file: file.to_owned(), was: was.to_owned(), becomes: becomes.to_owned() }
    });
    Mutant { bug: bug.to_owned(), places: places.collect(), name }
}

fn mutants() -> Vec<Mutant> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// The files that planting changes, and what stands in them then.
fn planted(mutant: &Mutant, sources: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for place in &mutant.places {
        let known = files.iter().position(|(file, _)| *file == place.file).unwrap_or_else(|| {
            let text = fs::read_to_string(sources.join(&place.file)).unwrap_or_default();
            files.push((place.file.clone(), text));
            files.len() - 1
        });
        let text = &mut files[known].1;
        let found = text.matches(&place.was).count();
        assert_eq!(
            found, 1,
            "{}: in {} this stands {found} times, expected once; rewrite the mutant for the code as it is:\n{}",
            mutant.name, place.file, place.was
        );
        *text = text.replacen(&place.was, &place.becomes, 1);
    }
    files
}

#[test]
fn each_bug_can_still_be_planted() {
    let mutants = mutants();
    assert!(mutants.len() >= MUTANTS_MIN, "{} mutants, at least {MUTANTS_MIN}", mutants.len());
    for mutant in &mutants {
        for (file, text) in planted(mutant, &root()) {
            assert_ne!(
                text,
                fs::read_to_string(root().join(&file)).unwrap(),
                "{} changes nothing",
                mutant.name
            );
        }
    }
}

/// The sources, without what is built or hidden; the same lock file, so that nothing else is built.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name(), entry.path());
        let shown = name.to_string_lossy();
        if shown.starts_with('.') || shown == "target" {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(&name));
        } else {
            fs::copy(&path, to.join(&name)).unwrap();
        }
    }
}

/// How a run of the simulation ended.
enum End {
    Clean,
    Broken { seed: u64, what: String },
    Stuck,
    DoesNotBuild(String),
}

struct Bench {
    sources: PathBuf,
    target: PathBuf,
    log: PathBuf,
}

impl Bench {
    fn set_up() -> Self {
        let cache = std::env::var("HOVEDBOK_CACHE").map(PathBuf::from);
        let folder = cache.unwrap_or_else(|_| std::env::temp_dir().join("hovedbok")).join("mutants");
        let sources = folder.join("sources");
        if sources.exists() {
            fs::remove_dir_all(&sources).unwrap();
        }
        copy(&root(), &sources);
        Self { target: folder.join("target"), log: folder.join("log"), sources }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.sources.join(file), text).unwrap();
    }

    /// Runs a program to its end; whether it succeeded, `None` if it had to be stopped, and its output.
    fn call(
        &self,
        program: &str,
        arguments: &[&str],
        seeds: u64,
        patience: Duration,
    ) -> (Option<bool>, String) {
        let log = File::create(&self.log).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.sources)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("SEEDS", seeds.to_string())
            .env("RUST_BACKTRACE", "0")
            .env_remove("SEED")
            .env_remove("BASE")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Instant::now();
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status.success());
            }
            if started.elapsed() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        (ended, fs::read_to_string(&self.log).unwrap())
    }

    fn run(&self, seeds: u64) -> End {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let build = ["test", "--package", "consensus", "--test", "simulation", "--no-run"];
        // The first build compiles what the sources depend on, and may wait for other builds.
        let (built, log) = self.call(&cargo, &build, seeds, 10 * PATIENCE);
        let program = log.rsplit_once("simulation.rs (").and_then(|(_, rest)| rest.split(')').next());
        let Some(program) = program.filter(|_| built == Some(true)) else { return End::DoesNotBuild(log) };
        let (ended, log) = self.call(program, &["no_weather_and_no_adversary"], seeds, PATIENCE);
        let after =
            |mark: &str| log.split_once(mark).map(|(_, rest)| rest.lines().next().unwrap_or_default());
        match (ended, after("replay it with SEED="), after("broken: ")) {
            (Some(false), Some(seed), Some(what)) => {
                End::Broken { seed: seed.trim().parse().unwrap(), what: what.to_owned() }
            }
            (Some(true), ..) => End::Clean,
            (None, ..) => End::Stuck,
            _ => End::DoesNotBuild(log),
        }
    }
}

#[test]
#[ignore = "takes four minutes: make mutants"]
fn each_planted_bug_is_caught_by_the_simulation() {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let seeds = setting("SEEDS").and_then(|value| value.parse().ok()).unwrap_or(SEEDS);
    let wanted = setting("MUTANT").unwrap_or_default();
    let bench = Bench::set_up();
    match bench.run(300) {
        End::Clean => {}
        End::Broken { seed, what } => panic!("without any bug planted, seed {seed} breaks: {what}"),
        End::Stuck => panic!("without any bug planted, 300 worlds take too long"),
        End::DoesNotBuild(log) => panic!("without any bug planted: {log}"),
    }
    println!("{:<34} {:>7} {:>6}  caught by", "bug", "worlds", "s");
    let mut missed = Vec::new();
    let wanted: Vec<&str> = wanted.split(',').collect();
    for mutant in mutants().iter().filter(|mutant| wanted.iter().any(|part| mutant.name.contains(part))) {
        let files = planted(mutant, &bench.sources);
        let sound: Vec<(String, String)> = files
            .iter()
            .map(|(file, _)| (file.clone(), fs::read_to_string(bench.sources.join(file)).unwrap()))
            .collect();
        files.iter().for_each(|(file, text)| bench.put(file, text));
        let started = Instant::now();
        let end = bench.run(seeds);
        sound.iter().for_each(|(file, text)| bench.put(file, text));
        let took = started.elapsed().as_secs();
        match end {
            End::Broken { seed, what } => {
                let what: String = what.chars().take(110).collect();
                println!("{:<34} {:>7} {:>6}  {what}", mutant.name, seed + 1, took);
            }
            End::Clean | End::Stuck => {
                println!("{:<34} {:>7} {:>6}  NOT CAUGHT", mutant.name, seeds, took);
                missed.push(format!("{}: {}", mutant.name, mutant.bug));
            }
            End::DoesNotBuild(log) => panic!("{} does not build:\n{log}", mutant.name),
        }
    }
    assert!(missed.is_empty(), "the simulation does not notice:\n  {}", missed.join("\n  "));
}
