//! What every round of the main loop does besides the work: time, watchdog, cable, sleep.

use fasp_core::time::{Duration, Instant};

use super::{Ethernet, LINK_EVERY, SOUND_AFTER, earliest};
use crate::board::{Clock, Crashes, Sleep, Watchdog};

/// The board's part in the main loop.
pub(super) struct Upkeep {
    clock: Clock,
    sleep: Sleep,
    watchdog: Watchdog,
    /// The crashes to be forgotten when the image has worked for a while.
    crashes: Option<Crashes>,
    link_is_up: bool,
    next_look: Instant,
    asleep: Duration,
    /// The cable was put in; whoever takes note of it clears this.
    pub(super) link_came_up: bool,
}

impl Upkeep {
    pub(super) const fn new(
        clock: Clock,
        sleep: Sleep,
        watchdog: Watchdog,
        crashes: Crashes,
    ) -> Self {
        Self {
            clock,
            sleep,
            watchdog,
            crashes: Some(crashes),
            link_is_up: true,
            next_look: Instant::from_micros(0),
            asleep: Duration::from_micros(0),
            link_came_up: false,
        }
    }

    /// The time since power-on.
    pub(super) fn now(&mut self) -> Instant {
        self.clock.now()
    }

    /// Begins a round.
    pub(super) fn begin_round(&mut self, device: &mut Ethernet) -> Instant {
        let now = self.clock.now();
        self.watchdog.feed();
        if now.since(Instant::from_micros(0)) > SOUND_AFTER
            && let Some(crashes) = self.crashes.take()
        {
            crashes.forget();
        }
        if now >= self.next_look {
            self.next_look = now + LINK_EVERY;
            self.look_at_the_cable(device);
        }
        now
    }

    fn look_at_the_cable(&mut self, device: &mut Ethernet) {
        let up = device.link_is_up().unwrap_or(false);
        match (core::mem::replace(&mut self.link_is_up, up), up) {
            (true, false) => defmt::warn!("the link is down"),
            (false, true) => {
                self.link_came_up = true;
                defmt::info!("the link is up");
            }
            _ => {}
        }
    }

    /// Ends a round: sleeps until a frame comes, or `until`, unless frames wait already.
    pub(super) fn rest(&mut self, device: &mut Ethernet, until: Option<Instant>) {
        if !device.acknowledge_interrupt() {
            let until = earliest(until, Some(self.next_look));
            let now = self.clock.now();
            self.sleep.until(until, now);
            self.asleep = self.asleep + self.clock.now().since(now);
        }
    }

    /// For how long the core has worked since power-on.
    pub(super) fn awake(&mut self) -> Duration {
        let since_start = self.clock.now().since(Instant::from_micros(0));
        since_start - self.asleep
    }

    /// There is nothing to serve: says why, now and then, for ever.
    pub(super) fn stay(&mut self, why: &'static str) -> ! {
        loop {
            defmt::error!("{=str}", why);
            let until = self.clock.now() + LINK_EVERY.scaled(20, 1);
            while self.clock.now() < until {
                self.watchdog.feed();
                let now = self.clock.now();
                self.sleep.until(Some(until), now);
            }
        }
    }
}
