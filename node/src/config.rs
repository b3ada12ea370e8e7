//! Settings of one node, from a TOML file. Everything has a bound, and everything but the peers a
//! default.
//!
//! ```toml
//! data_dir = "/var/lib/hovedbok"
//! genesis = "genesis.bin"
//! keys = ["keys", "keys-2027"]
//!
//! [network]
//! listen = ["/ip4/0.0.0.0/tcp/7100"]
//!
//! [network.peers]
//! "stavanger.example/v1" = ["/dns4/hovedbok.stavanger.example/tcp/7100"]
//! "2" = ["/ip4/192.0.2.7/tcp/7100"]
//!
//! [network.others]
//! "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" = []
//!
//! [rpc]
//! listen = "127.0.0.1:7180"
//!
//! [snapshot]
//! every_blocks = 10000
//! join_behind_blocks = 100000
//! ```
//!
//! Paths are taken from the file's own directory. A peer is named by its validator name, or by its
//! index in genesis, which stands for the name there. `others` admits nodes without a seat, followers
//! and those that want to join, by their peer keys; with an address they are dialed too. Of several
//! key files the node uses the one that has a seat in the epoch; with none it follows.
//!
//! Invariant: a [`Config`] that exists is within bounds; what the file says beyond the known settings
//! is refused, because a misspelt setting is one that silently does not apply.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ledger::certificate::ValidatorSet;
use ledger::digest::Digest;
use ledger::signature::PublicKey;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};

/// A settings file is read by people; one longer than this is something else.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// A peer behind two providers, over both versions of IP, has four.
const ADDRESSES_MAX: usize = 8;
/// Key files: the one in use, the one for the next term, and some to spare.
const KEY_FILES_MAX: usize = 8;
/// Followers and joiners that one node admits; each may hold open streams and queues.
const OTHERS_MAX: usize = 256;
/// A validator set changes, so names of those not yet seated may stand here.
const PEERS_MAX: usize = 2 * ledger::certificate::VALIDATORS_MAX;

/// Settings that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("config file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no TOML, or has an unknown, missing or ill-typed setting.
    #[error("config file {}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
    /// A number lies outside its bounds.
    #[error("{setting} = {value}; set it between {min} and {max}")]
    Bounds {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// Two settings do not go together.
    #[error("{0}")]
    Conflict(String),
    /// An address that a node cannot listen on or dial.
    #[error(
        "{setting}: {address} is not of the form /ip4/…/tcp/…, /ip6/…/tcp/… or /dns4/…/tcp/…; correct it"
    )]
    Address {
        /// Which setting.
        setting: String,
        /// The address.
        address: Multiaddr,
    },
    /// An index that no validator of genesis has.
    #[error(
        "network.peers names {name:?}, and genesis has {validators} validators; write the validator's name"
    )]
    UnknownPeer {
        /// The name.
        name: String,
        /// Validators in genesis.
        validators: usize,
    },
    /// A peer that stands twice.
    #[error("network.peers names validator {name} twice, by name and by index; keep one")]
    TwicePeer {
        /// Its name.
        name: String,
    },
    /// A peer key that is none.
    #[error(
        "network.others names {name:?}, which is no peer key: {reason}; copy the peer_key that keygen printed"
    )]
    PeerKey {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// Settings of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node keeps its data. Never shared between nodes.
    pub data_dir: PathBuf,
    /// The genesis file of the chain.
    pub genesis: PathBuf,
    /// The key files, one at least. Written as one path or as a list.
    #[serde(default, deserialize_with = "one_or_many")]
    pub keys: Vec<PathBuf>,
    /// Links to other validators.
    pub network: NetworkSettings,
    /// What clients reach.
    #[serde(default)]
    pub rpc: RpcSettings,
    /// Timers of consensus. Validators of one chain should agree on them.
    #[serde(default)]
    pub timing: Timing,
    /// How much the node takes on.
    #[serde(default)]
    pub limits: Limits,
    /// Snapshots: writing them, and joining from one.
    #[serde(default)]
    pub snapshot: Snapshots,
}

