//! What a server allows and does about records of a session: checksums, lists, logs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fasp_core::control::ChecksumKind;
use fasp_core::fault::Fault;

use crate::cli::settings::{LogTarget, ManifestWish};
use crate::configuration::Effective;
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;

/// How often a session that runs is logged if nobody says.
const STATS_INTERVAL: Duration = Duration::from_secs(20);

/// Checksums, lists and logs of one session, as the server wants them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RecordRules {
    /// The checksum of every file where the client asks for none, and the only one it may ask for.
    pub checksum: Option<ChecksumKind>,
    /// A client may have the session logged to a folder below what it can reach (`-R`).
    pub client_log_folders: bool,
    /// A list of the files of every session.
    pub manifest: Option<ManifestWish>,
    /// Complete files have a line in the log; failed ones always have.
    pub logs_files: bool,
    /// How often a session that runs has a line in the log; never without it.
    pub stats_interval: Option<Duration>,
    /// Where the log goes, if the configuration says.
    pub log: LogRules,
}

/// The log of a user's sessions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogRules {
    /// The folder of the log and its most bytes.
    pub folder: Option<(PathBuf, u64)>,
    /// Old files of it that are kept.
    pub kept: u32,
    /// Debug level 0 to 3; `None`: as the program was started.
    pub level: Option<u8>,
    /// Nothing is logged.
    pub off: bool,
}

impl Default for LogRules {
    fn default() -> Self {
        Self {
            folder: None,
            kept: 9,
            level: None,
            off: false,
        }
    }
}

impl Default for RecordRules {
    fn default() -> Self {
        Self {
            checksum: None,
            client_log_folders: true,
            manifest: None,
            logs_files: true,
            stats_interval: Some(STATS_INTERVAL),
            log: LogRules::default(),
        }
    }
}

impl RecordRules {
    /// The rules for the user of `settings`, whose home folder is `home`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] for a manifest without a folder, and for an unknown word.
    pub fn new(settings: &Effective<'_>, home: Option<&str>) -> Outcome<Self> {
        let checksum = settings.word("file_system/file_checksum");
        let named = |kind: &ChecksumKind| {
            checksum.is_some_and(|word| word.eq_ignore_ascii_case(&kind.name().replace('-', "")))
        };
        Ok(Self {
            checksum: ChecksumKind::ALL.into_iter().find(named),
            client_log_folders: true,
            manifest: manifest(settings, home)?,
            logs_files: settings.is_on("transfer/log_files_activity"),
            stats_interval: settings
                .number("transfer/log_stats_interval")
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            log: LogRules::new(settings),
        })
    }
}

impl LogRules {
    fn new(settings: &Effective<'_>) -> Self {
        let level = settings.said("logging/level").map(str::to_ascii_lowercase);
        let megabytes = settings.number("logging/log_size").unwrap_or(10);
        let kept = settings.number("logging/log_count");
        let kept = kept.and_then(|kept| u32::try_from(kept).ok());
        Self {
            folder: settings
                .said("logging/directory")
                .map(|folder| (folder.into(), megabytes.max(1).saturating_mul(1 << 20))),
            kept: kept.unwrap_or(9),
            level: match level.as_deref() {
                Some("log") => Some(0),
                Some("dbg1") => Some(1),
                Some("dbg2") => Some(2),
                _ => None,
            },
            off: level.as_deref() == Some("disable"),
        }
    }

    /// The log of a session where the program's own arguments say `target` and `level`, which go first.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the log cannot be opened.
    pub(super) fn open(&self, target: &LogTarget, level: u8) -> Outcome<Logger> {
        let level = level.max(self.level.unwrap_or(0));
        if self.off && *target == LogTarget::Default {
            return Ok(Logger::nowhere());
        }
        let opened = match (&self.folder, target) {
            (Some((folder, most_bytes)), LogTarget::Default) => {
                Logger::open_keeping(folder, *most_bytes, self.kept, level)
            }
            (None, LogTarget::Default) => Logger::open(&LogTarget::Stderr, level),
            (_, target) => Logger::open(target, level),
        };
        opened.map_err(|error| Failure::new(Fault::BadConfiguration, error.to_string()))
    }
}

fn manifest(settings: &Effective<'_>, home: Option<&str>) -> Outcome<Option<ManifestWish>> {
    let wrong = |text: &str| Failure::new(Fault::BadConfiguration, text);
    match settings.word("file_system/file_manifest") {
        Some(word) if word.eq_ignore_ascii_case("text") => {}
        _ => return Ok(None),
    }
    let folder = settings
        .said("file_system/file_manifest_path")
        .ok_or_else(|| wrong("file_manifest needs file_manifest_path, the folder for the lists"))?;
    let folder = match (Path::new(folder).is_absolute(), home) {
        (true, _) => PathBuf::from(folder),
        (false, Some(home)) => Path::new(home).join(folder),
        (false, None) => {
            return Err(wrong(
                "file_manifest_path must be absolute: the user has no home folder",
            ));
        }
    };
    let suffix = settings.word("file_system/file_manifest_inprogress_suffix");
    Ok(Some(ManifestWish {
        folder,
        suffix: suffix.unwrap_or(".aspera-inprogress").to_owned(),
    }))
}
