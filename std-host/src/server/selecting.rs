//! What the client of a download wants of its sources: RULES, and the sources themselves.

use std::sync::Arc;

use fasp_core::control::{ControlMessage, Hello, MOST_RULES, Rules};
use fasp_core::fault::Fault;
use fasp_core::negotiation::ResumeLevel;
use fasp_core::selection::links::{LinkSetting, LinkTreatment, downloaded};
use tokio::time::timeout;

use super::opening::{HELLO_TIMEOUT, Work, check_mirror_source};
use super::rules::SessionRules;
use super::tokens::Gate;
use crate::failure::{Failure, Outcome};
use crate::session::{Messages, named_sources, source_queue};
use crate::storage::after_transfer::{SourceWishes, check_outside};
use crate::storage::disk_fault::shown;
use crate::storage::docroot::Docroot;
use crate::storage::selection::{Choice, RuleList, nanoseconds};
use crate::storage::source_list::{self, NamedSource, SourceNames};

/// Bytes of source paths that a client may name before the session.
const MOST_SOURCE_BYTES: usize = 64 << 20;
/// Sources looked at before the session; the walk reports the others.
const SOURCES_CHECKED: usize = 64;

/// What RULES said besides the choice.
#[derive(Clone, Copy, Debug, Default)]
struct Delivery {
    pairs: bool,
    on_demand: bool,
}

/// Reads what is wanted; the work of the session that follows.
///
/// # Errors
///
/// What is wrong with it, or that nothing of it is there.
pub(super) async fn download(
    hello: &Hello<'_>,
    messages: &mut Messages,
    docroot: Docroot,
    session: &SessionRules,
    gate: Gate,
) -> Outcome<Work> {
    let (setting, own) = (session.symbolic_links, &session.files.filters);
    let (mut choice, mut delivery) = (Choice::default(), Delivery::default());
    choice.rules = own.clone();
    if hello.flags.selects {
        (choice, delivery) = read_rules(messages, setting, own.clone()).await?;
    } else {
        choice.links = downloaded(fasp_core::selection::links::LinkMethod::Follow, setting);
    }
    choice.share = hello.files.share;
    choice.split_from = hello.files.split_from;
    if hello.flags.deletes && delivery.on_demand {
        let text = "--delete-before-transfer does not go with a list of sources";
        return Err(Failure::new(Fault::Usage, text));
    }
    if choice.part.is_some() && hello.resume != ResumeLevel::Restart {
        let text = "a part of a file (-@) cannot be resumed (-k)";
        return Err(Failure::new(Fault::Usage, text));
    }
    let docroot = match choice.links {
        LinkTreatment::FollowAnywhere => docroot.following_links_anywhere(),
        _ => docroot,
    };
    let docroot = Arc::new(docroot);
    let mut mirrored = None;
    let mut wishes = source_wishes(hello, choice.base.clone());
    if delivery.on_demand && wishes.afterwards.remove_empty_folders && wishes.base.is_none() {
        let text = "--remove-empty-directories needs --src-base with a list of sources";
        return Err(Failure::new(Fault::Usage, text));
    }
    let (queue, sources) = if delivery.on_demand {
        let (queue, sources) = source_queue(delivery.pairs);
        (Some(queue), gate.guard(sources))
    } else {
        let sources = read_sources(messages, delivery.pairs).await?;
        for source in &sources {
            gate.check(&source.path)?;
        }
        check_sources(&docroot, &sources, &choice)?;
        wishes.sources = sources.iter().map(|source| source.path.clone()).collect();
        if let Some(archive) = &wishes.archive {
            check_outside(&docroot, archive, &wishes.sources)?;
        }
        if hello.flags.deletes {
            mirrored = Some(only_source(&docroot, &sources, &choice)?);
        }
        (None, SourceNames::new(sources.into_iter().map(Ok)))
    };
    Ok(Work::Send {
        docroot,
        sources,
        choice: Box::new(choice),
        queue,
        mirrored,
        wishes,
    })
}

