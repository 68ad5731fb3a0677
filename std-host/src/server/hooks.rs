//! The administrator's program that is run at the start and the end of sessions and files (prepost).
//!
//! It is started directly, never through a shell, with an environment of its own and nothing on its input. It has a
//! limited time. One that fails at the start of a session refuses the session; at the start of a file it ends the
//! session; at an end it is only logged. Calls of one session come one after another, in order. A session that is over
//! waits so long for them and no longer: what a program that hangs has kept waiting is left out then, and logged.
//!
//! Source: the variables are public facts. Those of the original's licence, and numbers that are not known for single
//! files here (`DELAY`, `LOSS`, `OVERHEAD`, `REXREQS`), are left out; a session is told those of all its files at its end.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use fasp_core::fault::Fault;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use crate::driver::{FileReport, FileVerdict};
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;

/// Where the program is looked for if nobody says.
const USUAL_PLACE: &str = "/opt/aspera/var/aspera-prepost";
/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a session that is over waits for the calls of its files; its own last call comes after that.
const ENDING: Duration = Duration::from_secs(60);
/// How often a running call is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of one variable; what is longer is cut.
const MOST_BYTES: usize = 4_096;
/// Calls that wait while the session goes on.
const MOST_WAITING: usize = 64;

/// The program to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HookProgram(pub PathBuf);

impl HookProgram {
    /// The one at the usual place, if there is one.
    #[must_use]
    pub fn usual() -> Option<Self> {
        let path = PathBuf::from(USUAL_PLACE);
        path.is_file().then_some(Self(path))
    }
}

/// Names and values of one call.
pub(super) type Variables = Vec<(&'static str, Vec<u8>)>;

/// The calls of one session.
#[derive(Debug)]
pub(super) struct Hooks {
    program: HookProgram,
    /// What every call is told.
    session: Variables,
    logger: Logger,
    waiting: SyncSender<Variables>,
    calls: Option<std::thread::JoinHandle<()>>,
    ending: Arc<Ending>,
    names: Names,
}

/// The files of the session.
#[derive(Debug, Default)]
struct Names {
    first: Vec<u8>,
    second: Vec<u8>,
    last: Vec<u8>,
    count: u64,
}

impl Hooks {
    /// Runs the program for the start of a session that `session` describes; `refused` is told when it refuses a file.
    ///
    /// # Errors
    ///
    /// [`Fault::Unauthorized`] if it refuses the session, fails, or takes too long.
    pub(super) async fn start(
        program: HookProgram,
        session: Variables,
        logger: Logger,
        refused: Arc<Notify>,
    ) -> Outcome<Self> {
        let mut call = session.clone();
        call.extend(state("Session", "Start", "started", None));
        let (path, own) = (program.clone(), logger.clone());
        let went = tokio::task::spawn_blocking(move || run(&path, call, &own, &Ending::default()));
        if !went.await.unwrap_or(false) {
            let text = "the server's own program refused the session";
            return Err(Failure::new(Fault::Unauthorized, text));
        }
        let (waiting, calls) = sync_channel(MOST_WAITING);
        let (path, own) = (program.clone(), logger.clone());
        let ending = Arc::new(Ending::default());
        let end = Arc::clone(&ending);
        let calls = std::thread::Builder::new()
            .name("hooks".to_owned())
            .spawn(move || run_all(&path, &calls, (&own, &refused), &end))
            .map_err(|error| Failure::new(Fault::ThreadSpawn, error.to_string()))?;
        Ok(Self {
            program,
            session,
            logger,
            waiting,
            calls: Some(calls),
            ending,
            names: Names::default(),
        })
    }

    /// A file begins.
    pub(super) fn file_started(&mut self, path: &[u8], size: u64) {
        let names = &mut self.names;
        match names.count {
            0 => names.first = path.to_vec(),
            1 => names.second = path.to_vec(),
            _ => {}
        }
        names.last = path.to_vec();
        names.count += 1;
        let mut call = self.session.clone();
        call.extend(state("File", "Start", "started", None));
        call.push(("FILE", path.to_vec()));
        call.push(("SIZE", size.to_string().into_bytes()));
        self.queue(call);
    }

    /// A file is over.
    pub(super) fn file_over(&self, path: &[u8], report: &FileReport) {
        let failure = match &report.verdict {
            FileVerdict::Failed(failure) => Some(failure),
            _ => None,
        };
        let moved = report.size.saturating_sub(report.start_byte);
        let millis = report
            .elapsed
            .map_or(0, |elapsed| elapsed.as_millis().max(1));
        let rate = (u128::from(moved) * 8_000).checked_div(millis).unwrap_or(0);
        let checksum = report.checksum.as_ref().map(ToString::to_string);
        let mut call = self.session.clone();
        call.extend(state("File", "Stop", success_or_failed(failure), failure));
        call.extend([
            ("FILE", path.to_vec()),
            ("SIZE", report.size.to_string().into_bytes()),
            ("STARTBYTE", report.start_byte.to_string().into_bytes()),
            ("RATE", rate.to_string().into_bytes()),
            (
                "FILE_CSUM",
                checksum.unwrap_or_else(|| "none".to_owned()).into_bytes(),
            ),
        ]);
        self.queue(call);
    }

    /// Where too many calls wait the session waits too: a file that nobody was asked about would be one too many.
    fn queue(&self, call: Variables) {
        let Err(TrySendError::Full(call)) = self.waiting.try_send(call) else {
            return;
        };
        // The thread of the calls does not end before this session's last one.
        let wait = || drop(self.waiting.send(call));
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
            // One session has it all.
            _ => wait(),
        }
    }

    /// The session is over: waits for the calls before, but not for ever, then runs the last one.
    pub(super) async fn finish(self, totals: Variables, failure: Option<Failure>) {
        self.finish_within(totals, failure, ENDING).await;
    }

    async fn finish_within(mut self, totals: Variables, failure: Option<Failure>, limit: Duration) {
        self.ending.begin(limit);
        let mut call = self.session;
        call.extend(state(
            "Session",
            "Stop",
            success_or_failed(failure.as_ref()),
            failure.as_ref(),
        ));
        call.extend(totals);
        let names = self.names;
        call.extend([
            ("FILE1", names.first),
            ("FILE2", names.second),
            ("FILELAST", names.last),
            ("FILECOUNT", names.count.to_string().into_bytes()),
        ]);
        drop(self.waiting);
        let (program, logger, calls) = (self.program, self.logger, self.calls.take());
        let last = tokio::task::spawn_blocking(move || {
            // A thread that panicked has said so.
            let _ = calls.map(std::thread::JoinHandle::join);
            run(&program, call, &logger, &Ending::default())
        });
        let _ = last.await;
    }
}

