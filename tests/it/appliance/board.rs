//! The board itself: faults are told and end in a restart, an appliance that was not set up says so, addresses.

use std::net::UdpSocket;
use std::time::Duration;

use fasp_firmware::addresses::{FixedIpv4, Ipv4Source};
use fasp_tests::appliance::flash_image::FlashImage;
use fasp_tests::appliance::{Board, Cable, image};
use fasp_tests::relay::{Badness, Relay, Toward};
use fasp_tests::tree::{assert_same, write_file};
use smoltcp::wire::{Ipv4Address, Ipv4Cidr};

use super::{Bench, alone, is_missing};

/// Sends one order to the test port and gives the answer, if one comes.
fn order(bench: &Bench, order: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    socket
        .send_to(order, ("127.0.0.1", bench.ports.test))
        .unwrap();
    let mut answer = [0; 100];
    let length = socket.recv(&mut answer).ok()?;
    answer.get(..length).map(<[u8]>::to_vec)
}

#[test]
fn every_fault_is_told_and_ends_in_a_restart() {
    let Some(mut bench) = Bench::open() else {
        return;
    };
    let faults = [
        (&b"P"[..], "asked to"),
        (b"H", "hard fault at pc"),
        (b"W", "reset by the watchdog"),
    ];
    for ((command, told), starts) in faults.into_iter().zip(2..) {
        let _ = order(&bench, command);
        bench.board.wait_for(told);
        let crashes = format!("start, crashes in a row: {}", starts - 1);
        bench.board.wait_for(&crashes);
        bench.board.wait_for_nth("ready at", starts);
        assert_eq!(
            order(&bench, b"Eis it there?"),
            Some(b"Eis it there?".to_vec())
        );
    }
}

#[test]
fn an_appliance_that_was_not_set_up_says_so_and_lets_nobody_in() {
    if is_missing() {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let flash = FlashImage::blank(folder.path().join("flash"));
    let ports = fasp_tests::appliance::Ports::free();
    let mut board = Board::start(image::with_test_port(), flash.path(), ports);
    board.wait_for("this appliance was not set up");
    board.cut_power();
    std::fs::write(flash.path(), vec![0x55; 16 << 20]).unwrap();
    let mut board = Board::start(image::with_test_port(), flash.path(), ports);
    board.wait_for("the flash holds something else");
    let kept = std::fs::read(flash.path()).unwrap();
    assert!(kept.iter().all(|byte| *byte == 0x55), "nothing is changed");
}

#[test]
fn without_a_server_for_addresses_the_fixed_one_is_taken() {
    if is_missing() {
        return;
    }
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let fixed = FixedIpv4 {
        address: Ipv4Cidr::new(Ipv4Address::new(192, 168, 77, 2), 24),
        router: None,
    };
    for (source, word) in [
        (
            Ipv4Source::Dhcp {
                otherwise: Some(fixed),
            },
            "192.168.77.2/24 as configured",
        ),
        (Ipv4Source::Fixed(fixed), "192.168.77.2/24 as configured"),
    ] {
        let flash = FlashImage::set_up(folder.path().join("flash"), TEST_KEY).with_address(source);
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let cable = Cable {
            local: ([127, 0, 0, 1], fasp_tests::server::free_udp_port()).into(),
            remote: nobody.local_addr().unwrap(),
        };
        let mut board = Board::start_on_cable(image::with_test_port(), flash.path(), cable);
        board.wait_for(word);
    }
}

/// A key that nobody has.
const TEST_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nobody";

#[test]
fn a_cable_that_loses_and_reorders_frames_carries_both_ways() {
    let bad = Badness {
        loss: 50,
        reorder: 50,
        hold: Duration::from_millis(15),
        ..Badness::default()
    };
    let near = fasp_tests::server::free_udp_port();
    let far = fasp_tests::server::free_udp_port();
    let relay = Relay::start(far, 0xCAB1E, bad);
    relay.expect_client(([127, 0, 0, 1], near).into());
    let board = Cable {
        local: ([127, 0, 0, 1], far).into(),
        remote: relay.far_address(),
    };
    let router = Cable {
        local: ([127, 0, 0, 1], near).into(),
        remote: relay.address(),
    };
    let Some(mut bench) = Bench::open_on_cable(board, router) else {
        return;
    };
    let file = bench.world.local("file");
    write_file(&file, 1, 1 << 20);
    bench.ascp().arg(&file).arg(bench.at("/")).run().succeeded();
    // The good-bye may be lost too, and is only repeated after a while.
    bench.board.wait_for("over");
    bench
        .ascp()
        .arg(bench.at("file"))
        .arg("back")
        .run()
        .succeeded();
    assert_same(&file, &bench.world.local("back"));
    let (up, down) = (relay.count(Toward::Server), relay.count(Toward::Client));
    assert!(up.lost > 20 && down.lost > 20, "{up:?} {down:?}");
    assert!(up.held > 20 && down.held > 20, "{up:?} {down:?}");
}
