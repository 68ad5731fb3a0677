//! Everything that goes wrong on a normal day: one clear sentence, the right status, no loss.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use fasp_tests::client::Ascp;
use fasp_tests::server::{Ascpd, OpenSsh};
use fasp_tests::world::{SmallDisk, World, set_mode};
use fasp_tests::{skip, tree};

use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        a_missing_local_source_is_named
        a_missing_remote_source_is_the_servers_word
        a_destination_below_a_file_is_refused;
    through_sshd = OpenSsh:
        a_missing_local_source_is_named
        a_missing_remote_source_is_the_servers_word
        a_destination_below_a_file_is_refused;
}

fn a_missing_local_source_is_named(site: &Site) {
    let run = site
        .ascp()
        .arg("nothing here")
        .arg(site.server.at(""))
        .run();
    run.failed_with(&["No such file or directory"]);
    assert!(run.err().contains("nothing here"), "{}", run.words());
}

fn a_missing_remote_source_is_the_servers_word(site: &Site) {
    let run = site.ascp().arg(site.server.at("gone")).arg(".").run();
    run.failed_with(&["Server aborted session: No such file or directory"]);
    assert!(tree::names_in(&site.world.local("")).is_empty());
}

fn a_destination_below_a_file_is_refused(site: &Site) {
    tree::write_file(&site.world.local("f"), 1, 100);
    tree::write_file(&site.world.remote("plain"), 2, 100);
    let to = site.server.at("plain/f");
    let run = site.ascp().arg("f").arg(to).run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    let text = run.failure().to_lowercase();
    assert!(text.contains("directory"), "{text}");
    assert_eq!(fs::metadata(site.world.remote("plain")).unwrap().len(), 100);
}

#[test]
fn an_unreadable_local_file_is_named_and_the_others_arrive() {
    let site = Site::daemon();
    for name in ["a", "b", "c"] {
        tree::write_file(&site.world.local(name), 1, 1_000);
    }
    set_mode(&site.world.local("b"), 0o000);
    let run = site
        .ascp()
        .args(["-L-", "a", "b", "c"])
        .arg(site.server.at(""))
        .with(|command| site.world.lower_privileges(command))
        .run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    let said = run.err();
    assert!(
        said.contains("b") && said.to_lowercase().contains("permission"),
        "{}",
        run.words()
    );
    assert_eq!(tree::names_in(&site.world.remote("")), ["a", "c"]);
    assert_eq!(crate::logs::counter(&said, "failed"), 1);
}

/// A daemon that file modes count for, and its world with folder `remote` handed over.
fn lowly_daemon(world: &World) -> fasp_tests::server::Server {
    if rustix::process::geteuid().is_root() {
        let nobody = Some(fasp_tests::world::NOBODY);
        for path in [world.remote(""), world.server_folder()] {
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
        let keys = world.server_folder().join("authorized_keys");
        std::os::unix::fs::chown(keys, nobody, nobody).unwrap();
    }
    Ascpd::new(world)
        .with(|command| world.lower_privileges(command))
        .start()
}

#[test]
fn an_unreadable_remote_file_is_a_permission_failure() {
    let world = World::new();
    tree::write_file(&world.remote("f"), 1, 1_000);
    set_mode(&world.remote("f"), 0o000);
    let server = lowly_daemon(&world);
    let run = Ascp::to(&world, &server).arg(server.at("f")).arg(".").run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    let text = run.failure().to_lowercase();
    assert!(
        text.contains("permission") || text.contains("denied"),
        "{text}"
    );
    assert!(!world.local("f").exists());
}

#[test]
fn a_folder_that_may_not_be_written_is_a_permission_failure() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 1_000);
    fs::create_dir(world.remote("closed")).unwrap();
    set_mode(&world.remote("closed"), 0o555);
    let server = lowly_daemon(&world);
    let run = Ascp::to(&world, &server)
        .arg("f")
        .arg(server.at("closed"))
        .run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    let text = run.failure().to_lowercase();
    assert!(
        text.contains("permission") || text.contains("denied"),
        "{text}"
    );
}

/// A world whose remote folder `disk` is a file system of 2 MB.
fn world_with_a_small_disk() -> Option<(World, SmallDisk)> {
    let world = World::new();
    let disk = SmallDisk::mount(&world.remote("disk"), 2 << 20);
    if disk.is_none() {
        skip::say("this process may not mount a file system (needs root)");
    }
    Some((world, disk?))
}

#[test]
fn a_full_disk_at_the_server_is_said_and_no_half_file_is_left_as_whole() {
    let Some((world, _disk)) = world_with_a_small_disk() else {
        return;
    };
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.local("large"), 1, 8 << 20);
    let run = Ascp::to(&world, &server)
        .args(["-l", "100M", "large"])
        .arg(server.at("disk"))
        .run();
    run.failed_with(&["no space left"]);
    assert!(!world.remote("disk/large").exists());
}

