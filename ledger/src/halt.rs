//! Stopped nodes: the proof that a node leaves behind when it stops for good, and how anybody judges it.
//!
//! Certificates that exclude each other convict by themselves those who signed both. A certificate on a
//! block that the books refuse convicts all its signers, but only by executing the block: whoever has
//! books up to its parent finds the rule that it breaks, or that the node which stopped was wrong.
//! Left out: getting hold of books (a node's data directory), and what is done about the guilty.
//!
//! Invariant: nothing that the proof says of itself is believed. Its validators are those that genesis and
//! the handoffs prove, and what the node thought of the block is shown as its word only.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{Block, BlockHash, Epoch, VerifiedBlock};
use crate::books::{BlockError, Ledger, Parent};
use crate::certificate::{Certificate, CertificateError, ValidatorSet};
use crate::checkpoint::Trust;
use crate::digest::Digest;
use crate::fork::{Culprit, both_signed};
use crate::handoff::{Handoff, HandoffError};
use crate::transaction::{TransactionError, VerifiedTransaction};

/// A full block, a committee, handoffs of hundreds of epochs and two certificates.
pub const HALT_BYTES_MAX: usize = 8 << 20;

/// Of what a stranger's file says of itself, shown at most.
const SHOWN_CHARS_MAX: usize = 2000;

/// What stopped a node, with what is needed to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HaltProof {
    /// Genesis hash of the chain.
    pub chain: Digest,
    /// The validators of the epoch, whose signatures the certificates hold.
    pub validators: ValidatorSet,
    /// What leads from genesis to them; empty if there was no room.
    pub handoffs: Vec<Handoff>,
    /// What was seen.
    pub seen: Seen,
}

/// What no node sees while at most f validators are faulty and its own machine is sound.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Seen {
    /// Two certificates that exclude each other.
    Contradiction {
        /// One.
        first: Certificate,
        /// The other.
        second: Certificate,
    },
    /// A certificate on a block that the books refuse.
    CertifiedInvalid {
        /// The certificate.
        certificate: Certificate,
        /// The block, if its body was here: replaying the chain up to its parent and executing it
        /// shows who is right.
        block: Option<Block>,
        /// Why the node that stopped refused it, in its own words; empty if it could not say.
        refusal: String,
    },
}

/// Why a proof proves nothing to this reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HaltProofError {
    /// Of another chain.
    #[error("the proof is of chain {found}, expected {expected}; give the genesis file of its chain")]
    Chain {
        /// The reader's.
        expected: Digest,
        /// The proof's.
        found: Digest,
    },
    /// A handoff in it does not hold.
    #[error("the proof's own way from genesis does not hold: {0}")]
    Handoff(#[from] HandoffError),
    /// Nothing leads to its epoch.
    #[error(
        "the proof is of epoch {epoch}, and its handoffs lead to epoch {newest}; get the handoffs between from a node"
    )]
    Epoch {
        /// The proof's.
        epoch: Epoch,
        /// The newest that is proven.
        newest: Epoch,
    },
    /// Its validators are not those of its epoch.
    #[error("the validators named are not those of epoch {epoch}; the proof is forged or damaged")]
    Validators {
        /// The epoch.
        epoch: Epoch,
    },
    /// A certificate does not hold.
    #[error("a certificate in the proof does not hold and proves nothing: {0}")]
    Certificate(#[from] CertificateError),
    /// The block is not the one certified.
    #[error("the block in the proof is {found}, certified is {certified:?}; it proves nothing")]
    OtherBlock {
        /// What the certificate speaks of.
        certified: Option<BlockHash>,
        /// The block's own hash.
        found: BlockHash,
    },
    /// The body is not the one that the certified header commits to.
    #[error(
        "the body's digest is {found}, the certified header commits to {expected}: the file was altered, or the memory of the node that stopped is damaged; it convicts nobody"
    )]
    OtherBody {
        /// The header's.
        expected: Digest,
        /// The body's.
        found: Digest,
    },
    /// There is no block to execute.
    #[error(
        "the proof holds no block to execute; the signatures are all that can be judged, fetch the block from a node that has it"
    )]
    NoBlock,
    /// The books are not those before the block.
    #[error(
        "the block stands on {expected}, the books given end at {found}; replay the chain up to its parent"
    )]
    Books {
        /// Its parent.
        expected: BlockHash,
        /// Where the books end.
        found: BlockHash,
    },
}

