//! The options of this version, as the parser, the help, the manual page and the shells know them.
//!
//! One table for all, so that no text can promise what the parser does not know. Values arrive
//! as raw words; what they mean is decided in `interpretation`. What few people need is hidden from the short
//! help and shown by `-hh`.
//!
//! Source: names and meanings from the public option table; order and groups follow the public
//! structure of the original help.

mod after_transfer;
mod attributes;
mod configuration;
mod overwrite;
mod records;
mod security;
mod selection;
mod sessions;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, ValueHint, value_parser};

use super::later_options;
use super::version::ASCP_VERSION;

/// What the program prints when it is started without arguments.
///
/// Source: a public fact, four lines that programs look for.
pub(super) const SHORT_USAGE: &str = "\
Usage: ascp [OPTION] SRC... DEST
          SRC to DEST, or multiple SRC to DEST dir
          SRC, DEST format: [[user@]host:]PATH
Display full usage: -h,--help
";

const TEMPLATE: &str = "\
Usage: ascp [OPTION] SRC... DEST
          SRC to DEST, or multiple SRC to DEST dir
          SRC, DEST format: [[user@]host:]PATH

Copies files and whole folders to or from another computer, over UDP after a login
by SSH.

{all-args}{after-help}
";

const AFTER_HELP: &str = "\
Environment:
  ASPERA_SCP_PASS   password, or passphrase of the private key
  ASPERA_SCP_KEY    text of a private key, instead of -i
  ASPERA_SCP_COOKIE words for the logs of both sides
  ASPERA_SCP_DOCROOT folder that local paths cannot leave
  ASPERA_SCP_FILEPASS passphrase of --file-crypt
  ASPERA_SCP_TOKEN  token that authorizes the transfer, instead of -W

RATE is in bits per second with K, M or G (powers of 1000), such as 300M or 1.5G;
a bare number counts Kbit/s. For -l and -m it may also be in percent, such as 80P,
of the speed of the network interface towards the server.
Options may stand anywhere and may be joined: -QTl300m is -Q -T -l 300m.
The last of repeated options counts. What follows -- is never an option.

Exit status: 0 all files transferred, 1 failure, 112 no arguments,
130 stopped by Ctrl-C.";

/// What `-hh` is called between `words` and the parser.
pub(super) const FULL_HELP: &str = "--full-help";

/// The parser.
pub(super) fn command() -> Command {
    bare()
        .help_template(TEMPLATE)
        .args(visible_args())
        .args(later_options::hidden_args())
        .arg(
            Arg::new("full-help")
                .long(FULL_HELP.trim_start_matches('-'))
                .action(ArgAction::HelpShort)
                .hide(true),
        )
        .arg(flag("server").long("server").hide(true))
        .arg(operands().hide(true))
}

/// The help with the options that few people need (`-hh`).
pub(super) fn full_help() -> String {
    // Some names are so long that nothing fits beside them.
    let command = bare().help_template(TEMPLATE).next_line_help(true);
    let mut command = command.args(shown_everywhere()).arg(operands().hide(true));
    command.render_help().to_string()
}

/// The options for the manual page and the completions of shells: all that can be used, and no others.
pub(super) fn documented() -> Command {
    bare()
        .about(
            "Copies files and folders to or from another computer, over UDP after a login by SSH",
        )
        .override_usage("ascp [OPTION]... SRC... DEST")
        .args(shown_everywhere())
        .arg(
            operands()
                .value_name("SRC... DEST")
                .value_hint(ValueHint::AnyPath)
                .help("Sources and destination; one side is [[user@]host:]PATH"),
        )
}

fn bare() -> Command {
    Command::new("ascp")
        .version(ASCP_VERSION)
        .after_help(AFTER_HELP)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
}

fn visible_args() -> Vec<Arg> {
    [
        general_args(),
        file_args(),
        selection::args(),
        overwrite::args(),
        after_transfer::args(),
        attributes::args(),
        rate_args(),
        connection_args(),
        security::args(),
        sessions::args(),
        configuration::args(),
        log_args(),
        records::args(),
        legacy_args(),
    ]
    .concat()
}

fn shown_everywhere() -> impl Iterator<Item = Arg> {
    visible_args()
        .into_iter()
        .map(|arg| arg.hide_short_help(false))
}

fn operands() -> Arg {
    Arg::new("operands")
        .num_args(0..)
        .value_parser(value_parser!(OsString))
}

fn flag(id: &'static str) -> Arg {
    Arg::new(id).action(ArgAction::SetTrue)
}

