//! A login shell that starts transfers and nothing else, for users of the system's sshd.
//!
//! sshd runs it as `aspshell -c COMMAND`. It never gives COMMAND to a shell: it compares its words, and becomes the
//! `ascp` that lies beside it, or a program that `aspera.conf` allows this user with just these words.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Exit status of a command that may not be run, as shells give it.
const NOT_EXECUTABLE: u8 = 126;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let command = match arguments.as_slice() {
        [option, command] if option == "-c" => command.as_encoded_bytes(),
        _ => b"",
    };
    if let Some(words) = fasp_host::server::allowed_command(command) {
        let mut words = words.into_iter();
        let error = Command::new(words.next().unwrap_or_default())
            .args(words)
            .exec();
        return refuse(&error.to_string());
    }
    if !fasp_host::daemon::starts_a_transfer(command) {
        return refuse("this account is for transfers only");
    }
    let Some(program) = beside("ascp") else {
        return refuse("the program ascp does not lie beside this one");
    };
    // Only comes back if it failed.
    let error = Command::new(program).arg("--server").exec();
    refuse(&error.to_string())
}

fn beside(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.join(name);
    path.is_file().then_some(path)
}

fn refuse(why: &str) -> ExitCode {
    fasp_host::cli::terminal::print_stderr(&format!("aspshell: {why}\n"));
    ExitCode::from(NOT_EXECUTABLE)
}
