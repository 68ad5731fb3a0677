//! The session loop: whatever happens first, until both sides are done.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use fasp_core::control::{ControlMessage, FileError, Summary};
use fasp_core::fault::Fault;
use fasp_core::negotiation::bounds::rate_within;
use fasp_core::units::{BitRate, ObjectId};
use tokio::time::{Instant, interval, sleep_until};

use super::channel::{Message, MessageWriter, Messages};
use super::outcome::{Observer, SessionOutcome};
use crate::cli::terminal::printable;
use crate::driver::{Command, FileReport, FileVerdict, Transfer, TransferEvent, TransferReport};
use crate::failure::Failure;

/// The line that a person watches moves this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// A quiet control channel says so this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long the last word of the peer is waited for.
const FAREWELL: Duration = Duration::from_secs(10);
/// Failed files whose words are told to the peer; the others go by number.
const MOST_FILE_ERRORS: u32 = 1_000;

/// Which side this is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Side {
    /// This side sends the files.
    pub(crate) sends: bool,
    /// This side opened the session.
    pub(crate) is_client: bool,
}

/// A session whose data plane has started.
pub(crate) struct Session<'o> {
    side: Side,
    rate_cap: BitRate,
    transfer: Transfer,
    messages: Messages,
    writer: MessageWriter,
    observer: &'o mut dyn Observer,
    /// The peer's words for files that failed there.
    peer_words: HashMap<u32, Failure>,
    file_errors_sent: u32,
    first_failure: Option<(Option<u32>, Failure)>,
    foreign_failures: u64,
    settled: bool,
    summary_seen: bool,
    channel_ended: bool,
    farewell_at: Option<Instant>,
    failure: Option<Failure>,
    report: Option<TransferReport>,
}

impl<'o> Session<'o> {
    /// A session about to run; `rate_cap` bounds what the peer may ask for with RATE.
    pub(crate) fn new(
        side: Side,
        rate_cap: BitRate,
        transfer: Transfer,
        messages: Messages,
        writer: MessageWriter,
        observer: &'o mut dyn Observer,
    ) -> Self {
        Self {
            side,
            rate_cap,
            transfer,
            messages,
            writer,
            observer,
            peer_words: HashMap::new(),
            file_errors_sent: 0,
            first_failure: None,
            foreign_failures: 0,
            settled: false,
            summary_seen: false,
            channel_ended: false,
            farewell_at: None,
            failure: None,
            report: None,
        }
    }

    /// Runs to the end, or until `interrupt` resolves; gives the writer back for the farewell.
    pub(crate) async fn run(
        mut self,
        interrupt: Pin<&mut (dyn Future<Output = ()> + Send)>,
    ) -> (SessionOutcome, MessageWriter) {
        let mut interrupt = Some(interrupt);
        let mut progress = interval(PROGRESS_INTERVAL);
        let mut keepalive = interval(KEEPALIVE_INTERVAL);
        keepalive.reset();
        while self.report.is_none() {
            let farewell = self
                .farewell_at
                .unwrap_or_else(|| Instant::now() + KEEPALIVE_INTERVAL);
            let interrupted = async {
                match interrupt.as_mut() {
                    Some(interrupt) => interrupt.as_mut().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.transfer.events.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => self.on_thread_gone(),
                },
                message = self.messages.next(), if !self.channel_ended => self.on_message(message).await,
                () = interrupted => {
                    interrupt = None;
                    self.cancel(self.interruption()).await;
                }
                _ = progress.tick() => self.show_progress(),
                _ = keepalive.tick() => {
                    // A channel that cannot be written to ends soon by itself.
                    let _ = self.writer.send(&ControlMessage::KeepAlive).await;
                }
                () = sleep_until(farewell), if self.farewell_at.is_some() => {
                    self.farewell_at = None;
                    self.transfer.command(Command::Finish);
                }
            }
        }
        self.conclude()
    }

    fn interruption(&self) -> Failure {
        if self.side.is_client {
            Failure::from(Fault::UserCancelled)
        } else {
            Failure::new(Fault::UserCancelled, "the server process was told to stop")
        }
    }

    fn show_progress(&mut self) {
        let progress = self.transfer.board.read();
        if !progress.name.is_empty() && !self.settled {
            self.observer.progress(&progress);
        }
    }

