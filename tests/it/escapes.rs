//! Ways out of a docroot: every one of them ends in an error for the client and a line in the server's log, and nothing
//! outside is read, made or changed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fasp_tests::client::{Ascp, operand};
use fasp_tests::process;
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::{World, run};

const SECRET: &[u8] = b"nobody may have this";

/// Attempts that run at once.
const AT_ONCE: usize = 6;

/// Paths that lead out, or to what is no file.
const WAYS: &[&str] = &[
    "..",
    "../",
    "../.",
    "../secret",
    "/../secret",
    "//../secret",
    "./../secret",
    "a/../../secret",
    "a/./.././../secret",
    "/..//secret",
    "a/b/../../../secret",
    "../remote/../secret",
    "../private/secret",
    "/etc/passwd",
    "//etc/passwd",
    "///etc//passwd",
    "/proc/self/environ",
    "/proc/self/root/etc/passwd",
    "/proc/1/root/etc/passwd",
    "/dev/zero",
    "/dev/fd/0",
    "/sys/kernel/notes",
    "out_absolute",
    "out_relative",
    "chain1",
    "chain2",
    "a/chain3",
    "a/up_and_out",
    "folder_out/secret",
    "folder_absolute/secret",
    "through/secret",
    "through/../secret",
    "parent/secret",
    "parent/..",
    "a/../parent/secret",
    "root/etc/passwd",
    "root/proc/self/environ",
    "proc_root/etc/passwd",
    "proc_cwd/secret",
    "environment",
    "descriptor",
    "zero",
    "memory",
    "standard_input",
    "loop1",
    "loop1/x",
    "pipe",
    "socket",
    "device",
    "pipe/..",
    "a/inside/..",
    "a/inside/../../secret",
    "\u{2024}\u{2024}/secret",
    "\u{2025}/secret",
    "\u{ff0e}\u{ff0e}/secret",
    "..\u{2215}secret",
    "..\u{ff0f}secret",
    "..\u{29f8}secret",
    "%2e%2e/secret",
    "..%2fsecret",
    "%2e%2e%2fsecret",
    "..%252fsecret",
    "..\\secret",
    "..\\/secret",
    "..;/secret",
    ".. /secret",
    " ../secret",
    "..\t/secret",
    "..\n/secret",
    "...//secret",
    "..../secret",
    "~/secret",
    "~root/.profile",
    "$HOME/secret",
    "${PWD}/secret",
    "`id`/secret",
    "$(id)/secret",
    ".\u{200b}./secret",
    "\u{202e}../secret",
    "..\u{0}/secret",
];

/// Places outside, or that are no files.
const PLACES: &[&str] = &[
    "../x",
    "/../x",
    "//../x",
    "a/../../x",
    "../new/x",
    "../private/x",
    "/etc/x",
    "/proc/self/x",
    "/dev/x",
    "out_absolute",
    "out_relative",
    "chain1",
    "a/up_and_out",
    "folder_out/x",
    "folder_out/",
    "folder_absolute/x",
    "through/x",
    "parent/x",
    "root/x",
    "root/tmp/x",
    "proc_root/x",
    "proc_cwd/x",
    "environment",
    "descriptor",
    "zero",
    "standard_input",
    "loop1",
    "loop1/x",
    "pipe",
    "socket",
    "dangling_out",
    "dangling_absolute",
    "a/inside/../../../x",
    "\u{2024}\u{2024}/x",
    "\u{2025}/x",
    "\u{ff0e}\u{ff0e}/x",
    "%2e%2e/x",
    "..\\/x",
    "~/x",
    "$HOME/x",
];

