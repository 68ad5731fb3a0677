//! Spellings and whole command lines that are in use.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::cli::environment::{KEY_VARIABLE, PASSWORD_VARIABLE};
use crate::cli::settings::{
    CipherWish, Direction, LogTarget, MeasureWish, PolicyWish, RateWish, ServerModeSettings,
};

fn texts(paths: &[Vec<u8>]) -> Vec<&str> {
    paths
        .iter()
        .map(|path| std::str::from_utf8(path).unwrap())
        .collect()
}

#[test]
fn defaults_are_the_public_ones() {
    let plain = settings("f h:d");
    assert_eq!((plain.ssh_port, plain.udp_port), (22, 33001));
    assert_eq!(
        (plain.target_rate, plain.min_rate),
        (None, RateWish::Bps(0))
    );
    assert_eq!(plain.policy, PolicyWish::Fair);
    assert_eq!(plain.cipher, CipherWish::Aes128);
    assert_eq!(plain.remote.user, "local");
    assert_eq!((plain.datagram_size, plain.report_size), (None, 1440));
    assert_eq!(plain.log, LogTarget::Default);
    assert!(!plain.create_destination && !plain.preserve_times && !plain.quiet);
    assert!(!plain.verbose && !plain.ipv6);
    assert_eq!((plain.resume_level, plain.debug_level), (0, 0));
    assert!(plain.remote.password.is_none() && plain.remote.key_text.is_none());
    assert!(plain.identity_files.is_empty() && plain.check_sshfp.is_none());
}

#[test]
fn every_spelling_of_a_value_sets_it() {
    let ports = [
        "-P33001 f h:d",
        "-P 33001 f h:d",
        "\"-P 33001\" f h:d",
        "-P=33001 f h:d",
        "-TP33001 f h:d",
        "f h:d -P33001",
        "f -P 33001 h:d",
        "-P 22 -P 33001 f h:d",
    ];
    for line in ports {
        assert_eq!(settings(line).ssh_port, 33001, "{line}");
    }
    for line in ["-O5000 f h:d", "\"-O 5000\" f h:d", "f h:d -O 5000"] {
        assert_eq!(settings(line).udp_port, 5000, "{line}");
    }
    for line in [
        "-l300m f h:d",
        "-l 300M f h:d",
        "-QTl300m f h:d",
        "-l 300000 f h:d",
    ] {
        assert_eq!(
            settings(line).target_rate,
            Some(RateWish::Bps(300_000_000)),
            "{line}"
        );
    }
    for line in [
        "--policy fixed f h:d",
        "--policy=fixed f h:d",
        "-Q f h:d --policy=fixed",
    ] {
        assert_eq!(settings(line).policy, PolicyWish::Fixed, "{line}");
    }
}

#[test]
fn bundles_set_every_letter() {
    for line in [
        "-pQTk1 f h:d",
        "-p -Q -T -k 1 f h:d",
        "-QTpk1 f h:d",
        "-QTpk=1 f h:d",
    ] {
        let parsed = settings(line);
        assert!(parsed.preserve_times, "{line}");
        assert_eq!(parsed.cipher, CipherWish::None, "{line}");
        assert_eq!(parsed.resume_level, 1, "{line}");
        assert_eq!(parsed.policy, PolicyWish::Fair, "{line}");
    }
    assert!(settings("-vQT f h:d").verbose);
    assert!(settings("-dqT f h:d").create_destination);
    assert_eq!(settings("-QTr f h:d").cipher, CipherWish::None);
    assert_eq!(
        settings("-Ql100m f h:d").target_rate,
        Some(RateWish::Bps(100_000_000))
    );
    assert_eq!(settings("-k1 -k0 f h:d").resume_level, 0);
    assert_eq!(settings("-k 2 f h:d").resume_level, 2);
    assert_eq!(settings("-QTk3 f h:d").resume_level, 3);
    assert!(settings("--preserve-times f h:d").preserve_times);
}

