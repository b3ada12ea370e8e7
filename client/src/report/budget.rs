//! Budget against what is booked, as text and as JSON.

use std::fmt::Write as _;

use ledger::amount::Total;
use ledger::records::AppropriationRecord;
use serde_json::{Value, json};

use super::parties::{heads, table};
use super::{Names, height, many, money};
use crate::budget::Budget;

/// What is left of an appropriation: of an expense what may still be spent, of an income, as a negative
/// figure, what is still to come.
fn left(record: &AppropriationRecord, version: u32) -> Total {
    Total(record.in_force(version).0 - record.actual.0)
}

/// Every appropriation, what is booked on it, and the deviation.
pub fn budget(all: &Budget, names: &Names) -> String {
    let version = all.record.version;
    let mut text = format!("{}\n", names.numbered(all.record.entity));
    let mut rows = vec![heads(&["appropriation", "adopted", "booked", "left", ""])];
    for record in &all.appropriations {
        let (adopted, actual) = (record.in_force(version), record.actual);
        let over = match (record.cell.limited && actual.0 > adopted.0, record.overrides) {
            (false, _) => String::new(),
            (true, 0) => "beyond".to_string(),
            (true, overrides) => format!("beyond, {}", many(u64::from(overrides), "signed duty")),
        };
        let figures = [adopted, actual, left(record, version)].map(|figure| figure.to_string());
        let [adopted, actual, left] = figures;
        rows.push(vec![record.cell.to_string(), adopted, actual, left, over]);
    }
    table(&mut text, 1, &rows);
    let standing = match (version, all.record.open) {
        (0, _) => "not complete, so not in force".to_string(),
        (version, true) => format!("version {version} in force, the next one begun"),
        (version, false) => format!("version {version} in force"),
    };
    let _ = writeln!(
        text,
        "all of {} for {}, {standing}, at {}\nproven: {}",
        many(all.record.cells, "appropriation"),
        all.record.year,
        height(&all.seal),
        names.proven(&all.checkpoint)
    );
    text
}

/// The same as JSON.
pub fn budget_json(all: &Budget, names: &Names) -> Value {
    let version = all.record.version;
    let appropriation = |record: &AppropriationRecord| {
        let cell = record.cell;
        json!({
            "class": if cell.class == ledger::account::Class::Investment { "investment" } else { "operating" },
            "limited": cell.limited,
            "function": cell.function,
            "art_group": cell.art_group,
            "cost_centre": cell.cost_centre,
            "project": cell.project,
            "adopted": money(record.in_force(version)),
            "actual": money(record.actual),
            "left": money(left(record, version)),
            "overrides": record.overrides,
        })
    };
    json!({
        "entity": all.record.entity.to_string(),
        "year": all.record.year,
        "version": version,
        "open": all.record.open,
        "decision": all.record.decision.to_string(),
        "appropriations": all.appropriations.iter().map(appropriation).collect::<Vec<_>>(),
        "height": all.seal.height.0,
        "checkpoint": names.checkpoint_json(&all.checkpoint),
    })
}
