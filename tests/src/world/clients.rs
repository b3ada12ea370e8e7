//! Payment systems: each walks through one life, sends every step to some machine, waits, and sends
//! it again elsewhere when no answer comes. Every second one is patient: it asks nobody else while the
//! machine that took its step lives, so that no machine may lose what it took. And what is asked of the
//! books at the end.

use std::collections::BTreeMap;

use ledger::block::LeafIndex;
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint, Trust};
use ledger::receipt::Receipt;
use ledger::transaction::{SignedTransaction, VerifiedTransaction};
use node::validator::{Event, Outcome, RequestId};

use super::{Character, Happening, World};
use crate::checker::{leaf_hashes, path};
use crate::traffic::Life;

/// A refusable step is given up after so many tries; a refusal ends it sooner.
const TRIES_MAX: u32 = 3;

struct Client {
    life: Life,
    step: usize,
    tries: u32,
    done: bool,
    // The machine, and which of its lives, that took this step and has not answered.
    waits_for: Option<(usize, u64)>,
}

/// Those of one world.
pub(super) struct Clients {
    clients: Vec<Client>,
    requests: u64,
    asked: BTreeMap<RequestId, (usize, usize)>,
    // Machines that are asked; all, if empty.
    ask: Vec<usize>,
    // When a step was first sent, and how long until it was known to be posted.
    sent: BTreeMap<(usize, usize), u64>,
    latencies_ms: Vec<u64>,
    pause_ms: u64,
    /// How many come, at most.
    pub(super) lives_max: usize,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            requests: 0,
            asked: BTreeMap::new(),
            ask: Vec::new(),
            sent: BTreeMap::new(),
            latencies_ms: Vec::new(),
            pause_ms: 800,
            lives_max: 12,
        }
    }
}

impl Clients {
    pub(super) fn are_done(&self) -> bool {
        self.clients.len() >= self.lives_max && self.clients.iter().all(|client| client.done)
    }

    pub(super) fn complaint(&self) -> String {
        let open = self.clients.iter().filter(|client| !client.done);
        let open: Vec<String> = open
            .map(|c| {
                let (step, steps) = (c.step, c.life.steps.len());
                format!("step {step} of {steps} tried {} times, waits for {:?}", c.tries, c.waits_for)
            })
            .collect();
        format!("{} lives of {}, open: {}", self.clients.len(), self.lives_max, open.join(", "))
    }
}

impl World {
    /// Payment systems ask these machines only, and a new one comes after so many milliseconds at most.
    pub fn ask_only(&mut self, machines: &[usize], pause_ms: u64) {
        self.clients.ask = machines.to_vec();
        self.clients.pause_ms = pause_ms;
    }

    /// From the first time that a step was sent until its sender knew that it is posted, in milliseconds
    /// of the world's time; of those that came to know since this was asked last, in rising order.
    pub fn take_latencies_ms(&mut self) -> Vec<u64> {
        let mut latencies_ms = std::mem::take(&mut self.clients.latencies_ms);
        latencies_ms.sort_unstable();
        latencies_ms
    }

    pub(super) fn on_new_client(&mut self) {
        if self.clients.clients.len() >= self.clients.lives_max {
            return;
        }
        let life = self.traffic.life(&self.chain);
        self.add_life(life);
        let wait = self.random.between(1, self.clients.pause_ms);
        self.later(wait, Happening::NewClient);
    }

    pub(super) fn add_life(&mut self, life: Life) {
        self.forbid(&life);
        self.clients.clients.push(Client { life, step: 0, tries: 0, done: false, waits_for: None });
        let client = self.clients.clients.len() - 1;
        self.later(1, Happening::Client { client });
    }

    /// A refusable life's step must never be booked.
    pub(super) fn forbid(&mut self, life: &Life) {
        if life.refusable {
            let id = self.verified(&life.steps[0]).id();
            self.checker.forbid(id);
        }
    }

    // Signed here a moment ago; what peers spread is checked by their intake.
    fn verified(&self, signed: &SignedTransaction) -> VerifiedTransaction {
        VerifiedTransaction::from_own_store(signed.clone(), self.chain.trust.chain())
    }

