//! Writes an XML file from its first element to its last, an element at a time.
//!
//! UTF-8, one element a line, indented by a tab. It leaves out what the elements mean and in which
//! order a schema wants them.
//!
//! Invariant: what is written is well-formed once [`Writer::finish`] returned: every element that was
//! opened is closed, text and attribute values are escaped, and what XML lacks became a space.

use std::io::{self, Write};

use super::is_char;

/// An XML file that is being written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    open: Vec<&'static str>,
}

impl<W: Write> Writer<W> {
    /// Begins a file with its declaration. Give a buffered `out`: it is written to piece by piece.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        Ok(Self { out, open: Vec::new() })
    }

    /// Opens an element; names are the caller's own, with prefix if any.
    ///
    /// # Errors
    /// What `out` says.
    pub fn open(&mut self, name: &'static str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.tag(name, attributes)?;
        self.out.write_all(b"\n")?;
        self.open.push(name);
        Ok(())
    }

    /// Closes the innermost open element, if there is one.
    ///
    /// # Errors
    /// What `out` says.
    pub fn close(&mut self) -> io::Result<()> {
        match self.open.pop() {
            Some(name) => {
                self.indent()?;
                writeln!(self.out, "</{name}>")
            }
            None => Ok(()),
        }
    }

    /// Writes an element that holds others: opens it, lets `inner` write, closes it.
    ///
    /// # Errors
    /// What `out` says, or what `inner` returns.
    pub fn within<E: From<io::Error>>(
        &mut self,
        name: &'static str,
        inner: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.open(name, &[])?;
        inner(self)?;
        Ok(self.close()?)
    }

    /// Writes an element that holds text.
    ///
    /// # Errors
    /// What `out` says.
    pub fn leaf(&mut self, name: &'static str, text: &str) -> io::Result<()> {
        self.leaf_with(name, &[], text)
    }

    /// Writes an element with attributes that holds text.
    ///
    /// # Errors
    /// What `out` says.
    pub fn leaf_with(
        &mut self,
        name: &'static str,
        attributes: &[(&str, &str)],
        text: &str,
    ) -> io::Result<()> {
        self.tag(name, attributes)?;
        self.text(text)?;
        writeln!(self.out, "</{name}>")
    }

    /// Closes what is open and gives `out` back, flushed.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn indent(&mut self) -> io::Result<()> {
        for _ in &self.open {
            self.out.write_all(b"\t")?;
        }
        Ok(())
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        self.indent()?;
        write!(self.out, "<{name}")?;
        for (key, value) in attributes {
            write!(self.out, " {key}=\"")?;
            self.text(value)?;
            self.out.write_all(b"\"")?;
        }
        self.out.write_all(b">")
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let instead = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                // A carriage return as it stands would be read back as a line feed.
                '\r' => "&#13;",
                c if is_char(c) => continue,
                _ => " ",
            };
            self.out.write_all(&text.as_bytes()[plain..at])?;
            self.out.write_all(instead.as_bytes())?;
            plain = at + c.len_utf8();
        }
        self.out.write_all(&text.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Tree;

    #[test]
    fn what_is_written_reads_back_and_is_closed_whatever_the_caller_left_open() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.open("a", &[("k", "\"<&>\"")]).unwrap();
        writer.within::<io::Error>("b", |writer| writer.leaf("c", "1 < 2 & æ\u{1}\r]]>")).unwrap();
        writer.open("d", &[]).unwrap();
        let written = writer.finish().unwrap();
        let tree = Tree::read(&written, &[]).unwrap();
        assert_eq!(tree.root().attribute("k"), Some("\"<&>\""));
        assert_eq!(tree.root().first("b/c").unwrap().raw_text(), "1 < 2 & æ \r]]>");
        let text = String::from_utf8(written).unwrap();
        assert!(
            text.ends_with("\t\t<c>1 &lt; 2 &amp; æ &#13;]]&gt;</c>\n\t</b>\n\t<d>\n\t</d>\n</a>\n"),
            "{text}"
        );
    }
}
