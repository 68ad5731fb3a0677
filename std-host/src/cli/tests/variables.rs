//! Every variable of the public reference: what it changes, and that nothing else does.

use super::*;
use crate::cli::environment::{Use, VARIABLES};

/// The settings of `line` where `name` says `value`.
fn with(line: &str, name: &'static str, value: &str) -> TransferSettings {
    let environment = FixedEnvironment {
        variables: vec![(name, value.into())],
        ..FixedEnvironment::default()
    };
    match parse(words(line).into_iter(), &environment) {
        Ok(Parsed::Run(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn each_variable_says_what_the_table_says_and_is_never_shown() {
    for (name, used) in VARIABLES {
        let line = match *name {
            "ASPERA_SCP_FILEPASS" => "--file-crypt=encrypt f h:d",
            _ => "f h:d",
        };
        let settings = with(line, name, "/red/herring");
        let read = match *name {
            "ASPERA_SCP_COOKIE" => settings.records.labels.cookie.is_some(),
            "ASPERA_SCP_DOCROOT" => settings.local.docroot.is_some(),
            "ASPERA_SCP_FILEPASS" => settings.security.encrypts(),
            "ASPERA_SCP_KEY" => settings.remote.key_text.is_some(),
            "ASPERA_SCP_PASS" => settings.remote.password.is_some(),
            "ASPERA_SCP_TOKEN" => settings.security.token.is_some(),
            _ => {
                let plain = settings_of_nothing(line);
                format!("{settings:?}") != plain
            }
        };
        assert_eq!(read, matches!(used, Use::Read(_)), "{name}");
        let shown = format!("{settings:?}").contains("herring");
        let is_secret = !matches!(*name, "ASPERA_SCP_COOKIE" | "ASPERA_SCP_DOCROOT");
        assert_eq!(shown, read && !is_secret, "{name}");
    }
}

#[test]
fn the_help_names_the_variables_that_are_read_and_no_others() {
    let Ok(Parsed::Print { text, .. }) = parse_line("-h") else {
        panic!("help expected");
    };
    for (name, used) in VARIABLES {
        assert_eq!(text.contains(name), matches!(used, Use::Read(_)), "{name}");
    }
}

fn settings_of_nothing(line: &str) -> String {
    format!("{:?}", settings(line))
}
