//! House rules that no compiler checks: who may import whom, purity, bounds on size, rule ids in
//! tests, links and words in the pages.

#![allow(clippy::unwrap_used)] // A test that cannot read the tree must fail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files below a folder with one of the endings, none of them built or hidden.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                found.push((shown, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The part of a source file that runs outside tests.
fn shipped(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn assert_none(what: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

#[test]
fn data_flows_one_way_crates_import_only_what_the_house_allows() {
    let allowed = [
        ("ledger/Cargo.toml", ["consensus", "node", "client", "formats", "tests"].as_slice()),
        ("consensus/Cargo.toml", &["node", "client", "formats", "tests"]),
        ("node/Cargo.toml", &["client", "formats", "tests"]),
        ("client/Cargo.toml", &["consensus", "node", "tests"]),
        ("client/formats/Cargo.toml", &["consensus", "node", "client", "tests"]),
    ];
    let mut offenders = Vec::new();
    for (manifest, never) in allowed {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let dependencies = text.split("[dev-dependencies]").next().unwrap_or(&text);
        for name in never {
            let named =
                |line: &str| line.starts_with(&format!("{name}.")) || line.starts_with(&format!("{name} ="));
            if dependencies.lines().skip_while(|l| *l != "[dependencies]").any(named) {
                offenders.push(format!("{manifest} imports {name}"));
            }
        }
    }
    assert_none("crates that import what they must not", offenders);
}

#[test]
fn pure_code_reaches_no_clock_disk_socket_or_hash_order() {
    let mut offenders = Vec::new();
    for (path, text) in files("ledger/src", &[".rs"]).into_iter().chain(files("consensus/src", &[".rs"])) {
        let of_tests = path.ends_with("tests.rs") || path.contains("/tests/");
        if !of_tests && shipped(&text).contains("extern crate std") {
            offenders.push(format!("{path}: extern crate std"));
        }
        for name in ["f32", "f64"] {
            let float = |line: &str| {
                let code = line.split("//").next().unwrap_or("");
                code.split(|c: char| !c.is_alphanumeric()).any(|word| word == name)
            };
            if shipped(&text).lines().any(float) {
                offenders.push(format!("{path}: {name}"));
            }
        }
    }
    let pure = ["node/src/validator", "node/src/pool.rs", "node/src/cosigning.rs"];
    for (path, text) in files("node/src", &[".rs"]) {
        if !pure.iter().any(|start| path.starts_with(start)) || path.contains("/tests/") {
            continue;
        }
        let reach = [
            "std::time",
            "std::fs",
            "std::net",
            "std::thread",
            "HashMap",
            "HashSet",
            "tokio",
            "rand",
            "rocksdb",
        ];
        for name in reach {
            if shipped(&text).lines().any(|line| line.split("//").next().unwrap_or("").contains(name)) {
                offenders.push(format!("{path}: {name}"));
            }
        }
    }
    assert_none("purity broken", offenders);
}

#[test]
fn no_file_grows_past_what_one_sitting_can_read() {
    let folders = ["ledger", "consensus", "node", "client", "tests"];
    let long = folders.into_iter().flat_map(|folder| files(folder, &[".rs"])).filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > 800).then(|| format!("{path}: {lines} lines, at most 800"))
    });
    assert_none("files too long", long.collect());
}

#[test]
fn nothing_shipped_unwraps_or_is_left_open() {
    let mut offenders = Vec::new();
    for folder in ["ledger/src", "consensus/src", "node/src", "client/src", "client/formats/src"] {
        for (path, text) in files(folder, &[".rs"]) {
            if path.ends_with("tests.rs") || path.contains("/tests/") {
                continue;
            }
            for line in shipped(&text).lines() {
                let (code, comment) = line.split_once("//").unwrap_or((line, ""));
                let open =
                    [".unwrap()", "todo!", "unimplemented!", "dbg!"].into_iter().filter(|w| code.contains(w));
                // In code they may be data: XXX is a currency.
                let marked = ["TODO", "FIXME", "XXX"].into_iter().filter(|word| comment.contains(word));
                offenders.extend(open.chain(marked).map(|word| format!("{path}: {word}")));
            }
        }
    }
    assert_none("left in shipped code", offenders);
}

/// Rule ids such as `L7` or `C12` that a page's table defines: first cell of a row.
fn rule_ids(page: &str, letter: char) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(page)).unwrap();
    text.lines()
        .filter_map(|line| {
            line.trim_start().strip_prefix('|')?.split('|').next().map(|cell| cell.trim().to_string())
        })
        .map(|cell| cell.trim_matches('*').to_string())
        .filter(|cell| {
            let digits = cell.strip_prefix(letter);
            digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        })
        .collect()
}

/// Names of the functions that stand under an attribute of a test.
fn test_names(text: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            is_test |= line.contains("test");
        } else if let Some(name) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            if is_test {
                names.push(name.to_string());
            }
            is_test = false;
        }
    }
    names
}

#[test]
fn every_rule_in_the_specs_is_carried_by_a_test() {
    let folders = ["ledger", "consensus", "node", "client", "tests"];
    let names: BTreeSet<String> = folders
        .into_iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .flat_map(|(_, text)| test_names(&text))
        .flat_map(|name| {
            let name = name.split('(').next().unwrap_or("").to_string();
            name.split('_').map(str::to_uppercase).collect::<Vec<_>>()
        })
        .collect();
    let mut missing = Vec::new();
    for (page, letter) in [("specs/ledger.md", 'L'), ("specs/consensus.md", 'C')] {
        let ids = rule_ids(page, letter);
        assert!(ids.len() >= 10, "{page} defines only {} rules in tables", ids.len());
        let numbered = |id: &&String| {
            id.strip_prefix(letter)
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        };
        let unknown = names.iter().filter(numbered).filter(|id| !ids.contains(*id));
        missing.extend(unknown.map(|id| format!("{page} has no {id}, which a test names")));
        missing.extend(ids.iter().filter(|id| !names.contains(*id)).map(|id| format!("{page}: {id}")));
    }
    assert_none("rules without a test whose name carries the id", missing);
}

#[test]
fn every_link_in_the_pages_leads_somewhere() {
    let mut broken = Vec::new();
    let pages = files("specs", &[".md"]).into_iter();
    let top = ["README.md", "CHANGELOG.md"]
        .into_iter()
        .map(|name| (name.to_string(), fs::read_to_string(root().join(name)).unwrap_or_default()));
    for (page, text) in pages.chain(top) {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or("");
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let from = root().join(&page);
            if !from.parent().is_some_and(|folder| folder.join(path).exists()) {
                broken.push(format!("{page}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", broken);
}
