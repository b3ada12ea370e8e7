//! The command line: what can be said, and who carries it out.

mod budget;
mod export;
mod failure;
mod governance;
mod hand;
mod migrate;
mod offline;
mod orders;
mod read;
mod reports;
mod session;
mod sheet;
mod sink;
mod values;
mod write;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};
use formats::coding::Coding;
use ledger::account::Account;
use ledger::entity::{Name, OrgNumber};
use ledger::time::{Date, Period};
use ledger::transaction::DocumentId;
use serde_json::Value;

use client::name::Wanted;
pub(crate) use failure::Failure;
use session::Session;
use values::{KidArg, KindArg, RegimeArg, RoleArg, VersionArg};

/// General ledger of public bodies: submit, pay, read and verify.
///
/// Whatever is printed of a ledger is verified against the genesis file; no node is trusted. A command
/// that was cut off may be repeated: it makes the same transaction and is answered with the first
/// receipt. Exit codes: 0 all is well, 1 a rule refuses, 2 the command or a file cannot be used, 3 the
/// node cannot be reached or is busy, 4 a proof does not hold.
#[derive(Parser)]
#[command(name = "hovedbok", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Address of a node, such as http://127.0.0.1:8080; it need not be trusted.
    #[arg(long, global = true, env = "HOVEDBOK_NODE", value_name = "URL")]
    node: Option<String>,
    /// The genesis file, the one thing that is trusted.
    #[arg(long, global = true, env = "HOVEDBOK_GENESIS", value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Where the last checkpoint seen is kept, which the next must continue [default: beside genesis].
    #[arg(long, global = true, env = "HOVEDBOK_SEEN", value_name = "FILE")]
    seen: Option<PathBuf>,
    /// Oldest checkpoint that is accepted for how things stand now.
    #[arg(long, global = true, default_value_t = 300, value_name = "SECONDS")]
    max_age: u64,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print one line for each transaction or receipt.
    #[arg(long, global = true)]
    brief: bool,
    #[command(subcommand)]
    command: Command,
}

