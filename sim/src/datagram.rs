//! A datagram under way, kept small: file bytes that follow the pattern are not stored.
//!
//! Lossless: what is left out was compared with the pattern first, everything else is kept as it is.
//! A path of 10 Gbit/s and 600 ms holds 375 MB of datagrams; this way it holds a hundredth of that.

use fasp_core::wire::{DATA_PREFIX_BYTES, DataBlock, HEADER_BYTES, Payload, TAG_BYTES};

use crate::pattern;

const HEAD: usize = HEADER_BYTES + DATA_PREFIX_BYTES;
/// Ethernet preamble, header, checksum and gap, and IPv4 and UDP headers.
pub(crate) const WIRE_OVERHEAD: u64 = 38 + 20 + 8;

/// One datagram.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Whole(Box<[u8]>),
    Pattern {
        head: [u8; HEAD],
        tag: [u8; TAG_BYTES],
        object: u32,
        offset: u64,
        length: u32,
    },
}

impl Datagram {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let form = Self::compact(bytes).unwrap_or_else(|| Form::Whole(bytes.into()));
        Self { form }
    }

    fn compact(bytes: &[u8]) -> Option<Form> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        if head[0] & 0x0F != 1 || body.is_empty() {
            return None;
        }
        let block = DataBlock::decode(&bytes[HEADER_BYTES..bytes.len() - TAG_BYTES]).ok()?;
        let (object, offset) = (block.object.0, block.offset);
        let follows =
            matches!(block.payload, Payload::Bytes(_)) && pattern::matches(object, offset, body);
        follows.then_some(Form::Pattern {
            head: *head,
            tag: *tag,
            object,
            offset,
            length: body.len() as u32,
        })
    }

    /// Bytes of UDP payload.
    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Whole(bytes) => bytes.len(),
            Form::Pattern { length, .. } => HEAD + *length as usize + TAG_BYTES,
        }
    }

    /// Bytes it occupies on the wire.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.len() as u64 + WIRE_OVERHEAD
    }

    /// Writes the datagram to the front of `out`, which must be long enough, and returns its length.
    pub(crate) fn write(&self, out: &mut [u8]) -> usize {
        match &self.form {
            Form::Whole(bytes) => out[..bytes.len()].copy_from_slice(bytes),
            Form::Pattern {
                head,
                tag,
                object,
                offset,
                length,
            } => {
                let end = HEAD + *length as usize;
                out[..HEAD].copy_from_slice(head);
                pattern::fill(*object, *offset, &mut out[HEAD..end]);
                out[end..end + TAG_BYTES].copy_from_slice(tag);
            }
        }
        self.len()
    }

    /// Turns bit `bit` (modulo the length) over.
    pub(crate) fn flip(&mut self, bit: u64) {
        let mut bytes = vec![0; self.len()];
        self.write(&mut bytes);
        let at = (bit / 8) as usize % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        self.form = Form::Whole(bytes.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(object: u32, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x5A; HEAD + length + TAG_BYTES];
        bytes[0] = 0x41;
        bytes[12..16].copy_from_slice(&object.to_be_bytes());
        bytes[16] = 0;
        bytes[17..24].copy_from_slice(&offset.to_be_bytes()[1..]);
        pattern::fill(object, offset, &mut bytes[HEAD..HEAD + length]);
        bytes
    }

    fn written(datagram: &Datagram) -> Vec<u8> {
        let mut out = vec![0; 10_000];
        let length = datagram.write(&mut out);
        out.truncate(length);
        out
    }

    #[test]
    fn every_datagram_comes_out_as_it_went_in() {
        let good = data(3, 70_000, 1_432);
        let mut odd = good.clone();
        odd[500] ^= 1;
        for bytes in [good.clone(), odd, vec![1, 2, 3], vec![0x41; 40]] {
            assert_eq!(written(&Datagram::new(&bytes)), bytes);
        }
        assert!(matches!(Datagram::new(&good).form, Form::Pattern { .. }));
    }

    #[test]
    fn a_flip_changes_one_bit() {
        let bytes = data(3, 0, 900);
        let mut datagram = Datagram::new(&bytes);
        datagram.flip(8_000);
        let changed: u32 = written(&datagram)
            .iter()
            .zip(&bytes)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!(changed, 1);
    }
}
