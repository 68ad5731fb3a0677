//! What the configuration allows one user: from elements of `aspera.conf` to limits of a session.

use std::net::IpAddr;
use std::path::PathBuf;

use fasp_core::control::choices::{RatePolicy, TransferDirection};
use fasp_core::crypto::CipherSuite;
use fasp_core::fault::Fault;
use fasp_core::negotiation::bounds::MAX_RATE;
use fasp_core::negotiation::cipher_choice::CipherWish;
use fasp_core::negotiation::responder::RateRules;
use fasp_core::selection::links::LinkSetting;
use fasp_core::units::BitRate;

use super::docroots::{self, DocrootRule, Need};
use super::file_system_rules::FileSystemRules;
use super::permissions::Permissions;
use super::record_rules::RecordRules;
use super::time_limits::TimeLimits;
use super::tokens;

use crate::configuration::Effective;
use crate::failure::{Failure, Outcome};
use crate::storage::docroot::Docroot;
use crate::token::Keys;
use crate::trunk::TrunkRule;

/// What holds for sessions of one direction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FlowRules {
    /// Whether the user may have any.
    pub authorized: bool,
    /// Only with a token.
    pub demands_token: bool,
    /// Whether the docroot may be read from, or written to.
    pub access: bool,
    /// Highest target rate.
    pub target_cap: BitRate,
    /// Target rate of a client that names none.
    pub target_default: BitRate,
    /// Highest minimum rate.
    pub minimum_cap: BitRate,
    /// The policies that a client may wish for.
    pub policies: Vec<RatePolicy>,
    /// The virtual link whose capacity they share.
    pub trunk: Option<TrunkRule>,
}

/// What holds for the sessions of one user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRules {
    /// The trees that sessions may not leave; without one the rights of the system's user decide.
    pub docroots: Vec<DocrootRule>,
    /// Uploads.
    pub incoming: FlowRules,
    /// Downloads.
    pub outgoing: FlowRules,
    /// Cipher suites that a client may wish for.
    pub suites: Vec<CipherSuite>,
    /// Address of the UDP port.
    pub bind_address: Option<IpAddr>,
    /// First UDP port tried.
    pub bind_udp_port: Option<u16>,
    /// What becomes of symbolic links.
    pub symbolic_links: LinkSetting,
    /// What may be done to files besides reading and writing them.
    pub permissions: Permissions,
    /// What signs tokens.
    pub token_keys: Option<Keys>,
    /// Which files exist, and how new ones are made.
    pub files: FileSystemRules,
    /// Checksums, lists and logs.
    pub records: RecordRules,
    /// How long the server waits for a silent client.
    pub time_limits: TimeLimits,
    /// Largest datagram.
    pub most_datagram: u16,
}

impl Default for FlowRules {
    /// Everything that the protocol allows.
    fn default() -> Self {
        Self {
            authorized: true,
            demands_token: false,
            access: true,
            target_cap: MAX_RATE,
            target_default: fasp_core::negotiation::DEFAULT_TARGET_RATE,
            minimum_cap: MAX_RATE,
            policies: RatePolicy::ALL.to_vec(),
            trunk: None,
        }
    }
}

impl FlowRules {
    pub(super) const fn rate_rules(&self) -> RateRules {
        RateRules {
            minimum_cap: self.minimum_cap,
        }
    }
}

impl Default for SessionRules {
    /// What holds without a configuration.
    fn default() -> Self {
        Self {
            docroots: Vec::new(),
            incoming: FlowRules::default(),
            outgoing: FlowRules::default(),
            suites: CipherSuite::ALL.to_vec(),
            bind_address: None,
            bind_udp_port: None,
            symbolic_links: LinkSetting::default(),
            permissions: Permissions::default(),
            token_keys: None,
            files: FileSystemRules::default(),
            records: RecordRules::default(),
            time_limits: TimeLimits::default(),
            most_datagram: u16::MAX,
        }
    }
}

