//! From settings to an agreement: HELLO leaves as soon as the channel takes bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use fasp_core::control::choices::{RatePolicy, ResumeLevel, TransferDirection};
use fasp_core::control::framing::PREAMBLE;
use fasp_core::control::{ControlMessage, FileWishes, RecordTerms, SecurityTerms, SourcePaths};
use fasp_core::fault::Fault;
use fasp_core::negotiation::cipher_choice::{CipherWish as Wish, KeyBits};
use fasp_core::negotiation::initiator::{Answer, ClientWishes, Initiator};
use fasp_core::negotiation::{Agreement, KeyInputs};
use fasp_core::units::BitRate;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{SessionChannel, labels, rate_cap, selecting};
use crate::cli::settings::{CipherWish, Direction, PolicyWish, RateWish, TransferSettings};
use crate::cli::terminal::printable;
use crate::control_channel::ControlChannel;
use crate::control_channel::ssh::SshTarget;
use crate::envelope::SUFFIX;
use crate::failure::{Failure, Outcome};
use crate::link_speed::link_speed_towards;
use crate::session::{MessageWriter, Messages, capabilities, fresh_connection, fresh_secret};
use crate::udp::{UdpPort, largest_datagram};

/// How long the server may take to answer HELLO.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of paths in one SOURCES message, below what the smallest server reads.
const SOURCES_BYTES: usize = 4_096;

/// An agreed session.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) agreement: Agreement,
    pub(super) keys: KeyInputs,
    pub(super) udp: UdpPort,
    pub(super) server: SocketAddr,
    /// Our address on the control connection; unspecified if not known.
    pub(super) local: IpAddr,
    pub(super) warnings: Vec<String>,
    /// An upload's destination takes the name of the source.
    pub(super) renames: bool,
}

/// Where to log in, and how.
pub(super) fn target(settings: &TransferSettings) -> SshTarget {
    let secret = |secret: &crate::cli::secret::Secret| Zeroizing::new(secret.expose().to_owned());
    let remote = &settings.remote;
    SshTarget {
        port: settings.ssh_port,
        identity_files: settings.identity_files.clone(),
        password: remote.password.as_ref().map(secret),
        key_text: remote.key_text.as_ref().map(secret),
        check_sshfp: settings.check_sshfp,
        ignores_host_key: settings.security.ignores_host_key,
        ipv6_only: settings.ipv6,
        remote_command: format!("{} --server", settings.records.remote_program),
        ..SshTarget::new(remote.host.clone(), remote.user.clone())
    }
}

/// Says what is wanted and judges the answer; with `renames_again` the session goes on with a lost one whose
/// destination took the name of the source. Without sources it is a measurement that is wanted.
///
/// # Errors
///
/// Why there is no session: the server's words, or what is wrong with them.
pub(super) async fn open(
    settings: &TransferSettings,
    channel: ControlChannel,
    renames_again: bool,
) -> Outcome<(Opened, SessionChannel)> {
    let ControlChannel {
        reader,
        writer,
        peer,
        local,
        remote,
        warnings,
        lifeline,
        ..
    } = channel;
    let mut writer = MessageWriter::new(writer);
    let initiator = say_hello(settings, peer, renames_again, &mut writer).await?;
    let mut messages = Messages::read(reader);
    let answer = match timeout(ANSWER_TIMEOUT, messages.next()).await {
        Ok(Some(Ok(answer))) => answer,
        Ok(Some(Err(failure))) => {
            // A command that was not found says so on the side; that is the better explanation.
            let said = remote.stderr();
            return Err(if said.is_empty() && remote.exit_status().is_none() {
                failure
            } else {
                explained(&remote, failure).await
            });
        }
        Ok(None) => return Err(remote.why_closed().await),
        Err(_) => {
            let text = "Server aborted session: the server does not answer (is it an ascp of the same protocol?)";
            return Err(Failure::new(Fault::TransferTimeout, text));
        }
    };
    let opened = initiator.handle_answer(answer.raw()).map_err(|error| {
        Failure::new(Fault::Protocol, format!("Server aborted session: {error}"))
    })?;
    let opened = match opened {
        Answer::Accepted(opened) => opened,
        Answer::Rejected { fault, text } => {
            let text = if text.is_empty() { fault.text() } else { text };
            let text = format!("Server aborted session: {}", printable(text.as_bytes()));
            return Err(Failure::new(fault, text));
        }
    };
    let ip = match opened.udp_address {
        None => peer,
        Some(address) => address.parse().map_err(|_| {
            Failure::new(
                Fault::Protocol,
                "Server aborted session: the server named an unusable UDP address",
            )
        })?,
    };
    let server = SocketAddr::new(ip, opened.udp_port);
    let any: IpAddr = if ip.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let udp = UdpPort::bind(any, 0)?;
    let opened = Opened {
        agreement: opened.agreement,
        keys: opened.keys,
        udp,
        server,
        local,
        warnings,
        renames: opened.renames,
    };
    Ok((opened, (messages, writer, lifeline)))
}

