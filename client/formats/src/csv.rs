//! Comma-separated values (RFC 4180): budgets and payments as public bodies publish them, and the
//! journal as spreadsheets take it.
//!
//! [`Rows`] streams a file row by row, [`Table`] names its columns, [`amount`] reads money as people
//! write it, [`Writer`] writes. UTF-8 with or without byte order mark, lines that end in CRLF or LF. It
//! leaves out guessing: separator and decimal sign are the caller's knowledge.
//!
//! Invariant: memory is that of one row ([`ROW_BYTES_MAX`]); no amount passes through a float; a row
//! that could be read in two ways is refused with its line.

pub mod budget;
pub mod journal;
pub mod payments;

use std::io::{self, BufRead, Read, Write};

use ledger::amount::Amount;

use crate::books::Stop;

/// A longer row is refused.
pub const ROW_BYTES_MAX: usize = 64 << 10;
/// A row with more columns is refused.
pub const COLUMNS_MAX: usize = 256;

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The source failed; nothing is known of the file.
    #[error("line {line}: the file cannot be read on: {error}; try again")]
    Io {
        /// Which line, from 1.
        line: u64,
        /// What the source says.
        error: io::Error,
    },
    /// Rule F-SIZE.
    #[error("line {line}: a row has more than {max} {what}; look for a quotation mark that is not closed")]
    TooMuch {
        /// Which line, from 1.
        line: u64,
        /// What is counted.
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// Rule F-CSV.
    #[error("line {line}: {reason}")]
    Malformed {
        /// The line that the row begins on, from 1.
        line: u64,
        /// What was found, what was expected, and what to do.
        reason: String,
    },
    /// Rule F-CSV.
    #[error("the file has no column {name:?}, only {found}; name the columns as they are")]
    Column {
        /// The column that is asked for.
        name: String,
        /// The columns there are.
        found: String,
    },
    /// Whoever takes the rows stopped.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

impl CsvError {
    /// The id of the rule that refuses, where one does.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::TooMuch { .. } => Some("F-SIZE"),
            Self::Malformed { .. } | Self::Column { .. } => Some("F-CSV"),
            Self::Io { .. } | Self::Stopped(_) => None,
        }
    }
}

fn malformed(line: u64, reason: impl Into<String>) -> CsvError {
    CsvError::Malformed { line, reason: reason.into() }
}

/// A row that was read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    /// The line that it begins on, from 1.
    pub line: u64,
    text: &'r str,
    /// Where each field ends in the text.
    ends: &'r [usize],
}

impl<'r> Row<'r> {
    /// How many fields it has, at least one.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether every field is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A field, unquoted; empty past the last one.
    pub fn get(&self, column: usize) -> &'r str {
        let start = column.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(column).and_then(|end| self.text.get(start..*end)).unwrap_or("")
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        let row = *self;
        (0..row.len()).map(move |column| row.get(column))
    }
}

/// A file, row by row. Lines with nothing on them are passed over.
#[derive(Debug)]
pub struct Rows<R: BufRead> {
    source: R,
    /// The first bytes, read to look for a byte order mark.
    head: io::Cursor<Vec<u8>>,
    separator: u8,
    line: u64,
    begun: bool,
    /// Whether nothing stood on the line, not even quotation marks.
    blank: bool,
    row: Vec<u8>,
    ends: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the start of a field.
    Start,
    /// In a field without quotation marks.
    Plain,
    Quoted,
    /// After a quotation mark within a quoted field: it ends the field or stands for itself.
    Quote,
    /// After a carriage return: the line ends.
    Return,
}

impl<R: BufRead> Rows<R> {
    /// Begins a file whose fields are separated by this character, an ASCII one.
    pub fn new(source: R, separator: u8) -> Self {
        let (head, row, ends) = (io::Cursor::new(Vec::new()), Vec::new(), Vec::new());
        Self { source, head, separator, line: 1, begun: false, blank: true, row, ends }
    }

