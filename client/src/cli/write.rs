//! Commands that book: each signs one transaction and shows its verified receipt.

use std::path::Path;

use client::archive::Archive;
use client::client::{Meaning, now};
use client::invoice::{Terms, prepare, today};
use client::name;
use formats::coding::Coding;
use formats::ehf::{self, Options};
use ledger::entity::OrgNumber;
use ledger::entry::Regime;
use ledger::records::Status;
use ledger::signature::PublicKey;
use ledger::time::{Date, Period};
use ledger::transaction::{Books, DocumentId, EntryLine, Mandate, NewEntity, NewKey, OpeningLine, Operation};

use super::session::{FILE_BYTES_MAX, Session, read_file};
use super::values::RegimeArg;
use super::{Failure, Output, Register, Signing, sheet};

pub(crate) fn register(session: &mut Session<'_>, register: &Register) -> Result<Output, Failure> {
    let (signing, concerned, operation) = match register {
        Register::Entity { number, name, kind, sector, books, kid, signing } => {
            let entity = NewEntity {
                number: *number,
                kind: (*kind).into(),
                name: name.clone(),
                sector: sector.unwrap_or_else(|| kind.sector()),
                books: books.map_or(Books::None, Books::From),
                kid: (*kid).into(),
            };
            (signing, *number, Operation::RegisterEntity(entity))
        }
        Register::Key { public, entity, holder, roles, acts_for, from, to, signing } => {
            let mandate = |role: ledger::transaction::Role| Mandate {
                entity: acts_for.unwrap_or(*entity),
                role,
                from: from.unwrap_or_else(|| today(now())),
                to: to.unwrap_or(Date::MAX),
            };
            let mandates = roles.iter().map(|role| mandate((*role).into())).collect();
            let granted = NewKey { key: *public, entity: *entity, holder: *holder, mandates };
            (signing, *entity, Operation::GrantKey(granted))
        }
    };
    let done = session.act(signing, concerned, operation, 0)?;
    Ok(session.done(&done))
}

pub(crate) fn revoke(
    session: &mut Session<'_>,
    key: PublicKey,
    entity: Option<OrgNumber>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let known =
        session.client().genesis().keys.iter().find(|known| known.key == key).map(|known| known.entity);
    let concerned = entity.or(known).or(signing.submitter);
    let concerned =
        concerned.ok_or_else(|| Failure::usage("give --entity ORG, who answers for the key's holder"))?;
    let done = session.act(signing, concerned, Operation::RevokeKey { key }, 0)?;
    Ok(session.done(&done))
}

pub(crate) fn open_books(
    session: &mut Session<'_>,
    entity: OrgNumber,
    file: &Path,
    date: Option<Date>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, sheet::BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::file(file, "not UTF-8; save it as such"))?;
    let lines = opening(&text).map_err(|error| Failure::file(file, error))?;
    let from = session.entity(entity)?.record().books_from();
    let date = match (date, from) {
        (Some(date), _) => date,
        (None, Some(period)) => first_day(period)?,
        (None, None) => {
            return Err(Failure::refused("L17", format!("entity {entity} keeps no books in this ledger")));
        }
    };
    let done = session.act(signing, entity, Operation::OpenBooks { entity, date, lines }, 0)?;
    Ok(session.done(&done))
}

fn first_day(period: Period) -> Result<Date, Failure> {
    Date::new(period.number() * 100 + 1).map_err(Failure::usage)
}

/// An opening balance has no cost centres and projects.
fn opening(text: &str) -> Result<Vec<OpeningLine>, String> {
    let opened =
        sheet::lines(text)?.into_iter().map(|EntryLine { account, amount, cost_centre, project }| {
            if cost_centre.is_some() || project.is_some() {
                return Err(format!(
                    "{account}: an opening balance has no cost centre or project; leave them out"
                ));
            }
            Ok(OpeningLine { account, amount })
        });
    opened.collect()
}

pub(crate) fn close_period(
    session: &mut Session<'_>,
    entity: OrgNumber,
    period: Period,
    signing: &Signing,
) -> Result<Output, Failure> {
    let done = session.act(signing, entity, Operation::ClosePeriod { entity, period }, 0)?;
    Ok(session.done(&done))
}

pub(crate) struct SubmitTerms {
    pub(crate) coding: Option<Coding>,
    pub(crate) date: Option<Date>,
    pub(crate) regime: Option<RegimeArg>,
}

pub(crate) fn submit(
    session: &mut Session<'_>,
    file: &Path,
    archive: &Path,
    terms: &SubmitTerms,
    signing: &Signing,
) -> Result<Output, Failure> {
    let bytes = read_file(file, FILE_BYTES_MAX)?;
    let about = |failure: Failure| failure.about(file.display());
    let read = ehf::check(&bytes, &Options::default()).map_err(|refused| about(refused.into()))?;
    let (seller, buyer) = (read.invoice.seller.number, read.invoice.buyer.number);
    let kid = session.entity(seller).map_err(about)?.record().entity.kid;
    let kind = session.entity(buyer).map_err(about)?.record().entity.kind;
    // Whether the reference must be a KID is known only now.
    let accepted =
        ehf::check(&bytes, &Options { kid: Some(kid) }).map_err(|refused| about(refused.into()))?;
    let terms = Terms {
        date: terms.date.unwrap_or_else(|| today(now())),
        coding: terms.coding,
        regime: terms.regime.map(Regime::from),
    };
    cancelled(session, &accepted.invoice.id(), signing).map_err(about)?;
    let archive = Archive::new(archive);
    let operation = prepare(&accepted, &bytes, kind, &terms, session.client().genesis(), &archive)
        .map_err(|error| about(error.into()))?;
    let done = session.act(signing, buyer, operation, 0).map_err(about)?;
    let mut output = session.done(&done);
    if !session.brief() {
        for finding in &accepted.findings {
            output
                .text
                .push_str(&format!("note {}: {} (at {})\n", finding.rule, finding.message, finding.place));
        }
    }
    Ok(output)
}

/// The same invoice after its cancellation has the payment id that it had before, and would be answered
/// with the receipt of that time.
fn cancelled(session: &Session<'_>, id: &DocumentId, signing: &Signing) -> Result<(), Failure> {
    match session.client().document(id) {
        Ok(proven) if proven.record().status == Status::Cancelled && signing.id.is_empty() => {
            let named = name::of_document(id);
            Err(Failure::refused(
                "L6",
                format!("{named} was cancelled; to register it anew, add --id with a text of your own"),
            ))
        }
        Ok(_) => Ok(()),
        Err(error) if error.meaning() == Meaning::Refused => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Nets two documents as far as the smaller reaches.
pub(crate) fn net(
    session: &mut Session<'_>,
    (one, other): (&DocumentId, &DocumentId),
    date: Option<Date>,
    signing: &Signing,
) -> Result<Output, Failure> {
    let first = session.document(one)?.record().clone();
    let second = session.document(other)?.record().clone();
    let operation = Operation::NetClaims {
        one: one.clone(),
        other: other.clone(),
        amount: first.open.min(second.open),
        date: date.unwrap_or_else(|| today(now())),
    };
    let done = session.act(signing, first.buyer, operation, 0)?;
    Ok(session.done(&done))
}

pub(crate) fn attest(
    session: &mut Session<'_>,
    id: &DocumentId,
    signing: &Signing,
) -> Result<Output, Failure> {
    let buyer = session.document(id)?.record().buyer;
    let done = session.act(signing, buyer, Operation::Attest { document: id.clone() }, 0)?;
    Ok(session.done(&done))
}
