//! What each packet number carried, until its fate is known and dealt with.
//!
//! One record a packet and one entry a piece of content, both in rings; nothing else is kept per
//! packet. The lowest lost number always travels again first, and places are kept free for it: its new
//! number is what moves a full window.

use crate::units::ObjectId;

/// A piece of content that travels again if its packet is lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Content {
    pub(super) kind: ContentKind,
    pub(super) object: ObjectId,
    pub(super) length: u32,
    pub(super) offset: u64,
}

impl Content {
    /// The first `most` bytes, and what is left if there is more.
    pub(super) fn split_at(self, most: usize) -> (Self, Option<Self>) {
        let length = u32::try_from(most).unwrap_or(u32::MAX).min(self.length);
        let rest = Self {
            offset: self.offset + u64::from(length),
            length: self.length - length,
            ..self
        };
        (Self { length, ..self }, (rest.length > 0).then_some(rest))
    }
}

/// What a piece of content is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum ContentKind {
    /// File bytes, in a DATA datagram or a CHUNK frame.
    #[default]
    Bytes,
    /// A file with its record in one WHOLE frame.
    Whole,
    /// Bytes of the META stream.
    Meta,
    /// A path-MTU probe of `length` bytes: never sent again.
    Probe,
}

/// Packet numbers that new content leaves free for upkeep and repetition, so that a full window can move.
const RESERVE: u64 = 256;

/// Most contents of one packet.
pub(super) const MAX_CONTENTS: usize = 64;
/// Pieces of content in the care of later numbers.
const HELD: usize = 64;
/// The contents of one packet while it is put together.
pub(super) type Contents = heapless::Vec<Content, MAX_CONTENTS>;

/// A packet that turns out to have arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Arrived {
    /// Size of its datagram.
    pub(super) bytes: u16,
    /// It had been given up.
    pub(super) was_lost: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// Fate dealt with.
    #[default]
    Done,
    InFlight,
    /// Missing at the receiver.
    Lost,
    /// Settled itself, and holds content of a lower number that must travel again.
    Held,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    first_content: u32,
    bytes: u16,
    contents: u8,
    state: State,
    /// How often this content has travelled since it was found lost; 0 if it never was.
    repeats: u8,
}

/// Records of the packet numbers `floor..next`.
#[derive(Clone, Debug)]
pub(super) struct SentRing<const N: usize> {
    records: [Record; N],
    contents: [Content; N],
    /// Content in the care of a later number.
    held: heapless::Vec<(u64, Content), HELD>,
    floor: u64,
    next: u64,
    next_content: u32,
    /// Numbers lost, none of them below `lost_from`.
    lost: u32,
    lost_from: u64,
    in_flight_bytes: u64,
    content_in_flight: u32,
    repeated_in_flight: u32,
    window: u64,
}

impl<const N: usize> SentRing<N> {
    /// An empty ring whose unresolved numbers never span more than `window` (nor `N`).
    pub(super) fn new(window: u32) -> Self {
        assert!(
            N.is_power_of_two() && N >= 2 * MAX_CONTENTS,
            "capacity must be a power of two, at least 128"
        );
        Self {
            records: [Record::default(); N],
            contents: [Content::default(); N],
            held: heapless::Vec::new(),
            floor: 0,
            next: 0,
            next_content: 0,
            lost: 0,
            lost_from: 0,
            in_flight_bytes: 0,
            content_in_flight: 0,
            repeated_in_flight: 0,
            window: u64::from(window).min(N as u64),
        }
    }

    /// Lowest number whose fate is not dealt with, or the next one.
    pub(super) const fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Numbers that may be unsettled at a time.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// The lowest number of which nothing is known.
    pub(super) fn first_in_flight(&self) -> Option<u64> {
        (self.floor..self.next).find(|&number| {
            self.get(number)
                .is_some_and(|record| record.state == State::InFlight)
        })
    }

    /// Bytes of datagrams with content that were sent, neither acknowledged nor lost.
    pub(super) const fn in_flight_bytes(&self) -> u64 {
        self.in_flight_bytes
    }

    /// Packets with content in flight or lost.
    pub(super) const fn has_content_unresolved(&self) -> bool {
        self.content_in_flight > 0 || self.lost > 0
    }

    /// Most pieces of content that a packet may carry: several such packets always fit the ring.
    pub(super) const fn most_contents(&self) -> usize {
        let share = N / 8;
        if share < MAX_CONTENTS {
            share
        } else {
            MAX_CONTENTS
        }
    }

    /// Over so many packets the content of one can be spread when the path carries less than before:
    /// the places kept for the lowest number, and its own.
    pub(super) fn most_parts(&self) -> u64 {
        self.kept_for_floor() + 1
    }

    /// Whether a packet with new content can be recorded; some places stay reserved for the others.
    pub(super) fn has_room(&self) -> bool {
        self.span() + self.reserve() < self.window && self.has_content_room()
    }

