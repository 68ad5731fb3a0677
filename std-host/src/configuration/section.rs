//! The settings of `<default>`, of one user or of one group, as text that was checked.

use std::collections::BTreeMap;

/// One value and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The text without blanks around it.
    pub text: String,
    /// Its line in the file, from 1.
    pub line: u32,
}

/// Values by the path of their element; elements that are not there are absent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Section {
    settings: BTreeMap<&'static str, Vec<Setting>>,
    /// What stands in the second `<path>` of the docroots and in those after it.
    further_docroots: Vec<Self>,
}

impl Section {
    /// The values of an element, in the order of the file.
    #[must_use]
    pub fn values(&self, path: &str) -> Option<&[Setting]> {
        self.settings.get(path).map(Vec::as_slice)
    }

    /// The value of an element that has one.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<&Setting> {
        self.values(path)?.first()
    }

    /// What stands in the second `<path>` of the docroots and in those after it.
    #[must_use]
    pub fn further_docroots(&self) -> &[Self] {
        &self.further_docroots
    }

    pub(super) fn add_docroot(&mut self, docroot: Self) {
        self.further_docroots.push(docroot);
    }

    /// Takes the values of `other` at `from` for the element `path`, if it has none.
    pub(super) fn fall_back(&mut self, path: &'static str, other: &Self, from: &str) {
        if let (None, Some(values)) = (self.values(path), other.values(from)) {
            self.settings.insert(path, values.to_vec());
        }
    }

    /// Adds a value; `false` if there was one.
    pub(super) fn add(&mut self, path: &'static str, setting: Setting) -> bool {
        let values = self.settings.entry(path).or_default();
        values.push(setting);
        values.len() == 1
    }
}