fn value(id: &'static str, name: &'static str) -> Arg {
    Arg::new(id)
        .value_name(name)
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
        .value_parser(value_parser!(OsString))
}

/// An option that only the long help shows.
fn rare(arg: Arg) -> Arg {
    arg.hide_short_help(true)
}

fn under(heading: &'static str, args: Vec<Arg>) -> Vec<Arg> {
    args.into_iter()
        .map(|arg| arg.help_heading(heading))
        .collect()
}

fn general_args() -> Vec<Arg> {
    under(
        "General",
        vec![
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::HelpShort)
                .help("Show this help; -hh shows the rare options too"),
            Arg::new("version")
                .short('A')
                .long("version")
                .action(ArgAction::Version)
                .help("Show version, system and licence"),
        ],
    )
}

fn file_args() -> Vec<Arg> {
    under(
        "Files",
        vec![
            flag("create-destination")
                .short('d')
                .help("Create the destination folder if it is missing"),
            flag("preserve-times")
                .short('p')
                .long("preserve-times")
                .help("Keep access and modification times"),
            value("retry-timeout", "SECONDS")
                .long("retry-timeout")
                .help("Log in again when a session is lost, for this\nlong (default: 0, never); needs -k 1 or more"),
            value("resume-level", "LEVEL")
                .short('k')
                .help("Resume: 0 no, 1 attributes, 2 samples, 3 all"),
        ],
    )
}

fn rate_args() -> Vec<Arg> {
    under(
        "Rate",
        vec![
            value("target-rate", "RATE")
                .short('l')
                .help("Target rate (default: the server's)"),
            value("min-rate", "RATE")
                .short('m')
                .help("Minimum rate (default: 0)"),
            value("policy", "POLICY")
                .long("policy")
                .help("Sharing: fixed, high, fair (default) or low"),
            value("measure", "r|f")
                .short('w')
                .help("Measure the bandwidth first, from (r) or to (f) the\nserver; without files nothing else is done"),
            rare(value("probe-rate", "RATE"))
                .short('K')
                .help("How fast -w measures (default: 100, in Kbit/s)"),
            rare(value("datagram-size", "BYTES"))
                .short('Z')
                .help("Datagram size, 296 to 65507 (default: probed)"),
            rare(value("report-size", "BYTES"))
                .short('X')
                .help("Retransmission request, 128 to 1440 (default)"),
        ],
    )
}

fn connection_args() -> Vec<Arg> {
    under(
        "Connection and security",
        vec![
            value("mode", "MODE")
                .long("mode")
                .help("send or recv; operands are plain paths then"),
            value("host", "HOST")
                .long("host")
                .help("The other computer; needs --mode"),
            value("user", "USER")
                .long("user")
                .help("Login name there (default: the local user)"),
            value("identity", "FILE")
                .short('i')
                .action(ArgAction::Append)
                .help("Private key, also looked up in ~/.ssh; repeatable"),
            value("ssh-port", "PORT")
                .short('P')
                .help("TCP port of SSH (default: 22)"),
            value("udp-port", "PORT")
                .short('O')
                .help("UDP port of the data (default: 33001)"),
            flag("ipv6").short('6').help("Use IPv6"),
            value("cipher", "CIPHER").short('c').help(
                "none, aes128 (default), aes192 or aes256;\nwith a mode behind it: aes256gcm, aes256cfb",
            ),
            flag("no-encryption")
                .short('T')
                .help("Do not encrypt the data; same as -c none"),
            rare(value("check-sshfp", "SHA1"))
                .long("check-sshfp")
                .help("Required fingerprint of the SSH host key, in hex"),
        ],
    )
}

fn log_args() -> Vec<Arg> {
    under(
        "Output and log",
        vec![
            flag("quiet").short('q').help("No progress display"),
            flag("verbose")
                .short('v')
                .help("Log the steps of connecting and logging in"),
            Arg::new("debug")
                .short('D')
                .action(ArgAction::Count)
                .help("Debug log; -DD and -DDD tell more"),
            value("log", "DIR[:SIZE]")
                .short('L')
                .help("Log to DIR/aspera-scp-transfer.log, renamed at 10 MB\nor at :SIZE behind DIR; -L- logs to standard error"),
        ],
    )
}

/// Arguments that `words` rewrites before the parser sees them; they stand here for the help.
fn legacy_args() -> Vec<Arg> {
    under(
        "Kept for older scripts",
        vec![
            flag("adaptive")
                .short('Q')
                .help("Same as --policy=fair; -QQ is --policy=low"),
            rare(flag("recursive"))
                .short('r')
                .help("Changes nothing: folders are always sent whole"),
        ],
    )
}
