//! What goes wrong in the field, on the real image: power, space, keys, other clients, cables, garbage, floods.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use fasp_tests::random::SplitMix64;
use fasp_tests::tree::write_file;

use super::Bench;

const MEBIBYTE: u64 = 1 << 20;
/// The bytes of files that the flash has room for.
const FLASH_BYTES: u64 = (4096 - 41) * 4096;
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn an_upload_goes_on_after_every_power_cut() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let image = bench.world.local("image.bin");
    write_file(&image, 1, 3 * MEBIBYTE);
    let mut dice = SplitMix64::new(0xC07);
    let mut kept = 0;
    for _ in 0..3 {
        let upload = bench.ascp().args(["-k", "1"]).arg(&image);
        let running = upload.arg(bench.at("/")).start();
        bench.board.wait_for("session accepted");
        std::thread::sleep(Duration::from_millis(300 + dice.below(1_200)));
        kept += bench.lines_with("goes on: image.bin");
        bench.cut_power_and_start();
        let first = running.wait(LIMIT);
        assert_ne!(first.code(), Some(0), "{}", first.err());
    }
    let upload = bench.ascp().args(["-k", "1"]).arg(&image);
    upload.arg(bench.at("/")).run().succeeded();
    kept += bench.lines_with("goes on: image.bin");
    assert!(kept >= 2, "nothing was kept: {:?}", bench.board.log());
    let flash = bench.cut_power();
    assert!(flash.file("image.bin") == Some(fs::read(&image).unwrap()));
}

#[test]
fn files_outlive_the_power_and_what_replaces_them_does_so_whole() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let (old, new) = (bench.world.local("old/f"), bench.world.local("new/f"));
    write_file(&old, 1, 300_000);
    write_file(&new, 2, 2 * MEBIBYTE);
    bench.ascp().arg(&old).arg(bench.at("/")).run().succeeded();
    let running = bench.ascp().arg(&new).arg(bench.at("/")).start();
    bench.board.wait_for_nth("session accepted", 2);
    std::thread::sleep(Duration::from_millis(700));
    bench.cut_power_and_start();
    assert_ne!(running.wait(LIMIT).code(), Some(0));
    bench
        .ascp()
        .arg(bench.at("f"))
        .arg("back")
        .run()
        .succeeded();
    assert!(fs::read(&old).unwrap() == fs::read(bench.world.local("back")).unwrap());
}

#[test]
fn a_full_flash_and_a_file_that_never_fits_are_told() {
    let Some(bench) = Bench::open() else { return };
    let (first, second) = (bench.world.local("first"), bench.world.local("second"));
    let huge = bench.world.local("huge");
    write_file(&first, 1, MEBIBYTE);
    write_file(&second, 2, FLASH_BYTES - MEBIBYTE / 2);
    write_file(&huge, 3, FLASH_BYTES + 1);
    bench
        .ascp()
        .arg(&first)
        .arg(bench.at("/"))
        .run()
        .succeeded();
    let upload = bench.ascp().arg(&second).arg(bench.at("/"));
    upload.run().failed_with(&["No space left", "second"]);
    let upload = bench.ascp().arg(&huge).arg(bench.at("/"));
    upload.run().failed_with(&["File too big", "huge"]);
    bench
        .ascp()
        .arg(bench.at("first"))
        .arg("back")
        .run()
        .succeeded();
    assert!(fs::read(&first).unwrap() == fs::read(bench.world.local("back")).unwrap());
}

#[test]
fn a_stranger_does_not_get_in() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let file = bench.world.local("file");
    write_file(&file, 1, 1000);
    let stranger = bench.ascp_with(&bench.world.stranger_key());
    let upload = stranger.arg(&file).arg(bench.at("/"));
    upload.run().failed_with(&["failed to authenticate"]);
    bench.board.wait_for("login refused");
    bench.ascp().arg(&file).arg(bench.at("/")).run().succeeded();
}

#[test]
fn a_second_client_is_told_that_the_appliance_is_busy() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let file = bench.world.local("file");
    write_file(&file, 1, 3 * MEBIBYTE);
    let first = bench.ascp().arg(&file).arg(bench.at("/")).start();
    bench.board.wait_for("session accepted");
    let second = bench.ascp().arg(&file).arg(bench.at("/other"));
    second.run().failed_with(&["busy"]);
    assert_eq!(first.wait(LIMIT).code(), Some(0));
    bench
        .ascp()
        .arg(&file)
        .arg(bench.at("/other"))
        .run()
        .succeeded();
}

#[test]
fn garbage_and_a_flood_on_every_port_do_not_stop_a_transfer() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let mut dice = SplitMix64::new(0x6A6);
    for length in [1, 100, 5_000] {
        let mut bytes = vec![0; length];
        dice.fill(&mut bytes);
        let mut stream = TcpStream::connect(("127.0.0.1", bench.ports.ssh)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 100]);
    }
    let file = bench.world.local("file");
    write_file(&file, 1, MEBIBYTE);
    let running = bench.ascp().arg(&file).arg(bench.at("/")).start();
    bench.board.wait_for("session accepted");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut bytes = [0; 1200];
    let end = Instant::now() + Duration::from_secs(2);
    // About 4 Mbit/s beside the transfer, of random bytes and random lengths.
    while Instant::now() < end {
        for _ in 0..4 {
            dice.fill(&mut bytes);
            let length = usize::try_from(dice.below(1200)).unwrap();
            let port = [bench.ports.data, bench.ports.test][usize::from(dice.chance(200))];
            // Random bytes may not be an order to the test port.
            bytes[0] |= 0x80;
            let _ = socket.send_to(&bytes[..length], ("127.0.0.1", port));
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    let ended = running.wait(LIMIT);
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    let flash = bench.cut_power();
    assert!(flash.file("file") == Some(fs::read(&file).unwrap()));
}

#[test]
fn a_cable_that_is_pulled_and_put_back_only_delays() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let file = bench.world.local("file");
    write_file(&file, 1, 2 * MEBIBYTE);
    let running = bench.ascp().arg(&file).arg(bench.at("/")).start();
    bench.board.wait_for("session accepted");
    std::thread::sleep(Duration::from_millis(400));
    bench.board.set_link(false);
    bench.board.wait_for("the link is down");
    std::thread::sleep(Duration::from_secs(1));
    bench.board.set_link(true);
    bench.board.wait_for("the link is up");
    let ended = running.wait(LIMIT);
    assert_eq!(ended.code(), Some(0), "{}", ended.err());
    let flash = bench.cut_power();
    assert!(flash.file("file") == Some(fs::read(&file).unwrap()));
}
