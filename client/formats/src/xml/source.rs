//! The bytes of an XML file as UTF-8 text: byte order mark and declaration taken off, ISO-8859-1 put
//! into UTF-8 a window at a time, and no part longer than its limit handed on.
//!
//! It leaves out XML itself. Invariant: at most [`WINDOW_BYTES`] of the file are held at a time.

use std::io::{self, BufRead, Read};

use super::{XmlError, declared_encoding, is_space, malformed, skip_declaration};

/// What is put into UTF-8 at a time.
const WINDOW_BYTES: usize = 32 << 10;
/// A declaration is short and stands first.
const HEAD_BYTES: usize = 512;

/// A source whose parts are counted: it fails once a part has taken all it may.
pub(super) struct Source<R> {
    inner: R,
    /// What was read to find the encoding and is not handed on yet.
    head: Vec<u8>,
    at: usize,
    /// A window in UTF-8, where the file is in ISO-8859-1.
    window: Option<Vec<u8>>,
    window_at: usize,
    /// Bytes that the current part may still take.
    left: usize,
    /// Bytes of the file before those handed on.
    skipped: u64,
}

/// Why a file does not begin as one that is read.
pub(super) enum Unread {
    Xml(XmlError),
    Io(io::Error),
}

impl<R: BufRead> Source<R> {
    pub(super) fn open(mut inner: R) -> Result<Self, Unread> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        inner.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Unread::Io)?;
        if let Some(found) = wide(&head) {
            return Err(Unread::Xml(XmlError::Encoding { found: found.to_string() }));
        }
        let marked = head.starts_with(b"\xEF\xBB\xBF");
        let mark = if marked { 3 } else { 0 };
        let declared = declared_encoding(&head[mark..]);
        let latin = match declared.as_deref() {
            None | Some("utf-8") => false,
            Some("iso-8859-1") if !marked => true,
            Some("iso-8859-1") => {
                let found = "UTF-8 by its first bytes, ISO-8859-1 by its word".to_string();
                return Err(Unread::Xml(XmlError::Encoding { found }));
            }
            Some(other) => {
                let found = other.chars().take(40).collect();
                return Err(Unread::Xml(XmlError::Encoding { found }));
            }
        };
        let at = mark + declaration(&head[mark..]).map_err(Unread::Xml)?;
        let window = latin.then(|| Vec::with_capacity(2 * WINDOW_BYTES));
        Ok(Self { inner, head, at, window, window_at: 0, left: 0, skipped: at as u64 })
    }

    /// Begins a part of at most so many bytes.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.left = bytes;
    }

    /// Whether the part took all it may.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    fn raw(&mut self) -> io::Result<&[u8]> {
        if self.at < self.head.len() { Ok(&self.head[self.at..]) } else { self.inner.fill_buf() }
    }

    fn consume_raw(&mut self, bytes: usize) {
        if self.at < self.head.len() {
            self.at += bytes;
        } else {
            self.inner.consume(bytes);
        }
    }

    fn fill_window(&mut self, mut window: Vec<u8>) -> io::Result<Vec<u8>> {
        window.clear();
        let raw = self.raw()?;
        let taken = raw.len().min(WINDOW_BYTES);
        for byte in &raw[..taken] {
            // Every byte of ISO-8859-1 is the Unicode character of the same number.
            window.extend_from_slice(char::from(*byte).encode_utf8(&mut [0; 2]).as_bytes());
        }
        self.consume_raw(taken);
        Ok(window)
    }
}

/// The length of the declaration, if there is one; checks its form.
fn declaration(head: &[u8]) -> Result<usize, XmlError> {
    let begins =
        head.starts_with(b"<?xml") && head.get(5).is_none_or(|b| *b == b'?' || is_space(char::from(*b)));
    if !begins {
        return Ok(0);
    }
    let Some(end) = head.windows(2).position(|pair| pair == b"?>") else {
        return Err(malformed("an XML declaration without an end", 0));
    };
    let text: String = head[..end + 2].iter().map(|b| char::from(*b)).collect();
    skip_declaration(&text)?;
    Ok(end + 2)
}

/// An encoding of two or four bytes a character, by the first bytes of a file in it.
fn wide(head: &[u8]) -> Option<&'static str> {
    let begins = |start: &[u8]| head.starts_with(start);
    if begins(b"\xFF\xFE\0\0") || begins(b"\0\0\xFE\xFF") || begins(b"<\0\0\0") || begins(b"\0\0\0<") {
        Some("UTF-32")
    } else if begins(b"\xFF\xFE") || begins(b"\xFE\xFF") || begins(b"<\0") || begins(b"\0<") {
        Some("UTF-16")
    } else {
        None
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other("a part of the file is longer than its limit"));
        }
        if self.window.as_ref().is_some_and(|window| self.window_at >= window.len()) {
            let window = self.window.take().unwrap_or_default();
            self.window = Some(self.fill_window(window)?);
            self.window_at = 0;
        }
        let left = self.left;
        let available = match &self.window {
            Some(window) => &window[self.window_at..],
            None if self.at < self.head.len() => &self.head[self.at..],
            None => self.inner.fill_buf()?,
        };
        Ok(&available[..available.len().min(left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        if self.window.is_some() {
            self.window_at += bytes;
        } else {
            self.consume_raw(bytes);
        }
    }
}
