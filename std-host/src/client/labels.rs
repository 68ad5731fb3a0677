//! The words that a client sends for the server's log, behind HELLO.

use fasp_core::control::framing::HEADER_LEN;
use fasp_core::control::{ControlMessage, Label, LabelKind, MAX_LABEL};
use fasp_core::fault::Fault;

use crate::cli::settings::RecordWishes;
use crate::failure::{Failure, Outcome};

/// How many there are.
pub(super) fn count(records: &RecordWishes) -> u8 {
    u8::try_from(all(records).count()).unwrap_or(u8::MAX)
}

/// Appends a LABEL message for each.
pub(super) fn push(records: &RecordWishes, out: &mut Vec<u8>) -> Outcome<()> {
    for (kind, words) in all(records) {
        let mut buffer = [0; HEADER_LEN + MAX_LABEL + 16];
        let message = ControlMessage::Label(Label { kind, words });
        let length = message
            .encode(&mut buffer)
            .map_err(|_| Failure::new(Fault::Usage, "a text for the server's log is too long"))?;
        out.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    Ok(())
}

fn all(records: &RecordWishes) -> impl Iterator<Item = (LabelKind, &[u8])> {
    let labels = &records.labels;
    [
        (
            LabelKind::Cookie,
            labels.cookie.as_deref().map(str::as_bytes),
        ),
        (
            LabelKind::UserString,
            labels.user_string.as_deref().map(str::as_bytes),
        ),
        (LabelKind::Tags, labels.tags.as_deref().map(str::as_bytes)),
        (LabelKind::LogFolder, records.remote_log.as_deref()),
    ]
    .into_iter()
    .filter_map(|(kind, words)| Some((kind, words?)))
}
