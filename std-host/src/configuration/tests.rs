//! Whole files and what they mean for whom.

use super::elements::{CLIENT, LOGGING, SERVER, SESSION, TRUNK, TRUNKS, session_element};
use super::{Configuration, Origin, example_file, reference_table};

const TARGET: &str = "transfer/in/bandwidth/flow/target_rate/default";
const MINIMUM: &str = "transfer/in/bandwidth/flow/min_rate/default";
const POLICY: &str = "transfer/in/bandwidth/flow/policy/default";
const DOCROOT: &str = "file_system/access/paths/path/absolute";

fn read(inside: &str) -> Result<Configuration, String> {
    Configuration::parse(&format!("<CONF version=\"2\">\n{inside}\n</CONF>"))
}

fn nested(path: &str, value: &str) -> String {
    path.split('/').rev().fold(value.to_owned(), |inner, name| {
        format!("<{name}>{inner}</{name}>")
    })
}

fn in_default(path: &str, value: &str) -> String {
    format!("<default>{}</default>", nested(path, value))
}

#[test]
fn the_published_example_of_precedence() {
    let text = format!(
        "<default>{}</default><aaa><realms><realm>
         <users><user><name>asp1</name>{}</user></users>
         <groups><group><name>xfer</name><precedence>1</precedence>{}{}</group>
         <group><name>admin</name><precedence>0</precedence>{}{}</group></groups>
         </realm></realms></aaa>",
        nested(DOCROOT, "/pod/$(name)"),
        nested(TARGET, "5000"),
        nested(POLICY, "low"),
        nested(MINIMUM, "1000"),
        nested(TARGET, "9000"),
        nested(MINIMUM, "2000"),
    );
    // One element per party: several trees of the same name are one.
    let configuration = read(&text).unwrap();
    let groups = ["xfer".to_owned(), "admin".to_owned()];
    let effective = configuration.for_user("asp1", &groups);
    assert_eq!(effective.rate(TARGET), Some(5_000_000));
    assert_eq!(effective.rate(MINIMUM), Some(2_000_000));
    assert_eq!(effective.word(POLICY), Some("low"));
    assert_eq!(effective.word(DOCROOT), Some("/pod/$(name)"));
    assert_eq!(
        effective.word("transfer/encryption/allowed_cipher"),
        Some("any")
    );
    let origin = |path| effective.text(session_element(path).unwrap()).1;
    assert!(matches!(origin(TARGET), Origin::User(3)));
    assert_eq!(origin(MINIMUM), Origin::Group("admin".to_owned(), 5));
    assert_eq!(origin(POLICY), Origin::Group("xfer".to_owned(), 4));
    assert_eq!(origin(DOCROOT), Origin::Default(2));
    assert_eq!(
        origin("transfer/encryption/allowed_cipher"),
        Origin::BuiltIn
    );
    let other = configuration.for_user("asp2", &groups);
    assert_eq!(other.rate(TARGET), Some(9_000_000));
}

#[test]
fn the_smallest_file_says_nothing() {
    let configuration = Configuration::parse("<CONF/>").unwrap();
    assert_eq!(configuration, Configuration::default());
    let effective = configuration.for_user("anybody", &[]);
    for element in SESSION {
        assert_eq!(effective.text(element), (element.built_in, Origin::BuiltIn));
    }
}

#[test]
fn every_element_is_read_where_it_stands() {
    for (section, table) in [("default", SESSION), ("client", CLIENT), ("server", SERVER)] {
        for element in table.iter().filter(|element| !element.built_in.is_empty()) {
            let text = format!(
                "<{section}>{}</{section}>",
                nested(element.path, element.built_in)
            );
            let configuration = read(&text).unwrap();
            assert_eq!(configuration.warnings, [""; 0], "{}", element.path);
            let read = match section {
                "default" => &configuration.default,
                "client" => &configuration.client,
                _ => &configuration.server,
            };
            let value = read.value(element.path).unwrap();
            assert_eq!((value.text.as_str(), value.line), (element.built_in, 2));
        }
    }
}