fn state(kind: &str, start_stop: &str, state: &str, failure: Option<&Failure>) -> Variables {
    let number = failure.map_or(0, |failure| failure.fault.number());
    let words = failure
        .map(|failure| failure.text.clone())
        .unwrap_or_default();
    vec![
        ("TYPE", kind.as_bytes().to_vec()),
        ("STARTSTOP", start_stop.as_bytes().to_vec()),
        ("STATE", state.as_bytes().to_vec()),
        ("ERRCODE", number.to_string().into_bytes()),
        ("ERRSTR", words.into_bytes()),
    ]
}

const fn success_or_failed(failure: Option<&Failure>) -> &'static str {
    if failure.is_none() {
        "success"
    } else {
        "failed"
    }
}

/// Until when calls are waited for; open as long as the session runs.
#[derive(Debug, Default)]
struct Ending(OnceLock<Instant>);

impl Ending {
    fn begin(&self, limit: Duration) {
        let _ = self.0.set(Instant::now() + limit);
    }

    fn is_over(&self) -> bool {
        self.0.get().is_some_and(|end| Instant::now() >= *end)
    }
}

fn run_all(
    program: &HookProgram,
    calls: &Receiver<Variables>,
    (logger, refused): (&Logger, &Notify),
    ending: &Ending,
) {
    let mut left_out = 0_u64;
    for call in calls {
        if ending.is_over() {
            left_out += 1;
            continue;
        }
        let starts = call.contains(&("STARTSTOP", b"Start".to_vec()));
        if !run(program, call, logger, ending) && starts {
            refused.notify_one();
        }
    }
    if left_out > 0 {
        let program = program.0.display();
        logger.error(format!(
            "prepost {program}: it is too slow: {left_out} calls of a session that is over were left out"
        ));
    }
}

/// One call; whether it went well.
fn run(program: &HookProgram, call: Variables, logger: &Logger, ending: &Ending) -> bool {
    let what: Vec<String> = ["TYPE", "STARTSTOP"]
        .iter()
        .filter_map(|name| call.iter().find(|(known, _)| known == name))
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect();
    let what = what.join(" ");
    let outcome = run_within(&program.0, call, LIMIT, ending);
    let trouble = match outcome {
        Ok(Some(status)) if status.success() => return true,
        Ok(Some(status)) => status.to_string(),
        Ok(None) if ending.is_over() => {
            "its session was over and it went on; it was ended".to_owned()
        }
        Ok(None) => format!("it took more than {} s and was ended", LIMIT.as_secs()),
        Err(error) => error.to_string(),
    };
    logger.error(format!(
        "prepost {} at {what}: {trouble}",
        program.0.display()
    ));
    false
}

