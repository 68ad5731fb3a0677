//! The program `astokengen`: makes tokens with the keys of a server's configuration, and reads them.

use std::io::Write as _;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum};
use fasp_core::control::choices::TransferDirection;
use fasp_core::fault::Fault;

use super::{Grant, Keys};
use crate::cli::terminal::printable;
use crate::configuration::{self, Configuration, SystemUser};
use crate::failure::{Failure, Outcome};
use crate::server::tokens;

/// Makes a token that lets USER transfer files below PATH, one way, for some time.
#[derive(Debug, Parser)]
#[command(
    name = "astokengen",
    version,
    after_help = "The keys are those of authorization/token in the configuration of the server: the\nfirst signs, all verify.\n\nExample:\n  ASPERA_SCP_TOKEN=$(astokengen --mode=send --user=xfer --path=/incoming) \\\n        ascp f xfer@server.example:/incoming/"
)]
struct Arguments {
    /// Which way, seen from the client: send is an upload
    #[arg(long, value_enum, required_unless_present = "test")]
    mode: Option<Mode>,

    /// Login name at the server
    #[arg(short, long)]
    user: String,

    /// A file or folder at the server, with all below it; repeatable
    #[arg(
        short,
        long = "path",
        alias = "dest",
        value_name = "PATH",
        required_unless_present = "test"
    )]
    paths: Vec<std::ffi::OsString>,

    /// Seconds until it ends [default: life_seconds of the configuration, a day]
    #[arg(short, long, value_name = "SECONDS")]
    life: Option<u64>,

    /// The server's configuration [default: ../etc/aspera.conf beside the
    /// program, /opt/aspera/etc/aspera.conf, /etc/aspera.conf]
    #[arg(short = 'f', long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Do not make a token: check this one and say what it allows
    #[arg(short, long, value_name = "TOKEN", conflicts_with_all = ["mode", "paths", "life"])]
    test: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Send,
    Recv,
}

/// The whole program.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match answer(arguments) {
        Ok(text) => match writeln!(std::io::stdout(), "{text}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(failure) => {
            // There is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "astokengen: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: Arguments) -> Outcome<String> {
    let path = arguments.config.or_else(configuration::find);
    let path = path.ok_or_else(|| bad("there is no configuration; name one with -f"))?;
    let configuration = Configuration::read(&path)?;
    let account = SystemUser::named(&arguments.user);
    let settings = configuration.for_user(&arguments.user, &account.groups);
    let keys = tokens::keys(&settings)?.ok_or_else(|| {
        bad("the configuration has neither authorization/token/encryption_key nor key_file for this user")
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now
        .map_err(|_| bad("the clock stands before 1970"))?
        .as_secs();
    if let Some(token) = arguments.test {
        return explained(&keys, &arguments.user, token.trim(), now);
    }
    let life = arguments
        .life
        .or_else(|| settings.number("authorization/token/life_seconds"));
    keys.sign(&Grant {
        direction: match arguments.mode {
            Some(Mode::Recv) => TransferDirection::Download,
            _ => TransferDirection::Upload,
        },
        user: arguments.user,
        expires: now.saturating_add(life.unwrap_or(86_400)),
        paths: arguments
            .paths
            .into_iter()
            .map(OsStringExt::into_vec)
            .collect(),
    })
}

fn explained(keys: &Keys, user: &str, token: &str, now: u64) -> Outcome<String> {
    let refused =
        |refusal: super::Refusal| Failure::new(Fault::AuthorizationFailed, refusal.to_string());
    let grant = keys.read(token.as_bytes()).map_err(refused)?;
    grant.check(user, grant.direction, now).map_err(refused)?;
    let mode = match grant.direction {
        TransferDirection::Upload => "send",
        TransferDirection::Download => "recv",
    };
    let mut text = format!(
        "mode: {mode}\nuser: {}\nends in: {} s",
        printable(grant.user.as_bytes()),
        grant.expires.saturating_sub(now)
    );
    for path in &grant.paths {
        text.push_str(&format!("\npath: {}", printable(path)));
    }
    Ok(text)
}

fn bad(text: &str) -> Failure {
    Failure::new(Fault::BadConfiguration, text)
}
