//! One strict, bounded XML reader for every format of the trade, and the few words that writing
//! needs.
//!
//! A file becomes a tree in memory whose elements know their path, so that a refusal can say where
//! it found what. Comments and processing instructions are passed over. It leaves out what an
//! element means, schemas, and every part of XML that a payment file has no use for: document type
//! definitions, entities, mixed content, encodings other than UTF-8 and ISO-8859-1.
//!
//! Invariant: no input makes the reader panic, and a tree takes at most a few times the memory of
//! the largest file ([`BYTES_MAX`]), however the file is built.

pub mod events;
mod source;
pub mod writer;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// A larger file is refused unread. Peppol access points take more for embedded attachments, but
/// an attachment has no business in a file that is booked.
pub const BYTES_MAX: usize = 10 << 20;
/// UBL and ISO 20022 nest about fifteen deep.
pub const DEPTH_MAX: usize = 48;
/// A file of the full size holds this many elements of ordinary length; shorter ones are a bomb.
pub const ELEMENTS_MAX: usize = 400_000;
/// As many attributes as elements: hardly any element has more than one.
pub const ATTRIBUTES_MAX: usize = 400_000;
/// Attributes of one element, namespace declarations included: some senders declare thirty.
pub const ATTRIBUTES_EACH_MAX: usize = 64;
/// No name in UBL or ISO 20022 has more than 50 characters.
pub const NAME_BYTES_MAX: usize = 128;

/// Why bytes are not an XML file that is read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nothing of it was read. Rule F-SIZE.
    #[error("the file has {actual} bytes, at most {BYTES_MAX} are read; send it without its attachments")]
    TooLong {
        /// Length of the file.
        actual: usize,
    },
    /// More of something than any real file holds. Rule F-SIZE.
    #[error("the file holds more than {max} {what}; split it")]
    TooMuch {
        /// What is counted.
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// Rule F-XML.
    #[error("the file is encoded in {found}; save it as UTF-8")]
    Encoding {
        /// What its first bytes or its declaration say.
        found: String,
    },
    /// Rule F-XML.
    #[error("a {what} stands at byte {offset}; payment files have none, send the file without it")]
    Forbidden {
        /// What stands there.
        what: &'static str,
        /// Where, in the decoded file.
        offset: usize,
    },
    /// Rule F-XML.
    #[error("not well-formed XML at byte {offset}: {reason}; ask the sender for an undamaged file")]
    Malformed {
        /// What is wrong.
        reason: String,
        /// Where, in the decoded file.
        offset: usize,
    },
}

impl XmlError {
    /// The id of the rule that refuses.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::TooLong { .. } | Self::TooMuch { .. } => "F-SIZE",
            Self::Encoding { .. } | Self::Forbidden { .. } | Self::Malformed { .. } => "F-XML",
        }
    }
}

/// A namespace that the caller knows, and the prefix that it is written with here and in messages,
/// whatever the file calls it.
pub type Prefix = (&'static str, &'static str);

/// Names outside the caller's namespaces and the root's.
const FOREIGN: u8 = u8::MAX;
/// Names in the namespace of the root element, which need no prefix.
const ROOT: u8 = u8::MAX - 1;

/// A file, read.
#[derive(Clone, Debug)]
pub struct Tree {
    prefixes: Vec<&'static str>,
    names: Vec<(u8, Box<str>)>,
    nodes: Vec<Node>,
    attributes: Vec<(u32, Span)>,
    text: String,
    namespace: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One element; those below it follow it directly, up to `end`.
#[derive(Clone, Debug)]
struct Node {
    name: u32,
    parent: u32,
    end: u32,
    text: Span,
    attributes: Span,
}

impl Tree {
    /// Reads a file. `prefixes` are the namespaces the caller asks for by prefix; names of the root
    /// element's own namespace are asked for without one.
    ///
    /// # Errors
    /// [`XmlError`], the first that is found.
    pub fn read(bytes: &[u8], prefixes: &[Prefix]) -> Result<Self, XmlError> {
        if bytes.len() > BYTES_MAX {
            return Err(XmlError::TooLong { actual: bytes.len() });
        }
        let source = decode(bytes)?;
        if let Some((offset, c)) = source.char_indices().find(|(_, c)| !is_char(*c)) {
            return Err(malformed(format!("character U+{:04X} has no place in XML", u32::from(c)), offset));
        }
        let body = skip_declaration(&source)?;
        Builder::new(prefixes, source.len() - body.len()).read(body)
    }

