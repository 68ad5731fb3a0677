//! The server's side of a session: judges what a client asks for, then serves it.
//!
//! Started by the system's sshd (`ascp --server`) or by the daemon for an authenticated login. What the
//! client may reach is decided here, before the first file is touched.

mod opening;
pub mod permissions;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use fasp_core::crypto::Role;
use fasp_core::negotiation::bounds::MAX_RATE;
use fasp_core::path::ChallengeSecret;

use crate::cli::settings::{LogTarget, ServerModeSettings};
use crate::control_channel::{ControlChannel, stdio};
use crate::driver::{Lane, Measuring, Receiving, Sending, Transfer};
use crate::failure::Outcome;
use crate::logging::Logger;
use crate::session::{MessageWriter, Messages, Session, Side, mirroring, random};
use crate::storage::attributes::Preserve;
use crate::storage::mirror::Deletion;
use crate::storage::stored_attributes::{KeptAttributes, SentAttributes};
use crate::storage::waker::Waker;
use crate::storage::write_behind::{CheckpointRule, FileRules, WriteConfig};

use opening::{Opened, Work};
pub(crate) use opening::{
    check_destination, check_mirror, check_mirror_source, destination_tree, mirror_tree,
};
use permissions::Permissions;
use watch::ServerWatch;

/// Threads that write files.
const WRITER_THREADS: usize = 2;

/// What an authenticated client may do.
#[derive(Clone, Debug)]
pub struct SessionRights {
    /// Login name.
    pub user: String,
    /// The tree the session may not leave; without one the rights of the login user decide.
    pub docroot: Option<PathBuf>,
    /// First UDP port to try; 0 = the one the client asks for.
    pub udp_port: u16,
    /// The UDP address to tell the client, when it differs from the one bound.
    pub udp_advertise: Option<SocketAddr>,
    /// What it may do to files.
    pub permissions: Permissions,
}

/// Serves one client, whatever it sends, to the end.
pub async fn serve(channel: ControlChannel, rights: SessionRights) {
    let never = std::future::pending();
    let logger = Logger::open(&LogTarget::Stderr, 0).unwrap_or_else(|_| Logger::nowhere());
    serve_until(channel, rights, &logger, never).await;
}

/// Serves one session over standard input and output.
#[must_use]
pub fn run_stdio(settings: ServerModeSettings) -> ExitCode {
    crate::session::warm_up_randomness();
    let logger = match Logger::open_or_report(&settings.log, settings.debug_level, true) {
        Ok(logger) => logger,
        Err(failure) => {
            crate::cli::terminal::print_stderr(&format!("ascp: {failure}\n"));
            return ExitCode::FAILURE;
        }
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    let done = runtime.block_on(async {
        crate::client::guard_process();
        let channel = stdio::from_process();
        let rights = SessionRights {
            user: std::env::var("USER").unwrap_or_default(),
            docroot: None,
            udp_port: 0,
            udp_advertise: None,
            permissions: Permissions::default(),
        };
        serve_until(channel, rights, &logger, crate::client::interrupted()).await
    });
    // A thread may still sit in a read of standard input.
    runtime.shutdown_background();
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn serve_until(
    channel: ControlChannel,
    rights: SessionRights,
    logger: &Logger,
    stop: impl Future<Output = ()> + Send,
) -> bool {
    let ControlChannel {
        reader,
        writer,
        peer,
        local,
        lifeline,
        ..
    } = channel;
    let mut messages = Messages::read(reader);
    let mut writer = MessageWriter::new(writer);
    let opened = opening::open(&mut messages, &mut writer, &rights, peer, local).await;
    let opened = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            logger.error(format!(
                "session refused: user={} peer={peer}: {failure}",
                rights.user
            ));
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let mut watch = ServerWatch::new(logger.clone(), &rights.user, &opened, peer);
    let mirrored = mirror(&opened, &mut messages, &mut writer).await;
    let deletion = match mirrored {
        Ok(deletion) => deletion,
        Err(failure) => {
            logger.error(&failure);
            let _ = opening::refuse(&mut writer, &failure).await;
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let started = start(opened);
    let (transfer, side) = match started {
        Ok(started) => started,
        Err(failure) => {
            logger.error(&failure);
            let _ = opening::refuse(&mut writer, &failure).await;
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let mut stop = std::pin::pin!(stop);
    watch.mirrored(&deletion);
    let session = Session::new(side, MAX_RATE, transfer, messages, writer, &mut watch);
    let (outcome, writer) = session.run(stop.as_mut()).await;
    watch.over(&outcome);
    let ok = outcome.failure.is_none();
    lifeline.finish(writer.into_inner(), u32::from(!ok)).await;
    ok
}

/// What must be deleted before the transfer.
async fn mirror(
    opened: &Opened,
    messages: &mut Messages,
    writer: &mut MessageWriter,
) -> Outcome<Deletion> {
    match &opened.work {
        _ if !opened.flags.deletes => Ok(Deletion::default()),
        Work::Send {
            docroot, sources, ..
        } => {
            let source = sources.first().map(Vec::as_slice).unwrap_or_default();
            mirroring::tell_names(docroot, source, &opened.agreement, messages, writer).await
        }
        Work::Receive { tree } => {
            let name = tree.name().to_vec();
            mirroring::take_names(Arc::clone(tree), &name, None, messages, writer).await
        }
        Work::Measure => Ok(Deletion::default()),
    }
}

fn start(opened: Opened) -> Outcome<(Transfer, Side)> {
    let waker = Waker::new()?;
    let preserve = opened.agreement.preserve();
    let resume_level = opened.agreement.resume();
    let lane = Lane {
        agreement: opened.agreement,
        keys: opened.keys,
        role: Role::Server,
        udp: opened.udp,
        peer: None,
        trusted: opened.peer,
        follow: Some(ChallengeSecret::new(random()?)),
        waker,
    };
    let sends = lane.agreement.is_sender();
    let rules = FileRules {
        overwrite: lane.agreement.overwrite(),
        saves_old: opened.flags.saves_old,
        partial_suffix: None,
        stored: KeptAttributes::of(opened.stored),
    };
    let sent = SentAttributes {
        uids: preserve.owner_uids,
        gids: preserve.owner_gids,
        stored: opened.stored,
    };
    let transfer = match opened.work {
        Work::Send {
            docroot,
            sources,
            wishes,
        } => Sending::start(lane, docroot, sources, wishes, sent)?,
        Work::Receive { tree } => {
            let config = WriteConfig {
                tree,
                threads: WRITER_THREADS,
                resume_level,
                rules,
                preserve: Preserve::from(preserve),
                checkpoints: CheckpointRule::default(),
            };
            Receiving::start(lane, config)?
        }
        Work::Measure if sends => Measuring::send(lane)?,
        Work::Measure => Measuring::receive(lane)?,
    };
    Ok((
        transfer,
        Side {
            sends,
            is_client: false,
        },
    ))
}
