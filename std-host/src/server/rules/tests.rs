//! From files to rules, element by element.

use super::*;
use crate::configuration::Configuration;

fn rules_of(user: &str, home: Option<&str>, inside: &str) -> Outcome<SessionRules> {
    let text = format!("<CONF><default>{inside}</default></CONF>");
    let configuration = Configuration::parse(&text).unwrap();
    SessionRules::new(&configuration.for_user(user, &[]), home)
}

fn nested(path: &str, value: &str) -> String {
    path.split('/').rev().fold(value.to_owned(), |inner, name| {
        format!("<{name}>{inner}</{name}>")
    })
}

fn rules(path: &str, value: &str) -> SessionRules {
    rules_of("xfer", Some("/home/xfer"), &nested(path, value)).unwrap()
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    assert_eq!(rules_of("xfer", None, "").unwrap(), SessionRules::default());
}

#[test]
fn each_element_of_a_flow_has_its_effect_on_its_own_direction() {
    for (way, other) in [("in", "out"), ("out", "in")] {
        let flow = |path: &str, value: &str| {
            let rules = rules(&path.replace("WAY", way), value);
            let (mine, untouched) = match way {
                "in" => (rules.incoming, rules.outgoing),
                _ => (rules.outgoing, rules.incoming),
            };
            assert_eq!(
                untouched,
                FlowRules::default(),
                "{path} of {way} changes {other}"
            );
            mine
        };
        let base = "transfer/WAY/bandwidth/flow";
        let at = |rest: &str| format!("{base}/{rest}");
        let capped = flow(&at("target_rate/cap"), "4M");
        assert_eq!(capped.target_cap, BitRate(4_000_000));
        assert_eq!(
            capped.target_default,
            BitRate(4_000_000),
            "the default obeys the cap"
        );
        assert_eq!(
            flow(&at("target_rate/default"), "300").target_default,
            BitRate(300_000)
        );
        let locked = flow(&at("target_rate/lock"), "true").target_cap;
        assert_eq!(locked, BitRate(10_000_000), "the default is the cap");
        assert_eq!(flow(&at("min_rate/cap"), "2").minimum_cap, BitRate(2_000));
        assert_eq!(flow(&at("min_rate/lock"), "yes").minimum_cap, BitRate(0));
        assert_eq!(
            flow(&at("policy/lock"), "true").policies,
            [RatePolicy::Fair]
        );
        for (word, policies) in [
            (
                "high",
                &[RatePolicy::High, RatePolicy::Fair, RatePolicy::Low][..],
            ),
            ("fair", &[RatePolicy::Fair, RatePolicy::Low]),
            ("regular", &[RatePolicy::Fair, RatePolicy::Low]),
            ("trickle", &[RatePolicy::Low]),
            ("any", &RatePolicy::ALL),
        ] {
            assert_eq!(
                flow(&at("policy/allowed"), word).policies,
                policies,
                "{word}"
            );
        }
        assert!(!flow("authorization/transfer/WAY/value", "deny").authorized);
        assert!(flow("authorization/transfer/WAY/value", "allow").authorized);
    }
}

#[test]
fn the_docroot_may_be_closed_to_either_direction() {
    let access = "file_system/access/paths/path";
    let no_reading = rules(&format!("{access}/read_allowed"), "false");
    assert!(!no_reading.outgoing.access && no_reading.incoming.access);
    let no_writing = rules(&format!("{access}/write_allowed"), "false");
    assert!(no_writing.outgoing.access && !no_writing.incoming.access);
}

#[test]
fn a_docroot_has_the_user_put_in() {
    let absolute = "file_system/access/paths/path/absolute";
    let docroot = |text| {
        rules(absolute, text)
            .docroots
            .into_iter()
            .next()
            .map(|rule| rule.path)
    };
    assert_eq!(docroot("/pod/$(name)"), Some(PathBuf::from("/pod/xfer")));
    assert_eq!(docroot("$(home)/in"), Some(PathBuf::from("/home/xfer/in")));
    assert_eq!(docroot(""), None);
    for (user, home, text, words) in [
        ("xfer", None, "$(home)", "has no home folder"),
        (
            "../etc",
            None,
            "/pod/$(name)",
            "cannot be the name of a folder",
        ),
        (
            "a/b",
            None,
            "/pod/$(name)",
            "cannot be the name of a folder",
        ),
        ("", None, "/pod/$(name)", "cannot be the name of a folder"),
        ("xfer", None, "pod", "must be an absolute path"),
    ] {
        let error = rules_of(user, home, &nested(absolute, text)).unwrap_err();
        assert_eq!(error.fault, Fault::BadConfiguration);
        assert!(error.text.contains(words), "{}", error.text);
    }
}

#[test]
fn a_strict_server_takes_one_key_size_and_another_one_longer_ones_too() {
    use CipherSuite::{Aes192Cfb, Aes192Gcm, Aes256Cfb, Aes256Gcm, AuthOnly};
    let suites = |word| rules("transfer/encryption/allowed_cipher", word).suites;
    assert_eq!(suites("aes-192"), [Aes192Gcm, Aes192Cfb]);
    assert_eq!(suites("aes-256-gcm"), [Aes256Gcm]);
    assert_eq!(suites("none"), [AuthOnly]);
    assert_eq!(suites("any"), CipherSuite::ALL);
    let lax = "<transfer><encryption><allowed_cipher>aes-192</allowed_cipher>\
               <strict_allowed_cipher>false</strict_allowed_cipher></encryption></transfer>";
    let lax = rules_of("xfer", None, lax).unwrap();
    assert_eq!(lax.suites, [Aes192Gcm, Aes192Cfb, Aes256Gcm, Aes256Cfb]);
}

