//! Who may log in to the daemon: public keys and password hashes, read from files.
//!
//! Both files are checked at start, loudly, and read again for every log-in, so that an added
//! or removed line counts at once.
//!
//! Source: sshd(8), section AUTHORIZED_KEYS FILE FORMAT, without options; password hashes are
//! those of [`password_hash`]. A line may be one of `/etc/shadow`: an account that is locked or has expired admits nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use fasp_core::fault::Fault;
use russh::keys::ssh_key::authorized_keys;
use russh::keys::{Algorithm, PublicKey};
use russh::{MethodKind, MethodSet};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::control_channel::server_text;
use crate::failure::{Failure, Outcome};

mod password_hash;

/// Password checks that may run at once: each takes tens of milliseconds and some 20 MiB.
const MAX_PASSWORD_CHECKS: usize = 2;

/// Longest login name (the limit of Linux systems).
const MAX_USER: usize = 256;

/// The accounts of one daemon.
pub(super) struct Accounts {
    authorized_keys: Option<PathBuf>,
    password_file: Option<PathBuf>,
    only_user: Option<String>,
    checks: Arc<Semaphore>,
    /// Decides which account's cost a name has that is none.
    stranger_key: [u8; 32],
}

/// One line of the password file.
#[derive(Clone)]
struct PasswordLine {
    user: String,
    hash: String,
}

impl Accounts {
    /// Checks both files once.
    pub(super) fn new(
        authorized_keys: Option<PathBuf>,
        password_file: Option<PathBuf>,
        only_user: Option<String>,
    ) -> Outcome<Self> {
        // What lies in a file for each user is looked at when that user comes.
        if let Some(path) = authorized_keys.as_ref().filter(|path| !is_per_user(path)) {
            read_keys(path)?;
        }
        if let Some(path) = &password_file {
            read_passwords(path)?;
        }
        if authorized_keys.is_none() && password_file.is_none() {
            return Err(bad(
                "nobody could log in: give --authorized-keys FILE, --password-file FILE or both",
            ));
        }
        Ok(Self {
            authorized_keys,
            password_file,
            only_user,
            checks: Arc::new(Semaphore::new(MAX_PASSWORD_CHECKS)),
            stranger_key: crate::session::random()?,
        })
    }

    /// The ways to log in that can succeed.
    pub(super) fn methods(&self) -> MethodSet {
        let mut methods = MethodSet::empty();
        if self.authorized_keys.is_some() {
            methods.push(MethodKind::PublicKey);
        }
        if self.password_file.is_some() {
            methods.push(MethodKind::Password);
        }
        methods
    }

    /// Whether `key` may log in as `user`.
    pub(super) fn admits_key(&self, user: &str, key: &PublicKey) -> Outcome<bool> {
        let Some(path) = &self.authorized_keys else {
            return Ok(false);
        };
        let Some(path) = keys_of(path, user) else {
            return Ok(false);
        };
        if !self.checked_at_start(&path) && !path.exists() {
            return Ok(false);
        }
        let keys = read_keys(&path)?;
        let listed = keys.iter().any(|known| known.key_data() == key.key_data());
        Ok(listed && self.knows(user))
    }

    /// Whether `path` is a file that must be there.
    fn checked_at_start(&self, path: &Path) -> bool {
        self.authorized_keys.as_deref() == Some(path)
    }

    /// Whether `password` is the one of `user`; takes as long for an unknown user.
    pub(super) async fn admits_password(&self, user: &str, password: &str) -> Outcome<bool> {
        let Some(path) = &self.password_file else {
            return Ok(false);
        };
        let lines = read_passwords(path)?;
        let listed = lines.iter().find(|line| line.user == user);
        let knows = listed.is_some() && self.knows(user);
        let Some(line) = listed.or_else(|| self.stand_in(&lines, user)).cloned() else {
            return Ok(false);
        };
        let password = Zeroizing::new(password.to_owned());
        let turn = Arc::clone(&self.checks).acquire_owned().await;
        let verified = tokio::task::spawn_blocking(move || {
            // Held by the work itself: a client that hangs up does not make room for another.
            let _turn = turn;
            password_hash::verify(&line.hash, &password)
        });
        Ok(verified.await.unwrap_or(false) && knows)
    }

    /// The line that is checked for a name that has none: always the same one, so that a stranger costs what some
    /// account costs, whatever kinds of hashes there are.
    fn stand_in<'l>(&self, lines: &'l [PasswordLine], user: &str) -> Option<&'l PasswordLine> {
        let hash = blake3::keyed_hash(&self.stranger_key, user.as_bytes());
        let number = hash
            .as_bytes()
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let index = number.checked_rem(count)?;
        lines.get(usize::try_from(index).ok()?)
    }

    /// With keys alone any name will do, so it must at least be one: it goes into the log.
    fn knows(&self, user: &str) -> bool {
        is_a_name(user) && self.only_user.as_deref().is_none_or(|only| only == user)
    }
}

