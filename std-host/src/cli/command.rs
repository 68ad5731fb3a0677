//! The options of this version, as the parser and the help text know them.
//!
//! One table for both, so the help cannot promise what the parser does not know. Values arrive
//! as raw words; what they mean is decided in `interpretation`.
//!
//! Source: names and meanings from the public option table; order and groups follow the public
//! structure of the original help.

mod after_transfer;
mod attributes;
mod overwrite;

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, value_parser};

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

RATE is in bits per second with K, M or G (powers of 1000), such as 300M or 1.5G;
a bare number counts Kbit/s. For -l and -m it may also be in percent, such as 80P,
of the speed of the network interface towards the server.
Options may stand anywhere and may be joined: -QTl300m is -Q -T -l 300m.
The last of repeated options counts. What follows -- is never an option.

Exit status: 0 all files transferred, 1 failure, 112 no arguments,
130 stopped by Ctrl-C.";

/// The parser.
pub(super) fn command() -> Command {
    Command::new("ascp")
        .version(ASCP_VERSION)
        .help_template(TEMPLATE)
        .after_help(AFTER_HELP)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args(general_args())
        .args(file_args())
        .args(overwrite::args())
        .args(after_transfer::args())
        .args(attributes::args())
        .args(rate_args())
        .args(connection_args())
        .args(log_args())
        .args(legacy_args())
        .args(later_options::hidden_args())
        .arg(flag("server").long("server").hide(true))
        .arg(
            Arg::new("operands")
                .num_args(0..)
                .hide(true)
                .value_parser(value_parser!(OsString)),
        )
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
                .help("Show this help"),
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
            value("probe-rate", "RATE")
                .short('K')
                .help("How fast -w measures (default: 100, in Kbit/s)"),
            value("datagram-size", "BYTES")
                .short('Z')
                .help("Datagram size, 296 to 65507 (default: probed)"),
            value("report-size", "BYTES")
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
            value("check-sshfp", "SHA1")
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
            value("log", "DIR")
                .short('L')
                .help("Log to DIR/aspera-scp-transfer.log;\n-L- logs to standard error"),
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
            flag("recursive")
                .short('r')
                .help("Changes nothing: folders are always sent whole"),
        ],
    )
}