/// What the signatures alone show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Two certificates of the epoch hold and cannot both be. Those who signed both sides, in order of
    /// signer; none where the two are of different views, and only the chains between them convict.
    Contradiction {
        /// Convicted.
        culprits: Vec<Culprit>,
    },
    /// A quorum certified the block. If the books refuse it, all of these are guilty, otherwise nobody is.
    Certified {
        /// The block.
        block: Option<BlockHash>,
        /// Its signers, rising.
        signers: Vec<u16>,
    },
}

/// What executing the block shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The books refuse it: who certified it is guilty.
    Refused(Broken),
    /// The books take it: the node that stopped is at fault, its program or its machine.
    Accepted,
}

/// What a block breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A signature does not hold.
    #[error("transaction {place} of the block: {source}")]
    Transaction {
        /// Its place in the block, from 0.
        place: usize,
        /// What is wrong.
        source: TransactionError,
    },
    /// A rule of the books.
    #[error(transparent)]
    Books(#[from] BlockError),
}

impl HaltProof {
    /// The certificates in it.
    pub fn certificates(&self) -> Vec<&Certificate> {
        match &self.seen {
            Seen::Contradiction { first, second } => [first, second].into(),
            Seen::CertifiedInvalid { certificate, .. } => [certificate].into(),
        }
    }

    /// The block that is certified and refused, if its body is here.
    pub fn block(&self) -> Option<&Block> {
        match &self.seen {
            Seen::CertifiedInvalid { block, .. } => block.as_ref(),
            Seen::Contradiction { .. } => None,
        }
    }

    /// Judges what signatures can show: chain, epoch, validators, certificates. `trust` learns the
    /// handoffs on the way.
    ///
    /// # Errors
    /// [`HaltProofError`], never [`HaltProofError::NoBlock`] or [`HaltProofError::Books`].
    pub fn verify(&self, trust: &mut Trust) -> Result<Finding, HaltProofError> {
        let (expected, found) = (*trust.chain(), self.chain);
        if expected != found {
            return Err(HaltProofError::Chain { expected, found });
        }
        for handoff in &self.handoffs {
            trust.extend(handoff)?;
        }
        let epoch = self.validators.epoch;
        let term = trust.terms().iter().find(|term| term.validators().epoch == epoch);
        let newest = trust.validators().epoch;
        let set = term.ok_or(HaltProofError::Epoch { epoch, newest })?.validators();
        if *set != self.validators {
            return Err(HaltProofError::Validators { epoch });
        }
        for certificate in self.certificates() {
            certificate.verify(trust.chain(), set)?;
        }
        match &self.seen {
            Seen::Contradiction { first, second } => {
                Ok(Finding::Contradiction { culprits: both_signed(first, second) })
            }
            Seen::CertifiedInvalid { certificate, block, .. } => {
                let certified = certificate.statement.block();
                if let Some(found) = block.as_ref().map(|block| block.header.hash())
                    && certified != Some(found)
                {
                    return Err(HaltProofError::OtherBlock { certified, found });
                }
                if let Some(block) = block {
                    let (expected, found) = (block.header.payload, Block::payload(&block.transactions));
                    if expected != found {
                        return Err(HaltProofError::OtherBody { expected, found });
                    }
                }
                Ok(Finding::Certified { block: certified, signers: certificate.signers().collect() })
            }
        }
    }

