//! The flash of an appliance as a file: set up as a factory would, and looked into from outside.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fasp_firmware::addresses::Ipv4Source;
use fasp_firmware::control_channel::parse_authorized_key;
use fasp_firmware::entropy::SEED_BYTES;
use fasp_firmware::flash::file_system::FileSystem;
use fasp_firmware::flash::memory_flash::MemoryFlash;
use fasp_firmware::flash::settings::{self, Advertised, AuthorizedKeys};
use fasp_firmware::flash::{FlashError, prepare};
use fasp_firmware::storage::{Storage as _, StorageError};

/// Bytes of the board's flash.
const SIZE: usize = 16 << 20;

/// A flash in a file.
#[derive(Debug)]
pub struct FlashImage {
    path: PathBuf,
}

impl FlashImage {
    /// Makes a flash as it leaves the factory: blank, nothing set up.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    #[must_use]
    pub fn blank(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        fs::write(&path, vec![0; SIZE]).expect("the file of the flash");
        Self { path }
    }

    /// Makes one that is set up: a seed of randomness, and one line of `authorized_keys`.
    ///
    /// # Panics
    ///
    /// As for [`Self::blank`], and when the line holds no Ed25519 key.
    #[must_use]
    pub fn set_up(path: impl Into<PathBuf>, authorized_key: &str) -> Self {
        let this = Self::blank(path);
        let key = parse_authorized_key(authorized_key).expect("an Ed25519 key");
        this.change(|flash| {
            prepare(flash)?;
            settings::set_seed(flash, &random_seed())?;
            let keys = AuthorizedKeys::from_slice(&[key]).map_err(|_| FlashError::Full)?;
            settings::set_authorized_keys(flash, &keys)
        });
        this
    }

    /// The same, where there may be one already: only the key and the seed are set anew then, and files stay.
    ///
    /// # Panics
    ///
    /// As for [`Self::set_up`].
    #[must_use]
    pub fn open_or_set_up(path: impl Into<PathBuf>, authorized_key: &str) -> Self {
        let path = path.into();
        if path.exists() {
            Self { path }
        } else {
            Self::set_up(path, authorized_key)
        }
    }

    /// Clients are told to send their datagrams to this port of the loopback.
    ///
    /// # Panics
    ///
    /// When the file is no flash.
    #[must_use]
    pub fn advertising(self, port: u16) -> Self {
        let there = Advertised {
            address: Some([127, 0, 0, 1].into()),
            port,
        };
        self.change(|flash| settings::set_advertised(flash, Some(there)));
        self
    }

    /// Where the appliance's IPv4 address comes from.
    ///
    /// # Panics
    ///
    /// When the file is no flash.
    #[must_use]
    pub fn with_address(self, source: Ipv4Source) -> Self {
        self.change(|flash| settings::set_ipv4(flash, source));
        self
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a file in it holds; `None` if there is none. Only while no board uses the flash.
    ///
    /// # Panics
    ///
    /// When the flash cannot be read.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        let mut memory = fs::read(&self.path).expect("the file of the flash");
        let flash = MemoryFlash::new(&mut memory);
        let mut files = FileSystem::<_, 64>::mount(flash).expect("a file system");
        match files.open(name.as_bytes()) {
            Ok((mut file, entry)) => {
                let size = usize::try_from(entry.size).expect("a size");
                let mut bytes = vec![0; size];
                files.read_at(&mut file, 0, &mut bytes).expect("its bytes");
                Some(bytes)
            }
            Err(StorageError::NotFound) => None,
            Err(error) => panic!("cannot open {name}: {error}"),
        }
    }

    fn change(&self, act: impl FnOnce(&mut MemoryFlash<'_>) -> Result<(), FlashError>) {
        let mut memory = fs::read(&self.path).expect("the file of the flash");
        act(&mut MemoryFlash::new(&mut memory)).expect("a flash that takes settings");
        fs::write(&self.path, memory).expect("the file of the flash");
    }
}

fn random_seed() -> [u8; SEED_BYTES] {
    let mut seed = [0; SEED_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .expect("random bytes from /dev/urandom");
    seed
}
