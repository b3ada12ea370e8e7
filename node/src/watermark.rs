//! The signer's own memory: how a validator notices that its data directory is not the newest.
//!
//! Votes are remembered in the data directory ([`crate::store`]). A copy of that directory that is
//! put back forgets the votes cast since, and whoever forgets a vote may contradict it. So a small
//! file beside the key file, `<keys>.votes`, which a restored data directory does not roll back,
//! remembers how far that directory had come. Whoever restores it must not restore this file with it.
//!
//! # What is written, and when
//!
//! | | where | when | synced |
//! |---|---|---|---|
//! | *token*, 16 random bytes, and the one it replaces | data directory | at each start, first | yes |
//! | *pledge*: the token, and "may have voted up to view V" | file | at each start, second; then once every [`STRIDE`] views, before V is passed | yes |
//! | *mark*: the data directory's count of steps, the newest vote and cosignature | file | before each signature leaves, after the step that keeps it is durable | within [`SYNC_AFTER_MS`], by another thread |
//!
//! So a vote costs one write of 512 bytes beyond the synced step that it has anyway.
//!
//! # What is concluded
//!
//! The vote log is *whole* if the key never signed, or if (a) the file reads and is not marked lost,
//! (b) the directory's token is the file's, or replaced the file's, (c) the directory counts no fewer
//! steps than the mark, and (d) it holds a vote in the view of the mark. Otherwise it is *lost*.
//!
//! **A crash never makes it lost.** Between the two writes of a start, the directory's token has
//! replaced the file's (b), however often that happens in a row, because the token that is replaced is
//! always the file's. At any other time both hold the same token. A mark is written after its step
//! is durable, so the directory counts at least as many (c) and holds the vote (d); marks that a power
//! cut takes away only make the file say less. Pledges and marks each have two places that are written
//! in turn, so that a torn write leaves the one before.
//!
//! **An older copy always makes it lost**, if a vote was cast since it was taken. Was the node started
//! in between, then the file's token is a later one than both of the copy's. The copy taken during a start
//! that died before its second write holds a token that no file ever held, and replaces one that the
//! next start's has replaced. Was the node not started in between, then the mark of that vote counts a
//! step that the copy does not know. This holds also for a kill, because what was written is then the
//! system's and survives.
//!
//! What remains is a copy taken during the last [`SYNC_AFTER_MS`] before the machine itself lost power
//! and put back after it: nothing on this machine can tell it from the directory that the power cut
//! left, and calling every power cut a loss would stop a network whose site lost power. Then the
//! votes that others show remain: a signature of ours that we do not remember silences us
//! ([`crate::amnesia`]).
//!
//! Invariant: no signature is handed out for a view beyond the durable pledge.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ledger::block::{Epoch, View};
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::signature::PublicKey;

/// Views pledged at once: an extra synced write every minute or so while blocks are made, and as many
/// views that a loss after a power cut keeps us silent for.
pub const STRIDE: u64 = 64;
/// Marks reach the disk this long after they are written, in milliseconds.
pub const SYNC_AFTER_MS: u64 = 200;

/// A sector, which a disk writes whole or not at all; and if not, the check tells.
const PLACE_BYTES: usize = 512;
const PLEDGES: [u64; 2] = [0, PLACE_BYTES as u64];
const MARKS: [u64; 2] = [2 * PLACE_BYTES as u64, 3 * PLACE_BYTES as u64];
const CHECK_BYTES: usize = 8;

/// Names one start of one data directory.
pub type Token = [u8; 16];

/// A view of an epoch; a later epoch is beyond all views of an earlier one.
pub type Term = (Epoch, View);

/// The file cannot be made, read or written. Nothing may be signed.
#[derive(Debug, thiserror::Error)]
pub enum WatermarkError {
    /// What the system said.
    #[error("watermark {}: {source}; check the path, its permissions and the free space", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The key voted on another chain; what it said there is not known here.
    #[error(
        "the keys beside {} signed for chain {found}, this is chain {expected}; make a key file for each chain with hovedbok-node keygen",
        path.display()
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Chain of the genesis file.
        expected: Digest,
        /// Chain in the file.
        found: Digest,
    },
    /// No randomness for a token.
    #[error("no randomness from the system: {0}; try again")]
    Randomness(getrandom::Error),
}

