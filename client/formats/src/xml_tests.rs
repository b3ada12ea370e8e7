use super::*;

const PREFIXES: [Prefix; 1] = [("p", "urn:p")];

fn read(text: &str) -> Result<Tree, XmlError> {
    Tree::read(text.as_bytes(), &PREFIXES)
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn names_are_told_apart_by_namespace_and_not_by_prefix() {
    for text in [
        "<a xmlns='urn:a' xmlns:p='urn:p'><p:x>1</p:x><x>2</x><p:x>3</p:x></a>",
        "<r:a xmlns:r='urn:a'><x xmlns='urn:p'>1</x><r:x>2</r:x><q:x xmlns:q='urn:p'>3</q:x></r:a>",
    ] {
        let tree = read(text).unwrap();
        let root = tree.root();
        let texts: Vec<_> = root.all("p:x").into_iter().map(Element::text).collect();
        assert_eq!(texts, ["1", "3"]);
        assert_eq!(root.value("x"), Some("2"));
        assert_eq!(root.all("p:x")[1].path(), "a/p:x[2]");
        assert!(root.first("x").unwrap().is("x") && !root.first("x").unwrap().is("p:x"));
        assert_eq!(root.namespace(), "urn:a");
    }
    let tree = read("<a xmlns='urn:a'><x xmlns='urn:other'/></a>").unwrap();
    assert!(tree.root().first("x").is_none());
    assert_eq!(tree.root().children().next().unwrap().path(), "a/?:x");
}

#[test]
fn paths_attributes_and_text_read_as_they_stand() {
    let tree = read(
        "<?xml version='1.0' encoding='UTF-8'?>\n<!-- c --><a><b k='v&#65;&amp;'> 1 &lt; <![CDATA[<2>]]> &#xe6;\r\n</b>\
         <b><c/><?pi x?></b></a>\n<!-- end -->",
    )
    .unwrap();
    let b = tree.root().first("b").unwrap();
    assert_eq!((b.text(), b.attribute("k"), b.attribute("j")), ("1 < <2> æ", Some("vA&"), None));
    assert_eq!(b.raw_text(), " 1 < <2> æ\n");
    assert_eq!(tree.root().first("b/c").unwrap().path(), "a/b[2]/c");
    assert_eq!(tree.root().value("b/c"), None);
    assert_eq!(tree.elements().count(), 4);
    assert_eq!(tree.root().descendants().count(), 3);
    assert!(tree.root().first("b/c").unwrap().parent().unwrap().parent().unwrap().parent().is_none());
}

#[test]
fn f_xml_a_bomb_or_a_reach_for_another_file_is_refused_unopened() {
    let bomb = "<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;</a>";
    assert!(refused(bomb).starts_with("a document type definition stands at byte 0"));
    let reach = "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><a>&f;</a>";
    assert!(refused(reach).starts_with("a document type definition"));
    assert!(refused("<a>&f;</a>").starts_with("a reference to an entity stands at byte 3"));
    assert!(refused("<a k='&f;'/>").contains("not well-formed"));
    assert!(refused("<a>&#0;</a>").contains("not well-formed"));
    assert!(refused("<a>&#xFFFE;</a>").contains("a character that XML lacks"));
}

#[test]
fn f_size_a_file_deeper_or_larger_than_any_real_one_is_refused() {
    let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    assert!(read(&deep(DEPTH_MAX)).is_ok());
    assert_eq!(refused(&deep(DEPTH_MAX + 1)), "the file holds more than 48 levels of elements; split it");
    assert!(refused(&deep(200_000)).contains("levels of elements"));
    let long = format!("<a>{}</a>", " ".repeat(BYTES_MAX));
    assert!(refused(&long).starts_with("the file has 10485767 bytes, at most 10485760 are read"));
    assert!(read(&format!("<a>{}</a>", "x".repeat(BYTES_MAX - 7))).is_ok());
    assert!(refused(&format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX))).contains("elements"));
    let many: String = (0..=ATTRIBUTES_EACH_MAX).map(|n| format!(" k{n}='v'")).collect();
    assert!(refused(&format!("<a{many}/>")).contains("attributes of one element"));
    assert!(refused(&format!("<{}/>", "a".repeat(NAME_BYTES_MAX + 1))).contains("a name that is not one"));
    for error in [read(&long), read(&deep(49))] {
        assert_eq!(error.unwrap_err().rule(), "F-SIZE");
    }
}

#[test]
fn f_xml_only_utf_8_and_iso_8859_1_are_read() {
    let latin = b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE6\xF8\xE5</a>";
    assert_eq!(Tree::read(latin, &[]).unwrap().root().text(), "æøå");
    let marked = b"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><a>\xC3\xA6</a>";
    assert_eq!(Tree::read(marked, &[]).unwrap().root().text(), "æ");
    for (bytes, says) in [
        (&b"\xFF\xFE<\0a\0/\0>\0"[..], "encoded in UTF-16 or UTF-32"),
        (b"\0<\0a\0/\0>", "encoded in UTF-16 or UTF-32"),
        (b"<?xml version='1.0' encoding='windows-1252'?><a/>", "encoded in windows-1252"),
        (b"\xEF\xBB\xBF<?xml version='1.0' encoding='ISO-8859-1'?><a/>", "ISO-8859-1 by its word"),
        (b"<a>\xE6</a>", "bytes that are not UTF-8"),
        (b"<?xml version='1.0' encoding='UTF-8'?><a>\xE6</a>", "bytes that are not UTF-8"),
        (b"<?xml version='1.1'?><a/>", "an XML declaration that is not"),
        (b"<?xml encoding='UTF-8' version='1.0'?><a/>", "an XML declaration that is not"),
        (b"<?xml version='1.0' standalone='perhaps'?><a/>", "an XML declaration that is not"),
        (b"<?xml version='1.0'", "an XML declaration that is not"),
    ] {
        let error = Tree::read(bytes, &[]).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.rule(), "F-XML");
    }
}

#[test]
fn f_xml_what_is_not_well_formed_or_reads_in_two_ways_is_refused() {
    for text in [
        "",
        " ",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a>text<b/></a>",
        "<a><b/>text</a>",
        "<a k='1' k='2'/>",
        "<a k='1'l='2'/>",
        "<a k=1/>",
        "<a k='<'/>",
        "<a k='&#1;'/>",
        "<a>]]></a>",
        "<a><!-- -- --></a>",
        "<a><?xml version='1.0'?></a>",
        "<a/><?xml version='1.0'?>",
        " <?xml version='1.0'?><a/>",
        "<a>&</a>",
        "<a>&lt</a>",
        "<a\u{0}/>",
        "<a>\u{1}</a>",
        "<a>\u{FFFF}</a>",
        "<1a/>",
        "<a$/>",
        "<p:a/>",
        "<a p:k='1'/>",
        "<xmlns:a/>",
        "<a:b:c xmlns:a='u'/>",
        "<![CDATA[x]]><a/>",
        "<a/>&amp;",
        "<",
        "<a",
        "<a k='",
        "<!",
        "<?",
    ] {
        assert_eq!(read(text).unwrap_err().rule(), "F-XML", "{text}");
    }
}

#[test]
fn written_text_reads_back() {
    let text = "Fjord & \"Sønn\" <AS> ]]> '";
    let tree = read(&format!("<a k=\"{0}\">{0}</a>", escape(text))).unwrap();
    assert_eq!((tree.root().text(), tree.root().attribute("k")), (text, Some(text)));
    assert_eq!(escape("a\u{0}b"), "a b");
}
