//! The one session on an SSH connection: the command, its bytes, its end.
//!
//! A task owns the connection and moves bytes between it and two small pipes. It never waits for
//! one direction while the other could go on, and holds at most one window of bytes that nobody
//! has read yet.
//!
//! Source: RFC 4254 sections 4 to 6.

use std::time::Duration;

use fasp_core::fault::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::authentication::log_in;
use super::connection::Connection;
use super::wire::{Fields, Message, number};
use super::{Refusal, SshError, SshTarget};
use crate::control_channel::host_key::HostKeyRules;
use crate::control_channel::identity::Identities;
use crate::control_channel::{
    ChannelWriter, ControlChannel, Lifeline, RemoteObserver, address_of, server_text,
};
use crate::failure::Failure;

/// A control channel carries few and small messages.
const WINDOW: usize = 2 * 1024 * 1024;

/// The window is topped up when this much of it is used.
const TOP_UP: usize = WINDOW / 2;

/// Largest piece of data in one message, as RFC 4253 section 6.1 lets everyone expect.
const MAX_PIECE: usize = 32 * 1024;

/// Answers queued for a server that does not read them: beyond this we stop reading, too.
const MAX_BACKLOG: usize = 256 * 1024;

/// Bytes between the session and whoever reads or writes.
const PIPE: usize = 64 * 1024;

/// Our number for the only channel.
const CHANNEL: u32 = 0;

/// Standard error, the only extended data there is.
const STDERR: u32 = 1;

/// Silence after which the server is asked for a sign of life, and how often in vain.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TRIES: u32 = 4;

/// How long the last bytes may take to reach the operating system.
const FAREWELL: Duration = Duration::from_secs(1);

/// Disconnect reason "by application", and open failure "administratively prohibited".
const BY_APPLICATION: u32 = 11;
const PROHIBITED: u32 = 1;

const NOT_OUR_CHANNEL: SshError = SshError::Protocol("a message for a channel that is not open");

/// Runs the handshake on an open TCP connection and starts the command.
pub(super) async fn start(
    target: &SshTarget,
    stream: TcpStream,
    identities: &Identities,
    rules: &HostKeyRules,
) -> Result<ControlChannel, Refusal> {
    let peer = address_of(stream.peer_addr());
    let local = address_of(stream.local_addr());
    let (mut connection, warning) = Connection::open(stream, rules).await?;
    let request = Message::new(number::CHANNEL_OPEN)
        .string("session")
        .number(CHANNEL)
        .number(size(WINDOW))
        .number(size(MAX_PIECE));
    if !log_in(&mut connection, target, identities, &request).await? {
        connection.outgoing.queue(request.bytes())?;
        connection.outgoing.flush().await?;
    }
    let opened = confirmation(&mut connection).await?;
    // The answer is looked at when it comes, not waited for.
    let command = Message::new(number::CHANNEL_REQUEST)
        .number(opened.channel)
        .string("exec")
        .flag(true)
        .string(&target.remote_command);
    connection.outgoing.queue(command.bytes())?;
    connection.outgoing.flush().await?;

    let (reader, to_reader) = tokio::io::duplex(PIPE);
    let (writer, from_writer) = tokio::io::duplex(PIPE);
    let (observer, remote) = RemoteObserver::new();
    let (leave, leaving) = oneshot::channel();
    let session = Session {
        connection,
        opened,
        to_reader: Some(to_reader),
        from_writer: Some(from_writer),
        undelivered: Vec::new(),
        granted: WINDOW,
        consumed: 0,
        observer,
        input_over: false,
        closed: false,
        failure: None,
        unanswered: 0,
    };
    let task = Task(tokio::spawn(session.run(leaving)));
    Ok(ControlChannel {
        reader: Box::new(reader),
        writer: Box::new(writer),
        peer,
        local,
        remote,
        warnings: warning.into_iter().collect(),
        lifeline: Lifeline::new(move |writer, _status| farewell(task, leave, writer)),
    })
}

/// The session's task; the connection closes when this is dropped.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn farewell(mut task: Task, leave: oneshot::Sender<()>, mut writer: ChannelWriter) {
    // A connection that is gone already has nothing left to flush.
    let _ = writer.shutdown().await;
    let _ = leave.send(());
    let _ = timeout(FAREWELL, &mut task.0).await;
}

