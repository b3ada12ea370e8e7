//! `hovedbok-node`: makes keys and genesis, runs a node, or a whole network on one machine, and begins
//! again from a signed recovery.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ledger::block::Height;
use ledger::books::parting;
use node::config::Config;
use node::halt;
use node::handle::Busy;
use node::keys::{Keys, write_signing_key};
use node::localnet::{self, Localnet, Size};
use node::plan::Plan;
use node::recovery;
use node::replay;
use node::service;
use node::store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Between two looks at whether a checkpoint is certified.
const READY_PAUSE: Duration = Duration::from_millis(20);

/// Runs a node of Hovedbok, the ledger that public bodies share.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes the keys of a validator and prints their public halves, for the plan of genesis or for
    /// joining.
    Keygen {
        /// The file to write the node's three keys to; never overwritten, readable by its owner only.
        file: PathBuf,
        /// Where the governance key goes, which no node needs: move it to a safe place. FILE.governance
        /// if left out.
        #[arg(long)]
        governance: Option<PathBuf>,
    },
    /// Makes the genesis file from a plan and prints the chain's identity.
    Init {
        /// The plan (TOML).
        plan: PathBuf,
        /// The file to write.
        #[arg(long, default_value = "genesis.bin")]
        out: PathBuf,
    },
    /// Runs one node until it is told to stop (SIGTERM, SIGINT).
    Run {
        /// Its configuration (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Stop also when standard input is closed, so that a parent's end is ours.
        #[arg(long)]
        until_stdin_closes: bool,
    },
    /// Begins again from a recovery that a quorum of governance keys signed. The node must be stopped.
    Recover {
        /// Its configuration (TOML).
        #[arg(long)]
        config: PathBuf,
        /// The signed recovery, as `hovedbok validators submit --out` wrote it, or its canonical bytes.
        #[arg(long)]
        transaction: PathBuf,
    },
    /// Judges the proof that a node left when it stopped for good, by executing the block in it on the
    /// books of a data directory. No node may run on that directory; a copy serves.
    Replay {
        /// Configuration of the node whose data directory it is (TOML).
        #[arg(long)]
        config: PathBuf,
        /// The proof, perhaps of another node; halted.proof in the data directory if left out.
        #[arg(long)]
        proof: Option<PathBuf>,
    },
    /// Lists what executing a final block writes on the books of a data directory. No node may run on
    /// that directory; a copy serves.
    Changes {
        /// Configuration of the node whose data directory it is (TOML).
        #[arg(long)]
        config: PathBuf,
        /// Height of the block.
        #[arg(long)]
        height: u64,
        /// Another machine's list of the same block, such as halted.changes: name the first difference.
        #[arg(long)]
        against: Option<PathBuf>,
    },
    /// Lays out and runs a network of validators on this machine, each a process of its own.
    Localnet {
        /// Where genesis, keys, configurations and data lie; laid out if nothing is there.
        #[arg(long)]
        dir: PathBuf,
        /// How many validators genesis names.
        #[arg(long, default_value_t = 4)]
        validators: usize,
        /// How many more nodes follow, with keys of their own, so that they may join.
        #[arg(long, default_value_t = 0)]
        followers: usize,
        /// Clients reach validator i at this port + i; 0 takes free ports.
        #[arg(long, default_value_t = 0)]
        rpc_base_port: u16,
        /// Only lay out.
        #[arg(long)]
        init_only: bool,
    },
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOVEDBOK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,libp2p=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let done = match arguments.command {
        Command::Keygen { file, governance } => keygen(&file, governance),
        Command::Init { plan, out } => init(&plan, &out),
        Command::Run { config, until_stdin_closes } => run(&config, until_stdin_closes),
        Command::Recover { config, transaction } => recover(&config, &transaction),
        Command::Replay { config, proof } => judge(&config, proof),
        Command::Changes { config, height, against } => changes(&config, Height(height), against),
        Command::Localnet { dir, validators, followers, rpc_base_port, init_only } => {
            local(&dir, Size { validators, followers }, rpc_base_port, init_only)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hovedbok-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn keygen(file: &Path, governance: Option<PathBuf>) -> Result<(), AnyError> {
    let governance = governance.unwrap_or_else(|| {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".governance");
        beside.into()
    });
    let keys = Keys::generate()?;
    keys.save(file)?;
    let governance_key = write_signing_key(&governance)?;
    println!("vote_key = \"{}\"", keys.vote_key());
    println!("cosign_key = \"{}\"", keys.cosign_key());
    println!("peer_key = \"{}\"", keys.peer_key());
    println!("governance_key = \"{governance_key}\"");
    eprintln!("the governance key is in {}: move it to a safe place off this machine", governance.display());
    Ok(())
}

fn init(plan: &Path, out: &Path) -> Result<(), AnyError> {
    let genesis = Plan::load(plan)?.to_genesis()?;
    std::fs::write(out, genesis.encode())?;
    println!("chain  {}", genesis.hash());
    println!("origin {}", genesis.origin());
    Ok(())
}

fn recover(config: &Path, transaction: &Path) -> Result<(), AnyError> {
    let config = Config::load(config)?;
    let genesis = service::read_genesis(&config.genesis)?;
    let signed = recovery::read(&std::fs::read(transaction)?)?;
    let store = Arc::new(Store::open(&config.data_dir, &genesis.hash())?);
    let applied = recovery::apply(&genesis, &store, signed)?;
    println!("epoch {} begins after the recovery block at height {}", applied.epoch, applied.height);
    println!("discarded: {} blocks that no finalization covers", applied.discarded.len());
    for block in applied.discarded {
        println!(
            "  height {} of view {}: {} transactions",
            block.height,
            block.view,
            block.transactions.len()
        );
        for transaction in block.transactions {
            println!("    {transaction}");
        }
    }
    if halt::read(&config.data_dir)?.is_some() {
        let file = config.data_dir.join(halt::PROOF_FILE);
        println!("the node stays stopped until you remove {}", file.display());
    }
    Ok(())
}

fn judge(config: &Path, proof: Option<PathBuf>) -> Result<(), AnyError> {
    let config = Config::load(config)?;
    let genesis = service::read_genesis(&config.genesis)?;
    let path = proof.unwrap_or_else(|| config.data_dir.join(halt::PROOF_FILE));
    let proof =
        halt::read_file(&path)?.ok_or_else(|| format!("{}: there is no such file", path.display()))?;
    let store = Arc::new(Store::open(&config.data_dir, &genesis.hash())?);
    let judgement = replay::judge(&genesis, &store, &proof)?;
    print!("{}", proof.report(&judgement.finding, judgement.verdict.as_ref()));
    if let Some(changes) = judgement.changes {
        println!("\nwhat executing the block writes here:");
        print!("{changes}");
    }
    Ok(())
}

fn changes(config: &Path, height: Height, against: Option<PathBuf>) -> Result<(), AnyError> {
    let config = Config::load(config)?;
    let genesis = service::read_genesis(&config.genesis)?;
    let theirs = against.map(std::fs::read_to_string).transpose()?;
    let store = Arc::new(Store::open(&config.data_dir, &genesis.hash())?);
    let ours = replay::changes(&genesis, &store, height)?.to_string();
    match theirs.map(|theirs| parting(&ours, &theirs)) {
        None => print!("{ours}"),
        Some(None) => println!("both write the same"),
        Some(Some(parting)) => println!("{parting}"),
    }
    Ok(())
}

#[tokio::main]
async fn run(path: &Path, until_stdin_closes: bool) -> Result<(), AnyError> {
    let config = Config::load(path)?;
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (closed, mut closing) = watch::channel(false);
    if until_stdin_closes {
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = closed.send(true);
        });
    }
    let ending = tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            true = async { closing.wait_for(|closed| *closed).await.is_ok() } => {}
        }
        let _ = stop.send(true);
        std::future::pending::<()>().await
    });
    let service = service::start(&config, stopped).await?;
    let (rpc, needed, mut health) = (service.rpc, service.peers_needed, service.running.health.clone());
    let node = service.running.handle.clone();
    println!("listening http://{rpc}");
    tokio::spawn(async move {
        // Told once; afterwards /ready tells.
        if health.wait_for(|health| health.peers >= needed).await.is_err() {
            return;
        }
        loop {
            match node.query(|validator| validator.certified().is_some()).await {
                Ok(true) => return println!("ready http://{rpc}"),
                Ok(false) | Err(Busy::Full) => tokio::time::sleep(READY_PAUSE).await,
                Err(Busy::Stopping) => return,
            }
        }
    });
    let ended = service.ended().await;
    ending.abort();
    Ok(ended?)
}

fn local(dir: &Path, size: Size, rpc_base_port: u16, init_only: bool) -> Result<(), AnyError> {
    localnet::lay_out(dir, size, rpc_base_port)?;
    if init_only {
        return Ok(());
    }
    let mut net = Localnet::start(dir, &std::env::current_exe()?)?;
    println!("ready {}", net.rpc.join(" "));
    until_signal(&mut net)
}

#[tokio::main(flavor = "current_thread")]
async fn until_signal(net: &mut Localnet) -> Result<(), AnyError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut told = std::collections::BTreeSet::new();
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        if let Some((index, status)) = net.watch()
            && told.insert(index)
        {
            eprintln!("validator {index} ended: {status}");
        }
    }
}
