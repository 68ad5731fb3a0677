//! `cargo command-docs`: writes the manual page of `ascp` and the completions of shells, from its options.

use std::fs;

use fasp_tests::binaries::workspace_root;
use fasp_tests::command_docs;

fn main() {
    for (name, text) in command_docs::files() {
        let path = workspace_root().join(name);
        let folder = path.parent().expect("a file in a folder");
        fs::create_dir_all(folder).expect("a folder for the texts");
        fs::write(&path, text).expect("a text");
    }
}
