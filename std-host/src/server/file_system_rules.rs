//! What the configuration says about files of one user: which exist, and what becomes of those that are made.

use fasp_core::fault::Fault;
use fasp_core::negotiation::Preserve;

use crate::configuration::Effective;
use crate::failure::{Failure, Outcome};
use crate::storage::create_modes::{CreateModes, ModeRule};
use crate::storage::restrictions::Restrictions;
use crate::storage::selection::RuleList;

/// The rules of `<file_system>` for the sessions of one user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileSystemRules {
    /// What exists below the docroot; everything without them.
    pub restrictions: Option<Restrictions>,
    /// Whether folders may be listed.
    pub lists_folders: bool,
    /// Modes of what is made.
    pub modes: CreateModes,
    /// Nothing that is there is replaced.
    pub keeps_existing: bool,
    /// Behind the name of a file while it is received.
    pub partial_suffix: Option<Vec<u8>>,
    /// Behind the name of its note.
    pub resume_suffix: Option<Vec<u8>>,
    /// What downloads leave out, before the rules of the client.
    pub filters: RuleList,
    /// Bytes that are read at a time.
    pub read_block: Option<u32>,
    /// Bytes that are written at a time.
    pub write_block: Option<u32>,
    /// Whether downloads are counted; `None`: as the client likes.
    pub counts_job: Option<bool>,
    /// What a client may have preserved.
    pub preserve: Preserve,
}

impl Default for FileSystemRules {
    /// What holds without a configuration.
    fn default() -> Self {
        Self {
            restrictions: None,
            lists_folders: true,
            modes: CreateModes::default(),
            keeps_existing: false,
            partial_suffix: None,
            resume_suffix: None,
            filters: RuleList::default(),
            read_block: None,
            write_block: None,
            counts_job: None,
            preserve: Preserve::ALL,
        }
    }
}

impl FileSystemRules {
    /// The rules for the user of `settings`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] for filters that are too many, and for suffixes that are the same.
    pub fn new(settings: &Effective<'_>) -> Outcome<Self> {
        let at = |path: &str| format!("file_system/{path}");
        let said = |path: &str| settings.said(&at(path));
        let suffix = |path: &str| said(path).map(|text| text.as_bytes().to_vec());
        let block = |path: &str| {
            let size = settings.number(&at(path)).filter(|size| *size > 0);
            size.and_then(|size| u32::try_from(size).ok())
        };
        let modes = |kind: &str| ModeRule {
            exact: settings.mode(&at(&format!("{kind}_create_mode"))),
            granted: settings
                .mode(&at(&format!("{kind}_create_grant_mask")))
                .unwrap_or(0),
        };
        let rules = Self {
            restrictions: Restrictions::new(
                settings.list("file_system/access/paths/path/restrictions/restriction"),
            ),
            lists_folders: settings.is_on("file_system/access/paths/path/dir_allowed"),
            modes: CreateModes {
                files: modes("file"),
                folders: modes("directory"),
            },
            keeps_existing: says(said("overwrite"), "deny"),
            partial_suffix: suffix("partial_file_suffix"),
            resume_suffix: suffix("resume_suffix"),
            filters: filters(settings)?,
            read_block: block("read_block_size"),
            write_block: block("write_block_size"),
            counts_job: match said("pre_calculate_job_size") {
                word if says(word, "yes") => Some(true),
                word if says(word, "no") => Some(false),
                _ => None,
            },
            preserve: preserve(said("preserve_attributes")),
        };
        rules.check_suffixes()?;
        Ok(rules)
    }

    /// A note must never have the name of the file that it is about.
    fn check_suffixes(&self) -> Outcome<()> {
        let part = self.partial_suffix.as_deref();
        let note = self.resume_suffix.as_deref();
        let alike = part.is_none() && note == Some(b".ascp-part");
        if alike {
            let text = "resume_suffix: partial files of this program end in .ascp-part, their notes must not";
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
        Ok(())
    }
}

fn says(word: Option<&str>, wanted: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(wanted))
}

fn filters(settings: &Effective<'_>) -> Outcome<RuleList> {
    let mut list = RuleList::default();
    for text in settings.list("file_system/filters/filter") {
        list.add_text(text.as_bytes()).map_err(|error| {
            Failure::new(Fault::BadConfiguration, format!("filter {text}: {error}"))
        })?;
    }
    Ok(list)
}

fn preserve(word: Option<&str>) -> Preserve {
    let none = Preserve {
        modification_times: false,
        access_times: false,
        source_access_times: true,
        owner_uids: false,
        owner_gids: false,
    };
    match word {
        word if says(word, "none") => none,
        word if says(word, "times") => Preserve {
            modification_times: true,
            access_times: true,
            ..none
        },
        _ => Preserve::ALL,
    }
}
