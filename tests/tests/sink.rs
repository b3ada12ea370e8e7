//! The copy of the books in PostgreSQL: killed again and again while the chain grows, and equal to the
//! proven books to the øre in the end.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::client::Client;
use ledger::account::Account;
use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::genesis::Genesis;
use ledger::transaction::{
    BankReference, BudgetPart, Coded, Correction, Document, DocumentId, DocumentKind, EntryLine, Level,
    Line as DocumentLine, Operation, Reason, ReasonCode, Role, SignedTransaction,
};
use tests::cluster::{Cluster, Line, program, results};
use tests::opening::Opening;
use tests::payments::{self, Dice, Town};
use tests::postgres::Postgres;

const KILLS: usize = 50;
/// Leaves of one database transaction: few, so that most kills fall between or within some.
const BATCH: &str = "24";
const BILLS_AT_ONCE: u64 = 20;

struct Site {
    cluster: Cluster,
    opening: Opening,
    database: Postgres,
}

impl Site {
    fn start() -> Self {
        let cluster = Cluster::start(4);
        let site = Self { opening: Opening::of(&cluster), cluster, database: Postgres::start() };
        let town = &site.opening.town;
        let budget = town.grant(town.key(Role::Order), 5, &[Role::Budget]);
        let grant = site.signed([7; 16], Operation::GrantKey(budget), Role::Administer);
        site.submit(site.cluster.rpc[0], &[grant]);
        site
    }

    fn genesis(&self) -> PathBuf {
        self.cluster.folder().join("genesis.bin")
    }

    fn sink(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program().with_file_name("hovedbok"));
        command
            .args(["--node", &format!("http://{}", self.cluster.rpc[1]), "--genesis"])
            .arg(self.genesis())
            .args(["sink", &self.database.url()])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    fn level(&self) -> Output {
        self.sink(&["--once"]).output().unwrap()
    }

    fn client(&self) -> Client {
        let genesis = Genesis::decode(&fs::read(self.genesis()).unwrap()).unwrap();
        Client::new(&format!("http://{}", self.cluster.rpc[2]), genesis).unwrap()
    }

    fn signed(&self, number: [u8; 16], operation: Operation, role: Role) -> SignedTransaction {
        let town = &self.opening.town;
        payments::signed(&self.cluster.chain, town.number, number, operation, &[town.key(role)])
    }