/// Runs `program`; nothing after `limit`, or after the `ending`, when it and what it started is killed.
fn run_within(
    program: &Path,
    call: Variables,
    limit: Duration,
    ending: &Ending,
) -> std::io::Result<Option<ExitStatus>> {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin");
    for (name, value) in call {
        command.env(name, harmless(value));
    }
    let mut child = command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline || ending.is_over() {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        std::thread::sleep(LOOK);
    }
}

/// A value that can be one: no NUL, not too long.
fn harmless(mut value: Vec<u8>) -> OsString {
    value.retain(|byte| *byte != 0);
    value.truncate(MOST_BYTES);
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("hook");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        path
    }

    #[test]
    fn user_text_is_a_value_and_never_a_command() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let text = format!("printf %s \"$FILE\" > {}", out.display());
        let path = script(folder.path(), &text);
        let name = b"$(touch /tmp/x); `id`\0 \"'".to_vec();
        let ended = run_within(&path, vec![("FILE", name)], LIMIT, &Ending::default()).unwrap();
        assert!(ended.unwrap().success());
        assert_eq!(std::fs::read(out).unwrap(), b"$(touch /tmp/x); `id` \"'");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "sleep 1000 & wait");
        let began = Instant::now();
        let limit = Duration::from_millis(200);
        let ended = run_within(&path, Vec::new(), limit, &Ending::default()).unwrap();
        assert!(ended.is_none());
        assert!(began.elapsed() < Duration::from_secs(100));
    }

    #[test]
    fn no_call_is_left_out_however_many_files_there_are_on_either_runtime() {
        let files = 2 * MOST_WAITING + 10;
        for mut runtime in [
            tokio::runtime::Builder::new_multi_thread(),
            tokio::runtime::Builder::new_current_thread(),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("out");
            let text = format!("echo \"$TYPE $STARTSTOP\" >> {}", out.display());
            let program = HookProgram(script(folder.path(), &text));
            runtime.build().unwrap().block_on(async {
                let (log, refused) = (Logger::nowhere(), Arc::default());
                let begun = Hooks::start(program, Vec::new(), log, refused).await;
                let mut hooks = begun.unwrap();
                for number in 0..files {
                    hooks.file_started(format!("f{number}").as_bytes(), 1);
                }
                hooks.finish(Vec::new(), None).await;
            });
            let calls = std::fs::read_to_string(out).unwrap();
            assert_eq!(calls.matches("File Start\n").count(), files);
            assert!(calls.starts_with("Session Start\n") && calls.ends_with("Session Stop\n"));
        }
    }

    #[test]
    fn one_that_cannot_be_run_or_fails_has_refused() {
        let logger = Logger::nowhere();
        let missing = HookProgram("/no/such/program".into());
        let open = Ending::default();
        assert!(!run(&missing, Vec::new(), &logger, &open));
        let folder = tempfile::tempdir().unwrap();
        let failing = HookProgram(script(folder.path(), "exit 3"));
        assert!(!run(&failing, Vec::new(), &logger, &open));
    }

    #[test]
    fn a_program_that_hangs_holds_a_session_that_is_over_for_a_limited_time_in_all() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let text = format!(
            "echo \"$TYPE $STARTSTOP\" >> {}; test $TYPE = Session || sleep 1000",
            out.display()
        );
        let program = HookProgram(script(folder.path(), &text));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let began = Instant::now();
        runtime.unwrap().block_on(async {
            let (log, refused) = (Logger::nowhere(), Arc::default());
            let begun = Hooks::start(program, Vec::new(), log, refused).await;
            let mut hooks = begun.unwrap();
            for _ in 0..MOST_WAITING {
                hooks.file_started(b"f", 1);
            }
            let limit = Duration::from_millis(300);
            hooks.finish_within(Vec::new(), None, limit).await;
        });
        // One call alone may take 30 s.
        assert!(began.elapsed() < Duration::from_secs(25));
        let calls = std::fs::read_to_string(out).unwrap();
        assert!(calls.ends_with("Session Stop\n"), "{calls}");
        assert!(calls.lines().count() < 10, "{calls}");
    }
}
