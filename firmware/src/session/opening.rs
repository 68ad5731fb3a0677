//! From HELLO to ACCEPT: everything is judged before anything is touched.

#![expect(
    clippy::result_large_err,
    reason = "without an allocator there is nothing to box; a refusal is made once and ends the session"
)]

use core::fmt::Write;

use fasp_core::control::choices::{OverwriteRule, Preserve, ResumeLevel, TransferDirection};
use fasp_core::control::framing::RawMessage;
use fasp_core::control::{ControlMessage, Hello};
use fasp_core::crypto::{CipherSuite, KeySchedule, Role, SessionSecret};
use fasp_core::fault::Fault;
use fasp_core::negotiation::responder::{
    self, Accepted, Proposal, RateRules, ServerLimits, ServerSide,
};
use fasp_core::negotiation::{Capabilities, DEFAULT_TARGET_RATE, RatePolicy};
use fasp_core::sender::PathTrust;
use fasp_core::time::Instant;
use fasp_core::units::ConnectionId;
use zeroize::Zeroize;

use super::destination::Destination;
use super::outbox::{self, Sentence};
use super::receiving::Receiving;
use super::sending::Sending;
use super::{CONTROL_MESSAGE, Ground, KEEPALIVE_INTERVAL, Stage, Talk, Work, paths};
use crate::appliance::{Configuration, DATAGRAM_BYTES};
use crate::host::{Event, Host};
use crate::storage::Storage;

/// Program name and version, for the client's log.
const PROGRAM: &str = concat!("ascp appliance ", env!("CARGO_PKG_VERSION"));
/// Bytes of a record of the largest size and its length: must find room beside what is announced.
const LARGEST_RECORD: usize = 4_354;

/// Why there is no session: the number, and the sentence for the user.
#[derive(Debug)]
struct No(Fault, Sentence);

impl No {
    fn new(fault: Fault, text: &str) -> Self {
        let mut sentence = Sentence::new();
        let _ = sentence.push_str(text);
        Self(fault, sentence)
    }

    fn about(fault: Fault, path: &[u8]) -> Self {
        Self(fault, outbox::about(fault, path))
    }
}

impl<
    S: Storage,
    const PACKETS: usize,
    const WORDS: usize,
    const OBJECTS: usize,
    const GAPS: usize,
    const META: usize,
