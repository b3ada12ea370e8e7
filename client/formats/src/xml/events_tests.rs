use std::io::{BufReader, Read};

use proptest::prelude::*;

use super::*;
use crate::xml::Tree;

/// Every element that closes, with its text.
fn told<R: BufRead>(source: R) -> Result<Vec<String>, EventsError> {
    let mut events = Events::open(source)?;
    let mut found = Vec::new();
    loop {
        match events.step()? {
            Step::Open => {}
            Step::Close => found.push(format!("{}={}", events.path(), events.text())),
            Step::End => return Ok(found),
        }
    }
}

fn refused(text: &str) -> String {
    told(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn elements_are_told_with_their_path_and_text_and_foreign_names_are_marked() {
    let text = "<?xml version='1.0' encoding='UTF-8'?>\n<!-- c --><n:a xmlns:n='urn:a' xmlns:o='urn:o' k='v&amp;'>\
                <n:b> 1 &lt; <![CDATA[<2>]]> &#xe6;\r\n</n:b><o:c/><?pi x?><n:d><n:e/></n:d></n:a>\n<!-- end -->";
    assert_eq!(told(text.as_bytes()).unwrap(), ["a/b=1 < <2> æ", "a/?:c=", "a/d/e=", "a/d=", "a="]);
    let mut events = Events::open(text.as_bytes()).unwrap();
    assert_eq!(events.step().unwrap(), Step::Open);
    assert_eq!((events.path(), events.namespace(), events.depth()), ("a", "urn:a", 1));
    assert_eq!((events.attribute("k"), events.attribute("j")), (Some("v&"), None));
    events.step().unwrap();
    let place = text.find("<n:b>").unwrap() as u64;
    assert_eq!((events.path(), events.offset(), events.attribute("k")), ("a/b", place, None));
    while events.step().unwrap() != Step::End {}
    assert_eq!(events.step().unwrap(), Step::End);
}

#[test]
fn f_xml_a_bomb_or_a_reach_for_another_file_is_refused_where_it_stands() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;&b;&b;'>]><a>&c;</a>";
    assert!(
        refused(bomb).starts_with("the file: a document type definition stands at byte 0"),
        "{}",
        refused(bomb)
    );
    let reach = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><a>&f;</a>";
    assert!(refused(reach).starts_with("the file: a document type definition stands at byte 21"));
    assert!(refused("<a><b>&f;</b></a>").starts_with("a/b: a reference to an entity stands at byte 6"));
    assert!(refused("<a k='&f;'/>").contains("not well-formed"));
    assert!(refused("<a>&#0;</a>").contains("not well-formed"));
    assert!(refused("<a>&#xFFFE;</a>").contains("U+FFFE has no place in XML"));
}

/// The same bytes again and again, and never an end.
struct Endless {
    start: &'static [u8],
    again: &'static [u8],
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for byte in into.iter_mut() {
            *byte = match self.at.checked_sub(self.start.len()) {
                None => self.start[self.at],
                Some(past) => self.again[past % self.again.len()],
            };
            self.at += 1;
        }
        Ok(into.len())
    }
}

#[test]
fn f_size_a_part_without_an_end_is_refused_after_its_first_window() {
    for (start, again, says) in [
        (&b"<a>"[..], &b"<b>"[..], "a/b/b/b/b/b/b"),
        (b"<a>", b"x", "a: the file holds more than 65536 bytes in one part"),
        (b"<a", b" ", "the file: the file holds more than 65536 bytes in one part"),
        (b"<a>", b" &lt; ", "a: the file holds more than 65536 bytes of text in one element"),
        (b"<a><!--", b"x", "a: the file holds more than 65536 bytes in one part"),
        (b"<a><![CDATA[", b"x", "a: the file holds more than 65536 bytes in one part"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><a>", b"\xE6", "a: the file holds more than 65536"),
        (b"<a ", b"b='' ", "65536 bytes in one part"),
        (b"<a><b ", b"c", "a: the file holds more than 65536 bytes in one part"),
        (b"<", b"a", "65536 bytes in one part"),
        (b"<?", b"a", "65536 bytes in one part"),
        (b"", b" ", "65536 bytes in one part"),
        (b"<?xml ", b" ", "a declaration without an end"),
    ] {
        let error = told(BufReader::new(Endless { start, again, at: 0 })).unwrap_err();
        let says = if says.starts_with("a declaration") { "an XML declaration without an end" } else { says };
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.rule().is_some());
    }
    let deep = told(BufReader::new(Endless { start: b"", again: b"<a>", at: 0 })).unwrap_err();
    assert!(deep.to_string().contains("more than 48 levels of elements at byte 144"), "{deep}");
    let many: String = (0..=ATTRIBUTES_EACH_MAX).map(|n| format!(" k{n}='v'")).collect();
    assert!(refused(&format!("<a{many}/>")).contains("attributes of one element"));
    let name = "a".repeat(NAME_BYTES_MAX + 1);
    assert!(refused(&format!("<{name}/>")).contains("a name that is not one"));
}

