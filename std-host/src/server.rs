//! The server's side of a session: judges what a client asks for, then serves it.
//!
//! Started by the system's sshd (`ascp --server`) or by the daemon for an authenticated login. What the
//! client may reach is decided here, before the first file is touched.

mod allowed_commands;
pub mod docroots;
pub mod file_system_rules;
mod hook_facts;
mod hooks;
mod labels;
mod opening;
pub mod permissions;
mod record_rules;
pub mod rules;
mod selecting;
mod splitting;
pub mod time_limits;
pub mod tokens;
mod watch;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use fasp_core::control::choices::OverwriteRule;
use fasp_core::control::{HelloFlags, Rate, StoredAttributes};
use fasp_core::crypto::Role;
use fasp_core::fault::Fault;
use fasp_core::negotiation::Agreement;
use fasp_core::path::ChallengeSecret;
use fasp_core::selection::links::{LinkMethod, uploaded};

use crate::cli::settings::{LogTarget, ServerModeSettings};
use crate::configuration::{self, Configuration, SystemUser};
use crate::control_channel::{ControlChannel, stdio};
use crate::driver::{Lane, Measuring, Receiving, Sending, Transfer};
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::session::{
    MessageWriter, Messages, RateBounds, Session, Side, SourceQueue, mirroring, random,
};
use crate::storage::attributes::Preserve;
use crate::storage::destination_tree::DestinationTree;
use crate::storage::docroot::Docroot;
use crate::storage::mirror::Deletion;
use crate::storage::selection::{Choice, RuleList};
use crate::storage::stored_attributes::{KeptAttributes, SentAttributes};
use crate::storage::waker::Waker;
use crate::storage::write_behind::{CheckpointRule, FileRules, WriteConfig};
use crate::trunk::Member;

pub use allowed_commands::allowed_command;
use file_system_rules::FileSystemRules;
pub use hooks::HookProgram;
use opening::{Opened, Work};
pub(crate) use opening::{
    check_destination, check_mirror, check_mirror_source, destination_tree, mirror_tree,
};
pub use record_rules::{LogRules, RecordRules};
use rules::SessionRules;
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
    /// What is run at the start and the end of sessions and files.
    pub hook: Option<HookProgram>,
}

/// Serves one client, whatever it sends, to the end.
pub async fn serve(channel: ControlChannel, rights: SessionRights) {
    let never = std::future::pending();
    let logger = log_of(&rights, &LogTarget::Default, 0);
    serve_until(channel, rights, &logger, never).await;
}

