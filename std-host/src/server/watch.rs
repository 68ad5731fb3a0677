//! A server's log of one session.

use std::net::{IpAddr, SocketAddr};

use super::opening::{Opened, Work};
use crate::cli::terminal::printable;
use crate::driver::{FileReport, FileVerdict, KeptReport, Progress};
use crate::failure::Failure;
use crate::logging::Logger;
use crate::logging::session_lines::{checksum_field, checksum_name, file_totals, label_fields};
use crate::session::{Observer, SessionOutcome};
use crate::storage::mirror::Deletion;

/// Writes session and file lines.
#[derive(Debug)]
pub(super) struct ServerWatch {
    logger: Logger,
}

impl ServerWatch {
    pub(super) fn new(logger: Logger, user: &str, opened: &Opened, peer: IpAddr) -> Self {
        let operation = match opened.work {
            Work::Send { .. } => "send",
            Work::Receive { .. } => "recv",
            Work::Measure => "measure",
        };
        logger.log(format!(
            "FASP Session Start op={operation} status=started user=\"{}\" peer={peer} cipher={} targetrate={} file_csum={} {} client=\"{}\"",
            printable(user.as_bytes()),
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
        Self { logger }
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

    pub(super) fn over(&self, outcome: &SessionOutcome) {
        for line in file_totals(&outcome.report.totals) {
            self.logger.log(line);
        }
        let refused = outcome.report.refused;
        match &outcome.failure {
            None => self.logger.log(format!("FASP Session Stop status=success refused_datagrams={refused}")),
            Some(failure) => self.logger.error(format!(
                "FASP Session Stop status=failed errcode={} errstr=\"{failure}\" refused_datagrams={refused}",
                failure.fault.number()
            )),
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

    fn started(&mut self, _name: &[u8], _size: u64) {}

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
        match &report.verdict {
            FileVerdict::Failed(failure) => {
                self.logger.error(format!(
                    "FASP Transfer Stop status=failed file=\"{name}\" {failure}"
                ));
            }
            _ if report.is_folder => {}
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

    fn progress(&mut self, _progress: &Progress) {}
}
