//! What an accepted document says: everything that the ledger's transaction and the payment order
//! need, and nothing of its free text but the names a person recognises it by.

use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::entry::Rate;
use ledger::time::Date;
use ledger::transaction::{DocumentId, InvoiceNumber, KidRule};

use super::arithmetic::Figures;
use super::check::{Check, amount, is_vat};
use super::{Accepted, Options, Refused, ours};
use crate::bank::{AccountNumber, Kid, Reference};
use crate::coding;
use crate::xml::Element;

/// Invoice or credit note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The buyer owes the seller.
    Invoice,
    /// The seller owes the buyer; amounts are positive all the same.
    CreditNote,
}

/// A VAT category (UNCL 5305) that is booked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// `S`: VAT at the stated rate.
    Standard,
    /// `Z`: zero-rated (fritatt, nullsats).
    ZeroRated,
    /// `E`: exempt from VAT.
    Exempt,
    /// `O`: outside the scope of VAT (utenfor avgiftsområdet).
    OutOfScope,
}

impl Category {
    /// From the code.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "S" => Some(Self::Standard),
            "Z" => Some(Self::ZeroRated),
            "E" => Some(Self::Exempt),
            "O" => Some(Self::OutOfScope),
            _ => None,
        }
    }

    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Standard => "S",
            Self::ZeroRated => "Z",
            Self::Exempt => "E",
            Self::OutOfScope => "O",
        }
    }
}

/// Seller or buyer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Organisation number of the legal entity.
    pub number: OrgNumber,
    /// Registered name (BT-27, BT-44).
    pub name: String,
    /// Electronic address (BT-34, BT-49): scheme and identifier, such as `0192` and a number.
    pub endpoint: (String, String),
    /// VAT number as stated, such as `NO123456785MVA`.
    pub vat_number: Option<String>,
}

/// Who is paid instead of the seller (BG-10), a factoring company say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payee {
    /// Name (BT-59).
    pub name: String,
    /// Organisation number, where a valid one is stated (BT-61).
    pub number: Option<OrgNumber>,
}

/// One way to pay (BG-16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentMeans {
    /// UNTDID 4461: 30 credit transfer, 31 debit transfer, 58 SEPA, 48 card, 49 direct debit…
    pub code: String,
    /// Where to (BT-84).
    pub account: Option<AccountNumber>,
}

/// A document that this one refers to (BG-3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preceding {
    /// Its number, as written (BT-25).
    pub number: String,
    /// When it was issued (BT-26).
    pub issued: Option<Date>,
}

/// An allowance or charge on the whole document (BG-20, BG-21).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowanceOrCharge {
    /// A charge adds, an allowance takes off.
    pub charge: bool,
    /// Net of VAT, as stated.
    pub amount: Amount,
    /// VAT category.
    pub category: Category,
    /// VAT rate; zero unless the category is [`Category::Standard`].
    pub rate: Rate,
}

/// The document's totals (BG-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Sum of the lines (BT-106).
    pub lines: Amount,
    /// Sum of allowances on the document (BT-107).
    pub allowances: Amount,
    /// Sum of charges on the document (BT-108).
    pub charges: Amount,
    /// Net of VAT (BT-109).
    pub net: Amount,
    /// VAT (BT-110).
    pub vat: Amount,
    /// With VAT (BT-112).
    pub gross: Amount,
    /// Paid beforehand (BT-113).
    pub prepaid: Amount,
    /// Added to reach whole kroner (BT-114).
    pub rounding: Amount,
    /// To be paid (BT-115): gross − prepaid + rounding.
    pub payable: Amount,
}

/// The VAT total of one category and rate (BG-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VatGroup {
    /// Category.
    pub category: Category,
    /// Rate.
    pub rate: Rate,
    /// What it is computed from (BT-116).
    pub base: Amount,
    /// The VAT stated (BT-117).
    pub vat: Amount,
}

/// One line (BG-25).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The seller's number of the line (BT-126).
    pub id: String,
    /// What was delivered (BT-153): for people's eyes, never for the chain.
    pub name: String,
    /// Net of VAT (BT-131).
    pub net: Amount,
    /// VAT category.
    pub category: Category,
    /// VAT rate; zero unless the category is [`Category::Standard`].
    pub rate: Rate,
    /// The buyer's posting string of the line (BT-133), as written.
    pub posting: Option<String>,
}