    /// The next row; none at the end of the file.
    ///
    /// # Errors
    /// [`CsvError`].
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        if !self.begun {
            self.begun = true;
            self.begin()?;
        }
        let first = loop {
            let first = self.line;
            if !self.read()? {
                return Ok(None);
            }
            if !self.blank {
                break first;
            }
        };
        let text = std::str::from_utf8(&self.row)
            .map_err(|_| malformed(first, "the row is not UTF-8; save the file as UTF-8"))?;
        if let Some(c) = text.chars().find(|c| *c < ' ' && !matches!(c, '\n' | '\r' | '\t')) {
            let reason =
                format!("character U+{:04X} has no place in a text file; export it again", u32::from(c));
            return Err(malformed(first, reason));
        }
        Ok(Some(Row { line: first, text, ends: &self.ends }))
    }

    fn begin(&mut self) -> Result<(), CsvError> {
        let mut head = Vec::with_capacity(3);
        let read = self.source.by_ref().take(3).read_to_end(&mut head);
        read.map_err(|error| CsvError::Io { line: 1, error })?;
        if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
            return Err(malformed(1, "the file is encoded in UTF-16; save it as UTF-8"));
        }
        if head == b"\xEF\xBB\xBF" {
            head.clear();
        }
        self.head = io::Cursor::new(head);
        Ok(())
    }

    /// Reads one line or more into the row; false at the end of the file.
    fn read(&mut self) -> Result<bool, CsvError> {
        self.row.clear();
        self.ends.clear();
        let first = self.line;
        let mut at = At::Start;
        let mut any = false;
        self.blank = true;
        loop {
            let from_head = !self.head.fill_buf().unwrap_or_default().is_empty();
            let filled = if from_head { self.head.fill_buf() } else { self.source.fill_buf() };
            let available = match filled {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CsvError::Io { line: self.line, error }),
            };
            if available.is_empty() {
                return match at {
                    At::Quoted => {
                        Err(malformed(first, "a quotation mark is not closed before the file ends; close it"))
                    }
                    _ if !any => Ok(false),
                    _ => {
                        self.ends.push(self.row.len());
                        Ok(true)
                    }
                };
            }
            any = true;
            let mut used = 0;
            let mut done = false;
            for byte in available {
                used += 1;
                let byte = *byte;
                let ends = byte == self.separator || byte == b'\n' || byte == b'\r';
                self.blank &= matches!(byte, b'\n' | b'\r');
                at = match (at, byte) {
                    (At::Return, b'\n') => {
                        done = true;
                        break;
                    }
                    (At::Return, _) => {
                        return Err(malformed(
                            first,
                            "a carriage return stands alone; end lines with CRLF or LF",
                        ));
                    }
                    (At::Start, b'"') => At::Quoted,
                    (At::Quoted, b'"') => At::Quote,
                    (At::Quoted, byte) => {
                        self.line += u64::from(byte == b'\n');
                        self.row.push(byte);
                        At::Quoted
                    }
                    (At::Quote, b'"') => {
                        self.row.push(b'"');
                        At::Quoted
                    }
                    (At::Quote, _) if !ends => {
                        let reason = "text follows a closing quotation mark; double the marks within a field";
                        return Err(malformed(first, reason));
                    }
                    (At::Plain, b'"') => {
                        let reason = "a quotation mark stands within a field that has none around it; quote the field and double the mark";
                        return Err(malformed(first, reason));
                    }
                    (_, byte) if ends => {
                        self.ends.push(self.row.len());
                        if byte == b'\n' {
                            done = true;
                            break;
                        }
                        if byte == b'\r' { At::Return } else { At::Start }
                    }
                    (_, byte) => {
                        self.row.push(byte);
                        At::Plain
                    }
                };
                if self.row.len() > ROW_BYTES_MAX {
                    return Err(CsvError::TooMuch { line: first, what: "bytes", max: ROW_BYTES_MAX });
                }
                if self.ends.len() >= COLUMNS_MAX && at != At::Return {
                    return Err(CsvError::TooMuch { line: first, what: "columns", max: COLUMNS_MAX });
                }
            }
            if from_head {
                self.head.consume(used);
            } else {
                self.source.consume(used);
            }
            if done {
                self.line += 1;
                return Ok(true);
            }
        }
    }
}

/// A file whose first row names its columns.
#[derive(Debug)]
pub struct Table<R: BufRead> {
    rows: Rows<R>,
    names: Vec<String>,
}

impl<R: BufRead> Table<R> {
    /// Reads the first row.
    ///
    /// # Errors
    /// [`CsvError`].
    pub fn open(source: R, separator: u8) -> Result<Self, CsvError> {
        let mut rows = Rows::new(source, separator);
        let names = match rows.next_row()? {
            Some(row) => row.fields().map(|name| name.trim().to_string()).collect(),
            None => return Err(malformed(1, "the file is empty; export it again")),
        };
        Ok(Self { rows, names })
    }

    /// The place of a column.
    ///
    /// # Errors
    /// [`CsvError::Column`] when there is none of that name, or two.
    pub fn column(&self, name: &str) -> Result<usize, CsvError> {
        let mut places = self.names.iter().enumerate().filter(|(_, found)| *found == name);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            _ => {
                let found = self.names.join(", ").chars().take(300).collect();
                Err(CsvError::Column { name: name.to_string(), found })
            }
        }
    }

    /// How many columns are named.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// The next row, which has as many fields as there are columns.
    ///
    /// # Errors
    /// [`CsvError`].
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let columns = self.names.len();
        match self.next_row_or_longer()? {
            Some(row) if row.len() != columns => Err(uneven(row, columns)),
            row => Ok(row),
        }
    }

    /// The next row, which has a field for each column and may have more behind that no column names:
    /// what a spreadsheet held beside the table.
    ///
    /// # Errors
    /// [`CsvError`].
    pub fn next_row_or_longer(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        let columns = self.names.len();
        match self.rows.next_row()? {
            Some(row) if row.len() < columns => Err(uneven(row, columns)),
            row => Ok(row),
        }
    }
}

