//! A run on a real terminal: `script` gives the program a pseudo-terminal of 80 columns.
//!
//! On it stdout and stderr are one, and every line ends with CR LF.

use std::process::Command;

use crate::client::Ascp;
use crate::world::is_installed;

/// Turns a command line into one that runs on a terminal; `None` when `script` is not installed.
#[must_use]
pub fn on_a_terminal(ascp: Ascp) -> Option<Ascp> {
    if !is_installed("script") {
        return None;
    }
    Some(ascp.with(|command| {
        let mut line = String::from("stty cols 80 rows 24; exec");
        for word in std::iter::once(command.get_program()).chain(command.get_args()) {
            let word = word.to_str().expect("words for a terminal are UTF-8");
            line.push_str(" '");
            line.push_str(&word.replace('\'', "'\\''"));
            line.push('\'');
        }
        let mut script = Command::new("script");
        script.args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ]);
        script.env_clear().env("SHELL", "/bin/sh");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                script.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            script.current_dir(folder);
        }
        script.stdin(std::process::Stdio::null());
        *command = script;
    }))
}
