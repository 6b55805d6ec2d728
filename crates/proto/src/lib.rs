//! Wire types generated from /proto, the `Wire` trait and the conversions between model and wire.
