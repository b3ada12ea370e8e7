//! `budget adopt` and `approve`: what a council decided, and payment under it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use client::budget::parts;
use client::report::{many, posted_line};
use formats::books::Stop;
use formats::csv::budget::{self, Columns, Numbers};
use ledger::account::Class;
use ledger::entity::OrgNumber;
use ledger::records::{CodeList, CodeRecord};
use ledger::time::Date;
use ledger::transaction::{BudgetPart, DocumentId, Duty, EntryLine, Level, Operation, Override};
use serde_json::json;

use super::hand::{Documented, commit};
use super::session::{Session, read_file};
use super::{Failure, Output, Signing, sheet, values};

/// What is decided.
#[derive(Subcommand)]
pub(crate) enum Budget {
    /// Adopt a budget, or amend it with --version 2 and up; signed by whoever enters the council's
    /// decisions and an approver.
    Adopt(Adopt),
}

#[derive(Args)]
pub(crate) struct Adopt {
    /// Whose.
    #[arg(value_parser = values::org_number)]
    entity: OrgNumber,
    /// Accounting year.
    #[arg(value_parser = clap::value_parser!(u16).range(1900..=9999))]
    year: u16,
    /// Lines of `account;amount;cost centre;project`, expense positive, operating and investment each
    /// adding up to zero; or a budget as Stavanger or Sogndal publish theirs.
    file: PathBuf,
    /// By what the council appropriates; the same for every version of the year.
    #[arg(long, value_delimiter = ',', default_value = "function")]
    level: Vec<LevelArg>,
    /// Which version this makes: 1 is the budget, later ones change it by their lines.
    #[arg(long, default_value_t = 1)]
    version: u32,
    #[command(flatten)]
    documented: Documented,
    #[command(flatten)]
    signing: Signing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    Function,
    ArtGroup,
    CostCentre,
    Project,
}