#[test]
fn a_full_disk_at_the_client_is_said_and_no_half_file_is_left_as_whole() {
    let world = World::new();
    let Some(_disk) = SmallDisk::mount(&world.local("disk"), 2 << 20) else {
        skip::say("this process may not mount a file system (needs root)");
        return;
    };
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.remote("large"), 1, 8 << 20);
    let run = Ascp::to(&world, &server)
        .args(["-l", "100M"])
        .arg(server.at("large"))
        .arg(world.local("disk"))
        .run();
    run.failed_with(&["no space left"]);
    assert!(
        !run.failure().contains("Server aborted"),
        "the full disk is the client's own: {}",
        run.words()
    );
    assert!(!world.local("disk/large").exists());
}

#[test]
fn a_read_only_file_system_is_said() {
    let Some((world, disk)) = world_with_a_small_disk() else {
        return;
    };
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.local("f"), 1, 100);
    disk.make_read_only();
    let run = Ascp::to(&world, &server)
        .arg("f")
        .arg(server.at("disk"))
        .run();
    run.failed_with(&["read only filesystem"]);
}

#[test]
fn a_server_without_ascp_is_said_so() {
    let world = World::new();
    let Some(server) = OpenSsh::new().without_ascp(&world).start(&world) else {
        return;
    };
    tree::write_file(&world.local("f"), 1, 100);
    let run = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    run.failed_with(&["ascp", "not"]);
    assert!(run.took < Duration::from_secs(10), "{}", run.words());
}

#[test]
fn a_forced_command_serves_whatever_the_client_asks_for() {
    let world = World::new();
    let command = format!("{} --server", fasp_tests::binaries::ascp().display());
    let server = OpenSsh::new().without_ascp(&world).forced_command(command);
    let Some(server) = server.start(&world) else {
        return;
    };
    tree::write_file(&world.local("f"), 1, 100_000);
    let run = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    run.succeeded();
    tree::assert_same(&world.local("f"), &world.remote("f"));
}

#[test]
fn a_blocked_udp_port_is_said_within_twenty_seconds() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    // Somebody who takes every datagram and never answers: a firewall that drops.
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = Ascpd::new(&world)
        .advertising(hole.local_addr().unwrap())
        .start();
    for direction in ["up", "down"] {
        let command = Ascp::to(&world, &server).args(["-l", "10M"]);
        let run = match direction {
            "up" => command.arg("f").arg(server.at("")).run(),
            _ => {
                tree::write_file(&world.remote("g"), 1, 100);
                command.arg(server.at("g")).arg(".").run()
            }
        };
        run.failed_with(&["check UDP port and firewall"]);
        assert!(
            run.took < Duration::from_secs(20),
            "{direction}: {}",
            run.words()
        );
    }
}

#[test]
fn a_closed_udp_port_is_said_within_twenty_seconds() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    let address = {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let server = Ascpd::new(&world).advertising(address).start();
    let run = Ascp::to(&world, &server).arg("f").arg(server.at("")).run();
    run.failed_with(&["check UDP port and firewall"]);
    assert!(run.took < Duration::from_secs(20), "{}", run.words());
}

#[test]
fn a_path_that_dies_midway_ends_the_session_and_leaves_no_whole_file() {
    use fasp_tests::relay::{Badness, Relay, Toward};
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 20_000_000);
    let daemon = Ascpd::new(&world);
    let relay = Relay::start(daemon.udp_port(), 1, Badness::default());
    let mut server = daemon.advertising(relay.address()).start();
    let command = Ascp::to(&world, &server).args(["-l", "40M", "--policy=fixed", "f"]);
    let running = command.arg(server.at("")).start();
    while relay.count(Toward::Server).seen < 500 {
        std::thread::sleep(Duration::from_millis(5));
    }
    relay.swallow_everything(true);
    let run = fasp_tests::client::Outcome(running.wait(Duration::from_secs(100)));
    let text = run.failure().to_lowercase();
    assert!(text.contains("time") || text.contains("lost"), "{text}");
    assert!(!world.remote("f").exists());
    assert!(server.is_running());
}

#[test]
fn a_refused_ssh_connection_is_said_with_its_port() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    let port = fasp_tests::server::free_tcp_port();
    let run = Ascp::new(&world)
        .args(["-P", &port.to_string(), "-i"])
        .arg(world.client_key())
        .args(["f", "user@127.0.0.1:/"])
        .run();
    run.failed_with(&["Failed to open TCP connection for SSH"]);
    assert!(run.took < Duration::from_secs(10), "{}", run.words());
}

