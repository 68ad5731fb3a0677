//! From HELLO to ACCEPT: everything is authorized before anything is touched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use fasp_core::control::choices::{ResumeLevel, TransferDirection};
use fasp_core::control::framing::PREAMBLE;
use fasp_core::control::{ControlMessage, Hello, HelloFlags, StoredAttributes};
use fasp_core::destination::{self, Facts, Plan};
use fasp_core::fault::Fault;
use fasp_core::negotiation::responder::{self, ServerLimits, ServerSide};
use fasp_core::negotiation::{Agreement, KeyInputs};
use fasp_core::selection::links::LinkSetting;
use fasp_core::silence::SilenceLimits;
use rustix::fs::FileType;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::SessionRights;
use super::docroots::Need;
use super::file_system_rules::FileSystemRules;
use super::hook_facts;
use super::hooks::Hooks;
use super::labels::{self, ClientLabels};
use super::rules::FlowRules;
use super::selecting;
use super::splitting;
use super::tokens::{self, Gate};
use crate::cli::progress::Completion;
use crate::cli::settings::Direction;
use crate::client::manifest::Manifest;
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::session::{
    Message, MessageWriter, Messages, SourceQueue, capabilities, fresh_connection, fresh_secret,
    fresh_uuid,
};
use crate::storage::after_transfer::SourceWishes;
use crate::storage::create_modes::CreateModes;
use crate::storage::destination_tree::{DestinationTree, Placement};
use crate::storage::disk_fault::{named, read_failure, shown};
use crate::storage::docroot::Docroot;
use crate::storage::faux::is_faux;
use crate::storage::selection::{Choice, RuleList};
use crate::storage::source_list::SourceNames;
use crate::storage::split_file::Splitting;
use crate::udp::{UdpPort, largest_datagram};

/// How long a client may take to say what it wants.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// What the session will do.
#[derive(Debug)]
pub(super) enum Work {
    /// A download.
    Send {
        docroot: Arc<Docroot>,
        sources: SourceNames,
        choice: Box<Choice>,
        /// The client names its sources when it is asked.
        queue: Option<SourceQueue>,
        /// The single source folder, in a session that deletes first.
        mirrored: Option<Vec<u8>>,
        /// What becomes of the sources.
        wishes: SourceWishes,
    },
    /// An upload.
    Receive {
        tree: Arc<DestinationTree>,
        /// What arrives is counted and thrown away.
        keeps_nothing: bool,
        /// What these rules leave out is not deleted before the transfer.
        spares: RuleList,
    },
    /// Packet trains and no files.
    Measure,
}

/// An accepted session.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) agreement: Agreement,
    pub(super) keys: KeyInputs,
    pub(super) udp: UdpPort,
    pub(super) peer: IpAddr,
    pub(super) work: Work,
    pub(super) program: String,
    /// What the client switched on.
    pub(super) flags: HelloFlags,
    /// Extended attributes and access lists.
    pub(super) stored: StoredAttributes,
    /// Which files come in parts, of which other sessions bring the rest.
    pub(super) splitting: Splitting,
    /// What becomes of symbolic links.
    pub(super) symbolic_links: LinkSetting,
    pub(super) labels: ClientLabels,
    /// Where the session is logged.
    pub(super) logger: Logger,
    /// Bytes that move to or from the disk at a time.
    pub(super) block_size: Option<u32>,
    pub(super) counts_job: bool,
    /// Which files exist, and how new ones are made.
    pub(super) files: FileSystemRules,
    pub(super) silence: SilenceLimits,
    /// The list of the files, begun.
    pub(super) manifest: Option<Manifest>,
    /// The administrator's program, which has agreed.
    pub(super) hooks: Option<(Hooks, Arc<Notify>)>,
}

