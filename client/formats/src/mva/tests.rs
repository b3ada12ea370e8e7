use ledger::amount::{Amount, Total};
use ledger::time::Date;
use ledger::transaction::KidRule;

use super::*;
use crate::bank::Kid;

fn sent(today: u32) -> Circumstances {
    Circumstances {
        today: Date::new(today).unwrap(),
        first_of_term: true,
        claimed_this_year: false,
        next_term_open: false,
        registered: true,
    }
}

fn sum(code: u16, rate: u16, base: i128, vat: i128) -> Sum {
    Sum { code, rate: Rate(rate), base: Total(base), vat: Total(vat) }
}

/// Worked example E8: E2, E3 and E7 of the term.
fn e8() -> (Return, Amount) {
    let of = Claim {
        entity: OrgNumber::parse("964965226").unwrap(),
        term: 3,
        year: 2026,
        reference: "S-2026-3".to_string(),
        kid: Kid::parse("2345676", KidRule::Mod10),
    };
    let sums = [
        sum(86, 2500, 8_000_000, 2_000_000),
        sum(1, 2500, 10_000_000, 2_500_000),
        sum(11, 1500, 833_333, 125_000),
        sum(13, 1200, 123_456, 14_815),
    ];
    claim(&of, &sums).unwrap()
}

fn rules(given: &Return, circumstances: &Circumstances) -> Vec<&'static str> {
    check(given, circumstances).iter().map(|finding| finding.rule).collect()
}

#[test]
fn e8_the_claim_of_the_term_is_what_the_books_hold_and_fifteen_ore_are_left() {
    let (made, left) = e8();
    let lines: Vec<_> = made.lines.iter().map(|line| (line.code, line.base.unwrap().0, line.vat.0)).collect();
    assert_eq!(
        lines,
        [(1, -100_000, -25_000), (11, -8_333, -1_250), (13, -1_235, -148), (86, -80_000, -20_000)]
    );
    assert_eq!((made.determined, left), (Kroner(-46_398), Amount(15)));
    let written = write(&made, &sent(20260710)).unwrap();
    assert_eq!(written.findings, []);
    assert_eq!(
        String::from_utf8_lossy(&written.file),
        include_str!("../../testdata/mva/e8-kompensasjon.xml")
    );
    assert_eq!(Return::read(&written.file).unwrap(), made);
}

#[test]
fn each_rule_of_the_agency_finds_the_claim_that_breaks_it() {
    let today = sent(20260710);
    let broken = |change: &dyn Fn(&mut Return)| {
        let mut made = e8().0;
        change(&mut made);
        made
    };
    let loss = "tapPåKrav";
    for (rule, made) in [
        ("R018", broken(&|r| r.determined.0 -= 1)),
        ("R019", broken(&|r| (r.lines[0].vat.0, r.determined.0) = (-25_002, -46_400))),
        ("R019", broken(&|r| r.lines[0].base = Some(Kroner(-100_006)))),
        ("R079", broken(&|r| r.kid = Some("3400000932456871".to_string()))),
        ("F-PARTY", broken(&|r| r.taxpayer = Taxpayer::Unregistered("964965227".to_string()))),
        (
            "R086",
            broken(&|r| {
                r.lines[2] = Line { base: Some(Kroner(1_235)), vat: Kroner(148), ..r.lines[2].clone() };
                r.determined.0 += 296;
            }),
        ),
        ("R087", broken(&|r| r.lines[1].specification = Some(check::ADJUSTMENT_TEXT.to_string()))),
        ("R088", broken(&|r| r.lines[3].code = 87)),
        ("R091", broken(&|r| r.lines[0].specification = Some(loss.to_string()))),
        ("R092", broken(&|r| r.year = 2022)),
        ("R093", broken(&|r| r.lines[1].base = None)),
        ("R095", broken(&|r| r.term = Term::Month(5))),
        ("R135", broken(&|r| r.term = Term::TwoMonths(4))),
    ] {
        assert_eq!(rules(&made, &today), [rule], "{made:?}");
        let refusal = write(&made, &today);
        assert_eq!(refusal.is_err(), rule != "R019", "{rule}");
    }
    let none = broken(&|r| (r.lines, r.determined) = (Vec::new(), Kroner(-30_000)));
    assert_eq!(rules(&none, &today), ["R018", "R100"]);
    let import = broken(&|r| r.lines[0].code = 81);
    assert_eq!(rules(&import, &Circumstances { registered: false, ..today }), ["R101"]);
}