/// What the remote side said besides, if it said anything.
async fn explained(remote: &crate::control_channel::RemoteEnd, failure: Failure) -> Failure {
    let why = remote.why_closed().await;
    if why.fault == Fault::PeerAborted && remote.stderr().is_empty() {
        failure
    } else {
        why
    }
}

async fn say_hello(
    settings: &TransferSettings,
    peer: IpAddr,
    renames_again: bool,
    writer: &mut MessageWriter,
) -> Outcome<Initiator> {
    let upload = settings.direction == Direction::Send;
    let max_datagram = largest_datagram(peer, settings.datagram_size);
    let (target_rate, minimum_rate) = rates(settings, peer)?;
    let wishes = ClientWishes {
        direction: if upload {
            TransferDirection::Upload
        } else {
            TransferDirection::Download
        },
        cipher: cipher_wish(settings.cipher),
        connection: fresh_connection()?,
        fixed_datagram: settings.datagram_size.map(|size| size.min(max_datagram)),
        target_rate,
        minimum_rate,
        policy: rate_policy(settings.policy),
        resume: ResumeLevel::from_number(settings.resume_level).unwrap_or_default(),
        overwrite: settings.overwriting.rule,
        preserve: settings.attributes.kept,
        udp_port: settings.udp_port,
        destination: if upload { &settings.destination } else { b"" },
        create_destination: settings.makes_destination(),
        measures: settings.only_measures(),
        renames_again,
        selects: selecting::needs_rules(settings),
        saves_old: settings.overwriting.saves_old,
        deletes: settings.overwriting.deletes,
        files: file_wishes(settings),
        sources: settings.source_count(),
        records: record_terms(settings, upload),
        security: security_terms(settings),
        capabilities: capabilities(max_datagram, settings.report_size),
        program: concat!("ascp ", env!("CARGO_PKG_VERSION")),
    };
    let mut bytes = vec![0; 16_384];
    let (initiator, length) =
        Initiator::open(&wishes, fresh_secret()?, &mut bytes).map_err(|error| {
            Failure::new(
                Fault::Usage,
                format!("the session cannot be opened: {error}"),
            )
        })?;
    let mut first = PREAMBLE.to_vec();
    first.extend_from_slice(bytes.get(..length).unwrap_or_default());
    labels::push(&settings.records, &mut first)?;
    if wishes.selects {
        selecting::push_rules(&settings.selection, &mut first)?;
    }
    // Those of a list are sent when the server asks for them.
    if !upload && settings.selection.list.is_none() {
        push_sources(&settings.sources, &mut first)?;
    }
    writer.send_bytes(&first).await?;
    Ok(initiator)
}

/// What the server does besides; an upload's sources are treated here.
fn file_wishes(settings: &TransferSettings) -> FileWishes<'_> {
    let mut wishes = FileWishes {
        stored: settings.attributes.stored(settings.direction),
        share: settings.splitting.share,
        split_from: settings.splitting.from,
        ..FileWishes::default()
    };
    if settings.direction == Direction::Receive {
        wishes.afterwards = settings.afterwards.removed;
        wishes.archive = settings.afterwards.archive.as_deref();
    }
    wishes
}

/// What HELLO says of encryption at rest and authorization.
fn security_terms(settings: &TransferSettings) -> SecurityTerms<'_> {
    SecurityTerms {
        renamed_suffix: settings.security.encrypts().then_some(SUFFIX),
        token: settings
            .security
            .token
            .as_ref()
            .map(|token| token.expose().as_bytes()),
    }
}

