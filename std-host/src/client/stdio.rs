//! Standard input as a source and standard output as a destination: `stdio://` and `stdio-tar://`.
//!
//! What comes from standard input is first written to a private folder, since lost pieces are sent again; what goes to
//! standard output leaves file by file, each once it is complete and checked. So a reader never sees a wrong byte, and
//! the disk for temporary files must have room: for all of the input, or for what was received and not written yet.
//!
//! Source: the public description of these paths; the frames of `stdio-tar` are those that working programs read and
//! write: an empty line, `File: NAME`, a zero byte, an empty line's end, `Size: N`, `Offset: N` if it is not 0, an
//! empty line, and the bytes.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

use fasp_core::fault::Fault;

use crate::cli::settings::{Direction, TransferSettings};
use crate::cli::terminal::printable;
use crate::failure::{Failure, Outcome};
use crate::session::fresh_uuid;

/// The name of what comes without one.
const NAMELESS: &str = "stdin";
/// Most bytes of a line of a frame.
const MOST_LINE: u64 = 8_192;

/// One of these paths.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stream<'p> {
    /// `stdio:///name?size`: the bytes of one file.
    Raw { name: &'p [u8], query: &'p [u8] },
    /// `stdio-tar://`: files in frames.
    Framed,
}

fn stream(path: &[u8]) -> Option<Stream<'_>> {
    if path == b"stdio-tar://" || path == b"stdio-tar:///" {
        return Some(Stream::Framed);
    }
    let rest = path.strip_prefix(b"stdio://")?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    let question = rest.iter().position(|byte| *byte == b'?');
    let (name, query) = rest.split_at(question.unwrap_or(rest.len()));
    let query = query.strip_prefix(b"?").unwrap_or_default();
    Some(Stream::Raw { name, query })
}

/// Files on their way from standard input or to standard output.
#[derive(Debug)]
pub(super) struct Stdio {
    folder: PathBuf,
    /// What is received goes out in frames.
    framed: bool,
}

impl Stdio {
    /// Looks for these paths in `settings`, reads all of standard input if it is a source, and puts paths of files in
    /// their place. `None` if there are none. Dropped while it reads it leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] if a path or a frame is wrong or there are not as many bytes as were announced,
    /// [`Fault::DiskWrite`] if they cannot be kept.
    pub(super) async fn prepare(settings: &mut TransferSettings) -> Outcome<Option<Self>> {
        let is_source = settings.direction == Direction::Send;
        let streams: Vec<bool> = if is_source {
            let sources = settings.sources.iter();
            sources.map(|path| stream(path).is_some()).collect()
        } else {
            vec![stream(&settings.destination).is_some()]
        };
        match streams.iter().filter(|is_stream| **is_stream).count() {
            0 => return Ok(None),
            1 => {}
            _ => return Err(usage("standard input can be a source only once")),
        }
        let mut this = Self::begin()?;
        if !is_source {
            this.framed = stream(&settings.destination) == Some(Stream::Framed);
            settings.destination = this.folder.as_os_str().as_bytes().to_vec();
            settings.create_destination = false;
            settings.quiet = true;
            return Ok(Some(this));
        }
        let (spool, sources) = (this.spool(), settings.sources.clone());
        // Nothing interrupts the reading of standard input: that thread ends with the process.
        let reading = move || spool.take_all(sources, &mut io::stdin().lock());
        let taken = tokio::task::spawn_blocking(reading).await;
        settings.sources = taken.map_err(|_| Failure::from(Fault::InternalError))??;
        Ok(Some(this))
    }

    fn begin() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("ascp-stdio-{}", fresh_uuid()?));
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| cannot_keep(&folder, &error))?;
        Ok(Self {
            folder,
            framed: false,
        })
    }

    fn spool(&self) -> Spool {
        Spool {
            folder: self.folder.clone(),
        }
    }

    /// Writes a received file to `output` and forgets it.
    ///
    /// # Errors
    ///
    /// [`Fault::DiskWrite`] if the reader is gone.
    pub(super) fn give_out(&self, name: &[u8], output: &mut dyn Write) -> Outcome<()> {
        let path = self.folder.join(path_of(name));
        let mut copy = || {
            let mut file = File::open(&path)?;
            if self.framed {
                let size = file.metadata()?.len();
                output.write_all(b"\nFile: ")?;
                output.write_all(name)?;
                write!(output, "\0\nSize: {size}\n\n")?;
            }
            io::copy(&mut file, output)?;
            output.flush()?;
            fs::remove_file(&path)
        };
        copy().map_err(|error| {
            let text = format!(
                "cannot write '{}' to standard output ({error})",
                printable(name)
            );
            Failure::new(Fault::DiskWrite, text)
        })
    }
}

