//! Booking: which postings a document and its payment make in the books of both sides.
//!
//! The accounts come from the chain's [`ParameterRecord`], the amounts from the document, to the
//! øre. The module leaves out whether a document may be booked (`rules`) and what a posting changes
//! in the registers (`post`).
//!
//! Invariant: what stands here for one side stands with the opposite sign for the other (rule L2),
//! and every entry sums to zero (rule L1) because the document's totals hold (rule L4).

use alloc::vec::Vec;

use crate::account::{Account, Class};
use crate::amount::Amount;
use crate::codec;
use crate::digest::Digest;
use crate::entity::{EntityKind, OrgNumber};
use crate::entry::{Posting, Rate, Regime, Vat, Voucher};
use crate::records::{ChartAccounts, KostraAccounts, ParameterRecord, SalesAccount};
use crate::refusal::Refusal;
use crate::time::Date;
use crate::transaction::{Document, DocumentKind, Line, NewEntity, VatTotal};

mod budget;
mod parameters;
mod post;

pub(crate) use budget::{appropriation, cell};
pub use parameters::{ParametersError, parse};
pub(crate) use post::post;

/// An entry that may be posted; it has no voucher number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Whose books.
    pub entity: OrgNumber,
    /// Posting date.
    pub date: Date,
    /// The lines; at least two, none of zero, sum zero.
    pub postings: Vec<Posting>,
    /// The voucher that it reverses in full.
    pub reverses: Option<Voucher>,
}

/// Buyer and seller of a document, as registered.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) buyer: &'a NewEntity,
    pub(crate) seller: &'a NewEntity,
}

