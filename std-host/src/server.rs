//! The server's side of a session: judges what a client asks for, then serves it.
//!
//! Started by the system's sshd (`ascp --server`) or by the daemon for an authenticated login. What the
//! client may reach is decided here, before the first file is touched.

mod opening;
pub mod rules;
mod selecting;
mod settings;
mod watch;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use fasp_core::crypto::Role;
use fasp_core::path::ChallengeSecret;
use fasp_core::selection::links::{LinkMethod, uploaded};

use crate::cli::settings::{LogTarget, ServerModeSettings};
use crate::configuration::{self, Configuration, SystemUser};
use crate::control_channel::{ControlChannel, stdio};
use crate::driver::{Lane, Measuring, Receiving, Sending, Transfer};
use crate::failure::Outcome;
use crate::logging::Logger;
use crate::session::{MessageWriter, Messages, RateBounds, Session, Side, SourceQueue, random};
use crate::storage::attributes::Preserve;
use crate::storage::waker::Waker;
use crate::storage::write_behind::{CheckpointRule, WriteConfig};

use opening::{Opened, Work};
pub(crate) use opening::{check_destination, destination_tree};
use rules::SessionRules;
use settings::ServerSettings;
use watch::ServerWatch;

/// Threads that write files.
const WRITER_THREADS: usize = 2;

/// What an authenticated client may do.
#[derive(Clone, Debug)]
pub struct SessionRights {
    /// Login name.
    pub user: String,
    /// What the configuration says about this user; a docroot in it is the tree that the session may not leave,
    /// without one the rights of the login user decide.
    pub rules: SessionRules,
    /// First UDP port to try; 0 = the one the client asks for.
    pub udp_port: u16,
    /// The UDP address to tell the client, when it differs from the one bound.
    pub udp_advertise: Option<SocketAddr>,
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
    let (user, rules) = match own_rules(&logger) {
        Ok(found) => found,
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
            user,
            rules,
            udp_port: 0,
            udp_advertise: None,
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

/// The user this process runs as, and what the configuration of this system says about it.
///
/// # Errors
///
/// [`Fault::BadConfiguration`](fasp_core::fault::Fault::BadConfiguration): a file that is wrong opens nothing.
fn own_rules(logger: &Logger) -> Outcome<(String, SessionRules)> {
    let own = SystemUser::own().unwrap_or_default();
    let Some(path) = configuration::find() else {
        return Ok((own.name, SessionRules::default()));
    };
    let configuration = Configuration::read(&path)?;
    for warning in &configuration.warnings {
        logger.error(warning);
    }
    let settings = configuration.for_user(&own.name, &own.groups);
    let rules = SessionRules::new(&settings, own.home.as_deref())?;
    Ok((own.name, rules))
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
    let bounds = rate_bounds(&rights.rules, &opened);
    let started = start(opened);
    let (transfer, side, queue) = match started {
        Ok(started) => started,
        Err(failure) => {
            logger.error(&failure);
            let _ = opening::refuse(&mut writer, &failure).await;
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let mut stop = std::pin::pin!(stop);
    let session = Session::new(side, bounds, transfer, messages, writer, &mut watch).asking(queue);
    let (outcome, writer) = session.run(stop.as_mut()).await;
    watch.over(&outcome);
    let ok = outcome.failure.is_none();
    lifeline.finish(writer.into_inner(), u32::from(!ok)).await;
    ok
}

/// How far the client may change the rates later.
fn rate_bounds(rules: &SessionRules, opened: &Opened) -> RateBounds {
    let agreement = &opened.agreement;
    let flow = if agreement.is_sender() {
        &rules.outgoing
    } else {
        &rules.incoming
    };
    RateBounds {
        cap: flow.target_cap,
        rules: flow.rate_rules(),
        agreed: agreement.target_rate(),
        policies: flow.policies.clone(),
        policy: agreement.policy(),
    }
}

fn start(opened: Opened) -> Outcome<(Transfer, Side, Option<SourceQueue>)> {
    let waker = Waker::new()?;
    let preserve = opened.agreement.preserve();
    let resume_level = opened.agreement.resume().number();
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
    let mut asking = None;
    let transfer = match opened.work {
        Work::Send {
            docroot,
            sources,
            choice,
            queue,
        } => {
            asking = queue;
            Sending::start(lane, docroot, sources, choice)?
        }
        Work::Receive { tree } => {
            let config = WriteConfig {
                tree: Arc::new(tree),
                threads: WRITER_THREADS,
                resume_level,
                preserve: Preserve {
                    modified: preserve.modification_times,
                    accessed: preserve.access_times,
                },
                checkpoints: CheckpointRule::default(),
                links: uploaded(
                    LinkMethod::CopyForce,
                    ServerSettings::default().symbolic_links,
                ),
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
        asking,
    ))
}
