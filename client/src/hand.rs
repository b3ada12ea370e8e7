//! Entries made by hand and corrections: fetches what stands in the books in the form in which the
//! ledger wants it back, proven. It leaves out what a person decides (`cli`).

use ledger::entity::OrgNumber;
use ledger::entry::Voucher;
use ledger::records::DocumentRecord;
use ledger::transaction::{Coded, ManualEntry, Operation};

use crate::client::{Client, ClientError};
use crate::name;

impl Client {
    /// A document as it stands: as registered, and the lines of its last correction.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn coded(&self, record: &DocumentRecord) -> Result<Coded, ClientError> {
        let what = || format!("booking of {}", name::of_document(&record.id));
        let (entity, voucher) = match (record.buyer_voucher, record.seller_voucher) {
            (Some(voucher), _) => (record.buyer, voucher),
            (None, Some(voucher)) => (record.id.seller, voucher),
            (None, None) => return Err(ClientError::NotFound { what: what() }),
        };
        match self.voucher(entity, voucher)?.operation {
            Operation::RegisterDocument(document) => Ok(Coded { document, recoded: None }),
            Operation::Recode { coded, lines, .. } => {
                Ok(Coded { document: coded.document, recoded: Some(lines) })
            }
            Operation::Cancel { coded, .. } => Ok(coded),
            _ => Err(ClientError::NotFound { what: what() }),
        }
    }

    /// An entry made by hand, as it was submitted.
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::NotFound`] also for a voucher that something else booked.
    pub fn entered(&self, entity: OrgNumber, voucher: Voucher) -> Result<ManualEntry, ClientError> {
        match self.voucher(entity, voucher)?.operation {
            Operation::Enter(entry) => Ok(entry),
            _ => Err(ClientError::NotFound { what: format!("entry by hand {voucher} of {entity}") }),
        }
    }
}
