//! `enter`, `reverse`, `recode`, `cancel`: entries made by hand, and corrections in full.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use client::archive::{CONTENT, replace};
use client::bank;
use client::client::now;
use client::invoice::today;
use formats::camt::{BankMessage, Side};
use formats::coding::Coding;
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::Voucher;
use ledger::time::Date;
use ledger::transaction::{
    Correction, DocumentId, EntryKind, EntryLine, Line, ManualEntry, Operation, Reason, field_commitment,
};

use super::session::{FILE_BYTES_MAX, Session, read_file};
use super::{Failure, Output, Signing, sheet, values};

/// A scanned document.
const DOCUMENT_BYTES_MAX: usize = 64 << 20;

/// What is booked by hand.
#[derive(Subcommand)]
pub(crate) enum Hand {
    /// Book an entry that no document makes: a reclassification, a memorial entry, or, with
    /// --statement, what the bank moved.
    Enter {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Lines of `account;amount;cost centre;project`, debit positive; they add up to zero, with
        /// --statement together with the line on the cash account.
        file: PathBuf,
        /// What it is [default: memorial].
        #[arg(long, conflicts_with = "statement")]
        kind: Option<KindArg>,
        /// Posting date [default: today in Norway; with --statement the bank's].
        #[arg(long, value_parser = values::date, conflicts_with = "statement")]
        date: Option<Date>,
        /// The bank's message (camt.053, camt.054) that holds the entry.
        #[arg(long, value_name = "FILE", requires_all = ["entry", "cash"])]
        statement: Option<PathBuf>,
        /// The bank's reference of the entry in it.
        #[arg(long, value_name = "REFERENCE", requires = "statement")]
        entry: Option<String>,
        /// The account that the money moved on, such as 2.10.320.
        #[arg(long, value_parser = values::account, requires = "statement")]
        cash: Option<Account>,
        #[command(flatten)]
        documented: Documented,
        #[command(flatten)]
        signing: Signing,
    },
    /// Reverse an entry made by hand, in full.
    Reverse {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Its voucher, such as 2026/412.
        #[arg(value_parser = values::voucher)]
        voucher: Voucher,
        #[command(flatten)]
        correcting: Correcting,
        #[command(flatten)]
        signing: Signing,
    },
    /// Book the buyer's side of a document on other accounts: a full reversal, and the whole anew.
    Recode {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        document: DocumentId,
        /// Where every line goes, such as 1.221.260 or art=260;funksjon=221;ansvar=4102.
        #[arg(long, value_parser = values::coding, value_name = "POSTING", required_unless_present = "lines")]
        coding: Option<Coding>,
        /// Where one line goes, by its number: 2=1.221.260; repeat it.
        #[arg(long = "line", value_parser = values::numbered_coding, value_name = "N=POSTING")]
        lines: Vec<(usize, Coding)>,
        #[command(flatten)]
        correcting: Correcting,
        #[command(flatten)]
        signing: Signing,
    },
    /// Take a document back on both sides; signed by the buyer's submitter and approver, and by the
    /// seller's submitter where the seller keeps books.
    Cancel {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        document: DocumentId,
        #[command(flatten)]
        correcting: Correcting,
        #[command(flatten)]
        signing: Signing,
    },
}

/// What documents an entry.
#[derive(Args)]
pub(crate) struct Documented {
    /// File that documents it, which stays here; its salt is kept beside it as FILE.salt.
    #[arg(long = "document", value_name = "FILE")]
    documented_by: PathBuf,
}

/// When and why something is corrected.
#[derive(Args)]
pub(crate) struct Correcting {
    /// What is wrong.
    #[arg(long)]
    reason: ReasonArg,
    /// Posting date [default: today in Norway; name it to repeat the command on another day].
    #[arg(long, value_parser = values::date)]
    date: Option<Date>,
    #[command(flatten)]
    documented: Documented,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    Reclassification,
    Memorial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReasonArg {
    Account,
    Amount,
    Period,
    Party,
    Twice,
}

impl From<ReasonArg> for Reason {
    fn from(reason: ReasonArg) -> Self {
        match reason {
            ReasonArg::Account => Self::Account,
            ReasonArg::Amount => Self::Amount,
            ReasonArg::Period => Self::Period,
            ReasonArg::Party => Self::Party,
            ReasonArg::Twice => Self::Twice,
        }
    }
}

impl Documented {
    pub(super) fn commit(&self) -> Result<Digest, Failure> {
        commit(&self.documented_by)
    }
}

/// Commits to a file with its salt, which is made the first time and kept beside it.
pub(super) fn commit(file: &Path) -> Result<Digest, Failure> {
    let document = read_file(file, DOCUMENT_BYTES_MAX)?;
    let mut path = file.to_path_buf().into_os_string();
    path.push(".salt");
    let path = PathBuf::from(path);
    if !path.exists() {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt).map_err(|error| Failure::file(&path, error))?;
        replace(&path, hex::encode(salt).as_bytes()).map_err(|error| Failure::file(&path, error))?;
    }
    let text = String::from_utf8_lossy(&read_file(&path, 100)?).trim().to_string();
    let salt = Digest::from_hex(&text)
        .ok_or_else(|| Failure::file(&path, "no salt of 64 hex digits; restore it from a copy"))?;
    Ok(field_commitment(CONTENT, &salt.0, &document))
}