/// The accounts that an entity of some kind is booked on.
#[derive(Clone, Copy)]
enum Chart<'p> {
    Kostra(&'p KostraAccounts),
    Plain(&'p ChartAccounts, EntityKind),
}

impl<'p> Chart<'p> {
    fn of(parameters: &'p ParameterRecord, kind: EntityKind) -> Self {
        match kind {
            EntityKind::Municipality => Self::Kostra(&parameters.municipality),
            EntityKind::County => Self::Kostra(&parameters.county),
            EntityKind::State => Self::Plain(&parameters.state, kind),
            // An auditor keeps no books here; whoever asks gets the chart of any company.
            EntityKind::Private | EntityKind::Auditor => Self::Plain(&parameters.private, kind),
        }
    }

    fn payable(self, sector: u16) -> Account {
        match self {
            Self::Kostra(accounts) => Account::balance(accounts.payable_chapter, sector),
            Self::Plain(accounts, _) => accounts.payable,
        }
    }

    fn receivable(self, sector: u16) -> Account {
        match self {
            Self::Kostra(accounts) => Account::balance(accounts.receivable_chapter, sector),
            Self::Plain(accounts, _) => accounts.receivable,
        }
    }

    fn prepaid(self, sector: u16) -> Account {
        match self {
            Self::Kostra(accounts) => Account::balance(accounts.prepaid_chapter, sector),
            Self::Plain(accounts, _) => accounts.prepaid,
        }
    }

    fn received(self, sector: u16) -> Account {
        match self {
            Self::Kostra(accounts) => Account::balance(accounts.received_chapter, sector),
            Self::Plain(accounts, _) => accounts.received,
        }
    }

    fn bank(self) -> Account {
        match self {
            Self::Kostra(accounts) => accounts.bank,
            Self::Plain(accounts, _) => accounts.bank,
        }
    }

    fn input_vat(self) -> Account {
        match self {
            Self::Kostra(accounts) => accounts.input_vat,
            Self::Plain(accounts, _) => accounts.input_vat,
        }
    }

    fn output_vat(self) -> Account {
        match self {
            Self::Kostra(accounts) => accounts.output_vat,
            Self::Plain(accounts, _) => accounts.output_vat,
        }
    }

    /// Where the rounding to whole kroner goes, if not where the first line goes.
    fn rounding(self) -> Option<Account> {
        match self {
            Self::Kostra(_) => None,
            Self::Plain(accounts, _) => Some(accounts.rounding),
        }
    }
}

/// The entries that registering a document makes: the buyer's, then the seller's, of those of the
/// two that keep books, leaving out an entry without postings. A credit note turns the sides.
///
/// `usable` says whether the seller may be booked on an account of classes 0 and 1 on the posting
/// date: where the buyer's function is none of the seller's, the default function stands in.
///
/// # Errors
/// [`Refusal::VatCodeUse`] (rule L4) when a VAT code has no counterpart or no account of sales.
pub(crate) fn document(
    parameters: &ParameterRecord,
    parties: Parties<'_>,
    document: &Document,
    usable: impl Fn(Account) -> bool,
) -> Result<Vec<Planned>, Refusal> {
    let bought = bought(Chart::of(parameters, parties.buyer.kind), parties, document);
    let sold = sold(parameters, parties, document, usable)?;
    Ok(entries(parties, document.date, turned(&document.kind), bought, sold))
}

/// The entries of a payment that the bank made: cash against what was owed, on both sides. A credit
/// note is refunded, so it turns the sides; a returned payment turns them again.
pub(crate) fn settlement(
    parameters: &ParameterRecord,
    parties: Parties<'_>,
    amount: Amount,
    date: Date,
    turn: bool,
) -> Vec<Planned> {
    let buyer = Chart::of(parameters, parties.buyer.kind);
    let seller = Chart::of(parameters, parties.seller.kind);
    let minus = Amount(-amount.0);
    let bought = alloc::vec![
        Posting::new(buyer.payable(parties.seller.sector), amount),
        Posting::new(buyer.bank(), minus),
    ];
    let sold = alloc::vec![
        Posting::new(seller.bank(), amount),
        Posting::new(seller.receivable(parties.buyer.sector), minus),
    ];
    entries(parties, date, turn, bought, sold)
}

/// Claims that cancel out: each party's debt to the other and its claim on it fall by the same amount.
pub(crate) fn netting(
    parameters: &ParameterRecord,
    parties: Parties<'_>,
    amount: Amount,
    date: Date,
) -> Vec<Planned> {
    let lines = |own: &NewEntity, other: &NewEntity| {
        let chart = Chart::of(parameters, own.kind);
        alloc::vec![
            Posting::new(chart.payable(other.sector), amount),
            Posting::new(chart.receivable(other.sector), Amount(-amount.0)),
        ]
    };
    let Parties { buyer, seller } = parties;
    entries(parties, date, false, lines(buyer, seller), lines(seller, buyer))
}

/// Whether the ledger alone books on this account of a buyer's chart: cash, claims, debts, what was
/// prepaid, VAT and its compensation.
pub(crate) fn books_itself(parameters: &ParameterRecord, buyer: EntityKind, account: Account) -> bool {
    match Chart::of(parameters, buyer) {
        Chart::Kostra(accounts) => [accounts.vat_cost_art, accounts.compensation_art].contains(&account.code),
        Chart::Plain(accounts, _) => {
            let ChartAccounts { payable, receivable, prepaid, received, .. } = accounts;
            let ChartAccounts { bank, input_vat, output_vat, .. } = accounts;
            [payable, receivable, prepaid, received, bank, input_vat, output_vat].contains(&&account)
        }
    }
}

/// Whether VAT makes this account's lines by itself: its cost that is compensated, and the compensation.
/// The two sum to zero (rule L4), which an entry made by hand would break.
pub(crate) fn is_vat_cost(parameters: &ParameterRecord, owner: EntityKind, account: Account) -> bool {
    match Chart::of(parameters, owner) {
        Chart::Kostra(accounts) => {
            matches!(account.class, Class::Investment | Class::Operating)
                && [accounts.vat_cost_art, accounts.compensation_art].contains(&account.code)
        }
        Chart::Plain(..) => false,
    }
}

/// Whether the account holds cash: the whole chapter of the bank account in KOSTRA books.
pub(crate) fn is_cash(parameters: &ParameterRecord, owner: EntityKind, account: Account) -> bool {
    match Chart::of(parameters, owner) {
        Chart::Kostra(accounts) => account.class == accounts.bank.class && account.code == accounts.bank.code,
        Chart::Plain(accounts, _) => account == accounts.bank,
    }
}

/// The buyer's entry alone, if the buyer keeps books and something is posted.
pub(crate) fn bought_by(
    parameters: &ParameterRecord,
    parties: Parties<'_>,
    document: &Document,
) -> Option<Planned> {
    let bought = bought(Chart::of(parameters, parties.buyer.kind), parties, document);
    entries(parties, document.date, turned(&document.kind), bought, Vec::new()).pop()
}

/// The entry that takes another back: every line, the sides turned, on a day of its own.
pub(crate) fn reversal(planned: Planned, reverses: Option<Voucher>, date: Date) -> Planned {
    let Planned { entity, mut postings, .. } = planned;
    for posting in &mut postings {
        turn(posting);
    }
    Planned { entity, date, postings, reverses }
}

/// What the register of documents keeps of the lines that one entity was booked; zero of none.
pub(crate) fn digest(entries: &[Planned], entity: OrgNumber) -> Digest {
    let own = entries.iter().find(|planned| planned.entity == entity);
    own.map_or_else(Digest::default, |planned| {
        Digest::of(&[b"hovedbok/v1/booked", &codec::encode(&planned.postings)])
    })
}

fn turn(posting: &mut Posting) {
    posting.amount = Amount(-posting.amount.0);
    if let Some(vat) = &mut posting.vat {
        vat.base = Amount(-vat.base.0);
    }
}

fn turned(kind: &DocumentKind) -> bool {
    matches!(kind, DocumentKind::CreditNote { .. })
}

fn entries(
    parties: Parties<'_>,
    date: Date,
    turn_sides: bool,
    bought: Vec<Posting>,
    sold: Vec<Posting>,
) -> Vec<Planned> {
    let sides = [(parties.buyer, parties.seller, bought), (parties.seller, parties.buyer, sold)];
    let mut entries = Vec::with_capacity(2);
    for (own, other, mut postings) in sides {
        postings.retain(|posting| posting.amount != Amount::ZERO);
        if own.books_from().is_none() || postings.is_empty() {
            continue;
        }
        for posting in &mut postings {
            posting.counterparty = Some(other.number);
            if turn_sides {
                turn(posting);
            }
        }
        entries.push(Planned { entity: own.number, date, postings, reverses: None });
    }
    entries
}

/// VAT of one code that is booked together: on the line it belongs to where it is a cost, else on
/// one account per function, cost centre and project.
struct Group<'d> {
    line: &'d Line,
    regime: Regime,
    account: Account,
    /// Which line, where the VAT is a cost of it.
    place: Option<usize>,
    base: Amount,
    vat: Amount,
}

