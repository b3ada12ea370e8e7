//! Commands of governance: who validates, how that changes, and who is guilty of a fork.

use std::path::{Path, PathBuf};

use client::archive::replace;
use client::client::{now, trust};
use client::governance::{self, Head, NodeKeys, PAPER_BYTES_MAX, Paper, Stretch};
use client::key::{Key, sign as sign_with};
use client::payment_id::payment_id;
use client::report;
use ledger::block::{BlockHash, Height};
use ledger::books::{Ledger, Parent};
use ledger::certificate::{Validator, ValidatorSet};
use ledger::checkpoint::CertifiedCheckpoint;
use ledger::codec;
use ledger::entity::OrgNumber;
use ledger::fork::{Culprit, culprits, double_cosigners};
use ledger::governance::{Change, Entrant, Recovery};
use ledger::halt::{Finding, HALT_BYTES_MAX, HaltProof, HaltProofError, Verdict};
use ledger::transaction::{Operation, SignedTransaction, Transaction};
use serde_json::{Value, json};

use super::failure::UNPROVEN;
use super::session::{Session, genesis, keep, read_file};
use super::{Args, Failure, Output, Validators};

/// A key file is some hundred bytes.
const KEYS_BYTES_MAX: usize = 4096;

pub(crate) fn run(session: &mut Session<'_>, command: &Validators) -> Result<Output, Failure> {
    match command {
        Validators::Show => show(session),
        Validators::Ready { keys, governance, entity, name, out } => {
            let text = read_text(keys, KEYS_BYTES_MAX)?;
            let keys = NodeKeys::parse(&text).map_err(|error| Failure::file(keys, error))?;
            let chain = session.client().chain();
            let (head, _) = session.client().claimed_head()?;
            let entrant = keys.entrant(&chain, *entity, name.clone(), *governance, &head);
            write(out, &entrant)?;
            let text = format!("{entity} is ready at height {}; wrote {}\n", head.height, out.display());
            Ok(Output::new(text, json!({ "file": out, "height": head.height.0 })))
        }
        Validators::Change { leave, enter, submitter, out } => {
            let set = current(session)?;
            let enter = entrants(enter)?;
            let change = Change { epoch: set.epoch, leave: leave.clone(), enter };
            let next = change.next_set(&set).map_err(|missing| {
                Failure::usage(format!("{} has no seat in epoch {}", missing.entity, set.epoch))
            })?;
            next.check().map_err(Failure::usage)?;
            propose(out, *submitter, Operation::ChangeValidators(change))
        }
        Validators::Recover { keep, enter, submitter, out } => {
            let set = current(session)?;
            let (head, _) = session.client().claimed_head()?;
            let recovery = recovery(&set, keep, entrants(enter)?, head)?;
            propose(out, *submitter, Operation::Recover(recovery))
        }
        Validators::Submit { files, receipts, .. } => submit(session, files, receipts.as_deref()),
        Validators::Sign { .. } => Err(Failure::usage("this command needs no node")),
    }
}

/// The validators in force, as the handoffs prove them.
fn current(session: &Session<'_>) -> Result<ValidatorSet, Failure> {
    // Where the ledger stands still there is no fresh checkpoint, and the handoffs alone must do.
    session.client().follow()?;
    Ok(session.client().trust().validators().clone())
}

