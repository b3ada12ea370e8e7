use super::*;

fn message(version: &str, entries: &str) -> BankMessage {
    let text = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.{version}\"><BkToCstmrDbtCdtNtfctn>\
         <GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-05-04T09:00:00</CreDtTm></GrpHdr>\
         <Ntfctn><Id>N1</Id><CreDtTm>2026-05-04T09:00:00</CreDtTm>\
         <Acct><Id><Othr><Id>8601 11 17947</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr></Id></Acct>\
         {entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    );
    BankMessage::read(text.as_bytes()).unwrap()
}

fn entry(amount: &str, side: &str, rest: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"NOK\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts>BOOK</Sts>\
         <BookgDt><Dt>2026-05-04</Dt></BookgDt>{rest}</Ntry>"
    )
}

fn shown(movement: &Movement) -> String {
    let id = movement.end_to_end_id.as_deref().unwrap_or("-");
    format!("{:?} {} {} {id}", movement.side, movement.amount, movement.reference)
}

#[test]
fn a_payment_is_booked_under_the_banks_own_reference() {
    let body = entry(
        "125000.00",
        "DBIT",
        "<AcctSvcrRef>BANK-7</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>E4</EndToEndId></Refs>\
         <RmtInf><Strd><CdtrRefInf><Ref>2345676</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls>",
    );
    let message = message("02", &body);
    let movements = message.movements();
    assert_eq!(movements.iter().map(shown).collect::<Vec<_>>(), ["Debit 125 000,00 BANK-7 E4"]);
    assert_eq!(movements[0].number, AccountNumber::parse("86011117947").ok());
    assert_eq!(movements[0].booked, Date::new(20260504).ok());
    assert_eq!(message.accounts[0].entries[0].details[0].creditor_reference.as_deref(), Some("2345676"));
    assert_eq!((message.kind, message.version, &*message.message_id), (Kind::Notification, 2, "M1"));
}

#[test]
fn a_batch_is_split_where_its_parts_make_it_up_and_only_there() {
    let part = |id: &str, amount: &str| {
        format!("<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs><Amt Ccy=\"NOK\">{amount}</Amt></TxDtls>")
    };
    let batch = |amount: &str, parts: &str| {
        let rest = format!(
            "<AcctSvcrRef>B</AcctSvcrRef><NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch>{parts}</NtryDtls>"
        );
        let message = message("08", &entry(amount, "DBIT", &rest));
        assert_eq!(message.accounts[0].entries[0].batch, Some(2));
        message.movements().iter().map(shown).collect::<Vec<_>>()
    };
    let parts = part("E1", "100.00") + &part("E2", "50.00");
    assert_eq!(batch("150.00", &parts), ["Debit 100,00 B/1 E1", "Debit 50,00 B/2 E2"]);
    assert_eq!(batch("150.01", &parts), ["Debit 150,01 B -"]);
    assert_eq!(batch("150.00", &parts.replace("NOK", "EUR")), ["Debit 150,00 B -"]);
}

#[test]
fn l12_no_two_movements_of_a_message_share_a_reference() {
    let again = entry("1.00", "CRDT", "<AcctSvcrRef>R</AcctSvcrRef>");
    let sly = entry("1.00", "CRDT", "<AcctSvcrRef>R#2</AcctSvcrRef>");
    let unnamed = entry("1.00", "CRDT", "");
    let entries = format!("{again}{sly}{again}{again}{unnamed}{unnamed}");
    let references: Vec<_> = message("02", &entries).movements().into_iter().map(|m| m.reference).collect();
    assert_eq!(references, ["R", "R#2", "R#3", "R#4", "M1/0/4", "M1/0/5"]);
}

#[test]
fn money_that_came_back_says_why() {
    let rest = "<NtryDtls><TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>\
                <RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf></TxDtls></NtryDtls>";
    let movement = message("04", &entry("10966.00", "CRDT", rest)).movements().remove(0);
    assert_eq!(movement.returned.map(|code| code.to_string()).as_deref(), Some("AC04"));
    assert_eq!((movement.side, movement.end_to_end_id), (Side::Credit, None));
}

#[test]
fn f_bank_refuses_amounts_dates_and_directions_that_cannot_be_read() {
    let read = |body: &str| {
        let text = format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\"><BkToCstmrStmt>\
             <GrpHdr><MsgId>M</MsgId></GrpHdr><Stmt><Id>S</Id>{body}</Stmt></BkToCstmrStmt></Document>"
        );
        BankMessage::read(text.as_bytes())
    };
    let account = "<Acct><Id><IBAN>NO9386011117947</IBAN></Id></Acct>";
    assert!(read(account).is_ok());
    for (body, says) in [
        (String::new(), "Acct/Id is missing"),
        (format!("{account}{}", entry("1.005", "DBIT", "")), "is not an amount of hundredths"),
        (format!("{account}{}", entry("-1", "DBIT", "")), "is not an amount of hundredths"),
        (format!("{account}{}", entry("99999999999999999999", "DBIT", "")), "is not an amount of hundredths"),
        (format!("{account}{}", entry("1", "UP", "")), "CdtDbtInd is neither"),
        (format!("{account}{}", entry("1", "DBIT", "").replace("2026-05-04", "2026-02-30")), "is not a date"),
        (format!("{account}{}", entry("1", "DBIT", "").replace("2026-05-04", "ææææææ")), "is not a date"),
        (format!("{account}<Ntry/>"), "Amt is missing"),
    ] {
        let error = read(&body).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.rule(), "F-BANK");
    }
    assert_eq!(BankMessage::read(b"<a/>").unwrap_err().rule(), "F-BANK");
    assert_eq!(BankMessage::read(b"<a").unwrap_err().rule(), "F-XML");
}

