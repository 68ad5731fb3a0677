//! From the words of each option to the settings they stand for.
//!
//! Every value is judged here, with a sentence that names its option. Which operand is where is
//! decided in `route`.
//!
//! Source: ranges and meanings from the public option table.

mod after_transfer;
mod attributes;
mod configuration;
mod local;
mod overwrite;
mod records;
mod security;
mod selection;
mod sessions;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use fasp_core::fault::Fault;

use self::configuration::Configured;
use super::environment::{self, Environment, KEY_VARIABLE, PASSWORD_VARIABLE};
use super::operand;
use super::quantity::{self, QuantityError};
use super::route::{self, Named, Needs, Route};
use super::settings::{
    AfterTransferWishes, CipherWish, DEFAULT_LOG_BYTES, DEFAULT_PROBE_RATE_BPS,
    DEFAULT_REPORT_SIZE, DEFAULT_SSH_PORT, DEFAULT_UDP_PORT, Direction, LogTarget, MeasureWish,
    OverwriteWishes, PolicyWish, RateWish, RemoteHost, SelectionWishes, ServerModeSettings,
    TransferSettings,
};
use super::terminal::redacted;
use crate::failure::{Failure, Outcome};

const MAX_DEBUG_LEVEL: u8 = 3;
/// A log file of a terabyte is a mistyped one.
const MOST_LOG_BYTES: u64 = 1 << 40;
const LEAST_LOG_BYTES: u64 = 4_096;
/// A year: more is a mistyped number.
const MOST_RETRY_SECONDS: u64 = 31_536_000;

/// The settings of a transfer.
///
/// # Errors
///
/// [`Fault::Usage`] with a sentence that names the option or operand.
pub(super) fn transfer(
    matches: &ArgMatches,
    environment: &dyn Environment,
) -> Outcome<TransferSettings> {
    let (target_rate, min_rate) = rates(matches)?;
    let measure = measure(matches)?;
    let operands = matches.get_many::<OsString>("operands");
    let operands: Vec<&OsStr> = operands
        .unwrap_or_default()
        .map(OsString::as_os_str)
        .collect();
    let configured = Configured::read(matches, environment)?;
    let selection = selection::wishes(matches, &configured.filters)?;
    let needs = Needs {
        files: measure.is_none(),
        list: selection.list.as_ref().map(|list| list_option(list.pairs)),
    };
    let mut route = route::route(&operands, &named(matches)?, &needs)?;
    selection::check_growing(&route, &selection)?;
    selection::apply(matches, &selection, resume_level(matches)?, &mut route)?;
    let ipv6 = matches.get_flag("ipv6") || route.login.host.contains(':');
    let local = local::wishes(matches, environment, &configured, &route)?;
    let overwriting = overwrite::wishes(matches, &route, &configured)?;
    let afterwards = after_transfer::wishes(matches)?;
    let records = records::records(matches, environment)?;
    check_together(&selection, &overwriting, &afterwards)?;
    let security = security::wishes(matches, environment, route.direction)?;
    security::check_together(&security, &selection, &overwriting, &route.destination)?;
    let attributes = attributes::wishes(matches)?;
    let splitting = sessions::splitting(matches)?;
    sessions::check_together(splitting, &route, &selection, &overwriting, &afterwards)?;
    let level = resume_level(matches)?;
    sessions::check_split(splitting, &records, &security, &attributes, level)?;
    let mut notes = configured.notes.clone();
    notes.extend(overwrite::notes(&overwriting, route.direction));
    notes.extend(attributes::notes(matches));
    notes.extend(security::notes(matches, &security));
    notes.extend(records::notes(&records, &selection));
    Ok(TransferSettings {
        notes,
        direction: route.direction,
        remote: remote_host(&route, environment)?,
        sources: route.sources,
        selection,
        destination: route.destination,
        ssh_port: number(matches, "ssh-port", "-P", 1, 65535)?.unwrap_or(DEFAULT_SSH_PORT),
        udp_port: number(matches, "udp-port", "-O", 1, 65535)?.unwrap_or(DEFAULT_UDP_PORT),
        identity_files: identity_files(matches, environment, &configured)?,
        check_sshfp: fingerprint(matches)?,
        target_rate,
        min_rate,
        measure,
        policy: policy(matches)?,
        cipher: cipher(matches, &configured)?,
        resume_level: level,
        overwriting,
        attributes,
        afterwards,
        retry_timeout: retry_timeout(matches)?,
        create_destination: matches.get_flag("create-destination"),
        preserve_times: matches.get_flag("preserve-times"),
        quiet: matches.get_flag("quiet"),
        verbose: matches.get_flag("verbose"),
        debug_level: debug_level(matches),
        log: log_target(matches)?,
        datagram_size: number(matches, "datagram-size", "-Z", 296, 65507)?,
        report_size: number(matches, "report-size", "-X", 128, 1440)?
            .unwrap_or(DEFAULT_REPORT_SIZE),
        ipv6,
        records,
        security,
        local,
        splitting,
    })
}