/// What HELLO says of checksums, labels and block sizes. The size is that of the side at the server.
fn record_terms(settings: &TransferSettings, upload: bool) -> RecordTerms {
    let records = &settings.records;
    let size = if upload {
        records.write_size
    } else {
        records.read_size
    };
    RecordTerms {
        checksum: records.checksum,
        labels: labels::count(records),
        // A list is read once: its sources cannot be counted first.
        job_size: records.job_size && !upload && settings.selection.list.is_none(),
        block_size: size.unwrap_or(0),
        log_folder: records.remote_log.is_some(),
    }
}

/// Target and minimum rate in bit/s; a target of 0 leaves it to the server.
///
/// # Errors
///
/// [`Fault::BadConfiguration`] if a part of the link is asked for and its speed is not known,
/// [`Fault::Usage`] if the minimum turns out to be above the target.
fn rates(settings: &TransferSettings, peer: IpAddr) -> Outcome<(BitRate, BitRate)> {
    let mut link = None;
    let mut in_bits = |wish| -> Outcome<BitRate> {
        match wish {
            RateWish::Bps(bits) => Ok(BitRate(bits)),
            RateWish::OfLink(millionths) => {
                let speed = match link {
                    Some(speed) => speed,
                    None => link_speed_towards(peer).map_err(without_percent)?,
                };
                link = Some(speed);
                let rate = speed.scaled(millionths.into(), 1_000_000);
                Ok(rate.max(BitRate(millionths.min(1).into())))
            }
        }
    };
    let target = settings.target_rate.map_or(Ok(BitRate(0)), &mut in_bits)?;
    let minimum = in_bits(settings.min_rate)?;
    if settings.target_rate.is_some() && minimum > target {
        let text =
            format!("the minimum rate (-m, {minimum}) is above the target rate (-l, {target})");
        return Err(Failure::new(Fault::Usage, text));
    }
    Ok(rate_cap::lowered(&settings.local, target, minimum))
}

/// Why a part of the link cannot be worked out, and what to write instead.
fn without_percent(failure: Failure) -> Failure {
    let text = format!(
        "{}; give the rate in bits per second instead of percent, such as 100M",
        failure.text
    );
    Failure::new(failure.fault, text)
}

/// The paths to fetch, in as many messages as they need.
fn push_sources(sources: &[Vec<u8>], out: &mut Vec<u8>) -> Outcome<()> {
    let too_long = || Failure::new(Fault::FilePathTooLong, "a source path is too long");
    let mut rest = sources;
    while !rest.is_empty() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take_while(|path| {
                bytes += path.len() + 8;
                bytes <= SOURCES_BYTES
            })
            .count()
            .max(1);
        let (now, later) = rest.split_at(count);
        let paths: Vec<&[u8]> = now.iter().map(Vec::as_slice).collect();
        let message = ControlMessage::Sources {
            paths: SourcePaths::new(&paths),
            more: !later.is_empty(),
        };
        let mut buffer = vec![0; 2 * SOURCES_BYTES];
        let length = message.encode(&mut buffer).map_err(|_| too_long())?;
        out.extend_from_slice(buffer.get(..length).unwrap_or_default());
        rest = later;
    }
    Ok(())
}

const fn cipher_wish(wish: CipherWish) -> Wish {
    match wish {
        CipherWish::None => Wish::None,
        CipherWish::Aes128 => Wish::Aes(KeyBits::B128),
        CipherWish::Aes192 => Wish::Aes(KeyBits::B192),
        CipherWish::Aes256 => Wish::Aes(KeyBits::B256),
        CipherWish::Aes128Cfb => Wish::AesCfb(KeyBits::B128),
        CipherWish::Aes192Cfb => Wish::AesCfb(KeyBits::B192),
        CipherWish::Aes256Cfb => Wish::AesCfb(KeyBits::B256),
        CipherWish::Aes128Gcm => Wish::AesGcm(KeyBits::B128),
        CipherWish::Aes192Gcm => Wish::AesGcm(KeyBits::B192),
        CipherWish::Aes256Gcm => Wish::AesGcm(KeyBits::B256),
    }
}

const fn rate_policy(wish: PolicyWish) -> RatePolicy {
    match wish {
        PolicyWish::Fixed => RatePolicy::Fixed,
        PolicyWish::High => RatePolicy::High,
        PolicyWish::Fair => RatePolicy::Fair,
        PolicyWish::Low => RatePolicy::Low,
    }
}
