//! The public log lines of a session: start, parameters, files, statistics, totals, stop.
//!
//! Pure text from plain facts; programs read these lines with regular expressions, so names,
//! order and units are fixed. Fields whose meaning belongs to the original program alone, such as
//! its licence and its protocol numbers, are left out.
//!
//! Source: published log lines of the original program.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use fasp_core::control::ChecksumKind;
use fasp_core::fault::Fault;

use crate::cli::settings::{CipherWish, Direction, PolicyWish};
use crate::cli::terminal::printable;
use crate::storage::checksum::Checksum;

/// How a session or a file stands, as log lines say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Status {
    /// It begins.
    Started,
    /// It is complete.
    Success,
    /// It failed, for this reason and in these words.
    Failed(Fault, String),
}

/// Facts of the lines that open and close a session.
#[derive(Clone, Debug)]
pub struct SessionFacts {
    /// Random identity of the session, as `8-4-4-4-12` hexadecimal digits.
    pub uuid: String,
    /// Which way the files go, seen from this side.
    pub direction: Direction,
    /// First source, raw bytes.
    pub source: Vec<u8>,
    /// Number of sources.
    pub source_count: usize,
    /// Destination, raw bytes.
    pub destination: Vec<u8>,
    /// Login name.
    pub user: String,
    /// Our end of the data flow, once there is one.
    pub local: Option<SocketAddr>,
    /// The other end of the data flow, once there is one.
    pub peer: Option<SocketAddr>,
    /// TCP port of SSH.
    pub tcp_port: u16,
    /// Our version.
    pub version: String,
    /// What the user's system knows the session by.
    pub cookie: Option<String>,
    /// Words of the user.
    pub user_string: Option<String>,
    /// Metadata in JSON.
    pub tags: Option<String>,
}

/// Facts of the parameter line.
#[derive(Clone, Debug)]
pub struct SessionParameters {
    /// Target rate in bit/s.
    pub target_rate_bps: u64,
    /// Minimum rate in bit/s.
    pub min_rate_bps: u64,
    /// How the path is shared.
    pub policy: PolicyWish,
    /// What protects the data.
    pub cipher: CipherWish,
    /// Resume level.
    pub resume_level: u8,
    /// The destination folder is created.
    pub create_destination: bool,
    /// Times are kept.
    pub preserve_times: bool,
    /// Datagram size in bytes, 0 while it is probed.
    pub datagram_size: u16,
    /// Checksum of every file.
    pub checksum: Option<ChecksumKind>,
    /// The job is counted beside the transfer.
    pub job_size: bool,
}

/// Facts of the lines that open and close a file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// Which way it goes, seen from this side.
    pub direction: Direction,
    /// Its path here, raw bytes.
    pub path: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
    /// Where the transfer began, in bytes; above 0 after a resume.
    pub start_byte: u64,
    /// Its average rate in bit/s.
    pub rate_bps: u64,
    /// Time since its start.
    pub elapsed: Duration,
    /// Lost share of the data, in hundredths of a percent.
    pub loss_basis_points: u32,
    /// Retransmissions asked for.
    pub retransmission_requests: u64,
    /// Bytes sent or received in vain.
    pub overhead_bytes: u64,
    /// Its checksum, once it is complete.
    pub checksum: Option<Checksum>,
}

/// Facts of the statistics line; blocks are datagrams with file data.
#[derive(Clone, Debug, Default)]
pub struct StatisticsFacts {
    /// Round-trip time.
    pub round_trip: Duration,
    /// Blocks sent or received, repeated ones included.
    pub blocks_total: u64,
    /// Blocks sent or received again.
    pub blocks_repeated: u64,
    /// Bytes on the wire.
    pub bytes_on_wire: u64,
    /// Bytes of file content.
    pub bytes_of_files: u64,
    /// Time from the first block to the last.
    pub elapsed: Duration,
}

/// How many source files came to which end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FileTotals {
    /// Complete at the destination.
    pub passed: u64,
    /// Given up.
    pub failed: u64,
    /// Left as they were.
    pub skipped: u64,
}

/// `FASP Session Start ...`.
#[must_use]
pub fn session_start(
    facts: &SessionFacts,
    parameters: &SessionParameters,
    status: &Status,
) -> String {
    format!(
        "FASP Session Start {} targetrate={} minrate={} transfer_policy={} secure={} resume={} precalc={} {} {}",
        session_head(facts, status),
        parameters.target_rate_bps,
        parameters.min_rate_bps,
        policy_name(parameters.policy),
        yes_no(parameters.cipher != CipherWish::None),
        parameters.resume_level,
        yes_no(parameters.job_size),
        label_fields(
            facts.cookie.as_deref().map(str::as_bytes),
            facts.user_string.as_deref().map(str::as_bytes),
            facts.tags.as_deref().map(str::as_bytes),
        ),
        session_tail(facts),
    )
}

