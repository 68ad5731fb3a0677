//! Datagrams under way, by time of arrival.
//!
//! Most arrive in the order in which they were sent, so they wait in a plain queue; only those that
//! overtake go through a heap. Equal times keep the order of sending.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use crate::datagram::Datagram;

#[derive(Debug)]
struct Arrival {
    at: u64,
    serial: u64,
    flow: usize,
    datagram: Datagram,
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    in_order: VecDeque<Arrival>,
    overtaking: BinaryHeap<Reverse<Arrival>>,
    serial: u64,
}

impl Arrivals {
    pub(super) fn push(&mut self, at: u64, flow: usize, datagram: Datagram) {
        self.serial += 1;
        let arrival = Arrival {
            at,
            serial: self.serial,
            flow,
            datagram,
        };
        if self.in_order.back().is_none_or(|last| last.at <= at) {
            self.in_order.push_back(arrival);
        } else {
            self.overtaking.push(Reverse(arrival));
        }
    }

    pub(super) fn next_at(&self) -> Option<u64> {
        let first = self.in_order.front().map(|arrival| arrival.at);
        let other = self.overtaking.peek().map(|arrival| arrival.0.at);
        first.into_iter().chain(other).min()
    }

    pub(super) fn pop(&mut self, now: u64) -> Option<(usize, Datagram)> {
        let heap_first = match (self.in_order.front(), self.overtaking.peek()) {
            (Some(first), Some(Reverse(other))) => other < first,
            (None, Some(_)) => true,
            _ => false,
        };
        let next = if heap_first {
            &self.overtaking.peek()?.0
        } else {
            self.in_order.front()?
        };
        if next.at > now {
            return None;
        }
        let arrival = if heap_first {
            self.overtaking.pop()?.0
        } else {
            self.in_order.pop_front()?
        };
        Some((arrival.flow, arrival.datagram))
    }
}