/// Links to other validators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Where to listen for them; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: Vec<Multiaddr>,
    /// Where they listen, by validator name or index in genesis. One that is left out must dial us.
    #[serde(default)]
    pub peers: BTreeMap<String, Vec<Multiaddr>>,
    /// Who else is admitted, by peer key in hex, and where it listens if we are to dial it.
    #[serde(default)]
    pub others: BTreeMap<String, Vec<Multiaddr>>,
}

/// Where peers listen, whoever holds a seat at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of validators, by name.
    pub validators: BTreeMap<String, Vec<Multiaddr>>,
    /// Of those admitted without a seat, by peer key; empty for those that dial us.
    pub others: BTreeMap<PublicKey, Vec<Multiaddr>>,
}

/// One path, or a list of them.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a path or a list of paths")]
    enum Paths {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }
    Ok(match Paths::deserialize(deserializer)? {
        Paths::One(path) => vec![path],
        Paths::Many(paths) => paths,
    })
}

/// What clients reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcSettings {
    /// Where to listen; port 0 takes a free one. Plain HTTP: put a TLS proxy before it when it is not
    /// the machine's own address.
    pub listen: SocketAddr,
}

/// Timers of consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// What a message with a full block may take between two validators, at first.
    pub delta_ms: u64,
    /// The same, at most, after it was lengthened because nothing became final.
    pub delta_max_ms: u64,
    /// How long a leader gathers transactions before it proposes a block.
    pub block_interval_ms: u64,
    /// An idle chain makes an empty block this often.
    pub heartbeat_ms: u64,
    /// How far ahead of our clock a block's time may lie.
    pub drift_ms: u64,
    /// How long a question to a peer may stay unanswered before another is asked.
    pub request_timeout_ms: u64,
}

/// How much the node takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// RPC connections served at once.
    pub rpc_connections: u64,
    /// Event streams (SSE) served at once.
    pub event_streams: u64,
    /// How long a submission with `wait=receipt` waits.
    pub receipt_deadline_ms: u64,
}

/// Snapshots of the books. Validators of one chain should agree on `every_blocks`: then whoever joins can
/// ask all of them for the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// One is written at every height that is a multiple of this; 0 writes none.
    pub every_blocks: u64,
    /// A node that is so many blocks behind at its start fetches a snapshot, and holds nothing of what
    /// came before it; 0 replays every block, and holds all.
    pub join_behind_blocks: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        // A minute or so of replay, and ten minutes of it.
        Self { every_blocks: 10_000, join_behind_blocks: 100_000 }
    }
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7180)) }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            delta_ms: 1000,
            delta_max_ms: 10_000,
            block_interval_ms: 250,
            heartbeat_ms: 60_000,
            drift_ms: 2000,
            request_timeout_ms: 5000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { rpc_connections: 1024, event_streams: 256, receipt_deadline_ms: 20_000 }
    }
}

fn default_listen() -> Vec<Multiaddr> {
    let any = std::net::Ipv4Addr::UNSPECIFIED;
    vec![Multiaddr::empty().with(Protocol::Ip4(any)).with(Protocol::Tcp(7100))]
}

