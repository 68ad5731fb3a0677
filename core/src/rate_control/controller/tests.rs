//! The controller on a fluid model of one bottleneck: no packets, no noise.

use super::*;

/// A path that carries `capacity` bit/s, loses `loss_ppm` at random, and queues `buffer_us` at most.
struct Path {
    capacity: u64,
    loss_ppm: u64,
    buffer_us: u64,
    one_way_us: u64,
    queue_us: u64,
    now_us: u64,
    /// Bits received and passed that make no packet yet.
    rests: [u64; 2],
    /// Delay rises by up to this and falls again each second, whatever is sent.
    wanders_us: u64,
    /// What others keep in the queue at least; they keep up to twice as much.
    others_us: u64,
}

fn limits(policy: RatePolicy, target: u64) -> RateLimits {
    RateLimits {
        target: BitRate(target),
        minimum: BitRate(0),
        policy,
    }
}

/// Runs for `seconds` and returns the mean delivered rate and queue of the second half.
fn run(controller: &mut RateController, path: &mut Path, seconds: u64) -> (u64, u64) {
    let round_trip = Duration::from_micros(2 * path.one_way_us);
    let interval_us = (round_trip.as_micros() / 8).clamp(1_000, 20_000);
    let steps = seconds * 1_000_000 / interval_us;
    let lag = usize::try_from(round_trip.as_micros() / interval_us).unwrap();
    let mut sent = std::collections::VecDeque::from(std::vec![0; lag]);
    let (mut delivered, mut queue, mut counted) = (0, 0, 0);
    for step in 1..=steps {
        sent.push_back(controller.rate().0);
        let offered = sent.pop_front().unwrap();
        let backlog = offered * interval_us / 1_000_000 + path.queue_us * path.capacity / 1_000_000;
        let carried = backlog.min(path.capacity * interval_us / 1_000_000);
        let left_us = (backlog - carried) * 1_000_000 / path.capacity;
        path.queue_us = left_us.min(path.buffer_us);
        let dropped = (left_us - path.queue_us) * path.capacity / 1_000_000;
        let passed = carried + dropped;
        let received = carried - carried * path.loss_ppm / 1_000_000;
        // What is less than a packet counts with the next report.
        let mut packets = |bits: u64, rest: usize| {
            let bits = bits + path.rests[rest];
            path.rests[rest] = bits % 11_600;
            u32::try_from(bits / 11_600).unwrap()
        };
        let (received_packets, passed_packets) = (packets(received, 0), packets(passed, 1));
        if step * 2 > steps {
            delivered += received;
            queue += path.queue_us;
            counted += 1;
        }
        let now_us = path.now_us + step * interval_us;
        let queued = path.queue_us * path.capacity / 1_000_000;
        let under_way = sent.iter().sum::<u64>() * interval_us / 1_000_000 + queued;
        let wave = (now_us % 1_000_000).abs_diff(500_000);
        let not_ours_us = path.others_us + (path.others_us + path.wanders_us) * wave / 500_000;
        let one_way_us = path.one_way_us + path.queue_us + not_ours_us;
        controller.on_report(&ReportFacts {
            now: Instant::from_micros(now_us),
            interval: Duration::from_micros(interval_us),
            received_packets,
            passed_packets,
            received_bytes: u32::try_from(received / 8).unwrap(),
            least_delay_us: i64::try_from(one_way_us).unwrap(),
            in_flight: under_way / 8,
            round_trip,
            least_round_trip: round_trip,
            train_passed: true,
            ..ReportFacts::default()
        });
    }
    path.now_us += seconds * 1_000_000;
    (
        delivered * 1_000_000 / interval_us / counted,
        queue / counted,
    )
}

fn path(capacity: u64, loss_ppm: u64, buffer_us: u64) -> Path {
    Path {
        capacity,
        loss_ppm,
        buffer_us,
        one_way_us: 25_000,
        queue_us: 0,
        now_us: 0,
        rests: [0; 2],
        wanders_us: 0,
        others_us: 0,
    }
}

#[test]
fn a_fixed_session_sends_at_its_target_and_at_nothing_else() {
    let mut controller = RateController::new(
        limits(RatePolicy::Fixed, 50_000_000),
        Instant::from_micros(0),
    );
    run(&mut controller, &mut path(10_000_000, 0, 100_000), 5);
    assert_eq!(controller.rate(), BitRate(50_000_000));
}

#[test]
fn a_fair_session_fills_a_clean_path_with_a_short_queue() {
    let mut controller = RateController::new(
        limits(RatePolicy::Fair, 1_000_000_000),
        Instant::from_micros(0),
    );
    let (delivered, queue) = run(&mut controller, &mut path(100_000_000, 0, 100_000), 20);
    assert!(delivered > 97_000_000, "{delivered}");
    assert!(queue < 12_000, "{queue}");
}

#[test]
fn a_fair_session_does_not_collapse_under_random_loss() {
    for loss_ppm in [1_000, 10_000, 50_000, 100_000] {
        let mut controller = RateController::new(
            limits(RatePolicy::Fair, 1_000_000_000),
            Instant::from_micros(0),
        );
        let (delivered, _) = run(
            &mut controller,
            &mut path(100_000_000, loss_ppm, 100_000),
            20,
        );
        let ceiling = 100_000_000 - 100 * loss_ppm;
        assert!(
            delivered > ceiling * 95 / 100,
            "{loss_ppm} ppm: {delivered} of {ceiling}"
        );
    }
}