impl SessionRules {
    /// The rules for the user of `settings`, whose home folder is `home`.
    ///
    /// # Errors
    ///
    /// [`Fault::BadConfiguration`] if the docroot needs a home folder and there is none, or a user name that is
    /// no name of a folder.
    pub fn new(settings: &Effective<'_>, home: Option<&str>) -> Outcome<Self> {
        let access = "file_system/access/paths/path";
        let is_on = |name: &str| settings.is_on(&format!("{access}/{name}"));
        let docroots = docroots::rules(settings, home)?;
        let (reads, writes) = match docroots.as_slice() {
            [] => (is_on("read_allowed"), is_on("write_allowed")),
            docroots => (
                docroots.iter().any(|docroot| docroot.reads),
                docroots.iter().any(|docroot| docroot.writes),
            ),
        };
        let (incoming, outgoing) = (flow(settings, "in", writes)?, flow(settings, "out", reads)?);
        let token_keys = tokens::keys(settings)?;
        if token_keys.is_none() && (incoming.demands_token || outgoing.demands_token) {
            let text = "authorization/transfer says token, and authorization/token names no key";
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
        let files = FileSystemRules::new(settings)?;
        let hides = |docroot: &DocrootRule| docroot.restrictions.is_some();
        let hides_something = files.restrictions.is_some() || docroots.iter().any(hides);
        let lists_all = files.lists_folders && docroots.iter().all(|docroot| docroot.lists);
        let mut records = RecordRules::new(settings, home)?;
        // A log is a file that a client names, in a tree of which it may not see everything.
        records.client_log_folders &= !hides_something;
        let datagram = settings.number("transfer/protocol_options/datagram_size");
        let port = settings.said("transfer/protocol_options/bind_udp_port");
        Ok(Self {
            docroots,
            incoming,
            outgoing,
            token_keys,
            suites: suites(
                settings
                    .word("transfer/encryption/allowed_cipher")
                    .unwrap_or("any"),
                settings.is_on("transfer/encryption/strict_allowed_cipher"),
            ),
            bind_address: settings
                .word("transfer/protocol_options/bind_ip_address")
                .and_then(|text| text.parse().ok()),
            bind_udp_port: port.and_then(|port| port.parse().ok()),
            symbolic_links: links(
                settings
                    .word("file_system/symbolic_links")
                    .unwrap_or_default(),
            ),
            permissions: Permissions {
                // To delete what the source has not, folders are listed, and what lies in them is not replaced but gone.
                deletes: lists_all && !files.keeps_existing && !hides_something,
                changes_sources: !hides_something,
            },
            files,
            records,
            time_limits: TimeLimits::new(settings),
            most_datagram: match datagram {
                Some(size) if size > 0 => u16::try_from(size).unwrap_or(u16::MAX).max(1_200),
                _ => u16::MAX,
            },
        })
    }

    /// Confines sessions to `path`, where no docroot was named; what is said of an unnamed one holds for it.
    pub fn confine(&mut self, path: PathBuf) {
        self.docroots = vec![DocrootRule {
            path,
            shown_as: "/".to_owned(),
            reads: self.outgoing.access,
            writes: self.incoming.access,
            lists: self.files.lists_folders,
            restrictions: self.files.restrictions.clone(),
        }];
    }

    /// What sessions that need this can reach; relative paths without a docroot start at the working directory.
    ///
    /// # Errors
    ///
    /// As [`Docroot::confined`].
    pub(super) fn reach(&self, need: Need) -> Outcome<Docroot> {
        if !self.docroots.is_empty() {
            return docroots::open(&self.docroots, need);
        }
        let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
        let files = &self.files;
        Docroot::unconfined(&here)?.ruled(files.restrictions.clone(), files.lists_folders)
    }

    /// The rules of one direction.
    #[must_use]
    pub const fn flow(&self, direction: TransferDirection) -> &FlowRules {
        match direction {
            TransferDirection::Upload => &self.incoming,
            TransferDirection::Download => &self.outgoing,
        }
    }
}

fn flow(settings: &Effective<'_>, way: &str, access: bool) -> Outcome<FlowRules> {
    let base = format!("transfer/{way}/bandwidth/flow");
    let at = |rest: &str| format!("{base}/{rest}");
    let rate = |rest: &str, otherwise: BitRate| {
        let rate = settings.rate(&at(rest)).map(BitRate);
        rate.unwrap_or(otherwise).min(MAX_RATE)
    };
    let usual = FlowRules::default();
    let target_default = rate("target_rate/default", usual.target_default);
    let mut target_cap = rate("target_rate/cap", MAX_RATE);
    // Locked: no client gets more than the default. One that wants less is not made faster.
    if settings.is_on(&at("target_rate/lock")) {
        target_cap = target_cap.min(target_default);
    }
    let mut minimum_cap = rate("min_rate/cap", MAX_RATE);
    if settings.is_on(&at("min_rate/lock")) {
        minimum_cap = minimum_cap.min(rate("min_rate/default", BitRate(0)));
    }
    let default_policy = policy(settings.word(&at("policy/default")).unwrap_or("fair"));
    let policies = if settings.is_on(&at("policy/lock")) {
        vec![default_policy]
    } else {
        policies(settings.word(&at("policy/allowed")).unwrap_or("any"))
    };
    let authorized = settings.word(&format!("authorization/transfer/{way}/value"));
    Ok(FlowRules {
        authorized: authorized.is_none_or(|word| !word.eq_ignore_ascii_case("deny")),
        demands_token: authorized.is_some_and(|word| word.eq_ignore_ascii_case("token")),
        access,
        target_cap,
        target_default: target_default.min(target_cap),
        minimum_cap,
        policies,
        trunk: trunk(settings, way)?,
    })
}

/// The virtual link of one direction, if there is one and it is on.
fn trunk(settings: &Effective<'_>, way: &str) -> Outcome<Option<TrunkRule>> {
    let base = format!("transfer/{way}/bandwidth");
    let Some(id) = settings.trunk_id(&format!("{base}/aggregate/trunk_id")) else {
        return Ok(None);
    };
    let trunk = settings.trunk(id).ok_or_else(|| {
        let text = format!("<{base}/aggregate/trunk_id>: there is no trunk {id} in <trunks>");
        Failure::new(Fault::BadConfiguration, text)
    })?;
    let priority = settings.word(&format!("{base}/flow/priority/default"));
    let is_high = priority.is_some_and(|word| word.eq_ignore_ascii_case("high"));
    let way = if trunk.ignores_direction { "both" } else { way };
    Ok(trunk.on.then(|| TrunkRule {
        name: format!("{id}-{way}"),
        capacity_bps: trunk.capacity_bps,
        weight: if is_high { 2 } else { 1 },
        folder: settings.trunk_directory().to_owned(),
    }))
}

fn policy(word: &str) -> RatePolicy {
    match word.to_ascii_lowercase().as_str() {
        "fixed" => RatePolicy::Fixed,
        "high" => RatePolicy::High,
        "low" | "trickle" => RatePolicy::Low,
        _ => RatePolicy::Fair,
    }
}

fn policies(allowed: &str) -> Vec<RatePolicy> {
    let from_demanding = [RatePolicy::High, RatePolicy::Fair, RatePolicy::Low];
    if allowed.eq_ignore_ascii_case("any") {
        return RatePolicy::ALL.to_vec();
    }
    let most = policy(allowed);
    let rest = from_demanding
        .into_iter()
        .skip_while(|policy| *policy != most);
    rest.collect()
}

/// The setting behind `create,follow` and the like.
fn links(words: &str) -> LinkSetting {
    let says = |wanted: &str| {
        words
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case(wanted))
    };
    LinkSetting {
        create: says("create"),
        follow: says("follow"),
        follow_wide: says("follow_wide"),
    }
}

/// The suites behind a name of `allowed_cipher`; longer keys too, unless the server is strict.
fn suites(name: &str, strict: bool) -> Vec<CipherSuite> {
    let name = name.to_ascii_lowercase();
    match CipherWish::from_name(&name) {
        Some(wish) if strict => wish.exact_suites().to_vec(),
        Some(wish) => wish.suites().to_vec(),
        None => CipherSuite::ALL.to_vec(),
    }
}

#[cfg(test)]
mod tests;