#[test]
fn the_last_of_several_spellings_wins() {
    assert_eq!(settings("--policy=fixed -Q f h:d").policy, PolicyWish::Fair);
    assert_eq!(settings("-QQ f h:d").policy, PolicyWish::Low);
    assert_eq!(settings("-Q -Q f h:d").policy, PolicyWish::Fair);
    assert_eq!(settings("-QQ f h:d --policy high").policy, PolicyWish::High);
    assert_eq!(settings("-T -c aes256 f h:d").cipher, CipherWish::Aes256);
    assert_eq!(settings("-c aes256 -T f h:d").cipher, CipherWish::None);
    assert_eq!(
        settings("-l 1m -l 2m f h:d").target_rate,
        Some(RateWish::Bps(2_000_000))
    );
    assert_eq!(settings("-q -q -T -T f h:d").cipher, CipherWish::None);
}

#[test]
fn every_cipher_has_its_spellings() {
    let table = [
        ("none", CipherWish::None),
        ("aes128", CipherWish::Aes128),
        ("aes-192", CipherWish::Aes192),
        ("AES256", CipherWish::Aes256),
        ("aes128cfb", CipherWish::Aes128Cfb),
        ("aes-192-cfb", CipherWish::Aes192Cfb),
        ("aes256cfb", CipherWish::Aes256Cfb),
        ("aes-128-gcm", CipherWish::Aes128Gcm),
        ("aes192gcm", CipherWish::Aes192Gcm),
        ("aes-256-gcm", CipherWish::Aes256Gcm),
    ];
    for (name, cipher) in table {
        assert_eq!(settings(&format!("-c {name} f h:d")).cipher, cipher);
        assert_eq!(settings(&format!("-c{name} f h:d")).cipher, cipher);
    }
}

fn log_folder(folder: &str, most_bytes: u64) -> LogTarget {
    LogTarget::Directory {
        folder: folder.into(),
        most_bytes,
    }
}

#[test]
fn log_options_say_where_and_how_much() {
    let table = [
        ("-L- f h:d", LogTarget::Stderr, 0),
        ("-L - f h:d", LogTarget::Stderr, 0),
        ("-DDL- f h:d", LogTarget::Stderr, 2),
        ("-L logs f h:d", log_folder("logs", 10 << 20), 0),
        ("-Llogs:2M -D f h:d", log_folder("logs", 2 << 20), 1),
        ("-L a:b -DDDDD f h:d", log_folder("a:b", 10 << 20), 3),
    ];
    for (line, log, debug_level) in table {
        let parsed = settings(line);
        assert_eq!(
            (parsed.log, parsed.debug_level),
            (log, debug_level),
            "{line}"
        );
    }
}

#[test]
fn verbose_is_the_first_debug_level_at_least() {
    for (line, detail) in [
        ("f h:d", 0),
        ("-v f h:d", 1),
        ("-vD f h:d", 1),
        ("-DDv f h:d", 2),
    ] {
        assert_eq!(settings(line).log_detail(), detail, "{line}");
    }
}

#[test]
fn keys_add_up_and_a_bare_name_is_found_in_the_ssh_folder() {
    let environment = FixedEnvironment {
        variables: vec![("HOME", "/home/a".into())],
        files: vec!["here", "/home/a/.ssh/here", "/home/a/.ssh/id"],
        ..FixedEnvironment::default()
    };
    let line = words("-i here -iid -i ./id -i nowhere f h:d");
    let Ok(Parsed::Run(parsed)) = parse(line.into_iter(), &environment) else {
        panic!("not a transfer");
    };
    let expected = ["here", "/home/a/.ssh/id", "./id", "nowhere"];
    assert_eq!(parsed.identity_files, expected.map(PathBuf::from));
}

#[test]
fn passwords_come_from_the_operand_before_the_environment_and_never_print() {
    let environment = FixedEnvironment {
        variables: vec![
            (PASSWORD_VARIABLE, "from-env".into()),
            (KEY_VARIABLE, "key-text".into()),
        ],
        ..FixedEnvironment::default()
    };
    for (line, password) in [("f u:typed@h:d", "typed"), ("f u@h:d", "from-env")] {
        let Ok(Parsed::Run(parsed)) = parse(words(line).into_iter(), &environment) else {
            panic!("not a transfer");
        };
        assert_eq!(parsed.remote.password.as_ref().unwrap().expose(), password);
        assert_eq!(
            parsed.remote.key_text.as_ref().unwrap().expose(),
            "key-text"
        );
        let shown = format!("{parsed:?}");
        assert!(!shown.contains(password) && !shown.contains("key-text"));
    }
}

