//! From HELLO to ACCEPT: everything is authorized before anything is touched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use fasp_core::control::choices::{OverwriteRule, Preserve, ResumeLevel, TransferDirection};
use fasp_core::control::framing::PREAMBLE;
use fasp_core::control::{ControlMessage, Hello};
use fasp_core::crypto::CipherSuite;
use fasp_core::destination::{self, Facts, Plan};
use fasp_core::fault::Fault;
use fasp_core::negotiation::bounds::MAX_RATE;
use fasp_core::negotiation::responder::{self, ServerLimits, ServerSide};
use fasp_core::negotiation::{Agreement, DEFAULT_TARGET_RATE, KeyInputs, RatePolicy};
use tokio::time::timeout;

use super::SessionRights;
use super::labels::{self, ClientLabels};
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::session::{
    Message, MessageWriter, Messages, capabilities, fresh_connection, fresh_secret,
};
use crate::storage::destination_tree::{DestinationTree, Placement};
use crate::storage::disk_fault::named;
use crate::storage::docroot::Docroot;
use crate::storage::faux::is_faux;
use crate::storage::source_list;
use crate::udp::{UdpPort, largest_datagram};

/// How long a client may take to say what it wants.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of source paths that a client may name.
const MOST_SOURCE_BYTES: usize = 64 << 20;
/// Sources looked at before the session; the walk reports the others.
const SOURCES_CHECKED: usize = 64;

/// What the session will do.
#[derive(Debug)]
pub(super) enum Work {
    /// A download.
    Send {
        docroot: Arc<Docroot>,
        sources: Vec<Vec<u8>>,
    },
    /// An upload.
    Receive {
        tree: DestinationTree,
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
    let suites = CipherSuite::ALL;
    let limits = ServerLimits {
        suites: &suites,
        policies: &RatePolicy::ALL,
        target_rate_cap: MAX_RATE,
        default_target_rate: DEFAULT_TARGET_RATE,
        max_resume: ResumeLevel::Full,
        preserve: Preserve::TIMES,
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
    let (work, udp) = match prepare(proposal.hello(), messages, rights, peer, local).await {
        Ok(prepared) => prepared,
        Err(failure) => return refused(writer, failure).await,
    };
    let logger = match labels::log_of_session(logger, &labels, rights) {
        Ok(logger) => logger,
        Err(failure) => return refused(writer, failure).await,
    };
    let program = proposal.hello().program.to_owned();
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
    let mut bytes = vec![0; 4_096];
    let accepted = proposal
        .accept(side, &mut bytes)
        .map_err(|error| Failure::new(Fault::InternalError, error.to_string()))?;
    writer
        .send_bytes(bytes.get(..accepted.len).unwrap_or_default())
        .await?;
    Ok(Opened {
        agreement: accepted.agreement,
        keys: accepted.keys,
        udp,
        peer,
        work,
        program,
        labels,
        logger,
        block_size: Some(records.block_size).filter(|size| *size > 0),
        counts_job: records.job_size,
    })
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
    peer: IpAddr,
    local: IpAddr,
) -> Outcome<(Work, UdpPort)> {
    if hello.overwrite != OverwriteRule::Diff {
        return Err(Failure::new(
            Fault::BadConfiguration,
            "this server only overwrites what differs",
        ));
    }
    let port = if rights.udp_port == 0 {
        hello.udp_port
    } else {
        rights.udp_port
    };
    let bind = || UdpPort::bind(bind_address(peer, local), port);
    if hello.flags.measures {
        return Ok((Work::Measure, bind()?));
    }
    let docroot = Arc::new(match &rights.docroot {
        Some(path) => Docroot::confined(path)?,
        None => Docroot::unconfined(&std::env::current_dir().unwrap_or_else(|_| "/".into()))?,
    });
    let work = match hello.direction {
        TransferDirection::Upload if is_faux(hello.destination) => Work::Receive {
            tree: DestinationTree::of_nothing(&docroot),
            keeps_nothing: true,
        },
        TransferDirection::Upload if hello.flags.renames_again => Work::Receive {
            tree: renamed_again(&docroot, hello)?,
            keeps_nothing: false,
        },
        TransferDirection::Upload => Work::Receive {
            tree: destination_tree(
                &docroot,
                hello.destination,
                hello.sources,
                hello.flags.create_destination,
            )?,
            keeps_nothing: false,
        },
        TransferDirection::Download => {
            let sources = read_sources(messages).await?;
            if sources.len() <= SOURCES_CHECKED {
                source_list::check(&docroot, &sources)?;
            }
            Work::Send { docroot, sources }
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

async fn read_sources(messages: &mut Messages) -> Outcome<Vec<Vec<u8>>> {
    let malformed = || Failure::new(Fault::Protocol, "the client named no sources");
    let mut sources = Vec::new();
    let mut bytes = 0;
    loop {
        let message = timeout(HELLO_TIMEOUT, messages.next())
            .await
            .ok()
            .flatten()
            .ok_or_else(malformed)??;
        let Ok(Some(ControlMessage::Sources { paths, more })) = message.raw().decode() else {
            return Err(malformed());
        };
        for path in paths.iter() {
            bytes += path.len() + 32;
            sources.push(path.to_vec());
        }
        if bytes > MOST_SOURCE_BYTES {
            return Err(Failure::new(Fault::FileTableOverflow, "too many sources"));
        }
        if !more {
            break;
        }
    }
    if sources.is_empty() {
        Err(malformed())
    } else {
        Ok(sources)
    }
}