fn show(session: &mut Session<'_>) -> Result<Output, Failure> {
    let set = current(session)?;
    session.learn(set.validators.iter().map(|validator| validator.entity))?;
    let (head, proposed) = session.client().claimed_head()?;
    let recoveries: Vec<u64> = {
        let trust = session.client().trust();
        let terms = trust.terms().iter();
        terms.filter(|term| term.is_recovery()).map(|term| term.validators().epoch.0).collect()
    };
    let (epoch, count, quorum) = (set.epoch, set.len(), set.quorum());
    let mut text = format!("epoch {epoch}: {count} validators, {quorum} must sign\n");
    for epoch in &recoveries {
        text.push_str(&format!("epoch {epoch} began by recovery\n"));
    }
    let mut seats = Vec::new();
    for (index, validator) in set.validators.iter().enumerate() {
        let last = proposed.get(index).copied().unwrap_or(0);
        let name = session.names.entity(validator.entity);
        let led = if last == 0 { "none yet".to_string() } else { format!("{last}") };
        text.push_str(&format!(
            "{index:>3}  {name}, {}; last block led, as the node says: {led}\n",
            validator.name.as_str()
        ));
        let mut seat = seat_json(validator);
        (seat["index"], seat["proposed"]) = (json!(index), json!(last));
        seats.push(seat);
    }
    text.push_str(&format!("height {} as the node says\n", head.height));
    let value = json!({ "epoch": epoch.0, "quorum": quorum, "recoveries": recoveries, "validators": seats, "height": head.height.0 });
    Ok(Output::new(text, value))
}

fn seat_json(validator: &Validator) -> Value {
    json!({
        "entity": validator.entity.to_string(),
        "name": validator.name.as_str(),
        "vote_key": validator.vote_key.to_string(),
        "cosign_key": validator.cosign_key.to_string(),
        "peer_key": validator.peer_key.to_string(),
        "governance_key": validator.governance_key.to_string(),
    })
}

fn recovery(
    set: &ValidatorSet,
    keep: &[OrgNumber],
    enter: Vec<Entrant>,
    head: Head,
) -> Result<Recovery, Failure> {
    let seat = |entity: &OrgNumber| {
        let seat = set.validators.iter().find(|seat| seat.entity == *entity).cloned();
        seat.ok_or_else(|| Failure::usage(format!("{entity} has no seat in epoch {}", set.epoch)))
    };
    let mut validators = keep.iter().map(seat).collect::<Result<Vec<_>, _>>()?;
    validators.extend(enter.into_iter().map(|entrant| entrant.validator));
    let recovery = Recovery {
        epoch: set.epoch,
        height: head.height,
        block: BlockHash(head.block),
        log_size: head.log_size,
        log_root: head.log_root,
        time: now(),
        validators,
    };
    recovery.next_set().check().map_err(Failure::usage)?;
    Ok(recovery)
}

fn propose(out: &Path, submitter: OrgNumber, operation: Operation) -> Result<Output, Failure> {
    let id = payment_id(submitter, &operation, 0, "");
    let unsigned = SignedTransaction { transaction: Transaction { id, operation }, signatures: Vec::new() };
    write(out, &unsigned)?;
    let text = governance::describe(&unsigned).unwrap_or_default();
    let text = format!("{text}wrote {}; a quorum of governance keys must sign it\n", out.display());
    Ok(Output::new(text, json!({ "file": out })))
}

pub(crate) fn sign(args: &Args, file: &Path, keys: &[PathBuf]) -> Result<Output, Failure> {
    let (_, genesis) = genesis(args)?;
    let known: SignedTransaction = read(file)?;
    let text = governance::describe(&known)
        .ok_or_else(|| Failure::file(file, "no change of the validators and no recovery"))?;
    let keys = keys.iter().map(|path| Key::load(path)).collect::<Result<Vec<_>, _>>()?;
    let signed = sign_with(known.transaction.clone(), &genesis.hash(), &keys.iter().collect::<Vec<_>>());
    let joined = governance::join(&[known, signed]).map_err(|error| Failure::file(file, error))?;
    let joined = joined.ok_or_else(|| Failure::file(file, "empty"))?;
    write(file, &joined)?;
    let count = joined.signatures.len();
    let text =
        format!("{text}signed; {} now carries {}\n", file.display(), report::many(count as u64, "signature"));
    Ok(Output::new(text, json!({ "file": file, "signatures": count })))
}

fn joined(files: &[PathBuf]) -> Result<SignedTransaction, Failure> {
    let copies = files.iter().map(|file| read(file)).collect::<Result<Vec<SignedTransaction>, _>>()?;
    let joined = governance::join(&copies).map_err(Failure::usage)?;
    joined.ok_or_else(|| Failure::usage("no file is named"))
}

