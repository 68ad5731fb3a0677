//! One operand: `[[user[:password]@]host:]path`.
//!
//! Bytes in, bytes out: paths need not be UTF-8. Knows nothing of directions or other operands.
//!
//! Source: the grammar of the public option table. As with `scp`, a `/` before the first `:`
//! makes a path local. Ours: `user:password@host:path` is read only when the password holds no
//! `/` and a host name and `:` follow its `@`; otherwise the first word is the host.

use fasp_core::fault::Fault;

use super::growing::is_growing;
use super::secret::Secret;
use super::terminal::{printable, redacted};
use crate::failure::{Failure, Outcome};
use crate::storage::faux::is_faux;

/// Who logs in where, as far as one operand says it.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) host: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
}

/// One operand, understood.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// A path here, never empty.
    Local(Vec<u8>),
    /// A path there, `.` if nothing stood after the colon.
    Remote(Login, Vec<u8>),
}

struct Parts<'a> {
    user: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    host: &'a [u8],
    path: &'a [u8],
}

/// Standard input and output, which are always on this side.
const STREAMS: [&[u8]; 2] = [b"stdio://", b"stdio-tar://"];

/// Address schemes that name storage or streams instead of a host.
const SCHEMES: [&str; 9] = [
    "s3",
    "azu",
    "azure-files",
    "gs",
    "swift",
    "softlayer",
    "hdfs",
    "http",
    "https",
];

impl Operand {
    /// Reads one word of the command line.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for an empty word, an empty or impossible host or user, or a scheme.
    pub(super) fn parse(word: &[u8]) -> Outcome<Self> {
        refuse_scheme(word)?;
        let is_stream = STREAMS.iter().any(|stream| word.starts_with(stream));
        if is_stream || is_faux(word) || is_growing(word) {
            return local_path(word).map(Self::Local);
        }
        match split(word) {
            None => local_path(word).map(Self::Local),
            Some(parts) => {
                let login = login(&parts, word)?;
                Ok(Self::Remote(login, remote_path(parts.path)))
            }
        }
    }
}

/// The path of an operand that names no host.
pub(super) fn local_path(word: &[u8]) -> Outcome<Vec<u8>> {
    if word.is_empty() {
        return Err(usage(
            "a source or destination is empty; write '.' for the working folder",
        ));
    }
    Ok(word.to_vec())
}

/// The path on the far side; nothing means the folder one lands in.
pub(super) fn remote_path(word: &[u8]) -> Vec<u8> {
    if word.is_empty() {
        b".".to_vec()
    } else {
        word.to_vec()
    }
}

/// Stops at `stdio://` and the like, which would otherwise pass for a host of that name.
pub(super) fn refuse_scheme(word: &[u8]) -> Outcome<()> {
    let scheme = SCHEMES.iter().find(|scheme| {
        word.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
            && word
                .get(scheme.len()..)
                .is_some_and(|rest| rest.starts_with(b"://"))
    });
    match scheme {
        None => Ok(()),
        Some(scheme) => Err(usage(format!(
            "'{}': {scheme}:// paths are not available in this version",
            redacted(word)
        ))),
    }
}

/// The host of `--host`, with or without brackets.
pub(super) fn host_name(word: &[u8]) -> Outcome<String> {
    let bare = word
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"))
        .unwrap_or(word);
    let possible = !bare.is_empty()
        && !bare.starts_with(b"-")
        && bare
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'/' && *byte != b'@');
    match (possible, std::str::from_utf8(bare)) {
        (true, Ok(host)) => Ok(host.to_owned()),
        _ => Err(usage(format!(
            "'{}' is not a host name or address",
            printable(word)
        ))),
    }
}

/// The user of `--user` or before the `@`.
pub(super) fn user_name(word: &[u8]) -> Outcome<String> {
    match std::str::from_utf8(word) {
        Ok(user) if !user.is_empty() && !user.contains(char::is_control) => Ok(user.to_owned()),
        _ => Err(usage(format!("'{}' is not a user name", printable(word)))),
    }
}

fn login(parts: &Parts<'_>, word: &[u8]) -> Outcome<Login> {
    let named = |failure: Failure| {
        Failure::new(
            failure.fault,
            format!("{} in '{}'", failure.text, redacted(word)),
        )
    };
    let password = parts.password.map(|bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|_| {
            usage(format!(
                "the password in '{}' is not valid UTF-8 text",
                redacted(word)
            ))
        })
    });
    Ok(Login {
        host: host_name(parts.host).map_err(named)?,
        user: parts.user.map(user_name).transpose().map_err(named)?,
        password: password
            .transpose()?
            .filter(|text| !text.is_empty())
            .map(Secret::new),
    })
}

/// Where the host ends, if the word names one.
fn split(word: &[u8]) -> Option<Parts<'_>> {
    let (head, rest) = cut(word, b':')?;
    if head.is_empty() || head.contains(&b'/') {
        return None;
    }
    if !head.contains(&b'@')
        && let Some(parts) = split_password(head, rest)
    {
        return Some(parts);
    }
    let at = head.iter().rposition(|byte| *byte == b'@');
    let user = at.and_then(|at| head.get(..at));
    let after_user = at.map_or(0, |at| at + 1);
    let (host, path) = match word.get(after_user..)? {
        bracketed if bracketed.starts_with(b"[") => split_bracketed(bracketed)?,
        plain => cut(plain, b':')?,
    };
    Some(Parts {
        user,
        password: None,
        host,
        path,
    })
}

