//! Payments as finance systems make them: towns with keys and mandates, invoices of many suppliers,
//! and every step signed by the right person. Shared by the tests with real processes and by the
//! benchmark, so that both put the same kind of work on a network.
//!
//! It leaves out sending (`cluster`) and whether the ledger agrees.
//!
//! Invariant: the same seed gives the same keys, documents and transactions, byte for byte.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::codec;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::entry::{Rate, Regime};
use ledger::signature::{PublicKey, Signature};
use ledger::time::{Date, Period};
use ledger::transaction::{
    BankReference, Books, Document, DocumentId, DocumentKind, InvoiceNumber, KeySignature, KidRule, Line,
    Mandate, NewEntity, NewKey, Operation, PaymentId, Role, SignedTransaction, Transaction, TransactionId,
    VatTotal,
};

/// The five steps of a payment, in their order, and who takes them.
pub const STEPS: [Role; 5] = [Role::Submit, Role::Attest, Role::Approve, Role::Order, Role::Bank];

/// Numbers that follow from a seed (SplitMix64): for choosing and for keys of tests, never for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice with this seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    /// Thirty-two bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.roll().to_le_bytes());
        }
        bytes
    }
}

/// The public half of a key.
pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key().to_bytes())
}

/// Organisation numbers with valid check digits that the national register does not use, from the
/// `from`-th on.
pub fn spare_numbers(from: u32) -> impl Iterator<Item = OrgNumber> {
    (600_000_000_u32.saturating_add(from.saturating_mul(10))..)
        .filter_map(|number| OrgNumber::new(number).ok())
}

/// Signs an operation for a chain.
pub fn signed(
    chain: &Digest,
    submitter: OrgNumber,
    number: [u8; 16],
    operation: Operation,
    keys: &[&SigningKey],
) -> SignedTransaction {
    let transaction = Transaction { id: PaymentId { submitter, number }, operation };
    let message = transaction.signed_bytes(chain);
    let sign = |key: &&SigningKey| KeySignature {
        key: public(key),
        signature: Signature(key.sign(&message).to_bytes()),
    };
    let mut signatures: Vec<KeySignature> = keys.iter().map(sign).collect();
    signatures.sort_by_key(|signature| signature.key);
    SignedTransaction { transaction, signatures }
}

/// The id that the ledger gives a transaction.
pub fn id_of(chain: &Digest, signed: &SignedTransaction) -> TransactionId {
    TransactionId(Digest::of(&[&signed.transaction.signed_bytes(chain)]))
}

/// The base64 text that the RPC takes.
pub fn text_of(signed: &SignedTransaction) -> String {
    STANDARD.encode(codec::encode(signed))
}

/// The body of a request that submits one transaction.
pub fn single_body(signed: &SignedTransaction) -> Vec<u8> {
    format!("{{\"transaction\":\"{}\"}}", text_of(signed)).into_bytes()
}

/// The body of a request that submits a batch.
pub fn batch_body<'a>(batch: impl IntoIterator<Item = &'a SignedTransaction>) -> Vec<u8> {
    let texts: Vec<String> = batch.into_iter().map(|signed| format!("\"{}\"", text_of(signed))).collect();
    format!("{{\"transactions\":[{}]}}", texts.join(",")).into_bytes()
}

/// Reads the secret half of a key file as `localnet` writes it.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn read_key(path: &Path) -> Result<SigningKey, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let secret = text.lines().find_map(|line| line.strip_prefix("secret ")).and_then(Digest::from_hex);
    let secret =
        secret.ok_or_else(|| format!("{}: no line \"secret\" with 64 hex digits", path.display()))?;
    Ok(SigningKey::from_bytes(&secret.0))
}

/// A municipality with one key per duty, each another person's.
#[derive(Clone, Debug)]
pub struct Town {
    /// Organisation number.
    pub number: OrgNumber,
    /// First period of its books.
    pub books_from: Period,
    /// Administers.
    pub admin: SigningKey,
    /// One key for each of [`STEPS`].
    pub duties: [SigningKey; 5],
}

impl Town {
    /// A town whose keys follow from the dice.
    pub fn new(number: OrgNumber, books_from: Period, dice: &mut Dice) -> Self {
        let mut key = || SigningKey::from_bytes(&dice.bytes());
        Self { number, books_from, admin: key(), duties: std::array::from_fn(|_| key()) }
    }

    /// The key for a duty.
    pub fn key(&self, role: Role) -> &SigningKey {
        let place = STEPS.iter().position(|step| *step == role);
        place.map_or(&self.admin, |place| &self.duties[place])
    }

    /// The town as registered.
    pub fn entity(&self) -> NewEntity {
        NewEntity {
            number: self.number,
            kind: EntityKind::Municipality,
            name: name(&format!("Kommune {}", self.number)),
            sector: 650,
            books: Books::From(self.books_from),
            kid: KidRule::None,
        }
    }

