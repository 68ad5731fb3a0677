//! Taking datagrams: open, then one handler for each kind of content.

use super::arrival::Arrival;
use super::object_table::{Entry, ObjectTable, Place, Stage};
use super::{Receiver, reporting};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::DatagramError;
use crate::loss::Gap;
use crate::metadata::{MetaRecord, ObjectKind, OpenRecord, record};
use crate::time::Instant;
use crate::units::{ObjectId, PacketNumber};
use crate::wire::{DataBlock, Datagram, Frame, Frames, MAX_FRAMES, Payload};

/// Beyond its credit a sender may be this many bytes ahead, for reports on their way.
const CREDIT_SLACK: u64 = 1 << 20;

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
        self.check_block(&block, 0)?;
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
            blocks += usize::from(self.on_frame(now, &frame?)?);
        }
        if blocks == 0 {
            return Ok(Arrival::nothing());
        }
        let mut ahead = 0;
        for frame in Frames::new(body) {
            ahead += self.check_frame(&frame?, ahead)?;
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
            Frame::PathChallenge(bits) => self.path_answer = Some(bits),
            Frame::Close { code, .. } => self.on_close(code),
            Frame::Chunk(_) | Frame::Whole { .. } => return Ok(true),
            _ => {}
        }
        Ok(false)
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
        while let Some((body, end)) = self.meta.record_at(self.meta_parsed) {
            let closed = match record::decode_meta(body) {
                Ok(MetaRecord::Open(open)) => open_object(&mut self.objects, &open),
                Ok(MetaRecord::Close { object, fault }) => Some((object, fault)),
                Ok(MetaRecord::End { objects, .. }) => {
                    self.ended = Some(objects);
                    None
                }
                Err(_) => {
                    self.fail(Fault::Protocol);
                    return Ok(());
                }
            };
            self.meta_parsed = end;
            if let Some((object, fault)) = closed {
                self.on_closed(object, fault);
            }
        }
        Ok(())
    }

    /// The sender closed `object`; with a fault, the event that cancels it comes from the record itself.
    fn on_closed(&mut self, object: ObjectId, fault: Option<Fault>) {
        let Some(entry) = self.objects.get_mut(object) else {
            return;
        };
        match (fault, entry.stage) {
            (None, Stage::Open) => {
                entry.closed = true;
                self.check_complete(object);
            }
            (Some(_), Stage::Open | Stage::Unknown) => {
                entry.stage = Stage::InHand;
                self.gaps.forget(object);
            }
            _ => {}
        }
    }

    fn check_complete(&mut self, object: ObjectId) {
        if let Some(entry) = self.objects.get_mut(object)
            && entry.stage == Stage::Open
            && entry.is_complete()
        {
            entry.stage = Stage::InHand;
            // An object completes once, and there are as many places as objects.
            let _ = self.completed.push_back(object);
        }
    }

    /// Bytes of the frame's block; an error if it cannot be taken now.
    fn check_frame(&mut self, frame: &Frame<'_>, ahead: u64) -> Result<u64, DatagramError> {
        match *frame {
            Frame::Chunk(ref block) => self.check_block(block, ahead),
            Frame::Whole {
                object,
                record,
                data,
            } => self.check_whole(object, record, data, ahead),
            _ => Ok(0),
        }
    }

    fn check_block(&mut self, block: &DataBlock<'_>, ahead: u64) -> Result<u64, DatagramError> {
        let bytes = match block.payload {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Zeros(_) => 0,
        };
        // A datagram may open one gap a frame: that many places are kept free.
        let gaps_full = self.gaps.room() <= MAX_FRAMES.min(GAPS / 2);
        self.check_credit(bytes + ahead)?;
        match self.objects.place(block.object) {
            Place::Past => Ok(0),
            Place::Beyond => Err(DatagramError::NoRoom),
            Place::Here(entry) => match entry.stage {
                Stage::Unknown => Err(DatagramError::NoRoom),
                Stage::Open if block.end() > entry.size => Err(DatagramError::OutOfFile),
                Stage::Open if block.offset != entry.high && gaps_full => {
                    // A block that only closes gaps is always welcome.
                    let inside = block.end() <= entry.high;
                    let missing = self
                        .gaps
                        .missing_in(block.object, block.offset, block.end());
                    if inside && missing == block.end() - block.offset {
                        Ok(bytes)
                    } else {
                        Err(DatagramError::NoRoom)
                    }
                }
                _ => Ok(bytes),
            },
        }
    }

    fn check_whole(
        &mut self,
        object: ObjectId,
        record: &[u8],
        data: &[u8],
        ahead: u64,
    ) -> Result<u64, DatagramError> {
        let bytes = data.len() as u64;
        let open = record::decode_open(record).map_err(|_| DatagramError::OutOfFile)?;
        if open.object != object
            || open.size != bytes
            || open.kind != ObjectKind::File
            || self.decides_each
        {
            return Err(DatagramError::OutOfFile);
        }
        self.check_credit(bytes + ahead)?;
        match self.objects.place(object) {
            Place::Past => Ok(0),
            Place::Beyond => Err(DatagramError::NoRoom),
            Place::Here(_) => Ok(bytes),
        }
    }

    const fn check_credit(&self, bytes: u64) -> Result<(), DatagramError> {
        if self.outstanding + bytes > self.capacity.saturating_add(CREDIT_SLACK) {
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
            self.statistics.file_bytes_repeated += bytes;
            return false;
        };
        entry.stage = Stage::InHand;
        entry.size = bytes;
        self.outstanding += bytes;
        self.statistics.file_bytes_received += bytes;
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
            self.statistics.file_bytes_repeated += end - start;
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
        self.statistics.file_bytes_received += fresh;
        self.statistics.file_bytes_repeated += (end - start) - fresh;
        if fresh > 0
            && let Payload::Bytes(bytes) = block.payload
        {
            self.outstanding += bytes.len() as u64;
        }
        self.check_complete(block.object);
        fresh > 0
    }
}

/// Enters an offered object; a folder has nothing to wait for and counts as closed.
fn open_object<const N: usize>(
    objects: &mut ObjectTable<N>,
    open: &OpenRecord<'_>,
) -> Option<(ObjectId, Option<Fault>)> {
    let entry = objects
        .get_mut(open.object)
        .filter(|entry| entry.stage == Stage::Unknown)?;
    *entry = Entry {
        stage: Stage::Open,
        size: open.size,
        ..Entry::default()
    };
    (open.kind == ObjectKind::Directory).then_some((open.object, None))
}
