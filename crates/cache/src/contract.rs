//! What every cache keeps, as tests that any adapter runs.

use std::time::Duration;

use bytes::Bytes;

use crate::Cache;

const LONG: Duration = Duration::from_secs(3_600);

/// Runs every test on one cache. Keys are its own, so that a shared server can be used.
///
/// # Panics
/// Where the cache breaks the contract.
pub async fn suite(cache: &dyn Cache) {
    gives_back_what_was_put(cache).await;
    replaces_value_and_time_to_live(cache).await;
    forgets_what_was_removed(cache).await;
    never_returns_an_entry_after_its_time(cache).await;
}

async fn gives_back_what_was_put(cache: &dyn Cache) {
    assert_eq!(get(cache, "contract/absent").await, None);
    put(cache, "contract/a", "1", LONG).await;
    assert_eq!(get(cache, "contract/a").await, Some("1".into()));
}

async fn replaces_value_and_time_to_live(cache: &dyn Cache) {
    put(cache, "contract/b", "1", Duration::from_millis(30)).await;
    put(cache, "contract/b", "2", LONG).await;
    put(cache, "contract/short", "x", Duration::from_millis(30)).await;
    until_gone(cache, "contract/short").await;
    assert_eq!(get(cache, "contract/b").await, Some("2".into()));
}

async fn forgets_what_was_removed(cache: &dyn Cache) {
    put(cache, "contract/c", "1", LONG).await;
    cache.remove("contract/c").await.expect("remove");
    assert_eq!(get(cache, "contract/c").await, None);
    cache.remove("contract/c").await.expect("removing what is not there is no error");
}

async fn never_returns_an_entry_after_its_time(cache: &dyn Cache) {
    put(cache, "contract/zero", "1", LONG).await;
    put(cache, "contract/zero", "2", Duration::ZERO).await;
    assert_eq!(get(cache, "contract/zero").await, None);
    put(cache, "contract/d", "1", Duration::from_millis(20)).await;
    until_gone(cache, "contract/d").await;
    assert_eq!(get(cache, "contract/d").await, None, "what is gone stays gone");
}

async fn until_gone(cache: &dyn Cache, key: &str) {
    let gone = async {
        while get(cache, key).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("the entry expires");
}

async fn put(cache: &dyn Cache, key: &str, value: &'static str, ttl: Duration) {
    cache.put(key, Bytes::from_static(value.as_bytes()), ttl).await.expect("put");
}

async fn get(cache: &dyn Cache, key: &str) -> Option<Bytes> {
    cache.get(key).await.expect("get")
}
