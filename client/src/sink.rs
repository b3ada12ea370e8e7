//! A copy of the books in PostgreSQL that follows the chain, for reporting tools that speak SQL.
//!
//! Each stretch of blocks is proven before a row is written, and its rows and the height they reach move
//! in one database transaction: whatever ends the program or the database, the copy stands at the end of
//! a block, nothing of it missing and nothing twice. The module leaves out what a leaf becomes (`rows`)
//! and what the tables mean (`schema.sql`, `specs/sink.md`).
//!
//! Invariant: the rows are those of the log of `chain.log_size` leaves whose frontier `chain` keeps.

mod rows;

use std::error::Error as _;

use ledger::block::Height;
use ledger::books::Ledger;
use ledger::digest::Digest;
use ledger::genesis::GenesisError;
use ledger::tree::{Frontier, leaf_hash};
use postgres::NoTls;

use crate::client::{Client, ClientError};
use crate::leaves::Stretch;

const SCHEMA: &str = include_str!("sink/schema.sql");
/// The tables as `schema.sql` has them.
const SCHEMA_VERSION: i32 = 2;
/// Leaves that one database transaction copies unless it is told otherwise: some ten megabytes.
const LEAVES_MAX: usize = 8192;
/// Two programs that make the schema at once wait for each other.
const SCHEMA_LOCK: i64 = 0x686f_7665_6462_6f6b;

/// Why the copy does not go on. What was copied before stands.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The node, or its proofs.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The genesis file.
    #[error("genesis file: {0}")]
    Genesis(#[from] GenesisError),
    /// The database.
    #[error("database: {}", reason(.0))]
    Database(#[from] postgres::Error),
    /// The schema was made by another version of this program.
    #[error(
        "the database holds schema version {found}, this program writes {SCHEMA_VERSION}: run the newer program, or drop schema hovedbok and copy anew"
    )]
    Version {
        /// What the database holds.
        found: i32,
    },
    /// The database holds another chain.
    #[error(
        "the database copies the chain of genesis {found}, the genesis file begins {given}: give each chain a database of its own"
    )]
    OtherChain {
        /// Genesis hash in the database.
        found: String,
        /// Genesis hash of the file.
        given: Digest,
    },
    /// The row of `chain` was altered by hand.
    #[error("table hovedbok.chain does not read; it was altered: drop schema hovedbok and copy anew")]
    Altered,
    /// Another program moved the copy on meanwhile.
    #[error("another sink writes into this database; stop one of the two")]
    Two,
    /// The node shows less than the copy holds.
    #[error("the copy holds {held} leaves, the node shows {shown}: it lags; ask another node")]
    Behind {
        /// Leaves copied.
        held: u64,
        /// Leaves shown.
        shown: u64,
    },
    /// A leaf that the rules of the ledger cannot have let in; this program is older than the chain.
    #[error("leaf {leaf} names {what} that is not in the copy; run the newer program")]
    Unknown {
        /// Which leaf.
        leaf: u64,
        /// What it names.
        what: String,
    },
}

