//! The texts about `ascp` that are made from its options: the manual page and the completions of shells.
//!
//! They lie in the repository, so that packages need no tool to make them; `cargo command-docs` writes them.

use clap_complete::Shell;

/// Each file, relative to the workspace, and its text.
///
/// # Panics
///
/// Never: it writes to memory.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    let completions = |shell| {
        let mut command = fasp_host::cli::documented_command();
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command, "ascp", &mut text);
        String::from_utf8(text).expect("a text")
    };
    let mut manual = Vec::new();
    clap_mangen::Man::new(fasp_host::cli::documented_command())
        .render(&mut manual)
        .expect("memory takes every text");
    vec![
        (
            "std-host/man/ascp.1",
            String::from_utf8(manual).expect("a text"),
        ),
        ("std-host/completions/ascp.bash", completions(Shell::Bash)),
        ("std-host/completions/_ascp", completions(Shell::Zsh)),
        ("std-host/completions/ascp.fish", completions(Shell::Fish)),
    ]
}
