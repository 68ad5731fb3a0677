//! Encryption at rest: what a server holds, what comes back, and what a wrong passphrase changes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::tree;

use crate::resume::{interrupt_when, sent_bytes};
use crate::site::{Site, bodies};

bodies! {
    through_ascpd = Daemon:
        a_tree_is_only_readable_with_the_passphrase_and_comes_back
        a_name_that_is_given_keeps_the_suffix_and_a_wrong_passphrase_keeps_the_envelope
        an_interrupted_upload_goes_on_with_the_same_envelope_and_never_with_another;
    through_a_bad_path = BadPath:
        a_tree_is_only_readable_with_the_passphrase_and_comes_back;
}

const PASSPHRASE: &str = "correct-horse-5512";
const MARK: &[u8] = b"these words must not be readable at the server";

fn with(site: &Site, passphrase: &str, crypt: &str) -> Ascp {
    site.ascp()
        .env("ASPERA_SCP_FILEPASS", passphrase)
        .arg(crypt)
        .args(["-L-", "-DDD"])
}

/// Neither side says the passphrase anywhere.
fn silent(run: &Outcome, site: &Site) {
    let words = [run.words(), site.server.words()].concat();
    assert!(!words.contains(PASSPHRASE), "{words}");
}

fn a_tree_is_only_readable_with_the_passphrase_and_comes_back(site: &Site) {
    let source = site.world.local("t");
    let mut marked = MARK.repeat(5_000);
    marked.truncate(200_001);
    fs::create_dir_all(source.join("d/e")).unwrap();
    fs::write(source.join("d/marked"), &marked).unwrap();
    fs::write(source.join("d/e/empty"), b"").unwrap();
    fs::write(source.join("d/kept.aspera-env"), MARK).unwrap();
    tree::write_file(&source.join("large"), 1, 3_000_000);
    let sent = with(site, PASSPHRASE, "--file-crypt=encrypt")
        .args(["-p", "--file-checksum=sha-256", "t"])
        .arg(site.server.at(""))
        .run();
    sent.succeeded();
    silent(&sent, site);
    let there = site.world.remote("t");
    let names = tree::paths_below(&there);
    let expected = [
        "d/",
        "d/e/",
        "d/e/empty.aspera-env",
        "d/kept.aspera-env.aspera-env",
        "d/marked.aspera-env",
        "large.aspera-env",
    ];
    assert_eq!(names, expected);
    for name in expected.iter().filter(|name| name.ends_with("-env")) {
        let bytes = fs::read(there.join(name)).unwrap();
        assert!(
            bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "),
            "{name}"
        );
        assert!(!bytes.windows(MARK.len()).any(|window| window == MARK));
    }
    let back = site.world.local("back");
    fs::create_dir(&back).unwrap();
    let received = with(site, PASSPHRASE, "--file-crypt=decrypt")
        .args(["-p", "--file-checksum=md5"])
        .args([site.server.at("t"), "back".into()])
        .run();
    received.succeeded();
    silent(&received, site);
    tree::assert_same(&source, &back.join("t"));
    // What is there already is passed over, with the size of what was in it.
    let again = with(site, PASSPHRASE, "--file-crypt=decrypt")
        .args(["-p", "-k1"])
        .args([site.server.at("t"), "back".into()])
        .run();
    again.succeeded();
    assert_eq!(crate::logs::counter(&again.err(), "skipped"), 4);
    tree::assert_same(&source, &back.join("t"));
}

fn is_envelope(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"age-encryption.org/v1\n"))
}

/// Destination, passphrase, options, what the user is told, what is there then.
type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

