//! Hosts, the path between them and the clock, which jumps exactly to the next thing that happens.
//!
//! A host is only called when a datagram arrives for it or when the time it named has come, so a machine
//! that needs to be called earlier than its `poll_timeout` says stands still here.

use crate::checks::Breaches;
use crate::cross_traffic::{CrossFlow, CrossOptions, Way};
use crate::datagram::Datagram;
use crate::flow::Flow;
use crate::host::FlowOptions;
use crate::link::{Link, MICROSECOND, Part};
use crate::measure::{Arrived, FlowSample, Sample};

/// So many turns without time passing are a breach of the contract of `poll_timeout`.
const MOST_IDLE_TURNS: u32 = 2_000;
/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct WorldOptions {
    pub(crate) seed: u64,
    pub(crate) forward: Vec<Part>,
    pub(crate) backward: Vec<Part>,
    pub(crate) flows: Vec<FlowOptions>,
    pub(crate) cross: Vec<CrossOptions>,
    /// Virtual time after which it ends, whatever has happened.
    pub(crate) limit_us: u64,
    /// Time between samples.
    pub(crate) sample_us: u64,
    /// Time between the first moments at which what flow 0 received is noted, and when that ends.
    pub(crate) fine_us: u64,
    pub(crate) fine_until_us: u64,
    /// When measuring the queue begins.
    pub(crate) measure_from_us: u64,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    options: WorldOptions,
    now_us: u64,
    pub(crate) forward: Link,
    pub(crate) backward: Link,
    pub(crate) flows: Vec<Option<Flow>>,
    pub(crate) cross: Vec<Option<CrossFlow>>,
    pub(crate) samples: Vec<Sample>,
    /// What flow 0 received over time.
    pub(crate) arrived: Arrived,
    pub(crate) breaches: Breaches,
    measuring: bool,
    next_sample: u64,
    next_fine: u64,
    trace: u64,
}

/// Adds to a hash of a run that `datagram` was sent.
fn mix(trace: u64, now_us: u64, mark: u64, datagram: &Datagram) -> u64 {
    let parts = [now_us, mark, datagram.wire_bytes(), datagram.fingerprint()];
    parts.into_iter().fold(trace, |hash, part| {
        (hash ^ part)
            .wrapping_mul(0x9FB2_1C65_1E98_DF25)
            .rotate_left(29)
    })
}

impl World {
    pub(crate) fn new(options: WorldOptions) -> Self {
        let extra: Vec<u64> = options
            .flows
            .iter()
            .map(|flow| flow.extra_us)
            .chain(options.cross.iter().map(|cross| cross.extra_us))
            .map(|extra_us| extra_us * MICROSECOND)
            .collect();
        Self {
            now_us: 1,
            forward: Link::new(options.seed, "forward", &options.forward, extra.clone()),
            backward: Link::new(options.seed, "backward", &options.backward, extra),
            flows: options.flows.iter().map(|_| None).collect(),
            cross: options.cross.iter().map(|_| None).collect(),
            samples: Vec::new(),
            arrived: Arrived::default(),
            breaches: Breaches::default(),
            measuring: false,
            next_sample: 0,
            next_fine: 0,
            trace: options.seed,
            options,
        }
    }

    pub(crate) const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// A hash of everything that was sent and when: equal runs have equal traces.
    pub(crate) const fn trace(&self) -> u64 {
        self.trace
    }

    /// Runs until every session is over or the limit has come.
    pub(crate) fn run(&mut self) {
        let mut idle_turns = 0;
        loop {
            self.turn();
            if self.is_over() {
                break;
            }
            let Some(next) = self.next_at() else {
                if self.flows.is_empty() {
                    self.now_us = self.options.limit_us;
                    break;
                }
                self.breaches
                    .add(|| "no session is over, and nothing will happen".to_owned());
                break;
            };
            if next > self.now_us {
                idle_turns = 0;
            } else {
                idle_turns += 1;
            }
            if idle_turns > MOST_IDLE_TURNS {
                let now_us = self.now_us;
                self.breaches
                    .add(|| format!("time stands still at {now_us} us"));
                break;
            }
            if next >= self.options.limit_us {
                self.now_us = self.options.limit_us;
                break;
            }
            self.now_us = self.now_us.max(next);
            self.sample_until_now();
        }
        self.next_sample = 0;
        self.sample_until_now();
    }

    fn is_over(&mut self) -> bool {
        // Traffic of others has no end.
        !self.flows.is_empty()
            && self
                .flows
                .iter_mut()
                .all(|flow| flow.as_mut().is_some_and(Flow::is_over))
    }

