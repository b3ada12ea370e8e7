//! `report`: reports that span documents and parties.

use clap::Subcommand;
use client::report;
use ledger::entity::OrgNumber;

use super::session::Session;
use super::values;
use super::{Failure, Output};

/// What is reported.
#[derive(Subcommand)]
pub(crate) enum Report {
    /// Budget against what is booked, by appropriation.
    Budget {
        /// Whose.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Accounting year.
        #[arg(value_parser = clap::value_parser!(u16).range(1900..=9999))]
        year: u16,
    },
    /// Budget against what is booked when a tertial ends: April, August, December.
    Tertial {
        /// Whose.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Accounting year.
        #[arg(value_parser = clap::value_parser!(u16).range(1900..=9999))]
        year: u16,
        /// 1, 2 or 3.
        #[arg(value_parser = clap::value_parser!(u8).range(1..=3))]
        tertial: u8,
    },
    /// VAT to be compensated, by term of two months and VAT code.
    Compensation {
        /// Whose.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Accounting year.
        #[arg(value_parser = clap::value_parser!(u16).range(1900..=9999))]
        year: u16,
    },
    /// Documents on which something is still to be paid, by due date.
    Open {
        /// Whose, as buyer or seller.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
    },
    /// What was invoiced, credited and paid by supplier, held against the accounts of payables.
    Suppliers {
        /// Who buys.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
    },
    /// What two entities' books say of each other; exit code 1 unless it is the same.
    Between {
        /// One.
        #[arg(value_parser = values::org_number)]
        one: OrgNumber,
        /// The other.
        #[arg(value_parser = values::org_number)]
        other: OrgNumber,
    },
}

pub(crate) fn run(session: &mut Session<'_>, what: &Report) -> Result<Output, Failure> {
    match what {
        Report::Budget { entity, year } => {
            let budget = session.client().budget(*entity, *year)?;
            session.learn([*entity])?;
            let names = &session.names;
            Ok(Output::new(report::budget(&budget, names), report::budget_json(&budget, names)))
        }
        Report::Tertial { entity, year, tertial } => {
            let all = session.client().tertial(*entity, *year, *tertial)?;
            session.learn([*entity])?;
            let names = &session.names;
            Ok(Output::new(report::tertial(&all, names), report::tertial_json(&all, names)))
        }
        Report::Compensation { entity, year } => {
            let all = session.client().compensation(*entity, *year)?;
            session.learn([*entity])?;
            let names = &session.names;
            Ok(Output::new(report::compensation(&all, names), report::compensation_json(&all, names)))
        }
        Report::Open { entity } => {
            let all = session.client().open_documents(*entity)?;
            let parties = all.documents.iter().flat_map(|document| [document.buyer, document.id.seller]);
            session.learn(parties.chain([*entity]).collect::<Vec<_>>())?;
            let names = &session.names;
            Ok(Output::new(report::open_documents(&all, names), report::open_documents_json(&all, names)))
        }
        Report::Suppliers { entity } => {
            let all = session.client().suppliers(*entity)?;
            session.learn(all.suppliers.keys().copied().chain([*entity]).collect::<Vec<_>>())?;
            let names = &session.names;
            let mut output = Output::new(report::suppliers(&all, names), report::suppliers_json(&all, names));
            if !all.apart().is_empty() {
                output.failure =
                    Some(Failure::refused("F-BOOKS", "documents and accounts differ; read them again"));
            }
            Ok(output)
        }
        Report::Between { one, other } => {
            if one == other {
                return Err(Failure::usage("name two entities"));
            }
            let between = session.client().between([*one, *other])?;
            session.learn([*one, *other])?;
            let names = &session.names;
            let mut output =
                Output::new(report::between(&between, names), report::between_json(&between, names));
            if !between.is_equal() {
                output.failure = Some(Failure::refused("F-BOOKS", "the two books differ; read them again"));
            }
            Ok(output)
        }
    }
}
