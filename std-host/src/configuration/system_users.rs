//! Accounts of this system, as far as a configuration needs them: name, home folder, groups.
//!
//! Source: passwd(5), group(5). Accounts of a directory service are not seen; groups are matched by the name in the file.

use std::path::Path;

/// An account.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SystemUser {
    /// Login name.
    pub name: String,
    /// Home folder, if it has one.
    pub home: Option<String>,
    /// The names of its groups, the primary one first.
    pub groups: Vec<String>,
}

impl SystemUser {
    /// The account `name`; without home and groups if the system has none of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let [passwd, group] = ["/etc/passwd", "/etc/group"].map(read);
        find(&passwd, &group, |fields| fields.first() == Some(&name)).unwrap_or_else(|| Self {
            name: name.to_owned(),
            ..Self::default()
        })
    }

    /// The account this process runs as.
    #[must_use]
    pub fn own() -> Option<Self> {
        let [passwd, group] = ["/etc/passwd", "/etc/group"].map(read);
        let uid = rustix::process::getuid().as_raw().to_string();
        find(&passwd, &group, |fields| {
            fields.get(2) == Some(&uid.as_str())
        })
    }
}

fn read(path: &str) -> String {
    let bytes = std::fs::read(Path::new(path)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first account of `passwd` that is the one meant.
fn find(passwd: &str, group: &str, is_meant: impl Fn(&[&str]) -> bool) -> Option<SystemUser> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 6 && is_meant(fields))?;
    let [name, _, _, gid, _, home, ..] = fields[..] else {
        return None;
    };
    let mut groups = Vec::new();
    for line in group.lines() {
        let [group, _, id, members] = line.splitn(4, ':').collect::<Vec<_>>()[..] else {
            continue;
        };
        if id == gid {
            groups.insert(0, group.to_owned());
        } else if members.split(',').any(|member| member.trim() == name) {
            groups.push(group.to_owned());
        }
    }
    Some(SystemUser {
        name: name.to_owned(),
        home: home.starts_with('/').then(|| home.to_owned()),
        groups,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_home_and_its_groups() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n# no line\nxfer:x:1001:50:A,B:/srv/xfer:/bin/sh\n";
        let group = "root:x:0:\nadmin:x:9:root,xfer\nstaff:x:50:\nmedia:x:60: xfer\nshort\n";
        let user = find(passwd, group, |fields| fields.first() == Some(&"xfer")).unwrap();
        assert_eq!(user.home.as_deref(), Some("/srv/xfer"));
        assert_eq!(user.groups, ["staff", "admin", "media"]);
        assert_eq!(
            find(passwd, group, |fields| fields.first() == Some(&"x")),
            None
        );
    }

    #[test]
    fn a_name_that_the_system_does_not_know_has_nothing() {
        let user = SystemUser::named("no such user");
        assert_eq!((user.home, user.groups.len()), (None, 0));
    }
}
