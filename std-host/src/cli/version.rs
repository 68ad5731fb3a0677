//! What the program calls itself.
//!
//! Programs read this: they take the first `version N` of `ascp -A`, or the last, and the third
//! word of the second line. So exactly one number may follow the word "version".

use std::env::consts::OS;

/// The version of the command line, as `ascp -A` prints it.
///
/// It starts at 4 because it states which command line this is compatible with: scripts in use
/// require at least 3.5 before they use an option, and our options follow the 4.x generation.
/// It is no version of IBM's program and no version of our protocol.
pub const ASCP_VERSION: &str = "4.5.0.1";

/// The commit the program was built from, if the build says it, else the version of the crates.
const BUILD: &str = match option_env!("FASP_BUILD_COMMIT") {
    Some(commit) => commit,
    None => concat!("crate-", env!("CARGO_PKG_VERSION")),
};

/// The text of `ascp -A`.
pub(super) fn version_text() -> String {
    let system = match OS {
        "linux" => "Linux",
        "macos" => "MacOSX",
        "windows" => "Windows",
        "freebsd" => "FreeBSD",
        other => other,
    };
    let aes = if has_aes_instructions() { "yes" } else { "no" };
    format!(
        "Open FASP ascp\n\
         ascp version {ASCP_VERSION} {BUILD}\n\
         Operating System: {system}\n\
         AES hardware support: {aes}\n\
         License: MIT OR Apache-2.0\n"
    )
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn has_aes_instructions() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn has_aes_instructions() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes_instructions() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_line_carries_the_only_version_number() {
        let text = version_text();
        let lines: Vec<&str> = text.lines().collect();
        let words: Vec<&str> = lines[1].split(' ').collect();
        assert_eq!(words[..3], ["ascp", "version", ASCP_VERSION]);
        assert_eq!(words.len(), 4);
        assert_eq!(text.to_lowercase().matches("version").count(), 1);
        assert_eq!(lines[2], "Operating System: Linux");
        assert!(lines[3].starts_with("AES hardware support: "));
        assert!(lines[4].starts_with("License: "));
    }

    #[test]
    fn the_version_is_new_enough_for_scripts_in_use() {
        let numbers: Vec<u32> = ASCP_VERSION
            .split('.')
            .map(|number| number.parse().unwrap())
            .collect();
        assert!(numbers.as_slice() >= [3, 5].as_slice());
        assert_eq!(numbers.len(), 4);
    }
}
