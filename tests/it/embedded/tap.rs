//! The example on a TAP device of Linux: a real network card for the real `ascp`, and no UDP of the kernel's on
//! the appliance's side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fasp_tests::binaries::workspace_root;
use fasp_tests::client::Ascp;
use fasp_tests::process::Running;
use fasp_tests::skip;
use fasp_tests::tree::{assert_same, write_file};
use fasp_tests::world::{World, run};

/// A TAP device with an address, for as long as this lives.
#[derive(Debug)]
struct Tap {
    name: String,
    subnet: String,
}

impl Tap {
    /// `None` where this process may make none, which was said.
    fn new() -> Option<Self> {
        let number = std::process::id() % 250;
        let tap = Self {
            name: format!("fasptap{number}"),
            subnet: format!("10.69.{number}"),
        };
        let made = Path::new("/dev/net/tun").exists()
            && tap.ip(&["tuntap", "add", "dev", &tap.name, "mode", "tap"])
            && tap.ip(&[
                "addr",
                "add",
                &format!("{}.1/24", tap.subnet),
                "dev",
                &tap.name,
            ])
            && tap.ip(&["link", "set", &tap.name, "up"]);
        if !made {
            skip::say(
                "no TAP device can be made (root, /dev/net/tun and ip of iproute2 are needed)",
            );
            return None;
        }
        Some(tap)
    }

    fn ip(&self, arguments: &[&str]) -> bool {
        run("ip", |command| {
            command.args(arguments);
        })
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.ip(&["link", "del", &self.name]);
    }
}

/// The example, built beside this test and as it was.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile_folder = test.parent().and_then(Path::parent).unwrap();
    let profile = profile_folder.file_name().unwrap().to_str().unwrap();
    let profile = if profile == "debug" { "dev" } else { profile };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace_root())
        .args(["build", "--quiet", "--package", "fasp-firmware"])
        .args(["--example", "tap_appliance", "--profile", profile])
        .arg("--target-dir")
        .arg(profile_folder.parent().unwrap())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the example could not be built");
    profile_folder.join("examples/tap_appliance")
}

#[test]
fn the_example_serves_on_a_tap_device() {
    let Some(tap) = Tap::new() else { return };
    let world = World::new();
    let mut command = Command::new(example());
    command
        .arg(&tap.name)
        .arg(format!("{}.2/24", tap.subnet))
        .arg(world.client_key().with_extension("pub"));
    let mut appliance = Running::start(command);
    let image = world.local("image.bin");
    write_file(&image, 1, 4 << 20);
    let ascp = || {
        Ascp::new(&world)
            .arg("-i")
            .arg(world.client_key())
            .args(["-l", "50M"])
    };
    let there = |path: &str| format!("appliance@{}.2:{path}", tap.subnet);
    // It listens a moment after it was started.
    let until = Instant::now() + Duration::from_secs(20);
    while ascp().arg(&image).arg(there("/")).run().code() != Some(0) {
        assert!(
            Instant::now() < until && appliance.is_running(),
            "it must serve"
        );
    }
    let back = world.local("back.bin");
    ascp().arg(there("/image.bin")).arg(&back).run().succeeded();
    assert_same(&image, &back);
    assert_eq!(fs::metadata(&back).unwrap().len(), 4 << 20);
}
