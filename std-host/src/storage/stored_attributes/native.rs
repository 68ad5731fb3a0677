//! Attributes in the file system.

use std::ffi::CString;
use std::os::fd::OwnedFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::{Sort, Stored};

/// What the access list of a file is called among access lists.
pub(super) const ACCESS: &[u8] = b"access";
/// And among attributes.
const ACCESS_XATTR: &std::ffi::CStr = c"system.posix_acl_access";
/// Bytes of names, or of one value, that the system may have.
const MOST_BYTES: usize = 64 * 1024;

/// Adds what `file` has in the spaces that travel.
pub(super) fn read_xattrs(file: &OwnedFd, found: &mut Vec<Stored>) -> Result<(), Errno> {
    let mut names = vec![0; MOST_BYTES];
    let length = match rustix::fs::flistxattr(file, names.as_mut_slice()) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
        outcome => outcome?,
    };
    let names = names.get(..length).unwrap_or_default();
    for name in names.split(|byte| *byte == 0) {
        if name.starts_with(b"user.") || name.starts_with(b"trusted.") {
            let key = CString::new(name).map_err(|_| Errno::INVAL)?;
            if let Some(value) = value(file, &key)? {
                let name = name.to_vec();
                found.push(Stored {
                    sort: Sort::Xattr,
                    name,
                    value,
                });
            }
        }
    }
    Ok(())
}

/// Adds the access list of `file`, if it has more than its mode says.
pub(super) fn read_acl(file: &OwnedFd, found: &mut Vec<Stored>) -> Result<(), Errno> {
    match value(file, ACCESS_XATTR) {
        Ok(Some(value)) => found.push(Stored {
            sort: Sort::Acl,
            name: ACCESS.to_vec(),
            value,
        }),
        Ok(None) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// `None` if it is not there, any more.
fn value(file: &OwnedFd, name: &std::ffi::CStr) -> Result<Option<Vec<u8>>, Errno> {
    let mut bytes = vec![0; MOST_BYTES];
    match rustix::fs::fgetxattr(file, name, bytes.as_mut_slice()) {
        Ok(length) => {
            bytes.truncate(length);
            Ok(Some(bytes))
        }
        Err(Errno::NODATA) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Gives `file` one attribute. The system judges an access list.
pub(super) fn write(file: &OwnedFd, stored: &Stored) -> Result<(), Errno> {
    let name = match stored.sort {
        Sort::Acl => ACCESS_XATTR.to_owned(),
        Sort::Xattr => CString::new(stored.name.as_slice()).map_err(|_| Errno::INVAL)?,
    };
    rustix::fs::fsetxattr(file, name.as_c_str(), &stored.value, XattrFlags::empty())
}
