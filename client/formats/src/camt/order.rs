//! Rule F-SCHEMA: whether the parts of a message that are read stand where the official schemas put
//! them.
//!
//! Banks send messages that no schema takes, most often an element out of its order. Such a message
//! says one thing only and is taken with a finding; a value that may stand once and stands twice
//! could be read two ways, so it is refused. The table is the union of versions .02, .04 and .08 of
//! camt.053 and camt.054; it leaves out the parts that nothing is read from.

use super::ReportError;
use crate::ehf::Finding;
use crate::xml::Element;

/// More findings help nobody.
const FINDINGS_MAX: usize = 100;

/// Parents and their children in order; a star marks what may stand more than once.
const ORDER: [(&str, &str); 14] = [
    ("GrpHdr", "MsgId CreDtTm MsgRcpt MsgPgntn OrgnlBizQry AddtlInf"),
    (
        "Rpt",
        "Id RptPgntn ElctrncSeqNb RptgSeq LglSeqNb CreDtTm FrToDt CpyDplctInd RptgSrc Acct RltdAcct Intrst* Bal* TxsSummry Ntry* AddtlRptInf",
    ),
    (
        "Stmt",
        "Id StmtPgntn ElctrncSeqNb RptgSeq LglSeqNb CreDtTm FrToDt CpyDplctInd RptgSrc Acct RltdAcct Intrst* Bal* TxsSummry Ntry* AddtlStmtInf",
    ),
    (
        "Ntfctn",
        "Id NtfctnPgntn ElctrncSeqNb RptgSeq LglSeqNb CreDtTm FrToDt CpyDplctInd RptgSrc Acct RltdAcct Intrst* TxsSummry Ntry* AddtlNtfctnInf",
    ),
    ("Bal", "Tp CdtLine* Amt CdtDbtInd Dt Avlbty*"),
    (
        "Ntry",
        "NtryRef Amt CdtDbtInd RvslInd Sts BookgDt ValDt AcctSvcrRef Avlbty* BkTxCd ComssnWvrInd AddtlInfInd AmtDtls Chrgs* TechInptChanl Intrst* CardTx NtryDtls* AddtlNtryInf",
    ),
    ("NtryDtls", "Btch TxDtls*"),
    ("Btch", "MsgId PmtInfId NbOfTxs TtlAmt CdtDbtInd"),
    (
        "TxDtls",
        "Refs Amt CdtDbtInd AmtDtls Avlbty* BkTxCd Chrgs* Intrst* RltdPties RltdAgts LclInstrm Purp RltdRmtInf* RmtInf RltdDts RltdPric RltdQties* FinInstrmId Tax RtrInf CorpActn SfkpgAcct CshDpst* CardTx AddtlTxInf SplmtryData*",
    ),
    (
        "Refs",
        "MsgId AcctSvcrRef PmtInfId InstrId EndToEndId UETR TxId MndtId ChqNb ClrSysRef AcctOwnrTxId AcctSvcrTxId MktInfrstrctrTxId PrcgId Prtry*",
    ),
    ("RtrInf", "OrgnlBkTxCd Orgtr Rsn AddtlInf*"),
    ("RmtInf", "Ustrd* Strd*"),
    ("Strd", "RfrdDocInf* RfrdDocAmt CdtrRefInf Invcr Invcee TaxRmt GrnshmtRmt AddtlRmtInf*"),
    ("CdtrRefInf", "Tp Ref"),
];

/// What stands elsewhere than the schemas say.
///
/// # Errors
/// [`ReportError::Value`] when a value stands twice.
pub(super) fn check(body: Element<'_>) -> Result<Vec<Finding>, ReportError> {
    let mut findings = Vec::new();
    for element in body.descendants() {
        let Some((_, order)) = ORDER.iter().find(|(name, _)| element.is(name)) else { continue };
        let mut place = 0;
        for child in element.children() {
            let found = order.split(' ').enumerate().find(|(_, name)| child.is(name.trim_end_matches('*')));
            let message = match found {
                None => format!("{} has no place in {}; it is passed over", child.local(), element.local()),
                // The children are numbered from one: zero is before them all.
                Some((number, name)) if number + 1 > place || name.ends_with('*') && number + 1 == place => {
                    place = number + 1;
                    continue;
                }
                Some((_, name)) if !name.ends_with('*') && element.named(name).count() > 1 => {
                    return Err(ReportError::Value {
                        place: child.path(),
                        reason: "it stands twice, and only one of them can hold (rule F-SCHEMA)".to_string(),
                    });
                }
                Some((_, name)) => {
                    let name = name.trim_end_matches('*');
                    format!(
                        "{name} stands later in {} than the schema puts it; it is read all the same",
                        element.local()
                    )
                }
            };
            if findings.len() < FINDINGS_MAX {
                findings.push(Finding { rule: "F-SCHEMA", place: child.path(), message });
            }
        }
    }
    Ok(findings)
}