    /// Whether a packet without content can be recorded.
    pub(super) fn has_room_for_upkeep(&self) -> bool {
        self.span() + self.reserve() / 4 * 3 < self.window
    }

    /// Whether a question to an address can be recorded: when nothing comes back from the old one the window is full,
    /// and asking the new one must still be possible. The very last place is for the floor.
    pub(super) fn has_room_for_path(&self) -> bool {
        self.span() + 1 < self.window
    }

    /// Whether the lowest lost content can be recorded under a new number. The last places are for the floor.
    pub(super) fn has_room_for_lost(&self) -> bool {
        if self.is_lost(self.floor) {
            // What travels again is at most what the floor carried.
            let contents = self.contents_of(self.floor).count();
            self.span() < self.window && self.content_room() >= contents
        } else {
            self.span() + self.kept_for_floor() < self.window && self.has_content_room()
        }
    }

    const fn span(&self) -> u64 {
        self.next - self.floor
    }

    fn reserve(&self) -> u64 {
        (self.window / 4).min(RESERVE)
    }

    fn kept_for_floor(&self) -> u64 {
        self.reserve() / 2
    }

    fn content_room(&self) -> usize {
        let used = self.next_content.wrapping_sub(self.first_content_kept());
        N.saturating_sub(used as usize)
    }

    fn has_content_room(&self) -> bool {
        self.content_room() >= 3 * self.most_contents()
    }

    fn is_lost(&self, number: u64) -> bool {
        self.get(number)
            .is_some_and(|record| matches!(record.state, State::Lost | State::Held))
    }

    /// When content of the lowest number needs more numbers than there are, because the path carries less than before,
    /// the place of a later number that is settled takes it, and the window moves on.
    pub(super) fn make_room_at_floor(&mut self) {
        if self.span() < self.window || !self.is_lost(self.floor) {
            return;
        }
        let Some(mut low) = self.get(self.floor) else {
            return;
        };
        let contents: Contents = self.contents_of(self.floor).collect();
        let place = (self.floor + 1..self.next).find_map(|number| {
            let record = self.get(number)?;
            (record.state == State::Done).then_some((number, record))
        });
        let Some((number, mut taken)) = place else {
            return;
        };
        for content in &contents {
            if self.held.push((number, *content)).is_err() {
                self.held.retain(|(holder, _)| *holder != number);
                return;
            }
        }
        let floor = self.floor;
        self.held.retain(|(holder, _)| *holder != floor);
        taken.state = State::Held;
        self.put(number, taken);
        self.lost_from = self.lost_from.min(number);
        low.state = State::Done;
        self.put(self.floor, low);
        self.raise_floor();
    }