/// Who signs, and what is kept of it.
#[derive(Arguments)]
pub(crate) struct Signing {
    /// Key file to sign with; repeat it where two must sign.
    #[arg(long = "key", required = true, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Entity in whose name to submit [default: the signer's in genesis, else the one concerned].
    #[arg(long = "as", value_parser = values::org_number, value_name = "ORG")]
    submitter: Option<OrgNumber>,
    /// A text of your own in the payment id, to tell two equal transactions apart.
    #[arg(long, default_value = "", value_name = "TEXT")]
    id: String,
    /// Folder to write receipts into.
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a signing key; print its public half.
    Keygen {
        /// File to write, for its owner's eyes; an existing one is never overwritten.
        file: PathBuf,
    },
    /// Judge invoices; ask nobody.
    Check {
        /// EHF invoices and credit notes.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Check digit that the payee's bank demands of the payment reference.
        #[arg(long)]
        kid: Option<KidArg>,
    },
    /// List who is named in invoices: number, role, name, and a guess what it is.
    Parties {
        /// EHF invoices and credit notes; those that are refused are left out.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Enter an entity or a key into the register.
    #[command(subcommand)]
    Register(Register),
    /// End every mandate of a key.
    Revoke {
        /// The key: 64 hex digits, or a key file.
        #[arg(value_parser = values::public_key)]
        key: ledger::signature::PublicKey,
        /// Entity that answers for the key's holder.
        #[arg(long, value_parser = values::org_number)]
        entity: Option<OrgNumber>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Book the opening balance of an entity; signed by its administrator and its auditor.
    OpenBooks {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Lines of `account;amount`, debit positive; they add up to zero.
        file: PathBuf,
        /// Posting date [default: the first day of the books].
        #[arg(long, value_parser = values::date)]
        date: Option<Date>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Close an accounting period to postings.
    ClosePeriod {
        /// Whose.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Which, as YYYY-MM.
        #[arg(value_parser = values::period)]
        period: Period,
        #[command(flatten)]
        signing: Signing,
    },
    #[command(flatten)]
    Hand(hand::Hand),
    /// Enter what the council appropriates.
    #[command(subcommand)]
    Budget(budget::Budget),
    /// Take over what an earlier system booked.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Register an invoice or credit note and book it on both sides.
    Submit {
        /// EHF invoice or credit note.
        file: PathBuf,
        /// Folder that the document and its salts are kept in; they never leave it.
        #[arg(long, value_name = "DIR")]
        archive: PathBuf,
        /// Where lines go that carry no posting string, such as 1.222.260.
        #[arg(long, value_parser = values::coding, value_name = "POSTING")]
        coding: Option<Coding>,
        /// Posting date [default: today in Norway; name it to repeat the command on another day].
        #[arg(long, value_parser = values::date)]
        date: Option<Date>,
        /// How VAT is treated [default: by what the buyer is].
        #[arg(long)]
        regime: Option<RegimeArg>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Attest a document: it is right.
    Attest {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        document: DocumentId,
        #[command(flatten)]
        signing: Signing,
    },
    /// Approve an attested document for payment.
    Approve {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        document: DocumentId,
        #[command(flatten)]
        beyond: budget::Beyond,
        #[command(flatten)]
        signing: Signing,
    },
    /// Order payment of approved documents, and write the file for the bank.
    Order {
        /// seller/number/issued, all of one buyer.
        #[arg(value_parser = client::name::document, required = true)]
        documents: Vec<DocumentId>,
        /// Account to pay from.
        #[arg(long, value_name = "ACCOUNT")]
        debtor_account: String,
        /// Archive that the documents were put into when they were submitted.
        #[arg(long, value_name = "DIR")]
        archive: PathBuf,
        /// File to write (ISO 20022 pain.001).
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Version of the message.
        #[arg(long, default_value = "03")]
        version: VersionArg,
        /// When the bank shall pay [default: when the first is due, today at the earliest].
        #[arg(long, value_parser = values::date)]
        on: Option<Date>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Net two approved documents by which two parties owe each other, as far as the smaller reaches;
    /// signed by whoever orders payments of each.
    Net {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        one: DocumentId,
        /// seller/number/issued, the other way round.
        #[arg(value_parser = client::name::document)]
        other: DocumentId,
        /// Posting date [default: today in Norway; name it to repeat the command on another day].
        #[arg(long, value_parser = values::date)]
        date: Option<Date>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Book what the bank booked (camt.054, camt.053): every entry that answers an order.
    Settle {
        /// The bank's message.
        file: PathBuf,
        /// Archive that the orders were given from.
        #[arg(long, value_name = "DIR")]
        archive: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Note what the bank refused (pain.002): its orders are void.
    Reject {
        /// The bank's message.
        file: PathBuf,
        /// Archive that the orders were given from.
        #[arg(long, value_name = "DIR")]
        archive: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
    /// Show an entity.
    Entity {
        /// Organisation number.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
    },
    /// Show a document and where it stands.
    Document {
        /// seller/number/issued.
        #[arg(value_parser = client::name::document)]
        document: DocumentId,
    },
    /// Fetch a receipt and write it into a file.
    Receipt {
        /// A transaction id, or seller/number/issued and a step: 923609016/8841/2026-03-04-attest.
        #[arg(value_parser = client::name::wanted)]
        what: Wanted,
        /// Folder to write it into.
        #[arg(long, default_value = ".", value_name = "DIR")]
        receipts: PathBuf,
    },
    /// Verify receipts, or find the guilty of a fork; ask nobody.
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Verify {
        /// Receipts (.kvittering).
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(subcommand)]
        other: Option<Verify>,
    },
    /// Fetch the certificates that prove a stretch of blocks final, to be held against another's.
    Finality {
        /// Height of the first block.
        #[arg(long, value_name = "HEIGHT")]
        from: u64,
        /// Height of the last block; more follow if its finality rests on a later one.
        #[arg(long, value_name = "HEIGHT")]
        to: u64,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Who validates; prepare, sign and submit changes of it.
    #[command(subcommand)]
    Validators(Validators),
    /// Show the trial balance of a period: every account with postings in it.
    Accounts {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Which period, as YYYY-MM [default: this month].
        #[arg(long, value_parser = values::period)]
        period: Option<Period>,
    },
    /// Show every posting of an account in a period.
    Postings {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Which account, such as 2.35.200.
        #[arg(value_parser = values::account)]
        account: Account,
        /// Which period, as YYYY-MM [default: this month].
        #[arg(long, value_parser = values::period)]
        period: Option<Period>,
    },
    /// Show the journal of a year: every voucher.
    Journal {
        /// Whose books.
        #[arg(value_parser = values::org_number)]
        entity: OrgNumber,
        /// Which year [default: this one].
        #[arg(long, value_parser = clap::value_parser!(u16).range(1900..=9999))]
        year: Option<u16>,
        /// In the format of hledger.
        #[arg(long)]
        hledger: bool,
    },
    /// Show what spans documents and parties: what is open, suppliers, two entities' books of each other.
    #[command(subcommand)]
    Report(reports::Report),
    /// Write a year of an entity's books into a file, proven, in a format that others read.
    #[command(subcommand)]
    Export(export::Export),
    /// Copy the books into PostgreSQL, proven, and follow the chain: for reporting tools that speak SQL.
    Sink {
        /// Where, such as postgres://reporter@localhost/books or "host=/run/postgresql user=reporter".
        database: String,
        /// Stop when the copy is level with the newest checkpoint.
        #[arg(long)]
        once: bool,
        /// Leaves that are copied in one database transaction, rounded up to whole blocks.
        #[arg(long, default_value = "8192", value_name = "LEAVES")]
        batch: NonZeroUsize,
    },
    /// Show the newest checkpoint of the log.
    Checkpoint {
        /// The signed note itself, for other programs.
        #[arg(long)]
        note: bool,
    },
}

/// What else is verified.
#[derive(Subcommand)]
enum Verify {
    /// Two finality proofs, or two checkpoints of one size, that contradict each other: name who signed
    /// both.
    Fork {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The proof that a node left when it stopped for good: check chain, validators and signatures, and
    /// name the guilty. A block is executed only if it is the first after genesis; for others see
    /// hovedbok-node replay.
    Halt {
        /// halted.proof, as the node wrote it.
        file: PathBuf,
    },
}

/// Governance of the validator set.
#[derive(Subcommand)]
pub(crate) enum Validators {
    /// Show the validators in force, proven from genesis on.
    Show,
    /// Give a node's word that it is ready for a seat, or for new keys on its seat; ask it alone.
    Ready {
        /// The node's key file.
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
        /// The governance key: 64 hex digits, or its file.
        #[arg(long, value_parser = values::public_key, value_name = "KEY")]
        governance: ledger::signature::PublicKey,
        /// The entity that answers for the validator.
        #[arg(long, value_parser = values::org_number, value_name = "ORG")]
        entity: OrgNumber,
        /// Name on its cosignatures, such as sandnes.example/v1.
        #[arg(long, value_parser = values::name)]
        name: Name,
        /// File to write; good for some hours of a busy chain.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a change of the validators, for a quorum of governance keys to sign.
    Change {
        /// Whose seat falls away; repeat it for several.
        #[arg(long, value_parser = values::org_number, value_name = "ORG")]
        leave: Vec<OrgNumber>,
        /// What `ready` wrote of one that enters or takes new keys; repeat it for several.
        #[arg(long, value_name = "FILE")]
        enter: Vec<PathBuf>,
        /// Whose governance key is sure to sign.
        #[arg(long = "as", value_parser = values::org_number, value_name = "ORG")]
        submitter: OrgNumber,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Write a recovery, for when more validators are lost for good than the ledger can bear. It goes on
    /// from the last block of the node asked: ask the one that has most.
    Recover {
        /// Who keeps its seat; repeat it for several.
        #[arg(long, value_parser = values::org_number, value_name = "ORG")]
        keep: Vec<OrgNumber>,
        /// What `ready` wrote of a further one; repeat it for several.
        #[arg(long, value_name = "FILE")]
        enter: Vec<PathBuf>,
        /// Whose governance key is sure to sign.
        #[arg(long = "as", value_parser = values::org_number, value_name = "ORG")]
        submitter: OrgNumber,
        /// File to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show what a change or recovery does, and sign it; ask nobody.
    Sign {
        /// The file; the signature is added to it.
        file: PathBuf,
        /// File of a governance key.
        #[arg(long = "key", required = true, value_name = "FILE")]
        keys: Vec<PathBuf>,
    },
    /// Join the signatures of several copies and submit the change. A recovery is joined into --out and
    /// given to every operator instead.
    Submit {
        /// Signed copies of one transaction.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// File to write the joined transaction to, instead of submitting it.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Folder to write the receipt into.
        #[arg(long, value_name = "DIR")]
        receipts: Option<PathBuf>,
    },
}

/// What is entered into the register.
#[derive(Subcommand)]
enum Register {
    /// An entity; signed by the chain's registrar.
    Entity {
        /// Organisation number.
        #[arg(value_parser = values::org_number)]
        number: OrgNumber,
        /// Registered name.
        #[arg(long, value_parser = values::name)]
        name: Name,
        /// What it is.
        #[arg(long)]
        kind: KindArg,
        /// Sector code in others' balance accounts [default: the usual one of its kind].
        #[arg(long)]
        sector: Option<u16>,
        /// First period of its books here, as YYYY-MM [default: it keeps none here].
        #[arg(long, value_parser = values::period)]
        books: Option<Period>,
        /// Check digit that its bank demands of payment references.
        #[arg(long, default_value = "none")]
        kid: KidArg,
        #[command(flatten)]
        signing: Signing,
    },
    /// A key and its mandates; signed by the chain's registrar or the entity's administrator.
    Key {
        /// The key: 64 hex digits, or a key file.
        #[arg(value_parser = values::public_key)]
        public: ledger::signature::PublicKey,
        /// Entity that answers for the holder.
        #[arg(long, value_parser = values::org_number)]
        entity: OrgNumber,
        /// The holder, as a number of the entity's own: two keys of one person carry one number.
        /// 0 is a machine.
        #[arg(long)]
        holder: u32,
        /// What the holder may do.
        #[arg(long = "role", required = true, value_delimiter = ',')]
        roles: Vec<RoleArg>,
        /// For whom [default: the entity itself].
        #[arg(long = "for", value_parser = values::org_number)]
        acts_for: Option<OrgNumber>,
        /// First day [default: today].
        #[arg(long, value_parser = values::date)]
        from: Option<Date>,
        /// Last day [default: no end].
        #[arg(long, value_parser = values::date)]
        to: Option<Date>,
        #[command(flatten)]
        signing: Signing,
    },
}

/// What a command says.
pub(crate) struct Output {
    /// For people.
    pub(crate) text: String,
    /// For programs.
    pub(crate) json: Value,
    /// What went wrong with a part of it.
    pub(crate) failure: Option<Failure>,
}

impl Output {
    fn new(text: impl Into<String>, json: Value) -> Self {
        Self { text: text.into(), json, failure: None }
    }
}

/// JSON as it is printed.
pub(crate) fn pretty(json: &Value) -> String {
    format!("{json:#}\n")
}

/// Carries a command out.
pub(crate) fn run(args: &Args) -> Result<Output, Failure> {
    match &args.command {
        Command::Keygen { file } => return offline::keygen(file),
        Command::Check { files, kid } => return offline::check(files, *kid),
        Command::Parties { files } => return offline::parties(files),
        Command::Verify { other: Some(Verify::Fork { first, second }), .. } => {
            return governance::fork(args, first, second);
        }
        Command::Verify { other: Some(Verify::Halt { file }), .. } => return governance::halt(args, file),
        Command::Verify { files, .. } => return offline::verify(args, files),
        Command::Validators(Validators::Sign { file, keys }) => return governance::sign(args, file, keys),
        Command::Validators(Validators::Submit { files, out: Some(out), .. }) => {
            return governance::join(files, out);
        }
        _ => {}
    }
    let mut session = Session::connect(args)?;
    let output = online(args, &mut session);
    for warning in session.client().warnings() {
        eprintln!("hovedbok: {warning}");
    }
    output
}

fn online(args: &Args, session: &mut Session<'_>) -> Result<Output, Failure> {
    match &args.command {
        Command::Register(register) => write::register(session, register),
        Command::Revoke { key, entity, signing } => write::revoke(session, *key, *entity, signing),
        Command::OpenBooks { entity, file, date, signing } => {
            write::open_books(session, *entity, file, *date, signing)
        }
        Command::ClosePeriod { entity, period, signing } => {
            write::close_period(session, *entity, *period, signing)
        }
        Command::Hand(hand) => hand::run(session, hand),
        Command::Submit { file, archive, coding, date, regime, signing } => {
            let terms = write::SubmitTerms { coding: *coding, date: *date, regime: *regime };
            write::submit(session, file, archive, &terms, signing)
        }
        Command::Attest { document, signing } => write::attest(session, document, signing),
        Command::Approve { document, beyond, signing } => budget::approve(session, document, beyond, signing),
        Command::Migrate(migrate) => migrate::run(session, migrate),
        Command::Budget(budget) => budget::run(session, budget),
        Command::Order { documents, debtor_account, archive, out, version, on, signing } => {
            let terms = orders::Terms { debtor_account, out, version: *version, on: *on };
            orders::order(session, documents, archive, &terms, signing)
        }
        Command::Net { one, other, date, signing } => write::net(session, (one, other), *date, signing),
        Command::Settle { file, archive, signing } => orders::settle(session, file, archive, signing),
        Command::Reject { file, archive, signing } => orders::reject(session, file, archive, signing),
        Command::Entity { entity } => read::entity(session, *entity),
        Command::Document { document } => read::document(session, document),
        Command::Receipt { what, receipts } => read::receipt(session, what, receipts),
        Command::Accounts { entity, period } => read::accounts(session, *entity, *period),
        Command::Postings { entity, account, period } => read::postings(session, *entity, *account, *period),
        Command::Journal { entity, year, hledger } => read::journal(session, *entity, *year, *hledger),
        Command::Report(what) => reports::run(session, what),
        Command::Export(command) => export::export(session, command),
        Command::Sink { database, once, batch } => {
            sink::sink(session, &sink::Terms { database, once: *once, leaves: batch.get() })
        }
        Command::Checkpoint { note } => read::checkpoint(session, *note),
        Command::Finality { from, to, out } => governance::finality(session, *from, *to, out),
        Command::Validators(command) => governance::run(session, command),
        Command::Keygen { .. } | Command::Check { .. } | Command::Parties { .. } | Command::Verify { .. } => {
            Err(Failure::usage("this command needs no node"))
        }
    }
}
