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
    IMAGE.get_or_init(|| build("image", &[]))
}

/// The image with the port for tests.
///
/// # Panics
///
/// As for [`product`].
pub fn with_test_port() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| build("image-with-test-port", &["--features", "test-port"]))
}

/// Builds an image and puts it aside, since the next one takes its place.
fn build(name: &str, options: &[&str]) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace_root())
        // The workspace says what this build needs.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--quiet", "--locked", "--package", "fasp-firmware"])
        .args([
            "--bin",
            "appliance",
            "--profile",
            "firmware",
            "--target",
            TARGET,
        ])
        .args(options)
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the image could not be built");
    let folder = target.join("appliance");
    std::fs::create_dir_all(&folder).expect("a folder for images");
    let image = folder.join(name);
    std::fs::copy(target.join(TARGET).join("firmware/appliance"), &image).expect("the image");
    image
}

/// A part of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    address: u32,
    /// It is in the file, not just room in memory.
    loaded: bool,
}

impl Section {
    /// Whether it takes flash.
    #[must_use]
    pub const fn is_in_flash(&self) -> bool {
        self.loaded
    }

    /// Whether it takes RAM.
    #[must_use]
    pub const fn is_in_ram(&self) -> bool {
        self.address >= 0x2000_0000
    }

    /// In words.
    #[must_use]
    pub const fn place(&self) -> &'static str {
        match (self.is_in_flash(), self.is_in_ram()) {
            (true, true) => "flash and RAM",
            (true, false) => "flash",
            _ => "RAM",
        }
    }
}

/// The sections of an image that take memory of the device. `None` if it is no 32-bit image of low byte first.
///
/// Source: the layout of section headers in the ELF specification, version 1.2.
#[must_use]
pub fn sections(image: &[u8]) -> Option<Vec<Section>> {
    const OCCUPIES_MEMORY: u32 = 1 << 1;
    const HAS_NO_BYTES: u32 = 8;
    let half = |at: usize| Some(u16::from_le_bytes(*image.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*image.get(at..)?.first_chunk()?));
    if image.get(..6)? != b"\x7fELF\x01\x01" {
        return None;
    }
    let table = usize::try_from(word(0x20)?).ok()?;
    let (entry, count) = (usize::from(half(0x2E)?), usize::from(half(0x30)?));
    let names = table + entry * usize::from(half(0x32)?);
    let names = usize::try_from(word(names + 16)?).ok()?;
    let mut found = Vec::new();
    for at in (0..count).map(|index| table + entry * index) {
        if word(at + 8)? & OCCUPIES_MEMORY == 0 || word(at + 20)? == 0 {
            continue;
        }
        let name = image.get(names + usize::try_from(word(at)?).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        found.push(Section {
            name: String::from_utf8_lossy(name).into_owned(),
            size: word(at + 20)?.into(),
            address: word(at + 12)?,
            loaded: word(at + 4)? != HAS_NO_BYTES,
        });
    }
    Some(found)
}
