//! Trace context in headers of messages: which message led to which.
//!
//! Every message has one. What a role publishes because of a message that it has read goes on with that message's
//! trace; everything else begins one. The form is that of <https://www.w3.org/TR/trace-context/#traceparent-header>,
//! which tools for Kafka read too.

use bytes::Bytes;

use crate::{Outgoing, Record};

/// Name of the header.
pub const TRACEPARENT: &str = "traceparent";
/// `00-` trace `-` span `-` flags.
const LENGTH: usize = 55;

/// What was published because of `cause` goes on with its trace.
pub fn follow(cause: &Record, outgoing: &mut [Outgoing]) {
    let Some(trace) = trace_of(cause) else { return };
    for message in outgoing {
        let headers = &mut message.record.headers;
        if !headers.iter().any(|(name, _)| name == TRACEPARENT) {
            headers.push((TRACEPARENT.to_owned(), header(trace)));
        }
    }
}

/// The trace that a message belongs to, in hexadecimal.
pub fn trace_id(record: &Record) -> Option<String> {
    trace_of(record).map(|trace| format!("{trace:032x}"))
}

/// Begins a trace unless the message has one.
pub(crate) fn begin(record: &mut Record) {
    if trace_of(record).is_none() {
        record.headers.retain(|(name, _)| name != TRACEPARENT);
        record.headers.push((TRACEPARENT.to_owned(), header(rand::random::<u128>() | 1)));
    }
}

/// Neither number may be zero.
fn header(trace: u128) -> Bytes {
    let span = rand::random::<u64>() | 1;
    Bytes::from(format!("00-{trace:032x}-{span:016x}-01"))
}

fn trace_of(record: &Record) -> Option<u128> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == TRACEPARENT)?;
    let text = std::str::from_utf8(value).ok()?;
    // Later versions may add to the end.
    let is_complete = text.len() == LENGTH || (text.len() > LENGTH && !text.starts_with("00-"));
    let mut parts = text.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, n| {
        part.len() == n && part.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    if !is_complete || !is_hex(version, 2) || version == "ff" || !is_hex(trace, 32) || !is_hex(span, 16) {
        return None;
    }
    u128::from_str_radix(trace, 16).ok().filter(|trace| *trace != 0)
}

#[cfg(test)]
mod tests {
    use sentinel_model::{Timestamp, Topic};

    use super::*;
    use crate::Route;

    fn record(traceparent: Option<&str>) -> Record {
        let header = |value: &str| (TRACEPARENT.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
        Record {
            key: Bytes::new(),
            value: Bytes::new(),
            headers: traceparent.map(header).into_iter().collect(),
            timestamp: Timestamp::from_secs(1),
        }
    }

    /// From <https://www.w3.org/TR/trace-context/#examples-of-http-traceparent-headers>.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn begins_one_where_there_is_none() {
        let (mut one, mut other) = (record(None), record(None));
        begin(&mut one);
        begin(&mut other);
        assert!(trace_id(&one).is_some() && trace_id(&one) != trace_id(&other));
        let mut again = one.clone();
        begin(&mut again);
        assert_eq!(again, one);
    }

    #[test]
    fn goes_on_with_the_trace_of_the_cause_in_a_span_of_its_own() {
        let mut outgoing = [Outgoing { topic: Topic::Rollups, route: Route::ByKey, record: record(None) }];
        follow(&record(Some(EXAMPLE)), &mut outgoing);
        let [Outgoing { record: followed, .. }] = &outgoing;
        assert_eq!(trace_id(followed).as_deref(), Some(TRACE));
        assert_ne!(&followed.headers[0].1[..], EXAMPLE.as_bytes());
        let before = outgoing.clone();
        follow(&record(Some(&EXAMPLE.replace("4bf9", "0000"))), &mut outgoing);
        assert_eq!(outgoing, before, "it has one");
    }

    #[test]
    fn what_is_none_is_replaced() {
        let zero = "0".repeat(32);
        for wrong in [
            "",
            "00",
            "00-",
            "\u{e4}",
            &EXAMPLE[1..],
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replacen("00", "ff", 1),
            &EXAMPLE.replace(TRACE, &zero),
            &format!("{EXAMPLE}-more"),
        ] {
            let mut record = record(Some(wrong));
            assert_eq!(trace_id(&record), None, "{wrong}");
            begin(&mut record);
            assert_eq!(record.headers.len(), 1);
            assert!(trace_id(&record).is_some());
        }
        let later = format!("{}-more", EXAMPLE.replacen("00", "01", 1));
        assert_eq!(trace_id(&record(Some(&later))).as_deref(), Some(TRACE), "of a later version");
    }
}