/// Why the vote log cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The signer has no memory of its own.
    #[error("{} is missing or does not read, so nobody knows what this key signed", path.display())]
    NoWatermark {
        /// The file.
        path: PathBuf,
    },
    /// It was lost before and not regained since.
    #[error("it was lost before an earlier start, and the other validators have not all been heard since")]
    Still,
    /// The store says so itself.
    #[error("{0}")]
    Damaged(String),
    /// The directory is not the one that the key signed with last.
    #[error(
        "the data directory is not the one that this key signed with last, but an older copy or a new one"
    )]
    OtherCopy,
    /// The directory has fewer steps than were signed for.
    #[error("the data directory is an older copy: {signed} steps were signed for, {found} are in it")]
    Behind {
        /// Steps at the newest signature.
        signed: u64,
        /// Steps in the directory.
        found: u64,
    },
    /// The directory lacks the newest vote.
    #[error(
        "the vote in view {view} of epoch {epoch}, the newest that this key cast, is not in the data directory"
    )]
    VoteMissing {
        /// Its epoch.
        epoch: Epoch,
        /// Its view.
        view: View,
    },
    /// A signature of ours turned up that the log does not hold.
    #[error(
        "another validator showed a vote of ours in view {view} of epoch {epoch} that we do not remember"
    )]
    Shown {
        /// Its epoch.
        epoch: Epoch,
        /// Its view.
        view: View,
    },
}

/// What the data directory says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Its token for this key and the one that it replaced, if it ever had one.
    pub tokens: Option<(Token, Token)>,
    /// Its count of steps.
    pub steps: u64,
    /// What lies below it has forgotten on purpose.
    pub floor: Term,
}

/// Synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Pledge {
    serial: u64,
    key: PublicKey,
    chain: Digest,
    host: Token,
    token: Token,
    used: bool,
    lost: bool,
    reserved: Term,
    floor: Term,
    mark: Mark,
}

/// Synced soon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
struct Mark {
    serial: u64,
    token: Token,
    steps: u64,
    last: Term,
    cosigned: (u64, Digest),
}

/// See the module.
pub struct Watermark {
    path: PathBuf,
    file: Arc<File>,
    pledge: Pledge,
    mark: Mark,
    missing: bool,
    // The mark may say less than was signed: the machine lost power since.
    cut: bool,
    syncer: Option<SyncSender<()>>,
}

impl Watermark {
    /// The file beside a key file.
    pub fn beside(keys: &Path) -> PathBuf {
        let mut path = keys.as_os_str().to_os_string();
        path.push(".votes");
        path.into()
    }

    /// Makes the memory of a key that signed nothing yet. An existing file is never replaced.
    ///
    /// # Errors
    /// [`WatermarkError::File`].
    pub fn found(keys: &Path, key: PublicKey) -> Result<(), WatermarkError> {
        Self::make(Self::beside(keys), key, false).map(drop)
    }

