//! What is recorded of a transfer: checksums, manifests, labels, logs that are renamed, and the texts made of the
//! options.

use std::fs;
use std::process::Command;

use fasp_tests::binaries::workspace_root;
use fasp_tests::client::operand;
use fasp_tests::command_docs;
use fasp_tests::tree;

use crate::site::{Arm, Site, bodies};

bodies! {
    through_ascpd = Daemon: every_kind_of_checksum_is_that_of_the_system_on_both_ways a_resumed_file_gets_the_checksum_of_all_its_bytes;
    over_a_bad_path = BadPath: a_checksum_of_bytes_out_of_order_is_right;
}

/// The checksum that the system's own tool computes.
fn of_the_system(tool: &str, path: &std::path::Path) -> String {
    let output = Command::new(tool).arg(path).output().expect(tool);
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

/// The only manifest in `folder`.
fn manifest_in(folder: &std::path::Path) -> String {
    let names = tree::names_in(folder);
    let [name] = names.as_slice() else {
        panic!("one manifest expected: {names:?}");
    };
    assert!(
        name.starts_with("aspera-transfer-") && name.ends_with("-manifest.txt"),
        "{name}"
    );
    fs::read_to_string(folder.join(name)).unwrap()
}

fn every_kind_of_checksum_is_that_of_the_system_on_both_ways(site: &Site) {
    for (name, bytes) in [
        ("empty", 0),
        ("small", 700),
        ("block", 262_144),
        ("large", 900_001),
    ] {
        tree::write_file(&site.world.local(name), 1, bytes);
        tree::write_file(&site.world.remote(name), 2, bytes);
    }
    for (kind, tool, shown) in [
        ("md5", "md5sum", "md5"),
        ("sha1", "sha1sum", "sha1"),
        ("sha-256", "sha256sum", "sha-256"),
        ("sha384", "sha384sum", "sha-384"),
        ("sha512", "sha512sum", "sha-512"),
    ] {
        for upload in [true, false] {
            let folder = site.world.root().join(format!("records-{kind}-{upload}"));
            fs::create_dir(&folder).unwrap();
            fs::create_dir_all(site.world.local("in")).unwrap();
            fs::create_dir_all(site.world.remote("in")).unwrap();
            let names = ["empty", "small", "block", "large"];
            let run = site
                .ascp()
                .arg(format!("--file-checksum={kind}"))
                .arg("--file-manifest=text")
                .arg("--file-manifest-path")
                .arg(&folder)
                .arg("-L-");
            let run = if upload {
                run.args(names).arg(site.server.at("in"))
            } else {
                run.args(names.map(|name| site.server.at(name))).arg("in")
            };
            let run = run.run();
            run.succeeded();
            let manifest = manifest_in(&folder);
            for name in names {
                let source = if upload {
                    site.world.local(name)
                } else {
                    site.world.remote(name)
                };
                let digest = of_the_system(tool, &source);
                let size = fs::metadata(&source).unwrap().len();
                let line = format!("\nok {size} {shown}:{digest} \"{name}\"\n");
                assert!(
                    manifest.contains(&line),
                    "{kind} {upload} {line} {manifest}"
                );
                let field = format!("file_csum={shown}:{digest}");
                assert!(run.err().contains(&field), "{kind}: {}", run.words());
            }
            assert!(
                manifest.ends_with("skipped=0 bytes=1162845\n"),
                "{manifest}"
            );
        }
    }
}

fn a_resumed_file_gets_the_checksum_of_all_its_bytes(site: &Site) {
    let size = 12_000_000;
    tree::write_file(&site.world.local("f"), 1, size);
    let command = |rate: &str| {
        site.ascp()
            .args(["-k1", "-l", rate, "--file-checksum=md5", "-L-", "f"])
            .arg(site.server.at(""))
    };
    let first = command("30M").start();
    std::thread::sleep(std::time::Duration::from_millis(1_800));
    first.interrupt();
    let _stopped = first.wait(std::time::Duration::from_secs(20));
    assert!(site.world.remote("f.ascp-part").exists());
    let run = command("200M").run();
    run.succeeded();
    let log = run.err();
    assert!(log.contains("FASP Transfer Resume"), "{log}");
    let digest = of_the_system("md5sum", &site.world.local("f"));
    assert!(log.contains(&format!("file_csum=md5:{digest}")), "{log}");
    tree::assert_same(&site.world.local("f"), &site.world.remote("f"));
}

fn a_checksum_of_bytes_out_of_order_is_right(site: &Site) {
    tree::write_file(&site.world.remote("f"), 1, 6_000_000);
    let run = site
        .ascp()
        .args(["--file-checksum=sha-256", "-L-"])
        .arg(site.server.at("f"))
        .arg(".")
        .run();
    run.succeeded();
    let digest = of_the_system("sha256sum", &site.world.remote("f"));
    assert!(run.err().contains(&digest), "{}", run.words());
}

#[test]
fn a_manifest_names_failed_files_and_survives_any_name() {
    let site = Site::daemon();
    let folder = site.world.root().join("records");
    fs::create_dir(&folder).unwrap();
    tree::write_file(&site.world.local("odd \"name\"\n"), 1, 10);
    let run = site
        .ascp()
        .args(["--file-manifest=text", "--file-manifest-path"])
        .arg(&folder)
        .args(["odd \"name\"\n", "missing"])
        .arg(site.server.at(""))
        .run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    let manifest = manifest_in(&folder);
    assert!(
        manifest.contains("\nok 10 - \"odd \\\"name\\\"\\x0a\"\n"),
        "{manifest}"
    );
    assert!(
        manifest.contains("\nfailed 0 - \"missing\" \""),
        "{manifest}"
    );
    assert!(
        manifest.contains("\n# end status=failed files=1 failed=1 skipped=0"),
        "{manifest}"
    );
}

#[test]
fn a_manifest_that_cannot_be_written_stops_the_run_before_it_begins() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 10);
    let run = site
        .ascp()
        .args(["--file-manifest=text", "--file-manifest-path=/proc/no", "f"])
        .arg(site.server.at(""))
        .run();
    run.failed_with(&["manifest", "/proc/no"]);
    assert!(tree::names_in(&site.world.remote("")).is_empty());
}

