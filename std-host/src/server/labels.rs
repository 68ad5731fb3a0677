//! Words that a client sends for the log, and the folder where it wants a log.
//!
//! They are written down and mean nothing else. The folder is resolved like a path of a file: below the docroot,
//! or below the user's home where there is none.

use std::time::Duration;

use fasp_core::control::{ControlMessage, LabelKind, RecordTerms};
use fasp_core::fault::Fault;
use tokio::time::timeout;

use super::SessionRights;
use super::docroots::Need;
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::session::Messages;
use crate::storage::disk_fault::write_failure;
use crate::storage::docroot::Docroot;

/// How long a client may take for each.
const LABEL_TIMEOUT: Duration = Duration::from_secs(30);

/// The words of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientLabels {
    pub(super) cookie: Option<Vec<u8>>,
    pub(super) user_string: Option<Vec<u8>>,
    pub(super) tags: Option<Vec<u8>>,
    pub(super) log_folder: Option<Vec<u8>>,
}

/// Reads the LABEL messages that follow a HELLO with these `terms`.
pub(super) async fn read(messages: &mut Messages, terms: RecordTerms) -> Outcome<ClientLabels> {
    let malformed = || {
        let text = "the client did not send the labels that it announced";
        Failure::new(Fault::Protocol, text)
    };
    let mut labels = ClientLabels::default();
    for _ in 0..terms.labels {
        let message = timeout(LABEL_TIMEOUT, messages.next())
            .await
            .ok()
            .flatten()
            .ok_or_else(malformed)??;
        let Ok(Some(ControlMessage::Label(label))) = message.raw().decode() else {
            return Err(malformed());
        };
        let place = match label.kind {
            LabelKind::Cookie => &mut labels.cookie,
            LabelKind::UserString => &mut labels.user_string,
            LabelKind::Tags => &mut labels.tags,
            LabelKind::LogFolder => &mut labels.log_folder,
        };
        *place = Some(label.words.to_vec());
    }
    if labels.log_folder.is_some() == terms.log_folder {
        Ok(labels)
    } else {
        Err(malformed())
    }
}

/// The log of a session: that of the server, and the folder that the client named, if it `may_write` there.
pub(super) fn log_of_session(
    logger: &Logger,
    labels: &ClientLabels,
    rights: &SessionRights,
    may_write: impl FnOnce() -> Outcome<()>,
) -> Outcome<Logger> {
    let Some(path) = &labels.log_folder else {
        return Ok(logger.clone());
    };
    if !rights.rules.records.client_log_folders {
        let text = "this server does not write logs where its clients say; leave out -R";
        return Err(Failure::new(Fault::Unauthorized, text));
    }
    may_write()?;
    let need = Need {
        reads: false,
        writes: true,
    };
    let reach = match rights.rules.docroots.as_slice() {
        [] => Docroot::confined(&std::env::current_dir().unwrap_or_else(|_| "/".into()))?,
        _ => rights.rules.reach(need)?,
    };
    let folder = reach
        .open_to_read(path)
        .map_err(|error| write_failure(path, error))?;
    logger
        .and_folder(folder)
        .map_err(|error| write_failure(path, error))
}