#[test]
fn ipv6_is_asked_for_or_seen_in_the_address() {
    assert!(settings("-6 f h:d").ipv6);
    let literal = settings("f u@[2001:db8::1]:/d");
    assert!(literal.ipv6);
    assert_eq!(literal.remote.host, "2001:db8::1");
    let named = settings("--mode=send --host=[fe80::1%eth1] f d");
    assert_eq!(named.remote.host, "fe80::1%eth1");
}

#[test]
fn operands_decide_the_direction() {
    let upload = settings("a b/c u@h:");
    assert_eq!(upload.direction, Direction::Send);
    assert_eq!(texts(&upload.sources), ["a", "b/c"]);
    assert_eq!(upload.destination, b".");
    let download = settings("u@h:a u@h:/b c .");
    assert_eq!(download.direction, Direction::Receive);
    assert_eq!(texts(&download.sources), ["a", "/b", "c"]);
    assert_eq!(download.destination, b".");
    assert_eq!(settings("--user=u h:a .").remote.user, "u");
    assert_eq!(settings("--user=u u@h:a .").remote.user, "u");
}

#[test]
fn with_a_mode_every_operand_is_a_plain_path() {
    let upload = settings("--mode send --host h --user u a:b c d:e");
    assert_eq!(upload.direction, Direction::Send);
    assert_eq!(texts(&upload.sources), ["a:b", "c"]);
    assert_eq!(upload.destination, b"d:e");
    assert_eq!(
        (upload.remote.host.as_str(), upload.remote.user.as_str()),
        ("h", "u")
    );
    let download = settings("--host=h --mode=recv \"\" .");
    assert_eq!(texts(&download.sources), ["."]);
}

#[test]
fn what_follows_two_dashes_is_a_file() {
    let parsed = settings("-T -- -q --policy=low h:d");
    assert_eq!(texts(&parsed.sources), ["-q", "--policy=low"]);
    assert!(!parsed.quiet);
}

#[test]
fn paths_keep_bytes_that_are_no_text() {
    let odd = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let args = [odd(b"a\xff"), odd(b"\n b"), odd(b"h:\xfe")];
    let Ok(Parsed::Run(parsed)) = parse(args.into_iter(), &FixedEnvironment::default()) else {
        panic!("not a transfer");
    };
    assert_eq!(parsed.sources, [b"a\xff".to_vec(), b"\n b".to_vec()]);
    assert_eq!(parsed.destination, b"\xfe");
}

#[test]
fn numbers_and_fingerprints_arrive() {
    let line =
        "-Z1400 -X 512 -m 1m -l 10m --check-sshfp=f74e5de9ed0d62feaf0616ed1e851133c42a0082 f h:d";
    let parsed = settings(line);
    assert_eq!(
        (parsed.datagram_size, parsed.report_size),
        (Some(1400), 512)
    );
    assert_eq!(parsed.min_rate, RateWish::Bps(1_000_000));
    assert_eq!(parsed.check_sshfp.unwrap()[..2], [0xF7, 0x4E]);
}

#[test]
fn server_mode_takes_its_log_and_nothing_else() {
    let Ok(Parsed::Server(plain)) = parse_line("--server") else {
        panic!("not the server mode");
    };
    assert_eq!(plain, ServerModeSettings::default());
    let Ok(Parsed::Server(logged)) = parse_line("--server -DDL /var/log/a") else {
        panic!("not the server mode");
    };
    assert_eq!(logged.log, log_folder("/var/log/a", 10 << 20));
    assert_eq!(logged.debug_level, 2);
}

#[test]
fn values_that_ask_for_what_happens_anyway_are_accepted() {
    let line = "--file-manifest=none --preserve-xattrs=none --remote-preserve-xattrs none \
                --preserve-acls=none --remote-preserve-acls=none --file-checksum=none -y0 -j 0 f h:d";
    assert_eq!(texts(&settings(line).sources), ["f"]);
}