    /// One document after another through all that may become of it.
    fn live(&self, round: u64) -> Vec<Vec<SignedTransaction>> {
        let opening = &self.opening;
        let bills: Vec<Document> = (0..BILLS_AT_ONCE)
            .map(|n| opening.bill(&format!("{round}-{n}"), 10_000 + 7 * i64::try_from(n).unwrap()))
            .collect();
        let mut parts: Vec<Vec<SignedTransaction>> =
            [Role::Submit, Role::Attest, Role::Approve, Role::Order, Role::Bank]
                .into_iter()
                .map(|role| {
                    // The last ones come not so far.
                    let far = if role == Role::Bank { bills.len() / 2 } else { bills.len() - 4 };
                    let some = if role == Role::Submit { &bills[..] } else { &bills[..far] };
                    some.iter().map(|bill| opening.town.step(&self.cluster.chain, bill, role)).collect()
                })
                .collect();
        let entry = |what: &str, id: &DocumentId| BankReference {
            message: Digest::of(&[b"camt.054"]),
            entry: Digest::of(&[what.as_bytes(), id.to_string().as_bytes()]),
        };
        let number = |what: &str, id: &DocumentId| {
            let digest = Digest::of(&[what.as_bytes(), id.to_string().as_bytes()]);
            digest.0[..16].try_into().unwrap()
        };
        let mut after = Vec::new();
        // The bank returns the first, and rejects one that was ordered.
        let (returned, rejected) = (&bills[0], &bills[bills.len() - 6]);
        let reason = ReasonCode(*b"AC04");
        let (id, bank) = (returned.id.clone(), entry("return", &returned.id));
        let back = Operation::ReturnPayment {
            document: id.clone(),
            amount: returned.payable,
            date: returned.date,
            reason,
            bank,
        };
        after.push(self.signed(number("return", &id), back, Role::Bank));
        let (id, bank) = (rejected.id.clone(), entry("reject", &rejected.id));
        let reject = Operation::RejectPayment { document: id.clone(), reason, bank };
        after.push(self.signed(number("reject", &id), reject, Role::Bank));
        // Credit notes: to one in full, to one in part, to one that is paid and keeps what it says.
        let last = bills.len() - 1;
        for (place, net) in [(last, None), (last - 1, Some(1_000)), (1, Some(2_000))] {
            let invoice = &bills[place];
            let net = net.unwrap_or(invoice.lines[0].net.0);
            let mut note = opening.bill(&format!("K{round}-{place}"), net);
            note.kind = DocumentKind::CreditNote { corrects: Some(invoice.id.clone()) };
            after.push(opening.town.step(&self.cluster.chain, &note, Role::Submit));
        }
        let instead = bills[2]
            .lines
            .iter()
            .map(|line| DocumentLine { account: Account::parse("1.221.260").unwrap(), ..line.clone() })
            .collect();
        let recode = Operation::Recode {
            coded: Coded { document: bills[2].clone(), recoded: None },
            lines: instead,
            correction: self.correction(Reason::Account),
        };
        after.push(self.signed_by(
            number("recode", &bills[2].id),
            recode,
            &[Role::Submit, Role::Approve],
            &[],
        ));
        parts.push(after);
        parts.extend(self.between_towns(round));
        parts.extend(self.budget(round));
        parts
    }

    /// Claims of two towns on each other: one is netted in full, one in part, one cancelled.
    fn between_towns(&self, round: u64) -> Vec<Vec<SignedTransaction>> {
        let Opening { town, neighbour, today, .. } = &self.opening;
        let claim = |buyer: &Town, seller: &Town, name: &str, net| {
            payments::document(buyer.number, seller.number, &format!("{name}{round}"), *today, Amount(net), 0)
        };
        let owed = claim(town, neighbour, "owed-", 50_000);
        let owing = claim(neighbour, town, "owing-", 30_000);
        let wrong = claim(town, neighbour, "wrong-", 10_000);
        let chain = &self.cluster.chain;
        let number =
            |what: &str| Digest::of(&[what.as_bytes(), &round.to_le_bytes()]).0[..16].try_into().unwrap();
        let net = Operation::NetClaims {
            one: owed.id.clone(),
            other: owing.id.clone(),
            amount: owing.payable,
            date: *today,
        };
        let cancel = Operation::Cancel {
            coded: Coded { document: wrong.clone(), recoded: None },
            correction: self.correction(Reason::Twice),
        };
        let steps = [Role::Submit, Role::Attest, Role::Approve];
        let mut parts: Vec<Vec<SignedTransaction>> = steps
            .into_iter()
            .map(|role| vec![town.step(chain, &owed, role), neighbour.step(chain, &owing, role)])
            .collect();
        parts[0].push(town.step(chain, &wrong, Role::Submit));
        parts.push(vec![
            self.signed_by(number("net"), net, &[Role::Order], &[Role::Order]),
            self.signed_by(number("cancel"), cancel, &[Role::Submit, Role::Approve], &[Role::Submit]),
        ]);
        parts
    }

