//! Encryption at rest, as the client does it: who seals what is sent and opens what is received.

use std::sync::Arc;

use crate::cli::settings::{FileCrypt, TransferSettings};
use crate::cli::terminal::{self, printable};
use crate::envelope::{Opener, Sealer};
use crate::failure::Outcome;

/// The two of which a session needs one, or none.
#[derive(Debug, Default)]
pub(super) struct Encryption {
    pub(super) sealer: Option<Arc<Sealer>>,
    pub(super) opener: Option<Arc<Opener>>,
}

impl Encryption {
    /// What `settings` ask for. Where the transfer may go on with an earlier one, the keys must be found again: they
    /// are made of the passphrase then, and of where the files go.
    ///
    /// # Errors
    ///
    /// [`fasp_core::fault::Fault::FileEncryption`] if no key can be made.
    pub(super) fn new(settings: &TransferSettings) -> Outcome<Self> {
        Ok(match &settings.security.file_crypt {
            None => Self::default(),
            Some(FileCrypt::Encrypt { passphrase }) => {
                let remote = &settings.remote;
                let place = format!("{}@{}:{}:", remote.user, remote.host, settings.ssh_port);
                let place = [place.as_bytes(), &settings.destination].concat();
                let resumed_at = (settings.resume_level > 0).then_some(place.as_slice());
                Self {
                    sealer: Some(Arc::new(Sealer::new(passphrase.clone(), resumed_at)?)),
                    opener: None,
                }
            }
            Some(FileCrypt::Decrypt { passphrase, fails }) => Self {
                sealer: None,
                opener: Some(Arc::new(Opener::new(passphrase.clone(), *fails))),
            },
        })
    }

    /// Tells the user which files could not be opened.
    pub(super) fn report(&self) {
        let Some((count, first)) = self.opener.as_ref().map(|opener| opener.kept()) else {
            return;
        };
        let first = printable(&first);
        match count {
            0 => {}
            1 => terminal::print_stderr(&format!(
                "ascp: note: {first} stays encrypted: the passphrase in ASPERA_SCP_FILEPASS does not open it\n"
            )),
            _ => terminal::print_stderr(&format!(
                "ascp: note: {count} files stay encrypted: the passphrase in ASPERA_SCP_FILEPASS does not open them; the first is {first}\n"
            )),
        }
    }
}
