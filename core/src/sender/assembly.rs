//! What a datagram with content holds: lost content again, records and small objects, file bytes.
//!
//! Each function puts together one datagram in place, or nothing.

use super::object_source::{FinishOutcome, ObjectSource, ReadOutcome};
use super::object_window::Stage;
use super::sent_ring::{Content, ContentKind, Contents};
use super::{Blocked, Sender};
use crate::crypto::GcmBackend;
use crate::fault::Fault;
use crate::lane::{self, PACKET_OVERHEAD};
use crate::metadata::record;
use crate::time::Instant;
use crate::units::ObjectId;
use crate::wire::{
    CHUNK_OVERHEAD, DATA_PREFIX_BYTES, DataBlock, FillError, FrameWriter, HEADER_BYTES,
    META_OVERHEAD, PacketKind, TAG_BYTES, WHOLE_OVERHEAD,
};

/// A frames datagram is padded to the size of its neighbours if no more than this is wasted.
const PADDING: usize = 96;
/// A chunk is not begun with fewer bytes than this, unless it is all that is left.
const LEAST_CHUNK: usize = 64;

/// Why a piece of content was not put into a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    NotReady,
    Failed(Fault),
    /// No datagram can hold the object whole any more.
    TooLarge,
}

impl<const PACKETS: usize, const OBJECTS: usize, const META: usize, G: GcmBackend>
    Sender<PACKETS, OBJECTS, META, G>
{
    /// The oldest lost content under a new number.
    pub(super) fn next_lost<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
    ) -> Option<usize> {
        while let Some(number) = self.sent.first_lost() {
            let contents: Contents = self
                .sent
                .contents_of(number)
                .filter_map(|content| self.still_wanted(content))
                .collect();
            let outcome = match contents.as_slice() {
                [] => {
                    self.sent.settle_first_lost();
                    continue;
                }
                [only] if only.kind == ContentKind::Bytes => {
                    self.repeat_bytes(now, room, limit, source, number, *only)
                }
                several => self.repeat_frames(now, room, limit, source, number, several),
            };
            match outcome {
                Ok(length) => return length,
                Err((_, Refusal::NotReady)) => {
                    self.blocked = Blocked::Source;
                    return None;
                }
                Err((object, Refusal::Failed(fault))) => self.give_up(object, fault),
                Err((object, Refusal::TooLarge)) => {
                    if !self.send_in_pieces(object, source) {
                        return self.window_is_full();
                    }
                }
            }
        }
        None
    }

    /// What of a lost piece of content must still travel.
    fn still_wanted(&self, content: Content) -> Option<Content> {
        match content.kind {
            ContentKind::Probe => None,
            ContentKind::Meta => {
                let end = content.offset + u64::from(content.length);
                let offset = content.offset.max(self.meta.acknowledged());
                let length = u32::try_from(end.checked_sub(offset)?)
                    .ok()
                    .filter(|&length| length > 0)?;
                Some(Content {
                    offset,
                    length,
                    ..content
                })
            }
            ContentKind::Bytes | ContentKind::Whole => {
                let offered = self.objects.get(content.object)?;
                let is_whole = content.kind == ContentKind::Whole;
                let wanted = offered.fault.is_none() && offered.whole == is_whole;
                wanted.then_some(content)
            }
        }
    }

    fn repeat_bytes<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
        number: u64,
        content: Content,
    ) -> Result<Option<usize>, (ObjectId, Refusal)> {
        let (part, rest) = content.split_at(data_room(limit));
        let length = usize::try_from(part.length).unwrap_or(usize::MAX);
        self.write_data(room, content.object, content.offset, length, source)?;
        match rest {
            // The path carries less than before: the rest stays lost and goes next.
            Some(rest) => self.sent.keep_contents(number, &[rest]),
            None => self.sent.settle_first_lost(),
        }
        self.statistics.file_bytes_repeated += u64::from(part.length);
        Ok(self.dispatch(
            now,
            PacketKind::Data,
            true,
            room,
            DATA_PREFIX_BYTES + length,
            &[part],
        ))
    }

    fn repeat_frames<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
        number: u64,
        contents: &[Content],
    ) -> Result<Option<usize>, (ObjectId, Refusal)> {
        let Some(body) = lane::body_of(room, limit) else {
            return Ok(None);
        };
        let mut writer = FrameWriter::new(body);
        let mut packed = Contents::new();
        let mut left_over = Contents::new();
        for content in contents {
            let overhead = if content.kind == ContentKind::Meta {
                META_OVERHEAD
            } else {
                CHUNK_OVERHEAD
            };
            let (part, rest) = match content.kind {
                ContentKind::Whole => (*content, None),
                _ => content.split_at(writer.remaining().saturating_sub(overhead)),
            };
            let put = match part.kind {
                ContentKind::Whole => self.put_whole(&mut writer, part.object, limit, source)?,
                _ if part.length == 0 => false,
                ContentKind::Meta => self.put_meta(&mut writer, part.offset, part.length),
                _ => self.put_chunk(&mut writer, part.object, part.offset, part.length, source)?,
            };
            let later = if put { rest } else { Some(*content) };
            let _ = put.then(|| packed.push(part));
            let _ = later.map(|content| left_over.push(content));
        }
        let length = writer.len();
        if left_over.is_empty() {
            self.sent.settle_first_lost();
        } else {
            self.sent.keep_contents(number, &left_over);
        }
        if packed.is_empty() {
            return Ok(None);
        }
        let repeated: u64 = packed.iter().map(|part| self.file_bytes_of(*part)).sum();
        self.statistics.file_bytes_repeated += repeated;
        Ok(self.dispatch(now, PacketKind::Frames, true, room, length, &packed))
    }

    /// File bytes in a piece of content.
    fn file_bytes_of(&self, content: Content) -> u64 {
        match content.kind {
            ContentKind::Bytes => u64::from(content.length),
            ContentKind::Whole => self
                .objects
                .get(content.object)
                .map_or(0, |offered| offered.size),
            ContentKind::Meta | ContentKind::Probe => 0,
        }
    }

    /// Records, whole files and ends of files in one datagram.
    pub(super) fn next_frames<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
    ) -> Option<usize> {
        let body = lane::body_of(room, limit)?;
        let body_length = body.len();
        let mut writer = FrameWriter::new(body);
        let mut contents = Contents::new();
        self.put_new_meta(&mut writer, &mut contents);
        while contents.len() < self.sent.most_contents()
            && self.put_small_object(&mut writer, &mut contents, limit, source)
        {}
        if contents.is_empty() {
            return None;
        }
        let spare = body_length - writer.len();
        if spare > 0 && spare <= PADDING {
            // Room was measured, so padding fits.
            let _ = writer.pad_to(body_length);
            return self.dispatch(now, PacketKind::Frames, false, room, body_length, &contents);
        }
        let length = writer.len();
        self.dispatch(now, PacketKind::Frames, false, room, length, &contents)
    }

    /// New records; the very first ones are sent twice, since everything waits for them.
    fn put_new_meta(&mut self, writer: &mut FrameWriter<'_>, contents: &mut Contents) {
        let room = writer.remaining().saturating_sub(META_OVERHEAD);
        let repeat = self.first_meta_sent == 1 && self.meta.acknowledged() == 0;
        let piece = if repeat {
            Some((0, self.meta.sent().min(room as u64)))
        } else {
            None
        };
        let piece = piece.or_else(|| {
            self.meta
                .unsent(room)
                .map(|(offset, length)| (offset, length as u64))
        });
        let Some((offset, length)) = piece else {
            return;
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        if length > 0 && self.put_meta(writer, offset, length) {
            self.first_meta_sent = self.first_meta_sent.saturating_add(1);
            self.meta.on_sent(offset + u64::from(length));
            let _ = contents.push(Content {
                kind: ContentKind::Meta,
                object: ObjectId(0),
                length,
                offset,
            });
        }
    }

    fn put_meta(&self, writer: &mut FrameWriter<'_>, offset: u64, length: u32) -> bool {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let copy = |bytes: &mut [u8]| {
            if self.meta.copy_to(offset, bytes) {
                Ok(())
            } else {
                Err(())
            }
        };
        // Bytes no longer held are acknowledged: nothing to repeat, which counts as put.
        !matches!(
            writer.push_meta_with(offset, length, copy),
            Err(FillError::Full)
        )
    }

    /// The next ready object, if it or its end is small; `false` when nothing more belongs in this datagram.
    fn put_small_object<S: ObjectSource>(
        &mut self,
        writer: &mut FrameWriter<'_>,
        contents: &mut Contents,
        limit: usize,
        source: &mut S,
    ) -> bool {
        let Some((object, start, end)) = self.next_range() else {
            return false;
        };
        let Some(offered) = self.objects.get(object).copied() else {
            return false;
        };
        let left = end - start;
        let (outcome, content) = if offered.whole {
            let content = Content {
                kind: ContentKind::Whole,
                object,
                length: 0,
                offset: 0,
            };
            (self.put_whole(writer, object, limit, source), content)
        } else {
            let room = writer.remaining().saturating_sub(CHUNK_OVERHEAD);
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(room);
            if left >= data_room(limit) as u64 || (length as u64) < left.min(LEAST_CHUNK as u64) {
                return false;
            }
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let content = Content {
                kind: ContentKind::Bytes,
                object,
                length,
                offset: start,
            };
            (
                self.put_chunk(writer, object, start, length, source),
                content,
            )
        };
        match outcome {
            Ok(true) => {
                let _ = contents.push(content);
                let sent = if offered.whole {
                    offered.size
                } else {
                    u64::from(content.length)
                };
                self.on_first_sent(object, sent);
                true
            }
            Ok(false) => false,
            Err((object, Refusal::Failed(fault))) => {
                self.give_up(object, fault);
                true
            }
            Err((_, Refusal::NotReady)) => {
                self.blocked = Blocked::Source;
                false
            }
            Err((object, Refusal::TooLarge)) => self.send_in_pieces(object, source),
        }
    }

    fn put_chunk<S: ObjectSource>(
        &self,
        writer: &mut FrameWriter<'_>,
        object: ObjectId,
        offset: u64,
        length: u32,
        source: &mut S,
    ) -> Result<bool, (ObjectId, Refusal)> {
        let size = self.objects.get(object).map_or(0, |offered| offered.size);
        let fin = offset + u64::from(length) == size;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let outcome = writer.push_chunk_with(object, offset, fin, length, |bytes| {
            read(source, object, offset, bytes)
        });
        placed(outcome, object)
    }

    /// Puts an object with its record; [`Refusal::TooLarge`] if no datagram can hold it any more, because the path
    /// carries less than when it was offered.
    fn put_whole<S: ObjectSource>(
        &self,
        writer: &mut FrameWriter<'_>,
        object: ObjectId,
        limit: usize,
        source: &mut S,
    ) -> Result<bool, (ObjectId, Refusal)> {
        let Some(offered) = self.objects.get(object) else {
            return Ok(true);
        };
        let record_length = usize::from(offered.record_length);
        let size = usize::try_from(offered.size).unwrap_or(usize::MAX);
        let needed = WHOLE_OVERHEAD
            .saturating_add(record_length)
            .saturating_add(size);
        if needed > limit.saturating_sub(PACKET_OVERHEAD) {
            return Err((object, Refusal::TooLarge));
        }
        if writer.remaining() < needed {
            return Ok(false);
        }
        let outcome = writer.push_whole_with(object, record_length, size, |record_bytes, data| {
            read(source, object, 0, data)?;
            match source.finish(object) {
                FinishOutcome::Unchanged | FinishOutcome::Hashed(_) => {}
                FinishOutcome::NotReady => return Err(Refusal::NotReady),
                FinishOutcome::Failed(fault) => return Err(Refusal::Failed(fault)),
            }
            let described = source
                .describe(object)
                .ok_or(Refusal::Failed(Fault::InternalError))?;
            match record::encode_open(&described, record_bytes) {
                Ok(length) if length == record_bytes.len() => Ok(()),
                _ => Err(Refusal::Failed(Fault::InternalError)),
            }
        });
        placed(outcome, object)
    }

    /// A full datagram of file bytes.
    pub(super) fn next_data<S: ObjectSource>(
        &mut self,
        now: Instant,
        room: &mut [u8],
        limit: usize,
        source: &mut S,
    ) -> Option<usize> {
        if self.blocked == Blocked::Source {
            return None;
        }
        loop {
            let (object, start, end) = self.next_range()?;
            if self
                .objects
                .get(object)
                .is_some_and(|offered| offered.whole)
            {
                return None;
            }
            let length = usize::try_from(end - start)
                .unwrap_or(usize::MAX)
                .min(data_room(limit));
            if length == 0 {
                return None;
            }
            match self.write_data(room, object, start, length, source) {
                Ok(()) => {
                    let content = Content {
                        kind: ContentKind::Bytes,
                        object,
                        length: u32::try_from(length).unwrap_or(u32::MAX),
                        offset: start,
                    };
                    self.on_first_sent(object, length as u64);
                    let body_length = DATA_PREFIX_BYTES + length;
                    return self.dispatch(
                        now,
                        PacketKind::Data,
                        false,
                        room,
                        body_length,
                        &[content],
                    );
                }
                Err((_, Refusal::NotReady)) => {
                    self.blocked = Blocked::Source;
                    return None;
                }
                Err((object, Refusal::Failed(fault))) => self.give_up(object, fault),
                Err((_, Refusal::TooLarge)) => return None,
            }
        }
    }

    pub(super) fn write_data<S: ObjectSource>(
        &self,
        room: &mut [u8],
        object: ObjectId,
        offset: u64,
        length: usize,
        source: &mut S,
    ) -> Result<(), (ObjectId, Refusal)> {
        let size = self.objects.get(object).map_or(0, |offered| offered.size);
        let fin = offset + length as u64 == size;
        let start = HEADER_BYTES + DATA_PREFIX_BYTES;
        let failed = (object, Refusal::Failed(Fault::InternalError));
        room.get_mut(HEADER_BYTES..start)
            .ok_or(failed)?
            .copy_from_slice(&DataBlock::encode_prefix(object, offset, fin, false));
        let place = room.get_mut(start..start + length).ok_or(failed)?;
        read(source, object, offset, place).map_err(|refusal| (object, refusal))
    }

    /// Seals a datagram whose body stands in place, and records it.
    pub(super) fn dispatch(
        &mut self,
        now: Instant,
        kind: PacketKind,
        repeated: bool,
        room: &mut [u8],
        body_length: usize,
        contents: &[Content],
    ) -> Option<usize> {
        let length = body_length + PACKET_OVERHEAD;
        let packed = room
            .get_mut(..length)
            .map(|datagram| self.outbound.pack(now, kind, repeated, datagram));
        let Some(Ok(number)) = packed else {
            self.fail(Fault::InternalError);
            return None;
        };
        self.sent.push(number.0, length, contents);
        if repeated {
            self.sent.on_repeated(number.0);
        } else if !contents.is_empty() {
            self.copies.on_new_content(now);
        }
        self.pacer.on_sent(length, now);
        self.statistics.packets_sent += 1;
        self.statistics.bytes_sent += length as u64;
        self.path.on_sent(length);
        Some(length)
    }

    /// The next bytes never sent: object, start and end. Objects finished meanwhile leave the queue.
    fn next_range(&mut self) -> Option<(ObjectId, u64, u64)> {
        loop {
            let object = *self.ready.front()?;
            let Some(offered) = self
                .objects
                .get(object)
                .filter(|offered| offered.stage == Stage::Ready)
            else {
                self.ready.pop_front();
                continue;
            };
            // Its record must be there before its bytes, except at the start where nothing is known yet.
            if !offered.whole
                && self.meta.acknowledged() < offered.open_end
                && self.meta.acknowledged() > 0
            {
                return None;
            }
            if !offered.whole && self.meta.sent() < offered.open_end {
                return None;
            }
            return match self.plans.next_range(object) {
                Some(range) => Some((object, range.start, range.end)),
                None => Some((object, offered.next_offset, offered.size)),
            };
        }
    }

    /// `length` bytes of `object` were sent for the first time.
    fn on_first_sent(&mut self, object: ObjectId, length: u64) {
        self.statistics.file_bytes_sent += length;
        let Some(offered) = self.objects.get_mut(object) else {
            return;
        };
        offered.next_offset += length;
        let complete = if self.plans.contains(object) {
            self.plans.on_sent(object, length)
        } else {
            offered.next_offset >= offered.size
        };
        if !complete {
            return;
        }
        self.ready.pop_front();
        if offered.whole {
            offered.stage = Stage::Closed;
        } else {
            self.all_sent(object);
        }
    }
}

/// File bytes that fit a DATA datagram of `limit` bytes.
pub(super) const fn data_room(limit: usize) -> usize {
    limit.saturating_sub(HEADER_BYTES + DATA_PREFIX_BYTES + TAG_BYTES)
}

fn read<S: ObjectSource>(
    source: &mut S,
    object: ObjectId,
    offset: u64,
    bytes: &mut [u8],
) -> Result<(), Refusal> {
    match source.read(object, offset, bytes) {
        ReadOutcome::Filled => Ok(()),
        ReadOutcome::NotReady => Err(Refusal::NotReady),
        ReadOutcome::Failed(fault) => Err(Refusal::Failed(fault)),
    }
}

/// Whether a frame was put, or why not.
fn placed(
    outcome: Result<(), FillError<Refusal>>,
    object: ObjectId,
) -> Result<bool, (ObjectId, Refusal)> {
    match outcome {
        Ok(()) => Ok(true),
        Err(FillError::Full) => Ok(false),
        Err(FillError::Fill(refusal)) => Err((object, refusal)),
    }
}