/// The server's end of the channel.
struct Opened {
    channel: u32,
    /// Bytes we may still send.
    window: usize,
    /// Largest piece the server takes.
    piece: usize,
}

/// Waits until the server has opened the channel.
async fn confirmation(connection: &mut Connection) -> Result<Opened, Refusal> {
    loop {
        let packet = connection.receive().await?;
        let (kind, mut fields) = Fields::of(&packet)?;
        match kind {
            number::CHANNEL_OPEN_CONFIRMATION => {
                if fields.number()? != CHANNEL {
                    return Err(NOT_OUR_CHANNEL.into());
                }
                return Ok(Opened {
                    channel: fields.number()?,
                    window: count(fields.number()?),
                    piece: count(fields.number()?).clamp(1, MAX_PIECE),
                });
            }
            number::CHANNEL_OPEN_FAILURE => {
                fields.take(8)?;
                let said = server_text::one_line(&fields.text()?, server_text::SENTENCE);
                let text = format!("Server aborted session: {said}");
                return Err(Failure::new(Fault::PeerAborted, text).into());
            }
            number::GLOBAL_REQUEST => {
                answer_global_request(connection, fields)?;
                connection.outgoing.flush().await?;
            }
            // What servers say right after a login is not for us.
            _ => {}
        }
    }
}

/// Servers announce host keys this way and ask for signs of life; a refusal is an answer too.
fn answer_global_request(
    connection: &mut Connection,
    mut fields: Fields<'_>,
) -> Result<(), SshError> {
    fields.string()?;
    if fields.flag()? {
        let refusal = Message::new(number::REQUEST_FAILURE);
        connection.outgoing.queue(refusal.bytes())?;
    }
    Ok(())
}

struct Session {
    connection: Connection,
    opened: Opened,
    to_reader: Option<DuplexStream>,
    from_writer: Option<DuplexStream>,
    /// Bytes of the server that nobody has read yet.
    undelivered: Vec<u8>,
    /// Bytes the server may still send.
    granted: usize,
    /// Bytes read since the server was last allowed more.
    consumed: usize,
    observer: RemoteObserver,
    /// No more bytes come from the server.
    input_over: bool,
    /// The channel is closed, or the connection is gone: only what came is still delivered.
    closed: bool,
    /// Why the connection is gone.
    failure: Option<SshError>,
    /// Questions for a sign of life without an answer.
    unanswered: u32,
}

/// What happened next.
enum Event {
    Packet(Vec<u8>),
    Failed(SshError),
    Unsendable(SshError),
    Sent,
    Delivered(usize),
    ReaderGone,
    Outgoing(usize),
    Leave,
    Silence,
}

impl Session {
    async fn run(mut self, leaving: oneshot::Receiver<()>) {
        match self.talk(leaving).await {
            Ok(()) | Err(SshError::Closed) => {}
            Err(error) => self.observer.on_broken(&error.to_string()),
        }
        self.observer.on_closed();
        // The socket closes either way.
        let _ = timeout(FAREWELL, self.connection.outgoing.shutdown()).await;
    }

    async fn talk(&mut self, mut leaving: oneshot::Receiver<()>) -> Result<(), SshError> {
        let mut piece = vec![0; MAX_PIECE];
        let mut heard = Instant::now();
        let mut is_leaving = false;
        loop {
            if self.undelivered.is_empty() {
                if self.closed {
                    break;
                }
                if self.input_over {
                    self.to_reader = None;
                }
            }
            if is_leaving && self.from_writer.is_none() {
                self.queue_goodbye()?;
                break;
            }
            let event = self.next(&mut piece, heard, &mut leaving, is_leaving).await;
            match event {
                Event::Packet(packet) => {
                    heard = Instant::now();
                    self.unanswered = 0;
                    if let Err(error) = self.take_in(packet).await {
                        self.fail(error);
                    }
                }
                Event::Failed(error) => self.fail(error),
                // What the server said before it left may still be on its way.
                Event::Unsendable(error) => {
                    self.failure = Some(error);
                    self.from_writer = None;
                }
                Event::Sent => {}
                Event::Delivered(count) => {
                    self.undelivered.drain(..count.min(self.undelivered.len()));
                    self.account(count)?;
                }
                Event::ReaderGone => {
                    self.to_reader = None;
                    let unread = std::mem::take(&mut self.undelivered).len();
                    self.account(unread)?;
                }
                Event::Outgoing(count) => self.send(piece.get(..count).unwrap_or_default())?,
                Event::Leave => is_leaving = true,
                Event::Silence => {
                    heard = Instant::now();
                    self.ask_for_a_sign_of_life()?;
                }
            }
        }
        match self.failure.take() {
            Some(error) => Err(error),
            None => self.connection.outgoing.flush().await,
        }
    }