/// A docroot with every trap that a user could have put there, and a secret beside it.
fn world() -> World {
    let world = World::new();
    let root = world.remote("");
    fs::write(world.root().join("secret"), SECRET).unwrap();
    fs::create_dir_all(world.root().join("private")).unwrap();
    fs::write(world.root().join("private/secret"), SECRET).unwrap();
    fs::create_dir_all(root.join("a/b")).unwrap();
    tree::write_file(&root.join("a/inside"), 1, 100);
    let secret = world.root().join("secret");
    for (name, target) in [
        ("out_absolute", secret.to_str().unwrap()),
        ("out_relative", "../secret"),
        ("chain1", "chain2"),
        ("chain2", "a/chain3"),
        ("a/chain3", "../out_relative"),
        ("folder_out", "../private"),
        (
            "folder_absolute",
            world.root().join("private").to_str().unwrap(),
        ),
        ("through", "folder_out"),
        ("parent", ".."),
        ("root", "/"),
        ("proc_root", "/proc/self/root"),
        ("proc_cwd", "/proc/self/cwd"),
        ("environment", "/proc/self/environ"),
        ("descriptor", "/proc/self/fd/0"),
        ("zero", "/dev/zero"),
        ("memory", "/dev/mem"),
        ("standard_input", "/dev/stdin"),
        ("loop1", "loop2"),
        ("loop2", "loop1"),
        ("dangling_out", "../made_outside"),
        (
            "dangling_absolute",
            world.root().join("made_outside").to_str().unwrap(),
        ),
        ("a/up_and_out", "../../secret"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    assert!(run("mkfifo", |command| {
        command.arg(root.join("pipe"));
    }));
    drop(UnixListener::bind(root.join("socket")).unwrap());
    // A device, where this process may make one.
    let _ = run("mknod", |command| {
        command.arg(root.join("device")).args(["c", "1", "5"]);
    });
    if !root.join("device").exists() {
        symlink("/dev/full", root.join("device")).unwrap();
    }
    world
}

/// Paths that lead out, or to what is no file, read as sources and taken as destinations.
fn ways_out(world: &World) -> Vec<OsString> {
    let mut ways: Vec<OsString> = WAYS.iter().map(OsString::from).collect();
    ways.extend([
        OsString::from("../".repeat(40) + "etc/passwd"),
        OsString::from("../".repeat(1_000) + "etc/passwd"),
        OsString::from("a/../".repeat(500) + "../secret"),
        OsString::from("n".repeat(300)),
        OsString::from("n".repeat(300) + "/../../secret"),
        OsString::from("d/".repeat(2_500) + "f"),
        OsString::from_vec(b"\xc0\xae\xc0\xae/secret".to_vec()),
        OsString::from_vec(b"..\xc0\xafsecret".to_vec()),
        OsString::from_vec(b"\xff\xfe../secret".to_vec()),
        world.root().join("secret").into_os_string(),
        world.remote("../secret").into_os_string(),
    ]);
    ways
}

/// Lines of the log that say what was refused or failed.
fn complaints(server: &Server) -> usize {
    server
        .words()
        .lines()
        .filter(|line| line.contains("ERR "))
        .count()
}

/// Runs `attempt` for each of `ways`, some at a time, and holds the log to one complaint for each at least.
fn all_fail(server: &Server, ways: &[OsString], attempt: impl Fn(usize, &OsStr) + Sync) {
    let before = complaints(server);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(way) = ways.get(number) else { break };
                    attempt(number, way);
                }
            });
        }
    });
    process::until(Duration::from_secs(20), || {
        complaints(server) >= before + ways.len()
    });
}

/// A way as it can stand in a list: one that has a NUL or a line end in it cannot be an argument or a line.
fn fits_an_argument(way: &OsStr) -> bool {
    !way.as_bytes().contains(&0)
}

fn nothing_happened_outside(world: &World) {
    for path in ["secret", "private/secret"] {
        assert_eq!(fs::read(world.root().join(path)).unwrap(), SECRET, "{path}");
    }
    assert_eq!(tree::names_in(&world.root().join("private")), ["secret"]);
    for name in ["made_outside", "f", "x", "new"] {
        assert!(!world.root().join(name).exists(), "{name}");
        assert!(!Path::new("/").join(name).exists(), "/{name}");
    }
}

#[test]
fn no_download_leads_out() {
    let world = world();
    let server = Ascpd::new(&world).start();
    let mut ways = ways_out(&world);
    ways.retain(|way| fits_an_argument(way));
    assert!(ways.len() >= 60, "{}", ways.len());
    all_fail(&server, &ways, |number, way| {
        let into = world.local(format!("d{number}"));
        fs::create_dir(&into).unwrap();
        let ascp = Ascp::to(&world, &server).arg(operand(&server.login, way));
        let run = ascp.arg(&into).run();
        assert_eq!(run.code(), Some(1), "{way:?}\n{}", run.words());
        let _ = run.failure();
        assert_eq!(tree::names_in(&into), [""; 0], "{way:?}");
    });
    nothing_happened_outside(&world);
    // A NUL cannot be an argument, but a line of a list.
    fs::write(world.local("list"), b"..\0/secret\na\0/../../secret\n").unwrap();
    let ascp = Ascp::to(&world, &server).args(["--mode=recv", "--user=user", "--file-list=list"]);
    let run = ascp
        .arg(format!("--host={}", server.host()))
        .arg("into")
        .run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert!(!world.local("into/secret").exists());
}