/// Where standard input is kept.
#[derive(Debug)]
struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The sources, with the paths of files in the place of streams.
    fn take_all(&self, sources: Vec<Vec<u8>>, input: &mut dyn BufRead) -> Outcome<Vec<Vec<u8>>> {
        let mut paths = Vec::new();
        for path in sources {
            match stream(&path) {
                None => paths.push(path),
                Some(stream) => paths.extend(self.take(stream, input)?),
            }
        }
        Ok(paths)
    }

    /// Keeps what `stream` brings; the paths of it.
    fn take(&self, stream: Stream<'_>, input: &mut dyn BufRead) -> Outcome<Vec<Vec<u8>>> {
        match stream {
            Stream::Framed => self.take_frames(input),
            Stream::Raw { name, query } => {
                let name = match name.rsplit(|byte| *byte == b'/').next() {
                    None | Some(b"") => NAMELESS.as_bytes(),
                    Some(name) => name,
                };
                let path = self.place(name)?;
                let size = match std::str::from_utf8(query) {
                    Ok("") => None,
                    Ok(digits) => Some(digits.parse::<u64>().map_err(|_| {
                        usage(format!(
                            "'?{digits}' behind stdio:// is not a number of bytes"
                        ))
                    })?),
                    Err(_) => return Err(usage("what follows '?' behind stdio:// is no text")),
                };
                let came = self.copy_in(&path, input, size)?;
                if let Some(size) = size
                    && (came != size || !at_end(input))
                {
                    let text = format!(
                        "standard input does not have the {size} bytes that were announced"
                    );
                    return Err(usage(text));
                }
                Ok(vec![path.into_os_string().into_vec()])
            }
        }
    }

    fn take_frames(&self, input: &mut dyn BufRead) -> Outcome<Vec<Vec<u8>>> {
        let (mut tops, mut known) = (Vec::new(), HashSet::new());
        while let Some(frame) = Frame::read(input)? {
            let path = self.place(&frame.name)?;
            if frame.offset > 0 {
                return Err(usage(format!(
                    "'{}' begins at byte {}; parts of files cannot be sent from standard input",
                    printable(&frame.name),
                    frame.offset
                )));
            }
            let came = self.copy_in(&path, input, Some(frame.size))?;
            if came != frame.size {
                return Err(usage(format!(
                    "standard input ends within '{}'",
                    printable(&frame.name)
                )));
            }
            let first = frame.name.split(|byte| *byte == b'/').next();
            let top = self.folder.join(path_of(first.unwrap_or_default()));
            let top = top.into_os_string().into_vec();
            if known.insert(top.clone()) {
                tops.push(top);
            }
        }
        if tops.is_empty() {
            return Err(usage("standard input holds no files"));
        }
        Ok(tops)
    }

    /// Where the file `name` is kept; it cannot lead elsewhere.
    fn place(&self, name: &[u8]) -> Outcome<PathBuf> {
        let path = path_of(name);
        let plain = |part| matches!(part, Component::Normal(_));
        if name.is_empty() || !path.components().all(plain) {
            return Err(usage(format!(
                "'{}' from standard input is no name of a file",
                printable(name)
            )));
        }
        let place = self.folder.join(path);
        let mut parent = self.folder.clone();
        for name in path.parent().into_iter().flat_map(Path::components) {
            parent.push(name);
            // One by one, so that a folder that was given up is not made again.
            match fs::create_dir(&parent) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(cannot_keep(&parent, &error));
                }
                _ => {}
            }
        }
        Ok(place)
    }

    fn copy_in(&self, path: &Path, input: &mut dyn BufRead, size: Option<u64>) -> Outcome<u64> {
        let opened = File::options().write(true).create_new(true).open(path);
        let mut file = opened.map_err(|error| cannot_keep(path, &error))?;
        let mut bytes = input.take(size.unwrap_or(u64::MAX));
        io::copy(&mut bytes, &mut file).map_err(|error| cannot_keep(path, &error))
    }
}

impl Drop for Stdio {
    fn drop(&mut self) {
        // Something may still write into it; what cannot be removed lies in the folder for temporary files.
        for _ in 0..3 {
            if fs::remove_dir_all(&self.folder).is_ok() {
                return;
            }
        }
    }
}

/// The head of a file in a stream.
struct Frame {
    name: Vec<u8>,
    size: u64,
    offset: u64,
}

impl Frame {
    /// The next head; `None` at the end of the stream.
    fn read(input: &mut dyn BufRead) -> Outcome<Option<Self>> {
        let (mut name, mut size, mut offset) = (None, None, 0);
        loop {
            let mut line = Vec::new();
            let read = input.take(MOST_LINE).read_until(b'\n', &mut line);
            let read = read.map_err(|error| usage(format!("standard input: {error}")))?;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            let line = line.strip_suffix(b"\0").unwrap_or(line);
            if read == 0 && name.is_none() {
                return Ok(None);
            }
            let number = |digits: &[u8]| -> Outcome<u64> {
                let text = std::str::from_utf8(digits).ok();
                text.and_then(|text| text.trim().parse().ok())
                    .ok_or_else(|| bad_frame(line))
            };
            if let Some(value) = line.strip_prefix(b"File: ") {
                name = Some(value.to_vec());
            } else if let Some(value) = line.strip_prefix(b"Size: ") {
                size = Some(number(value)?);
            } else if let Some(value) = line.strip_prefix(b"Offset: ") {
                offset = number(value)?;
            } else if !line.is_empty() || read == 0 {
                return Err(bad_frame(line));
            } else if let (Some(name), Some(size)) = (&name, size) {
                return Ok(Some(Self {
                    name: name.clone(),
                    size,
                    offset,
                }));
            } else if name.is_some() {
                return Err(bad_frame(line));
            }
        }
    }
}

