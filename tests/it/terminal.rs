//! What a person sees, and what programs read from it: progress, completion, failure, versions.
//!
//! Source: the public shapes of the original program's output.

use fasp_tests::client::Ascp;
use fasp_tests::terminal::on_a_terminal;
use fasp_tests::tree;
use fasp_tests::world::World;

use crate::site::Site;

/// One progress line, taken apart.
#[derive(Debug, PartialEq)]
struct Progress {
    name: String,
    percent: u32,
    size: String,
    rate: String,
    time: String,
    eta: bool,
}

/// Takes a line `NAME  NNN% SIZE RATE TIME[ ETA]` apart; `None` when it has another shape.
fn progress(line: &str) -> Option<Progress> {
    let (before, after) = line.rsplit_once('%')?;
    let digits_from = before.rfind(|c: char| !c.is_ascii_digit())? + 1;
    let (name, percent) = before.split_at(digits_from);
    let eta = after.trim_end().ends_with(" ETA");
    let after = after.trim_end().trim_end_matches(" ETA");
    let words: Vec<&str> = after.split_whitespace().collect();
    let (size, rate, time) = match words.as_slice() {
        [size, rate, time] => (*size, *rate, *time),
        [size, time] => (*size, "", *time),
        _ => return None,
    };
    Some(Progress {
        name: name.trim_end().to_owned(),
        percent: percent.parse().ok()?,
        size: size.to_owned(),
        rate: rate.to_owned(),
        time: time.to_owned(),
        eta,
    })
}

/// `1234`, `236KB`, `10GB`.
fn is_a_size(text: &str) -> bool {
    let number = text.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let unit = &text[number.len()..];
    number.len() <= 4
        && !number.is_empty()
        && number.chars().all(|c| c.is_ascii_digit())
        && ["", "B", "KB", "MB", "GB", "TB"].contains(&unit)
}

/// `6.9Mb/s`, `576Mb/s`, `1.2Gb/s`, or nothing.
fn is_a_rate(text: &str) -> bool {
    text.is_empty()
        || ["b/s", "Kb/s", "Mb/s", "Gb/s"].iter().any(|unit| {
            text.strip_suffix(unit)
                .is_some_and(|number| number.parse::<f64>().is_ok())
        })
}

/// `01:56`, `--:--`, `1:02:03`.
fn is_a_time(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text == "--:--" || (digits >= 4 && text.chars().all(|c| c.is_ascii_digit() || c == ':'))
}

/// `Completed: 123K bytes transferred in 4 seconds`, ` (5678K bits/sec), in 1 file`.
fn completion(out: &str) -> Option<(u64, u64, u64, String)> {
    let (_, rest) = out.split_once("Completed: ")?;
    let (first, second) = rest.split_once('\n')?;
    let (bytes, seconds) = first.split_once("K bytes transferred in ")?;
    let seconds = seconds.strip_suffix(" seconds")?;
    let (rate, files) = second.strip_prefix(" (")?.split_once("K bits/sec), in ")?;
    let files = files.strip_suffix(".\n")?;
    Some((
        bytes.parse().ok()?,
        seconds.parse().ok()?,
        rate.parse().ok()?,
        files.to_owned(),
    ))
}

#[test]
fn progress_lines_and_the_completion_have_the_public_shape() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("some file.bin"), 1, 12 * 1024 * 1024);
    let command = Ascp::to(&site.world, &site.server)
        .args(["-l", "40M", "--policy=fixed", "some file.bin"])
        .arg(site.server.at(""));
    let Some(command) = on_a_terminal(command) else {
        fasp_tests::skip::say("script is not installed (Debian: bsdutils)");
        return;
    };
    let run = command.run();
    assert_eq!(run.code(), Some(0), "{}", run.words());
    let out = run.out().replace("\r\n", "\n");
    let lines = progress_lines(&out);
    assert!(lines.len() >= 3, "2.5 s need some lines: {}", run.words());
    for line in &lines {
        assert_eq!(line.name, "some file.bin");
        assert!(is_a_size(&line.size) && is_a_rate(&line.rate), "{line:?}");
        assert!(is_a_time(&line.time), "{line:?}");
    }
    assert!(
        lines
            .windows(2)
            .all(|pair| pair[0].percent <= pair[1].percent)
    );
    assert!(lines.iter().any(|line| line.eta && line.percent < 100));
    let last = lines.last().unwrap();
    assert_eq!((last.percent, last.eta), (100, false));
    assert_eq!(last.size, "12MB");
    let (kib, seconds, rate, files) = completion(&out).unwrap_or_else(|| panic!("{}", run.words()));
    assert_eq!((kib, files.as_str()), (12 * 1024, "1 file"));
    assert!(seconds >= 2, "{seconds} s");
    assert!((1..=41_000).contains(&rate), "{rate} K bits/sec");
    let exact = (kib * 1024 * 8) as f64 / (rate * 1_000) as f64;
    assert!(
        (exact - seconds as f64).abs() <= 1.0,
        "{seconds} s, {exact} s"
    );
}

fn progress_lines(out: &str) -> Vec<Progress> {
    out.split(['\r', '\n'])
        .filter(|line| line.contains('%'))
        .map(|line| progress(line).unwrap_or_else(|| panic!("not a progress line: {line:?}")))
        .collect()
}

#[test]
fn in_a_pipe_every_file_has_a_line_at_a_hundred_percent() {
    let site = Site::daemon();
    for name in ["one", "two"] {
        tree::write_file(&site.world.local(name), 1, 2 * 1024 * 1024);
    }
    let run = site.ascp().args(["one", "two"]).arg(site.server.at(""));
    let run = run.run();
    run.succeeded();
    let lines = progress_lines(&run.out());
    for name in ["one", "two"] {
        let last = lines.iter().rfind(|line| line.name == name);
        let last = last.unwrap_or_else(|| panic!("no line for {name}: {}", run.words()));
        assert_eq!((last.percent, last.size.as_str()), (100, "2048KB"));
    }
}