impl Config {
    /// Reads a file and checks it.
    ///
    /// # Errors
    /// [`ConfigError`], the first in the order of the file's sections.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file_error = |source| ConfigError::File { path: path.to_path_buf(), source };
        if fs::metadata(path).map_err(file_error)?.len() > FILE_BYTES_MAX {
            return Err(file_error(io::Error::other(format!("longer than {FILE_BYTES_MAX} bytes"))));
        }
        let text = fs::read_to_string(path).map_err(file_error)?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| ConfigError::Malformed {
            path: path.to_path_buf(),
            reason: error.to_string().trim_end().into(),
        })?;
        config.check()?;
        let base = path.parent().unwrap_or(Path::new(""));
        for path in [&mut config.data_dir, &mut config.genesis].into_iter().chain(&mut config.keys) {
            *path = base.join(&*path);
        }
        Ok(config)
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn check(&self) -> Result<(), ConfigError> {
        for address in &self.network.listen {
            check_address("network.listen", address)?;
        }
        let count = |setting, count: usize, max: usize| match u64::try_from(count) {
            Ok(value) if count > max => Err(ConfigError::Bounds { setting, value, min: 0, max: max as u64 }),
            _ => Ok(()),
        };
        count("number of key files in keys", self.keys.len(), KEY_FILES_MAX)?;
        count("number of network.peers", self.network.peers.len(), PEERS_MAX)?;
        count("number of network.others", self.network.others.len(), OTHERS_MAX)?;
        let peers = self.network.peers.iter().map(|peer| ("peers", peer));
        for (table, (name, addresses)) in peers.chain(self.network.others.iter().map(|o| ("others", o))) {
            let setting = format!("network.{table}.{name:?}");
            if addresses.len() > ADDRESSES_MAX {
                let count = addresses.len();
                return Err(ConfigError::Conflict(format!(
                    "{setting} has {count} addresses; keep the {ADDRESSES_MAX} best"
                )));
            }
            addresses.iter().try_for_each(|address| check_address(&setting, address))?;
        }
        let Timing { delta_ms, delta_max_ms, block_interval_ms, heartbeat_ms, drift_ms, request_timeout_ms } =
            self.timing;
        let Limits { rpc_connections, event_streams, receipt_deadline_ms } = self.limits;
        let Snapshots { every_blocks, join_behind_blocks } = self.snapshot;
        // Least and most, and why.
        let bounds = [
            // Less than a round trip across the country never agrees; more than a minute is an outage.
            ("timing.delta_ms", delta_ms, 50, 60_000),
            ("timing.delta_max_ms", delta_max_ms, 50, 600_000),
            // Zero proposes at once; above ten seconds a receipt takes too long to wait for.
            ("timing.block_interval_ms", block_interval_ms, 0, 10_000),
            // An hour without a block is told apart from a dead chain only by its operator.
            ("timing.heartbeat_ms", heartbeat_ms, 1000, 3_600_000),
            ("timing.drift_ms", drift_ms, 100, 300_000),
            ("timing.request_timeout_ms", request_timeout_ms, 100, 60_000),
            // Each holds a file descriptor.
            ("limits.rpc_connections", rpc_connections, 1, 65_536),
            ("limits.event_streams", event_streams, 0, 65_536),
            ("limits.receipt_deadline_ms", receipt_deadline_ms, 100, 300_000),
            // Beyond that a restart takes hours.
            ("snapshot.every_blocks", every_blocks, 0, 10_000_000),
            ("snapshot.join_behind_blocks", join_behind_blocks, 0, 1_000_000_000),
        ];
        for (setting, value, min, max) in bounds {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::Bounds { setting, value, min, max });
            }
        }
        if delta_max_ms < delta_ms {
            return Err(ConfigError::Conflict(format!(
                "timing.delta_max_ms = {delta_max_ms} is less than timing.delta_ms = {delta_ms}; raise it"
            )));
        }
        if heartbeat_ms <= block_interval_ms {
            return Err(ConfigError::Conflict(format!(
                "timing.heartbeat_ms = {heartbeat_ms} is not more than timing.block_interval_ms = {block_interval_ms}; raise it"
            )));
        }
        if event_streams > rpc_connections {
            return Err(ConfigError::Conflict(format!(
                "limits.event_streams = {event_streams} is more than limits.rpc_connections = {rpc_connections}; lower it"
            )));
        }
        Ok(())
    }

    /// Where peers listen. A number among `network.peers` stands for the name that the seat has in
    /// genesis, because seats get other numbers when the validator set changes.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPeer`], [`ConfigError::TwicePeer`], [`ConfigError::PeerKey`].
    pub fn addresses(&self, genesis: &ValidatorSet) -> Result<Addresses, ConfigError> {
        let mut all = Addresses::default();
        for (name, addresses) in &self.network.peers {
            let name = match name.parse::<usize>() {
                Err(_) => name.clone(),
                Ok(index) => match genesis.validators.get(index) {
                    Some(validator) => validator.name.as_str().to_string(),
                    None => {
                        let (name, validators) = (name.clone(), genesis.len());
                        return Err(ConfigError::UnknownPeer { name, validators });
                    }
                },
            };
            if all.validators.insert(name.clone(), addresses.clone()).is_some() {
                return Err(ConfigError::TwicePeer { name });
            }
        }
        for (name, addresses) in &self.network.others {
            let refuse = |reason: String| ConfigError::PeerKey { name: name.clone(), reason };
            let key = Digest::from_hex(name).map(|key| PublicKey(key.0));
            let key = key.ok_or_else(|| refuse("it needs 64 lower-case hex digits".into()))?;
            key.check_registrable().map_err(|error| refuse(error.to_string()))?;
            all.others.insert(key, addresses.clone());
        }
        Ok(all)
    }
}

