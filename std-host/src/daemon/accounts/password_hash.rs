//! Hashes of passwords: which kinds are taken, what they may cost, and checking a password against one.
//!
//! argon2id as `ascpd hash-password` makes it; yescrypt (`$y$`) and sha512-crypt (`$6$`) as they stand in `/etc/shadow`.
//! What a check costs is written in the hash, so a hash that would cost too much is refused when its file is read.
//!
//! Source: RFC 9106 and the PHC string format; crypt(5) for the other two.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use sha_crypt::ShaCrypt;
use yescrypt::Yescrypt;

/// Most memory of one check, in KiB.
const MOST_KIB: u64 = 128 << 10;
/// Most passes of argon2id over its memory.
const MOST_PASSES: u32 = 16;
/// Most lanes of argon2id.
const MOST_LANES: u32 = 16;
/// Most rounds of sha512-crypt; without a word it has 5,000.
const MOST_ROUNDS: u32 = 1_000_000;
/// Characters of a salt, and of the result, of sha512-crypt.
const SHA_SALT: std::ops::RangeInclusive<usize> = 1..=16;
const SHA_RESULT: usize = 86;
/// Characters of the salt, and of the result, of yescrypt.
const YESCRYPT_SALT: std::ops::RangeInclusive<usize> = 1..=86;
const YESCRYPT_RESULT: usize = 43;

/// Whether `hash` is of a kind that can be checked at a bearable cost.
///
/// # Errors
///
/// What is wrong, without a piece of the hash.
pub(super) fn check(hash: &str) -> Result<(), String> {
    if hash.starts_with("$argon2") {
        check_argon2(hash)
    } else if let Some(rest) = hash.strip_prefix("$6$") {
        check_sha512(rest)
    } else if let Some(rest) = hash.strip_prefix("$y$") {
        check_yescrypt(rest)
    } else {
        let text = "the hash is none of argon2id (ascpd hash-password makes one), yescrypt ($y$) and sha512-crypt ($6$)";
        Err(text.to_owned())
    }
}

/// Whether `password` is the one of `hash`, which was checked.
pub(super) fn verify(hash: &str, password: &str) -> bool {
    let password = password.as_bytes();
    if hash.starts_with("$6$") {
        ShaCrypt::default().verify_password(password, hash).is_ok()
    } else if hash.starts_with("$y$") {
        Yescrypt::default().verify_password(password, hash).is_ok()
    } else {
        PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }
}

fn check_argon2(hash: &str) -> Result<(), String> {
    let wrong = || "the hash is not a PHC string (see ascpd hash-password)".to_owned();
    let parsed = PasswordHash::new(hash).map_err(|_| wrong())?;
    if parsed.algorithm.as_str() != "argon2id" {
        return Err("of the argon2 hashes only argon2id is accepted".to_owned());
    }
    let cost = argon2::Params::try_from(&parsed).map_err(|_| wrong())?;
    let bearable = u64::from(cost.m_cost()) <= MOST_KIB
        && cost.t_cost() <= MOST_PASSES
        && cost.p_cost() <= MOST_LANES;
    if bearable {
        return Ok(());
    }
    Err(format!(
        "the hash costs too much to check: argon2id may have m={MOST_KIB}, t={MOST_PASSES}, p={MOST_LANES} at most"
    ))
}

fn check_sha512(rest: &str) -> Result<(), String> {
    let wrong = || "the hash is not one of sha512-crypt ($6$)".to_owned();
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$').ok_or_else(wrong)?;
            (rounds.parse::<u32>().map_err(|_| wrong())?, rest)
        }
        None => (5_000, rest),
    };
    let (salt, result) = rest.split_once('$').ok_or_else(wrong)?;
    if !is_crypt_text(salt, &SHA_SALT) || !is_crypt_text(result, &(SHA_RESULT..=SHA_RESULT)) {
        return Err(wrong());
    }
    if !(1_000..=MOST_ROUNDS).contains(&rounds) {
        return Err(format!(
            "the hash has {rounds} rounds: sha512-crypt may have 1000 to {MOST_ROUNDS}"
        ));
    }
    Ok(())
}

