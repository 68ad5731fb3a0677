//! Runs a program on a disk that fails: `disk_fault pwrite|pread ERRNO OFFSET PROGRAM [ARGUMENT...]`.
//!
//! From `OFFSET` of any file on, writing (or reading) at an offset fails with that error number. The kernel's
//! filter of system calls does it, so it needs no rights, no mount and no help of the program. Only for tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// Which argument of `pread64` and `pwrite64` is the offset.
const OFFSET_ARGUMENT: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [call, errno, offset, program, rest @ ..] = arguments.as_slice() else {
        return explain("usage: disk_fault pwrite|pread ERRNO OFFSET PROGRAM [ARGUMENT...]");
    };
    let (Some(call), Some(errno), Some(offset)) =
        (call_number(call), number(errno), number(offset))
    else {
        return explain("which call, error number and offset?");
    };
    match filter(call, errno, offset).and_then(|filter| Ok(seccompiler::apply_filter(&filter)?)) {
        Ok(()) => explain(&Command::new(program).args(rest).exec().to_string()),
        Err(error) => explain(&error.to_string()),
    }
}

fn explain(words: &str) -> ExitCode {
    let _closed = std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes());
    ExitCode::FAILURE
}

fn number(word: &OsString) -> Option<u64> {
    word.to_str()?.parse().ok()
}

/// The system call's number on this processor.
fn call_number(word: &OsString) -> Option<i64> {
    match (word.to_str()?, std::env::consts::ARCH) {
        ("pread", "x86_64") => Some(17),
        ("pwrite", "x86_64") => Some(18),
        ("pread", "aarch64") => Some(67),
        ("pwrite", "aarch64") => Some(68),
        _ => None,
    }
}

fn filter(call: i64, errno: u64, offset: u64) -> Result<BpfProgram, Box<dyn std::error::Error>> {
    let from = SeccompCondition::new(
        OFFSET_ARGUMENT,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::Ge,
        offset,
    )?;
    let rules = BTreeMap::from([(call, vec![SeccompRule::new(vec![from])?])]);
    let processor: TargetArch = std::env::consts::ARCH.try_into()?;
    let fails = SeccompAction::Errno(u32::try_from(errno)?);
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, fails, processor)?.try_into()?)
}