fn groups<'d>(chart: Chart<'_>, document: &'d Document) -> Vec<Group<'d>> {
    let mut groups: Vec<Group<'d>> = Vec::new();
    for (place, line) in document.lines.iter().enumerate() {
        let (account, place) = match (line.regime, chart) {
            (Regime::Compensate, Chart::Kostra(accounts)) => {
                (Account { code: accounts.vat_cost_art, ..line.account }, None)
            }
            (Regime::Deduct, _) => (chart.input_vat(), None),
            (Regime::Cost | Regime::Compensate, _) => (line.account, Some(place)),
        };
        let same = |group: &&mut Group<'_>| {
            let (a, b) = (group.line, line);
            let dimensions = (a.cost_centre, a.project) == (b.cost_centre, b.project);
            (group.account, group.place, a.vat_code) == (account, place, b.vat_code)
                && (line.regime == Regime::Deduct || dimensions)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.base.0 += line.net.0,
            None => groups.push(Group {
                line,
                regime: line.regime,
                account,
                place,
                base: line.net,
                vat: Amount::ZERO,
            }),
        }
    }
    for total in &document.vat_totals {
        let of_code = || groups.iter().filter(|group| group.line.vat_code == total.code);
        let bases: Vec<Amount> = of_code().map(|group| group.base).collect();
        let mut shares = shares(total.vat, total.rate, &bases).into_iter();
        for group in groups.iter_mut().filter(|group| group.line.vat_code == total.code) {
            group.vat = shares.next().unwrap_or_default();
        }
    }
    groups
}

