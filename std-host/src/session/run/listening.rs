//! Listening to the thread of the transfer: what it tells is taken in bursts.

use std::time::Duration;

use super::Session;
use crate::driver::TransferEvent;

/// The thread is listened to this long after it was: to be woken for each of many small files costs more than sending it.
pub(super) const REST: Duration = Duration::from_millis(1);
/// Events taken before others are looked at.
const MOST_AT_ONCE: usize = 1_024;

impl Session<'_> {
    /// Takes what the thread has told, the first of it and what waits behind it.
    pub(super) async fn on_events(&mut self, first: Option<TransferEvent>) {
        let Some(first) = first else {
            return self.on_thread_gone();
        };
        self.on_event(first).await;
        for _ in 0..MOST_AT_ONCE {
            if self.report.is_some() {
                return;
            }
            match self.transfer.events.try_recv() {
                Ok(event) => self.on_event(event).await,
                Err(_) => return,
            }
        }
    }
}
