//! What a file says of its own sums, against what its vouchers add up to.

use std::collections::{BTreeMap, BTreeSet};

use ledger::amount::{Amount, Total};

use super::{Account, Entry, FINDINGS_MAX, Finding, Summary};

/// Sums of a file so far.
#[derive(Default)]
pub(super) struct Balances {
    accounts: BTreeMap<String, Balance>,
    tax_codes: BTreeSet<String>,
    pub(super) declared: Declared,
    pub(super) summary: Summary,
}

#[derive(Default)]
struct Balance {
    opening: Amount,
    closing: Amount,
    moved: Total,
    /// Whether the list of accounts has it; others are counted so that they are told of once.
    listed: bool,
}

/// What GeneralLedgerEntries says of itself.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) entries: Option<u64>,
    pub(super) debit: Option<Amount>,
    pub(super) credit: Option<Amount>,
}

impl Balances {
    pub(super) fn note(&mut self, rule: &'static str, place: impl Into<String>, message: String) {
        if self.summary.findings.len() < FINDINGS_MAX {
            self.summary.findings.push(Finding { rule, place: place.into(), message });
        } else {
            self.summary.more_findings += 1;
        }
    }

    /// How many different accounts are known.
    pub(super) fn known(&self) -> usize {
        self.accounts.len()
    }

    /// Whether the account is new.
    pub(super) fn account(&mut self, account: &Account) -> bool {
        self.summary.accounts += 1;
        self.summary.opening.add(account.opening);
        let (opening, closing) = (account.opening, account.closing);
        let balance = Balance { opening, closing, moved: Total::default(), listed: true };
        self.accounts.insert(account.id.clone(), balance).is_none()
    }

    /// How many tax codes are known; adds one.
    pub(super) fn tax_code(&mut self, code: &str) -> usize {
        self.tax_codes.insert(code.to_string());
        self.tax_codes.len()
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.summary.entries += 1;
        self.summary.lines += entry.lines.len() as u64;
        self.summary.debit.0 += entry.debit.0;
        self.summary.credit.0 += entry.credit.0;
        let place = || format!("voucher {}", entry.id);
        if !entry.is_balanced() {
            let difference = Total(entry.debit.0 - entry.credit.0);
            let message = format!(
                "debit {}, credit {}, difference {difference}; such a voucher cannot be booked, have it corrected where it comes from",
                entry.debit, entry.credit
            );
            self.note("F-SAFT-BALANCE", place(), message);
        }
        for line in &entry.lines {
            match self.accounts.get_mut(&line.account) {
                Some(balance) => balance.moved.add(line.amount),
                None => {
                    let message = format!(
                        "account {} is not in the file's list of accounts; add it there with its opening balance",
                        line.account
                    );
                    self.note("F-SAFT-ACCOUNT", place(), message);
                    let mut balance = Balance::default();
                    balance.moved.add(line.amount);
                    self.accounts.insert(line.account.clone(), balance);
                }
            }
            for tax in &line.tax {
                if !tax.code.is_empty() && !self.tax_codes.contains(&tax.code) {
                    let message = format!(
                        "tax code {} is not in the file's tax table; add it there with its standard tax code",
                        tax.code
                    );
                    self.note("F-SAFT-TAX", place(), message);
                    self.tax_codes.insert(tax.code.clone());
                }
            }
        }
    }

    /// Compares at the end of the file.
    pub(super) fn finish(mut self) -> Summary {
        let Summary { opening, entries, debit, credit, .. } = self.summary;
        if opening.0 != 0 {
            let side = if opening.0 > 0 { "debit" } else { "credit" };
            let by = Total(opening.0.abs());
            let message = format!(
                "the opening balances do not net to zero: {by} too much in {side}; the result of earlier periods is often what is missing, find the account it belongs to"
            );
            self.note("F-SAFT-OPENING", "the file", message);
        }
        let told = [
            (
                "NumberOfEntries",
                self.declared.entries.filter(|told| *told != entries).map(|t| t.to_string()),
                entries.to_string(),
            ),
            ("TotalDebit", differs(self.declared.debit, debit), debit.to_string()),
            ("TotalCredit", differs(self.declared.credit, credit), credit.to_string()),
        ];
        for (name, told, found) in told {
            if let Some(told) = told {
                let message = format!(
                    "the file says {told}, its vouchers add up to {found}; vouchers are missing or were changed, ask for a new export"
                );
                self.note("F-SAFT-TOTALS", name, message);
            }
        }
        for (id, balance) in std::mem::take(&mut self.accounts) {
            let found = Total(i128::from(balance.opening.0) + balance.moved.0);
            if balance.listed && found.0 != i128::from(balance.closing.0) {
                let message = format!(
                    "opening balance {} and postings of {} make {found}, the file says {}; look for vouchers outside the file's periods",
                    balance.opening, balance.moved, balance.closing
                );
                self.note("F-SAFT-CLOSING", format!("account {id}"), message);
            }
        }
        self.summary
    }
}

fn differs(told: Option<Amount>, found: Total) -> Option<String> {
    told.filter(|told| i128::from(told.0) != found.0).map(|told| told.to_string())
}
