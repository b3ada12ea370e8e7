//! The controls that every KOSTRA account file meets: 003 to 015 of Statistics Norway's program.
//!
//! A finding says in a bookkeeper's words what is wrong and what to do. It leaves out the control
//! program's later rules, and the code lists themselves: they are dated data and come as a question.
//!
//! Invariant: no more than [`FINDINGS_MAX`] findings are kept, however broken a file is, and all are
//! counted.

use std::collections::BTreeMap;

use ledger::entity::OrgNumber;
use ledger::records::CodeList;

use super::{Heading, Lists, Record, code};

/// More findings help nobody: the first say what is wrong.
pub const FINDINGS_MAX: usize = 200;
/// Amounts on one account that are named in a finding.
const AMOUNTS_MAX: usize = 10;

/// What Statistics Norway does with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It takes the file and says so (advarsel).
    Warning,
    /// It does not take the file (feil).
    Error,
}

/// Something a control has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The control: `KOSTRA-003` to `KOSTRA-015`.
    pub rule: &'static str,
    /// Whether the file is taken all the same.
    pub severity: Severity,
    /// The line, from 1.
    pub line: u64,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} line {}: {}", self.rule, self.line, self.message)
    }
}

/// What the file must say, as the portal fills it in.
pub struct Expected {
    /// The file's heading; its entity may be any of `entities` instead.
    pub heading: Heading,
    /// Numbers that are also right in place of the heading's entity (control 007).
    pub entities: Vec<OrgNumber>,
}

/// Whether a code is in force for the form and year: chain data, asked for.
pub type Codes<'a> = dyn Fn(CodeList, u16) -> bool + 'a;

/// What the controls say of a whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// In order of the file, the duplicates last; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many there are, kept or not.
    pub count: u64,
    /// How many of them make Statistics Norway refuse the file.
    pub errors: u64,
    /// Records.
    pub records: u64,
    /// Sum of each account class in thousands.
    pub sums: BTreeMap<String, i128>,
}

impl Report {
    /// Whether the file would be taken, with warnings or without.
    pub fn is_taken(&self) -> bool {
        self.errors == 0
    }
}

struct Account {
    line: u64,
    count: u64,
    amounts: Vec<String>,
}

/// Judges records one by one.
pub struct Checker<'a> {
    expected: &'a Expected,
    codes: &'a Codes<'a>,
    seen: BTreeMap<[String; 4], Account>,
    report: Report,
}

impl<'a> Checker<'a> {
    /// Begins a file.
    pub fn new(expected: &'a Expected, codes: &'a Codes<'a>) -> Self {
        Self { expected, codes, seen: BTreeMap::new(), report: Report::default() }
    }

    fn found(&mut self, rule: &'static str, severity: Severity, line: u64, message: String) {
        self.report.count += 1;
        self.report.errors += u64::from(severity == Severity::Error);
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(Finding { rule, severity, line, message });
        }
    }

    /// Judges the record on this line.
    pub fn take(&mut self, line: u64, record: &Record) {
        self.report.records += 1;
        self.heading(line, record);
        let form = self.expected.heading.form;
        if !form.classes.contains(record.class()) {
            let allowed: Vec<_> = form.classes.chars().map(|class| format!("{class:?}")).collect();
            let (class, code) = (record.class(), form.code);
            let allowed = allowed.join(" and ");
            let message = format!(
                "account class {class:?} has no place in form {code}, which takes {allowed}; move the record to the form it belongs to"
            );
            self.found("KOSTRA-009", Severity::Error, line, message);
        }
        match form.lists {
            Lists::Appropriation => {
                self.code(line, "KOSTRA-010", "function", CodeList::Function, record.place());
                self.code(line, "KOSTRA-012", "art", CodeList::Art, record.kind());
            }
            Lists::Balance => {
                self.code(line, "KOSTRA-011", "chapter", CodeList::Chapter, record.place());
                self.code(line, "KOSTRA-013", "sector", CodeList::Sector, record.kind());
            }
            Lists::None => {}
        }
        match record.thousands() {
            Some(thousands) => {
                *self.report.sums.entry(record.class().to_string()).or_default() += i128::from(thousands);
            }
            None => {
                let message = format!(
                    "amount {:?} is not a whole number of thousands at the right edge of its nine characters; write it so",
                    record.amount()
                );
                self.found("KOSTRA-014", Severity::Error, line, message);
            }
        }
        self.remember(line, record);
    }

    fn heading(&mut self, line: u64, record: &Record) {
        let expected = &self.expected.heading;
        let number = |number: Option<OrgNumber>| number.map_or(" ".repeat(9), |n| n.to_string());
        let quarter = expected.quarter.map_or(" ".to_string(), |quarter| quarter.to_string());
        let fields = [
            ("KOSTRA-003", "form", record.form(), expected.form.code.to_string()),
            ("KOSTRA-004", "year", record.year(), expected.year.to_string()),
            ("KOSTRA-005", "quarter", record.quarter(), quarter),
            ("KOSTRA-006", "region", record.region(), expected.region.clone()),
            ("KOSTRA-007", "organisation number", record.entity(), number(expected.entity)),
            ("KOSTRA-008", "undertaking", record.undertaking(), number(expected.undertaking)),
        ];
        for (rule, field, found, wanted) in fields {
            let other = rule == "KOSTRA-007"
                && self.expected.entities.iter().any(|entity| entity.to_string() == found);
            if found != wanted && !other {
                let message = format!("{field} {found:?} is reported, {wanted:?} is expected; correct it");
                self.found(rule, Severity::Error, line, message);
            }
        }
    }

    fn code(&mut self, line: u64, rule: &'static str, what: &str, list: CodeList, text: &str) {
        if code(text).is_some_and(|code| (self.codes)(list, code)) {
            return;
        }
        // A quarter on its way to the year may still carry a wrong code.
        let severity = match self.expected.heading.quarter {
            Some(1..=3) => Severity::Warning,
            _ => Severity::Error,
        };
        let year = self.expected.heading.year;
        let message = format!("{what} {text:?} is not on the list of {year}; move the amount to one that is");
        self.found(rule, severity, line, message);
    }

    fn remember(&mut self, line: u64, record: &Record) {
        let key = match record.form() {
            "0X" => [record.undertaking(), "", record.place(), record.kind()],
            "0Y" => ["", "", "", record.kind()],
            _ => ["", record.class(), record.place(), record.kind()],
        };
        let account = self.seen.entry(key.map(str::to_string)).or_insert(Account {
            line,
            count: 0,
            amounts: Vec::new(),
        });
        account.count += 1;
        if account.amounts.len() < AMOUNTS_MAX {
            account.amounts.push(record.amount().trim().to_string());
        }
    }

    /// Ends the file.
    pub fn finish(mut self) -> Report {
        for (key, account) in std::mem::take(&mut self.seen) {
            if account.count > 1 {
                let named: Vec<_> =
                    key.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
                let message = format!(
                    "{} stands {} times, with the amounts {}; Statistics Norway adds them up: if that is not meant, correct the records",
                    named.join("."),
                    account.count,
                    account.amounts.join(", ")
                );
                self.found("KOSTRA-015", Severity::Warning, account.line, message);
            }
        }
        self.report
    }
}
