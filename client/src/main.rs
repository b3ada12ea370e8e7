//! `hovedbok`: the command line of who pays and who checks.
//!
//! It reads arguments and files, calls the library, and prints. Exit codes are stable: 0 all is well,
//! 1 a rule refuses, 2 the command or a file cannot be used, 3 the node cannot be reached or is busy,
//! 4 a proof does not hold.
//!
//! Invariant: what it prints of a ledger was verified against the genesis file it was given.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = cli::Args::parse();
    let (text, failure) = match cli::run(&args) {
        Ok(output) => {
            let text = if args.json { cli::pretty(&output.json) } else { output.text };
            (text, output.failure)
        }
        Err(failure) => (String::new(), Some(failure)),
    };
    // Whoever closed the pipe wants no more of it.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    match failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            let message =
                if args.json { cli::pretty(&failure.to_json()) } else { format!("hovedbok: {failure}\n") };
            let _ = std::io::stderr().lock().write_all(message.as_bytes());
            ExitCode::from(failure.exit)
        }
    }
}