/// What options of different rooms say about one another.
fn check_together(
    selection: &SelectionWishes,
    overwriting: &OverwriteWishes,
    afterwards: &AfterTransferWishes,
) -> Outcome<()> {
    if overwriting.deletes && selection.base.is_some() {
        return Err(usage(
            "options --delete-before-transfer and --src-base exclude each other",
        ));
    }
    let scans = afterwards.removed.remove_empty_folders;
    if scans && selection.list.is_some() && selection.base.is_none() {
        return Err(usage(
            "option --remove-empty-directories needs --src-base where the sources are in a list",
        ));
    }
    Ok(())
}

/// The settings of `ascp --server`.
///
/// # Errors
///
/// [`Fault::Usage`] if anything but log options stands next to `--server`.
pub(super) fn server_mode(matches: &ArgMatches) -> Outcome<ServerModeSettings> {
    let foreign = matches.ids().find(|id| {
        !["server", "log", "debug"].contains(&id.as_str())
            && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
    });
    match foreign {
        Some(_) => Err(usage(
            "--server takes no operands and no options but -L and -D",
        )),
        None => Ok(ServerModeSettings {
            log: log_target(matches)?,
            debug_level: debug_level(matches),
        }),
    }
}

fn fingerprint(matches: &ArgMatches) -> Outcome<Option<[u8; 20]>> {
    text(matches, "check-sshfp", "--check-sshfp")?
        .map(quantity::sha1_fingerprint)
        .transpose()
        .map_err(|error| judged("--check-sshfp", &error))
}

const fn list_option(pairs: bool) -> &'static str {
    if pairs {
        "--file-pair-list"
    } else {
        "--file-list"
    }
}

fn remote_host(route: &Route, environment: &dyn Environment) -> Outcome<RemoteHost> {
    let user = match &route.login.user {
        Some(user) => user.clone(),
        None => environment
            .user_name()
            .ok_or_else(|| usage("the local user has no name; give the login name with --user"))?,
    };
    let password = match &route.login.password {
        Some(password) => Some(password.clone()),
        None => environment::secret(environment, PASSWORD_VARIABLE)?,
    };
    Ok(RemoteHost {
        host: route.login.host.clone(),
        user,
        password,
        key_text: environment::secret(environment, KEY_VARIABLE)?,
    })
}

fn named(matches: &ArgMatches) -> Outcome<Named> {
    let raw = |id| matches.get_one::<OsString>(id).map(|word| word.as_bytes());
    let direction = match text(matches, "mode", "--mode")? {
        None => None,
        Some("send") => Some(Direction::Send),
        Some("recv") => Some(Direction::Receive),
        Some(other) => {
            return Err(usage(format!(
                "option --mode: '{}' is neither send nor recv",
                redacted(other.as_bytes())
            )));
        }
    };
    let about = |option, failure: Failure| usage(format!("option {option}: {}", failure.text));
    Ok(Named {
        direction,
        host: raw("host")
            .map(operand::host_name)
            .transpose()
            .map_err(|failure| about("--host", failure))?,
        user: raw("user")
            .map(operand::user_name)
            .transpose()
            .map_err(|failure| about("--user", failure))?,
    })
}

