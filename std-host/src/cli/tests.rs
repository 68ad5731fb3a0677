//! Command lines as scripts write them, and what they must come to.

mod after_transfer;
mod attributes;
mod configuration;
mod overwriting;
mod records;
mod refusals;
mod scripts;
mod security;
mod selecting;
mod sessions;
mod texts;
mod variables;

use std::ffi::OsString;

use super::environment::tests::FixedEnvironment;
use super::settings::TransferSettings;
use super::{Parsed, parse};
use crate::failure::Failure;

/// The words of `line`; a part in double quotes is one word.
fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(OsString::from));
        }
    }
    words
}

fn parse_line(line: &str) -> Result<Parsed, Failure> {
    parse(words(line).into_iter(), &FixedEnvironment::default())
}

fn settings(line: &str) -> TransferSettings {
    match parse_line(line) {
        Ok(Parsed::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    match parse_line(line) {
        Err(failure) => failure.text,
        Ok(parsed) => panic!("{line}: {parsed:?}"),
    }
}
