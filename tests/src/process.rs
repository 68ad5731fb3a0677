//! A child process whose output is kept, whose time is bounded and who never outlives its owner.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How often a running child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// A child that runs now.
#[derive(Debug)]
pub struct Running {
    child: Child,
    started: Instant,
    stdout: Captured,
    stderr: Captured,
    reaped: bool,
}

/// A child that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All it wrote on stdout.
    pub stdout: Vec<u8>,
    /// All it wrote on stderr.
    pub stderr: Vec<u8>,
    /// From start to end.
    pub took: Duration,
}

#[derive(Debug)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// `command`, started by another program: `launcher` is that program and its arguments before the command.
///
/// # Panics
///
/// When `launcher` is empty.
#[must_use]
pub fn launched_by(command: &Command, launcher: &[OsString]) -> Command {
    let (program, arguments) = launcher.split_first().expect("a launcher");
    let mut launched = Command::new(program);
    launched
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            launched.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        launched.current_dir(folder);
    }
    launched
}

impl Running {
    /// Starts `command` with both outputs captured.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Captured::read(child.stdout.take().expect("a stdout pipe"));
        let stderr = Captured::read(child.stderr.take().expect("a stderr pipe"));
        Self {
            child,
            started: Instant::now(),
            stdout,
            stderr,
            reaped: false,
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written on stdout until now.
    #[must_use]
    pub fn stdout_so_far(&self) -> Vec<u8> {
        self.stdout.so_far()
    }

    /// What it has written on stderr until now.
    #[must_use]
    pub fn stderr_so_far(&self) -> Vec<u8> {
        self.stderr.so_far()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// When the system does not know the child any more.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child's state").is_none()
    }

    /// Sends Ctrl-C (SIGINT).
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Sends any signal; a child that has ended already is left alone.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for the end.
    ///
    /// # Panics
    ///
    /// When `limit` passes first; the child is then killed and its words are in the message.
    pub fn wait(mut self, limit: Duration) -> Finished {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                break status;
            }
            if Instant::now() >= deadline {
                self.end();
                panic!(
                    "still running after {limit:?}\nstdout: {}\nstderr: {}",
                    String::from_utf8_lossy(&self.stdout.so_far()),
                    String::from_utf8_lossy(&self.stderr.so_far())
                );
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let took = self.started.elapsed();
        self.reaped = true;
        Finished {
            status,
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
            took,
        }
    }

    /// Kills it and takes its exit status, so that no zombie stays.
    fn end(&mut self) {
        if !self.reaped {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.reaped = true;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl Captured {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0_u8; 8192];
            while let Ok(count) = pipe.read(&mut buffer) {
                let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                    break;
                };
                sink.lock()
                    .expect("captured output")
                    .extend_from_slice(read);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("captured output").clone()
    }

    fn all(&mut self) -> Vec<u8> {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.so_far()
    }
}

impl Finished {
    /// The exit status, `None` after death by a signal.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The number of the signal that ended it.
    #[must_use]
    pub fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Stdout as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Stderr as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Waits until `done`, at most for `limit`.
///
/// # Panics
///
/// When it does not come.
#[track_caller]
pub fn until(limit: Duration, mut done: impl FnMut() -> bool) {
    until_some(limit, || done().then_some(()));
}

/// Waits until there is something, at most for `limit`.
///
/// # Panics
///
/// When it does not come.
#[track_caller]
pub fn until_some<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for it in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
