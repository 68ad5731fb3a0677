//! Which way the files go: from operands and `--mode`, `--host`, `--user` to one direction.
//!
//! Looks at no disk. A path is here or there by how it is written, and by nothing else.
//!
//! Source: the public syntax `[[user@]src_host:]source1[ source2 ...] [[user@]dest_host:]dest`:
//! in a download, sources after the first may leave out the host and then lie on the same one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fasp_core::fault::Fault;

use super::operand::{self, Login, Operand};
use super::settings::Direction;
use super::terminal::{printable, redacted};
use crate::failure::{Failure, Outcome};

/// What `--mode`, `--host` and `--user` say.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) direction: Option<Direction>,
    pub(super) host: Option<String>,
    pub(super) user: Option<String>,
}

/// What a command line must name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Files; without them a host alone is enough.
    pub(super) files: bool,
    /// The sources are in a list, which this option names.
    pub(super) list: Option<&'static str>,
}

/// From where to where.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) direction: Direction,
    pub(super) login: Login,
    pub(super) sources: Vec<Vec<u8>>,
    pub(super) destination: Vec<u8>,
}

/// Decides the direction and sorts the operands; the last one is the destination. With a list the others are ignored.
///
/// # Errors
///
/// [`Fault::Usage`] with a sentence that says how to write it.
pub(super) fn route(operands: &[&OsStr], named: &Named, needs: &Needs) -> Outcome<Route> {
    operands.iter().try_for_each(|word| refuse_odd_dash(word))?;
    if let Some(option) = needs.list {
        return with_list(option, operands, named);
    }
    if !needs.files
        && let Some(route) = host_alone(operands, named)?
    {
        return Ok(route);
    }
    let Some((destination, sources)) = operands.split_last() else {
        return Err(usage("no source and no destination given"));
    };
    if sources.is_empty() {
        return Err(usage(format!(
            "'{}' stands alone; give at least one source and then the destination",
            redacted(destination.as_bytes())
        )));
    }
    match (named.direction, &named.host) {
        (Some(direction), Some(host)) => with_host(direction, host, named, sources, destination),
        (Some(_), None) => Err(usage("option --mode needs --host")),
        (None, Some(_)) => Err(usage("option --host needs --mode=send or --mode=recv")),
        (None, None) => from_operands(named, sources, destination),
    }
}

/// The sources are in a list: the direction and the host have options of their own, and one operand is the destination.
fn with_list(option: &str, operands: &[&OsStr], named: &Named) -> Outcome<Route> {
    let (Some(direction), Some(host)) = (named.direction, &named.host) else {
        return Err(usage(format!(
            "option {option} needs --mode=send or --mode=recv, and --host"
        )));
    };
    let Some(destination) = operands.last() else {
        return Err(usage(format!(
            "option {option} names the sources; give the destination, a folder"
        )));
    };
    with_host(direction, host, named, &[], destination)
}

/// A host without files: one operand that names it (its path means nothing), or `--host` and no operand.
fn host_alone(operands: &[&OsStr], named: &Named) -> Outcome<Option<Route>> {
    let mut login = match (operands, &named.host) {
        ([], Some(host)) => Login {
            host: host.clone(),
            user: None,
            password: None,
        },
        ([only], None) => match Operand::parse(only.as_bytes())? {
            Operand::Remote(login, _) => login,
            Operand::Local(_) => {
                return Err(usage(format!(
                    "'{}' names no computer to measure the path to; write user@host:",
                    redacted(only.as_bytes())
                )));
            }
        },
        _ => return Ok(None),
    };
    login.user = login.user.or_else(|| named.user.clone());
    Ok(Some(Route {
        direction: named.direction.unwrap_or(Direction::Send),
        login,
        sources: Vec::new(),
        destination: b".".to_vec(),
    }))
}

/// All operands are plain paths, sorted by the direction alone.
fn with_host(
    direction: Direction,
    host: &str,
    named: &Named,
    sources: &[&OsStr],
    destination: &OsStr,
) -> Outcome<Route> {
    let path_of = |word: &&OsStr, is_local: bool| {
        let word = word.as_bytes();
        operand::refuse_scheme(word)?;
        if is_local {
            operand::local_path(word)
        } else {
            Ok(operand::remote_path(word))
        }
    };
    let sends = direction == Direction::Send;
    let sources = sources.iter().map(|word| path_of(word, sends));
    Ok(Route {
        direction,
        login: Login {
            host: host.to_owned(),
            user: named.user.clone(),
            password: None,
        },
        sources: sources.collect::<Outcome<_>>()?,
        destination: path_of(&destination, !sends)?,
    })
}

