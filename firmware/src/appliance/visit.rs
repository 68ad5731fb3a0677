//! One client of an appliance, from listening to its good-bye.
//!
//! One of the two TCP sockets serves, the other listens for the next client. It waits a moment, because the client
//! before may just be leaving, and is then told that the appliance is busy. In the next visit the two change places.

use core::net::IpAddr;

use fasp_core::time::{Duration, Instant};
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::Device;
use smoltcp::wire::IpAddress;

use super::{Appliance, Next, SshMemory};
use crate::control_channel::{Carried, SshServer, SshState, turn_away};
use crate::host::{Event, Host};
use crate::session::{Ground, Session};
use crate::sockets::tcp::{Socket, State};
use crate::sockets::udp;
use crate::storage::Storage;

/// How long the next client waits for its turn before it is told that the appliance is busy.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// How long a connection may take to close in order.
const LINGER: Duration = Duration::from_millis(2_000);
/// A client that is not heard of for this long is gone; it is asked for a sign of life meanwhile.
const SILENCE: Duration = Duration::from_secs(30);
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How far the visit has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Nobody is there.
    Listening,
    /// A client is, from this address.
    Serving(IpAddress),
    /// It is let go, at the latest now.
    Leaving(Instant),
    Over,
}

/// One client, from listening to its good-bye.
#[derive(Debug)]
pub struct Visit<
    'v,
    'c,
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> {
    appliance: &'v mut Appliance<'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>,
    ssh: SshServer<'v>,
    stage: Stage,
    /// Since when the next client waits, and whether it was told that it waits in vain.
    next_since: Option<Instant>,
    next_told: bool,
}