pub(crate) fn join(files: &[PathBuf], out: &Path) -> Result<Output, Failure> {
    let joined = joined(files)?;
    write(out, &joined)?;
    let count = joined.signatures.len();
    let text = format!("wrote {} with {}\n", out.display(), report::many(count as u64, "signature"));
    Ok(Output::new(text, json!({ "file": out, "signatures": count })))
}

fn submit(session: &mut Session<'_>, files: &[PathBuf], receipts: Option<&Path>) -> Result<Output, Failure> {
    let joined = joined(files)?;
    if matches!(joined.transaction.operation, Operation::Recover(_)) {
        return Err(Failure::usage(
            "a recovery is not submitted: write it with --out, and run hovedbok-node recover with it on every node",
        ));
    }
    let confirmed = session.client().submit(&joined)?;
    let file = match receipts {
        Some(folder) => Some(keep(folder, &joined.transaction.operation, &confirmed)?),
        None => None,
    };
    Ok(session.done(&super::session::Done { confirmed, file }))
}

pub(crate) fn finality(session: &Session<'_>, from: u64, to: u64, out: &Path) -> Result<Output, Failure> {
    let stretch = session.client().finality(Height(from), Height(to))?;
    write(out, &stretch)?;
    let count = stretch.proof.blocks.len();
    let text = format!(
        "wrote {}: {} of epoch {}, with all certificates\n",
        out.display(),
        report::many(count as u64, "block"),
        stretch.epoch
    );
    Ok(Output::new(text, json!({ "file": out, "blocks": count, "epoch": stretch.epoch.0 })))
}

pub(crate) fn fork(args: &Args, first: &Path, second: &Path) -> Result<Output, Failure> {
    let (_, genesis) = genesis(args)?;
    let mut trust = trust(&genesis)?;
    let texts = [read_text(first, PAPER_BYTES_MAX)?, read_text(second, PAPER_BYTES_MAX)?];
    if texts.iter().all(|text| text.starts_with(Stretch::HEADING)) {
        let [a, b] = [read::<Stretch>(first)?, read::<Stretch>(second)?];
        let unproven = |error: &dyn std::fmt::Display| Failure {
            exit: UNPROVEN,
            rule: None,
            message: error.to_string(),
        };
        for handoff in a.handoffs.iter().chain(&b.handoffs) {
            if handoff.validators.epoch > trust.validators().epoch {
                trust.extend(handoff).map_err(|error| unproven(&error))?;
            }
        }
        if a.epoch != b.epoch {
            return Err(Failure::usage(
                "the two proofs are of two epochs; give those of the epoch where the chains part",
            ));
        }
        let term = trust.terms().iter().find(|term| term.validators().epoch == a.epoch);
        let term = term.ok_or_else(|| Failure::usage("no handoff in the proofs leads to their epoch"))?;
        let found = culprits(trust.chain(), term.validators(), &a.proof, &b.proof);
        return Ok(named(&found.map_err(|error| unproven(&error))?, term.validators()));
    }
    let notes: Option<Vec<CertifiedCheckpoint>> =
        texts.iter().map(|text| CertifiedCheckpoint::parse(text).ok()).collect();
    let Some([a, b]) = notes.as_deref().and_then(|notes| notes.first_chunk::<2>()) else {
        return Err(Failure::usage("give two finality proofs, or two checkpoints (signed notes)"));
    };
    let found = double_cosigners(&trust, a, b).map_err(|error| Failure {
        exit: UNPROVEN,
        rule: None,
        message: error.to_string(),
    })?;
    let mut text = String::from("Fork: these validators cosigned two roots of one size.\n");
    let mut values = Vec::new();
    for double in &found {
        let seat = trust.terms().iter().find(|term| term.validators().epoch == double.epoch);
        let seat = seat.and_then(|term| term.validators().validators.get(usize::from(double.signer)));
        let Some(seat) = seat else { continue };
        text.push_str(&format!("  {} {}\n", seat.entity, seat.name.as_str()));
        values.push(seat_json(seat));
    }
    Ok(Output::new(text, json!({ "guilty": values })))
}

