//! RULES: what the client of a download wants of its sources, for the server that walks them.
//!
//! Bytes to typed fields and back. That a pattern can be used is judged by whoever keeps it.
//!
//! Source: PROTOCOL.md §2.2.

use super::cbor::{DecodeError, Full, MapReader, MapWriter};
use super::running::SourcePaths;
use crate::selection::links::LinkMethod;

/// Rules of a session, in all RULES messages together.
pub const MOST_RULES: usize = 1_000;
/// Bytes of all rules of a session.
pub const MOST_RULE_BYTES: usize = 64 * 1_024;
/// Bytes of one rule, so that it fits a message to a server whose limit is not known yet.
pub const LONGEST_RULE: usize = 4_000;

/// Bytes of a file that are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WantedBytes {
    /// The first one.
    pub start: u64,
    /// One past the last one; `None` for the end of the file. Above `start`.
    pub end: Option<u64>,
}

/// One RULES message. All but the rules counts in the last message of a session only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules<'a> {
    /// Rules as [`crate::selection::Rule::parse`] reads them, in order.
    pub rules: SourcePaths<'a>,
    /// Another RULES message follows.
    pub more: bool,
    /// Files modified later are left out; seconds since 1970.
    pub newer_than: Option<i64>,
    /// Files modified earlier are left out; seconds since 1970.
    pub older_than: Option<i64>,
    /// How links are handled.
    pub links: LinkMethod,
    /// Devices, pipes and sockets are passed over in silence.
    pub skip_special: bool,
    /// The paths of SOURCES alternate: a source, and its path below the destination.
    pub pairs: bool,
    /// SOURCES come after ACCEPT, when SOURCES_WANTED asks for them.
    pub on_demand: bool,
    /// What is stripped from the front of every source.
    pub base: Option<&'a [u8]>,
    /// The part of the single source that is wanted.
    pub part: Option<WantedBytes>,
}

const SKIP_SPECIAL: u8 = 1;
const PAIRS: u8 = 2;
const ON_DEMAND: u8 = 4;

impl<'a> Rules<'a> {
    /// Nothing is left out.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            rules: SourcePaths::new(&[]),
            more: false,
            newer_than: None,
            older_than: None,
            links: LinkMethod::Follow,
            skip_special: false,
            pairs: false,
            on_demand: false,
            base: None,
            part: None,
        }
    }

    pub(super) fn write(&self, map: &mut MapWriter<'_>) -> Result<(), Full> {
        map.byte_strings(0, self.rules.len(), self.rules.iter())?;
        map.bool(1, self.more)?;
        if let Some(seconds) = self.newer_than {
            map.int(2, seconds)?;
        }
        if let Some(seconds) = self.older_than {
            map.int(3, seconds)?;
        }
        if self.links != LinkMethod::Follow {
            map.uint(4, self.links.number().into())?;
        }
        let mut flags = 0;
        for (is_set, flag) in [
            (self.skip_special, SKIP_SPECIAL),
            (self.pairs, PAIRS),
            (self.on_demand, ON_DEMAND),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        if flags != 0 {
            map.uint(5, flags.into())?;
        }
        if let Some(base) = self.base {
            map.bytes(6, base)?;
        }
        if let Some(part) = self.part {
            map.uint(7, part.start)?;
            if let Some(end) = part.end {
                map.uint(8, end)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut map = MapReader::new(body)?;
        let (count, items) = map.byte_strings(0)?;
        let more = map.bool(1)?;
        let newer_than = map.optional_int(2)?;
        let older_than = map.optional_int(3)?;
        let links = LinkMethod::from_number(map.optional_number(4)?.unwrap_or(0))
            .ok_or(DecodeError::OutOfRange { key: 4 })?;
        let flags: u8 = map.optional_number(5)?.unwrap_or(0);
        if flags > SKIP_SPECIAL | PAIRS | ON_DEMAND {
            return Err(DecodeError::OutOfRange { key: 5 });
        }
        let base = map.optional_bytes(6)?;
        let start = map.optional_number::<u64>(7)?;
        let end = map.optional_number::<u64>(8)?;
        let part = match (start, end) {
            (None, None) => None,
            (Some(start), end) if end.is_none_or(|end| end > start) => {
                Some(WantedBytes { start, end })
            }
            _ => return Err(DecodeError::OutOfRange { key: 8 }),
        };
        map.finish()?;
        Ok(Self {
            rules: SourcePaths::encoded(count, items),
            more,
            newer_than,
            older_than,
            links,
            skip_special: flags & SKIP_SPECIAL != 0,
            pairs: flags & PAIRS != 0,
            on_demand: flags & ON_DEMAND != 0,
            base,
            part,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::ControlMessage;

    fn round_trip(rules: Rules<'_>) {
        let mut bytes = [0; 4_608];
        let length = ControlMessage::Rules(rules).encode(&mut bytes).unwrap();
        let decoded = ControlMessage::decode(0x0F, &bytes[5..length]).unwrap();
        assert_eq!(decoded, Some(ControlMessage::Rules(rules)));
    }

    #[test]
    fn nothing_left_out_takes_two_keys() {
        round_trip(Rules::everything());
        let mut bytes = [0; 32];
        let length = ControlMessage::Rules(Rules::everything())
            .encode(&mut bytes)
            .unwrap();
        assert_eq!(bytes[5..length], [0xA2, 0x00, 0x80, 0x01, 0xF4]);
    }

    #[test]
    fn an_impossible_part_or_choice_is_malformed() {
        for (key, body) in [
            (4, &[0xA3, 0x00, 0x80, 0x01, 0xF4, 0x04, 0x04][..]),
            (5, &[0xA3, 0x00, 0x80, 0x01, 0xF4, 0x05, 0x08]),
            (8, &[0xA3, 0x00, 0x80, 0x01, 0xF4, 0x08, 0x05]),
            (8, &[0xA4, 0x00, 0x80, 0x01, 0xF4, 0x07, 0x05, 0x08, 0x05]),
        ] {
            let error = ControlMessage::decode(0x0F, body).unwrap_err();
            assert_eq!(error, DecodeError::OutOfRange { key });
        }
    }

    proptest! {
        #[test]
        fn rules_survive_the_wire(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..30),
            times in any::<(Option<i64>, Option<i64>)>(),
            links in 0_u8..4,
            flags in any::<[bool; 4]>(),
            base in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
            part in prop::option::of((any::<u32>(), prop::option::of(1_u64..1_000))),
        ) {
            let texts: std::vec::Vec<&[u8]> = texts.iter().map(|text| text.as_slice()).collect();
            round_trip(Rules {
                rules: SourcePaths::new(&texts),
                more: flags[0],
                newer_than: times.0,
                older_than: times.1,
                links: LinkMethod::from_number(links).unwrap(),
                skip_special: flags[1],
                pairs: flags[2],
                on_demand: flags[3],
                base: base.as_deref(),
                part: part.map(|(start, length)| WantedBytes {
                    start: start.into(),
                    end: length.map(|length| u64::from(start) + length),
                }),
            });
        }
    }
}