    /// Opens the memory of a key for this chain. Where there is none it is made anew, and what the key
    /// signed counts as lost.
    ///
    /// # Errors
    /// [`WatermarkError`].
    pub fn open(keys: &Path, key: PublicKey, chain: &Digest) -> Result<Self, WatermarkError> {
        let path = Self::beside(keys);
        let failed = |source| WatermarkError::File { path: path.clone(), source };
        let file = match fs::OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut made = Self::make(path, key, true)?;
                made.pledge.chain = *chain;
                return Ok(made);
            }
            Err(source) => return Err(failed(source)),
        };
        let pledges = PLEDGES.map(|place| read::<Pledge>(&file, place));
        let marks = MARKS.map(|place| read::<Mark>(&file, place));
        let pledge = pledges.into_iter().flatten().max_by_key(|pledge| pledge.serial);
        let missing = pledge.is_none_or(|pledge| pledge.key != key);
        let mut pledge = pledge.filter(|_| !missing).unwrap_or_else(|| unknown(key, true));
        if !missing && pledge.used && pledge.chain != *chain {
            return Err(WatermarkError::OtherChain { path, expected: *chain, found: pledge.chain });
        }
        pledge.chain = *chain;
        let mark = marks.into_iter().flatten().filter(|mark| mark.token == pledge.token);
        let mark = mark.chain([pledge.mark]).max_by_key(|mark| mark.serial).unwrap_or_default();
        let cut = pledge.host != host();
        Ok(Self { path, file: Arc::new(file), pledge, mark, missing, cut, syncer: None })
    }

    fn make(path: PathBuf, key: PublicKey, lost: bool) -> Result<Self, WatermarkError> {
        let failed = |source| WatermarkError::File { path: path.clone(), source };
        let open = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = open.map_err(failed)?;
        let pledge = unknown(key, lost);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        write(&file, PLEDGES[0], &pledge)
            .and_then(|()| file.sync_all())
            // The file's own entry in its directory must outlive a power cut too.
            .and_then(|()| File::open(parent.unwrap_or(Path::new("."))).and_then(|d| d.sync_all()))
            .map_err(failed)?;
        let mark = pledge.mark;
        Ok(Self { path, file: Arc::new(file), pledge, mark, missing: lost, cut: false, syncer: None })
    }

    /// What follows for the vote log in this directory; `holds` says whether a vote of ours in that view
    /// stands in it, and `damage` what the store found wrong.
    ///
    /// # Errors
    /// [`Lost`]: nothing may be voted before others have been heard.
    pub fn judge(
        &self,
        directory: &Directory,
        damage: Option<&str>,
        holds: impl FnOnce(Term) -> bool,
    ) -> Result<(), Lost> {
        if self.missing {
            return Err(Lost::NoWatermark { path: self.path.clone() });
        }
        if self.pledge.lost {
            return Err(Lost::Still);
        }
        if !self.pledge.used {
            return Ok(());
        }
        if let Some(damage) = damage {
            return Err(Lost::Damaged(damage.into()));
        }
        let ours = |(token, replaced): (Token, Token)| [token, replaced].contains(&self.pledge.token);
        if !directory.tokens.is_some_and(ours) {
            return Err(Lost::OtherCopy);
        }
        if directory.steps < self.mark.steps {
            return Err(Lost::Behind { signed: self.mark.steps, found: directory.steps });
        }
        let last = self.mark.last;
        if last > (Epoch(0), View(0)) && last >= self.pledge.floor && last >= directory.floor && !holds(last)
        {
            return Err(Lost::VoteMissing { epoch: last.0, view: last.1 });
        }
        Ok(())
    }

    /// The token in the file, which the next one replaces.
    pub fn token(&self) -> Token {
        self.pledge.token
    }

    /// Marks it durably that the vote log is lost; it stays so until [`Watermark::regained`].
    ///
    /// # Errors
    /// [`WatermarkError::File`].
    pub fn lost(&mut self) -> Result<(), WatermarkError> {
        if !self.pledge.used && !self.pledge.lost && !self.missing {
            // A key that never signed has nothing to lose.
            return Ok(());
        }
        self.pledge.lost = true;
        self.pledge_anew()
    }

    /// Begins a start whose token is durable in the data directory, which has this many steps and holds
    /// votes up to this term.
    ///
    /// # Errors
    /// [`WatermarkError::File`].
    pub fn begin(&mut self, token: Token, steps: u64, last: Term) -> Result<(), WatermarkError> {
        self.pledge.token = token;
        self.mark.token = token;
        self.mark.steps = steps;
        if !self.pledge.lost {
            self.mark.last = self.mark.last.max(last);
            self.settle();
        }
        self.pledge_anew()?;
        self.missing = false;
        Ok(())
    }

    // From here on the mark says exactly what was signed.
    fn settle(&mut self) {
        self.pledge.host = host();
        self.cut = false;
    }

    /// The newest view that the key may have voted in, as far as this file knows.
    pub fn may_have_voted(&self) -> Term {
        if self.cut { self.pledge.reserved.max(self.mark.last) } else { self.mark.last }
    }

    /// Below it nothing is signed: what was said there is lost.
    pub fn floor(&self) -> Term {
        self.pledge.floor
    }

    /// The others have been heard, and nothing is signed below this term from now on.
    ///
    /// # Errors
    /// [`WatermarkError::File`].
    pub fn regained(&mut self, floor: Term) -> Result<(), WatermarkError> {
        self.pledge.lost = false;
        self.pledge.floor = self.pledge.floor.max(floor);
        self.settle();
        self.pledge_anew()
    }

    /// Before a vote in this term leaves; the step that keeps it is durable and was number `steps`.
    ///
    /// # Errors
    /// [`WatermarkError::File`]; then it must not leave.
    pub fn vote(&mut self, term: Term, steps: u64) -> Result<(), WatermarkError> {
        self.mark.last = self.mark.last.max(term);
        self.mark.steps = self.mark.steps.max(steps);
        if term > self.pledge.reserved || !self.pledge.used {
            self.pledge.used = true;
            self.pledge.reserved = (term.0, View(term.1.0.saturating_add(STRIDE)));
            return self.pledge_anew();
        }
        self.mark_anew()
    }

    /// The largest checkpoint cosigned, as leaves and root; of size 0 before the first.
    pub fn cosigned(&self) -> (u64, Digest) {
        self.mark.cosigned
    }

    /// Before a cosignature leaves; the step that keeps it is durable and was number `steps`.
    ///
    /// # Errors
    /// [`WatermarkError::File`]; then it must not leave.
    pub fn cosign(&mut self, size: u64, root: &Digest, steps: u64) -> Result<(), WatermarkError> {
        self.mark.cosigned = (size, *root);
        self.mark.steps = self.mark.steps.max(steps);
        if !self.pledge.used {
            self.pledge.used = true;
            return self.pledge_anew();
        }
        self.mark_anew()
    }

    fn pledge_anew(&mut self) -> Result<(), WatermarkError> {
        self.mark.serial += 1;
        self.pledge.serial += 1;
        self.pledge.mark = self.mark;
        let place = PLEDGES[(self.pledge.serial % 2) as usize];
        write(&self.file, place, &self.pledge)
            .and_then(|()| self.file.sync_data())
            .map_err(|source| WatermarkError::File { path: self.path.clone(), source })
    }

    fn mark_anew(&mut self) -> Result<(), WatermarkError> {
        self.mark.serial += 1;
        let place = MARKS[(self.mark.serial % 2) as usize];
        write(&self.file, place, &self.mark)
            .map_err(|source| WatermarkError::File { path: self.path.clone(), source })?;
        if self.syncer.is_none() {
            self.syncer = Some(
                start_syncer(Arc::clone(&self.file))
                    .map_err(|source| WatermarkError::File { path: self.path.clone(), source })?,
            );
        }
        if let Some(syncer) = &self.syncer {
            // One that waits already covers this mark too.
            let _ = syncer.try_send(());
        }
        Ok(())
    }
}