/// An accepted invoice or credit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    /// Which of the two.
    pub kind: Kind,
    /// UNTDID 1001: 380 invoice, 381 credit note, and the others of the profile.
    pub type_code: u16,
    /// The seller's number (BT-1).
    pub number: InvoiceNumber,
    /// Issue date (BT-2).
    pub issued: Date,
    /// Due date (BT-9).
    pub due: Option<Date>,
    /// VAT point (BT-7).
    pub tax_point: Option<Date>,
    /// The buyer's posting string of the document (BT-19), as written.
    pub posting: Option<String>,
    /// Buyer reference (BT-10).
    pub buyer_reference: Option<String>,
    /// Purchase order (BT-13).
    pub order_reference: Option<String>,
    /// What it corrects or follows.
    pub preceding: Vec<Preceding>,
    /// Seller.
    pub seller: Party,
    /// Buyer.
    pub buyer: Party,
    /// Who is paid, if not the seller.
    pub payee: Option<Payee>,
    /// Ways to pay.
    pub payment_means: Vec<PaymentMeans>,
    /// Payment reference (BT-83).
    pub reference: Option<Reference>,
    /// Allowances and charges on the document.
    pub allowances: Vec<AllowanceOrCharge>,
    /// Totals.
    pub totals: Totals,
    /// VAT by category and rate, each once.
    pub vat: Vec<VatGroup>,
    /// Lines.
    pub lines: Vec<Line>,
}

impl Invoice {
    /// What the ledger knows it by.
    pub fn id(&self) -> DocumentId {
        DocumentId { seller: self.seller.number, number: self.number.clone(), issued: self.issued }
    }

    /// When to pay: the due date, else the day it was issued.
    pub fn due_date(&self) -> Date {
        self.due.unwrap_or(self.issued)
    }

    /// The day that decides VAT rates: the VAT point, else the day it was issued.
    pub fn tax_date(&self) -> Date {
        self.tax_point.unwrap_or(self.issued)
    }

    /// Where to pay: the first account stated.
    pub fn account(&self) -> Option<&AccountNumber> {
        self.payment_means.iter().find_map(|means| means.account.as_ref())
    }

    /// Whom to pay, as the bank shall read it.
    pub fn payee_name(&self) -> &str {
        self.payee.as_ref().map_or(&self.seller.name, |payee| &payee.name)
    }
}

fn text(root: Element<'_>, path: &str) -> Option<String> {
    root.value(path).map(str::to_string)
}

fn date(root: Element<'_>, path: &str) -> Option<Date> {
    root.value(path).and_then(|text| Date::parse(text).ok())
}

/// The accepted document, once every rule has let it pass.
pub(super) fn build(
    mut check: Check<'_>,
    figures: &Figures<'_>,
    options: &Options,
) -> Result<Accepted, Refused> {
    let root = check.root;
    let Some(invoice) = assemble(&check, figures, options) else {
        // A value that no rule above asked for, and that the books cannot do without.
        return Err(check.give_up(
            "F-UBL",
            root,
            "a value that books are kept with is missing or unreadable",
        ));
    };
    notes(&mut check, &invoice);
    Ok(Accepted { invoice, findings: check.into_findings() })
}

fn assemble(check: &Check<'_>, figures: &Figures<'_>, options: &Options) -> Option<Invoice> {
    let root = check.root;
    let total = |name: &str| amount(root.first(&format!("cac:LegalMonetaryTotal/cbc:{name}")));
    let type_code = match check.kind {
        Kind::Invoice => "cbc:InvoiceTypeCode",
        Kind::CreditNote => "cbc:CreditNoteTypeCode",
    };
    let due = date(root, "cbc:DueDate").or_else(|| date(root, "cac:PaymentMeans/cbc:PaymentDueDate"));
    let preceding = root.all("cac:BillingReference/cac:InvoiceDocumentReference");
    Some(Invoice {
        kind: check.kind,
        type_code: root.value(type_code)?.parse().ok()?,
        number: InvoiceNumber::new(root.value("cbc:ID")?).ok()?,
        issued: date(root, "cbc:IssueDate")?,
        due,
        tax_point: date(root, "cbc:TaxPointDate"),
        posting: text(root, "cbc:AccountingCost"),
        buyer_reference: text(root, "cbc:BuyerReference"),
        order_reference: text(root, "cac:OrderReference/cbc:ID"),
        preceding: preceding
            .iter()
            .filter_map(|reference| {
                Some(Preceding {
                    number: text(*reference, "cbc:ID")?,
                    issued: date(*reference, "cbc:IssueDate"),
                })
            })
            .collect(),
        seller: party(root.first("cac:AccountingSupplierParty/cac:Party")?)?,
        buyer: party(root.first("cac:AccountingCustomerParty/cac:Party")?)?,
        payee: root.first("cac:PayeeParty").and_then(payee),
        payment_means: root.named("cac:PaymentMeans").filter_map(means).collect(),
        reference: root.value("cac:PaymentMeans/cbc:PaymentID").map(|id| reference(id, options)),
        allowances: figures
            .allowances
            .iter()
            .map(|part| {
                Some(AllowanceOrCharge {
                    charge: part.charge,
                    amount: part.amount?,
                    category: Category::parse(part.category)?,
                    rate: part.rate()?,
                })
            })
            .collect::<Option<_>>()?,
        totals: Totals {
            lines: total("LineExtensionAmount")?,
            allowances: total("AllowanceTotalAmount").unwrap_or_default(),
            charges: total("ChargeTotalAmount").unwrap_or_default(),
            net: total("TaxExclusiveAmount")?,
            vat: amount(figures.tax_total?.first("cbc:TaxAmount"))?,
            gross: total("TaxInclusiveAmount")?,
            prepaid: total("PrepaidAmount").unwrap_or_default(),
            rounding: total("PayableRoundingAmount").unwrap_or_default(),
            payable: total("PayableAmount")?,
        },
        vat: figures
            .groups
            .iter()
            .map(|group| {
                Some(VatGroup {
                    category: Category::parse(group.category)?,
                    rate: group.rate()?,
                    base: group.amount?,
                    vat: group.vat?,
                })
            })
            .collect::<Option<_>>()?,
        lines: figures
            .lines
            .iter()
            .map(|line| {
                Some(Line {
                    id: text(line.element, "cbc:ID")?,
                    name: text(line.element, "cac:Item/cbc:Name")?,
                    net: line.amount?,
                    category: Category::parse(line.category)?,
                    rate: line.rate()?,
                    posting: text(line.element, "cbc:AccountingCost"),
                })
            })
            .collect::<Option<_>>()?,
    })
}

