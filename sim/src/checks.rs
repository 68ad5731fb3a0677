//! What must hold in every run, whatever the path does; each breach is a sentence.

use std::collections::BTreeMap;

use crate::pattern;

/// How far above the target a sender may be at any moment: what its pacer may catch up.
const CATCH_UP_US: u64 = 4_000;
/// Path probes of all sizes and upkeep, which are charged afterwards.
const SLACK_BYTES: i128 = 65_536;
/// Datagrams that a train measures the path with, back to back.
const TRAIN_PACKETS: i128 = 32;
/// One byte in the unit of the bucket: bit/s times µs.
const BYTE: i128 = 8_000_000;

/// The breaches of a run; the first few are kept.
#[derive(Debug, Default)]
pub(crate) struct Breaches {
    texts: Vec<String>,
    count: u64,
}

impl Breaches {
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        self.count += 1;
        if self.texts.len() < 5 {
            self.texts.push(text());
        }
    }

    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }
}

/// Watches what one machine puts on the wire.
#[derive(Debug)]
pub(crate) struct WireWatch {
    name: String,
    last_number: Option<u32>,
    target_bps: Option<u64>,
    /// So much may leave at once in advance.
    most_ahead: i128,
    tokens: i128,
    filled_at: u64,
}

impl WireWatch {
    /// With a target, sending datagrams of up to `largest` bytes above it is a breach, except for what
    /// a train and the probes of a path are ahead.
    pub(crate) fn new(name: String, target_bps: Option<u64>, largest: u16, now_us: u64) -> Self {
        let most_ahead = SLACK_BYTES + TRAIN_PACKETS * i128::from(largest);
        Self {
            name,
            last_number: None,
            target_bps,
            most_ahead: most_ahead * BYTE,
            tokens: 0,
            filled_at: now_us,
        }
    }

    /// From `now_us` on another target counts; time before is charged at the old one.
    pub(crate) fn set_target(&mut self, target_bps: u64, now_us: u64) {
        if let Some(target) = &mut self.target_bps {
            let gained = i128::from(*target) * i128::from(now_us - self.filled_at);
            let depth = i128::from(*target) * i128::from(CATCH_UP_US);
            self.tokens = (self.tokens + gained).min(depth);
            self.filled_at = now_us;
            *target = target_bps;
        }
    }

    /// Takes one datagram as it leaves.
    pub(crate) fn on_sent(&mut self, now_us: u64, bytes: &[u8], breaches: &mut Breaches) {
        let number = bytes
            .get(4..8)
            .and_then(|field| field.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        let name = &self.name;
        if let Some(last) = self.last_number
            && !(1..1 << 31).contains(&number.wrapping_sub(last))
        {
            breaches.add(|| format!("{name}: packet number {number} after {last} at {now_us} us"));
        }
        self.last_number = Some(number);
        if let Some(target) = self.target_bps {
            let gained = i128::from(target) * i128::from(now_us - self.filled_at);
            let depth = i128::from(target) * i128::from(CATCH_UP_US);
            self.tokens = (self.tokens + gained).min(depth) - bytes.len() as i128 * BYTE;
            self.filled_at = now_us;
            if self.tokens < -self.most_ahead {
                let over = -self.tokens / BYTE;
                breaches.add(|| format!("{name}: {over} bytes above the target at {now_us} us"));
                self.tokens = 0;
            }
        }
    }
}

/// Which bytes of one object have arrived, independent of the machine's own books.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    spans: BTreeMap<u64, u64>,
}

impl Coverage {
    /// Adds `start..end` and returns how many bytes of it are new.
    pub(crate) fn add(&mut self, start: u64, end: u64) -> u64 {
        if let Some(mut last) = self.spans.last_entry()
            && *last.get() == start
        {
            *last.get_mut() = end;
            return end - start;
        }
        let (mut from, mut to, mut known) = (start, end, 0);
        while let Some((&first, &past)) = self.spans.range(..=to).next_back()
            && past >= from
        {
            known += past.min(end).saturating_sub(first.max(start));
            from = from.min(first);
            to = to.max(past);
            self.spans.remove(&first);
        }
        self.spans.insert(from, to);
        end - start - known
    }

    /// The end of what has arrived without a gap from the start.
    pub(crate) fn end_of_first(&self) -> u64 {
        self.spans.get(&0).copied().unwrap_or(0)
    }

    /// Whether something has arrived behind a gap.
    pub(crate) fn has_gaps(&self) -> bool {
        self.spans.len() > 1 || !self.spans.is_empty() && !self.spans.contains_key(&0)
    }

    /// Whether exactly `0..size` has arrived.
    pub(crate) fn is_complete(&self, size: u64) -> bool {
        if size == 0 {
            return self.spans.values().all(|&end| end == 0);
        }
        self.spans.len() == 1 && self.spans.get(&0) == Some(&size)
    }
}

/// Checks that bytes lent to the host are those of the source.
pub(crate) fn check_bytes(object: u32, offset: u64, bytes: &[u8], breaches: &mut Breaches) {
    if !pattern::matches(object, offset, bytes) {
        let length = bytes.len();
        breaches.add(|| format!("object {object}: {length} wrong bytes at {offset}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coverage_counts_each_byte_once() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.add(0, 10), 10);
        assert_eq!(coverage.add(20, 30), 10);
        assert_eq!(coverage.add(5, 25), 10);
        assert_eq!(coverage.add(0, 30), 0);
        assert!(coverage.is_complete(30) && !coverage.is_complete(31));
        assert_eq!(coverage.add(40, 50), 10);
        assert!(!coverage.is_complete(50));
        assert_eq!(coverage.add(45, 47), 0);
        assert_eq!(coverage.add(30, 40), 10);
        assert!(coverage.is_complete(50));
    }

    fn breaches_of(send: impl Fn(&mut WireWatch, &mut Breaches)) -> u64 {
        let mut breaches = Breaches::default();
        let mut watch = WireWatch::new("sender".to_owned(), Some(8_000_000), 1_000, 0);
        send(&mut watch, &mut breaches);
        breaches.count()
    }

    fn packet(number: u32) -> [u8; 1_000] {
        let mut bytes = [0; 1_000];
        bytes[4..8].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    #[test]
    fn a_packet_number_that_does_not_grow_is_a_breach() {
        let send = |numbers: &'static [u32]| {
            breaches_of(move |watch, breaches| {
                for (at, &number) in numbers.iter().enumerate() {
                    watch.on_sent(at as u64 * 1_000, &packet(number), breaches);
                }
            })
        };
        assert_eq!(send(&[1, 2, 5, 6]), 0);
        assert_eq!(send(&[u32::MAX - 1, u32::MAX, 0, 1]), 0);
        assert_eq!(send(&[1, 2, 2]), 1);
        assert_eq!(send(&[1, 3, 2]), 1);
    }

    #[test]
    fn a_sender_above_its_target_is_a_breach() {
        let every = |gap_us: u64| {
            breaches_of(move |watch, breaches| {
                for number in 0..2_000 {
                    watch.on_sent(u64::from(number) * gap_us, &packet(number), breaches);
                }
            })
        };
        assert_eq!(every(1_000), 0);
        assert!(every(900) > 0);
    }
}
