//! Control messages on their way to the client: a small buffer in which the last words always find room.

use core::fmt::Write;

use fasp_core::control::framing::PREAMBLE;
use fasp_core::control::{ControlMessage, FileError};
use fasp_core::fault::Fault;
use fasp_core::units::ObjectId;
use zeroize::Zeroize;

/// Bytes of the buffer.
const BYTES: usize = 1_536;
/// Bytes that words about single files leave free for the others.
const KEPT_FREE: usize = 512;
/// Most bytes of a sentence for the user.
const SENTENCE: usize = 240;

/// A sentence for the user.
pub(super) type Sentence = heapless::String<SENTENCE>;

/// Bytes that wait for the control channel. The server's secret passes through: what was sent is wiped.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: [u8; BYTES],
    filled: usize,
}

impl Outbox {
    /// What every server says first is in it already.
    pub(super) fn new() -> Self {
        let mut outbox = Self {
            bytes: [0; BYTES],
            filled: 0,
        };
        if let Some(place) = outbox.bytes.first_chunk_mut() {
            *place = PREAMBLE;
            outbox.filled = PREAMBLE.len();
        }
        outbox
    }

    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// Where a message can be written that [`Self::wrote`] then counts.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.filled = (self.filled + count).min(BYTES);
    }

    pub(super) fn sent(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.bytes.copy_within(count..self.filled, 0);
        let left = self.filled - count;
        if let Some(wiped) = self.bytes.get_mut(left..self.filled) {
            wiped.zeroize();
        }
        self.filled = left;
    }

    /// Queues `message`; `false` if there is no room for it.
    pub(super) fn push(&mut self, message: &ControlMessage<'_>) -> bool {
        match message.encode(self.room()) {
            Ok(count) => {
                self.wrote(count);
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn push_cancel(&mut self, fault: Fault) {
        let (code, text) = (fault.number(), fault.text());
        self.push(&ControlMessage::Cancel { code, text });
    }

    pub(super) fn push_reject(&mut self, fault: Fault, text: &str) {
        let code = fault.number();
        self.push(&ControlMessage::Reject { code, text });
    }

    /// Tells that a file failed here; when the client does not read, the number in its result must do.
    pub(super) fn push_file_error(&mut self, object: Option<ObjectId>, path: &[u8], fault: Fault) {
        if self.filled + KEPT_FREE > BYTES {
            return;
        }
        let text = about(fault, path);
        let text = text.as_str();
        self.push(&ControlMessage::FileError(FileError {
            object,
            code: fault.number(),
            text,
            path,
            delivered: false,
        }));
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The public words of `fault`, and the path as far as there is room.
pub(super) fn about(fault: Fault, path: &[u8]) -> Sentence {
    let mut text = Sentence::new();
    let _ = text.push_str(fault.text());
    let _ = write!(text, ": {}", path.escape_ascii());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_files_leave_room_for_the_last_ones() {
        let mut outbox = Outbox::new();
        for id in 1..100 {
            outbox.push_file_error(Some(ObjectId(id)), &[b'x'; 128], Fault::NoSpaceLeft);
        }
        assert!(outbox.push(&ControlMessage::SummaryAck { code: 0 }));
        outbox.push_cancel(Fault::UserCancelled);
        let cancel = outbox.waiting().len();
        outbox.push_cancel(Fault::UserCancelled);
        assert!(outbox.waiting().len() > cancel);
    }

    #[test]
    fn what_was_sent_is_gone_and_wiped() {
        let mut outbox = Outbox::new();
        outbox.push(&ControlMessage::KeepAlive);
        outbox.sent(PREAMBLE.len());
        assert_eq!(outbox.waiting(), [0, 0, 0, 1, 0x0D, 0xA0]);
        outbox.sent(99);
        assert_eq!(outbox.waiting(), b"");
        assert!(outbox.bytes.iter().all(|byte| *byte == 0));
    }
}