/// The source folder of a session that deletes first.
fn only_source(docroot: &Docroot, sources: &[NamedSource], choice: &Choice) -> Outcome<Vec<u8>> {
    let paths: Vec<Vec<u8>> = sources.iter().map(|source| source.path.clone()).collect();
    if choice.base.is_some() || sources.iter().any(|source| source.destination.is_some()) {
        let text =
            "--delete-before-transfer goes neither with a source base nor with a list of pairs";
        return Err(Failure::new(Fault::Usage, text));
    }
    check_mirror_source(docroot, &paths)?;
    Ok(paths.into_iter().next().unwrap_or_default())
}

/// What becomes of the sources, as HELLO says.
fn source_wishes(hello: &Hello<'_>, base: Option<Vec<u8>>) -> SourceWishes {
    SourceWishes {
        afterwards: hello.files.afterwards,
        archive: hello.files.archive.map(<[u8]>::to_vec),
        base,
        sources: Vec::new(),
    }
}

/// The rules of an upload that deletes first: its client leaves out by itself what they match, and nothing of it is
/// deleted here.
pub(super) async fn spared(messages: &mut Messages) -> Outcome<RuleList> {
    let rules = read_rules(messages, LinkSetting::default(), RuleList::default()).await?;
    Ok(rules.0.rules)
}

/// `list` holds the rules of the configuration, which go first.
async fn read_rules(
    messages: &mut Messages,
    setting: LinkSetting,
    mut list: RuleList,
) -> Outcome<(Choice, Delivery)> {
    let malformed = || Failure::new(Fault::Protocol, "the client sent no rules");
    for _ in 0..=MOST_RULES {
        let message = timeout(HELLO_TIMEOUT, messages.next())
            .await
            .ok()
            .flatten()
            .ok_or_else(malformed)??;
        let Ok(Some(ControlMessage::Rules(rules))) = message.raw().decode() else {
            return Err(malformed());
        };
        for text in rules.rules.iter() {
            list.add_text(text).map_err(|error| {
                let shown: String = shown(text).chars().take(200).collect();
                Failure::new(Fault::Usage, format!("the filter '{shown}': {error}"))
            })?;
        }
        if !rules.more {
            return Ok(settled(&rules, list, setting));
        }
    }
    // More messages than there may be rules in all of them.
    Err(malformed())
}

fn settled(rules: &Rules<'_>, list: RuleList, setting: LinkSetting) -> (Choice, Delivery) {
    let choice = Choice {
        rules: list,
        newer_than_ns: rules.newer_than.map(nanoseconds),
        older_than_ns: rules.older_than.map(nanoseconds),
        links: downloaded(rules.links, setting),
        skip_special: rules.skip_special,
        base: rules.base.map(<[u8]>::to_vec),
        part: rules.part,
        ..Choice::default()
    };
    let delivery = Delivery {
        pairs: rules.pairs,
        on_demand: rules.on_demand,
    };
    (choice, delivery)
}

async fn read_sources(messages: &mut Messages, pairs: bool) -> Outcome<Vec<NamedSource>> {
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
        bytes += 64 + paths.iter().map(|path| path.len() + 64).sum::<usize>();
        if bytes > MOST_SOURCE_BYTES {
            return Err(Failure::new(Fault::FileTableOverflow, "too many sources"));
        }
        sources.extend(named_sources(paths, pairs)?);
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

/// If nothing of what was asked for is there, the session is refused at once.
fn check_sources(docroot: &Docroot, sources: &[NamedSource], choice: &Choice) -> Outcome<()> {
    let follows = matches!(
        choice.links,
        LinkTreatment::Follow | LinkTreatment::FollowAnywhere
    );
    if sources.len() > SOURCES_CHECKED {
        return Ok(());
    }
    let paths: Vec<Vec<u8>> = sources.iter().map(|source| source.path.clone()).collect();
    source_list::check(docroot, &paths, follows)
}
