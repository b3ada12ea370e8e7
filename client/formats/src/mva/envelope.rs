//! The envelope (konvolutt) that a return is sent in: whose it is, of which term, and which file is
//! the return.
//!
//! It leaves out attachments and the sending itself.

use std::io;

use ledger::time::Timestamp;

use super::{Return, TEXT_CHARS_MAX, Taxpayer};
use crate::pain001::date_time;
use crate::xml::writer::Writer;

const NAMESPACE: &str = "no:skatteetaten:fastsetting:avgift:mva:mvameldinginnsending:v1.0";

/// Why an envelope is not written. Rule F-MVA.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Only Norwegian organisations send this way.
    #[error("the return names no Norwegian organisation with a valid number; correct it before it is sent")]
    Taxpayer,
    /// A term that the year does not have.
    #[error("the return's term is none of the year; correct it before it is sent")]
    Term,
    /// A text that the schema refuses.
    #[error("{field} must have 1 to {TEXT_CHARS_MAX} characters, without control characters; correct it")]
    Text {
        /// Which field.
        field: &'static str,
    },
    /// The file could not be written.
    #[error("the envelope could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Writes the envelope of a return that lies beside it as `FILE.xml`.
///
/// # Errors
/// [`EnvelopeError`].
pub fn envelope<W: io::Write>(
    given: &Return,
    file: &str,
    created_by: &str,
    created: Timestamp,
    out: W,
) -> Result<W, EnvelopeError> {
    let Taxpayer::Organisation(number) = &given.taxpayer else { return Err(EnvelopeError::Taxpayer) };
    let term = given.term.name().ok_or(EnvelopeError::Term)?;
    for (field, text) in [("name of the file", file), ("creator", created_by)] {
        if !(1..=TEXT_CHARS_MAX).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(EnvelopeError::Text { field });
        }
    }
    let created = date_time(created);
    let mut out = Writer::new(out)?;
    out.open("mvaMeldingInnsending", &[("xmlns", NAMESPACE)])?;
    out.open("norskIdentifikator", &[])?;
    out.leaf("organisasjonsnummer", &number.to_string())?;
    out.close()?;
    out.open("skattleggingsperiode", &[])?;
    out.open("periode", &[])?;
    out.leaf(given.term.element(), &term)?;
    out.close()?;
    out.leaf("aar", &given.year.to_string())?;
    out.close()?;
    out.leaf("meldingskategori", given.category.name())?;
    out.leaf("innsendingstype", "komplett")?;
    out.leaf("opprettetAv", created_by)?;
    out.leaf("opprettingstidspunkt", &created)?;
    out.open("vedlegg", &[])?;
    out.leaf("vedleggstype", "mva-melding")?;
    out.leaf("kildegruppe", "sluttbrukersystem")?;
    out.leaf("opprettetAv", created_by)?;
    out.leaf("opprettingstidspunkt", &created)?;
    out.open("vedleggsfil", &[])?;
    out.leaf("filnavn", file)?;
    out.leaf("filekstensjon", "xml")?;
    out.leaf("filinnhold", "mva-melding")?;
    Ok(out.finish()?)
}
