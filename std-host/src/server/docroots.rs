//! The trees that the sessions of one user may not leave, and what each of them is open for.

use std::path::{Component, Path, PathBuf};

use fasp_core::fault::Fault;

use crate::configuration::{DocrootSettings, Effective};
use crate::failure::{Failure, Outcome};
use crate::storage::docroot::Docroot;
use crate::storage::restrictions::Restrictions;

/// One tree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocrootRule {
    /// Where it is.
    pub path: PathBuf,
    /// The path under which clients see it, with `/` in front.
    pub shown_as: String,
    /// Whether it may be read from.
    pub reads: bool,
    /// Whether it may be written to.
    pub writes: bool,
    /// Whether its folders may be listed.
    pub lists: bool,
    /// What exists of it; everything without them.
    pub restrictions: Option<Restrictions>,
}

/// What a session needs of a tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Need {
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// The trees of the user of `settings`, whose home folder is `home`.
///
/// # Errors
///
/// [`Fault::BadConfiguration`]: a path that needs a home folder where there is none, a user name that is no name of a
/// folder, or two trees that are seen under one path.
pub(super) fn rules(settings: &Effective<'_>, home: Option<&str>) -> Outcome<Vec<DocrootRule>> {
    let mut rules: Vec<DocrootRule> = Vec::new();
    for docroot in settings.docroots() {
        let rule = rule(&docroot, settings.user(), home, rules.is_empty())?;
        if rules.iter().any(|other| other.shown_as == rule.shown_as) {
            let text = format!(
                "two docroots are seen as {}; give {} another <show_as>",
                rule.shown_as,
                rule.path.display()
            );
            return Err(Failure::new(Fault::BadConfiguration, text));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// Opens the trees for a session that needs this of them; those that are closed to it are seen and cannot be opened.
///
/// # Errors
///
/// As [`Docroot::confined`].
pub(super) fn open(rules: &[DocrootRule], need: Need) -> Outcome<Docroot> {
    let mut parts = Vec::new();
    for rule in rules {
        let barred = need.reads && !rule.reads || need.writes && !rule.writes;
        let part = Docroot::confined(&rule.path)?
            .ruled(rule.restrictions.clone(), rule.lists)?
            .shown_as(rule.shown_as.as_bytes(), barred);
        parts.push(part);
    }
    Docroot::joined(parts)
}

fn rule(
    docroot: &DocrootSettings<'_>,
    user: &str,
    home: Option<&str>,
    is_first: bool,
) -> Outcome<DocrootRule> {
    let path = docroot_path(docroot.text("absolute").0, user, home)?;
    let shown_as = match (docroot.text("show_as").0, is_first) {
        ("", true) => "/".to_owned(),
        ("", false) => {
            let name = path.file_name().unwrap_or_default();
            format!("/{}", name.to_string_lossy())
        }
        (text, _) => text.replace("$(name)", user),
    };
    Ok(DocrootRule {
        shown_as: usable_path(&shown_as)?,
        path,
        reads: docroot.is_on("read_allowed"),
        writes: docroot.is_on("write_allowed"),
        lists: docroot.is_on("dir_allowed"),
        restrictions: Restrictions::new(docroot.list("restrictions/restriction")),
    })
}

/// `/a/b`, whatever slashes there are.
fn usable_path(text: &str) -> Outcome<String> {
    let wrong = || {
        let text = format!("<show_as> {text}: it must be an absolute path without . and ..");
        Failure::new(Fault::BadConfiguration, text)
    };
    let mut components = Path::new(text).components();
    if components.next() != Some(Component::RootDir) {
        return Err(wrong());
    }
    let mut path = String::new();
    for component in components {
        match component {
            Component::Normal(name) => {
                path.push('/');
                path.push_str(&name.to_string_lossy());
            }
            _ => return Err(wrong()),
        }
    }
    Ok(if path.is_empty() {
        "/".to_owned()
    } else {
        path
    })
}

/// The folder with `$(name)` and `$(home)` put in.
pub(crate) fn docroot_path(text: &str, user: &str, home: Option<&str>) -> Outcome<PathBuf> {
    let bad = |why: String| Failure::new(Fault::BadConfiguration, format!("docroot {text}: {why}"));
    if text.contains("$(name)") && (user.is_empty() || user.starts_with('.') || user.contains('/'))
    {
        return Err(bad(
            "the user's name cannot be the name of a folder".to_owned()
        ));
    }
    let mut path = text.replace("$(name)", user);
    if path.contains("$(home)") {
        let home = home.ok_or_else(|| bad("the user has no home folder".to_owned()))?;
        path = path.replace("$(home)", home);
    }
    if !path.starts_with('/') {
        return Err(bad("it must be an absolute path".to_owned()));
    }
    Ok(PathBuf::from(path))
}
