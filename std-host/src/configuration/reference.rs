//! The table of all elements, for people: `ascpd --config-reference`.

use std::fmt::Write as _;

use super::client_elements;
use super::elements::{
    CLIENT, Element, FOREIGN, LOGGING, SERVER, SESSION, TRUNK, TRUNKS, Treatment,
};

/// Every element, section by section: its values, what holds without it, what this program does with it.
#[must_use]
pub fn reference_table() -> String {
    let mut text = String::new();
    let sections = [
        ("default, user, group", SESSION),
        ("client", CLIENT),
        ("server", SERVER),
        ("trunks", TRUNKS),
        ("trunks/trunk", TRUNK),
        ("logging", LOGGING),
    ];
    for (name, elements) in sections {
        let _ = writeln!(text, "{name}\n");
        for (title, wanted) in [
            ("In use", Treatment::is_in_use as fn(Treatment) -> bool),
            ("Refused unless harmless", Treatment::is_guard),
            ("Known, without effect", Treatment::is_unused),
        ] {
            let rows: Vec<_> = elements
                .iter()
                .filter(|row| wanted(row.treatment))
                .collect();
            if rows.is_empty() {
                continue;
            }
            let _ = writeln!(text, "  {title}:");
            rows.into_iter().for_each(|row| describe(&mut text, row));
            text.push('\n');
        }
    }
    let _ = writeln!(
        text,
        "What ascp takes of default, user and group as a client:\n"
    );
    for (path, meaning) in client_elements::TAKEN {
        let _ = writeln!(text, "    {path}\n        {meaning}.");
    }
    text.push('\n');
    let _ = writeln!(
        text,
        "Sections that are not looked at: {}.",
        FOREIGN.join(", ")
    );
    text
}

fn describe(text: &mut String, row: &Element) {
    let default = if row.built_in.is_empty() {
        "nothing"
    } else {
        row.built_in
    };
    let _ = writeln!(text, "    {}", row.path);
    let _ = match row.treatment {
        Treatment::Works(meaning) => writeln!(
            text,
            "        {}; default: {default}\n        {meaning}.",
            row.kind.describe()
        ),
        Treatment::Guards([]) | Treatment::Unused => Ok(()),
        Treatment::Guards(harmless) => writeln!(text, "        may be: {}", harmless.join(", ")),
    };
}
