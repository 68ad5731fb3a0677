//! A server's log of one session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::SessionRights;
use super::hooks::{Hooks, Variables};
use super::opening::{Opened, Work};
use crate::cli::progress::Completion;
use crate::cli::terminal::printable;
use crate::client::manifest::Manifest;
use crate::driver::{FileReport, FileVerdict, KeptReport, Progress, TransferReport};
use crate::failure::Failure;
use crate::logging::Logger;
use crate::logging::session_lines::{
    StatisticsFacts, checksum_field, checksum_name, file_totals, label_fields,
};
use crate::session::{Observer, SessionOutcome};
use crate::storage::mirror::Deletion;

/// The administrator's program, and who is told when it refuses a file.
type AgreedHooks = (Hooks, Arc<Notify>);

/// Writes session and file lines.
#[derive(Debug)]
pub(super) struct ServerWatch {
    logger: Logger,
    logs_files: bool,
    manifest: Option<Manifest>,
    hooks: Option<Hooks>,
    /// Where the list is.
    listed: Option<Vec<u8>>,
    refused: Arc<Notify>,
    sends: bool,
    /// Who, from where, and what, for the last line.
    who: String,
    began: Instant,
    stats_interval: Option<Duration>,
    /// When the session had a line last, and the bytes it had moved.
    stats: (Instant, u64),
}

impl ServerWatch {
    pub(super) fn new(
        logger: Logger,
        rights: &SessionRights,
        opened: &Opened,
        (peer, manifest, hooks): (IpAddr, Option<Manifest>, Option<AgreedHooks>),
    ) -> Self {
        let operation = match opened.work {
            Work::Send { .. } => "send",
            Work::Receive { .. } => "recv",
            Work::Measure => "measure",
        };
        logger.log(format!(
            "FASP Session Start op={operation} status=started user=\"{}\" peer={peer} cipher={} targetrate={} file_csum={} {} client=\"{}\"",
            printable(rights.user.as_bytes()),
            opened.agreement.suite().name(),
            opened.agreement.target_rate().0,
            checksum_name(opened.agreement.checksum()),
            label_fields(
                opened.labels.cookie.as_deref(),
                opened.labels.user_string.as_deref(),
                opened.labels.tags.as_deref(),
            ),
            printable(opened.program.as_bytes()),
        ));
        let (hooks, refused) = match hooks {
            Some((hooks, refused)) => (Some(hooks), refused),
            None => (None, Arc::default()),
        };
        let user = printable(rights.user.as_bytes());
        let who = format!("op={operation} user=\"{user}\" peer={peer}");
        Self {
            logger,
            logs_files: rights.rules.records.logs_files,
            manifest,
            hooks,
            listed: None,
            refused,
            sends: matches!(opened.work, Work::Send { .. }),
            who,
            began: Instant::now(),
            stats_interval: rights.rules.records.stats_interval,
            stats: (Instant::now(), 0),
        }
    }

    pub(super) fn mirrored(&self, deletion: &Deletion) {
        if deletion.count > 0 {
            let count = deletion.count;
            self.logger.log(format!(
                "files and folders deleted before the transfer: {count}"
            ));
        }
        if let Some(failure) = &deletion.failure {
            self.logger.error(failure);
        }
    }

    /// The session ends before its transfer begins.
    pub(super) async fn failed(&mut self, failure: &Failure) {
        let outcome = SessionOutcome {
            report: TransferReport::default(),
            failure: Some(failure.clone()),
            broke: true,
        };
        self.over(&outcome).await;
    }

    /// Told when the administrator's program refuses a file.
    pub(super) fn refused(&self) -> Arc<Notify> {
        Arc::clone(&self.refused)
    }

    pub(super) async fn over(&mut self, outcome: &SessionOutcome) {
        self.end_manifest(outcome);
        for line in file_totals(&outcome.report.totals) {
            self.logger.log(line);
        }
        let refused = outcome.report.refused;
        let report = &outcome.report;
        let what = format!(
            "{} files={} failed={} skipped={} bytes={} seconds={:.3}",
            self.who,
            report.totals.passed,
            report.totals.failed,
            report.totals.skipped,
            report.bytes,
            self.began.elapsed().as_secs_f64(),
        );
        match &outcome.failure {
            None => self.logger.log(format!("FASP Session Stop status=success {what} refused_datagrams={refused}")),
            Some(failure) => self.logger.error(format!(
                "FASP Session Stop status=failed errcode={} errstr=\"{failure}\" {what} refused_datagrams={refused}",
                failure.fault.number()
            )),
        }
        if let Some(hooks) = self.hooks.take() {
            let manifest = self.listed.take().unwrap_or_default();
            let mut totals = path_facts(&report.statistics, self.sends);
            totals.extend([
                ("TOTALBYTES", report.bytes.to_string().into_bytes()),
                ("TOTALSIZE", report.bytes.to_string().into_bytes()),
                ("MANIFESTFILE", manifest),
            ]);
            hooks.finish(totals, outcome.failure.clone()).await;
        }
    }
}

