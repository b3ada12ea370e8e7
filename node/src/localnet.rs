//! A network on one machine: a genesis, keys and configurations for n validators, and followers if
//! wanted, each then run as a process of its own on the loopback address. For trying things out, for the demo and for tests.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ledger::entity::OrgNumber;

use crate::keys::{Keys, KeysError, write_signing_key};
use crate::plan::{Plan, PlanError, PlannedEntity, PlannedKey, PlannedValidator};
use crate::run;

/// The four that every local network begins with: number, label, registered name, kind, sector.
const OPERATORS: [(&str, &str, &str, &str, u16); 4] = [
    ("986252932", "staten", "Direktoratet for forvaltning og økonomistyring", "state", 610),
    ("964965226", "stavanger", "Stavanger kommune", "municipality", 650),
    ("964965137", "sandnes", "Sandnes kommune", "municipality", 650),
    ("921383681", "tonsberg", "Tønsberg kommune", "municipality", 650),
];
/// First month of the municipalities' books.
const BOOKS_FROM: &str = "2026-01";
/// Below four validators no fault can be borne.
const NODES_MIN: usize = 4;
/// More processes than this wait for one another on a small machine.
const NODES_MAX: usize = 31;
/// A validator that is not ready by then will not be.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Why a local network does not stand.
#[derive(Debug, thiserror::Error)]
pub enum LocalnetError {
    /// A file or process.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Genesis.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The plan cannot be written.
    #[error("plan: {0}")]
    Toml(#[from] toml::ser::Error),
    /// Too few or too many.
    #[error(
        "{validators} validators and {followers} followers; a local network has {NODES_MIN} validators or more, and {NODES_MAX} nodes at most"
    )]
    Size {
        /// How many validators were asked for.
        validators: usize,
        /// How many followers.
        followers: usize,
    },
    /// A validator ended or kept silent.
    #[error("validator {index} is not ready; its log is {}", log.display())]
    NotReady {
        /// Which.
        index: usize,
        /// Where it says why.
        log: PathBuf,
    },
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> LocalnetError {
    let what = what.into();
    move |source| LocalnetError::Io { what, source }
}

/// How large a local network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Validators of genesis.
    pub validators: usize,
    /// Nodes after them that follow, with keys of their own and admitted by all, so that they may join.
    pub followers: usize,
}

impl From<usize> for Size {
    /// So many validators, and no followers.
    fn from(validators: usize) -> Self {
        Self { validators, followers: 0 }
    }
}

/// Writes genesis, keys and configurations into a folder, unless a network stands there already. Node
/// i lies in `node-i`: its configuration, its keys, its governance key, and in `validator.toml` what
/// others must know of it to seat it.
///
/// # Errors
/// [`LocalnetError`].
pub fn lay_out(folder: &Path, size: impl Into<Size>, rpc_base_port: u16) -> Result<(), LocalnetError> {
    if folder.join("genesis.bin").exists() {
        return Ok(());
    }
    let Size { validators, followers } = size.into();
    let count = validators.saturating_add(followers);
    if validators < NODES_MIN || count > NODES_MAX {
        return Err(LocalnetError::Size { validators, followers });
    }
    let make = |path: &Path| fs::create_dir_all(path).map_err(io_error(path.display().to_string()));
    make(&folder.join("keys"))?;
    let operators = operators(count);
    // Who registers entities and keys; the validators' governance keys lie with their nodes.
    let registrar = folder.join("keys/registrar.key");
    let mut plan = Plan {
        name: "hovedbok.example".into(),
        time_ms: run::now().0,
        codes: None,
        booking: None,
        validator: Vec::new(),
        entity: operators.iter().map(|(_, entity)| entity.clone()).collect(),
        key: vec![PlannedKey {
            key: write_signing_key(&registrar)?.to_string(),
            entity: OPERATORS[0].0.into(),
            holder: 1,
            roles: vec!["register".into()],
            from: "2000-01-01".into(),
            to: None,
        }],
    };
    // All ports are held until all are chosen, so that none is chosen twice.
    let mut held = Vec::new();
    let mut free_port = || -> Result<u16, LocalnetError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io_error("a free port"))?;
        let port = listener.local_addr().map_err(io_error("a free port"))?.port();
        held.push(listener);
        Ok(port)
    };
    let ports: Vec<u16> = (0..count).map(|_| free_port()).collect::<Result<_, _>>()?;
    let mut seats = Vec::new();
    for (index, (label, entity)) in operators.iter().enumerate() {
        let place = folder.join(format!("node-{index}"));
        make(&place)?;
        let keys = Keys::generate()?;
        keys.save(&place.join("keys.toml"))?;
        let planned = PlannedValidator {
            entity: entity.number.clone(),
            name: format!("{label}.hovedbok.example/v1"),
            vote_key: keys.vote_key().to_string(),
            cosign_key: keys.cosign_key().to_string(),
            peer_key: keys.peer_key().to_string(),
            governance_key: write_signing_key(&place.join("governance.key"))?.to_string(),
        };
        let path = place.join("validator.toml");
        fs::write(&path, toml::to_string(&planned)?).map_err(io_error(path.display().to_string()))?;
        seats.push(planned);
    }
    for (index, (_, entity)) in operators.iter().enumerate() {
        let rpc = if rpc_base_port == 0 { free_port()? } else { rpc_base_port + index as u16 };
        let kind = if index < validators { "Validator" } else { "Follower" };
        let mut config = format!(
            "# {kind} {index}: {}\ndata_dir = \"data\"\ngenesis = \"../genesis.bin\"\nkeys = [\"keys.toml\"]\n\n\
             [rpc]\nlisten = \"127.0.0.1:{rpc}\"\n\n\
             # Loopback needs no patience: a silent leader is passed over within a second.\n\
             [timing]\ndelta_ms = 250\nblock_interval_ms = 50\n\n\
             [network]\nlisten = [\"/ip4/127.0.0.1/tcp/{}\"]\n\n[network.peers]\n",
            entity.name, ports[index]
        );
        for (peer, (seat, port)) in seats.iter().zip(&ports).enumerate() {
            if peer == validators {
                config.push_str("\n[network.others]\n");
            }
            if peer != index {
                let name = if peer < validators { &seat.name } else { &seat.peer_key };
                config.push_str(&format!("\"{name}\" = [\"/ip4/127.0.0.1/tcp/{port}\"]\n"));
            }
        }
        let path = folder.join(format!("node-{index}/node.toml"));
        fs::write(&path, config).map_err(io_error(path.display().to_string()))?;
    }
    seats.truncate(validators);
    plan.validator = seats;
    let text = toml::to_string(&plan)?;
    fs::write(folder.join("plan.toml"), text).map_err(io_error("plan.toml"))?;
    // Last: a folder without genesis is laid out anew.
    let genesis = plan.to_genesis()?.encode();
    fs::write(folder.join("genesis.bin"), genesis).map_err(io_error("genesis.bin"))
}

