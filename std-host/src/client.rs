//! The client's run, top to bottom: log in, agree, transfer, log in again if that was lost, say how it went.

mod bandwidth;
mod encryption;
mod growing;
mod labels;
mod login;
pub(crate) mod manifest;
mod opening;
mod rate_cap;
mod retry;
mod selecting;
mod source_names;
mod stdio;
mod tally;
mod watch;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use fasp_core::crypto::Role;
use fasp_core::fault::Fault;
use fasp_core::selection::links::{LinkMethod, LinkTreatment};
use fasp_core::silence::SilenceLimits;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::exit_code::ExitStatus;
use crate::cli::settings::{Direction, TransferSettings};
use crate::cli::terminal;
use crate::control_channel::Lifeline;
use crate::driver::{Lane, Receiving, Sending, Transfer};
use crate::envelope::SUFFIX;
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::server;
use crate::session::{
    MessageWriter, Messages, RateBounds, Session, SessionOutcome, Side, SourceFeed, mirroring,
};
use crate::storage::after_transfer::{SourceWishes, check_outside};
use crate::storage::attributes::Preserve;
use crate::storage::create_modes::CreateModes;
use crate::storage::destination_tree::DestinationTree;
use crate::storage::docroot::Docroot;
use crate::storage::faux::is_faux;
use crate::storage::mirror::Deletion;
use crate::storage::selection::Choice;
use crate::storage::source_list::{self, SourceNames};
use crate::storage::stored_attributes::{KeptAttributes, SentAttributes};
use crate::storage::waker::Waker;
use crate::storage::walk::base_name;
use crate::storage::write_behind::{CheckpointRule, FileRules, WriteConfig};

use encryption::Encryption;
use login::Login;
use opening::Opened;
use retry::Retry;
use source_names::OpenList;
use stdio::Stdio;
use watch::ClientWatch;

/// Threads that write files.
const WRITER_THREADS: usize = 2;

/// Runs one transfer and reports it.
#[must_use]
pub fn run(mut settings: TransferSettings) -> ExitCode {
    selecting::fix_times(&mut settings.selection);
    crate::session::warm_up_randomness();
    let log = Logger::open_or_report(&settings.log, settings.log_detail(), settings.quiet);
    let logger = match log {
        Ok(logger) => logger,
        Err(failure) => {
            terminal::print_stderr(&terminal::exiting_text(&failure));
            return ExitStatus::Failed.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new(Fault::ThreadSpawn, format!("Unable to start: {error}"));
            terminal::report_session_failure(&failure, settings.quiet);
            return ExitStatus::Failed.into();
        }
    };
    for line in &settings.local.log_lines {
        logger.log(line);
    }
    if let Some(warning) = settings.host_key_warning() {
        terminal::print_stderr(&format!("ascp: warning: {warning}\n"));
    }
    for note in &settings.notes {
        terminal::print_stderr(&format!("ascp: note: {note}\n"));
    }
    let status = runtime.block_on(async {
        guard_process();
        let mut stop = std::pin::pin!(interrupted());
        let stdio = match gather(&mut settings, stop.as_mut()).await {
            Ok(stdio) => stdio,
            Err(failure) => {
                terminal::report_session_failure(&failure, settings.quiet);
                return ExitStatus::from(&failure);
            }
        };
        let mut watch = match ClientWatch::new(&settings, logger, stdio) {
            Ok(watch) => watch,
            Err(failure) => {
                terminal::report_session_failure(&failure, settings.quiet);
                return ExitStatus::Failed;
            }
        };
        let mut login = Login::default();
        let measured = bandwidth::measure(&settings, &watch, &mut login, stop.as_mut()).await;
        if settings.only_measures() && measured.is_ok() {
            return ExitStatus::Success;
        }
        let failure = match measured {
            Ok(()) => transfer(&settings, login, &mut watch, stop).await.err(),
            Err(failure) => Some(failure),
        };
        watch.finish(failure)
    });
    runtime.shutdown_background();
    status.into()
}

