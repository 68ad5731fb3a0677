//! Options about encryption at rest and authorization.

use super::*;
use crate::cli::settings::FileCrypt;

fn with(line: &str, variables: &[(&'static str, &str)]) -> Result<TransferSettings, String> {
    let environment = FixedEnvironment {
        variables: variables
            .iter()
            .map(|(name, value)| (*name, (*value).into()))
            .collect(),
        ..FixedEnvironment::default()
    };
    match parse(words(line).into_iter(), &environment) {
        Ok(Parsed::Run(settings)) => Ok(*settings),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(failure) => Err(failure.text),
    }
}

const FILEPASS: (&str, &str) = ("ASPERA_SCP_FILEPASS", "swordfish");

#[test]
fn files_are_encrypted_when_sending_and_decrypted_when_receiving() {
    let sends = with("--file-crypt=encrypt f h:d", &[FILEPASS]).unwrap();
    assert!(sends.security.encrypts());
    assert!(!format!("{sends:?}").contains("swordfish"));
    for (line, expected) in [
        ("--file-crypt decrypt h:d f", false),
        ("--file-crypt=decrypt --fail-bad-filepass h:d f", true),
    ] {
        let receives = with(line, &[FILEPASS]).unwrap();
        let Some(FileCrypt::Decrypt { passphrase, fails }) = receives.security.file_crypt else {
            panic!("{line}");
        };
        assert_eq!((passphrase.expose(), fails), ("swordfish", expected));
        assert_eq!(receives.notes, Vec::<String>::new());
    }
    assert!(
        with("f h:d", &[FILEPASS])
            .unwrap()
            .security
            .file_crypt
            .is_none()
    );
    let note = with("--fail-bad-filepass f h:d", &[]).unwrap().notes;
    assert_eq!(
        note,
        ["--fail-bad-filepass changes nothing without --file-crypt=decrypt"]
    );
}

#[test]
fn what_cannot_be_encrypted_is_refused_before_anybody_is_called() {
    let table = [
        (
            "--file-crypt=encrypt f h:d",
            None,
            "option --file-crypt needs the passphrase in the environment variable ASPERA_SCP_FILEPASS",
        ),
        (
            "--file-crypt=decrypt h:d f",
            Some(""),
            "option --file-crypt needs the passphrase in the environment variable ASPERA_SCP_FILEPASS",
        ),
        (
            "--file-crypt=both f h:d",
            Some("x"),
            "option --file-crypt: 'both' is neither encrypt nor decrypt",
        ),
        (
            "f h:d --file-crypt",
            Some("x"),
            "option --file-crypt needs a value",
        ),
        (
            "--file-crypt=encrypt h:d f",
            Some("x"),
            "option --file-crypt=encrypt is for what is sent; in a download it is --file-crypt=decrypt",
        ),
        (
            "--file-crypt=decrypt f h:d",
            Some("x"),
            "option --file-crypt=decrypt is for what is received; in an upload it is --file-crypt=encrypt",
        ),
        (
            "--file-crypt=encrypt --delete-before-transfer s/d h:x/d",
            Some("x"),
            "options --file-crypt and --delete-before-transfer exclude each other: encrypted files have other names",
        ),
        (
            "--file-crypt=decrypt -@ 0:9 h:d f",
            Some("x"),
            "options --file-crypt=decrypt and -@ exclude each other: a part of an encrypted file cannot be opened",
        ),
        (
            "--file-crypt=decrypt h:d stdio://",
            Some("x"),
            "option --file-crypt=decrypt needs files as destination, not faux:// or stdio://",
        ),
    ];
    for (line, passphrase, text) in table {
        let variables: Vec<_> = passphrase
            .map(|text| (FILEPASS.0, text))
            .into_iter()
            .collect();
        assert_eq!(
            with(line, &variables).err().as_deref(),
            Some(text),
            "{line}"
        );
    }
}

#[test]
fn a_token_comes_from_the_option_then_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, "from-a-file\n").unwrap();
    let from_file = format!("-W@{} f h:d", path.display());
    let variable = ("ASPERA_SCP_TOKEN", "from-the-environment");
    for (line, variables, expected) in [
        ("f h:d", &[][..], None),
        ("f h:d", &[variable], Some("from-the-environment")),
        ("-W typed f h:d", &[variable], Some("typed")),
        ("-Wtyped f h:d", &[], Some("typed")),
        (from_file.as_str(), &[variable], Some("from-a-file")),
        ("f h:d", &[("ASPERA_SCP_TOKEN", "")], None),
    ] {
        let settings = with(line, variables).unwrap();
        let token = settings
            .security
            .token
            .as_ref()
            .map(crate::cli::secret::Secret::expose);
        assert_eq!(token, expected, "{line}");
        if let Some(token) = token {
            assert!(!format!("{settings:?}").contains(token));
        }
    }
}

#[test]
fn asking_for_a_password_and_ignoring_host_keys_is_never_the_default() {
    let wishes = |line: &str| {
        let settings = settings(line);
        let warns = settings.host_key_warning().is_some();
        (
            settings.security.prompts,
            settings.security.ignores_host_key,
            warns,
        )
    };
    let fingerprint = "--check-sshfp=f74e5de9ed0d62feaf0616ed1e851133c42a0082";
    for (line, expected) in [
        ("f h:d".to_owned(), (false, false, false)),
        (
            "--allow-password-prompt f h:d".to_owned(),
            (true, false, false),
        ),
        ("--ignore-host-key f h:d".to_owned(), (false, true, true)),
        (
            format!("--ignore-host-key {fingerprint} f h:d"),
            (false, true, false),
        ),
    ] {
        assert_eq!(wishes(&line), expected, "{line}");
    }
    for (line, option) in [
        (
            "--allow-password-prompt=yes f h:d",
            "--allow-password-prompt",
        ),
        ("--ignore-host-key=yes f h:d", "--ignore-host-key"),
    ] {
        assert_eq!(refusal(line), format!("option {option} takes no value"));
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    let long = "x".repeat(4_097);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    std::fs::write(&path, "\n").unwrap();
    let in_file = format!("-W@{} f h:d", path.display());
    let too_long = format!("-W {long} f h:d");
    let rule = "a token is one line of 1 to 4096 bytes";
    for (line, value, text) in [
        (too_long.as_str(), None, format!("option -W: {rule}")),
        (in_file.as_str(), None, format!("option -W: {rule}")),
        ("f h:d", Some("two\nlines"), format!("the environment variable ASPERA_SCP_TOKEN: {rule}")),
        ("-W@/no/such/file f h:d", None, "option -W: cannot read the token in '/no/such/file': No such file or directory (os error 2)".to_owned()),
        ("f h:d -W", None, "option -W needs a value".to_owned()),
    ] {
        let variables: Vec<_> = value.map(|value| ("ASPERA_SCP_TOKEN", value)).into_iter().collect();
        assert_eq!(with(line, &variables).err(), Some(text), "{line}");
    }
}