/// Payment beyond the budget.
#[derive(Args)]
pub(crate) struct Beyond {
    /// Legal duty to pay what the budget does not cover; needs the key of one who may state it too.
    #[arg(long, requires = "shown_by")]
    duty: Option<DutyArg>,
    /// File that shows the duty, which stays here; its salt is kept beside it as FILE.salt.
    #[arg(long = "document", value_name = "FILE", requires = "duty")]
    shown_by: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DutyArg {
    Statute,
    Contract,
    Judgment,
}

impl From<DutyArg> for Duty {
    fn from(duty: DutyArg) -> Self {
        match duty {
            DutyArg::Statute => Self::Statute,
            DutyArg::Contract => Self::Contract,
            DutyArg::Judgment => Self::Judgment,
        }
    }
}

pub(crate) fn run(session: &mut Session<'_>, budget: &Budget) -> Result<Output, Failure> {
    let Budget::Adopt(Adopt { entity, year, file, level, version, documented, signing }) = budget;
    let day = Date::new(u32::from(*year) * 10_000 + 101).map_err(Failure::usage)?;
    let (mut lines, numbers) = lines(file)?;
    let own = raise(&mut lines, &session.client().genesis().codes, day);
    let by = |one| level.contains(&one);
    let whole = BudgetPart {
        entity: *entity,
        year: *year,
        version: *version,
        level: Level {
            function: by(LevelArg::Function),
            art_group: by(LevelArg::ArtGroup),
            cost_centre: by(LevelArg::CostCentre),
            project: by(LevelArg::Project),
        },
        decision: documented.commit()?,
        lines: Vec::new(),
        last: false,
    };
    // Two parts may hold the same lines; the turn tells them apart.
    let operations =
        (0..).zip(parts(&whole, &lines)).map(|(turn, part)| (Operation::AdoptBudget(part), turn));
    let mut done = session.act_all(signing, *entity, operations.collect())?;
    let Some(last) = done.pop() else { return Err(Failure::file(file, "no lines")) };
    let mut output = session.done(&last);
    let given: Vec<(&str, u32)> = numbers.given().collect();
    if !session.brief() {
        for part in &done {
            output.text.push_str(&format!("{}\n", posted_line(&part.confirmed.posted)));
        }
        for (code, number) in &given {
            output.text.push_str(&format!("code {code} is number {number} here\n"));
        }
        for (own, group) in &own {
            output
                .text
                .push_str(&format!("art {own:03} stands as {group:03}: it is not in the list of {day}\n"));
        }
        output.text.push_str(&format!(
            "{} adopted as version {version} in {}\n",
            many(lines.len() as u64, "line"),
            many(done.len() as u64 + 1, "part")
        ));
    }
    output.json["lines"] = json!(lines.len());
    output.json["parts"] = json!(done.len() + 1);
    output.json["numbers"] =
        given.into_iter().map(|(code, number)| (code.to_string(), json!(number))).collect();
    Ok(output)
}

/// Municipalities number arts of their own in the last digit; what the list of the day does not have
/// stands under its group, where the list has that. Tells which.
fn raise(lines: &mut [EntryLine], codes: &[CodeRecord], day: Date) -> BTreeMap<u16, u16> {
    let is_art = |code: u16| {
        let mut arts = codes.iter().filter(|one| one.list == CodeList::Art && one.code == code);
        arts.any(|one| one.from <= day && day <= one.to)
    };
    let mut raised = BTreeMap::new();
    for line in lines.iter_mut().filter(|line| line.account.class != Class::Balance) {
        let (own, group) = (line.account.code, line.account.code / 10 * 10);
        if raised.contains_key(&own) || !is_art(own) && is_art(group) {
            raised.insert(own, group);
            line.account.code = group;
        }
    }
    raised
}

/// The lines of a sheet, or of a budget as it is published, with the numbers given to codes that are none.
fn lines(file: &Path) -> Result<(Vec<EntryLine>, Numbers), Failure> {
    let bytes = read_file(file, sheet::BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::file(file, "not UTF-8; save it as such"))?;
    let mut numbers = Numbers::default();
    let Some(columns) = text.lines().next().and_then(Columns::of) else {
        return Ok((sheet::all(text).map_err(|error| Failure::file(file, error))?, numbers));
    };
    let mut lines = Vec::new();
    let read = budget::read(text.as_bytes(), &columns, &mut |line| {
        let cost_centre = Some(numbers.number(line.cost_centre).map_err(Stop::new)?);
        let project = line.project.map(|code| numbers.number(code)).transpose().map_err(Stop::new)?;
        lines.push(EntryLine { account: line.account, amount: line.amount, cost_centre, project });
        Ok(())
    });
    read.map_err(|error| Failure::file(file, error))?;
    lines.retain(|line| line.amount != ledger::amount::Amount::ZERO);
    Ok((lines, numbers))
}

/// Approves a document, with its lines where a budget binds.
pub(crate) fn approve(
    session: &mut Session<'_>,
    id: &DocumentId,
    beyond: &Beyond,
    signing: &Signing,
) -> Result<Output, Failure> {
    let record = session.document(id)?.record().clone();
    let covered = |session: &Session<'_>, duty| {
        let coded = session.client().coded(&record)?;
        session.act(signing, record.buyer, Operation::ApproveCovered { coded, duty }, 0)
    };
    let done = match (beyond.duty, &beyond.shown_by) {
        (Some(duty), Some(file)) => {
            covered(session, Some(Override { duty: duty.into(), content: commit(file)? }))?
        }
        _ => match session.act(signing, record.buyer, Operation::Approve { document: id.clone() }, 0) {
            // Where a budget binds, only the approval with lines is booked, and answered when it is repeated.
            Err(plain) if matches!(plain.rule.as_deref(), Some("L8" | "L18")) => covered(session, None)
                .map_err(|error| match error.rule.as_deref() {
                    Some("L18") => plain,
                    _ => error,
                })?,
            done => done?,
        },
    };
    Ok(session.done(&done))
}
