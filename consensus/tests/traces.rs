//! The model's runs, step for step, in the real core.
//!
//! Each step of specs/model/simplex.qnt is one input of one core. After each, every core must be in the view of
//! the model, have the same last final block, remember exactly the votes that the model remembers, wait with
//! exactly those that are not yet durable, and have proposed the same blocks: equal, not merely allowed.
//!
//! `MODEL_TRACES=folder` replays other runs than those kept here, as `make model` does with fresh ones.

#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // Another program uses the rest of what they share.

#[path = "model/blocks.rs"]
mod blocks;
#[path = "model/validator.rs"]
mod validator;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use blocks::{Number, Said, VALIDATORS, epoch, form_of};
use consensus::event::Input;
use serde_json::Value;
use validator::{Disk, Running};

/// A whole number of the trace format: large ones are wrapped.
fn number(value: &Value) -> u64 {
    let wrapped = value.get("#bigint").and_then(Value::as_str).map(|text| text.parse().unwrap());
    wrapped.or(value.as_u64()).unwrap_or_else(|| panic!("not a number: {value}"))
}

/// A variable of the model, whatever module it was run from.
fn variable<'a>(state: &'a Value, name: &str) -> &'a Value {
    let all = state.as_object().unwrap();
    let found = all.iter().find(|(full, _)| full.rsplit("::").next() == Some(name));
    found.unwrap_or_else(|| panic!("the trace has no {name}")).1
}

fn set(value: &Value) -> &[Value] {
    value["#set"].as_array().unwrap_or_else(|| panic!("not a set: {value}"))
}

fn said(value: &Value) -> Said {
    match number(&value["kind"]) {
        1 => Said::Notarize(number(&value["block"])),
        2 => Said::Nullify(number(&value["view"])),
        3 => Said::Finalize(number(&value["block"])),
        kind => panic!("no such kind of vote: {kind}"),
    }
}

fn all_said(value: &Value) -> BTreeSet<Said> {
    set(value).iter().map(said).collect()
}

/// Four validators, one of them only a name.
#[derive(Default)]
struct Replay {
    cores: BTreeMap<u16, Option<Running>>,
    sent: BTreeSet<(u16, Said)>,
    proposed: BTreeSet<Number>,
    counts: BTreeMap<String, u32>,
}

impl Replay {
    fn certified(&self, said: Said) -> bool {
        let faulty = usize::from(VALIDATORS) - self.cores.len();
        self.sent.iter().filter(|(_, of)| *of == said).count() + faulty >= 3
    }

    fn step(&mut self, did: &Value) {
        let act = did["act"].as_str().unwrap();
        *self.counts.entry(act.to_string()).or_default() += 1;
        let node = number(&did["node"]) as u16;
        let (who, block) = (number(&did["who"]) as u16, number(&did["block"]));
        let proposal = (act == "proposal").then(|| epoch().proposal(block, |said| self.certified(said)));
        let slot = self.cores.get_mut(&node).unwrap();
        match (act, slot) {
            ("lose", slot) => *slot = None,
            ("answer", _) => {}
            ("recover", slot) => {
                let disk = Disk { vote_from: number(&did["view"]), ..Disk::default() };
                *slot = Some(Running::start(node, disk));
            }
            (_, None) => panic!("{act} of validator {node}, which has not recovered"),
            ("certificate", Some(core)) => {
                core.input(Input::Certificate(epoch().certificate(said(did), &[0, 1, 2])));
            }
            ("proposal", Some(core)) => core.input(Input::Proposal(proposal.unwrap())),
            ("vote", Some(core)) => core.input(Input::Vote(epoch().vote(who, said(did)))),
            ("fetched", Some(core)) => core.fetched(block),
            ("valid" | "refused", Some(core)) => core.checked(block),
            ("timeout", Some(core)) => assert!(core.time_out(), "validator {node} does not give its view up"),
            ("built", Some(core)) => assert_eq!(core.built(form_of(block)), block),
            ("persist", Some(core)) => {
                core.persist();
            }
            ("send", Some(core)) => {
                self.sent.insert((node, said(did)));
                core.returned(said(did));
            }
            ("crash", Some(core)) => core.restart(),
            _ => panic!("no such step: {act}"),
        }
        if let Some(Some(core)) = self.cores.get_mut(&node) {
            self.proposed.extend(core.proposes.drain(..));
        }
    }

