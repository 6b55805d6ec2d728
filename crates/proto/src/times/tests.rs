//! Times survive whatever moves with what, and cost one number a group.

use proptest::prelude::*;

use super::*;

/// Writes one frame and reads it back. Gives the bytes of the columns.
fn through(
    (written, read): (&mut TimeGroups, &mut TimeGroups),
    (groups_written, groups_read): (&mut [u32], &mut [u32]),
    scraped: i64,
    times: &[Option<i64>],
) -> usize {
    let mut writer = TimeWriter::new(written, scraped);
    let mut still = Vec::new();
    for (i, time) in times.iter().enumerate() {
        still.push(time.map(|time| writer.put(i, &mut groups_written[i], time)));
    }
    let columns = [&*writer.regrouped.column, &*writer.regrouped_to, &*writer.times];
    let mut reader = TimeReader::new(read, scraped, columns).expect("what was written");
    for (i, time) in times.iter().enumerate() {
        if let Some(time) = time {
            let taken = reader.take(i, &mut groups_read[i]).expect("what was written");
            assert_eq!((taken.0, Some(taken.1)), (*time, still[i]));
        }
    }
    reader.finish().expect("nothing else");
    columns.iter().map(|column| column.len()).sum()
}

#[test]
fn samples_of_one_container_cost_one_time() {
    let (mut written, mut read) = (TimeGroups::default(), TimeGroups::default());
    let (mut groups_written, mut groups_read) = (vec![NO_GROUP; 300], vec![NO_GROUP; 300]);
    let mut n_bytes = Vec::new();
    for frame in 0..5i64 {
        // Three containers, each sampled at a time of its own; the third one only in every other frame.
        let time = |i: i64| match i % 3 {
            2 => frame / 2 * 20_000 + 55,
            container => frame * 10_000 + container * 777 + frame * frame,
        };
        let times: Vec<_> = (0..300).map(|i| Some(time(i))).collect();
        let groups = (&mut *groups_written, &mut *groups_read);
        n_bytes.push(through((&mut written, &mut read), groups, frame * 10_000, &times));
    }
    assert_eq!(written.len(), 3);
    assert!(n_bytes[1..].iter().all(|n_bytes| *n_bytes <= 6), "{n_bytes:?}");
}

#[test]
fn samples_without_a_time_of_their_own_cost_one_byte() {
    let (mut written, mut read) = (TimeGroups::default(), TimeGroups::default());
    let (mut groups_written, mut groups_read) = (vec![NO_GROUP; 50], vec![NO_GROUP; 50]);
    let groups = (&mut *groups_written, &mut *groups_read);
    through((&mut written, &mut read), groups, 1_000, &[Some(1_000); 50]);
    let groups = (&mut *groups_written, &mut *groups_read);
    assert_eq!(through((&mut written, &mut read), groups, 11_003, &[Some(11_003); 50]), 1);
}

#[test]
fn refuses_a_sample_without_a_group_and_a_group_out_of_nowhere() {
    let mut groups = TimeGroups::default();
    let mut reader = TimeReader::new(&mut groups, 0, [&[], &[], &[]]).expect("empty columns");
    assert!(reader.take(0, &mut { NO_GROUP }).is_err());
    let mut reader = TimeReader::new(&mut groups, 0, [&[0], &[7], &[0]]).expect("readable columns");
    assert!(reader.take(0, &mut { NO_GROUP }).is_err());
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => (0i64..4).prop_map(|step| step * 10_000),
        2 => -20_000i64..20_000,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, -1]),
        1 => any::<i64>(),
    ]
}

proptest! {
    #[test]
    fn gives_back_every_time(
        frames in prop::collection::vec((time(), prop::collection::vec(prop::option::weighted(0.8, time()), 12)), 1..12),
        key in 0usize..12,
    ) {
        let (mut written, mut read) = (TimeGroups::default(), TimeGroups::default());
        let (mut groups_written, mut groups_read) = (vec![NO_GROUP; 12], vec![NO_GROUP; 12]);
        for (i, (scraped, times)) in frames.into_iter().enumerate() {
            if i == key {
                // As if this reader had started with this key frame.
                written.clear();
                read = TimeGroups::default();
                groups_written.fill(NO_GROUP);
                groups_read.fill(NO_GROUP);
            }
            let groups = (&mut *groups_written, &mut *groups_read);
            through((&mut written, &mut read), groups, scraped, &times);
        }
    }
}
