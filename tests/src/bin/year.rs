//! A year of a city through four real validators: every invoice with its approvals and its settlement, and
//! then the year's exports, each judged by its official schema where that lies beside the sources. Prints
//! time and memory of each; nothing here fails for being slow.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use formats::kostra;
use formats::saft::{self, Sink};
use ledger::entity::OrgNumber;
use ledger::time::{Date, Period};
use ledger::transaction::{Document, SignedTransaction};
use tests::cluster::{Cluster, Line, program, results};
use tests::opening::REGISTRAR;
use tests::payments::{self, Dice, Load, STEPS, Town};

/// Invoices that take their steps together.
const AT_ONCE: u64 = 500;
/// Payment systems at work.
const CLERKS: usize = 4;
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");

/// A year of a city through four validators, and its exports.
#[derive(Parser)]
struct Arguments {
    /// Invoices in the year.
    #[arg(long, default_value_t = 160_000)]
    invoices: u64,
    /// Decides who is paid how much.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Site {
    cluster: Cluster,
    town: Town,
    sellers: Vec<OrgNumber>,
    load: Load,
    year: u16,
}

impl Site {
    fn start(seed: u64) -> Self {
        let cluster = Cluster::start(4);
        let year = node::run::now().date().year() - 1;
        let from = Period::new(u32::from(year) * 100 + 1).expect("a month");
        let load = Load::seeded(seed);
        let mut numbers = payments::spare_numbers(0);
        let mut number = || numbers.next().expect("numbers to spare");
        let town = Town::new(number(), from, &mut Dice::seeded(seed));
        let sellers: Vec<OrgNumber> = load.suppliers.iter().map(|_| number()).collect();
        let suppliers =
            sellers.iter().zip(&load.suppliers).map(|(n, name)| payments::supplier(*n, name, from));
        let registrar = payments::read_key(&cluster.registrar()).expect("the registrar's key");
        let registrar = (OrgNumber::new(REGISTRAR).expect("a valid number"), &registrar);
        let entities = std::iter::once(town.entity()).chain(suppliers);
        let parts = payments::registrations(&cluster.chain, registrar, entities, town.keys());
        let site = Self { cluster, town, sellers, load, year };
        let mut line = Line::new(site.cluster.rpc[0], Duration::from_secs(60));
        parts.iter().flat_map(|part| part.chunks(500)).for_each(|part| post(&mut line, part));
        site
    }

    /// The n-th invoice of so many, spread evenly over the year.
    fn invoice(&self, n: u64, of: u64) -> Document {
        let day = n * 365 / of;
        let (month, day) = (day / 31 + 1, day % 31 + 1);
        let number = u32::from(self.year) * 10_000 + month as u32 * 100;
        let day = (1..=day as u32).rev().find_map(|day| Date::new(number + day).ok());
        self.load.document(n, self.town.number, &self.sellers, day.expect("every month has a first day"))
    }

    /// Books invoices `first..end` of so many, with every step.
    fn book(&self, (first, end): (u64, u64), of: u64) {
        let next = AtomicU64::new(first);
        let began = Instant::now();
        let told = Mutex::new(Instant::now());
        std::thread::scope(|scope| {
            for clerk in 0..CLERKS {
                let (next, told) = (&next, &told);
                scope.spawn(move || {
                    let node = self.cluster.rpc[clerk % self.cluster.rpc.len()];
                    let mut line = Line::new(node, Duration::from_secs(120));
                    loop {
                        let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
                        if from >= end {
                            return;
                        }
                        let some: Vec<Document> =
                            (from..end.min(from + AT_ONCE)).map(|n| self.invoice(n, of)).collect();
                        for step in STEPS {
                            let steps: Vec<_> = some
                                .iter()
                                .map(|document| self.town.step(&self.cluster.chain, document, step))
                                .collect();
                            post(&mut line, &steps);
                        }
                        let mut told = told.lock().expect("nobody panics while telling");
                        if told.elapsed() > Duration::from_secs(30) {
                            *told = Instant::now();
                            println!(
                                "  {from} of {end} invoices after {:.0} s",
                                began.elapsed().as_secs_f64()
                            );
                        }
                    }
                });
            }
        });
        let (count, seconds) = ((end - first) * STEPS.len() as u64, began.elapsed().as_secs_f64());
        println!(
            "booked       {count} transactions in {seconds:.0} s, {:.0} a second",
            count as f64 / seconds
        );
    }