    /// The outermost element.
    pub fn root(&self) -> Element<'_> {
        Element { tree: self, index: 0 }
    }

    /// Every element, in the order of the file.
    pub fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len()).map(|index| Element { tree: self, index })
    }
}

/// An element of a [`Tree`].
#[derive(Clone, Copy)]
pub struct Element<'t> {
    tree: &'t Tree,
    index: usize,
}

impl<'t> Element<'t> {
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.index]
    }

    fn qualified(self) -> (u8, &'t str) {
        let (space, local) = &self.tree.names[self.node().name as usize];
        (*space, local)
    }

    /// The name without prefix.
    pub fn local(self) -> &'t str {
        self.qualified().1
    }

    /// Whether it has this name, written with the caller's prefix: `cbc:ID`.
    pub fn is(self, name: &str) -> bool {
        let (space, local) = self.qualified();
        match name.split_once(':') {
            Some((prefix, name)) => {
                local == name && self.tree.prefixes.get(usize::from(space)).is_some_and(|p| *p == prefix)
            }
            None => local == name && space == ROOT,
        }
    }

    /// Whether it is in a namespace that the caller named.
    pub fn is_known(self) -> bool {
        usize::from(self.qualified().0) < self.tree.prefixes.len()
    }

    /// The namespace of the outermost element.
    pub fn namespace(self) -> &'t str {
        &self.tree.namespace
    }

    /// The text in it, without the white space around; empty for an element of elements.
    pub fn text(self) -> &'t str {
        self.raw_text().trim_matches([' ', '\t', '\n', '\r'])
    }

    /// The text in it as it stands.
    pub fn raw_text(self) -> &'t str {
        &self.tree.text[self.node().text.range()]
    }

    /// An attribute that stands without prefix.
    pub fn attribute(self, name: &str) -> Option<&'t str> {
        self.tree.attributes[self.node().attributes.range()]
            .iter()
            .find(|(key, _)| &*self.tree.names[*key as usize].1 == name)
            .map(|(_, value)| &self.tree.text[value.range()])
    }

    /// Whether any attribute stands without prefix, namespace declarations aside.
    pub fn has_attributes(self) -> bool {
        !self.node().attributes.range().is_empty()
    }

    /// The element that holds this one.
    pub fn parent(self) -> Option<Element<'t>> {
        (self.index > 0).then(|| Element { tree: self.tree, index: self.node().parent as usize })
    }

    /// The elements directly in it, in the order of the file.
    pub fn children(self) -> impl Iterator<Item = Element<'t>> {
        let mut next = self.index + 1;
        let end = self.node().end as usize;
        std::iter::from_fn(move || {
            (next < end).then(|| {
                let child = Element { tree: self.tree, index: next };
                next = child.node().end as usize;
                child
            })
        })
    }

    /// The elements directly in it that have this name.
    pub fn named<'n>(self, name: &'n str) -> impl Iterator<Item = Element<'t>> + use<'t, 'n> {
        self.children().filter(move |child| child.is(name))
    }

    /// Every element below it, in the order of the file.
    pub fn descendants(self) -> impl Iterator<Item = Element<'t>> {
        (self.index + 1..self.node().end as usize).map(move |index| Element { tree: self.tree, index })
    }

    /// The first element down a path such as `cac:Party/cbc:EndpointID`.
    pub fn first(self, path: &str) -> Option<Element<'t>> {
        let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let mut found = self.children().filter(|child| child.is(name));
        match rest {
            None => found.next(),
            Some(rest) => found.find_map(|child| child.first(rest)),
        }
    }

    /// Every element down a path, in the order of the file.
    pub fn all(self, path: &str) -> Vec<Element<'t>> {
        let mut found = vec![self];
        for name in path.split('/') {
            found = found.into_iter().flat_map(|element| element.named(name)).collect();
        }
        found
    }

    /// The text of the first element down a path, unless it is empty.
    pub fn value(self, path: &str) -> Option<&'t str> {
        self.first(path).map(Element::text).filter(|text| !text.is_empty())
    }

    /// Where it stands: `Invoice/cac:InvoiceLine[2]/cbc:LineExtensionAmount`.
    pub fn path(self) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(element) = at {
            steps.push(element.step());
            at = element.parent();
        }
        steps.reverse();
        steps.join("/")
    }

    fn step(self) -> String {
        let (space, local) = self.qualified();
        let name = match self.tree.prefixes.get(usize::from(space)) {
            Some(prefix) => format!("{prefix}:{local}"),
            None if space == ROOT => local.to_string(),
            None => format!("?:{local}"),
        };
        let mut siblings = 0;
        let mut number = 0;
        for sibling in self.parent().into_iter().flat_map(Element::children) {
            if sibling.node().name == self.node().name {
                siblings += 1;
                if sibling.index <= self.index {
                    number += 1;
                }
            }
        }
        if siblings > 1 { format!("{name}[{number}]") } else { name }
    }
}