#[test]
fn labels_stand_in_both_logs_and_the_server_logs_where_it_was_told() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 1_000);
    fs::create_dir_all(site.world.remote("logs/mine")).unwrap();
    let run = site
        .ascp()
        .args([
            "-L-",
            "-u",
            "Ann's \"run\"",
            "--tags",
            r#"{"a":[1]}"#,
            "-R",
            "/logs/mine",
            "f",
        ])
        .arg(site.server.at(""))
        .env("ASPERA_SCP_COOKIE", "job\n7")
        .run();
    run.succeeded();
    let server = site.world.remote("logs/mine/aspera-scp-transfer.log");
    let server = fs::read_to_string(server).unwrap();
    for log in [run.err(), server] {
        let start = log.lines().find(|line| line.contains("FASP Session Start"));
        let start = start.unwrap_or_else(|| panic!("no start in {log}"));
        for field in [
            r#"cookie="job\n7""#,
            r#"userstr="Ann's \"run\"""#,
            r#"tags="{\"a\":[1]}""#,
        ] {
            assert!(start.contains(field), "{field} is missing in {start}");
        }
        assert!(log.contains("FASP Transfer Stop"), "{log}");
    }
}

#[test]
fn a_log_folder_at_the_server_must_be_there_and_below_its_root() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 1_000);
    std::os::unix::fs::symlink(site.world.home(), site.world.remote("out")).unwrap();
    for folder in ["nowhere", "..", "out", "../home"] {
        let run = site.ascp().args(["-R", folder, "f"]);
        let run = run.arg(site.server.at("")).run();
        assert_eq!(run.code(), Some(1), "{folder}: {}", run.words());
        assert!(!site.world.remote("f").exists(), "{folder}");
        assert!(
            tree::names_in(&site.world.home())
                .iter()
                .all(|name| name != "aspera-scp-transfer.log")
        );
    }
}

