//! Four real validators in a network of their own, under everything that goes wrong where computers
//! stand, while payment systems go on paying.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tests::{netns, ordeal};

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Set by the program itself, once it runs in namespaces of its own.
    #[arg(long, hide = true, global = true)]
    inside: bool,
    /// Decides which faults strike whom, when and how long; without it, the time does.
    #[arg(long, global = true)]
    seed: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    /// All kinds of faults, one after the other, and the audit at the end.
    Story {
        /// At least so long, and at least until every fault happened once.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Only faults in whose description this stands, such as "stopped".
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Latency with one validator dead, stopped, cut off or slow, against the normal one.
    OneDown {
        /// How long each stage lasts.
        #[arg(long, default_value_t = 40)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| node::run::now().0);
    if arguments.inside {
        netns::end_with_parent();
        match arguments.command {
            Command::Story { seconds, only } => {
                ordeal::story(seed, seconds, &only);
            }
            Command::OneDown { seconds } => ordeal::one_down(seed, seconds),
        }
        return ExitCode::SUCCESS;
    }
    if let Err(reason) = netns::possible().and_then(|()| ordeal::faketime().map(drop)) {
        println!("passed over: {reason}");
        return ExitCode::SUCCESS;
    }
    let words = std::env::args().skip(1).chain(["--inside".into(), format!("--seed={seed}")]);
    let words: Vec<String> = match arguments.seed {
        Some(_) => std::env::args().skip(1).chain(["--inside".into()]).collect(),
        None => words.collect(),
    };
    let ended = std::env::current_exe().map_err(|error| error.to_string());
    match ended.and_then(|program| netns::enter(&program, words)) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => {
            eprintln!("ordeal: {status}; the seed is {seed}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("ordeal: {error}");
            ExitCode::FAILURE
        }
    }
}