impl<
    'v,
    'c,
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Visit<'v, 'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    pub(super) fn new(
        appliance: &'v mut Appliance<'c, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>,
        memory: &'v mut SshMemory,
    ) -> Self {
        Self {
            appliance,
            ssh: SshServer::new(memory),
            stage: Stage::Listening,
            next_since: None,
            next_told: false,
        }
    }

    /// Takes what has come, does what is due and sends what may leave; polls the whole stack with it.
    ///
    /// Bounded: it returns after some dozens of frames, with the present as deadline if more wait.
    pub fn poll<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> Next {
        let mut more = self.take_frames(now, interface, device, sockets);
        match self.stage {
            Stage::Listening => self.listen(now, sockets),
            Stage::Serving(client) => more |= self.serve(now, client, sockets),
            Stage::Leaving(until) => self.leave(now, until, sockets),
            Stage::Over => {}
        }
        self.attend_next(now, sockets);
        self.transmit(now, interface, device, sockets);
        if self.stage == Stage::Over {
            return Next::Over;
        }
        if more {
            return Next::Wait(Some(now));
        }
        Next::Wait(self.poll_timeout(now, interface, sockets))
    }

    /// Frames from the device; datagrams go to the session. `true` if more may wait.
    fn take_frames<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) -> bool {
        let Appliance {
            configuration,
            storage,
            host,
            sockets: handles,
            bridge,
            session,
        } = &mut *self.appliance;
        let data = sockets.get_mut::<udp::Socket<'_>>(handles.data);
        if !data.is_open() {
            // A port that is not 0 can be bound.
            let _ = data.bind(configuration.data_port);
        }
        let mut ground = Ground {
            storage,
            host,
            configuration,
        };
        bridge.receive(now, interface, device, sockets, |source, datagram| {
            if let Some(session) = session {
                session.handle_datagram(now, source, datagram, &mut ground);
            }
            session.as_ref().is_none_or(|session| !session.is_behind())
        })
    }

    /// Waits for a client.
    fn listen(&mut self, now: Instant, sockets: &mut SocketSet<'_>) {
        self.appliance.take_turns(sockets);
        let [serving, _] = self.appliance.sockets.control;
        let socket = sockets.get_mut::<Socket<'_>>(serving);
        match (socket.state(), socket.remote_endpoint()) {
            (State::Established | State::CloseWait, Some(client)) => {
                self.stage = Stage::Serving(client.addr);
                self.ssh.begin(now);
                self.next_since = None;
                self.next_told = false;
                let address = IpAddr::from(client.addr);
                self.appliance.host.observe(&Event::Connected(address));
            }
            (State::Listen | State::SynReceived, _) => {}
            _ => open(socket, self.appliance.configuration.control_port),
        }
    }

    /// Moves bytes between the client and its session. `true` if more may wait.
    fn serve(&mut self, now: Instant, client: IpAddress, sockets: &mut SocketSet<'_>) -> bool {
        let Appliance {
            configuration,
            storage,
            host,
            sockets: handles,
            session,
            ..
        } = &mut *self.appliance;
        let [serving, _] = handles.control;
        let socket = sockets.get_mut::<Socket<'_>>(serving);
        let mut more = self.ssh.drive(now, socket, configuration, host, session);
        if self.ssh.state() == SshState::Open && session.is_none() {
            *session = Some(Session::new(client, now));
            more = true;
        }
        let gone = self.ssh.state() == SshState::Gone;
        let Some(running) = session else {
            if gone {
                host.observe(&Event::Over(Some(self.ssh.fault(now))));
                self.stage = Stage::Leaving(now + LINGER);
            }
            return more;
        };
        let mut ground = Ground {
            storage,
            host,
            configuration,
        };
        running.advance(now, &mut ground);
        if gone {
            running.control_ended(now, &mut ground);
        } else if !running.control_output().is_empty() {
            // What the session has to say leaves with this call, not with the next one.
            more |= self.ssh.drive(now, socket, configuration, host, session);
        }
        let over = session.as_ref().is_some_and(|session| {
            session.outcome().is_some() && (gone || session.control_output().is_empty())
        });
        if over {
            self.stage = Stage::Leaving(now + LINGER);
        }
        more
    }

    /// Lets the client go: what was said to it is still sent, then the connection closes.
    fn leave(&mut self, now: Instant, until: Instant, sockets: &mut SocketSet<'_>) {
        let [serving, _] = self.appliance.sockets.control;
        let socket = sockets.get_mut::<Socket<'_>>(serving);
        self.ssh.flush(socket);
        if self.ssh.is_flushed() {
            socket.close();
        }
        // What the client still says is not read: it is thrown away, so that its end is seen.
        while socket.can_recv() {
            if socket.recv(|bytes| (bytes.len(), ())).is_err() {
                break;
            }
        }
        let closed = matches!(socket.state(), State::Closed | State::TimeWait);
        if closed || now >= until {
            socket.abort();
            self.appliance.session = None;
            self.stage = Stage::Over;
        }
    }

    /// The other TCP socket: listens while a client is served, and turns away who waits too long.
    fn attend_next(&mut self, now: Instant, sockets: &mut SocketSet<'_>) {
        let [_, next] = self.appliance.sockets.control;
        let socket = sockets.get_mut::<Socket<'_>>(next);
        match socket.state() {
            // Only one socket listens while nobody is served.
            State::Listen if self.stage == Stage::Listening => socket.close(),
            State::Closed | State::TimeWait if self.stage != Stage::Listening => {
                self.next_since = None;
                self.next_told = false;
                open(socket, self.appliance.configuration.control_port);
            }
            State::Established | State::CloseWait if !self.next_told => {
                let since = *self.next_since.get_or_insert(now);
                // Who comes while the client before is leaving has its turn in a moment.
                let is_busy = matches!(self.stage, Stage::Serving(_));
                if is_busy && now.since(since) >= PATIENCE {
                    let said = turn_away();
                    self.next_told = socket.send_slice(&said).is_ok();
                    socket.close();
                    if let Some(client) = socket.remote_endpoint() {
                        let address = IpAddr::from(client.addr);
                        self.appliance.host.observe(&Event::TurnedAway(address));
                    }
                    self.next_since = Some(now);
                }
            }
            // Turned away, and does not go.
            _ if self.next_told => {
                while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
                let since = self.next_since.unwrap_or(now);
                if now.since(since) >= LINGER {
                    socket.abort();
                }
            }
            _ => {}
        }
    }

    fn transmit<D: Device + ?Sized>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        device: &mut D,
        sockets: &mut SocketSet<'_>,
    ) {
        let Appliance {
            storage,
            bridge,
            session,
            ..
        } = &mut *self.appliance;
        if let Some(peer) = session.as_ref().and_then(Session::peer) {
            bridge.set_peer(peer);
        }
        bridge.transmit(now, interface, device, sockets, |out| {
            session.as_mut()?.poll_transmit(now, out, storage)
        });
    }

    fn poll_timeout(
        &self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
    ) -> Option<Instant> {
        let appliance = &*self.appliance;
        let session = appliance.session.as_ref();
        let machine = session.and_then(|session| session.poll_timeout(now));
        let stack = appliance
            .bridge
            .poll_timeout(now, machine, interface, sockets);
        let own = match self.stage {
            Stage::Listening | Stage::Over => None,
            Stage::Serving(_) => self.ssh.poll_timeout(),
            Stage::Leaving(until) => Some(until),
        };
        let span = match self.stage {
            _ if self.next_told => Some(LINGER),
            Stage::Serving(_) => Some(PATIENCE),
            _ => None,
        };
        let next = self.next_since.zip(span).map(|(since, span)| since + span);
        let soonest = stack.into_iter().chain(own).chain(next).min();
        soonest.map(|at| at.max(now))
    }
}

impl<
    S: Storage,
    H: Host,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Appliance<'_, S, H, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// Who waited during the last visit is served now.
    fn take_turns(&mut self, sockets: &SocketSet<'_>) {
        let [serving, next] = self.sockets.control;
        let here = |handle| sockets.get::<Socket<'_>>(handle).is_active();
        if !here(serving) && here(next) {
            self.sockets.control = [next, serving];
        }
    }
}

impl<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Carried for Option<Session<S, PACKETS, WORDS, OBJECTS, GAPS, META>>
{
    fn take(&mut self, bytes: &[u8]) -> usize {
        self.as_mut()
            .map_or(0, |session| session.take_control(bytes))
    }

    fn output(&self) -> &[u8] {
        self.as_ref().map_or(&[], Session::control_output)
    }

    fn sent(&mut self, count: usize) {
        if let Some(session) = self {
            session.control_sent(count);
        }
    }
}

/// Has `socket` listen.
fn open(socket: &mut Socket<'_>, port: u16) {
    socket.abort();
    let span = |span: Duration| Some(smoltcp::time::Duration::from_micros(span.as_micros()));
    socket.set_timeout(span(SILENCE));
    socket.set_keep_alive(span(SIGN_OF_LIFE));
    socket.set_nagle_enabled(false);
    // A closed socket listens on any port but 0.
    let _ = socket.listen(port);
}
