//! What payment systems do in a world: whole lives of documents, from registration to the bank's
//! word, new entities and their keys, opening balances and closed months; and what must be refused.
//!
//! Invariant: apart from those made to be refused, every step of a life is booked once the step
//! before is, whatever other lives do meanwhile.

use std::collections::BTreeMap;

use ledger::account::{Account, Class};
use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::{Rate, Regime};
use ledger::time::Period;
use ledger::transaction::{
    BankReference, Document, DocumentId, DocumentKind, InvoiceNumber, Line, OpeningLine, Operation,
    ReasonCode, Role, SignedTransaction, VatTotal,
};

use crate::chain::{
    AUDITOR, COMPANY, Chain, MUNICIPALITIES, REGISTRAR, date, entity, holder, invented_org, org, staff,
};
use crate::random::Random;

/// Posting date of everything: the day that worlds are played on.
const TODAY: u32 = 20_260_304;
/// Input VAT codes and their rates on that day, in hundredths of a per cent.
const VAT: [(u16, u16); 4] = [(0, 0), (1, 2500), (11, 1500), (13, 1200)];
/// Invented entities begin past those that validators are of.
const FIRST_INVENTED: usize = 500;

/// Steps that follow each other.
pub struct Life {
    /// Signed in advance; each may be booked once the one before is.
    pub steps: Vec<SignedTransaction>,
    /// True: its only step must never be booked.
    pub refusable: bool,
    /// True: its only step may be booked or refused, as others come first or not.
    pub attempt: bool,
}

impl Life {
    /// Every step is to be booked, or the only one never.
    fn of(steps: Vec<SignedTransaction>, refusable: bool) -> Self {
        Self { steps, refusable, attempt: false }
    }
}

/// Makes lives.
pub struct Traffic {
    random: Random,
    invoices: u64,
    invented: usize,
    unopened: Vec<OrgNumber>,
}

