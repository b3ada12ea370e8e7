//! EHF Payment Request 3 (betalingsforespørsel): a case system asks the finance system to pay what
//! was granted, most often to a person.
//!
//! [`check`] judges the file by the two rules of its owner (EHF-PR-R001, R002) and those of our own
//! without which nothing can be paid or booked; [`document`] makes of it what enters the ledger. The
//! payee's name and account, the case, every text and the file itself stay with the owner: the ledger
//! gets salted commitments. It leaves out attachments, addresses and contacts, and where a line
//! without a posting string is booked.
//!
//! Invariant: nothing that [`document`] returns holds a text of the file.

use std::collections::BTreeMap;

use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::entry::{Rate, Regime};
use ledger::time::Date;
use ledger::transaction::{
    Document, DocumentId, DocumentKind, InvoiceNumber, KidRule, LINES_MAX, Line, VatTotal, field_commitment,
};

use crate::bank::{AccountNumber, Kid, Reference};
use crate::coding::Coding;
use crate::ehf::{BookingError, Finding, Options, PREFIXES, Refused};
use crate::xml::{Element, Tree};

/// The specification that the file says it follows.
const CUSTOMIZATION: &str = "urn:fdc:anskaffelser.no:2019:ehf:spec:payment-request:3.0";
/// The process it belongs to.
const PROFILE: &str = "urn:fdc:anskaffelser.no:2019:ehf:postaward:g3:07:1.0";
/// UBL's invoice.
const INVOICE: &str = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
/// Lines that are read; a pay-out has a handful.
const FILE_LINES_MAX: usize = 1000;

/// Tag of the commitment to the file's bytes, as the archive's.
const CONTENT: u8 = 1;
/// Tag of the commitment to account and reference, as the archive's.
const PAYEE: u8 = 2;
/// Tag of the commitment to who is paid.
const PARTY: u8 = 3;
/// Tag of the commitment to the account that is paid to.
const ACCOUNT: u8 = 5;
/// Tag of the commitment to the sender's number of the request.
const NUMBER: u8 = 4;

/// Who is paid; stays off the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// The name of the account's holder.
    pub name: String,
    /// The account.
    pub account: AccountNumber,
    /// What the payee looks for.
    pub reference: Option<Reference>,
}

/// One line of the request, without its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// Its number in the file.
    pub number: String,
    /// The amount.
    pub amount: Amount,
    /// Where the case system wants it booked, if that is understood.
    pub coding: Option<Coding>,
}

/// A request that can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The case system's number; may name a case, so it stays off the chain.
    pub number: String,
    /// When it was made.
    pub issued: Date,
    /// When it is to be paid; else at once.
    pub due: Option<Date>,
    /// Who pays.
    pub payer: OrgNumber,
    /// The case (BuyerReference); off the chain.
    pub case: Option<String>,
    /// The case system's project; off the chain, the ledger's project stands in the coding.
    pub project: Option<String>,
    /// Where what no line codes is booked.
    pub coding: Option<Coding>,
    /// Who is paid.
    pub payee: Payee,
    /// What its lines add up to.
    pub total: Amount,
    /// Paid already.
    pub prepaid: Amount,
    /// What is to be paid.
    pub payable: Amount,
    /// At least one.
    pub lines: Vec<RequestLine>,
}

/// A request that every rule lets pass, and what its reader should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub request: Request,
    /// None of it stands against paying.
    pub findings: Vec<Finding>,
}

#[derive(Default)]
struct Check {
    against: Vec<Finding>,
    notes: Vec<Finding>,
}

impl Check {
    fn refuse(&mut self, rule: &'static str, place: impl Into<String>, message: impl Into<String>) {
        self.against.push(Finding { rule, place: place.into(), message: message.into() });
    }