    fn next_at(&self) -> Option<u64> {
        let mut next = [self.forward.next_at(), self.backward.next_at()]
            .into_iter()
            .flatten()
            .min();
        let mut sooner = |at: Option<u64>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        };
        for (flow, options) in self.flows.iter().zip(&self.options.flows) {
            match flow {
                Some(flow) => sooner(flow.next_at()),
                None => sooner(Some(options.start_us.max(1))),
            }
        }
        for (flow, options) in self.cross.iter().zip(&self.options.cross) {
            match flow {
                Some(flow) => sooner(flow.next_at()),
                None => sooner(Some(options.start_us.max(1))),
            }
        }
        next
    }

    fn turn(&mut self) {
        let now = self.now_us;
        for (index, slot) in self.flows.iter_mut().enumerate() {
            let options = &self.options.flows[index];
            if slot.is_none() && options.start_us <= now {
                *slot = Some(Flow::new(self.options.seed, index, options, now));
            }
        }
        for (index, slot) in self.cross.iter_mut().enumerate() {
            let options = &self.options.cross[index];
            if slot.is_none() && options.start_us <= now {
                let name = format!("cross {index}");
                *slot = Some(CrossFlow::new(self.options.seed, &name, options, now));
            }
        }
        self.deliver();
        self.turn_of_cross();
        self.turn_of_flows();
    }

    fn deliver(&mut self) {
        let now = self.now_us;
        let own = self.flows.len();
        while let Some((index, datagram)) = self.forward.receive(now) {
            if let Some(Some(cross)) = index.checked_sub(own).and_then(|at| self.cross.get_mut(at))
            {
                cross.receive(now, Way::Forward, &datagram);
                continue;
            }
            if let Some(Some(flow)) = self.flows.get_mut(index) {
                flow.reach_receiver(now, &datagram, &mut self.breaches);
            }
        }
        while let Some((index, datagram)) = self.backward.receive(now) {
            if let Some(Some(cross)) = index.checked_sub(own).and_then(|at| self.cross.get_mut(at))
            {
                cross.receive(now, Way::Backward, &datagram);
                continue;
            }
            if let Some(Some(flow)) = self.flows.get_mut(index) {
                flow.reach_sender(now, &datagram, &mut self.breaches);
            }
        }
    }

    fn turn_of_cross(&mut self) {
        let now = self.now_us;
        let own = self.flows.len();
        let (forward, backward, trace) = (&mut self.forward, &mut self.backward, &mut self.trace);
        for (index, slot) in self.cross.iter_mut().enumerate() {
            let Some(cross) = slot else { continue };
            let flow = own + index;
            cross.turn(now, &mut self.breaches, |way, datagram| {
                let (link, mark) = match way {
                    Way::Forward => (&mut *forward, flow as u64),
                    Way::Backward => (&mut *backward, !(flow as u64)),
                };
                *trace = mix(*trace, now, mark, &datagram);
                link.send(now, flow, datagram);
            });
        }
    }

    fn turn_of_flows(&mut self) {
        let now = self.now_us;
        let (forward, backward, trace) = (&mut self.forward, &mut self.backward, &mut self.trace);
        for (index, slot) in self.flows.iter_mut().enumerate() {
            let Some(flow) = slot else { continue };
            let mark = index as u64;
            flow.turn_of_sender(now, &mut self.breaches, |datagram| {
                *trace = mix(*trace, now, mark, &datagram);
                forward.send(now, index, datagram);
            });
            flow.turn_of_receiver(now, &mut self.breaches, |datagram| {
                *trace = mix(*trace, now, !mark, &datagram);
                backward.send(now, index, datagram);
            });
        }
    }

    /// Takes the samples that are due: nothing has changed since the moments they are for.
    fn sample_until_now(&mut self) {
        if !self.measuring && self.now_us >= self.options.measure_from_us {
            self.measuring = true;
            if let Some(bottleneck) = self.forward.bottleneck() {
                bottleneck.restart_measuring();
            }
        }
        let first = self.flows.first().and_then(Option::as_ref);
        let received = first.map_or(0, |flow| flow.receiver.received());
        while self.next_fine <= self.now_us.min(self.options.fine_until_us) {
            self.arrived.push(self.next_fine, received);
            self.next_fine += self.options.fine_us.max(1);
        }
        while self.next_sample <= self.now_us {
            let at_us = if self.next_sample == 0 {
                self.now_us
            } else {
                self.next_sample
            };
            let flows = self
                .flows
                .iter()
                .map(|flow| flow.as_ref().map_or_else(FlowSample::default, Flow::sample));
            let flows = flows.collect();
            let cross = self
                .cross
                .iter()
                .map(|flow| flow.as_ref().map_or(0, |flow| flow.outcome().delivered))
                .collect();
            let (entered, lost) = (self.forward.entered, self.forward.lost);
            let queue = self
                .forward
                .bottleneck()
                .map(|part| (part.latest_delay_us(), part.dropped()));
            let (queue_us, dropped) = queue.unwrap_or_default();
            if at_us > self.options.fine_until_us {
                self.arrived.push(at_us, received);
            }
            self.samples.push(Sample {
                at_us,
                queue_us,
                entered,
                lost,
                dropped,
                flows,
                cross,
            });
            self.next_sample = at_us + self.options.sample_us.max(1);
        }
    }
}