    /// Sends the step, and comes back when the answer is overdue.
    pub(super) fn on_client(&mut self, client: usize) {
        let known = &mut self.clients.clients[client];
        if known.done {
            return;
        }
        let lives = |(at, life): (usize, u64)| {
            self.machines[at].life == life && self.machines[at].validator.is_some()
        };
        if client.is_multiple_of(2) && known.waits_for.is_some_and(lives) {
            let wait = self.random.between(300, 3000);
            return self.later(wait, Happening::Client { client });
        }
        known.waits_for = None;
        known.tries += 1;
        if (known.life.refusable || known.life.attempt) && known.tries > TRIES_MAX {
            known.done = true;
            return;
        }
        let step = known.step;
        let transaction = self.verified(&self.clients.clients[client].life.steps[step]);
        let at = match self.clients.ask.len() {
            0 => self.random.index(self.machines.len()),
            some => self.clients.ask[self.random.index(some)],
        };
        self.clients.sent.entry((client, step)).or_insert(self.now);
        if self.machines[at].validator.is_some() {
            self.clients.requests += 1;
            let request = RequestId(self.clients.requests);
            self.clients.asked.insert(request, (client, step));
            if self.machines[at].character.keeps_its_word() {
                self.clients.clients[client].waits_for = Some((at, self.machines[at].life));
            }
            let until_posted = true;
            self.machines[at].inbox.push_back(Event::Submit { request, transaction, until_posted });
            self.schedule_turn(at);
        }
        let wait = self.random.between(300, 3000);
        self.later(wait, Happening::Client { client });
    }

    pub(super) fn on_reply(&mut self, at: usize, request: RequestId, outcome: &Outcome) {
        let Some((client, step)) = self.clients.asked.remove(&request) else {
            panic!("#{at} answers request {} twice", request.0);
        };
        self.note(&[7, at as u64, client as u64, step as u64]);
        let honest = self.machines[at].character.keeps_its_word();
        let current = self.clients.clients[client].step == step;
        if current {
            self.clients.clients[client].waits_for = None;
        }
        match outcome {
            // What a faulty machine says is worth nothing; the receipt is (`check_receipts`).
            _ if !honest => {}
            Outcome::Posted { leaf } => self.on_posted(at, client, step, *leaf),
            Outcome::Refused(refusal) if current && self.clients.clients[client].life.attempt => {
                self.tell(|| format!("#{at} refuses a change, rule {}: {refusal}", refusal.rule()));
                self.figures.changes_refused += 1;
                self.clients.clients[client].done = true;
            }
            Outcome::Refused(refusal) if current && self.clients.clients[client].life.refusable => {
                self.tell(|| format!("#{at} refuses, rule {}: {refusal}", refusal.rule()));
                self.figures.refused += 1;
                self.clients.clients[client].done = true;
            }
            // A follower may have asked one who is behind; the client asks again. Among a quorum that was asked
            // is one who has posted what made the step bookable.
            Outcome::Refused(refusal) => {
                let seat = self.machines[at].validator.as_ref().and_then(|validator| validator.seat());
                assert!(!current || seat.is_none(), "#{at} refuses what is to be booked: {refusal}");
                self.tell(|| format!("#{at} refuses for now: {refusal}"));
            }
            Outcome::Pooled | Outcome::Full(_) | Outcome::Behind { .. } => {}
        }
    }

