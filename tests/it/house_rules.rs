//! Rules of the house that no compiler checks: who may use whom, names, sizes, file heads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fasp_tests::binaries::workspace_root;

/// Folders that hold our code.
const CODE: [&str; 5] = ["core", "std-host", "sim", "firmware", "tests"];
/// Lines of production code in a file from which on it must be split or have a reason here.
const MOST_LINES: usize = 600;
/// Files over [`MOST_LINES`], each with the reason why it is not split.
const LARGE_FOR_A_REASON: &[(&str, &str)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "common", "helpers", "misc", "shared", "types", "stuff",
];

/// The floors of `core`, lowest first: a module uses its own floor and those below.
const FLOORS: &[&[&str]] = &[
    &["time", "units", "fault"],
    &[
        "wire",
        "control",
        "crypto",
        "destination",
        "metadata",
        "overwrite",
        "selection",
        "silence",
        "stream",
        "statistics",
        "trains",
    ],
    &["lane", "loss", "rate_control"],
    &["path"],
    &["negotiation"],
    &["sender", "receiver"],
    // Tests of both machines together.
    &["long_sessions"],
];

#[derive(Debug)]
struct Source {
    /// Relative to the workspace.
    name: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in CODE {
        collect(&workspace_root().join(folder), &mut found);
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(workspace_root()).expect("a path inside");
            found.push(Source {
                name: name.display().to_string(),
                text: fs::read_to_string(&path).expect("a readable source file"),
            });
        }
    }
}

impl Source {
    /// The text before the unit tests; empty for a file that holds nothing else.
    fn production(&self) -> &str {
        if self.name.ends_with("/tests.rs") || self.name.contains("/tests/") {
            return "";
        }
        let end = self.text.find("#[cfg(test)]\nmod tests");
        self.text.split_at(end.unwrap_or(self.text.len())).0
    }
}

fn none(offenders: &[String], rule: &str) {
    assert!(
        offenders.is_empty(),
        "{rule}:\n  {}",
        offenders.join("\n  ")
    );
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let offenders: Vec<String> = sources()
        .into_iter()
        .filter(|source| {
            let first = source.text.lines().next().unwrap_or_default();
            first.len() < 14 || !first.starts_with("//! ")
        })
        .map(|source| source.name)
        .collect();
    none(
        &offenders,
        "the first line must be a module documentation that says something",
    );
}

#[test]
fn file_names_say_what_is_inside() {
    let is_empty = |stem: &str| {
        EMPTY_NAMES.contains(&stem)
            || ["impl_", "issue_"]
                .iter()
                .any(|start| stem.starts_with(start))
            || stem.ends_with("_comprehensive")
            || stem
                .strip_prefix("part")
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '_'))
    };
    let offenders: Vec<String> = sources()
        .into_iter()
        .map(|source| source.name)
        .filter(|name| {
            name.trim_end_matches(".rs")
                .split('/')
                .any(|part| is_empty(part) || part == "mod")
        })
        .collect();
    none(&offenders, "names that say nothing");
}

#[test]
fn no_file_grows_past_the_ratchet_without_a_reason() {
    let mut offenders = Vec::new();
    for source in sources() {
        let lines = source.production().lines().count();
        let reason = LARGE_FOR_A_REASON
            .iter()
            .find(|(name, _)| *name == source.name);
        match reason {
            None if lines > MOST_LINES => offenders.push(format!("{}: {lines} lines", source.name)),
            Some(_) if lines <= MOST_LINES => {
                offenders.push(format!("{}: needs no exception any more", source.name));
            }
            _ => {}
        }
    }
    none(
        &offenders,
        "split by idea or write the reason into the list",
    );
}

#[test]
fn nothing_is_left_for_later_in_the_text() {
    let marks = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("include", "!("),
    ];
    let mut offenders = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                offenders.push(format!("{}:{number}: {mark}", source.name));
            }
        }
    }
    none(&offenders, "unfinished work is written down elsewhere");
}

/// Our crates that the manifest of `folder` names under `[dependencies]`.
fn our_dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = workspace_root().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("a manifest");
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if section == "dependencies" && line.starts_with("fasp-") {
            let end = line.find(['.', ' ', '=']).unwrap_or(line.len());
            found.insert(line.split_at(end).0.to_owned());
        }
    }
    found
}

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("core", [].as_slice()),
        ("std-host", &["fasp-core"]),
        ("sim", &["fasp-core", "fasp-firmware"]),
        ("firmware", &["fasp-core"]),
        (
            "tests",
            &["fasp-core", "fasp-host", "fasp-sim", "fasp-firmware"],
        ),
    ]);
    let mut offenders = Vec::new();
    for (folder, allowed) in allowed {
        if !workspace_root().join(folder).join("Cargo.toml").exists() {
            continue;
        }
        for dependency in our_dependencies(folder) {
            if !allowed.contains(&dependency.as_str()) {
                offenders.push(format!("{folder} uses {dependency}"));
            }
        }
    }
    none(&offenders, "arrows between crates go one way");
}