/// The line for a password file that lets `user` log in with `password`.
///
/// # Errors
///
/// [`Fault::BadConfiguration`] for a login name that cannot be written in the file.
pub(super) fn password_line(user: &str, password: &str) -> Outcome<String> {
    if !is_a_name(user) || user.contains(':') || user.starts_with('#') {
        return Err(bad(
            "the login name may not be empty, begin with # or a space, \
             or contain a colon or control characters",
        ));
    }
    if password.is_empty() {
        return Err(bad("the password on standard input is empty"));
    }
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| bad(&format!("cannot hash the password ({error})")))?;
    Ok(format!("{user}:{hash}"))
}

/// Stands for the login name in the path of `--authorized-keys`.
const USER_MARK: &str = "%u";

/// Whether every user has a file of keys.
pub(super) fn is_per_user(path: &Path) -> bool {
    path.to_string_lossy().contains(USER_MARK)
}

/// The file with the keys of `user`; none for a name that could lead elsewhere.
fn keys_of(path: &Path, user: &str) -> Option<PathBuf> {
    if !is_per_user(path) {
        return Some(path.to_owned());
    }
    let is_plain = is_a_name(user) && !user.contains('/') && !user.starts_with('.');
    is_plain.then(|| PathBuf::from(path.to_string_lossy().replace(USER_MARK, user)))
}

fn is_a_name(user: &str) -> bool {
    let harmless = server_text::one_line(user, MAX_USER);
    !user.is_empty() && user.len() <= MAX_USER && harmless == user
}

fn read_keys(path: &Path) -> Outcome<Vec<PublicKey>> {
    let text = read(path, "--authorized-keys")?;
    let mut keys = Vec::new();
    for (number, line) in meaningful_lines(&text) {
        let wrong = |why: &str| bad(&format!("{} line {number}: {why}", path.display()));
        let entry: authorized_keys::Entry = line
            .parse()
            .map_err(|_| wrong("not a public key in the form of authorized_keys"))?;
        if !entry.config_opts().is_empty() {
            return Err(wrong(
                "options before a key are not supported; remove them or the line",
            ));
        }
        let key = entry.public_key();
        if matches!(key.algorithm(), Algorithm::Dsa) {
            return Err(wrong("DSA keys are not accepted"));
        }
        keys.push(key.clone());
    }
    Ok(keys)
}

fn read_passwords(path: &Path) -> Outcome<Vec<PasswordLine>> {
    let text = Zeroizing::new(read(path, "--password-file")?);
    let mut lines = Vec::new();
    for (number, line) in meaningful_lines(&text) {
        let wrong = |why: &str| bad(&format!("{} line {number}: {why}", path.display()));
        let (user, rest) = line
            .split_once(':')
            .ok_or_else(|| wrong("expected user:hash (ascpd hash-password makes such a line)"))?;
        let (hash, dates) = rest.split_once(':').unwrap_or((rest, ""));
        if hash.starts_with(['!', '*']) || has_expired(dates, today()) {
            continue;
        }
        password_hash::check(hash).map_err(|why| wrong(&why))?;
        lines.push(PasswordLine {
            user: user.to_owned(),
            hash: hash.to_owned(),
        });
    }
    Ok(lines)
}

/// Whether the account of a line of `/etc/shadow` is over: `dates` are its fields behind the hash.
fn has_expired(dates: &str, today: u64) -> bool {
    let last_day = dates.split(':').nth(5).unwrap_or_default();
    last_day.parse::<u64>().is_ok_and(|day| today >= day)
}

/// Days since 1970.
fn today() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs() / 86_400)
}

fn meaningful_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index.saturating_add(1), line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn read(path: &Path, option: &str) -> Outcome<String> {
    std::fs::read_to_string(path)
        .map_err(|error| bad(&format!("{option} {}: {error}", path.display())))
}

