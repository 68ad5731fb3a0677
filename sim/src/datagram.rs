//! A datagram under way, kept small: file bytes that follow the pattern are not stored.
//!
//! Lossless: what is left out was compared with the pattern first, everything else is kept as it is.
//! A path of 10 Gbit/s and 600 ms holds 375 MB of datagrams; this way it holds a hundredth of that.

use fasp_core::wire::{DATA_PREFIX_BYTES, DataBlock, HEADER_BYTES, Payload, TAG_BYTES};

use crate::pattern;

const HEAD: usize = HEADER_BYTES + DATA_PREFIX_BYTES;
/// Ethernet preamble, header, checksum and gap, and IPv4 and UDP headers.
pub(crate) const WIRE_OVERHEAD: u64 = 38 + 20 + 8;

/// Ethernet preamble, header, checksum and gap.
const ETHERNET_OVERHEAD: u64 = 38;
/// IPv4 and UDP headers.
const UDP_OVERHEAD: usize = 20 + 8;
/// Least bytes of an IP packet on Ethernet; shorter ones are padded.
const SHORTEST: usize = 46;

/// A packet of a model of another protocol: what the model needs to know, and how long it would be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment {
    /// Of data the number of this transmission, of an acknowledgement the latest that arrived.
    pub(crate) serial: u64,
    /// Of data its place in the stream, of an acknowledgement the first place that is missing.
    pub(crate) place: u64,
    /// Of an acknowledgement: bit `i` says that transmission `serial - i` has arrived.
    pub(crate) seen: u64,
    /// Size of the IP packet.
    pub(crate) ip_bytes: u32,
    /// A wrong bit is in it: the checksum of the real protocol would drop it.
    pub(crate) damaged: bool,
}

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
    /// A packet of an IP stack, after this many bytes of link header.
    Packet {
        bytes: Box<[u8]>,
        link_header: usize,
    },
    Segment(Segment),
}

impl Datagram {
    /// A packet of an IP stack with `link_header` bytes in front of the IP header.
    pub(crate) fn packet(bytes: &[u8], link_header: usize) -> Self {
        let form = Form::Packet {
            bytes: bytes.into(),
            link_header,
        };
        Self { form }
    }

    /// A packet of a model.
    pub(crate) const fn segment(segment: Segment) -> Self {
        Self {
            form: Form::Segment(segment),
        }
    }

    /// The packet of a model, unless it is something else or was damaged.
    pub(crate) const fn as_segment(&self) -> Option<Segment> {
        match self.form {
            Form::Segment(segment) if !segment.damaged => Some(segment),
            _ => None,
        }
    }

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

    /// Bytes of UDP payload; of other packets what they would be in a UDP datagram of their IP size.
    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Whole(bytes) => bytes.len(),
            Form::Pattern { length, .. } => HEAD + *length as usize + TAG_BYTES,
            Form::Packet { bytes, link_header } => {
                bytes.len().saturating_sub(link_header + UDP_OVERHEAD)
            }
            Form::Segment(segment) => (segment.ip_bytes as usize).saturating_sub(UDP_OVERHEAD),
        }
    }

    /// Bytes it occupies on the wire.
    pub(crate) fn wire_bytes(&self) -> u64 {
        match &self.form {
            Form::Packet { bytes, link_header } => {
                (bytes.len() - link_header).max(SHORTEST) as u64 + ETHERNET_OVERHEAD
            }
            Form::Segment(segment) => {
                u64::from(segment.ip_bytes).max(SHORTEST as u64) + ETHERNET_OVERHEAD
            }
            _ => self.len() as u64 + WIRE_OVERHEAD,
        }
    }

    /// Tells it from others of its size in the hash of a run.
    pub(crate) fn fingerprint(&self) -> u64 {
        let ending = |bytes: &[u8]| {
            let last = bytes.last_chunk::<8>();
            last.map_or(0, |last| u64::from_be_bytes(*last))
        };
        match &self.form {
            Form::Whole(bytes) | Form::Packet { bytes, .. } => ending(bytes),
            Form::Pattern { tag, .. } => ending(tag),
            Form::Segment(segment) => segment.serial,
        }
    }

    /// Writes the datagram to the front of `out`, which must be long enough, and returns its length.
    /// A packet of a stack is written with its link header; one of a model has no bytes.
    pub(crate) fn write(&self, out: &mut [u8]) -> usize {
        match &self.form {
            Form::Whole(bytes) | Form::Packet { bytes, .. } => {
                out[..bytes.len()].copy_from_slice(bytes);
                bytes.len()
            }
            Form::Segment(_) => 0,
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
                end + TAG_BYTES
            }
        }
    }

    /// Turns bit `bit` (modulo the length) over.
    pub(crate) fn flip(&mut self, bit: u64) {
        let mut bytes = match &mut self.form {
            Form::Segment(segment) => {
                segment.damaged = true;
                return;
            }
            Form::Packet { bytes, .. } => {
                flip_in(bytes, bit);
                return;
            }
            _ => vec![0; self.len()],
        };
        self.write(&mut bytes);
        flip_in(&mut bytes, bit);
        self.form = Form::Whole(bytes.into());
    }
}

fn flip_in(bytes: &mut [u8], bit: u64) {
    let at = (bit / 8) as usize % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << (bit % 8);
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
    fn packets_of_others_have_the_size_they_have_on_the_wire() {
        let full = Datagram::packet(&[0; 1_514], 14);
        let same = Datagram::segment(Segment {
            ip_bytes: 1_500,
            ..Segment::default()
        });
        for datagram in [&full, &same, &Datagram::new(&[0; 1_472])] {
            assert_eq!((datagram.len(), datagram.wire_bytes()), (1_472, 1_538));
        }
        assert_eq!(Datagram::packet(&[0; 40], 0).wire_bytes(), 84);
    }

    #[test]
    fn a_damaged_packet_of_a_model_is_dropped_by_it() {
        let mut datagram = Datagram::segment(Segment::default());
        assert!(datagram.as_segment().is_some());
        datagram.flip(3);
        assert!(datagram.as_segment().is_none());
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