#[test]
fn f_xml_only_utf_8_and_iso_8859_1_are_read() {
    let mut latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>".to_vec();
    for _ in 0..20_000 {
        latin.extend_from_slice(b"<b>\xE6\xF8\xE5</b>");
    }
    latin.extend_from_slice(b"</a>");
    let texts = told(&latin[..]).unwrap();
    assert_eq!(texts.len(), 20_001);
    assert!(texts[..20_000].iter().all(|text| text == "a/b=æøå"));
    let marked = b"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><a>\xC3\xA6</a>";
    assert_eq!(told(&marked[..]).unwrap(), ["a=æ"]);
    assert_eq!(told(&b"\xEF\xBB\xBF<a/>"[..]).unwrap(), ["a="]);
    for (bytes, says) in [
        (&b"\xFF\xFE<\0a\0/\0>\0"[..], "encoded in UTF-16;"),
        (b"\xFE\xFF\0<\0a\0/\0>", "encoded in UTF-16;"),
        (b"\0<\0a\0/\0>", "encoded in UTF-16;"),
        (b"\xFF\xFE\0\0<\0\0\0", "encoded in UTF-32;"),
        (b"<?xml version='1.0' encoding='windows-1252'?><a/>", "encoded in windows-1252;"),
        (b"\xEF\xBB\xBF<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "ISO-8859-1 by its word"),
        (b"<a>\xE6</a>", "not well-formed"),
        (b"<?xml version='1.1'?><a/>", "an XML declaration that is not"),
    ] {
        let error = told(bytes).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.rule(), Some("F-XML"));
    }
}

#[test]
fn a_source_that_fails_is_not_blamed_on_the_file() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let source = BufReader::new((&b"<a>"[..]).chain(Fails));
    let error = told(source).unwrap_err();
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    assert_eq!(error.rule(), None);
}

fn tree(bytes: &[u8]) -> Option<Vec<String>> {
    let tree = Tree::read(bytes, &[]).ok()?;
    // Elements close after those below them: the tree's order turned round, twice.
    fn visit(element: crate::xml::Element<'_>, found: &mut Vec<String>) {
        element.children().for_each(|child| visit(child, found));
        found.push(format!("{}={}", element.local(), element.text()));
    }
    let mut found = Vec::new();
    visit(tree.root(), &mut found);
    Some(found)
}

const SEEDS: [&str; 4] = [
    include_str!("../../testdata/kreditnota-renhold-stavanger.xml"),
    include_str!("../../testdata/bank/pain.002.001.10-rejected.xml"),
    "<?xml version='1.0' encoding='ISO-8859-1'?><a k='v'><b>&amp;&#65;<![CDATA[x]]></b><!-- c --></a>",
    "<p:a xmlns:p='u'><p:b xmlns='v'><c/>\r\n</p:b><p:d>x</p:d></p:a>",
];

const PIECES: [&str; 20] = [
    "<",
    ">",
    "&",
    "&amp;",
    "&#0;",
    "&lol;",
    "\"",
    "'",
    "=",
    "/",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "\u{0}",
    "\u{FFFE}",
    "é",
    "xmlns=''",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_stream_and_the_tree_take_the_same_files_and_read_the_same_in_them(
        seed in 0..SEEDS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, 0..PIECES.len(), 1..40_usize, any::<u8>()), 0..3),
        window in 1..5000_usize,
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (place, how, piece, length, byte) in damage {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match how {
                0 => { bytes.splice(at..at, PIECES[piece].bytes()); }
                1 => { bytes.drain(at..end); }
                2 => { let copy = bytes[at..end].to_vec(); bytes.splice(at..at, copy); }
                _ => if let Some(old) = bytes.get_mut(at) { *old = byte },
            }
        }
        let told = told(BufReader::with_capacity(window, &bytes[..]));
        let told = told.ok().map(|lines| lines.iter().map(|line| {
            let (path, text) = line.split_once('=').unwrap();
            format!("{}={text}", path.rsplit('/').next().unwrap().trim_start_matches("?:"))
        }).collect::<Vec<_>>());
        prop_assert_eq!(told, tree(&bytes), "{:?}", String::from_utf8_lossy(&bytes));
    }
}
