//! Command lines that programs and instructions in public use, each run against `ascpd` with hosts and paths of the
//! test, their options in their order and spelling.
//!
//! What a line asks for and this version does not have is refused by the name of the option; the same line without
//! those words works. When such an option comes, the row loses its `without`.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::{World, set_mode};

use crate::authentication::password_file;

/// Where files go: from here to there, each seen from the folder of its side.
#[derive(Clone, Copy)]
enum Files {
    /// From the server's folder to the working folder.
    Down(&'static [(&'static str, &'static str)]),
    /// From the working folder to the server's folder.
    Up(&'static [(&'static str, &'static str)]),
    /// Out of standard output, in frames, in this order.
    Out(&'static [&'static str]),
}
use Files::{Down, Out, Up};

/// One line. In its words `SSH` and `UDP` are ports, `HOST` the server, `KEY` a private key, `HERE` the working folder
/// as an absolute path; blanks within quotes belong to their word.
struct Line {
    number: u32,
    words: &'static str,
    files: Files,
    /// The option that is refused, and all words of the line that must go with it.
    without: Option<(&'static str, &'static [&'static str])>,
}

const fn line(number: u32, words: &'static str, files: Files) -> Line {
    Line {
        number,
        words,
        files,
        without: None,
    }
}

const fn refused(
    number: u32,
    words: &'static str,
    without: (&'static str, &'static [&'static str]),
    files: Files,
) -> Line {
    Line {
        number,
        words,
        files,
        without: Some(without),
    }
}

const SRR616: &str = "vol1/fastq/SRR616/SRR616044/SRR616044.fastq.gz";
const SRR318: &str = "vol1/fastq/SRR318/008/SRR3182418/SRR3182418.fastq.gz";
const ERR164: &str = "vol1/fastq/ERR164/ERR164407/ERR164407.fastq.gz";
const TAGS: &str = "eyJhc3BlcmEiOnsieGZlcl9pZCI6IjEifX0=";

#[rustfmt::skip]
const LINES: &[Line] = &[
    line(1, "-T -l 300m -PSSH -k 2 -i KEY era-fasp@HOST:/vol1/fastq/SRR616/SRR616044/SRR616044.fastq.gz .",
        Down(&[(SRR616, "SRR616044.fastq.gz")])),
    line(2, "-QT -l 300m -PSSH -i HERE/etc/aspera/aspera_bypass_dsa.pem era-fasp@HOST:/vol1/fastq/SRR616/SRR616044/SRR616044.fastq.gz SRX1_1.fastq.gz",
        Down(&[(SRR616, "SRX1_1.fastq.gz")])),
    line(3, "-QT -P SSH -l 100M -i KEY prd_ascp@HOST:/testfile_10GB HERE/out/new.raw",
        Down(&[("testfile_10GB", "out/new.raw")])),
    line(4, "-QT -L HERE/logs -l 300M -PSSH -O UDP -i KEY era-fasp@HOST:/vol1/fastq/SRR616/SRR616044/SRR616044.fastq.gz HERE/out",
        Down(&[(SRR616, "out/SRR616044.fastq.gz")])),
    line(5, "-i KEY -pQTk1 -l 450m --user anonftp HOST:/testfile_10GB f1.sra.tmp",
        Down(&[("testfile_10GB", "f1.sra.tmp")])),
    line(6, "-T -l 300m -P SSH -i HOME/.aspera/connect/etc/asperaweb_id_dsa.openssh era-fasp@HOST:vol1/fastq/ERR164/ERR164407/ERR164407.fastq.gz ./",
        Down(&[(ERR164, "ERR164407.fastq.gz")])),
    line(7, "-QT -l 300m -PSSH -i KEY --host=HOST --user=era-fasp --mode=recv vol1/fastq/ERR164/ERR164407/ERR164407.fastq.gz ./",
        Down(&[(ERR164, "ERR164407.fastq.gz")])),
    line(8, "-QT -l 300m -PSSH -i KEY era-fasp@HOST:vol1/fastq/SRR318/008/SRR3182418/SRR3182418.fastq.gz .",
        Down(&[(SRR318, "SRR3182418.fastq.gz")])),
    line(9, "-i HERE/aspera.openssh -QT -l100m -k1 -d path subasp@HOST:uploads/acct",
        Up(&[("path", "uploads/acct/path")])),
    line(10, "-i KEY -QT -l300m -k0 -d myfile subasp@HOST:uploads/acct/SUB1/",
        Up(&[("myfile", "uploads/acct/SUB1/myfile")])),
    line(11, "-i HOME/.aspera/connect/etc/asperaweb_id_dsa.openssh -k1 -Tr -l100m anonftp@HOST:vol1/fastq out",
        Down(&[("vol1/fastq", "out/fastq")])),
    line(12, "-i asperaweb_id_dsa.openssh --mode recv --host HOST --user anonftp --file-list sra_list.txt -k 1 -QT -l 200m HERE/out",
        Down(&[(SRR616, "out/SRR616044.fastq.gz"), (SRR318, "out/SRR3182418.fastq.gz")])),
    line(13, "-T -i KEY --host HOST --user anonftp --mode recv /testfile_10GB ./",
        Down(&[("testfile_10GB", "testfile_10GB")])),
    line(14, "-QT -l3000M -L- path/a.fastq.gz path/b.fastq.gz Webin-12345@HOST:.",
        Up(&[("path/a.fastq.gz", "a.fastq.gz"), ("path/b.fastq.gz", "b.fastq.gz")])),
    line(15, "-QT -l 200M -PSSH -i KEY emp_ext3@HOST:/gsa HERE/out/10009",
        Down(&[("gsa", "out/10009")])),
    line(16, "-PSSH -i KEY -QT -l100m -k1 -d aspera01@HOST:gsa/CRA000112 HERE/new",
        Down(&[("gsa/CRA000112", "new/CRA000112")])),
    line(17, "-P SSH -l 1000000 aspuser01@HOST:/testfile_10GB ./",
        Down(&[("testfile_10GB", "testfile_10GB")])),
    line(18, "--mode=recv --host=HOST -P SSH --user=my_hsts1_xfer_user aspera-test-dir-tiny/200KB.1 .",
        Down(&[("aspera-test-dir-tiny/200KB.1", "200KB.1")])),
    line(19, "--mode=send --user=aspera --host=HOST myfile /Upload",
        Up(&[("myfile", "Upload/myfile")])),
    line(20, "-d -k2 -Tr -Q -l 100M -L HERE/logs myfile ega@HOST:Upload/new/sfx",
        Up(&[("myfile", "Upload/new/sfx/myfile")])),
    line(21, "-k0 -Q -l 500M -i KEY -T -L logs myfile user@HOST:Upload",
        Up(&[("myfile", "Upload/myfile")])),
    line(22, "-i KEY -Q -l 5000m -k 1 HERE/path asp-dbgap@HOST:Upload",
        Up(&[("path", "Upload/path")])),
    line(23, "--policy=fair -T -l 1g mtblight@HOST:/gsa .",
        Down(&[("gsa", "gsa")])),
    line(24, "--policy=fair -l 100m -m 1m HERE/path root@HOST:/Upload",
        Up(&[("path", "Upload/path")])),
    line(25, "-QT -l 200M -PSSH -i HERE/asperaweb_id_dsa.openssh emp_ext3@HOST:/gsa/CRA000112 out",
        Down(&[("gsa/CRA000112", "out/CRA000112")])),
    // With `-K`, since measuring at the 100 Kbit/s that are the default takes most of a minute.
    line(26, "-T -w f -P SSH -i KEY anonftp@HOST:/testfile_10GB . -K 100M",
        Down(&[("testfile_10GB", "testfile_10GB")])),
    line(27, "-QT -l 100m -P SSH --mode=recv --user=anonftp --host=HOST -i KEY testfile_10GB aspera-test-dir-tiny/200KB.1 stdio-tar://",
        Out(&["testfile_10GB", "aspera-test-dir-tiny/200KB.1"])),
    line(28, "-l 100m --mode=send --user=username --host=HOST stdio-tar:// /Upload",
        Up(&[("myfile", "Upload/myfile"), ("path/a.fastq.gz", "Upload/a.fastq.gz")])),
    refused(29, "-M 54321 -q -i KEY -k 2 --mode recv --user anonftp --host HOST -P SSH --dest64 --file-list=HERE/sra_list.txt Lg==",
        ("-M", &["-M", "54321"]),
        Down(&[(SRR616, "SRR616044.fastq.gz"), (SRR318, "SRR3182418.fastq.gz")])),
    refused(30, "--ws-connect -c aes256gcm -d --mode send --policy fair --host HOST --user faspex -P SSH --tags64 TAGS myfile /Upload",
        ("--ws-connect", &["--ws-connect"]),
        Up(&[("myfile", "Upload/myfile")])),
    line(31, "-v -k 1 -T -l 300m anonftp@HOST:/testfile_10GB .",
        Down(&[("testfile_10GB", "testfile_10GB")])),
    // Of its sessions one is run here, so it is the only one.
    refused(32, "-C 1:1 -M54321 -uid1 --mode=send -q --policy=fair \"-O UDP\" \"-P SSH\" --retry-timeout=0 --file-manifest=none -l10000 --tags64 TAGS --overwrite=diff --preserve-xattrs=none --remote-preserve-xattrs=none --preserve-acls=none --remote-preserve-acls=none --host=HOST --user=aspera --file-list=HERE/upload_list.txt .",
        ("-M", &["-M54321"]),
        Up(&[("myfile", "myfile")])),
];

const PASSWORD: &str = "correct horse";

fn servers_files(world: &World) {
    for (seed, path) in [
        SRR616,
        SRR318,
        ERR164,
        "gsa/CRA000112/r1.fq.gz",
        "gsa/CRA000112/sub/r2.fq.gz",
        "testfile_10GB",
        "aspera-test-dir-tiny/200KB.1",
    ]
    .into_iter()
    .enumerate()
    {
        let seed = seed as u64;
        tree::write_file(&world.remote(path), seed, 20_000 + 1_000 * seed);
    }
    for folder in ["uploads/acct", "Upload"] {
        fs::create_dir_all(world.remote(folder)).unwrap();
    }
}

/// A private key under a name that the line looks for.
fn copy_key(world: &World, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(world.client_key(), to).unwrap();
    set_mode(to, 0o600);
}

fn clients_files(world: &World, here: &Path) {
    for folder in ["out", "logs"] {
        fs::create_dir_all(here.join(folder)).unwrap();
    }
    for key in [
        "asperaweb_id_dsa.openssh",
        "aspera.openssh",
        "etc/aspera/aspera_bypass_dsa.pem",
    ] {
        copy_key(world, &here.join(key));
    }
    tree::write_file(&here.join("myfile"), 50, 30_000);
    tree::write_file(&here.join("path/a.fastq.gz"), 51, 10_000);
    tree::write_file(&here.join("path/b.fastq.gz"), 52, 10_000);
    // The last line of such lists often lacks its end.
    fs::write(here.join("sra_list.txt"), format!("{SRR616}\n{SRR318}")).unwrap();
    fs::write(here.join("upload_list.txt"), "myfile\n").unwrap();
}

/// The words of `text`, with what stands for places put in.
fn words(text: &str, world: &World, server: &Server, here: &Path) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    let places = [
        ("SSH", server.ssh_port.to_string()),
        ("UDP", server.udp_port.to_string()),
        ("HOST", server.host().to_owned()),
        ("KEY", world.client_key().display().to_string()),
        ("HERE", here.display().to_string()),
        ("HOME", world.home().display().to_string()),
        ("TAGS", TAGS.to_owned()),
    ];
    for word in &mut words {
        for (name, place) in &places {
            *word = word.replace(name, place);
        }
    }
    // The test's server is not at the ports that every line takes for granted.
    for (option, name, port) in [
        ("-P", "SSH", server.ssh_port),
        ("-O", "UDP", server.udp_port),
    ] {
        if !text.contains(name) {
            words.extend([option.to_owned(), port.to_string()]);
        }
    }
    words
}

fn run(world: &World, here: &Path, words: Vec<String>, number: u32) -> Outcome {
    let ascp = Ascp::new(world).current_dir(here).args(words);
    match number {
        18 => ascp.env("ASPERA_SCP_PASS", PASSWORD).run(),
        28 => {
            let mut stream = Vec::new();
            for name in ["myfile", "path/a.fastq.gz"] {
                let bytes = fs::read(here.join(name)).unwrap();
                let last = name.rsplit('/').next().unwrap();
                stream.extend(format!("File: {last}\nSize: {}\n\n", bytes.len()).into_bytes());
                stream.extend(bytes);
            }
            let input = world.local("stream");
            fs::write(&input, stream).unwrap();
            let input = fs::File::open(input).unwrap();
            ascp.with(|command| {
                command.stdin(Stdio::from(input));
            })
            .run()
        }
        _ => ascp.run(),
    }
}

/// All that is on both sides, but for logs and what ssh remembers.
fn everything(world: &World, here: &Path) -> [Vec<String>; 2] {
    let mut local = tree::paths_below(here);
    local.retain(|path| !path.starts_with("logs/"));
    [local, tree::paths_below(&world.remote(""))]
}

/// Fails unless exactly the files of the line are where they should be; takes them away again.
fn check(line: &Line, world: &World, here: &Path, before: &[Vec<String>; 2], run: &Outcome) {
    run.succeeded();
    let remote = world.remote("");
    let (pairs, from, to) = match line.files {
        Out(names) => {
            let mut stream = Vec::new();
            for name in names {
                let bytes = fs::read(world.remote(name)).unwrap();
                let last = name.rsplit('/').next().unwrap();
                stream.extend(format!("\nFile: {last}\0\nSize: {}\n\n", bytes.len()).into_bytes());
                stream.extend(bytes);
            }
            assert!(run.stdout == stream, "line {}: another stream", line.number);
            return assert_eq!(&everything(world, here), before, "line {}", line.number);
        }
        Down(pairs) => (pairs, remote.as_path(), here),
        Up(pairs) => (pairs, here, remote.as_path()),
    };
    for (source, target) in pairs {
        tree::assert_same(&from.join(source), &to.join(target));
        let mut target = to.join(target);
        let made = |path: &Path| {
            let name = path.strip_prefix(to).unwrap().display().to_string();
            let [down, up] = &before;
            let side = if matches!(line.files, Up(_)) {
                up
            } else {
                down
            };
            !side.contains(&format!("{name}/")) && !side.contains(&name)
        };
        while target != to && made(&target) {
            let last = target.clone();
            target.pop();
            let is_folder = last.is_dir();
            // A folder that the line made goes with its content, which was compared.
            match is_folder {
                true if pairs.iter().any(|(_, name)| to.join(name) == last) => {
                    fs::remove_dir_all(&last).unwrap();
                }
                true => drop(fs::remove_dir(&last)),
                false => fs::remove_file(&last).unwrap(),
            }
        }
    }
    assert_eq!(
        &everything(world, here),
        before,
        "line {} left something else",
        line.number
    );
}

#[test]
fn every_known_command_line_does_what_its_user_expects() {
    let world = World::new();
    servers_files(&world);
    copy_key(&world, &world.home().join(".ssh/id_ed25519"));
    let connect = ".aspera/connect/etc/asperaweb_id_dsa.openssh";
    copy_key(&world, &world.home().join(connect));
    let [option, passwords] = password_file(&world, "my_hsts1_xfer_user", PASSWORD);
    let server = Ascpd::new(&world).arg(option).arg(passwords).start();
    let here = world.local("work");
    clients_files(&world, &here);
    let before = everything(&world, &here);
    for line in LINES {
        println!("line {}: ascp {}", line.number, line.words);
        let mut words = words(line.words, &world, &server, &here);
        if let Some((option, without)) = line.without {
            let refusal = run(&world, &here, words.clone(), line.number);
            assert_eq!(refusal.code(), Some(1), "{}", refusal.words());
            let text = format!("option {option} is not available in this version");
            assert!(refusal.err().contains(&text), "{}", refusal.words());
            assert_eq!(everything(&world, &here), before, "line {}", line.number);
            words.retain(|word| !without.contains(&word.as_str()));
        }
        let outcome = run(&world, &here, words, line.number);
        check(line, &world, &here, &before, &outcome);
        if [4, 20, 21].contains(&line.number) {
            let log = fs::read_to_string(here.join("logs/aspera-scp-transfer.log")).unwrap();
            assert_eq!(
                crate::logs::counter(&log, "passed"),
                1,
                "line {}",
                line.number
            );
        }
    }
    assert_eq!(LINES.len(), 32);
}
