//! The real `ascp`, run as a user would run it.

use std::ffi::{OsStr, OsString};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::binaries;
use crate::process::{Finished, Running};
use crate::server::Server;
use crate::world::World;

/// How long a run may take unless the test says otherwise.
const PATIENCE: Duration = Duration::from_secs(120);

/// One command line in the making.
#[derive(Debug)]
pub struct Ascp {
    command: Command,
    patience: Duration,
}

/// How a run ended, with the assertions that every test needs.
#[derive(Debug)]
pub struct Outcome(pub Finished);

impl Ascp {
    /// A command line without arguments, in a world's home and with a clean environment.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let mut command = Command::new(binaries::ascp());
        command
            .env_clear()
            .env("HOME", world.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "someone")
            .current_dir(world.local(""))
            .stdin(Stdio::null());
        Self {
            command,
            patience: PATIENCE,
        }
    }

    /// With the options that reach `server` with the world's key.
    #[must_use]
    pub fn to(world: &World, server: &Server) -> Self {
        Self::new(world)
            .options(server)
            .arg("-i")
            .arg(world.client_key())
    }

    /// Adds the ports of `server`.
    #[must_use]
    pub fn options(self, server: &Server) -> Self {
        self.arg("-P")
            .arg(server.ssh_port.to_string())
            .arg("-O")
            .arg(server.udp_port.to_string())
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs in another folder.
    #[must_use]
    pub fn current_dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs with the file mode mask `mask` (octal, as in a shell).
    #[must_use]
    pub fn umask(mut self, mask: &str) -> Self {
        // A shell sets the mask: doing it here would change every thread of the test.
        let mut shell = Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(format!("umask {mask} && exec \"$0\" \"$@\""))
            .arg(self.command.get_program())
            .args(self.command.get_args());
        shell.env_clear().stdin(Stdio::null());
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        if let Some(folder) = self.command.get_current_dir() {
            shell.current_dir(folder);
        }
        self.command = shell;
        self
    }

    /// Changes the command in a way not foreseen here.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Allows the run `seconds`.
    #[must_use]
    pub const fn within_secs(mut self, seconds: u64) -> Self {
        self.patience = Duration::from_secs(seconds);
        self
    }

    /// The command itself, for a caller who runs it on the user's terminal.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command
    }

    /// Starts it and returns at once.
    #[must_use]
    pub fn start(self) -> Running {
        Running::start(self.command)
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Outcome {
        let patience = self.patience;
        Outcome(Running::start(self.command).wait(patience))
    }
}

impl Deref for Outcome {
    type Target = Finished;

    fn deref(&self) -> &Finished {
        &self.0
    }
}

impl Outcome {
    /// Fails unless the status is 0 and nothing on stdout or stderr speaks of failure.
    ///
    /// # Panics
    ///
    /// With everything the program said.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code(), Some(0), "ascp must succeed\n{}", self.words());
        assert!(
            !self.out().contains("Session Stop"),
            "status 0 but a failure was reported\n{}",
            self.words()
        );
        self
    }

    /// Fails unless the run failed in the public shape: status 1, `Session Stop  (Error: TEXT)`
    /// on stdout, `ascp: TEXT, exiting.` on stderr. Returns TEXT.
    ///
    /// # Panics
    ///
    /// With everything the program said.
    #[track_caller]
    #[must_use]
    pub fn failure(&self) -> String {
        assert_eq!(self.code(), Some(1), "status 1 expected\n{}", self.words());
        let out = self.out();
        let text = out
            .split_once("\r\nSession Stop  (Error: ")
            .and_then(|(_, rest)| rest.strip_suffix(")\n"));
        let Some(text) = text else {
            panic!(
                "stdout must end with the Session Stop line\n{}",
                self.words()
            );
        };
        let expected = format!("ascp: {text}, exiting.\n");
        assert!(
            self.err().ends_with(&expected),
            "stderr must end with {expected:?}\n{}",
            self.words()
        );
        text.to_owned()
    }

    /// As [`Self::failure`] and the text must contain each of `fragments`, in any case.
    ///
    /// # Panics
    ///
    /// With everything the program said.
    #[track_caller]
    pub fn failed_with(&self, fragments: &[&str]) -> &Self {
        let text = self.failure();
        for fragment in fragments {
            assert!(
                text.to_lowercase().contains(&fragment.to_lowercase()),
                "the failure text {text:?} must speak of {fragment:?}\n{}",
                self.words()
            );
        }
        self
    }

    /// Everything the program said, for messages.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "status {:?} after {:?}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.status,
            self.took,
            self.out().replace('\r', "\\r"),
            self.err()
        )
    }
}

/// `[user@]host:path` as one argument.
#[must_use]
pub fn operand(login: &str, path: impl AsRef<OsStr>) -> OsString {
    let mut operand = OsString::from(login);
    operand.push(":");
    operand.push(path);
    operand
}