#[test]
fn r099_r134_the_years_first_claim_is_for_twenty_thousand_before_and_after_the_amendment() {
    let mut made = e8().0;
    made.lines.truncate(1);
    made.lines[0] = Line { base: Some(Kroner(-79_996)), vat: Kroner(-19_999), ..made.lines[0].clone() };
    made.determined = Kroner(-19_999);
    let today = sent(20260710);
    assert_eq!(rules(&made, &today), ["R134"]);
    assert_eq!(
        write(&made, &today).unwrap_err().to_string(),
        "R134 at mvaMeldingDto/skattegrunnlagOgBeregnetSkatt/fastsattMerverdiavgift: the year's first claim is for 19999, it must be 20000 or more; claim together with a later term"
    );
    assert_eq!(rules(&made, &Circumstances { next_term_open: true, ..today }), [""; 0]);
    assert_eq!(rules(&made, &Circumstances { claimed_this_year: true, ..today }), [""; 0]);
    made.year = 2025;
    assert_eq!(rules(&made, &sent(20250710)), ["R099"]);
    assert!(write(&made, &sent(20250710)).is_ok());
    assert_eq!(rules(&made, &sent(20250630)), ["R089", "R099"]);
    assert_eq!(rules(&made, &sent(20250831)), ["R099"]);
    assert_eq!(rules(&made, &sent(20250901)), ["R096"]);
}

#[test]
fn r098_the_first_claim_of_a_term_is_not_over_nothing() {
    let mut made = e8().0;
    made.lines.clear();
    made.determined = Kroner(0);
    assert_eq!(rules(&made, &sent(20260710)), ["R098", "R134"]);
    let later = Circumstances { first_of_term: false, ..sent(20260710) };
    assert_eq!(rules(&made, &later), [""; 0]);
}

