//! Where the real `ascp` and `ascpd` are: built once, with the profile of the running test.
//!
//! `FASP_BIN_DIR` names a folder with ready binaries instead and then nothing is built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The variable that names a folder with ready binaries.
pub const BIN_DIR: &str = "FASP_BIN_DIR";

/// The client.
pub fn ascp() -> PathBuf {
    folder().join("ascp")
}

/// The standalone server.
pub fn ascpd() -> PathBuf {
    folder().join("ascpd")
}

/// The folder that holds both.
///
/// # Panics
///
/// When they cannot be built; the compiler's words are then on stderr.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        std::env::var_os(BIN_DIR).map_or_else(build, |folder| {
            std::path::absolute(&folder).expect("the folder named by FASP_BIN_DIR")
        })
    })
}

fn build() -> PathBuf {
    let profile_folder = own_profile_folder();
    let profile = match profile_folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => panic!("{} has no name", profile_folder.display()),
    };
    let target = profile_folder.parent().expect("the target folder");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["build", "--quiet", "--package", "fasp-host", "--bins"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .stdin(Stdio::null())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "ascp and ascpd could not be built");
    profile_folder
}

/// `target/<profile>`, seen from the running executable, which lies there or in `deps` below.
fn own_profile_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("the running executable");
    let folder = executable.parent().expect("its folder");
    if folder.ends_with("deps") {
        folder.parent().expect("the profile folder").to_path_buf()
    } else {
        folder.to_path_buf()
    }
}

/// The root of the workspace these tests were compiled in.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