    fn on_posted(&mut self, at: usize, client: usize, step: usize, leaf: LeafIndex) {
        let id = self.verified(&self.clients.clients[client].life.steps[step]).id();
        let machine = &self.machines[at];
        let certified = machine.validator.as_ref().and_then(|v| v.certified()).map_or(0, |c| c.size);
        assert!(leaf.0 < certified, "#{at} acknowledged leaf {leaf} at checkpoint {certified}");
        assert!((leaf.0 as usize) < machine.disk.leaves().len(), "#{at} acknowledged what is not durable");
        self.checker.on_acknowledged(id, leaf);
        let known = &mut self.clients.clients[client];
        if known.step != step || known.done {
            return;
        }
        self.figures.acknowledged += 1;
        if let Some(sent) = self.clients.sent.get(&(client, step)) {
            self.clients.latencies_ms.push(self.now - sent);
        }
        let booked = known.life.steps[step].clone();
        (known.step, known.tries) = (step + 1, 0);
        known.done = known.step == known.life.steps.len();
        self.later(1, Happening::Client { client });
        // Now and then the acknowledged is sent again, as it was, or with something changed.
        let again = match self.random.below(24) {
            0 => self.traffic.double(&self.chain, &booked),
            1 => self.traffic.reuse(&self.chain, &booked),
            _ => None,
        };
        if let Some(life) = again {
            self.add_life(life);
        }
    }

    /// Every book holds every acknowledged transaction once, and nothing that was to be refused; its
    /// accounts are the sums of the log's postings.
    pub(super) fn check_books(&mut self) {
        self.figures.transactions = 0;
        for (at, machine) in self.machines.iter().enumerate() {
            if machine.character != Character::Honest || machine.dead {
                continue;
            }
            let Some(validator) = &machine.validator else { panic!("#{at} is down") };
            let ledger = validator.ledger();
            assert_eq!(machine.disk.leaves(), self.checker.leaves(), "#{at} keeps another log");
            for client in &self.clients.clients {
                for step in &client.life.steps[..client.step] {
                    let id = self.verified(step).id();
                    let leaf = self.checker.acknowledged().get(&id).copied();
                    let found = ledger
                        .lookup(&step.transaction.id)
                        .map(|found| (found.transaction, Some(found.leaf)));
                    assert_eq!(found, Some((id, leaf)), "#{at}: an acknowledged transaction");
                }
            }
        }
        self.figures.transactions = self.checker.posted();
        for machine in self.honest() {
            if let Some(validator) = &machine.validator {
                self.checker.check_accounts(validator.ledger());
            }
        }
    }

    /// Whoever was told that a transaction is posted can prove it, from any honest machine.
    pub(super) fn check_receipts(&mut self) {
        let honest: Vec<usize> = (0..self.machines.len())
            .filter(|at| self.machines[*at].character == Character::Honest && !self.machines[*at].dead)
            .collect();
        let at = honest[self.random.index(honest.len())];
        let validator = self.machines[at].validator.as_ref();
        let Some((certified, known)) =
            validator.and_then(|v| Some((v.certified()?.clone(), v.trust().clone())))
        else {
            assert!(self.checker.acknowledged().is_empty(), "acknowledged without a certified checkpoint");
            return;
        };
        // What a machine keeps of the sets is what the checker followed.
        let sets: Vec<_> = known.terms().iter().map(|term| term.validators()).collect();
        assert_eq!(sets, self.checker.sets().iter().collect::<Vec<_>>(), "#{at} followed other sets");
        // Whoever holds genesis, and nothing else.
        let genesis = &self.chain.genesis;
        let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone());
        let trust = &trust.expect("validators that can be trusted");
        let checkpoint =
            Checkpoint { origin: trust.origin().into(), size: certified.size, root: certified.root };
        let note = CertifiedCheckpoint::assemble(checkpoint, &certified.cosignatures, &known);
        let note = note.expect("a certified checkpoint has a quorum");
        let leaves = &self.machines[at].disk.leaves()[..certified.size as usize];
        let hashes = leaf_hashes(leaves);
        for (id, leaf) in self.checker.acknowledged() {
            let place = leaf.0 as usize;
            let receipt = Receipt::new(
                leaves[place].clone(),
                *leaf,
                path(place, &hashes),
                note.clone(),
                None,
                known.handoffs_at(certified.size).to_vec(),
            );
            let text = receipt.to_text();
            let read = Receipt::parse_bytes(text.as_bytes()).expect("a receipt reads back");
            assert_eq!(read, receipt);
            let posted = read.verify(trust, None).unwrap_or_else(|error| panic!("receipt of {id}: {error}"));
            assert_eq!(posted.transaction(), Some(*id), "the receipt proves another transaction");
            self.figures.receipts += 1;
        }
    }
}