/// What the path did to the session, under the public names: round-trip time in milliseconds, blocks lost and bytes
/// besides those of files in percent, blocks sent again. Losses are known to who sends.
fn path_facts(facts: &StatisticsFacts, sends: bool) -> Variables {
    let percent = |part: u64, of: u64| {
        let hundredths = u128::from(part) * 10_000 / u128::from(of.max(1));
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    let besides = facts.bytes_on_wire.saturating_sub(facts.bytes_of_files);
    let first_time = facts.blocks_total.saturating_sub(facts.blocks_repeated);
    let mut known = vec![
        ("DELAY", facts.round_trip.as_millis().to_string()),
        ("OVERHEAD", percent(besides, facts.bytes_of_files)),
    ];
    if sends {
        known.push(("LOSS", percent(facts.blocks_repeated, first_time)));
        known.push(("REXREQS", facts.blocks_repeated.to_string()));
    }
    let known = known.into_iter();
    known
        .map(|(name, value)| (name, value.into_bytes()))
        .collect()
}

impl ServerWatch {
    fn end_manifest(&mut self, outcome: &SessionOutcome) {
        let Some(manifest) = self.manifest.take() else {
            return;
        };
        let totals = outcome.report.totals;
        let completion = Completion {
            bytes: outcome.report.bytes,
            elapsed: outcome.report.elapsed,
            files: totals.passed,
            failed: totals.failed,
            skipped: totals.skipped,
        };
        match manifest.finish(&completion, outcome.failure.as_ref()) {
            Ok(path) => self.listed = Some(path.into_os_string().into_encoded_bytes()),
            Err(failure) => self.logger.error(failure),
        }
    }
}

impl Observer for ServerWatch {
    fn connected(&mut self, peer: SocketAddr) {
        self.logger.debug(1, format!("first datagram from {peer}"));
    }

    fn moved(&mut self, from: SocketAddr, to: SocketAddr) {
        self.logger
            .log(format!("the client's address changed from {from} to {to}"));
    }

    fn trouble(&mut self, failure: &Failure) {
        self.logger.error(failure);
    }

    fn started(&mut self, name: &[u8], size: u64) {
        if let Some(hooks) = &mut self.hooks {
            hooks.file_started(name, size);
        }
    }

    fn kept(&mut self, report: &KeptReport) {
        self.logger.log(format!(
            "FASP Transfer Resume file=\"{}\" size={} kept={} wrong={}",
            printable(&report.name),
            report.size,
            report.kept,
            report.wrong
        ));
    }

    fn passed_over(&mut self, text: &str) {
        self.logger.log(format!("source passed over: {text}"));
    }

    fn file(&mut self, report: &FileReport) {
        let name = printable(&report.name);
        if let Some(hooks) = &self.hooks
            && !report.is_folder
        {
            hooks.file_over(&report.name, report);
        }
        if let Some(manifest) = &mut self.manifest
            && (!report.is_folder || matches!(report.verdict, FileVerdict::Failed(_)))
        {
            manifest.enter(report);
        }
        match &report.verdict {
            FileVerdict::Failed(failure) => {
                self.logger.error(format!(
                    "FASP Transfer Stop status=failed file=\"{name}\" {failure}"
                ));
            }
            _ if report.is_folder || !self.logs_files => {}
            verdict => {
                let status = if *verdict == FileVerdict::Skipped {
                    "skipped"
                } else {
                    "success"
                };
                self.logger.log(format!(
                    "FASP Transfer Stop status={status} file=\"{name}\" size={}{}",
                    report.size,
                    checksum_field(report.checksum.as_ref())
                ));
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let Some(interval) = self.stats_interval else {
            return;
        };
        let (since, bytes_before) = self.stats;
        let elapsed = since.elapsed();
        if elapsed < interval {
            return;
        }
        let bytes = progress.session_bytes;
        let bits = u128::from(bytes.saturating_sub(bytes_before)) * 8_000;
        let rate = bits / elapsed.as_millis().max(1);
        self.logger.log(format!(
            "FASP Session Statistics {} bytes={bytes} rate={rate} file=\"{}\"",
            self.who,
            printable(&progress.name),
        ));
        self.stats = (Instant::now(), bytes);
    }
}
