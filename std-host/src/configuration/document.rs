//! From the text of a file to a [`Configuration`]: sections, elements, checks, warnings.
//!
//! The XML itself is read by `roxmltree`, which knows lines and refuses document types and entities of its own.

use roxmltree::{Document, Node, ParsingOptions};

use super::client_elements;
use super::elements::{
    CLIENT, Element, FOREIGN, LOGGING, SERVER, SESSION, TRUNK, Treatment, session_element,
};
use super::section::{Section, Setting};
use super::trunks::Trunk;
use super::value;
use super::{Audience, Configuration, Party};

/// Most elements of a file.
const MOST_NODES: u32 = 500_000;
/// Elements within elements; what is known has far fewer.
const MOST_DEPTH: usize = 16;
/// Holds the docroots.
const DOCROOTS: &str = "file_system/access/paths";
/// Docroots of one party.
const MOST_DOCROOTS: usize = 64;
/// The one element that says something by being empty: that there is no docroot.
const DOCROOT: &str = "file_system/access/paths/path/absolute";

/// Reads a file for `audience`.
pub(super) fn read(text: &str, audience: Audience) -> Result<Configuration, String> {
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| format!("line {}: {error}", error.pos().row))?;
    let root = document.root_element();
    let mut reader = Reader {
        document: &document,
        audience,
        made: Configuration::default(),
        logging: Section::default(),
    };
    if root.tag_name().name() != "CONF" {
        return Err(reader.at(root, "the outermost element must be <CONF>"));
    }
    for node in elements(root) {
        reader.top(node)?;
    }
    for element in LOGGING {
        let name = element.path.replace("log_setting/", "logging/");
        if let Some(own) = session_element(&name) {
            let default = &mut reader.made.default;
            default.fall_back(own.path, &reader.logging, element.path);
        }
    }
    Ok(reader.made)
}

struct Reader<'a, 'input> {
    document: &'a Document<'input>,
    audience: Audience,
    made: Configuration,
    /// The top-level `<logging>`.
    logging: Section,
}

type Inner<'a, 'input> = Node<'a, 'input>;

impl<'a, 'input> Reader<'a, 'input> {
    fn line(&self, node: Inner<'a, 'input>) -> u32 {
        self.document.text_pos_at(node.range().start).row
    }

    fn at(&self, node: Inner<'a, 'input>, what: &str) -> String {
        format!("line {}: {what}", self.line(node))
    }

    fn warn(&mut self, node: Inner<'a, 'input>, what: &str) {
        let warning = self.at(node, what);
        self.made.warnings.push(warning);
    }

    fn top(&mut self, node: Inner<'a, 'input>) -> Result<(), String> {
        match node.tag_name().name() {
            // What servers do is none of a client's business, right or wrong.
            "server" | "trunks" if self.audience == Audience::Client => {}
            "default" => self.made.default = self.section(node, SESSION)?,
            "client" => self.made.client = self.section(node, CLIENT)?,
            "server" => self.made.server = self.section(node, SERVER)?,
            "aaa" => self.realms(node)?,
            "trunks" => self.trunks(node)?,
            "logging" => self.logging = self.section(node, LOGGING)?,
            name if FOREIGN.contains(&name) => {
                self.warn(node, &format!("<{name}> is not used by this program"));
            }
            name => self.warn(node, &format!("unknown element <{name}> is ignored")),
        }
        Ok(())
    }