#[test]
fn r001_refuses_what_the_schema_refuses_and_names_the_element() {
    let file = String::from_utf8(write(&e8().0, &sent(20260710)).unwrap().file).unwrap();
    for (from, to, says) in [
        (
            "<aar>2026</aar>",
            "",
            "R001 at mvaMeldingDto/skattegrunnlagOgBeregnetSkatt/skattleggingsperiode: aar is missing",
        ),
        (
            "<mvaKode>1</mvaKode>",
            "<mvaKode>1</mvaKode><mvaKode>1</mvaKode>",
            "mvaSpesifikasjonslinje[1]/mvaKode[2]: the element is not expected here",
        ),
        (
            "<meldingskategori>",
            "<merknad/><meldingskategori>",
            "R001 at mvaMeldingDto/merknad: the element is not expected here, meldingskategori is",
        ),
        (
            "mai-juni",
            "juni-juli",
            "skattleggingsperiodeToMaaneder: \"juni-juli\" is not a term of that length",
        ),
        (
            "-46398<",
            "-46398.50<",
            "R082 at mvaMeldingDto/skattegrunnlagOgBeregnetSkatt/fastsattMerverdiavgift: \"-46398.50\" is not an amount of whole kroner",
        ),
        ("-46398<", "1e5<", "fastsattMerverdiavgift: \"1e5\" is not a decimal number"),
        ("-46398<", "9999999999999999<", "is more than is read"),
        ("964965226", "96496522", "skattepliktig/organisasjonsnummer: \"96496522\" is not nine digits"),
        ("<sats>25</sats>", "<sats>mye</sats>", "R003 at"),
        ("<mvaKode>86<", "<mvaKode>8 6<", "R002 at"),
        (
            NAMESPACE,
            "urn:other",
            "R001 at mvaMeldingDto: the outermost element is in the namespace \"urn:other\"",
        ),
        ("<betalingsinformasjon>", "<betalingsinformasjon>x", "F-XML"),
    ] {
        let broken = file.replacen(from, to, 1);
        assert_ne!(broken, file, "{from}");
        let error = Return::read(broken.as_bytes()).unwrap_err();
        let text = format!("{}: {error}", error.rule());
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn every_term_has_one_name_and_reads_back() {
    let mut count = 0;
    for element in Term::elements() {
        for number in 0..=60 {
            let terms = [
                Term::HalfMonth(number),
                Term::Week(number),
                Term::Month(number),
                Term::TwoMonths(number),
                Term::Quarter(number),
                Term::HalfYear(number),
            ];
            for term in terms.into_iter().filter(|term| term.element() == element) {
                if let Some(name) = term.name() {
                    assert_eq!(Term::parse(element, &name), Some(term));
                    count += 1;
                }
            }
        }
    }
    assert_eq!(count, 24 + 53 + 12 + 6 + 4 + 2);
    assert_eq!(Term::parse("skattleggingsperiodeAar", "aarlig"), Some(Term::Year));
}

#[test]
fn the_agencys_word_is_read_with_its_reasons() {
    let text = "<valideringsresultat xmlns=\"no:skatteetaten:fastsetting:avgift:mva:valideringsresultat:v1\">\
        <avvikVedMeldingslevering>ugyldig skattemelding</avvikVedMeldingslevering><avvik>\
        <stiTilAvvik>/x</stiTilAvvik><avviksinformasjon><begrunnelse>KID</begrunnelse>\
        <avvikstype>ugyldig skattemelding</avvikstype><avvikKode>R079</avvikKode>\
        <regelDefinisjon>d</regelDefinisjon></avviksinformasjon></avvik></valideringsresultat>";
    let result = ValidationResult::read(text.as_bytes()).unwrap();
    assert!(!result.is_taken());
    assert_eq!(
        result.deviations,
        [Deviation { place: "/x".to_string(), reasons: vec!["KID (R079)".to_string()] }]
    );
    let other = text.replacen("ugyldig", "bra", 1);
    assert!(
        ValidationResult::read(other.as_bytes()).unwrap_err().to_string().contains("is none of ingen avvik")
    );
}

#[test]
fn what_is_owed_becomes_a_payment_with_the_agencys_kid() {
    let owed = PaymentInformation {
        reference: "1/a".to_string(),
        taxpayer: OrgNumber::parse("964965226").unwrap(),
        term: Term::TwoMonths(3),
        year: 2026,
        kid: "2345676".to_string(),
        amount: Kroner(20_000),
        payee: "Skatteetaten".to_string(),
        due: Date::new(20_260_831).unwrap(),
        account: crate::bank::AccountNumber::parse("12345678903").unwrap(),
    };
    let payment = owed.payment("VAT-3").unwrap().unwrap();
    assert_eq!(
        (payment.amount, payment.reference.unwrap().to_string()),
        (Amount(2_000_000), owed.kid.clone())
    );
    let wrong = PaymentInformation { kid: "2345678".to_string(), ..owed.clone() };
    assert_eq!(wrong.payment("VAT-3").unwrap_err().rule(), "R079");
    assert_eq!(PaymentInformation { amount: Kroner(-1), ..owed }.payment("VAT-3"), Ok(None));
}

#[test]
fn an_envelope_is_refused_for_a_taxpayer_or_text_that_the_schema_does_not_take() {
    let made = e8().0;
    let at = ledger::time::Timestamp(1_777_878_000_000);
    assert!(envelope(&made, "melding", "Stavanger kommune", at, Vec::new()).is_ok());
    assert!(matches!(
        envelope(&made, "", "Stavanger kommune", at, Vec::new()),
        Err(EnvelopeError::Text { field: "name of the file" })
    ));
    let nobody = Return { taxpayer: Taxpayer::Unstated, ..made.clone() };
    assert!(matches!(envelope(&nobody, "m", "S", at, Vec::new()), Err(EnvelopeError::Taxpayer)));
    let never = Return { term: Term::TwoMonths(7), ..made };
    assert!(matches!(envelope(&never, "m", "S", at, Vec::new()), Err(EnvelopeError::Term)));
}
