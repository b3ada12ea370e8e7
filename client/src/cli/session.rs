//! What online commands share: the client, names, keys, and the way of one transaction to its receipt.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use client::archive::replace;
use client::client::{Client, Meaning, Proven};
use client::key::{Key, sign};
use client::name;
use client::payment_id::payment_id;
use client::report::{self, Names};
use client::submit::Confirmed;
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::genesis::{GENESIS_BYTES_MAX, Genesis};
use ledger::records::{DocumentRecord, EntityRecord};
use ledger::transaction::{DocumentId, Operation, SignedTransaction, Transaction};
use serde_json::{Value, json};

use super::{Args, Failure, Output, Signing};

/// Invoices and bank messages are refused by `formats` when they are longer.
pub(crate) const FILE_BYTES_MAX: usize = 11 << 20;

/// One run of an online command.
pub(crate) struct Session<'a> {
    args: &'a Args,
    client: Client,
    pub(crate) names: Names,
}

/// Reads a file that has no business being longer than a limit.
pub(crate) fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Failure::file(path, error))?;
    let read = file.take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::file(path, error))?;
    if bytes.len() > bytes_max {
        return Err(Failure::file(path, format!("longer than {bytes_max} bytes; is it the right file?")));
    }
    Ok(bytes)
}

/// Reads the genesis file that the command names.
pub(crate) fn genesis(args: &Args) -> Result<(PathBuf, Genesis), Failure> {
    let path = args.genesis.clone();
    let path = path.ok_or_else(|| Failure::usage("give --genesis FILE or set HOVEDBOK_GENESIS"))?;
    let bytes = read_file(&path, GENESIS_BYTES_MAX)?;
    let genesis = Genesis::decode(&bytes).map_err(|error| Failure::file(&path, error))?;
    Ok((path, genesis))
}

impl<'a> Session<'a> {
    /// Pins genesis and node.
    pub(crate) fn connect(args: &'a Args) -> Result<Self, Failure> {
        let node = args.node.as_deref();
        let node = node.ok_or_else(|| Failure::usage("give --node URL or set HOVEDBOK_NODE"))?;
        let (path, genesis) = genesis(args)?;
        let names = Names::new(&genesis);
        let seen = args.seen.clone().unwrap_or_else(|| {
            let mut beside = path.into_os_string();
            beside.push(".seen");
            beside.into()
        });
        let client = Client::new(node, genesis)?.with_age_max(Duration::from_secs(args.max_age));
        Ok(Self { args, client: client.remembering(&seen)?, names })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn brief(&self) -> bool {
        self.args.brief
    }

    /// A proven entity; its name is known from then on.
    pub(crate) fn entity(&mut self, number: OrgNumber) -> Result<Proven<EntityRecord>, Failure> {
        let proven = self.client.entity(number)?;
        self.names.learn(&proven);
        Ok(proven)
    }

    /// A proven document; its parties' names are known from then on.
    pub(crate) fn document(&mut self, id: &DocumentId) -> Result<Proven<DocumentRecord>, Failure> {
        let proven = self.client.document(id)?;
        self.learn([proven.record().id.seller, proven.record().buyer])?;
        Ok(proven)
    }

    /// Looks up names that are not known. One that cannot be had stays a number.
    pub(crate) fn learn(&mut self, numbers: impl IntoIterator<Item = OrgNumber>) -> Result<(), Failure> {
        for number in numbers {
            if self.names.knows(number) {
                continue;
            }
            match self.client.entity(number) {
                Ok(proven) => self.names.learn(&proven),
                Err(error) if error.meaning() == Meaning::Refused => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Signs, submits, verifies the receipt, and keeps it where that is asked for.
    pub(crate) fn act(
        &self,
        signing: &Signing,
        concerned: OrgNumber,
        operation: Operation,
        turn: u32,
    ) -> Result<Done, Failure> {
        let hand = self.hand(signing, concerned)?;
        let signed = hand.sign(operation, turn);
        hand.taken(&signed, self.client.submit(&signed)?)
    }

    /// The same for many of one entity, in any order, but for the last: it is submitted when all others
    /// are posted. What was posted before the first failure stays; repeating goes on from there.
    pub(crate) fn act_all(
        &self,
        signing: &Signing,
        concerned: OrgNumber,
        operations: Vec<(Operation, u32)>,
    ) -> Result<Vec<Done>, Failure> {
        let hand = self.hand(signing, concerned)?;
        let mut signed: Vec<SignedTransaction> =
            operations.into_iter().map(|(operation, turn)| hand.sign(operation, turn)).collect();
        let last = signed.pop();
        let mut done = Vec::new();
        for (signed, confirmed) in signed.iter().zip(self.client.submit_all(&signed)) {
            done.push(hand.taken(signed, confirmed?)?);
        }
        if let Some(last) = last {
            done.push(hand.taken(&last, self.client.submit(&last)?)?);
        }
        Ok(done)
    }

    fn hand<'s>(&self, signing: &'s Signing, concerned: OrgNumber) -> Result<Hand<'s>, Failure> {
        let keys = signing.keys.iter().map(|path| Key::load(path)).collect::<Result<Vec<_>, _>>()?;
        let submitter = signing.submitter.or_else(|| self.signer(&keys)).unwrap_or(concerned);
        Ok(Hand { signing, keys, submitter, chain: self.client.chain() })
    }

    /// The entity that genesis names for one of the keys.
    fn signer(&self, keys: &[Key]) -> Option<OrgNumber> {
        let granted = &self.client.genesis().keys;
        keys.iter()
            .find_map(|key| granted.iter().find(|known| known.key == key.public()))
            .map(|known| known.entity)
    }

    /// One transaction and its receipt, for people and programs.
    pub(crate) fn done(&self, done: &Done) -> Output {
        let posted = &done.confirmed.posted;
        let mut text = if self.brief() {
            format!("{}\n", report::posted_line(posted))
        } else {
            report::posted(posted, &self.names)
        };
        let mut value = report::confirmed_json(&done.confirmed, &self.names);
        if let Some(file) = &done.file {
            if !self.brief() {
                text.push_str(&format!("receipt: {}\n", file.display()));
            }
            value["file"] = json!(file);
        }
        Output::new(text, value)
    }

    /// Several, with what stood in the way of others. The first failure decides the exit code.
    pub(crate) fn all_done(&self, done: &[Done], told: &[String], failures: Vec<Failure>) -> Output {
        let outputs: Vec<Output> = done.iter().map(|done| self.done(done)).collect();
        let between = if self.brief() { "" } else { "\n" };
        let mut text = outputs.iter().map(|output| output.text.as_str()).collect::<Vec<_>>().join(between);
        for line in told {
            text.push_str(&format!("{line}\n"));
        }
        let posted: Vec<Value> = outputs.into_iter().map(|output| output.json).collect();
        let refused: Vec<Value> = failures.iter().map(Failure::to_json).collect();
        let more = failures.len().saturating_sub(1);
        let failure = failures.into_iter().next().map(|mut first| {
            if more > 0 {
                first.message.push_str(&format!(" (and {more} more failed)"));
            }
            first
        });
        Output { text, json: json!({ "posted": posted, "told": told, "failed": refused }), failure }
    }
}

/// Who signs, for whom and on which chain.
struct Hand<'s> {
    signing: &'s Signing,
    keys: Vec<Key>,
    submitter: OrgNumber,
    chain: Digest,
}

impl Hand<'_> {
    fn sign(&self, operation: Operation, turn: u32) -> SignedTransaction {
        let id = payment_id(self.submitter, &operation, turn, &self.signing.id);
        sign(Transaction { id, operation }, &self.chain, &self.keys.iter().collect::<Vec<_>>())
    }

