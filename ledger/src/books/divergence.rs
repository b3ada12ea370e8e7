//! When two machines book one block otherwise: what each would write, so that laying the two side by
//! side names the register and the record.
//!
//! It leaves out who is right, and how the two lists meet: an operator carries them, as the text that
//! [`Changes`] shows itself as.
//!
//! Invariant: equal lists come from equal state roots, if what they were executed on was equal.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{BlockError, Ledger, Parent};
use crate::block::{Height, VerifiedBlock};
use crate::digest::Digest;
use crate::state_proof::{RegisterRoot, state_root};

use super::execution::Execution;

/// Of a line that is shown because it is not what it should be.
const HEADING_CHARS_MAX: usize = 120;

/// One record that a block writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name of its register.
    pub register: &'static str,
    /// Its index there.
    pub index: u64,
    /// Its key, as text.
    pub key: String,
    /// Its canonical bytes after the block.
    pub record: Vec<u8>,
}

/// All that executing a block writes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Height of the block.
    pub height: Height,
    /// Root of the registers after it, by our execution.
    pub state_root: Digest,
    /// Name, length and root of each register after it.
    pub registers: Vec<RegisterRoot>,
    /// Every record written, by register and index.
    pub records: Vec<Change>,
}

/// The first place where two executions of a block part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of the register.
    pub register: String,
    /// What the one writes there; `None` if only the other writes.
    pub ours: Option<Change>,
    /// What the other writes there. Where both are `None` the registers parted before this block.
    pub theirs: Option<Change>,
}

impl Changes {
    /// Names of the registers that the block writes to, in their order.
    pub fn written(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.records.iter().map(|change| change.register).collect();
        names.dedup();
        names
    }

    /// Where this execution and another of the same block part first, in the order of registers and
    /// indexes; `None` if they do not.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let longest = self.registers.len().max(other.registers.len());
        let place = (0..longest).find(|place| self.registers.get(*place) != other.registers.get(*place))?;
        let named = self.registers.get(place).or_else(|| other.registers.get(place))?;
        let register: String = named.name.as_str().into();
        let of = |changes: &Self| -> Vec<Change> {
            changes.records.iter().filter(|change| change.register == register).cloned().collect()
        };
        let (ours, theirs) = (of(self), of(other));
        let at = (0..ours.len().max(theirs.len())).find(|at| ours.get(*at) != theirs.get(*at));
        let (ours, theirs) = match at {
            Some(at) => (ours.get(at).cloned(), theirs.get(at).cloned()),
            None => (None, None),
        };
        Some(Difference { register, ours, theirs })
    }
}

/// The first place where two written lists part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// They are not of one block.
    Heading {
        /// The first line of the one.
        ours: String,
        /// That of the other.
        theirs: String,
    },
    /// A register.
    Register {
        /// Its name.
        register: String,
        /// The line of the first record there in which they part; `None` if this list has none.
        ours: Option<String>,
        /// The other's. Where both are `None` the registers parted before this block.
        theirs: Option<String>,
    },
}

/// Where two lists of changes, as they are written down, part first; `None` if they do not.
pub fn parting(ours: &str, theirs: &str) -> Option<Parting> {
    let height = |text: &str| text.split(',').next().unwrap_or("").to_string();
    if height(ours) != height(theirs) {
        let heading =
            |text: &str| text.lines().next().unwrap_or("").chars().take(HEADING_CHARS_MAX).collect();
        return Some(Parting::Heading { ours: heading(ours), theirs: heading(theirs) });
    }
    let registers = |text: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("register ")?.split_once(": "));
        lines.map(|(name, rest)| (name.into(), rest.into())).collect()
    };
    let (one, other) = (registers(ours), registers(theirs));
    let place = (0..one.len().max(other.len())).find(|place| one.get(*place) != other.get(*place))?;
    let (register, _) = one.get(place).or_else(|| other.get(place))?.clone();
    let records = |text: &str| -> Vec<String> {
        let of = |line: &&str| line.split_once(' ').is_some_and(|(name, _)| name == register);
        text.lines().filter(of).map(String::from).collect()
    };
    let (one, other) = (records(ours), records(theirs));
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at));
    let line = |lines: &[String]| at.and_then(|at| lines.get(at).cloned());
    Some(Parting::Register { register, ours: line(&one), theirs: line(&other) })
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heading { ours, theirs } => {
                write!(f, "the lists are not of one block: here {ours:?}, there {theirs:?}")
            }
            Self::Register { register, ours: None, theirs: None } => {
                write!(f, "register {register}, in a record that this block does not write")
            }
            Self::Register { register, ours, theirs } => {
                let show = |line: &Option<String>| line.clone().unwrap_or_else(|| "not written".into());
                write!(f, "register {register}: here {}, there {}", show(ours), show(theirs))
            }
        }
    }
}

impl fmt::Display for Changes {
    /// A line for each register and each record, the same on every machine, so that `diff` serves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "height {}, state root {}", self.height, self.state_root)?;
        for RegisterRoot { name, length, root } in &self.registers {
            writeln!(f, "register {}: {length} records, root {root}", name.as_str())?;
        }
        for Change { register, index, key, record } in &self.records {
            writeln!(f, "{register} {index} {key}: {}", Digest::of(&[record]))?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { register, ours, theirs } = self;
        match ours.as_ref().or(theirs.as_ref()) {
            Some(Change { index, key, .. }) => write!(f, "register {register}, record {index}, key {key}")?,
            None => return write!(f, "register {register}, in a record that this block does not write"),
        }
        let show = |change: &Option<Change>| match change {
            Some(change) => alloc::format!("{}", Digest::of(&[&change.record])),
            None => "not written".into(),
        };
        write!(f, ": here {}, there {}", show(ours), show(theirs))
    }
}

impl Ledger {
    /// What executing a block on its parent writes here, whatever its header says.
    ///
    /// # Errors
    /// [`BlockError`] of a block that is not executed: then the machines part before they write.
    pub fn changes(&self, parent: &Parent, block: &VerifiedBlock) -> Result<Changes, BlockError> {
        let ground = self.ground(parent).ok_or(BlockError::Detached { head: self.head().block })?;
        let header = block.header();
        let done = if ground.closing {
            Execution::closing(&self.registers, &ground, self.chain, header.time)
        } else {
            self.execute(&ground, block)?
        };
        let registers = done.layer.roots();
        Ok(Changes {
            height: header.height,
            state_root: state_root(&registers),
            registers,
            records: done.layer.changes(),
        })
    }
}