#[test]
fn an_empty_element_says_nothing_but_that_there_is_no_docroot() {
    for element in SESSION.iter().filter(|element| element.path != DOCROOT) {
        let configuration = read(&in_default(element.path, " ")).unwrap();
        let effective = configuration.for_user("asp1", &[]);
        assert_eq!(effective.text(element), (element.built_in, Origin::BuiltIn));
    }
    let configuration = read(&in_default(DOCROOT, "")).unwrap();
    let effective = configuration.for_user("asp1", &[]);
    assert_eq!(
        effective.text(session_element(DOCROOT).unwrap()),
        ("", Origin::Default(2))
    );
}

#[test]
fn no_element_is_listed_twice_or_lies_below_another() {
    for table in [SESSION, CLIENT, SERVER] {
        for (number, element) in table.iter().enumerate() {
            for other in table.iter().skip(number + 1) {
                assert_ne!(element.path, other.path);
                assert!(!other.path.starts_with(&format!("{}/", element.path)));
                assert!(!element.path.starts_with(&format!("{}/", other.path)));
            }
        }
    }
}

#[test]
fn wrong_values_are_refused_with_line_and_element() {
    for (path, value, words) in [
        (TARGET, "fast", "\"fast\" is not a rate"),
        (
            "transfer/in/bandwidth/flow/target_rate/lock",
            "perhaps",
            "is neither true nor false",
        ),
        (POLICY, "greedy", "is none of fixed, high, fair"),
        (
            "transfer/encryption/allowed_cipher",
            "des",
            "is none of any, none, aes-128",
        ),
        (
            "transfer/protocol_options/bind_udp_port",
            "0",
            "is not a whole number from 1 to 65535",
        ),
        (
            "transfer/protocol_options/bind_udp_port",
            "70000",
            "is not a whole number",
        ),
        (
            "transfer/protocol_options/bind_ip_address",
            "here",
            "is not an IP address",
        ),
        ("file_system/file_create_mode", "9", "is not a mode"),
        (
            "file_system/filters/filter",
            "*.tmp",
            "is not a rule: a rule must begin with",
        ),
        ("file_system/resume_suffix", "a/b", "must not contain a '/'"),
        (
            "transfer/encryption/content_protection_required",
            "true",
            "asks for a protection",
        ),
        (
            "transfer/encryption/fips_mode",
            "required",
            "asks for a protection",
        ),
        (
            TARGET,
            "<kbps>3</kbps>",
            "holds elements instead of a value",
        ),
    ] {
        let error = read(&in_default(path, value)).unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
        assert!(error.contains(&format!("<{path}>")), "{error}");
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_is_unknown_or_without_effect_is_a_warning() {
    let text = "<default>\n<transfre/>\n<transfer><speed>3</speed></transfer>\n\
                <file_system><use_file_cache>false</use_file_cache></file_system></default>\n\
                <http_server/><wine/>";
    let configuration = read(text).unwrap();
    assert_eq!(
        configuration.warnings,
        [
            "line 3: unknown element <transfre> is ignored",
            "line 4: unknown element <transfer/speed> is ignored",
            "line 5: <file_system/use_file_cache> has no effect in this program",
            "line 6: <http_server> is not used by this program",
            "line 6: unknown element <wine> is ignored",
        ]
    );
}

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    for (text, words) in [
        ("", "line 1: "),
        ("<CONF>\n<default>\n</CONF>", "line 3: "),
        ("<conf/>", "line 1: the outermost element must be <CONF>"),
        (
            "<!DOCTYPE CONF [<!ENTITY a \"b\">]><CONF>&a;</CONF>",
            "line 1: ",
        ),
        (
            "<CONF><default><transfer/></default>\u{1}</CONF>",
            "line 1: ",
        ),
    ] {
        let error = Configuration::parse(text).unwrap_err();
        assert!(error.starts_with(words), "{text}: {error}");
    }
    let twice = in_default(
        "transfer/in/bandwidth/flow/target_rate",
        "<cap>1</cap><cap>2</cap>",
    );
    assert!(read(&twice).unwrap_err().ends_with("is given twice"));
    let nameless = "<aaa><realms><realm><users><user/></users></realm></realms></aaa>";
    assert_eq!(
        read(nameless).unwrap_err(),
        "line 2: a <user> without a <name>"
    );
}

#[test]
fn deep_and_long_files_end_in_time() {
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    assert!(read(&format!("<default>{deep}</default>")).is_ok());
    let long = "<wine/>".repeat(600_000);
    assert!(read(&long).is_err());
}

#[test]
fn trunks_have_a_number_and_a_capacity() {
    let text = "<trunks><trunk><id>7</id><name>in</name><on>true</on>\
                <capacity><schedule format=\"ranges\">100000</schedule></capacity></trunk></trunks>";
    let configuration = read(text).unwrap();
    let [trunk] = &configuration.trunks[..] else {
        panic!("{configuration:?}");
    };
    assert_eq!(
        (trunk.id, trunk.on, trunk.capacity_bps),
        (7, true, 100_000_000)
    );
    assert_eq!(trunk.name, "in");
    let wrong = "<trunks><trunk><id>256</id></trunk></trunks>";
    assert!(
        read(wrong)
            .unwrap_err()
            .contains("\"256\" is not a number from 1 to 255")
    );
}

#[test]
fn the_reference_names_every_element() {
    let table = reference_table();
    for tables in [SESSION, CLIENT, SERVER, TRUNKS, TRUNK, LOGGING] {
        for element in tables {
            let line = format!("    {}\n", element.path);
            assert!(table.contains(&line), "{}", element.path);
        }
    }
}

#[test]
fn the_example_says_its_docroot_and_nothing_else_and_each_of_its_comments_could_be_taken_out() {
    let text = example_file();
    let packaged = include_str!("../../packaging/aspera.conf");
    assert!(
        text == packaged,
        "run: ascpd --config-example > std-host/packaging/aspera.conf"
    );
    let read = Configuration::parse(&text).unwrap();
    assert_eq!(read.warnings, [""; 0]);
    let user = read.for_user("bob", &[]);
    assert_eq!(user.word(DOCROOT), Some("/srv/ascp/$(name)"));
    for element in SESSION.iter().filter(|element| element.path != DOCROOT) {
        assert_eq!(user.text(element).1, Origin::BuiltIn, "{}", element.path);
    }
    assert!(!read.trunks[0].on);
    let mut in_force = text.clone();
    let mut commented = 0;
    for line in text.lines().filter(|line| line.contains("<!-- <")) {
        let element = line
            .trim()
            .trim_start_matches("<!-- ")
            .trim_end_matches(" -->");
        in_force = in_force.replacen(line, element, 1);
        commented += 1;
    }
    let read = Configuration::parse(&in_force).unwrap();
    assert_eq!(read.warnings, [""; 0]);
    let tables = [SESSION, CLIENT, SERVER, TRUNK, LOGGING]
        .into_iter()
        .flatten();
    let used = tables
        .filter(|element| element.treatment.is_in_use())
        .count();
    // All but the docroot and the number of the trunk; a user's, a group's, and the folder of the trunks besides.
    assert_eq!(commented, used - 2 + 3);
}

#[test]
fn top_level_logging_holds_where_nothing_nearer_says_otherwise() {
    let logging =
        "<logging><log_setting><level>dbg1</level><log_count>3</log_count></log_setting></logging>";
    let near = format!("{logging}{}", in_default("logging/level", "dbg2"));
    let both = read(&near).unwrap();
    assert_eq!(both.warnings, [""; 0]);
    let user = both.for_user("bob", &[]);
    assert_eq!(user.word("logging/level"), Some("dbg2"));
    assert_eq!(user.number("logging/log_count"), Some(3));
    assert_eq!(
        read(logging)
            .unwrap()
            .for_user("bob", &[])
            .word("logging/level"),
        Some("dbg1")
    );
    assert!(read("<logging><log_setting><level>loud</level></log_setting></logging>").is_err());
}

#[test]
fn a_file_without_an_end_is_not_read_for_ever() {
    let failure = Configuration::read(std::path::Path::new("/dev/zero")).unwrap_err();
    assert!(failure.text.contains("it has more than"), "{failure:?}");
}
