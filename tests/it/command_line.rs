//! Spellings that real scripts use, and options that are refused with a sentence.

use fasp_tests::client::operand;
use fasp_tests::tree;

use crate::site::Site;

#[test]
fn spellings_found_in_scripts_all_work() {
    let site = Site::daemon();
    let source = site.world.local("f");
    tree::write_file(&source, 1, 20_000);
    let ssh = site.server.ssh_port;
    let udp = site.server.udp_port;
    let key = site.world.client_key();
    let key = key.display();
    let lines: Vec<String> = vec![
        format!("-QT|-l|300m|-P{ssh}|-O{udp}|-i|{key}|f|DEST"),
        format!("-pQTk1|-l300m|-P|{ssh}|-i|{key}|f|DEST"),
        format!("-i|{key}|-QTr|-l100m|-k0|-d|-P {ssh}|-O {udp}|f|DEST"),
        format!("f|DEST|-P{ssh}|-i|{key}|-l|1000M|-QQ"),
        format!("-vQT|-l3000M|-P{ssh}|-i{key}|f|DEST"),
        format!("-T|--policy=fair|-l|1g|-m|1m|-P|{ssh}|-i|{key}|f|DEST"),
        format!("--policy|fixed|-l|50000|-P|{ssh}|-i|{key}|f|DEST"),
        format!("-P1|-P{ssh}|-l|1k|-l|450m|-i|{key}|-r|f|DEST"),
    ];
    for (number, line) in lines.iter().enumerate() {
        let name = format!("copy{number}");
        std::fs::create_dir(site.world.remote(&name)).unwrap();
        let destination = site.server.at(&name);
        let arguments = line.split('|').map(|word| match word {
            "DEST" => destination.clone(),
            word => word.into(),
        });
        let run = fasp_tests::client::Ascp::new(&site.world)
            .args(arguments)
            .run();
        assert_eq!(run.code(), Some(0), "{line}: {}", run.words());
        tree::assert_same(&source, &site.world.remote(format!("{name}/f")));
    }
}

#[test]
fn remote_paths_mean_the_same_with_and_without_a_leading_slash() {
    let site = Site::daemon();
    tree::write_file(&site.world.remote("vol/f"), 1, 2_000);
    for (path, into) in [("vol/f", "one"), ("/vol/f", "two"), ("./vol/f", "three")] {
        let from = operand(&site.server.login, path);
        site.ascp().arg(from).arg(into).run().succeeded();
        tree::assert_same(&site.world.remote("vol/f"), &site.world.local(into));
    }
    tree::write_file(&site.world.local("g"), 2, 2_000);
    let dot = operand(&site.server.login, ".");
    site.ascp().arg("g").arg(dot).run().succeeded();
    let nothing = operand(&site.server.login, "");
    site.ascp().args(["two"]).arg(nothing).run().succeeded();
    assert_eq!(tree::names_in(&site.world.remote("")), ["g", "two", "vol"]);
}

#[test]
fn options_of_later_versions_are_refused_by_name() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 2_000);
    let options = [
        "-M54321",
        "--proxy=x",
        "--apply-local-docroot",
        "--keepalive",
    ];
    for option in options {
        let run = site.ascp().args([option, "f"]).arg(site.server.at(""));
        let run = run.run();
        assert_eq!(run.code(), Some(1), "{option}: {}", run.words());
        let name = option.split('=').next().unwrap_or_default();
        let name = if name.starts_with("--") {
            name
        } else {
            &name[..2]
        };
        assert!(run.err().contains(name), "{option}: {}", run.words());
        assert!(
            tree::names_in(&site.world.remote("")).is_empty(),
            "{option}"
        );
    }
}

#[test]
fn unknown_options_and_bad_values_are_refused_before_any_connection() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 2_000);
    let cases: [(&[&str], &str); 7] = [
        (&["--no-such-option"], "--no-such-option"),
        (&["-l", "fast"], "fast"),
        (&["-P", "70000"], "70000"),
        (&["--policy=greedy"], "greedy"),
        (&["-c", "rot13"], "rot13"),
        (&["-k", "9"], "9"),
        (&["-Z", "100"], "100"),
    ];
    for (arguments, word) in cases {
        let run = site.ascp().args(arguments).arg("f").arg(site.server.at(""));
        let run = run.run();
        assert_eq!(run.code(), Some(1), "{arguments:?}: {}", run.words());
        assert!(run.err().contains(word), "{arguments:?}: {}", run.words());
        assert!(tree::names_in(&site.world.remote("")).is_empty());
    }
}

#[test]
fn neither_side_remote_or_both_is_refused() {
    let site = Site::daemon();
    tree::write_file(&site.world.local("f"), 1, 2_000);
    let local = site.ascp().args(["f", "g"]).run();
    assert_eq!(local.code(), Some(1), "{}", local.words());
    let both = site.ascp().args([site.server.at("f"), site.server.at("g")]);
    let both = both.run();
    assert_eq!(both.code(), Some(1), "{}", both.words());
    assert!(!site.world.local("g").exists());
}