/// `password@host:path` behind `user:`. The first `@` that a host name and a colon follow ends
/// the password, so that a password may hold `@`.
fn split_password<'a>(user: &'a [u8], rest: &'a [u8]) -> Option<Parts<'a>> {
    let ats = rest.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    for (at, _) in ats {
        let password = rest.get(..at)?;
        if password.contains(&b'/') {
            return None;
        }
        let after = rest.get(at + 1..)?;
        let found = if after.starts_with(b"[") {
            split_bracketed(after)
        } else {
            cut(after, b':').filter(|(host, _)| is_plain_host(host))
        };
        if let Some((host, path)) = found {
            return Some(Parts {
                user: Some(user),
                password: Some(password),
                host,
                path,
            });
        }
    }
    None
}

/// `[address]:path`.
fn split_bracketed(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let (host, rest) = cut(word.strip_prefix(b"[")?, b']')?;
    Some((host, rest.strip_prefix(b":")?))
}

fn is_plain_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
}

fn cut(word: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = word.iter().position(|byte| *byte == mark)?;
    Some((word.get(..at)?, word.get(at + 1..)?))
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Fault::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(word: &str) -> (String, Option<String>, Option<String>, String) {
        match Operand::parse(word.as_bytes()).unwrap() {
            Operand::Remote(login, path) => (
                login.host,
                login.user,
                login.password.map(|password| password.expose().to_owned()),
                String::from_utf8(path).unwrap(),
            ),
            Operand::Local(_) => panic!("{word} was taken for a local path"),
        }
    }

    #[test]
    fn every_shape_of_a_remote_operand_is_split() {
        let table = [
            ("h:p", "h", None, None, "p"),
            ("u@h:/p/q", "h", Some("u"), None, "/p/q"),
            ("u@h:", "h", Some("u"), None, "."),
            ("me@corp.com@h:p", "h", Some("me@corp.com"), None, "p"),
            ("u:pw@h:p", "h", Some("u"), Some("pw"), "p"),
            (
                "u:p@w@h.example:p",
                "h.example",
                Some("u"),
                Some("p@w"),
                "p",
            ),
            ("u:p:w@h:p", "h", Some("u"), Some("p:w"), "p"),
            ("u:pw@[::1]:p", "::1", Some("u"), Some("pw"), "p"),
            ("[2001:db8::1]:/p", "2001:db8::1", None, None, "/p"),
            ("u@[fe80::1%eth1]:p", "fe80::1%eth1", Some("u"), None, "p"),
            ("h:a:b", "h", None, None, "a:b"),
            ("h:dir/a@b:c", "h", None, None, "dir/a@b:c"),
            ("h:mail@home", "h", None, None, "mail@home"),
            ("u@h:a@b:c", "h", Some("u"), None, "a@b:c"),
            (
                "ftp-private.ncbi.nlm.nih.gov:x",
                "ftp-private.ncbi.nlm.nih.gov",
                None,
                None,
                "x",
            ),
        ];
        for (word, host, user, password, path) in table {
            let expected = (
                host.to_owned(),
                user.map(str::to_owned),
                password.map(str::to_owned),
                path.to_owned(),
            );
            assert_eq!(remote(word), expected, "{word}");
        }
    }

    #[test]
    fn a_slash_before_the_colon_makes_a_path_local() {
        for word in ["f", "./a:b", "/a:b", "d/u@h:p", ":odd", "-", "[x]", "[a:b"] {
            let Operand::Local(path) = Operand::parse(word.as_bytes()).unwrap() else {
                panic!("{word} was taken for a remote path");
            };
            assert_eq!(path, word.as_bytes());
        }
    }

    #[test]
    fn bytes_that_are_no_text_survive_in_a_path() {
        let Operand::Remote(_, path) = Operand::parse(b"h:\xff\n\xfe").unwrap() else {
            panic!("taken for a local path");
        };
        assert_eq!(path, b"\xff\n\xfe");
    }

    #[test]
    fn impossible_operands_are_named_without_their_password() {
        for word in ["", "u@:p", "@h:p", "a b:p", "-oProxy:p", "u:pw@-h:p"] {
            let failure = Operand::parse(word.as_bytes()).unwrap_err();
            assert_eq!(failure.fault, Fault::Usage, "{word}");
            assert!(!failure.text.contains("pw"), "{}", failure.text);
        }
    }

    #[test]
    fn a_scheme_is_not_taken_for_a_host() {
        for word in ["S3://b/k", "gs://b/f"] {
            let failure = Operand::parse(word.as_bytes()).unwrap_err();
            assert!(failure.text.contains("not available"), "{}", failure.text);
        }
        assert_eq!(remote("files://x").0, "files");
    }

    #[test]
    fn streams_and_made_up_files_are_on_this_side_without_a_host() {
        for word in [
            "faux:///f?1k",
            "faux://",
            "stdio://",
            "stdio:///f?3",
            "stdio-tar://",
            "file:///f?grow=5",
        ] {
            let Operand::Local(path) = Operand::parse(word.as_bytes()).unwrap() else {
                panic!("{word} was taken for a remote path");
            };
            assert_eq!(path, word.as_bytes());
        }
        let (host, _, _, path) = remote("u@h:faux:///f?1k");
        assert_eq!((host.as_str(), path.as_str()), ("h", "faux:///f?1k"));
    }

    #[test]
    fn no_debug_output_shows_the_password() {
        let operand = Operand::parse(b"u:secret@h:p").unwrap();
        assert!(!format!("{operand:?}").contains("secret"));
    }
}
