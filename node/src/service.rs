//! One node from its configuration: disk, books, consensus, network and RPC put together and
//! started in that order, so that nothing answers before what it answers from stands.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ledger::block::Height;
use ledger::certificate::ValidatorSet;
use ledger::checkpoint::{Trust, TrustError};
use ledger::genesis::{Genesis, GenesisError};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::config::{Addresses, Config, ConfigError, Snapshots};
use crate::halt::{self, HaltError};
use crate::handle::Identity;
use crate::join::{Join, JoinError, Joined};
use crate::keeper::Keeper;
use crate::keyring::{Keyring, KeyringError};
use crate::links;
use crate::members::{earlier, members};
use crate::network::{Member, Network, NetworkConfig, NetworkError, NetworkEvents, NetworkHandle};
use crate::recover::{RecoverError, recover_keeping};
use crate::rpc;
use crate::run::{self, Parts, RunError, Running};
use crate::signer::{SignerError, Signers, open_store};
use crate::store::{Store, StoreError};
use crate::validator::{Recovered, Settings, Validator};

/// How long a node that may be far behind waits for a peer that offers a snapshot, before it replays.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);
/// Connections that wait to be taken, as the standard library has it.
const BACKLOG: u32 = 1024;
/// No chain makes a block in less: it takes two messages.
const BLOCK_MS_MIN: u64 = 5;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The genesis file cannot be read.
    #[error("genesis file {}: {source}", path.display())]
    GenesisFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The genesis file begins no chain.
    #[error("genesis file {}: {source}", path.display())]
    Genesis {
        /// Which.
        path: PathBuf,
        /// Why.
        source: GenesisError,
    },
    /// The validators of genesis cannot be trusted.
    #[error("genesis: {0}")]
    Trust(#[from] TrustError),
    /// The key files.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// Their lease or memory, or the data directory.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// What stopped the node before.
    #[error(transparent)]
    Halt(#[from] HaltError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The books on disk.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// Joining from a snapshot.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// It was told to stop before it had begun.
    #[error("the node was stopped while it waited for its peers")]
    Stopped,
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The RPC's address cannot be listened on.
    #[error("cannot listen on {address} for clients: {source}; free the port or change rpc.listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The node ran, and stopped.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A node that runs and answers.
pub struct Service {
    /// The running node.
    pub running: Running,
    /// Where clients reach it.
    pub rpc: SocketAddr,
    /// How many peers must be connected for the node to take part.
    pub peers_needed: usize,
    served: tokio::task::JoinHandle<()>,
}

impl Service {
    /// Waits for the end.
    ///
    /// # Errors
    /// [`RunError`], if the node stopped because it could not go on.
    pub async fn ended(self) -> Result<(), RunError> {
        let result = self.running.done.await.unwrap_or(Ok(()));
        // What is being answered is finished; a server that does not end is cut off.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), self.served).await;
        result
    }
}

/// Reads a genesis file.
///
/// # Errors
/// [`ServiceError::GenesisFile`], [`ServiceError::Genesis`].
pub fn read_genesis(path: &Path) -> Result<Genesis, ServiceError> {
    let bytes =
        fs::read(path).map_err(|source| ServiceError::GenesisFile { path: path.to_path_buf(), source })?;
    Genesis::decode(&bytes)
        .and_then(|genesis| genesis.check().map(|()| genesis))
        .map_err(|source| ServiceError::Genesis { path: path.to_path_buf(), source })
}

/// Starts a node. It ends when `stop` turns true, or when its disk fails.
///
/// # Errors
/// [`ServiceError`]; then nothing runs.
pub async fn start(config: &Config, stop: watch::Receiver<bool>) -> Result<Service, ServiceError> {
    let genesis = read_genesis(&config.genesis)?;
    let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
    let keyring = Keyring::load(&config.keys)?;
    let addresses = config.addresses(&genesis.validators)?;

    let rpc_address = config.rpc.listen;
    let rpc_socket =
        bound(rpc_address).map_err(|source| ServiceError::Listen { address: rpc_address, source })?;

    let mut signers = Signers::open(&config.keys, trust.chain(), &config.data_dir)?;
    let (store, damage) = open_store(&config.data_dir, trust.chain(), &mut signers)?;
    // Before anything is written, a snapshot least of all: it is this directory's past that is judged.
    let memory = signers.remember(&store, damage.as_deref())?;
    let Some((mut recovered, line)) =
        books(config, &genesis, &store, &keyring, &addresses, stop.clone()).await?
    else {
        return Err(ServiceError::Stopped);
    };
    recovered.memory = memory;
    let keeper = Keeper::open(Arc::clone(&store), &recovered.ledger)?;
    let halted = halt::read(&config.data_dir)?;
    if let Some(proof) = &halted {
        tracing::error!("{}", halt::summary(proof));
    }
    recovered.halted = halted.is_some();
    let set = recovered.ledger.validators().clone();
    tracing::info!(
        height = %recovered.ledger.head().height, epoch = %set.epoch, seat = ?keyring.seat(&set).map(|(seat, _)| seat),
        "books replayed"
    );

    let timing = config.timing;
    let settings = Settings {
        consensus: consensus::machine::Config {
            delta_ms: timing.delta_ms,
            delta_max_ms: timing.delta_max_ms,
            block_interval_ms: timing.block_interval_ms,
            heartbeat_ms: timing.heartbeat_ms,
            drift_ms: timing.drift_ms,
            ..consensus::machine::Config::default()
        },
        request_timeout_ms: timing.request_timeout_ms,
    };
    let (mut validator, first) = Validator::new(settings, keyring.vote_keys(), recovered, run::now());
    validator.keep_snapshots(config.snapshot.every_blocks);
    let validator = (validator, first);

    let Line { config: network_config, members, network: line, events: from_network } = line;

    let (rpc, listener) = rpc_socket
        .local_addr()
        .and_then(|rpc| Ok((rpc, rpc_socket.listen(BACKLOG)?)))
        .map_err(|source| ServiceError::Listen { address: rpc_address, source })?;

    // A follower needs one peer that answers.
    let peers_needed = if validator.0.seat().is_some() { set.quorum().saturating_sub(1) } else { 1 };
    let identity = Identity { genesis: genesis.encode(), trust };
    let parts = Parts {
        identity,
        store,
        keeper,
        validator,
        keyring,
        signers,
        addresses,
        network_config,
        members,
        network: line,
        from_network,
        data_dir: config.data_dir.clone(),
        halted,
    };
    let running = run::start(parts, stop.clone());
    let (handle, health) = (running.handle.clone(), running.health.clone());
    let served = tokio::spawn(rpc::serve(listener, handle, health, config.limits, timing.heartbeat_ms, stop));
    Ok(Service { running, rpc, peers_needed, served })
}

/// Takes the clients' address before the network starts, since a connection to a peer may otherwise be given
/// that port; but refuses connections until there are books to answer from.
fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// The line to the peers of an epoch.
struct Line {
    config: NetworkConfig,
    members: Vec<Member>,
    network: NetworkHandle,
    events: NetworkEvents,
}

/// The books from disk, or where they are far behind, from a snapshot that peers hand out; and the line to
/// the peers. `None` if the node is to stop.
async fn books(
    config: &Config,
    genesis: &Genesis,
    store: &Arc<Store>,
    keyring: &Keyring,
    addresses: &Addresses,
    mut stop: watch::Receiver<bool>,
) -> Result<Option<(Recovered, Line)>, ServiceError> {
    let Snapshots { every_blocks, join_behind_blocks } = config.snapshot;
    let recovered = match recover_keeping(genesis, store, every_blocks) {
        Err(error @ RecoverError::Base { height }) => {
            if join_behind_blocks == 0 {
                return Err(error.into());
            }
            Err(height)
        }
        recovered => Ok(recovered?),
    };
    let sets = |recovered: &Recovered| {
        let set = recovered.ledger.validators().clone();
        let before: Vec<ValidatorSet> = earlier(&recovered.trust, set.epoch).cloned().collect();
        (set, before)
    };
    let (set, before) = recovered.as_ref().map_or_else(|_| (genesis.validators.clone(), Vec::new()), sets);
    let listen = config.network.listen.clone();
    let mut network_config = NetworkConfig { chain: genesis.hash(), listen };
    let member_list = members(addresses, &set, &before);
    let keys = keyring.for_network(&set, &before);
    let peer_key = keys.peer_key();
    let (network, mut events) =
        Network::start(network_config.clone(), keys.peer_keypair(), member_list.clone()).await?;
    network_config = links::settled(&network_config, network.listening());
    let from = match &recovered {
        Ok(recovered) => {
            let head = recovered.ledger.head();
            let block_ms = config.timing.block_interval_ms.max(BLOCK_MS_MIN);
            let age_ms = run::now().0.saturating_sub(head.time.0);
            // As many blocks cannot have been made since a head that is younger than that.
            let may_be_behind = head.height == Height(0) || age_ms / block_ms >= join_behind_blocks;
            (join_behind_blocks > 0 && may_be_behind)
                .then_some(Height(head.height.0.saturating_add(join_behind_blocks)))
        }
        Err(base) => Some(*base),
    };
    let joined = match from {
        None => Joined::Not,
        Some(from) => {
            let join = Join {
                genesis: genesis.clone(),
                store: Arc::clone(store),
                from,
                seats: u16::try_from(set.len()).unwrap_or(u16::MAX),
                enough: set.len().saturating_sub(set.quorum()) + 1,
                must: recovered.is_err(),
                patience: JOIN_PATIENCE,
                request_patience: Duration::from_millis(config.timing.request_timeout_ms),
            };
            join.run(&network, &mut events, &mut stop).await?
        }
    };
    let recovered = match (joined, recovered) {
        (Joined::Stopped, _) => return Ok(None),
        (Joined::Not, Ok(recovered)) => recovered,
        (Joined::At(_), _) | (Joined::Not, Err(_)) => recover_keeping(genesis, store, every_blocks)?,
    };
    let (set, before) = sets(&recovered);
    let now = members(addresses, &set, &before);
    let keys = keyring.for_network(&set, &before);
    if now == member_list && keys.peer_key() == peer_key {
        // Whoever takes over has heard of nobody yet.
        events.tell_again();
        let line = Line { config: network_config, members: now, network, events };
        return Ok(Some((recovered, line)));
    }
    drop(network);
    // The port is free when the last of its events is read.
    while events.recv().await.is_some() {}
    let (network, events) = Network::start(network_config.clone(), keys.peer_keypair(), now.clone()).await?;
    Ok(Some((recovered, Line { config: network_config, members: now, network, events })))
}