/// The log that the configuration wants, or standard error where that cannot be opened.
fn log_of(rights: &SessionRights, target: &LogTarget, level: u8) -> Logger {
    rights
        .rules
        .records
        .log
        .open(target, level)
        .unwrap_or_else(|failure| {
            let stderr =
                Logger::open(&LogTarget::Stderr, level).unwrap_or_else(|_| Logger::nowhere());
            stderr.error(failure);
            stderr
        })
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
    let (target, level) = (settings.log, settings.debug_level);
    let done = runtime.block_on(async {
        crate::client::guard_process();
        let channel = stdio::from_process();
        let rights = SessionRights {
            user,
            rules,
            udp_port: 0,
            udp_advertise: None,
            hook: HookProgram::usual(),
        };
        let logger = match target {
            LogTarget::Default if rights.rules.records.log.folder.is_some() => {
                log_of(&rights, &target, level)
            }
            _ => logger,
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
/// [`Fault::BadConfiguration`]: a file that is wrong opens nothing.
fn own_rules(logger: &Logger) -> Outcome<(String, SessionRules)> {
    let own = SystemUser::own();
    let Some(path) = configuration::find() else {
        return Ok((own.unwrap_or_default().name, SessionRules::default()));
    };
    let configuration = Configuration::read(&path)?;
    // Rules for a name that cannot be known must not be passed by.
    let own = own.ok_or_else(|| {
        let text = format!("{}: the login user is not in /etc/passwd", path.display());
        Failure::new(Fault::BadConfiguration, text)
    })?;
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
    let opened = opening::open(&mut messages, &mut writer, &rights, logger, (peer, local)).await;
    let mut opened = match opened {
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
    let (manifest, hooks) = (opened.manifest.take(), opened.hooks.take());
    let logger = opened.logger.clone();
    let mut watch = ServerWatch::new(logger, &rights, &opened, (peer, manifest, hooks));
    let bounds = rate_bounds(&rights.rules, &opened);
    let mirroring = Mirroring::of(&opened);
    let mirrored = mirroring
        .run(opened.agreement, &mut messages, &mut writer)
        .await;
    let deletion = match mirrored {
        Ok(deletion) => deletion,
        Err(failure) => {
            watch.failed(&failure).await;
            let _ = opening::refuse(&mut writer, &failure).await;
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let joined = join_trunk(&rights.rules, &opened);
    let started = joined.and_then(|member| Ok((start(opened)?, member)));
    let ((transfer, side, queue), member) = match started {
        Ok(started) => started,
        Err(failure) => {
            watch.failed(&failure).await;
            let _ = opening::refuse(&mut writer, &failure).await;
            lifeline.finish(writer.into_inner(), 1).await;
            return false;
        }
    };
    let refused = watch.refused();
    let mut stop = std::pin::pin!(async move {
        tokio::select! {
            () = stop => {}
            () = refused.notified() => {}
        }
    });
    watch.mirrored(&deletion);
    let session = Session::new(side, bounds, transfer, messages, writer, &mut watch)
        .asking(queue)
        .sharing(member);
    let (outcome, writer) = session.run(stop.as_mut()).await;
    watch.over(&outcome).await;
    let ok = outcome.failure.is_none();
    lifeline.finish(writer.into_inner(), u32::from(!ok)).await;
    ok
}

/// The place of the session on a virtual link, if its user shares one.
fn join_trunk(rules: &SessionRules, opened: &Opened) -> Outcome<Option<Member>> {
    let agreement = &opened.agreement;
    let flow = if agreement.is_sender() {
        &rules.outgoing
    } else {
        &rules.incoming
    };
    let wish = Rate {
        target: agreement.target_rate(),
        minimum: agreement.minimum_rate(),
        policy: agreement.policy(),
    };
    let joined = flow.trunk.as_ref().map(|rule| Member::join(rule, wish));
    joined.transpose()
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
        policies: flow.policies.clone(),
        policy: agreement.policy(),
    }
}

/// What must be deleted before the transfer, by whom.
enum Mirroring {
    No,
    /// The client deletes what this folder has not.
    Told(Arc<Docroot>, Vec<u8>, Box<Choice>),
    /// This side deletes, but nothing that these rules leave out.
    Here(Arc<DestinationTree>, RuleList),
}

impl Mirroring {
    fn of(opened: &Opened) -> Self {
        match &opened.work {
            _ if !opened.flags.deletes => Self::No,
            Work::Send {
                docroot,
                mirrored,
                choice,
                ..
            } => Self::Told(
                Arc::clone(docroot),
                mirrored.clone().unwrap_or_default(),
                choice.clone(),
            ),
            Work::Receive { tree, spares, .. } => Self::Here(Arc::clone(tree), spares.clone()),
            Work::Measure => Self::No,
        }
    }

    async fn run(
        self,
        agreement: Agreement,
        messages: &mut Messages,
        writer: &mut MessageWriter,
    ) -> Outcome<Deletion> {
        match self {
            Self::No => Ok(Deletion::default()),
            Self::Told(docroot, source, choice) => {
                mirroring::tell_names(&docroot, &source, &choice, &agreement, messages, writer)
                    .await
            }
            Self::Here(tree, rules) => {
                let name = tree.name().to_vec();
                let keeps = mirroring::KeepRules {
                    rules,
                    partial_suffix: None,
                };
                mirroring::take_names(tree, &name, keeps, messages, writer).await
            }
        }
    }
}

/// What happens to files that are there: the server's word goes before the client's.
fn file_rules(
    files: &FileSystemRules,
    agreement: &Agreement,
    flags: HelloFlags,
    stored: StoredAttributes,
) -> FileRules {
    FileRules {
        overwrite: match files.keeps_existing {
            true => OverwriteRule::Never,
            false => agreement.overwrite(),
        },
        saves_old: flags.saves_old,
        partial_suffix: files.partial_suffix.clone(),
        resume_suffix: files.resume_suffix.clone(),
        stored: KeptAttributes::of(stored),
        opener: None,
    }
}

/// What links may do at most.
const fn most_links(files: &FileSystemRules) -> LinkMethod {
    match files.keeps_existing {
        true => LinkMethod::Copy,
        false => LinkMethod::CopyForce,
    }
}

fn start(opened: Opened) -> Outcome<(Transfer, Side, Option<SourceQueue>)> {
    let waker = Waker::new()?;
    let preserve = opened.agreement.preserve();
    let resume_level = opened.agreement.resume();
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
        silence: opened.silence,
        follow: Some(ChallengeSecret::new(random()?)),
        waker,
    };
    let sends = lane.agreement.is_sender();
    let rules = file_rules(&opened.files, &lane.agreement, opened.flags, opened.stored);
    let sent = SentAttributes {
        uids: preserve.owner_uids,
        gids: preserve.owner_gids,
        stored: opened.stored,
    };
    let most_links = most_links(&opened.files);
    let mut asking = None;
    let transfer = match opened.work {
        Work::Send {
            docroot,
            sources,
            choice,
            queue,
            mirrored: _,
            wishes,
        } => {
            asking = queue;
            Sending::start(lane, docroot, sources, *choice, wishes, sent)?
        }
        Work::Receive {
            tree,
            keeps_nothing,
            spares: _,
        } => {
            let config = WriteConfig {
                tree,
                threads: WRITER_THREADS,
                resume_level,
                rules,
                preserve: Preserve::from(preserve),
                checkpoints: CheckpointRule::default(),
                links: uploaded(most_links, opened.symbolic_links),
                checksum,
                splitting: opened.splitting,
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
        asking,
    ))
}