    /// Next year's budget in the first round, and an amendment in each later one.
    fn budget(&self, round: u64) -> Vec<Vec<SignedTransaction>> {
        let line = |account: &str, ore| EntryLine {
            account: Account::parse(account).unwrap(),
            amount: Amount(ore),
            cost_centre: None,
            project: None,
        };
        let part = |lines, last| BudgetPart {
            entity: self.opening.town.number,
            year: self.opening.today.year() + 1,
            version: u32::try_from(round).unwrap() + 1,
            level: Level { function: true, art_group: true, cost_centre: false, project: false },
            decision: Digest::of(&[b"decision", &round.to_le_bytes()]),
            lines,
            last,
        };
        let parts = [
            part(vec![line("1.222.260", 900_000), line("1.221.260", 100_000)], false),
            part(vec![line("1.800.870", -1_000_000)], true),
        ];
        (0u8..)
            .zip(parts)
            .map(|(place, part)| {
                let digest = Digest::of(&[b"budget", &[place], &round.to_le_bytes()]);
                let number = digest.0[..16].try_into().unwrap();
                vec![self.signed_by(number, Operation::AdoptBudget(part), &[Role::Order, Role::Approve], &[])]
            })
            .collect()
    }

    fn correction(&self, reason: Reason) -> Correction {
        Correction { date: self.opening.today, reason, content: Digest::of(&[b"why"]) }
    }

    /// Signed by the town's holders of some roles, and the neighbour's of others.
    fn signed_by(
        &self,
        number: [u8; 16],
        operation: Operation,
        own: &[Role],
        other: &[Role],
    ) -> SignedTransaction {
        let Opening { town, neighbour, .. } = &self.opening;
        let keys =
            own.iter().map(|role| town.key(*role)).chain(other.iter().map(|role| neighbour.key(*role)));
        let keys: Vec<_> = keys.collect();
        payments::signed(&self.cluster.chain, town.number, number, operation, &keys)
    }

    fn submit(&self, address: SocketAddr, part: &[SignedTransaction]) {
        let answer = Line::new(address, Duration::from_secs(30))
            .post("/v1/transactions", &payments::batch_body(part))
            .unwrap();
        for result in results(&answer).unwrap() {
            assert_eq!(result.status, "posted", "{result:?}");
        }
    }
}

/// One posting, wherever it is read.
type Row = (i32, i64, i32, String, i64, Option<i64>, Option<i64>, Option<i32>, Option<i32>, Option<i64>, i64);

#[test]
fn a_sink_killed_fifty_times_under_load_misses_no_row_and_doubles_none() {
    let site = Site::start();
    let (done, growing) = (AtomicBool::new(false), site.cluster.rpc[0]);
    let mut dice = Dice::seeded(50);
    let mut heights = BTreeSet::new();
    std::thread::scope(|scope| {
        let payer = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds < 3 {
                site.live(rounds).iter().for_each(|part| site.submit(growing, part));
                rounds += 1;
            }
        });
        for kill in 0..KILLS {
            let mut sink = site.sink(&["--batch", BATCH]).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(20 + dice.below(180)));
            sink.kill().unwrap();
            sink.wait().unwrap();
            heights.extend(whole(&site, kill));
        }
        done.store(true, Ordering::Relaxed);
        payer.join().unwrap();
    });
    // Kills that all fell before the first row, or after the last, would show nothing.
    assert!(heights.len() > KILLS / 5, "{KILLS} kills, the copy stood at {heights:?}");
    let output = site.level();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    whole(&site, KILLS);
    equal_to_the_proven_books(&site);

    // Whoever copies another chain into it is turned away, and so is an altered copy.
    let other = Cluster::start(4);
    let refused = Command::new(program().with_file_name("hovedbok"))
        .args(["--node", &format!("http://{}", other.rpc[0]), "--genesis"])
        .arg(other.folder().join("genesis.bin"))
        .args(["sink", &site.database.url(), "--once"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("a database of its own"), "{said}");
    let mut database = site.database.connect();
    database.execute("UPDATE hovedbok.chain SET frontier = frontier || '\\x00'", &[]).unwrap();
    let output = site.level();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("altered"), "{said}");
}

