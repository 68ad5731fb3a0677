//! What the options about checksums, manifests, labels and block sizes stand for.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::ArgMatches;
use fasp_core::control::{ChecksumKind, MAX_LABEL};
use russh::keys::ssh_encoding::base64::{Base64, Encoding};

use super::{judged, text, usage};
use crate::cli::environment::{COOKIE_VARIABLE, Environment};
use crate::cli::json;
use crate::cli::quantity;
use crate::cli::settings::{
    DEFAULT_MANIFEST_SUFFIX, DEFAULT_REMOTE_PROGRAM, Labels, ManifestWish, RecordWishes,
    SelectionWishes,
};
use crate::cli::terminal::redacted;
use crate::failure::Outcome;

/// Most bytes of `-g` and `-G`.
const MOST_BLOCK_BYTES: u64 = 500 << 20;
/// Most bytes of the suffix of a manifest: its whole name must fit a file system.
const MOST_SUFFIX_BYTES: usize = 64;
/// Most bytes of `-S`.
const MOST_PROGRAM_BYTES: usize = 512;

pub(super) fn records(
    matches: &ArgMatches,
    environment: &dyn Environment,
) -> Outcome<RecordWishes> {
    Ok(RecordWishes {
        checksum: checksum(matches)?,
        manifest: manifest(matches)?,
        job_size: matches.get_flag("precalculate-job-size"),
        labels: labels(matches, environment)?,
        remote_log: remote_log(matches)?,
        remote_program: remote_program(matches)?,
        read_size: block_size(matches, "read-size", "-g")?,
        write_size: block_size(matches, "write-size", "-G")?,
    })
}

fn checksum(matches: &ArgMatches) -> Outcome<Option<ChecksumKind>> {
    let Some(typed) = text(matches, "file-checksum", "--file-checksum")? else {
        return Ok(None);
    };
    let plain = typed.replace('-', "").to_ascii_lowercase();
    if plain == "none" {
        return Ok(None);
    }
    let found = ChecksumKind::ALL
        .into_iter()
        .find(|kind| kind.name().replace('-', "") == plain);
    found.map(Some).ok_or_else(|| {
        usage(format!(
            "option --file-checksum: '{}' is none of md5, sha1, sha-256, sha-384, sha-512, none",
            redacted(typed.as_bytes())
        ))
    })
}

fn manifest(matches: &ArgMatches) -> Outcome<Option<ManifestWish>> {
    let folder = matches.get_one::<OsString>("file-manifest-path");
    let suffix = text(
        matches,
        "file-manifest-inprogress-suffix",
        "--file-manifest-inprogress-suffix",
    )?;
    match text(matches, "file-manifest", "--file-manifest")? {
        Some("none") => return Ok(None),
        None if folder.is_some() || suffix.is_some() => {
            return Err(usage(
                "options --file-manifest-path and --file-manifest-inprogress-suffix need --file-manifest=text",
            ));
        }
        None => return Ok(None),
        Some("text") => {}
        Some(other) => {
            return Err(usage(format!(
                "option --file-manifest: '{}' is neither text nor none",
                redacted(other.as_bytes())
            )));
        }
    }
    let Some(folder) = folder.filter(|folder| !folder.is_empty()) else {
        return Err(usage(
            "option --file-manifest=text needs --file-manifest-path with a folder of this computer",
        ));
    };
    let suffix = suffix.unwrap_or(DEFAULT_MANIFEST_SUFFIX);
    let usable = suffix.len() <= MOST_SUFFIX_BYTES && !suffix.contains(['/', '\0']);
    if suffix.is_empty() || !usable {
        return Err(usage(format!(
            "option --file-manifest-inprogress-suffix: '{}' cannot end the name of a file",
            redacted(suffix.as_bytes())
        )));
    }
    Ok(Some(ManifestWish {
        folder: PathBuf::from(folder),
        suffix: suffix.to_owned(),
    }))
}

