//! `cargo appliance`: builds the image, gives it to a board in QEMU and says how to reach it.
//!
//! The appliance's flash is kept below `target/appliance`, so that files are there again the next time. Ports are
//! 10022 (SSH) and 33001 (data) of the loopback, or what `APPLIANCE_SSH_PORT` and `APPLIANCE_DATA_PORT` say.

#![expect(
    clippy::print_stdout,
    reason = "a program for people: it says how to go on"
)]

use std::path::Path;
use std::time::Duration;

use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Ports, image, missing};
use fasp_tests::binaries::workspace_root;
use fasp_tests::keys;

fn main() {
    if let Some(reason) = missing() {
        println!("{reason}");
        println!("On Debian: apt-get install --no-install-recommends qemu-system-arm");
        println!("and: rustup target add {}", image::TARGET);
        std::process::exit(1);
    }
    println!("Building the image ...");
    let image = image::product();
    let root = workspace_root();
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let folder = root.join("target/appliance");
    let key = folder.join("client_key");
    if !key.exists() {
        keys::generate(&key);
    }
    let authorized = std::fs::read_to_string(key.with_extension("pub")).expect("the public key");
    let ports = Ports {
        ssh: port("APPLIANCE_SSH_PORT", 10_022),
        data: port("APPLIANCE_DATA_PORT", 33_001),
        test: fasp_tests::server::free_udp_port(),
    };
    let flash = FlashImage::open_or_set_up(folder.join("flash"), &authorized);
    let flash = flash.advertising(ports.data);
    let mut board = Board::start(image, flash.path(), ports);
    board.wait_until_ready();
    say_how(&key, ports);
    let mut shown = 0;
    while board.is_running() {
        let log = board.log();
        for line in log.iter().skip(shown) {
            println!("{line}");
        }
        shown = log.len();
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn port(variable: &str, usual: u16) -> u16 {
    let Ok(text) = std::env::var(variable) else {
        return usual;
    };
    text.parse()
        .unwrap_or_else(|_| panic!("{variable} must be a port, not {text}"))
}

fn say_how(key: &Path, ports: Ports) {
    let options = format!("-P {} -O {} -i {}", ports.ssh, ports.data, key.display());
    println!("The appliance serves. In another terminal:");
    println!("  ascp {options} FILE appliance@127.0.0.1:/");
    println!("  ascp {options} appliance@127.0.0.1:FILE .");
    println!("Ctrl-C takes its power away; its files stay. Its log:");
}