/// What is copied ends with a block, every block whole; gives its height, if there are tables yet.
fn whole(site: &Site, kill: usize) -> Option<i64> {
    let mut database = site.database.connect();
    // A killed program's last transaction may still be ending.
    let deadline = Instant::now() + Duration::from_secs(10);
    let others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while database.query_one(others, &[]).unwrap().get::<_, i64>(0) > 0 {
        assert!(Instant::now() < deadline, "kill {kill}: the server keeps a dead program's line");
        std::thread::sleep(Duration::from_millis(5));
    }
    let made = database.query_one("SELECT to_regclass('hovedbok.chain') IS NOT NULL", &[]).unwrap();
    if !made.get::<_, bool>(0) {
        return None;
    }
    let row = database
        .query_one(
            "SELECT c.height, c.log_size, (SELECT count(*) FROM hovedbok.blocks), (SELECT max(log_size) FROM hovedbok.blocks),
               (SELECT coalesce(sum(transactions), 0)::bigint FROM hovedbok.blocks),
               (SELECT count(*) FROM hovedbok.transactions),
               (SELECT coalesce(sum(entries), 0)::bigint FROM hovedbok.transactions),
               (SELECT count(*) FROM hovedbok.entries), (SELECT count(*) FROM hovedbok.balance_check)
             FROM hovedbok.chain c",
            &[],
        )
        .unwrap();
    let figure = |column: usize| row.get::<_, i64>(column);
    let height = figure(0);
    assert_eq!(figure(2), height, "kill {kill}: blocks");
    if height > 0 {
        assert_eq!(row.get::<_, Option<i64>>(3), Some(figure(1)), "kill {kill}: the log's size");
    }
    assert_eq!(figure(4), figure(5), "kill {kill}: transactions");
    assert_eq!(figure(6), figure(7), "kill {kill}: entries");
    assert_eq!(figure(8), 0, "kill {kill}: entries that do not balance");
    Some(height)
}

fn equal_to_the_proven_books(site: &Site) {
    let client = site.client();
    let mut database = site.database.connect();
    let parties = [site.opening.town.number, site.opening.seller];
    for entity in parties {
        let number = i32::try_from(entity.number()).unwrap();
        let year = site.opening.today.year();
        let journal = client.journal(entity, year).unwrap();
        let proven: Vec<Row> = journal
            .lines
            .iter()
            .flat_map(|line| {
                let voucher = i64::try_from(line.entry.voucher.number).unwrap();
                let leaf = i64::try_from(line.leaf.0).unwrap();
                (1..).zip(&line.entry.postings).map(move |(place, p)| {
                    (
                        i32::from(line.entry.voucher.year),
                        voucher,
                        place,
                        p.account.to_string(),
                        p.amount.0,
                        p.cost_centre.map(i64::from),
                        p.project.map(i64::from),
                        p.counterparty.map(|party| i32::try_from(party.number()).unwrap()),
                        p.vat.map(|vat| i32::from(vat.code)),
                        p.vat.map(|vat| vat.base.0),
                        leaf,
                    )
                })
            })
            .collect();
        let rows = database
            .query(
                "SELECT year, voucher, line, account, amount_ore, cost_centre, project, counterparty, vat_code,
                   vat_base_ore, leaf FROM hovedbok.postings WHERE entity = $1 ORDER BY year, voucher, line",
                &[&number],
            )
            .unwrap();
        let copied: Vec<Row> = rows
            .iter()
            .map(|r| {
                let key = (r.get(0), r.get(1), r.get(2), r.get(3), r.get(4));
                (
                    key.0,
                    key.1,
                    key.2,
                    key.3,
                    key.4,
                    r.get(5),
                    r.get(6),
                    r.get(7),
                    r.get(8),
                    r.get(9),
                    r.get(10),
                )
            })
            .collect();
        assert!(proven.len() > 100, "{entity} has {} postings", proven.len());
        assert!(copied == proven, "{entity}: {} rows copied, {} proven", copied.len(), proven.len());
        balances_agree(site, entity, &client, &mut database);
    }
    budget_agrees(site, &client, &mut database);
    documents_agree(&client, &mut database);
}