/// What the database says, without the words around it.
fn reason(error: &postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.to_string(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// How far the copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Height of the last block copied.
    pub height: Height,
    /// Leaves of the log copied.
    pub log_size: u64,
    /// Leaves of the newest checkpoint.
    pub checkpoint_size: u64,
}

impl Progress {
    /// Whether the newest checkpoint holds nothing more.
    pub fn is_level(&self) -> bool {
        self.log_size == self.checkpoint_size
    }
}

/// A copy, and the line to its database.
pub struct Sink {
    database: postgres::Client,
    frontier: Frontier,
    height: Height,
    leaves_max: usize,
}

impl Sink {
    /// Opens the copy of the client's chain; makes the tables, holding what genesis holds, if there are
    /// none yet.
    ///
    /// # Errors
    /// [`SinkError`].
    pub fn open(url: &str, client: &Client) -> Result<Self, SinkError> {
        let mut database = postgres::Client::connect(url, NoTls)?;
        let mut transaction = database.transaction()?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK])?;
        let made = transaction.query_one("SELECT to_regclass('hovedbok.chain') IS NOT NULL", &[])?;
        if !made.get::<_, bool>(0) {
            make(&mut transaction, client)?;
        }
        transaction.commit()?;
        let row = database.query_one(
            "SELECT schema_version, genesis, height, log_size, frontier FROM hovedbok.chain",
            &[],
        )?;
        let version: i32 = row.get(0);
        if version != SCHEMA_VERSION {
            return Err(SinkError::Version { found: version });
        }
        let (genesis, given): (Vec<u8>, Digest) = (row.get(1), client.chain());
        if genesis != given.0 {
            return Err(SinkError::OtherChain { found: hex::encode(genesis), given });
        }
        let (height, size): (i64, i64) = (row.get(2), row.get(3));
        let frontier = frontier(unsigned(size)?, row.get(4)).ok_or(SinkError::Altered)?;
        Ok(Self { database, frontier, height: Height(unsigned(height)?), leaves_max: LEAVES_MAX })
    }

    /// Copies so many leaves in one database transaction, rounded up to whole blocks.
    #[must_use]
    pub fn with_leaves_max(self, leaves_max: usize) -> Self {
        Self { leaves_max, ..self }
    }

    /// Copies the next blocks in one database transaction, as far as the newest checkpoint at most.
    ///
    /// # Errors
    /// [`SinkError`]; then nothing of this step is in the database.
    pub fn step(&mut self, client: &Client) -> Result<Progress, SinkError> {
        let (checkpoint, note) = client.checkpoint()?;
        let (held, shown) = (self.frontier.size(), checkpoint.size());
        if shown < held {
            return Err(SinkError::Behind { held, shown });
        }
        if let Some(stretch) = client.stretch(&self.frontier, &checkpoint, self.leaves_max)? {
            self.copy(client, stretch, &note)?;
        }
        Ok(Progress { height: self.height, log_size: self.frontier.size(), checkpoint_size: shown })
    }

    fn copy(&mut self, client: &Client, stretch: Stretch, note: &str) -> Result<(), SinkError> {
        let mut transaction = self.database.transaction()?;
        let held = signed(self.frontier.size());
        let row =
            transaction.query_one("SELECT log_size FROM hovedbok.chain WHERE only_row FOR UPDATE", &[])?;
        if row.get::<_, i64>(0) != held {
            return Err(SinkError::Two);
        }
        rows::copy(&mut transaction, &client.chain(), self.frontier.size(), &stretch.leaves)?;
        let Stretch { seal, frontier, .. } = stretch;
        transaction.execute(
            "UPDATE hovedbok.chain SET height = $1, block_time = to_timestamp($2::bigint / 1000.0), log_size = $3,
               frontier = $4, checkpoint = $5, updated = now()",
            &[&signed(seal.height.0), &signed(seal.time.0), &signed(frontier.size()), &hashes(&frontier), &note],
        )?;
        transaction.commit()?;
        (self.frontier, self.height) = (frontier, seal.height);
        Ok(())
    }
}

/// Makes the tables and copies what genesis holds.
fn make(transaction: &mut postgres::Transaction<'_>, client: &Client) -> Result<(), SinkError> {
    let genesis = client.genesis();
    let mut log = Frontier::default();
    Ledger::new(genesis)?.genesis_leaves().iter().for_each(|leaf| log.push(leaf_hash(leaf)));
    transaction.batch_execute(SCHEMA)?;
    transaction.execute(
        "INSERT INTO hovedbok.chain (schema_version, genesis, height, block_time, log_size, frontier, checkpoint)
         VALUES ($1, $2, 0, to_timestamp($3::bigint / 1000.0), $4, $5, '')",
        &[
            &SCHEMA_VERSION,
            &client.chain().0.as_slice(),
            &signed(genesis.time.0),
            &signed(log.size()),
            &hashes(&log),
        ],
    )?;
    genesis.entities.iter().try_for_each(|entity| rows::entity(transaction, entity, None))
}

/// PostgreSQL has no unsigned numbers; none of ours comes near the sign.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> Result<u64, SinkError> {
    u64::try_from(number).map_err(|_| SinkError::Altered)
}

fn hashes(frontier: &Frontier) -> Vec<u8> {
    frontier.hashes().iter().flat_map(|hash| hash.0).collect()
}

fn frontier(size: u64, hashes: Vec<u8>) -> Option<Frontier> {
    let (hashes, rest) = hashes.as_chunks::<32>();
    rest.is_empty().then(|| Frontier::from_parts(size, hashes.iter().copied().map(Digest).collect()))?
}
