//! The thread that measures a path: either machine with packet trains and without files.
//!
//! Nothing here touches the disk. What a peer offers all the same is given up at once.

use std::net::SocketAddr;

use fasp_core::fault::Fault;
use fasp_core::metadata::OpenRecord;
use fasp_core::receiver::{Block, Receiver, ReceiverEvent};
use fasp_core::sender::{FinishOutcome, ObjectSource, PathTrust, ReadOutcome, Sender, SenderEvent};
use fasp_core::time::Instant;
use fasp_core::trains::Bandwidth;
use fasp_core::units::ObjectId;

use super::clock::Clock;
use super::message::{Command, TransferEvent, TransferReport};
use super::wait::{precise_timers, wait};
use super::{CHALLENGE_ROOM, HostReceiver, HostSender, Lane, ThreadEnds, Transfer, trusted};
use crate::failure::{Failure, Outcome};
use crate::storage::waker::Waker;
use crate::udp::{ReceiveBatch, UdpPort};

/// Room for one batch to the kernel.
const OUT_BYTES: usize = 65_507;
/// File bytes a receiver takes that wants none.
const NO_CAPACITY: u64 = 64 << 10;
/// Batches taken from the socket before time is looked at.
const BATCHES: usize = 16;

/// The machine of this side.
#[derive(Debug)]
enum Machine {
    Sends(Box<HostSender>),
    Receives(Box<HostReceiver>),
}

/// A source of nothing.
#[derive(Debug)]
struct NoFiles;

impl ObjectSource for NoFiles {
    fn read(&mut self, _: ObjectId, _: u64, _: &mut [u8]) -> ReadOutcome {
        ReadOutcome::Failed(Fault::InternalError)
    }

    fn finish(&mut self, _: ObjectId) -> FinishOutcome {
        FinishOutcome::Failed(Fault::InternalError)
    }

    fn describe(&mut self, _: ObjectId) -> Option<OpenRecord<'_>> {
        None
    }
}

/// The measuring thread.
#[derive(Debug)]
pub struct Measuring {
    machine: Machine,
    udp: UdpPort,
    peer: Option<SocketAddr>,
    waker: Waker,
    ends: ThreadEnds,
    clock: Clock,
    report: TransferReport,
    unsent: Option<(usize, usize)>,
    settled: bool,
    finished: bool,
}

