//! Giving up root for good: the daemon then serves everybody as one user of the system.
//!
//! There is one process for all sessions, so they share that user's rights; docroots and rules keep them apart.
//! Must happen before the first thread is started, which takes over what holds then.

use fasp_core::fault::Fault;
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::failure::{Failure, Outcome};

/// Becomes the user `name` of this system.
///
/// # Errors
///
/// [`Fault::BadConfiguration`] if there is none, it is root, or the system refuses.
pub(super) fn become_user(name: &str) -> Outcome<()> {
    let wrong = |why: &str| {
        let text = format!("--run-as {name}: {why}");
        Failure::new(Fault::BadConfiguration, text)
    };
    let passwd = std::fs::read_to_string("/etc/passwd").map_err(|_| wrong("no /etc/passwd"))?;
    let (uid, gid) = ids(&passwd, name).ok_or_else(|| wrong("there is no such user"))?;
    if uid == 0 || gid == 0 {
        return Err(wrong("this user is root"));
    }
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if geteuid() == user {
        return Ok(());
    }
    let group_file = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let mut groups = vec![group];
    groups.extend(more_groups(&group_file, name).map(Gid::from_raw));
    set_thread_groups(&groups)
        .and_then(|()| set_thread_res_gid(group, group, group))
        .and_then(|()| set_thread_res_uid(user, user, user))
        .map_err(|error| wrong(&error.to_string()))?;
    let root = Uid::from_raw(0);
    if geteuid() != user || set_thread_res_uid(root, root, root).is_ok() {
        return Err(wrong("root could be had back"));
    }
    Ok(())
}

fn ids(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&name))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Groups without root's: nobody serves files with those.
fn more_groups<'a>(group: &'a str, name: &'a str) -> impl Iterator<Item = u32> + 'a {
    group.lines().filter_map(move |line| {
        let [_, _, id, members] = line.splitn(4, ':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let is_in = members.split(',').any(|member| member.trim() == name);
        id.parse().ok().filter(|id| is_in && *id != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_his_numbers_and_no_group_of_root() {
        let passwd = "root:x:0:0::/:/bin/sh\nxfer:x:1001:50::/srv:/bin/sh\n";
        assert_eq!(ids(passwd, "xfer"), Some((1001, 50)));
        assert_eq!(ids(passwd, "xf"), None);
        let group = "root:x:0:xfer\nmedia:x:60:a, xfer\nother:x:61:a\n";
        assert_eq!(more_groups(group, "xfer").collect::<Vec<_>>(), [60]);
    }
}
