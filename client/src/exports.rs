//! Books of one entity and year as the formats want them: each figure proven, the entries read as a
//! stream, nothing of a year held in memory but its accounts.
//!
//! Vouchers are proven to be all of the year, as [`crate::books`] proves them, and accounts are those of
//! the periods' records. What was read at different moments is held together by its figures: an account
//! whose postings, read one by one, are not what its proven record says was posted to meanwhile, and the
//! export is refused rather than wrong. It leaves out the formats themselves.
//!
//! Invariant: an entry is handed out only after the proof that it stands in the log, with the proven time of
//! its block.

use std::collections::BTreeMap;

use formats::books::{About, AccountLine, Books, Counts, Entry, Outcome, Stop};
use ledger::account::Account;
use ledger::amount::Total;
use ledger::block::{LEAF_BYTES_MAX, Leaf, Seal};
use ledger::checkpoint::TrustedCheckpoint;
use ledger::codec;
use ledger::entity::OrgNumber;
use ledger::tiles::{Resource, TILE_WIDTH, Tile, TileReader, entries};
use ledger::time::{Period, Timestamp};
use ledger::transaction::{DocumentId, Operation};
use ledger::tree::{leaf_hash, verify_inclusion};

use crate::books::{JournalLine, TrialBalance};
use crate::client::{Client, ClientError};
use crate::http::HttpError;
use crate::name;

/// Why books cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The node, or its proofs.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The entity keeps no books here, or began later.
    #[error("entity {entity} keeps no books here in {year}; name one that does, or a later year")]
    NoBooks {
        /// Which.
        entity: OrgNumber,
        /// Which year.
        year: u16,
    },
    /// Something was posted while the books were read.
    #[error(
        "account {account} in {period}: {read} read, {proven} proven; something was posted meanwhile: export again, or close the period first"
    )]
    Moved {
        /// The account.
        account: Account,
        /// The period.
        period: Period,
        /// What its entries add up to, as debit and credit.
        read: String,
        /// What its record says.
        proven: String,
    },
}

/// One account in one period.
#[derive(Clone, Copy, Default)]
struct Movement {
    debit: Total,
    credit: Total,
}

/// The books of an entity in a year, read from a node that is not trusted.
pub struct YearBooks<'c> {
    client: &'c Client,
    about: About,
    year: u16,
    lines: Vec<AccountLine>,
    counts: Counts,
    parties: BTreeMap<OrgNumber, String>,
    seals: Seals<'c>,
}

impl<'c> YearBooks<'c> {
    /// Reads what the year holds: a first pass over its entries, and its accounts.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn read(client: &'c Client, entity: OrgNumber, year: u16) -> Result<Self, ExportError> {
        let no_books = ExportError::NoBooks { entity, year };
        let known = client.entity(entity)?.record().clone();
        let (first, last) = months(year);
        let Some(from) = known.books_from().filter(|from| *from <= last) else { return Err(no_books) };
        let mut movements: BTreeMap<(Account, Period), Movement> = BTreeMap::new();
        let mut counts = Counts::default();
        let mut parties = BTreeMap::new();
        client.journal_each(entity, year, &mut |line| {
            counts.entries += 1;
            for posting in &line.entry.postings {
                let movement = movements.entry((posting.account, line.entry.date.period())).or_default();
                let (side, total) = match posting.amount.0 > 0 {
                    true => (&mut movement.debit, &mut counts.debit),
                    false => (&mut movement.credit, &mut counts.credit),
                };
                let amount = i128::from(posting.amount.0.unsigned_abs());
                side.0 += amount;
                total.0 += amount;
                counts.postings += 1;
                if let Some(party) = posting.counterparty {
                    parties.entry(party).or_insert_with(String::new);
                }
            }
            Ok::<(), ClientError>(())
        })?;
        for (party, name) in &mut parties {
            *name = client.entity(*party)?.record().entity.name.to_string();
        }
        let lines = accounts(client, entity, (from, first, last), &movements)?;
        let (checkpoint, _) = client.checkpoint()?;
        let about = About {
            entity,
            kind: known.entity.kind,
            name: known.entity.name.to_string(),
            from: first.max(from),
            to: last,
            chain: client.genesis().origin(),
            checkpoint: checkpoint.size(),
        };
        Ok(Self { client, about, year, lines, counts, parties, seals: Seals::new(client, checkpoint) })
    }
}