impl Measuring {
    /// Sends trains at the agreed target rate.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn send(lane: Lane) -> Outcome<Transfer> {
        let waker = lane.waker.clone();
        Transfer::start(waker, move |ends| {
            Self::new(lane, ends, |agreement, (sealer, opener), now| {
                let trust = PathTrust::Proven;
                let mut sender = Box::new(Sender::new(agreement, sealer, opener, trust, now));
                sender.measure(agreement.target_rate());
                Machine::Sends(sender)
            })
            .run()
        })
    }

    /// Receives trains.
    ///
    /// # Errors
    ///
    /// [`Fault::ThreadSpawn`].
    pub fn receive(lane: Lane) -> Outcome<Transfer> {
        let waker = lane.waker.clone();
        Transfer::start(waker, move |ends| {
            Self::new(lane, ends, |agreement, (sealer, opener), now| {
                let receiver = Receiver::new(agreement, sealer, opener, NO_CAPACITY, now);
                Machine::Receives(Box::new(receiver))
            })
            .run()
        })
    }

    fn new(
        lane: Lane,
        ends: ThreadEnds,
        machine: impl FnOnce(&fasp_core::negotiation::Agreement, super::Protection, Instant) -> Machine,
    ) -> Self {
        let clock = Clock::start();
        let protection = Lane::protection(lane.keys, &lane.agreement, lane.role);
        let mut machine = machine(&lane.agreement, protection, clock.now());
        if let Some(secret) = lane.follow {
            let trusted = trusted(lane.trusted);
            match &mut machine {
                Machine::Sends(sender) => sender.follow_peer(secret, trusted),
                Machine::Receives(receiver) => receiver.follow_peer(secret, trusted),
            }
        }
        Self {
            machine,
            udp: lane.udp,
            peer: lane.peer,
            waker: lane.waker,
            ends,
            clock,
            report: TransferReport::default(),
            unsent: None,
            settled: false,
            finished: false,
        }
    }

    fn run(mut self) -> TransferReport {
        precise_timers();
        let mut batch = ReceiveBatch::default();
        let mut out = vec![0; OUT_BYTES];
        while !self.finished {
            self.take_commands(&mut out);
            let mut taken = 0;
            while taken < BATCHES && self.udp.receive(&mut batch) {
                self.take_batch(&mut batch);
                taken += 1;
            }
            self.waker.drain();
            let now = self.clock.now();
            match &mut self.machine {
                Machine::Sends(sender) => {
                    sender.handle_timeout(now);
                    if !sender.is_measuring() {
                        sender.end_offers();
                    }
                }
                Machine::Receives(receiver) => receiver.handle_timeout(now),
            }
            self.take_events();
            let blocked = !self.transmit(&mut out);
            if taken == 0 && !self.finished {
                let now = self.clock.now();
                wait(&self.udp, &self.waker, blocked, now, self.deadline());
            }
        }
        self.summary()
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.machine {
            Machine::Sends(sender) => sender.poll_timeout(),
            Machine::Receives(receiver) => receiver.poll_timeout(),
        }
    }

    fn take_commands(&mut self, out: &mut [u8]) {
        while let Ok(command) = self.ends.commands.try_recv() {
            match command {
                Command::Stop(failure) => self.stop(failure, out),
                Command::Finish => self.finished = true,
                // The mean rate of trains was agreed, and there is nothing else to pace.
                Command::Limits(_) | Command::Allow(_) => {}
            }
        }
    }

    fn stop(&mut self, failure: Failure, out: &mut [u8]) {
        if self.report.failure.is_none() {
            match &mut self.machine {
                Machine::Sends(sender) => sender.close(Some(failure.fault)),
                Machine::Receives(receiver) => receiver.close(Some(failure.fault)),
            }
            self.report.failure = Some(failure);
        }
        let _ = self.transmit(out);
        self.finished = true;
    }

    fn take_batch(&mut self, batch: &mut ReceiveBatch) {
        for arrived in batch.datagrams() {
            let now = self.clock.at(arrived.at);
            match &mut self.machine {
                Machine::Sends(sender) => {
                    // What was not taken is counted there.
                    let _ = sender.handle_datagram_from(now, arrived.source, arrived.bytes);
                }
                Machine::Receives(receiver) => {
                    let source = arrived.source;
                    let Ok(arrival) = receiver.handle_datagram_from(now, source, arrived.bytes)
                    else {
                        continue;
                    };
                    for block in arrival.blocks() {
                        if let Block::Whole { record, .. } = block {
                            receiver.handle_result(record.object, Some(Fault::Unauthorized));
                        }
                    }
                }
            }
        }
    }

    fn take_events(&mut self) {
        let (mut connected, mut settled, mut failed) = (false, false, None);
        match &mut self.machine {
            Machine::Sends(sender) => {
                while let Some(event) = sender.poll_event() {
                    match event {
                        SenderEvent::Connected => connected = true,
                        SenderEvent::Settled => settled = true,
                        SenderEvent::Failed(fault) => failed = Some(fault),
                        _ => {}
                    }
                }
            }
            Machine::Receives(receiver) => {
                let mut offered = Vec::new();
                while let Some(event) = receiver.poll_event() {
                    match event {
                        ReceiverEvent::Connected => connected = true,
                        ReceiverEvent::Offered(record) => offered.push(record.object),
                        ReceiverEvent::Linked(link) => offered.push(link.object),
                        ReceiverEvent::Settled => settled = true,
                        ReceiverEvent::Failed(fault) => failed = Some(fault),
                        _ => {}
                    }
                }
                for object in offered {
                    receiver.handle_result(object, Some(Fault::Unauthorized));
                }
            }
        }
        if let Some(peer) = self.destination().filter(|_| connected) {
            self.ends.tell(TransferEvent::Connected(peer));
        }
        if settled {
            self.settled = true;
            self.ends.tell(TransferEvent::Settled(self.summary()));
        }
        if let Some(fault) = failed {
            if !self.settled {
                let failure = || Failure::from(fault);
                self.report.failure.get_or_insert_with(failure);
            }
            self.finished = true;
        }
    }

    /// A client sends where the server told it to, a server where its client has proven to be.
    fn destination(&self) -> Option<SocketAddr> {
        self.peer.or_else(|| match &self.machine {
            Machine::Sends(sender) => sender.peer_address(),
            Machine::Receives(receiver) => receiver.peer_address(),
        })
    }

    /// Asks an address that has not proven itself.
    fn ask_newcomer(&mut self) {
        let mut question = [0; CHALLENGE_ROOM];
        let now = self.clock.now();
        let asked = match &mut self.machine {
            Machine::Sends(sender) => sender.poll_challenge(now, &mut question),
            Machine::Receives(receiver) => receiver.poll_challenge(now, &mut question),
        };
        if let Some((length, to)) = asked {
            let bytes = question.get(..length).unwrap_or_default();
            // One that the socket has no room for is lost like any other.
            let _ = self.udp.send(bytes, length, to);
        }
    }

    /// `false` if the socket has no room.
    fn transmit(&mut self, out: &mut [u8]) -> bool {
        self.ask_newcomer();
        let Some(peer) = self.destination() else {
            return true;
        };
        let segments = self.udp.most_segments();
        loop {
            let now = self.clock.now();
            let ready = self.unsent.take().or_else(|| match &mut self.machine {
                Machine::Sends(sender) => sender
                    .poll_transmit(now, out, segments, &mut NoFiles)
                    .map(|transmit| (transmit.length, transmit.segment_size)),
                Machine::Receives(receiver) => receiver
                    .poll_transmit(now, out)
                    .map(|length| (length, length)),
            });
            let Some((length, segment_size)) = ready else {
                return true;
            };
            let bytes = out.get(..length).unwrap_or_default();
            if !self.udp.send(bytes, segment_size, peer) {
                self.unsent = Some((length, segment_size));
                return false;
            }
        }
    }

    fn bandwidth(&self) -> Bandwidth {
        match &self.machine {
            Machine::Sends(sender) => sender.bandwidth(),
            Machine::Receives(receiver) => receiver.bandwidth(),
        }
    }

    fn summary(&self) -> TransferReport {
        TransferReport {
            bandwidth: self.bandwidth(),
            ..self.report.clone()
        }
    }
}
