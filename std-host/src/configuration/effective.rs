//! What holds for one user: his own settings, then those of his groups, then everybody's, then what is built in.

use std::path::Path;

use super::elements::{self, Element};
use super::section::{Section, Setting};
use super::trunks::{DEFAULT_RUN_DIRECTORY, Trunk};
use super::{Configuration, Party, value};

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The user's own section, at this line.
    User(u32),
    /// The section of this group, at this line.
    Group(String, u32),
    /// `<default>`, at this line.
    Default(u32),
    /// Not in the file.
    BuiltIn,
}

/// Where a docroot is named.
const DOCROOT: &str = "file_system/access/paths/path/absolute";

/// What stands in one `<path>`. What it does not say holds as said by other sections, for all docroots alike.
#[derive(Clone, Copy, Debug)]
pub struct DocrootSettings<'a> {
    settings: &'a Effective<'a>,
    own: &'a Section,
    /// Which of the sections names the docroots.
    layer: usize,
}

impl<'a> DocrootSettings<'a> {
    fn found(&self, name: &str) -> (&'a [Setting], Origin) {
        let path = format!("file_system/access/paths/path/{name}");
        for (number, (layer, section)) in self.settings.sections.iter().enumerate() {
            let section = if number == self.layer {
                self.own
            } else {
                section
            };
            if let Some(values @ [first, ..]) = section.values(&path) {
                return (values, layer.origin(first.line));
            }
        }
        (&[], Origin::BuiltIn)
    }

    /// The text of the element `name` and where it comes from.
    #[must_use]
    pub fn text(&self, name: &str) -> (&'a str, Origin) {
        let (values, origin) = self.found(name);
        let built_in = || {
            let path = format!("file_system/access/paths/path/{name}");
            elements::session_element(&path).map_or("", |element| element.built_in)
        };
        let text = values.first().map(|setting| setting.text.as_str());
        (text.unwrap_or_else(built_in), origin)
    }

    /// Whether the element `name` says yes.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        value::boolean(self.text(name).0).unwrap_or(false)
    }

    /// The values of an element that may be repeated.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let (values, _) = self.found(name);
        values.iter().map(|setting| setting.text.as_str())
    }
}

/// The settings of one user.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    user: String,
    trunks: &'a [Trunk],
    trunk_directory: Option<&'a Path>,
    /// The sections to look in, the first that has a value decides.
    sections: Vec<(Layer<'a>, &'a Section)>,
}

#[derive(Clone, Debug)]
enum Layer<'a> {
    User,
    Group(&'a str),
    Default,
}

impl Layer<'_> {
    fn origin(&self, line: u32) -> Origin {
        match self {
            Layer::User => Origin::User(line),
            Layer::Group(name) => Origin::Group((*name).to_owned(), line),
            Layer::Default => Origin::Default(line),
        }
    }
}

impl<'a> Effective<'a> {
    pub(super) fn new(configuration: &'a Configuration, user: &str, groups: &[String]) -> Self {
        let own = configuration
            .users
            .iter()
            .filter(|party| party.name == user);
        let mut of_groups: Vec<&Party> = configuration
            .groups
            .iter()
            .filter(|party| groups.contains(&party.name))
            .collect();
        // Stable: of equal ones the first in the file.
        of_groups.sort_by_key(|party| party.precedence);
        let mut sections: Vec<(Layer<'a>, &'a Section)> =
            own.map(|party| (Layer::User, &party.section)).collect();
        sections.extend(
            of_groups
                .into_iter()
                .map(|party| (Layer::Group(&party.name), &party.section)),
        );
        sections.push((Layer::Default, &configuration.default));
        Self {
            user: user.to_owned(),
            trunks: &configuration.trunks,
            trunk_directory: configuration.trunk_directory.as_deref(),
            sections,
        }
    }

    /// Whose settings these are.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The virtual link with this number.
    #[must_use]
    pub fn trunk(&self, id: u8) -> Option<&'a Trunk> {
        self.trunks.iter().find(|trunk| trunk.id == id)
    }

    /// Where processes on one virtual link find one another.
    #[must_use]
    pub fn trunk_directory(&self) -> &'a Path {
        self.trunk_directory
            .unwrap_or_else(|| Path::new(DEFAULT_RUN_DIRECTORY))
    }

    fn found(&self, path: &str) -> Option<(&Layer<'a>, &'a [Setting])> {
        self.sections
            .iter()
            .find_map(|(layer, section)| Some((layer, section.values(path)?)))
    }

    /// The text of an element, and where it comes from.
    #[must_use]
    pub fn text(&self, element: &'static Element) -> (&'a str, Origin) {
        let Some((layer, [first, ..])) = self.found(element.path) else {
            return (element.built_in, Origin::BuiltIn);
        };
        (&first.text, layer.origin(first.line))
    }

    /// The docroots, as the section that says the first of them gives them; none if nothing says one.
    #[must_use]
    pub fn docroots(&self) -> Vec<DocrootSettings<'_>> {
        let names_one = |section: &Section| section.value(DOCROOT).is_some();
        let said_by = self
            .sections
            .iter()
            .position(|(_, section)| names_one(section));
        let Some((layer, (_, section))) = said_by.and_then(|at| Some((at, self.sections.get(at)?)))
        else {
            return Vec::new();
        };
        if self.word(DOCROOT).is_none() {
            return Vec::new();
        }
        let first = DocrootSettings {
            settings: self,
            own: section,
            layer,
        };
        let further = section.further_docroots().iter();
        let further = further.map(|own| DocrootSettings { own, ..first });
        std::iter::once(first).chain(further).collect()
    }

    /// The values of an element that may be repeated.
    pub fn list(&self, path: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let found = self.found(path).map_or(&[][..], |(_, values)| values);
        found.iter().map(|setting| setting.text.as_str())
    }

    /// The text of the element at `path`, if it says anything.
    #[must_use]
    pub fn word(&self, path: &str) -> Option<&'a str> {
        let found = self.found(path).and_then(|(_, values)| values.first());
        let text = match found {
            Some(setting) => setting.text.as_str(),
            None => elements::session_element(path)?.built_in,
        };
        (!text.is_empty()).then_some(text)
    }

    /// The text of the element at `path` if the file has it.
    #[must_use]
    pub fn said(&self, path: &str) -> Option<&'a str> {
        let (_, values) = self.found(path)?;
        Some(values.first()?.text.as_str()).filter(|text| !text.is_empty())
    }

    /// A rate in bit/s; `u64::MAX` without a limit.
    #[must_use]
    pub fn rate(&self, path: &str) -> Option<u64> {
        value::rate(self.word(path)?)
    }

    /// Whether the element says yes.
    #[must_use]
    pub fn is_on(&self, path: &str) -> bool {
        self.word(path).and_then(value::boolean).unwrap_or(false)
    }

    /// The number of a trunk, if there is one.
    #[must_use]
    pub fn trunk_id(&self, path: &str) -> Option<u8> {
        value::trunk_id(self.word(path)?)?
    }

    /// A whole number.
    #[must_use]
    pub fn number(&self, path: &str) -> Option<u64> {
        self.word(path)?.parse().ok()
    }

    /// Permission bits, if they are not left open.
    #[must_use]
    pub fn mode(&self, path: &str) -> Option<u32> {
        value::mode(self.word(path)?)?
    }
}
