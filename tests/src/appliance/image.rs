//! The image of the appliance, built once for the board.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binaries::workspace_root;

/// What the board's processor runs.
pub const TARGET: &str = "thumbv7em-none-eabihf";

/// Whether the compiler can build for the board.
#[must_use]
pub fn target_is_installed() -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        Path::new(text.trim()).is_dir()
    })
}

/// The image that is given to users.
///
/// # Panics
///
/// When it cannot be built; the compiler's words are then on stderr.
pub fn product() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| build("appliance", &[]))
}

/// The image with the port for tests.
///
/// # Panics
///
/// As for [`product`].
pub fn with_test_port() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| build("appliance-test-port", &["--features", "test-port"]))
}

/// Builds an image in a target folder of its own, so that the two do not take each other's place.
fn build(folder: &str, options: &[&str]) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), PathBuf::from);
    let target = target.join(folder);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace_root())
        // The workspace says what this build needs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--quiet", "--locked", "--package", "fasp-firmware"])
        .args(["--bin", "appliance", "--profile", "firmware", "--target", TARGET])
        .args(options)
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the image could not be built");
    target.join(TARGET).join("firmware/appliance")
}
