//! The log: where its lines go and what each looks like.
//!
//! One event is one line, whatever a file name or a peer puts into it. Says nothing of what the
//! events are; those are built in `session_lines`.
//!
//! Source: file name and line format are public facts. Ours: times are UTC, because a log is
//! compared with the one of the other side; without `-L` the client logs nowhere; a log that
//! cannot be opened is reported in the public words and the transfer goes on without it.

mod log_file;
pub mod session_lines;
mod timestamp;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use fasp_core::fault::Fault;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use self::log_file::LogFile;
use crate::cli::settings::{DEFAULT_LOG_BYTES, LogTarget};
use crate::cli::terminal::{print_stderr, print_stdout, printable};
use crate::failure::{Failure, Outcome};

/// The name of the log in the folder of `-L`.
pub const LOG_FILE_NAME: &str = "aspera-scp-transfer.log";

/// A handle on the log of this process; clones write to the same place.
#[derive(Clone, Debug)]
pub struct Logger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    debug_level: u8,
    sinks: Vec<Sink>,
}

#[derive(Clone, Debug)]
enum Sink {
    Stderr,
    File(Arc<Mutex<LogFile>>),
    #[cfg(test)]
    Memory(Arc<Mutex<Vec<String>>>),
}

/// The log file that could not be opened.
#[derive(Debug)]
pub struct CannotOpenLog {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub cause: io::Error,
}

impl fmt::Display for CannotOpenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::os::unix::ffi::OsStrExt;
        let path = printable(self.path.as_os_str().as_bytes());
        write!(f, "Cannot open log file: {path} ({})", self.cause)
    }
}

impl std::error::Error for CannotOpenLog {}

impl Logger {
    /// A log that keeps nothing.
    #[must_use]
    pub fn nowhere() -> Self {
        Self::with(Vec::new(), 0)
    }

    /// Opens the log of `target`; lines are added to a log that exists.
    ///
    /// `debug_level` 0 drops debug lines, 1 to 3 keep more of them.
    ///
    /// # Errors
    ///
    /// [`CannotOpenLog`] if the file in the folder cannot be written; the folder must exist.
    pub fn open(target: &LogTarget, debug_level: u8) -> Result<Self, CannotOpenLog> {
        let sinks = match target {
            LogTarget::Default => Vec::new(),
            LogTarget::Stderr => vec![Sink::Stderr],
            LogTarget::Directory { folder, most_bytes } => {
                vec![file_sink(open_in(folder, *most_bytes)?)]
            }
        };
        Ok(Self::with(sinks, debug_level))
    }

    /// Opens the log in `folder`, of which full files are renamed and `kept` old ones stay.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_keeping(
        folder: &Path,
        most_bytes: u64,
        kept: u32,
        debug_level: u8,
    ) -> Result<Self, CannotOpenLog> {
        let file = open_in(folder, most_bytes)?.keeping(kept);
        Ok(Self::with(vec![file_sink(file)], debug_level))
    }

    /// This log and the one in `folder`, where only a plain file will do for it.
    ///
    /// # Errors
    ///
    /// Why the file cannot be opened.
    pub(crate) fn and_folder(&self, folder: OwnedFd) -> Result<Self, Errno> {
        let file = LogFile::open(folder, DEFAULT_LOG_BYTES, true)?;
        let mut sinks = self.0.sinks.clone();
        sinks.push(file_sink(file));
        Ok(Self::with(sinks, self.0.debug_level))
    }

    /// Opens the log of `target`, or says on standard output, where programs look for it, that it cannot.
    ///
    /// # Errors
    ///
    /// The same sentence: who asks for a log wants no transfer without one.
    pub fn open_or_report(target: &LogTarget, debug_level: u8, quiet: bool) -> Outcome<Self> {
        Self::open(target, debug_level).map_err(|error| {
            if !quiet {
                print_stdout(&format!("{error}\n"));
            }
            Failure::new(Fault::BadConfiguration, error.to_string())
        })
    }

    /// Logs what everybody wants to know.
    pub fn log(&self, message: impl fmt::Display) {
        self.write("LOG", &message);
    }

    /// Logs a failure.
    pub fn error(&self, message: impl fmt::Display) {
        self.write("ERR", &message);
    }

    /// Logs what helps to find a fault, if the debug level is at least `level` (1 to 3).
    pub fn debug(&self, level: u8, message: impl fmt::Display) {
        if self.0.debug_level >= level {
            self.write("DBG", &message);
        }
    }

    fn with(sinks: Vec<Sink>, debug_level: u8) -> Self {
        Self(Arc::new(Inner { debug_level, sinks }))
    }

    /// Writes one line in one call, so that lines of several processes do not mix. A log that
    /// cannot take the line, say on a full disk, is no reason to stop the transfer.
    fn write(&self, severity: &str, message: &dyn fmt::Display) {
        if self.0.sinks.is_empty() {
            return;
        }
        let text = printable(message.to_string().as_bytes());
        for sink in &self.0.sinks {
            match sink {
                Sink::Stderr => print_stderr(&format!("{severity} {text}\n")),
                Sink::File(file) => {
                    let line = file_line(SystemTime::now(), severity, &text);
                    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                    let _full = file.write_line(&line);
                }
                #[cfg(test)]
                Sink::Memory(lines) => lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(format!("{severity} {text}")),
            }
        }
    }
}

