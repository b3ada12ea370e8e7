//! `sink`: follows the chain into a database until it is told to stop.

use std::thread::sleep;
use std::time::Duration;

use client::client::Meaning;
use client::sink::{Progress, Sink, SinkError};
use serde_json::json;

use super::failure::{UNREACHABLE, USAGE};
use super::session::Session;
use super::{Failure, Output};

/// Between two looks at a chain that has nothing new, and after a node that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What the command line says of it.
pub(crate) struct Terms<'a> {
    pub(crate) database: &'a str,
    pub(crate) once: bool,
    pub(crate) leaves: usize,
}

pub(crate) fn sink(session: &Session<'_>, terms: &Terms<'_>) -> Result<Output, Failure> {
    let client = session.client();
    let mut sink = Sink::open(terms.database, client)?.with_leaves_max(terms.leaves);
    let mut level = false;
    loop {
        match sink.step(client) {
            Ok(progress) => {
                if progress.is_level() && terms.once {
                    return Ok(done(progress));
                }
                if progress.is_level() && !level {
                    eprintln!("hovedbok: the copy is level with the chain: {}", words(progress));
                }
                level = progress.is_level();
                if level {
                    sleep(PAUSE);
                }
            }
            // A node that restarts or lags is no reason to give up a copy that somebody relies on.
            Err(error) if !terms.once && may_pass(&error) => {
                eprintln!("hovedbok: {error}; asking again");
                level = false;
                sleep(PAUSE);
            }
            Err(error) => return Err(error.into()),
        }
        for warning in client.warnings() {
            eprintln!("hovedbok: {warning}");
        }
    }
}

fn may_pass(error: &SinkError) -> bool {
    match error {
        SinkError::Client(error) => error.meaning() == Meaning::Unreachable,
        SinkError::Behind { .. } => true,
        _ => false,
    }
}

fn words(progress: Progress) -> String {
    format!("height {}, {} leaves", progress.height, progress.log_size)
}

fn done(progress: Progress) -> Output {
    let value = json!({ "height": progress.height.0, "log_size": progress.log_size });
    Output::new(format!("copied up to {}\n", words(progress)), value)
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let exit = match error {
            SinkError::Client(error) => return error.into(),
            SinkError::Database(_) | SinkError::Behind { .. } => UNREACHABLE,
            _ => USAGE,
        };
        Self { exit, rule: None, message: error.to_string() }
    }
}
