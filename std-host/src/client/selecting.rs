//! What the client wants of the sources: for its own walk, or told to the server that walks them.

use std::time::{SystemTime, UNIX_EPOCH};

use fasp_core::control::framing::{HEADER_LEN, SMALLEST_LIMIT};
use fasp_core::control::{ControlMessage, Rules, SourcePaths};
use fasp_core::fault::Fault;
use fasp_core::selection::links::{LinkMethod, LinkSetting, LinkTreatment, uploaded};

use crate::cli::settings::{Direction, SelectionWishes, TimeLimit, TransferSettings};
use crate::failure::{Failure, Outcome};
use crate::storage::selection::{Choice, nanoseconds};
use crate::storage::split_file::Splitting;

/// Bytes of rules in one message, below what the smallest server reads.
const RULES_BYTES: usize = 4_096;

/// Fixes times before now, so that they mean the same in every session of the run.
pub(super) fn fix_times(wishes: &mut SelectionWishes) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    for limit in [&mut wishes.newer_than, &mut wishes.older_than] {
        *limit = limit.map(|limit| TimeLimit::At(limit.seconds(now)));
    }
}

fn seconds(limit: Option<TimeLimit>) -> Option<i64> {
    limit.map(|limit| limit.seconds(0))
}

/// What an upload's own walk takes. Whether links may be made is the server's affair.
pub(super) fn choice(wishes: &SelectionWishes, splitting: Splitting) -> Choice {
    Choice {
        rules: wishes.rules.clone(),
        newer_than_ns: seconds(wishes.newer_than).map(nanoseconds),
        older_than_ns: seconds(wishes.older_than).map(nanoseconds),
        links: uploaded(wishes.links, LinkSetting::default()),
        skip_special: wishes.skip_special,
        base: wishes.base.clone(),
        part: wishes.part,
        sealer: None,
        share: splitting.share,
        split_from: splitting.from,
    }
}

/// What a server may do with links in a download.
pub(super) const fn links_to_make(method: LinkMethod) -> LinkTreatment {
    match method {
        LinkMethod::Copy => LinkTreatment::Copy,
        LinkMethod::CopyForce => LinkTreatment::CopyForce,
        LinkMethod::Follow | LinkMethod::Skip => LinkTreatment::Skip,
    }
}

/// Whether RULES must tell the server more than the names of the sources: what to send, or what not to delete.
pub(super) fn needs_rules(settings: &TransferSettings) -> bool {
    if settings.direction == Direction::Send {
        return settings.overwriting.deletes && !settings.selection.rules.is_empty();
    }
    let told = SelectionWishes {
        // Sources have it already when they leave.
        prefix: settings.selection.prefix.clone(),
        ..SelectionWishes::default()
    };
    settings.selection != told
}

/// RULES, in as many messages as they need.
///
/// # Errors
///
/// [`Fault::FilePathTooLong`] for a source base that is no path.
pub(super) fn push_rules(wishes: &SelectionWishes, out: &mut Vec<u8>) -> Outcome<()> {
    let texts: Vec<&[u8]> = wishes.rules.texts().collect();
    let mut rest = texts.as_slice();
    while !rest.is_empty() {
        let mut bytes = 0;
        let count = rest.iter().take_while(|text| {
            bytes += text.len() + 4;
            bytes <= RULES_BYTES
        });
        let (now, later) = rest.split_at(count.count().max(1));
        let rules = Rules {
            rules: SourcePaths::new(now),
            more: true,
            ..Rules::everything()
        };
        push(rules, out)?;
        rest = later;
    }
    let last = Rules {
        newer_than: seconds(wishes.newer_than),
        older_than: seconds(wishes.older_than),
        links: wishes.links,
        skip_special: wishes.skip_special,
        pairs: wishes.list.as_ref().is_some_and(|list| list.pairs),
        on_demand: wishes.list.is_some(),
        base: wishes.base.as_deref(),
        part: wishes.part,
        ..Rules::everything()
    };
    push(last, out)
}

fn push(rules: Rules<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let room = usize::try_from(SMALLEST_LIMIT).unwrap_or(0) + HEADER_LEN;
    let mut buffer = vec![0; room];
    let length = ControlMessage::Rules(rules)
        .encode(&mut buffer)
        .map_err(|_| {
            let text = "option --src-base: the source base is too long for a path";
            Failure::new(Fault::FilePathTooLong, text)
        })?;
    out.extend_from_slice(buffer.get(..length).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use fasp_core::selection::Action;

    use super::*;

    #[test]
    fn many_rules_go_in_messages_that_every_server_reads() {
        let mut wishes = SelectionWishes::default();
        for number in 0..1_000 {
            let pattern = format!("{number:060}");
            wishes
                .rules
                .add(Action::Exclude, pattern.as_bytes())
                .unwrap();
        }
        let mut bytes = Vec::new();
        push_rules(&wishes, &mut bytes).unwrap();
        let (mut rules, mut messages, mut rest) = (0, 0, bytes.as_slice());
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap());
            assert!(length <= SMALLEST_LIMIT);
            let (message, after) = rest.split_at(HEADER_LEN + length as usize);
            let decoded = ControlMessage::decode(message[4], &message[HEADER_LEN..]).unwrap();
            let Some(ControlMessage::Rules(message)) = decoded else {
                panic!("RULES expected");
            };
            assert_eq!(message.more, !after.is_empty());
            rules += message.rules.len();
            messages += 1;
            rest = after;
        }
        assert_eq!(rules, 1_000);
        assert!(messages > 10);
    }
}
