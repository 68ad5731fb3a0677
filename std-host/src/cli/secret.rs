//! Passwords and private keys that never print and are wiped when dropped.
//!
//! Not a vault: whoever calls [`Secret::expose`] sees the text. Comparing secrets is left out on
//! purpose, since a plain comparison would tell by its duration how much was right.

use std::fmt;

use zeroize::Zeroizing;

/// A password, a key passphrase or the text of a private key.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of the text; it is overwritten when the secret is dropped.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one call that needs it. Never log or print what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print_its_text() {
        let secret = Secret::new("swordfish".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        assert_eq!(format!("{:#?}", Some(&secret)).matches("sword").count(), 0);
        assert_eq!(secret.expose(), "swordfish");
    }
}
