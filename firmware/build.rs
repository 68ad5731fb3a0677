//! Gives the image of the appliance its memory map; does nothing for any machine with an operating system.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=boards/mps2_an386.x");
    let target = |name| env::var(name).unwrap_or_default();
    if target("CARGO_CFG_TARGET_OS") != "none" || target("CARGO_CFG_TARGET_ARCH") != "arm" {
        return;
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("OUT_DIR is set by cargo"));
    // The linker looks into its own folder first: the map of a board never lies there under this name.
    fs::copy("boards/mps2_an386.x", out.join("memory.x")).expect("the memory map is copied");
    println!("cargo:rustc-link-search={}", out.display());
    for argument in ["-Tlink.x", "-Tdefmt.x", "--nmagic"] {
        println!("cargo:rustc-link-arg-bin=appliance={argument}");
    }
}