    fn required<'t>(&mut self, element: Element<'t>, path: &str) -> Option<&'t str> {
        let value = element.value(path);
        if value.is_none() {
            let place = format!("{}/{path}", element.path());
            self.refuse("F-UBL", place, "the element is missing or empty; have the case system fill it in");
        }
        value
    }

    /// An amount in NOK.
    fn amount(&mut self, element: Element<'_>, path: &str) -> Option<Amount> {
        self.required(element, path)?;
        let found = element.first(path)?;
        let currency = found.attribute("currencyID").unwrap_or("");
        if currency != "NOK" {
            let currency: String = currency.chars().take(10).collect();
            self.refuse(
                "F-CURRENCY",
                found.path(),
                format!("the amount is in {currency:?}; the ledger pays NOK"),
            );
        }
        let amount = Amount::from_decimal(found.text());
        if amount.is_none() {
            let text: String = found.text().chars().take(40).collect();
            self.refuse(
                "F-AMOUNT",
                found.path(),
                format!("{text:?} is not an amount of whole øre; correct it"),
            );
        }
        amount
    }

    fn date(&mut self, element: Element<'_>, path: &str) -> Option<Date> {
        let text = element.value(path)?;
        let date = Date::parse(text);
        if let Err(error) = &date {
            self.refuse("F-DATE", format!("{}/{path}", element.path()), error.to_string());
        }
        date.ok()
    }

    fn coding(&mut self, element: Element<'_>) -> Option<Coding> {
        let text = element.value("cbc:AccountingCost")?;
        match Coding::parse(text) {
            Ok(coding) => Some(coding),
            Err(error) => {
                let place = format!("{}/cbc:AccountingCost", element.path());
                self.notes.push(Finding { rule: "F-POSTING", place, message: error.to_string() });
                None
            }
        }
    }
}

/// Reads and judges a request.
///
/// # Errors
/// [`Refused`], with every reason.
pub fn check(bytes: &[u8], options: &Options) -> Result<Accepted, Refused> {
    let tree = Tree::read(bytes, &PREFIXES)?;
    let root = tree.root();
    let mut check = Check::default();
    if !root.is("Invoice") || root.namespace() != INVOICE {
        check.refuse("F-UBL", root.path(), "the file is not a UBL invoice; a payment request is one");
        return Err(refused(check.against));
    }
    for (path, wanted) in [("cbc:CustomizationID", CUSTOMIZATION), ("cbc:ProfileID", PROFILE)] {
        let found = root.value(path).unwrap_or("");
        if found != wanted {
            let found: String = found.chars().take(120).collect();
            let message =
                format!("{found:?} is stated, a payment request states {wanted:?}; send it as what it is");
            check.refuse("F-PROFILE", format!("Invoice/{path}"), message);
        }
    }
    // Under another profile the same elements mean other things.
    if !check.against.is_empty() {
        return Err(refused(check.against));
    }
    let request = read(&mut check, root, options);
    match request {
        Some(request) if check.against.is_empty() => Ok(Accepted { request, findings: check.notes }),
        _ => Err(refused(check.against)),
    }
}

fn refused(against: Vec<Finding>) -> Refused {
    let unread = || Finding {
        rule: "F-UBL",
        place: "Invoice".to_string(),
        message: "the file is not understood; have the case system check it".to_string(),
    };
    Refused::new(against).unwrap_or_else(|| Refused::one(unread()))
}

fn read(check: &mut Check, root: Element<'_>, options: &Options) -> Option<Request> {
    let number = check.required(root, "cbc:ID");
    check.required(root, "cbc:IssueDate");
    let issued = check.date(root, "cbc:IssueDate");
    let due = check.date(root, "cbc:DueDate");
    let currency = check.required(root, "cbc:DocumentCurrencyCode");
    if currency.is_some_and(|currency| currency != "NOK") {
        let currency: String = currency.unwrap_or("").chars().take(10).collect();
        check.refuse(
            "F-CURRENCY",
            "Invoice/cbc:DocumentCurrencyCode",
            format!("{currency:?} is not NOK; the ledger pays NOK"),
        );
    }
    let payer = payer(check, root);
    let payee = payee(check, root, options);
    let coding = check.coding(root);
    let (total, prepaid, payable) = totals(check, root)?;
    let lines = lines(check, root, total);
    let text = |path: &str| root.value(path).map(str::to_string);
    Some(Request {
        number: number?.to_string(),
        issued: issued?,
        due,
        payer: payer?,
        case: text("cbc:BuyerReference"),
        project: text("cac:ProjectReference/cbc:ID"),
        coding,
        payee: payee?,
        total,
        prepaid,
        payable,
        lines,
    })
}

fn payer(check: &mut Check, root: Element<'_>) -> Option<OrgNumber> {
    let party = root.first("cac:AccountingCustomerParty/cac:Party");
    let stated = party.and_then(|party| {
        let number = party
            .first("cac:PartyIdentification/cbc:ID")
            .filter(|id| id.attribute("schemeID") == Some("0192"));
        let endpoint = party.first("cbc:EndpointID").filter(|id| id.attribute("schemeID") == Some("0192"));
        number.or(endpoint)
    });
    let place = "Invoice/cac:AccountingCustomerParty/cac:Party";
    let Some(stated) = stated else {
        check.refuse("F-PARTY", place, "no organisation number (scheme 0192) says who pays; state it");
        return None;
    };
    match OrgNumber::parse(stated.text()) {
        Ok(number) => Some(number),
        Err(error) => {
            check.refuse("F-PARTY", stated.path(), error.to_string());
            None
        }
    }
}