#[test]
fn no_upload_leads_out() {
    let world = world();
    let server = Ascpd::new(&world).start();
    tree::write_file(&world.local("f"), 3, 2_000);
    let mut ways: Vec<OsString> = PLACES.iter().map(OsString::from).collect();
    ways.push("../".repeat(40).into());
    ways.push(("n".repeat(300)).into());
    ways.push(OsString::from_vec(b"\xc0\xae\xc0\xae/x".to_vec()));
    ways.push(world.root().join("x").into_os_string());
    all_fail(&server, &ways, |_, way| {
        let ascp = Ascp::to(&world, &server).arg("f");
        let run = ascp.arg(operand(&server.login, way)).run();
        assert_eq!(run.code(), Some(1), "{way:?}\n{}", run.words());
        let _ = run.failure();
    });
    no_folder_is_made_outside(&world, &server);
    no_link_out_is_made(&world, &server);
    // Other options that name places at the server.
    for option in [
        ["-R", "../private"],
        ["-R", "folder_out"],
        ["--move-after-transfer", "../private"],
    ] {
        let ascp = Ascp::to(&world, &server)
            .args(option)
            .arg(server.at("a/inside"));
        let _ = ascp.arg("inside").run().failure();
    }
    nothing_happened_outside(&world);
}

/// Folders that would be made on the way.
fn no_folder_is_made_outside(world: &World, server: &Server) {
    let made = [
        "../new/",
        "/../new/",
        "folder_out/new/",
        "parent/new/",
        "root/new/",
        "dangling_out/new/",
    ];
    let made: Vec<OsString> = made.map(OsString::from).into();
    all_fail(server, &made, |_, way| {
        let ascp = Ascp::to(world, server).args(["-d", "f"]);
        let _ = ascp.arg(operand(&server.login, way)).run().failure();
    });
}

/// Links that would lead out of the tree they are copied to.
fn no_link_out_is_made(world: &World, server: &Server) {
    let targets = [
        "../secret",
        "/etc/passwd",
        "a/../../secret",
        "/proc/self/root",
        "../../../../etc",
        "/",
    ];
    let links: Vec<OsString> = targets.map(OsString::from).into();
    for (number, target) in links.iter().enumerate() {
        symlink(target, world.local(format!("l{number}"))).unwrap();
    }
    all_fail(server, &links, |number, _| {
        let ascp = Ascp::to(world, server).args(["--symbolic-links=copy+force"]);
        let ascp = ascp.arg(format!("l{number}")).arg(server.at(""));
        let _ = ascp.run().failure();
    });
    for (number, target) in links.iter().enumerate() {
        let made = world.remote(format!("l{number}"));
        assert!(fs::symlink_metadata(made).is_err(), "{target:?}");
    }
}

#[test]
fn a_hard_link_or_a_link_swapped_in_meanwhile_leads_nowhere() {
    let world = world();
    let server = Ascpd::new(&world).start();
    // A name in the docroot of a file outside: an upload gives the name to another file.
    fs::hard_link(world.root().join("secret"), world.remote("hard")).unwrap();
    tree::write_file(&world.local("f"), 3, 2_000);
    for options in [&[][..], &["-k2"], &["--overwrite=always"]] {
        let ascp = Ascp::to(&world, &server).args(options).arg("f");
        ascp.arg(server.at("hard")).run().succeeded();
        assert_eq!(fs::read(world.root().join("secret")).unwrap(), SECRET);
    }
    // A folder that is a link out every other moment.
    let (swap, real) = (world.remote("swap"), world.remote("real"));
    fs::create_dir(&real).unwrap();
    symlink("../private", world.remote("away")).unwrap();
    fs::create_dir(world.local("tree")).unwrap();
    for number in 0..60 {
        tree::write_file(&world.local(format!("tree/{number}")), number, 3_000);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for target in ["real", "../private"] {
                    let next = world.remote("next");
                    let _ = symlink(target, &next);
                    let _ = fs::rename(&next, &swap);
                }
            }
        });
        for _ in 0..4 {
            let up = Ascp::to(&world, &server).args(["tree", "f"]);
            drop(up.arg(server.at("swap/")).run());
            let down = Ascp::to(&world, &server).arg(server.at("swap/secret"));
            drop(down.arg("stolen").run());
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(!world.local("stolen").exists());
    nothing_happened_outside(&world);
}