#[test]
fn a_fair_session_never_exceeds_its_target() {
    let mut controller = RateController::new(
        limits(RatePolicy::Fair, 20_000_000),
        Instant::from_micros(0),
    );
    run(&mut controller, &mut path(100_000_000, 0, 100_000), 5);
    assert_eq!(controller.rate(), BitRate(20_000_000));
}

#[test]
fn silence_takes_an_adaptive_session_down_but_not_below_its_minimum() {
    let wishes = RateLimits {
        minimum: BitRate(5_000_000),
        ..limits(RatePolicy::Fair, 100_000_000)
    };
    let mut controller = RateController::new(wishes, Instant::from_micros(0));
    controller.on_silence(Duration::from_secs(4));
    assert_eq!(controller.rate(), BitRate(5_000_000));
}

#[test]
fn reports_of_nothing_do_not_shift_the_base_delay() {
    let limits = limits(RatePolicy::Fair, 50_000_000);
    let mut controller = RateController::new(limits, Instant::from_micros(0));
    run(&mut controller, &mut path(100_000_000, 0, 100_000), 5);
    let round_trip = Duration::from_millis(50);
    for second in 6..30 {
        controller.on_silence(Duration::from_secs(second - 5));
        controller.on_report(&ReportFacts {
            now: Instant::from_micros(second * 1_000_000),
            interval: Duration::from_secs(1),
            // What an empty interval says about delay means nothing.
            least_delay_us: -3_000_000,
            round_trip,
            least_round_trip: round_trip,
            application_limited: true,
            ..ReportFacts::default()
        });
    }
    run(&mut controller, &mut path(100_000_000, 0, 100_000), 5);
    assert_eq!(controller.rate(), BitRate(50_000_000));
}

#[test]
fn delay_that_wanders_whatever_is_sent_is_not_taken_for_a_queue() {
    let limits = limits(RatePolicy::Fair, 1_000_000_000);
    let mut controller = RateController::new(limits, Instant::from_micros(0));
    let mut path = path(100_000_000, 0, 100_000);
    path.wanders_us = 9_000;
    let (delivered, _) = run(&mut controller, &mut path, 40);
    assert!(delivered > 95_000_000, "{delivered}");
}

#[test]
fn a_low_session_leaves_the_path_to_others_and_comes_back_when_they_are_gone() {
    let limits = limits(RatePolicy::Low, 200_000_000);
    let mut controller = RateController::new(limits, Instant::from_micros(0));
    let mut path = path(100_000_000, 0, 100_000);
    let (alone, _) = run(&mut controller, &mut path, 10);
    assert!(alone > 95_000_000, "{alone}");
    path.others_us = 15_000;
    let (beside, _) = run(&mut controller, &mut path, 5);
    assert!(beside < 5_000_000, "{beside}");
    path.others_us = 0;
    let (again, _) = run(&mut controller, &mut path, 10);
    assert!(again > 95_000_000, "{again}");
}

#[test]
fn a_session_that_becomes_low_takes_no_queue_of_others_for_delay_that_wanders() {
    let mut controller = RateController::new(
        limits(RatePolicy::Fair, 200_000_000),
        Instant::from_micros(0),
    );
    let mut path = path(100_000_000, 0, 100_000);
    path.wanders_us = 9_000;
    run(&mut controller, &mut path, 30);
    assert!(controller.range_us() > 3_000, "{}", controller.range_us());
    path.wanders_us = 0;
    // It moves by more than a path that stands still while a drain is judged.
    path.others_us = 5_000;
    controller.set_limits(limits(RatePolicy::Low, 200_000_000));
    assert_eq!(controller.range_us(), 0);
    let (beside, _) = run(&mut controller, &mut path, 10);
    assert!(beside < 10_000_000, "{beside}");
}

#[test]
fn who_shares_the_path_steps_towards_its_share_after_a_drain() {
    let wishes = limits(RatePolicy::Fair, 200_000_000);
    let mut controller = RateController::new(wishes, Instant::from_micros(0));
    let rate = BitRate(10_000_000);
    let wanted = controller.target_delay_us(rate);
    controller.usual_queue_us = wanted / 2;
    assert_eq!(controller.stepped(rate), rate);
    controller.shares = true;
    assert_eq!(controller.stepped(rate), BitRate(10_620_000));
    controller.usual_queue_us = 10 * wanted;
    assert_eq!(controller.stepped(rate), BitRate(9_380_000));
    controller.usual_queue_us = wanted;
    assert_eq!(controller.stepped(rate), rate);
}

#[test]
fn who_shares_the_path_takes_no_queue_for_delay_that_wanders() {
    let wishes = limits(RatePolicy::Fair, 200_000_000);
    let mut controller = RateController::new(wishes, Instant::from_micros(0));
    let mut path = path(100_000_000, 0, 100_000);
    path.wanders_us = 9_000;
    run(&mut controller, &mut path, 30);
    controller.shares = false;
    assert!(controller.range_us() > 3_000, "{}", controller.range_us());
    controller.shares = true;
    controller.jitter = Jitter::default();
    assert_eq!(controller.range_us(), 0);
}
