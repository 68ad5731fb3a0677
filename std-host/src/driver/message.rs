//! What a transfer thread and its session say to each other.

use std::net::SocketAddr;
use std::time::Duration;

use fasp_core::control::{JobSize, Rate};
use fasp_core::fault::Fault;
use fasp_core::path::Move;
use fasp_core::trains::Bandwidth;
use fasp_core::units::BitRate;

use crate::failure::Failure;
use crate::logging::session_lines::{FileTotals, StatisticsFacts};
use crate::storage::checksum::Checksum;

/// What the session tells the thread.
#[derive(Clone, Debug)]
pub enum Command {
    /// Tell the peer and end; what can be resumed is kept.
    Stop(Failure),
    /// New rates.
    Limits(Rate),
    /// What the peer, who sends, may send at most from now on.
    Allow(BitRate),
    /// The peer has confirmed the end: nothing more is owed to it.
    Finish,
}

/// What became of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileVerdict {
    /// Under its final name.
    Delivered,
    /// It was there already.
    Skipped,
    /// It is not there, for this reason.
    Failed(Failure),
}

/// What of a file was there before, and what of that is relied on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptReport {
    /// Its path in the session, raw bytes.
    pub name: Vec<u8>,
    /// Its size, bytes.
    pub size: u64,
    /// Bytes that were there and stay.
    pub kept: u64,
    /// Bytes that were there and were found wrong.
    pub wrong: u64,
}

/// One file that is over.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// Its id in the session; `None` for a source that never became one.
    pub object: Option<u32>,
    /// Its path in the session, raw bytes.
    pub name: Vec<u8>,
    /// Its size, bytes.
    pub size: u64,
    /// Bytes of it that were there before.
    pub start_byte: u64,
    /// Time since its first byte.
    pub elapsed: Option<Duration>,
    /// How it ended.
    pub verdict: FileVerdict,
    /// The peer gave it up and this side only heard of it, so the peer need not be told.
    pub peer_gave_up: bool,
    /// A folder: counted and shown nowhere unless it failed.
    pub is_folder: bool,
    /// The checksum of all its bytes, if one was asked for and it was delivered.
    pub checksum: Option<Checksum>,
}

/// How the data plane ended.
#[derive(Clone, Debug, Default)]
pub struct TransferReport {
    /// Files by result.
    pub totals: FileTotals,
    /// File bytes that crossed the network, each once.
    pub bytes: u64,
    /// From the first to the last file byte.
    pub elapsed: Duration,
    /// Why the session itself failed.
    pub failure: Option<Failure>,
    /// Datagrams that were not ours, forged, replayed or malformed.
    pub refused: u64,
    /// Counters for the log.
    pub statistics: StatisticsFacts,
    /// What packet trains showed, in a session that measures.
    pub bandwidth: Bandwidth,
}

/// What the thread tells the session.
#[derive(Clone, Debug)]
pub enum TransferEvent {
    /// The peer's first authentic datagram came from this address.
    Connected(SocketAddr),
    /// The peer came to another address, which has proven itself.
    Moved(Move),
    /// A file begins: name and size.
    Started(Vec<u8>, u64),
    /// A part of a file, or all of it, was there.
    Kept(KeptReport),
    /// A source is meant to be left out, and the log says so.
    PassedOver(String),
    /// What all sources hold, counted beside the transfer.
    JobSize(JobSize),
    /// A file is over.
    File(FileReport),
    /// A file is delivered, and something went wrong afterwards: its path in the session and what.
    Trouble(Vec<u8>, Failure),
    /// Every file has its result on this side; the peer may not know it yet.
    Settled(TransferReport),
    /// The thread has ended.
    Over(TransferReport),
}

/// The words for a file that the peer reports failed by number only.
#[must_use]
pub(super) fn peer_failure(fault: Fault, name: &str) -> Failure {
    Failure::new(fault, format!("{}: {name}", fault.text()))
}
