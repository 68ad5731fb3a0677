//! Control messages of a running session, its time-outs, and its end.

use fasp_core::control::framing::RawMessage;
use fasp_core::control::{ControlMessage, Summary};
use fasp_core::fault::Fault;
use fasp_core::negotiation::bounds::rate_within;
use fasp_core::time::Instant;

use super::{FAREWELL, Ground, KEEPALIVE_INTERVAL, Stage, Talk, Work};
use crate::host::Host;
use crate::storage::Storage;

/// What a machine told since it was last asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct News {
    /// The client's first authentic datagram came.
    pub(super) connected: bool,
    /// Every file has its result.
    pub(super) settled: bool,
    /// The session cannot go on.
    pub(super) failure: Option<Fault>,
}

impl<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Talk<S, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// A message of the client.
    pub(super) fn on_message<H: Host>(
        &mut self,
        now: Instant,
        message: RawMessage<'_>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        match self.stage {
            Stage::Hello => self.on_hello(now, message, ground),
            Stage::Sources => self.on_sources(now, message, ground),
            Stage::Running | Stage::Settled => self.on_running(now, message, ground),
            Stage::Over(_) => {}
        }
    }

    fn on_running<H: Host>(
        &mut self,
        now: Instant,
        message: RawMessage<'_>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        match message.decode() {
            Ok(Some(ControlMessage::Summary(_))) => {
                if let Work::Send(sending) = &mut self.work {
                    sending.on_summary();
                }
            }
            Ok(Some(ControlMessage::SummaryAck { .. })) if self.stage == Stage::Settled => {
                self.end(now, None, ground);
            }
            Ok(Some(ControlMessage::Cancel { code, .. })) => {
                self.end(now, Some(Fault::from_number(code)), ground);
            }
            Ok(Some(ControlMessage::Rate(rate))) => {
                match rate_within(&rate, ground.configuration.target_rate_cap) {
                    Ok(rate) => {
                        if let Work::Send(sending) = &mut self.work {
                            sending.set_limits(rate);
                        }
                    }
                    Err(_) => self.cancel(now, Fault::Protocol, ground),
                }
            }
            Ok(_) => {}
            Err(_) => self.cancel(now, Fault::Protocol, ground),
        }
    }

    /// Does what is due: storage, time-outs, last words.
    pub(super) fn advance<H: Host>(&mut self, now: Instant, ground: &mut Ground<'_, '_, S, H>) {
        match self.stage {
            Stage::Hello | Stage::Sources if now >= self.until => {
                self.outbox.push_reject(
                    Fault::ConnectionTimeout,
                    "the client said nothing for 30 seconds",
                );
                return self.end(now, Some(Fault::ConnectionTimeout), ground);
            }
            Stage::Settled if now >= self.until => return self.end(now, None, ground),
            Stage::Running | Stage::Settled => {}
            Stage::Hello | Stage::Sources | Stage::Over(_) => return,
        }
        let news = match &mut self.work {
            Work::None => News::default(),
            Work::Receive(receiving) => receiving.advance(now, ground, &mut self.outbox),
            Work::Send(sending) => sending.advance(now, ground, &mut self.outbox),
        };
        if news.connected {
            self.outbox.push(&ControlMessage::UdpOk);
        }
        if news.settled && self.stage == Stage::Running {
            self.settle(now);
        }
        match news.failure {
            Some(_) if self.stage == Stage::Settled => self.end(now, None, ground),
            Some(fault) => self.cancel(now, fault, ground),
            None => self.part_if_done(now, ground),
        }
        if now >= self.keepalive_at {
            self.keepalive_at = now + KEEPALIVE_INTERVAL;
            self.outbox.push(&ControlMessage::KeepAlive);
        }
    }

    /// Every file has its result on this side.
    fn settle(&mut self, now: Instant) {
        self.stage = Stage::Settled;
        self.until = now + FAREWELL;
        if let Work::Receive(receiving) = &self.work {
            let totals = receiving.totals();
            let failed = totals.failed > 0;
            self.outbox.push(&ControlMessage::Summary(Summary {
                code: if failed {
                    Fault::SomeFilesFailed.number()
                } else {
                    0
                },
                text: "",
                delivered: totals.delivered,
                failed: totals.failed,
                skipped: totals.skipped,
                bytes: totals.bytes,
            }));
        }
    }

    /// A sender has the last word, once it knows every result and the client's summary.
    fn part_if_done<H: Host>(&mut self, now: Instant, ground: &mut Ground<'_, '_, S, H>) {
        if self.stage == Stage::Settled
            && let Work::Send(sending) = &self.work
            && sending.has_summary()
        {
            self.outbox.push(&ControlMessage::SummaryAck { code: 0 });
            self.end(now, None, ground);
        }
    }
}