/// Direction, user, host, TCP port, Mbit/s, sources, destination.
type Expected = (
    Direction,
    &'static str,
    &'static str,
    u16,
    Option<u64>,
    &'static str,
    &'static str,
);

const RECV: Direction = Direction::Receive;
const SEND: Direction = Direction::Send;
const EBI: &str = "fasp.sra.ebi.ac.uk";

#[rustfmt::skip]
const IN_USE: [(&str, Expected); 19] = [
    ("-QT -l 300m -P33001 -i k era-fasp@fasp.sra.ebi.ac.uk:/vol1/a.gz X_1.fastq.gz",
     (RECV, "era-fasp", EBI, 33001, Some(300), "/vol1/a.gz", "X_1.fastq.gz")),
    ("-QT -P 33001 -l 100M -i k era-fasp@fasp.sra.ebi.ac.uk:a new",
     (RECV, "era-fasp", EBI, 33001, Some(100), "a", "new")),
    ("-QT -L logs -l 300M -P33001 era-fasp@fasp.sra.ebi.ac.uk:/a -i k out",
     (RECV, "era-fasp", EBI, 33001, Some(300), "/a", "out")),
    ("-i k -pQTk1 -l 450m anonftp@ftp.ncbi.nlm.nih.gov:a d",
     (RECV, "anonftp", "ftp.ncbi.nlm.nih.gov", 22, Some(450), "a", "d")),
    ("-T -l 300m -P 33001 -i ~/k.openssh era-fasp@fasp.sra.ebi.ac.uk:vol1/f.gz ./",
     (RECV, "era-fasp", EBI, 33001, Some(300), "vol1/f.gz", "./")),
    ("-QT -l 300m -P33001 -i k --host=fasp.sra.ebi.ac.uk --user=era-fasp --mode=recv id ./",
     (RECV, "era-fasp", EBI, 33001, Some(300), "id", "./")),
    ("-i /p/aspera.openssh -QT -l100m -k1 -d dir subasp@upload.ncbi.nlm.nih.gov:uploads/acct",
     (SEND, "subasp", "upload.ncbi.nlm.nih.gov", 22, Some(100), "dir", "uploads/acct")),
    ("-i k -QT -l300m -k0 -d FILE subasp@upload.ncbi.nlm.nih.gov:uploads/acct/S/",
     (SEND, "subasp", "upload.ncbi.nlm.nih.gov", 22, Some(300), "FILE", "uploads/acct/S/")),
    ("-i k -k1 -Tr -l100m anonftp@ftp-private.ncbi.nlm.nih.gov:srr data",
     (RECV, "anonftp", "ftp-private.ncbi.nlm.nih.gov", 22, Some(100), "srr", "data")),
    ("-T -i k --host ftp-private.ncbi.nlm.nih.gov --user anonftp --mode recv /1GB ./",
     (RECV, "anonftp", "ftp-private.ncbi.nlm.nih.gov", 22, None, "/1GB", "./")),
    ("-QT -l3000M -L- p/a.gz p/b.gz Webin-1@webin.ebi.ac.uk:.",
     (SEND, "Webin-1", "webin.ebi.ac.uk", 22, Some(3000), "p/a.gz p/b.gz", ".")),
    ("-QT -l 200M -P33001 -i k emp_ext3@fasp.ebi.ac.uk:/10009 ~/Destination/path/10009",
     (RECV, "emp_ext3", "fasp.ebi.ac.uk", 33001, Some(200), "/10009", "~/Destination/path/10009")),
    ("-P33001 -i k -QT -l100m -k1 -d aspera01@download.cncb.ac.cn:gsa/CRA000112 /local",
     (RECV, "aspera01", "download.cncb.ac.cn", 33001, Some(100), "gsa/CRA000112", "/local")),
    ("-P 33001 -l 1000000 aspuser01@asperaserver.local:/testfile_10GB ./",
     (RECV, "aspuser01", "asperaserver.local", 33001, Some(1000), "/testfile_10GB", "./")),
    ("--mode=recv --host=hsts1.example.com -P 33001 --user=u tiny/200KB.1 .",
     (RECV, "u", "hsts1.example.com", 33001, None, "tiny/200KB.1", ".")),
    ("--mode=send --user=aspera --host=demo.asperasoft.com myfile /Upload",
     (SEND, "aspera", "demo.asperasoft.com", 22, None, "myfile", "/Upload")),
    ("-k0 -Q -l 500M -i k -T -L upload f u@site:path",
     (SEND, "u", "site", 22, Some(500), "f", "path")),
    ("-i k -Q -l 5000m -k 1 /scratch/F asp-dbgap@gap-submit.ncbi.nlm.nih.gov:x",
     (SEND, "asp-dbgap", "gap-submit.ncbi.nlm.nih.gov", 22, Some(5000), "/scratch/F", "x")),
    ("--policy=fair -T -l 1g mtblight@ah01.ebi.ac.uk:/prod/s .",
     (RECV, "mtblight", "ah01.ebi.ac.uk", 22, Some(1000), "/prod/s", ".")),
];

