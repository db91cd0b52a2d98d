//! The rules of this repository that a compiler does not know.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// Files under version control with this ending, relative to the root.
fn tracked(ending: &str) -> Vec<String> {
    let listed = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "git lists the files");
    let names = String::from_utf8(listed.stdout).unwrap();
    let existing = names.split('\0').filter(|name| root().join(name).is_file());
    existing
        .filter(|name| name.ends_with(ending))
        .map(str::to_owned)
        .collect()
}

#[test]
fn domains_cannot_do_io() {
    let doing_io = [
        "tokio",
        "async-trait",
        "futures",
        "redis",
        "sqlx",
        "lapin",
        "pingora",
        "hyper",
        "axum",
        "reqwest",
        "clock",
        "rand",
        "process",
        "database",
        "broker",
        "payments",
        "passes",
        "mail",
    ];
    for domain in [
        "waiting-room/domain",
        "waiting-room/fairness",
        "order-worker/domain",
        "catalog-api/domain",
    ] {
        let manifest = fs::read_to_string(root().join(domain).join("Cargo.toml")).unwrap();
        let (_, after) = manifest.split_once("[dependencies]").unwrap();
        let dependencies = after.split("\n[").next().unwrap();
        for line in dependencies.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            let does_io = doing_io.contains(&name) || name.starts_with("pingora");
            assert!(!does_io, "{domain} depends on {name}");
        }
    }
}

#[test]
fn every_file_has_a_name_that_says_something() {
    let empty_words = [
        "util",
        "utils",
        "helper",
        "helpers",
        "common",
        "misc",
        "manager",
        "processor",
    ];
    for file in tracked(".rs") {
        let parts = Path::new(&file)
            .iter()
            .map(|part| part.to_str().unwrap().trim_end_matches(".rs"));
        let empty: Vec<&str> = parts.filter(|part| empty_words.contains(part)).collect();
        assert!(empty.is_empty(), "{file}: {empty:?} says nothing");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for file in tracked(".md") {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let folder = root().join(&file).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let is_address = link.contains("://") || link.starts_with('#');
            let target = folder.join(link.split('#').next().unwrap());
            assert!(is_address || target.exists(), "{file} links to {link}");
        }
    }
}

#[test]
fn nothing_names_a_place_on_one_machine() {
    // Written in two parts, so that this file does not name them.
    let places = [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"]].map(|parts| parts.concat());
    for ending in [".rs", ".md", ".toml", ".bash", ".js", ".sql", ".lua", "Makefile"] {
        for file in tracked(ending) {
            let text = fs::read_to_string(root().join(&file)).unwrap();
            for place in &places {
                // `$folder/home/x` is a place below another; only one that begins there is meant.
                let begins = |at: usize| {
                    !text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.})]*/".contains(c))
                };
                let named = text.match_indices(place.as_str()).any(|(at, _)| begins(at));
                assert!(!named, "{file} names {place}");
            }
        }
    }
}