fn file_sink(file: LogFile) -> Sink {
    Sink::File(Arc::new(Mutex::new(file)))
}

fn open_in(folder: &Path, most_bytes: u64) -> Result<LogFile, CannotOpenLog> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty())
        .and_then(|opened| LogFile::open(opened, most_bytes, false))
        .map_err(|cause| CannotOpenLog {
            path: folder.join(LOG_FILE_NAME),
            cause: cause.into(),
        })
}

/// `YYYY-MM-DD HH:MM:SS.mmm [pid-thread] LVL message`.
fn file_line(now: SystemTime, severity: &str, text: &str) -> String {
    let time = timestamp::utc(now);
    let process = std::process::id();
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    format!("{time} [{process:x}-{thread:08x}] {severity} {text}\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn lines_of(logger: &Logger) -> Vec<String> {
        match logger.0.sinks.as_slice() {
            [Sink::Memory(lines)] => lines.lock().unwrap().clone(),
            _ => panic!("not kept in memory"),
        }
    }

    #[test]
    fn a_file_line_has_the_public_shape() {
        let now = UNIX_EPOCH + Duration::from_millis(1_598_043_588_622);
        let line = file_line(now, "LOG", "text");
        let process = std::process::id();
        let start = format!("2020-08-21 20:59:48.622 [{process:x}-");
        assert!(line.starts_with(&start), "{line}");
        let rest = line.strip_prefix(&start).unwrap();
        let (thread, text) = rest.split_once(']').unwrap();
        assert_eq!(thread.len(), 8);
        assert!(thread.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_eq!(text, " LOG text\n");
    }

    #[test]
    fn one_event_is_one_line_whatever_it_contains() {
        let logger = Logger::with(vec![Sink::Memory(Arc::default())], 0);
        logger.log("name=a\nLOG forged\r\x1b[2J");
        logger.error("failed");
        assert_eq!(
            lines_of(&logger),
            ["LOG name=a\\nLOG forged\\r\\x1b[2J", "ERR failed"]
        );
    }

    #[test]
    fn debug_lines_are_kept_up_to_the_level_asked_for() {
        let logger = Logger::with(vec![Sink::Memory(Arc::default())], 2);
        for level in 1..=3 {
            logger.debug(level, format_args!("level {level}"));
        }
        assert_eq!(lines_of(&logger), ["DBG level 1", "DBG level 2"]);
    }

    #[test]
    fn threads_share_one_file_and_old_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOG_FILE_NAME);
        std::fs::write(&path, "old\n").unwrap();
        let target = LogTarget::Directory {
            folder: folder.path().to_owned(),
            most_bytes: DEFAULT_LOG_BYTES,
        };
        let logger = Logger::open(&target, 0).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let logger = logger.clone();
                std::thread::spawn(move || {
                    for _ in 0..50 {
                        logger.log(format_args!("from {number}"));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("old\n"));
        assert_eq!(
            text.lines()
                .filter(|line| line.contains("] LOG from "))
                .count(),
            200
        );
        assert_eq!(text.lines().count(), 201);
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_named_in_the_public_words() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = Logger::open(
            &LogTarget::Directory {
                folder: missing,
                most_bytes: DEFAULT_LOG_BYTES,
            },
            0,
        )
        .unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("Cannot open log file: /"), "{text}");
        assert!(text.contains("missing/aspera-scp-transfer.log"), "{text}");
    }
}
