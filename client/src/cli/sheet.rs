//! Sheets of accounts and amounts, as people save them from a spreadsheet.

use ledger::account::Account;
use ledger::amount::Amount;
use ledger::transaction::{EntryLine, LINES_MAX};

/// A sheet is some kilobytes; a municipality's budget half a megabyte.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// What is booked at once.
pub(super) fn lines(text: &str) -> Result<Vec<EntryLine>, String> {
    let lines = all(text)?;
    if lines.len() > LINES_MAX {
        return Err(format!("{} lines; 1 to {LINES_MAX} are booked at once", lines.len()));
    }
    Ok(lines)
}

/// Lines of `account;amount`, then cost centre and project where there are any: empty lines, those
/// that begin with `#` and a first line of words are left out.
pub(super) fn all(text: &str) -> Result<Vec<EntryLine>, String> {
    let mut lines = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refuse = |what: &str| {
            format!("line {}: {what}; write account;amount, such as 2.10.320;50000000.00", number + 1)
        };
        let mut cells = line.split(';').map(str::trim);
        let (account, amount) =
            (cells.next().unwrap_or_default(), cells.next().ok_or_else(|| refuse("no semicolon"))?);
        if lines.is_empty() && amount.chars().any(char::is_alphabetic) {
            continue;
        }
        let account = Account::parse(account).ok_or_else(|| refuse("no account"))?;
        let amount = amount_of(amount).ok_or_else(|| refuse("no amount with at most two decimals"))?;
        let mut dimension = |what: &str| match cells.next().filter(|cell| !cell.is_empty()) {
            None => Ok(None),
            Some(cell) => cell.parse().map(Some).map_err(|_| refuse(what)),
        };
        let cost_centre = dimension("the cost centre (third) is no number")?;
        let project = dimension("the project (fourth) is no number")?;
        if cells.any(|cell| !cell.is_empty()) {
            return Err(refuse("more than account, amount, cost centre and project"));
        }
        lines.push(EntryLine { account, amount, cost_centre, project });
    }
    if lines.is_empty() {
        return Err(format!("0 lines; 1 to {LINES_MAX} are booked at once"));
    }
    Ok(lines)
}

/// `-12500.50`, and as it stands in Norwegian sheets: `-12 500,50`.
fn amount_of(text: &str) -> Option<Amount> {
    let plain: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == ',' { '.' } else { c }).collect();
    Amount::from_decimal(&plain.replace('\u{2212}', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l20_l38_accounts_and_amounts_read_as_sheets_write_them() {
        let text = "\u{feff}konto;beløp;ansvar\n# eiendeler\n2.10.320;50 000 000,00\n\n2.35.200; -9000000.50;;\r\n2.5990.000;\u{2212}40999999,5;4102;7\n";
        let lines = lines(text).unwrap();
        let shown: Vec<String> =
            lines.iter().map(|line| format!("{} {}", line.account, line.amount)).collect();
        assert_eq!(shown, ["2.10.320 50 000 000,00", "2.35.200 -9 000 000,50", "2.5990.000 -40 999 999,50"]);
        assert_eq!(
            (lines[1].cost_centre, lines[2].cost_centre, lines[2].project),
            (None, Some(4102), Some(7))
        );
        for (wrong, says) in [
            ("", "0 lines"),
            ("2.10.320", "line 1: no semicolon"),
            ("2.10.320;1\nbank;2", "line 2: no account"),
            ("2.10.320;1\n2.10.320;x", "line 2: no amount"),
            ("2.10.320;1.005", "line 1: no amount"),
            ("2.10.320;1;30000S", "line 1: the cost centre"),
            ("2.10.320;1;1;x", "line 1: the project"),
            ("2.10.320;1;1;1;1", "line 1: more than"),
        ] {
            let error = super::lines(wrong).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