impl std::fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path())
    }
}

fn malformed(reason: impl std::fmt::Display, offset: usize) -> XmlError {
    // A reason may quote the file, and a file may hold names of any length.
    XmlError::Malformed { reason: reason.to_string().chars().take(200).collect(), offset }
}

/// The characters that XML 1.0 lets into a file (production 2).
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn is_name(name: &str) -> bool {
    let start = |c: char| c == '_' || c.is_alphabetic();
    let part = |c: char| start(c) || c.is_alphanumeric() || matches!(c, '-' | '.' | '\u{B7}');
    name.len() <= NAME_BYTES_MAX && name.starts_with(start) && name.chars().all(part)
}

/// The text of a file, by its byte order mark, else its declaration, else UTF-8.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    let marked = bytes.strip_prefix(b"\xEF\xBB\xBF");
    let bytes = marked.unwrap_or(bytes);
    if bytes.starts_with(b"\xFE\xFF")
        || bytes.starts_with(b"\xFF\xFE")
        || bytes.iter().take(4).any(|b| *b == 0)
    {
        return Err(XmlError::Encoding { found: "UTF-16 or UTF-32".to_string() });
    }
    let declared = declared_encoding(bytes);
    match declared.as_deref() {
        None | Some("utf-8") => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => Err(malformed("bytes that are not UTF-8", error.valid_up_to())),
        },
        // Every byte of ISO-8859-1 is the Unicode character of the same number.
        Some("iso-8859-1") if marked.is_none() => {
            Ok(Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()))
        }
        Some("iso-8859-1") => {
            Err(XmlError::Encoding { found: "UTF-8 by its first bytes, ISO-8859-1 by its word".to_string() })
        }
        Some(other) => Err(XmlError::Encoding { found: other.chars().take(40).collect() }),
    }
}

/// The encoding that the declaration names, in lower case.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    // A declaration is ASCII and short, in every encoding that is read here.
    let start = &bytes[..bytes.len().min(256)];
    let length = start.starts_with(b"<?xml").then(|| start.windows(2).position(|pair| pair == b"?>"))??;
    let text: String = start[..length].iter().map(|b| char::from(*b)).collect();
    let (_, rest) = text.split_once("encoding")?;
    let rest = rest.trim_start_matches(is_space).strip_prefix('=')?.trim_start_matches(is_space);
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, _) = rest[1..].split_once(quote)?;
    Some(name.to_ascii_lowercase())
}

/// What follows the XML declaration, if there is one; checks its form.
fn skip_declaration(source: &str) -> Result<&str, XmlError> {
    let Some(rest) =
        source.strip_prefix("<?xml").filter(|rest| rest.starts_with(|c| is_space(c) || c == '?'))
    else {
        return Ok(source);
    };
    let wrong = || malformed("an XML declaration that is not <?xml version=\"1.0\" encoding=\"UTF-8\"?>", 0);
    let (mut words, body) = rest.split_once("?>").ok_or_else(wrong)?;
    for (name, required) in [("version", true), ("encoding", false), ("standalone", false)] {
        let Some(after) =
            words.trim_start_matches(is_space).strip_prefix(name).filter(|_| words.starts_with(is_space))
        else {
            if required {
                return Err(wrong());
            }
            continue;
        };
        let after = after.trim_start_matches(is_space).strip_prefix('=').ok_or_else(wrong)?;
        let after = after.trim_start_matches(is_space);
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(wrong)?;
        let (value, after) = after[1..].split_once(quote).ok_or_else(wrong)?;
        let known = match name {
            "version" => value == "1.0",
            "standalone" => matches!(value, "yes" | "no"),
            _ => true,
        };
        if !known {
            return Err(wrong());
        }
        words = after;
    }
    if words.trim_start_matches(is_space).is_empty() { Ok(body) } else { Err(wrong()) }
}

struct Builder {
    uris: Vec<&'static str>,
    tree: Tree,
    known: BTreeMap<(u8, Box<str>), u32>,
    open: Vec<usize>,
    /// Text of the innermost open element so far.
    pending: String,
    /// Bytes before those that the reader counts.
    skipped: usize,
}

