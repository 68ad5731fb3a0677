//! The experiment on paths whose loss is known: at random, by a limit, or both.

use super::*;

const INTERVAL: Duration = Duration::from_millis(10);
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// Packets of 10,000 bits make sums easy.
const PACKET_BITS: u64 = 10_000;

/// A path that carries `limit` bit/s and loses `random_ppm` besides, and a sender that grows 5 % in a round trip.
struct World {
    test: LossTest,
    rate: u64,
    limit: u64,
    random_ppm: u64,
    /// Losses not yet a whole packet, in millionths.
    owed: u64,
    next: u64,
    now: Instant,
    passed: u64,
    lost: u64,
    queued: bool,
}

impl World {
    fn new(rate: u64, limit: u64, random_ppm: u64) -> Self {
        Self {
            test: LossTest::default(),
            rate,
            limit,
            random_ppm,
            owed: 0,
            next: 0,
            now: Instant::from_micros(0),
            passed: 0,
            lost: 0,
            queued: false,
        }
    }

    /// Runs for `seconds`, holding the rate at `most`, and returns the loss of that time per million.
    fn run(&mut self, seconds: u64, most: u64) -> u64 {
        (self.passed, self.lost) = (0, 0);
        for _ in 0..seconds * 100 {
            self.step(most);
        }
        self.lost * MILLION / self.passed
    }

    fn step(&mut self, most: u64) {
        self.now += INTERVAL;
        let packets = (self.rate * INTERVAL.as_micros() / MILLION / PACKET_BITS).max(1);
        let beyond = MILLION.saturating_sub(self.limit.saturating_mul(MILLION) / self.rate);
        let ppm = beyond + (MILLION - beyond) * self.random_ppm / MILLION;
        self.owed += packets * ppm;
        let lost = (self.owed / MILLION).min(packets);
        self.owed -= lost * MILLION;
        for index in 0..lost {
            // Far apart: single losses.
            self.test.on_lost(self.next + index * 2);
        }
        self.next += packets;
        self.passed += packets;
        self.lost += lost;
        let facts = ReportFacts {
            now: self.now,
            interval: INTERVAL,
            received_packets: u32::try_from(packets - lost).unwrap(),
            passed_packets: u32::try_from(packets).unwrap(),
            round_trip: ROUND_TRIP,
            largest: self.next - 1,
            next: self.next,
            ..ReportFacts::default()
        };
        let situation = Situation {
            rate: BitRate(self.rate),
            delivered: BitRate(self.rate - self.rate * ppm / MILLION),
            queued: self.queued,
            unqueued: !self.queued,
            started: true,
        };
        match self.test.on_report(&facts, &situation) {
            Demand::Exactly(rate) => self.rate = rate.0,
            Demand::Hold => {}
            Demand::Free => self.rate = (self.rate * 101 / 100).min(most),
        }
        let cap = self.test.cap().map_or(most, |cap| cap.0.min(most));
        self.rate = self.rate.min(cap);
    }
}

#[test]
fn random_loss_is_accepted_and_sets_no_cap() {
    for random_ppm in [1_000, 20_000, 50_000, 100_000] {
        let mut world = World::new(20_000_000, u64::MAX / MILLION, random_ppm);
        world.run(20, 100_000_000);
        assert_eq!(world.rate, 100_000_000, "{random_ppm}");
        assert!(world.test.cap().is_none());
        let accepted = world.test.accepted_ppm(MILLION);
        assert!(
            accepted >= random_ppm * 9 / 10,
            "{accepted} of {random_ppm}"
        );
    }
}

#[test]
fn random_loss_that_begins_later_is_tested_and_accepted() {
    let mut world = World::new(50_000_000, u64::MAX / MILLION, 0);
    world.run(5, 100_000_000);
    world.random_ppm = 80_000;
    world.run(20, 100_000_000);
    assert!(world.test.cap().is_none());
    assert!(world.rate >= 99_000_000, "{}", world.rate);
}