    async fn on_event(&mut self, event: TransferEvent) {
        match event {
            TransferEvent::Connected(peer) => {
                self.observer.connected(peer);
                let _ = self.writer.send(&ControlMessage::UdpOk).await;
            }
            TransferEvent::Moved(moved) => self.observer.moved(moved.from, moved.to),
            TransferEvent::Started(name, size) => self.observer.started(&name, size),
            TransferEvent::JobSize(size) => {
                self.observer.job_size(size);
                let _ = self.writer.send(&ControlMessage::JobSize(size)).await;
            }
            TransferEvent::Kept(report) => self.observer.kept(&report),
            TransferEvent::File(report) => self.on_file(report).await,
            TransferEvent::Settled(report) => self.on_settled(&report).await,
            TransferEvent::Over(report) => self.on_over(report).await,
        }
    }

    fn on_thread_gone(&mut self) {
        let failure = Failure::new(
            Fault::InternalError,
            "the transfer thread ended unexpectedly",
        );
        self.report = Some(TransferReport {
            failure: Some(failure),
            ..TransferReport::default()
        });
    }

    async fn on_file(&mut self, mut report: FileReport) {
        if let FileVerdict::Failed(failure) = &report.verdict {
            let words = report
                .object
                .and_then(|object| self.peer_words.remove(&object));
            let failure = words.unwrap_or_else(|| failure.clone());
            self.first_failure
                .get_or_insert_with(|| (report.object, failure.clone()));
            if !report.peer_gave_up {
                self.tell_failed_file(&report, &failure).await;
            }
            report.verdict = FileVerdict::Failed(failure);
        }
        self.observer.file(&report);
    }

    async fn tell_failed_file(&mut self, report: &FileReport, failure: &Failure) {
        if self.file_errors_sent >= MOST_FILE_ERRORS {
            return;
        }
        self.file_errors_sent += 1;
        let text: String = failure.text.chars().take(1_000).collect();
        let error = FileError {
            object: report.object.map(ObjectId),
            code: failure.fault.number(),
            text: &text,
            path: report
                .name
                .get(..report.name.len().min(4_096))
                .unwrap_or_default(),
        };
        let _ = self.writer.send(&ControlMessage::FileError(error)).await;
    }

    async fn on_settled(&mut self, report: &TransferReport) {
        self.settled = true;
        self.farewell_at = Some(Instant::now() + FAREWELL);
        if !self.side.sends {
            let totals = report.totals;
            let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            let code = if totals.failed > 0 {
                Fault::SomeFilesFailed.number()
            } else {
                0
            };
            let summary = Summary {
                code,
                text: "",
                delivered: small(totals.passed),
                failed: small(totals.failed),
                skipped: small(totals.skipped),
                bytes: report.bytes,
            };
            let _ = self.writer.send(&ControlMessage::Summary(summary)).await;
        }
        self.part_if_done().await;
    }

    /// The sender has the last word, once it knows every result and the receiver's summary.
    async fn part_if_done(&mut self) {
        if self.side.sends && self.settled && self.summary_seen {
            let _ = self
                .writer
                .send(&ControlMessage::SummaryAck { code: 0 })
                .await;
            self.transfer.command(Command::Finish);
        }
    }

    async fn on_over(&mut self, report: TransferReport) {
        if let Some(failure) = report
            .failure
            .as_ref()
            .filter(|_| !self.settled && self.failure.is_none())
        {
            let text: String = failure.text.chars().take(1_000).collect();
            let message = ControlMessage::Cancel {
                code: failure.fault.number(),
                text: &text,
            };
            let _ = self.writer.send(&message).await;
            // The peer may know better what went wrong, and say so at the same time.
            let _ = tokio::time::timeout(Duration::from_millis(50), self.read_last_words()).await;
        }
        self.report = Some(report);
        self.blame_peer_for_its_cancel();
    }

    /// A cancellation that did not begin here is the peer's, also where only its datagrams say so.
    fn blame_peer_for_its_cancel(&mut self) {
        let heard = self
            .report
            .as_ref()
            .and_then(|report| report.failure.as_ref());
        let cancelled = heard.is_some_and(|failure| failure.fault == Fault::UserCancelled);
        if cancelled && self.failure.is_none() && !self.settled {
            self.on_cancel(Fault::UserCancelled.number(), "");
        }
    }

    async fn read_last_words(&mut self) {
        while let Some(Ok(message)) = self.messages.next().await {
            match message.raw().decode() {
                Ok(Some(ControlMessage::FileError(error))) => self.on_file_error(&error),
                Ok(Some(ControlMessage::Cancel { code, text })) => self.on_cancel(code, text),
                _ => {}
            }
        }
    }

