//! One node from its configuration: disk, books, consensus, network and RPC put together and
//! started in that order, so that nothing answers before what it answers from stands.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ledger::checkpoint::{Trust, TrustError};
use ledger::genesis::{Genesis, GenesisError};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{Config, ConfigError};
use crate::halt::{self, HaltError};
use crate::handle::Identity;
use crate::keeper::Keeper;
use crate::keyring::{Keyring, KeyringError};
use crate::links;
use crate::members::{earlier, members};
use crate::network::{Network, NetworkConfig, NetworkError};
use crate::recover::{RecoverError, recover};
use crate::rpc;
use crate::run::{self, Parts, RunError, Running};
use crate::signer::{SignerError, Signers, open_store};
use crate::store::StoreError;
use crate::validator::{Settings, Validator};

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

    let mut signers = Signers::open(&config.keys, trust.chain(), &config.data_dir)?;
    let (store, damage) = open_store(&config.data_dir, trust.chain(), &mut signers)?;
    let mut recovered = recover(&genesis, &store)?;
    recovered.memory = signers.remember(&store, damage.as_deref())?;
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
    let validator = Validator::new(settings, keyring.vote_keys(), recovered, run::now());

    let known = Arc::clone(validator.0.trust());
    let members = members(&addresses, &set, earlier(&known, set.epoch));
    let network = NetworkConfig { chain: *trust.chain(), listen: config.network.listen.clone() };
    let keypair = keyring.for_network(&set, earlier(&known, set.epoch)).peer_keypair();
    let (line, from_network) = Network::start(network.clone(), keypair, members.clone()).await?;
    let network_config = links::settled(&network, line.listening());

    let address = config.rpc.listen;
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { address, source })?;
    let rpc = listener.local_addr().map_err(|source| ServiceError::Listen { address, source })?;

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
