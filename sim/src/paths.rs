//! Paths with names: what measurements of real networks of these kinds look like, in round numbers.

use crate::link::{
    Bottleneck, Buffer, Bursts, Delay, Jitter, LargestDatagram, Outage, Part, Policer,
    RateSchedule, Reorder,
};

/// Both directions of a path and what a transfer over it can reach.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) forward: Vec<Part>,
    pub(crate) backward: Vec<Part>,
    /// Without queues.
    pub(crate) round_trip_us: u64,
    /// Ethernet bit rate of the narrowest place.
    pub(crate) rate_bps: u64,
    /// Datagrams that are lost whatever the rate.
    pub(crate) loss_ppm: u64,
    /// Largest datagram, bytes of UDP payload.
    pub(crate) datagram: u16,
}

/// A full Ethernet frame over IPv4.
pub(crate) const ETHERNET: u16 = 1_472;
/// A jumbo frame over IPv4.
pub(crate) const JUMBO: u16 = 8_972;

impl Path {
    /// A rate with a buffer of one round trip but at least 20 ms, a delay, and losses forward.
    pub(crate) fn plain(rate_bps: u64, round_trip_us: u64, loss_ppm: u64) -> Self {
        let buffer = Buffer::time(rate_bps, round_trip_us.max(20_000));
        let rate = RateSchedule::constant(rate_bps);
        let mut path = Self {
            forward: vec![Part::Bottleneck(Bottleneck::new(rate.clone(), buffer))],
            backward: vec![Part::Bottleneck(Bottleneck::new(rate, buffer))],
            round_trip_us,
            rate_bps,
            loss_ppm,
            datagram: ETHERNET,
        };
        if loss_ppm > 0 {
            path.forward.push(Part::Loss(loss_ppm));
        }
        path.with_delay(Delay::constant(round_trip_us / 2))
    }

    fn with_delay(mut self, delay: Delay) -> Self {
        self.forward.push(Part::Delay(delay.clone()));
        self.backward.push(Part::Delay(delay));
        self
    }

    /// The same with other delays, forward and backward.
    pub(crate) fn with_delays(mut self, forward: Delay, backward: Delay) -> Self {
        for (parts, delay) in [(&mut self.forward, forward), (&mut self.backward, backward)] {
            parts.retain(|part| !matches!(part, Part::Delay(_)));
            parts.push(Part::Delay(delay));
        }
        self
    }

    pub(crate) fn with_forward(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        self.forward.extend(parts);
        self
    }

    pub(crate) fn with_both(mut self, parts: impl IntoIterator<Item = Part>) -> Self {
        for part in parts {
            self.forward.push(part.clone());
            self.backward.push(part);
        }
        self
    }

    /// The same with another buffer in front of the forward rate.
    pub(crate) fn with_buffer(mut self, buffer: Buffer) -> Self {
        let rate = RateSchedule::constant(self.rate_bps);
        self.forward[0] = Part::Bottleneck(Bottleneck::new(rate, buffer));
        self
    }

    /// The same with a forward buffer of what passes in `span_us`.
    pub(crate) fn with_buffer_time(self, span_us: u64) -> Self {
        let buffer = Buffer::time(self.rate_bps, span_us);
        self.with_buffer(buffer)
    }

    /// A quarter round trip, but no less than 16 full packets take: below that a rate means nothing.
    pub(crate) fn start_up_window_us(&self) -> u64 {
        let wire_bits = (u64::from(self.datagram) + crate::datagram::WIRE_OVERHEAD) * 8;
        let packets_us = (16 * wire_bits * 1_000_000).div_ceil(self.rate_bps.max(1));
        packets_us.max(self.round_trip_us / 4)
    }

    /// UDP payload that passes without loss, bit/s.
    pub(crate) fn payload_bps(&self) -> f64 {
        let datagram = f64::from(self.datagram);
        let wire_bytes = datagram + crate::datagram::WIRE_OVERHEAD as f64;
        self.rate_bps as f64 * datagram / wire_bytes
    }

    /// File bytes per second, in bits, that a perfect transfer has: the rate less headers and losses.
    pub(crate) fn ceiling_bps(&self) -> f64 {
        let datagram = f64::from(self.datagram);
        let file_bytes = datagram - 40.0;
        let wire_bytes = datagram + crate::datagram::WIRE_OVERHEAD as f64;
        let arriving = 1.0 - self.loss_ppm as f64 / 1e6;
        self.rate_bps as f64 * file_bytes / wire_bytes * arriving
    }
}

/// Names and what they stand for.
pub(crate) const NAMES: [(&str, &str); 10] = [
    ("lan", "1 Gbit/s, 0.4 ms, no loss"),
    ("metro", "1 Gbit/s, 5 ms, 0.01 % loss"),
    (
        "transatlantic",
        "1 Gbit/s, 80 ms, 0.1 % loss, jitter 0.5 ms",
    ),
    ("transpacific", "300 Mbit/s, 160 ms, 1 % loss, jitter 2 ms"),
    (
        "geo_satellite",
        "50 Mbit/s, 600 ms, 1 % loss in runs of 4, 5 Mbit/s back",
    ),
    (
        "leo_handover",
        "150 Mbit/s, 40 ms, delay steps and a 150 ms outage every 15 s",
    ),
    (
        "lossy_wifi",
        "100 Mbit/s, 12 ms, 3 % loss in runs of 4, stalls of 15 ms, disorder",
    ),
    (
        "lte",
        "60/20/60 Mbit/s, 50 ms, jitter 10 ms, deep buffer, 20 Mbit/s back",
    ),
    ("clean_10g", "10 Gbit/s, 100 ms, jumbo frames"),
    (
        "policed",
        "1 Gbit/s, 30 ms, policer of 50 Mbit/s with 100 kB at once",
    ),
];