    /// Its keys as granted: person 1 administers, persons 2 to 6 take the steps.
    pub fn keys(&self) -> Vec<NewKey> {
        let roles = std::iter::once(Role::Administer).chain(STEPS);
        let grant = |(holder, role): (u32, Role)| self.grant(self.key(role), holder, &[role]);
        (1..).zip(roles).map(grant).collect()
    }

    /// A key of this town with mandates for this town, for ever.
    pub fn grant(&self, key: &SigningKey, holder: u32, roles: &[Role]) -> NewKey {
        let mandate =
            |role: &Role| Mandate { entity: self.number, role: *role, from: Date::MIN, to: Date::MAX };
        NewKey {
            key: public(key),
            entity: self.number,
            holder,
            mandates: roles.iter().map(mandate).collect(),
        }
    }

    /// A step of a payment, signed by who has that duty. The payment id follows from document and step.
    pub fn step(&self, chain: &Digest, document: &Document, step: Role) -> SignedTransaction {
        let digest = Digest::of(&[b"step", step.to_string().as_bytes(), &codec::encode(&document.id)]);
        let mut number = [0; 16];
        number.copy_from_slice(&digest.0[..16]);
        signed(chain, self.number, number, self.operation(document, step), &[self.key(step)])
    }

    /// What a step does.
    pub fn operation(&self, document: &Document, step: Role) -> Operation {
        let id = document.id.clone();
        match step {
            Role::Attest => Operation::Attest { document: id },
            Role::Approve => Operation::Approve { document: id },
            Role::Order => Operation::OrderPayment { document: id, amount: document.payable },
            Role::Bank => {
                let entry = Digest::of(&[b"bank entry", &codec::encode(&document.id)]);
                let bank = BankReference { message: Digest::of(&[b"camt.054"]), entry };
                Operation::SettlePayment { document: id, amount: document.payable, date: document.date, bank }
            }
            _ => Operation::RegisterDocument(document.clone()),
        }
    }
}

/// A company that sells to towns and keeps its books in the ledger too.
pub fn supplier(number: OrgNumber, called: &str, books_from: Period) -> NewEntity {
    NewEntity {
        number,
        kind: EntityKind::Private,
        name: name(called),
        sector: 200,
        books: Books::From(books_from),
        kid: KidRule::None,
    }
}

/// The nearest name that the ledger keeps.
fn name(text: &str) -> Name {
    let kept: String =
        text.chars().filter(|c| c.is_alphanumeric() || ".,&/'()+- ".contains(*c)).take(60).collect();
    Name::new(kept.trim())
        .or_else(|_| Name::new("Uten navn AS"))
        .expect("the name that stands in is of the form")
}

/// One payment of the load: who is paid, how much before VAT, and the VAT's standard code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Index among [`Load::suppliers`].
    pub supplier: usize,
    /// The supplier's document number.
    pub number: String,
    /// Net amount in øre, above zero.
    pub net: Amount,
    /// 1, 11, 13 or 0: 25 %, 15 %, 12 % or none.
    pub vat_code: u16,
}

/// The rate of a VAT code that bills use, in hundredths of a per cent, as in force since 2021-10.
fn rate(code: u16) -> Rate {
    Rate(match code {
        1 => 2500,
        11 => 1500,
        13 => 1200,
        _ => 0,
    })
}

/// The shape of a year's payments: suppliers, amounts, VAT.
#[derive(Clone, Debug)]
pub struct Load {
    /// Names of suppliers; the first bills come from the first of them.
    pub suppliers: Vec<String>,
    /// Bills in the order of payment.
    pub bills: Vec<Bill>,
    /// Where it comes from, in words.
    pub source: String,
}

