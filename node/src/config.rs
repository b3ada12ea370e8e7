//! Settings of one node, from a TOML file. Everything has a bound, and everything but the peers a
//! default.
//!
//! ```toml
//! data_dir = "/var/lib/hovedbok"
//! genesis = "genesis.bin"
//! keys = "keys"
//!
//! [network]
//! listen = ["/ip4/0.0.0.0/tcp/7100"]
//!
//! [network.peers]
//! "stavanger.example/v1" = ["/dns4/hovedbok.stavanger.example/tcp/7100"]
//! "2" = ["/ip4/192.0.2.7/tcp/7100"]
//!
//! [rpc]
//! listen = "127.0.0.1:7180"
//! ```
//!
//! Paths are taken from the file's own directory. A peer is named by its validator name or its index
//! in the validator set.
//!
//! Invariant: a [`Config`] that exists is within bounds; what the file says beyond the known settings
//! is refused, because a misspelt setting is one that silently does not apply.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ledger::certificate::ValidatorSet;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};

/// A settings file is read by people; one longer than this is something else.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// A peer behind two providers, over both versions of IP, has four.
const ADDRESSES_MAX: usize = 8;

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
    /// A peer that is no validator.
    #[error(
        "network.peers names {name:?}, which is neither a validator's name nor an index below {validators}"
    )]
    UnknownPeer {
        /// The name.
        name: String,
        /// Validators in the set.
        validators: usize,
    },
    /// A peer that stands twice.
    #[error("network.peers names validator {index} twice, by name and by index; keep one")]
    TwicePeer {
        /// Its index.
        index: usize,
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
    /// The key file; a follower has none.
    pub keys: Option<PathBuf>,
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
}

/// Links to other validators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSettings {
    /// Where to listen for them; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: Vec<Multiaddr>,
    /// Where they listen, by validator name or index. One that is left out must dial us.
    #[serde(default)]
    pub peers: BTreeMap<String, Vec<Multiaddr>>,
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
        for (name, addresses) in &self.network.peers {
            let setting = format!("network.peers.{name:?}");
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

    /// Addresses of each validator, by index; empty for those that the file leaves out.
    ///
    /// # Errors
    /// [`ConfigError::UnknownPeer`], [`ConfigError::TwicePeer`].
    pub fn peer_addresses(&self, set: &ValidatorSet) -> Result<Vec<Vec<Multiaddr>>, ConfigError> {
        let mut all: Vec<Option<Vec<Multiaddr>>> = vec![None; set.len()];
        for (name, addresses) in &self.network.peers {
            let named = set.validators.iter().position(|validator| validator.name.as_str() == name);
            let index = named.or_else(|| name.parse().ok().filter(|index| *index < set.len()));
            let index = index
                .ok_or_else(|| ConfigError::UnknownPeer { name: name.clone(), validators: set.len() })?;
            if all[index].replace(addresses.clone()).is_some() {
                return Err(ConfigError::TwicePeer { index });
            }
        }
        Ok(all.into_iter().map(Option::unwrap_or_default).collect())
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
        assert_eq!(config.keys, None);
        assert_eq!(config.network.listen[0].to_string(), "/ip4/0.0.0.0/tcp/7100");
        assert_eq!(config.rpc.listen.to_string(), "127.0.0.1:7180");
        assert_eq!(config.timing, Timing::default());
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
    fn peers_are_named_by_name_or_index_once() {
        let validator = |index: u8| Validator {
            entity: OrgNumber::new(964_965_226).unwrap(),
            name: Name::new(format!("v{index}.example/v1")).unwrap(),
            vote_key: PublicKey([index; 32]),
            cosign_key: PublicKey([index; 32]),
            peer_key: PublicKey([index; 32]),
        };
        let set = ValidatorSet { epoch: Epoch(0), validators: (0..4).map(validator).collect() };
        let with =
            |peers: &str| parse(&format!("{LEAST}[network.peers]\n{peers}")).unwrap().peer_addresses(&set);
        let addresses =
            with("\"v1.example/v1\" = [\"/ip4/10.0.0.1/tcp/1\"]\n\"3\" = [\"/dns4/b.example/tcp/2\"]\n");
        let addresses: Vec<_> = addresses.unwrap().iter().map(Vec::len).collect();
        assert_eq!(addresses, [0, 1, 0, 1]);
        let unknown = with("\"4\" = []\n").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "network.peers names \"4\", which is neither a validator's name nor an index below 4"
        );
        assert!(matches!(with("\"v2.example/v1\" = []\n2 = []\n"), Err(ConfigError::TwicePeer { index: 2 })));
    }
}