fn payee(check: &mut Check, root: Element<'_>, options: &Options) -> Option<Payee> {
    let all: Vec<_> = root.named("cac:PaymentMeans").collect();
    let [means] = all[..] else {
        let message = format!("{} ways to pay are stated; state the one account that is paid to", all.len());
        check.refuse("F-ACCOUNT", "Invoice/cac:PaymentMeans", message);
        return None;
    };
    let reference = means.value("cbc:PaymentID").map(|text| {
        match Kid::parse(text, options.kid.unwrap_or(KidRule::Either)) {
            Some(kid) => Reference::Kid(kid),
            None => Reference::Text(text.to_string()),
        }
    });
    if let Some(Reference::Text(text)) = &reference {
        let place = format!("{}/cbc:PaymentID", means.path());
        let message = format!(
            "reference {:?} has no valid check digit, so the payee's bank will not match it; have the case system correct it",
            text.chars().take(30).collect::<String>()
        );
        // A case system has its references from registers: a wrong digit is a wrong payment.
        let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        if digits || options.kid.is_some_and(|rule| rule != KidRule::None) {
            check.refuse("F-KID", place, message);
        }
    }
    let holder = means.first("cac:PayeeFinancialAccount");
    let name = holder.and_then(|holder| holder.value("cbc:Name")).unwrap_or("").to_string();
    let place = "Invoice/cac:PaymentMeans/cac:PayeeFinancialAccount";
    if name.is_empty() {
        check.refuse(
            "F-PAYEE",
            format!("{place}/cbc:Name"),
            "nobody is named whose account it is; the bank asks for a name",
        );
    }
    let stated = holder.and_then(|holder| holder.value("cbc:ID")).unwrap_or("");
    match AccountNumber::parse(stated) {
        Ok(account) if !name.is_empty() => Some(Payee { name, account, reference }),
        Ok(_) => None,
        Err(error) => {
            check.refuse("F-ACCOUNT", format!("{place}/cbc:ID"), error.to_string());
            None
        }
    }
}

/// Line total, prepaid, payable: EHF-PR-R001 and R002.
fn totals(check: &mut Check, root: Element<'_>) -> Option<(Amount, Amount, Amount)> {
    let Some(totals) = root.first("cac:LegalMonetaryTotal") else {
        check.refuse(
            "F-UBL",
            "Invoice/cac:LegalMonetaryTotal",
            "the element is missing; state what is to be paid",
        );
        return None;
    };
    let total = check.amount(totals, "cbc:LineExtensionAmount");
    let payable = check.amount(totals, "cbc:PayableAmount");
    let prepaid = match totals.first("cbc:PrepaidAmount") {
        Some(_) => check.amount(totals, "cbc:PrepaidAmount"),
        None => Some(Amount::ZERO),
    };
    let (total, prepaid, payable) = (total?, prepaid?, payable?);
    if prepaid < Amount::ZERO {
        let place = format!("{}/cbc:PrepaidAmount", totals.path());
        check.refuse(
            "EHF-PR-R002",
            place,
            format!("{prepaid} is below zero; state what was paid already, or nothing"),
        );
    }
    if total.checked_sub(prepaid) != Some(payable) {
        let place = format!("{}/cbc:PayableAmount", totals.path());
        let message = format!("{total} less {prepaid} prepaid is not {payable}; correct one of them");
        check.refuse("EHF-PR-R001", place, message);
    }
    if payable <= Amount::ZERO {
        let place = format!("{}/cbc:PayableAmount", totals.path());
        check.refuse(
            "F-AMOUNT",
            place,
            format!("{payable} is to be paid; send a request over more than nothing"),
        );
    }
    Some((total, prepaid, payable))
}

fn lines(check: &mut Check, root: Element<'_>, total: Amount) -> Vec<RequestLine> {
    let mut lines = Vec::new();
    let mut sum = 0_i128;
    for element in root.named("cac:InvoiceLine").take(FILE_LINES_MAX + 1) {
        let amount = check.amount(element, "cbc:LineExtensionAmount").unwrap_or_default();
        sum += i128::from(amount.0);
        let number = element.value("cbc:ID").unwrap_or("").chars().take(35).collect();
        lines.push(RequestLine { number, amount, coding: check.coding(element) });
    }
    if lines.is_empty() || lines.len() > FILE_LINES_MAX {
        let message =
            format!("the request has {} lines, 1 to {FILE_LINES_MAX} are read; split it", lines.len());
        check.refuse("F-LINES", "Invoice/cac:InvoiceLine", message);
    } else if sum != i128::from(total.0) {
        let sum = ledger::amount::Total(sum);
        let message =
            format!("the lines add up to {sum}, {total} is stated; it cannot be told what is booked where");
        check.refuse("F-LINES", "Invoice/cac:LegalMonetaryTotal/cbc:LineExtensionAmount", message);
    }
    lines
}