/// `FASP Session Params ...`.
#[must_use]
pub fn session_params(facts: &SessionFacts, parameters: &SessionParameters) -> String {
    format!(
        "FASP Session Params uuid={} user={} targetrate={} minrate={} rate_policy={} cipher={} \
         resume={} create={} times={} precalc={} file_csum={} dgram_sz={} cookie={}",
        facts.uuid,
        quoted(facts.user.as_bytes()),
        parameters.target_rate_bps,
        parameters.min_rate_bps,
        policy_name(parameters.policy),
        cipher_name(parameters.cipher),
        parameters.resume_level,
        u8::from(parameters.create_destination),
        u8::from(parameters.preserve_times),
        yes_no(parameters.job_size),
        checksum_name(parameters.checksum),
        parameters.datagram_size,
        quoted(facts.cookie.as_deref().unwrap_or("-").as_bytes()),
    )
}

/// `FASP Session Stop ...`.
#[must_use]
pub fn session_stop(facts: &SessionFacts, status: &Status) -> String {
    let (head, tail) = (session_head(facts, status), session_tail(facts));
    format!("FASP Session Stop {head} {tail}")
}

/// `FASP Transfer Start ...` of one file.
#[must_use]
pub fn file_start(uuid: &str, facts: &FileFacts) -> String {
    let head = file_head(uuid, facts, &Status::Started);
    format!("FASP Transfer Start {head} {}", file_loss(facts))
}

/// `FASP Transfer Resume ...`: what of a file was there. Ours; the public logs have no such line.
#[must_use]
pub fn file_kept(uuid: &str, path: &[u8], size: u64, kept: u64, wrong: u64) -> String {
    format!(
        "FASP Transfer Resume uuid={uuid} file={} size={size} kept={kept} wrong={wrong} sent_again={}",
        quoted(path),
        size.saturating_sub(kept)
    )
}

/// `FASP Transfer Stop ...` of one file.
#[must_use]
pub fn file_stop(uuid: &str, facts: &FileFacts, status: &Status) -> String {
    format!(
        "FASP Transfer Stop {} elapsed={}s {}{}",
        file_head(uuid, facts, status),
        two_decimals(hundredths_of_seconds(facts.elapsed)),
        file_loss(facts),
        checksum_field(facts.checksum.as_ref())
    )
}

/// `FASP Session Statistics [Sender] ...`, or `[Receiver]`.
#[must_use]
pub fn session_statistics(uuid: &str, direction: Direction, facts: &StatisticsFacts) -> String {
    let side = match direction {
        Direction::Send => "Sender",
        Direction::Receive => "Receiver",
    };
    let original = facts.blocks_total.saturating_sub(facts.blocks_repeated);
    format!(
        "FASP Session Statistics [{side}] id={uuid} delay={}ms solicited_rex={} \
         ave_xmit_rate {} effective={} effective_rate={} (detail: bl_total {} bl_orig {original} \
         bl_rex {}) (progress: tx_bytes {} file_bytes {} tx_time {})",
        facts.round_trip.as_millis(),
        share(facts.blocks_repeated, facts.blocks_total),
        megabits(facts.bytes_on_wire, facts.elapsed),
        share(facts.bytes_of_files, facts.bytes_on_wire),
        megabits(facts.bytes_of_files, facts.elapsed),
        facts.blocks_total,
        facts.blocks_repeated,
        facts.bytes_on_wire,
        facts.bytes_of_files,
        facts.elapsed.as_micros(),
    )
}

/// The three lines by which pipelines see whether everything arrived.
#[must_use]
pub fn file_totals(totals: &FileTotals) -> [String; 3] {
    [
        ("passed", totals.passed),
        ("failed", totals.failed),
        ("skipped", totals.skipped),
    ]
    .map(|(what, count)| format!("- Source file transfers {what:<15} : {count}"))
}

/// ` file_csum=md5:...`, or nothing.
pub(crate) fn checksum_field(checksum: Option<&Checksum>) -> String {
    checksum.map_or_else(String::new, |checksum| format!(" file_csum={checksum}"))
}

/// The name of a kind of checksum, or `none`.
pub(crate) fn checksum_name(kind: Option<ChecksumKind>) -> &'static str {
    kind.map_or("none", ChecksumKind::name)
}

