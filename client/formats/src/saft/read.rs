//! Reads SAF-T Financial part by part, so that a year of any size needs the memory of one voucher.

use std::io::BufRead;

use super::balances::Balances;
use super::parts::{
    AccountPart, DimensionPart, EntryPart, HeaderPart, LinePart, PartyPart, TaxCodePart, Wrong, amount,
    number,
};
use super::{ACCOUNTS_MAX, LINES_MAX, NAMESPACE, ReadError, Role, Sink, Summary, TAX_CODES_MAX};
use crate::xml::events::{Events, Step};

/// The parts of a file in the order they stand in (schema, element AuditFile).
const SECTIONS: [&str; 4] = ["Header", "MasterFiles", "GeneralLedgerEntries", "SourceDocuments"];

/// Reads a file and hands its parts to `sink` as they come. Findings, such as opening balances that do
/// not net to zero, are in the [`Summary`]; a sink that must not book a file with findings writes
/// nothing durable before it has it.
///
/// # Errors
/// [`ReadError`]: what is no SAF-T of a version that is read is refused where that is found, with what
/// came before already handed on; or the sink stopped.
pub fn read<R: BufRead>(source: R, sink: &mut dyn Sink) -> Result<Summary, ReadError> {
    let mut events = Events::open(source)?;
    let mut reading = Reading::new(sink);
    loop {
        let step = events.step()?;
        let outcome = match step {
            Step::Open => reading.open(events.path(), events.namespace(), events.depth()),
            Step::Close => reading.close(events.path(), events.text()),
            Step::End => break,
        };
        match outcome {
            Ok(()) => {}
            Err(Trouble::Stopped(stop)) => return Err(stop.into()),
            Err(Trouble::Wrong(rule, message)) => {
                let path = events.path();
                let place = match &reading.entry.id {
                    Some(id) if path.contains("/Transaction") => format!("voucher {id}, {path}"),
                    _ => path.to_string(),
                };
                return Err(ReadError::Refused { rule, place, offset: events.offset(), message });
            }
        }
    }
    if reading.section == 0 {
        let message = "the file has no Header; export it again".to_string();
        let (place, offset) = ("AuditFile".to_string(), events.offset());
        return Err(ReadError::Refused { rule: "F-SAFT", place, offset, message });
    }
    let mut summary = reading.balances.finish();
    summary.bytes = events.offset();
    Ok(summary)
}

enum Trouble {
    Wrong(&'static str, Wrong),
    Stopped(crate::books::Stop),
}

impl From<Wrong> for Trouble {
    fn from(message: Wrong) -> Self {
        Self::Wrong("F-SAFT", message)
    }
}

impl From<crate::books::Stop> for Trouble {
    fn from(stop: crate::books::Stop) -> Self {
        Self::Stopped(stop)
    }
}

struct Reading<'s> {
    sink: &'s mut dyn Sink,
    balances: Balances,
    /// How many of the sections began.
    section: usize,
    header: HeaderPart,
    account: AccountPart,
    party: PartyPart,
    tax_code: TaxCodePart,
    dimension: DimensionPart,
    journal: String,
    entry: EntryPart,
    line: LinePart,
}

impl<'s> Reading<'s> {
    fn new(sink: &'s mut dyn Sink) -> Self {
        Self {
            sink,
            balances: Balances::default(),
            section: 0,
            header: HeaderPart::default(),
            account: AccountPart::default(),
            party: PartyPart::default(),
            tax_code: TaxCodePart::default(),
            dimension: DimensionPart::default(),
            journal: String::new(),
            entry: EntryPart::default(),
            line: LinePart::default(),
        }
    }

