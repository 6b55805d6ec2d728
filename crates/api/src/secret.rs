//! Tokens of the API: made, recognised, compared.
//!
//! A token is 256 random bits, so a fast hash is the right one: slow hashes guard passwords that people choose and
//! others can guess. Only the hash is kept.

use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use crate::tickets::hex;

/// What every token begins with, for people and for scanners of secrets.
const PREFIX: &str = "smt_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A new token and its id, which is part of it.
pub fn generate() -> (String, String) {
    let mut bytes = [0; ID_BYTES + SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let (id, secret) = (hex(&bytes[..ID_BYTES]), hex(&bytes[ID_BYTES..]));
    (format!("{PREFIX}{id}_{secret}"), id)
}

/// The id within a token; `None` if it is none of ours.
pub fn id_of(token: &[u8]) -> Option<&str> {
    let (id, secret) = std::str::from_utf8(token).ok()?.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |text: &str, n_bytes: usize| {
        text.len() == 2 * n_bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    (is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES)).then_some(id)
}

pub fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Looks at every byte, so that the time tells nothing of where two hashes differ.
pub fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_its_id_and_256_bits_of_chance() {
        let (token, id) = generate();
        assert_eq!(id_of(token.as_bytes()), Some(id.as_str()));
        assert_eq!(token.len(), "smt_".len() + 16 + 1 + 64);
        assert_ne!(token, generate().0);
        let cut = &token[..token.len() - 1];
        for wrong in ["", "smt_", "smt__", "smt_é_ü", cut, &token.replace('_', "-"), &format!("{cut}z")] {
            assert_eq!(id_of(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(id_of(b"\xff\xfe"), None);
    }

    #[test]
    fn hashes_are_equal_or_not() {
        assert!(is_equal(&hash(b"secret"), &hash(b"secret")));
        assert!(!is_equal(&hash(b"secreT"), &hash(b"secret")));
        assert!(!is_equal(&hash(b""), &hash(b"secret")));
        assert_eq!(hex(&hash(b"abc"))[..8], *"ba7816bf", "SHA-256 of FIPS 180-2");
    }
}