impl Builder {
    fn new(prefixes: &[Prefix], skipped: usize) -> Self {
        let tree = Tree {
            prefixes: prefixes.iter().map(|(prefix, _)| *prefix).collect(),
            names: Vec::new(),
            nodes: Vec::new(),
            attributes: Vec::new(),
            text: String::new(),
            namespace: String::new(),
        };
        let uris = prefixes.iter().map(|(_, uri)| *uri).collect();
        Self { uris, tree, known: BTreeMap::new(), open: Vec::new(), pending: String::new(), skipped }
    }

    fn read(mut self, body: &str) -> Result<Tree, XmlError> {
        let mut reader = NsReader::from_str(body);
        reader.config_mut().check_comments = true;
        loop {
            let offset = self.skipped + usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
            let event = reader.read_event().map_err(|error| malformed(error, offset))?;
            match event {
                Event::Start(start) => self.start(&reader, &start, offset)?,
                Event::Empty(start) => {
                    self.start(&reader, &start, offset)?;
                    self.end(offset)?;
                }
                Event::End(_) => self.end(offset)?,
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(malformed("]]> in text", offset));
                    }
                    self.text(&text.xml10_content(), offset)?;
                }
                Event::CData(text) => {
                    if self.open.is_empty() {
                        return Err(malformed("text outside the outermost element", offset));
                    }
                    self.text(&text.xml10_content(), offset)?;
                }
                Event::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|error| malformed(error, offset))?;
                    if self.open.is_empty() {
                        return Err(malformed("text outside the outermost element", offset));
                    }
                    match character {
                        Some(c) if is_char(c) => self.text(c.encode_utf8(&mut [0; 4]), offset)?,
                        Some(_) => {
                            return Err(malformed("a reference to a character that XML lacks", offset));
                        }
                        None => match resolve_predefined_entity(&reference) {
                            Some(text) => self.text(text, offset)?,
                            None => {
                                return Err(XmlError::Forbidden { what: "reference to an entity", offset });
                            }
                        },
                    }
                }
                Event::Comment(_) => {}
                Event::PI(instruction) => {
                    if !is_name(instruction.target()) || instruction.target().eq_ignore_ascii_case("xml") {
                        return Err(malformed("a processing instruction without a name", offset));
                    }
                }
                Event::Decl(_) => return Err(malformed("a second XML declaration", offset)),
                Event::DocType(_) => {
                    return Err(XmlError::Forbidden { what: "document type definition", offset });
                }
                Event::Eof => {
                    if self.open.is_empty() && !self.tree.nodes.is_empty() {
                        return Ok(self.tree);
                    }
                    return Err(malformed("the file ends before its outermost element does", offset));
                }
            }
        }
    }

    fn start(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        offset: usize,
    ) -> Result<(), XmlError> {
        let nodes = self.tree.nodes.len();
        if self.open.is_empty() && nodes > 0 {
            return Err(malformed("a second outermost element", offset));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooMuch { what: "levels of elements", max: DEPTH_MAX });
        }
        if nodes >= ELEMENTS_MAX {
            return Err(XmlError::TooMuch { what: "elements", max: ELEMENTS_MAX });
        }
        self.no_mixed_content(self.open.last().copied(), offset)?;
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let uri = match namespace {
            ResolveResult::Bound(uri) => uri.into_inner(),
            ResolveResult::Unbound => "",
            ResolveResult::Unknown(_) => return Err(malformed("a prefix that is not declared", offset)),
        };
        if start.name().prefix().is_some_and(|prefix| prefix.is_xmlns()) {
            return Err(malformed("an element with the prefix xmlns", offset));
        }
        check_name(start.name().prefix().map(|prefix| prefix.into_inner()), local.into_inner(), offset)?;
        if nodes == 0 {
            self.tree.namespace = uri.to_string();
        }
        let space = match self.uris.iter().position(|known| *known == uri) {
            Some(index) => u8::try_from(index).unwrap_or(FOREIGN),
            None if uri == self.tree.namespace => ROOT,
            None => FOREIGN,
        };
        let name = self.name(space, local.into_inner());
        let attributes = self.attributes(reader, start, offset)?;
        let parent = self.open.last().copied().unwrap_or(0) as u32;
        self.tree.nodes.push(Node { name, parent, end: 0, text: Span::default(), attributes });
        self.open.push(nodes);
        Ok(())
    }

    fn end(&mut self, offset: usize) -> Result<(), XmlError> {
        let Some(index) = self.open.pop() else {
            return Err(malformed("an end tag without its start", offset));
        };
        let count = self.tree.nodes.len();
        if index + 1 < count {
            self.no_mixed_content(Some(index), offset)?;
        } else {
            self.tree.nodes[index].text = self.store_pending();
        }
        self.tree.nodes[index].end = count as u32;
        self.pending.clear();
        Ok(())
    }

    fn text(&mut self, text: &str, offset: usize) -> Result<(), XmlError> {
        if self.open.is_empty() && !text.chars().all(is_space) {
            return Err(malformed("text outside the outermost element", offset));
        }
        self.pending.push_str(text);
        Ok(())
    }

    /// An element holds either text or elements: anything else is not UBL nor ISO 20022, and could
    /// be read in two ways.
    fn no_mixed_content(&mut self, holder: Option<usize>, offset: usize) -> Result<(), XmlError> {
        if !self.pending.chars().all(is_space) {
            let path = holder.map(|index| Element { tree: &self.tree, index }.path()).unwrap_or_default();
            return Err(malformed(format!("text between elements in {path}"), offset));
        }
        self.pending.clear();
        Ok(())
    }

    fn attributes(
        &mut self,
        reader: &NsReader<&[u8]>,
        start: &BytesStart<'_>,
        offset: usize,
    ) -> Result<Span, XmlError> {
        separated(start.attributes_raw())
            .then_some(())
            .ok_or_else(|| malformed("attributes without space between", offset))?;
        let first = self.tree.attributes.len() as u32;
        for (count, attribute) in start.attributes().enumerate() {
            if count >= ATTRIBUTES_EACH_MAX {
                return Err(XmlError::TooMuch {
                    what: "attributes of one element",
                    max: ATTRIBUTES_EACH_MAX,
                });
            }
            let attribute = attribute.map_err(|error| malformed(error, offset))?;
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| malformed(error, offset))?;
            if attribute.value.contains('<') || !value.chars().all(is_char) {
                return Err(malformed("an attribute with a character that must not stand there", offset));
            }
            let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
            check_name(attribute.key.prefix().map(|prefix| prefix.into_inner()), local.into_inner(), offset)?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            match namespace {
                ResolveResult::Unbound => {}
                // Such as xsi:schemaLocation: nothing is asked of them.
                ResolveResult::Bound(_) => continue,
                ResolveResult::Unknown(_) => return Err(malformed("a prefix that is not declared", offset)),
            }
            if self.tree.attributes.len() >= ATTRIBUTES_MAX {
                return Err(XmlError::TooMuch { what: "attributes", max: ATTRIBUTES_MAX });
            }
            let name = self.name(FOREIGN, local.into_inner());
            let value = self.store(&value);
            self.tree.attributes.push((name, value));
        }
        Ok(Span { start: first, end: self.tree.attributes.len() as u32 })
    }

    fn name(&mut self, space: u8, local: &str) -> u32 {
        let key = (space, Box::from(local));
        if let Some(index) = self.known.get(&key) {
            return *index;
        }
        let index = self.tree.names.len() as u32;
        self.tree.names.push(key.clone());
        self.known.insert(key, index);
        index
    }

    fn store(&mut self, text: &str) -> Span {
        let start = self.tree.text.len() as u32;
        self.tree.text.push_str(text);
        Span { start, end: self.tree.text.len() as u32 }
    }

    fn store_pending(&mut self) -> Span {
        let pending = std::mem::take(&mut self.pending);
        let span = self.store(&pending);
        self.pending = pending;
        span
    }
}

fn check_name(prefix: Option<&str>, local: &str, offset: usize) -> Result<(), XmlError> {
    if prefix.is_none_or(is_name) && is_name(local) {
        Ok(())
    } else {
        Err(malformed("a name that is not one", offset))
    }
}

/// Whether white space stands before each attribute.
fn separated(raw: &str) -> bool {
    let mut quote = None;
    let mut closed = false;
    for c in raw.chars() {
        match quote {
            Some(open) if c == open => (quote, closed) = (None, true),
            Some(_) => {}
            None if closed && !is_space(c) => return false,
            None => {
                closed = false;
                quote = matches!(c, '"' | '\'').then_some(c);
            }
        }
    }
    true
}

/// Text as it stands in XML: the three characters with a meaning of their own are escaped, and what
/// XML lacks becomes a space.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if is_char(c) => escaped.push(c),
            _ => escaped.push(' '),
        }
    }
    escaped
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
