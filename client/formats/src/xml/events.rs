//! Reads an XML file of any length, an element at a time, in memory that does not grow with it.
//!
//! For formats that carry a year of books in one file. Elements are told as they open and, with their
//! text, as they close; comments and processing instructions are passed over. As in the tree, document
//! type definitions, entities, mixed content and other encodings than UTF-8 and ISO-8859-1 are refused.
//!
//! Invariant: no input makes the reader panic or hold more than a few times [`PART_BYTES_MAX`]; the
//! length of the file itself has no limit but the reader's patience.

use std::io::{self, BufRead};

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use super::source::{Source, Unread};
use super::{
    ATTRIBUTES_EACH_MAX, DEPTH_MAX, NAME_BYTES_MAX, XmlError, check_name, is_char, is_space, separated,
};

/// A tag, a comment or the text of an element is no longer: the longest text that SAF-T allows has
/// 256 characters, and senders indent by spaces.
pub const PART_BYTES_MAX: usize = 64 << 10;

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// More of something than any real file holds. Rule F-SIZE.
    #[error(
        "{path}: the file holds more than {max} {what} at byte {offset}; ask the sender for a file without it"
    )]
    TooMuch {
        /// What is counted.
        what: &'static str,
        /// How many are read.
        max: usize,
        /// Where, in the decoded file.
        offset: u64,
        /// The elements that are open.
        path: String,
    },
    /// Rule F-XML.
    #[error("the file is encoded in {found}; save it as UTF-8")]
    Encoding {
        /// What its first bytes or its declaration say.
        found: String,
    },
    /// Rule F-XML.
    #[error("{path}: a {what} stands at byte {offset}; such files have none, send the file without it")]
    Forbidden {
        /// What stands there.
        what: &'static str,
        /// Where, in the decoded file.
        offset: u64,
        /// The elements that are open.
        path: String,
    },
    /// Rule F-XML.
    #[error("{path}: not well-formed XML at byte {offset}: {reason}; ask the sender for an undamaged file")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// Where, in the decoded file.
        offset: u64,
        /// The elements that are open.
        path: String,
    },
    /// The source failed; nothing is known of the file.
    #[error("{path}: the file cannot be read on at byte {offset}: {error}; try again")]
    Io {
        /// What the source says.
        error: io::Error,
        /// Where, in the decoded file.
        offset: u64,
        /// The elements that are open.
        path: String,
    },
}

impl EventsError {
    /// The id of the rule that refuses; none where the source failed.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::TooMuch { .. } => Some("F-SIZE"),
            Self::Encoding { .. } | Self::Forbidden { .. } | Self::Malformed { .. } => Some("F-XML"),
            Self::Io { .. } => None,
        }
    }
}

/// One step through a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An element opened; [`Events::path`] ends with it, [`Events::attribute`] knows its attributes.
    Open,
    /// The innermost element closed; [`Events::path`] still ends with it, [`Events::text`] holds its
    /// text, empty for an element of elements.
    Close,
    /// The file is at its end.
    End,
}

/// A file that is being read.
pub struct Events<R: BufRead> {
    reader: NsReader<Source<R>>,
    buffer: Vec<u8>,
    namespace: Option<String>,
    /// Names of the open elements, each after a `/`; the first without.
    path: String,
    /// Length of the path above each open element.
    marks: Vec<usize>,
    /// Whether the innermost open element holds elements.
    parent: bool,
    /// Text of the innermost open element so far, or of the element that just closed.
    text: String,
    attributes: Vec<(String, String)>,
    state: State,
    offset: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Go on reading.
    Running,
    /// An element without content opened; it closes next.
    Closing,
    /// What is innermost closed and leaves the path with the next step.
    Closed,
    Ended,
}