fn months(year: u16) -> (Period, Period) {
    let mut period = ledger::time::Date::MIN.period();
    if let Ok(january) = Period::new(u32::from(year) * 100 + 1) {
        period = january;
    }
    (period, period.last_of_year())
}

/// The trial balance of a period; `None` if the node says that nothing was posted in it, which nothing
/// proves but the entries of the period, which are then none.
fn period(client: &Client, entity: OrgNumber, period: Period) -> Result<Option<TrialBalance>, ClientError> {
    match client.accounts(entity, period) {
        Err(ClientError::Http(HttpError::Refused(problem))) if problem.status == 404 => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// Every account that the year begins with or posts to, held against what its entries add up to.
fn accounts(
    client: &Client,
    entity: OrgNumber,
    (books, first, last): (Period, Period, Period),
    movements: &BTreeMap<(Account, Period), Movement>,
) -> Result<Vec<AccountLine>, ExportError> {
    let line = |account, opening| AccountLine {
        account,
        name: None,
        opening,
        debit: Total::default(),
        credit: Total::default(),
    };
    let mut lines: BTreeMap<Account, AccountLine> = BTreeMap::new();
    let mut at = books;
    while at < first {
        for record in period(client, entity, at)?.into_iter().flat_map(|balance| balance.accounts) {
            if record.account.carries_over() {
                lines.insert(record.account, line(record.account, record.closing()));
            }
        }
        at = at.next();
    }
    let mut seen = 0;
    while at <= last {
        for record in period(client, entity, at)?.into_iter().flat_map(|balance| balance.accounts) {
            let account = record.account;
            let read = movements.get(&(account, at)).copied().unwrap_or_default();
            if (read.debit, read.credit) != (record.debit, record.credit) {
                return Err(ExportError::Moved {
                    account,
                    period: at,
                    read: format!("debit {}, credit {}", read.debit, read.credit),
                    proven: format!("debit {}, credit {}", record.debit, record.credit),
                });
            }
            seen += 1;
            let line = lines.entry(account).or_insert_with(|| line(account, record.opening));
            line.debit.0 += record.debit.0;
            line.credit.0 += record.credit.0;
        }
        at = at.next();
    }
    if seen < movements.len() {
        let what = format!("accounts with postings of {entity} in {first} to {last}");
        let (shown, proven) = (seen.to_string(), movements.len().to_string());
        return Err(ClientError::Incomplete { what, shown, proven }.into());
    }
    Ok(lines.into_values().filter(|l| (l.opening, l.debit, l.credit) != Default::default()).collect())
}

impl Books for YearBooks<'_> {
    fn about(&self) -> &About {
        &self.about
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn accounts(&mut self, each: &mut dyn FnMut(&AccountLine) -> Outcome) -> Outcome {
        self.lines.iter().try_for_each(each)
    }

    fn entries(&mut self, each: &mut dyn FnMut(&Entry) -> Outcome) -> Outcome {
        let (client, seals, expected) = (self.client, &mut self.seals, self.counts.entries);
        let mut given = 0;
        let whole = client.journal_each(self.about.entity, self.year, &mut |line| {
            // What was posted since the first pass is for another export.
            given += 1;
            if given > expected {
                return Ok(());
            }
            let time = seals.time_of(line.leaf.0)?;
            each(&entry(line, time))
        });
        whole.map(drop)
    }

    fn party(&self, number: OrgNumber) -> Option<String> {
        self.parties.get(&number).cloned()
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::new(error)
    }
}

fn entry(line: JournalLine, time: Timestamp) -> Entry {
    let JournalLine { entry: journal, leaf, transaction, operation } = line;
    let document: Option<DocumentId> = name::Step::of(&operation).map(|(document, _)| document.clone());
    Entry { journal, leaf, time, transaction, kind: kind(&operation), document }
}

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::RegisterDocument(document) => match document.kind {
            ledger::transaction::DocumentKind::Invoice => "invoice",
            ledger::transaction::DocumentKind::CreditNote { .. } => "credit note",
        },
        Operation::SettlePayment { .. } => "payment",
        Operation::ReturnPayment { .. } => "returned payment",
        Operation::OpenBooks { .. } => "opening balance",
        Operation::Recode { .. } => "recoding",
        Operation::Cancel { .. } => "cancellation",
        Operation::ReverseEntry { .. } => "reversal",
        _ => "entry",
    }
}