    /// Runs the client, and tells its time and the most memory it held.
    fn run(&self, words: &[&str]) -> String {
        let began = Instant::now();
        // Into a file: a pipe that nobody empties holds the writer up.
        let told = self.cluster.folder().join("told.txt");
        let out = File::create(&told).expect("a file for what is told");
        let mut child = Command::new(program().with_file_name("hovedbok"))
            .current_dir(self.cluster.folder())
            .args(["--node", &format!("http://{}", self.cluster.rpc[1]), "--genesis", "genesis.bin"])
            .args(["--max-age", "3600"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the client starts");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().expect("a child can be asked").is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let now = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let now = now.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
            peak = peak.max(now.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = child.wait().expect("a child that ended has a status");
        let said = std::fs::read_to_string(&told).expect("what was told");
        assert!(status.success(), "{words:?}: {said}");
        let seconds = began.elapsed().as_secs_f64();
        println!("{:<28} {seconds:>7.1} s  {:>6} MB", words[..2].join(" "), peak / 1024);
        said
    }

    /// Every export of the year, each read or judged.
    fn export(&self) {
        let (entity, year) = (self.town.number.to_string(), self.year.to_string());
        let export = |format: &str, out: &str, more: &[&str]| {
            let words = [&["export", format, &entity, "--year", &year, "--out", out][..], more].concat();
            self.run(&words)
        };
        let said = export("saft", "books.xml", &["--contact", "Regnskap", "Kommune"]);
        let mut counted = Counted::default();
        let file = BufReader::new(File::open(self.cluster.folder().join("books.xml")).expect("the export"));
        let read = saft::read(file, &mut counted).expect("our own SAF-T reads");
        assert!(said.contains(&format!("{} vouchers", counted.0)), "{said}");
        assert_eq!(read.debit, read.credit);
        println!("             {} vouchers, debit {}, {} MB", counted.0, read.debit, read.bytes >> 20);
        self.judge("books.xml", "skatteetaten-saf-t/schema/Norwegian_SAF-T_Financial_Schema_v_1.30.xsd");
        export("csv", "books.csv", &[]);
        for form in ["0A", "0B"] {
            export("kostra", "kostra.dat", &["--form", form, "--region", "110300"]);
            let file = File::open(self.cluster.folder().join("kostra.dat")).expect("the export");
            let records =
                kostra::read(BufReader::new(file), &mut |_, _| Ok(())).expect("our own KOSTRA reads");
            println!("             {records} records of {form}");
        }
        for term in 1..=6 {
            let more = ["--term", &term.to_string(), "--claimed-before"];
            print!("{}", export("claim", "claim.xml", &more));
            self.judge(
                "claim.xml",
                "skatteetaten-mva-melding/schema/\
                 no.skatteetaten.fastsetting.avgift.mva.skattemeldingformerverdiavgift.v1.0.xsd",
            );
        }
        self.run(&["report", "suppliers", &entity]);
    }

    fn judge(&self, file: &str, schema: &str) {
        let schema = Path::new(DATA).join(schema);
        if !schema.exists() {
            println!("passed over: {} is not there", schema.display());
            return;
        }
        let judged = Command::new("xmllint")
            .args(["--noout", "--nonet", "--huge", "--stream", "--schema"])
            .arg(schema)
            .arg(self.cluster.folder().join(file))
            .output()
            .expect("xmllint starts");
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
        println!("             {file} is valid, says xmllint");
    }
}

#[derive(Default)]
struct Counted(u64);

impl Sink for Counted {
    fn entry(&mut self, _: &saft::Entry) -> formats::books::Outcome {
        self.0 += 1;
        Ok(())
    }
}

fn post(line: &mut Line, part: &[SignedTransaction]) {
    loop {
        let answer = line.post("/v1/transactions", &payments::batch_body(part)).expect("an answer");
        let results = results(&answer).expect("results");
        match results.iter().find(|result| result.status != "posted") {
            None => return,
            // What waits or found no room is safe to send again.
            Some(result) if ["pooled", "unknown", "refused"].contains(&result.status.as_str()) => {
                assert_ne!(result.status, "refused", "{result:?}");
                std::thread::sleep(Duration::from_millis(200));
            }
            Some(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn main() -> ExitCode {
    let Arguments { invoices, seed } = Arguments::parse();
    let site = Site::start(seed);
    println!("{invoices} invoices of {}, {}", site.year, site.load.source);
    // An eighth first: what the exports hold in memory then and at the end tells whether it grows.
    let eighth = invoices / 8;
    site.book((0, eighth), invoices);
    site.run(&[
        "export",
        "saft",
        &site.town.number.to_string(),
        "--year",
        &site.year.to_string(),
        "--out",
        "eighth.xml",
    ]);
    site.book((eighth, invoices), invoices);
    site.export();
    ExitCode::SUCCESS
}
