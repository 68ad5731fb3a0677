//! The command line of `ascp`: from argument words to settings, and every text on the terminal.
//!
//! Parses and formats; transfers nothing. The client and the server mode get finished settings
//! and never see an argument.
//!
//! Source: the public option table, and the command lines of public scripts.

mod command;
pub mod environment;
pub mod exit_code;
pub(crate) mod growing;
mod interpretation;
mod json;
mod later_options;
mod operand;
pub mod progress;
pub(crate) mod quantity;
mod route;
pub mod secret;
pub mod settings;
pub mod terminal;
mod usage_error;
mod version;
mod words;

use std::ffi::OsString;
use std::iter;
use std::process::ExitCode;

use clap::error::ErrorKind;

use self::environment::{Environment, ProcessEnvironment};
use self::exit_code::ExitStatus;
use self::settings::{ServerModeSettings, TransferSettings};
pub use self::version::ASCP_VERSION;
use crate::failure::Outcome;

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// A transfer.
    Run(Box<TransferSettings>),
    /// The far side of one, started by the SSH daemon.
    Server(ServerModeSettings),
    /// Only this text on standard output.
    Print {
        /// The whole text, with its last line end.
        text: String,
        /// The status to exit with.
        status: ExitStatus,
    },
}

/// Reads a command line; `args` starts after the program's own name.
///
/// # Errors
///
/// [`Fault::Usage`](fasp_core::fault::Fault::Usage) with one sentence that names the option or
/// operand, never a password.
pub fn parse(
    args: impl Iterator<Item = OsString>,
    environment: &dyn Environment,
) -> Outcome<Parsed> {
    let command = command::command();
    let words = words::separated(args, &command);
    if words.is_empty() {
        return Ok(Parsed::Print {
            text: command::SHORT_USAGE.to_owned(),
            status: ExitStatus::NoArguments,
        });
    }
    let program = iter::once(OsString::from("ascp"));
    let full = words.iter().any(|word| word == command::FULL_HELP);
    let matches = match command.try_get_matches_from(program.chain(words)) {
        Ok(matches) => matches,
        Err(error) => return printed(&error, full),
    };
    later_options::refuse(&matches)?;
    if matches.get_flag("server") {
        return interpretation::server_mode(&matches).map(Parsed::Server);
    }
    let settings = interpretation::transfer(&matches, environment)?;
    Ok(Parsed::Run(Box::new(settings)))
}

/// The whole program `ascp`, on the arguments of this process.
///
/// A command line that cannot be read is reported on standard error only: no session began, so
/// none stops.
pub fn run_ascp() -> ExitCode {
    match parse(std::env::args_os().skip(1), &ProcessEnvironment) {
        Ok(Parsed::Run(settings)) => crate::client::run(*settings),
        Ok(Parsed::Server(settings)) => crate::server::run_stdio(settings),
        Ok(Parsed::Print { text, status }) => {
            terminal::print_stdout(&text);
            status.into()
        }
        Err(failure) => {
            terminal::print_stderr(&terminal::exiting_text(&failure));
            ExitStatus::from(&failure).into()
        }
    }
}

/// The options of `ascp` for texts made from them: the manual page and the completions of shells.
#[must_use]
pub fn documented_command() -> clap::Command {
    command::documented()
}

fn printed(error: &clap::Error, full: bool) -> Outcome<Parsed> {
    let text = match error.kind() {
        ErrorKind::DisplayHelp if full => command::full_help(),
        ErrorKind::DisplayHelp => error.render().to_string(),
        ErrorKind::DisplayVersion => version::version_text(),
        _ => return Err(usage_error::usage_failure(error)),
    };
    Ok(Parsed::Print {
        text,
        status: ExitStatus::Success,
    })
}

#[cfg(test)]
mod tests;