/// Splits the VAT that a document states for one code over the bases it was computed from, exactly:
/// each gets its base × rate rounded down; what is left over goes evenly to all, and the last øre to
/// those that lost most by rounding down, the first of equals first.
pub(crate) fn shares(vat: Amount, rate: Rate, bases: &[Amount]) -> Vec<Amount> {
    // Bases of 120 lines of AMOUNT_MAX at 655 % are far below i128, and a share below i64.
    let products = bases.iter().map(|base| i128::from(base.0) * i128::from(rate.0));
    let mut shares: Vec<(i128, i128)> =
        products.map(|p| (p.div_euclid(10_000), p.rem_euclid(10_000))).collect();
    let given: i128 = shares.iter().map(|(share, _)| share).sum();
    let Some(count) = i128::try_from(shares.len()).ok().filter(|count| *count > 0) else {
        return Vec::new();
    };
    let left = i128::from(vat.0) - given;
    let mut by_loss: Vec<usize> = (0..shares.len()).collect();
    by_loss.sort_by_key(|place| (-shares[*place].1, *place));
    for (rank, place) in (0..).zip(by_loss) {
        shares[place].0 += left.div_euclid(count) + i128::from(rank < left.rem_euclid(count));
    }
    shares.into_iter().map(|(share, _)| Amount(i64::try_from(share).unwrap_or(i64::MAX))).collect()
}

fn dimension(total: &VatTotal, regime: Regime, base: Amount) -> Option<Vat> {
    Some(Vat { code: total.code, regime, base, rate: total.rate })
}

/// The buyer's postings, before the sides are turned for a credit note.
fn bought(chart: Chart<'_>, parties: Parties<'_>, document: &Document) -> Vec<Posting> {
    let groups = groups(chart, document);
    let sector = parties.seller.sector;
    let total_of = |code: u16| document.vat_totals.iter().find(|total| total.code == code);
    let mut postings = Vec::with_capacity(document.lines.len() + 2 * groups.len() + 4);
    for (place, line) in document.lines.iter().enumerate() {
        let cost = groups.iter().find(|group| group.place == Some(place)).map_or(Amount::ZERO, |g| g.vat);
        postings.push(Posting {
            cost_centre: line.cost_centre,
            project: line.project,
            vat: total_of(line.vat_code).and_then(|total| dimension(total, line.regime, line.net)),
            ..Posting::new(line.account, Amount(line.net.0 + cost.0))
        });
    }
    for group in groups.iter().filter(|group| group.place.is_none()) {
        let own = group.regime == Regime::Compensate;
        postings.push(Posting {
            cost_centre: group.line.cost_centre.filter(|_| own),
            project: group.line.project.filter(|_| own),
            vat: total_of(group.line.vat_code).and_then(|t| dimension(t, group.regime, group.base)),
            ..Posting::new(group.account, group.vat)
        });
    }
    if let Some(line) = document.lines.first() {
        postings.push(match chart.rounding() {
            Some(account) => Posting::new(account, document.rounding),
            None => Posting {
                cost_centre: line.cost_centre,
                project: line.project,
                ..Posting::new(line.account, document.rounding)
            },
        });
    }
    postings.push(Posting::new(chart.prepaid(sector), Amount(-document.prepaid.0)));
    postings.push(Posting::new(chart.payable(sector), Amount(-document.payable.0)));
    if let Chart::Kostra(accounts) = chart {
        compensation(accounts, document, &groups, &mut postings);
    }
    postings
}

