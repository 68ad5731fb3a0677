//! What the options, the environment and the configuration say of this computer alone.

use std::path::PathBuf;

use clap::ArgMatches;

use super::configuration::Configured;
use super::usage;
use crate::cli::environment::{DOCROOT_VARIABLE, Environment};
use crate::cli::growing::is_growing;
use crate::cli::route::Route;
use crate::cli::settings::{Direction, LocalWishes};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;

/// Paths that are no files below a folder.
const SCHEMES: [&[u8]; 3] = [b"faux://", b"stdio://", b"stdio-tar://"];

pub(super) fn wishes(
    matches: &ArgMatches,
    environment: &dyn Environment,
    configured: &Configured,
    route: &Route,
) -> Outcome<LocalWishes> {
    let [target_cap, minimum_cap] = configured.caps(route.direction);
    let docroot = docroot(matches, environment, configured)?;
    if docroot.is_some() {
        check_paths(route)?;
    }
    Ok(LocalWishes {
        docroot,
        block_size: configured.block_size(route.direction),
        target_cap,
        minimum_cap,
        log_lines: configured.log_lines.clone(),
    })
}

/// The option asks for the docroot of the configuration; the variable names one.
fn docroot(
    matches: &ArgMatches,
    environment: &dyn Environment,
    configured: &Configured,
) -> Outcome<Option<PathBuf>> {
    let asked = matches.get_flag("apply-local-docroot");
    if asked && configured.docroot.is_some() {
        return Ok(configured.docroot.clone());
    }
    let named = environment.variable(DOCROOT_VARIABLE).map(PathBuf::from);
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if path.is_absolute() => Ok(Some(path)),
        Some(_) => Err(usage(format!(
            "the environment variable {DOCROOT_VARIABLE} must be an absolute path"
        ))),
        None if asked => Err(usage(match &configured.path {
            Some(path) => format!(
                "option --apply-local-docroot: {} has no docroot (<absolute>) for this user",
                path.display()
            ),
            None => "option --apply-local-docroot needs a configuration file with a docroot, and there is none; \
                     name one with -f"
                .to_owned(),
        })),
        None => Ok(None),
    }
}

/// Only paths of files can be below a docroot.
fn check_paths(route: &Route) -> Outcome<()> {
    let here = match route.direction {
        Direction::Send => route.sources.as_slice(),
        Direction::Receive => std::slice::from_ref(&route.destination),
    };
    let odd = here
        .iter()
        .find(|path| is_growing(path) || SCHEMES.iter().any(|scheme| path.starts_with(scheme)));
    match odd {
        None => Ok(()),
        Some(path) => Err(usage(format!(
            "'{}' cannot be below the local docroot (--apply-local-docroot, {DOCROOT_VARIABLE})",
            redacted(path)
        ))),
    }
}