> Talk<S, PACKETS, WORDS, OBJECTS, GAPS, META>
{
    /// The first message of the client.
    pub(super) fn on_hello<H: Host>(
        &mut self,
        now: Instant,
        message: RawMessage<'_>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        let direction = match message.decode() {
            Ok(Some(ControlMessage::Hello(hello))) => hello.direction,
            _ => TransferDirection::Upload,
        };
        let outcome = match direction {
            TransferDirection::Upload => self.open_upload(now, message, ground),
            TransferDirection::Download => self.hold(message, ground),
        };
        if let Err(no) = outcome {
            self.refuse(now, &no, ground);
        }
    }

    fn refuse<H: Host>(&mut self, now: Instant, no: &No, ground: &mut Ground<'_, '_, S, H>) {
        let No(fault, text) = no;
        self.outbox.push_reject(*fault, text);
        ground.host.observe(&Event::Refused(*fault));
        self.end(now, Some(*fault), ground);
    }

    fn open_upload<H: Host>(
        &mut self,
        now: Instant,
        message: RawMessage<'_>,
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<(), No> {
        let proposal = self.judge(message, TransferDirection::Upload, ground.configuration)?;
        let hello = proposal.hello();
        let destination = if hello.flags.renames_again {
            Destination::renamed_again(hello.destination, hello.sources)
        } else {
            Destination::find(
                ground.storage,
                hello.destination,
                hello.sources,
                hello.flags.create_destination,
            )
        }
        .map_err(|fault| No::about(fault, hello.destination))?;
        if destination.renames() && hello.security.renamed_suffix.is_some() {
            let text = "this appliance does not add the suffix of encrypted files to other names: send them to /";
            return Err(No::new(Fault::BadConfiguration, text));
        }
        let accepted = self.accept(proposal, destination.renames(), ground)?;
        let (agreement, keys) = (accepted.agreement, accepted.keys);
        let (sealer, opener) = schedule(&keys).into_lane(agreement.suite(), Role::Server);
        self.work = Work::Receive(Receiving::new(&agreement, sealer, opener, destination, now));
        self.begin(now, true, ground.host);
        Ok(())
    }

    /// Keeps the HELLO of a download until the client has named what it wants.
    fn hold<H: Host>(
        &mut self,
        message: RawMessage<'_>,
        ground: &Ground<'_, '_, S, H>,
    ) -> Result<(), No> {
        self.judge(message, TransferDirection::Download, ground.configuration)?;
        self.held_hello
            .extend_from_slice(message.body)
            .map_err(|_| No::new(Fault::Protocol, "the client's HELLO is too long"))?;
        self.stage = Stage::Sources;
        Ok(())
    }

    /// Names of files from the client of a download.
    pub(super) fn on_sources<H: Host>(
        &mut self,
        now: Instant,
        message: RawMessage<'_>,
        ground: &mut Ground<'_, '_, S, H>,
    ) {
        let outcome = match message.decode() {
            // An appliance has no log that could keep labels.
            Ok(Some(ControlMessage::KeepAlive | ControlMessage::Label(_)) | None) => Ok(()),
            Ok(Some(ControlMessage::Sources { paths, more })) => {
                let all_fit = paths.iter().all(|path| self.sources.push(path));
                if !all_fit {
                    let text = "too many or too long names of files for this appliance";
                    Err(No::new(Fault::FileTableOverflow, text))
                } else if more {
                    Ok(())
                } else {
                    self.open_download(now, ground)
                }
            }
            _ => Err(No::new(Fault::Protocol, "the client named no sources")),
        };
        if let Err(no) = outcome {
            self.refuse(now, &no, ground);
        }
    }

    fn open_download<H: Host>(
        &mut self,
        now: Instant,
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<(), No> {
        self.check_sources(ground.storage)?;
        let mut held = core::mem::take(&mut self.held_hello);
        let message = RawMessage {
            kind: HELLO,
            body: &held,
        };
        let accepted = self
            .judge(message, TransferDirection::Download, ground.configuration)
            .and_then(|proposal| self.accept(proposal, false, ground));
        held.zeroize();
        let accepted = accepted?;
        let (agreement, keys) = (accepted.agreement, accepted.keys);
        let (sealer, opener) = schedule(&keys).into_lane(agreement.suite(), Role::Server);
        let mut challenge = [0; 8];
        ground.host.random(&mut challenge);
        let trust = PathTrust::Unproven {
            challenge: u64::from_be_bytes(challenge),
        };
        let sources = core::mem::take(&mut self.sources);
        self.work = Work::Send(Sending::new(
            &agreement, sealer, opener, trust, sources, now,
        ));
        self.begin(now, false, ground.host);
        Ok(())
    }

    /// If nothing of what was asked for is there, the session is refused at once.
    fn check_sources(&self, storage: &mut S) -> Result<(), No> {
        let mut first = None;
        for source in self.sources.iter() {
            let there = paths::from_user(source)
                .and_then(|path| storage.stat(&path).map_err(|error| error.while_reading()));
            match there {
                Ok(_) => return Ok(()),
                Err(fault) => {
                    first.get_or_insert_with(|| No::about(fault, source));
                }
            }
        }
        Err(first.unwrap_or_else(|| No::new(Fault::Protocol, "the client named no sources")))
    }

    fn begin<H: Host>(&mut self, now: Instant, upload: bool, host: &mut H) {
        self.stage = Stage::Running;
        self.keepalive_at = now + KEEPALIVE_INTERVAL;
        host.observe(&Event::Accepted { upload });
    }

    /// What would be agreed, or why nothing can be.
    fn judge<'m>(
        &self,
        message: RawMessage<'m>,
        direction: TransferDirection,
        configuration: &Configuration<'_>,
    ) -> Result<Proposal<'m>, No> {
        let packets = match direction {
            TransferDirection::Upload => WORDS * 64,
            TransferDirection::Download => PACKETS,
        };
        let largest = largest_datagram(configuration);
        let limits = ServerLimits {
            suites: &CipherSuite::ALL,
            policies: &RatePolicy::ALL,
            target_rate_cap: configuration.target_rate_cap,
            default_target_rate: DEFAULT_TARGET_RATE,
            rate_rules: RateRules::FREE,
            max_resume: ResumeLevel::Attributes,
            preserve: Preserve {
                modification_times: true,
                ..Preserve::default()
            },
            checksums: false,
            default_checksum: None,
            capabilities: Capabilities {
                max_datagram: largest,
                report_size: largest.min(1_440),
                object_window: small(OBJECTS),
                packet_window: small(packets),
                metadata_window: small(META.saturating_sub(LARGEST_RECORD)),
                max_body: small(CONTROL_MESSAGE - 5),
            },
        };
        let proposal = responder::read_hello(message, &limits).map_err(|refusal| {
            let mut text = Sentence::new();
            let _ = write!(text, "{refusal}");
            No(refusal.fault(), text)
        })?;
        wishes_that_can_be_met(proposal.hello())?;
        Ok(proposal)
    }

    fn accept<H: Host>(
        &mut self,
        proposal: Proposal<'_>,
        renames: bool,
        ground: &mut Ground<'_, '_, S, H>,
    ) -> Result<Accepted, No> {
        let mut secret = [0; SessionSecret::BYTES];
        ground.host.random(&mut secret);
        let mut connection = [0; 4];
        ground.host.random(&mut connection);
        let configuration = ground.configuration;
        let mut address = heapless::String::<48>::new();
        if let Some(advertised) = configuration.advertised_address {
            let _ = write!(address, "{advertised}");
        }
        let side = ServerSide {
            secret: SessionSecret::new(secret),
            connection: ConnectionId::new(u32::from_be_bytes(connection)),
            udp_port: configuration
                .advertised_port
                .unwrap_or(configuration.data_port),
            udp_address: Some(address.as_str()).filter(|text| !text.is_empty()),
            renames,
            program: PROGRAM,
        };
        secret.zeroize();
        let accepted = proposal
            .accept(side, self.outbox.room())
            .map_err(|_| No::new(Fault::InternalError, Fault::InternalError.text()))?;
        self.outbox.wrote(accepted.len);
        Ok(accepted)
    }
}