#[test]
fn l12_a_statement_with_a_hole_is_out_of_balance_by_it() {
    let whole = BankMessage::read(include_bytes!("../testdata/bank/camt.053.001.08.xml")).unwrap();
    assert_eq!(whole.accounts[0].gap(), Some(Total(0)));
    assert_eq!(whole.movements().len(), 3);
    let holed = BankMessage::read(include_bytes!("../testdata/bank/camt.053.001.08-with-a-gap.xml")).unwrap();
    assert_eq!(holed.accounts[0].gap(), Some(Total(-1_096_600)));
}

#[test]
fn notification_and_statement_name_one_payment_alike() {
    let notified = BankMessage::read(include_bytes!("../testdata/bank/camt.054.001.08.xml")).unwrap();
    let stated = BankMessage::read(include_bytes!("../testdata/bank/camt.053.001.08.xml")).unwrap();
    assert_eq!(notified.movements(), stated.movements());
    let returned =
        BankMessage::read(include_bytes!("../testdata/bank/camt.054.001.08-returned.xml")).unwrap();
    let shown: Vec<_> = returned.movements().iter().map(shown).collect();
    assert_eq!(shown, ["Credit 10 966,00 MB-RTR-6 10437-1"]);
}

#[test]
fn what_came_in_is_a_receipt_with_its_kid_and_what_came_back_is_none() {
    let kid = "<RmtInf><Strd><CdtrRefInf><Ref>1234567897</Ref></CdtrRefInf></Strd></RmtInf>";
    let with = |side: &str, before: &str, details: &str| {
        let rest = format!("<AcctSvcrRef>R</AcctSvcrRef><NtryDtls><TxDtls>{details}</TxDtls></NtryDtls>");
        entry("102.00", side, &rest).replace("<Sts>", &format!("{before}<Sts>"))
    };
    let returned = format!("{kid}<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>");
    let reversal = "<RvslInd>true</RvslInd>";
    let entries = [
        with("CRDT", "", kid),
        with("CRDT", "", &returned),
        with("CRDT", reversal, kid),
        with("DBIT", "", kid),
        with("CRDT", "", kid).replace("BOOK", "PDNG"),
        with("CRDT", "", kid).replace("102.00", "0.00"),
        with("CRDT", "", ""),
    ];
    let message = message("02", &entries.concat());
    assert_eq!(message.findings, []);
    let receipts = message.receipts();
    let shown: Vec<_> = receipts
        .iter()
        .map(|r| (r.reference.as_str(), r.amount.0, r.kid(KidRule::Mod10).map(|kid| kid.to_string())))
        .collect();
    assert_eq!(shown, [("R", 10_200, Some("1234567897".to_string())), ("R#7", 10_200, None)]);
    assert_eq!(receipts[0].kid(KidRule::Mod11), None);
}

#[test]
fn l12_a_reconciliation_says_what_a_statement_holds_and_what_it_lacks() {
    let whole = BankMessage::read(include_bytes!("../testdata/bank/camt.053.001.08.xml")).unwrap();
    let found = whole.accounts[0].reconciliation().unwrap();
    assert_eq!(i128::from(found.opening.0) + found.credits.0 - found.debits.0, i128::from(found.closing.0));
    assert_eq!(found.gap(), Total(0));
    assert!(found.debits.0 > 0 && found.date.is_some());
    let holed = BankMessage::read(include_bytes!("../testdata/bank/camt.053.001.08-with-a-gap.xml")).unwrap();
    assert_eq!(holed.accounts[0].reconciliation().unwrap().gap(), Total(-1_096_600));
}

#[test]
fn f_schema_takes_what_is_out_of_order_and_refuses_what_stands_twice() {
    let plain = entry("1.00", "CRDT", "<AcctSvcrRef>R</AcctSvcrRef>");
    let turned = plain.replace("<Sts>BOOK</Sts>", "").replace("</Ntry>", "<Sts>BOOK</Sts></Ntry>");
    let taken = message("02", &turned);
    assert_eq!(taken.movements(), message("02", &plain).movements());
    let found: Vec<_> = taken.findings.iter().map(|finding| (finding.rule, finding.place.as_str())).collect();
    let place = "Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry/Sts";
    assert_eq!(found, [("F-SCHEMA", place)]);
    let own = message("02", &plain.replace("<Sts>", "<Mine>1</Mine><Sts>"));
    assert!(own.findings[0].message.contains("Mine has no place in Ntry"), "{:?}", own.findings);
    let twice = plain.replace("</Ntry>", "<CdtDbtInd>DBIT</CdtDbtInd></Ntry>");
    let text = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId>\
         </GrpHdr><Stmt><Id>S</Id><Acct><Id><IBAN>NO9386011117947</IBAN></Id></Acct>{twice}</Stmt></BkToCstmrStmt></Document>"
    );
    let error = BankMessage::read(text.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Document/BkToCstmrStmt/Stmt/Ntry/CdtDbtInd[2]: it stands twice, and only one of them can hold (rule F-SCHEMA); ask the bank for a corrected message"
    );
}