fn rates(matches: &ArgMatches) -> Outcome<(Option<RateWish>, RateWish)> {
    let rate = |id, option| -> Outcome<Option<RateWish>> {
        text(matches, id, option)?
            .map(quantity::rate)
            .transpose()
            .map_err(|error| judged(option, &error))
    };
    let target = rate("target-rate", "-l")?;
    let minimum = rate("min-rate", "-m")?.unwrap_or(RateWish::Bps(0));
    let too_much = |unit, target, minimum| {
        usage(format!(
            "the minimum rate (-m, {minimum}{unit}) is above the target rate (-l, {target}{unit})"
        ))
    };
    match (target, minimum) {
        (Some(RateWish::Bps(0) | RateWish::OfLink(0)), _) => {
            Err(usage("option -l: the target rate must be above 0"))
        }
        (Some(RateWish::Bps(target)), RateWish::Bps(minimum)) if minimum > target => {
            Err(too_much(" bit/s", target, minimum))
        }
        (Some(RateWish::OfLink(target)), RateWish::OfLink(minimum)) if minimum > target => Err(
            too_much(" millionths of the link", target.into(), minimum.into()),
        ),
        _ => Ok((target, minimum)),
    }
}

fn measure(matches: &ArgMatches) -> Outcome<Option<MeasureWish>> {
    let probe_rate = text(matches, "probe-rate", "-K")?
        .map(quantity::rate_bps)
        .transpose()
        .map_err(|error| judged("-K", &error))?;
    let direction = match text(matches, "measure", "-w")? {
        None if probe_rate.is_some() => {
            return Err(usage(
                "option -K needs -w r or -w f: it says how fast to measure",
            ));
        }
        None => return Ok(None),
        Some("f") => Direction::Send,
        Some("r") => Direction::Receive,
        Some(other) => {
            return Err(usage(format!(
                "option -w: '{}' is neither r (from the server) nor f (to the server)",
                redacted(other.as_bytes())
            )));
        }
    };
    match probe_rate.unwrap_or(DEFAULT_PROBE_RATE_BPS) {
        0 => Err(usage("option -K: the probe rate must be above 0")),
        probe_rate_bps => Ok(Some(MeasureWish {
            direction,
            probe_rate_bps,
        })),
    }
}

fn policy(matches: &ArgMatches) -> Outcome<PolicyWish> {
    match text(matches, "policy", "--policy")? {
        None => Ok(PolicyWish::default()),
        Some("fixed") => Ok(PolicyWish::Fixed),
        Some("high") => Ok(PolicyWish::High),
        Some("fair") => Ok(PolicyWish::Fair),
        Some("low") => Ok(PolicyWish::Low),
        Some(other) => Err(usage(format!(
            "option --policy: '{}' is none of fixed, high, fair, low",
            redacted(other.as_bytes())
        ))),
    }
}

fn cipher(matches: &ArgMatches, configured: &Configured) -> Outcome<CipherWish> {
    let Some(typed) = text(matches, "cipher", "-c")? else {
        return Ok(configured.cipher.unwrap_or_default());
    };
    cipher_named(typed).ok_or_else(|| {
        usage(format!(
            "option -c: '{}' is no known cipher; write none, or aes128, aes192 or aes256, \
             with cfb or gcm behind it if the mode matters",
            redacted(typed.as_bytes())
        ))
    })
}

/// The cipher that is written so, with or without `-` in it.
fn cipher_named(typed: &str) -> Option<CipherWish> {
    let plain = typed.replace('-', "").to_ascii_lowercase();
    Some(match plain.as_str() {
        "none" => CipherWish::None,
        "aes128" => CipherWish::Aes128,
        "aes192" => CipherWish::Aes192,
        "aes256" => CipherWish::Aes256,
        "aes128cfb" => CipherWish::Aes128Cfb,
        "aes192cfb" => CipherWish::Aes192Cfb,
        "aes256cfb" => CipherWish::Aes256Cfb,
        "aes128gcm" => CipherWish::Aes128Gcm,
        "aes192gcm" => CipherWish::Aes192Gcm,
        "aes256gcm" => CipherWish::Aes256Gcm,
        _ => return None,
    })
}

fn resume_level(matches: &ArgMatches) -> Outcome<u8> {
    Ok(number::<u8>(matches, "resume-level", "-k", 0, 3)?.unwrap_or(0))
}

/// Going on needs something to go on with.
fn retry_timeout(matches: &ArgMatches) -> Outcome<Duration> {
    let seconds = number(
        matches,
        "retry-timeout",
        "--retry-timeout",
        0,
        MOST_RETRY_SECONDS,
    )?;
    let seconds: u64 = seconds.unwrap_or(0);
    if seconds > 0 && resume_level(matches)? == 0 {
        return Err(usage(
            "option --retry-timeout needs -k 1 or more: without it nothing is kept of a lost session",
        ));
    }
    Ok(Duration::from_secs(seconds))
}