fn uneven(row: Row<'_>, columns: usize) -> CsvError {
    let reason = format!(
        "the row has {} fields, the first row names {columns}; look for a separator that is not quoted",
        row.len()
    );
    malformed(row.line, reason)
}

/// Which sign stands before the decimals, and so which ones may stand between thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimals {
    /// `1 234,50` or `1.234,50`.
    Comma,
    /// `1,234.50` or `1 234.50`.
    Point,
}

/// Reads money as people write it, in the minor unit (øre, pence): `1 234,50`, `-470000`, `£1,234.50`,
/// `(12.00)`. Thousands are grouped by one sign or not at all; at most two decimals that are not zero.
pub fn amount(text: &str, decimals: Decimals) -> Option<Amount> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => (true, inner.trim()),
        None => (false, text),
    };
    let sign = |text| -> Option<&str> {
        ['-', '\u{2212}'].into_iter().find_map(|sign| str::strip_prefix(text, sign))
    };
    let unit = |text| {
        let units = ["£", "kr", "NOK"];
        units.into_iter().find_map(|unit| str::strip_prefix(text, unit)).map_or(text, str::trim_start)
    };
    let (minus, text) = sign(text).map_or((false, text), |rest| (true, rest.trim_start()));
    let text = unit(text);
    let (late, text) = sign(text).map_or((false, text), |rest| (true, rest));
    if usize::from(negative) + usize::from(minus) + usize::from(late) > 1 {
        return None;
    }
    let (point, other) = match decimals {
        Decimals::Comma => (',', '.'),
        Decimals::Point => ('.', ','),
    };
    let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
    let spaces = [' ', '\u{A0}', '\u{202F}'];
    let mut group = None;
    let mut plain = String::with_capacity(text.len().min(40));
    let mut since = 0;
    for c in whole.chars() {
        if c.is_ascii_digit() {
            plain.push(c);
            since += 1;
        } else {
            let kind = if spaces.contains(&c) { ' ' } else { c };
            let fits = if group.is_none() { (1..=3).contains(&since) } else { since == 3 };
            if !(kind == ' ' || kind == other) || group.is_some_and(|known| known != kind) || !fits {
                return None;
            }
            (group, since) = (Some(kind), 0);
        }
        if plain.len() > 20 {
            return None;
        }
    }
    if (group.is_some() && since != 3) || plain.is_empty() || fraction.contains('.') {
        return None;
    }
    if text.contains(point) {
        plain.push('.');
        plain.push_str(fraction.get(..fraction.len().min(30))?);
    }
    let value = Amount::from_decimal(&plain)?;
    if negative || minus || late { value.checked_neg() } else { Some(value) }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Between fields.
    pub separator: u8,
    /// Before decimals.
    pub decimals: Decimals,
}

impl Style {
    /// As programs read it.
    pub const PLAIN: Self = Self { separator: b',', decimals: Decimals::Point };
    /// As spreadsheets set to Norwegian read it.
    pub const NORWEGIAN: Self = Self { separator: b';', decimals: Decimals::Comma };

    /// An amount in this style, without thousands grouped.
    pub fn amount(self, amount: Amount) -> String {
        match self.decimals {
            Decimals::Point => amount.to_decimal(),
            Decimals::Comma => amount.to_decimal().replace('.', ","),
        }
    }
}

/// Writes rows: quoted where needed, lines ended by CRLF.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    style: Style,
}

impl<W: Write> Writer<W> {
    /// Begins a file. Give a buffered `out`.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style }
    }

    /// The style of the file.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Writes one row.
    ///
    /// # Errors
    /// What `out` says.
    pub fn row<T: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = T>) -> io::Result<()> {
        let separator = self.style.separator;
        let mut count = 0;
        let mut empty = true;
        for field in fields {
            let field = field.as_ref();
            if count > 0 {
                self.out.write_all(&[separator])?;
            }
            count += 1;
            empty &= field.is_empty();
            let special = |byte: u8| byte == separator || matches!(byte, b'"' | b'\r' | b'\n');
            // A mark at the start of a file would be taken for that of its encoding.
            if field.bytes().any(special) || field.starts_with('\u{FEFF}') {
                write!(self.out, "\"{}\"", field.replace('"', "\"\""))?;
            } else {
                self.out.write_all(field.as_bytes())?;
            }
        }
        if count == 1 && empty {
            // A line with nothing on it would be passed over.
            self.out.write_all(b"\"\"")?;
        }
        self.out.write_all(b"\r\n")
    }

    /// Gives `out` back, flushed.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
#[path = "csv/tests.rs"]
mod tests;
