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

    /// Adds a value; `false` if there was one.
    pub(super) fn add(&mut self, path: &'static str, setting: Setting) -> bool {
        let values = self.settings.entry(path).or_default();
        values.push(setting);
        values.len() == 1
    }
}