fn party(element: Element<'_>) -> Option<Party> {
    let endpoint = element.first("cbc:EndpointID")?;
    Some(Party {
        number: ours::organisation(element)?.0,
        name: text(element, "cac:PartyLegalEntity/cbc:RegistrationName")?,
        endpoint: (endpoint.attribute("schemeID")?.to_string(), endpoint.text().to_string()),
        vat_number: element
            .named("cac:PartyTaxScheme")
            .find(|scheme| is_vat(*scheme))
            .and_then(|scheme| text(scheme, "cbc:CompanyID")),
    })
}

fn payee(element: Element<'_>) -> Option<Payee> {
    Some(Payee {
        name: text(element, "cac:PartyName/cbc:Name")?,
        number: element
            .value("cac:PartyLegalEntity/cbc:CompanyID")
            .and_then(|number| OrgNumber::parse(number).ok()),
    })
}

fn means(element: Element<'_>) -> Option<PaymentMeans> {
    Some(PaymentMeans {
        code: text(element, "cbc:PaymentMeansCode")?,
        account: element
            .value("cac:PayeeFinancialAccount/cbc:ID")
            .and_then(|account| AccountNumber::parse(account).ok()),
    })
}

fn reference(text: &str, options: &Options) -> Reference {
    let rule = options.kid.unwrap_or(KidRule::None);
    Kid::parse(text, rule).map_or_else(|| Reference::Text(text.to_string()), Reference::Kid)
}

/// What a reader of an accepted document should know.
fn notes<'t>(check: &mut Check<'t>, invoice: &Invoice) {
    let root = check.root;
    for party in ["cac:AccountingSupplierParty/cac:Party", "cac:AccountingCustomerParty/cac:Party"] {
        let element = root
            .first(party)
            .and_then(|party| ours::organisation(party).map(|(number, at)| (party, number, at)));
        if let Some((party, number, at)) = element
            && at != "cac:PartyLegalEntity/cbc:CompanyID"
        {
            let message = format!(
                "no organisation number of the legal entity is stated; {number} is taken from {at}: see that it is not a sub-unit's"
            );
            check.note("F-PARTY", party, message);
        }
    }
    if let Some(Reference::Text(text)) = &invoice.reference {
        let at = root.first("cac:PaymentMeans/cbc:PaymentID").unwrap_or(root);
        let message = format!(
            "payment reference {text} is not a KID with a valid check digit; it is sent to the payee as a message"
        );
        check.note("F-KID", at, message);
    }
    let to_pay = invoice.kind == Kind::Invoice && invoice.totals.payable.0 > 0;
    if to_pay && invoice.account().is_none() {
        check.note(
            "F-ACCOUNT",
            root,
            "no bank account is stated; the payment cannot be ordered until one is known",
        );
    }
    if invoice.totals.payable.0 < 0 {
        let at = root.first("cac:LegalMonetaryTotal/cbc:PayableAmount").unwrap_or(root);
        let message = format!(
            "{} is to be paid: the debt runs the other way, nothing is ordered",
            invoice.totals.payable
        );
        check.note("F-SIGN", at, message);
    }
    if let (Some(payee), Some(at)) = (&invoice.payee, root.first("cac:PayeeParty")) {
        let message = format!(
            "{} is paid, not the seller {}: see that the claim was assigned",
            payee.name, invoice.seller.name
        );
        check.note("F-PAYEE", at, message);
    }
    let postings = root
        .named("cbc:AccountingCost")
        .chain(check.lines().filter_map(|line| line.first("cbc:AccountingCost")));
    let unread: Vec<_> = postings
        .filter_map(|element| coding::Coding::parse(element.text()).err().map(|error| (element, error)))
        .collect();
    for (element, error) in unread {
        check.note("F-POSTING", element, error);
    }
}