fn operators(count: usize) -> Vec<(String, PlannedEntity)> {
    let named = OPERATORS.into_iter().map(|(number, label, name, kind, sector)| {
        let books_from = (kind == "municipality").then(|| BOOKS_FROM.to_string());
        let (number, name, kind) = (number.into(), name.into(), kind.into());
        (label.to_string(), PlannedEntity { number, kind, name, sector, books_from, kid: None })
    });
    // Numbers from a range that the register of organisations does not use, with valid check digits.
    let others =
        (700_000_000..).filter(|number| OrgNumber::new(*number).is_ok()).zip(5..).map(|(number, n)| {
            let entity = PlannedEntity {
                number: number.to_string(),
                kind: "municipality".into(),
                name: format!("Kommune {n}"),
                sector: 650,
                books_from: Some(BOOKS_FROM.into()),
                kid: None,
            };
            (format!("kommune{n}"), entity)
        });
    named.chain(others).take(count).collect()
}

/// Validators that run as processes. Dropping it ends them.
pub struct Localnet {
    children: Vec<Child>,
    /// Where clients reach each validator.
    pub rpc: Vec<String>,
}

impl Localnet {
    /// Starts every validator of a folder that was laid out, and waits until all are ready.
    ///
    /// # Errors
    /// [`LocalnetError`]; then nothing runs.
    pub fn start(folder: &Path, program: &Path) -> Result<Self, LocalnetError> {
        let mut net = Self { children: Vec::new(), rpc: Vec::new() };
        let mut lines = Vec::new();
        for index in 0.. {
            let place = folder.join(format!("node-{index}"));
            if !place.join("node.toml").exists() {
                break;
            }
            let log_path = place.join("node.log");
            let mut options = fs::OpenOptions::new();
            let log = options.create(true).append(true).open(&log_path);
            let log = log.map_err(io_error(log_path.display().to_string()))?;
            let mut child = Command::new(program)
                .args(["run", "--until-stdin-closes", "--config"])
                .arg(place.join("node.toml"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .map_err(io_error(program.display().to_string()))?;
            fs::write(place.join("pid"), child.id().to_string()).map_err(io_error("pid file"))?;
            lines.push((index, log_path, child.stdout.take()));
            net.children.push(child);
        }
        for (index, log, stdout) in lines {
            let ready = stdout.and_then(ready_line);
            net.rpc.push(ready.ok_or(LocalnetError::NotReady { index, log })?);
        }
        Ok(net)
    }

    /// Waits until a validator ends, and says which and how.
    pub fn watch(&mut self) -> Option<(usize, std::process::ExitStatus)> {
        self.children.iter_mut().enumerate().find_map(|(index, child)| Some((index, child.try_wait().ok()??)))
    }
}

/// The address in the line `ready http://…`, if it comes in time. The rest is read and dropped, so
/// that the validator never blocks on a full pipe.
fn ready_line(stdout: std::process::ChildStdout) -> Option<String> {
    let (found, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("ready ") {
                // Whoever waited has given up.
                let _ = found.send(address.to_string());
            }
        }
    });
    address.recv_timeout(READY_WITHIN).ok()
}

impl Drop for Localnet {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
        for child in &mut self.children {
            for _ in 0..100 {
                match child.try_wait() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                    _ => break,
                }
            }
            // Asked to end five seconds ago. Kill fails only on one that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