/// Judges what made a node stop for good.
pub(crate) fn halt(args: &Args, file: &Path) -> Result<Output, Failure> {
    let (_, genesis) = genesis(args)?;
    let mut trust = trust(&genesis)?;
    let proof: HaltProof = codec::decode(&read_file(file, HALT_BYTES_MAX)?, HALT_BYTES_MAX)
        .map_err(|error| Failure::file(file, format!("not what a stopped node wrote: {error}")))?;
    let unproven = |error: HaltProofError| Failure { exit: UNPROVEN, rule: None, message: error.to_string() };
    let finding = proof.verify(&mut trust).map_err(unproven)?;
    // Books at hand are those of genesis.
    let books = Ledger::new(&genesis).map_err(Failure::usage)?;
    let verdict = match proof.judge(&books, &Parent::Finalized) {
        Ok(verdict) => Some(verdict),
        Err(HaltProofError::NoBlock | HaltProofError::Books { .. }) => None,
        Err(error) => return Err(unproven(error)),
    };
    let (signers, judged, broken): (Vec<u16>, bool, Option<String>) = match (&finding, &verdict) {
        (Finding::Contradiction { culprits }, _) => (culprits.iter().map(|c| c.signer).collect(), true, None),
        (Finding::Certified { .. }, Some(Verdict::Accepted)) => (Vec::new(), true, None),
        (Finding::Certified { signers, .. }, Some(Verdict::Refused(broken))) => {
            (signers.clone(), true, Some(broken.to_string()))
        }
        (Finding::Certified { signers, .. }, None) => (signers.clone(), false, None),
    };
    let seats = signers.iter().filter_map(|signer| proof.validators.validators.get(usize::from(*signer)));
    let seats: Vec<Value> = seats.map(seat_json).collect();
    let named = if judged { "guilty" } else { "guilty_if_refused" };
    let json = json!({ "epoch": proof.validators.epoch.0, "executed": verdict.is_some(), "refused": broken, named: seats });
    Ok(Output::new(proof.report(&finding, verdict.as_ref()), json))
}

/// Those convicted, for people and programs.
fn named(found: &[Culprit], set: &ValidatorSet) -> Output {
    let (epoch, least) = (set.epoch, set.faulty_max() + 1);
    let mut text = format!(
        "Fork in epoch {epoch}: {} signed what no correct validator signs; at least {least} must have.\n",
        report::many(found.len() as u64, "validator")
    );
    let mut values = Vec::new();
    for culprit in found {
        let Some(seat) = set.validators.get(usize::from(culprit.signer)) else { continue };
        let (one, other) = (culprit.first.statement, culprit.second.statement);
        text.push_str(&format!("  {} {}: {one:?} and {other:?}\n", seat.entity, seat.name.as_str()));
        let mut value = seat_json(seat);
        (value["view"], value["first"], value["second"]) =
            (json!(culprit.view.0), json!(format!("{one:?}")), json!(format!("{other:?}")));
        values.push(value);
    }
    Output::new(text, json!({ "epoch": epoch.0, "guilty": values }))
}

fn entrants(files: &[PathBuf]) -> Result<Vec<Entrant>, Failure> {
    files.iter().map(|file| read(file)).collect()
}

fn read_text(path: &Path, bytes_max: usize) -> Result<String, Failure> {
    let bytes = read_file(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|_| Failure::file(path, "not text; is it the right file?"))
}

fn read<P: Paper>(path: &Path) -> Result<P, Failure> {
    // Base64 is a third longer than what it carries.
    let text = read_text(path, PAPER_BYTES_MAX / 3 * 4 + 1024)?;
    governance::read(&text).map_err(|error| Failure::file(path, error))
}

fn write<P: Paper>(path: &Path, paper: &P) -> Result<(), Failure> {
    replace(path, governance::write(paper).as_bytes()).map_err(|error| Failure::file(path, error))
}