    async fn take_in(&mut self, packet: Vec<u8>) -> Result<(), SshError> {
        match self.connection.absorb(packet).await? {
            Some(message) => self.handle(&message),
            None => Ok(()),
        }
    }

    /// Nothing more comes or goes; what came before is still the reader's.
    fn fail(&mut self, error: SshError) {
        self.close();
        self.failure.get_or_insert(error);
    }

    fn close(&mut self) {
        self.closed = true;
        self.input_over = true;
        self.from_writer = None;
    }

    /// Waits for whatever comes first; loses nothing of what does not.
    async fn next(
        &mut self,
        piece: &mut [u8],
        heard: Instant,
        leaving: &mut oneshot::Receiver<()>,
        is_leaving: bool,
    ) -> Event {
        let Self {
            connection,
            to_reader,
            from_writer,
            undelivered,
            opened,
            closed,
            failure,
            ..
        } = self;
        let sendable = opened.window.min(opened.piece).min(piece.len());
        let piece = piece.get_mut(..sendable).unwrap_or_default();
        let has_output = !connection.outgoing.is_empty() && failure.is_none();
        let is_heard = connection.outgoing.backlog() < MAX_BACKLOG;
        tokio::select! {
            packet = connection.incoming.packet(), if is_heard && !*closed => {
                packet.map_or_else(Event::Failed, Event::Packet)
            }
            sent = connection.outgoing.flush(), if has_output => {
                sent.map_or_else(Event::Unsendable, |()| Event::Sent)
            }
            delivered = deliver(to_reader.as_mut(), undelivered), if !undelivered.is_empty() => {
                delivered.map_or(Event::ReaderGone, Event::Delivered)
            }
            count = take(from_writer.as_mut(), piece), if !has_output && sendable > 0 => {
                Event::Outgoing(count)
            }
            _ = leaving, if !is_leaving => Event::Leave,
            () = sleep_until(heard + KEEPALIVE) => Event::Silence,
        }
    }

    /// Sends bytes of the writer; none means that it is done.
    fn send(&mut self, bytes: &[u8]) -> Result<(), SshError> {
        let channel = self.opened.channel;
        if bytes.is_empty() {
            self.from_writer = None;
            let end = Message::new(number::CHANNEL_EOF).number(channel);
            return self.connection.outgoing.queue(end.bytes());
        }
        self.opened.window = self.opened.window.saturating_sub(bytes.len());
        let data = Message::new(number::CHANNEL_DATA)
            .number(channel)
            .string(bytes);
        self.connection.outgoing.queue(data.bytes())
    }

    fn ask_for_a_sign_of_life(&mut self) -> Result<(), SshError> {
        if self.closed {
            return Ok(());
        }
        self.unanswered += 1;
        if self.unanswered > KEEPALIVE_TRIES {
            return Err(SshError::Silent);
        }
        let question = Message::new(number::GLOBAL_REQUEST)
            .string("keepalive@openssh.com")
            .flag(true);
        self.connection.outgoing.queue(question.bytes())
    }

    fn handle(&mut self, message: &[u8]) -> Result<(), SshError> {
        let (kind, mut fields) = Fields::of(message)?;
        match kind {
            number::GLOBAL_REQUEST => answer_global_request(&mut self.connection, fields),
            number::REQUEST_SUCCESS | number::REQUEST_FAILURE | number::UNIMPLEMENTED => Ok(()),
            number::CHANNEL_OPEN => self.decline_channel(fields),
            number::CHANNEL_OPEN_CONFIRMATION..=number::CHANNEL_FAILURE => {
                if fields.number()? != CHANNEL {
                    return Err(NOT_OUR_CHANNEL);
                }
                self.handle_channel(kind, fields)
            }
            _ => {
                let sequence = self.connection.incoming.last_sequence();
                let reply = Message::new(number::UNIMPLEMENTED).number(sequence);
                self.connection.outgoing.queue(reply.bytes())
            }
        }
    }

