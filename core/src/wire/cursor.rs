//! Bounds-checked big-endian reading and writing.
//!
//! The only file of the codec that knows where in a buffer it is: everything else reads and
//! writes field after field. Neither cursor moves when it fails.
//!
//! Source: PROTOCOL.md, "Conventions" (big-endian, u24, u48, u56).

use super::error::{Full, WireError};

/// Takes fields from the front of a slice that a peer filled.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// Bytes not yet taken.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Bytes taken so far.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.total.saturating_sub(self.rest.len())
    }

    /// Whether everything was taken.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes everything that is left.
    #[inline]
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] if fewer are left, as in all methods below.
    #[inline]
    pub const fn bytes(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(WireError::Truncated);
        };
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    const fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(WireError::Truncated);
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Takes 2 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes 3 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u24(&mut self) -> Result<u32, WireError> {
        self.array()
            .map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Takes 4 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes 4 bytes in two's complement.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Takes 6 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u48(&mut self) -> Result<u64, WireError> {
        self.array()
            .map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Takes 7 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u56(&mut self) -> Result<u64, WireError> {
        self.array()
            .map(|[a, b, c, d, e, f, g]| u64::from_be_bytes([0, a, b, c, d, e, f, g]))
    }

    /// Takes 8 bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Puts fields one after another into a slice.
///
/// The methods for 3, 6 and 7 bytes panic on a number that needs more: which numbers we send is
/// ours to know.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    position: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the first byte of `buffer`.
    #[must_use]
    #[inline]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self {
            buffer,
            position: 0,
        }
    }

    /// Bytes written so far.
    #[must_use]
    #[inline]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Bytes that still fit.
    #[must_use]
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.buffer.len().saturating_sub(self.position)
    }

    /// The part of the buffer not written yet; what it holds is not defined.
    #[inline]
    pub fn unused(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.position..).unwrap_or_default()
    }

    /// Forgets everything written after the first `position` bytes.
    #[inline]
    pub fn truncate(&mut self, position: usize) {
        self.position = self.position.min(position);
    }

    /// Counts the next `count` bytes as written and lends them out to be filled.
    ///
    /// # Errors
    ///
    /// [`Full`] if they do not fit, as in all methods below.
    #[inline]
    pub fn reserve(&mut self, count: usize) -> Result<&mut [u8], Full> {
        let end = self.position.checked_add(count).ok_or(Full)?;
        let lent = self.buffer.get_mut(self.position..end).ok_or(Full)?;
        self.position = end;
        Ok(lent)
    }

    /// Copies `bytes`.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.reserve(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Puts one byte.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u8(&mut self, value: u8) -> Result<(), Full> {
        self.bytes(&[value])
    }

    /// Puts 2 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u16(&mut self, value: u16) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Puts the length of something as 2 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`], also for a length above 65535, which no datagram holds.
    #[inline]
    pub fn length(&mut self, length: usize) -> Result<(), Full> {
        self.u16(u16::try_from(length).map_err(|_| Full)?)
    }

    /// Puts 3 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u24(&mut self, value: u32) -> Result<(), Full> {
        let [high, low @ ..] = value.to_be_bytes();
        assert!(high == 0, "the number needs more than 24 bits");
        self.bytes(&low)
    }

    /// Puts 4 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u32(&mut self, value: u32) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Puts 4 bytes in two's complement.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn i32(&mut self, value: i32) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// Puts 6 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u48(&mut self, value: u64) -> Result<(), Full> {
        let [high, higher, low @ ..] = value.to_be_bytes();
        assert!(
            high == 0 && higher == 0,
            "the number needs more than 48 bits"
        );
        self.bytes(&low)
    }

    /// Puts 7 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u56(&mut self, value: u64) -> Result<(), Full> {
        let [high, low @ ..] = value.to_be_bytes();
        assert!(high == 0, "the number needs more than 56 bits");
        self.bytes(&low)
    }

    /// Puts 8 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`].
    #[inline]
    pub fn u64(&mut self, value: u64) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_reads_what_was_written_and_counts_its_bytes() {
        let mut buffer = [0; 35];
        let mut writer = Writer::new(&mut buffer);
        writer.u8(0xA1).unwrap();
        writer.u16(0xB1B2).unwrap();
        writer.u24(0xC1_C2C3).unwrap();
        writer.u32(0xD1D2_D3D4).unwrap();
        writer.i32(-2).unwrap();
        writer.u48(0xE1E2_E3E4_E5E6).unwrap();
        writer.u56(0xF1_F2F3_F4F5_F6F7).unwrap();
        writer.u64(u64::MAX - 1).unwrap();
        assert_eq!((writer.position(), writer.remaining()), (35, 0));

        let mut reader = Reader::new(&buffer);
        assert_eq!(reader.u8(), Ok(0xA1));
        assert_eq!(reader.u16(), Ok(0xB1B2));
        assert_eq!(reader.u24(), Ok(0xC1_C2C3));
        assert_eq!(reader.u32(), Ok(0xD1D2_D3D4));
        assert_eq!(reader.i32(), Ok(-2));
        assert_eq!(reader.u48(), Ok(0xE1E2_E3E4_E5E6));
        assert_eq!(reader.u56(), Ok(0xF1_F2F3_F4F5_F6F7));
        assert_eq!(reader.u64(), Ok(u64::MAX - 1));
        assert_eq!((reader.position(), reader.remaining()), (35, 0));
    }

    #[test]
    fn a_cursor_that_fails_stays_where_it_was() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u32(), Err(WireError::Truncated));
        assert_eq!(reader.bytes(usize::MAX), Err(WireError::Truncated));
        assert_eq!(reader.u24(), Ok(0x0001_0203));

        let mut buffer = [0; 3];
        let mut writer = Writer::new(&mut buffer);
        writer.u8(9).unwrap();
        assert_eq!(writer.u32(7), Err(Full));
        assert_eq!(writer.reserve(usize::MAX), Err(Full));
        assert_eq!(writer.position(), 1);
        assert_eq!(writer.length(65_536), Err(Full));
    }

    #[test]
    #[should_panic(expected = "more than 56 bits")]
    fn an_offset_of_57_bits_is_not_cut_in_silence() {
        let _ = Writer::new(&mut [0; 8]).u56(1 << 56);
    }
}