impl Traffic {
    /// Its own dice, so that the network's do not decide what is bought.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed ^ 0x7261_6666_6963),
            invoices: 0,
            invented: 0,
            unopened: MUNICIPALITIES.map(org).to_vec(),
        }
    }

    /// The next life.
    pub fn life(&mut self, chain: &Chain) -> Life {
        let mut steps = Vec::new();
        match self.random.below(12) {
            0 => {
                let new = self.newcomer(chain, &mut steps);
                self.document(chain, new, &mut steps);
            }
            1 if !self.unopened.is_empty() => self.opening(chain, &mut steps),
            2 | 3 => return self.refusable(chain),
            _ => {
                let buyer = org(MUNICIPALITIES[self.random.index(3)]);
                self.document(chain, buyer, &mut steps);
            }
        }
        Life::of(steps, false)
    }

    /// An operation under a payment id of its own.
    fn step(&mut self, chain: &Chain, by: OrgNumber, role: Role, operation: Operation) -> SignedTransaction {
        chain.sign(by, self.random.bytes(), operation, &[(by, holder(role))])
    }

    fn newcomer(&mut self, chain: &Chain, steps: &mut Vec<SignedTransaction>) -> OrgNumber {
        let number = invented_org(FIRST_INVENTED + self.invented);
        self.invented += 1;
        let new = entity(number, EntityKind::Municipality, true);
        let registrar = org(REGISTRAR);
        let operations =
            [Operation::RegisterEntity(new)].into_iter().chain(staff(number).map(Operation::GrantKey));
        for operation in operations {
            steps.push(chain.sign(registrar, self.random.bytes(), operation, &[(registrar, 1)]));
        }
        number
    }

    fn opening(&mut self, chain: &Chain, steps: &mut Vec<SignedTransaction>) {
        let place = self.random.index(self.unopened.len());
        let entity = self.unopened.swap_remove(place);
        let amount = Amount(self.random.between(1, 1_000_000_000_000) as i64);
        let lines = vec![
            OpeningLine { account: Account::balance(10, 320), amount },
            OpeningLine { account: Account::balance(5990, 0), amount: Amount(-amount.0) },
        ];
        let operation = Operation::OpenBooks { entity, date: date(20_260_101), lines };
        let signers = [(entity, holder(Role::Administer)), (org(AUDITOR), 1)];
        steps.push(chain.sign(entity, self.random.bytes(), operation, &signers));
        for month in [202_601, 202_602] {
            let period = Period::new(month).expect("a month");
            steps.push(self.step(chain, entity, Role::Administer, Operation::ClosePeriod { entity, period }));
        }
    }

    fn new_document(&mut self, buyer: OrgNumber, kind: DocumentKind) -> Document {
        let sellers = [COMPANY, MUNICIPALITIES[0], MUNICIPALITIES[1], MUNICIPALITIES[2]].map(org);
        let seller = loop {
            let seller = sellers[self.random.index(4)];
            if seller != buyer {
                break seller;
            }
        };
        self.invoices += 1;
        let number = InvoiceNumber::new(format!("F-{}", self.invoices)).expect("a plain number");
        let mut totals: BTreeMap<u16, (u16, i64)> = BTreeMap::new();
        let mut lines = Vec::new();
        for _ in 0..=self.random.below(3) {
            let (vat_code, rate) = VAT[self.random.index(4)];
            let size = [100, 10_000, 1_000_000, 100_000_000, 10_000_000_000][self.random.index(5)];
            let net = self.random.between(1, size) as i64;
            totals.entry(vat_code).or_insert((rate, 0)).1 += net;
            let regime = if vat_code == 0 { Regime::Cost } else { Regime::Compensate };
            let account = Account::kostra(Class::Operating, 222, [230, 260][self.random.index(2)]);
            let cost_centre = self.random.permille(500).then(|| self.random.below(9999) as u32);
            lines.push(Line { account, net: Amount(net), vat_code, regime, cost_centre, project: None });
        }
        let vat_totals: Vec<VatTotal> = totals
            .into_iter()
            .map(|(code, (rate, base))| {
                let vat = (base * i64::from(rate) + 5_000) / 10_000;
                VatTotal { code, rate: Rate(rate), base: Amount(base), vat: Amount(vat) }
            })
            .collect();
        let payable = vat_totals.iter().map(|total| total.base.0 + total.vat.0).sum();
        let today = date(TODAY);
        Document {
            id: DocumentId { seller, number, issued: today },
            kind,
            buyer,
            date: today,
            tax_point: today,
            due: date(20_260_401),
            lines,
            vat_totals,
            prepaid: Amount::ZERO,
            rounding: Amount::ZERO,
            payable: Amount(payable),
            content: Digest(self.random.bytes()),
            payee: Digest(self.random.bytes()),
        }
    }

    fn bank(&mut self) -> BankReference {
        BankReference { message: Digest(self.random.bytes()), entry: Digest(self.random.bytes()) }
    }

    fn document(&mut self, chain: &Chain, buyer: OrgNumber, steps: &mut Vec<SignedTransaction>) {
        let credit = self.random.permille(150);
        let kind = if credit { DocumentKind::CreditNote { corrects: None } } else { DocumentKind::Invoice };
        let new = self.new_document(buyer, kind);
        let (id, amount, today) = (new.id.clone(), new.payable, date(TODAY));
        let name = || id.clone();
        let mut way = vec![
            (Role::Submit, Operation::RegisterDocument(new)),
            (Role::Attest, Operation::Attest { document: name() }),
            (Role::Approve, Operation::Approve { document: name() }),
        ];
        let order = || (Role::Order, Operation::OrderPayment { document: name(), amount });
        let bank = self.bank();
        let settle = (Role::Bank, Operation::SettlePayment { document: name(), amount, date: today, bank });
        let reason = ReasonCode(*b"AC04");
        match self.random.below(4) {
            _ if credit => way.push(settle),
            0 => {
                let bank = self.bank();
                way.push(order());
                way.push((Role::Bank, Operation::RejectPayment { document: name(), reason, bank }));
                way.extend([order(), settle]);
            }
            1 => {
                let (back, again) = (self.bank(), self.bank());
                way.extend([order(), settle]);
                let bank = back;
                way.push((
                    Role::Bank,
                    Operation::ReturnPayment { document: name(), amount, date: today, reason, bank },
                ));
                let bank = again;
                way.push(order());
                way.push((
                    Role::Bank,
                    Operation::SettlePayment { document: name(), amount, date: today, bank },
                ));
            }
            _ => way.extend([order(), settle]),
        }
        for (role, operation) in way {
            let step = self.step(chain, buyer, role, operation);
            steps.push(step);
        }
    }

    /// A step that no order of events makes bookable.
    pub fn refusable(&mut self, chain: &Chain) -> Life {
        let buyer = org(MUNICIPALITIES[self.random.index(3)]);
        let mut document = self.new_document(buyer, DocumentKind::Invoice);
        let by = match self.random.below(4) {
            // One øre too much (rule L4).
            0 => {
                document.payable.0 += 1;
                Role::Submit
            }
            // Nobody's mandate (rule L7).
            1 => Role::Attest,
            // A month that nobody's books reach back to (rule L9).
            2 => {
                document.date = date(20_251_231);
                Role::Submit
            }
            // VAT a krone off (rule L4).
            _ => {
                document.vat_totals[0].vat.0 += 100;
                document.payable.0 += 100;
                Role::Submit
            }
        };
        let step = self.step(chain, buyer, by, Operation::RegisterDocument(document));
        Life::of(vec![step], true)
    }

    /// The same document again under another payment id: refused once the first is booked (rule L6).
    pub fn double(&mut self, chain: &Chain, booked: &SignedTransaction) -> Option<Life> {
        let Operation::RegisterDocument(document) = &booked.transaction.operation else { return None };
        let operation = Operation::RegisterDocument(document.clone());
        let step = self.step(chain, document.buyer, Role::Submit, operation);
        Some(Life::of(vec![step], true))
    }

    /// Another operation under a payment id that is used (rule L6).
    pub fn reuse(&mut self, chain: &Chain, booked: &SignedTransaction) -> Option<Life> {
        let id = booked.transaction.id;
        if !MUNICIPALITIES.contains(&id.submitter.number()) {
            return None;
        }
        let document = self.new_document(id.submitter, DocumentKind::Invoice);
        let signer = [(id.submitter, holder(Role::Submit))];
        let step = chain.sign(id.submitter, id.number, Operation::RegisterDocument(document), &signer);
        Some(Life::of(vec![step], true))
    }
}
