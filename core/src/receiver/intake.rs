//! Taking datagrams: open, then one handler for each kind of content.

use core::net::SocketAddr;

use heapless::Vec;

use super::arrival::Arrival;
use super::object_table::{Entry, Place, Stage};
use super::{Receiver, reporting};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::{DatagramError, PACKET_OVERHEAD};
use crate::loss::Gap;
use crate::metadata::{ByteRange, MAX_RESUME_RANGES, MetaRecord, ObjectKind, record};
use crate::path::{NO_ADDRESS, Taken};
use crate::time::Instant;
use crate::units::{ObjectId, PacketNumber};
use crate::wire::{DataBlock, Datagram, Frame, Frames, Payload};

/// Beyond its credit a sender may be this many bytes ahead, for reports on their way.
const CREDIT_SLACK: u64 = 1 << 20;

/// What a record says, without what only the host needs.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Offered(ObjectId, u64, ObjectKind),
    Closed(ObjectId, Option<Fault>),
    Ended(u32),
    Sending(ObjectId),
    Recheck(ObjectId),
    Attributes,
}

/// What the blocks of one datagram take that were checked so far.
#[derive(Debug, Default)]
struct Ahead {
    bytes: u64,
    gaps: usize,
}

impl<const WORDS: usize, const OBJECTS: usize, const GAPS: usize, const META: usize, G: GcmBackend>
    Receiver<WORDS, OBJECTS, GAPS, META, G>
{
    /// Takes a datagram from the network; it is opened in place and its blocks are lent out.
    ///
    /// Poll the events before the blocks are used: the record of an object may have come with them.
    ///
    /// # Errors
    ///
    /// [`DatagramError`]: the datagram is dropped or put off, and counted; the session goes on.
    pub fn handle_datagram<'b>(
        &mut self,
        now: Instant,
        datagram: &'b mut [u8],
    ) -> Result<Arrival<'b>, DatagramError> {
        self.handle_datagram_from(now, NO_ADDRESS, datagram)
    }

    /// Takes a datagram that came from address `from`; see [`Self::follow_peer`].
    ///
    /// # Errors
    ///
    /// [`DatagramError`]: the datagram is dropped or put off, and counted; the session goes on.
    pub fn handle_datagram_from<'b>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &'b mut [u8],
    ) -> Result<Arrival<'b>, DatagramError> {
        self.arriving_from = from;
        let outcome = self.take_datagram(now, datagram);
        match outcome {
            Ok(_) => {}
            Err(DatagramError::NoRoom) => self.statistics.datagrams_deferred += 1,
            Err(_) => self.statistics.datagrams_refused += 1,
        }
        outcome
    }

    fn take_datagram<'b>(
        &mut self,
        now: Instant,
        datagram: &'b mut [u8],
    ) -> Result<Arrival<'b>, DatagramError> {
        let length = datagram.len();
        let unpacked = self.inbound.unpack(datagram)?;
        let (header, number) = (unpacked.header, unpacked.number);
        let body: &'b [u8] = unpacked.body;
        self.last_heard = now;
        self.heard = true;
        let arrival = match Datagram::decode(header.kind, body)? {
            Datagram::Data(block) => self.on_data(block)?,
            Datagram::Frames(_) => self.on_frames(now, body)?,
        };
        self.on_taken(now, number, header.clock, length);
        Ok(arrival)
    }

    fn on_taken(&mut self, now: Instant, number: PacketNumber, clock: u32, length: usize) {
        let largest = self.inbound.window().largest();
        self.inbound.mark(number);
        self.path.on_taken(&Taken {
            now,
            from: self.arriving_from,
            number,
            newest: largest.is_none_or(|largest| number > largest),
            length,
        });
        self.reporting.on_packet(
            &reporting::Packet {
                now,
                number,
                clock,
                length,
            },
            largest,
        );
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += length as u64;
        let numbers = self
            .inbound
            .window()
            .largest()
            .map_or(0, |largest| largest.0 + 1);
        self.statistics.packets_missing = numbers.saturating_sub(self.statistics.packets_received);
    }

    fn on_data<'b>(&mut self, block: DataBlock<'b>) -> Result<Arrival<'b>, DatagramError> {
        self.check_block(&block, &mut Ahead::default())?;
        Ok(if self.place_block(&block) {
            Arrival::data(block)
        } else {
            Arrival::nothing()
        })
    }

    /// Records first, so that their objects are known; then all blocks are checked; then placed.
    fn on_frames<'b>(
        &mut self,
        now: Instant,
        body: &'b [u8],
    ) -> Result<Arrival<'b>, DatagramError> {
        let mut blocks = 0;
        for frame in Frames::new(body) {
            let frame = frame?;
            self.note_train(now, &frame, body.len());
            blocks += usize::from(self.on_frame(now, &frame)?);
        }
        if blocks == 0 {
            return Ok(Arrival::nothing());
        }
        let mut ahead = Ahead::default();
        for frame in Frames::new(body) {
            self.check_frame(&frame?, &mut ahead)?;
        }
        let mut wanted = 0;
        for (index, frame) in Frames::new(body).enumerate() {
            wanted |= u64::from(self.place_frame(&frame?)) << index;
        }
        Ok(Arrival::frames(body, wanted))
    }

    /// Handles everything that is not a block; `true` if it is one.
    fn on_frame(&mut self, now: Instant, frame: &Frame<'_>) -> Result<bool, DatagramError> {
        match *frame {
            Frame::Meta { offset, bytes } => self.on_meta(offset, bytes)?,
            Frame::Sack { largest, earlier } => self.on_sack(largest, earlier),
            Frame::SenderState {
                floor,
                round_trip_us,
                ..
            } => self.reporting.on_sender_state(floor, round_trip_us),
            Frame::Ping { id } => self.pong_due = Some((id, now)),
            Frame::PathChallenge(bits) => {
                // More questions than places: whoever asks asks again.
                let _ = self.path_answers.push(bits);
            }
            Frame::PathResponse(bits) => self.path.on_response(now, self.arriving_from, bits),
            Frame::Close { code, .. } => self.on_close(code),
            Frame::Chunk(_) | Frame::Whole { .. } => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    /// Counts a datagram with a `body` of so many bytes for its train, if it belongs to one.
    fn note_train(&mut self, now: Instant, frame: &Frame<'_>, body: usize) {
        if let Frame::Train {
            train,
            index,
            count,
        } = *frame
        {
            let place = (train, index, count);
            self.trains.on_datagram(now, place, body + PACKET_OVERHEAD);
        }
    }

    fn on_close(&mut self, code: u16) {
        let fault = Fault::from_number(code);
        self.fail(if fault == Fault::Unknown {
            Fault::PeerAborted
        } else {
            fault
        });
    }

    fn on_meta(&mut self, offset: u64, bytes: &[u8]) -> Result<(), DatagramError> {
        self.meta
            .insert(offset, bytes)
            .map_err(|_| DatagramError::NoRoom)?;
        while self.failure.is_none() {
            let start = self.meta_parsed;
            let taken = match record::next_record(self.meta.bytes_from(start)) {
                Ok(None) => break,
                Ok(Some((body, taken))) => record::decode_meta(body).map(|record| (record, taken)),
                Err(error) => Err(error),
            };
            let Ok((record, taken)) = taken else {
                self.fail(Fault::Protocol);
                break;
            };
            let fact = match record {
                MetaRecord::Open(open) => Fact::Offered(open.object, open.size, open.kind),
                MetaRecord::Close { object, fault, .. } => Fact::Closed(object, fault),
                MetaRecord::End { objects, .. } => Fact::Ended(objects),
                MetaRecord::Sending { object, .. } => Fact::Sending(object),
                MetaRecord::Recheck(object) => Fact::Recheck(object),
                // It has no bytes either.
                MetaRecord::Link(link) => Fact::Offered(link.object, 0, ObjectKind::Directory),
                MetaRecord::Attributes(_) => Fact::Attributes,
            };
            if !self.on_fact(fact, start) {
                self.fail(Fault::Protocol);
                break;
            }
            self.meta_parsed = start + taken as u64;
        }
        Ok(())
    }

    /// `false` if no honest sender would say so.
    fn on_fact(&mut self, fact: Fact, start: u64) -> bool {
        match fact {
            Fact::Sending(object) => {
                let ranges = self.ranges_at(start);
                self.on_sending(object, &ranges)
            }
            Fact::Recheck(object) => self.on_recheck(object),
            Fact::Attributes => true,
            Fact::Offered(object, size, kind) => {
                // After END comes only what was to travel in one frame and found no path that carries it.
                self.ended.is_none_or(|objects| object.0 <= objects)
                    && self.on_offered(object, size, kind)
            }
            Fact::Closed(object, fault) => self.on_closed(object, fault),
            Fact::Ended(objects) => {
                let keeps_rules = self.ended.is_none() && objects >= self.offered;
                if keeps_rules {
                    self.ended = Some(objects);
                }
                keeps_rules
            }
        }
    }

    /// The ranges of the SENDING record at `start` of the META stream.
    fn ranges_at(&self, start: u64) -> Vec<ByteRange, MAX_RESUME_RANGES> {
        let record = self
            .meta
            .record_at(start)
            .map(|(body, _)| record::decode_meta(body));
        match record {
            Some(Ok(MetaRecord::Sending { ranges, .. })) => {
                ranges.iter().take(MAX_RESUME_RANGES).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Enters an offered object; a folder has nothing to wait for and counts as closed. One that came in one frame
    /// already is offered again by a sender that does not know it yet.
    fn on_offered(&mut self, object: ObjectId, size: u64, kind: ObjectKind) -> bool {
        let entry = match self.objects.place(object) {
            Place::Past => return true,
            Place::Here(entry) if entry.whole => return true,
            Place::Here(entry) if entry.stage == Stage::Unknown => entry,
            Place::Here(_) | Place::Beyond => return false,
        };
        *entry = Entry {
            stage: Stage::Open,
            size,
            ..Entry::default()
        };
        self.offered = self.offered.max(object.0);
        kind == ObjectKind::File || self.on_closed(object, None)
    }

    /// The sender closed `object`; with a fault, the event that cancels it comes from the record itself.
    fn on_closed(&mut self, object: ObjectId, fault: Option<Fault>) -> bool {
        let entry = match self.objects.place(object) {
            Place::Past => return true,
            Place::Beyond => return false,
            Place::Here(entry) => entry,
        };
        match (fault, entry.stage) {
            (None, Stage::Unknown) => return false,
            (None, Stage::Open) => {
                entry.closed = true;
                self.check_complete(object);
            }
            (Some(_), Stage::Open | Stage::Unknown) => {
                entry.stage = Stage::InHand;
                entry.cancelled = true;
                self.gaps.forget(object);
            }
            _ => {}
        }
        true
    }

    pub(super) fn check_complete(&mut self, object: ObjectId) {
        if let Some(entry) = self.objects.get_mut(object)
            && entry.stage == Stage::Open
            && entry.is_complete()
        {
            entry.stage = Stage::InHand;
            // An object completes once, and there are as many places as objects.
            let _ = self.completed.push_back(object);
        }
    }

    /// An error if the frame's block cannot be taken now, together with those before it.
    fn check_frame(&mut self, frame: &Frame<'_>, ahead: &mut Ahead) -> Result<(), DatagramError> {
        match *frame {
            Frame::Chunk(ref block) => self.check_block(block, ahead),
            Frame::Whole {
                object,
                record,
                data,
            } => self.check_whole(object, record, data, ahead),
            _ => Ok(()),
        }
    }

    fn check_block(
        &mut self,
        block: &DataBlock<'_>,
        ahead: &mut Ahead,
    ) -> Result<(), DatagramError> {
        let entry = match self.objects.place(block.object) {
            Place::Past => return Ok(()),
            Place::Beyond => return Err(DatagramError::NoRoom),
            Place::Here(entry) => *entry,
        };
        let is_wanted = entry.decided || !self.decides_each;
        match entry.stage {
            Stage::Open if block.end() > entry.size => return Err(DatagramError::OutOfFile),
            Stage::Open if is_wanted => {}
            Stage::Unknown | Stage::Open => return Err(DatagramError::NoRoom),
            _ => return Ok(()),
        }
        if let Payload::Bytes(bytes) = block.payload {
            self.check_credit(bytes.len() as u64, ahead)?;
        }
        // A block that needs no place of its own in the list of gaps is always welcome.
        let inside = block.end().min(entry.high);
        let opens_gap =
            block.offset > entry.high || self.gaps.is_split_by(block.object, block.offset, inside);
        ahead.gaps += usize::from(opens_gap);
        if opens_gap && ahead.gaps > self.gaps.room() {
            return Err(DatagramError::NoRoom);
        }
        Ok(())
    }

    fn check_whole(
        &mut self,
        object: ObjectId,
        record: &[u8],
        data: &[u8],
        ahead: &mut Ahead,
    ) -> Result<(), DatagramError> {
        let bytes = data.len() as u64;
        let open = record::decode_open(record).map_err(|_| DatagramError::OutOfFile)?;
        if open.object != object
            || open.size != bytes
            || open.kind != ObjectKind::File
            || self.decides_each
            || self.ended.is_some_and(|objects| object.0 > objects)
        {
            return Err(DatagramError::OutOfFile);
        }
        match self.objects.place(object) {
            Place::Past => Ok(()),
            Place::Beyond => Err(DatagramError::NoRoom),
            Place::Here(_) => self.check_credit(bytes, ahead),
        }
    }

    const fn check_credit(&self, bytes: u64, ahead: &mut Ahead) -> Result<(), DatagramError> {
        ahead.bytes += bytes;
        if self.outstanding + ahead.bytes > self.capacity.saturating_add(CREDIT_SLACK) {
            return Err(DatagramError::NoRoom);
        }
        Ok(())
    }

    fn place_frame(&mut self, frame: &Frame<'_>) -> bool {
        match *frame {
            Frame::Chunk(ref block) => self.place_block(block),
            Frame::Whole { object, data, .. } => self.place_whole(object, data.len() as u64),
            _ => false,
        }
    }

    fn place_whole(&mut self, object: ObjectId, bytes: u64) -> bool {
        let Some(entry) = self
            .objects
            .get_mut(object)
            .filter(|entry| entry.stage == Stage::Unknown)
        else {
            count(&mut self.statistics.file_bytes_repeated, bytes);
            return false;
        };
        self.offered = self.offered.max(object.0);
        entry.stage = Stage::InHand;
        entry.whole = true;
        entry.size = bytes;
        self.outstanding += bytes;
        count(&mut self.statistics.file_bytes_received, bytes);
        true
    }

    /// Notes what a checked block fills; `true` if any of it was missing.
    fn place_block(&mut self, block: &DataBlock<'_>) -> bool {
        let (start, end) = (block.offset, block.end());
        let entry = self
            .objects
            .get_mut(block.object)
            .filter(|entry| entry.stage == Stage::Open)
            .copied();
        let Some(mut entry) = entry else {
            count(&mut self.statistics.file_bytes_repeated, end - start);
            return false;
        };
        let mut fresh = 0;
        if start < entry.high {
            // Room was checked; without it the bytes stay missing and come again.
            let filled = self
                .gaps
                .fill(block.object, start, end.min(entry.high))
                .unwrap_or(0);
            entry.missing -= filled;
            fresh += filled;
        } else if start > entry.high {
            let gap = Gap {
                object: block.object,
                start: entry.high,
                end: start,
            };
            if self.gaps.add(gap).is_err() {
                return false;
            }
            entry.missing += start - entry.high;
        }
        if end > entry.high {
            fresh += end - entry.high.max(start);
            entry.high = end;
        }
        if let Some(place) = self.objects.get_mut(block.object) {
            *place = entry;
        }
        count(&mut self.statistics.file_bytes_received, fresh);
        count(
            &mut self.statistics.file_bytes_repeated,
            (end - start) - fresh,
        );
        if fresh > 0
            && let Payload::Bytes(bytes) = block.payload
        {
            self.outstanding += bytes.len() as u64;
        }
        self.check_complete(block.object);
        fresh > 0
    }
}

/// Runs of zero bytes cost their sender nothing, so that sums of file bytes may exceed any number.
const fn count(sum: &mut u64, bytes: u64) {
    *sum = sum.saturating_add(bytes);
}