/// A tile's bytes by level and index, as a node shows them.
type Tiles<'c> = Box<dyn FnMut(u8, u64) -> Option<Vec<u8>> + 'c>;

/// The seal of the block that a leaf stands in, proven under one checkpoint; the last one found is
/// remembered, because a year's entries come in the order of the log.
struct Seals<'c> {
    client: &'c Client,
    checkpoint: TrustedCheckpoint,
    tiles: TileReader<Tiles<'c>>,
    last: Option<(Seal, u64)>,
}

impl<'c> Seals<'c> {
    fn new(client: &'c Client, checkpoint: TrustedCheckpoint) -> Self {
        let size = checkpoint.size();
        let source = move |level: u8, index: u64| {
            let tile = Tile { level, index, width: Tile::width_at(level, index, size) };
            client.line().get(&format!("/v1/{}", Resource::Hashes(tile).path())).ok()
        };
        Self { client, checkpoint, tiles: TileReader::new(Box::new(source)), last: None }
    }

    fn time_of(&mut self, leaf: u64) -> Result<Timestamp, ClientError> {
        if let Some((seal, index)) = &self.last
            && (seal.first.0..=*index).contains(&leaf)
        {
            return Ok(seal.time);
        }
        let (seal, index, bytes) = self.find(leaf)?;
        let at = |source| ClientError::Leaf { voucher: format!("sealed at leaf {index}"), source };
        let path = self.tiles.inclusion_proof(index, self.checkpoint.size()).map_err(at)?;
        verify_inclusion(&leaf_hash(&bytes), index, self.checkpoint.size(), &path, self.checkpoint.root())
            .map_err(at)?;
        // Seals lie without a gap: the first one at or after the leaf is its own, if it says so.
        if !(seal.first.0..index).contains(&leaf) {
            let (shown, proven) = (format!("leaf {index}"), format!("leaves from {}", seal.first));
            return Err(ClientError::Incomplete { what: format!("the seal of leaf {leaf}"), shown, proven });
        }
        let time = seal.time;
        self.last = Some((seal, index));
        Ok(time)
    }

    /// The first seal after a leaf, as the node shows it.
    fn find(&self, leaf: u64) -> Result<(Seal, u64, Vec<u8>), ClientError> {
        let size = self.checkpoint.size();
        let mut from = leaf;
        while from < size {
            let bundle = from / u64::from(TILE_WIDTH);
            let tile = Tile { level: 0, index: bundle, width: Tile::width_at(0, bundle, size) };
            let path = format!("/v1/{}", Resource::Entries(tile).path());
            let bytes = self.client.line().get(&path)?;
            let shown = entries(&bytes, tile.width)
                .ok_or_else(|| self.client.line().malformed(&path, "it is no bundle of that width"))?;
            let begins = bundle * u64::from(TILE_WIDTH);
            for (index, bytes) in (begins..).zip(shown).filter(|(index, _)| *index >= from) {
                if let Ok(Leaf::Seal(seal)) = codec::decode::<Leaf>(bytes, LEAF_BYTES_MAX) {
                    return Ok((seal, index, bytes.to_vec()));
                }
            }
            from = begins + u64::from(TILE_WIDTH);
        }
        let (shown, proven) = ("none".to_string(), "one".to_string());
        Err(ClientError::Incomplete { what: format!("the seal of leaf {leaf}"), shown, proven })
    }
}
