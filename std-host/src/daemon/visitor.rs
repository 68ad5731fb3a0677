//! One SSH client as the daemon sees it: who it is and what it may ask for.
//!
//! Turns exactly one request, `exec` of `ascp --server`, into a control channel. Everything
//! else SSH offers is declined here or by the library's defaults (forwarding, agents).

use std::net::IpAddr;
use std::sync::Arc;

use russh::keys::{Algorithm, PublicKey};
use russh::server::VerifiedPublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::connection::LogIn;
use super::user_limits::UserPlace;
use super::{Service, note};
use crate::control_channel::{ChannelWriter, ControlChannel, Lifeline, pump};
use crate::failure::Outcome;

/// Exit status of a command that may not be run, as shells give it.
const NOT_EXECUTABLE: u32 = 126;

/// Longest command line looked at.
const MAX_COMMAND: usize = 1024;

/// Exit status for "try again later" (`EX_TEMPFAIL` of sysexits.h).
const TRY_LATER: u32 = 75;

/// What a client gets when it asks for anything but a transfer.
const ONLY_TRANSFERS: &str = "ascpd: this server runs 'ascp --server' and nothing else\n";

/// What a client gets when `--max-sessions` are running.
const ALL_TAKEN: &str = "ascpd: all sessions of this server are taken, try again later\n";

/// What a client gets whose user has `--max-sessions-per-user` running.
const USER_FULL: &str = "ascpd: this user has as many sessions as one may have, try again later\n";

/// A client that logged in and asked for a transfer.
pub(super) struct Admitted {
    pub(super) user: String,
    pub(super) channel: ControlChannel,
    /// One of the daemon's sessions, taken until this is dropped.
    pub(super) permit: OwnedSemaphorePermit,
    /// One of the user's sessions.
    pub(super) place: UserPlace,
}

/// The callbacks of one SSH connection.
pub(super) struct Visitor {
    service: Arc<Service>,
    peer: IpAddr,
    local: IpAddr,
    user: String,
    channel: Option<Channel<Msg>>,
    admitted: Option<oneshot::Sender<Admitted>>,
    log_in: Arc<LogIn>,
}

impl Visitor {
    pub(super) fn new(
        service: Arc<Service>,
        (peer, local): (IpAddr, IpAddr),
        admitted: oneshot::Sender<Admitted>,
        log_in: Arc<LogIn>,
    ) -> Self {
        Self {
            service,
            peer,
            local,
            user: String::new(),
            channel: None,
            admitted: Some(admitted),
            log_in,
        }
    }

    fn admits_key(&self, user: &str, key: &PublicKey, algorithm: &Algorithm) -> bool {
        let is_sha1 = matches!(algorithm, Algorithm::Rsa { hash: None });
        !is_sha1 && self.decided(self.service.accounts.admits_key(user, key))
    }

    /// A file that became unreadable admits nobody, and the administrator hears of it.
    fn decided(&self, outcome: Outcome<bool>) -> bool {
        outcome.unwrap_or_else(|failure| {
            note(&format!("{}: {failure}", self.peer));
            false
        })
    }

    /// All ways to log in stay open after a refusal, until the tries are used up.
    fn verdict(&mut self, user: &str, admitted: bool) -> Auth {
        if admitted {
            user.clone_into(&mut self.user);
            self.log_in.on_admitted();
            return Auth::Accept;
        }
        self.log_in.on_refused();
        Auth::Reject {
            proceed_with_methods: Some(self.service.accounts.methods()),
            partial_success: false,
        }
    }

    /// Ends the channel as a command would that explains itself and fails.
    fn decline(
        id: ChannelId,
        session: &mut Session,
        why: &'static str,
        exit_status: u32,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        session.extended_data(id, 1, why.as_bytes())?;
        session.exit_status_request(id, exit_status)?;
        session.eof(id)?;
        session.close(id)
    }
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        let admitted = self.admits_key(user, offer.public_key, offer.algorithm);
        Ok(self.verdict(user, admitted))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let admitted = self.admits_key(user, key.public_key, key.algorithm);
        Ok(self.verdict(user, admitted))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let outcome = self.service.accounts.admits_password(user, password).await;
        let admitted = self.decided(outcome);
        Ok(self.verdict(user, admitted))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.channel.is_some() || self.admitted.is_none() {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        } else {
            self.channel = Some(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let channel = self.channel.take_if(|channel| channel.id() == id);
        if !starts_a_transfer(command) {
            return Self::decline(id, session, ONLY_TRANSFERS, NOT_EXECUTABLE);
        }
        let Ok(permit) = Arc::clone(&self.service.sessions).try_acquire_owned() else {
            return Self::decline(id, session, ALL_TAKEN, TRY_LATER);
        };
        let Some(place) = self.service.users.take(&self.user) else {
            return Self::decline(id, session, USER_FULL, TRY_LATER);
        };
        let (Some(channel), Some(admitted)) = (channel, self.admitted.take()) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let channel = control_channel(channel, session.handle(), self.peer, self.local);
        // The connection is being given up when nobody waits any more.
        let _ = admitted.send(Admitted {
            user: self.user.clone(),
            channel,
            permit,
            place,
        });
        Ok(())
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        Self::decline(id, session, ONLY_TRANSFERS, NOT_EXECUTABLE)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }
}

/// Whether a command is `ascp --server`, where `ascp` may be a path, and nothing else.
#[must_use]
pub fn starts_a_transfer(command: &[u8]) -> bool {
    if command.len() > MAX_COMMAND {
        return false;
    }
    let Ok(text) = std::str::from_utf8(command) else {
        return false;
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [program, "--server"] => *program == "ascp" || program.ends_with("/ascp"),
        _ => false,
    }
}

fn control_channel(
    channel: Channel<Msg>,
    handle: Handle,
    peer: IpAddr,
    local: IpAddr,
) -> ControlChannel {
    let id = channel.id();
    let (incoming, outgoing) = channel.split();
    let (reader, remote) = pump::start(incoming);
    ControlChannel {
        reader,
        writer: Box::new(outgoing.make_writer()),
        peer,
        local,
        remote,
        warnings: Vec::new(),
        lifeline: Lifeline::new(move |writer, status| farewell(handle, id, writer, status)),
    }
}

/// Queues the exit status and the end of the channel behind what was written.
async fn farewell(handle: Handle, id: ChannelId, mut writer: ChannelWriter, status: u32) {
    // A client that left needs no farewell.
    let _ = writer.flush().await;
    let _ = handle.exit_status_request(id, status).await;
    let _ = writer.shutdown().await;
    let _ = handle.close(id).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_server_command_starts_a_transfer() {
        assert!(starts_a_transfer(b"ascp --server"));
        assert!(starts_a_transfer(b"  /usr/local/bin/ascp   --server "));
        for other in [
            "ascp",
            "ascp --server --docroot=/",
            "sh -c 'ascp --server'",
            "ascp --server; id",
            "notascp --server",
            "/bin/sh",
            "",
        ] {
            assert!(!starts_a_transfer(other.as_bytes()), "{other}");
        }
        assert!(!starts_a_transfer(b"ascp\xff --server"));
        assert!(!starts_a_transfer(&[b' '; 4096]));
    }
}