#[test]
fn a_name_that_does_not_resolve_is_said() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    let run = Ascp::new(&world)
        .arg("-i")
        .arg(world.client_key())
        .args(["f", "user@no-such-host.invalid:/"])
        .within_secs(60)
        .run();
    run.failed_with(&["no-such-host.invalid"]);
}

#[test]
fn an_ssh_port_that_never_speaks_ends_in_time() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 100);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let run = Ascp::new(&world)
        .args(["-P", &port, "-i"])
        .arg(world.client_key())
        .args(["f", "user@127.0.0.1:/"])
        .within_secs(60)
        .run();
    run.failed_with(&["SSH"]);
}

#[test]
fn a_source_that_shrinks_while_it_is_sent_is_a_failed_file() {
    let site = Site::daemon();
    let source = site.world.local("f");
    tree::write_file(&source, 1, 20_000_000);
    let command = Ascp::to(&site.world, &site.server);
    let command = command.args(["-l", "40M", "--policy=fixed", "f"]);
    let running = command.arg(site.server.at("")).start();
    std::thread::sleep(Duration::from_millis(1500));
    File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_len(1_000_000)
        .unwrap();
    let run = fasp_tests::client::Outcome(running.wait(Duration::from_secs(60)));
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert!(!run.failure().is_empty());
    assert!(
        !site.world.remote("f").exists(),
        "half a file must not look whole"
    );
}

#[test]
fn a_source_that_grows_while_it_is_sent_is_never_delivered_mixed() {
    let site = Site::daemon();
    let source = site.world.local("f");
    tree::write_file(&source, 1, 10_000_000);
    let as_it_was = site.world.root().join("as it was");
    fs::copy(&source, &as_it_was).unwrap();
    let command = Ascp::to(&site.world, &site.server);
    let command = command.args(["-l", "40M", "--policy=fixed", "f"]);
    let running = command.arg(site.server.at("")).start();
    std::thread::sleep(Duration::from_millis(1200));
    let mut file = File::options().append(true).open(&source).unwrap();
    file.write_all(&vec![7; 3_000_000]).unwrap();
    drop(file);
    let run = fasp_tests::client::Outcome(running.wait(Duration::from_secs(60)));
    let delivered = site.world.remote("f");
    if run.code() == Some(0) {
        // Whole at the size it had when it was opened.
        tree::assert_same(&as_it_was, &delivered);
    } else {
        assert!(!run.failure().is_empty());
        assert!(!delivered.exists(), "a failed file must not look whole");
    }
}

#[test]
fn a_server_that_dies_midway_is_noticed() {
    let world = World::new();
    tree::write_file(&world.local("f"), 1, 20_000_000);
    let server = Ascpd::new(&world).start();
    let command = Ascp::to(&world, &server).args(["-l", "40M", "--policy=fixed", "f"]);
    let running = command.arg(server.at("")).start();
    std::thread::sleep(Duration::from_millis(1500));
    drop(server);
    let run = fasp_tests::client::Outcome(running.wait(Duration::from_secs(90)));
    assert!(!run.failure().is_empty());
    assert!(run.took < Duration::from_secs(75), "{}", run.words());
}

#[test]
fn a_server_that_is_told_to_stop_is_no_cancellation_by_the_user() {
    let world = World::new();
    let ascp = fasp_tests::binaries::ascp().display().to_string();
    let command = format!("timeout --foreground 2 {ascp} --server");
    let Some(server) = OpenSsh::new().forced_command(command).start(&world) else {
        return;
    };
    tree::write_file(&world.local("f"), 1, 40_000_000);
    let run = Ascp::to(&world, &server)
        .args(["-l", "40M", "--policy=fixed", "f"])
        .arg(server.at(""))
        .run();
    run.failed_with(&["Server aborted session"]);
    assert!(
        !run.failure().contains("Cancelled by user"),
        "{}",
        run.words()
    );
}

#[test]
fn a_client_that_dies_midway_leaves_the_daemon_ready_for_the_next() {
    let mut site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 20_000_000);
    tree::write_file(&site.world.local("g"), 2, 100_000);
    let command = Ascp::to(&site.world, &site.server);
    let command = command.args(["-l", "40M", "--policy=fixed", "f"]);
    let running = command.arg(site.server.at("")).start();
    std::thread::sleep(Duration::from_millis(1500));
    drop(running);
    let run = site.ascp().arg("g").arg(site.server.at("")).run();
    run.succeeded();
    tree::assert_same(&site.world.local("g"), &site.world.remote("g"));
    assert!(!site.world.remote("f").exists());
    assert!(site.server.is_running());
}
