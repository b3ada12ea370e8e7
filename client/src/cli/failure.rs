//! What a command fails with: one message, the rule that refused, and an exit code that stays.

use std::fmt;
use std::path::Path;

use client::archive::ArchiveError;
use client::bank::OrderError;
use client::client::{ClientError, Meaning};
use client::http::HttpError;
use client::invoice::PrepareError;
use client::key::KeyError;
use formats::ehf::Refused;
use formats::pain002::ReportError;
use serde_json::{Value, json};

/// A rule refuses.
pub(crate) const REFUSED: u8 = 1;
/// The command or a file cannot be used.
pub(crate) const USAGE: u8 = 2;
/// The node cannot be reached, or is busy.
pub(crate) const UNREACHABLE: u8 = 3;
/// A proof does not hold.
pub(crate) const UNPROVEN: u8 = 4;

/// Why a command ends with another code than 0.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    pub(crate) rule: Option<String>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: USAGE, rule: None, message: message.to_string() }
    }

    pub(crate) fn refused(rule: &str, message: impl fmt::Display) -> Self {
        Self { exit: REFUSED, rule: Some(rule.to_string()), message: message.to_string() }
    }

    pub(crate) fn file(path: &Path, error: impl fmt::Display) -> Self {
        Self::usage(format!("{}: {error}", path.display()))
    }

    /// The same, about something.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": { "exit": self.exit, "rule": self.rule, "detail": self.message } })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "refused {rule}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error.meaning() {
            Meaning::Refused => REFUSED,
            Meaning::Usage => USAGE,
            Meaning::Unreachable => UNREACHABLE,
            Meaning::Unproven => UNPROVEN,
        };
        let rule = error.rule().map(str::to_string);
        let message = match &error {
            // The rule stands apart.
            ClientError::Http(HttpError::Refused(problem)) => problem.text().to_string(),
            _ => error.to_string(),
        };
        Self { exit, rule, message }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::usage(error)
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        Self::usage(error)
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        match (error.rule(), &error) {
            (Some("F-POSTING"), _) => Self::refused("F-POSTING", format!("{error} with --coding")),
            (Some(rule), _) => Self::refused(rule, &error),
            (None, _) => Self::usage(error),
        }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Self {
        Self::refused(error.rule(), &error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::refused(error.rule(), &error)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let first = refused.first();
        Self::refused(first.rule, format!("{} (at {})", first.message, first.place))
    }
}
