//! Writing a return as the schema orders, after the rules were asked.

use std::io;

use super::check::{Circumstances, Finding, Severity, check};
use super::{Kroner, LINES_MAX, NAMESPACE, Remark, Return, TEXT_CHARS_MAX, Taxpayer, rate_text};
use crate::xml::writer::Writer;

/// A return as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: Vec<u8>,
    /// What the agency will ask about; it takes the return all the same.
    pub findings: Vec<Finding>,
}

/// A return that is not written, and every reason why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refused {
    /// At least one.
    pub findings: Vec<Finding>,
}

/// Writes the return. A sum that is not the lines' (R018) is refused too, though the agency would
/// only ask: our own return adds up.
///
/// # Errors
/// [`Refused`], when a rule makes it invalid.
pub fn write(given: &Return, circumstances: &Circumstances) -> Result<Written, Refused> {
    let mut findings = form(given);
    findings.extend(check(given, circumstances));
    let (against, findings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.severity == Severity::Invalid || finding.rule == "R018");
    if !against.is_empty() {
        return Err(Refused { findings: against });
    }
    match file(given) {
        Ok(file) => Ok(Written { file, findings }),
        // Memory takes every write.
        Err(error) => Err(Refused { findings: vec![not_of_the_schema("mvaMeldingDto", error.to_string())] }),
    }
}

fn not_of_the_schema(place: &str, message: String) -> Finding {
    Finding { rule: "R001", severity: Severity::Invalid, place: place.to_string(), message }
}

/// What the types do not hold back and the schema does.
fn form(given: &Return) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut text = |place: &str, text: &str| {
        let count = text.chars().count();
        if count > TEXT_CHARS_MAX || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let message = format!(
                "a text of {count} characters, at most {TEXT_CHARS_MAX} without control characters are taken; shorten it"
            );
            findings.push(not_of_the_schema(place, message));
        }
    };
    text("mvaMeldingDto/innsending/regnskapssystemsreferanse", &given.reference);
    if let Some((name, version)) = &given.system {
        text("mvaMeldingDto/innsending/regnskapssystem/systemnavn", name);
        text("mvaMeldingDto/innsending/regnskapssystem/systemversjon", version.as_deref().unwrap_or(""));
    }
    let line = "mvaMeldingDto/skattegrunnlagOgBeregnetSkatt/mvaSpesifikasjonslinje";
    for given in &given.lines {
        text(line, given.specification.as_deref().unwrap_or(""));
        text(line, given.own_code.as_deref().unwrap_or(""));
        text(line, words(given.remark.as_ref()));
    }
    text("mvaMeldingDto/merknad", words(given.remark.as_ref()));
    if given.lines.len() > LINES_MAX {
        let message =
            format!("{} lines, at most {LINES_MAX} are written; add them up by code", given.lines.len());
        findings.push(not_of_the_schema(line, message));
    }
    if given.term.name().is_none() || !(1000..=9999).contains(&given.year) {
        let message = format!("{:?} of {} is no term; name one of the year", given.term, given.year);
        findings.push(not_of_the_schema(
            "mvaMeldingDto/skattegrunnlagOgBeregnetSkatt/skattleggingsperiode",
            message,
        ));
    }
    if let Taxpayer::Foreign(number) = &given.taxpayer
        && (number.len() != 7 || !number.bytes().all(|b| b.is_ascii_digit()))
    {
        let message =
            format!("{:?} is not seven digits; correct it", number.chars().take(20).collect::<String>());
        findings.push(not_of_the_schema("mvaMeldingDto/skattepliktig/identifikasjonsnummer", message));
    }
    findings
}

fn words(remark: Option<&Remark>) -> &str {
    match remark {
        Some(Remark::Text(words) | Remark::Chosen(words)) => words,
        None => "",
    }
}

fn file(given: &Return) -> io::Result<Vec<u8>> {
    let mut out = Writer::new(Vec::new())?;
    out.open("mvaMeldingDto", &[("xmlns", NAMESPACE)])?;
    out.open("innsending", &[])?;
    out.leaf("regnskapssystemsreferanse", &given.reference)?;
    if let Some((name, version)) = &given.system {
        out.open("regnskapssystem", &[])?;
        out.leaf("systemnavn", name)?;
        optional(&mut out, "systemversjon", version.as_deref())?;
        out.close()?;
    }
    out.close()?;
    out.open("skattegrunnlagOgBeregnetSkatt", &[])?;
    out.open("skattleggingsperiode", &[])?;
    out.open("periode", &[])?;
    out.leaf(given.term.element(), &given.term.name().unwrap_or_default())?;
    out.close()?;
    out.leaf("aar", &given.year.to_string())?;
    out.close()?;
    kroner(&mut out, "fastsattMerverdiavgift", Some(given.determined))?;
    for line in &given.lines {
        out.open("mvaSpesifikasjonslinje", &[])?;
        out.leaf("mvaKode", &line.code.to_string())?;
        optional(&mut out, "spesifikasjon", line.specification.as_deref())?;
        optional(&mut out, "mvaKodeRegnskapsystem", line.own_code.as_deref())?;
        kroner(&mut out, "grunnlag", line.base)?;
        optional(&mut out, "sats", line.rate.map(rate_text).as_deref())?;
        kroner(&mut out, "merverdiavgift", Some(line.vat))?;
        remark(&mut out, line.remark.as_ref())?;
        out.close()?;
    }
    out.close()?;
    out.open("betalingsinformasjon", &[])?;
    optional(&mut out, "kundeIdentifikasjonsnummer", given.kid.as_deref())?;
    out.close()?;
    out.open("skattepliktig", &[])?;
    match &given.taxpayer {
        Taxpayer::Organisation(number) => out.leaf("organisasjonsnummer", &number.to_string())?,
        Taxpayer::Unregistered(number) => out.leaf("organisasjonsnummer", number)?,
        Taxpayer::Foreign(number) => out.leaf("identifikasjonsnummer", number)?,
        Taxpayer::Unstated => {}
    }
    out.close()?;
    out.leaf("meldingskategori", given.category.name())?;
    remark(&mut out, given.remark.as_ref())?;
    out.close()?;
    out.finish()
}

fn optional(out: &mut Writer<Vec<u8>>, name: &'static str, text: Option<&str>) -> io::Result<()> {
    text.map_or(Ok(()), |text| out.leaf(name, text))
}

fn kroner(out: &mut Writer<Vec<u8>>, name: &'static str, amount: Option<Kroner>) -> io::Result<()> {
    optional(out, name, amount.map(|amount| amount.to_string()).as_deref())
}

fn remark(out: &mut Writer<Vec<u8>>, given: Option<&Remark>) -> io::Result<()> {
    let Some(given) = given else { return Ok(()) };
    out.open("merknad", &[])?;
    match given {
        Remark::Text(words) => out.leaf("beskrivelse", words)?,
        Remark::Chosen(words) => out.leaf("utvalgtMerknad", words)?,
    }
    out.close()
}