    fn compare(&self, state: &Value) {
        let proposed: BTreeSet<Number> = set(variable(state, "proposed")).iter().map(number).collect();
        assert_eq!(self.proposed, proposed, "blocks proposed: core, model");
        for pair in variable(state, "nodes")["#map"].as_array().unwrap() {
            let (node, of_model) = (number(&pair[0]) as u16, &pair[1]);
            let Some(core) = &self.cores[&node] else {
                assert_eq!(of_model["up"], Value::Bool(false));
                continue;
            };
            let of_core = |what: &str| format!("validator {node}, {what}: core, model");
            assert_eq!(core.core.view().0, number(&of_model["view"]), "{}", of_core("view"));
            let tip = epoch().number(&core.core.finalized().2);
            assert_eq!(tip, number(&of_model["tip"]), "{}", of_core("last final block"));
            let waiting: BTreeSet<Said> = core.casts.iter().copied().collect();
            assert_eq!(waiting, all_said(&of_model["pending"]), "{}", of_core("votes not yet durable"));
            let own: BTreeSet<Said> = core.disk.said.union(&waiting).copied().collect();
            assert_eq!(own, all_said(&of_model["own"]), "{}", of_core("own votes"));
            let mut faulty = (0..VALIDATORS).filter(|node| !self.cores.contains_key(node));
            let calm = core.is_calm(faulty.next().unwrap());
            assert!(calm, "validator {node} accuses {:?} and halts over {:?}", core.accused, core.alarms);
        }
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn replay(path: &Path, trace: &Value) -> BTreeMap<String, u32> {
    let states = trace["states"].as_array().unwrap();
    let mut replay = Replay::default();
    for pair in variable(&states[0], "nodes")["#map"].as_array().unwrap() {
        let node = number(&pair[0]) as u16;
        replay.cores.insert(node, Some(Running::start(node, Disk::default())));
    }
    replay.compare(&states[0]);
    for (index, state) in states.iter().enumerate().skip(1) {
        let whole = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            replay.step(variable(state, "did"));
            replay.compare(state);
        }));
        assert!(whole.is_ok(), "{}: step {index}, {}", path.display(), variable(state, "did"));
    }
    replay.counts
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/traces")
}

#[test]
fn c1_to_c17_the_core_says_in_every_step_what_the_model_says() {
    let folder = std::env::var("MODEL_TRACES").map_or_else(|_| kept(), PathBuf::from);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    paths.sort();
    assert!(paths.len() >= 8, "{}: only {} traces", folder.display(), paths.len());
    let mut totals: BTreeMap<String, u32> = BTreeMap::new();
    for path in &paths {
        for (act, count) in replay(path, &read(path)) {
            *totals.entry(act).or_default() += count;
        }
    }
    let steps: u32 = totals.values().sum();
    println!("{} traces of {steps} steps replayed: {totals:?}", paths.len());
    for act in [
        "answer",
        "built",
        "certificate",
        "crash",
        "fetched",
        "lose",
        "persist",
        "proposal",
        "recover",
        "refused",
        "send",
        "timeout",
        "valid",
        "vote",
    ] {
        assert!(totals.contains_key(act), "no trace has a step of the kind {act}");
    }
}

#[test]
fn c4_a_model_that_says_one_vote_more_or_less_is_noticed() {
    let path = kept().join("final.json");
    let right = read(&path);
    let last = right["states"].as_array().unwrap().len() - 1;
    let changes: [fn(&mut Value); 3] = [
        |node| node["view"] = Value::from(number(&node["view"]) + 1),
        |node| node["own"]["#set"] = Value::Array(Vec::new()),
        |node| node["pending"]["#set"] = serde_json::json!([{"kind": 2, "view": 4, "block": 0}]),
    ];
    for change in changes {
        let mut wrong = right.clone();
        change(&mut wrong["states"][last]["nodes"]["#map"][0][1]);
        assert!(std::panic::catch_unwind(|| replay(&path, &wrong)).is_err());
    }
    replay(&path, &right);
}
