//! Judges EHF files: `cargo run -p formats --example verdict -- FILE…` prints each file's name, then
//! `accepted` or `refused`, and the ids of every rule that had something to say.

use formats::ehf::{Options, check};

fn main() -> std::io::Result<()> {
    for path in std::env::args().skip(1) {
        let (verdict, findings) = match check(&std::fs::read(&path)?, &Options::default()) {
            Ok(accepted) => ("accepted", accepted.findings),
            Err(refused) => ("refused", refused.findings().cloned().collect()),
        };
        println!("{path}: {verdict}");
        for finding in findings {
            println!("  {finding}");
        }
    }
    Ok(())
}