/// Reads what the client wants and answers it.
///
/// # Errors
///
/// Why there is no session; the client was told.
pub(super) async fn open(
    messages: &mut Messages,
    writer: &mut MessageWriter,
    rights: &SessionRights,
    logger: &Logger,
    (peer, local): (IpAddr, IpAddr),
) -> Outcome<Opened> {
    writer.send_bytes(&PREAMBLE).await?;
    let hello_message = first_message(messages, rights.rules.time_limits.opening).await?;
    let flow = rights.rules.flow(direction_of(&hello_message));
    let limits = limits(rights, flow, peer);
    let proposal = match responder::read_hello(hello_message.raw(), &limits) {
        Ok(proposal) => proposal,
        Err(refusal) => {
            return refused(writer, Failure::new(refusal.fault(), refusal.to_string())).await;
        }
    };
    let records = proposal.hello().records;
    let prepared = prepare_all(proposal.hello(), messages, rights, logger, (peer, local)).await;
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return refused(writer, failure).await,
    };
    let Prepared { work, udp, .. } = prepared;
    let program = proposal.hello().program.to_owned();
    let (flags, stored) = (proposal.hello().flags, proposal.hello().files.stored);
    let splitting = splitting::of(proposal.hello());
    let address = rights.udp_advertise.map(|address| address.ip().to_string());
    let port = rights
        .udp_advertise
        .map_or(udp.address()?.port(), |address| address.port());
    let side = ServerSide {
        secret: fresh_secret()?,
        connection: fresh_connection()?,
        udp_port: port,
        udp_address: address.as_deref(),
        program: concat!("ascp ", env!("CARGO_PKG_VERSION")),
        renames: matches!(&work, Work::Receive { tree, .. } if tree.renames()),
    };
    let own_block = match proposal.hello().direction {
        TransferDirection::Upload => rights.rules.files.write_block,
        TransferDirection::Download => rights.rules.files.read_block,
    };
    let accepted = accept(proposal, side, writer).await?;
    Ok(Opened {
        agreement: accepted.agreement,
        keys: accepted.keys,
        udp,
        peer,
        work,
        program,
        flags,
        stored,
        splitting,
        symbolic_links: rights.rules.symbolic_links,
        labels: prepared.labels,
        logger: prepared.logger,
        block_size: own_block.or_else(|| Some(records.block_size).filter(|size| *size > 0)),
        counts_job: rights.rules.files.counts_job.unwrap_or(records.job_size),
        files: rights.rules.files.clone(),
        manifest: prepared.manifest,
        hooks: prepared.hooks,
        silence: rights.rules.time_limits.silence,
    })
}

/// What the rules of this user leave to be negotiated.
fn limits<'a>(rights: &'a SessionRights, flow: &'a FlowRules, peer: IpAddr) -> ServerLimits<'a> {
    let most = Some(rights.rules.most_datagram);
    ServerLimits {
        suites: &rights.rules.suites,
        policies: &flow.policies,
        target_rate_cap: flow.target_cap,
        default_target_rate: flow.target_default,
        rate_rules: flow.rate_rules(),
        max_resume: ResumeLevel::Full,
        preserve: rights.rules.files.preserve,
        checksums: true,
        default_checksum: rights.rules.records.checksum,
        capabilities: capabilities(largest_datagram(peer, most), 1_440),
    }
}

/// Everything that a session needs before it is accepted.
struct Prepared {
    labels: ClientLabels,
    work: Work,
    udp: UdpPort,
    logger: Logger,
    manifest: Option<Manifest>,
    hooks: Option<(Hooks, Arc<Notify>)>,
}

async fn prepare_all(
    hello: &Hello<'_>,
    messages: &mut Messages,
    rights: &SessionRights,
    logger: &Logger,
    (peer, local): (IpAddr, IpAddr),
) -> Outcome<Prepared> {
    let labels = labels::read(messages, hello.records).await?;
    let gate = Gate::open(hello, rights, logger)?;
    let (work, udp) = prepare(hello, messages, rights, gate, (peer, local)).await?;
    let may_write = || authorize_besides(&rights.rules.incoming);
    let logger = labels::log_of_session(logger, &labels, rights, may_write)?;
    let manifest = begin_manifest(hello, rights)?;
    // Last, so that nothing but the network keeps a session from which it heard.
    match hook_facts::start(hello, rights, &labels, (&logger, peer)).await {
        Ok(hooks) => Ok(Prepared {
            labels,
            work,
            udp,
            logger,
            manifest,
            hooks,
        }),
        Err(failure) => {
            let over = Completion::default();
            let _ = manifest.map(|list| list.finish(&over, Some(&failure)));
            Err(failure)
        }
    }
}