fn check_address(setting: &str, address: &Multiaddr) -> Result<(), ConfigError> {
    let mut parts = address.iter();
    let host = matches!(
        parts.next(),
        Some(Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))
    );
    let port = matches!(parts.next(), Some(Protocol::Tcp(_)));
    if host && port && parts.next().is_none() {
        return Ok(());
    }
    Err(ConfigError::Address { setting: setting.into(), address: address.clone() })
}

#[cfg(test)]
mod tests {
    use ledger::block::Epoch;
    use ledger::certificate::Validator;
    use ledger::entity::{Name, OrgNumber};
    use ledger::signature::PublicKey;

    use super::*;

    const LEAST: &str = "data_dir = \"data\"\ngenesis = \"genesis.bin\"\n[network]\n";

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("/etc/hovedbok/node.toml"))
    }

    fn refusal(more: &str) -> String {
        parse(&format!("{LEAST}{more}")).unwrap_err().to_string()
    }

    #[test]
    fn the_least_file_has_sound_defaults_and_paths_beside_it() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.data_dir, Path::new("/etc/hovedbok/data"));
        assert!(config.keys.is_empty());
        assert_eq!(config.network.listen[0].to_string(), "/ip4/0.0.0.0/tcp/7100");
        assert_eq!(config.rpc.listen.to_string(), "127.0.0.1:7180");
        assert_eq!(config.timing, Timing::default());
        assert_eq!(config.snapshot, Snapshots { every_blocks: 10_000, join_behind_blocks: 100_000 });
        let absolute = parse(&LEAST.replace("\"data\"", "\"/srv/data\"")).unwrap();
        assert_eq!(absolute.data_dir, Path::new("/srv/data"));
        let written = toml::to_string(&absolute).unwrap();
        assert_eq!(parse(&written).unwrap(), absolute, "what we write we read");
    }

    #[test]
    fn a_misspelt_setting_is_refused_with_its_place() {
        let refused = refusal("[timing]\ndelta = 5\n");
        assert!(refused.contains("line 5") && refused.contains("unknown field `delta`"), "{refused}");
        assert!(refusal("[timings]\n").contains("unknown field `timings`"));
        assert!(parse("genesis = \"g\"").unwrap_err().to_string().contains("missing field `data_dir`"));
        assert!(refusal("[rpc]\nlisten = \"localhost\"\n").contains("invalid socket address"));
    }

    #[test]
    fn a_number_out_of_bounds_is_refused_with_the_bounds() {
        assert_eq!(refusal("[timing]\ndelta_ms = 5\n"), "timing.delta_ms = 5; set it between 50 and 60000");
        let beyond = refusal("[snapshot]\nevery_blocks = 10000001\n");
        assert_eq!(beyond, "snapshot.every_blocks = 10000001; set it between 0 and 10000000");
        assert!(refusal("[timing]\ndelta_ms = -5\n").contains("invalid value"));
        let conflict = refusal("[timing]\ndelta_ms = 20000\n");
        assert_eq!(conflict, "timing.delta_max_ms = 10000 is less than timing.delta_ms = 20000; raise it");
        assert!(refusal("[timing]\nheartbeat_ms = 1000\nblock_interval_ms = 1000\n").contains("raise it"));
        assert!(refusal("[limits]\nrpc_connections = 8\n").contains("limits.event_streams = 256 is more"));
    }

    #[test]
    fn an_address_that_cannot_be_dialed_is_refused() {
        for wrong in ["/ip4/1.2.3.4/udp/7100", "/tcp/7100", "/ip4/1.2.3.4/tcp/7100/ws"] {
            let refused = refusal(&format!("listen = [\"{wrong}\"]\n"));
            assert!(refused.starts_with("network.listen: ") && refused.contains(wrong), "{refused}");
        }
        assert!(refusal("listen = [\"1.2.3.4:7100\"]\n").contains("listen"));
    }

    #[test]
    fn several_key_files_lie_beside_the_file_and_one_may_stand_alone() {
        let one = parse(&format!("keys = \"keys\"\n{LEAST}")).unwrap();
        assert_eq!(one.keys, [Path::new("/etc/hovedbok/keys")]);
        let two = parse(&format!("keys = [\"keys\", \"/srv/keys-2027\"]\n{LEAST}")).unwrap();
        assert_eq!(two.keys, [Path::new("/etc/hovedbok/keys"), Path::new("/srv/keys-2027")]);
        assert!(parse(&format!("keys = 7\n{LEAST}")).unwrap_err().to_string().contains("path"));
        let many = ["\"k\""; 9].join(",");
        let refused = parse(&format!("keys = [{many}]\n{LEAST}")).unwrap_err().to_string();
        assert_eq!(refused, "number of key files in keys = 9; set it between 0 and 8");
    }

    fn genesis() -> ValidatorSet {
        let validator = |index: u8| Validator {
            entity: OrgNumber::new(964_965_226).unwrap(),
            name: Name::new(format!("v{index}.example/v1")).unwrap(),
            vote_key: PublicKey([index; 32]),
            cosign_key: PublicKey([index; 32]),
            peer_key: PublicKey([index; 32]),
            governance_key: PublicKey([index; 32]),
        };
        ValidatorSet { epoch: Epoch(0), validators: (0..4).map(validator).collect() }
    }

    #[test]
    fn peers_are_named_by_name_or_by_index_in_genesis_once() {
        let with =
            |peers: &str| parse(&format!("{LEAST}[network.peers]\n{peers}")).unwrap().addresses(&genesis());
        let addresses =
            with("\"v9.example/v1\" = [\"/ip4/10.0.0.1/tcp/1\"]\n\"3\" = [\"/dns4/b.example/tcp/2\"]\n");
        let names: Vec<_> = addresses.unwrap().validators.into_keys().collect();
        assert_eq!(names, ["v3.example/v1", "v9.example/v1"], "one that has no seat yet may stand there");
        let unknown = with("\"4\" = []\n").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "network.peers names \"4\", and genesis has 4 validators; write the validator's name"
        );
        let twice = with("\"v2.example/v1\" = []\n2 = []\n").unwrap_err().to_string();
        assert_eq!(
            twice,
            "network.peers names validator v2.example/v1 twice, by name and by index; keep one"
        );
    }

    #[test]
    fn others_are_named_by_a_peer_key_that_can_be_one() {
        let with = |key: &str| {
            parse(&format!("{LEAST}[network.others]\n\"{key}\" = [\"/ip4/10.0.0.1/tcp/1\"]\n"))
                .unwrap()
                .addresses(&genesis())
        };
        let good = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(with(good).unwrap().others.len(), 1);
        assert!(with("v5.example/v1").unwrap_err().to_string().contains("64 lower-case hex digits"));
        assert!(matches!(with(&"00".repeat(32)), Err(ConfigError::PeerKey { .. })));
        assert!(refusal("[network.others]\n\"00\" = [\"/tcp/1\"]\n").starts_with("network.others"));
    }
}
