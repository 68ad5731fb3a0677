//! SSH message fields ↔ bytes, and the message numbers this client uses.
//!
//! Source: RFC 4251 section 5 (data types), RFC 4250 section 4.1 (numbers), RFC 8308 (EXT_INFO).

use zeroize::Zeroizing;

use super::SshError;

/// Message numbers.
pub(super) mod number {
    pub(in super::super) const DISCONNECT: u8 = 1;
    pub(in super::super) const IGNORE: u8 = 2;
    pub(in super::super) const UNIMPLEMENTED: u8 = 3;
    pub(in super::super) const DEBUG: u8 = 4;
    pub(in super::super) const SERVICE_REQUEST: u8 = 5;
    pub(in super::super) const SERVICE_ACCEPT: u8 = 6;
    pub(in super::super) const EXT_INFO: u8 = 7;
    pub(in super::super) const KEXINIT: u8 = 20;
    pub(in super::super) const NEWKEYS: u8 = 21;
    pub(in super::super) const KEX_ECDH_INIT: u8 = 30;
    pub(in super::super) const KEX_ECDH_REPLY: u8 = 31;
    pub(in super::super) const USERAUTH_REQUEST: u8 = 50;
    pub(in super::super) const USERAUTH_FAILURE: u8 = 51;
    pub(in super::super) const USERAUTH_SUCCESS: u8 = 52;
    pub(in super::super) const USERAUTH_BANNER: u8 = 53;
    pub(in super::super) const USERAUTH_INFO_REQUEST: u8 = 60;
    pub(in super::super) const USERAUTH_INFO_RESPONSE: u8 = 61;
    pub(in super::super) const GLOBAL_REQUEST: u8 = 80;
    pub(in super::super) const REQUEST_SUCCESS: u8 = 81;
    pub(in super::super) const REQUEST_FAILURE: u8 = 82;
    pub(in super::super) const CHANNEL_OPEN: u8 = 90;
    pub(in super::super) const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    pub(in super::super) const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub(in super::super) const CHANNEL_WINDOW_ADJUST: u8 = 93;
    pub(in super::super) const CHANNEL_DATA: u8 = 94;
    pub(in super::super) const CHANNEL_EXTENDED_DATA: u8 = 95;
    pub(in super::super) const CHANNEL_EOF: u8 = 96;
    pub(in super::super) const CHANNEL_CLOSE: u8 = 97;
    pub(in super::super) const CHANNEL_REQUEST: u8 = 98;
    pub(in super::super) const CHANNEL_FAILURE: u8 = 100;
}

/// A message being written; wiped when dropped, as it may hold a password.
pub(super) struct Message(Zeroizing<Vec<u8>>);

impl Message {
    /// Room for most messages, so that growing does not leave copies behind.
    const ROOM: usize = 2048;

    pub(super) fn new(number: u8) -> Self {
        let mut bytes = Vec::with_capacity(Self::ROOM);
        bytes.push(number);
        Self(Zeroizing::new(bytes))
    }

    /// Fields without a message number, for what is signed or hashed.
    pub(super) fn fields() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(Self::ROOM)))
    }

    pub(super) fn flag(mut self, value: bool) -> Self {
        self.0.push(u8::from(value));
        self
    }

    pub(super) fn number(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Nothing this client sends comes near 4 GiB; a longer value would be cut.
    pub(super) fn string(self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.number(length).raw(value)
    }

    pub(super) fn names(self, names: &[&str]) -> Self {
        self.string(names.join(","))
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A received message being read; never reads past its end.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Splits a payload into its message number and the rest.
    pub(super) fn of(payload: &'a [u8]) -> Result<(u8, Self), SshError> {
        let (number, rest) = payload.split_first().ok_or(SshError::Malformed)?;
        Ok((*number, Self(rest)))
    }

    pub(super) fn bare(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], SshError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(SshError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn flag(&mut self) -> Result<bool, SshError> {
        Ok(self.take(1)? != [0])
    }

    pub(super) fn number(&mut self) -> Result<u32, SshError> {
        let bytes = self.take(4)?.try_into().map_err(|_| SshError::Malformed)?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], SshError> {
        let length = usize::try_from(self.number()?).map_err(|_| SshError::Malformed)?;
        self.take(length)
    }

    /// Text for people or comparison; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&mut self) -> Result<String, SshError> {
        Ok(String::from_utf8_lossy(self.string()?).into_owned())
    }

    /// That nothing follows: what is not read is not checked either.
    pub(super) fn end(self) -> Result<(), SshError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(SshError::Malformed)
        }
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>, SshError> {
        let text = self.text()?;
        Ok(text.split(',').map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let message = Message::new(90)
            .string("session")
            .number(7)
            .flag(true)
            .names(&["a", "b"]);
        let (number, mut fields) = Fields::of(message.bytes()).unwrap();
        assert_eq!(number, 90);
        assert_eq!(fields.text().unwrap(), "session");
        assert_eq!(fields.number().unwrap(), 7);
        assert!(fields.flag().unwrap());
        assert_eq!(fields.names().unwrap(), ["a", "b"]);
        assert!(fields.flag().is_err());
    }

    #[test]
    fn a_length_beyond_the_message_is_an_error() {
        let mut fields = Fields::bare(&[0xff, 0xff, 0xff, 0xff, 1]);
        assert!(fields.string().is_err());
        assert!(Fields::of(&[]).is_err());
    }
}
