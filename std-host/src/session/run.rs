//! The session loop: whatever happens first, until both sides are done.

mod listening;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use fasp_core::control::{ControlMessage, FileError, Summary};
use fasp_core::fault::Fault;
use fasp_core::units::ObjectId;
use tokio::time::{Instant, interval, sleep_until};

use super::RateBounds;
use super::channel::{Message, MessageWriter, Messages};
use super::outcome::{Observer, SessionOutcome};
use super::source_feed::{self, Fed, SourceFeed};
use super::source_queue::SourceQueue;
use crate::cli::terminal::printable;
use crate::driver::{Command, FileReport, FileVerdict, Transfer, TransferEvent, TransferReport};
use crate::failure::Failure;
use crate::trunk::{self, Member};

/// The line that a person watches moves this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// A quiet control channel says so this often.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long the last word of the peer is waited for.
const FAREWELL: Duration = Duration::from_secs(10);
/// And where it still has its sources to treat, which it does as results come; it is there, or the channel ends.
const LONG_FAREWELL: Duration = Duration::from_secs(900);
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
    rate_bounds: RateBounds,
    transfer: Transfer,
    messages: Messages,
    writer: MessageWriter,
    observer: &'o mut dyn Observer,
    /// A client's list of sources that the server asks for.
    feed: Option<SourceFeed>,
    /// Where a server's client names its sources.
    queue: Option<SourceQueue>,
    /// A server's place on a virtual link.
    trunk: Option<Member>,
    /// The peer's words for files that failed there.
    peer_words: HashMap<u32, Failure>,
    file_errors_sent: u32,
    first_failure: Option<(Option<u32>, Failure)>,
    foreign_failures: u64,
    settled: bool,
    summary_seen: bool,
    channel_ended: bool,
    farewell_at: Option<Instant>,
    farewell: Duration,
    failure: Option<Failure>,
    report: Option<TransferReport>,
}

impl<'o> Session<'o> {
    /// A session about to run; `rate_bounds` hold what the peer may ask for with RATE.
    pub(crate) fn new(
        side: Side,
        rate_bounds: RateBounds,
        transfer: Transfer,
        messages: Messages,
        writer: MessageWriter,
        observer: &'o mut dyn Observer,
    ) -> Self {
        Self {
            side,
            rate_bounds,
            transfer,
            messages,
            writer,
            observer,
            feed: None,
            queue: None,
            trunk: None,
            peer_words: HashMap::new(),
            file_errors_sent: 0,
            first_failure: None,
            foreign_failures: 0,
            settled: false,
            summary_seen: false,
            channel_ended: false,
            farewell_at: None,
            farewell: FAREWELL,
            failure: None,
            report: None,
        }
    }

    /// The sources come from this list, when the server asks for them.
    pub(crate) fn feeding(mut self, feed: Option<SourceFeed>) -> Self {
        self.feed = feed;
        self
    }

    /// The client is asked for its sources as there is room in `queue`.
    pub(crate) fn asking(mut self, queue: Option<SourceQueue>) -> Self {
        self.queue = queue;
        self
    }

    /// The session shares a virtual link.
    pub(crate) fn sharing(mut self, trunk: Option<Member>) -> Self {
        self.trunk = trunk;
        self
    }

    /// The peer treats its sources before it says its last word, which may take long.
    pub(crate) fn wait_for_sources(&mut self) {
        self.farewell = LONG_FAREWELL;
    }

    /// Something went wrong before the transfer, which goes on: the session does not end well.
    pub(crate) fn note_trouble(&mut self, failure: Option<Failure>) {
        if let Some(failure) = failure {
            self.first_failure.get_or_insert((None, failure));
        }
    }