    fn open(&mut self, path: &str, namespace: &str, depth: usize) -> Result<(), Trouble> {
        match depth {
            1 if path != "AuditFile" || namespace != NAMESPACE => {
                let shown: String = format!("{path} of {namespace:?}").chars().take(120).collect();
                Err(format!(
                    "the file is {shown}, not AuditFile of {NAMESPACE:?}; send the SAF-T Financial export"
                )
                .into())
            }
            2 => {
                let name = path.strip_prefix("AuditFile/").unwrap_or(path);
                let Some(place) = SECTIONS.iter().position(|section| *section == name) else { return Ok(()) };
                if place < self.section || (self.section == 0 && place > 0) {
                    return Err(format!(
                        "{name} stands out of order; the parts of a file are Header, MasterFiles, GeneralLedgerEntries, each once"
                    )
                    .into());
                }
                self.section = place + 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, path: &str, text: &str) -> Result<(), Trouble> {
        let Some(path) = path.strip_prefix("AuditFile/") else { return Ok(()) };
        if let Some(path) = path.strip_prefix("GeneralLedgerEntries/Journal/Transaction/") {
            return self.close_in_entry(path, text);
        }
        if let Some(path) = path.strip_prefix("Header/") {
            return Ok(self.header.field(path, text)?);
        }
        if let Some(path) = path.strip_prefix("MasterFiles/") {
            return self.close_in_masters(path, text);
        }
        match path {
            "Header" => {
                let header = std::mem::take(&mut self.header).finish()?;
                Ok(self.sink.header(&header)?)
            }
            "GeneralLedgerEntries/NumberOfEntries" => {
                self.balances.declared.entries = Some(number(text, u64::MAX)?);
                Ok(())
            }
            "GeneralLedgerEntries/TotalDebit" => {
                self.balances.declared.debit = Some(amount(text)?);
                Ok(())
            }
            "GeneralLedgerEntries/TotalCredit" => {
                self.balances.declared.credit = Some(amount(text)?);
                Ok(())
            }
            "GeneralLedgerEntries/Journal/JournalID" => {
                self.journal = text.chars().take(super::ID_CHARS_MAX).collect();
                Ok(())
            }
            "GeneralLedgerEntries/Journal/Transaction" => {
                let entry = std::mem::take(&mut self.entry).finish(&self.journal)?;
                self.balances.entry(&entry);
                if self.balances.known() > ACCOUNTS_MAX {
                    return Err(too_many(ACCOUNTS_MAX, "accounts"));
                }
                Ok(self.sink.entry(&entry)?)
            }
            "GeneralLedgerEntries/Journal" => {
                self.journal.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn close_in_entry(&mut self, path: &str, text: &str) -> Result<(), Trouble> {
        if path == "Line" {
            let line = std::mem::take(&mut self.line).finish()?;
            if self.entry.lines.len() >= LINES_MAX {
                return Err(too_many(LINES_MAX, "lines in one voucher"));
            }
            self.entry.lines.push(line);
            return Ok(());
        }
        match path.strip_prefix("Line/") {
            Some(path) => self.line.field(path, text)?,
            None => self.entry.field(path, text)?,
        }
        Ok(())
    }

    fn close_in_masters(&mut self, path: &str, text: &str) -> Result<(), Trouble> {
        let (list, rest) = path.split_once('/').unwrap_or((path, ""));
        let (item, field) = rest.split_once('/').unwrap_or((rest, ""));
        match (list, item, field) {
            ("GeneralLedgerAccounts", "Account", "") => {
                let account = std::mem::take(&mut self.account).finish()?;
                if !self.balances.account(&account) {
                    return Err(format!(
                        "account {} stands twice, and which balance counts cannot be told; export the file again",
                        account.id
                    )
                    .into());
                }
                if self.balances.known() > ACCOUNTS_MAX {
                    return Err(too_many(ACCOUNTS_MAX, "accounts"));
                }
                Ok(self.sink.account(&account)?)
            }
            ("GeneralLedgerAccounts", "Account", field) => Ok(self.account.field(field, text)?),
            ("Customers", "Customer", "") => self.end_party(Role::Customer),
            ("Suppliers", "Supplier", "") => self.end_party(Role::Supplier),
            ("Customers", "Customer", field) | ("Suppliers", "Supplier", field) => {
                Ok(self.party.field(field, text)?)
            }
            ("TaxTable", "TaxTableEntry", "TaxCodeDetails") => {
                let code = std::mem::take(&mut self.tax_code).finish()?;
                if self.balances.tax_code(&code.code) > TAX_CODES_MAX {
                    return Err(too_many(TAX_CODES_MAX, "tax codes"));
                }
                Ok(self.sink.tax_code(&code)?)
            }
            ("TaxTable", "TaxTableEntry", field) => match field.strip_prefix("TaxCodeDetails/") {
                Some(field) => Ok(self.tax_code.field(field, text)?),
                None => Ok(()),
            },
            ("AnalysisTypeTable", "AnalysisTypeTableEntry", "") => {
                let dimension = std::mem::take(&mut self.dimension).finish()?;
                Ok(self.sink.dimension(&dimension)?)
            }
            ("AnalysisTypeTable", "AnalysisTypeTableEntry", field) => {
                Ok(self.dimension.field(field, text)?)
            }
            _ => Ok(()),
        }
    }

    fn end_party(&mut self, role: Role) -> Result<(), Trouble> {
        let party = std::mem::take(&mut self.party).finish(role)?;
        self.balances.summary.parties += 1;
        Ok(self.sink.party(&party)?)
    }
}

fn too_many(max: usize, what: &str) -> Trouble {
    Trouble::Wrong("F-SIZE", format!("the file holds more than {max} {what}; split it"))
}
