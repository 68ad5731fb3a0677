//! Logging in, and asking for the password where the user allows that (`--allow-password-prompt`).
//!
//! The keys and the password that are there are tried first. The question stands on the terminal of the process,
//! whatever standard input and output are; what is typed is not shown, is kept for sessions that go on, and is sent only
//! after the host key was checked.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::sync::Arc;

use fasp_core::fault::Fault;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::opening;
use crate::cli::settings::TransferSettings;
use crate::cli::terminal::{self, printable};
use crate::control_channel::{ControlChannel, ssh};
use crate::failure::{Failure, Outcome};

/// How often the user is asked.
const MOST_QUESTIONS: usize = 3;
/// Bytes of a password.
const MOST_BYTES: usize = 1_024;

/// What was typed in this run.
#[derive(Default)]
pub(super) struct Login {
    typed: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

impl Login {
    /// Connects, logs in and starts the remote command.
    ///
    /// # Errors
    ///
    /// As [`ssh::connect`]; [`Fault::Authentication`] too if there is no terminal to ask at.
    pub(super) async fn connect(&mut self, settings: &TransferSettings) -> Outcome<ControlChannel> {
        let mut target = opening::target(settings);
        if let Some(typed) = &self.typed {
            target.password = Some(typed.clone());
        }
        let mut questions = if settings.security.prompts {
            MOST_QUESTIONS
        } else {
            0
        };
        loop {
            let failure = match ssh::connect(&target).await {
                Ok(channel) => {
                    if questions < MOST_QUESTIONS && settings.security.prompts {
                        self.typed = target.password;
                    }
                    return Ok(channel);
                }
                Err(failure) => failure,
            };
            if failure.fault != Fault::Authentication || questions == 0 {
                return Err(failure);
            }
            if questions < MOST_QUESTIONS {
                terminal::print_stderr("ascp: permission denied, please try again\n");
            }
            questions -= 1;
            let question = format!("Password for {}@{}: ", target.user, target.host);
            target.password = Some(ask(&question).await.map_err(|why| {
                let text = format!("{}; option --allow-password-prompt: {why}", failure.text);
                Failure::new(Fault::Authentication, text)
            })?);
        }
    }
}

/// The answer to `question`, typed at the terminal; whoever stops waiting for it leaves the terminal as it was.
async fn ask(question: &str) -> Result<Zeroizing<String>, String> {
    let no_terminal = |_| "there is no terminal to ask at".to_owned();
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let terminal = Arc::new(terminal.map_err(no_terminal)?);
    let silence = EchoOff::on(&terminal).ok_or("the terminal cannot hide what is typed")?;
    (&*terminal)
        .write_all(printable(question.as_bytes()).as_bytes())
        .map_err(no_terminal)?;
    let own = Arc::clone(&terminal);
    let line = tokio::task::spawn_blocking(move || read_line(&own)).await;
    drop(silence);
    match line {
        Ok(Some(password)) => Ok(password),
        _ => Err("nothing was typed".to_owned()),
    }
}

/// One line without its end; nothing at the end of the input, or if it is too long.
fn read_line(mut terminal: &File) -> Option<Zeroizing<String>> {
    // All the room at once: growing would leave copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    let mut byte = [0];
    loop {
        match terminal.read(&mut byte) {
            Ok(1) if byte == [b'\n'] => break,
            Ok(1) if line.len() < MOST_BYTES => line.extend_from_slice(&byte),
            _ => return None,
        }
    }
    let text = std::str::from_utf8(&line).ok()?;
    let mut password = Zeroizing::new(String::with_capacity(MOST_BYTES));
    password.push_str(text);
    Some(password)
}

/// Keeps what is typed off the screen while it lives.
struct EchoOff {
    terminal: Arc<File>,
    before: Termios,
}

impl EchoOff {
    fn on(terminal: &Arc<File>) -> Option<Self> {
        let before = tcgetattr(terminal.as_ref()).ok()?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal.as_ref(), OptionalActions::Flush, &silent).ok()?;
        Some(Self {
            terminal: Arc::clone(terminal),
            before,
        })
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal.as_ref(), OptionalActions::Now, &self.before);
        let _ = (&*self.terminal).write_all(b"\n");
    }
}
