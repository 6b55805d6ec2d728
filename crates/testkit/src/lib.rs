//! Builders, fakes, fault injection and wait_until; for tests only.