fn balances_agree(site: &Site, entity: OrgNumber, client: &Client, database: &mut postgres::Client) {
    let period = site.opening.today.period();
    let proven = client.accounts(entity, period).unwrap();
    let proven: BTreeMap<String, [i64; 4]> = proven
        .accounts
        .iter()
        .map(|account| {
            let figures = [account.opening, account.debit, account.credit, account.closing()];
            (account.account.to_string(), figures.map(|total| i64::try_from(total.0).unwrap()))
        })
        .collect();
    let rows = database
        .query(
            "SELECT account, opening_ore::bigint, debit_ore::bigint, credit_ore::bigint, closing_ore::bigint
             FROM hovedbok.trial_balance WHERE entity = $1 AND period = $2",
            &[&i32::try_from(entity.number()).unwrap(), &i32::try_from(period.number()).unwrap()],
        )
        .unwrap();
    let copied: BTreeMap<String, [i64; 4]> =
        rows.iter().map(|r| (r.get(0), [r.get(1), r.get(2), r.get(3), r.get(4)])).collect();
    assert_eq!(copied, proven, "{entity} in {period}");
}

/// What the copy's view says of next year is what the register proves, appropriation by appropriation.
fn budget_agrees(site: &Site, client: &Client, database: &mut postgres::Client) {
    let (town, year) = (site.opening.town.number, site.opening.today.year() + 1);
    let budget = client.budget(town, year).unwrap();
    let version = budget.record.version;
    let proven: BTreeMap<(i32, i32), i64> = budget
        .appropriations
        .iter()
        .map(|record| {
            let place = (record.cell.function.unwrap().into(), record.cell.art_group.unwrap().into());
            (place, i64::try_from(record.in_force(version).0).unwrap())
        })
        .collect();
    let rows = database
        .query(
            "SELECT function, art / 10, sum(adopted_ore)::bigint FROM hovedbok.budget_against_actual
             WHERE entity = $1 AND year = $2 GROUP BY 1, 2",
            &[&i32::try_from(town.number()).unwrap(), &i32::from(year)],
        )
        .unwrap();
    let copied: BTreeMap<(i32, i32), i64> = rows.iter().map(|r| ((r.get(0), r.get(1)), r.get(2))).collect();
    assert!(version >= 3 && !copied.is_empty(), "version {version}");
    assert_eq!(copied, proven);
}

fn documents_agree(client: &Client, database: &mut postgres::Client) {
    let rows = database
        .query(
            "SELECT seller, number, issued::text, status, open_ore, settled_ore, payable_ore, attempts, reason,
               corrects IS NOT NULL, kind, (SELECT count(*) FROM hovedbok.steps s WHERE s.document = d.document)
             FROM hovedbok.documents d",
            &[],
        )
        .unwrap();
    let mut statuses = BTreeMap::new();
    for row in &rows {
        let name = format!("{}/{}/{}", row.get::<_, i32>(0), row.get::<_, &str>(1), row.get::<_, &str>(2));
        let id = client::name::document(&name).unwrap();
        let proven = client.document(&id).unwrap();
        let record = proven.record();
        *statuses.entry(record.status.to_string()).or_insert(0) += 1;
        assert_eq!(row.get::<_, &str>(3), record.status.to_string(), "{name}");
        let copied = [4, 5, 6].map(|column| Amount(row.get(column)));
        assert_eq!(copied, [record.open, record.settled, record.payable], "{name}");
        assert_eq!(row.get::<_, i32>(7), i32::try_from(record.attempt).unwrap(), "{name}");
        assert_eq!(row.get::<_, Option<String>>(8), record.reason.map(|reason| reason.to_string()), "{name}");
        assert_eq!(row.get::<_, bool>(9), record.corrects.is_some(), "{name}");
        assert_eq!(row.get::<_, &str>(10) == "credit_note", record.credit_note, "{name}");
        assert!(row.get::<_, i64>(11) >= 1, "{name}");
    }
    for status in
        ["registered", "approved", "ordered", "settled", "returned", "credited", "cancelled", "netted"]
    {
        assert!(statuses.contains_key(status), "no document is {status}: {statuses:?}");
    }
}
