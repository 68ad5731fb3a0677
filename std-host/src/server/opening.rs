//! From HELLO to ACCEPT: everything is authorized before anything is touched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use fasp_core::control::choices::{Preserve, ResumeLevel, TransferDirection};
use fasp_core::control::framing::PREAMBLE;
use fasp_core::control::{ControlMessage, Hello, HelloFlags, StoredAttributes};
use fasp_core::destination::{self, Facts, Plan};
use fasp_core::fault::Fault;
use fasp_core::negotiation::responder::{self, ServerLimits, ServerSide};
use fasp_core::negotiation::{Agreement, KeyInputs};
use fasp_core::selection::links::LinkSetting;
use rustix::fs::FileType;
use tokio::time::timeout;

use super::SessionRights;
use super::labels::{self, ClientLabels};
use super::rules::FlowRules;
use super::selecting;
use super::tokens::{self, Gate};
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::session::{
    Message, MessageWriter, Messages, SourceQueue, capabilities, fresh_connection, fresh_secret,
};
use crate::storage::after_transfer::SourceWishes;
use crate::storage::destination_tree::{DestinationTree, Placement};
use crate::storage::disk_fault::{named, read_failure, shown};
use crate::storage::docroot::Docroot;
use crate::storage::faux::is_faux;
use crate::storage::selection::Choice;
use crate::storage::source_list::SourceNames;
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
    /// What becomes of symbolic links.
    pub(super) symbolic_links: LinkSetting,
    pub(super) labels: ClientLabels,
    /// Where the session is logged.
    pub(super) logger: Logger,
    /// Bytes that move to or from the disk at a time.
    pub(super) block_size: Option<u32>,
    pub(super) counts_job: bool,
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
    let hello_message = first_message(messages).await?;
    let flow = rights.rules.flow(direction_of(&hello_message));
    let limits = ServerLimits {
        suites: &rights.rules.suites,
        policies: &flow.policies,
        target_rate_cap: flow.target_cap,
        default_target_rate: flow.target_default,
        rate_rules: flow.rate_rules(),
        max_resume: ResumeLevel::Full,
        preserve: Preserve::ALL,
        checksums: true,
        default_checksum: rights.records.checksum,
        capabilities: capabilities(largest_datagram(peer, Some(u16::MAX)), 1_440),
    };
    let proposal = match responder::read_hello(hello_message.raw(), &limits) {
        Ok(proposal) => proposal,
        Err(refusal) => {
            return refused(writer, Failure::new(refusal.fault(), refusal.to_string())).await;
        }
    };
    let records = proposal.hello().records;
    let labels = match labels::read(messages, records).await {
        Ok(labels) => labels,
        Err(failure) => return refused(writer, failure).await,
    };
    let gate = match Gate::open(proposal.hello(), rights, logger) {
        Ok(gate) => gate,
        Err(failure) => return refused(writer, failure).await,
    };
    let prepared = prepare(proposal.hello(), messages, rights, gate, (peer, local)).await;
    let (work, udp) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return refused(writer, failure).await,
    };
    let may_write = || authorize_besides(&rights.rules.incoming);
    let logger = match labels::log_of_session(logger, &labels, rights, may_write) {
        Ok(logger) => logger,
        Err(failure) => return refused(writer, failure).await,
    };
    let program = proposal.hello().program.to_owned();
    let (flags, stored) = (proposal.hello().flags, proposal.hello().files.stored);
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
        symbolic_links: rights.rules.symbolic_links,
        labels,
        logger,
        block_size: Some(records.block_size).filter(|size| *size > 0),
        counts_job: records.job_size,
    })
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
async fn first_message(messages: &mut Messages) -> Outcome<Message> {
    match timeout(HELLO_TIMEOUT, messages.next()).await {
        Ok(Some(message)) => message,
        Ok(None) => Err(Failure::new(
            Fault::ConnectionLost,
            "the client closed without a word",
        )),
        Err(_) => Err(Failure::new(
            Fault::ConnectionTimeout,
            "the client said nothing for 30 seconds",
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
    let files = &hello.files;
    if hello.flags.deletes && !rights.rules.permissions.deletes {
        let text = "this server does not allow --delete-before-transfer";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    if files.changes_sources() && !rights.rules.permissions.changes_sources {
        let text = "this server lets nobody remove or move its files after their transfer";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    if files.changes_sources() && hello.direction == TransferDirection::Upload {
        let text = "the sources of an upload are not at the server";
        return Err(Failure::new(Fault::Protocol, text));
    }
    check_owners(hello, rights)?;
    authorize(hello.direction, rights.rules.flow(hello.direction))?;
    if files.changes_sources() {
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
    let docroot = match &rights.rules.docroot {
        Some(path) => Docroot::confined(path)?,
        None => Docroot::unconfined(&std::env::current_dir().unwrap_or_else(|_| "/".into()))?,
    };
    let work = match hello.direction {
        TransferDirection::Upload if is_faux(hello.destination) => Work::Receive {
            tree: Arc::new(DestinationTree::of_nothing(&Arc::new(docroot))),
            keeps_nothing: true,
        },
        TransferDirection::Upload => Work::Receive {
            tree: Arc::new(kept_suffix(upload_tree(&Arc::new(docroot), hello)?, hello)),
            keeps_nothing: false,
        },
        TransferDirection::Download => {
            let setting = rights.rules.symbolic_links;
            selecting::download(hello, messages, docroot, setting, gate).await?
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
) -> Outcome<DestinationTree> {
    let plan = check_destination(docroot, path, sources, create)?;
    let placement = match plan.placement {
        destination::Placement::Into => Placement::Into,
        destination::Placement::Rename => Placement::Rename,
    };
    let tree = DestinationTree::new(Arc::clone(docroot), path, placement);
    tree.prepare(plan.creates_destination)?;
    Ok(tree)
}

/// Files are given away only by root, and only for somebody who logged in as root.
fn check_owners(hello: &Hello<'_>, rights: &SessionRights) -> Outcome<()> {
    let is_root = rights.rules.docroot.is_none() && rustix::process::geteuid().is_root();
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
fn upload_tree(docroot: &Arc<Docroot>, hello: &Hello<'_>) -> Outcome<DestinationTree> {
    let create = hello.flags.create_destination;
    if hello.flags.deletes {
        if hello.sources != 1 {
            let text = "only a single source folder can be mirrored";
            return Err(Failure::new(Fault::Protocol, text));
        }
        return mirror_tree(docroot, hello.destination, create);
    }
    if hello.flags.renames_again {
        return renamed_again(docroot, hello);
    }
    destination_tree(docroot, hello.destination, hello.sources, create)
}

/// The destination of a session that deletes: it *is* the counterpart of the source folder, there or not.
pub(crate) fn mirror_tree(
    docroot: &Arc<Docroot>,
    path: &[u8],
    create: bool,
) -> Outcome<DestinationTree> {
    check_mirror(docroot, path, create)?;
    let tree = DestinationTree::new(Arc::clone(docroot), path, Placement::Rename);
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
fn renamed_again(docroot: &Arc<Docroot>, hello: &Hello<'_>) -> Outcome<DestinationTree> {
    if hello.sources != 1 {
        let text = "only a single source takes the name of the destination";
        return Err(Failure::new(Fault::Protocol, text));
    }
    DestinationTree::examine(docroot, hello.destination)?;
    let tree = DestinationTree::new(Arc::clone(docroot), hello.destination, Placement::Rename);
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
