//! Cursors of lists: opaque tokens that only fit the question they came from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::dto::Page;
use crate::error::ApiError;
use crate::params::Paging;

/// Longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 2_048;

impl Paging {
    /// Where to continue, if this is not the first page.
    ///
    /// # Errors
    /// A token that was tampered with or belongs to another question.
    pub fn cursor<C: DeserializeOwned>(&self) -> Result<Option<C>, ApiError> {
        self.page_token.as_deref().map(|token| decode(token, self.fingerprint)).transpose()
    }

    pub fn token(&self, cursor: &impl Serialize) -> String {
        encode(cursor, self.fingerprint)
    }

    /// The page of `items` (in order of their cursors) that follows the given cursor.
    ///
    /// # Errors
    /// As [`Self::cursor`].
    pub fn cut<T, C>(
        &self,
        items: Vec<T>,
        cursor_of: impl Fn(&T) -> C,
    ) -> Result<(Vec<T>, Option<String>), ApiError>
    where
        C: Ord + Serialize + DeserializeOwned,
    {
        let after: Option<C> = self.cursor()?;
        let first = after.map_or(0, |after| items.partition_point(|item| cursor_of(item) <= after));
        let n_left = items.len() - first;
        let limit = self.limit as usize;
        let page: Vec<T> = items.into_iter().skip(first).take(limit).collect();
        let next = page.last().filter(|_| n_left > limit).map(|last| self.token(&cursor_of(last)));
        Ok((page, next))
    }
}

impl<T> Page<T> {
    pub fn new((items, next_page_token): (Vec<T>, Option<String>)) -> Self {
        Self { items, next_page_token }
    }

    pub fn map<U>(self, row: impl FnMut(T) -> Option<U>) -> Page<U> {
        Page {
            items: self.items.into_iter().filter_map(row).collect(),
            next_page_token: self.next_page_token,
        }
    }
}

/// The checksum is no secret: a forged cursor reads nothing that the question does not give anyway.
fn encode(cursor: &impl Serialize, fingerprint: u64) -> String {
    let json = serde_json::to_vec(cursor).unwrap_or_default();
    let mut bytes = xxh3_64_with_seed(&json, fingerprint).to_le_bytes().to_vec();
    bytes.extend(json);
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode<C: DeserializeOwned>(token: &str, fingerprint: u64) -> Result<C, ApiError> {
    let known = || {
        let bytes =
            URL_SAFE_NO_PAD.decode(Some(token).filter(|token| token.len() <= MAX_TOKEN_BYTES)?).ok()?;
        let (checksum, json) = bytes.split_at_checked(8)?;
        let is_ours = xxh3_64_with_seed(json, fingerprint).to_le_bytes() == *checksum;
        if is_ours { serde_json::from_slice(json).ok() } else { None }
    };
    known().ok_or(ApiError::PageToken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paging(limit: u32, page_token: Option<String>) -> Paging {
        Paging { limit, page_token, fingerprint: 7 }
    }

    #[test]
    fn a_token_fits_its_own_question_only() {
        let token = paging(1, None).token(&("a", 1));
        let asked = paging(1, Some(token.clone()));
        assert_eq!(asked.cursor::<(String, i32)>().expect("its own").expect("a cursor"), ("a".into(), 1));
        let other = Paging { fingerprint: 8, ..asked };
        assert!(matches!(other.cursor::<(String, i32)>(), Err(ApiError::PageToken)));
        for wrong in ["", "x", "%%%", &token[1..], &format!("{token}A"), &"A".repeat(10_000)] {
            assert!(paging(1, Some(wrong.to_owned())).cursor::<(String, i32)>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn pages_neither_repeat_nor_miss(n in 0u32..60, limit in 1u32..20) {
            let all: Vec<u32> = (0..n).collect();
            let (mut seen, mut token) = (Vec::new(), None);
            loop {
                let (page, next) = paging(limit, token).cut(all.clone(), |n| *n).expect("its own token");
                seen.extend(page);
                token = next;
                if token.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, all);
        }

        #[test]
        fn never_panics(token in "\\PC{0,60}") {
            let _ = paging(1, Some(token)).cursor::<String>();
        }
    }
}
