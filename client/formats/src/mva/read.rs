//! Reading as the schema orders: each element in its place, none besides.

use ledger::entity::OrgNumber;
use ledger::entry::Rate;

use super::{
    Category, KRONER_MAX, Kroner, LINES_MAX, Line, NAMESPACE, Remark, Return, TEXT_CHARS_MAX, Taxpayer, Term,
};
use crate::decimal::Decimal;
use crate::xml::{Element, Tree, XmlError};

/// Why bytes are not a message that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MvaError {
    /// Not XML that is read here.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The schema (R001) or another rule of form refuses it.
    #[error("{rule} at {place}: {reason}; correct it in the system that made it")]
    Form {
        /// `R001` for the schema, `F-MVA` for a bound of ours, else the agency's rule.
        rule: &'static str,
        /// The element.
        place: String,
        /// What was found and what was expected.
        reason: String,
    },
}

impl MvaError {
    /// The id of the rule that refuses.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Xml(error) => error.rule(),
            Self::Form { rule, .. } => rule,
        }
    }
}

pub(super) fn form(rule: &'static str, element: Element<'_>, reason: impl Into<String>) -> MvaError {
    MvaError::Form { rule, place: element.path(), reason: reason.into() }
}

/// An element's children, taken in the schema's order.
pub(super) struct Sequence<'t> {
    parent: Element<'t>,
    children: Vec<Element<'t>>,
    next: usize,
    passed: Vec<&'static str>,
}

