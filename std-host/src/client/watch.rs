//! What the user of the client sees and the log keeps.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use fasp_core::control::JobSize;
use fasp_core::crypto::CipherSuite;

use super::manifest::Manifest;
use super::opening::Opened;
use super::retry::Try;
use super::source_names::name_of;
use super::stdio::Stdio;
use super::tally::{Tally, rate_hint};
use crate::cli::ASCP_VERSION;
use crate::cli::exit_code::ExitStatus;
use crate::cli::progress::{Completion, FileState, ProgressFacts, ProgressPrinter};
use crate::cli::settings::{CipherWish, Direction, TransferSettings};
use crate::cli::terminal;
use crate::driver::{FileReport, FileVerdict, KeptReport, Progress, TransferReport};
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::logging::session_lines::{self, FileFacts, SessionFacts, SessionParameters, Status};
use crate::session::{Observer, SessionOutcome, fresh_uuid};
use crate::storage::mirror::Deletion;

/// The client's terminal and log.
#[derive(Debug)]
pub(super) struct ClientWatch {
    quiet: bool,
    printer: ProgressPrinter<std::io::Stdout>,
    logger: Logger,
    facts: SessionFacts,
    parameters: SessionParameters,
    opened: bool,
    outcome: Option<SessionOutcome>,
    earlier: Earlier,
    rate: RateMeter,
    manifest: Option<Manifest>,
    /// Where files come from or go to, if that is no file.
    stdio: Option<Stdio>,
    /// Why a file did not come to standard output.
    output_failure: Option<Failure>,
    tally: Tally,
    /// Nobody chose a target rate, neither here nor, as it turned out, there.
    rate_is_nobodys_choice: bool,
}

/// What sessions did that were lost.
#[derive(Debug, Default)]
struct Earlier {
    /// A session may be lost and go on.
    may_be: bool,
    bytes: u64,
    elapsed: Duration,
    delivered: u64,
    /// Hashes of the names of what they delivered, as far as there is room.
    names: HashSet<u64>,
}

/// Names remembered, so that what was shown as delivered is not shown again as skipped.
const MOST_NAMES: usize = 1 << 20;

impl Earlier {
    fn add(&mut self, report: &TransferReport) {
        self.bytes += report.bytes;
        self.elapsed += report.elapsed;
        self.delivered += report.totals.passed;
    }

    /// `report` with what came before it; what was delivered then and is skipped now counts once.
    fn joined(&self, mut report: TransferReport) -> TransferReport {
        report.bytes += self.bytes;
        report.elapsed += self.elapsed;
        report.totals.passed += self.delivered;
        report.totals.skipped = report.totals.skipped.saturating_sub(self.delivered);
        report
    }

    fn note(&mut self, name: &[u8]) {
        if self.may_be && self.names.len() < MOST_NAMES {
            self.names.insert(hash_of(name));
        }
    }
}

