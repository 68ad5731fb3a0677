//! A path put together by chance: every kind of part may be on it, in an order in which it can be.

use super::TROUBLES_END_US;
use crate::link::{
    Bottleneck, Buffer, Bursts, Delay, Jitter, LargestDatagram, Outage, Part, Policer,
    RateSchedule, Reorder,
};
use crate::paths::{ETHERNET, JUMBO, Path};
use crate::random::Random;

/// A path and the bounds of what it does over time.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) path: Path,
    /// The least rate at any time, standstills apart.
    pub(super) worst_bps: u64,
    /// The longest round trip at any time, without queues.
    pub(super) longest_us: u64,
}

/// The least size that the way there lets through: below it nothing is searched for.
const LEAST_FORWARD: u64 = 1_252;
/// The least size that the way back lets through. Reports have the size agreed on (1,440 bytes) and the receiver
/// does not search for a smaller one: where these vanish, a session with many results never ends.
const LEAST_BACKWARD: u64 = 1_440;

impl Course {
    pub(super) fn draw(random: &mut Random) -> Self {
        let rate_bps = random.spread(1_000_000, 300_000_000);
        let round_trip_us = random.spread(400, 600_000);
        let datagram = random.one_of(&[ETHERNET, ETHERNET, JUMBO]);
        let (rate, mut worst_bps) = rate_over_time(random, rate_bps);
        let (delay, longest_each_us) = delay_over_time(random, round_trip_us / 2);
        let buffer = buffer_at_random(random, worst_bps, round_trip_us, datagram);
        let mut bottleneck = Bottleneck::new(rate.clone(), buffer);
        if random.chance(150_000) {
            bottleneck = bottleneck.with_codel();
        }
        let mut forward = Vec::new();
        if random.chance(100_000) {
            let policed_bps = random.spread(worst_bps / 4 + 500_000, worst_bps + 1_000_000);
            worst_bps = worst_bps.min(policed_bps);
            let bucket = random.spread(20_000, 2_000_000);
            forward.push(Part::Policer(Policer::new(policed_bps, bucket)));
        }
        forward.push(Part::Bottleneck(bottleneck));
        let back = random.spread(200_000, 100_000_000);
        let mut backward = vec![Part::Bottleneck(Bottleneck::new(
            RateSchedule::constant(back),
            Buffer::time(back, 400_000),
        ))];
        let mut loss_ppm = 0;
        for (parts, least) in [
            (&mut forward, LEAST_FORWARD),
            (&mut backward, LEAST_BACKWARD),
        ] {
            parts.push(Part::Delay(delay.clone()));
            loss_ppm = troubles(random, parts, least).max(loss_ppm);
        }
        let path = Path {
            forward,
            backward,
            round_trip_us,
            rate_bps,
            loss_ppm,
            datagram,
        };
        Self {
            path,
            worst_bps,
            longest_us: 2 * longest_each_us,
        }
    }
}

fn rate_over_time(random: &mut Random, rate_bps: u64) -> (RateSchedule, u64) {
    let mut schedule = RateSchedule::constant(rate_bps);
    let mut worst_bps = rate_bps;
    if random.chance(250_000) {
        let at_us = random.below(TROUBLES_END_US / 2);
        let other_bps = random.spread(rate_bps / 10 + 100_000, rate_bps * 4);
        let halt_us = random.one_of(&[0, 0, 300_000, 2_000_000]);
        if halt_us > 0 {
            schedule = schedule.then(at_us, 0);
        }
        schedule = schedule.then(at_us + halt_us, other_bps);
        worst_bps = worst_bps.min(other_bps);
    }
    (schedule, worst_bps)
}

fn delay_over_time(random: &mut Random, each_us: u64) -> (Delay, u64) {
    let mut delay = Delay::constant(each_us);
    let mut longest_us = each_us;
    if random.chance(250_000) {
        let at_us = random.below(TROUBLES_END_US);
        let other_us = random.spread(200, 150_000);
        longest_us = longest_us.max(other_us);
        delay = delay.then(at_us, other_us);
    }
    (delay, longest_us)
}

fn buffer_at_random(
    random: &mut Random,
    rate_bps: u64,
    round_trip_us: u64,
    datagram: u16,
) -> Buffer {
    if random.chance(300_000) {
        return Buffer::Packets(random.spread(2, 200) as usize);
    }
    let tenths = random.spread(1, 40);
    match Buffer::time(rate_bps, round_trip_us * tenths / 10) {
        Buffer::Bytes(bytes) => Buffer::Bytes(bytes.max(3 * u64::from(datagram))),
        packets => packets,
    }
}

/// Adds what may go wrong to one direction and returns the loss per million; datagrams of `least_datagram`
/// bytes are never too large.
fn troubles(random: &mut Random, parts: &mut Vec<Part>, least_datagram: u64) -> u64 {
    let mut loss_ppm = 0;
    if random.chance(400_000) {
        let ppm = random.spread(100, 150_000);
        loss_ppm += ppm;
        parts.push(Part::Loss(ppm));
    }
    if random.chance(150_000) {
        let (ppm, mean) = (random.spread(100, 50_000), random.spread(2, 64));
        loss_ppm += ppm;
        parts.push(Part::Bursts(Bursts::new(ppm, mean)));
    }
    if random.chance(150_000) {
        let at_us = random.below(TROUBLES_END_US - 3_000_000);
        let length_us = random.spread(20_000, 3_000_000);
        parts.push(Part::Outage(Outage::once(at_us, length_us)));
    }
    if random.chance(100_000) {
        let length_us = random.spread(5_000, 200_000);
        let outage = Outage::repeated(random.below(2_000_000), length_us, 3_000_000);
        parts.push(Part::Outage(outage));
    }
    if random.chance(200_000) {
        let first = least_datagram + random.below(8_000);
        let second = least_datagram + random.below(400);
        let largest = LargestDatagram::constant(first as usize)
            .then(random.below(TROUBLES_END_US), second as usize);
        parts.push(Part::LargestDatagram(largest));
    }
    for (ppm, part) in [
        (200_000, Part::Duplicate as fn(u64) -> Part),
        (150_000, Part::Flip as fn(u64) -> Part),
    ] {
        if random.chance(ppm) {
            parts.push(part(random.spread(100, 50_000)));
        }
    }
    if random.chance(300_000) {
        parts.push(Part::Jitter(jitter_at_random(random)));
    }
    if random.chance(200_000) {
        parts.push(Part::Reorder(Reorder {
            ppm: random.spread(100, 100_000),
            most_us: random.spread(100, 50_000),
        }));
    }
    loss_ppm
}

fn jitter_at_random(random: &mut Random) -> Jitter {
    match random.below(5) {
        0 => Jitter::slow(random.spread(100, 20_000), random.spread(5_000, 1_000_000)),
        1 => Jitter::stalls(200_000, random.spread(5_000, 80_000)),
        2 => Jitter::slots(random.spread(500, 10_000)),
        3 => Jitter::hold(
            random.below(TROUBLES_END_US / 2),
            random.spread(50_000, 3_000_000),
        ),
        _ => Jitter::spikes(random.spread(100, 50_000), random.spread(1_000, 80_000)),
    }
}
