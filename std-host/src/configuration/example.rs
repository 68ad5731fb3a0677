//! A commented `aspera.conf` to begin with: `ascpd --config-example`.
//!
//! Everything that this program can do stands in it as a comment with what holds without it, so the file says nothing
//! but its docroot. It is made from the table of elements.

use std::fmt::Write as _;

use super::elements::{CLIENT, Element, LOGGING, SERVER, SESSION, TRUNK};

/// What comes before the sections.
const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!-- Rights and limits of an ascp server. Take an element out of its comment to change what holds without it.
     A user goes before his groups, the group with the lowest precedence before others, and all of them before default.
     What a file means for somebody: ascpd -f FILE, with the option check-config USER. -->
<CONF version=\"2\">
";

/// Users, groups and a link, which limit nobody before they are changed.
const PARTIES: &str = "  <aaa><realms><realm>
    <users>
      <!-- The same elements as in default, for one login name. -->
      <user>
        <name>nobody-in-particular</name>
        <!-- <transfer><in><bandwidth><flow><target_rate><cap>100M</cap></target_rate></flow></bandwidth></in></transfer> -->
      </user>
    </users>
    <groups>
      <!-- And for a group of the system. -->
      <group>
        <name>nogroup-in-particular</name>
        <precedence>10</precedence>
        <!-- <authorization><transfer><in><value>deny</value></in></transfer></authorization> -->
      </group>
    </groups>
  </realm></realms></aaa>
  <trunks>
    <!-- Where server programs find one another; the same for all of them. -->
    <!-- <run_directory>/run/ascp</run_directory> -->
    <!-- A rate that all sessions with this trunk_id share. -->
    <trunk>
      <id>1</id>
";

/// The text of the file.
#[must_use]
pub fn example_file() -> String {
    let mut text = OPENING.to_owned();
    section(&mut text, "default", SESSION, "  ");
    text.push_str(PARTIES);
    let rest: Vec<&Element> = TRUNK.iter().filter(|row| row.path != "id").collect();
    inside(&mut text, &rest, "      ");
    text.push_str("    </trunk>\n  </trunks>\n");
    section(&mut text, "logging", LOGGING, "  ");
    section(&mut text, "server", SERVER, "  ");
    section(&mut text, "client", CLIENT, "  ");
    text.push_str("</CONF>\n");
    text
}

fn section(text: &mut String, name: &str, elements: &'static [Element], indent: &str) {
    let _ = writeln!(text, "{indent}<{name}>");
    let rows: Vec<&Element> = elements.iter().collect();
    inside(text, &rows, &format!("{indent}  "));
    let _ = writeln!(text, "{indent}</{name}>");
}

/// Writes those of `rows` that do something, each in the elements that hold it.
fn inside(text: &mut String, rows: &[&Element], indent: &str) {
    let mut rows: Vec<(Vec<&str>, &Element)> = rows
        .iter()
        .filter(|row| row.treatment.is_in_use())
        .map(|row| (row.path.split('/').collect(), *row))
        .collect();
    // Stable: what one element holds stands together, in the order of the table.
    rows.sort_by(|(one, _), (other, _)| parents(one).cmp(parents(other)));
    let mut open: Vec<&str> = Vec::new();
    for (names, row) in rows {
        let wanted = parents(&names).to_vec();
        let common = open.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        while open.len() > common {
            let name = open.pop().unwrap_or_default();
            let _ = writeln!(text, "{indent}{}</{name}>", "  ".repeat(open.len()));
        }
        for name in wanted.into_iter().skip(common) {
            let _ = writeln!(text, "{indent}{}<{name}>", "  ".repeat(open.len()));
            open.push(name);
        }
        let deeper = format!("{indent}{}", "  ".repeat(open.len()));
        write_row(
            text,
            &deeper,
            names.last().copied().unwrap_or_default(),
            row,
        );
    }
    while let Some(name) = open.pop() {
        let _ = writeln!(text, "{indent}{}</{name}>", "  ".repeat(open.len()));
    }
}

fn parents<'n, 's>(names: &'n [&'s str]) -> &'n [&'s str] {
    names.split_last().map_or(&[], |(_, parents)| parents)
}

fn write_row(text: &mut String, indent: &str, name: &str, row: &Element) {
    let meaning = row.treatment.meaning().replace("--", "");
    let _ = writeln!(
        text,
        "{indent}<!-- {meaning}.\n{indent}     {}. -->",
        row.kind.describe()
    );
    let _ = if row.path.ends_with("paths/path/absolute") {
        writeln!(text, "{indent}<{name}>/srv/ascp/$(name)</{name}>")
    } else {
        writeln!(text, "{indent}<!-- <{name}>{}</{name}> -->", row.built_in)
    };
}
