//! Real nodes on this machine, mostly four validators, each a process of its own, and a plain line to
//! talk to them over HTTP: for what only real processes, sockets and disks can show.
//!
//! Invariant: no process outlives its `Cluster`, also when a test panics; only processes started
//! here are ended, by their ids.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ledger::digest::Digest;
use ledger::genesis::Genesis;
use node::config::Config;
use node::localnet::{self, Size};
use serde::Deserialize;

/// Nobody waits longer than this for a node to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// An answer is read up to this length: a batch of 1,000 receipts of some kilobytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// The program under test, built into the target directory that runs this.
///
/// # Panics
/// If it is not built.
pub fn program() -> PathBuf {
    let this = std::env::current_exe().expect("a running program has a path");
    let folder = this.parent().expect("a program lies in a folder");
    // Cargo puts programs into target/<profile>, and tests and benchmarks into its folder deps.
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let program = profile.join("hovedbok-node");
    assert!(
        program.exists(),
        "{} is not there; run cargo build --workspace first (with --release for benchmarks)",
        program.display()
    );
    program
}

/// See the module.
pub struct Cluster {
    folder: tempfile::TempDir,
    program: PathBuf,
    // For each validator, the words that stand before the program, such as those that enter a namespace.
    before: Vec<Vec<String>>,
    nodes: Vec<Option<Child>>,
    /// Where clients reach each validator.
    pub rpc: Vec<SocketAddr>,
    /// Genesis hash.
    pub chain: Digest,
}

impl Cluster {
    /// Lays out and starts a network, and waits until all are ready.
    ///
    /// # Panics
    /// If it does not stand within a minute.
    pub fn start(validators: usize) -> Self {
        Self::start_in(validators, tempfile::tempdir().expect("a folder for the network"))
    }

    /// As [`Cluster::start`], in a folder of the caller's choice.
    ///
    /// # Panics
    /// If it does not stand within a minute.
    pub fn start_in(validators: usize, folder: tempfile::TempDir) -> Self {
        Self::start_at(validators, folder, |_| vec![Vec::new(); validators])
    }

    /// As [`Cluster::start_in`], with followers after the validators if wanted, after the caller changed
    /// what was laid out. The caller gives, for each node, the words that stand before the program.
    ///
    /// # Panics
    /// If it does not stand within a minute.
    pub fn start_at(
        size: impl Into<Size>,
        folder: tempfile::TempDir,
        change: impl FnOnce(&Path) -> Vec<Vec<String>>,
    ) -> Self {
        let size = size.into();
        let count = size.validators + size.followers;
        localnet::lay_out(folder.path(), size, 0).expect("a network is laid out");
        let before = change(folder.path());
        let genesis = fs::read(folder.path().join("genesis.bin")).expect("genesis is written");
        let chain = Genesis::decode(&genesis).expect("genesis reads").hash();
        let config = |index: usize| {
            Config::load(&folder.path().join(format!("node-{index}/node.toml"))).expect("a configuration")
        };
        let rpc = (0..count).map(|index| config(index).rpc.listen).collect();
        let nodes = (0..count).map(|_| None).collect();
        let mut cluster = Self { folder, program: program(), before, nodes, rpc, chain };
        let waits: Vec<_> = (0..count).map(|index| cluster.spawn(index, &[])).collect();
        for (index, wait) in waits.into_iter().enumerate() {
            cluster.wait_ready(index, &wait);
        }
        cluster
    }

    /// Where its files lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key that registers entities and keys.
    pub fn registrar(&self) -> PathBuf {
        self.folder().join("keys/registrar.key")
    }

    /// The port that a validator's peers reach it on.
    ///
    /// # Panics
    /// If its configuration names none.
    pub fn peer_port(&self, index: usize) -> u16 {
        let text = fs::read_to_string(self.place(index).join("node.toml")).expect("a configuration");
        let network = text.split("[network]").nth(1).and_then(|text| text.split("/tcp/").nth(1));
        let digits = network.map(|text| text.chars().take_while(char::is_ascii_digit).collect::<String>());
        digits.and_then(|digits| digits.parse().ok()).expect("a port in the configuration")
    }

    /// Process id of a validator that runs.
    pub fn pid(&self, index: usize) -> Option<u32> {
        self.nodes[index].as_ref().map(Child::id)
    }

