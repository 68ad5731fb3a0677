//! The server's side of a session: judges what a client asks for, then serves it.
//!
//! Started by the system's sshd (`ascp --server`) or by the daemon for an authenticated login. What the
//! client may reach is decided here, before the first file is touched.

mod labels;
mod opening;
mod record_rules;
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
use crate::session::{MessageWriter, Messages, Session, Side, random};
use crate::storage::attributes::Preserve;
use crate::storage::waker::Waker;
use crate::storage::write_behind::{CheckpointRule, WriteConfig};

use opening::{Opened, Work};
pub(crate) use opening::{check_destination, destination_tree};
pub use record_rules::RecordRules;
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
    /// Checksums and logs.
    pub records: RecordRules,
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
            records: RecordRules::default(),
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
    let opened = opening::open(&mut messages, &mut writer, &rights, logger, (peer, local)).await;
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
    let logger = opened.logger.clone();
    let mut watch = ServerWatch::new(logger.clone(), &rights.user, &opened, peer);
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
    let session = Session::new(side, MAX_RATE, transfer, messages, writer, &mut watch);
    let (outcome, writer) = session.run(stop.as_mut()).await;
    watch.over(&outcome);
    let ok = outcome.failure.is_none();
    lifeline.finish(writer.into_inner(), u32::from(!ok)).await;
    ok
}

fn start(opened: Opened) -> Outcome<(Transfer, Side)> {
    let waker = Waker::new()?;
    let preserve = opened.agreement.preserve();
    let resume_level = opened.agreement.resume().number();
    let checksum = opened.agreement.checksum();
    let lane = Lane {
        block_size: opened.block_size,
        counts_job: opened.counts_job,
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
    let transfer = match opened.work {
        Work::Send { docroot, sources } => Sending::start(lane, docroot, sources)?,
        Work::Receive {
            tree,
            keeps_nothing,
        } => {
            let config = WriteConfig {
                tree: Arc::new(tree),
                threads: WRITER_THREADS,
                resume_level,
                preserve: Preserve {
                    modified: preserve.modification_times,
                    accessed: preserve.access_times,
                },
                checkpoints: CheckpointRule::default(),
                checksum,
                keeps_nothing,
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