    /// Executes the block on books that end at its parent. To be asked after [`HaltProof::verify`], which
    /// shows that header and body are what was certified.
    ///
    /// # Errors
    /// [`HaltProofError::NoBlock`], [`HaltProofError::Books`].
    pub fn judge(&self, ledger: &Ledger, parent: &Parent) -> Result<Verdict, HaltProofError> {
        let block = self.block().ok_or(HaltProofError::NoBlock)?;
        let found = match parent {
            Parent::Finalized => ledger.head().block,
            Parent::Staged(staged) => staged.hash(),
        };
        let expected = block.header.parent;
        if expected != found {
            return Err(HaltProofError::Books { expected, found });
        }
        let verified = match self.body(block) {
            Ok(verified) => verified,
            Err(broken) => return Ok(Verdict::Refused(broken)),
        };
        Ok(match ledger.verify(parent, &verified) {
            Ok(_) => Verdict::Accepted,
            Err(error) => Verdict::Refused(error.into()),
        })
    }

    /// The block with every signature checked one by one.
    fn body(&self, block: &Block) -> Result<VerifiedBlock, Broken> {
        let one = |(place, signed): (usize, &crate::transaction::SignedTransaction)| {
            signed.clone().verify(&self.chain).map_err(|source| Broken::Transaction { place, source })
        };
        let transactions: Vec<VerifiedTransaction> =
            block.transactions.iter().enumerate().map(one).collect::<Result<_, _>>()?;
        Ok(VerifiedBlock::from_own_proposal(block.header.clone(), transactions))
    }

    /// What was found, for people: what holds, who is guilty of what, and plainly what was not looked at.
    /// `verdict` is what executing the block showed, if there were books to execute it on.
    pub fn report(&self, finding: &Finding, verdict: Option<&Verdict>) -> String {
        let epoch = self.validators.epoch;
        let mut text = format!("chain {}, epoch {epoch}: validators and signatures hold\n", self.chain);
        match finding {
            Finding::Contradiction { culprits } => {
                let [first, second] = match &self.seen {
                    Seen::Contradiction { first, second } => [first, second],
                    Seen::CertifiedInvalid { certificate, .. } => [certificate, certificate],
                };
                let (first, second) = (first.statement, second.statement);
                text.push_str(&format!("{first:?} and {second:?} are both certified, and cannot both be\n"));
                if culprits.is_empty() {
                    text.push_str("they are of different views, so no validator is convicted by these two alone: compare the chains (hovedbok finality, hovedbok verify fork)\n");
                } else {
                    text.push_str("guilty, for having signed both:\n");
                    culprits.iter().for_each(|culprit| self.name(&mut text, culprit.signer));
                }
            }
            Finding::Certified { signers, .. } => {
                for certificate in self.certificates() {
                    text.push_str(&format!("{:?} is certified\n", certificate.statement));
                }
                let heading = match verdict {
                    Some(Verdict::Refused(broken)) => {
                        text.push_str(&format!(
                            "executed on the books before it, the block is refused: {broken}\n"
                        ));
                        "guilty, for having certified it:\n"
                    }
                    Some(Verdict::Accepted) => {
                        text.push_str("executed on the books before it, the block holds: nobody is guilty, and the node that stopped is at fault, its program or its machine\n");
                        return text;
                    }
                    None => {
                        self.not_executed(&mut text);
                        "guilty if the block is refused, innocent if it is not:\n"
                    }
                };
                text.push_str(heading);
                signers.iter().for_each(|signer| self.name(&mut text, *signer));
            }
        }
        text
    }

    fn not_executed(&self, text: &mut String) {
        text.push_str("not judged: whether the block is refused. Signatures do not show it, and the books before it were not at hand\n");
        if let Seen::CertifiedInvalid { refusal, .. } = &self.seen
            && !refusal.is_empty()
        {
            // Whoever made the file wrote this.
            let shown: String = refusal.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect();
            text.push_str(&format!("the node that stopped says: {shown}\n"));
        }
        if self.block().is_some() {
            text.push_str(
                "to judge it, run hovedbok-node replay --proof FILE on any node's data directory\n",
            );
        } else {
            text.push_str("the file holds no body of the block, so nobody can execute it from this file\n");
        }
    }

    fn name(&self, text: &mut String, signer: u16) {
        if let Some(seat) = self.validators.validators.get(usize::from(signer)) {
            text.push_str(&format!("  {} {}\n", seat.entity, seat.name.as_str()));
        }
    }
}
