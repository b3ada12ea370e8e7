//! Reports that span documents and parties, as text and as JSON.

use std::fmt::Write as _;

use ledger::amount::Total;
use ledger::entity::OrgNumber;
use serde_json::{Value, json};

use super::{Names, many, money};
use crate::name;
use crate::reports::{Between, OpenDocuments, ReadUnder, Suppliers, day_of};

/// Rows of equal columns, the last ones to the right.
pub(super) fn table(text: &mut String, left: usize, rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column < left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        let _ = writeln!(text, "    {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

pub(super) fn heads(heads: &[&str]) -> Vec<String> {
    heads.iter().map(ToString::to_string).collect()
}

impl Names {
    fn read_under(&self, read: &ReadUnder) -> String {
        let mut text = String::new();
        for (entity, year) in &read.silent {
            let _ = writeln!(
                text,
                "{}: the node shows no voucher in {year}, which nothing proves",
                self.numbered(*entity)
            );
        }
        let _ = writeln!(text, "proven: {}", self.proven(&read.checkpoint));
        text
    }

    fn read_under_json(&self, read: &ReadUnder) -> Value {
        let silent =
            read.silent.iter().map(|(entity, year)| json!({ "entity": entity.to_string(), "year": year }));
        json!({ "checkpoint": self.checkpoint_json(&read.checkpoint), "silent_years": silent.collect::<Vec<_>>() })
    }
}

/// What is open, by due date.
pub fn open_documents(all: &OpenDocuments, names: &Names) -> String {
    let today = day_of(&all.read.checkpoint);
    let mut text = format!("{}\n", names.numbered(all.entity));
    let mut rows = vec![heads(&["due", "", "document", "with", "status", "open"])];
    for document in &all.documents {
        let buys = document.buyer == all.entity;
        let other = if buys { document.id.seller } else { document.buyer };
        let kind = match (buys, document.credit_note) {
            (true, false) | (false, true) => "owes",
            (true, true) | (false, false) => "is owed",
        };
        let overdue = if document.due < today { "overdue" } else { "" };
        rows.push(vec![
            document.due.to_string(),
            overdue.to_string(),
            name::of_document(&document.id),
            format!("{kind} {}", names.entity(other)),
            document.status.to_string(),
            document.open.to_string(),
        ]);
    }
    table(&mut text, 5, &rows);
    let _ = writeln!(
        text,
        "{} of {} open; owes {}, is owed {}",
        all.documents.len(),
        many(all.of, "document"),
        all.owes,
        all.owed
    );
    text + &names.read_under(&all.read)
}

/// The same as JSON.
pub fn open_documents_json(all: &OpenDocuments, names: &Names) -> Value {
    let today = day_of(&all.read.checkpoint);
    let documents = all.documents.iter().map(|document| {
        json!({
            "document": name::of_document(&document.id),
            "seller": document.id.seller.to_string(),
            "buyer": document.buyer.to_string(),
            "credit_note": document.credit_note,
            "status": document.status.to_string(),
            "due": document.due.to_string(),
            "overdue": document.due < today,
            "open": document.open.to_decimal(),
        })
    });
    let mut value = json!({
        "entity": all.entity.to_string(),
        "documents": documents.collect::<Vec<_>>(),
        "of": all.of,
        "owes": money(all.owes),
        "owed": money(all.owed),
    });
    value["read"] = names.read_under_json(&all.read);
    value
}

/// The supplier ledger.
pub fn suppliers(all: &Suppliers, names: &Names) -> String {
    let mut text = format!("{}\n", names.numbered(all.entity));
    let mut rows = vec![heads(&["supplier", "invoices", "invoiced", "credited", "paid", "open"])];
    let mut sum = [Total::default(); 4];
    for (number, supplier) in &all.suppliers {
        let figures = [supplier.invoiced, supplier.credited, supplier.paid, supplier.open];
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| sum.0 += figure.0);
        let mut row = vec![names.numbered(*number), supplier.invoices.to_string()];
        row.extend(figures.map(|figure| figure.to_string()));
        rows.push(row);
    }
    let mut last =
        vec!["all".to_string(), all.suppliers.values().map(|s| s.invoices).sum::<u64>().to_string()];
    last.extend(sum.map(|figure| figure.to_string()));
    rows.push(last);
    table(&mut text, 1, &rows);
    if all.unassigned != Total::default() {
        let _ = writeln!(text, "{} on accounts of payables names no supplier", all.unassigned);
    }
    match &all.apart()[..] {
        [] => text.push_str("the accounts of payables say the same of each supplier\n"),
        apart => {
            for number in apart {
                let booked = all.suppliers.get(number).map_or(Total::default(), |supplier| supplier.booked);
                let _ = writeln!(text, "{}: the accounts of payables say {booked}", names.numbered(*number));
            }
        }
    }
    text + &names.read_under(&all.read)
}

/// The same as JSON.
pub fn suppliers_json(all: &Suppliers, names: &Names) -> Value {
    let suppliers = all.suppliers.iter().map(|(number, supplier)| {
        json!({
            "supplier": number.to_string(),
            "invoices": supplier.invoices,
            "invoiced": money(supplier.invoiced),
            "credited": money(supplier.credited),
            "paid": money(supplier.paid),
            "open": money(supplier.open),
            "booked": money(supplier.booked),
        })
    });
    let apart: Vec<String> = all.apart().iter().map(OrgNumber::to_string).collect();
    let mut value = json!({
        "entity": all.entity.to_string(),
        "suppliers": suppliers.collect::<Vec<_>>(),
        "unassigned": money(all.unassigned),
        "apart": apart,
    });
    value["read"] = names.read_under_json(&all.read);
    value
}

/// What two entities' books say of each other.
pub fn between(between: &Between, names: &Names) -> String {
    let mut text = String::new();
    let mut rows = vec![heads(&["in the books of", "postings that name the other", "is owed by the other"])];
    for (place, party) in between.parties.iter().enumerate() {
        rows.push(vec![
            names.numbered(*party),
            between.postings[place].to_string(),
            between.claims[place].to_string(),
        ]);
    }
    table(&mut text, 1, &rows);
    text.push_str(if between.is_equal() { "equal\n" } else { "NOT EQUAL\n" });
    text + &names.read_under(&between.read)
}

/// The same as JSON.
pub fn between_json(between: &Between, names: &Names) -> Value {
    let parties = between.parties.iter().enumerate().map(|(place, party)| {
        json!({
            "entity": party.to_string(),
            "postings": between.postings[place],
            "is_owed": money(between.claims[place]),
        })
    });
    json!({
        "parties": parties.collect::<Vec<_>>(),
        "equal": between.is_equal(),
        "read": names.read_under_json(&between.read),
    })
}
