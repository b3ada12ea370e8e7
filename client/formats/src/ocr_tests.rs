use super::*;

/// Two payments, the second taken back, with a name between them.
fn lines() -> Vec<String> {
    include_str!("../testdata/ocr/giro.txt").lines().map(str::to_string).collect()
}

fn read_all(lines: &[String]) -> Result<(Vec<Payment>, Summary), OcrError> {
    let mut payments = Vec::new();
    let text = lines.join("\r\n");
    let summary = read(text.as_bytes(), &|_| KidRule::Mod10, &mut |payment| {
        payments.push(payment);
        Ok(())
    })?;
    Ok((payments, summary))
}

#[test]
fn a_payment_comes_with_its_reference_and_without_its_payer() {
    let (payments, summary) = read_all(&lines()).unwrap();
    let shown: Vec<_> = payments
        .iter()
        .map(|p| (p.kid.as_ref().map(Kid::as_str), p.amount.0, p.date.number(), p.kind, p.reference.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (Some("2345676"), 102_000, 20_260_515, Kind::PurchaseWithText, "0170031/0000002/0000001"),
            (None, 100, 20_260_516, Kind::ReversalWithKid, "0170031/0000002/0000002"),
        ]
    );
    assert_eq!((summary.payments, summary.sum, summary.records), (2, Total(102_100), 9));
    let all = format!("{payments:?} {summary:?}");
    assert!(!all.contains("Nordmann") && !all.contains("99990512341"), "{all}");
}

#[test]
fn money_taken_back_lowers_the_sum_and_a_wrong_kid_is_told_but_not_lost() {
    let mut taken_back = lines();
    taken_back[5].replace_range(31..32, "-");
    for end in [7, 8] {
        taken_back[end] = taken_back[end].replace("00000000000102100", "00000000000101900");
    }
    let (payments, summary) = read_all(&taken_back).unwrap();
    assert_eq!((payments[1].amount, summary.sum), (Amount(-100), Total(101_900)));
    let mut wrong = lines();
    wrong[2] = wrong[2].replace("2345676", "2345677");
    let (payments, summary) = read_all(&wrong).unwrap();
    assert_eq!((&payments[0].kid, payments[0].refused_kid.as_deref()), (&None, Some("2345677")));
    assert_eq!(summary.refused_kids, 1);
}

#[test]
fn f_ocr_refuses_what_it_does_not_know_and_totals_that_do_not_hold() {
    let change = |line: usize, from: &str, to: &str| {
        let mut changed = lines();
        let before = changed[line].clone();
        changed[line] = changed[line].replacen(from, to, 1);
        assert_ne!(changed[line], before);
        changed
    };
    let without = |line: usize| {
        let mut changed = lines();
        changed.remove(line);
        changed
    };
    for (broken, says) in [
        (change(0, "NY00", "NX00"), "line 1: it does not begin with NY"),
        (change(1, "NY0900", "NY2124"), "line 2: the file holds AvtaleGiro agreements, not payments"),
        (change(1, "NY0900", "NY0400"), "line 2: a record of service 04, kind 00, type 20 is unknown"),
        (change(1, "99991042764", "99991042765"), "line 2: account 99991042765 is neither eleven digits"),
        (change(2, "NY0921", "NY0922"), "line 3: transaction kind \"22\" is unknown"),
        (change(2, "150526", "310226"), "line 3: "),
        (change(2, "0000102000", "00001o2000"), "line 3: amount"),
        (
            change(3, "NY0921310000001", "NY0921310000002"),
            "line 4: record 31 belongs to no payment before it",
        ),
        (change(4, "NY092132", "NY092133"), "line 5: a record of service 09, kind 21, type 33 is unknown"),
        (change(5, "NY0918300000002", "NY0918300000001"), "line 6: payment 1 follows payment 1"),
        (
            change(7, "0000000200000007", "0000000300000007"),
            "line 8: the end record states 3 payments, the file holds 2",
        ),
        (change(7, "0000000200000007", "0000000200000008"), "states 8 records, the file holds 7"),
        (change(7, "102100", "102101"), "states 102101 øre, the file holds 102100; fetch the file again"),
        (
            change(7, "150526", "140526"),
            "line 8: the first date stated is 2026-05-14, the payments' is 2026-05-15",
        ),
        (change(8, "0000000200000009", "0000000200000010"), "line 9: the end record states 10 records"),
        (without(3), "line 4: record 32 of payment 1 is out of its place"),
        (without(6), "line 7: payment 0170031/0000002/0000002 has no second record"),
        (without(7), "line 8: a record of service 00, kind 00, type 89 is unknown or out of its place"),
        (without(8), "line 9: the file ends before its end record"),
        ([lines(), vec!["NY".to_string()]].concat(), "line 10: something follows the end record"),
        (vec!["x".repeat(500)], "line 1: it has 100 characters"),
    ] {
        let error = read_all(&broken).unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
    }
    let error =
        read(lines().join("\n").as_bytes(), &|_| KidRule::Mod10, &mut |_| Err("known already".to_string()));
    assert_eq!(error.unwrap_err().to_string(), "line 3: known already");
}