/// A new token.
///
/// # Errors
/// [`WatermarkError::Randomness`].
pub fn new_token() -> Result<Token, WatermarkError> {
    let mut token = Token::default();
    getrandom::fill(&mut token).map_err(WatermarkError::Randomness)?;
    Ok(token)
}

fn unknown(key: PublicKey, lost: bool) -> Pledge {
    let term = (Epoch(0), View(0));
    Pledge {
        serial: 0,
        key,
        chain: Digest::default(),
        host: host(),
        token: Token::default(),
        used: false,
        lost,
        reserved: term,
        floor: term,
        mark: Mark::default(),
    }
}

/// Tells one run of this machine from the next: what was written and not synced outlives a process, not
/// a run.
fn host() -> Token {
    let id = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut host = Token::default();
    host.copy_from_slice(&Digest::of(&[b"hovedbok/v1/host", &id]).0[..16]);
    host
}

fn start_syncer(file: Arc<File>) -> io::Result<SyncSender<()>> {
    let (sender, receiver): (_, Receiver<()>) = sync_channel(1);
    std::thread::Builder::new().name("watermark".into()).spawn(move || {
        while receiver.recv().is_ok() {
            std::thread::sleep(Duration::from_millis(SYNC_AFTER_MS));
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "the signer's memory could not be synced; the next pledge tries again");
            }
        }
    })?;
    Ok(sender)
}

fn write<T: Encode>(file: &File, place: u64, value: &T) -> io::Result<()> {
    file.write_all_at(&sector(&codec::encode(value)), place)
}

fn sector(value: &[u8]) -> [u8; PLACE_BYTES] {
    assert!(value.len() + 2 + CHECK_BYTES <= PLACE_BYTES, "a record fits its place");
    let mut sector = [0; PLACE_BYTES];
    sector[..2].copy_from_slice(&(value.len() as u16).to_be_bytes());
    sector[2..2 + value.len()].copy_from_slice(value);
    let check = Digest::of(&[b"hovedbok/v1/watermark", value]);
    sector[PLACE_BYTES - CHECK_BYTES..].copy_from_slice(&check.0[..CHECK_BYTES]);
    sector
}

fn read<T: Encode + Decode<()>>(file: &File, place: u64) -> Option<T> {
    let mut found = [0; PLACE_BYTES];
    file.read_exact_at(&mut found, place).ok()?;
    let length = usize::from(u16::from_be_bytes([found[0], found[1]]));
    let value = found.get(2..2 + length).filter(|value| value.len() + 2 + CHECK_BYTES <= PLACE_BYTES)?;
    (sector(value) == found).then(|| codec::decode(value, PLACE_BYTES).ok()).flatten()
}

#[cfg(test)]
mod tests;