impl Load {
    /// What a city paid (`uk-council-spend`, Salford) where that folder lies beside the sources, else
    /// as many bills of the same shape from a seed.
    pub fn find(beside: &Path, seed: u64) -> Self {
        let folder = beside.join("uk-council-spend");
        let mut load = Self { suppliers: Vec::new(), bills: Vec::new(), source: String::new() };
        let mut files: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.to_string_lossy().contains("salford-")) {
            // The files are Windows-1252 in places; names are filtered later anyway.
            let bytes = std::fs::read(file).unwrap_or_default();
            for line in String::from_utf8_lossy(&bytes).lines().skip(1) {
                load.add(line);
            }
        }
        if load.bills.is_empty() {
            return Self::seeded(seed);
        }
        load.source = format!(
            "{} payments of Salford City Council to {} suppliers",
            load.bills.len(),
            load.suppliers.len()
        );
        load
    }

    fn add(&mut self, line: &str) {
        let fields = csv_fields(line);
        let (Some(number), Some(vat), Some(net), Some(vendor)) =
            (fields.get(2), fields.get(4), fields.get(5), fields.get(6))
        else {
            return;
        };
        let (Ok(vat), Ok(net)) = (vat.parse::<f64>(), net.parse::<f64>()) else { return };
        // Whole øre once, where the data enters; credits count as their amount.
        let (vat, net) = ((vat.abs() * 100.0).round() as i64, (net.abs() * 100.0).round() as i64);
        if net == 0 {
            return;
        }
        let percent = 100 * vat / net;
        let vat_code = [(0, 0), (12, 13), (15, 11), (25, 1)]
            .into_iter()
            .min_by_key(|(rate, _)| (rate - percent).abs())
            .map_or(0, |(_, code)| code);
        let supplier = match self.suppliers.iter().position(|known| known == vendor) {
            Some(place) => place,
            None => {
                self.suppliers.push(vendor.clone());
                self.suppliers.len() - 1
            }
        };
        let number: String = number.chars().filter(char::is_ascii_alphanumeric).take(10).collect();
        self.bills.push(Bill { supplier, number, net: Amount(net), vat_code });
    }

    /// Bills shaped like that city's: few suppliers with many bills and many with few, amounts from
    /// tens to millions of kroner, three bills in five with VAT.
    pub fn seeded(seed: u64) -> Self {
        let mut dice = Dice::seeded(seed);
        let suppliers: Vec<String> = (1..=1500).map(|n| format!("Leverandør {n} AS")).collect();
        let bill = |n: u64| {
            let few = dice.below(1500).min(dice.below(1500)).min(dice.below(1500));
            let magnitude = 10_i64.pow(3 + (dice.below(3) + dice.below(3)) as u32);
            let net = Amount(magnitude + dice.below(9 * magnitude as u64) as i64);
            let vat_code = [1, 1, 1, 11, 13, 0, 0, 0][dice.below(8) as usize];
            Bill { supplier: few as usize, number: format!("{}", 600_000_000 + n), net, vat_code }
        };
        let bills = (0..7907).map(bill).collect();
        Self { suppliers, bills, source: format!("7907 generated payments (seed {seed}) to 1500 suppliers") }
    }

    /// The `turn`-th document for a buyer: the bills in order, again from the start when they end,
    /// under a number that no other turn has.
    pub fn document(&self, turn: u64, buyer: OrgNumber, sellers: &[OrgNumber], date: Date) -> Document {
        let bill = &self.bills[(turn % self.bills.len() as u64) as usize];
        let seller = sellers[bill.supplier % sellers.len()];
        document(buyer, seller, &format!("{}-{turn}", bill.number), date, bill.net, bill.vat_code)
    }
}

/// An invoice of one line.
pub fn document(
    buyer: OrgNumber,
    seller: OrgNumber,
    number: &str,
    date: Date,
    net: Amount,
    code: u16,
) -> Document {
    let rate = rate(code);
    let vat = Amount((net.0 * i64::from(rate.0) + 5_000) / 10_000);
    let number = InvoiceNumber::new(number).expect("the caller's number is of the form");
    let regime = if code == 0 { Regime::Cost } else { Regime::Compensate };
    let account = Account::parse("1.222.260").expect("the account is of the form");
    let content = Digest::of(&[number.as_str().as_bytes()]);
    Document {
        id: DocumentId { seller, number, issued: date },
        kind: DocumentKind::Invoice,
        buyer,
        date,
        tax_point: date,
        due: date,
        lines: vec![Line { account, net, vat_code: code, regime, cost_centre: Some(2210), project: None }],
        vat_totals: vec![VatTotal { code, rate, base: net, vat }],
        prepaid: Amount::ZERO,
        rounding: Amount::ZERO,
        payable: Amount(net.0 + vat.0),
        content,
        payee: Digest::of(&[b"payee", &content.0]),
    }
}

/// What must be registered before the first bill, signed by the registrar. The parts are sent one
/// after the other, each when the former is posted: entities, then keys.
pub fn registrations(
    chain: &Digest,
    registrar: (OrgNumber, &SigningKey),
    entities: impl IntoIterator<Item = NewEntity>,
    keys: impl IntoIterator<Item = NewKey>,
) -> [Vec<SignedTransaction>; 2] {
    let (submitter, key) = registrar;
    let sign = |operation: Operation| {
        let digest = Digest::of(&[b"registration", &codec::encode(&operation)]);
        let mut number = [0; 16];
        number.copy_from_slice(&digest.0[..16]);
        signed(chain, submitter, number, operation, &[key])
    };
    let entities = entities.into_iter().map(|entity| sign(Operation::RegisterEntity(entity))).collect();
    let keys = keys.into_iter().map(|key| sign(Operation::GrantKey(key))).collect();
    [entities, keys]
}

/// The fields of a line with commas, quotes taken off.
fn csv_fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_in_quotes_keeps_its_comma() {
        assert_eq!(csv_fields("a,\"b, c\",,d"), ["a", "b, c", "", "d"]);
    }

    #[test]
    fn one_seed_gives_one_load_and_one_town() {
        let (one, other) = (Load::seeded(7), Load::seeded(7));
        assert_eq!(one.bills, other.bills);
        let number = spare_numbers(0).next().unwrap();
        let from = Period::new(202_601).unwrap();
        let town = || Town::new(number, from, &mut Dice::seeded(3));
        assert_eq!(town().keys(), town().keys());
        assert_ne!(town().key(Role::Attest).to_bytes(), town().key(Role::Approve).to_bytes());
    }
}