fn bad(text: &str) -> Failure {
    Failure::new(Fault::BadConfiguration, text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_file_of_keys_for_each_user_is_found_by_plain_names_only() {
        let place = Path::new("/etc/keys/%u.pub");
        assert_eq!(
            keys_of(place, "bob"),
            Some(PathBuf::from("/etc/keys/bob.pub"))
        );
        for name in ["", "..", "../bob", "a/b", ".bob", "bob\n"] {
            assert_eq!(keys_of(place, name), None, "{name:?}");
        }
        let one = Path::new("/etc/keys");
        assert_eq!(keys_of(one, "../bob"), Some(one.to_owned()));
    }

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn comments_and_blank_lines_between_keys_are_passed_over() {
        let keys = file(&format!("# staff\n\n{KEY} bob at home\n{KEY}\n"));
        assert_eq!(read_keys(keys.path()).unwrap().len(), 2);
    }

    #[test]
    fn key_options_are_refused_with_their_line() {
        let keys = file(&format!("{KEY}\ncommand=\"date\",no-pty {KEY} bob\n"));
        let failure = read_keys(keys.path()).unwrap_err();
        assert!(failure.text.contains("line 2: options"), "{failure}");
        let keys = file("ssh-ed25519 nonsense\n");
        let failure = read_keys(keys.path()).unwrap_err();
        assert!(
            failure.text.contains("line 1: not a public key"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn a_hashed_password_admits_its_user_only() {
        let line = password_line("bob", "right").unwrap();
        let passwords = file(&format!("# accounts\n{line}\n"));
        let path = Some(passwords.path().to_owned());
        let accounts = Accounts::new(None, path.clone(), None).unwrap();
        assert!(accounts.admits_password("bob", "right").await.unwrap());
        assert!(!accounts.admits_password("bob", "wrong").await.unwrap());
        assert!(!accounts.admits_password("eve", "right").await.unwrap());
        let limited = Accounts::new(None, path, Some("alice".to_owned())).unwrap();
        assert!(!limited.admits_password("bob", "right").await.unwrap());
    }

    #[test]
    fn a_login_name_that_would_forge_log_lines_admits_nobody() {
        let keys = file(&format!("{KEY}\n"));
        let accounts = Accounts::new(Some(keys.path().to_owned()), None, None).unwrap();
        let key = PublicKey::from_openssh(KEY).unwrap();
        assert!(accounts.admits_key("bob", &key).unwrap());
        assert!(accounts.admits_key("b\u{f6}b smith", &key).unwrap());
        let long = "x".repeat(MAX_USER + 1);
        for user in [
            "",
            "bob\nascpd: all is well",
            "\x1b[2Jbob",
            "bob\u{202e}",
            " bob",
            &long,
        ] {
            assert!(!accounts.admits_key(user, &key).unwrap(), "{user:?}");
        }
    }

    #[tokio::test]
    async fn lines_of_a_shadow_file_admit_unless_they_are_locked_or_over() {
        let hash = "$6$PtvMhkCXqmtlk6/m$zAEJYS1fzDH8oWBiwgNK4pT.4haugPM740WZpFzmUjifrL8Wglyi6ilSDvOdozK14dwlfwX1GKTk9QYhjVo9U1";
        let text = format!(
            "old:{hash}:19000:0:99999:7::19001:\nbob:{hash}:19000:0:99999:7:::\nroot:!{hash}:19000::::::\ndaemon:*:19000::::::\n"
        );
        let passwords = file(&text);
        let accounts = Accounts::new(None, Some(passwords.path().to_owned()), None).unwrap();
        assert!(
            accounts
                .admits_password("bob", "correct horse")
                .await
                .unwrap()
        );
        for user in ["old", "root", "daemon", "eve"] {
            assert!(
                !accounts
                    .admits_password(user, "correct horse")
                    .await
                    .unwrap(),
                "{user}"
            );
        }
        assert!(!has_expired("19000:0:99999:7:::", 30_000));
        assert!(!has_expired("19000:0:99999:7::20000:", 19_999));
        assert!(has_expired("19000:0:99999:7::20000:", 20_000));
    }

    #[test]
    fn a_stranger_costs_what_one_and_the_same_account_costs() {
        let lines: Vec<PasswordLine> = (0..4)
            .map(|number| PasswordLine {
                user: format!("u{number}"),
                hash: String::new(),
            })
            .collect();
        let accounts =
            Accounts::new(Some(file("").path().with_file_name("%u")), None, None).unwrap();
        let of = |name: &str| accounts.stand_in(&lines, name).unwrap().user.clone();
        assert_eq!(of("eve"), of("eve"));
        let all: std::collections::BTreeSet<String> =
            (0..200).map(|n| of(&n.to_string())).collect();
        assert_eq!(all.len(), 4, "every kind of hash has its strangers");
        assert!(accounts.stand_in(&[], "eve").is_none());
    }

    #[test]
    fn a_plain_password_in_the_file_is_refused() {
        let passwords = file("bob:secret\n");
        let Err(failure) = read_passwords(passwords.path()) else {
            panic!("a plain password was taken for a hash");
        };
        assert!(failure.text.contains("line 1"), "{failure}");
        assert!(!failure.text.contains("secret"), "{failure}");
        assert!(password_line("bob:x", "p").is_err());
        assert!(password_line("bob", "").is_err());
    }

    #[test]
    fn a_daemon_without_accounts_does_not_start() {
        assert!(Accounts::new(None, None, None).is_err());
    }
}
