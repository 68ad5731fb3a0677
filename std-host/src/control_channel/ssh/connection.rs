//! An encrypted connection to an SSH server whose host key was accepted.
//!
//! Greeting, algorithm lists and a guessed key leave in the first flight, and our side starts to
//! encrypt without waiting for the server to do so: with a server that takes the guess the keys
//! are there after one round trip, with any other after two.

use std::time::Duration;

use russh::keys::PublicKey;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::key_exchange::{self, Agreed, METHOD_MESSAGES, Method, Share, Transcript};
use super::packets::{Incoming, Opener, Outgoing};
use super::wire::{Fields, Message, number};
use super::{Refusal, SshError};
use crate::control_channel::host_key::HostKeyRules;

/// Our software name in the SSH greeting.
const CLIENT_ID: &str = concat!("SSH-2.0-ascp_", env!("CARGO_PKG_VERSION"));

/// Lines a server may send before its greeting.
const MAX_PREFACE_LINES: usize = 64;

/// How long new keys in a running session may take.
const RENEWAL: Duration = Duration::from_secs(60);

/// The connection; everything sent on it from now on is encrypted.
pub(super) struct Connection {
    pub(super) incoming: Incoming<OwnedReadHalf>,
    pub(super) outgoing: Outgoing<OwnedWriteHalf>,
    pub(super) server_id: String,
    /// The hash of the first key exchange, which logins are bound to.
    pub(super) session_id: Vec<u8>,
    host_keys: Vec<String>,
    host_key: Option<PublicKey>,
    strict: bool,
    /// The keys being awaited are not the first ones.
    is_renewing: bool,
    /// What opens packets once the server has switched keys.
    awaited: Option<Opener>,
}

impl Connection {
    /// Exchanges keys and checks the host key; our switch to them is queued, not yet sent.
    ///
    /// Gives a warning along when the host key is new and could not be recorded.
    pub(super) async fn open(
        stream: TcpStream,
        rules: &HostKeyRules,
    ) -> Result<(Self, Option<String>), Refusal> {
        let (reading, writing) = stream.into_split();
        let mut connection = Self {
            incoming: Incoming::new(reading),
            outgoing: Outgoing::new(writing),
            server_id: String::new(),
            session_id: Vec::new(),
            host_keys: rules.algorithms().iter().map(ToString::to_string).collect(),
            host_key: None,
            strict: false,
            is_renewing: false,
            awaited: None,
        };
        let presented = connection.first_exchange().await?;
        match rules.check(&presented) {
            Ok(warning) => {
                connection.host_key = Some(presented);
                Ok((connection, warning))
            }
            Err(failure) => Err(Refusal::HostKey {
                failure,
                kind: presented.algorithm(),
            }),
        }
    }

    async fn first_exchange(&mut self) -> Result<PublicKey, SshError> {
        let proposal = key_exchange::proposal(&self.host_keys, true)?;
        let guess = Share::generate(Method::FIRST)?;
        self.outgoing.queue_line(CLIENT_ID);
        self.outgoing.queue(proposal.bytes())?;
        self.queue_share(&guess)?;
        self.outgoing.flush().await?;
        self.server_id = self.greeting().await?;
        let theirs = self.incoming.packet().await?;
        if theirs.first() == Some(&number::DISCONNECT) {
            return Err(goodbye(&theirs));
        }
        self.exchange(&proposal, &theirs, Some(guess)).await
    }

