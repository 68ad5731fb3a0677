//! Protocol error numbers as users, management clients and logs know them.
//!
//! Not exit statuses: the host maps a fault to those. Numbers and texts are public facts of the
//! original program (error numbers 0 to 66); 1 and 8 are worded for this one.

use core::fmt;

macro_rules! faults {
    ($($number:literal $name:ident $text:literal $retryable:literal;)*) => {
        /// Why a session or a file failed.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Fault {
            $(#[doc = $text] $name = $number,)*
        }

        impl Fault {
            /// Every fault, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The fault with this number; [`Fault::Unknown`] for a number not in the table.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    _ => Self::Unknown,
                }
            }

            /// The public text of the fault.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Whether trying the same transfer again may succeed.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self {
                    $(Self::$name => $retryable,)*
                }
            }
        }
    };
}

faults! {
    0 Unknown "unknown" false;
    1 Protocol "Protocol error" false;
    2 Ascp "ASCP error" false;
    3 AmbiguousTarget "Ambiguous target" false;
    4 NoSuchFile "No such file or directory" false;
    5 NoPermissions "Insufficient permissions" false;
    6 NotADirectory "Target must be a directory" false;
    7 IsADirectory "Expected regular file" false;
    8 Usage "Incorrect usage of ascp command" false;
    9 LicenseDuplicate "Duplicate license" false;
    10 LicenseRate "Rate exceeds cap imposed by license" false;
    11 InternalError "Internal error" false;
    12 TransferError "Error establishing SSH connection (check SSH port and firewall)" true;
    13 TransferTimeout "Timeout establishing SSH connection (check SSH port and firewall)" true;
    14 ConnectionError "Error establishing UDP connection (check UDP port and firewall)" true;
    15 ConnectionTimeout "Timeout establishing UDP connection (check UDP port and firewall)" true;
    16 ConnectionLost "Connection lost" true;
    17 ReceiverSend "Network failure (receiver can't send feedback)" true;
    18 ReceiverReceive "Network failure (receiver can't receive UDP data)" true;
    19 Authentication "Authentication failure" false;
    20 NothingToTransfer "Nothing to transfer" false;
    21 NotRegular "Not a regular file" false;
    22 FileTableOverflow "File table overflow" false;
    23 TooManyFiles "Too many files open" true;
    24 FileTooBig "File too big for filesystem" false;
    25 NoSpaceLeft "No space left on disk" false;
    26 ReadOnlyFileSystem "Read only filesystem" false;
    27 SomeFilesFailed "One or more files failed" false;
    28 UserCancelled "Cancelled by user" false;
    29 LicenseMissing "Unable to access license info" false;
    30 LicenseExpired "License expired" false;
    31 SocketSetup "Unable to set up socket" false;
    32 OutOfMemory "Out of memory" true;
    33 ThreadSpawn "Unable to spawn thread" true;
    34 Unauthorized "Unauthorized" false;
    35 DiskRead "Disk read error" true;
    36 DiskWrite "Disk write error" true;
    37 AuthorizationFailed "Authorization failure" true;
    38 LicenseForbids "Operation not permitted by license" false;
    39 PeerAborted "Peer aborted session" true;
    40 DataTransferTimeout "Data transfer stalled, timed out" true;
    41 OutsideDocroot "File location is outside 'docroot' hierarchy" false;
    42 AlreadyExists "File or directory already exists" false;
    43 StatFails "Cannot collect details about file or directory" false;
    44 PathSetup "UDP session initiation fatal error" true;
    45 BandwidthMeasurement "Bandwidth measurement fatal error" true;
    46 VirtualLink "Virtual link error" false;
    47 HttpConnection "Error establishing HTTP connection (check HTTP port and firewall)" false;
    48 FileEncryption "File encryption/decryption error, e.g. corrupt file" false;
    49 FileDecryptionPassphrase "File decryption error, bad passphrase" false;
    50 BadConfiguration "Invalid configuration" false;
    51 InsecureConnection "Remote host is not who we expected" false;
    52 StartValidationFailed "File start validation failed" false;
    53 StopValidationFailed "File stop validation failed" false;
    54 ThresholdValidationFailed "File threshold validation failed" false;
    55 FilePathTooLong "File path exceeds underlying file system limit" false;
    56 IllegalCharsInPath "Path being written to Windows file system contains illegal characters" false;
    57 ChunkMustMatchAlignment "Chunk size/start must be aligned with storage" false;
    58 ValidationAbort "Session aborted due to validation error" false;
    59 RemoteStorage "Remote storage errored" false;
    60 ScriptAborted "Session aborted due to Lua script abort" false;
    61 StorageEncryptionRetryable "Transfer failed because of a retryable Encryption at Rest error" true;
    62 StorageEncryptionFatal "Transfer failed because of a fatal Encryption at Rest error" false;
    63 LinkLoop "Path refers to a symbolic link loop" false;
    64 CannotRenamePartialFiles "Can't rename a partial file" false;
    65 CipherNotFips "Can't use this cipher with FIPS mode enabled" false;
    66 PeerRequiresFips "Peer rejects cipher due to FIPS mode enabled on peer" false;
}

impl Fault {
    /// The public number of the fault.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_from_0_to_66_names_itself() {
        for number in 0..=66 {
            assert_eq!(Fault::from_number(number).number(), number);
        }
        assert_eq!(Fault::ALL.len(), 67);
    }

    #[test]
    fn a_number_outside_the_table_is_unknown() {
        assert_eq!(Fault::from_number(67), Fault::Unknown);
        assert_eq!(Fault::from_number(u16::MAX), Fault::Unknown);
    }

    #[test]
    fn only_transient_faults_are_worth_another_try() {
        assert!(Fault::ConnectionTimeout.is_retryable());
        assert!(!Fault::Authentication.is_retryable());
        assert!(!Fault::NoSpaceLeft.is_retryable());
    }
}