    fn realms(&mut self, aaa: Inner<'a, 'input>) -> Result<(), String> {
        let realms = elements(aaa).filter(|node| node.has_tag_name("realms"));
        let realms: Vec<_> = realms.flat_map(elements).collect();
        for realm in realms.into_iter().filter(|node| node.has_tag_name("realm")) {
            for list in elements(realm) {
                match list.tag_name().name() {
                    "users" => {
                        for node in elements(list) {
                            let user = self.party(node, "user")?;
                            self.made.users.push(user);
                        }
                    }
                    "groups" => {
                        for node in elements(list) {
                            let group = self.party(node, "group")?;
                            self.made.groups.push(group);
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn party(&mut self, node: Inner<'a, 'input>, expected: &str) -> Result<Party, String> {
        if !node.has_tag_name(expected) {
            let name = node.tag_name().name();
            return Err(self.at(node, &format!("<{name}> stands where <{expected}> must be")));
        }
        let name = child_text(node, "name");
        if name.is_empty() {
            return Err(self.at(node, &format!("a <{expected}> without a <name>")));
        }
        let precedence = child_text(node, "precedence");
        let precedence = match precedence.as_str() {
            "" => 1_000,
            number => number.parse().map_err(|_| {
                self.at(
                    node,
                    &format!("<precedence>: \"{number}\" is not a whole number"),
                )
            })?,
        };
        Ok(Party {
            name,
            precedence,
            section: self.section(node, SESSION)?,
        })
    }

    fn section(
        &mut self,
        node: Inner<'a, 'input>,
        known: &'static [Element],
    ) -> Result<Section, String> {
        let mut section = Section::default();
        for child in elements(node) {
            let name = child.tag_name().name();
            if matches!(name, "name" | "precedence") {
                continue;
            }
            self.inside(child, name.to_owned(), known, &mut section)?;
        }
        Ok(section)
    }

    /// Takes what stands at `path`: a value, or elements within.
    fn inside(
        &mut self,
        node: Inner<'a, 'input>,
        path: String,
        known: &'static [Element],
        section: &mut Section,
    ) -> Result<(), String> {
        if let Some(element) = known.iter().find(|element| element.path == path) {
            return self.value(node, element, section);
        }
        let leads_on = known.iter().any(|element| {
            let rest = element.path.strip_prefix(path.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        });
        if !leads_on || path.split('/').count() > MOST_DEPTH {
            self.warn(node, &format!("unknown element <{path}> is ignored"));
            return Ok(());
        }
        if path == DOCROOTS {
            return self.docroots(node, known, section);
        }
        for child in elements(node) {
            let name = child.tag_name().name();
            self.inside(child, format!("{path}/{name}"), known, section)?;
        }
        Ok(())
    }

    /// The first `<path>` has the elements that stand in the section; each further one is a section of its own.
    fn docroots(
        &mut self,
        node: Inner<'a, 'input>,
        known: &'static [Element],
        section: &mut Section,
    ) -> Result<(), String> {
        let several = elements(node).filter(|child| child.has_tag_name("path"));
        let several = several.count() > 1;
        let mut is_first = true;
        for child in elements(node) {
            let path = format!("{DOCROOTS}/{}", child.tag_name().name());
            if !child.has_tag_name("path") {
                self.inside(child, path, known, section)?;
                continue;
            }
            if several && child_text(child, "absolute").is_empty() {
                let what = "one of several <path> without a folder in <absolute>";
                return Err(self.at(child, what));
            }
            if is_first {
                self.inside(child, path, known, section)?;
            } else {
                let mut docroot = Section::default();
                self.inside(child, path, known, &mut docroot)?;
                section.add_docroot(docroot);
            }
            is_first = false;
            if section.further_docroots().len() >= MOST_DOCROOTS {
                return Err(self.at(child, &format!("more than {MOST_DOCROOTS} <path>")));
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        node: Inner<'a, 'input>,
        element: &'static Element,
        section: &mut Section,
    ) -> Result<(), String> {
        let text = node.text().unwrap_or_default().trim().to_owned();
        let name = element.path;
        if self.audience == Audience::Client && !client_elements::takes(element) {
            self.warn(node, &format!("<{name}> does nothing for a client"));
            return Ok(());
        }
        if elements(node).next().is_some() {
            return Err(self.at(node, &format!("<{name}> holds elements instead of a value")));
        }
        if text.is_empty() && name != DOCROOT {
            return Ok(());
        }
        element
            .kind
            .check(&text)
            .and_then(|()| treated(element, &text))
            .map_err(|why| self.at(node, &format!("<{name}>: \"{}\" {why}", shown(&text))))?;
        let usual = text.eq_ignore_ascii_case(element.built_in);
        if element.treatment == Treatment::Unused && !usual {
            self.warn(node, &format!("<{name}> has no effect in this program"));
        }
        let line = self.line(node);
        if !section.add(name, Setting { text, line }) && !element.kind.repeats() {
            return Err(self.at(node, &format!("<{name}> is given twice")));
        }
        Ok(())
    }

    fn trunks(&mut self, node: Inner<'a, 'input>) -> Result<(), String> {
        for node in elements(node) {
            match node.tag_name().name() {
                "run_directory" => {
                    let text = node.text().unwrap_or_default().trim();
                    if !text.starts_with('/') {
                        return Err(self.at(node, "<run_directory> must be an absolute path"));
                    }
                    self.made.trunk_directory = Some(text.into());
                }
                "trunk" => {
                    let trunk = self.trunk(node)?;
                    self.made.trunks.push(trunk);
                }
                name => self.warn(node, &format!("unknown element <{name}> is ignored")),
            }
        }
        Ok(())
    }

    fn trunk(&mut self, node: Inner<'a, 'input>) -> Result<Trunk, String> {
        let section = self.section(node, TRUNK)?;
        let text = |path: &str| section.value(path).map(|setting| setting.text.as_str());
        let id = text("id").unwrap_or_default();
        let Some(id) = id.parse().ok().filter(|id| *id > 0) else {
            let what = format!("<id>: \"{}\" is not a number from 1 to 255", shown(id));
            return Err(self.at(node, &what));
        };
        let capacity = text("capacity/schedule").unwrap_or("50000");
        let Some(capacity_bps) = value::rate(capacity).filter(|rate| *rate > 0) else {
            let what = format!("<schedule>: \"{}\" is not a rate", shown(capacity));
            return Err(self.at(node, &what));
        };
        if self.made.trunks.iter().any(|trunk| trunk.id == id) {
            return Err(self.at(node, &format!("trunk {id} is given twice")));
        }
        let is_on = |path: &str| text(path).and_then(value::boolean).unwrap_or(false);
        Ok(Trunk {
            id,
            name: child_text(node, "name"),
            on: is_on("on"),
            capacity_bps,
            ignores_direction: is_on("ignore_direction"),
        })
    }
}

/// Whether this program can do what the value asks for.
fn treated(element: &Element, text: &str) -> Result<(), String> {
    let usual = text.eq_ignore_ascii_case(element.built_in);
    match element.treatment {
        Treatment::Guards(harmless)
            if !usual && !harmless.iter().any(|word| word.eq_ignore_ascii_case(text)) =>
        {
            Err("asks for a protection that this version does not have".to_owned())
        }
        _ => Ok(()),
    }
}

fn elements<'a, 'input: 'a>(
    node: Node<'a, 'input>,
) -> impl Iterator<Item = Node<'a, 'input>> + use<'a, 'input> {
    node.children().filter(Node::is_element)
}

fn child_text(node: Node<'_, '_>, name: &str) -> String {
    let child = elements(node).find(|child| child.has_tag_name(name));
    let text = child.and_then(|child| child.text()).unwrap_or_default();
    text.trim().to_owned()
}

/// A value in a sentence: short, and nothing that could write on a terminal.
fn shown(text: &str) -> String {
    let printable = text.chars().filter(|letter| !letter.is_control());
    printable.take(60).collect()
}