#[test]
fn command_lines_in_use_mean_what_their_authors_meant() {
    for (line, (direction, user, host, port, mbps, sources, destination)) in IN_USE {
        let parsed = settings(line);
        assert_eq!(parsed.direction, direction, "{line}");
        assert_eq!(parsed.remote.user, user, "{line}");
        assert_eq!(parsed.remote.host, host, "{line}");
        assert_eq!(parsed.ssh_port, port, "{line}");
        let rate = mbps.map(|mbps| RateWish::Bps(mbps * 1_000_000));
        assert_eq!(parsed.target_rate, rate, "{line}");
        assert_eq!(texts(&parsed.sources).join(" "), sources, "{line}");
        assert_eq!(parsed.destination, destination.as_bytes(), "{line}");
        let encrypted = !line.contains("-QT") && !line.contains("-T") && !line.contains("QT");
        assert_eq!(parsed.cipher != CipherWish::None, encrypted, "{line}");
        let has_key = line.contains("-i ");
        assert_eq!(!parsed.identity_files.is_empty(), has_key, "{line}");
    }
}

#[test]
fn rates_of_the_manual_are_read_together() {
    let parsed = settings("--policy=fair -l 100m -m 1m /local-dir/files root@10.0.0.2:/remote-dir");
    assert_eq!(parsed.target_rate, Some(RateWish::Bps(100_000_000)));
    assert_eq!(parsed.min_rate, RateWish::Bps(1_000_000));
    assert_eq!(
        Path::new("/local-dir/files").as_os_str().as_encoded_bytes(),
        parsed.sources[0]
    );
    assert_eq!(parsed.remote.host, "10.0.0.2");
}

#[test]
fn measuring_takes_a_host_alone_or_files_besides() {
    let forward = |probe_rate_bps| {
        Some(MeasureWish {
            direction: Direction::Send,
            probe_rate_bps,
        })
    };
    for line in [
        "-T -w f -P 33001 -i k anonftp@h:",
        "-wf -T anonftp@h:/any/path",
        "-w f --host h --user anonftp",
        "-w f --mode=recv --host h --user anonftp",
    ] {
        let parsed = settings(line);
        assert_eq!(parsed.measure, forward(100_000), "{line}");
        assert!(parsed.sources.is_empty(), "{line}");
        assert_eq!(parsed.remote.host, "h", "{line}");
        assert_eq!(parsed.remote.user, "anonftp", "{line}");
    }
    let parsed = settings("-wr -K 2000 f u@h:d");
    assert_eq!(parsed.direction, Direction::Send);
    assert_eq!(texts(&parsed.sources), ["f"]);
    let wish = parsed.measure.unwrap();
    assert_eq!(wish.direction, Direction::Receive);
    assert_eq!(wish.probe_rate_bps, 2_000_000);
    assert_eq!(settings("-w f -K 1.5M u@h:").measure, forward(1_500_000));
    assert_eq!(settings("f h:d").measure, None);
}

#[test]
fn rates_in_percent_are_kept_until_the_link_is_known() {
    let parsed = settings("-l 80% -m 10p f h:d");
    assert_eq!(parsed.target_rate, Some(RateWish::OfLink(800_000)));
    assert_eq!(parsed.min_rate, RateWish::OfLink(100_000));
}
