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
    gives_an_entry_to_one_taker(cache).await;
    counts_each_call_within_the_time_to_live(cache).await;
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

async fn gives_an_entry_to_one_taker(cache: &dyn Cache) {
    put(cache, "contract/taken", "1", LONG).await;
    let takers = (0..8).map(|_| cache.take("contract/taken"));
    let taken = futures::future::join_all(takers).await;
    let n_taken = taken.into_iter().filter(|taken| matches!(taken, Ok(Some(value)) if value == "1")).count();
    assert_eq!(n_taken, 1);
    assert_eq!(get(cache, "contract/taken").await, None);
}

async fn counts_each_call_within_the_time_to_live(cache: &dyn Cache) {
    let calls = (0..8).map(|_| cache.count("contract/counter", LONG));
    let mut sums: Vec<u64> =
        futures::future::join_all(calls).await.into_iter().map(|sum| sum.expect("a sum")).collect();
    sums.sort_unstable();
    assert_eq!(sums, [1, 2, 3, 4, 5, 6, 7, 8]);
    let short = Duration::from_millis(50);
    cache.count("contract/short-counter", short).await.expect("a sum");
    let begins_anew = async {
        while cache.count("contract/short-counter", short).await.expect("a sum") > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), begins_anew).await.expect("calls do not prolong a counter");
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