fn receive(site: &Site, row: Row, envelope: &OsStr) {
    let (destination, passphrase, options, told, there) = row;
    let folder = site.world.local("r");
    fs::create_dir_all(&folder).unwrap();
    let run = with(site, passphrase, "--file-crypt=decrypt")
        .args(options)
        .arg(envelope)
        .arg(format!("r/{destination}"))
        .run();
    let fails = options.contains(&"--fail-bad-filepass");
    let case = format!("{destination} {options:?}: {}", run.words());
    assert_eq!(run.0.code(), Some(i32::from(fails)), "{case}");
    assert!(run.words().contains(told), "{case}");
    silent(&run, site);
    assert_eq!(tree::names_in(&folder), there, "{case}");
    for name in there {
        if name.contains(".aspera-env") {
            assert!(
                name.ends_with(".aspx") || is_envelope(&folder.join(name)),
                "{case}"
            );
        } else {
            tree::assert_same(&site.world.local("f"), &folder.join(name));
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    if destination != "e" {
        fs::remove_dir_all(&folder).unwrap();
    }
}

fn a_name_that_is_given_keeps_the_suffix_and_a_wrong_passphrase_keeps_the_envelope(site: &Site) {
    tree::write_file(&site.world.local("f"), 3, 3_000_000);
    let sent = with(site, PASSPHRASE, "--file-crypt=encrypt")
        .arg("f")
        .arg(site.server.at("given"))
        .run();
    sent.succeeded();
    let names = tree::names_in(&site.world.remote(""));
    assert_eq!(names, ["given.aspera-env"]);
    fs::write(
        site.world.remote("no.aspera-env"),
        b"age-encryption.org/v2\n",
    )
    .unwrap();
    let envelope = site.server.at("given.aspera-env");
    let other = site.server.at("no.aspera-env");
    let table: [Row; 6] = [
        ("a", PASSPHRASE, &[], "", &["a"]),
        ("b.aspera-env", PASSPHRASE, &[], "", &["b"]),
        (
            "c",
            "wrong",
            &[],
            "c.aspera-env stays encrypted",
            &["c.aspera-env"],
        ),
        (
            "d",
            "wrong",
            &["--fail-bad-filepass"],
            "bad passphrase",
            &[],
        ),
        (
            "e",
            "wrong",
            &["--fail-bad-filepass", "-k1"],
            "bad passphrase",
            &["e.aspera-env.ascp-part", "e.aspera-env.aspx"],
        ),
        ("e", PASSPHRASE, &["-k1"], "", &["e"]),
    ];
    for row in table {
        receive(site, row, &envelope);
    }
    let foreign = with(site, PASSPHRASE, "--file-crypt=decrypt")
        .args([other, ".".into()])
        .run();
    foreign.failed_with(&["no age file with a passphrase"]);
    assert_eq!(tree::names_in(&site.world.local("")), ["f", "r"]);
}

fn an_interrupted_upload_goes_on_with_the_same_envelope_and_never_with_another(site: &Site) {
    const SIZE: u64 = 12_000_000;
    let source = site.world.local("big");
    tree::write_file(&source, 1, SIZE);
    let command = |passphrase| {
        with(site, passphrase, "--file-crypt=encrypt")
            .args(["-l", "40M", "-k1", "big"])
            .arg(site.server.at(""))
    };
    let there = site.world.remote("");
    let comes_back = |passphrase| {
        let run = with(site, passphrase, "--file-crypt=decrypt")
            .args(["--fail-bad-filepass"])
            .args([site.server.at("big.aspera-env"), "back".into()])
            .run();
        run.succeeded();
        tree::assert_same(&source, &site.world.local("back"));
    };
    interrupt_when(command(PASSPHRASE).start(), &there, SIZE / 3);
    let run = command(PASSPHRASE).run();
    run.succeeded();
    let sent = sent_bytes(&run.err());
    assert!(
        sent < SIZE * 9 / 10,
        "{sent} of {SIZE} bytes were sent again"
    );
    assert_eq!(tree::names_in(&there), ["big.aspera-env"]);
    comes_back(PASSPHRASE);
    fs::remove_file(there.join("big.aspera-env")).unwrap();
    interrupt_when(command(PASSPHRASE).start(), &there, SIZE / 3);
    // The rest would belong to another envelope: nothing of the mixture is kept, and the next run sends everything.
    let mixed = command("another").run();
    mixed.failed_with(&["what arrived is not what the source holds"]);
    assert!(!tree::names_in(&there).contains(&"big.aspera-env".to_owned()));
    command("another").run().succeeded();
    comes_back("another");
}