/// The claim on the state per VAT code, and the income beside each cost it compensates.
fn compensation(
    accounts: &KostraAccounts,
    document: &Document,
    groups: &[Group<'_>],
    postings: &mut Vec<Posting>,
) {
    let compensated = || groups.iter().filter(|group| group.regime == Regime::Compensate);
    for total in &document.vat_totals {
        let of_code = || compensated().filter(|group| group.line.vat_code == total.code);
        let (base, vat) = of_code().fold((0, 0), |(base, vat), g| (base + g.base.0, vat + g.vat.0));
        postings.push(Posting {
            vat: dimension(total, Regime::Compensate, Amount(base)),
            ..Posting::new(accounts.compensation, Amount(vat))
        });
    }
    for group in compensated() {
        let function = match group.line.account.class {
            Class::Investment => accounts.investment_compensation_function,
            _ => group.line.account.function,
        };
        let account = Account { function, code: accounts.compensation_art, ..group.line.account };
        postings.push(Posting {
            cost_centre: group.line.cost_centre,
            project: group.line.project,
            ..Posting::new(account, Amount(-group.vat.0))
        });
    }
}

/// The seller's postings, before the sides are turned for a credit note.
fn sold(
    parameters: &ParameterRecord,
    parties: Parties<'_>,
    document: &Document,
    usable: impl Fn(Account) -> bool,
) -> Result<Vec<Posting>, Refusal> {
    let chart = Chart::of(parameters, parties.seller.kind);
    let sector = parties.buyer.sector;
    let (mut sales, mut vat): (Vec<Posting>, Vec<Posting>) = (Vec::new(), Vec::new());
    for total in &document.vat_totals {
        let code = total.code;
        let row = parameters.outputs.iter().find(|row| row.input == code);
        let output = row.ok_or(Refusal::VatCodeUse { code })?.output;
        // The seller settles output VAT against its deductions, whatever the buyer does with it.
        let stated = VatTotal { code: output, ..*total };
        for line in document.lines.iter().filter(|line| line.vat_code == code) {
            let account = income(chart, parties.buyer.kind, line, &stated, &usable);
            let account = account.ok_or(Refusal::VatCodeUse { code })?;
            let same = |posting: &&mut Posting| {
                posting.account == account && posting.vat.is_some_and(|vat| vat.code == output)
            };
            match sales.iter_mut().find(same) {
                Some(posting) => {
                    posting.amount.0 -= line.net.0;
                    posting.vat = dimension(&stated, Regime::Deduct, Amount(-posting.amount.0));
                }
                None => sales.push(Posting {
                    vat: dimension(&stated, Regime::Deduct, line.net),
                    ..Posting::new(account, Amount(-line.net.0))
                }),
            }
        }
        vat.push(Posting {
            vat: dimension(&stated, Regime::Deduct, total.base),
            ..Posting::new(chart.output_vat(), Amount(-total.vat.0))
        });
    }
    let rounding = chart.rounding().or(sales.first().map(|posting| posting.account));
    let mut postings = alloc::vec![
        Posting::new(chart.receivable(sector), document.payable),
        Posting::new(chart.received(sector), document.prepaid),
    ];
    postings.extend(rounding.map(|account| Posting::new(account, Amount(-document.rounding.0))));
    postings.append(&mut sales);
    postings.append(&mut vat);
    Ok(postings)
}

/// The seller's account of income for one of the buyer's lines.
fn income(
    chart: Chart<'_>,
    buyer: EntityKind,
    line: &Line,
    output: &VatTotal,
    usable: impl Fn(Account) -> bool,
) -> Option<Account> {
    let of = |sales: &[SalesAccount]| sales.iter().find(|row| row.code == output.code).map(|row| row.account);
    match chart {
        Chart::Plain(accounts, EntityKind::State) => of(&accounts.sales).map(Account::state),
        Chart::Plain(accounts, _) => of(&accounts.sales).map(Account::private),
        Chart::Kostra(accounts) => {
            let art = of(&accounts.sales)?;
            let operating = |function, art| Account::kostra(Class::Operating, function, art);
            let answers = accounts
                .mirrors
                .iter()
                .find(|row| output.rate == Rate(0) && (row.buyer, row.art) == (buyer, line.account.code));
            let mirrored = answers.map(|row| operating(line.account.function, row.income));
            let fallback = operating(accounts.sales_function, answers.map_or(art, |row| row.income));
            Some(mirrored.filter(|account| usable(*account)).unwrap_or(fallback))
        }
    }
}