    /// Ends a validator as a power cut does (SIGKILL).
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&mut self, index: usize) {
        let mut child = self.nodes[index].take().expect("it runs");
        child.kill().expect("our child can be killed");
        child.wait().expect("our child can be waited for");
    }

    /// Starts a validator that was killed; it need not be ready when this returns.
    pub fn restart(&mut self, index: usize) {
        self.restart_with(index, &[]);
    }

    /// As [`Cluster::restart`], with more variables in its environment.
    pub fn restart_with(&mut self, index: usize, variables: &[(&str, String)]) {
        drop(self.spawn(index, variables));
    }

    /// Sends a signal by its name without SIG, such as STOP.
    ///
    /// # Panics
    /// If the validator does not run.
    pub fn signal(&self, index: usize, signal: &str) {
        let pid = self.pid(index).expect("it runs");
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{signal} to validator {index}");
    }

    /// How a validator ended, if it did within this time; then it can be restarted.
    pub fn ended(&mut self, index: usize, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.nodes[index].as_mut()?.try_wait() {
                self.nodes[index] = None;
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a second process with a validator's configuration, and gives what it said and whether it
    /// failed.
    ///
    /// # Panics
    /// If it does not end within 20 s.
    pub fn second(&self, index: usize) -> (bool, String) {
        let mut child = self.command(index).stderr(Stdio::piped()).spawn().expect("the program starts");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    let mut said = String::new();
                    let _ = child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
                    return (!status.success(), said);
                }
                _ if Instant::now() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("a second process on the data of validator {index} goes on running");
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Whether the process of a validator still runs.
    pub fn runs(&mut self, index: usize) -> bool {
        self.nodes[index].as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The end of a validator's own log, for messages.
    pub fn log(&self, index: usize) -> String {
        let text = fs::read_to_string(self.place(index).join("node.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A validator's folder.
    pub fn place(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("node-{index}"))
    }

    fn command(&self, index: usize) -> Command {
        let mut words = self.before[index].iter().map(std::ffi::OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command.args(words);
        // Their standard input closes with us, so that they end even if we are killed.
        command.args(["run", "--until-stdin-closes", "--config"]).arg(self.place(index).join("node.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    fn spawn(&mut self, index: usize, variables: &[(&str, String)]) -> mpsc::Receiver<()> {
        let mut options = fs::OpenOptions::new();
        let log = options.create(true).append(true).open(self.place(index).join("node.log"));
        let mut command = self.command(index);
        command.stderr(log.expect("a log file")).envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().expect("the program starts");
        let (ready, wait) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if line.starts_with("ready ") {
                        // Whoever waited has given up.
                        let _ = ready.send(());
                    }
                }
            });
        }
        self.nodes[index] = Some(child);
        wait
    }

    fn wait_ready(&self, index: usize, wait: &mpsc::Receiver<()>) {
        let ready = wait.recv_timeout(READY_WITHIN);
        assert!(ready.is_ok(), "validator {index} is not ready; it says:\n{}", self.log(index));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            // Fails only on one that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection that carries one request after the other (HTTP/1.1). Small on purpose: what it
/// costs is not to be seen in measurements.
pub struct Line {
    address: SocketAddr,
    timeout: Duration,
    stream: Option<BufReader<TcpStream>>,
}

impl Line {
    /// A line to this address; opened when first used.
    pub fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self { address, timeout, stream: None }
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// What the socket says, or that the answer cannot be read.
    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, &[])
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// As [`Line::get`].
    pub fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.ask("POST", path, body)
    }

    /// Sends any method.
    ///
    /// # Errors
    /// As [`Line::get`].
    pub fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let reused = self.stream.is_some();
        let first = self.once(method, path, body);
        // The server may have closed a line that was idle; submitting again is safe.
        let answer = match first {
            Err(error) if reused && error.kind() != io::ErrorKind::WouldBlock => {
                self.stream = None;
                self.once(method, path, body)
            }
            other => other,
        };
        let closes = answer.as_ref().map_or(true, |answer| answer.header("connection") == Some("close"));
        if closes {
            self.stream = None;
        }
        answer
    }

    fn once(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => {
                let stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(self.timeout))?;
                stream.set_write_timeout(Some(self.timeout))?;
                empty.insert(BufReader::with_capacity(1 << 16, stream))
            }
        };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        stream.get_mut().write_all(&request)?;
        read_answer(stream)
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the answer {what}"))
}

/// Reads one answer.
///
/// # Errors
/// What the socket says, or that the answer cannot be read.
pub fn read_answer(stream: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    let mut headers = Vec::new();
    if stream.take(8192).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| unreadable("has no status"))?;
    loop {
        line.clear();
        if stream.take(8192).read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_string())),
            None => break,
        }
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    let length = answer.header("content-length").and_then(|length| length.parse::<usize>().ok());
    match length {
        Some(length) if length <= ANSWER_BYTES_MAX => {
            answer.body.resize(length, 0);
            stream.read_exact(&mut answer.body)?;
        }
        Some(_) => return Err(unreadable("is too long")),
        None => {}
    }
    Ok(answer)
}

/// What became of one submitted transaction, as far as tests and measurements look at it.
#[derive(Clone, Debug, Deserialize)]
pub struct Submitted {
    /// Hex of its id.
    #[serde(default)]
    pub id: Option<String>,
    /// posted, pooled, unknown, refused or busy.
    pub status: String,
    /// Its leaf, when posted.
    #[serde(default)]
    pub leaf: Option<u64>,
    /// Why not, when refused or busy.
    #[serde(default)]
    pub problem: Option<Problem>,
}

/// The parts of a problem document that tests look at.
#[derive(Clone, Debug, Deserialize)]
pub struct Problem {
    /// The rule that refuses.
    #[serde(default)]
    pub rule: Option<String>,
    /// The HTTP status.
    pub status: u16,
    /// What was expected and found, and the way forward.
    pub detail: String,
}

#[derive(Deserialize)]
struct Batch {
    transactions: Vec<Submitted>,
}

/// The results of a batch.
///
/// # Errors
/// The answer's own words, when it is none of 200.
pub fn results(answer: &Answer) -> Result<Vec<Submitted>, String> {
    let read = serde_json::from_slice::<Batch>(&answer.body);
    match read {
        Ok(batch) if answer.status == 200 => Ok(batch.transactions),
        _ => Err(format!("{}: {}", answer.status, answer.text())),
    }
}