async fn accept(
    proposal: responder::Proposal<'_>,
    side: ServerSide<'_>,
    writer: &mut MessageWriter,
) -> Outcome<responder::Accepted> {
    let mut bytes = vec![0; 4_096];
    let accepted = proposal
        .accept(side, &mut bytes)
        .map_err(|error| Failure::new(Fault::InternalError, error.to_string()))?;
    let message = bytes.get(..accepted.len).unwrap_or_default();
    writer.send_bytes(message).await?;
    Ok(accepted)
}

/// Which way the files of a HELLO go; one that cannot be read is refused soon after.
fn direction_of(hello: &Message) -> TransferDirection {
    match hello.raw().decode() {
        Ok(Some(ControlMessage::Hello(hello))) => hello.direction,
        _ => TransferDirection::Upload,
    }
}

/// Whether the user may have such a session at all.
fn authorize(direction: TransferDirection, flow: &FlowRules) -> Outcome<()> {
    if !flow.authorized {
        let text = "management authorization refused";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    if flow.access {
        return Ok(());
    }
    let way = match direction {
        TransferDirection::Upload => "Write",
        TransferDirection::Download => "Read",
    };
    let text = format!("{way} access denied for user");
    Err(Failure::new(Fault::NoPermissions, text))
}

/// Whether the user may write besides the files of an upload: a token opens nothing but those.
fn authorize_besides(incoming: &FlowRules) -> Outcome<()> {
    if incoming.demands_token {
        return Err(tokens::not_authorized());
    }
    authorize(TransferDirection::Upload, incoming)
}

/// What the client says first.
async fn first_message(messages: &mut Messages, limit: Duration) -> Outcome<Message> {
    match timeout(limit, messages.next()).await {
        Ok(Some(message)) => message,
        Ok(None) => Err(Failure::new(
            Fault::ConnectionLost,
            "the client closed without a word",
        )),
        Err(_) => Err(Failure::new(
            Fault::ConnectionTimeout,
            format!("the client said nothing for {} seconds", limit.as_secs()),
        )),
    }
}

async fn refused(writer: &mut MessageWriter, failure: Failure) -> Outcome<Opened> {
    refuse(writer, &failure).await?;
    Err(failure)
}

/// Tells the client why there is no session.
pub(super) async fn refuse(writer: &mut MessageWriter, failure: &Failure) -> Outcome<()> {
    let text: String = failure.text.chars().take(1_000).collect();
    writer
        .send(&ControlMessage::Reject {
            code: failure.fault.number(),
            text: &text,
        })
        .await
}

async fn prepare(
    hello: &Hello<'_>,
    messages: &mut Messages,
    rights: &SessionRights,
    gate: Gate,
    (peer, local): (IpAddr, IpAddr),
) -> Outcome<(Work, UdpPort)> {
    let wishes = &hello.files;
    if hello.flags.deletes && !rights.rules.permissions.deletes {
        let text = "this server does not allow --delete-before-transfer";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    if wishes.changes_sources() && !rights.rules.permissions.changes_sources {
        let text = "this server lets nobody remove or move its files after their transfer";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    if wishes.changes_sources() && hello.direction == TransferDirection::Upload {
        let text = "the sources of an upload are not at the server";
        return Err(Failure::new(Fault::Protocol, text));
    }
    splitting::check(hello, rights)?;
    check_checksum(hello, rights)?;
    check_owners(hello, rights)?;
    authorize(hello.direction, rights.rules.flow(hello.direction))?;
    if wishes.changes_sources() {
        // To take files away is to write.
        authorize_besides(&rights.rules.incoming)?;
    }
    let port = match (rights.rules.bind_udp_port, rights.udp_port) {
        (Some(port), _) => port,
        (None, 0) => hello.udp_port,
        (None, port) => port,
    };
    let address = rights.rules.bind_address;
    let address = address.unwrap_or_else(|| bind_address(peer, local));
    let bind = || UdpPort::bind(address, port);
    if hello.flags.measures {
        return Ok((Work::Measure, bind()?));
    }
    if hello.direction == TransferDirection::Upload {
        gate.check(hello.destination)?;
    }
    let uploads = hello.direction == TransferDirection::Upload;
    let docroot = rights.rules.reach(Need {
        reads: !uploads,
        writes: uploads || wishes.changes_sources(),
    })?;
    let files = &rights.rules.files;
    let spares = match hello.direction {
        TransferDirection::Upload if hello.flags.selects => selecting::spared(messages).await?,
        _ => RuleList::default(),
    };
    let work = match hello.direction {
        TransferDirection::Upload if is_faux(hello.destination) => Work::Receive {
            tree: Arc::new(DestinationTree::of_nothing(&Arc::new(docroot))),
            keeps_nothing: true,
            spares,
        },
        TransferDirection::Upload => Work::Receive {
            tree: Arc::new(kept_suffix(
                upload_tree(&Arc::new(docroot), hello, files.modes)?,
                hello,
            )),
            keeps_nothing: false,
            spares,
        },
        TransferDirection::Download => {
            selecting::download(hello, messages, docroot, &rights.rules, gate).await?
        }
    };
    Ok((work, bind()?))
}

/// Where the client's TCP connection arrived; any address if that is not known.
const fn bind_address(peer: IpAddr, local: IpAddr) -> IpAddr {
    match (peer, local) {
        (_, local) if !local.is_unspecified() => local,
        (IpAddr::V6(_), _) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// Where received files go: the destination rules, on what is there now.
pub(crate) fn destination_tree(
    docroot: &Arc<Docroot>,
    path: &[u8],
    sources: u32,
    create: bool,
    modes: CreateModes,
) -> Outcome<DestinationTree> {
    let plan = check_destination(docroot, path, sources, create)?;
    let placement = match plan.placement {
        destination::Placement::Into => Placement::Into,
        destination::Placement::Rename => Placement::Rename,
    };
    let tree = DestinationTree::new(Arc::clone(docroot), path, placement).with_modes(modes);
    tree.prepare(plan.creates_destination)?;
    Ok(tree)
}

/// The list of the files of a session, where the server keeps one.
fn begin_manifest(hello: &Hello<'_>, rights: &SessionRights) -> Outcome<Option<Manifest>> {
    let direction = match hello.direction {
        TransferDirection::Upload => Direction::Receive,
        TransferDirection::Download => Direction::Send,
    };
    let wish = rights.rules.records.manifest.as_ref();
    let wish = wish.filter(|_| !hello.flags.measures);
    wish.map(|wish| Manifest::begin(wish, &fresh_uuid()?, direction))
        .transpose()
}

/// Where the server names a kind, another one cannot be had.
fn check_checksum(hello: &Hello<'_>, rights: &SessionRights) -> Outcome<()> {
    match (rights.rules.records.checksum, hello.records.checksum) {
        (Some(own), Some(wish)) if own != wish => {
            let text = format!(
                "this server computes {} checksums and no others; leave out --file-checksum",
                own.name()
            );
            Err(Failure::new(Fault::BadConfiguration, text))
        }
        _ => Ok(()),
    }
}

/// Files are given away only by root, and only for somebody who logged in as root.
fn check_owners(hello: &Hello<'_>, rights: &SessionRights) -> Outcome<()> {
    let is_root = rights.rules.docroots.is_empty() && rustix::process::geteuid().is_root();
    let receives = hello.direction == TransferDirection::Upload;
    if receives && hello.preserve.owners() && !is_root {
        let text = "--preserve-file-owner-uid and -gid need root at the receiving side, and this login is not root";
        return Err(Failure::new(Fault::NoPermissions, text));
    }
    Ok(())
}

/// The tree, in which files that are encrypted keep the suffix that tells.
fn kept_suffix(tree: DestinationTree, hello: &Hello<'_>) -> DestinationTree {
    match hello.security.renamed_suffix {
        Some(suffix) => tree.keeping_suffix(suffix),
        None => tree,
    }
}

/// Where an upload goes.
fn upload_tree(
    docroot: &Arc<Docroot>,
    hello: &Hello<'_>,
    modes: CreateModes,
) -> Outcome<DestinationTree> {
    let create = hello.flags.create_destination;
    if hello.flags.deletes {
        if hello.sources != 1 {
            let text = "only a single source folder can be mirrored";
            return Err(Failure::new(Fault::Protocol, text));
        }
        return mirror_tree(docroot, hello.destination, create, modes);
    }
    if hello.flags.renames_again {
        return renamed_again(docroot, hello, modes);
    }
    destination_tree(docroot, hello.destination, hello.sources, create, modes)
}

/// The destination of a session that deletes: it *is* the counterpart of the source folder, there or not.
pub(crate) fn mirror_tree(
    docroot: &Arc<Docroot>,
    path: &[u8],
    create: bool,
    modes: CreateModes,
) -> Outcome<DestinationTree> {
    check_mirror(docroot, path, create)?;
    let tree = DestinationTree::new(Arc::clone(docroot), path, Placement::Rename).with_modes(modes);
    tree.prepare(create)?;
    Ok(tree)
}

/// Whether [`mirror_tree`] can be, with nothing changed yet.
pub(crate) fn check_mirror(docroot: &Docroot, path: &[u8], create: bool) -> Outcome<()> {
    let there = DestinationTree::examine(docroot, path)?;
    if there.exists && !there.is_dir {
        return Err(named(path, Fault::NotADirectory));
    }
    if !there.parent_exists && !create {
        return Err(named(path, Fault::NoSuchFile));
    }
    Ok(())
}

/// Only a folder, and only one, has a counterpart.
pub(crate) fn check_mirror_source(docroot: &Docroot, sources: &[Vec<u8>]) -> Outcome<()> {
    let [source] = sources else {
        let text = "only a single source folder can be mirrored";
        return Err(Failure::new(Fault::BadConfiguration, text));
    };
    let stat = docroot
        .stat(source)
        .map_err(|error| read_failure(source, error))?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        return Ok(());
    }
    let text = format!(
        "--delete-before-transfer needs a source folder; this is a file: {}",
        shown(source)
    );
    Err(Failure::new(Fault::NotADirectory, text))
}

/// The destination of a session that goes on: what the lost one made there must not change what it means.
fn renamed_again(
    docroot: &Arc<Docroot>,
    hello: &Hello<'_>,
    modes: CreateModes,
) -> Outcome<DestinationTree> {
    if hello.sources != 1 {
        let text = "only a single source takes the name of the destination";
        return Err(Failure::new(Fault::Protocol, text));
    }
    DestinationTree::examine(docroot, hello.destination)?;
    let tree = DestinationTree::new(Arc::clone(docroot), hello.destination, Placement::Rename)
        .with_modes(modes);
    tree.prepare(false)?;
    Ok(tree)
}

/// What the destination rules say, with nothing changed yet.
pub(crate) fn check_destination(
    docroot: &Docroot,
    path: &[u8],
    sources: u32,
    create: bool,
) -> Outcome<Plan> {
    let there = DestinationTree::examine(docroot, path)?;
    destination::plan(Facts {
        sources,
        create,
        destination_is_dir: there.is_dir,
        destination_exists: there.exists,
        parent_exists: there.parent_exists,
        ends_with_dot: path.ends_with(b"/.") || path == b".",
    })
    .map_err(|fault| named(path, fault))
}