fn check_yescrypt(rest: &str) -> Result<(), String> {
    let wrong = || "the hash is not one of yescrypt ($y$) as crypt(5) makes them".to_owned();
    let mut fields = rest.split('$');
    let (Some(cost), Some(salt), Some(result), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(wrong());
    };
    // One character each: the kind, memory, block size; more would be settings that crypt(5) does not make.
    let is_plain = cost.len() == 3 && cost.starts_with('j');
    if !is_plain
        || !is_crypt_text(salt, &YESCRYPT_SALT)
        || !is_crypt_text(result, &(YESCRYPT_RESULT..=YESCRYPT_RESULT))
    {
        return Err(wrong());
    }
    let cost: yescrypt::Params = cost.parse().map_err(|_| wrong())?;
    let kib = cost.n().saturating_mul(u64::from(cost.r())) / 8;
    if kib > MOST_KIB {
        return Err(format!(
            "the hash costs too much to check: yescrypt needs {kib} KiB, and may need {MOST_KIB}"
        ));
    }
    Ok(())
}

/// Letters, digits, `.` and `/`, so many of them.
fn is_crypt_text(text: &str, lengths: &std::ops::RangeInclusive<usize>) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    lengths.contains(&text.len()) && text.bytes().all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with `mkpasswd` of Debian 12 for the password "correct horse".
    const SHADOW: [&str; 3] = [
        "$y$j9T$2IlzKYyc4EemiPUYDdJGj0$pCWxrS8bkwBSmZQABTAog8HZoKB.f21HKO362il1Mc8",
        "$6$PtvMhkCXqmtlk6/m$zAEJYS1fzDH8oWBiwgNK4pT.4haugPM740WZpFzmUjifrL8Wglyi6ilSDvOdozK14dwlfwX1GKTk9QYhjVo9U1",
        "$6$rounds=20000$7Zdy1MotoZiGQgVX$IhKDYZdM2YqyvUVtk1iwXVbqIbIdU6yNEqM1esrznCs2Xpy88ARpS9A.Buh7zAaGMyTmyj49eFT/Ahh9wFSn90",
    ];

    #[test]
    fn hashes_of_shadow_files_admit_their_password_and_no_other() {
        for hash in SHADOW {
            check(hash).unwrap();
            assert!(verify(hash, "correct horse"), "{hash}");
            for wrong in ["", "correct hors", "correct horse ", "Correct horse"] {
                assert!(!verify(hash, wrong), "{hash}");
            }
        }
    }

    #[test]
    fn what_would_cost_too_much_or_is_no_hash_is_refused_without_being_shown() {
        let salt = "saltsaltsalt";
        let (sha, yes) = ("a".repeat(SHA_RESULT), "a".repeat(YESCRYPT_RESULT));
        let argon = |cost: &str| format!("$argon2id$v=19${cost}$c2FsdHNhbHQ${}", "A".repeat(43));
        check(&argon("m=19456,t=2,p=1")).unwrap();
        for (hash, why) in [
            (
                format!("$6$rounds=999999999${salt}${sha}"),
                "1000 to 1000000",
            ),
            (format!("$6$rounds=10${salt}${sha}"), "1000 to 1000000"),
            (format!("$6$rounds=x${salt}${sha}"), "not one of sha512"),
            (format!("$6${}${sha}", "s".repeat(17)), "not one of sha512"),
            (format!("$6${salt}${sha}$"), "not one of sha512"),
            (format!("$y$jHT${salt}${yes}"), "KiB"),
            (format!("$y$j9T${salt}${yes}$x"), "not one of yescrypt"),
            (format!("$y$j9T.1${salt}${yes}"), "not one of yescrypt"),
            (format!("$y$.9T${salt}${yes}"), "not one of yescrypt"),
            (format!("$1${salt}$aaaa"), "none of argon2id"),
            (argon("m=4194304,t=2,p=1"), "costs too much"),
            (argon("m=19456,t=1000,p=1"), "costs too much"),
            ("secret".to_owned(), "none of argon2id"),
        ] {
            let text = check(&hash).unwrap_err();
            assert!(text.contains(why), "{hash}: {text}");
            assert!(!text.contains(salt) && !text.contains("secret"), "{text}");
        }
    }
}
