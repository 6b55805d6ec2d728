//! The store against a model of itself, and the bounds of its history.

use proptest::prelude::*;

use super::*;

fn put(store: &mut Store, namespace: &str, name: &str) -> u64 {
    let key = Key::new(namespace, name);
    store.put(Kind::Pod, key, Traits::default(), |version| format!("{{\"v\":{version}}}"))
}

#[test]
fn lists_in_the_order_of_namespace_and_name() {
    let mut store = Store::new(100);
    for (namespace, name) in [("shop", "b"), ("shop", "a"), ("media", "z"), ("shopping", "a")] {
        put(&mut store, namespace, name);
    }
    let names = |namespace| {
        let found = store.list(Kind::Pod, namespace);
        found.iter().map(|o| format!("{}/{}", o.key.namespace, o.key.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["media/z", "shop/a", "shop/b", "shopping/a"]);
    assert_eq!(names(Some("shop")), ["shop/a", "shop/b"]);
    assert!(names(Some("none")).is_empty());
    assert_eq!(store.count(Kind::Pod), 4);
    assert_eq!(store.count(Kind::Node), 0);
}

#[test]
fn tells_added_modified_and_deleted_apart() {
    let mut store = Store::new(0);
    put(&mut store, "shop", "a");
    put(&mut store, "shop", "a");
    store.remove(Kind::Pod, &Key::new("shop", "a"), |version| format!("{{\"gone\":{version}}}"));
    store.remove(Kind::Pod, &Key::new("shop", "a"), |_| unreachable!("it is gone already"));
    let changes = store.changes_after(Kind::Pod, 0).expect("nothing is forgotten");
    let kinds: Vec<_> = changes.iter().map(|c| (c.kind, c.object.version)).collect();
    assert_eq!(kinds, [(ChangeKind::Added, 1), (ChangeKind::Modified, 2), (ChangeKind::Deleted, 3)]);
    assert!(store.get(Kind::Pod, &Key::new("shop", "a")).is_none());
}

#[test]
fn an_old_version_is_expired_once_its_changes_are_forgotten() {
    let mut store = Store::new(50);
    put(&mut store, "shop", "a");
    let seen = put(&mut store, "shop", "a");
    assert_eq!(store.changes_after(Kind::Pod, 49).map(|_| ()), Err(Expired { asked: 49, oldest: 50 }));
    assert_eq!(store.changes_after(Kind::Pod, 50).expect("kept").len(), 2);
    store.compact();
    assert!(store.changes_after(Kind::Pod, seen - 1).is_err());
    assert!(store.changes_after(Kind::Pod, seen).expect("nothing newer").is_empty());
}

#[test]
fn the_history_stays_within_its_bounds() {
    let mut store = Store::new(0);
    let body = "x".repeat(4_096);
    for _ in 0..1_000 {
        store.put(Kind::Event, Key::new("shop", "e"), Traits::default(), |_| body.clone());
    }
    let shelf = &store.shelves[Kind::Event as usize];
    assert!(shelf.history_bytes <= HISTORY_BYTES + 4_096, "{}", shelf.history_bytes);
    assert_eq!(shelf.history_bytes, shelf.history.len() * 4_096);
    assert_eq!(shelf.live_bytes, 4_096);
}

proptest! {
    #[test]
    fn a_list_and_the_changes_after_it_give_the_next_list(
        before in prop::collection::vec((0_u8..8, any::<bool>()), 0..40),
        after in prop::collection::vec((0_u8..8, any::<bool>()), 0..40),
    ) {
        let mut store = Store::new(10);
        let apply = |store: &mut Store, steps: &[(u8, bool)]| {
            for (name, is_put) in steps {
                let name = name.to_string();
                if *is_put {
                    put(store, "shop", &name);
                } else {
                    store.remove(Kind::Pod, &Key::new("shop", name), |v| v.to_string());
                }
            }
        };
        apply(&mut store, &before);
        let mut seen: BTreeMap<Key, u64> =
            store.list(Kind::Pod, None).iter().map(|o| (o.key.clone(), o.version)).collect();
        let version = store.version();
        apply(&mut store, &after);
        for change in store.changes_after(Kind::Pod, version).expect("kept") {
            match change.kind {
                ChangeKind::Deleted => prop_assert!(seen.remove(&change.object.key).is_some()),
                ChangeKind::Added => {
                    let key = change.object.key.clone();
                    prop_assert!(seen.insert(key, change.object.version).is_none());
                }
                ChangeKind::Modified => {
                    let key = change.object.key.clone();
                    prop_assert!(seen.insert(key, change.object.version).is_some());
                }
            }
        }
        let now: BTreeMap<Key, u64> =
            store.list(Kind::Pod, None).iter().map(|o| (o.key.clone(), o.version)).collect();
        prop_assert_eq!(seen, now);
    }
}