fn debug_level(matches: &ArgMatches) -> u8 {
    matches.get_count("debug").min(MAX_DEBUG_LEVEL)
}

fn log_target(matches: &ArgMatches) -> Outcome<LogTarget> {
    match matches.get_one::<OsString>("log") {
        None => Ok(LogTarget::Default),
        Some(word) if word.is_empty() => {
            Err(usage("option -L needs a folder, or - for the terminal"))
        }
        Some(word) if word == "-" => Ok(LogTarget::Stderr),
        Some(word) => {
            let (folder, most_bytes) = match sized_folder(word.as_bytes()) {
                Some((folder, size)) => (
                    OsStr::from_bytes(folder),
                    quantity::byte_count(size, MOST_LOG_BYTES)
                        .map_err(|error| judged("-L", &error))?,
                ),
                None => (word.as_os_str(), DEFAULT_LOG_BYTES),
            };
            if folder.is_empty() || most_bytes < LEAST_LOG_BYTES {
                return Err(usage(
                    "option -L needs a folder, and a size of at least 4K if there is one",
                ));
            }
            Ok(LogTarget::Directory {
                folder: PathBuf::from(folder),
                most_bytes,
            })
        }
    }
}

/// A folder that carries a log size, as in `-L logs:10M`, and the size.
fn sized_folder(word: &[u8]) -> Option<(&[u8], &str)> {
    let colon = word.iter().rposition(|byte| *byte == b':')?;
    let size = word.get(colon + 1..)?;
    let digits = match size {
        [digits @ .., b'G' | b'g' | b'M' | b'm' | b'K' | b'k'] => digits,
        digits => digits,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((word.get(..colon)?, std::str::from_utf8(size).ok()?))
}

/// The key files, each bare name that is not in the working folder looked up in `~/.ssh`; without any and without a key
/// in the environment, that of the configuration.
fn identity_files(
    matches: &ArgMatches,
    environment: &dyn Environment,
    configured: &Configured,
) -> Outcome<Vec<PathBuf>> {
    let words = matches.get_many::<OsString>("identity").unwrap_or_default();
    if words.len() == 0 && environment::secret(environment, KEY_VARIABLE)?.is_none() {
        return Ok(configured.key.iter().cloned().collect());
    }
    words
        .map(|word| {
            if word.is_empty() {
                return Err(usage("option -i needs the name of a key file"));
            }
            let typed = PathBuf::from(word);
            if word.as_bytes().contains(&b'/') || environment.file_exists(&typed) {
                return Ok(typed);
            }
            let in_ssh_folder = environment::home_folder(environment)
                .map(|home| home.join(Path::new(".ssh")).join(&typed));
            Ok(in_ssh_folder
                .filter(|path| environment.file_exists(path))
                .unwrap_or(typed))
        })
        .collect()
}

fn number<N: TryFrom<u64>>(
    matches: &ArgMatches,
    id: &str,
    option: &str,
    low: u64,
    high: u64,
) -> Outcome<Option<N>> {
    let Some(word) = text(matches, id, option)? else {
        return Ok(None);
    };
    let number = quantity::number_in(word, low, high).map_err(|error| judged(option, &error))?;
    let too_wide = |_| {
        let error = QuantityError::OutOfRange(redacted(word.as_bytes()), low, high);
        judged(option, &error)
    };
    N::try_from(number).map(Some).map_err(too_wide)
}

/// The value of an option that must be text, without surrounding blanks.
fn text<'a>(matches: &'a ArgMatches, id: &str, option: &str) -> Outcome<Option<&'a str>> {
    match matches.get_one::<OsString>(id) {
        None => Ok(None),
        Some(word) => match word.to_str() {
            Some(text) => Ok(Some(text.trim())),
            None => Err(usage(format!(
                "option {option}: '{}' is not valid UTF-8 text",
                redacted(word.as_bytes())
            ))),
        },
    }
}

fn judged(option: &str, error: &QuantityError) -> Failure {
    usage(format!("option {option}: {error}"))
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Fault::Usage, text)
}
