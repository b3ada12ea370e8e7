//! What the tests of samples share: where the samples lie, and what an official schema says of one.
#![allow(clippy::unwrap_used, dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder or file of the shared data, if it is there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("passed over: ../shared/data/{path} is not there");
    None
}

/// The XML files of a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xml"));
    files.sort();
    files
}

pub(crate) fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// What the schema says of a file: nothing when it takes it, else its first complaint. `None` when it
/// cannot be asked.
pub(crate) fn complaint(schema: &Path, file: &Path) -> Option<Option<String>> {
    let mut command = Command::new("xmllint");
    command.args(["--noout", "--nonet", "--schema"]).arg(schema).arg(file);
    match command.output() {
        Ok(output) if output.status.success() => Some(None),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or("");
            // Without the path of this machine.
            Some(Some(first.rsplit_once(name(file)).map_or(first, |(_, rest)| rest).to_string()))
        }
        Err(error) => {
            println!("passed over: xmllint: {error}");
            None
        }
    }
}

/// The same of bytes that were just written.
pub(crate) fn complaint_about(schema: &Path, bytes: &[u8]) -> Option<Option<String>> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("hovedbok-{}-{number}.xml", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    let said = complaint(schema, &file);
    std::fs::remove_file(&file).unwrap();
    said
}

/// The element that the schema complains about.
pub(crate) fn element_of(complaint: &str) -> Option<&str> {
    complaint.split("element ").nth(1)?.split(':').next()
}

/// One row of the table: file, the judge's word, ours, why.
pub(crate) fn row(file: &str, judge: &str, ours: &str, why: &str) {
    println!("{file:<58} | {judge:<8} | {ours:<8} | {why}");
}

pub(crate) fn word(complaint: Option<&Option<String>>) -> &'static str {
    match complaint {
        None => "-",
        Some(None) => "valid",
        Some(Some(_)) => "invalid",
    }
}
