//! A throw-away computer for one test: home folder, keys, a folder at each end.
//!
//! Everything lies below one temporary folder that goes with the [`World`].

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::keys;

/// The user and group id that owns nothing: permission tests run as it when the test is root.
pub const NOBODY: u32 = 65_534;

/// Folders and keys of one test.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
    authorized_key: String,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A fresh world.
    ///
    /// # Panics
    ///
    /// When the temporary folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fasp-test-")
            .tempdir()
            .expect("a temporary folder");
        // Open to other users, because permission tests run the client as one of them.
        set_mode(folder.path(), 0o755);
        let root = folder.path();
        for name in ["home", "local", "remote", "server"] {
            fs::create_dir(root.join(name)).expect("a folder in the temporary folder");
        }
        let authorized_key = keys::generate(&root.join("client_key"));
        fs::write(
            root.join("server/authorized_keys"),
            format!("{authorized_key}\n"),
        )
        .expect("authorized_keys");
        Self {
            folder,
            authorized_key,
        }
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// `HOME` of the client.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// A path on the client's side.
    #[must_use]
    pub fn local(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join("local").join(path)
    }

    /// A path on the server's side, where the disk has it.
    #[must_use]
    pub fn remote(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join("remote").join(path)
    }

    /// The folder of the server's own files: host key, authorised keys, configuration.
    #[must_use]
    pub fn server_folder(&self) -> PathBuf {
        self.root().join("server")
    }

    /// The private key that servers of this world accept.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.root().join("client_key")
    }

    /// The line of `authorized_keys` that belongs to [`Self::client_key`].
    #[must_use]
    pub fn authorized_key(&self) -> &str {
        &self.authorized_key
    }

    /// A further key, which no server of this world knows.
    #[must_use]
    pub fn stranger_key(&self) -> PathBuf {
        let path = self.root().join("stranger_key");
        keys::generate(&path);
        path
    }

    /// Runs `command` as a user for whom file modes count: as [`NOBODY`] when the test is root
    /// (who may read everything), else unchanged. Home and key are handed to that user.
    ///
    /// # Panics
    ///
    /// When ownership cannot be changed.
    pub fn lower_privileges(&self, command: &mut Command) {
        use std::os::unix::process::CommandExt as _;
        if !rustix::process::geteuid().is_root() {
            return;
        }
        for path in [self.home(), self.client_key(), self.local("")] {
            std::os::unix::fs::chown(&path, Some(NOBODY), Some(NOBODY))
                .unwrap_or_else(|error| panic!("cannot give {path:?} away: {error}"));
        }
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Sets the permission bits of `path`.
///
/// # Panics
///
/// When the system refuses.
pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("cannot set the mode of {path:?}: {error}"));
}

/// A small file system in memory, mounted for as long as this lives.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts `size_bytes` at `at`; `None` where this process may not mount.
    ///
    /// # Panics
    ///
    /// When `at` cannot be created.
    #[must_use]
    pub fn mount(at: &Path, size_bytes: u64) -> Option<Self> {
        fs::create_dir_all(at).expect("a mount point");
        run("mount", |command| {
            let size = format!("size={size_bytes},mode=0755");
            command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        })
        .then(|| Self { at: at.into() })
    }

    /// Makes it read-only.
    ///
    /// # Panics
    ///
    /// When the system refuses.
    pub fn make_read_only(&self) {
        let done = run("mount", |command| {
            command.args(["-o", "remount,ro"]).arg(&self.at);
        });
        assert!(done, "cannot make {} read-only", self.at.display());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", |command| {
            command.arg("--lazy").arg(&self.at);
        });
    }
}

/// Whether `program` is on the search path.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join(program).is_file())
}

/// Runs a tool quietly; false when it fails or is missing.
pub fn run(program: impl AsRef<OsStr>, arguments: impl FnOnce(&mut Command)) -> bool {
    let mut command = Command::new(program);
    arguments(&mut command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