#[test]
fn a_full_log_is_renamed() {
    let site = Site::daemon();
    fs::create_dir(site.world.local("logs")).unwrap();
    for number in 0..30 {
        tree::write_file(&site.world.local(format!("d/{number}")), 1, 10);
    }
    let run = site.ascp().args(["-L", "logs:4K", "d"]);
    run.arg(site.server.at("")).run().succeeded();
    let names = tree::names_in(&site.world.local("logs"));
    assert!(
        names.iter().any(|name| name == "aspera-scp-transfer.0.log"),
        "{names:?}"
    );
    assert!(
        names.iter().any(|name| name == "aspera-scp-transfer.log"),
        "{names:?}"
    );
    for name in names {
        let size = fs::metadata(site.world.local("logs").join(&name))
            .unwrap()
            .len();
        assert!(size <= 4_096, "{name:?} has {size} bytes");
    }
}

#[test]
fn the_job_is_counted_on_both_ways() {
    let site = Site::daemon();
    for number in 0..20 {
        tree::write_file(&site.world.local(format!("up/{number}")), 1, 1_000);
        tree::write_file(&site.world.remote(format!("down/{number}")), 1, 2_000);
    }
    let upload = site.ascp().args(["--precalculate-job-size", "-L-", "up"]);
    let upload = upload.arg(site.server.at("")).run();
    upload.succeeded();
    assert!(
        upload.err().contains("files=20 bytes=20000"),
        "{}",
        upload.words()
    );
    let download = site.ascp().args(["--precalculate-job-size", "-L-"]);
    let download = download.arg(site.server.at("down")).arg(".").run();
    download.succeeded();
    assert!(
        download.err().contains("files=20 bytes=40000"),
        "{}",
        download.words()
    );
    assert!(
        download.err().contains("precalc=yes"),
        "{}",
        download.words()
    );
}

#[test]
fn block_sizes_and_the_name_of_the_program_at_the_server_change_no_byte() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 3_000_000);
    for (number, options) in [
        ["-g", "1", "-G", "1"],
        ["-g", "100K", "-G", "100K"],
        ["-g", "4M", "-G", "500M"],
        ["-S", "/opt/bin/ascp", "-g", "300000"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("g{number}");
        let up = site
            .ascp()
            .args(options)
            .arg("f")
            .arg(site.server.at(&name))
            .run();
        up.succeeded();
        tree::assert_same(&site.world.local("f"), &site.world.remote(&name));
        let down = site
            .ascp()
            .args(options)
            .arg(site.server.at(&name))
            .arg(&name)
            .run();
        down.succeeded();
        tree::assert_same(&site.world.local("f"), &site.world.local(&name));
    }
    let other = site
        .ascp()
        .args(["-S", "/bin/sh", "f"])
        .arg(site.server.at("x"))
        .run();
    assert_eq!(other.code(), Some(1), "{}", other.words());
}

#[test]
fn a_source_that_changes_under_its_checksum_is_not_delivered() {
    let site = Site::open(Arm::Daemon).unwrap();
    tree::write_file(&site.world.local("f"), 1, 6_000_000);
    let command = site
        .ascp()
        .args(["-l", "16M", "--file-checksum=md5", "f"])
        .arg(site.server.at(""));
    let running = command.start();
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    tree::write_file(&site.world.local("f"), 9, 6_000_000);
    let run = running.wait(std::time::Duration::from_secs(30));
    assert_eq!(run.code(), Some(1));
    assert!(!site.world.remote("f").exists());
}

#[test]
fn the_texts_made_of_the_options_do_not_lag_behind_them() {
    for (name, text) in command_docs::files() {
        let there = fs::read_to_string(workspace_root().join(name)).unwrap_or_default();
        assert!(there == text, "{name} is old: run `cargo command-docs`");
    }
}