/// Salts of the commitments, 32 random bytes each, kept with the file. Who is paid has one salt for
/// all requests of a payer, so that the same payee can be told again by its commitment.
#[derive(Clone)]
pub struct Salts {
    /// Of the file's bytes.
    pub content: [u8; 32],
    /// Of account and reference.
    pub payee: [u8; 32],
    /// Of who is paid: the payer's own, the same each time.
    pub party: [u8; 32],
}

/// What the payer adds to a request.
pub struct Plan<'a> {
    /// Posting date.
    pub date: Date,
    /// Where amounts go that no posting string codes.
    pub default: Option<Coding>,
    /// The file as received.
    pub file: &'a [u8],
    /// Salts.
    pub salts: &'a Salts,
}

/// A request as it enters the ledger: a document whose seller is the payer itself, because who is
/// paid has no organisation number here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The document; VAT code 0, the VAT of what a person is paid is nobody's to deduct.
    pub document: Document,
    /// Commitment to who is paid: the same for one name and one payer.
    pub party: Digest,
    /// Commitment to the account: when it is another for the same party, somebody should look.
    pub payee_tag: Digest,
}

/// The request as the payer's system submits it. The number is `U-` and 30 hex digits of a hash over
/// payee and request number, so that the same request is refused the second time (rule L6).
///
/// # Errors
/// [`BookingError::NoCoding`], [`BookingError::TooManyLines`], [`BookingError::Overflow`].
pub fn document(request: &Request, plan: &Plan<'_>) -> Result<Submission, BookingError> {
    let mut sums: BTreeMap<Coding, i128> = BTreeMap::new();
    for line in &request.lines {
        let coding = line.coding.or(request.coding).or(plan.default);
        let coding =
            coding.ok_or_else(|| BookingError::NoCoding { line: line.number.clone(), net: line.amount })?;
        *sums.entry(coding).or_default() += i128::from(line.amount.0);
    }
    let mut lines = Vec::new();
    for (coding, sum) in sums {
        let net = i64::try_from(sum).map(Amount).map_err(|_| BookingError::Overflow)?;
        if net != Amount::ZERO {
            let Coding { account, cost_centre, project } = coding;
            lines.push(Line { account, net, vat_code: 0, regime: Regime::Cost, cost_centre, project });
        }
    }
    if lines.is_empty() {
        return Err(BookingError::Nothing);
    }
    if lines.len() > LINES_MAX {
        return Err(BookingError::TooManyLines { lines: lines.len() });
    }
    let Payee { name, account, reference } = &request.payee;
    let salts = plan.salts;
    let party = field_commitment(PARTY, &salts.party, name.as_bytes());
    let payee_tag = field_commitment(ACCOUNT, &salts.party, account.to_string().as_bytes());
    let number = field_commitment(NUMBER, &salts.party, request.number.as_bytes());
    let reference = reference.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = Digest::of(&[b"hovedbok/v1/outside", &party.0, &number.0]).to_hex();
    // Hex digits may hold eleven figures in a row, which a number must not: letters break them up.
    let id: String =
        id.chars().take(30).enumerate().map(|(place, c)| if place % 10 == 9 { 'x' } else { c }).collect();
    let number = InvoiceNumber::new(format!("U-{id}")).map_err(|_| BookingError::Overflow)?;
    let document = Document {
        id: DocumentId { seller: request.payer, number, issued: request.issued },
        kind: DocumentKind::Invoice,
        buyer: request.payer,
        date: plan.date,
        tax_point: request.issued,
        due: request.due.unwrap_or(request.issued),
        lines,
        vat_totals: vec![VatTotal { code: 0, rate: Rate(0), base: request.total, vat: Amount::ZERO }],
        prepaid: request.prepaid,
        rounding: Amount::ZERO,
        payable: request.payable,
        content: field_commitment(CONTENT, &salts.content, plan.file),
        payee: field_commitment(PAYEE, &salts.payee, format!("{account}\n{reference}").as_bytes()),
    };
    Ok(Submission { document, party, payee_tag })
}

#[cfg(test)]
#[path = "payment_request_tests.rs"]
mod tests;