fn labels(matches: &ArgMatches, environment: &dyn Environment) -> Outcome<Labels> {
    let cookie = match environment.variable(COOKIE_VARIABLE) {
        Some(cookie) if !cookie.is_empty() => Some(cookie.into_string().map_err(|_| {
            usage(format!(
                "the environment variable {COOKIE_VARIABLE} is not valid UTF-8 text"
            ))
        })?),
        _ => None,
    };
    let about_cookie = format!("the environment variable {COOKIE_VARIABLE}");
    let user_string = raw_text(matches, "user-string", "-u")?;
    Ok(Labels {
        cookie: short_enough(cookie, &about_cookie)?,
        user_string: short_enough(user_string, "option -u")?,
        tags: tags(matches)?,
    })
}

fn tags(matches: &ArgMatches) -> Outcome<Option<String>> {
    let (tags, option) = match raw_text(matches, "tags64", "--tags64")? {
        Some(encoded) => (Some(decoded(&encoded)?), "--tags64"),
        None => (raw_text(matches, "tags", "--tags")?, "--tags"),
    };
    let tags = short_enough(tags, &format!("option {option}"))?;
    if let Some(tags) = &tags {
        json::check(tags)
            .map_err(|error| usage(format!("option {option}: not valid JSON: {error}")))?;
    }
    Ok(tags)
}

fn decoded(encoded: &str) -> Outcome<String> {
    let encoded: String = encoded.split_ascii_whitespace().collect();
    let mut padded = encoded.trim_end_matches('=').to_owned();
    while !padded.len().is_multiple_of(4) {
        padded.push('=');
    }
    Base64::decode_vec(&padded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| usage("option --tags64: the value is not text in base64"))
}

/// A value whose blanks count.
fn raw_text(matches: &ArgMatches, id: &str, option: &str) -> Outcome<Option<String>> {
    // Judges that it is text.
    text(matches, id, option)?;
    let word = matches.get_one::<OsString>(id);
    Ok(word.and_then(|word| word.to_str()).map(str::to_owned))
}

fn short_enough(words: Option<String>, what: &str) -> Outcome<Option<String>> {
    match words {
        Some(words) if words.len() > MAX_LABEL => Err(usage(format!(
            "{what}: {} bytes are too many; at most {MAX_LABEL} can be sent",
            words.len()
        ))),
        words => Ok(words),
    }
}

fn remote_log(matches: &ArgMatches) -> Outcome<Option<Vec<u8>>> {
    match matches.get_one::<OsString>("remote-log") {
        None => Ok(None),
        Some(word) if word.is_empty() => Err(usage("option -R needs a folder at the server")),
        Some(word) if word.len() > MAX_LABEL => Err(usage("option -R: the path is too long")),
        Some(word) => Ok(Some(word.as_bytes().to_vec())),
    }
}

/// What a user should know of these wishes.
pub(super) fn notes(records: &RecordWishes, selection: &SelectionWishes) -> Option<String> {
    let passes_over = records.job_size && selection.list.is_some();
    passes_over.then(|| "--precalculate-job-size does not count the sources of a list".to_owned())
}

/// One word that no shell takes for more than a name or a path.
fn remote_program(matches: &ArgMatches) -> Outcome<String> {
    let Some(word) = text(matches, "remote-program", "-S")? else {
        return Ok(DEFAULT_REMOTE_PROGRAM.to_owned());
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-/".contains(&byte);
    let safe = !word.is_empty()
        && word.len() <= MOST_PROGRAM_BYTES
        && !word.starts_with('-')
        && word.bytes().all(is_plain);
    if safe {
        return Ok(word.to_owned());
    }
    Err(usage(format!(
        "option -S: '{}' is not the name or path of one program \
         (letters, digits and . _ + - / only)",
        redacted(word.as_bytes())
    )))
}

fn block_size(matches: &ArgMatches, id: &str, option: &str) -> Outcome<Option<u32>> {
    let Some(word) = text(matches, id, option)? else {
        return Ok(None);
    };
    let bytes =
        quantity::byte_count(word, MOST_BLOCK_BYTES).map_err(|error| judged(option, &error))?;
    Ok(u32::try_from(bytes).ok())
}