impl<R: BufRead> Events<R> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`EventsError`] when it is encoded in what is not read, or the source fails.
    pub fn open(source: R) -> Result<Self, EventsError> {
        let source = Source::open(source).map_err(|error| match error {
            Unread::Xml(XmlError::Encoding { found }) => EventsError::Encoding { found },
            Unread::Xml(error) => malformed(&error, 0, ""),
            Unread::Io(error) => EventsError::Io { error, offset: 0, path: top("") },
        })?;
        let mut reader = NsReader::from_reader(source);
        reader.config_mut().check_comments = true;
        Ok(Self {
            reader,
            buffer: Vec::new(),
            namespace: None,
            path: String::new(),
            marks: Vec::new(),
            parent: false,
            text: String::new(),
            attributes: Vec::new(),
            state: State::Running,
            offset: 0,
        })
    }

    /// The open elements, outermost first: `AuditFile/Header/Company`. Names outside the namespace of
    /// the outermost element are written `?:Name`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.marks.len()
    }

    /// The text of the element that just closed, without the white space around.
    pub fn text(&self) -> &str {
        self.text.trim_matches(is_space)
    }

    /// An attribute, without prefix, of the element that just opened.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The namespace of the outermost element; empty before it opened and where it has none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("")
    }

    /// Where the last step was found, in bytes of the decoded file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next step. After [`Step::End`] there is nothing but [`Step::End`].
    ///
    /// # Errors
    /// [`EventsError`], the first that is found; what follows an error is not to be read.
    pub fn step(&mut self) -> Result<Step, EventsError> {
        match self.state {
            State::Running => {}
            State::Closing => {
                self.state = State::Closed;
                self.text.clear();
                return Ok(Step::Close);
            }
            State::Closed => {
                self.state = State::Running;
                let length = self.marks.pop().unwrap_or(0);
                self.path.truncate(length);
                self.parent = true;
                self.text.clear();
            }
            State::Ended => return Ok(Step::End),
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let step = self.read(&mut buffer);
        self.buffer = buffer;
        step
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> Result<Step, EventsError> {
        loop {
            buffer.clear();
            self.offset = self.reader.get_mut().skipped() + self.reader.buffer_position();
            self.reader.get_mut().allow(PART_BYTES_MAX);
            let event = self.reader.read_event_into(buffer);
            let event = match event {
                Ok(event) => event,
                Err(quick_xml::Error::Io(_)) if self.reader.get_mut().is_spent() => {
                    return Err(self.too_much("bytes in one part", PART_BYTES_MAX));
                }
                Err(quick_xml::Error::Io(error)) => {
                    let error = io::Error::new(error.kind(), error.to_string());
                    return Err(EventsError::Io { error, offset: self.offset, path: top(&self.path) });
                }
                Err(error) => return Err(self.malformed(&error)),
            };
            match event {
                Event::Start(start) => {
                    self.start(&start)?;
                    return Ok(Step::Open);
                }
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.state = State::Closing;
                    return Ok(Step::Open);
                }
                Event::End(_) => {
                    if self.marks.is_empty() {
                        return Err(self.malformed(&"an end tag without its start"));
                    }
                    if self.parent {
                        self.no_mixed_content()?;
                    }
                    self.state = State::Closed;
                    return Ok(Step::Close);
                }
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(self.malformed(&"]]> in text"));
                    }
                    self.push(&text.xml10_content())?;
                }
                Event::CData(text) => {
                    self.inside()?;
                    self.push(&text.xml10_content())?;
                }
                Event::GeneralRef(reference) => {
                    self.inside()?;
                    match reference.resolve_char_ref() {
                        Ok(Some(c)) => self.push(c.encode_utf8(&mut [0; 4]))?,
                        Ok(None) => match resolve_predefined_entity(&reference) {
                            Some(text) => self.push(text)?,
                            None => return Err(self.forbidden("reference to an entity")),
                        },
                        Err(error) => return Err(self.malformed(&error)),
                    }
                }
                Event::Comment(text) => self.characters(&text)?,
                Event::PI(instruction) => {
                    self.characters(&instruction)?;
                    let name = instruction.target();
                    if check_name(None, name, 0).is_err() || name.eq_ignore_ascii_case("xml") {
                        return Err(self.malformed(&"a processing instruction without a name"));
                    }
                }
                Event::Decl(_) => return Err(self.malformed(&"a second XML declaration")),
                Event::DocType(_) => return Err(self.forbidden("document type definition")),
                Event::Eof => {
                    if self.marks.is_empty() && self.namespace.is_some() {
                        self.state = State::Ended;
                        return Ok(Step::End);
                    }
                    return Err(self.malformed(&"the file ends before its outermost element does"));
                }
            }
        }
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), EventsError> {
        if self.marks.is_empty() && self.namespace.is_some() {
            return Err(self.malformed(&"a second outermost element"));
        }
        if self.marks.len() >= DEPTH_MAX {
            return Err(self.too_much("levels of elements", DEPTH_MAX));
        }
        self.no_mixed_content()?;
        let name = start.name();
        if name.as_ref().len() > 2 * NAME_BYTES_MAX {
            return Err(self.too_much("bytes in one name", NAME_BYTES_MAX));
        }
        let (namespace, local) = self.reader.resolver().resolve_element(name);
        let uri = match namespace {
            ResolveResult::Bound(uri) => uri.into_inner(),
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(_) => return Err(self.malformed(&"a prefix that is not declared")),
        };
        let own = match &self.namespace {
            Some(namespace) => namespace == uri,
            None => {
                self.namespace = Some(uri.to_string());
                true
            }
        };
        if name.prefix().is_some_and(|prefix| prefix.is_xmlns())
            || check_name(name.prefix().map(|prefix| prefix.into_inner()), local.into_inner(), 0).is_err()
        {
            return Err(self.malformed(&"a name that is not one"));
        }
        self.marks.push(self.path.len());
        if self.path.is_empty() {
            self.path.reserve(1024);
        } else {
            self.path.push('/');
        }
        if !own {
            self.path.push_str("?:");
        }
        self.path.push_str(local.into_inner());
        self.parent = false;
        self.attributes(start)
    }

    fn attributes(&mut self, start: &BytesStart<'_>) -> Result<(), EventsError> {
        self.attributes.clear();
        if start.attributes_raw().is_empty() {
            return Ok(());
        }
        if !separated(start.attributes_raw()) {
            return Err(self.malformed(&"attributes without space between"));
        }
        for (count, attribute) in start.attributes().enumerate() {
            if count >= ATTRIBUTES_EACH_MAX {
                return Err(self.too_much("attributes of one element", ATTRIBUTES_EACH_MAX));
            }
            let attribute = attribute.map_err(|error| self.malformed(&error))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.malformed(&error))?;
            if attribute.value.contains('<') || !value.chars().all(is_char) {
                return Err(self.malformed(&"an attribute with a character that must not stand there"));
            }
            let (namespace, local) = self.reader.resolver().resolve_attribute(attribute.key);
            let prefix = attribute.key.prefix().map(|prefix| prefix.into_inner());
            if check_name(prefix, local.into_inner(), 0).is_err() {
                return Err(self.malformed(&"a name that is not one"));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            match namespace {
                ResolveResult::Unbound => {
                    self.attributes.push((local.into_inner().to_string(), value.into_owned()));
                }
                // Such as xsi:schemaLocation: nothing is asked of them.
                ResolveResult::Bound(_) => {}
                ResolveResult::Unknown(_) => return Err(self.malformed(&"a prefix that is not declared")),
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), EventsError> {
        self.characters(text)?;
        if self.marks.is_empty() && !text.chars().all(is_space) {
            return Err(self.malformed(&"text outside the outermost element"));
        }
        if self.text.len() + text.len() > PART_BYTES_MAX {
            return Err(self.too_much("bytes of text in one element", PART_BYTES_MAX));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn characters(&self, text: &str) -> Result<(), EventsError> {
        match text.chars().find(|c| !is_char(*c)) {
            Some(c) => Err(self.malformed(&format!("character U+{:04X} has no place in XML", u32::from(c)))),
            None => Ok(()),
        }
    }

    fn inside(&self) -> Result<(), EventsError> {
        if self.marks.is_empty() {
            return Err(self.malformed(&"text outside the outermost element"));
        }
        Ok(())
    }

    /// An element holds either text or elements: anything else could be read in two ways.
    fn no_mixed_content(&mut self) -> Result<(), EventsError> {
        if !self.text.chars().all(is_space) {
            return Err(self.malformed(&"text between elements"));
        }
        self.text.clear();
        Ok(())
    }

    fn too_much(&self, what: &'static str, max: usize) -> EventsError {
        EventsError::TooMuch { what, max, offset: self.offset, path: top(&self.path) }
    }

    fn forbidden(&self, what: &'static str) -> EventsError {
        EventsError::Forbidden { what, offset: self.offset, path: top(&self.path) }
    }

    fn malformed(&self, reason: &dyn std::fmt::Display) -> EventsError {
        malformed(reason, self.offset, &self.path)
    }
}

/// What a message calls the place.
fn top(path: &str) -> String {
    if path.is_empty() { "the file".to_string() } else { path.to_string() }
}

fn malformed(reason: &dyn std::fmt::Display, offset: u64, path: &str) -> EventsError {
    // A reason may quote the file, and a file may hold names of any length.
    let reason = reason.to_string().chars().take(200).collect();
    EventsError::Malformed { reason, offset, path: top(path) }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