/// Message type of a HELLO that was kept.
const HELLO: u8 = 0x01;

/// What the protocol allows and an appliance does not do is refused with a sentence.
fn wishes_that_can_be_met(hello: &Hello<'_>) -> Result<(), No> {
    if hello.overwrite != OverwriteRule::Diff {
        let text = "this appliance only overwrites what differs";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if hello.flags.selects {
        let text = "this appliance sends what it is asked for whole: no filters, file lists, source base or -@";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if hello.flags.saves_old || hello.flags.deletes {
        let text = "this appliance neither keeps files that are replaced nor deletes others before";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if hello.files.changes_sources() {
        let text = "this appliance neither removes nor moves files after their transfer";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if hello.files.stored.any() || hello.preserve.owners() {
        let text = "this appliance has no owners, extended attributes and access lists";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if !hello.files.share.is_all() {
        let text = "this appliance serves one session at a time; leave out -C";
        return Err(No::new(Fault::BadConfiguration, text));
    }
    if hello.flags.measures {
        let text = "this appliance does not measure the bandwidth of the path";
        return Err(No::new(Fault::BandwidthMeasurement, text));
    }
    let records = &hello.records;
    for (wished, text) in [
        (
            records.log_folder,
            "this appliance keeps no log; leave out -R",
        ),
        (
            records.job_size,
            "this appliance does not count what it sends; leave out --precalculate-job-size",
        ),
        (
            records.block_size > 0,
            "this appliance has blocks of its own size; leave out -g and -G",
        ),
    ] {
        if wished {
            return Err(No::new(Fault::BadConfiguration, text));
        }
    }
    Ok(())
}

/// What the buffers hold, and the protocol's least.
fn largest_datagram(configuration: &Configuration<'_>) -> u16 {
    let most = u16::try_from(DATAGRAM_BYTES).unwrap_or(u16::MAX);
    configuration.largest_datagram.clamp(296, most)
}

fn schedule(keys: &fasp_core::negotiation::KeyInputs) -> KeySchedule {
    KeySchedule::new(
        &keys.client_secret,
        &keys.server_secret,
        &keys.transcript_hash,
    )
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
