//! The parser's complaints, as one sentence each.
//!
//! Not for values: those are judged in `interpretation`, which knows what they should have been.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use fasp_core::fault::Fault;

use super::terminal::printable;
use crate::failure::Failure;

/// The sentence for a command line that the parser could not read.
pub(super) fn usage_failure(error: &clap::Error) -> Failure {
    let typed = text_of(error, ContextKind::InvalidArg);
    // The parser adds the name of the value: `--mode <MODE>`.
    let option = typed.split(' ').next().unwrap_or_default();
    let sentence = match error.kind() {
        ErrorKind::UnknownArgument => match text_of(error, ContextKind::SuggestedArg) {
            near if near.is_empty() => {
                format!("unknown option '{typed}' (ascp --help lists the options)")
            }
            near => format!("unknown option '{typed}' (did you mean '{near}')"),
        },
        ErrorKind::InvalidValue => format!("option {option} needs a value"),
        ErrorKind::TooManyValues => format!("option {option} takes no value"),
        _ => first_line(error),
    };
    Failure::new(Fault::Usage, sentence)
}

fn text_of(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => printable(text.as_bytes()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let line = rendered.lines().next().unwrap_or_default();
    printable(line.trim_start_matches("error: ").as_bytes())
}
