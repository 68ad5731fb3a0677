//! Commands besides transfers that `aspshell` runs for a user, because `aspera.conf` says so.

use crate::configuration::{self, Configuration, Effective, SystemUser};

/// The words of `command`, if the configuration of this system allows just these words to the user of this process.
///
/// A file that is wrong or a user without a name allows nothing.
#[must_use]
pub fn allowed_command(command: &[u8]) -> Option<Vec<String>> {
    let configuration = Configuration::read(&configuration::find()?).ok()?;
    let own = SystemUser::own()?;
    let settings = configuration.for_user(&own.name, &own.groups);
    listed(&settings, std::str::from_utf8(command).ok()?)
}

/// Compared word by word: blanks between them say nothing, and quotes mean themselves.
fn listed(settings: &Effective<'_>, command: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let mut allowed = settings.list("aspshell_commands/command");
    let is_listed = allowed.any(|allowed| allowed.split_whitespace().eq(words.iter().copied()));
    (is_listed && !words.is_empty()).then(|| words.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_that_are_listed_are_a_command() {
        let text = "<CONF><default><aspshell_commands><command>/bin/df  -h /srv</command>\
                    <command>/bin/date</command></aspshell_commands></default></CONF>";
        let configuration = Configuration::parse(text).unwrap();
        let settings = configuration.for_user("bob", &[]);
        let df = listed(&settings, " /bin/df -h   /srv").unwrap();
        assert_eq!(df, ["/bin/df", "-h", "/srv"]);
        assert!(listed(&settings, "/bin/date").is_some());
        for other in [
            "",
            " ",
            "/bin/df -h",
            "/bin/df -h /srv /etc",
            "/bin/date; id",
            "df -h /srv",
            "/bin/date -s x",
        ] {
            assert_eq!(listed(&settings, other), None, "{other}");
        }
        let wrong = text.replace("/bin/date", "date");
        assert!(
            Configuration::parse(&wrong)
                .unwrap_err()
                .contains("absolute path of a program")
        );
    }
}
