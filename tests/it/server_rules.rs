//! What `aspera.conf` says about files, records and links, at the real server: whatever the client asks for.

mod docroots;
mod elements;
mod links;
mod restrictions;
mod trunks;
mod under_sshd;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use fasp_tests::binaries;
use fasp_tests::client::{Ascp, Outcome};
use fasp_tests::process::Running;
use fasp_tests::server::{Ascpd, Server};
use fasp_tests::tree;
use fasp_tests::world::World;

/// `<a><b>value</b></a>` for `a/b`.
pub(crate) fn nested(path: &str, value: &str) -> String {
    path.split('/').rev().fold(value.to_owned(), |inner, name| {
        format!("<{name}>{inner}</{name}>")
    })
}

/// A daemon with this configuration, which may not want to start.
pub(crate) fn daemon_of(world: &World, configuration: &Path) -> Running {
    let folder = world.server_folder();
    let mut command = Command::new(binaries::ascpd());
    command
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--user", "user", "--docroot"])
        .arg(world.remote(""))
        .arg("--authorized-keys")
        .arg(folder.join("authorized_keys"))
        .arg("--host-key")
        .arg(folder.join("host_key"))
        .arg("-f")
        .arg(configuration)
        .stdin(Stdio::null());
    Running::start(command)
}

/// Rows with this element have the docroots that it says, where `@ROOT@` stands for `remote/uN`.
pub(crate) const DOCROOTS: &str = "file_system/access/paths";

/// One daemon with as many users as there are settings, all of them with the world's key.
pub(crate) struct Users {
    pub(crate) world: World,
    pub(crate) server: Server,
}

impl Users {
    /// User `uN` has the elements of row N and the docroot `remote/uN`.
    pub(crate) fn of(rows: &[&[(&str, &str)]]) -> Self {
        let world = World::new();
        let mut users = String::new();
        let folder = world.server_folder();
        for (number, elements) in rows.iter().enumerate() {
            let name = format!("u{number}");
            let root = world.remote(&name);
            fs::create_dir(&root).unwrap();
            fs::write(
                folder.join(format!("{name}.keys")),
                format!("{}\n", world.authorized_key()),
            )
            .unwrap();
            let docroot = "file_system/access/paths/path/absolute";
            users.push_str(&format!("<user><name>{name}</name>"));
            if !elements.iter().any(|(path, _)| *path == DOCROOTS) {
                users.push_str(&nested(docroot, &root.to_string_lossy()));
            }
            for (path, value) in *elements {
                let value = value.replace("@ROOT@", &root.to_string_lossy());
                users.push_str(&nested(path, &value));
            }
            users.push_str("</user>");
        }
        let text = format!(
            "<CONF><aaa><realms><realm><users>{users}</users></realm></realms></aaa></CONF>"
        );
        let path = folder.join("aspera.conf");
        fs::write(&path, text).unwrap();
        let udp = fasp_tests::server::free_udp_port();
        let ascpd = Ascpd::new(&world).with(|command| {
            *command = Command::new(binaries::ascpd());
            command
                .env_clear()
                .arg("--authorized-keys")
                .arg(folder.join("%u.keys"))
                .arg("--host-key")
                .arg(folder.join("host_key"))
                .args(["--udp-port", &udp.to_string()])
                .arg("-f")
                .arg(&path);
        });
        Self {
            server: ascpd.start(),
            world,
        }
    }

    /// `user@host:path` for the user of row `number`.
    pub(crate) fn at(&self, number: usize, path: &str) -> String {
        format!("u{number}@127.0.0.1:{path}")
    }

    pub(crate) fn ascp(&self) -> Ascp {
        Ascp::to(&self.world, &self.server)
    }

    /// Uploads `source`, a path of the client's folder.
    pub(crate) fn up(&self, number: usize, options: &[&str], source: &str, to: &str) -> Outcome {
        let ascp = self.ascp().args(options).arg("-L-");
        ascp.arg(source).arg(self.at(number, to)).run()
    }

    /// Downloads `source` into a folder of its own, whose name is `into`.
    pub(crate) fn down(
        &self,
        number: usize,
        options: &[&str],
        source: &str,
        into: &str,
    ) -> Outcome {
        fs::create_dir_all(self.world.local(into)).unwrap();
        let ascp = self.ascp().args(options).arg("-L-");
        ascp.arg(self.at(number, source)).arg(into).run()
    }

    /// A file of the client.
    pub(crate) fn local(&self, path: &str, size: u64) {
        let path = self.world.local(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        tree::write_file(&path, 1, size);
    }

    /// A file of the user of row `number`.
    pub(crate) fn remote(&self, number: usize, path: &str, size: u64) {
        let path = self.world.remote(format!("u{number}/{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        tree::write_file(&path, 2, size);
    }
}