    /// Goes on as if every number below `number` had been sent and settled.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.floor = number;
        self.next = number;
        self.next_content = u32::MAX - 100;
    }

    /// Records packet `number`, which must be the next one and have found room.
    pub(super) fn push(&mut self, number: u64, bytes: usize, contents: &[Content]) {
        assert!(
            number == self.next && self.span() < self.window,
            "packets are recorded in order and with room"
        );
        let first_content = self.next_content;
        for content in contents {
            let slot = self.next_content as usize & (N - 1);
            if let Some(entry) = self.contents.get_mut(slot) {
                *entry = *content;
            }
            self.next_content = self.next_content.wrapping_add(1);
        }
        let record = Record {
            first_content,
            bytes: u16::try_from(bytes).unwrap_or(u16::MAX),
            contents: u8::try_from(contents.len()).unwrap_or(u8::MAX),
            state: State::InFlight,
            repeats: 0,
        };
        self.put(number, record);
        self.next += 1;
        if !contents.is_empty() {
            self.in_flight_bytes += u64::from(record.bytes);
            self.content_in_flight += 1;
        }
    }

    /// The content of `number`, just recorded, had been lost.
    pub(super) fn on_repeated(&mut self, number: u64) {
        if let Some(mut record) = self.get(number)
            && record.contents > 0
        {
            record.repeats = 1;
            self.repeated_in_flight += 1;
            self.put(number, record);
        }
    }

    /// Packets in flight whose content had been lost.
    pub(super) const fn repeated_in_flight(&self) -> u32 {
        self.repeated_in_flight
    }

    /// The block of `number` if it is in flight, had been lost, and has travelled less than `times` since.
    pub(super) fn block_to_copy(&self, number: u64, times: u8) -> Option<Content> {
        let record = self.get(number)?;
        let wanted = record.state == State::InFlight
            && record.contents == 1
            && (1..times).contains(&record.repeats);
        self.contents_of(number).next().filter(|_| wanted)
    }

    /// A copy of the block of `number` has left.
    pub(super) fn on_copied(&mut self, number: u64) {
        if let Some(mut record) = self.get(number) {
            record.repeats = record.repeats.saturating_add(1);
            self.put(number, record);
        }
    }

    /// The receiver has `number`; tells about it if that is news.
    pub(super) fn acknowledge(&mut self, number: u64) -> Option<Arrived> {
        let mut record = self.get(number)?;
        let was_lost = record.state == State::Lost;
        match record.state {
            State::InFlight => self.leave_flight(record),
            State::Lost => self.lost -= 1,
            // That this number came says nothing about what it holds for another.
            State::Held | State::Done => return None,
        }
        record.state = State::Done;
        self.put(number, record);
        self.raise_floor();
        Some(Arrived {
            bytes: record.bytes,
            was_lost,
        })
    }

    /// The receiver misses `number`; gives the size of its datagram if that is news.
    pub(super) fn lose(&mut self, number: u64) -> Option<u16> {
        let mut record = self.get(number)?;
        if record.state != State::InFlight {
            return None;
        }
        self.leave_flight(record);
        let travels_again = self
            .contents_of(number)
            .any(|content| content.kind != ContentKind::Probe);
        if travels_again {
            record.state = State::Lost;
            self.lost_from = match self.lost {
                0 => number,
                _ => self.lost_from.min(number),
            };
            self.lost += 1;
        } else {
            record.state = State::Done;
        }
        self.put(number, record);
        self.raise_floor();
        Some(record.bytes)
    }

    /// The lowest lost number.
    pub(super) fn first_lost(&mut self) -> Option<u64> {
        if self.lost == 0 {
            return None;
        }
        self.lost_from = self.lost_from.max(self.floor);
        while self.lost_from < self.next && !self.is_lost(self.lost_from) {
            self.lost_from += 1;
        }
        Some(self.lost_from)
    }

    /// The content of the lowest lost packet travels again (or is no longer wanted).
    pub(super) fn settle_first_lost(&mut self) {
        let Some(number) = self.first_lost() else {
            return;
        };
        let Some(mut record) = self.get(number) else {
            return;
        };
        self.lost -= 1;
        if record.state == State::Held {
            self.held.retain(|(holder, _)| *holder != number);
        }
        record.state = State::Done;
        self.put(number, record);
        self.raise_floor();
    }

    /// The contents of `number`, which must lie in `floor..next`.
    pub(super) fn contents_of(&self, number: u64) -> impl Iterator<Item = Content> + '_ {
        let record = self.get(number);
        let holds = record.is_some_and(|record| record.state == State::Held);
        let held = self
            .held
            .iter()
            .filter(move |(holder, _)| holds && *holder == number)
            .map(|(_, content)| *content);
        let (first, count) = record
            .filter(|_| !holds)
            .map_or((0, 0), |record| (record.first_content, record.contents));
        held.chain((0..u32::from(count)).filter_map(move |index| {
            self.contents
                .get(first.wrapping_add(index) as usize & (N - 1))
                .copied()
        }))
    }

    /// Of the contents of a lost packet only `rest` (no more than it had) still has to travel.
    pub(super) fn keep_contents(&mut self, number: u64, rest: &[Content]) {
        let Some(mut record) = self.get(number) else {
            return;
        };
        if record.state == State::Held {
            // No more than it held.
            self.held.retain(|(holder, _)| *holder != number);
            self.held
                .extend(rest.iter().map(|content| (number, *content)));
            return;
        }
        for (index, content) in (0..record.contents).zip(rest) {
            let slot = record.first_content.wrapping_add(u32::from(index)) as usize & (N - 1);
            if let Some(entry) = self.contents.get_mut(slot) {
                *entry = *content;
            }
        }
        record.contents = record
            .contents
            .min(u8::try_from(rest.len()).unwrap_or(u8::MAX));
        self.put(number, record);
    }

    fn leave_flight(&mut self, record: Record) {
        if record.contents > 0 {
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(u64::from(record.bytes));
            self.content_in_flight -= 1;
        }
        if record.repeats > 0 {
            self.repeated_in_flight -= 1;
        }
    }

    fn first_content_kept(&self) -> u32 {
        self.get(self.floor)
            .map_or(self.next_content, |record| record.first_content)
    }

    fn raise_floor(&mut self) {
        while self
            .get(self.floor)
            .is_some_and(|record| record.state == State::Done)
        {
            self.floor += 1;
        }
    }

    fn get(&self, number: u64) -> Option<Record> {
        if number < self.floor || number >= self.next {
            return None;
        }
        self.records
            .get(low_bits(number) as usize & (N - 1))
            .copied()
    }

    fn put(&mut self, number: u64, record: Record) {
        if let Some(entry) = self.records.get_mut(low_bits(number) as usize & (N - 1)) {
            *entry = record;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "ring positions need the low bits only"
)]
const fn low_bits(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests;