    /// Runs to the end, or until `interrupt` resolves; gives the writer back for the farewell.
    pub(crate) async fn run(
        mut self,
        interrupt: Pin<&mut (dyn Future<Output = ()> + Send)>,
    ) -> (SessionOutcome, MessageWriter) {
        let mut interrupt = Some(interrupt);
        let mut progress = interval(PROGRESS_INTERVAL);
        let mut shares = interval(trunk::TICK);
        let mut keepalive = interval(KEEPALIVE_INTERVAL);
        keepalive.reset();
        let mut rest = None;
        if !self.side.is_client && !self.side.sends {
            // The rules of the server, which a client may keep or not.
            self.transfer.command(Command::Allow(self.rate_bounds.cap));
        }
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
                event = self.transfer.events.recv(), if rest.is_none() => {
                    self.on_events(event).await;
                    rest = Some(Instant::now() + listening::REST);
                }
                () = sleep_until(rest.unwrap_or(farewell)), if rest.is_some() => rest = None,
                message = self.messages.next(), if !self.channel_ended => self.on_message(message).await,
                () = interrupted => {
                    interrupt = None;
                    self.cancel(self.interruption()).await;
                }
                fed = next_fed(&mut self.feed) => self.on_fed(fed).await,
                messages = next_room(&mut self.queue) => {
                    let wanted = ControlMessage::SourcesWanted { messages };
                    let _ = self.writer.send(&wanted).await;
                }
                _ = progress.tick() => self.show_progress(),
                _ = shares.tick(), if self.trunk.is_some() => self.hold_share().await,
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

    /// Holds the rate at this session's share: here, or where the peer sends.
    async fn hold_share(&mut self) {
        let moved = self.transfer.board.read().session_bytes;
        let now = std::time::Instant::now();
        let Some(trunk) = &mut self.trunk else {
            return;
        };
        let rate = trunk.look(moved, now);
        if let (false, Some(share)) = (self.side.sends, trunk.share()) {
            self.transfer.command(Command::Allow(share));
        }
        let Some(rate) = rate else {
            return;
        };
        if self.side.sends {
            self.transfer.command(Command::Limits(rate));
        } else {
            let _ = self.writer.send(&ControlMessage::Rate(rate)).await;
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
            TransferEvent::PassedOver(text) => self.observer.passed_over(&text),
            TransferEvent::Trouble(name, failure) => self.on_trouble(&name, failure).await,
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
            delivered: false,
        };
        let _ = self.writer.send(&ControlMessage::FileError(error)).await;
    }

    /// Something went wrong with a file that is delivered.
    async fn on_trouble(&mut self, name: &[u8], failure: Failure) {
        self.observer.trouble(&failure);
        if self.file_errors_sent < MOST_FILE_ERRORS {
            self.file_errors_sent += 1;
            let text: String = failure.text.chars().take(1_000).collect();
            let error = FileError {
                object: None,
                code: failure.fault.number(),
                text: &text,
                path: name.get(..name.len().min(4_096)).unwrap_or_default(),
                delivered: true,
            };
            let _ = self.writer.send(&ControlMessage::FileError(error)).await;
        }
        self.note_trouble(Some(failure));
    }

    async fn on_settled(&mut self, report: &TransferReport) {
        self.settled = true;
        self.farewell_at = Some(Instant::now() + self.farewell);
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
            Ok(Some(ControlMessage::SourcesWanted { messages })) => {
                if let Some(feed) = &mut self.feed {
                    feed.want(messages);
                }
            }
            Ok(Some(ControlMessage::Sources { paths, more })) => {
                let taken = self.queue.as_mut().map(|queue| queue.take(paths, more));
                if let Some(Err(failure)) = taken {
                    self.cancel(failure).await;
                }
            }
            Ok(Some(ControlMessage::JobSize(size))) if !self.side.sends => {
                self.observer.job_size(size);
            }
            Ok(Some(ControlMessage::Rate(rate))) => match self.rate_bounds.hold(&rate) {
                // On a virtual link a wish waits for the next look at its shares.
                Ok(rate) => match &mut self.trunk {
                    Some(trunk) => trunk.wish(rate),
                    None => self.transfer.command(Command::Limits(rate)),
                },
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

    /// A piece of the list that the server has room for.
    async fn on_fed(&mut self, fed: Fed) {
        let message = match fed {
            Fed::Paths(paths) => source_feed::message(&paths, true),
            Fed::End => source_feed::message(&[], false),
            Fed::Failed(failure) => return self.on_foreign_source_failure(b"", failure),
        };
        match message {
            Ok(bytes) => {
                // A channel that cannot be written to ends soon by itself.
                let _ = self.writer.send_bytes(&bytes).await;
            }
            Err(failure) => self.cancel(failure).await,
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
            _ if error.delivered => {
                self.observer.trouble(&failure);
                self.note_trouble(Some(failure));
            }
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

    /// A source failed before it became an object, at the peer or in the list that is sent there: this side shows it too.
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

async fn next_fed(feed: &mut Option<SourceFeed>) -> Fed {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}

async fn next_room(queue: &mut Option<SourceQueue>) -> u16 {
    match queue {
        Some(queue) => queue.room().await,
        None => std::future::pending().await,
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