/// `cookie="..."`, and what else the client sent for the log.
pub(crate) fn label_fields(
    cookie: Option<&[u8]>,
    user_string: Option<&[u8]>,
    tags: Option<&[u8]>,
) -> String {
    let mut fields = format!("cookie={}", quoted(cookie.unwrap_or(b"-")));
    for (name, words) in [("userstr", user_string), ("tags", tags)] {
        if let Some(words) = words {
            fields.push_str(&format!(" {name}={}", quoted(words)));
        }
    }
    fields
}

fn session_head(facts: &SessionFacts, status: &Status) -> String {
    format!(
        "uuid={} op={} {} source={} ({}) dest={} user={}",
        facts.uuid,
        operation(facts.direction),
        status_fields(status),
        printable(&facts.source),
        facts.source_count,
        printable(&facts.destination),
        quoted(facts.user.as_bytes()),
    )
}

fn session_tail(facts: &SessionFacts) -> String {
    format!(
        "local={} peer={} tcp_port={} os={} ver={}",
        address(facts.local),
        address(facts.peer),
        facts.tcp_port,
        quoted(std::env::consts::OS.as_bytes()),
        facts.version,
    )
}

fn file_head(uuid: &str, facts: &FileFacts, status: &Status) -> String {
    format!(
        "uuid={uuid} op={} {} file={} size={} start_byte={} rate={}",
        operation(facts.direction),
        status_fields(status),
        quoted(&facts.path),
        facts.size,
        facts.start_byte,
        rate(facts.rate_bps),
    )
}

fn file_loss(facts: &FileFacts) -> String {
    format!(
        "loss={} rexreqs={} overhead={}",
        two_decimals(u128::from(facts.loss_basis_points)),
        facts.retransmission_requests,
        facts.overhead_bytes
    )
}

fn status_fields(status: &Status) -> String {
    match status {
        Status::Started => "status=started".to_owned(),
        Status::Success => "status=success".to_owned(),
        Status::Failed(fault, text) => format!(
            "status=failed errcode={} errstr={}",
            fault.number(),
            quoted(text.as_bytes())
        ),
    }
}

const fn operation(direction: Direction) -> &'static str {
    match direction {
        Direction::Send => "send",
        Direction::Receive => "recv",
    }
}

const fn policy_name(policy: PolicyWish) -> &'static str {
    match policy {
        PolicyWish::Fixed => "fixed",
        PolicyWish::High => "high",
        PolicyWish::Fair => "fair",
        PolicyWish::Low => "low",
    }
}

const fn cipher_name(cipher: CipherWish) -> &'static str {
    match cipher {
        CipherWish::None => "none",
        CipherWish::Aes128 => "aes-128",
        CipherWish::Aes192 => "aes-192",
        CipherWish::Aes256 => "aes-256",
        CipherWish::Aes128Cfb => "aes-128-cfb",
        CipherWish::Aes192Cfb => "aes-192-cfb",
        CipherWish::Aes256Cfb => "aes-256-cfb",
        CipherWish::Aes128Gcm => "aes-128-gcm",
        CipherWish::Aes192Gcm => "aes-192-gcm",
        CipherWish::Aes256Gcm => "aes-256-gcm",
    }
}

const fn yes_no(wanted: bool) -> &'static str {
    if wanted { "yes" } else { "no" }
}

fn address(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

/// A value that may hold blanks, in quotes that it cannot close.
fn quoted(bytes: &[u8]) -> String {
    let text = printable(bytes).replace('"', "\\\"");
    format!("\"{text}\"")
}

fn rate(bps: u64) -> String {
    format!("{}Mbps", two_decimals(u128::from(bps) / 10_000))
}

fn megabits(bytes: u64, elapsed: Duration) -> String {
    let hundredths = (u128::from(bytes) * 800_000).checked_div(elapsed.as_nanos().max(1));
    format!("{}Mbps", two_decimals(hundredths.unwrap_or(0)))
}

/// `part` of `whole` in percent; nothing of nothing is none of it.
fn share(part: u64, whole: u64) -> String {
    let hundredths = (u128::from(part) * 10_000).checked_div(u128::from(whole));
    format!("{}%", two_decimals(hundredths.unwrap_or(0)))
}

const fn hundredths_of_seconds(span: Duration) -> u128 {
    span.as_millis() / 10
}

struct TwoDecimals(u128);

const fn two_decimals(hundredths: u128) -> TwoDecimals {
    TwoDecimals(hundredths)
}

impl fmt::Display for TwoDecimals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests;
