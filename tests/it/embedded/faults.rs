//! What goes wrong in the field: power, space, keys, other clients, bad cables, garbage and floods.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use fasp_tests::random::SplitMix64;
use fasp_tests::tree::write_file;

use super::bench::{Bench, DISK_BYTES};
use super::cable::Quality;

#[test]
fn an_upload_goes_on_after_a_power_cut() {
    let bench = Bench::new();
    let image = bench.world.local("image.bin");
    write_file(&image, 1, 3 << 20);
    let upload = || {
        bench
            .ascp()
            .args(["-k", "1", "-l", "6M"])
            .arg(&image)
            .arg(bench.at("/"))
    };
    let running = upload().start();
    bench.wait_for("session accepted");
    std::thread::sleep(Duration::from_millis(2_500));
    bench.cut_power();
    let first = running.wait(Duration::from_secs(120));
    assert_ne!(first.code(), Some(0), "{}", first.err());
    upload().run().succeeded();
    let resumed = bench.events().iter().any(|event| {
        let present = event.strip_prefix("goes on: image.bin (has ");
        let present = present.and_then(|rest| rest.strip_suffix(" bytes)"));
        present.is_some_and(|present| present.parse::<u64>().unwrap() >= 256 << 10)
    });
    assert!(resumed, "{:?}", bench.events());
    let expected = fs::read(&image).unwrap();
    assert!(bench.stop()["image.bin"].as_ref() == Some(&expected));
}

#[test]
fn without_resume_a_power_cut_leaves_nothing() {
    let bench = Bench::new();
    let image = bench.world.local("image.bin");
    write_file(&image, 1, 2 << 20);
    let running = bench
        .ascp()
        .args(["-l", "6M"])
        .arg(&image)
        .arg(bench.at("/"))
        .start();
    bench.wait_for("session accepted");
    std::thread::sleep(Duration::from_millis(1_500));
    bench.cut_power();
    assert_ne!(running.wait(Duration::from_secs(120)).code(), Some(0));
    assert_eq!(bench.stop().len(), 0);
}

#[test]
fn a_full_disk_is_told_and_leaves_what_was_there() {
    let bench = Bench::new();
    let (first, second) = (bench.world.local("first"), bench.world.local("second"));
    write_file(&first, 1, DISK_BYTES * 3 / 4);
    write_file(&second, 2, DISK_BYTES / 2);
    bench
        .ascp()
        .args(["-l", "80M"])
        .arg(&first)
        .arg(bench.at("/"))
        .run()
        .succeeded();
    let upload = bench.ascp().arg(&second).arg(bench.at("/"));
    upload.run().failed_with(&["No space left", "second"]);
    let content = bench.stop();
    assert!(content["first"].as_ref() == Some(&fs::read(&first).unwrap()));
    assert_eq!(content.len(), 1);
}

#[test]
fn a_file_larger_than_the_appliance_is_told_at_once() {
    let bench = Bench::new();
    let huge = bench.world.local("huge");
    fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    let started = Instant::now();
    bench
        .ascp()
        .arg(&huge)
        .arg(bench.at("/"))
        .run()
        .failed_with(&["File too big", "huge"]);
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.stop().len(), 0);
}

#[test]
fn a_stranger_and_a_wrong_name_do_not_get_in() {
    let bench = Bench::new();
    let file = bench.world.local("file");
    write_file(&file, 1, 1_000);
    let stranger = bench
        .ascp_without_key()
        .arg("-i")
        .arg(bench.world.stranger_key());
    stranger
        .arg(&file)
        .arg(bench.at("/"))
        .run()
        .failed_with(&["failed to authenticate"]);
    let other = bench.ascp().arg(&file).arg("somebody@127.0.0.1:/");
    other.run().failed_with(&["failed to authenticate"]);
    bench.ascp().arg(&file).arg(bench.at("/")).run().succeeded();
    assert_eq!(bench.stop().len(), 1);
}

#[test]
fn a_second_client_is_told_that_the_appliance_is_busy() {
    let bench = Bench::new();
    let (large, small) = (bench.world.local("large"), bench.world.local("small"));
    write_file(&large, 1, 1 << 20);
    write_file(&small, 2, 1_000);
    let first = bench
        .ascp()
        .args(["-l", "1500K"])
        .arg(&large)
        .arg(bench.at("/"))
        .start();
    bench.wait_for("session accepted");
    bench
        .ascp()
        .arg(&small)
        .arg(bench.at("/"))
        .run()
        .failed_with(&["busy"]);
    assert_eq!(first.wait(Duration::from_secs(60)).code(), Some(0));
    // And as soon as the first has left, the next one is welcome.
    bench
        .ascp()
        .arg(&small)
        .arg(bench.at("/"))
        .run()
        .succeeded();
    assert_eq!(bench.stop().len(), 2);
}

