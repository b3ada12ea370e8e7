use super::*;
use ledger::codec;

/// A request that pays Kari Nordmann 5 000,00 for what nobody else shall know.
fn request() -> String {
    include_str!("../testdata/payment-request/stavanger.xml").to_string()
}

const SALTS: Salts = Salts { content: [1; 32], payee: [2; 32], party: [3; 32] };

fn submitted(file: &str, salts: &Salts) -> Submission {
    let accepted = check(file.as_bytes(), &Options::default()).unwrap();
    let date = Date::new(20260505).unwrap();
    let plan = Plan { date, default: None, file: file.as_bytes(), salts };
    document(&accepted.request, &plan).unwrap()
}

#[test]
fn a_pay_out_to_a_person_enters_the_ledger_without_the_person() {
    let file = request();
    let made = submitted(&file, &SALTS);
    let document = &made.document;
    assert_eq!((document.buyer, document.id.seller), (document.id.seller, document.buyer));
    assert_eq!((document.payable, document.prepaid), (Amount(500_000), Amount(50_000)));
    let lines: Vec<_> =
        document.lines.iter().map(|l| (l.account.to_string(), l.net.0, l.cost_centre, l.project)).collect();
    assert_eq!(lines, [("1.254.470".to_string(), 550_000, Some(4102), Some(542))]);
    let mut bytes = codec::encode(document);
    bytes.extend([made.party.0, made.payee_tag.0].concat());
    let on_chain = format!("{} {made:?}", String::from_utf8_lossy(&bytes)).to_lowercase();
    for private in
        ["kari", "nordmann", "86011117947", "2345676", "4711", "sykepleie", "skade", "reise", "p-01"]
    {
        assert!(file.to_lowercase().contains(private));
        assert!(!on_chain.contains(private), "{private}: {on_chain}");
    }
}

#[test]
fn l6_the_same_request_has_the_same_number_and_another_salt_tells_nothing() {
    let file = request();
    let first = submitted(&file, &SALTS);
    assert_eq!(first, submitted(&file, &SALTS));
    assert!(first.document.id.number.as_str().starts_with("U-"));
    assert_eq!(first.document.id.number.as_str().len(), 32);
    let next = submitted(&file.replace("2026/4711", "2026/4712"), &SALTS);
    assert_ne!(next.document.id, first.document.id);
    assert_eq!(next.party, first.party);
    let moved = submitted(&file.replace("86011117947", "12345678903"), &SALTS);
    assert!(moved.party == first.party && moved.payee_tag != first.payee_tag);
    let other = submitted(&file, &Salts { party: [4; 32], ..SALTS });
    assert_ne!((other.party, &other.document.id.number), (first.party, &first.document.id.number));
}

#[test]
fn each_rule_refuses_the_request_that_breaks_it_and_names_what_was_found() {
    for (from, to, rules, says) in [
        ("86011117947", "112233445566", "F-ACCOUNT", "account 112233445566 is neither eleven digits"),
        ("2345676", "2345678", "F-KID", "reference \"2345678\" has no valid check digit"),
        (">5000.00<", ">4999.99<", "EHF-PR-R001", "5 500,00 less 500,00 prepaid is not 4 999,99"),
        (">500.00<", ">-500.00<", "EHF-PR-R002 EHF-PR-R001", "-500,00 is below zero"),
        (">4000.00<", ">4000.01<", "F-LINES", "the lines add up to 5 500,01, 5 500,00 is stated"),
        (">4000.00<", ">4000.001<", "F-AMOUNT F-LINES", "\"4000.001\" is not an amount of whole øre"),
        (">NOK<", ">SEK<", "F-CURRENCY", "\"SEK\" is not NOK"),
        ("\"NOK\">4000", "\"EUR\">4000", "F-CURRENCY", "the amount is in \"EUR\""),
        (">964965226<", ">964965227<", "F-PARTY", "organisation number 964965227"),
        ("schemeID=\"0192\"", "schemeID=\"0088\"", "F-PARTY", "no organisation number (scheme 0192)"),
        ("2026-05-18", "2026-02-30", "F-DATE", "2026-02-30"),
        ("<cbc:IssueDate>2026-05-04</cbc:IssueDate>", "", "F-UBL", "missing or empty"),
        ("<cbc:Name>Kari Nordmann</cbc:Name>", "", "F-PAYEE", "nobody is named"),
        ("cac:PaymentMeans>", "cac:Other>", "F-ACCOUNT", "0 ways to pay"),
        ("payment-request:3.0", "payment-request:2.0", "F-PROFILE", "payment-request:2.0"),
        ("<Invoice ", "<Order ", "F-XML", "not well-formed"),
    ] {
        let file = request();
        let broken = if from.starts_with("cac:PaymentMeans") {
            file.replace(from, to)
        } else {
            file.replacen(from, to, 1)
        };
        assert_ne!(broken, file, "{from}");
        let refused = check(broken.as_bytes(), &Options::default()).unwrap_err();
        let found: Vec<_> = refused.findings().map(|finding| finding.rule).collect();
        assert_eq!(found.join(" "), rules, "{refused:?}");
        assert!(refused.first().message.contains(says), "{refused}");
    }
}

#[test]
fn a_text_is_a_reference_where_no_agreement_asks_for_a_kid() {
    let file = request().replace(">2345676<", ">Stønad mai<");
    let accepted = check(file.as_bytes(), &Options::default()).unwrap();
    assert_eq!(accepted.request.payee.reference, Some(Reference::Text("Stønad mai".to_string())));
    let refused = check(file.as_bytes(), &Options { kid: Some(KidRule::Mod10) }).unwrap_err();
    assert_eq!(refused.first().rule, "F-KID");
    let uncoded = request().replace("art=470;funksjon=254;ansvar=4102;prosjekt=542", "123:123:15415");
    let accepted = check(uncoded.as_bytes(), &Options::default()).unwrap();
    assert_eq!(accepted.findings.iter().filter(|finding| finding.rule == "F-POSTING").count(), 2);
    let plan = Plan { date: accepted.request.issued, default: None, file: uncoded.as_bytes(), salts: &SALTS };
    assert!(matches!(document(&accepted.request, &plan), Err(BookingError::NoCoding { .. })));
}
