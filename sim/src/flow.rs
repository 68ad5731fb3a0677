//! Both ends of one session of ours, each a bare host or one with a stack under it.

use crate::checks::Breaches;
use crate::datagram::Datagram;
use crate::host::{FlowOptions, Progress, ReceivingHost, SendingHost};
use crate::measure::FlowSample;
use crate::smoltcp_host::{End, SmoltcpHost};

/// Room for the largest frame, and for one batch of the sender.
const LARGEST: usize = 1 << 17;

/// Two ends of one session.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) sender: SendingHost,
    pub(crate) receiver: ReceivingHost,
    sender_stack: Option<Box<SmoltcpHost>>,
    receiver_stack: Option<Box<SmoltcpHost>>,
    sender_at: Option<u64>,
    receiver_at: Option<u64>,
    over: bool,
    buffer: Vec<u8>,
}

impl Flow {
    /// Never inlined: making machines takes a stack of megabytes, which only those may touch that make them.
    #[inline(never)]
    pub(crate) fn new(seed: u64, index: usize, options: &FlowOptions, now_us: u64) -> Self {
        let name = format!("flow {index}");
        let stack = |end| SmoltcpHost::new(seed, &name, options, end).map(Box::new);
        Self {
            sender: SendingHost::new(&name, options, now_us),
            receiver: ReceivingHost::new(&name, options, now_us),
            sender_stack: stack(End::Sender),
            receiver_stack: stack(End::Receiver),
            sender_at: Some(now_us),
            receiver_at: Some(now_us),
            over: false,
            buffer: vec![0; LARGEST],
        }
    }

    /// `datagram` has arrived at the receiver; its turn must follow.
    pub(crate) fn reach_receiver(
        &mut self,
        now_us: u64,
        datagram: &Datagram,
        breaches: &mut Breaches,
    ) {
        self.receiver_at = Some(now_us);
        let length = datagram.write(&mut self.buffer);
        let bytes = &mut self.buffer[..length];
        match &mut self.receiver_stack {
            Some(stack) => stack.arrive(bytes),
            None => self.receiver.receive(now_us, bytes, breaches),
        }
    }

    /// `datagram` has arrived at the sender; its turn must follow.
    pub(crate) fn reach_sender(
        &mut self,
        now_us: u64,
        datagram: &Datagram,
        breaches: &mut Breaches,
    ) {
        self.sender_at = Some(now_us);
        let length = datagram.write(&mut self.buffer);
        let bytes = &mut self.buffer[..length];
        match &mut self.sender_stack {
            Some(stack) => stack.arrive(bytes),
            None => self.sender.receive(now_us, bytes, breaches),
        }
    }

    /// Gives the sender its turn if it is time; what leaves goes to `send`.
    pub(crate) fn turn_of_sender(
        &mut self,
        now_us: u64,
        breaches: &mut Breaches,
        mut send: impl FnMut(Datagram),
    ) {
        if self.sender_at.is_none_or(|at| at > now_us) {
            return;
        }
        let sender = &mut self.sender;
        self.sender_at = match &mut self.sender_stack {
            None => {
                sender.prepare(now_us, breaches);
                let out = &mut self.buffer;
                while let Some(transmit) = sender.transmit(now_us, out, breaches) {
                    for datagram in out[..transmit.length].chunks(transmit.segment_size) {
                        send(Datagram::new(datagram));
                    }
                }
                sender.next_at()
            }
            Some(stack) => {
                stack.receive(now_us, |datagram| {
                    sender.receive(now_us, datagram, breaches);
                });
                sender.prepare(now_us, breaches);
                stack.transmit(now_us, breaches, |out, breaches| {
                    sender.transmit(now_us, out, breaches)
                });
                stack.leave(send);
                stack.next_at(now_us, sender.next_at())
            }
        };
    }

    /// Gives the receiver its turn if it is time; what leaves goes to `send`.
    pub(crate) fn turn_of_receiver(
        &mut self,
        now_us: u64,
        breaches: &mut Breaches,
        mut send: impl FnMut(Datagram),
    ) {
        if self.receiver_at.is_none_or(|at| at > now_us) {
            return;
        }
        let receiver = &mut self.receiver;
        self.receiver_at = match &mut self.receiver_stack {
            None => {
                receiver.prepare(now_us, breaches);
                let out = &mut self.buffer;
                while let Some(transmit) = receiver.transmit(now_us, out, breaches) {
                    send(Datagram::new(&out[..transmit.length]));
                }
                receiver.next_at()
            }
            Some(stack) => {
                stack.receive(now_us, |datagram| {
                    receiver.receive(now_us, datagram, breaches);
                });
                receiver.prepare(now_us, breaches);
                stack.transmit(now_us, breaches, |out, breaches| {
                    receiver.transmit(now_us, out, breaches)
                });
                stack.leave(send);
                stack.next_at(now_us, receiver.next_at())
            }
        };
    }

    /// When the next turn is due although nothing arrives, µs.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.sender_at.into_iter().chain(self.receiver_at).min()
    }

    /// Whether both ends have ended.
    pub(crate) fn is_over(&mut self) -> bool {
        self.over =
            self.over || self.sender.progress != Progress::Running && self.receiver.is_over();
        self.over
    }

    pub(crate) fn sample(&self) -> FlowSample {
        let statistics = self.sender.statistics();
        FlowSample {
            received: self.receiver.received(),
            duplicates: self.receiver.statistics().file_bytes_repeated,
            rate_bps: statistics.rate.0,
            seen_queue_us: statistics.queueing_delay.as_micros(),
            sent: statistics.packets_sent,
            lost: statistics.packets_lost,
            file_bytes_sent: statistics.file_bytes_sent,
            file_bytes_repeated: statistics.file_bytes_repeated,
        }
    }
}