#[test]
fn garbage_on_both_ports_changes_nothing() {
    let bench = Bench::new();
    let mut random = SplitMix64::new(5);
    let mut noise =
        |length: usize| -> Vec<u8> { (0..length).map(|_| random.next_u64() as u8).collect() };
    let mut greeted = b"SSH-2.0-noise\r\n".to_vec();
    greeted.extend(noise(3_000));
    for said in [
        noise(2_000),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        greeted,
        Vec::new(),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", bench.ssh_port)).unwrap();
        let _ = stream.write_all(&said);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The appliance hangs up sooner or later.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0, 1, 11, 12, 28, 100, 1_472] {
        udp.send_to(&noise(length), ("127.0.0.1", bench.udp_port))
            .unwrap();
    }
    let file = bench.world.local("file");
    write_file(&file, 1, 100_000);
    bench.ascp().arg(&file).arg(bench.at("/")).run().succeeded();
    assert!(bench.stop()["file"].as_ref() == Some(&fs::read(&file).unwrap()));
}

#[test]
fn a_flood_of_datagrams_does_not_stop_a_transfer() {
    let bench = Bench::new();
    let file = bench.world.local("file");
    write_file(&file, 1, 500_000);
    let upload = bench
        .ascp()
        .args(["-l", "5M"])
        .arg(&file)
        .arg(bench.at("/"))
        .start();
    bench.wait_for("session accepted");
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = SplitMix64::new(9);
    let until = Instant::now() + Duration::from_secs(2);
    let mut sent = 0_u32;
    while Instant::now() < until && sent < 40_000 {
        let mut datagram = [0; 600];
        datagram.fill_with(|| random.next_u64() as u8);
        // The first byte of our own, so that it is not dropped for its form.
        datagram[0] = 0x41;
        let _ = udp.send_to(&datagram, ("127.0.0.1", bench.udp_port));
        sent += 1;
        if sent.is_multiple_of(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let finished = upload.wait(Duration::from_secs(60));
    assert_eq!(finished.code(), Some(0), "{}", finished.err());
    assert!(bench.stop()["file"].as_ref() == Some(&fs::read(&file).unwrap()));
}

#[test]
fn a_cable_that_loses_and_reorders_carries_both_ways() {
    let bench = Bench::new();
    bench.set_quality(Quality {
        lost_per_mille: 50,
        late_per_mille: 50,
        is_pulled: false,
    });
    let file = bench.world.local("file");
    write_file(&file, 1, 1 << 20);
    bench.ascp().arg(&file).arg(bench.at("/")).run().succeeded();
    let back = bench.world.local("back");
    bench
        .ascp()
        .arg(bench.at("/file"))
        .arg(&back)
        .run()
        .succeeded();
    let expected = fs::read(&file).unwrap();
    assert!(fs::read(&back).unwrap() == expected);
    assert!(bench.stop()["file"].as_ref() == Some(&expected));
}

#[test]
fn a_cable_that_is_pulled_and_put_back_only_delays() {
    let bench = Bench::new();
    let file = bench.world.local("file");
    write_file(&file, 1, 1 << 20);
    let upload = bench
        .ascp()
        .args(["-l", "5M"])
        .arg(&file)
        .arg(bench.at("/"))
        .start();
    bench.wait_for("session accepted");
    std::thread::sleep(Duration::from_millis(500));
    let pulled = |is_pulled| Quality {
        is_pulled,
        ..Quality::default()
    };
    bench.set_quality(pulled(true));
    std::thread::sleep(Duration::from_millis(2_000));
    bench.set_quality(pulled(false));
    let finished = upload.wait(Duration::from_secs(60));
    assert_eq!(finished.code(), Some(0), "{}", finished.err());
    assert!(bench.stop()["file"].as_ref() == Some(&fs::read(&file).unwrap()));
}

#[test]
fn a_client_that_is_killed_makes_way_for_the_next() {
    let bench = Bench::new();
    let file = bench.world.local("file");
    write_file(&file, 1, 1 << 20);
    let upload = || {
        bench
            .ascp()
            .args(["-k", "1", "-l", "3M"])
            .arg(&file)
            .arg(bench.at("/"))
    };
    let running = upload().start();
    bench.wait_for("session accepted");
    std::thread::sleep(Duration::from_millis(1_000));
    running.interrupt();
    assert_ne!(running.wait(Duration::from_secs(30)).code(), Some(0));
    upload().run().succeeded();
    assert!(
        bench
            .events()
            .iter()
            .any(|event| event.starts_with("goes on: file"))
    );
    assert!(bench.stop()["file"].as_ref() == Some(&fs::read(&file).unwrap()));
}
