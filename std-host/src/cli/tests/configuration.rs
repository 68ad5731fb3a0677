//! `-f`, the client's part of `aspera.conf`, and the local docroot.

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
/// `<a><b>value</b></a>` for `a/b`.
fn nested(path: &str, value: &str) -> String {
    path.split('/').rev().fold(value.to_owned(), |inner, name| {
        format!("<{name}>{inner}</{name}>")
    })
}

fn in_default(path: &str, value: &str) -> String {
    format!("<default>{}</default>", nested(path, value))
}

/// A configuration file, with one line before what stands in it.
struct Conf(TempDir);

impl Conf {
    fn new(inside: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("c"),
            format!("<CONF>\n{inside}\n</CONF>"),
        )
        .unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("c")
    }

    /// `line` with `-f`.
    fn named(&self, line: &str) -> Result<TransferSettings, String> {
        run(
            &format!("-f {} {line}", self.path().display()),
            &FixedEnvironment::default(),
        )
    }

    /// `line` where the file is found.
    fn found(
        &self,
        line: &str,
        variables: &[(&'static str, &str)],
    ) -> Result<TransferSettings, String> {
        run(line, &around(Some(self.path()), variables))
    }
}

fn around(configuration: Option<PathBuf>, variables: &[(&'static str, &str)]) -> FixedEnvironment {
    FixedEnvironment {
        configuration,
        variables: variables
            .iter()
            .map(|(name, value)| (*name, (*value).into()))
            .collect(),
        ..FixedEnvironment::default()
    }
}

fn run(line: &str, environment: &FixedEnvironment) -> Result<TransferSettings, String> {
    match parse(words(line).into_iter(), environment) {
        Ok(Parsed::Run(settings)) => Ok(*settings),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(failure) => Err(failure.text),
    }
}

const IN: &str = "transfer/in/bandwidth/flow";
const OUT: &str = "transfer/out/bandwidth/flow";
const ABSOLUTE: &str = "file_system/access/paths/path/absolute";

#[test]
fn an_element_is_a_default_that_the_command_line_overrides() {
    type Shown = fn(&TransferSettings) -> String;
    let part: Shown = |it| {
        format!(
            "{:?}",
            it.overwriting
                .partial_suffix
                .as_deref()
                .map(String::from_utf8_lossy)
        )
    };
    let note: Shown = |it| {
        format!(
            "{:?}",
            it.overwriting
                .resume_suffix
                .as_deref()
                .map(String::from_utf8_lossy)
        )
    };
    let block: Shown = |it| format!("{:?}", it.records.read_size.or(it.local.block_size));
    let written: Shown = |it| format!("{:?}", it.records.write_size.or(it.local.block_size));
    let told: Shown = |it| format!("{:?} {:?}", it.records.read_size, it.records.write_size);
    let rules: Shown = |it| {
        let texts = it.selection.rules.texts();
        texts
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let caps: Shown = |it| format!("{:?} {:?}", it.local.target_cap, it.local.minimum_cap);
    let cipher: Shown = |it| format!("{:?}", it.cipher);
    let keys: Shown = |it| format!("{:?}", it.identity_files);
    let client = |path: &str, value: &str| format!("<client>{}</client>", nested(path, value));
    let fs = |path: &str, value: &str| in_default(&format!("file_system/{path}"), value);
    #[rustfmt::skip]
    let table: Vec<(String, &str, Shown, &str)> = vec![
        (client("encryption_cipher", "aes-256-gcm"), "f h:d", cipher, "Aes256Gcm"),
        (client("encryption_cipher", "aes-256-gcm"), "-c aes192 f h:d", cipher, "Aes192"),
        (client("encryption_cipher", "aes-256-gcm"), "-T f h:d", cipher, "None"),
        (client("encryption_cipher", "NONE"), "f h:d", cipher, "None"),
        (client("encryption_cipher", "any"), "f h:d", cipher, "Aes128"),
        (client("default_ssh_key", "/k"), "f h:d", keys, "[\"/k\"]"),
        (client("default_ssh_key", "/k"), "-i /i f h:d", keys, "[\"/i\"]"),
        (fs("partial_file_suffix", ".partial"), "h:f d", part, "Some(\".partial\")"),
        (fs("partial_file_suffix", ".partial"), "--partial-file-suffix=.x h:f d", part, "Some(\".x\")"),
        (fs("partial_file_suffix", ".partial"), "--partial-file-suffix= h:f d", part, "None"),
        (fs("partial_file_suffix", ".partial"), "f h:d", part, "None"),
        (fs("resume_suffix", ".aspera-ckpt"), "h:f d", note, "Some(\".aspera-ckpt\")"),
        (fs("resume_suffix", ".aspera-ckpt"), "f h:d", note, "None"),
        (fs("read_block_size", "65536"), "f h:d", block, "Some(65536)"),
        (fs("read_block_size", "65536"), "-g 1M f h:d", block, "Some(1048576)"),
        (fs("read_block_size", "65536"), "h:f d", block, "None"),
        (fs("write_block_size", "65536"), "h:f d", written, "Some(65536)"),
        (fs("write_block_size", "65536"), "-G 1M h:f d", written, "Some(1048576)"),
        (fs("write_block_size", "65536"), "f h:d", told, "None None"),
        (fs("read_block_size", "65536"), "h:f d", told, "None None"),
        (fs("filters", "<filter>+ keep*</filter><filter>- *.tmp</filter>"), "-N z -E b f h:d", rules, "+ keep*, - *.tmp, + z, - b"),
        (fs("filters", "<filter>- *.tmp</filter>"), "h:f d", rules, "- *.tmp"),
        (in_default(&format!("{OUT}/target_rate/cap"), "5M"), "f h:d", caps, "Some(5000000) None"),
        (in_default(&format!("{OUT}/target_rate/cap"), "5M"), "h:f d", caps, "None None"),
        (in_default(&format!("{IN}/min_rate/cap"), "700"), "h:f d", caps, "None Some(700000)"),
        (in_default(&format!("{IN}/target_rate/cap"), "Unlimited"), "h:f d", caps, "None None"),
    ];
    for (inside, line, shown, expected) in table {
        let conf = Conf::new(&inside);
        let by_name = conf.named(line).unwrap();
        assert_eq!(shown(&by_name), expected, "{line} with {inside}");
        assert_eq!(by_name.notes, [""; 0], "{inside}");
        assert_eq!(shown(&conf.found(line, &[]).unwrap()), expected);
    }
}

#[test]
fn what_only_servers_use_changes_nothing_right_or_wrong() {
    let table = [
        (format!("{OUT}/target_rate/default"), "999M"),
        (format!("{OUT}/policy/default"), "fixed"),
        ("transfer/encryption/allowed_cipher".to_owned(), "aes-256"),
        ("transfer/validation_session_start".to_owned(), "uri"),
        ("min_ascp_version".to_owned(), "9"),
        ("file_system/symbolic_links".to_owned(), "none"),
        ("file_system/file_checksum".to_owned(), "md5"),
        ("file_system/file_manifest".to_owned(), "text"),
        ("file_system/preserve_attributes".to_owned(), "times"),
        ("file_system/file_create_mode".to_owned(), "wrong"),
        (ABSOLUTE.to_owned(), "/only/with/the/option"),
        ("authorization/transfer/in/value".to_owned(), "deny"),
    ];
    for (path, value) in table {
        let conf = Conf::new(&in_default(&path, value));
        for line in ["-l 5M f h:d", "h:f d"] {
            let mut with = conf.found(line, &[]).unwrap();
            with.local.log_lines.clear();
            let without = run(line, &FixedEnvironment::default()).unwrap();
            assert_eq!(format!("{with:?}"), format!("{without:?}"), "{path}");
        }
        if path != ABSOLUTE {
            let notes = conf.named("f h:d").unwrap().notes;
            assert_eq!(
                notes,
                [format!(
                    "{}, line 2: <{path}> does nothing for a client",
                    conf.path().display()
                )]
            );
        }
    }
    let server = "<server><max_running_ascp>many</max_running_ascp></server>\
                  <trunks><trunk><id>900</id></trunk></trunks>";
    assert!(Conf::new(server).named("f h:d").unwrap().notes.is_empty());
}

#[test]
fn the_own_section_goes_before_groups_and_default() {
    let cap = |rate| nested(&format!("{OUT}/target_rate/cap"), rate);
    let inside = |users: &str| {
        format!(
            "<default>{}</default><aaa><realms><realm><users>{users}</users><groups>\
             <group><name>staff</name>{}</group></groups></realm></realms></aaa>",
            cap("1M"),
            cap("2M")
        )
    };
    let own = format!("<user><name>local</name>{}</user>", cap("3M"));
    let other = format!("<user><name>other</name>{}</user>", cap("3M"));
    for (users, held) in [(own, 3_000_000), (other, 2_000_000)] {
        let settings = Conf::new(&inside(&users)).named("f h:d").unwrap();
        assert_eq!(settings.local.target_cap, Some(held));
    }
}

#[test]
fn unknown_elements_are_named_and_wrong_values_refused_with_their_line() {
    let conf = Conf::new("<default>\n<wine>red</wine></default>");
    let sentence = format!(
        "{}, line 3: unknown element <wine> is ignored",
        conf.path().display()
    );
    let named = conf.named("f h:d").unwrap();
    assert_eq!(named.notes, std::slice::from_ref(&sentence));
    assert_eq!(named.local.log_lines, [""; 0]);
    // Nobody asked for the file that is found: its faults are for the log.
    let found = conf.found("f h:d", &[]).unwrap();
    assert_eq!(found.notes, [""; 0]);
    assert_eq!(found.local.log_lines, [sentence]);
    #[rustfmt::skip]
    let table = [
        ("<default>\n<file_system><read_block_size>much</read_block_size></file_system></default>", "line 3: <file_system/read_block_size>: \"much\" is not a whole number"),
        ("<client><encryption_cipher>rot13</encryption_cipher></client>", "line 2: <encryption_cipher>: \"rot13\" is none of any, none, aes-128"),
        ("<client><default_ssh_key>id</default_ssh_key></client>", "line 2: <default_ssh_key>: \"id\" is not an absolute path"),
        ("<default><file_system><filters><filter>*.tmp</filter></filters></file_system></default>", "line 2: <file_system/filters/filter>: \"*.tmp\" is not a rule"),
        ("<default><transfer><encryption><fips_mode>required</fips_mode></encryption></transfer></default>", "asks for a protection that this version does not have"),
        ("<default>", "line 3: "),
    ];
    for (inside, words) in table {
        let conf = Conf::new(inside);
        let place = format!("{}, ", conf.path().display());
        for error in [
            conf.named("f h:d").unwrap_err(),
            conf.found("f h:d", &[]).unwrap_err(),
        ] {
            assert!(error.contains(words) && error.contains(&place), "{error}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_it() {
    for (line, words) in [
        (
            "-f /no/such.conf f h:d",
            "option -f: cannot read /no/such.conf: ",
        ),
        (
            "-f \"\" f h:d",
            "option -f needs the name of a configuration file",
        ),
        ("f h:d -f", "option -f needs a value"),
    ] {
        assert!(refusal(line).starts_with(words), "{}", refusal(line));
    }
}

#[test]
fn the_local_docroot_comes_from_the_option_or_the_environment() {
    const VARIABLE: &str = "ASPERA_SCP_DOCROOT";
    let conf = Conf::new(&in_default(ABSOLUTE, "/pod/$(name)"));
    let bare = Conf::new("");
    let docroot = |settings: TransferSettings| settings.local.docroot;
    let option = "--apply-local-docroot f h:d";
    let pod = Some(PathBuf::from("/pod/local"));
    assert_eq!(docroot(conf.named("f h:d").unwrap()), None);
    assert_eq!(docroot(conf.named(option).unwrap()), pod);
    assert_eq!(
        docroot(conf.found("--apply-local-docroot h:f d", &[]).unwrap()),
        pod
    );
    let named = Some(PathBuf::from("/jail"));
    let jail = [(VARIABLE, "/jail")];
    assert_eq!(docroot(conf.found("f h:d", &jail).unwrap()), named);
    assert_eq!(docroot(bare.found(option, &jail).unwrap()), named);
    assert_eq!(docroot(conf.found(option, &jail).unwrap()), pod);
    assert_eq!(
        docroot(conf.found("f h:d", &[(VARIABLE, "")]).unwrap()),
        None
    );
    #[rustfmt::skip]
    let table: [(&str, Option<&str>, &Conf, &str); 7] = [
        (option, None, &bare, "has no docroot (<absolute>) for this user"),
        (option, Some(""), &bare, "has no docroot (<absolute>) for this user"),
        ("f h:d", Some("jail"), &bare, "the environment variable ASPERA_SCP_DOCROOT must be an absolute path"),
        ("faux:///x?1k h:d", Some("/jail"), &bare, "'faux:///x?1k' cannot be below the local docroot"),
        ("file:///x h:d", Some("/jail"), &bare, "'file:///x' cannot be below the local docroot"),
        ("h:f stdio://", Some("/jail"), &bare, "'stdio://' cannot be below the local docroot"),
        ("--apply-local-docroot h:f stdio-tar://", None, &conf, "'stdio-tar://' cannot be below the local docroot"),
    ];
    for (line, variable, conf, words) in table {
        let variables: Vec<_> = variable
            .map(|value| (VARIABLE, value))
            .into_iter()
            .collect();
        let error = conf.found(line, &variables).unwrap_err();
        assert!(error.contains(words), "{line}: {error}");
    }
    let error = run(option, &FixedEnvironment::default()).unwrap_err();
    assert!(
        error.contains("needs a configuration file with a docroot"),
        "{error}"
    );
    // What is at the server is the server's affair.
    assert!(bare.found("h:faux:///x?1k d", &jail).is_ok());
}