/// Waits for sources that are no files yet: those that grow, and what standard input brings.
async fn gather(
    settings: &mut TransferSettings,
    stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<Option<Stdio>> {
    let gathered = async {
        growing::settle(&mut settings.sources, settings.quiet).await?;
        Stdio::prepare(settings).await
    };
    tokio::select! {
        gathered = gathered => gathered,
        () = stop => Err(Fault::UserCancelled.into()),
    }
}

/// Keeps secrets out of core files and from other processes of the user, and a full quota from killing the process.
pub(crate) fn guard_process() {
    let nothing = rustix::process::Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // What the system refuses here is not worth failing for.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, nothing);
    // Where core files go to a program, the limit alone does not hold.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    open_many_files();
    // SIGXFSZ: with a handler in place a write past the limit fails instead.
    let _ = signal(SignalKind::from_raw(25));
}

/// Takes as many descriptors as the system gives: the usual 1,024 are for programs that cannot have more, and few for a server.
fn open_many_files() {
    let files = rustix::process::Resource::Nofile;
    let given = rustix::process::getrlimit(files);
    let all = rustix::process::Rlimit {
        current: given.maximum,
        ..given
    };
    let _ = rustix::process::setrlimit(files, all);
}

/// Resolves when the user or the system asks the process to stop.
pub(crate) async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn transfer(
    settings: &TransferSettings,
    login: Login,
    watch: &mut ClientWatch,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<()> {
    let mut local = Local::examine(settings, login)?;
    let outcome = sessions(settings, &mut local, watch, stop.as_mut()).await;
    local.encryption.report();
    outcome
}

/// Sessions until one is over or cannot be gone on with.
async fn sessions(
    settings: &TransferSettings,
    local: &mut Local,
    watch: &mut ClientWatch,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<()> {
    let mut retry = Retry::new(settings.retry_timeout);
    loop {
        let (outcome, failure) = match session(settings, local, watch, stop.as_mut()).await {
            Ok(outcome) if outcome.broke => (Some(outcome.clone()), outcome.failure),
            Ok(outcome) => {
                watch.session_over(outcome);
                return Ok(());
            }
            Err(failure) => (None, Some(failure)),
        };
        let failure = failure.unwrap_or_else(|| Fault::InternalError.into());
        if outcome.as_ref().is_some_and(moved_something) {
            retry.begin_anew();
        }
        let next = local
            .opened_once
            .then(|| retry.after(&failure, Instant::now()))
            .flatten();
        let Some(next) = next else {
            return match outcome {
                Some(outcome) => {
                    watch.session_over(outcome);
                    Ok(())
                }
                None => Err(failure),
            };
        };
        watch.session_lost(outcome, &failure, &next);
        tokio::select! {
            () = tokio::time::sleep(next.wait) => {}
            () = &mut stop => return Err(Fault::UserCancelled.into()),
        }
    }
}

fn moved_something(outcome: &SessionOutcome) -> bool {
    outcome.report.bytes > 0 || outcome.report.totals.passed > 0
}

/// One session, from logging in to its end.
///
/// # Errors
///
/// Why there was none.
async fn session(
    settings: &TransferSettings,
    local: &mut Local,
    watch: &mut ClientWatch,
    mut stop: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Outcome<SessionOutcome> {
    let opening = async {
        let channel = local.login.connect(settings).await?;
        opening::open(settings, channel, local.renames).await
    };
    let (mut opened, channel) = tokio::select! {
        opened = opening => opened?,
        () = &mut stop => return Err(Fault::UserCancelled.into()),
    };
    let (mut messages, mut writer, lifeline) = channel;
    opened.agreement = rate_cap::hold(settings, opened.agreement, &mut writer).await?;
    for warning in &opened.warnings {
        terminal::print_stderr(&format!("ascp: {warning}\n"));
    }
    watch.session_opened(&opened);
    local.opened_once = true;
    local.renames |= opened.renames;
    let agreement = &opened.agreement;
    let bounds = RateBounds::up_to(agreement.target_rate(), agreement.policy());
    let peer_max_body = agreement.peer_max_body();
    let deletion = tokio::select! {
        deletion = mirror(settings, local, &opened, &mut messages, &mut writer) => deletion?,
        () = &mut stop => return Err(Fault::UserCancelled.into()),
    };
    watch.mirrored(&deletion);
    let (transfer, side) = start(settings, local, opened)?;
    let feed = match &mut local.list {
        Some(list) if settings.direction == Direction::Receive => {
            Some(SourceFeed::start(list.names()?, peer_max_body)?)
        }
        _ => None,
    };
    let mut session = Session::new(side, bounds, transfer, messages, writer, watch).feeding(feed);
    session.note_trouble(deletion.failure);
    if settings.direction == Direction::Receive && settings.afterwards.any() {
        session.wait_for_sources();
    }
    let (outcome, writer) = session.run(stop.as_mut()).await;
    lifeline.finish(writer.into_inner(), 0).await;
    Ok(outcome)
}

/// What must be deleted before the transfer, here or there.
async fn mirror(
    settings: &TransferSettings,
    local: &mut Local,
    opened: &Opened,
    messages: &mut Messages,
    writer: &mut MessageWriter,
) -> Outcome<Deletion> {
    if !settings.overwriting.deletes {
        return Ok(Deletion::default());
    }
    let source = settings
        .sources
        .first()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if settings.direction == Direction::Send {
        let choice = selecting::choice(&settings.selection, settings.splitting);
        let (docroot, agreement) = (&local.docroot, &opened.agreement);
        return mirroring::tell_names(docroot, source, &choice, agreement, messages, writer).await;
    }
    let tree = download_tree(settings, local)?;
    let keeps = mirroring::KeepRules {
        rules: settings.selection.rules.clone(),
        partial_suffix: settings.overwriting.partial_suffix.clone(),
    };
    mirroring::take_names(tree, base_name(source), keeps, messages, writer).await
}

/// What is needed of the local file system, looked at before anybody is called.
#[derive(Debug)]
struct Local {
    docroot: Arc<Docroot>,
    /// Where a download lands; made once, since what a lost session made there must not change what it means.
    tree: Option<Arc<DestinationTree>>,
    /// The sources, where they are in a list.
    list: Option<OpenList>,
    /// An upload's destination takes the name of the source.
    renames: bool,
    /// A server has agreed to a session before.
    opened_once: bool,
    login: Login,
    encryption: Encryption,
}

impl Local {
    fn examine(settings: &TransferSettings, login: Login) -> Outcome<Self> {
        let docroot = Arc::new(match &settings.local.docroot {
            Some(path) => Docroot::confined(path)?,
            None => {
                let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
                Docroot::unconfined(&here)?
            }
        });
        check_owners(settings)?;
        match settings.direction {
            Direction::Send => {
                let follows = settings.selection.links == LinkMethod::Follow;
                source_list::check(&docroot, &settings.sources, follows)?;
                if settings.overwriting.deletes {
                    server::check_mirror_source(&docroot, &settings.sources)?;
                }
                if let Some(archive) = &settings.afterwards.archive {
                    check_outside(&docroot, archive, &settings.sources)?;
                }
            }
            Direction::Receive if settings.overwriting.deletes => {
                let create = settings.create_destination;
                server::check_mirror(&docroot, &settings.destination, create)?;
            }
            Direction::Receive if is_faux(&settings.destination) => {}
            Direction::Receive => {
                server::check_destination(
                    &docroot,
                    &settings.destination,
                    settings.source_count(),
                    settings.makes_destination(),
                )?;
            }
        }
        Ok(Self {
            list: OpenList::open(settings)?,
            docroot,
            tree: None,
            renames: false,
            opened_once: false,
            login,
            encryption: Encryption::new(settings)?,
        })
    }
}

/// Only root gives files away.
fn check_owners(settings: &TransferSettings) -> Outcome<()> {
    let receives = settings.direction == Direction::Receive;
    if receives && settings.attributes.kept.owners() && !rustix::process::geteuid().is_root() {
        let text =
            "--preserve-file-owner-uid and -gid need root at the receiving side, which is here";
        return Err(Failure::new(Fault::NoPermissions, text));
    }
    Ok(())
}

/// The data plane of an agreed session.
fn lane(settings: &TransferSettings, opened: Opened) -> Outcome<Lane> {
    let sends = settings.direction == Direction::Send;
    let records = &settings.records;
    Ok(Lane {
        silence: SilenceLimits::default(),
        block_size: if sends {
            records.read_size
        } else {
            records.write_size
        }
        .or(settings.local.block_size),
        counts_job: sends && records.job_size && settings.selection.list.is_none(),
        agreement: opened.agreement,
        keys: opened.keys,
        role: Role::Client,
        udp: opened.udp,
        peer: Some(opened.server),
        trusted: opened.server.ip(),
        follow: None,
        waker: Waker::new()?,
    })
}

/// Where received files go: as in the session before, if there was one.
fn download_tree(settings: &TransferSettings, local: &mut Local) -> Outcome<Arc<DestinationTree>> {
    if let Some(tree) = &local.tree {
        return Ok(Arc::clone(tree));
    }
    if is_faux(&settings.destination) {
        return Ok(Arc::new(DestinationTree::of_nothing(&local.docroot)));
    }
    let (sources, create) = (settings.source_count(), settings.makes_destination());
    let (docroot, destination) = (&local.docroot, &settings.destination);
    let mut tree = if settings.overwriting.deletes {
        server::mirror_tree(docroot, destination, create, CreateModes::default())?
    } else {
        server::destination_tree(
            docroot,
            destination,
            sources,
            create,
            CreateModes::default(),
        )?
    };
    if selecting::links_to_make(settings.selection.links) != LinkTreatment::Skip {
        // Links may lead anywhere then, and nothing may be written through them.
        tree = tree.closed()?;
    }
    if local.encryption.opener.is_some() {
        tree = tree.keeping_suffix(SUFFIX);
    }
    Ok(Arc::clone(local.tree.insert(Arc::new(tree))))
}

fn start(
    settings: &TransferSettings,
    local: &mut Local,
    opened: Opened,
) -> Outcome<(Transfer, Side)> {
    let resume_level = opened.agreement.resume();
    let checksum = opened.agreement.checksum();
    let lane = lane(settings, opened)?;
    let sends = settings.direction == Direction::Send;
    let stored = settings.attributes.stored(settings.direction);
    let transfer = if sends {
        let names = match &mut local.list {
            Some(list) => list.names()?,
            None => SourceNames::of(settings.sources.clone()),
        };
        let choice = Choice {
            sealer: local.encryption.sealer.clone(),
            ..selecting::choice(&settings.selection, settings.splitting)
        };
        let wishes = SourceWishes {
            afterwards: settings.afterwards.removed,
            archive: settings.afterwards.archive.clone(),
            base: settings.selection.base.clone(),
            sources: settings.sources.clone(),
        };
        let docroot = Arc::clone(&local.docroot);
        let kept = lane.agreement.preserve();
        let sent = SentAttributes {
            uids: kept.owner_uids,
            gids: kept.owner_gids,
            stored,
        };
        Sending::start(lane, docroot, names, choice, wishes, sent)?
    } else {
        let rules = FileRules {
            stored: KeptAttributes::of(stored),
            opener: local.encryption.opener.clone(),
            ..settings.overwriting.file_rules()
        };
        let config = WriteConfig {
            tree: download_tree(settings, local)?,
            threads: WRITER_THREADS,
            resume_level,
            rules,
            preserve: Preserve::from(lane.agreement.preserve()),
            checkpoints: CheckpointRule::default(),
            links: selecting::links_to_make(settings.selection.links),
            checksum,
            splitting: settings.splitting,
            keeps_nothing: is_faux(&settings.destination),
        };
        Receiving::start(lane, config)?
    };
    Ok((
        transfer,
        Side {
            sends,
            is_client: true,
        },
    ))
}

/// The parts of a control channel that a session keeps.
type SessionChannel = (Messages, MessageWriter, Lifeline);