#[test]
fn files_that_are_made_up_arrive_and_a_destination_that_keeps_nothing_takes_everything() {
    let site = Site::daemon();
    let up = site.ascp().args([
        "faux:///zeros?300k",
        "faux:///d?count=12&file=x&size=1k&inc=100&buf_init=random",
    ]);
    up.arg(site.server.at("")).run().succeeded();
    let zeros = fs::read(site.world.remote("zeros")).unwrap();
    assert!(zeros.len() == 300 << 10 && zeros.iter().all(|byte| *byte == 0));
    let names = tree::names_in(&site.world.remote("d"));
    assert_eq!(names.len(), 12);
    assert_eq!(names[11], "x_00011_2124");
    let down = site
        .ascp()
        .args(["--file-checksum=md5", "-L-"])
        .arg(operand(
            &site.server.login,
            "faux:///made?size=5m&buf_init=random",
        ))
        .arg(".")
        .run();
    down.succeeded();
    let digest = of_the_system("md5sum", &site.world.local("made"));
    assert!(down.err().contains(&digest), "{}", down.words());
    assert_eq!(
        fs::metadata(site.world.local("made")).unwrap().len(),
        5 << 20
    );
    for (source, destination) in [
        ("made".into(), operand(&site.server.login, "faux://")),
        (site.server.at("zeros"), "faux://".into()),
        (
            "faux:///all?30m".into(),
            operand(&site.server.login, "faux:///anything"),
        ),
    ] {
        let run = site.ascp().arg("-k1").arg(&source).arg(&destination).run();
        run.succeeded();
        assert!(run.out().contains("in 1 file."), "{}", run.words());
    }
    assert_eq!(tree::names_in(&site.world.remote("")), ["d", "zeros"]);
    assert_eq!(tree::names_in(&site.world.local("")), ["made"]);
}

#[test]
fn an_impossible_made_up_file_is_refused_on_either_side() {
    let site = Site::daemon();
    let up = site
        .ascp()
        .arg("faux:///f?1q")
        .arg(site.server.at(""))
        .run();
    up.failed_with(&["'1q' has no number"]);
    let down = site
        .ascp()
        .arg(operand(&site.server.login, "faux:///f?1q"))
        .arg(".")
        .run();
    down.failed_with(&["Server aborted session", "'1q' has no number"]);
}

#[test]
fn standard_input_and_output_are_a_source_and_a_destination() {
    use std::process::Stdio;
    let site = Site::daemon();
    let stream =
        b"\nFile: a\0\nSize: 5\n\nalpha\nFile: d/b c\0\nSize: 0\n\n\nFile: d/e\0\nSize: 3\n\nx\ny";
    let spool = site.world.root().join("spool");
    fs::create_dir(&spool).unwrap();
    let send = |source: &str, input: &[u8], destination: &str| {
        let file = site.world.root().join("input");
        fs::write(&file, input).unwrap();
        let input = fs::File::open(&file).unwrap();
        let command = site.ascp().env("TMPDIR", &spool).arg(source);
        command
            .arg(site.server.at(destination))
            .with(|command| {
                command.stdin(Stdio::from(input));
            })
            .run()
    };
    send("stdio-tar://", stream, "").succeeded();
    assert_eq!(fs::read(site.world.remote("a")).unwrap(), b"alpha");
    assert_eq!(fs::read(site.world.remote("d/e")).unwrap(), b"x\ny");
    send("stdio:///raw?4", b"1\n2\n", "").succeeded();
    send("stdio:///raw", b"", "empty").succeeded();
    assert_eq!(fs::read(site.world.remote("raw")).unwrap(), b"1\n2\n");
    assert_eq!(fs::read(site.world.remote("empty")).unwrap(), b"");
    send("stdio:///short?9", b"1\n2\n", "").failed_with(&["9 bytes"]);
    assert!(!site.world.remote("short").exists());

    let receive = |names: &[&str], destination: &str| {
        let command = site.ascp().env("TMPDIR", &spool);
        let names = names.iter().map(|name| site.server.at(name));
        command.args(names).arg(destination).run()
    };
    let run = receive(&["a", "raw"], "stdio://");
    run.succeeded();
    let mut both: Vec<String> = run
        .out()
        .split_inclusive("alpha")
        .map(str::to_owned)
        .collect();
    both.sort();
    assert_eq!(both.concat().replace("alpha", ""), "1\n2\n");
    let run = receive(&["d"], "stdio-tar://");
    run.succeeded();
    for frame in [
        "\nFile: d/b c\0\nSize: 0\n\n",
        "\nFile: d/e\0\nSize: 3\n\nx\ny",
    ] {
        assert!(run.out().contains(frame), "{}", run.words());
    }
    let run = receive(&["missing"], "stdio://");
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert_eq!(run.out(), "");
    assert!(tree::names_in(&spool).is_empty(), "nothing is left behind");
}
