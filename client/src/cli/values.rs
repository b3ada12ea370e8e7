//! Values on the command line, read by the ledger's own rules.

use std::path::Path;

use clap::ValueEnum;
use client::key::Key;
use formats::coding::Coding;
use formats::pain001;
use ledger::account::Account;
use ledger::digest::Digest;
use ledger::entity::{EntityKind, Name, OrgNumber};
use ledger::entry::{Regime, Voucher};
use ledger::signature::PublicKey;
use ledger::time::{Date, Period};
use ledger::transaction::{KidRule, Role};

pub(crate) fn org_number(text: &str) -> Result<OrgNumber, String> {
    OrgNumber::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| error.to_string())
}

pub(crate) fn date(text: &str) -> Result<Date, String> {
    Date::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn period(text: &str) -> Result<Period, String> {
    Period::parse(text).map_err(|_| "not a month; write it as YYYY-MM".to_string())
}

pub(crate) fn account(text: &str) -> Result<Account, String> {
    Account::parse(text).ok_or_else(|| "not an account; write 1.222.260, 2.35.200, S870 or 1500".to_string())
}

pub(crate) fn coding(text: &str) -> Result<Coding, String> {
    Coding::parse(text).map_err(|error| error.to_string())
}

/// `2=1.221.260`: a line's number and where it goes.
pub(crate) fn numbered_coding(text: &str) -> Result<(usize, Coding), String> {
    let (number, posting) = text.split_once('=').ok_or("write it as 2=1.221.260")?;
    let number = number.trim().parse().map_err(|_| "the line's number stands before the first =")?;
    Ok((number, coding(posting)?))
}

/// `2026/412`.
pub(crate) fn voucher(text: &str) -> Result<Voucher, String> {
    let parts =
        text.split_once('/').and_then(|(year, number)| Some((year.parse().ok()?, number.parse().ok()?)));
    let (year, number) = parts.ok_or("not a voucher; write it as year/number, such as 2026/412")?;
    Ok(Voucher { year, number })
}

/// 64 hex digits, or the public half in a key file.
pub(crate) fn public_key(text: &str) -> Result<PublicKey, String> {
    if let Some(digest) = Digest::from_hex(text) {
        return Ok(PublicKey(digest.0));
    }
    Key::load(Path::new(text))
        .map(|key| key.public())
        .map_err(|error| format!("neither 64 hex digits nor a key: {error}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KidArg {
    None,
    Mod10,
    Mod11,
    Either,
}

impl From<KidArg> for KidRule {
    fn from(kid: KidArg) -> Self {
        match kid {
            KidArg::None => Self::None,
            KidArg::Mod10 => Self::Mod10,
            KidArg::Mod11 => Self::Mod11,
            KidArg::Either => Self::Either,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    Municipality,
    County,
    State,
    Private,
    Auditor,
}

impl KindArg {
    /// The sector code that municipalities report this kind under (KOSTRA).
    pub(crate) fn sector(self) -> u16 {
        match self {
            Self::Municipality => 650,
            Self::County => 640,
            Self::State | Self::Auditor => 610,
            Self::Private => 200,
        }
    }

    /// What a name sounds like; `buyer` decides where it says nothing.
    pub(crate) fn guess(name: &str, buyer: bool) -> Self {
        let name = name.to_lowercase();
        if name.contains("fylkeskommune") {
            Self::County
        } else if name.contains("kommune") || buyer {
            Self::Municipality
        } else {
            Self::Private
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Municipality => "municipality",
            Self::County => "county",
            Self::State => "state",
            Self::Private => "private",
            Self::Auditor => "auditor",
        }
    }
}

impl From<KindArg> for EntityKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Municipality => Self::Municipality,
            KindArg::County => Self::County,
            KindArg::State => Self::State,
            KindArg::Private => Self::Private,
            KindArg::Auditor => Self::Auditor,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegimeArg {
    Compensate,
    Cost,
    Deduct,
}

impl From<RegimeArg> for Regime {
    fn from(regime: RegimeArg) -> Self {
        match regime {
            RegimeArg::Compensate => Self::Compensate,
            RegimeArg::Cost => Self::Cost,
            RegimeArg::Deduct => Self::Deduct,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    Register,
    Administer,
    Submit,
    Attest,
    Approve,
    Order,
    Bank,
    Audit,
    Budget,
    Override,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Register => Self::Register,
            RoleArg::Administer => Self::Administer,
            RoleArg::Submit => Self::Submit,
            RoleArg::Attest => Self::Attest,
            RoleArg::Approve => Self::Approve,
            RoleArg::Order => Self::Order,
            RoleArg::Bank => Self::Bank,
            RoleArg::Audit => Self::Audit,
            RoleArg::Budget => Self::Budget,
            RoleArg::Override => Self::Override,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VersionArg {
    /// pain.001.001.03
    #[value(name = "03")]
    V3,
    /// pain.001.001.09
    #[value(name = "09")]
    V9,
}

impl From<VersionArg> for pain001::Version {
    fn from(version: VersionArg) -> Self {
        match version {
            VersionArg::V3 => Self::V3,
            VersionArg::V9 => Self::V9,
        }
    }
}
