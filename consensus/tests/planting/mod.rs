//! Planting bugs: reads the files that describe them, plants each in a copy of the sources, and lets a
//! simulation look for it. Whose simulation, each test that includes this file says.
//!
//! A file names the bug in its first line; then, for each place, the file to change (`====`), the
//! text that stands there exactly once (`---- was`) and what to put instead (`---- becomes`).
//!
//! Invariant: what is planted is planted in the copy, never in the sources.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A bug that makes the simulation go round in circles ends here, and counts as missed.
const PATIENCE: Duration = Duration::from_secs(300);

/// A simulation that is to notice bugs.
pub(crate) struct Trial {
    /// The folder of the bugs' descriptions.
    pub(crate) folder: PathBuf,
    /// Fewer would leave rules that nothing tests.
    pub(crate) mutants_min: usize,
    /// Arguments of cargo that build it.
    pub(crate) build: &'static [&'static str],
    /// The program, by what cargo said and the folder that it builds in.
    pub(crate) program: fn(&str, &Path) -> Option<PathBuf>,
    /// Its arguments for so many worlds.
    pub(crate) arguments: fn(u64) -> Vec<String>,
    /// How many worlds it took, and what did not hold, by what it said.
    pub(crate) broken: fn(&str) -> Option<(u64, String)>,
    /// Worlds without any bug that must pass first.
    pub(crate) sound: u64,
    /// Worlds tried before a bug counts as missed.
    pub(crate) worlds: u64,
}

struct Place {
    file: String,
    was: String,
    becomes: String,
}

/// A bug and where to plant it.
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

fn mutants(folder: &Path) -> Vec<Mutant> {
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

/// Every bug can be planted in the sources as they are, and changes something.
pub(crate) fn check_that_each_can_be_planted(trial: &Trial) {
    let (mutants, least) = (mutants(&trial.folder), trial.mutants_min);
    assert!(mutants.len() >= least, "{} mutants, at least {least}", mutants.len());
    for mutant in &mutants {
        for (file, text) in planted(mutant, &root()) {
            let stands = fs::read_to_string(root().join(&file)).unwrap();
            assert_ne!(text, stands, "{} changes nothing", mutant.name);
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
    Broken { worlds: u64, what: String },
    Stuck,
    DoesNotBuild(String),
}

struct Bench<'t> {
    trial: &'t Trial,
    sources: PathBuf,
    target: PathBuf,
    log: PathBuf,
}

impl<'t> Bench<'t> {
    fn set_up(trial: &'t Trial) -> Self {
        let cache = std::env::var("HOVEDBOK_CACHE").map(PathBuf::from);
        let folder = cache.unwrap_or_else(|_| std::env::temp_dir().join("hovedbok")).join("mutants");
        let sources = folder.join("sources");
        if sources.exists() {
            fs::remove_dir_all(&sources).unwrap();
        }
        copy(&root(), &sources);
        Self { trial, target: folder.join("target"), log: folder.join("log"), sources }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.sources.join(file), text).unwrap();
    }

    /// Runs a program to its end; whether it succeeded, `None` if it had to be stopped, and its output.
    fn call(
        &self,
        program: &Path,
        arguments: &[String],
        worlds: u64,
        patience: Duration,
    ) -> (Option<bool>, String) {
        let log = File::create(&self.log).unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.sources)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("SEEDS", worlds.to_string())
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

    fn run(&self, worlds: u64) -> End {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let build: Vec<String> = self.trial.build.iter().map(ToString::to_string).collect();
        // The first build compiles what the sources depend on, and may wait for other builds.
        let (built, log) = self.call(Path::new(&cargo), &build, worlds, 10 * PATIENCE);
        let program = (self.trial.program)(&log, &self.target);
        let Some(program) = program.filter(|_| built == Some(true)) else { return End::DoesNotBuild(log) };
        let (ended, log) = self.call(&program, &(self.trial.arguments)(worlds), worlds, PATIENCE);
        match (ended, (self.trial.broken)(&log)) {
            (Some(false), Some((worlds, what))) => End::Broken { worlds, what },
            (Some(true), _) => End::Clean,
            (None, _) => End::Stuck,
            _ => End::DoesNotBuild(log),
        }
    }
}

/// Plants each bug in turn, lets the simulation look for it, and prints what caught it.
///
/// # Panics
/// When a bug is missed, or the simulation fails without any.
pub(crate) fn check_that_each_is_caught(trial: &Trial) {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let most = setting("SEEDS").and_then(|value| value.parse().ok()).unwrap_or(trial.worlds);
    let wanted = setting("MUTANT").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').collect();
    let mutants: Vec<Mutant> = mutants(&trial.folder)
        .into_iter()
        .filter(|mutant| wanted.iter().any(|part| mutant.name.contains(part)))
        .collect();
    if mutants.is_empty() {
        return println!("none of {} is asked for", trial.folder.display());
    }
    let bench = Bench::set_up(trial);
    match bench.run(trial.sound) {
        End::Clean => {}
        End::Broken { worlds, what } => panic!("without any bug planted, world {worlds} breaks: {what}"),
        End::Stuck => panic!("without any bug planted, {} worlds take too long", trial.sound),
        End::DoesNotBuild(log) => panic!("without any bug planted: {log}"),
    }
    println!("{:<34} {:>7} {:>6}  caught by", "bug", "worlds", "s");
    let mut missed = Vec::new();
    for mutant in &mutants {
        let files = planted(mutant, &bench.sources);
        let sound: Vec<(String, String)> = files
            .iter()
            .map(|(file, _)| (file.clone(), fs::read_to_string(bench.sources.join(file)).unwrap()))
            .collect();
        files.iter().for_each(|(file, text)| bench.put(file, text));
        let started = Instant::now();
        let end = bench.run(most);
        sound.iter().for_each(|(file, text)| bench.put(file, text));
        let took = started.elapsed().as_secs();
        match end {
            End::Broken { worlds, what } => {
                let what: String = what.chars().take(110).collect();
                println!("{:<34} {worlds:>7} {took:>6}  {what}", mutant.name);
            }
            End::Clean | End::Stuck => {
                println!("{:<34} {most:>7} {took:>6}  NOT CAUGHT", mutant.name);
                missed.push(format!("{}: {}", mutant.name, mutant.bug));
            }
            End::DoesNotBuild(log) => panic!("{} does not build:\n{log}", mutant.name),
        }
    }
    assert!(missed.is_empty(), "the simulation does not notice:\n  {}", missed.join("\n  "));
}