    /// Keeps a receipt where that is asked for.
    fn taken(&self, signed: &SignedTransaction, confirmed: Confirmed) -> Result<Done, Failure> {
        own_hand(signed, &confirmed)?;
        let file = match &self.signing.receipts {
            Some(folder) => Some(keep(folder, &signed.transaction.operation, &confirmed)?),
            None => None,
        };
        Ok(Done { confirmed, file })
    }
}

/// A confirmed transaction and the file its receipt is kept in.
pub(crate) struct Done {
    pub(crate) confirmed: Confirmed,
    pub(crate) file: Option<PathBuf>,
}

/// A transaction's id covers no signature, so the first answer may be to the same words under other
/// hands. That is told: nobody shall think that they signed what somebody else did.
fn own_hand(signed: &SignedTransaction, confirmed: &Confirmed) -> Result<(), Failure> {
    let keys = |signed: &SignedTransaction| signed.signatures.iter().map(|one| one.key).collect::<Vec<_>>();
    let booked = confirmed.posted.booked().map(|booked| keys(&booked.signed)).unwrap_or_default();
    if booked == keys(signed) {
        return Ok(());
    }
    let other = booked.first().map(|key| key.to_string()[..8].to_string()).unwrap_or_default();
    let message = format!(
        "{}, signed with key {other}, not with this one; nothing is booked a second time",
        report::posted_line(&confirmed.posted)
    );
    Err(Failure::refused("L6", message))
}

/// Writes a receipt into a folder, under the name of what it proves.
pub(crate) fn keep(folder: &Path, operation: &Operation, confirmed: &Confirmed) -> Result<PathBuf, Failure> {
    let name = name::of_receipt(operation, &confirmed.transaction.0);
    let path = folder.join(format!("{name}.kvittering"));
    fs::create_dir_all(folder).map_err(|error| Failure::file(folder, error))?;
    replace(&path, confirmed.receipt.as_bytes()).map_err(|error| Failure::file(&path, error))?;
    Ok(path)
}
