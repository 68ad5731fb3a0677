//! The list of transferred files that the user asked for (`--file-manifest=text`).
//!
//! One line a file, written as files end, under a temporary suffix until the run is over; then it is brought to the
//! disk and gets its name. The layout is ours and is described in DECISIONS.md.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use fasp_core::fault::Fault;

use crate::cli::progress::Completion;
use crate::cli::settings::{Direction, ManifestWish};
use crate::cli::terminal::printable;
use crate::driver::{FileReport, FileVerdict};
use crate::failure::{Failure, Outcome};

/// A manifest being written.
#[derive(Debug)]
pub(crate) struct Manifest {
    path: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    /// The first line that could not be written.
    failure: Option<std::io::Error>,
}

impl Manifest {
    /// Begins the manifest of the transfer `id`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the file cannot be made; the folder must exist.
    pub(crate) fn begin(wish: &ManifestWish, id: &str, direction: Direction) -> Outcome<Self> {
        let name = format!("aspera-transfer-{id}-manifest.txt");
        let path = wish.folder.join(&name);
        let unfinished = wish.folder.join(format!("{name}{}", wish.suffix));
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&unfinished);
        let file = opened.map_err(|error| cannot_write(&unfinished, &error))?;
        let mut this = Self {
            path,
            unfinished,
            file: BufWriter::new(file),
            failure: None,
        };
        let direction = match direction {
            Direction::Send => "send",
            Direction::Receive => "recv",
        };
        this.line(&format!(
            "# ascp manifest 1 transfer={id} direction={direction}"
        ));
        this.line("# status size checksum \"name\" [reason]");
        Ok(this)
    }

    /// Enters a file that is over.
    pub(crate) fn enter(&mut self, report: &FileReport) {
        let (status, reason) = match &report.verdict {
            FileVerdict::Delivered => ("ok", None),
            FileVerdict::Skipped => ("skipped", None),
            FileVerdict::Failed(failure) => ("failed", Some(failure)),
        };
        let checksum = report.checksum.as_ref();
        let checksum = checksum.map_or_else(|| "-".to_owned(), ToString::to_string);
        let mut line = format!(
            "{status} {} {checksum} {}",
            report.size,
            quoted(&report.name)
        );
        if let Some(failure) = reason {
            let _infallible = write!(line, " {}", quoted(failure.text.as_bytes()));
        }
        self.line(&line);
    }

    /// Ends the list, brings it to the disk and gives it its name.
    ///
    /// # Errors
    ///
    /// [`Fault::DiskWrite`] if not all of it could be written; what there is keeps the temporary name.
    pub(crate) fn finish(
        mut self,
        completion: &Completion,
        failure: Option<&Failure>,
    ) -> Outcome<PathBuf> {
        let status = if failure.is_none() {
            "success"
        } else {
            "failed"
        };
        self.line(&format!(
            "# end status={status} files={} failed={} skipped={} bytes={}",
            completion.files, completion.failed, completion.skipped, completion.bytes
        ));
        let Self {
            path,
            unfinished,
            file,
            failure,
        } = self;
        let written = match failure {
            Some(error) => Err(error),
            None => file.into_inner().map_err(|error| error.into_error()),
        };
        let named = written.and_then(|file| {
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)?;
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or_else(|| ".".as_ref()))?.sync_all()
        });
        match named {
            Ok(()) => Ok(path),
            Err(error) => Err(Failure::new(
                Fault::DiskWrite,
                cannot_write(&unfinished, &error).text,
            )),
        }
    }

    fn line(&mut self, line: &str) {
        if self.failure.is_none() {
            let written = self.file.write_all(line.as_bytes());
            self.failure = written.and_then(|()| self.file.write_all(b"\n")).err();
        }
    }
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Failure {
    let path = printable(path.as_os_str().as_bytes());
    let text = format!("cannot write the file manifest {path} ({error})");
    Failure::new(Fault::BadConfiguration, text)
}

/// `bytes` in quotes, so that they can be had back whatever they are: `\\`, `\"`, and `\xHH` for what is not
/// printable ASCII.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for byte in bytes {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _infallible = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fasp_core::control::ChecksumKind;

    use super::*;
    use crate::storage::checksum::Checksum;

    fn report(name: &[u8], verdict: FileVerdict) -> FileReport {
        let delivered = verdict == FileVerdict::Delivered;
        FileReport {
            object: Some(1),
            name: name.to_vec(),
            size: 3,
            start_byte: 0,
            elapsed: Some(Duration::ZERO),
            verdict,
            peer_gave_up: false,
            is_folder: false,
            checksum: delivered.then(|| Checksum {
                kind: ChecksumKind::Md5,
                bytes: vec![0xAB; 16],
            }),
        }
    }

    #[test]
    fn a_manifest_is_whole_under_its_name_and_says_what_became_of_each_file() {
        let folder = tempfile::tempdir().unwrap();
        let wish = ManifestWish {
            folder: folder.path().to_owned(),
            suffix: ".tmp".to_owned(),
        };
        let mut it = Manifest::begin(&wish, "u-1", Direction::Send).unwrap();
        let unfinished = folder.path().join("aspera-transfer-u-1-manifest.txt.tmp");
        assert!(unfinished.exists());
        it.enter(&report(b"a \"b\"\\\n\xff", FileVerdict::Delivered));
        it.enter(&report(b"there", FileVerdict::Skipped));
        let failure = Failure::new(Fault::NoSuchFile, "gone: \"x\"");
        it.enter(&report(b"x", FileVerdict::Failed(failure.clone())));
        let completion = Completion {
            bytes: 3,
            elapsed: Duration::ZERO,
            files: 1,
            failed: 1,
            skipped: 1,
        };
        let path = it.finish(&completion, Some(&failure)).unwrap();
        assert!(!unfinished.exists());
        assert_eq!(path, folder.path().join("aspera-transfer-u-1-manifest.txt"));
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            "# ascp manifest 1 transfer=u-1 direction=send\n\
             # status size checksum \"name\" [reason]\n\
             ok 3 md5:abababababababababababababababab \"a \\\"b\\\"\\\\\\x0a\\xff\"\n\
             skipped 3 - \"there\"\n\
             failed 3 - \"x\" \"gone: \\\"x\\\"\"\n\
             # end status=failed files=1 failed=1 skipped=1 bytes=3\n"
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_made_is_named() {
        let wish = ManifestWish {
            folder: "/proc/no/such".into(),
            suffix: ".tmp".to_owned(),
        };
        let failure = Manifest::begin(&wish, "u", Direction::Send).unwrap_err();
        assert!(failure.text.contains("/proc/no/such/aspera-transfer-u-"));
    }

    #[test]
    fn quoted_names_are_different_for_different_bytes() {
        assert_eq!(quoted(b"\\x0a"), "\"\\\\x0a\"");
        assert_eq!(quoted(b"\n"), "\"\\x0a\"");
        assert_eq!(quoted("ü".as_bytes()), "\"\\xc3\\xbc\"");
    }
}
