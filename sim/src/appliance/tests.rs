//! Whole sessions with an appliance on good and bad paths.

use super::*;
use crate::link::{Bursts, Outage, Part, Reorder};

const BYTES: usize = 1 << 20;

fn both_ways(path: &Path, most_seconds: f64) {
    for upload in [true, false] {
        let came = transfer(path, 1, upload, BYTES);
        let seconds = came.done_us as f64 / 1e6;
        assert!(
            seconds <= most_seconds,
            "{seconds} s, upload {upload}: {came:?}"
        );
    }
}

#[test]
fn a_clean_path_is_used_well() {
    // 1 MiB at 8 Mbit/s takes 1.05 s; log-in and good-bye some round trips.
    both_ways(&Path::plain(8_000_000, 20_000, 0), 2.0);
}

#[test]
fn loss_on_the_way_there_and_back_only_delays() {
    for loss_ppm in [50_000, 100_000] {
        let mut path = Path::plain(8_000_000, 40_000, loss_ppm);
        path.backward.push(Part::Loss(loss_ppm));
        both_ways(&path, 60.0);
    }
}

#[test]
fn datagrams_out_of_order_in_bursts_and_twice_are_put_right() {
    let mut path = Path::plain(8_000_000, 40_000, 0);
    for parts in [&mut path.forward, &mut path.backward] {
        parts.push(Part::Bursts(Bursts::new(20_000, 8)));
        parts.push(Part::Duplicate(20_000));
        parts.push(Part::Reorder(Reorder {
            ppm: 100_000,
            most_us: 30_000,
        }));
    }
    both_ways(&path, 30.0);
}

#[test]
fn a_link_that_goes_down_for_seconds_comes_back() {
    let mut path = Path::plain(8_000_000, 20_000, 0);
    for parts in [&mut path.forward, &mut path.backward] {
        parts.push(Part::Outage(Outage::once(600_000, 3_000_000)));
    }
    both_ways(&path, 15.0);
}

#[test]
fn damaged_frames_are_as_good_as_lost() {
    let mut path = Path::plain(8_000_000, 20_000, 0);
    for parts in [&mut path.forward, &mut path.backward] {
        parts.push(Part::Flip(30_000));
    }
    both_ways(&path, 30.0);
}

#[test]
fn a_seed_repeats_what_happens() {
    let path = Path::plain(8_000_000, 40_000, 50_000);
    let first = transfer(&path, 7, true, BYTES);
    assert_eq!(first, transfer(&path, 7, true, BYTES));
    assert_ne!(first, transfer(&path, 8, true, BYTES));
    assert!(first.lost > 0);
}