fn bad_frame(line: &[u8]) -> Failure {
    usage(format!(
        "standard input is no stdio-tar stream: '{}' where File, Size or bytes of a file should be",
        printable(line.get(..line.len().min(80)).unwrap_or_default())
    ))
}

fn at_end(input: &mut dyn BufRead) -> bool {
    input.fill_buf().is_ok_and(<[u8]>::is_empty)
}

fn path_of(name: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(name))
}

fn cannot_keep(path: &Path, error: &io::Error) -> Failure {
    let path = printable(path.as_os_str().as_bytes());
    let text = format!("cannot keep standard input in {path} ({error})");
    Failure::new(Fault::DiskWrite, text)
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Fault::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool() -> Stdio {
        Stdio::begin().unwrap()
    }

    #[test]
    fn frames_are_written_as_they_are_read() {
        let (one, other) = (spool(), spool());
        let mut stream = Vec::new();
        fs::create_dir(one.folder.join("d")).unwrap();
        for (name, bytes) in [("a b", "alpha\n\n"), ("d/empty", ""), ("d/c", "\nFile: x")] {
            fs::write(one.folder.join(name), bytes).unwrap();
            let framed = Stdio {
                folder: one.folder.clone(),
                framed: true,
            };
            framed.give_out(name.as_bytes(), &mut stream).unwrap();
            std::mem::forget(framed);
        }
        assert!(stream.starts_with(b"\nFile: a b\0\nSize: 7\n\nalpha\n\n\nFile: d/empty\0\n"));
        let tops = other.spool().take_frames(&mut stream.as_slice()).unwrap();
        assert_eq!(tops.len(), 2);
        assert!(tops[0].ends_with(b"/a b") && tops[1].ends_with(b"/d"));
        assert_eq!(fs::read(other.folder.join("d/c")).unwrap(), b"\nFile: x");
        assert_eq!(fs::read(other.folder.join("d/empty")).unwrap(), b"");
        let folder = other.folder.clone();
        drop(other);
        assert!(!folder.exists());
    }

    #[test]
    fn frames_that_lie_are_refused() {
        for (stream, part) in [
            (b"".as_slice(), "holds no files"),
            (b"\nhello\n", "'hello' where"),
            (b"File: a\0\n\n", "no stdio-tar stream"),
            (b"File: a\nSize: x\n\n", "'Size: x' where"),
            (b"File: a\nSize: 5\n\nabc", "ends within 'a'"),
            (b"File: ../a\nSize: 0\n\n", "no name of a file"),
            (b"File: /a\nSize: 0\n\n", "no name of a file"),
            (b"File: a\nSize: 1\nOffset: 3\n\nx", "begins at byte 3"),
            (b"File: a\nSize: 1\n\nxFile: a\nSize: 1\n\nx", "cannot keep"),
        ] {
            let mut input = stream;
            let failure = spool().spool().take_frames(&mut input).unwrap_err();
            assert!(failure.text.contains(part), "{}", failure.text);
        }
    }

    #[test]
    fn a_raw_stream_has_the_bytes_that_were_announced() {
        let take = |path: &[u8], input: &[u8]| {
            let it = spool();
            let mut input = input;
            let paths = it.spool().take(stream(path).unwrap(), &mut input)?;
            let path = path_of(&paths[0]).to_owned();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            Ok::<_, Failure>((name, fs::read(path).unwrap()))
        };
        let kept = (String::from("f"), b"abc".to_vec());
        assert_eq!(take(b"stdio:///f?3", b"abc").unwrap(), kept);
        assert_eq!(take(b"stdio:///dir/f", b"abc").unwrap(), kept);
        assert_eq!(take(b"stdio://", b"").unwrap().0, "stdin");
        for (path, input) in [
            (b"stdio:///f?4".as_slice(), b"abc".as_slice()),
            (b"stdio:///f?2", b"abc"),
            (b"stdio:///f?two", b"abc"),
            (b"stdio:///..?3", b"abc"),
        ] {
            assert_eq!(take(path, input).unwrap_err().fault, Fault::Usage);
        }
    }

    #[test]
    fn a_stream_is_known_by_its_scheme_alone() {
        assert_eq!(stream(b"stdio-tar://"), Some(Stream::Framed));
        assert_eq!(stream(b"./stdio://"), None);
        assert_eq!(stream(b"stdio"), None);
    }
}