#[test]
fn several_files_are_counted_in_the_completion() {
    let site = Site::daemon();
    for name in ["a", "b", "c"] {
        tree::write_file(&site.world.local(name), 1, 1024);
    }
    let run = site.ascp().args(["a", "b", "c"]).arg(site.server.at(""));
    let run = run.run();
    run.succeeded();
    let (kib, _, _, files) = completion(&run.out()).unwrap_or_else(|| panic!("{}", run.words()));
    assert_eq!((kib, files.as_str()), (3, "3 files"));
}

#[test]
fn a_name_with_control_characters_cannot_write_on_the_terminal() {
    let site = Site::daemon();
    tree::write_file(
        &site.world.local("a\x1b]0;title\x07b\nSession Stop"),
        1,
        300_000,
    );
    let sources = std::fs::read_dir(site.world.local("")).unwrap();
    let source = sources.map(|entry| entry.unwrap().path()).next().unwrap();
    let run = site.ascp().arg(source).arg(site.server.at("")).run();
    assert_eq!(run.code(), Some(0), "{}", run.words());
    let out = run.out();
    assert!(!out.contains('\x1b') && !out.contains('\x07'), "{out:?}");
    assert!(!out.contains("\nSession Stop"), "{out:?}");
}

#[test]
fn quiet_says_nothing_at_all() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 300_000);
    let run = site.ascp().args(["-q", "f"]).arg(site.server.at("")).run();
    run.succeeded();
    assert_eq!((run.out().as_str(), run.err().as_str()), ("", ""));
}

#[test]
fn a_quiet_failure_is_still_said_on_stderr() {
    let site = Site::daemon();
    let run = site.ascp().args(["-q", "nothing"]).arg(site.server.at(""));
    let run = run.run();
    assert_eq!(run.code(), Some(1), "{}", run.words());
    assert_eq!(run.out(), "");
    assert!(run.err().ends_with(", exiting.\n"), "{}", run.words());
}

#[test]
fn without_arguments_the_usage_is_shown_and_the_status_is_112() {
    let run = Ascp::new(&World::new()).run();
    assert_eq!(run.code(), Some(112), "{}", run.words());
    assert!(run.out().contains("Usage: ascp"), "{}", run.words());
}

#[test]
fn help_lists_the_options_and_is_a_success() {
    for option in ["-h", "--help"] {
        let run = Ascp::new(&World::new()).arg(option).run();
        assert_eq!(run.code(), Some(0), "{}", run.words());
        let out = run.out();
        for word in [
            "Usage: ascp",
            "-P",
            "-O",
            "-l",
            "-m",
            "--policy",
            "-c",
            "-T",
            "-d",
            "-p",
            "-q",
            "-L",
            "-k",
            "--mode",
            "--host",
            "--user",
            "-i",
        ] {
            assert!(out.contains(word), "{word} is missing in {out}");
        }
    }
}

#[test]
fn the_version_can_be_read_the_way_programs_read_it() {
    for option in ["-A", "--version"] {
        let run = Ascp::new(&World::new()).arg(option).run();
        assert_eq!(run.code(), Some(0), "{}", run.words());
        let out = run.out();
        let second = out.lines().nth(1).unwrap_or_default();
        let words: Vec<&str> = second.split(' ').collect();
        assert_eq!(words[..2], ["ascp", "version"], "{out}");
        let numbers: Vec<u32> = words[2].split('.').map(|n| n.parse().unwrap()).collect();
        assert!(numbers.len() >= 3 && numbers >= vec![3, 5], "{out}");
        let first = out.split(" version ").nth(1).unwrap();
        assert!(first.starts_with(words[2]), "{out}");
    }
}

#[test]
fn a_closed_stdout_does_not_stop_a_transfer() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 5_000_000);
    let command = site.ascp().arg("f").arg(site.server.at(""));
    let run = command
        .with(|command| {
            let program = command.get_program().to_owned();
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            let variables: Vec<_> = command
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            let folder = command.get_current_dir().map(ToOwned::to_owned);
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", "\"$0\" \"$@\" | true; sleep 3"]);
            shell.arg(program).args(arguments);
            shell.env_clear().envs(variables);
            shell.current_dir(folder.expect("the client's folder"));
            *command = shell;
        })
        .run();
    assert_eq!(run.code(), Some(0));
    tree::assert_same(&site.world.local("f"), &site.world.remote("f"));
}

#[test]
fn the_reader_of_progress_lines_knows_the_published_ones() {
    let line = "testfile_10GB                                 100%   10GB  576Mb/s    01:56";
    let read = progress(line).unwrap();
    assert_eq!((read.name.as_str(), read.percent), ("testfile_10GB", 100));
    assert_eq!(
        (read.size.as_str(), read.rate.as_str()),
        ("10GB", "576Mb/s")
    );
    let line = "5GB                                 0%   39MB 97.2Mb/s    07:27 ETA";
    assert!(progress(line).unwrap().eta);
    let line = "02054141.001.52628.fcs           100%  236KB             --:--    ";
    assert_eq!(progress(line).unwrap().rate, "");
    assert!(progress("LOG 100% of everything there is to say").is_none());
    let text =
        "Completed: 10485760K bytes transferred in 116 seconds\n (738472K bits/sec), in 1 file.\n";
    assert_eq!(completion(text).unwrap().2, 738_472);
}
