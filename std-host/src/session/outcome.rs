//! How a session ended, and who is told while it runs.

use fasp_core::control::JobSize;

use crate::driver::{FileReport, KeptReport, Progress, TransferReport};
use crate::failure::Failure;

/// The end of a session, as this side knows it.
#[derive(Clone, Debug)]
pub struct SessionOutcome {
    /// Files and bytes.
    pub report: TransferReport,
    /// Why the session, or its first failed file, failed.
    pub failure: Option<Failure>,
    /// It is the session that failed, not a file: nobody knows the fate of the other files.
    pub broke: bool,
}

/// Watches a session: the client's terminal and log, or a server's log.
pub trait Observer: Send {
    /// The data plane is up.
    fn connected(&mut self, peer: std::net::SocketAddr);
    /// The peer came to another address.
    fn moved(&mut self, _from: std::net::SocketAddr, _to: std::net::SocketAddr) {}
    /// A file begins.
    fn started(&mut self, name: &[u8], size: u64);
    /// What all sources hold is known now.
    fn job_size(&mut self, _size: JobSize) {}
    /// A part of a file, or all of it, was there before.
    fn kept(&mut self, report: &KeptReport);
    /// A source is meant to be left out.
    fn passed_over(&mut self, _text: &str) {}
    /// Something besides the files went wrong, such as the removal of a source.
    fn trouble(&mut self, failure: &Failure);
    /// A file is over.
    fn file(&mut self, report: &FileReport);
    /// Data is moving; called a few times a second.
    fn progress(&mut self, progress: &Progress);
}
