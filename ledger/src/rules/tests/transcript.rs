//! A story, as the ledger tells it: read `testdata/the-life-of-an-invoice.txt`.

use super::*;

const STORY: &str = include_str!("../../../testdata/the-life-of-an-invoice.txt");

/// What a teller adds for one transaction.
fn tell(story: &mut String, world: &mut World, what: &str, operation: Operation, seeds: &[u8]) {
    *story += &format!("{}  {what}\n", world.today.date());
    match world.send(operation, seeds) {
        Err(refusal) => *story += &format!("    refused by {}: {refusal}\n", refusal.rule()),
        Ok(entries) if entries.is_empty() => *story += "    done; nothing is posted\n",
        Ok(entries) => {
            for entry in entries {
                *story += &format!("    {}  voucher {} of {}\n", entry.date, entry.voucher, entry.entity);
                for posting in entry.postings {
                    let shown = Amount(posting.amount.0.abs()).to_string();
                    let debit = posting.amount.0 > 0;
                    let (debit, credit) = if debit { (shown.as_str(), "") } else { ("", shown.as_str()) };
                    let row = format!("        {:<12}{debit:>14}{credit:>14}", posting.account);
                    *story += row.trim_end();
                    *story += "\n";
                }
            }
        }
    }
}

#[test]
fn the_life_of_an_invoice_is_told_word_for_word() {
    let mut world = World::new().on("2026-05-05");
    let mut story = String::new();
    let invoice = cleaning();
    let id = || invoice.id.clone();
    let register = || Operation::RegisterDocument(cleaning());
    let attest = || Operation::Attest { document: id() };
    let approve = || Operation::Approve { document: id() };
    let order = || Operation::OrderPayment { document: id(), amount: nok("100000.00") };
    let lines = vec![line("1.222.260", "20000.00", 1)];
    let note = credit("8850", &invoice, lines, vec![total(1, 25, "20000.00", "5000.00")]);
    let steps: Vec<(&str, &str, Operation, &[u8])> = vec![
        ("2026-05-05", "Stavanger's system registers invoice 8841", register(), &[S_SUBMIT]),
        ("2026-05-05", "and sends it again under a new payment id", register(), &[S_SUBMIT]),
        ("2026-05-05", "a key of the supplier attests", attest(), &[L_FOR_S]),
        ("2026-05-05", "the school's caretaker attests", attest(), &[S_ATTEST]),
        ("2026-05-06", "and tries to approve, with another key", approve(), &[S_EVERYTHING]),
        ("2026-05-06", "payment is ordered too early", order(), &[S_ORDER]),
        ("2026-05-06", "the head of department approves", approve(), &[S_APPROVE]),
        ("2026-06-01", "the supplier credits a fifth", Operation::RegisterDocument(note), &[S_SUBMIT]),
        (
            "2026-06-01",
            "the whole invoice is ordered",
            Operation::OrderPayment { document: id(), amount: nok("125000.00") },
            &[S_ORDER],
        ),
        ("2026-06-02", "what is open is ordered", order(), &[S_ORDER]),
        ("2026-06-03", "the bank rejects it", reject(&invoice, 1), &[S_BANK]),
        ("2026-06-04", "it is ordered again", order(), &[S_ORDER]),
        (
            "2026-06-05",
            "the bank pays another amount",
            settle(&invoice, nok("125000.00"), "2026-06-05", 2),
            &[S_BANK],
        ),
        ("2026-06-05", "the bank pays", settle(&invoice, nok("100000.00"), "2026-06-05", 2), &[S_BANK]),
        (
            "2026-06-09",
            "the payee's account was closed: it comes back",
            give_back(&invoice, nok("100000.00"), "2026-06-08", 3),
            &[S_BANK],
        ),
        ("2026-06-10", "it is ordered to the new account", order(), &[S_ORDER]),
        (
            "2026-06-11",
            "the bank's first entry is reported once more",
            settle(&invoice, nok("100000.00"), "2026-06-11", 2),
            &[S_BANK],
        ),
        ("2026-06-11", "the bank pays", settle(&invoice, nok("100000.00"), "2026-06-11", 4), &[S_BANK]),
        (
            "2026-07-01",
            "June is closed before May",
            Operation::ClosePeriod { entity: org(S), period: Period::parse("2026-06").unwrap() },
            &[S_ADMIN],
        ),
    ];
    for (day, what, operation, seeds) in steps {
        world.today = noon(date(day));
        tell(&mut story, &mut world, what, operation, seeds);
    }
    story += "\nBalances at the end of June 2026\n";
    for record in world.all::<AccountRecord>() {
        if record.period == date("2026-06-30").period() {
            let (name, closing) =
                (format!("{} {}", record.entity, record.account), record.closing().to_string());
            story += &format!("    {name:<24}{closing:>14}\n");
        }
    }
    world.audit();
    if story != STORY {
        panic!("the story now goes:\n{story}");
    }
}