#[test]
fn the_udp_port_has_its_address_and_number() {
    let base = "transfer/protocol_options";
    let address = rules(&format!("{base}/bind_ip_address"), "127.0.0.1").bind_address;
    assert_eq!(address, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(
        rules(&format!("{base}/bind_udp_port"), "4000").bind_udp_port,
        Some(4_000)
    );
}

#[test]
fn links_are_treated_as_the_words_say() {
    let links = |words| {
        let links = rules("file_system/symbolic_links", words).symbolic_links;
        (links.create, links.follow, links.follow_wide)
    };
    assert_eq!(links("none"), (false, false, false));
    assert_eq!(links("create"), (true, false, false));
    assert_eq!(links("create, follow"), (true, true, false));
    assert_eq!(links("follow_wide"), (false, false, true));
}

#[test]
fn every_path_is_a_docroot_with_flags_of_its_own() {
    let paths = "<file_system><access><paths>
        <path><absolute>/srv/$(name)</absolute><write_allowed>false</write_allowed></path>
        <path><absolute>/data/in box</absolute><read_allowed>false</read_allowed>
          <restrictions><restriction>!/x</restriction></restrictions></path>
        <path><absolute>/data/out</absolute><show_as>/a//b/</show_as><dir_allowed>false</dir_allowed></path>
        </paths></access></file_system>";
    let rules = rules_of("bob", None, paths).unwrap();
    let seen: Vec<_> = rules
        .docroots
        .iter()
        .map(|rule| {
            let path = rule.path.to_str().unwrap();
            (
                path,
                rule.shown_as.as_str(),
                rule.reads,
                rule.writes,
                rule.lists,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("/srv/bob", "/", true, false, true),
            ("/data/in box", "/in box", false, true, true),
            ("/data/out", "/a/b", true, true, false),
        ]
    );
    let restricted = |number: usize| rules.docroots[number].restrictions.is_some();
    assert!(!restricted(0) && restricted(1) && !restricted(2));
    assert!(
        rules.incoming.access && rules.outgoing.access,
        "some docroot is open"
    );
    assert!(!rules.permissions.deletes && !rules.permissions.changes_sources);
    assert!(!rules.records.client_log_folders);
}

#[test]
fn docroots_that_cannot_be_told_apart_or_lead_nowhere_are_refused() {
    let path =
        |absolute: &str, rest: &str| format!("<path><absolute>{absolute}</absolute>{rest}</path>");
    let of = |paths: &[String]| {
        let paths = paths.concat();
        rules_of("bob", None, &nested("file_system/access/paths", &paths))
    };
    for (paths, why) in [
        (
            vec![path("/a", ""), path("/b/x", ""), path("/c/x", "")],
            "two docroots are seen as /x",
        ),
        (
            vec![path("/a", "<show_as>b</show_as>")],
            "absolute path without",
        ),
        (
            vec![path("/a", "<show_as>/b/../c</show_as>")],
            "absolute path without",
        ),
        (
            vec![path("/a", ""), path("b", "")],
            "it must be an absolute path",
        ),
    ] {
        let failure = of(&paths).unwrap_err();
        assert!(failure.text.contains(why), "{failure}");
    }
    let unnamed = path("/a", "") + "<path><read_allowed>true</read_allowed></path>";
    let text = format!(
        "<CONF><default>{}</default></CONF>",
        nested("file_system/access/paths", &unnamed)
    );
    let wrong = Configuration::parse(&text).unwrap_err();
    assert!(wrong.contains("without a folder in <absolute>"), "{wrong}");
}

#[test]
fn flags_of_a_higher_section_hold_for_all_docroots_and_its_list_replaces_the_others() {
    let text = "<CONF><default><file_system><access><paths>
        <path><absolute>/a</absolute></path><path><absolute>/b</absolute></path>
        </paths></access></file_system></default><aaa><realms><realm><users>
        <user><name>reader</name><file_system><access><paths><path><write_allowed>false</write_allowed></path></paths></access></file_system></user>
        <user><name>other</name><file_system><access><paths><path><absolute>/c</absolute></path></paths></access></file_system></user>
        </users></realm></realms></aaa></CONF>";
    let configuration = Configuration::parse(text).unwrap();
    let of = |user: &str| SessionRules::new(&configuration.for_user(user, &[]), None).unwrap();
    let reader = of("reader");
    assert_eq!(reader.docroots.len(), 2);
    assert!(
        reader
            .docroots
            .iter()
            .all(|rule| !rule.writes && rule.reads)
    );
    assert!(!reader.incoming.access);
    let other = of("other").docroots;
    assert_eq!(other.len(), 1);
    assert_eq!(
        (other[0].path.to_str(), other[0].shown_as.as_str()),
        (Some("/c"), "/")
    );
}
