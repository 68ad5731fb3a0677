//! Traffic of others on the path: TCP, UDP that comes and goes, and what else our flows meet.
//!
//! Every flow here is two ends whose packets go through the same links as ours. TCP comes in two kinds:
//! models of what kernels send, with selective acknowledgements, and the real stack of smoltcp, which has
//! none and recovers slowly when a queue drops many packets at once. A share against only one of them says little.

mod ack_clocked;
mod bbr;
mod congestion_control;
mod loss_based;
mod on_off;
mod stack_tcp;

pub(crate) use congestion_control::ControlKind;
pub(crate) use on_off::{OnOff, Spread};
pub(crate) use stack_tcp::StackControl;

use crate::checks::Breaches;
use crate::datagram::Datagram;

/// What one flow of others is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CrossKind {
    /// A model of a kernel's TCP.
    Model(ControlKind),
    /// The TCP of smoltcp, both ends.
    Stack(StackControl),
    /// UDP at a rate of its own, whatever the path does.
    OnOff(OnOff),
}

/// A flow of others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrossOptions {
    pub(crate) kind: CrossKind,
    pub(crate) start_us: u64,
    /// When the sender falls silent; `None` is never.
    pub(crate) stop_us: Option<u64>,
    /// Delay each way in addition to that of the path.
    pub(crate) extra_us: u64,
}

impl CrossOptions {
    /// One that sends all the time.
    pub(crate) const fn bulk(kind: CrossKind) -> Self {
        Self {
            kind,
            start_us: 0,
            stop_us: None,
            extra_us: 0,
        }
    }
}

/// What came of a flow of others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct CrossOutcome {
    /// Payload bytes that arrived for the first time; of a real stack in order.
    pub(crate) delivered: u64,
    /// Packets its sender sent.
    pub(crate) packets: u64,
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// As our file bytes.
    Forward,
    /// As our reports.
    Backward,
}

#[derive(Debug)]
enum Ends {
    Model(
        Box<ack_clocked::AckClockedSender>,
        ack_clocked::AckClockedReceiver,
    ),
    Stack(Box<stack_tcp::StackTcp>),
    OnOff(on_off::OnOffSender, u64),
}

/// A flow of others at work.
#[derive(Debug)]
pub(crate) struct CrossFlow {
    ends: Ends,
    stop_us: Option<u64>,
    packets: u64,
    next_at: Option<u64>,
}

impl CrossFlow {
    /// `name` tells its random numbers from those of others.
    pub(crate) fn new(seed: u64, name: &str, options: &CrossOptions, now_us: u64) -> Self {
        let ends = match options.kind {
            CrossKind::Model(kind) => Ends::Model(
                Box::new(ack_clocked::AckClockedSender::new(kind, seed, name, now_us)),
                ack_clocked::AckClockedReceiver::new(seed, name),
            ),
            CrossKind::Stack(control) => {
                Ends::Stack(Box::new(stack_tcp::StackTcp::new(control, seed, name)))
            }
            CrossKind::OnOff(on_off) => {
                Ends::OnOff(on_off::OnOffSender::new(on_off, seed, name, now_us), 0)
            }
        };
        Self {
            ends,
            stop_us: options.stop_us,
            packets: 0,
            next_at: Some(now_us),
        }
    }

    /// `datagram` has arrived after going `way`; a turn must follow.
    pub(crate) fn receive(&mut self, now_us: u64, way: Way, datagram: &Datagram) {
        self.next_at = Some(now_us);
        match (&mut self.ends, way) {
            (Ends::Model(sender, receiver), way) => {
                let Some(segment) = datagram.as_segment() else {
                    return;
                };
                match way {
                    Way::Forward => receiver.on_data(now_us, segment),
                    Way::Backward => sender.on_acknowledgement(now_us, segment),
                }
            }
            (Ends::Stack(stack), way) => stack.receive(way, datagram),
            (Ends::OnOff(_, delivered), _) => {
                *delivered += datagram.as_segment().map_or(0, |_| datagram.len() as u64);
            }
        }
    }

    /// Gives both ends their turn if it is time; what they send goes to `send`.
    pub(crate) fn turn(
        &mut self,
        now_us: u64,
        breaches: &mut Breaches,
        mut send: impl FnMut(Way, Datagram),
    ) {
        if self.next_at.is_none_or(|at| at > now_us) {
            return;
        }
        let stopped = self.stop_us.is_some_and(|stop| stop <= now_us);
        let packets = &mut self.packets;
        let mut send = |way, datagram| {
            *packets += u64::from(way == Way::Forward);
            send(way, datagram);
        };
        let next_at = match &mut self.ends {
            Ends::Model(sender, receiver) => {
                receiver.turn(now_us, |segment| {
                    send(Way::Backward, Datagram::segment(segment))
                });
                if !stopped {
                    sender.turn(now_us, |segment| {
                        send(Way::Forward, Datagram::segment(segment))
                    });
                }
                let sender_at = if stopped { None } else { sender.next_at() };
                sender_at.into_iter().chain(receiver.next_at()).min()
            }
            Ends::Stack(stack) => stack.turn(now_us, stopped, breaches, &mut send),
            Ends::OnOff(sender, _) if !stopped => {
                sender.turn(now_us, |segment| {
                    send(Way::Forward, Datagram::segment(segment))
                });
                Some(sender.next_at())
            }
            Ends::OnOff(..) => None,
        };
        let stop_us = self.stop_us.filter(|_| !stopped);
        self.next_at = next_at.into_iter().chain(stop_us).min();
    }

    pub(crate) const fn next_at(&self) -> Option<u64> {
        self.next_at
    }

    /// What has come of it so far.
    pub(crate) const fn outcome(&self) -> CrossOutcome {
        let delivered = match &self.ends {
            Ends::Model(_, receiver) => receiver.delivered(),
            Ends::Stack(stack) => stack.delivered(),
            Ends::OnOff(_, delivered) => *delivered,
        };
        CrossOutcome {
            delivered,
            packets: self.packets,
        }
    }
}

#[cfg(test)]
mod tests;