fn hash_of(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The rate of the last second or so.
#[derive(Debug, Default)]
struct RateMeter {
    looks: std::collections::VecDeque<(Instant, u64)>,
}

impl RateMeter {
    fn rate_bps(&mut self, now: Instant, bytes: u64) -> Option<u64> {
        self.looks.push_back((now, bytes));
        while self.looks.len() > 8 {
            self.looks.pop_front();
        }
        let (since, before) = self.looks.front().copied()?;
        bits_per_second(bytes.checked_sub(before)?, now.duration_since(since))
    }
}

fn bits_per_second(bytes: u64, elapsed: Duration) -> Option<u64> {
    let micros = u64::try_from(elapsed.as_micros()).ok()?;
    bytes.saturating_mul(8_000_000).checked_div(micros)
}

/// The cipher in the words of `-c`: a server may have asked for a longer key than the user.
const fn agreed_cipher(suite: CipherSuite) -> CipherWish {
    match suite {
        CipherSuite::AuthOnly => CipherWish::None,
        CipherSuite::Aes128Gcm => CipherWish::Aes128Gcm,
        CipherSuite::Aes192Gcm => CipherWish::Aes192Gcm,
        CipherSuite::Aes256Gcm => CipherWish::Aes256Gcm,
        CipherSuite::Aes128Cfb => CipherWish::Aes128Cfb,
        CipherSuite::Aes192Cfb => CipherWish::Aes192Cfb,
        CipherSuite::Aes256Cfb => CipherWish::Aes256Cfb,
    }
}

impl ClientWatch {
    /// # Errors
    ///
    /// Why the manifest that was asked for cannot be written.
    pub(super) fn new(
        settings: &TransferSettings,
        logger: Logger,
        stdio: Option<Stdio>,
    ) -> Outcome<Self> {
        let records = &settings.records;
        let uuid = fresh_uuid()?;
        let manifest = records.manifest.as_ref();
        let manifest = manifest.filter(|_| !settings.sources.is_empty());
        let manifest = manifest
            .map(|wish| Manifest::begin(wish, &uuid, settings.direction))
            .transpose()?;
        let facts = SessionFacts {
            uuid,
            direction: settings.direction,
            source: match &settings.selection.list {
                Some(list) => name_of(list).into_bytes(),
                None => settings.sources.first().cloned().unwrap_or_default(),
            },
            source_count: settings.sources.len(),
            destination: settings.destination.clone(),
            user: settings.remote.user.clone(),
            local: None,
            peer: None,
            tcp_port: settings.ssh_port,
            version: ASCP_VERSION.to_owned(),
            cookie: records.labels.cookie.clone(),
            user_string: records.labels.user_string.clone(),
            tags: records.labels.tags.clone(),
        };
        let parameters = SessionParameters {
            // Known when the server has agreed.
            target_rate_bps: 0,
            min_rate_bps: 0,
            policy: settings.policy,
            cipher: settings.cipher,
            resume_level: settings.resume_level,
            create_destination: settings.create_destination,
            preserve_times: settings.preserve_times,
            datagram_size: settings.datagram_size.unwrap_or(0),
            checksum: records.checksum,
            job_size: records.job_size,
        };
        Ok(Self {
            quiet: settings.quiet,
            printer: ProgressPrinter::on_stdout(settings.quiet),
            logger,
            facts,
            parameters,
            opened: false,
            outcome: None,
            earlier: Earlier {
                may_be: !settings.retry_timeout.is_zero(),
                ..Earlier::default()
            },
            rate: RateMeter::default(),
            manifest,
            stdio,
            output_failure: None,
            tally: Tally::default(),
            rate_is_nobodys_choice: settings.target_rate.is_none(),
        })
    }

    /// The server agreed.
    pub(super) fn session_opened(&mut self, opened: &Opened) {
        self.opened = true;
        self.rate = RateMeter::default();
        self.facts.peer = Some(opened.server);
        self.facts.local = opened.udp.address().ok();
        self.parameters.target_rate_bps = opened.agreement.target_rate().0;
        self.parameters.min_rate_bps = opened.agreement.minimum_rate().0;
        self.parameters.cipher = agreed_cipher(opened.agreement.suite());
        self.parameters.checksum = opened.agreement.checksum();
        self.logger.log(session_lines::session_start(
            &self.facts,
            &self.parameters,
            &Status::Started,
        ));
        self.logger
            .log(session_lines::session_params(&self.facts, &self.parameters));
        self.logger.debug(
            1,
            format!("cipher suite {}", opened.agreement.suite().name()),
        );
    }

    /// A line for the user and the log.
    pub(super) fn say(&self, line: &str) {
        if !self.quiet {
            terminal::print_stdout(&format!("{line}\n"));
        }
        self.logger.log(line);
    }

    /// What was deleted before the transfer.
    pub(super) fn mirrored(&mut self, deletion: &Deletion) {
        if deletion.count > 0 {
            let count = deletion.count;
            self.logger.log(format!(
                "files and folders deleted before the transfer: {count}"
            ));
        }
        if let Some(failure) = &deletion.failure {
            self.trouble(failure);
        }
    }

    /// The session is lost, or there was none this time, and it will be tried again.
    pub(super) fn session_lost(
        &mut self,
        outcome: Option<SessionOutcome>,
        failure: &Failure,
        next: &Try,
    ) {
        self.printer.close_line();
        let line = format!(
            "{}; trying again in {} s (try {}, {} s left)",
            terminal::printable(failure.text.as_bytes()),
            next.wait.as_secs_f32().ceil(),
            next.number,
            next.left.as_secs()
        );
        terminal::print_stderr(&format!("ascp: {line}\n"));
        if let Some(outcome) = outcome {
            self.earlier.add(&outcome.report);
            let status = Status::Failed(failure.fault, failure.text.clone());
            self.log_end(&status, &[]);
        }
        self.logger.log(line);
    }

    pub(super) fn session_over(&mut self, outcome: SessionOutcome) {
        self.outcome = Some(outcome);
    }

    /// The last lines and the exit status; `failure` if the session never began.
    pub(super) fn finish(mut self, failure: Option<Failure>) -> ExitStatus {
        let Some(mut outcome) = self.outcome.take() else {
            let failure =
                failure.unwrap_or_else(|| Failure::from(fasp_core::fault::Fault::InternalError));
            if self.earlier.delivered > 0 {
                self.printer.complete(&Completion {
                    bytes: self.earlier.bytes,
                    elapsed: self.earlier.elapsed,
                    files: self.earlier.delivered,
                    failed: 0,
                    skipped: 0,
                });
            }
            self.printer.close_line();
            self.end_manifest(&Completion::default(), Some(&failure));
            self.log_end(&Status::Failed(failure.fault, failure.text.clone()), &[]);
            terminal::report_session_failure(&failure, self.quiet);
            return ExitStatus::from(&failure);
        };
        outcome.report = self.earlier.joined(outcome.report);
        let completion = completion_of(&outcome.report);
        let manifest = self.end_manifest(&completion, outcome.failure.as_ref());
        let output = self.output_failure.take();
        outcome.failure = outcome.failure.or(output).or(manifest);
        let report = &outcome.report;
        let status = outcome.failure.as_ref().map_or(Status::Success, |failure| {
            Status::Failed(failure.fault, failure.text.clone())
        });
        let statistics = session_lines::session_statistics(
            &self.facts.uuid,
            self.facts.direction,
            &report.statistics,
        );
        let refused = format!("refused datagrams: {}", report.refused);
        let mut lines = vec![statistics, refused];
        lines.extend(session_lines::file_totals(&report.totals));
        self.log_end(&status, &lines);
        match &outcome.failure {
            None => {
                self.printer.complete(&completion);
                self.hint_at_rate(&completion);
                ExitStatus::Success
            }
            Some(failure) => {
                if report.totals.passed > 0 {
                    self.printer.complete(&completion);
                }
                self.printer.stop(failure);
                terminal::print_stderr(&terminal::exiting_text(failure));
                ExitStatus::from(failure)
            }
        }
    }

    /// A file that was received goes on to standard output, if that is where it should be.
    fn give_out(&mut self, report: &FileReport) {
        let received = self.facts.direction == Direction::Receive
            && report.verdict == FileVerdict::Delivered
            && self.output_failure.is_none();
        if let Some(stdio) = self.stdio.as_ref().filter(|_| received) {
            let outcome = stdio.give_out(&report.name, &mut std::io::stdout().lock());
            self.output_failure = outcome.err();
        }
    }

    /// Completes the manifest; why that was not possible.
    fn end_manifest(
        &mut self,
        completion: &Completion,
        failure: Option<&Failure>,
    ) -> Option<Failure> {
        match self.manifest.take()?.finish(completion, failure) {
            Ok(path) => {
                let path = terminal::printable(path.as_os_str().as_bytes());
                self.logger.log(format!("FASP Manifest file=\"{path}\""));
                None
            }
            Err(failure) => {
                self.logger.error(&failure);
                Some(failure)
            }
        }
    }

    /// Tells a person whose transfer ran at the default target rate that it is one.
    fn hint_at_rate(&self, completion: &Completion) {
        if self.rate_is_nobodys_choice
            && !self.quiet
            && std::io::stderr().is_terminal()
            && let Some(hint) = rate_hint(self.parameters.target_rate_bps, completion)
        {
            terminal::print_stderr(&hint);
        }
    }

    fn log_end(&self, status: &Status, lines: &[String]) {
        if !self.opened {
            self.logger.log(session_lines::session_start(
                &self.facts,
                &self.parameters,
                status,
            ));
        }
        for line in lines {
            self.logger.log(line);
        }
        if let Status::Failed(_, text) = status {
            self.logger.error(text);
        }
        self.logger
            .log(session_lines::session_stop(&self.facts, status));
    }

    fn file_facts(&self, report: &FileReport) -> FileFacts {
        let elapsed = report.elapsed.unwrap_or_default();
        let moved = report.size.saturating_sub(report.start_byte);
        FileFacts {
            direction: self.facts.direction,
            path: report.name.clone(),
            size: report.size,
            start_byte: report.start_byte,
            rate_bps: bits_per_second(moved, elapsed).unwrap_or(0),
            elapsed,
            loss_basis_points: 0,
            retransmission_requests: 0,
            overhead_bytes: 0,
            checksum: report.checksum.clone(),
        }
    }
}

impl Observer for ClientWatch {
    fn connected(&mut self, peer: SocketAddr) {
        self.facts.peer = Some(peer);
        self.logger.debug(1, format!("first datagram from {peer}"));
    }

    fn started(&mut self, name: &[u8], size: u64) {
        let facts = FileFacts {
            direction: self.facts.direction,
            path: name.to_vec(),
            size,
            start_byte: 0,
            rate_bps: 0,
            elapsed: Duration::ZERO,
            loss_basis_points: 0,
            retransmission_requests: 0,
            overhead_bytes: 0,
            checksum: None,
        };
        self.logger
            .log(session_lines::file_start(&self.facts.uuid, &facts));
    }

    fn trouble(&mut self, failure: &Failure) {
        self.printer.close_line();
        let text = terminal::printable(failure.text.as_bytes());
        terminal::print_stderr(&format!("ascp: {text}\n"));
        self.logger.error(text);
    }

    fn job_size(&mut self, size: JobSize) {
        self.logger.log(format!(
            "FASP Job size uuid={} files={} bytes={}",
            self.facts.uuid, size.files, size.bytes
        ));
        self.tally.total = Some(size);
    }

    fn kept(&mut self, report: &KeptReport) {
        self.tally.resumed += u64::from(report.kept > 0 && report.kept < report.size);
        self.logger.log(session_lines::file_kept(
            &self.facts.uuid,
            &report.name,
            report.size,
            report.kept,
            report.wrong,
        ));
    }

    fn passed_over(&mut self, text: &str) {
        self.logger.log(format!("source passed over: {text}"));
    }

    fn file(&mut self, report: &FileReport) {
        match report.verdict {
            FileVerdict::Delivered => self.earlier.note(&report.name),
            FileVerdict::Skipped if self.earlier.names.contains(&hash_of(&report.name)) => return,
            FileVerdict::Skipped | FileVerdict::Failed(_) => {}
        }
        let facts = self.file_facts(report);
        let (status, state, done) = match &report.verdict {
            FileVerdict::Delivered => (
                Status::Success,
                FileState::Complete(report.elapsed),
                report.size,
            ),
            FileVerdict::Skipped => (Status::Success, FileState::Complete(None), report.size),
            FileVerdict::Failed(failure) => (
                Status::Failed(failure.fault, failure.text.clone()),
                FileState::Failed(failure.fault.number(), &failure.text),
                0,
            ),
        };
        if report.is_folder && status == Status::Success {
            return;
        }
        self.tally.count(report);
        self.give_out(report);
        if let Some(manifest) = &mut self.manifest {
            manifest.enter(report);
        }
        self.logger
            .log(session_lines::file_stop(&self.facts.uuid, &facts, &status));
        let rate = report.elapsed.and_then(|elapsed| {
            bits_per_second(report.size - report.start_byte.min(report.size), elapsed)
        });
        self.printer.show(
            &ProgressFacts {
                name: base_name(&report.name),
                counts: String::new(),
                bytes_done: done,
                bytes_total: report.size,
                rate_bps: rate.filter(|_| report.verdict == FileVerdict::Delivered),
                state,
            },
            Instant::now(),
        );
    }

    fn progress(&mut self, progress: &Progress) {
        let now = Instant::now();
        self.printer.follow_terminal();
        let rate = self.rate.rate_bps(now, progress.session_bytes);
        let here = progress.done.min(progress.total);
        let (done, total) = self.tally.of_job(here).unwrap_or((here, progress.total));
        let eta = rate
            .filter(|rate| *rate > 0)
            .map(|rate| Duration::from_secs(total.saturating_sub(done).saturating_mul(8) / rate));
        self.printer.show(
            &ProgressFacts {
                name: base_name(&progress.name),
                counts: self.tally.words(),
                bytes_done: done,
                bytes_total: total,
                rate_bps: rate,
                state: FileState::InFlight(eta),
            },
            now,
        );
    }
}

fn completion_of(report: &TransferReport) -> Completion {
    Completion {
        bytes: report.bytes,
        elapsed: report.elapsed,
        files: report.totals.passed,
        failed: report.totals.failed,
        skipped: report.totals.skipped,
    }
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