    /// The server's greeting; lines before it are for people and not for us.
    async fn greeting(&mut self) -> Result<String, SshError> {
        for _ in 0..MAX_PREFACE_LINES {
            let line = self.incoming.line().await?;
            if line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-") {
                return Ok(line);
            }
            if line.starts_with("SSH-") {
                return Err(SshError::Protocol(
                    "the server speaks an outdated SSH version",
                ));
            }
        }
        Err(SshError::Protocol("the server does not speak SSH"))
    }

    fn queue_share(&mut self, share: &Share) -> Result<(), SshError> {
        let message = Message::new(number::KEX_ECDH_INIT).string(&share.public);
        self.outgoing.queue(message.bytes())
    }

    /// From both proposals to our switch of keys; returns the host key the server proved.
    async fn exchange(
        &mut self,
        ours: &Message,
        theirs: &[u8],
        guess: Option<Share>,
    ) -> Result<PublicKey, SshError> {
        let is_first = self.session_id.is_empty();
        let settled = Some(self.strict).filter(|_| !is_first);
        let agreed = key_exchange::agree(&self.host_keys, theirs, settled)?;
        self.strict = agreed.strict;
        let share = match guess.filter(|_| agreed.guess_holds) {
            Some(share) => share,
            None => {
                let share = Share::generate(agreed.method)?;
                self.queue_share(&share)?;
                self.outgoing.flush().await?;
                share
            }
        };
        let reply = self.reply(&agreed, is_first).await?;
        let transcript = Transcript {
            client_id: CLIENT_ID,
            server_id: &self.server_id,
            our_proposal: ours.bytes(),
            their_proposal: theirs,
        };
        let exchanged = key_exchange::finish(share, &agreed, &transcript, &reply)?;
        if is_first {
            self.session_id.clone_from(&exchanged.hash);
        }
        let (sealer, opener) = exchanged.keys(&agreed, &self.session_id)?;
        self.outgoing.queue(Message::new(number::NEWKEYS).bytes())?;
        self.outgoing.renew(sealer, self.strict);
        self.awaited = Some(opener);
        Ok(exchanged.host_key)
    }

    /// The server's half. Strict key exchange forbids small talk in the first one.
    async fn reply(&mut self, agreed: &Agreed, is_first: bool) -> Result<Vec<u8>, SshError> {
        let mut skip_one = agreed.skip_one;
        loop {
            let packet = self.incoming.packet().await?;
            match packet.first() {
                Some(&number::DISCONNECT) => return Err(goodbye(&packet)),
                Some(&(number::IGNORE | number::DEBUG)) if !(is_first && self.strict) => {}
                Some(kind) if skip_one && METHOD_MESSAGES.contains(kind) => skip_one = false,
                _ => return Ok(packet),
            }
        }
    }

    /// The next message that is not about the connection itself.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, SshError> {
        loop {
            let packet = self.incoming.packet().await?;
            if let Some(message) = self.absorb(packet).await? {
                return Ok(message);
            }
        }
    }

    /// Deals with a packet about the connection itself; gives any other back.
    ///
    /// Not to be cancelled: it may be in the middle of a key exchange.
    pub(super) async fn absorb(&mut self, packet: Vec<u8>) -> Result<Option<Vec<u8>>, SshError> {
        let kind = packet.first().copied();
        match kind {
            Some(number::DISCONNECT) => return Err(goodbye(&packet)),
            Some(number::NEWKEYS) => {
                let opener = self.awaited.take();
                let opener = opener.ok_or(SshError::Protocol("keys were switched unasked"))?;
                self.incoming.renew(opener, self.strict);
                self.is_renewing = false;
            }
            Some(number::IGNORE | number::DEBUG)
                if self.awaited.is_none() || self.is_renewing || !self.strict => {}
            _ if self.awaited.is_some() => {
                return Err(SshError::Protocol(
                    "the server did not switch to the new keys",
                ));
            }
            Some(number::KEXINIT) => timeout(RENEWAL, self.renew(&packet))
                .await
                .map_err(|_elapsed| SshError::Silent)??,
            _ => return Ok(Some(packet)),
        }
        Ok(None)
    }

    /// New keys for the running session, as the server wished.
    async fn renew(&mut self, theirs: &[u8]) -> Result<(), SshError> {
        let proposal = key_exchange::proposal(&self.host_keys, false)?;
        self.outgoing.queue(proposal.bytes())?;
        let presented = self.exchange(&proposal, theirs, None).await?;
        self.is_renewing = true;
        if self.host_key.as_ref().map(PublicKey::key_data) != Some(presented.key_data()) {
            return Err(SshError::Protocol(
                "the host key changed during the session",
            ));
        }
        self.outgoing.flush().await
    }
}

fn goodbye(packet: &[u8]) -> SshError {
    let text = || {
        let (_, mut fields) = Fields::of(packet)?;
        fields.number()?;
        fields.text()
    };
    let text: Result<String, SshError> = text();
    SshError::Disconnected(text.unwrap_or_default())
}
