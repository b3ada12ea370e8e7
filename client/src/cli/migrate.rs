//! `migrate`: history of an earlier system, taken over voucher by voucher.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use client::migrate::{self, MigrateError, Taken, Terms};
use client::report::many;
use formats::books::Stop;
use ledger::account::Account;
use ledger::entity::OrgNumber;
use ledger::time::Date;
use ledger::transaction::Operation;
use serde_json::json;

use super::hand::Documented;
use super::session::{Session, read_file};
use super::{Failure, Output, Signing, sheet, values};

/// Operations that are submitted at once.
const AT_ONCE: usize = 500;

/// What the history stands in.
#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// SAF-T Financial: opening balances, and every voucher as an entry; signed by the entity's
    /// administrator and its auditor, before its first period is closed.
    Saft {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// The file.
        file: PathBuf,
        /// Lines of `their account;our account`, for those that the ledger has under another number.
        #[arg(long, value_name = "FILE")]
        accounts: Option<PathBuf>,
        /// Where the difference of opening balances goes that do not net to zero.
        #[arg(long, value_parser = values::account)]
        difference: Option<Account>,
        #[command(flatten)]
        documented: Documented,
        #[command(flatten)]
        signing: Signing,
    },
    /// KOSTRA records: a year's accounts as balances on one day; signed as SAF-T is.
    Kostra {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// The file.
        file: PathBuf,
        /// Where what the records sum to goes, such as 2.5990.000.
        #[arg(long, value_parser = values::account)]
        against: Account,
        /// Posting date, such as the year's last day.
        #[arg(long, value_parser = values::date)]
        date: Date,
        #[command(flatten)]
        documented: Documented,
        #[command(flatten)]
        signing: Signing,
    },
}

pub(crate) fn run(session: &mut Session<'_>, migrate: &Migrate) -> Result<Output, Failure> {
    match migrate {
        Migrate::Saft { entity, file, accounts, difference, documented, signing } => {
            let accounts = accounts.as_deref().map(places).transpose()?.unwrap_or_default();
            let content = documented.commit()?;
            let terms = Terms { entity: *entity, content, accounts, difference: *difference };
            let mut posting =
                Posting { session, signing, entity: *entity, waiting: Vec::new(), turn: 0, failure: None };
            let read = migrate::saft(open(file)?, &terms, &mut |operation| posting.take(operation));
            let (summary, taken) = posting.end(read, file)?;
            let mut output = told(file, &taken);
            for finding in &summary.findings {
                output.text.push_str(&format!("  note: {finding}\n"));
            }
            output.json["findings"] = summary.findings.iter().map(ToString::to_string).collect();
            Ok(output)
        }
        Migrate::Kostra { entity, file, against, date, documented, signing } => {
            let content = documented.commit()?;
            let terms = Terms { entity: *entity, content, accounts: BTreeMap::new(), difference: None };
            let read = migrate::kostra(open(file)?, &terms, (*date, *against));
            let (operations, taken) = read.map_err(|error| refused(&error, file))?;
            session.act_all(
                signing,
                *entity,
                (0..).zip(operations).map(|(turn, op)| (op, turn)).collect(),
            )?;
            Ok(told(file, &taken))
        }
    }
}

fn open(file: &Path) -> Result<BufReader<File>, Failure> {
    Ok(BufReader::new(File::open(file).map_err(|error| Failure::file(file, error))?))
}

fn refused(error: &MigrateError, file: &Path) -> Failure {
    match error.rule() {
        Some(rule) => Failure::refused(rule, error).about(file.display()),
        None => Failure::file(file, error),
    }
}

/// Submits what a file holds while it is read, some at a time.
struct Posting<'s, 'a> {
    session: &'s Session<'a>,
    signing: &'s Signing,
    entity: OrgNumber,
    waiting: Vec<(Operation, u32)>,
    // Vouchers may repeat in the same words; their place in the file tells them apart.
    turn: u32,
    failure: Option<Failure>,
}

impl Posting<'_, '_> {
    fn take(&mut self, operation: Operation) -> Result<(), Stop> {
        self.waiting.push((operation, self.turn));
        self.turn = self.turn.saturating_add(1);
        if self.waiting.len() < AT_ONCE {
            return Ok(());
        }
        self.post().map_err(|failure| {
            let stop = Stop::new(failure.message.clone());
            self.failure = Some(failure);
            stop
        })
    }

    fn post(&mut self) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        self.session.act_all(self.signing, self.entity, waiting).map(drop)
    }

    fn end<T>(mut self, read: Result<T, MigrateError>, file: &Path) -> Result<T, Failure> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let done = read.map_err(|error| refused(&error, file))?;
        self.post()?;
        Ok(done)
    }
}

/// `their account;our account`, a line each.
fn places(file: &Path) -> Result<BTreeMap<String, Account>, Failure> {
    let bytes = read_file(file, sheet::BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::file(file, "not UTF-8; save it as such"))?;
    let mut places = BTreeMap::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.split_once(';').map(|(id, account)| (id.trim(), Account::parse(account.trim())));
        let Some((id, Some(account))) = parts else {
            return Err(Failure::file(file, format!("line {number}: write their account;our account")));
        };
        places.insert(id.to_string(), account);
    }
    Ok(places)
}

fn told(file: &Path, taken: &Taken) -> Output {
    let Taken { openings, vouchers, empty, entries, numbers } = taken;
    let mut text = format!(
        "{}: {} opened, {} taken as {}, {empty} without an amount\n",
        file.display(),
        many(*openings, "account"),
        many(*vouchers, "item"),
        if *entries == 1 { "1 entry".to_string() } else { format!("{entries} entries") },
    );
    for (code, number) in numbers.given() {
        text.push_str(&format!("code {code} is number {number} here\n"));
    }
    let value = json!({
        "file": file, "openings": openings, "items": vouchers, "empty": empty, "entries": entries,
        "numbers": numbers.given().collect::<BTreeMap<_, _>>(),
    });
    Output::new(text, value)
}