/// The module of `core` that a file belongs to: `wire` for `core/src/wire/cursor.rs`.
fn core_module(name: &str) -> Option<&str> {
    let inside = name.strip_prefix("core/src/")?;
    let module = inside.split('/').next()?.trim_end_matches(".rs");
    (module != "lib").then_some(module)
}

/// Modules named after `crate::` in code, not in comments.
fn uses(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(first_word).collect::<Vec<_>>(),
            None => vec![first_word(rest)],
        })
        .filter(|module| !module.is_empty())
        .collect()
}

fn first_word(text: &str) -> String {
    text.trim_start()
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_')
        .collect()
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// Which module of `core` uses which others, tests left out.
fn core_arrows() -> BTreeMap<String, BTreeSet<String>> {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let Some(module) = core_module(&source.name) else {
            continue;
        };
        let used = uses(source.production())
            .into_iter()
            .filter(|used| used != module && floor_of(used).is_some());
        arrows.entry(module.to_owned()).or_default().extend(used);
    }
    arrows
}

#[test]
fn modules_of_core_use_only_their_floor_and_those_below() {
    let arrows = core_arrows();
    assert!(arrows.len() > 5, "the modules of core were not found");
    let mut offenders = Vec::new();
    for (module, used) in &arrows {
        let Some(own) = floor_of(module) else {
            offenders.push(format!("{module} stands on no floor: add it to FLOORS"));
            continue;
        };
        for other in used {
            if floor_of(other).is_some_and(|floor| floor > own) {
                offenders.push(format!("{module} uses {other}, which is above it"));
            }
        }
    }
    none(&offenders, "arrows inside core go down");
}

#[test]
fn no_two_modules_of_core_use_each_other() {
    let arrows = core_arrows();
    let mut offenders = Vec::new();
    for start in arrows.keys() {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = arrows.get(start).into_iter().flatten().collect();
        while let Some(module) = open.pop() {
            if reached.insert(module) {
                open.extend(arrows.get(module).into_iter().flatten());
            }
        }
        if reached.contains(start) {
            offenders.push(format!("{start} uses itself through others"));
        }
    }
    none(&offenders, "no circles inside core");
}

#[test]
fn core_needs_no_operating_system_no_allocator_and_no_unsafe_code() {
    let text = fs::read_to_string(workspace_root().join("core/src/lib.rs")).unwrap();
    assert!(text.contains("no_std"), "core is no_std");
    assert!(
        text.contains("#![forbid(unsafe_code)]"),
        "core forbids unsafe code"
    );
    let offenders: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.name.starts_with("core/src/"))
        .filter(|source| {
            let code = source.production().lines();
            code.filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| line.contains("extern crate alloc") || line.contains("alloc::"))
        })
        .map(|source| source.name)
        .collect();
    none(&offenders, "core does not allocate");
}

#[test]
fn the_protocol_is_specified_where_the_sources_say() {
    let text = fs::read_to_string(workspace_root().join("core/PROTOCOL.md")).unwrap();
    let sections: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter_map(|line| line.trim_start_matches('#').split_whitespace().next())
        .map(|number| number.trim_end_matches('.'))
        .collect();
    let mut offenders = Vec::new();
    for source in sources() {
        for reference in source.text.split("PROTOCOL.md §").skip(1) {
            let number: String = reference
                .chars()
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            let number = number.trim_end_matches('.');
            if !number.is_empty() && !sections.contains(number) {
                offenders.push(format!("{}: §{number}", source.name));
            }
        }
    }
    none(&offenders, "sections that PROTOCOL.md does not have");
}

#[test]
fn the_readme_names_every_folder_that_is_there() {
    let text = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let folders: Vec<PathBuf> = CODE.iter().map(PathBuf::from).collect();
    let offenders: Vec<String> = folders
        .into_iter()
        .filter(|folder| workspace_root().join(folder).is_dir())
        .map(|folder| format!("`{}/", folder.display()))
        .filter(|name| !text.contains(name.as_str()))
        .collect();
    none(
        &offenders,
        "folders missing from the house map in README.md",
    );
}

#[test]
fn the_reader_of_uses_knows_lists_and_ignores_comments() {
    let text = "use crate::wire::Cursor;\n// crate::sender\nlet a = crate::time::now();\nuse crate::{loss, units::X};";
    let found: Vec<String> = uses(text).into_iter().collect();
    assert_eq!(found, ["loss", "time", "units", "wire"]);
}
