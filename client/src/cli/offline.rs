//! Commands that ask nobody: keys, judging invoices, verifying receipts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use client::client::{now, trust};
use client::key::Key;
use client::report::{self, Names};
use formats::ehf::{self, Finding, Options};
use ledger::entity::{Name, OrgNumber};
use ledger::receipt::{RECEIPT_BYTES_MAX, Receipt};
use ledger::transaction::KidRule;
use serde_json::{Value, json};

use super::failure::{REFUSED, UNPROVEN};
use super::session::{FILE_BYTES_MAX, genesis, read_file};
use super::values::{KidArg, KindArg};
use super::{Args, Failure, Output};

pub(crate) fn keygen(file: &Path) -> Result<Output, Failure> {
    let key = Key::generate()?;
    key.save(file)?;
    let public = key.public().to_string();
    Ok(Output::new(format!("{public}\n"), json!({ "public": public, "file": file })))
}

pub(crate) fn check(files: &[PathBuf], kid: Option<KidArg>) -> Result<Output, Failure> {
    let options = Options { kid: kid.map(KidRule::from) };
    let (mut text, mut values) = (String::new(), Vec::new());
    let mut refused: Option<Failure> = None;
    let mut count = 0;
    for file in files {
        let shown = file.display();
        let judged = ehf::check(&read_file(file, FILE_BYTES_MAX)?, &options);
        let (line, findings, rule): (String, Vec<Finding>, Option<&str>) = match &judged {
            Ok(accepted) => (format!("{shown}: accepted"), accepted.findings.clone(), None),
            Err(reasons) => {
                let first = reasons.first();
                let line = format!("{shown}: refused {}: {} (at {})", first.rule, first.message, first.place);
                (line, reasons.findings().skip(1).cloned().collect(), Some(first.rule))
            }
        };
        text.push_str(&line);
        text.push('\n');
        for Finding { rule, place, message } in &findings {
            text.push_str(&format!("    {rule}: {message} (at {place})\n"));
        }
        if let Err(reasons) = judged {
            count += 1;
            let first = Failure::from(reasons.clone()).about(shown);
            refused.get_or_insert(first);
            values.push(
                json!({ "file": file, "accepted": false, "rule": rule, "findings": all(reasons.findings()) }),
            );
        } else {
            values.push(json!({ "file": file, "accepted": true, "findings": all(findings.iter()) }));
        }
    }
    // The reasons stand in the text already; the message tells how many there are.
    let failure = refused.map(|first| match count {
        1 => first,
        _ => Failure { message: format!("{} (and {} files more)", first.message, count - 1), ..first },
    });
    Ok(Output {
        text,
        json: json!(values),
        failure: failure.map(|failure| Failure { exit: REFUSED, ..failure }),
    })
}

fn all<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Value> {
    findings
        .map(|finding| json!({ "rule": finding.rule, "place": finding.place, "message": finding.message }))
        .collect()
}

pub(crate) fn parties(files: &[PathBuf]) -> Result<Output, Failure> {
    let mut parties: BTreeMap<OrgNumber, (bool, String)> = BTreeMap::new();
    for file in files {
        let Ok(accepted) = ehf::check(&read_file(file, FILE_BYTES_MAX)?, &Options::default()) else {
            continue;
        };
        let invoice = accepted.invoice;
        for (party, buyer) in [(invoice.seller, false), (invoice.buyer, true)] {
            let entry = parties.entry(party.number).or_insert((false, registrable(&party.name)));
            entry.0 |= buyer;
        }
    }
    let (mut text, mut values) = (String::new(), Vec::new());
    for (number, (buyer, name)) in parties {
        let (role, kind) = (if buyer { "buyer" } else { "seller" }, KindArg::guess(&name, buyer).word());
        text.push_str(&format!("{number}\t{role}\t{kind}\t{name}\n"));
        values.push(json!({ "number": number.to_string(), "role": role, "kind": kind, "name": name }));
    }
    Ok(Output::new(text, json!(values)))
}

/// A name as the register takes it: what it does not take becomes a space.
fn registrable(name: &str) -> String {
    let taken: String =
        name.chars().map(|c| if c.is_alphanumeric() || ".,&/'()+-".contains(c) { c } else { ' ' }).collect();
    let short: String = taken.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(70).collect();
    Name::new(short.trim()).map_or_else(|_| "unnamed".to_string(), |name| name.to_string())
}

pub(crate) fn verify(args: &Args, files: &[PathBuf]) -> Result<Output, Failure> {
    let (_, genesis) = genesis(args)?;
    let trust = trust(&genesis)?;
    let names = Names::new(&genesis);
    let (mut text, mut values) = (String::new(), Vec::new());
    let mut failures: Vec<Failure> = Vec::new();
    for file in files {
        let shown = file.display();
        let bytes = read_file(file, RECEIPT_BYTES_MAX)?;
        let verified = Receipt::parse_bytes(&bytes).and_then(|receipt| receipt.verify(&trust, Some(now())));
        match verified {
            Ok(posted) => {
                if args.brief {
                    text.push_str(&format!("{shown}: holds, {}\n", report::posted_line(&posted)));
                } else {
                    let between = if text.is_empty() { "" } else { "\n" };
                    text.push_str(&format!("{between}{shown}: holds\n{}", report::posted(&posted, &names)));
                }
                let mut value = report::posted_json(&posted, &names);
                (value["file"], value["holds"]) = (json!(file), json!(true));
                values.push(value);
            }
            Err(error) => {
                let step = error.step();
                text.push_str(&format!("{shown}: does not hold\n"));
                let message = format!("{shown}: step {step}: {error}");
                values
                    .push(json!({ "file": file, "holds": false, "step": step, "detail": error.to_string() }));
                failures.push(Failure { exit: UNPROVEN, rule: None, message });
            }
        }
    }
    let more = failures.len().saturating_sub(1);
    let failure = failures.into_iter().next().map(|first| match more {
        0 => first,
        _ => Failure { message: format!("{} (and {more} more do not hold)", first.message), ..first },
    });
    Ok(Output { text, json: json!(values), failure })
}