/// The path called `name`.
pub(crate) fn named(name: &str) -> Option<Path> {
    Some(match name {
        "lan" => Path::plain(1_000_000_000, 400, 0),
        "metro" => Path::plain(1_000_000_000, 5_000, 100),
        "transatlantic" => Path::plain(1_000_000_000, 80_000, 1_000)
            .with_both([Part::Jitter(Jitter::slow(500, 50_000))]),
        "transpacific" => Path::plain(300_000_000, 160_000, 10_000)
            .with_both([Part::Jitter(Jitter::slow(2_000, 50_000))]),
        "geo_satellite" => geo_satellite(),
        "leo_handover" => leo_handover(),
        "lossy_wifi" => lossy_wifi(),
        "lte" => lte(),
        "clean_10g" => Path {
            datagram: JUMBO,
            ..Path::plain(10_000_000_000, 100_000, 0)
        },
        "policed" => {
            let mut path = Path::plain(1_000_000_000, 30_000, 0);
            path.rate_bps = 50_000_000;
            path.forward
                .insert(0, Part::Policer(Policer::new(50_000_000, 100_000)));
            path
        }
        _ => return None,
    })
}

fn geo_satellite() -> Path {
    let mut path =
        Path::plain(50_000_000, 600_000, 0).with_forward([Part::Bursts(Bursts::new(10_000, 4))]);
    let back = Bottleneck::new(RateSchedule::constant(5_000_000), Buffer::Bytes(200_000));
    path.backward[0] = Part::Bottleneck(back);
    path.loss_ppm = 10_000;
    path
}

fn leo_handover() -> Path {
    let buffer = Buffer::time(150_000_000, 60_000);
    let mut delay = Delay::constant(20_000);
    for handover in 1..40 {
        let each_way = [20_000, 27_000, 14_000, 23_000][handover as usize % 4];
        delay = delay.then(handover * 15_000_000, each_way);
    }
    let path = Path {
        forward: vec![Part::Bottleneck(Bottleneck::new(
            RateSchedule::constant(150_000_000),
            buffer,
        ))],
        backward: vec![Part::Bottleneck(Bottleneck::new(
            RateSchedule::constant(20_000_000),
            buffer,
        ))],
        round_trip_us: 40_000,
        rate_bps: 150_000_000,
        loss_ppm: 5_000,
        datagram: ETHERNET,
    };
    path.with_delay(delay)
        .with_forward([Part::Loss(5_000)])
        .with_both([Part::Outage(Outage::repeated(
            15_000_000, 150_000, 15_000_000,
        ))])
        .with_both([Part::Jitter(Jitter::slow(3_000, 100_000))])
}

fn lossy_wifi() -> Path {
    let mut path = Path::plain(100_000_000, 12_000, 0).with_both([
        Part::Bursts(Bursts::new(30_000, 4)),
        Part::Jitter(Jitter::stalls(200_000, 15_000)),
        Part::Reorder(Reorder {
            ppm: 1_000,
            most_us: 3_000,
        }),
    ]);
    path.loss_ppm = 30_000;
    path
}

fn lte() -> Path {
    let rate = RateSchedule::constant(60_000_000)
        .then(10_000_000, 20_000_000)
        .then(20_000_000, 60_000_000);
    let mut path = Path::plain(60_000_000, 50_000, 0);
    path.forward[0] = Part::Bottleneck(Bottleneck::new(rate, Buffer::Bytes(3_000_000)));
    path.backward[0] = Part::Bottleneck(Bottleneck::new(
        RateSchedule::constant(20_000_000),
        Buffer::Bytes(1_000_000),
    ));
    path.with_both([Part::Jitter(Jitter::slow(10_000, 20_000))])
}

/// Everything that can go wrong on one path.
pub(crate) fn torture() -> Path {
    let rate = RateSchedule::constant(50_000_000)
        .then(3_000_000, 0)
        .then(3_400_000, 20_000_000);
    let mut path = Path::plain(50_000_000, 40_000, 0).with_both([
        Part::Loss(20_000),
        Part::Bursts(Bursts::new(10_000, 8)),
        Part::Outage(Outage::once(5_000_000, 800_000)),
        Part::LargestDatagram(LargestDatagram::constant(1_472).then(2_000_000, 1_300)),
        Part::Duplicate(20_000),
        Part::Flip(10_000),
        Part::Reorder(Reorder {
            ppm: 20_000,
            most_us: 8_000,
        }),
        Part::Jitter(Jitter::spikes(5_000, 40_000)),
    ]);
    path.forward[0] = Part::Bottleneck(Bottleneck::new(rate, Buffer::Packets(120)));
    path.rate_bps = 20_000_000;
    path.loss_ppm = 40_000;
    path
}
