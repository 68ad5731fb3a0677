//! Runs with names: what to look at when something has changed, and what once went wrong.

use crate::cross_traffic::{ControlKind, CrossKind, CrossOptions, OnOff, Spread, StackControl};
use crate::host::FlowOptions;
use crate::link::{LargestDatagram, Part, RateSchedule};
use crate::paths::{self, Path};
use crate::scenario::Scenario;
use crate::smoltcp_host::Stack;
use crate::storage::StorageOptions;

/// Runs with names, apart from the named paths.
pub(crate) const NAMES: [(&str, &str); 15] = [
    (
        "torture",
        "everything that can go wrong, 40 files of all sizes",
    ),
    (
        "many_files",
        "20,000 files of 1 KiB, 100 Mbit/s, 200 ms, 1 % loss",
    ),
    (
        "narrow_back",
        "20,000 files of 1 KiB, 100 Mbit/s, 50 ms; the way back carries 1,400 bytes at most",
    ),
    (
        "slow_disk",
        "1 Gbit/s, 20 ms; the disk writes 80 Mbit/s and stands still from 2 to 4 s",
    ),
    (
        "full_disk",
        "100 Mbit/s, 20 ms; the disk is full after 4 of 8 files",
    ),
    (
        "four_flows",
        "four fair flows one after another on 100 Mbit/s, 50 ms",
    ),
    (
        "over_ipv4",
        "one flow over Ethernet, ARP and IPv4 of a real stack, 100 Mbit/s, 50 ms, 1 % loss",
    ),
    ("over_ipv6", "the same over neighbour discovery and IPv6"),
    (
        "against_cubic",
        "one flow and a model of Cubic on 100 Mbit/s, 50 ms",
    ),
    (
        "against_reno",
        "one flow and a model of Reno on 100 Mbit/s, 50 ms",
    ),
    (
        "against_bbr",
        "one flow and a model of BBR on 100 Mbit/s, 50 ms",
    ),
    (
        "against_on_off",
        "one flow and 60 Mbit/s of UDP that comes and goes, on 100 Mbit/s, 50 ms",
    ),
    (
        "against_pulses",
        "one flow and 60 Mbit/s of UDP every other second, on 100 Mbit/s, 50 ms",
    ),
    (
        "against_smoltcp_reno",
        "one flow and the Reno of a real stack on 100 Mbit/s, 50 ms",
    ),
    (
        "against_smoltcp",
        "one flow and the Cubic of a real stack on 100 Mbit/s, 50 ms",
    ),
];

/// What flows of others a run with a name has.
fn cross_of(name: &str) -> Option<CrossKind> {
    Some(match name {
        "against_cubic" => CrossKind::Model(ControlKind::Cubic),
        "against_reno" => CrossKind::Model(ControlKind::Reno),
        "against_bbr" => CrossKind::Model(ControlKind::Bbr),
        "against_smoltcp" => CrossKind::Stack(StackControl::Cubic),
        "against_smoltcp_reno" => CrossKind::Stack(StackControl::Reno),
        "against_pulses" => CrossKind::OnOff(OnOff {
            rate_bps: 60_000_000,
            on_us: 1_000_000,
            off_us: 1_000_000,
            spread: Spread::Constant,
        }),
        "against_on_off" => CrossKind::OnOff(OnOff {
            rate_bps: 60_000_000,
            on_us: 2_000_000,
            off_us: 2_000_000,
            spread: Spread::Exponential,
        }),
        _ => return None,
    })
}

/// The run called `name`: a named path with one transfer over it, or one of [`NAMES`].
pub(crate) fn named(name: &str) -> Option<Scenario> {
    if let Some(kind) = cross_of(name) {
        let mut scenario = Scenario::transfer(Path::plain(100_000_000, 50_000, 0), 20.0);
        scenario.limit_us = 60_000_000;
        scenario.must_end = false;
        scenario.cross = vec![CrossOptions::bulk(kind)];
        return Some(scenario);
    }
    let mut scenario = match name {
        "torture" => Scenario::transfer(paths::torture(), 10.0),
        "many_files" => Scenario::transfer(Path::plain(100_000_000, 200_000, 10_000), 5.0),
        "narrow_back" => {
            let mut path = Path::plain(100_000_000, 50_000, 0);
            let narrow = LargestDatagram::constant(1_400);
            path.backward.push(Part::LargestDatagram(narrow));
            Scenario::transfer(path, 5.0)
        }
        "slow_disk" => Scenario::transfer(Path::plain(1_000_000_000, 20_000, 0), 1.0),
        "full_disk" => Scenario::transfer(Path::plain(100_000_000, 20_000, 0), 2.0),
        "four_flows" => Scenario::transfer(Path::plain(100_000_000, 50_000, 0), 20.0),
        "over_ipv4" | "over_ipv6" => {
            Scenario::transfer(Path::plain(100_000_000, 50_000, 10_000), 20.0)
        }
        other => Scenario::transfer(
            paths::named(other)?,
            if other == "leo_handover" { 40.0 } else { 20.0 },
        ),
    };
    let first = scenario.flows[0].clone();
    match name {
        "torture" => {
            let sizes = [0, 1, 700, 1_200, 5_000, 90_000, 400_000, 1_300_000];
            scenario.flows[0].files = sizes.repeat(5);
        }
        "over_ipv4" => scenario.flows[0].put_on(Stack::Ipv4),
        "over_ipv6" => scenario.flows[0].put_on(Stack::Ipv6),
        "many_files" | "narrow_back" => scenario.flows[0].files = vec![1_024; 20_000],
        "slow_disk" => {
            let speed = RateSchedule::constant(80_000_000)
                .then(2_000_000, 0)
                .then(4_000_000, 80_000_000);
            scenario.limit_us = 60_000_000;
            scenario.flows[0].storage = StorageOptions {
                speed: Some(speed),
                buffer: 8 << 20,
                ..StorageOptions::default()
            };
        }
        "full_disk" => {
            scenario.flows[0].files = vec![2_000_000; 8];
            scenario.flows[0].storage.space = 8_500_000;
        }
        "four_flows" => {
            scenario.flows = (0..4_u64)
                .map(|index| FlowOptions {
                    start_us: index * 5_000_000,
                    ..first.clone()
                })
                .collect();
        }
        _ => {}
    }
    Some(scenario)
}
