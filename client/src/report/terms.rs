//! Reports by term and tertial, as text and as JSON.

use std::fmt::Write as _;

use ledger::account::Class;
use ledger::amount::Total;
use serde_json::{Value, json};

use super::parties::{heads, table};
use super::{Names, height, many, money};
use crate::terms::{Compensation, Tertial, TertialLine};

/// VAT compensation by term and VAT code.
pub fn compensation(all: &Compensation, names: &Names) -> String {
    let mut text = format!("{}\n", names.numbered(all.entity));
    let mut rows = vec![heads(&["term", "VAT code", "rate", "base", "VAT", "postings"])];
    for ((term, code, rate), line) in &all.lines {
        rows.push(vec![
            format!("{}/{term}", all.year),
            code.to_string(),
            rate.to_string(),
            line.base.to_string(),
            line.vat.to_string(),
            line.postings.to_string(),
        ]);
    }
    table(&mut text, 1, &rows);
    for term in 1..=6 {
        let claim = all.of_term(term);
        if claim != Total::default() {
            let _ = writeln!(text, "term {term}: {claim}");
        }
    }
    if all.others != Total::default() {
        let _ = writeln!(
            text,
            "{} moved on {} besides: payouts, openings, entries by hand",
            all.others, all.account
        );
    }
    let _ = writeln!(
        text,
        "all of {} in {}, at {}\nproven: {}",
        many(all.lines.values().map(|line| line.postings).sum(), "posting"),
        all.year,
        height(&all.seal),
        names.proven(&all.checkpoint)
    );
    text
}

/// The same as JSON.
pub fn compensation_json(all: &Compensation, names: &Names) -> Value {
    let lines = all.lines.iter().map(|((term, code, rate), line)| {
        json!({
            "term": term, "vat_code": code, "rate": rate.to_string(), "base": money(line.base), "vat": money(line.vat),
            "postings": line.postings,
        })
    });
    json!({
        "entity": all.entity.to_string(),
        "year": all.year,
        "lines": lines.collect::<Vec<_>>(),
        "others": money(all.others),
        "account": all.account.to_string(),
        "height": all.seal.height.0,
        "checkpoint": names.checkpoint_json(&all.checkpoint),
    })
}

/// How much of what was decided is booked, in tenths of a per cent; none where nothing was decided.
fn used(line: &TertialLine) -> Option<i128> {
    (line.booked.0 * 1000).checked_div(line.adopted.0)
}

fn class(class: Class) -> &'static str {
    if class == Class::Investment { "investment" } else { "operating" }
}

/// Budget against what is booked at the end of a tertial.
pub fn tertial(all: &Tertial, names: &Names) -> String {
    let record = &all.budget.record;
    let mut text = format!("{}\n", names.numbered(record.entity));
    let mut rows = vec![heads(&["", "adopted", "booked", "left", "used"])];
    for ((of, function, limited), line) in &all.lines {
        let side = if *limited { "expense" } else { "income" };
        let function = function.map_or(String::new(), |function| format!(", function {function:03}"));
        let used =
            used(line).map_or(String::new(), |tenths| format!("{}.{} %", tenths / 10, (tenths % 10).abs()));
        rows.push(vec![
            format!("{} {side}{function}", class(*of)),
            line.adopted.to_string(),
            line.booked.to_string(),
            Total(line.adopted.0 - line.booked.0).to_string(),
            used,
        ]);
    }
    table(&mut text, 1, &rows);
    for period in &all.silent {
        let _ = writeln!(text, "the node shows no posting in {period}, which nothing proves");
    }
    let _ = writeln!(
        text,
        "tertial {} of {}, {} of the year, version {} of the budget, at {}\nproven: {}",
        all.number,
        record.year,
        ["33.3 %", "66.6 %", "100.0 %"].get(usize::from(all.number.saturating_sub(1))).unwrap_or(&"100.0 %"),
        record.version,
        height(&all.budget.seal),
        names.proven(&all.budget.checkpoint)
    );
    text
}

/// The same as JSON.
pub fn tertial_json(all: &Tertial, names: &Names) -> Value {
    let line = |((of, function, limited), line): (&(Class, Option<u16>, bool), &TertialLine)| {
        json!({
            "class": class(*of), "function": function, "limited": limited,
            "adopted": money(line.adopted), "booked": money(line.booked),
            "left": money(Total(line.adopted.0 - line.booked.0)),
            "used_per_mille": used(line).and_then(|tenths| i64::try_from(tenths).ok()),
        })
    };
    let record = &all.budget.record;
    json!({
        "entity": record.entity.to_string(),
        "year": record.year,
        "tertial": all.number,
        "version": record.version,
        "lines": all.lines.iter().map(line).collect::<Vec<_>>(),
        "silent_periods": all.silent.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "height": all.budget.seal.height.0,
        "checkpoint": names.checkpoint_json(&all.budget.checkpoint),
    })
}