impl<'t> Sequence<'t> {
    pub(super) fn of(parent: Element<'t>) -> Result<Self, MvaError> {
        no_attributes(parent)?;
        let children: Vec<_> = parent.children().collect();
        if children.is_empty() && !parent.text().is_empty() {
            return Err(form("R001", parent, "it holds text, elements are expected"));
        }
        Ok(Self { parent, children, next: 0, passed: Vec::new() })
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<Element<'t>> {
        let found = self.children.get(self.next).copied().filter(|child| child.is(name));
        match found {
            Some(_) => {
                self.next += 1;
                self.passed.clear();
            }
            None => self.passed.push(name),
        }
        found
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<Element<'t>, MvaError> {
        match self.optional(name) {
            Some(element) => Ok(element),
            None => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> MvaError {
        let expected = self.passed.join(" or ");
        match self.children.get(self.next) {
            Some(child) if expected.is_empty() => form("R001", *child, "the element is not expected here"),
            Some(child) => form("R001", *child, format!("the element is not expected here, {expected} is")),
            None => form("R001", self.parent, format!("{expected} is missing")),
        }
    }

    pub(super) fn end(self) -> Result<(), MvaError> {
        if self.next < self.children.len() { Err(self.unexpected()) } else { Ok(()) }
    }
}

fn no_attributes(element: Element<'_>) -> Result<(), MvaError> {
    if element.has_attributes() {
        return Err(form("R001", element, "it has an attribute, none is expected"));
    }
    Ok(())
}

/// The text of an element that holds nothing else, as it stands.
pub(super) fn text(element: Element<'_>) -> Result<String, MvaError> {
    no_attributes(element)?;
    if element.children().next().is_some() {
        return Err(form("R001", element, "it holds elements, text is expected"));
    }
    // White space is part of a code or name, so one with a space around is another.
    let text = element.raw_text();
    match text.chars().count() {
        0..=TEXT_CHARS_MAX => Ok(text.to_string()),
        count => {
            Err(form("R001", element, format!("{count} characters, at most {TEXT_CHARS_MAX} are taken")))
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

pub(super) fn kroner(element: Element<'_>) -> Result<Kroner, MvaError> {
    let text = text(element)?;
    let number = Decimal::parse(&text)
        .ok_or_else(|| form("R001", element, format!("{:?} is not a decimal number", shown(&text))))?;
    let ore = number.to_ore().map(|amount| amount.0).filter(|ore| ore % 100 == 0).ok_or_else(|| {
        form("R082", element, format!("{:?} is not an amount of whole kroner", shown(&text)))
    })?;
    if (ore / 100).abs() > KRONER_MAX {
        return Err(form("F-MVA", element, format!("{} kroner is more than is read", ore / 100)));
    }
    Ok(Kroner(ore / 100))
}

pub(super) fn organisation(element: Element<'_>) -> Result<OrgNumber, MvaError> {
    let text = text(element)?;
    OrgNumber::parse(&text).map_err(|error| form("R001", element, error.to_string()))
}

fn taxpayer(element: Element<'_>) -> Result<Taxpayer, MvaError> {
    let text = text(element)?;
    if text.len() != 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(form("R001", element, format!("{:?} is not nine digits", shown(&text))));
    }
    Ok(OrgNumber::parse(&text).map_or(Taxpayer::Unregistered(text), Taxpayer::Organisation))
}

pub(super) fn span(period: Element<'_>) -> Result<(Term, u16), MvaError> {
    let mut parts = Sequence::of(period)?;
    let mut choice = Sequence::of(parts.required("periode")?)?;
    let element = Term::elements().find_map(|name| choice.optional(name));
    let element = element.ok_or_else(|| choice.unexpected())?;
    choice.end()?;
    let name = text(element)?;
    let term = Term::parse(element.local(), &name)
        .ok_or_else(|| form("R001", element, format!("{:?} is not a term of that length", shown(&name))))?;
    let element = parts.required("aar")?;
    let year = text(element)?;
    let year = year.trim();
    parts.end()?;
    let plain = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
    match year.parse() {
        Ok(number) if plain => Ok((term, number)),
        _ => Err(form("F-MVA", element, format!("{:?} is not a year of four digits", shown(year)))),
    }
}

fn remark(element: Option<Element<'_>>) -> Result<Option<Remark>, MvaError> {
    let Some(element) = element else { return Ok(None) };
    let mut parts = Sequence::of(element)?;
    let remark = match parts.optional("beskrivelse") {
        Some(words) => Remark::Text(text(words)?),
        None => Remark::Chosen(text(parts.required("utvalgtMerknad")?)?),
    };
    parts.end()?;
    Ok(Some(remark))
}

fn rate(element: Element<'_>) -> Result<Rate, MvaError> {
    let text = text(element)?;
    // The list of rates writes a comma.
    let number = Decimal::parse(&text.replace(',', ".")).filter(|number| !number.is_negative());
    let hundredths = number.and_then(|number| number.to_ore()).and_then(|rate| u16::try_from(rate.0).ok());
    hundredths
        .map(Rate)
        .ok_or_else(|| form("R003", element, format!("{:?} is not a rate in per cent", shown(&text))))
}

fn line(element: Element<'_>) -> Result<Line, MvaError> {
    let mut parts = Sequence::of(element)?;
    let code = parts.required("mvaKode")?;
    let specification = parts.optional("spesifikasjon").map(text).transpose()?;
    let own_code = parts.optional("mvaKodeRegnskapsystem").map(text).transpose()?;
    let base = parts.optional("grunnlag").map(kroner).transpose()?;
    let rate = parts.optional("sats").map(rate).transpose()?;
    let vat = kroner(parts.required("merverdiavgift")?)?;
    let remark = remark(parts.optional("merknad"))?;
    parts.end()?;
    let digits = text(code)?;
    let plain = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let code = digits
        .parse()
        .ok()
        .filter(|_| plain)
        .ok_or_else(|| form("R002", code, format!("{:?} is not a VAT code", shown(&digits))))?;
    Ok(Line { code, specification, own_code, base, rate, vat, remark })
}

pub(super) fn root<'t>(tree: &'t Tree, name: &str, namespace: &str) -> Result<Element<'t>, MvaError> {
    let root = tree.root();
    if root.is(name) && root.namespace() == namespace {
        return Ok(root);
    }
    let found = shown(root.namespace());
    let reason =
        format!("the outermost element is in the namespace {found:?}, {name} in {namespace:?} is expected");
    Err(form("R001", root, reason))
}

impl Return {
    /// Reads a message.
    ///
    /// # Errors
    /// [`MvaError`], at the first element that the schema does not expect.
    pub fn read(bytes: &[u8]) -> Result<Self, MvaError> {
        let tree = Tree::read(bytes, &[])?;
        let root = root(&tree, "mvaMeldingDto", NAMESPACE)?;
        let mut parts = Sequence::of(root)?;

        let mut sender = Sequence::of(parts.required("innsending")?)?;
        let reference = text(sender.required("regnskapssystemsreferanse")?)?;
        let mut system = None;
        if let Some(element) = sender.optional("regnskapssystem") {
            let mut named = Sequence::of(element)?;
            let name = text(named.required("systemnavn")?)?;
            system = Some((name, named.optional("systemversjon").map(text).transpose()?));
            named.end()?;
        }
        sender.end()?;

        let mut figures = Sequence::of(parts.required("skattegrunnlagOgBeregnetSkatt")?)?;
        let (term, year) = span(figures.required("skattleggingsperiode")?)?;
        let determined = kroner(figures.required("fastsattMerverdiavgift")?)?;
        let mut lines = Vec::new();
        while let Some(element) = figures.optional("mvaSpesifikasjonslinje") {
            if lines.len() >= LINES_MAX {
                return Err(form("F-MVA", element, format!("more than {LINES_MAX} lines")));
            }
            lines.push(line(element)?);
        }
        figures.end()?;

        let mut payment = Sequence::of(parts.required("betalingsinformasjon")?)?;
        let kid = payment.optional("kundeIdentifikasjonsnummer").map(text).transpose()?;
        payment.end()?;

        let mut who = Sequence::of(parts.required("skattepliktig")?)?;
        let number = who.optional("organisasjonsnummer").map(taxpayer).transpose()?;
        let foreign = who.optional("identifikasjonsnummer");
        who.end()?;
        let taxpayer = match (number, foreign) {
            (Some(taxpayer), None) => taxpayer,
            (None, None) => Taxpayer::Unstated,
            (Some(_), Some(element)) => return Err(form("R001", element, "two numbers name the taxpayer")),
            (None, Some(element)) => {
                let number = text(element)?;
                if number.len() != 7 || !number.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(form("R001", element, format!("{:?} is not seven digits", shown(&number))));
                }
                Taxpayer::Foreign(number)
            }
        };

        let element = parts.required("meldingskategori")?;
        let name = text(element)?;
        let known = Category::ALL.iter().find(|(_, known)| *known == name);
        let (category, _) = *known.ok_or_else(|| {
            let all: Vec<_> = Category::ALL.iter().map(|(_, name)| *name).collect();
            form("R001", element, format!("{:?} is none of {}", shown(&name), all.join(", ")))
        })?;
        let remark = remark(parts.optional("merknad"))?;
        parts.end()?;
        let kid = kid.filter(|kid| !kid.trim().is_empty());
        Ok(Self { reference, system, term, year, determined, lines, kid, taxpayer, category, remark })
    }
}