fn from_operands(named: &Named, sources: &[&OsStr], destination: &OsStr) -> Outcome<Route> {
    let parsed = sources.iter().map(|word| Operand::parse(word.as_bytes()));
    let parsed = parsed.collect::<Outcome<Vec<_>>>()?;
    let mut route = match Operand::parse(destination.as_bytes())? {
        Operand::Remote(login, path) => upload(parsed, login, path)?,
        Operand::Local(path) => download(parsed, path)?,
    };
    match (&route.login.user, &named.user) {
        (Some(typed), Some(option)) if typed != option => {
            return Err(usage(format!(
                "the operands name the user '{}' but option --user names '{}'",
                printable(typed.as_bytes()),
                printable(option.as_bytes())
            )));
        }
        (None, Some(option)) => route.login.user = Some(option.clone()),
        _ => {}
    }
    Ok(route)
}

fn upload(parsed: Vec<Operand>, login: Login, destination: Vec<u8>) -> Outcome<Route> {
    let local = parsed.into_iter().map(|source| match source {
        Operand::Local(path) => Ok(path),
        Operand::Remote(other, path) => {
            let (host, path) = (printable(other.host.as_bytes()), printable(&path));
            Err(usage(format!(
                "both source '{host}:{path}' and the destination are on another computer; \
                 a local file with a colon in its name is written './{host}:{path}'"
            )))
        }
    });
    Ok(Route {
        direction: Direction::Send,
        sources: local.collect::<Outcome<_>>()?,
        login,
        destination,
    })
}

fn download(parsed: Vec<Operand>, destination: Vec<u8>) -> Outcome<Route> {
    let mut login: Option<Login> = None;
    let mut sources = Vec::with_capacity(parsed.len());
    let mut bare: Option<Vec<u8>> = None;
    for source in parsed {
        match (source, &mut login) {
            (Operand::Remote(first, path), None) => {
                login = Some(first);
                sources.push(path);
            }
            (Operand::Remote(other, path), Some(login)) => {
                join(login, other)?;
                sources.push(path);
            }
            (Operand::Local(path), Some(_)) => sources.push(path),
            (Operand::Local(path), None) => bare = bare.or(Some(path)),
        }
    }
    match (login, bare) {
        (Some(login), None) => Ok(Route {
            direction: Direction::Receive,
            login,
            sources,
            destination,
        }),
        (Some(login), Some(bare)) => Err(usage(format!(
            "source '{}' is on this computer and other sources are on '{}'; \
             transfer them one after the other",
            printable(&bare),
            printable(login.host.as_bytes())
        ))),
        (None, _) => Err(usage(
            "sources and destination are all on this computer; \
             write one side as user@host:path, or use --mode and --host",
        )),
    }
}

/// Adds what another source says about the host; it must be the same account.
fn join(login: &mut Login, other: Login) -> Outcome<()> {
    if login.host != other.host || login.user != other.user {
        let account = |login: &Login| {
            let host = printable(login.host.as_bytes());
            match &login.user {
                Some(user) => format!("{}@{host}", printable(user.as_bytes())),
                None => host,
            }
        };
        return Err(usage(format!(
            "the sources are on different accounts, '{}' and '{}'; \
             transfer them one after the other",
            account(login),
            account(&other)
        )));
    }
    login.password = login.password.take().or(other.password);
    Ok(())
}

/// Copied documents turn `-l` into `–l`, which is then taken for a file.
fn refuse_odd_dash(word: &OsStr) -> Outcome<()> {
    let text = word.to_string_lossy();
    let is_dash = |mark: char| {
        matches!(
            mark,
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}'
        )
    };
    let mut characters = text.chars();
    let starts_odd = characters.next().is_some_and(is_dash);
    let goes_on = characters
        .next()
        .is_some_and(|next| next.is_ascii_alphanumeric() || next == '-' || is_dash(next));
    if starts_odd && goes_on {
        let shown = printable(text.as_bytes());
        return Err(usage(format!(
            "'{shown}' begins with a typographic dash; type the option again with '-' \
             (a file of that name is written './{shown}')"
        )));
    }
    Ok(())
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Fault::Usage, text)
}
