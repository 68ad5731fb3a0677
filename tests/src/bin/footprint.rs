//! `cargo footprint`: what the image of the appliance takes of the device, and whether that is within its limits.
//!
//! Sizes of sections come from the image; the stack's high-water mark from a transfer each way on a board in QEMU.
//! The status is 1 when something is over its limit, or cannot be measured.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::process::ExitCode;

use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Ports, image, missing};
use fasp_tests::client::Ascp;
use fasp_tests::tree;
use fasp_tests::world::World;

const KIBIBYTE: u64 = 1024;
/// Flash: code, constants, and what variables start with.
const MOST_FLASH: u64 = 512 * KIBIBYTE;
/// RAM: variables and the most stack that was used.
const MOST_RAM: u64 = 256 * KIBIBYTE;
/// One session: what the appliance and the machines of `core` in it take.
const MOST_SESSION: u64 = 64 * KIBIBYTE;

fn main() -> ExitCode {
    if let Some(reason) = missing() {
        println!("{reason}");
        return ExitCode::FAILURE;
    }
    let image = image::product();
    let bytes = std::fs::read(image).expect("the image");
    let sections = image::sections(&bytes).expect("the sections of the image");
    let (mut flash, mut ram) = (0, 0);
    for section in &sections {
        let (place, size) = (section.place(), section.size);
        println!("{:<16} {size:>8} {place}", section.name);
        flash += u64::from(section.is_in_flash()) * size;
        ram += u64::from(section.is_in_ram()) * size;
    }
    let log = log_of_a_transfer_each_way();
    let number = |text: &str, nth: usize| number_after(&log, text, nth);
    let stack = number("stack: ", 0);
    let checks = [
        ("flash", flash, MOST_FLASH),
        ("RAM, variables", ram, MOST_RAM),
        ("stack, most used", stack, number("stack: ", 1)),
        ("RAM, variables and stack used", ram + stack, MOST_RAM),
        ("session state", number("session state ", 0), MOST_SESSION),
    ];
    let mut fits = true;
    for (what, size, most) in checks {
        let verdict = if size <= most { "ok" } else { "TOO LARGE" };
        println!("{what:<30} {size:>8} of {most:>8} bytes  {verdict}");
        fits &= size <= most && size > 0;
    }
    if fits {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn log_of_a_transfer_each_way() -> Vec<String> {
    let world = World::new();
    let ports = Ports::free();
    let path = world.server_folder().join("flash");
    let flash = FlashImage::set_up(path, world.authorized_key()).advertising(ports.data);
    let mut board = Board::start(image::product(), flash.path(), ports);
    board.wait_until_ready();
    let source = world.local("file");
    tree::write_file(&source, 1, KIBIBYTE * KIBIBYTE);
    let ascp = || {
        Ascp::new(&world)
            .arg("-i")
            .arg(world.client_key())
            .args(["-P", &ports.ssh.to_string(), "-O", &ports.data.to_string()])
            .args(["-l", "8M"])
    };
    let up = ascp().arg(&source).arg("appliance@127.0.0.1:/");
    up.run().succeeded();
    let down = ascp().arg("appliance@127.0.0.1:file").arg("back");
    down.run().succeeded();
    board.wait_for_nth("stack: ", 2);
    board.log()
}

/// The `nth` number behind the last `text` in the log; 0 if there is none.
fn number_after(log: &[String], text: &str, nth: usize) -> u64 {
    let found = log.iter().rev().find_map(|line| line.split_once(text));
    let Some((_, rest)) = found else { return 0 };
    let mut numbers = rest
        .split(|c: char| !c.is_ascii_digit())
        .filter(|word| !word.is_empty());
    numbers
        .nth(nth)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}