    async fn on_message(&mut self, message: Option<crate::failure::Outcome<Message>>) {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(failure)) => return self.on_channel_end(Some(failure)).await,
            None => return self.on_channel_end(None).await,
        };
        match message.raw().decode() {
            Ok(Some(ControlMessage::Summary(summary))) => self.on_summary(&summary).await,
            Ok(Some(ControlMessage::SummaryAck { .. })) => {
                self.transfer.command(Command::Finish);
            }
            Ok(Some(ControlMessage::FileError(error))) => self.on_file_error(&error),
            Ok(Some(ControlMessage::Cancel { code, text })) => self.on_cancel(code, text),
            Ok(Some(ControlMessage::JobSize(size))) if !self.side.sends => {
                self.observer.job_size(size);
            }
            Ok(Some(ControlMessage::Rate(rate))) => match rate_within(&rate, self.rate_cap) {
                Ok(rate) => self.transfer.command(Command::Limits(rate)),
                Err(error) => {
                    let text = format!("the peer asked for impossible rates: {error}");
                    self.cancel(Failure::new(Fault::Protocol, text)).await;
                }
            },
            Ok(_) => {}
            Err(error) => {
                let text = format!("the peer sent a malformed message: {error}");
                self.cancel(Failure::new(Fault::Protocol, text)).await;
            }
        }
    }

    async fn on_summary(&mut self, _summary: &Summary<'_>) {
        self.summary_seen = true;
        self.part_if_done().await;
    }

    /// The channel ended: in order once the session is settled, else the peer is gone.
    async fn on_channel_end(&mut self, failure: Option<Failure>) {
        self.channel_ended = true;
        if self.settled {
            self.transfer.command(Command::Finish);
        } else if self.failure.is_none() {
            let lost = Failure::new(
                Fault::ConnectionLost,
                "Connection lost: the control connection was closed",
            );
            self.stop(failure.unwrap_or(lost));
        }
    }

    fn on_file_error(&mut self, error: &FileError<'_>) {
        let text = if error.text.is_empty() {
            format!(
                "{}: {}",
                Fault::from_number(error.code).text(),
                printable(error.path)
            )
        } else {
            error.text.to_owned()
        };
        let failure = Failure::new(Fault::from_number(error.code), self.attributed(&text));
        match error.object {
            Some(object) => {
                if let Some((Some(known), words)) = &mut self.first_failure
                    && *known == object.0
                {
                    *words = failure;
                } else if self.peer_words.len() < MOST_FILE_ERRORS as usize {
                    self.peer_words.insert(object.0, failure);
                }
            }
            None => self.on_foreign_source_failure(error.path, failure),
        }
    }

    /// A source failed at the peer before it became an object: this side shows it too.
    fn on_foreign_source_failure(&mut self, path: &[u8], failure: Failure) {
        self.foreign_failures += 1;
        self.first_failure
            .get_or_insert_with(|| (None, failure.clone()));
        self.observer.file(&FileReport {
            object: None,
            name: path.to_vec(),
            size: 0,
            start_byte: 0,
            elapsed: None,
            verdict: FileVerdict::Failed(failure),
            peer_gave_up: true,
            is_folder: false,
            checksum: None,
        });
    }

    /// What the peer says, marked as its words for the user of the client.
    fn attributed(&self, text: &str) -> String {
        let text = printable(text.as_bytes());
        if self.side.is_client {
            format!("Server aborted session: {text}")
        } else {
            text
        }
    }

    fn on_cancel(&mut self, code: u16, text: &str) {
        let fault = match Fault::from_number(code) {
            Fault::UserCancelled if self.side.is_client => Fault::PeerAborted,
            fault => fault,
        };
        let text = if text.is_empty() { fault.text() } else { text };
        self.stop(Failure::new(fault, self.attributed(text)));
    }

    async fn cancel(&mut self, failure: Failure) {
        let text: String = failure.text.chars().take(1_000).collect();
        let message = ControlMessage::Cancel {
            code: failure.fault.number(),
            text: &text,
        };
        let _ = self.writer.send(&message).await;
        self.stop(failure);
    }

    fn stop(&mut self, failure: Failure) {
        if self.failure.is_none() && !self.settled {
            self.failure = Some(failure.clone());
        }
        self.transfer.command(Command::Stop(failure));
    }

    fn conclude(self) -> (SessionOutcome, MessageWriter) {
        let mut report = self.report.unwrap_or_default();
        let settled = self.settled;
        report.totals.failed += self.foreign_failures;
        let session_failure = self
            .failure
            .or_else(|| report.failure.take().filter(|_| !settled));
        let file_failure = self.first_failure.map(|(_, failure)| failure);
        let broke = session_failure.is_some();
        let failure = session_failure.or(file_failure);
        let outcome = SessionOutcome {
            report,
            failure,
            broke,
        };
        (outcome, self.writer)
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