impl Correcting {
    fn read(&self) -> Result<Correction, Failure> {
        let date = self.date.unwrap_or_else(|| today(now()));
        Ok(Correction { date, reason: self.reason.into(), content: self.documented.commit()? })
    }
}

pub(crate) fn run(session: &mut Session<'_>, hand: &Hand) -> Result<Output, Failure> {
    let (signing, concerned, operation) = match hand {
        Hand::Enter { entity, file, kind, date, statement, entry, cash, documented, signing } => {
            let bytes = read_file(file, sheet::BYTES_MAX)?;
            let text =
                String::from_utf8(bytes).map_err(|_| Failure::file(file, "not UTF-8; save it as such"))?;
            let mut lines = sheet::lines(&text).map_err(|error| Failure::file(file, error))?;
            let (kind, date) = match (statement, entry, cash) {
                (Some(statement), Some(entry), Some(cash)) => {
                    let (kind, date, line) = moved(statement, entry, *cash)?;
                    lines.push(line);
                    (kind, date)
                }
                _ => (kind.unwrap_or(KindArg::Memorial).into(), date.unwrap_or_else(|| today(now()))),
            };
            let content = documented.commit()?;
            let entry = ManualEntry { entity: *entity, date, kind, lines, content };
            (signing, *entity, Operation::Enter(entry))
        }
        Hand::Reverse { entity, voucher, correcting, signing } => {
            let entry = session.client().entered(*entity, *voucher)?;
            let correction = correcting.read()?;
            (signing, *entity, Operation::ReverseEntry { voucher: *voucher, entry, correction })
        }
        Hand::Recode { document, coding, lines, correcting, signing } => {
            let record = session.document(document)?.record().clone();
            let coded = session.client().coded(&record)?;
            let lines = recoded(coded.current().lines, *coding, lines)?;
            (signing, record.buyer, Operation::Recode { coded, lines, correction: correcting.read()? })
        }
        Hand::Cancel { document, correcting, signing } => {
            let record = session.document(document)?.record().clone();
            let coded = session.client().coded(&record)?;
            (signing, record.buyer, Operation::Cancel { coded, correction: correcting.read()? })
        }
    };
    let done = session.act(signing, concerned, operation, 0)?;
    Ok(session.done(&done))
}

impl From<KindArg> for EntryKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Reclassification => Self::Reclassification,
            KindArg::Memorial => Self::Memorial,
        }
    }
}

/// What the bank's entry is in the books: its kind, its day, and its line on the cash account.
fn moved(file: &Path, entry: &str, cash: Account) -> Result<(EntryKind, Date, EntryLine), Failure> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let message = BankMessage::read(&bytes).map_err(|error| Failure::from(error).about(file.display()))?;
    let moved = bank::movement(&message, &bytes, entry).map_err(|reason| Failure::file(file, reason))?;
    let amount = match moved.side {
        Side::Credit => moved.amount,
        Side::Debit => Amount(-moved.amount.0),
    };
    let line = EntryLine { account: cash, amount, cost_centre: None, project: None };
    Ok((EntryKind::Bank(moved.bank), moved.date, line))
}

fn recoded(
    mut lines: Vec<Line>,
    coding: Option<Coding>,
    each: &[(usize, Coding)],
) -> Result<Vec<Line>, Failure> {
    let put = |line: &mut Line, Coding { account, cost_centre, project }: Coding| {
        (line.account, line.cost_centre, line.project) = (account, cost_centre, project);
    };
    if let Some(coding) = coding {
        lines.iter_mut().for_each(|line| put(line, coding));
    }
    let count = lines.len();
    for (number, coding) in each {
        let line = number.checked_sub(1).and_then(|place| lines.get_mut(place));
        let line = line
            .ok_or_else(|| Failure::usage(format!("--line {number}: the document has lines 1 to {count}")))?;
        put(line, *coding);
    }
    Ok(lines)
}