#[test]
fn a_limit_is_capped_and_little_is_lost_from_then_on() {
    for random_ppm in [0, 20_000] {
        let mut world = World::new(20_000_000, 50_000_000, random_ppm);
        world.run(10, 400_000_000);
        let cap = world.test.cap().expect("a limit must be noticed").0;
        assert!(
            (40_000_000..60_000_000).contains(&cap),
            "{random_ppm}: {cap}"
        );
        let loss_ppm = world.run(60, 400_000_000);
        assert!(loss_ppm < random_ppm + 30_000, "{random_ppm}: {loss_ppm}");
    }
}

#[test]
fn a_limit_that_is_lifted_is_found_out() {
    let mut world = World::new(20_000_000, 50_000_000, 0);
    world.run(10, 200_000_000);
    assert!(world.test.cap().is_some());
    world.limit = u64::MAX / MILLION;
    world.run(60, 200_000_000);
    assert_eq!(world.rate, 200_000_000);
}

#[test]
fn loss_that_a_queue_explains_is_no_experiment() {
    let mut world = World::new(20_000_000, u64::MAX / MILLION, 0);
    world.run(5, 100_000_000);
    world.queued = true;
    world.random_ppm = 200_000;
    world.run(5, 100_000_000);
    assert!(world.test.cap().is_none());
    assert!(world.test.accepted_ppm(MILLION) < 50_000);
}

#[test]
fn no_path_is_believed_to_lose_nine_tenths() {
    let mut world = World::new(100_000_000, 10_000_000, 0);
    world.run(20, 100_000_000);
    let accepted = world.test.accepted_ppm(MILLION);
    assert!(accepted <= MOST_OF_PATH_PPM + MOST_OF_PATH_PPM / 2 + TOLERATED_PPM);
    assert!(world.rate < 15_000_000, "{}", world.rate);
}

/// A world whose start-up ended at `delivered` bit/s because the path was full.
fn after_full(delivered: u64) -> World {
    let mut world = World::new(delivered, 50_000_000, 0);
    let facts = ReportFacts {
        round_trip: ROUND_TRIP,
        ..ReportFacts::default()
    };
    world.test.on_full(&facts, BitRate(delivered), 900_000, 0);
    world
}

#[test]
fn what_a_full_path_lost_during_start_up_is_not_accepted() {
    let mut world = after_full(60_000_000);
    world.run(10, 400_000_000);
    assert!(world.test.accepted_ppm(MILLION) < TOLERATED_PPM);
    let loss_ppm = world.run(20, 400_000_000);
    assert!(loss_ppm < 30_000, "{loss_ppm}");
}

#[test]
fn a_probe_that_goes_too_far_leaves_the_cap_near_the_limit() {
    let mut world = after_full(40_000_000);
    world.run(20, 400_000_000);
    let cap = world.test.cap().expect("a limit must be noticed").0;
    assert!(cap >= 47_000_000, "{cap}");
}

#[test]
fn accepted_loss_is_doubted_and_a_buffer_that_others_no_longer_fill_is_found() {
    // Others keep the buffer full: half is lost at every rate. Then they give way, and half is lost because we send twice what passes.
    let mut world = World::new(200_000_000, u64::MAX, 500_000);
    world.test.on_train(450_000);
    world.run(2, 200_000_000);
    assert_eq!(world.test.cap(), None);
    (world.limit, world.random_ppm) = (100_000_000, 0);
    world.run(10, 200_000_000);
    assert!(world.run(2, 200_000_000) < 30_000);
    assert!(world.test.cap().is_some());
}

#[test]
fn a_path_that_loses_half_by_itself_keeps_its_rate_though_that_is_doubted() {
    let mut world = World::new(200_000_000, u64::MAX, 500_000);
    world.test.on_train(450_000);
    world.run(20, 200_000_000);
    assert_eq!(world.test.cap(), None);
    assert_eq!(world.rate, 200_000_000);
}