    fn handle_channel(&mut self, kind: u8, mut fields: Fields<'_>) -> Result<(), SshError> {
        match kind {
            number::CHANNEL_DATA => {
                let data = fields.string()?;
                self.use_window(data.len())?;
                if self.to_reader.is_some() {
                    self.undelivered.extend_from_slice(data);
                } else {
                    self.account(data.len())?;
                }
            }
            number::CHANNEL_EXTENDED_DATA => {
                let is_stderr = fields.number()? == STDERR;
                let data = fields.string()?;
                self.use_window(data.len())?;
                if is_stderr {
                    self.observer.on_stderr(data);
                }
                self.account(data.len())?;
            }
            number::CHANNEL_WINDOW_ADJUST => {
                let more = count(fields.number()?);
                self.opened.window = self.opened.window.saturating_add(more);
            }
            number::CHANNEL_REQUEST => self.handle_request(fields)?,
            number::CHANNEL_FAILURE => {
                self.observer.on_refused();
                self.close();
            }
            number::CHANNEL_CLOSE => {
                let close = Message::new(number::CHANNEL_CLOSE).number(self.opened.channel);
                self.connection.outgoing.queue(close.bytes())?;
                self.close();
            }
            number::CHANNEL_EOF => self.input_over = true,
            _ => {}
        }
        Ok(())
    }

    /// How the command ended.
    fn handle_request(&mut self, mut fields: Fields<'_>) -> Result<(), SshError> {
        let name = fields.text()?;
        let wants_reply = fields.flag()?;
        match name.as_str() {
            "exit-status" => self.observer.on_exit_status(fields.number()?),
            "exit-signal" => {
                let text = format!("the remote command was ended by signal {}", fields.text()?);
                self.observer.on_stderr(text.as_bytes());
            }
            _ => {}
        }
        if wants_reply {
            let refusal = Message::new(number::CHANNEL_FAILURE).number(self.opened.channel);
            self.connection.outgoing.queue(refusal.bytes())?;
        }
        Ok(())
    }

    /// We open no door to the server: no forwarding, no agent.
    fn decline_channel(&mut self, mut fields: Fields<'_>) -> Result<(), SshError> {
        fields.string()?;
        let refusal = Message::new(number::CHANNEL_OPEN_FAILURE)
            .number(fields.number()?)
            .number(PROHIBITED)
            .string("")
            .string("");
        self.connection.outgoing.queue(refusal.bytes())
    }

    fn queue_goodbye(&mut self) -> Result<(), SshError> {
        let goodbye = Message::new(number::DISCONNECT)
            .number(BY_APPLICATION)
            .string("")
            .string("");
        self.connection.outgoing.queue(goodbye.bytes())
    }

    /// Holds the server to its window, which bounds what we hold for the reader.
    fn use_window(&mut self, bytes: usize) -> Result<(), SshError> {
        self.granted = self
            .granted
            .checked_sub(bytes)
            .ok_or(SshError::Protocol("the server sent more than it may"))?;
        Ok(())
    }

    /// Lets the server send on once enough was read.
    fn account(&mut self, bytes: usize) -> Result<(), SshError> {
        self.consumed = self.consumed.saturating_add(bytes);
        if self.consumed < TOP_UP || self.closed {
            return Ok(());
        }
        let more = std::mem::take(&mut self.consumed);
        self.granted = self.granted.saturating_add(more);
        let adjust = Message::new(number::CHANNEL_WINDOW_ADJUST)
            .number(self.opened.channel)
            .number(size(more));
        self.connection.outgoing.queue(adjust.bytes())
    }
}

/// Gives bytes to the reader; none when it is gone.
async fn deliver(reader: Option<&mut DuplexStream>, bytes: &[u8]) -> Option<usize> {
    reader?.write(bytes).await.ok()
}

/// Takes bytes of the writer; 0 when it is done.
async fn take(writer: Option<&mut DuplexStream>, piece: &mut [u8]) -> usize {
    match writer {
        // A pipe inside this process ends, it does not fail.
        Some(writer) => writer.read(piece).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

fn size(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn count(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
