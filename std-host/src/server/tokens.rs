//! Who needs a token, and what it opens: asked before anything of the session is looked at.
//!
//! The client learns that it was not let in and no more; the reason is in the server's log.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use fasp_core::control::Hello;
use fasp_core::fault::Fault;

use super::SessionRights;
use crate::configuration::Effective;
use crate::failure::{Failure, Outcome};
use crate::logging::Logger;
use crate::storage::source_list::{NamedSource, SourceNames};
use crate::token::{Grant, Keys, Refusal};

/// Most bytes of a file with keys.
const MOST_KEY_BYTES: u64 = 65_536;

/// The keys that the settings of a user name: those of `encryption_key`, then those of `key_file`.
///
/// # Errors
///
/// [`Fault::BadConfiguration`] for a file that cannot be read and for keys that are none; never shows a key.
pub fn keys(settings: &Effective<'_>) -> Outcome<Option<Keys>> {
    let mut text = settings
        .word("authorization/token/encryption_key")
        .unwrap_or_default()
        .to_owned();
    if let Some(path) = settings.word("authorization/token/key_file") {
        text.push('\n');
        text.push_str(&read_keys(Path::new(path))?);
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let bad = |why| {
        Failure::new(
            Fault::BadConfiguration,
            format!("authorization/token: {why}"),
        )
    };
    Keys::parse(&text).map(Some).map_err(bad)
}

fn read_keys(path: &Path) -> Outcome<String> {
    let bad = |why: String| {
        let text = format!("authorization/token/key_file {}: {why}", path.display());
        Failure::new(Fault::BadConfiguration, text)
    };
    if !path.is_absolute() {
        return Err(bad("it must be an absolute path".to_owned()));
    }
    let length = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?;
    if !length.is_file() || length.len() > MOST_KEY_BYTES {
        return Err(bad("it is no file with keys".to_owned()));
    }
    std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))
}

/// What one session may touch.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// Nothing where no token is demanded.
    grant: Option<Grant>,
    confined: bool,
    logger: Logger,
}

impl Gate {
    /// Lets a session in, if it needs no token or brings a good one.
    ///
    /// # Errors
    ///
    /// [`Fault::AuthorizationFailed`] with the words for the client; the reason was logged.
    pub(super) fn open(
        hello: &Hello<'_>,
        rights: &SessionRights,
        logger: &Logger,
    ) -> Outcome<Self> {
        let mut gate = Self {
            grant: None,
            confined: !rights.rules.docroots.is_empty(),
            logger: logger.clone(),
        };
        if rights.rules.flow(hello.direction).demands_token {
            match granted(hello, rights) {
                Ok(grant) => gate.grant = Some(grant),
                Err(refusal) => return Err(gate.refuse(&refusal)),
            }
        }
        Ok(gate)
    }

    /// Whether the session may use `path`.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub(super) fn check(&self, path: &[u8]) -> Outcome<()> {
        match &self.grant {
            None => Ok(()),
            Some(grant) => grant
                .check_path(path, self.confined)
                .map_err(|refusal| self.refuse(&refusal)),
        }
    }

    /// Sources that are named while the session runs, each checked.
    pub(super) fn guard(self, sources: SourceNames) -> SourceNames {
        if self.grant.is_none() {
            return sources;
        }
        SourceNames::new(sources.map(move |source: Outcome<NamedSource>| {
            let source = source?;
            self.check(&source.path)?;
            Ok(source)
        }))
    }

    fn refuse(&self, refusal: &Refusal) -> Failure {
        self.logger.error(format!("token refused: {refusal}"));
        not_authorized()
    }
}

/// What a client is told, whatever is wrong.
pub(super) fn not_authorized() -> Failure {
    Failure::from(Fault::AuthorizationFailed)
}

fn granted(hello: &Hello<'_>, rights: &SessionRights) -> Result<Grant, Refusal> {
    let token = hello.security.token.ok_or(Refusal::Missing)?;
    let keys = rights.rules.token_keys.as_ref();
    let grant = keys.ok_or(Refusal::WrongSignature)?.read(token)?;
    // A clock before 1970 lets nobody in.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(u64::MAX, |now| now.as_secs());
    grant.check(&rights.user, hello.direction, now)?;
    Ok(grant)
}
